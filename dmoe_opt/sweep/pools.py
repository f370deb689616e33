"""The workers of loky and dask (extra `sweep`), each with one thread."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Protocol

from dmoe_opt.errors import InputError

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
TRACKER = "multiprocessing.resource_tracker"

Died = tuple[type[BaseException], ...]


class Pool(Protocol):
    """Workers: an executor, and what its futures raise when a worker died."""

    executor: Executor
    broken: Died

    def workers(self) -> int:
        """How many jobs can run at once."""

    def restart(self) -> None:
        """Make sure that there are workers again."""


class _Loky:
    def __init__(self, jobs: int) -> None:
        from joblib.externals.loky import BrokenProcessPool, ProcessPoolExecutor

        self._make: Callable[[], Any] = lambda: ProcessPoolExecutor(
            jobs, env=ONE_THREAD, initializer=_deaf, timeout=60
        )
        _start_trackers(TRACKER, "joblib.externals.loky.backend.resource_tracker")
        self._jobs = jobs
        self.broken: Died = (BrokenProcessPool,)
        self.executor: Any = self._make()

    def workers(self) -> int:
        return self._jobs

    def restart(self) -> None:
        self.stop()
        self.executor = self._make()

    def stop(self) -> None:
        self.executor.shutdown(wait=True, kill_workers=True)


def _deaf() -> None:
    """Start a worker: the driver alone answers Ctrl-C, and a worker does not outlive its driver."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(driver: int) -> None:
    while os.getppid() == driver:
        time.sleep(1.0)
    os._exit(1)


class _Dask:
    def __init__(self, client: Any) -> None:
        from distributed import CancelledError, KilledWorker

        self._client = client
        self.broken: Died = (KilledWorker, CancelledError)
        self.executor: Executor = client.get_executor(pure=False)

    def workers(self) -> int:
        return max(1, int(sum(self._client.nthreads().values())))

    def restart(self) -> None:
        """Nothing to do: dask restarts workers by itself."""


def _start_trackers(*modules: str) -> None:
    """Start the processes that track semaphores before the first worker.

    Whoever starts one unblocks Ctrl-C afterwards, and workers that start next would hear it.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        return
    for module in modules:
        import_module(module).ensure_running()


@contextmanager
def children_deaf() -> Iterator[None]:
    """Processes and threads that start inside do not hear Ctrl-C: the driver alone answers it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def loky(jobs: int | None) -> Iterator[Pool]:
    """Processes on this machine, one per core unless `jobs` says otherwise."""
    pool = _Loky(jobs or cores())
    try:
        yield pool
    finally:
        pool.stop()


@contextmanager
def dask(jobs: int | None, scheduler: str | None) -> Iterator[Pool]:
    """The workers of the scheduler at an address, or of a cluster of processes on this machine.

    Raises
    ------
    InputError
        If there is no scheduler at the address.
    """
    from dask import config
    from distributed import Client, LocalCluster

    with config.set(
        {"distributed.scheduler.allowed-failures": 0, "distributed.logging.distributed": "critical"}
    ):
        if scheduler is not None:
            try:
                client = Client(scheduler, timeout="10s")
            except (OSError, ValueError) as error:
                raise InputError(
                    f"--scheduler = {scheduler!r}: {' '.join(str(error).split())}"
                ) from None
            with client:
                yield _Dask(client)
            return
        # An interrupt ends this process at once; the tracker of its semaphores has to bear that.
        sys.warnoptions.append("ignore:resource_tracker:UserWarning")
        os.environ.update({name: os.environ.get(name, value) for name, value in ONE_THREAD.items()})
        _start_trackers(TRACKER)
        with children_deaf():
            cluster = LocalCluster(
                n_workers=jobs or cores(),
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",  # a free port of this machine alone
                scheduler_kwargs={"dashboard": False},
                silence_logs=logging.CRITICAL,
            )
        with cluster, Client(cluster) as client:
            yield _Dask(client)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


OPEN: dict[str, Callable[[int | None, str | None], Any]] = {
    "loky": lambda jobs, _: loky(jobs),
    "dask": dask,
}
