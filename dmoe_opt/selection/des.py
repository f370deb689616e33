"""DES: exact expert selection by branch and bound, one covering knapsack per token ([DMoE], P1).

Per token t:  min sum_j e_j x_j  subject to  sum_j g_j x_j >= theta,  sum_j x_j <= D,  x binary.

1. *Bound.* Price the covering row with lambda; what is left, taking the at most D smallest e_j - lambda g_j, has an
   integral relaxation. The best lambda (a few cutting planes, one pass over the experts each) gives the bound of the
   linear relaxation with both rows. Dantzig's bound, which forgets the cap, is never better.
2. *Incumbent.* The sets met on the way, and one trade.
3. *Reduction.* An expert whose reduced cost exceeds the gap is decided.
4. *Search.* Depth first over the rest, dearest decision first; bounds are look-ups in tables made once per token;
   the last two experts are found by one sweep over the rest instead of by branching.
5. A token that is still open after a few hundred nodes is split by its number of experts: with n of them fixed the
   relaxation cannot mix sizes, which closes costs that are correlated with scores (Pisinger, Computers & OR 32, 2005).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import Selection
from dmoe_opt.answer.result import Result, build
from dmoe_opt.data import validate
from dmoe_opt.data.instance import Instance, as_problem
from dmoe_opt.data.problem import SCORE_UNIT, SelectionProblem
from dmoe_opt.errors import InputError
from dmoe_opt.selection import des_kernel as kernel

Progress = Callable[[int, int], None]
UNLIMITED = 2**62
QUICK_NODES = 1_000  # per token, where any valid bound will do
SMALL = 2**15  # scores up to which the first nodes of all tokens are a matter of milliseconds
REASONS = (
    "branched",
    "reaches the threshold",
    "cannot reach the threshold",
    "bound",
    "completed by a sweep",
)


class TreeNode(NamedTuple):
    """One node of a search: `expert` was taken or not at `parent`; a root has parent -1 and expert None."""

    node: int
    parent: int
    expert: int | None
    taken: bool | None
    bound_j: float
    reason: str


class _Search:
    """Arrays that kernel and caller share while a search runs."""

    def __init__(
        self,
        problem: SelectionProblem,
        cost: NDArray[np.float64] | None = None,
        usable: NDArray[np.bool_] | None = None,
    ) -> None:
        self.problem = problem
        self.cost = problem.cost if cost is None else cost
        self.usable = problem.usable if usable is None else usable
        shape = problem.scores.shape
        self.chosen = np.zeros(shape, dtype=np.bool_)
        self.bound = np.full(shape[0], -1.0)
        self.nodes = np.zeros(shape[0], dtype=np.int64)
        self.stop = np.zeros(1, dtype=np.bool_)

    def run(
        self,
        rows: slice,
        limit: int,
        reduce: bool = True,
        pairs: bool = True,
        tree: NDArray[np.float64] | None = None,
    ) -> int:
        """Solve some tokens in the calling thread (the lock of the interpreter is released); returns recorded rows."""
        p = self.problem
        recorded = np.zeros(1, dtype=np.int64)
        kernel.solve_tokens(
            p.scores[rows], self.cost[rows], self.usable[rows], p.need_units[rows], SCORE_UNIT,
            p.max_experts, limit, reduce, pairs, self.stop, self.chosen[rows], self.bound[rows], self.nodes[rows],
            kernel.workspace(p.num_experts, p.max_experts), np.empty((0, 5)) if tree is None else tree, recorded,
        )  # fmt: skip
        return int(recorded[0])

    def forget(self, tokens: NDArray[np.int64]) -> None:
        """Make tokens as they were before any search."""
        self.chosen[tokens], self.bound[tokens], self.nodes[tokens] = False, -1.0, 0


@cache
def prepare() -> float:
    """Compile the kernels, or load them from numba's cache; returns the seconds this took, once per process."""
    started = time.perf_counter()
    one = np.ones((1, 2))
    _Search(SelectionProblem(scores=one, cost=one, threshold=one[:, 0], max_experts=1)).run(
        slice(None), 1
    )
    return time.perf_counter() - started


def solve_des(
    problem: SelectionProblem,
    *,
    time_limit: float | None = None,
    node_limit: int | None = None,
    threads: int = 1,
    progress: Progress | None = None,
) -> Result:
    """Solve all tokens exactly, or up to a limit.

    Parameters
    ----------
    time_limit
        Seconds; tokens that are open then keep their best selection and a valid bound.
    node_limit
        Nodes per token, with the same effect, but reproducible.
    threads
        Tokens are independent and are shared out among this many threads; the answer does not depend on it.
    progress
        Called about ten times a second with (tokens done, tokens).

    Returns
    -------
    Result
        `stats` has `nodes` in all, and per token `token_bound_j` and `token_nodes`.

    Examples
    --------
    >>> from dmoe_opt import SelectionProblem
    >>> from dmoe_opt.selection import des
    >>> problem = SelectionProblem(
    ...     scores=[[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]], cost=[[1.0, 3.0, 2.0], [1.0, 2.0, 2.0]],
    ...     threshold=[0.6, 0.5], max_experts=2,
    ... )
    >>> result = des.solve_des(problem)
    >>> result.objective_j, result.stats["token_bound_j"].tolist()
    (5.0, [3.0, 2.0])
    """
    search = _Search(problem)
    _run_all(search, UNLIMITED if node_limit is None else node_limit, threads, time_limit, progress)
    stats = {
        "nodes": int(search.nodes.sum()),
        "token_nodes": search.nodes,
        "token_bound_j": search.bound,
    }
    return build(
        problem,
        "des",
        Decision(problem, search.chosen),
        bound_j=float(search.bound.sum()),
        stats=stats,
    )


