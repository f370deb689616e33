"""Arrays of other libraries are accepted where an array is, and the same as numpy's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dmoe_opt import InputError, Instance, Radio

SCORES = np.array([[0.25, 0.75], [0.5, 0.5]])
GAINS = np.array([[[1.0], [2.0]], [[3.0], [1.0]]])


def pandas_table(library: Any, array: Any) -> Any:
    """A table for what has rows and columns; columns that may have gaps come as objects."""
    return library.DataFrame(array).astype("Float64") if array.ndim == 2 else array


KINDS: list[tuple[str, Callable[[Any, Any], Any]]] = [
    ("pandas", pandas_table),
    ("xarray", lambda library, array: library.DataArray(array)),
    ("jax.numpy", lambda library, array: library.asarray(array)),
    ("jax.numpy", lambda library, array: library.asarray(array, dtype="bfloat16")),
    ("torch", lambda library, array: library.tensor(array, requires_grad=True) * 1),
    ("torch", lambda library, array: library.tensor(array, dtype=library.bfloat16)),
]


@pytest.mark.parametrize(("name", "convert"), KINDS)
def test_same_round(name: str, convert: Callable[[Any, Any], Any]) -> None:
    """Scores, gains and numbers per token or expert: one digest, whoever holds the numbers."""
    library = pytest.importorskip(name, reason=f"needs arrays of {name}")

    def made(put: Callable[[Any], Any]) -> Instance:
        radio = Radio(put(GAINS), bandwidth_hz=1.0, power_w=1.0, noise_w=1.0, payload_bits=1.0)
        source = np.arange(2)
        return Instance(source, put(SCORES), put(SCORES[0]), 1, put(SCORES[1]), radio)

    assert made(lambda array: convert(library, array)).sha256 == made(np.asarray).sha256


@pytest.mark.parametrize("name", ["torch", "jax.numpy"])
def test_complex_channels(name: str) -> None:
    """Complex tensors get the hint too."""
    library = pytest.importorskip(name, reason=f"needs arrays of {name}")
    channel = library.asarray(GAINS * (1 + 1j))
    with pytest.raises(InputError, match=r"complex numbers; .*abs\(h\) \*\* 2"):
        Radio(channel, 1, 1, 1, 1)
    with pytest.raises(InputError, match=r"radio\.gains"):
        Radio(library, 1, 1, 1, 1)
