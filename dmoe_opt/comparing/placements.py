"""Placements of experts side by side: baselines and the best one, on seen and held-out rounds."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from dmoe_opt.answer.objective import Selection
from dmoe_opt.answer.tolerances import BOUND_NOISE
from dmoe_opt.comparing.placement_rows import PlacementRow, PlacementStudy, gap_of
from dmoe_opt.data import validate
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.errors import InputError, LimitError, MethodError
from dmoe_opt.placing.baselines import BASELINES
from dmoe_opt.placing.bound import lower_bound
from dmoe_opt.placing.copies import copies_energy, copies_in, with_replicas
from dmoe_opt.placing.problem import Copies, Placement, PlacementProblem, even_memory, problem_of
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
    replicas: int = 1,
    given: Sequence[Sequence[int]] | None = None,
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
    replicas
        The most copies of an expert, each on another node; tokens take what costs them least. A row
        `replicas` then follows. Without `memory` each node holds an even share of all copies.
    given
        A placement of your own, the nodes of every expert; it gets a row as well.
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
    replicas = _checked_replicas(replicas, select, method)
    if memory is None and rounds and replicas > 1:
        memory = even_memory(rounds[0].num_experts, rounds[0].num_nodes, replicas).tolist()
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
    least_j = rows[-1].energy_j
    if bound_j is not None and bound_j > best.energy_j * (1 + BOUND_NOISE):
        wrong = f"the bound {bound_j:.9g} J of {method} is wrong"
        raise MethodError(f"{wrong}; its placement costs {best.energy_j:.9g} J")
    tokens = max(problem.num_tokens, 1)
    computing_j = (least_j - rows[-1].sending_j) * tokens
    placed = [[n] for n in best.placement.tolist()]
    if given is not None:
        rows.insert(0, _row_of_copies("given", _given(problem, given), seen, others))
    if replicas > 1:
        copies = _replicas(problem, best.placement, replicas, options)
        rows.append(_row_of_copies("replicas", copies, seen, others))
        placed = [np.flatnonzero(of).tolist() for of in copies]
    return PlacementStudy(
        experts=problem.num_experts,
        nodes=problem.num_nodes,
        tokens=problem.num_tokens,
        held_out_tokens=0 if others is None else sum(of.num_tokens for of in held_out),
        send_once=send_once,
        select=select,
        method=method,
        placement=placed,
        bound_j=None if bound_j is None else min(bound_j / tokens, least_j),
        gap=gap_of(best.energy_j, bound_j),
        sending_gap=gap_of(best.energy_j, bound_j, computing_j),
        rows=rows,
    )


def _checked_replicas(replicas: int, select: str, method: str) -> int:
    number = validate.whole("replicas", replicas)
    if number > 1 and (select, method) != ("topk", "search"):
        raise validate.fail("replicas", number, 'select "topk" and method "search"')
    return number


def _given(problem: PlacementProblem, given: Sequence[Sequence[int]]) -> Copies:
    """A placement that a user has, checked."""
    if len(given) != problem.num_experts:
        allowed = f"{problem.num_experts}, one list of nodes for each expert"
        raise InputError(f"placement has {len(given)} experts; allowed: {allowed}")
    copies = copies_in(given, problem.num_nodes)
    problem.check_held(problem.size @ copies)
    return copies


def _replicas(
    problem: PlacementProblem, placement: Placement, most: int, options: dict[str, Any]
) -> Copies:
    """Replicas beside the best placement, or beside the best one that is even, as costs less."""
    starts = [placement]
    share = float(even_memory(problem.num_experts, problem.num_nodes)[0] * problem.size.max())
    even = np.minimum(problem.memory, share)
    with contextlib.suppress(InputError):  # unequal sizes may not fit so
        starts.append(_searched(problem.replace(memory=even), options)[0])
    limit = options["time_limit"]
    made = [with_replicas(problem, start, most, time_limit=limit) for start in starts]
    return min(made, key=lambda copies: copies_energy(problem, copies).energy_j)


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

    def of_copies_j(self, copies: Copies) -> tuple[float, float]:
        """As `per_token_j`, for the experts of Top-k with several copies."""
        problem = self.problem(self.topk)
        total_j, computing_j = copies_energy(problem, copies)
        tokens = max(problem.num_tokens, 1)
        return total_j / tokens, (total_j - computing_j) / tokens


def _row_of_copies(
    name: str, copies: Copies, seen: _Tokens, others: _Tokens | None
) -> PlacementRow:
    """The row of a placement with replicas, or of a given one, for the experts of Top-k."""
    if seen.select == "des" and (copies.sum(axis=1) == 1).all():
        return _row(name, copies.argmax(axis=1), seen, others)
    held_out = (None, None) if others is None else others.of_copies_j(copies)
    return PlacementRow(name, *seen.of_copies_j(copies), *held_out)


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