def _run_all(
    search: _Search, limit: int, threads: int, time_limit: float | None, progress: Progress | None
) -> None:
    """Solve all tokens in threads, so that a limit or an interrupt is heard; what is small and easy is done at once."""
    tokens = search.problem.num_tokens
    if search.chosen.size <= SMALL:
        easy = min(limit, kernel.EASY_NODES)
        search.run(slice(None), easy)
        hard = np.flatnonzero(search.nodes >= easy) if easy < limit else np.empty(0, dtype=np.int64)
        search.forget(hard)
        blocks = [slice(t, t + 1) for t in hard.tolist()]
        if progress:
            progress(tokens - len(hard), tokens)
        if not blocks:
            return
    else:
        size = max(1, min(-(-tokens // (8 * threads)), 4096))
        blocks = [slice(first, min(first + size, tokens)) for first in range(0, tokens, size)]
    timer = (
        threading.Timer(time_limit, search.stop.fill, [True]) if time_limit is not None else None
    )
    with ThreadPoolExecutor(threads) as pool:
        try:
            if timer:
                timer.start()
            waiting = {pool.submit(search.run, block, limit) for block in blocks}
            while waiting:
                done, waiting = wait(waiting, timeout=0.1, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                if progress:
                    progress(int((search.bound >= 0).sum()), tokens)
        finally:
            search.stop[0] = True  # ends the threads at once if this one was interrupted
            if timer:
                timer.cancel()


def relaxation(problem: SelectionProblem | Instance) -> float:
    """Bound of the linear relaxation with both rows, in joules, without any search.

    Examples
    --------
    Of expert 1, 0.6 / 0.75 would do; whole experts cost 3 J:

    >>> from dmoe_opt import SelectionProblem
    >>> from dmoe_opt.selection import des
    >>> problem = SelectionProblem(scores=[[0.25, 0.75]], cost=[[1.0, 3.0]], threshold=0.6, max_experts=1)
    >>> round(des.relaxation(problem), 6), des.solve_des(problem).objective_j
    (2.4, 3.0)
    """
    search = _Search(as_problem(problem))
    search.run(slice(None), 0)
    return float(search.bound.sum())


def choose(
    problem: SelectionProblem,
    cost: NDArray[np.float64],
    usable: NDArray[np.bool_],
    node_limit: int = UNLIMITED,
) -> tuple[Selection, NDArray[np.float64]]:
    """Exact selections at other prices, in the calling thread: what a descent over prices calls again and again.

    `cost` and `usable` (T, K) stand in for those of the problem; thresholds stay as they are. Returns the selection
    and the bound per token in J, inf where a token cannot be served. A token that reaches the limit has its best
    selection and a valid bound.

    Examples
    --------
    At twice the price everywhere the same experts, for twice the bound:

    >>> import numpy as np
    >>> import dmoe_opt
    >>> from dmoe_opt.selection import des
    >>> problem = dmoe_opt.load("tiny-s1").selection_problem()
    >>> selection, bound = des.choose(problem, 2 * problem.cost, problem.usable)
    >>> answer = dmoe_opt.solve(problem)
    >>> bool((selection == answer.selection).all()), round(float(bound.sum()) / answer.objective_j, 9)
    (True, 2.0)
    """
    for array in (cost, usable):
        array.flags.writeable = False
    search = _Search(problem, cost, usable)
    search.run(slice(None), node_limit)
    return search.chosen, search.bound


def search_tree(
    problem: SelectionProblem | Instance,
    token: int,
    *,
    reduce: bool = True,
    sweep: bool = True,
    most: int = 10_000,
) -> list[TreeNode]:
    """The nodes that DES visits for one token, in order, for looking at and for teaching.

    With `reduce` and `sweep` off the search starts without incumbent and decided experts, and branches down to the
    last expert. It stops after `most` nodes. A node that was completed by a sweep shows the cost of the best set
    below it, or of the incumbent if none is better. A hard token has a root for each number of experts.

    Raises
    ------
    InputError
        If there is no such token.

    Examples
    --------
    >>> from dmoe_opt import SelectionProblem
    >>> from dmoe_opt.selection import des
    >>> problem = SelectionProblem(scores=[[0.5, 0.25, 0.25]], cost=[[1.0, 3.0, 2.0]], threshold=0.6, max_experts=2)
    >>> for node in des.search_tree(problem, 0, reduce=False, sweep=False):
    ...     print(node.node, node.parent, node.expert, node.taken, f"{node.bound_j:.3g}", node.reason)
    0 -1 None None 1.8 branched
    1 0 0 True 1.8 branched
    2 1 1 False 1.8 branched
    3 2 2 False inf cannot reach the threshold
    4 2 2 True 3 reaches the threshold
    5 1 1 True 4 reaches the threshold
    6 0 0 False inf cannot reach the threshold
    """
    most = validate.whole("most", most)
    problem = as_problem(problem)
    if not 0 <= token < problem.num_tokens:
        raise InputError(f"token = {token}; allowed: 0..{problem.num_tokens - 1}")
    search = _Search(problem)
    tree = np.empty((most, 5))
    rows = search.run(slice(token, token + 1), most, reduce, sweep, tree)
    return [
        TreeNode(
            node=n,
            parent=int(tree[n, 0]),
            expert=None if tree[n, 1] < 0 else int(tree[n, 1]),
            taken=None if tree[n, 2] < 0 else bool(tree[n, 2]),
            bound_j=float(tree[n, 3]),
            reason=REASONS[int(tree[n, 4])],
        )
        for n in range(min(rows, most))
    ]
