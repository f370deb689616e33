"""A decision: which experts every token uses and, in a round, which subcarriers its links use."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer import objective
from dmoe_opt.answer.bill import Bill, bill_of, dropped, sent_tokens
from dmoe_opt.answer.objective import Allocation, Selection, Sums
from dmoe_opt.data.instance import Instance, as_problem
from dmoe_opt.data.problem import SCORE_UNIT, SelectionProblem
from dmoe_opt.data.validate import frozen


@dataclass(frozen=True, eq=False)
class Decision:
    """Selection and allocation as one value; loads, energy and broken rules are computed once.

    Parameters
    ----------
    data
        The instance that the decision is about.
    selection
        True where a token uses an expert, bool, shape (T, K).
    allocation
        True where link i -> j uses subcarrier m, bool, shape (N, N, M); None where only experts
        are chosen.

    Examples
    --------
    >>> import dmoe_opt
    >>> round_ = dmoe_opt.load("tiny-s1")
    >>> answer = dmoe_opt.solve(round_, "jesa")
    >>> decision = dmoe_opt.Decision(round_, answer.selection, answer.allocation)
    >>> decision.violations, decision.energy_j == answer.objective_j, int(decision.loads.sum())
    ([], True, 6)
    """

    data: Instance | SelectionProblem
    selection: Selection
    allocation: Allocation | None = None

    def __post_init__(self) -> None:
        for name in ("selection", "allocation"):
            array = getattr(self, name)
            if array is not None:
                array = np.asarray(array)
                object.__setattr__(self, name, frozen(array, array.dtype.type))

    @property
    def problem(self) -> SelectionProblem:
        """P1 of the instance: the rules that the selection has to keep."""
        return as_problem(self.data)

    @property
    def instance(self) -> Instance:
        """The round that is decided; raises `TypeError` if it is a selection problem alone."""
        if not isinstance(self.data, Instance):
            raise TypeError("a selection problem has no links")
        return self.data

    def with_allocation(self, allocation: Allocation) -> Decision:
        """The same experts with these subcarriers; the loads are not computed again."""
        decision = Decision(self.data, self.selection, allocation)
        decision.__dict__["loads"] = self.loads  # they depend on the selection only
        return decision

    def without_idle_links(self) -> Decision:
        """The same decision without subcarriers that carry no token."""
        if self.allocation is None:
            return self
        kept = self.allocation & (self.loads > 0)[:, :, None]
        if self.instance.air_tokens is not None:
            kept &= self.sent > 0
        return self.with_allocation(kept)

    @cached_property
    def sent(self) -> NDArray[np.int64]:
        """Tokens that each link sends on each of its subcarriers, shape (N, N, M).

        Under a deadline the cheapest are filled first; without one, a link has a single one.
        """
        assert self.allocation is not None
        if self.instance.air_tokens is None:
            return np.where(self.allocation, self.loads[:, :, None], 0)
        return sent_tokens(self.instance, self.allocation, self.loads)

    @cached_property
    def loads(self) -> NDArray[np.int64]:
        """Tokens that each link i -> j of the round carries, shape (N, N)."""
        return objective.loads(self.instance, self.selection)

    @cached_property
    def bill(self) -> Bill:
        """What the round costs, by cause; of a round where subcarriers are chosen."""
        assert self.allocation is not None
        return bill_of(self.instance, self.selection, self.allocation, self.loads)

    @cached_property
    def sums(self) -> Sums:
        """What the chosen experts of every token add up to in P1."""
        return objective.add_up(self.problem, self.selection)

    @cached_property
    def energy_j(self) -> float:
        """The objective, J: of the round where subcarriers are chosen, of P1 otherwise."""
        if isinstance(self.data, Instance) and self.allocation is not None:
            return self.bill.total_j
        return float(self.sums.energy_j.sum())

    @cached_property
    def dropped(self) -> NDArray[np.bool_]:
        """Tokens of the round that are dropped, shape (T,)."""
        return dropped(self.instance, self.selection)

    @cached_property
    def violations(self) -> list[str]:
        """Every rule that the decision breaks, in words; empty if it is feasible.

        Of each rule the first `limits.MOST_LISTED` lines, and how many more there are.
        """
        if not isinstance(self.data, Instance) or self.allocation is None:
            fits = self.selection.shape == self.problem.scores.shape
            sums = self.sums if fits else None
            return objective.violations(self.problem, self.selection, sums=sums)
        broken = objective.selection_violations(self.data, self.selection)
        if self.selection.shape != self.data.scores.shape:
            return broken
        return broken + objective.allocation_violations(self.data, self.allocation, self.loads)

    @cached_property
    def relevance(self) -> NDArray[np.float64]:
        """Sum of the chosen scores of every token, shape (T,)."""
        return self.sums.units / SCORE_UNIT

    @property
    def mean_relevance(self) -> float | None:
        """Mean of `relevance` over the tokens; None without tokens."""
        return float(self.relevance.mean()) if len(self.relevance) else None
