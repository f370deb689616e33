"""Kernels whose cache has no place, and errors that are not the cache's."""

from __future__ import annotations

import pytest

from dmoe_opt import compiling


def test_a_kernel_without_a_place_for_its_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that is in no file cannot be cached; it is compiled all the same, and noted."""
    monkeypatch.setattr(compiling, "without_cache", [])
    names: dict[str, object] = {}
    exec(compile("def twice(x):\n    return 2 * x\n", "<nowhere>", "exec"), names)
    twice = compiling.cached()(names["twice"])  # type: ignore[arg-type]
    assert compiling.call(twice, 3) == 6
    assert compiling.without_cache == ["twice"]


def test_errors_of_a_kernel_are_its_own() -> None:
    """A kernel that has run before is not compiled again because it raises."""

    @compiling.cached()
    def inverse(x):  # type: ignore[no-untyped-def]
        return 1 // x

    assert compiling.call(inverse, 1) == 1
    with pytest.raises(ZeroDivisionError):
        compiling.call(inverse, 0)
