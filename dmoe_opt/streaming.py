"""Solve selection problems that are larger than memory: blocks of tokens come and go.

Tokens are independent, so a file is read, solved, checked and written block by block. Threads of
this process work on the blocks, or the workers of a dask cluster. Each gets the next block when it
is done with one, and the answers stand in the order of the file. Only a few blocks are in memory.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.objective import Selection
from dmoe_opt.answer.result import Status, derive_status, relative_gap
from dmoe_opt.clock import OUT_OF_TIME
from dmoe_opt.data import files, formats, streams
from dmoe_opt.data.streams import Header
from dmoe_opt.data.words import counted
from dmoe_opt.errors import MissingExtraError
from dmoe_opt.method_options import TIME_LIMIT
from dmoe_opt.method_table import look_up
from dmoe_opt.solving import prepare, solve
from dmoe_opt.sweep import pools

LARGE = 2**26
"""Scores of a file that is streamed unasked: with the costs, 1 GiB."""
AHEAD = 2  # blocks that wait for a worker


class Block(NamedTuple):
    """The answer to a block: sums over its tokens, and its selection as rows of JSON.

    `lowered` are tokens, as numbered in the file, whose threshold was lowered. The objective is
    None where there is no answer, and `message` then says why.
    """

    tokens: int
    status: str
    objective_j: float | None
    bound_j: float | None
    message: str
    experts: int
    most_experts: int
    nodes: int
    lowered: NDArray[np.int64]
    rows: bytes


@dataclass(frozen=True)
class Streamed:
    """The answer to a whole file; `solution` has no selection, which is in the file written."""

    solution: formats.Solution
    num_tokens: int
    mean_experts: float
    most_experts: int


def solve_stream(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    method: str = "des",
    time_limit: float | None = None,
    threads: int | None = None,
    scheduler: str | None = None,
    on_dask: bool = False,
    progress: Callable[[int, int], None] | None = None,
    entries: int = streams.ENTRIES,
    **options: Any,
) -> Streamed:
    """Solve the tokens of an .npz file of a selection problem, without holding them in memory.

    Parameters
    ----------
    output
        Where the solution file is written; it appears whole at the end, or not at all.
    time_limit
        Seconds for all tokens; those that are open then keep their best selection and a bound.
    threads
        Threads of this process, or workers of the cluster; by default one per core.
    scheduler, on_dask
        Use the cluster of the dask scheduler at an address, or one of processes on this machine.
    progress
        Called with (tokens done, tokens).
    entries
        Scores per block.
    options
        Further options of the method, such as `node_limit=1000`.

    Raises
    ------
    InputError
        As `dmoe_opt.load` does; tables of the file must be stored row by row.

    Examples
    --------
    >>> import os, tempfile
    >>> import dmoe_opt
    >>> from dmoe_opt.streaming import solve_stream
    >>> problem = dmoe_opt.load("digits-l1").selection_problem()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "problem.npz")
    ...     dmoe_opt.save(problem, path)
    ...     solution = solve_stream(path, entries=100).solution
    >>> answer = dmoe_opt.solve(problem)
    >>> solution.status, round(solution.objective_j / answer.objective_j, 12)
    ('optimal', 1.0)
    """
    started = time.monotonic()
    header = streams.read_header(path)
    total = _Total(header)
    limit_s = _limit(method, time_limit, started)
    with _workers(threads, scheduler, on_dask) as (executor, number), _opened(output) as file:
        digest = _Later(lambda: streams.sha256_of(path, header) if file else "")
        waiting: deque[Future[Block]] = deque()
        for first, fields in streams.blocks(path, header, entries):
            waiting.append(executor.submit(_solve, first, fields, method, limit_s() | options))
            if len(waiting) >= number + AHEAD:
                total.add(waiting.popleft().result(), file)
            if progress:
                progress(total.tokens, header.num_tokens)
            if total.message:
                break
        while waiting and not total.message:
            total.add(waiting.popleft().result(), file)
        for future in waiting:
            future.cancel()
        solution = total.solution(method, digest.result(), time.monotonic() - started)
        if file:
            total.finish(file, solution)
    mean = total.experts / max(total.tokens, 1)
    return Streamed(solution, header.num_tokens, mean, total.most_experts)


def _limit(method: str, time_limit: float | None, started: float) -> Callable[[], dict[str, float]]:
    """A function that says how much of the time is left for the next block, as an option."""
    if time_limit is None or not look_up("selection", method).takes(TIME_LIMIT.name):
        return dict
    TIME_LIMIT.check(TIME_LIMIT.name, time_limit)
    return lambda: {TIME_LIMIT.name: max(started + time_limit - time.monotonic(), 1e-3)}


def _solve(first: int, fields: dict[str, Any], method: str, options: dict[str, Any]) -> Block:
    """Solve and check a block; runs in a worker."""
    problem = streams.problem_of_block(first, fields)
    result = solve(problem, "selection", method, **options)
    if result.selection is None:
        message = result.message or OUT_OF_TIME
        if result.status is Status.INFEASIBLE:
            t = first + int(np.flatnonzero(problem.shortfall)[0])
            most = counted(problem.max_experts, "expert")
            message = f"token {t} cannot reach its threshold with {most}"
        status = str(result.status)
        return Block(problem.num_tokens, status, None, None, message, 0, 0, 0, _NONE, b"")
    counts = np.count_nonzero(result.selection, axis=1)
    return Block(
        tokens=problem.num_tokens,
        status=str(result.status),
        objective_j=result.objective_j,
        bound_j=result.bound_j,
        message="",
        experts=int(counts.sum()),
        most_experts=int(counts.max(initial=0)),
        nodes=int(result.stats.get("nodes", 0)),
        lowered=np.array(result.shortfall, dtype=np.int64) + first,
        rows=_rows_of(result.selection, counts),
    )


_NONE = np.zeros(0, dtype=np.int64)


def _rows_of(selection: Selection, counts: NDArray[np.int64]) -> bytes:
    """The experts of each token as rows of JSON, without the brackets around all of them."""
    experts = np.nonzero(selection)[1].tolist()
    ends = np.concatenate([[0], np.cumsum(counts)]).tolist()
    rows = [experts[start:end] for start, end in itertools.pairwise(ends)]
    return bytes(msgspec.json.encode(rows)[1:-1])


class _Total:
    """Sums over the blocks so far, and the rows of their selections in the file."""

    def __init__(self, header: Header) -> None:
        self.header = header
        self.tokens = self.experts = self.most_experts = self.nodes = 0
        self.objective_j = 0.0
        self.bound_j: float | None = 0.0
        self.lowered: list[NDArray[np.int64]] = []
        self.message = ""
        self.infeasible = False

    def add(self, block: Block, file: IO[bytes] | None) -> None:
        """Add the next block; one without an answer leaves the file without one."""
        if block.message:
            self.message = block.message
            self.infeasible = block.status == Status.INFEASIBLE
            return
        assert block.objective_j is not None
        if file:
            file.write(b",\n" if self.tokens else b'{"selection":[\n')
            file.write(block.rows)
        self.tokens += block.tokens
        self.experts += block.experts
        self.most_experts = max(self.most_experts, block.most_experts)
        self.nodes += block.nodes
        self.objective_j += block.objective_j
        if self.bound_j is not None:
            self.bound_j = None if block.bound_j is None else self.bound_j + block.bound_j
        self.lowered.append(block.lowered)

    def solution(self, method: str, sha256: str, wall_s: float) -> formats.Solution:
        """The solution without its selection."""
        objective_j = None if self.message else self.objective_j
        bound_j = None if self.message else self.bound_j
        gap = None if objective_j is None else relative_gap(objective_j, bound_j)
        status = Status.INFEASIBLE if self.infeasible else derive_status(objective_j, gap)
        lowered = [] if self.message else np.concatenate([_NONE, *self.lowered]).tolist()
        return formats.Solution(
            format=formats.SOLUTION,
            version=formats.VERSION,
            instance=self.header.name,
            instance_sha256=sha256,
            problem="selection",
            method=method,
            status=str(status),
            objective_j=objective_j,
            bound_j=bound_j,
            gap=gap,
            selection=None,
            allocation=None,
            shortfall=lowered,
            wall_s=wall_s,
            stats={"nodes": self.nodes},
            message=self.message,
        )

    def finish(self, file: IO[bytes], solution: formats.Solution) -> None:
        """Write what comes after the selection, or a solution without one in its place."""
        if self.message:
            file.seek(0)
            file.truncate()
            file.write(msgspec.json.encode(solution) + b"\n")
            return
        rest = msgspec.to_builtins(solution)
        del rest["selection"]
        file.write(b"],\n" if self.tokens else b'{"selection":[],\n')
        file.write(msgspec.json.encode(rest)[1:] + b"\n")


class _Later:
    """A value that a thread of its own computes meanwhile."""

    def __init__(self, function: Callable[[], str]) -> None:
        self.pool = ThreadPoolExecutor(1)
        self.result = self.pool.submit(function).result
        self.pool.shutdown(wait=False)


@contextlib.contextmanager
def _workers(
    threads: int | None, scheduler: str | None, on_dask: bool
) -> Iterator[tuple[Executor, int]]:
    """Workers, and how many blocks they solve at once."""
    if not on_dask:
        number = threads or pools.cores()
        prepare("selection")
        with ThreadPoolExecutor(number) as pool:
            yield pool, number
        return
    try:
        opened = pools.OPEN["dask"](threads, scheduler)
        with opened as cluster:
            yield cluster.executor, cluster.workers()
    except ModuleNotFoundError as error:
        text = f'{error.name} is missing (pip install "dmoe-opt[sweep]")'
        raise MissingExtraError(text) from None


def _opened(
    output: str | os.PathLike[str] | None,
) -> contextlib.AbstractContextManager[IO[bytes] | None]:
    return contextlib.nullcontext() if output is None else files.writing(output)
