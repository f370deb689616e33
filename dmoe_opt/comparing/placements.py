"""Placements of experts side by side: baselines and the best one, on seen and held-out rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dmoe_opt.answer.objective import Selection
from dmoe_opt.comparing.rows import as_csv as rows_as_csv
from dmoe_opt.data import validate
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.errors import LimitError
from dmoe_opt.placing.baselines import BASELINES
from dmoe_opt.placing.bound import lower_bound
from dmoe_opt.placing.problem import Placement, PlacementProblem, problem_of
from dmoe_opt.placing.search import (
    KICKS,
    Chosen,
    Progress,
    alternate,
    local_search,
    rechosen,
    token_energies_j,
)
from dmoe_opt.selection.baselines import topk_selection

METHODS = ("search", "pyomo", "cvxpy")
SELECTIONS = ("topk", "des")
PROGRAM_LIMIT_S = 60.0


@dataclass(frozen=True)
class PlacementRow:
    """Energies of one placement per token, J, on the rounds seen and on those held out.

    `sending_j` is the part that the placement decides, unless nodes differ in their computing
    energy. Fields of held-out rounds are None if there are none.
    """

    placement: str
    energy_j: float
    sending_j: float
    held_out_j: float | None
    held_out_sending_j: float | None


@dataclass(frozen=True)
class PlacementStudy:
    """The best placement found, and what it is compared with.

    `placement` has the nodes of every expert, one without replicas. `bound_j` is a proven lower
    bound per token on the seen rounds. Where tokens have their experts chosen by DES, it holds for
    the experts that they have in the end; integer programs, which choose experts and nodes at once,
    bound all choices. `gap` is 1 less the bound over the energy, and `sending_gap` the same without
    the energy of computing.
    """

    experts: int
    nodes: int
    tokens: int
    held_out_tokens: int
    send_once: bool
    select: str
    method: str
    placement: list[list[int]]
    bound_j: float | None
    gap: float | None
    sending_gap: float | None
    rows: list[PlacementRow]


def place(
    rounds: Sequence[Instance],
    *,
    held_out: Sequence[Instance] = (),
    memory: Sequence[float] | None = None,
    size: Sequence[float] | float = 1.0,
    factor: Sequence[float] | None = None,
    send_once: bool = True,
    select: str = "topk",
    method: str = "search",
    seed: int = 0,
    kicks: int = KICKS,
    time_limit: float | None = None,
    progress: Progress | None = None,
) -> PlacementStudy:
    """Put the experts of rounds on their nodes for the least energy, and compare with baselines.

    Parameters
    ----------
    rounds
        Rounds with the same experts and nodes. Their placements do not count. A hidden state is
        sent over the best subcarrier of its link; links do not contend.
    held_out
        Rounds of the same kind that the placement does not see.
    memory
        What every node can hold, shape (N,); by default an even share of the experts.
    size
        Size of every expert, (K,) or one number, in the unit of `memory`.
    factor
        Energy of computing on every node, relative to that of the rounds, shape (N,).
    send_once
        Whether a hidden state goes once to a node, or once for each expert there.
    select
        `"topk"`: tokens take the experts with their D best scores. `"des"`: DES chooses them at the
        prices of the placement, and placement and experts improve in turn.
    method
        `"search"`, or an integer program: `"pyomo"`, `"cvxpy"`.
    seed, kicks
        Of the local search.
    time_limit
        Seconds for the placement, and again for its bound; the integer programs stop after 60 s by
        default.
    progress
        Called with the number of kicks done, and of all kicks.

    Returns
    -------
    PlacementStudy
        A row per baseline and one for the placement of `method`.

    Raises
    ------
    InputError
        One line naming field, index, value and what is allowed; also if experts do not fit.
    LimitError
        If an integer program has no placement within the limit.

    Examples
    --------
    >>> import dmoe_opt
    >>> rounds = [dmoe_opt.generate("mixtral-8-on-4", seed, num_tokens=16) for seed in range(4)]
    >>> study = dmoe_opt.place(rounds[:2], held_out=rounds[2:], kicks=5)
    >>> best = study.rows[-1]
    >>> best.placement, all(best.energy_j <= row.energy_j for row in study.rows)
    ('search', True)
    """
    validate.word("select", select, SELECTIONS)
    validate.word("method", method, METHODS)
    limits: dict[str, Any] = {"memory": memory, "size": size, "factor": factor}
    seen = _Tokens(rounds, limits | {"send_once": send_once}, select)
    others = _Tokens(held_out, limits | {"send_once": send_once}, select) if held_out else None
    if others is not None:
        problem_of([rounds[0], *held_out], [seen.topk[0], *others.topk], **limits)  # of one kind
    problem = seen.problem(seen.topk)
    placements = {name: baseline(problem, seed) for name, baseline in BASELINES.items()}
    options = {"seed": seed, "kicks": kicks, "time_limit": time_limit, "progress": progress}
    if method == "search":
        best = Chosen(*_searched(problem, options), seen.topk)
        if select == "des":
            best = _in_turn(seen, best, placements, options)
            problem = seen.problem(best.selections)
        bound_j: float | None = lower_bound(problem, best.energy_j, time_limit=time_limit)
    else:
        best, bound_j = _solved(seen, method, time_limit)
    rows = [_row(name, placed, seen, others) for name, placed in placements.items()]
    rows.append(_row(method, best.placement, seen, others, best.selections))
    tokens = max(problem.num_tokens, 1)
    computing_j = (rows[-1].energy_j - rows[-1].sending_j) * tokens
    return PlacementStudy(
        experts=problem.num_experts,
        nodes=problem.num_nodes,
        tokens=problem.num_tokens,
        held_out_tokens=0 if others is None else sum(of.num_tokens for of in held_out),
        send_once=send_once,
        select=select,
        method=method,
        placement=[[n] for n in best.placement.tolist()],
        bound_j=None if bound_j is None else min(bound_j / tokens, rows[-1].energy_j),
        gap=_gap(best.energy_j, bound_j),
        sending_gap=_gap(best.energy_j, bound_j, computing_j),
        rows=rows,
    )


class _Tokens:
    """The tokens of rounds, and what they cost under a placement."""

    def __init__(self, rounds: Sequence[Instance], limits: dict[str, Any], select: str) -> None:
        self.rounds = rounds
        self.limits = limits
        self.select = select
        self.topk = [topk_selection(round_.selection_problem()) for round_ in rounds]

    def problem(self, selections: Sequence[Selection]) -> PlacementProblem:
        """The placement problem where tokens use these experts."""
        return problem_of(self.rounds, selections, **self.limits)

    def choice(self) -> SelectionProblem:
        """Scores, thresholds and cap of all tokens, for programs that choose their experts."""
        first = self.rounds[0]
        scores = np.concatenate([round_.scores for round_ in self.rounds])
        return SelectionProblem(
            scores=scores,
            cost=np.zeros(scores.shape),
            threshold=np.concatenate([round_.threshold for round_ in self.rounds]),
            max_experts=first.max_experts,
            on_shortfall=first.on_shortfall,
        )

    def selections(self, placement: Placement) -> list[Selection]:
        """The experts that tokens use under a placement."""
        if self.select == "topk":
            return self.topk
        return rechosen(self.rounds, self.topk, placement, self.problem)

    def per_token_j(
        self, placement: Placement, selections: list[Selection] | None = None
    ) -> tuple[float, float]:
        """Energy per token and the part of sending, J."""
        problem = self.problem(self.selections(placement) if selections is None else selections)
        tokens = max(problem.num_tokens, 1)
        total_j = float(token_energies_j(problem, placement).sum())
        free = problem.replace(price=np.zeros(problem.price.shape))
        computing_j = float(token_energies_j(free, placement).sum())
        return total_j / tokens, (total_j - computing_j) / tokens


def _searched(problem: PlacementProblem, options: dict[str, Any]) -> tuple[Placement, float]:
    found = local_search(problem, **options)
    assert found.placement is not None
    assert found.energy_j is not None
    return found.placement, found.energy_j


def _solved(seen: _Tokens, method: str, time_limit: float | None) -> tuple[Chosen, float | None]:
    """The answer of an integer program and its bound, J; under "des" it chooses experts too."""
    if method == "pyomo":
        from dmoe_opt.models import placement_pyomo as model
    else:
        from dmoe_opt.models import placement_cvxpy as model  # type: ignore[no-redef]
    problem = seen.problem(seen.topk)
    choice = seen.choice() if seen.select == "des" else None
    limit = PROGRAM_LIMIT_S if time_limit is None else time_limit
    found = model.solve(problem, choice, time_limit=limit)
    if found.placement is None or found.energy_j is None:
        raise LimitError(f"{method}: no placement found within {limit:g} s")
    selections = seen.topk
    if found.chosen is not None:
        ends = np.cumsum([round_.num_tokens for round_ in seen.rounds])[:-1]
        selections = np.split(found.chosen, ends)
    return Chosen(found.placement, found.energy_j, selections), found.bound_j


def _in_turn(
    seen: _Tokens, first: Chosen, placements: dict[str, Placement], options: dict[str, Any]
) -> Chosen:
    """The best that alternation reaches from the first placement or from the best baseline."""
    starts = [first]
    for placed in placements.values():
        selections = seen.selections(placed)
        starts.append(Chosen(placed, seen.problem(selections).energy_j(placed), selections))
    begun = [first, min(starts, key=lambda start: start.energy_j)]
    ended = [alternate(seen.rounds, start, seen.problem, **options) for start in begun]
    return min(ended, key=lambda end: end.energy_j)


def _row(
    name: str,
    placement: Placement,
    seen: _Tokens,
    others: _Tokens | None,
    selections: list[Selection] | None = None,
) -> PlacementRow:
    held_out = (None, None) if others is None else others.per_token_j(placement)
    return PlacementRow(name, *seen.per_token_j(placement, selections), *held_out)


def _gap(energy_j: float, bound_j: float | None, without_j: float = 0.0) -> float | None:
    """The gap of what is above a part that both have; None if nothing or no bound is known."""
    if bound_j is None or energy_j <= without_j:
        return None
    return max((energy_j - bound_j) / (energy_j - without_j), 0.0)


def over_layers(studies: Sequence[PlacementStudy]) -> PlacementStudy:
    """The energies of all layers summed, per token; tokens are those of one layer."""
    first = studies[0]
    rows = [
        PlacementRow(
            same[0].placement,
            sum(row.energy_j for row in same),
            sum(row.sending_j for row in same),
            _sum([row.held_out_j for row in same]),
            _sum([row.held_out_sending_j for row in same]),
        )
        for same in zip(*(study.rows for study in studies), strict=True)
    ]
    bound_j = _sum([study.bound_j for study in studies])
    best = rows[-1]
    computing_j = best.energy_j - best.sending_j
    return replace(
        first,
        placement=[],
        rows=rows,
        bound_j=bound_j,
        gap=_gap(best.energy_j, bound_j),
        sending_gap=_gap(best.energy_j, bound_j, computing_j),
    )


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


@dataclass(frozen=True)
class _Line:
    """A line of the CSV file."""

    layer: int | None
    placement: str
    energy_j: float
    sending_j: float
    held_out_j: float | None
    held_out_sending_j: float | None
    bound_j: float | None


def as_csv(studies: Mapping[int | None, PlacementStudy]) -> str:
    """A line for each layer and placement, with all digits; `bound_j` is that of the layer."""
    lines = [
        _Line(layer=layer, bound_j=study.bound_j, **vars(row))
        for layer, study in studies.items()
        for row in study.rows
    ]
    return rows_as_csv(lines, _Line)
