"""Kernels compiled by numba, when the cache is damaged and when there is no place for one.

Numba keeps compiled kernels in files. A file that was cut short, by a full disk or a killed
process, makes the first call of a kernel fail; and where no folder can be written, numba refuses a
kernel that asks for a cache.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit

without_cache: list[str] = []
"""Names of the kernels that are compiled in every process, since no folder can be written."""


def cached(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """A decorator like `numba.njit`, with a cache where there is a place for one."""

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            return njit(cache=True, **options)(function)
        except RuntimeError:  # "cannot cache function ...: no locator available"
            without_cache.append(function.__name__)
            return njit(**options)(function)

    return decorate


def call(kernel: Any, *arguments: Any) -> Any:
    """Call a kernel from Python; if its cache is damaged, delete that and compile again, once."""
    try:
        return kernel(*arguments)
    except Exception:  # a damaged file makes numba, pickle and LLVM raise kinds of their own
        if kernel.signatures or kernel.stats.cache_path is None:
            raise  # it was loaded, so the cache is not to blame
        for path in Path(kernel.stats.cache_path).glob("*.nb[ic]"):
            path.unlink(missing_ok=True)
        return kernel(*arguments)
