"""Sets of experts that a token may use, one by one, where there are few of them.

Only sets that lose the threshold with each of their experts count: no energy and no rule of a round
gets better by an expert more. Columns for these sets in place of the rows (C1) and (C2) leave a
linear program no knapsack to relax.
"""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.objective import Selection
from dmoe_opt.data.instance import Instance
from dmoe_opt.joint.passages import Costs, paid_j

MOST_TRIED = 500_000  # sets of all tokens together: memory, and a tenth of a second


class Choices(NamedTuple):
    """Sets of experts (S, K), and the token of each set (S,)."""

    token: NDArray[np.int64]
    experts: Selection

    def only(self, kept: NDArray[np.bool_]) -> Choices:
        """Some of the sets."""
        return Choices(self.token[kept], self.experts[kept])

    def within(self, possible: Selection, certain: Selection) -> Choices:
        """The sets of experts that tokens may use, with all that they must use, both (T, K)."""
        may = (possible[self.token] | ~self.experts).all(axis=1)
        must = (self.experts | ~certain[self.token]).all(axis=1)
        return self.only(np.asarray(may & must))

    def paid_j(self, instance: Instance, at: Costs) -> NDArray[np.float64]:
        """What each set costs its token, J, (S,)."""
        experts = np.where(self.experts, at.experts[self.token], 0.0)
        nodes = None if at.nodes is None else at.nodes[self.token]
        return paid_j(instance, Costs(experts, nodes), self.experts)

    def number(self, num_tokens: int) -> NDArray[np.int64]:
        """How many sets each token has, (T,)."""
        return np.bincount(self.token, minlength=num_tokens)

    def uses(self, num_tokens: int) -> NDArray[np.int64]:
        """How many of its sets have an expert, for each token, (T, K)."""
        uses = np.zeros((num_tokens, self.experts.shape[1]), dtype=np.int64)
        np.add.at(uses, self.token, self.experts)
        return uses


def choices_of(instance: Instance, usable: Selection) -> Choices | None:
    """All sets of usable experts (T, K) of all tokens; None where they are too many to list.

    Examples
    --------
    >>> import dmoe_opt
    >>> from dmoe_opt.joint.choices import choices_of
    >>> round_ = dmoe_opt.load("tiny-s1")
    >>> choices = choices_of(round_, round_.selection_problem().usable)
    >>> choices.number(round_.num_tokens).tolist()
    [1, 2, 2, 1, 1, 1]
    """
    problem = instance.selection_problem()
    sizes = range(1, min(instance.max_experts, instance.num_experts) + 1)
    tried = sum(comb(instance.num_experts, size) for size in sizes)
    if tried * instance.num_tokens > MOST_TRIED:
        return None
    units, need = problem.usable_units, problem.need_units[:, None]
    nothing = np.flatnonzero(need[:, 0] <= 0)
    tokens = [nothing]
    experts = [np.zeros((len(nothing), instance.num_experts), dtype=bool)]
    for size in sizes:
        sets = np.array(list(combinations(range(instance.num_experts), size)))
        scores = units[:, sets]
        reached = scores.sum(axis=2)
        least = (reached >= need) & (reached - scores.min(axis=2) < need)
        t, n = np.nonzero(least & usable[:, sets].all(axis=2))
        members = np.zeros((len(t), instance.num_experts), dtype=bool)
        np.put_along_axis(members, sets[n], True, axis=1)
        tokens.append(t)
        experts.append(members)
    return Choices(np.concatenate(tokens), np.concatenate(experts))
