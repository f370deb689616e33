"""DES: exact expert selection by branch and bound, one covering knapsack per token ([DMoE], P1).

For each token t:  min sum_j e_j x_j  subject to  sum_j g_j x_j >= theta, sum_j x_j <= D, x binary.

1. *Bound.* Price the covering row with lambda. The rest of the problem takes the at most D smallest
   e_j - lambda g_j, and its relaxation is integral. The best lambda gives the bound of the linear
   relaxation with both rows. A few cutting planes find it, with one pass over the experts each.
   Dantzig's bound, which forgets the cap, is never better.
2. *Incumbent.* It is the cheapest feasible set met on the way, after trades of one member for one
   other expert.
3. *Reduction.* An expert whose reduced cost exceeds the gap between incumbent and bound is decided.
4. *Search.* Depth first over the other experts, and the decision whose opposite costs most comes
   first. Bounds are look-ups in tables that are made once per token. One sweep finds the last two
   experts of a set, without branching.
5. *Subproblems.* For a token that is still open after a few hundred nodes, scores are rounded to
   another row that all sets reach (mixed-integer rounding, Nemhauser and Wolsey, Math. Programming
   46, 1990), because half an expert is not to be had for half its cost. If both rows together halve
   the gap, a thousand nodes are searched with them. They prove costs that are concave in the score.
   A token that is open then is split by its number of experts. With n of them fixed the relaxation
   cannot mix sizes, which closes costs that are correlated with scores (Pisinger, Computers & OR
   32, 2005). Exchanges of two members improve the incumbent. An expert without which the n best of
   the others miss the need is certain, and one with which the best others miss it is out. If all
   costs are multiples of one unit, a better set saves at least a unit. A size that takes a thousand
   nodes is branched on the expert that matters most, and each branch gets its own best lambda, its
   own reduction and its own search. A token with five million nodes is done when its gap is at most
   10^-8: the scores of `chvatal` have more sets than a search can look at, and many are that close
   to the best.
6. *Fallback.* If that takes long and the scores have few different sums, a dynamic program decides
   one expert after the other. It keeps the Pareto states of cost, score and number of experts,
   unless their bound is too high.

Where a token pays once for each node that it uses, nodes are branched on around all this
(`des_nodes`).

The comments of the kernels, `des_bound`, `des_search`, `des_reduce`, `des_exchange`, `des_sizes`,
`des_rounded`, `des_split`, `des_pareto` and `des_kernel`, name these steps.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt import clock
from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import Selection
from dmoe_opt.answer.result import Result, build
from dmoe_opt.data import validate
from dmoe_opt.data.instance import Instance, as_problem, require_plain
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.errors import InputError
from dmoe_opt.selection.search import UNLIMITED, Progress, Search, run_all, run_here
from dmoe_opt.selection.search import prepare as prepare  # also a name of this module

QUICK_NODES = 1_000  # per token, where any valid bound will do
REASONS = (
    "branched",
    "reaches the threshold",
    "cannot reach the threshold",
    "bound",
    "completed by a sweep",
)


class TreeNode(NamedTuple):
    """One node of a search.

    `expert` was taken or left out at the node `parent`. A root has parent -1 and expert None.
    `bound_j` is in J; `reason`, one of `REASONS`, says why the node was left.
    """

    node: int
    parent: int
    expert: int | None
    taken: bool | None
    bound_j: float
    reason: str


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
        Number of threads that share the tokens, which are independent. The answer does not depend
        on it.
    progress
        Called about ten times a second with (tokens done, tokens).

    Returns
    -------
    Result
        `stats` has the sum of the `nodes`, and per token, as arrays (T,), `token_bound_j` in J and
        `token_nodes`.

    Examples
    --------
    >>> from dmoe_opt import SelectionProblem
    >>> from dmoe_opt.selection import des
    >>> problem = SelectionProblem(
    ...     scores=[[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]],
    ...     cost=[[1.0, 3.0, 2.0], [1.0, 2.0, 2.0]],
    ...     threshold=[0.6, 0.5],
    ...     max_experts=2,
    ... )
    >>> result = des.solve_des(problem)
    >>> result.objective_j, result.stats["token_bound_j"].tolist()
    (5.0, [3.0, 2.0])
    """
    search = Search(problem)
    limit = UNLIMITED if node_limit is None else node_limit
    run_all(search, limit, threads, time_limit, progress)
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


