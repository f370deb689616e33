"""Certificates that there is no answer: with all energies 0, the bound is above 0.

A token that no experts serve costs whatever is said of it. Otherwise prices of links, rents and
prices of room are those of the linear program of `serving`, which leaves some tokens without
experts. Where tokens can be served in part, and not as a whole, a proof has cases: a link is used
or it is not.
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
from dmoe_opt.proof.serving import Shares, shares
from dmoe_opt.proof.trees import lines, prove_tokens, tokens_at

MOST_TURNS = 50  # of DES, where sets are too many to list
SHORT = 1e-5  # tokens that go without; fewer are rounding
LESS = 1e-8  # J, so that exact arithmetic agrees
DIGITS = 9  # of prices
MOST_LINKS = 6  # decided one after the other
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
        at = shares(data, Choices(t, given[t]), required)
        fields = _by_prices(data, at, given, given)
    elif data.drop_price is None:
        used = np.zeros((data.num_nodes, data.num_nodes), dtype=bool)
        fields = _by_cases(data, usable_experts(data), used, MOST_LINKS)
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


def _by_cases(
    instance: Instance, usable: Selection, used: NDArray[np.bool_], most: int
) -> Fields | None:
    """Prices for tokens that may use some experts (T, K), where links are `used` (N, N).

    If these prove nothing there are two cases, of a link that is used in part: it carries a token,
    or none. Up to `most` links are decided one after the other.
    """
    if used.sum() > instance.num_subcarriers:  # each pays a rent, and fewer are there
        prices = np.zeros((instance.num_tokens, len(passages.ends(instance))))
        rents = [1.0] * instance.num_subcarriers
        return {"tokens": [], "prices": prices.tolist(), "rents": rents}
    required = instance.selection_problem().need_units > 0
    choices = choices_of(instance, usable) or _few(instance, required, usable)
    at = shares(instance, choices, required, used)
    fields = _by_prices(instance, at, usable, np.zeros_like(usable))
    if fields is not None or at is None or not most:
        return fields
    part = np.where(used, 0.0, np.minimum(at.links, 1.0 - at.links))
    i, n = np.unravel_index(int(part.argmax()), part.shape)
    if part[i, n] <= SHORT:
        return None
    with_it, without = used.copy(), usable.copy()
    with_it[i, n] = True
    without[np.ix_(instance.source == i, instance.node_of == n)] = False
    first = _by_cases(instance, usable, with_it, most - 1)
    second = None if first is None else _by_cases(instance, without, used, most - 1)
    if second is None:
        return None
    return {"split": ["link", int(i), int(n)], "with": first, "without": second}


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
    instance: Instance, at: Shares | None, usable: Selection, certain: Selection
) -> Fields | None:
    """Prices at which tokens pay more than links and experts earn.

    They may use the experts that are `usable`, and have to use those that are `certain`, (T, K).
    """
    if at is None or at.without <= SHORT:
        return None
    prices, rents, room = (np.round(part, DIGITS) for part in (at.passages, at.rents, at.room))
    costs = passages.costs(instance, room, prices)
    z = np.maximum(np.round(at.tokens - LESS, DIGITS), 0.0)
    tokens = tokens_at(instance.selection_problem(), costs, usable)
    trees = prove_tokens(tokens, z, certain)
    if None in trees:
        return None
    fields = {"tokens": lines(z, trees), "prices": prices.tolist(), "rents": rents.tolist()}
    return fields if instance.capacity is None else fields | {"room": room.tolist()}
