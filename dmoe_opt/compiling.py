"""Kernels: plain Python functions that numba compiles when there is enough to do.

To import numba and load kernels takes a third of a second, more than all the work on a small file.
So a kernel is compiled when it is first called without the promise that little is to be done.
Before that, and where numba is not installed, it runs as the Python function that it is, with the
same answer.

Numba keeps compiled kernels in files. A file that was cut short, by a full disk or a killed
process, makes the first call of a kernel fail; and where no folder can be written, numba refuses a
kernel that asks for a cache.
"""

from __future__ import annotations

import functools
import gc
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

without_cache: list[str] = []
"""Names of the kernels that are compiled in every process, since no folder can be written."""
MOST_PLAIN_S = 0.3
"""Processor time that plain functions may take in a process before numba pays."""
_plain_s = 0.0
_loading_s = 0.0


@cache
def _njit() -> Callable[..., Any] | None:
    """Numba's decorator; None where numba is not installed."""
    try:
        from numba import njit
    except ImportError:
        return None
    return njit  # type: ignore[no-any-return]


class Kernel:
    """A function that numba can compile; called from Python, it runs as it is."""

    def __init__(
        self, function: Callable[..., Any], is_entry: bool, options: dict[str, Any]
    ) -> None:
        functools.update_wrapper(self, function)
        self.py_func = function
        self.is_entry = is_entry
        # Wrappers for Python and for C hold the kernel once more, so few kernels have them.
        wrappers = {"no_cpython_wrapper": not is_entry, "no_cfunc_wrapper": True}
        self.targetoptions = wrappers | options  # where numba looks for `inline`
        self.is_loaded = False

    def __call__(self, *arguments: Any) -> Any:
        """Run the plain function."""
        return self.py_func(*arguments)

    @cached_property
    def compiled(self) -> Any:
        """The function compiled by numba, with a cache where there is a place for one."""
        njit = _njit()
        if njit is None:
            return None
        try:
            return njit(cache=True, **self.targetoptions)(self.py_func)
        except RuntimeError:  # "cannot cache function ...: no locator available"
            without_cache.append(self.__name__)  # type: ignore[attr-defined]
            return njit(**self.targetoptions)(self.py_func)

    @property
    def is_compiled(self) -> bool:
        """Whether the kernel runs compiled in this process from now on."""
        return "compiled" in vars(self)

    @property
    def _numba_type_(self) -> Any:
        """What numba takes this for in a kernel that calls it: the compiled function."""
        from numba import types

        return types.Dispatcher(self.compiled)


def cached(*, is_entry: bool = False, **options: Any) -> Callable[[Callable[..., Any]], Kernel]:
    """A decorator like `numba.njit` that makes a `Kernel`; `options` are those of numba.

    An entry is what `call` takes; other kernels are called by kernels only.
    """
    return lambda function: Kernel(function, is_entry, options)


def always() -> None:
    """Compile every kernel from now on, however little is to be done."""
    global _plain_s
    _plain_s = math.inf


def loading_s() -> float:
    """Seconds that this process has spent on compiling kernels, or on loading them."""
    return _loading_s


def call(kernel: Kernel, *arguments: Any, little: bool = False) -> Any:
    """Call an entry from Python.

    `little` promises that the plain function takes less than about a tenth of a second. It then
    runs while the kernel is not compiled and such calls have not taken as long as numba takes.
    """
    assert kernel.is_entry, kernel
    if little and not kernel.is_compiled and _plain_s < MOST_PLAIN_S:
        return _call_plain(kernel, arguments)
    compiled = _loaded(kernel, arguments)
    return _call_plain(kernel, arguments) if compiled is None else compiled(*arguments)


def _call_plain(kernel: Kernel, arguments: tuple[Any, ...]) -> Any:
    global _plain_s
    started = time.process_time()
    try:
        with np.errstate(all="ignore"):  # compiled arithmetic is silent too
            return kernel(*arguments)
    finally:
        _plain_s += time.process_time() - started


def _loaded(kernel: Kernel, arguments: tuple[Any, ...]) -> Any:
    """The kernel compiled for arguments of these types; None without numba.

    If its cache is damaged, that is deleted, and the kernel compiled once more.
    """
    global _loading_s
    if kernel.is_loaded:
        return kernel.compiled
    started = time.perf_counter()
    try:
        with _garbage_kept():
            compiled = kernel.compiled
            if compiled is not None and not compiled.signatures:
                _compile(compiled, tuple(compiled.typeof_pyval(argument) for argument in arguments))
    finally:
        _loading_s += time.perf_counter() - started
    kernel.is_loaded = True
    return compiled


@contextmanager
def _garbage_kept() -> Iterator[None]:
    """Look for no garbage: numba makes many objects that stay; to look took a tenth of its time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _compile(compiled: Any, types: tuple[Any, ...]) -> None:
    _load_alone(compiled)
    try:
        compiled.compile(types)
    except Exception:  # a damaged file makes numba, pickle and LLVM raise kinds of their own
        if compiled.stats.cache_path is None:
            raise
        for path in Path(compiled.stats.cache_path).glob("*.nb[ic]"):
            path.unlink(missing_ok=True)
        compiled.compile(types)


def _load_alone(compiled: Any) -> None:
    """Let numba load a kernel from its cache without what only compiling needs.

    Before it looks into its cache, numba imports all that kernels may call, `scipy.linalg` among
    it, which takes longer than all else. To compile, it still does.
    """
    cache = compiled._cache
    load_all = cache.load_overload

    def load(signature: Any, context: Any) -> Any:
        try:
            from numba.core.runtime import rtsys

            rtsys.initialize(context)  # the memory of arrays
            with cache._guard_against_spurious_io_errors():
                return cache._load_overload(signature, context)
        except (AttributeError, ImportError):  # there is no folder, or numba is built otherwise
            return load_all(signature, context)

    cache.load_overload = load