def relaxation(problem: SelectionProblem | Instance) -> float:
    """Bound of the linear relaxation with both rows, in joules, without any search.

    Examples
    --------
    Of expert 1, 0.6 / 0.75 would do; whole experts cost 3 J:

    >>> from dmoe_opt import SelectionProblem
    >>> from dmoe_opt.selection import des
    >>> problem = SelectionProblem(
    ...     scores=[[0.25, 0.75]], cost=[[1.0, 3.0]], threshold=0.6, max_experts=1
    ... )
    >>> round(des.relaxation(problem), 6), des.solve_des(problem).objective_j
    (2.4, 3.0)
    """
    search = Search(as_problem(problem))
    search.run(slice(None), 0)
    return float(search.bound.sum())


def choose(
    problem: SelectionProblem,
    cost: NDArray[np.float64],
    usable: NDArray[np.bool_],
    node_limit: int = UNLIMITED,
    node_cost: NDArray[np.float64] | None = None,
) -> tuple[Selection, NDArray[np.float64]]:
    """Exact selections at other costs, in the calling thread: a method for rounds calls it often.

    `cost` in J and `usable`, both (T, K), replace the arrays of the problem and become read-only,
    and so does `node_cost` (T, N) of a problem that has one.
    The thresholds stay as they are. `node_limit` is in nodes per token.

    Returns the selection (T, K) and the bound per token in J, shape (T,), inf where a token cannot
    be served. A token that reaches the limit, or that of `clock`, has its best selection and a
    valid bound.

    Examples
    --------
    Twice the costs give the same experts and twice the bound:

    >>> import numpy as np
    >>> import dmoe_opt
    >>> from dmoe_opt.selection import des
    >>> problem = dmoe_opt.load("tiny-s1").selection_problem()
    >>> selection, bound = des.choose(problem, 2 * problem.cost, problem.usable)
    >>> answer = dmoe_opt.solve(problem)
    >>> bool((selection == answer.selection).all())
    True
    >>> round(float(bound.sum()) / answer.objective_j, 9)
    2.0
    """
    for array in (cost, usable, *(() if node_cost is None else (node_cost,))):
        array.flags.writeable = False
    search = Search(problem, cost, usable, node_cost)
    search.stop = clock.flag()
    run_here(search, node_limit)
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

    With `reduce` and `sweep` off the search starts without incumbent and decided experts, and
    branches down to the last expert. It stops after `most` nodes. A node that was completed by a
    sweep shows the cost of the best set below it, or of the incumbent if none is better. A hard
    token has a root for rounded scores if they are worth a search, one for each number of experts,
    and more for the branches of a long search.

    Raises
    ------
    InputError
        If there is no such token.

    Examples
    --------
    >>> from dmoe_opt import SelectionProblem
    >>> from dmoe_opt.selection import des
    >>> problem = SelectionProblem(
    ...     scores=[[0.5, 0.25, 0.25]], cost=[[1.0, 3.0, 2.0]], threshold=0.6, max_experts=2
    ... )
    >>> for node in des.search_tree(problem, 0, reduce=False, sweep=False):
    ...     bound = f"{node.bound_j:.3g}"
    ...     print(node.node, node.parent, node.expert, node.taken, bound, node.reason)
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
    require_plain(problem, "a search tree")
    if not 0 <= token < problem.num_tokens:
        raise InputError(f"token = {token}; allowed: 0..{problem.num_tokens - 1}")
    search = Search(problem)
    tree = np.empty((most, 5))
    rows = search.run(slice(token, token + 1), most, reduce, sweep, tree)
    return [_tree_node(n, tree[n]) for n in range(min(rows, most))]


def _tree_node(number: int, row: NDArray[np.float64]) -> TreeNode:
    """A row of the record of the kernel, where -1 stands for None, as a node."""
    parent, expert, taken, bound_j, reason = row.tolist()
    return TreeNode(
        node=number,
        parent=int(parent),
        expert=None if expert < 0 else int(expert),
        taken=None if taken < 0 else bool(taken),
        bound_j=bound_j,
        reason=REASONS[int(reason)],
    )
