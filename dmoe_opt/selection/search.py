"""Running DES: the kernels over blocks of tokens, in threads, up to a limit."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmoe_opt import clock, compiling
from dmoe_opt.data.problem import SCORE_UNIT, SelectionProblem
from dmoe_opt.selection import des_kernel as kernel
from dmoe_opt.selection import des_nodes, des_nodes_bound
from dmoe_opt.selection.des_pareto import states

Progress = Callable[[int, int], None]
Rows = tuple[Any, Any, Any]
UNLIMITED = 2**62
LITTLE = 2**12  # scores whose easy nodes take Python alone less time than numba takes to load
SMALL = 2**15  # scores up to which the first nodes of all tokens take milliseconds
SOON_LOOKS = 2**20  # nodes times scores that take a few milliseconds compiled
SOON_NODES = 10_000  # of a token, before a dynamic program could begin, which takes longer
MOST_TOKENS = 4096  # per block, so that a limit and the progress are looked at often enough
BLOCKS_PER_THREAD = 8  # a few more than one, so that no thread waits long for the last one


class Search:
    """The arrays that kernel and caller share while a search runs.

    `chosen` (T, K), `bound` (T,) in J and `nodes` (T,) are written by the kernel; a bound of -1
    marks a token that is not done. `stop` (1,) ends the search when it becomes True.
    """

    def __init__(
        self,
        problem: SelectionProblem,
        cost: NDArray[np.float64] | None = None,
        usable: NDArray[np.bool_] | None = None,
        node_cost: NDArray[np.float64] | None = None,
    ) -> None:
        self.problem = problem
        self.cost = problem.cost if cost is None else cost
        self.usable = problem.usable if usable is None else usable
        self.node_cost = problem.node_cost if node_cost is None else node_cost
        shape = problem.scores.shape
        self.chosen = np.zeros(shape, dtype=np.bool_)
        self.bound = np.full(shape[0], -1.0)
        self.nodes = np.zeros(shape[0], dtype=np.int64)
        self.stop = np.zeros(1, dtype=np.bool_)

    def run(
        self,
        tokens: slice,
        limit: int,
        reduce: bool = True,
        pairs: bool = True,
        tree: NDArray[np.float64] | None = None,
    ) -> int:
        """Solve some tokens in the calling thread; returns the number of nodes for `tree`.

        The lock of the interpreter is released meanwhile. `tree` (rows, 5) takes the first nodes.
        """
        problem = self.problem
        recorded = np.zeros(1, dtype=np.int64)
        if self.node_cost is not None:
            self._run_once(tokens, limit, recorded)
            return 0
        compiling.call(
            kernel.solve_tokens,
            problem.scores[tokens],
            self.cost[tokens],
            self.usable[tokens],
            problem.need_units[tokens],
            SCORE_UNIT,
            problem.max_experts,
            limit,
            reduce,
            pairs,
            self.stop,
            self.chosen[tokens],
            self.bound[tokens],
            self.nodes[tokens],
            kernel.workspace(problem.num_experts, problem.max_experts),
            states(),
            np.empty((0, 5)) if tree is None else tree,
            recorded,
            little=self.chosen[tokens].size <= LITTLE and limit <= kernel.EASY_NODES,
        )
        return int(recorded[0])

    def _run_once(self, tokens: slice, limit: int, recorded: NDArray[np.int64]) -> None:
        """Solve some tokens that pay once for each of their nodes."""
        problem = self.problem
        assert self.node_cost is not None
        compiling.call(
            des_nodes.solve_tokens,
            problem.scores[tokens],
            self.cost[tokens],
            self.usable[tokens],
            self.node_cost[tokens],
            problem.placement,
            problem.need_units[tokens],
            SCORE_UNIT,
            problem.max_experts,
            limit,
            self.stop,
            self.chosen[tokens],
            self.bound[tokens],
            self.nodes[tokens],
            kernel.workspace(problem.num_experts, problem.max_experts),
            states(),
            des_nodes_bound.scratch(problem.num_experts, self.node_cost.shape[1]),
            np.empty((0, 5)),
            recorded,
            little=self.chosen[tokens].size <= LITTLE and limit <= kernel.EASY_NODES,
        )

    def forget(self, tokens: NDArray[np.int64]) -> Rows:
        """Make tokens as they were before any search; returns what was found for them."""
        kept = self.chosen[tokens], self.bound[tokens], self.nodes[tokens]
        self.restore(tokens, (np.False_, np.float64(-1.0), np.int64(0)))
        return kept

    def restore(self, tokens: NDArray[np.int64], rows: Rows) -> None:
        """Give tokens their rows of `chosen`, `bound` and `nodes`."""
        self.chosen[tokens], self.bound[tokens], self.nodes[tokens] = rows


@cache
def prepare() -> float:
    """Compile the kernels, or load them from numba's cache, once per process.

    Returns the seconds that this took.
    """
    compiling.always()
    started = time.perf_counter()
    ones = np.ones((1, 2))
    problem = SelectionProblem(scores=ones, cost=ones, threshold=ones[:, 0], max_experts=1)
    Search(problem).run(slice(None), 1)
    return time.perf_counter() - started


def run_here(search: Search, limit: int) -> None:
    """Solve all tokens in the calling thread; little work does not wait for numba."""
    if _used(search).solve_tokens.is_compiled or search.chosen.size > LITTLE:
        search.run(slice(None), limit)
        return
    hard = _run_easy(search, limit)
    search.forget(hard)
    for t in hard.tolist():
        search.run(slice(t, t + 1), limit)


def run_all(
    search: Search, limit: int, threads: int, time_limit: float | None, progress: Progress | None
) -> None:
    """Solve all tokens: a small problem at once as far as it is easy, the others in threads."""
    tokens = search.problem.num_tokens
    if search.chosen.size > SMALL:
        prepare()  # apart from the time limit
        _run_in_threads(search, _blocks(tokens, threads), limit, threads, time_limit, progress)
        return
    hard = _run_easy(search, limit)
    if progress:
        progress(tokens - len(hard), tokens)
    if not len(hard):
        return
    kept = search.forget(hard)
    prepare()
    blocks = [slice(t, t + 1) for t in hard.tolist()]
    _run_in_threads(search, blocks, limit, threads, time_limit, progress)
    late = search.nodes[hard] < kept[2]  # the limit struck before or early in their turn
    search.restore(hard[late], tuple(rows[late] for rows in kept))


def _run_easy(search: Search, limit: int) -> NDArray[np.int64]:
    """Solve all tokens with few nodes each, in the calling thread; returns those that need more.

    This takes milliseconds, and to start threads takes one. Plain Python gets the nodes of an easy
    token.
    """
    few = kernel.EASY_NODES
    if _used(search).solve_tokens.is_compiled:
        few = max(few, min(SOON_LOOKS // max(search.chosen.size, 1), SOON_NODES))
    few = min(limit, few)
    search.run(slice(None), few)
    return np.flatnonzero(search.nodes >= few)[: None if few < limit else 0]


def _used(search: Search) -> Any:
    """The module whose kernel solves the tokens."""
    return kernel if search.node_cost is None else des_nodes


def _blocks(tokens: int, threads: int) -> list[slice]:
    """Runs of neighbouring tokens, several for each thread."""
    share = math.ceil(tokens / (BLOCKS_PER_THREAD * threads))
    size = max(1, min(share, MOST_TOKENS))
    return [slice(first, min(first + size, tokens)) for first in range(0, tokens, size)]


def _run_in_threads(
    search: Search,
    blocks: list[slice],
    limit: int,
    threads: int,
    time_limit: float | None,
    progress: Progress | None,
) -> None:
    """Solve blocks of tokens in threads, so that this thread hears a limit or an interrupt."""
    tokens = search.problem.num_tokens
    if not clock.has_threads():
        _run_in_turn(search, blocks, limit, time_limit)
        return
    with ThreadPoolExecutor(threads) as pool, _stopping(search, time_limit):
        waiting = {pool.submit(search.run, block, limit) for block in blocks}
        while waiting:
            done, waiting = wait(waiting, timeout=0.1, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
            if progress:
                progress(int((search.bound >= 0).sum()), tokens)


def _run_in_turn(search: Search, blocks: list[slice], limit: int, time_limit: float | None) -> None:
    """Solve blocks of tokens one after the other, until the time is up."""
    with clock.until(time_limit):
        search.stop = clock.flag()
        for block in blocks:
            search.run(block, limit)


@contextmanager
def _stopping(search: Search, time_limit: float | None) -> Iterator[None]:
    """Stop the search after the time limit, and at the end of the block, however it ends."""
    timer = None
    if time_limit is not None:
        timer = threading.Timer(time_limit, search.stop.fill, [True])
    try:
        if timer:
            timer.start()
        yield
    finally:
        search.stop[0] = True  # ends the threads at once if this one was interrupted
        if timer:
            timer.cancel()
