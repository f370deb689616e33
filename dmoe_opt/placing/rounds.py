"""Rounds before and after a placement: what is held out, and what is written."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data import validate
from dmoe_opt.data.instance import Instance
from dmoe_opt.placing.problem import Placement


def split(
    rounds: Sequence[Instance], share: float, seed: int = 0
) -> tuple[list[Instance], list[Instance]]:
    """Rounds to see and rounds to hold out: the last ones; of a single round, tokens at random.

    `share` in [0, 1) is held out, but never all. If it is 0 nothing is.
    """
    if not 0 <= share < 1:
        raise validate.fail("held_out", share, "a number from 0 to below 1")
    if share == 0 or not rounds:
        return list(rounds), []
    if len(rounds) > 1:
        seen = max(1, round(len(rounds) * (1 - share)))
        return list(rounds[:seen]), list(rounds[seen:])
    only = rounds[0]
    order = np.random.default_rng([seed, 2]).permutation(only.num_tokens)
    seen = max(1, round(only.num_tokens * (1 - share)))
    parts = (order[:seen], order[seen:])
    first, last = (_some(only, np.sort(tokens)) for tokens in parts)
    return [first], [last] if last.num_tokens else []


def _some(round_: Instance, tokens: NDArray[np.int64]) -> Instance:
    """The round with some of its tokens; they keep their channel."""
    price = None if round_.drop_price is None else round_.drop_price[tokens]
    return round_.replace(
        source=round_.source[tokens],
        scores=round_.scores[tokens],
        threshold=round_.threshold[tokens],
        drop_price=price,
    )


def moved(
    round_: Instance,
    placement: Placement | Sequence[int],
    *,
    factor: Sequence[float] | None = None,
    send_once: bool = True,
) -> Instance:
    """The round with its experts on other nodes, at their energy there.

    `factor` is the energy of computing on every node, relative to that of the round, shape (N,);
    `send_once` as in `Instance`.
    """
    node = np.asarray(placement)
    work = round_.compute_energy * (1.0 if factor is None else np.asarray(factor)[node])
    return round_.replace(placement=node, compute_energy=work, send_once=send_once)
