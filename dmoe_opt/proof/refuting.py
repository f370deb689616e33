"""Certificates that there is no answer: with all energies 0, the bound is above 0.

A token that no experts serve costs whatever is said of it. Otherwise prices of links, rents and
prices of room are those of the linear program of `serving`, which leaves some tokens without
experts. A round whose tokens can be served in part, and not as a whole, gets no certificate; on
small drawn rounds there was none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.objective import Selection
from dmoe_opt.data.instance import Instance, as_problem
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.errors import InputError
from dmoe_opt.joint import passages
from dmoe_opt.joint.choices import Choices, choices_of
from dmoe_opt.joint.open_part import usable_experts
from dmoe_opt.joint.passages import Costs
from dmoe_opt.proof.serving import shares
from dmoe_opt.proof.trees import prove_tokens, tokens_at

MOST_TURNS = 50  # of DES, where sets are too many to list
SHORT = 1e-5  # tokens that go without; fewer are rounding
LESS = 1e-8  # J, so that exact arithmetic agrees
DIGITS = 9  # of prices
Fields = dict[str, Any]
NOTHING: Fields = {"z": 0, "tree": 0}


def refutation(
    data: Instance | SelectionProblem, problem: str, given: Selection | None = None
) -> Fields:
    """The fields that prove that there is no answer, or none for the `given` experts (T, K).

    Raises
    ------
    InputError
        If no such proof was found.
    """
    fields = None
    if isinstance(data, SelectionProblem) or problem == "selection":
        fields = _out_of_reach(as_problem(data))
    elif problem == "allocation" and given is not None:
        required = np.asarray(given.any(axis=1))
        t = np.flatnonzero(required)
        fields = _by_prices(data, Choices(t, given[t]), required, given, given)
    elif data.drop_price is None:
        usable = usable_experts(data)
        required = data.selection_problem().need_units > 0
        choices = choices_of(data, usable) or _few(data, required, usable)
        fields = _by_prices(data, choices, required, usable, np.zeros_like(usable))
    if fields is None:
        raise unproven(problem)
    return fields | {"refuted": True}


def unproven(problem: str) -> InputError:
    """The error that no proof was found."""
    return InputError(f"no proof was found that {problem} has no answer")


def _out_of_reach(problem: SelectionProblem) -> Fields | None:
    """A token that no experts serve; None if there is none."""
    tokens = tokens_at(problem, Costs(np.zeros(problem.scores.shape), None), problem.usable)
    short = [
        t for t, tree in enumerate(prove_tokens(tokens, np.ones(len(tokens.need)))) if tree == 0
    ]
    return {"tokens": [NOTHING] * short[0] + [{"z": 1, "tree": 0}]} if short else None


def _few(instance: Instance, required: NDArray[np.bool_], usable: Selection) -> Choices:
    """Sets of experts at whose prices DES finds none that costs a token less."""
    choices = Choices(np.zeros(0, dtype=np.int64), np.zeros((0, instance.num_experts), dtype=bool))
    for _ in range(MOST_TURNS):
        at = shares(instance, choices, required)
        if at is None:
            break
        costs = passages.costs(instance, at.room, at.passages)
        experts, bounds = passages.choose(instance, costs, usable)
        t = np.flatnonzero(bounds < at.tokens - LESS)
        if not len(t):
            break
        choices = Choices(
            np.concatenate([choices.token, t]), np.concatenate([choices.experts, experts[t]])
        )
    return choices


def _by_prices(
    instance: Instance,
    choices: Choices,
    required: NDArray[np.bool_],
    usable: Selection,
    certain: Selection,
) -> Fields | None:
    """Prices at which tokens that are `required` (T,) pay more than links and experts earn.

    They may use the experts that are `usable`, and have to use those that are `certain`, (T, K).
    """
    at = shares(instance, choices, required)
    if at is None or at.without <= SHORT:
        return None
    prices, rents, room = (np.round(part, DIGITS) for part in (at.passages, at.rents, at.room))
    costs = passages.costs(instance, room, prices)
    z = np.maximum(np.round(at.tokens - LESS, DIGITS), 0.0)
    tokens = tokens_at(instance.selection_problem(), costs, usable)
    trees = prove_tokens(tokens, z, certain)
    if None in trees:
        return None
    lines = [{"z": cost_j, "tree": tree} for cost_j, tree in zip(z.tolist(), trees, strict=True)]
    fields = {"tokens": lines, "prices": prices.tolist(), "rents": rents.tolist()}
    return fields if instance.capacity is None else fields | {"room": room.tolist()}
