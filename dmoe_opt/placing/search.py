"""Local search over placements: moves of one expert, swaps of two, and kicks.

It descends from every baseline by the best move or swap, goes on from the best placement, and
kicks it: random swaps, a descent, and back unless that is better. Given the seed, the answer is
always the same, unless a time limit ends the search.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt import compiling
from dmoe_opt.answer.objective import Selection, token_energy_j
from dmoe_opt.data.instance import Instance
from dmoe_opt.placing import search_kernel
from dmoe_opt.placing.baselines import BASELINES
from dmoe_opt.placing.problem import Placed, Placement, PlacementProblem
from dmoe_opt.selection import des

KICKS = 200
BATCH = 10  # kicks between two looks at the clock
PAIRS = 8  # swaps of a kick, about; a kick of few experts has fewer
LITTLE = 20_000  # steps of a descent that plain Python makes in about a tenth of a second
MOST_TURNS = 10

Progress = Callable[[int, int], None]
"""Called with the number of kicks done, and of all kicks."""


def local_search(
    problem: PlacementProblem,
    *,
    kicks: int = KICKS,
    seed: int = 0,
    time_limit: float | None = None,
    start: Placement | Sequence[int] | None = None,
    progress: Progress | None = None,
) -> Placed:
    """A placement that no move and no swap improves; its bound is None.

    Parameters
    ----------
    kicks
        How often the best placement is left by random swaps.
    seed
        Draws them.
    time_limit
        Seconds after which no further kicks are made.
    start
        A placement to begin with, in place of the baselines.
    progress
        Called with kicks done, and all kicks.

    Examples
    --------
    >>> import dmoe_opt
    >>> from dmoe_opt.placing.baselines import in_order
    >>> from dmoe_opt.placing.problem import problem_of
    >>> from dmoe_opt.placing.search import local_search
    >>> from dmoe_opt.selection.baselines import topk_selection
    >>> round_ = dmoe_opt.generate("mixtral-8-on-4", seed=1, num_tokens=32)
    >>> problem = problem_of([round_], [topk_selection(round_.selection_problem())])
    >>> local_search(problem, kicks=5).energy_j < problem.energy_j(in_order(problem))
    True
    """
    deadline = np.inf if time_limit is None else time.monotonic() + time_limit
    improve = _improver(problem)
    given = [BASELINES[name](problem, seed) for name in BASELINES] if start is None else [start]
    none = np.zeros((0, 1, 2), dtype=np.int64)
    best = min((improve(problem.check(first), none) for first in given), key=lambda at: at[0])
    rng = np.random.default_rng([seed, 1])
    pairs = max(1, min(PAIRS, problem.num_experts // 4))
    done = 0
    while done < kicks and time.monotonic() < deadline:
        if progress:
            progress(done, kicks)
        batch = min(BATCH, kicks - done)
        best = improve(best[1], rng.integers(problem.num_experts, size=(batch, pairs, 2)))
        done += batch
    return Placed(best[1], problem.energy_j(best[1]), None)


def _improver(
    problem: PlacementProblem,
) -> Callable[[Placement, NDArray[np.int64]], tuple[float, Placement]]:
    """A function of a placement and of kicks: the energy that the kernel reaches, and where."""
    sets, setup = problem.sets
    sets_of = [np.flatnonzero(sets[:, j]) for j in range(problem.num_experts)]
    starts = np.concatenate([[0], np.cumsum([len(of) for of in sets_of])]).astype(np.int64)
    arrays: tuple[Any, ...] = (
        starts,
        np.concatenate(sets_of).astype(np.int64),
        sets,
        setup,
        problem.linear,
        problem.size,
        problem.room,
    )
    steps = problem.num_nodes * int(starts[-1]) + problem.num_experts**2

    def improve(placement: Placement, kicks: NDArray[np.int64]) -> tuple[float, Placement]:
        changed = placement.copy()
        little = steps * (1 + len(kicks)) < LITTLE
        kernel = search_kernel.improve
        energy_j = compiling.call(kernel, *arrays, changed, kicks, little=little)
        return float(energy_j), changed

    return improve


class Chosen(NamedTuple):
    """A placement, the energy, J, and the experts of the tokens of every round (T, K)."""

    placement: Placement
    energy_j: float
    selections: list[Selection]


def rechosen(
    rounds: Sequence[Instance],
    selections: Sequence[Selection],
    placement: Placement,
    problem_for: Callable[[Sequence[Selection]], PlacementProblem],
) -> list[Selection]:
    """The experts of all tokens, chosen by DES at the prices of a placement.

    DES prices every visit, which is exact where every visit is sent. Where hidden states go once to
    a node, a token takes the experts of DES only if its energy falls.
    """
    factor = problem_for(selections).factor
    chosen = []
    for round_ in rounds:
        work = round_.compute_energy * factor[placement]
        changes = {"placement": placement, "compute_energy": work, "send_once": False}
        moved = round_.replace(**changes).selection_problem()
        after, _ = des.choose(moved, moved.cost.copy(), moved.usable.copy())
        chosen.append(after)
    old_j = token_energies_j(problem_for(selections), placement)
    new_j = token_energies_j(problem_for(chosen), placement)
    worse = np.split(new_j > old_j, np.cumsum([len(of) for of in chosen])[:-1])
    return [
        np.where(back[:, None], before, after)
        for back, before, after in zip(worse, selections, chosen, strict=True)
    ]


def token_energies_j(problem: PlacementProblem, placement: Placement) -> NDArray[np.float64]:
    """Energy of every token, J, shape (T,)."""
    return token_energy_j(problem.selection_problem(placement), problem.chosen)


def alternate(
    rounds: Sequence[Instance],
    first: Chosen,
    problem_for: Callable[[Sequence[Selection]], PlacementProblem],
    **options: Any,
) -> Chosen:
    """Choose experts by DES and their nodes by local search in turn, until neither saves energy.

    `options` are those of `local_search`. The energy never rises.
    """
    best = first
    for _ in range(MOST_TURNS):
        selections = rechosen(rounds, best.selections, best.placement, problem_for)
        moved = local_search(problem_for(selections), start=best.placement, **options)
        assert moved.placement is not None
        assert moved.energy_j is not None
        if moved.energy_j >= best.energy_j * (1 - search_kernel.ROUNDING):
            return best
        best = Chosen(moved.placement, moved.energy_j, selections)
    return best
