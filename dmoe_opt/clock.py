"""The time limit of the method that runs, for all that it calls: a flag that kernels look at too.

`until` starts the clock of a method. Functions far below look at it, so that no limit has to be
handed down to them. What a loop or a kernel has at that moment counts, if it is of use; where it is
not, `check` raises `TimeUp`, which the method catches. Nested limits: the earlier one holds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class TimeUp(Exception):  # no error: it ends a piece of work
    """The time limit came before a piece of work was of use."""


class _Clock(NamedTuple):
    """When the time is up, by `time.monotonic`, and the flag (1,) that is then set."""

    ends: float
    flag: NDArray[np.bool_]


class _Watch(np.ndarray[tuple[int], np.dtype[np.bool_]]):
    """A flag that looks at the time whenever it is read, where no thread can set it."""

    ends = np.inf

    @classmethod
    def until(cls, ends: float, flag: NDArray[np.bool_]) -> _Watch:
        watch = flag.view(cls)
        watch.ends = ends
        return watch

    def __getitem__(self, key: Any) -> Any:
        if time.monotonic() >= self.ends:
            self.fill(True)
        return super().__getitem__(key)


OUT_OF_TIME = "no answer within the limit"
"""What a result without an answer says where the time was over."""
NO_LIMIT = _Clock(np.inf, np.zeros(1, dtype=bool))
_clock: ContextVar[_Clock] = ContextVar("clock", default=NO_LIMIT)


@contextmanager
def until(time_limit: float | None) -> Iterator[None]:
    """Limit all that runs inside to some seconds from now; None is no limit of its own.

    Examples
    --------
    >>> from dmoe_opt import clock
    >>> with clock.until(0.0):
    ...     clock.is_over()
    True
    >>> clock.is_over()
    False
    """
    ends = np.inf if time_limit is None else time.monotonic() + time_limit
    if ends >= _clock.get().ends:
        yield
        return
    flag = np.array([ends <= time.monotonic()])
    threads = has_threads()
    outer = _clock.set(_Clock(ends, flag if threads else _Watch.until(ends, flag)))
    timer = threading.Timer(max(ends - time.monotonic(), 0.0), flag.fill, [True])
    timer.daemon = True
    try:
        if threads:
            timer.start()
        yield
    finally:
        timer.cancel()
        _clock.reset(outer)


@cache
def has_threads() -> bool:
    """Whether this process can start threads; Python in a browser cannot."""
    thread = threading.Thread(target=is_over)
    try:
        thread.start()
    except RuntimeError:
        return False
    thread.join()
    return True


def left_s() -> float:
    """Seconds that are left, at least 0; inf without a limit."""
    return max(_clock.get().ends - time.monotonic(), 0.0)


def is_over() -> bool:
    """Whether the time is up."""
    clock = _clock.get()
    return bool(clock.flag[0]) or clock.ends <= time.monotonic()


def flag() -> NDArray[np.bool_]:
    """The flag (1,) that is set when the time is up, for kernels to look at."""
    return _clock.get().flag


def check() -> None:
    """Raise `TimeUp` if the time is up."""
    if is_over():
        raise TimeUp
