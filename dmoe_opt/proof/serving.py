"""How many tokens of a round go without experts at least: a linear program and its prices.

Sets of experts, links and subcarriers may be used in part. Energies do not count::

    min  sum over t of without[t]
    sum over sets S of t of x[S] + without[t] >= 1
    sum over sets S with expert j of x[S] <= C[j]                                        (room)
    sum over sets S of t that pass p of x[S] <= g[p] <= sum over k of y[l, k]            (passages)
    sum over k of y[l, k] <= 1, or with a deadline: sum over p of l of g[p]
        <= sum over k of min(U[l, k], number of p) y[l, k]
    sum over l of y[l, k] <= number of subcarriers of kind k                             (rents)

Links that are known to be used have sum over k of y[l, k] >= 1. The dual prices are those of a
certificate. Subcarriers on which the same links work are of one
kind; with a deadline each is a kind of its own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import coo_array, vstack

from dmoe_opt.answer.objective import visits
from dmoe_opt.data.instance import Instance
from dmoe_opt.joint import passages
from dmoe_opt.joint.choices import Choices
from dmoe_opt.joint.highs import Rows
from dmoe_opt.joint.open_part import usable_subcarriers

MOST_COLUMNS = 100_000


class Shares(NamedTuple):
    """Tokens that go without, and dual prices.

    Prices of tokens (T,), passages (T, C), subcarriers (M,) and room (K,). `links` (N, N) is how
    many subcarriers links use.
    """

    without: float
    tokens: NDArray[np.float64]
    passages: NDArray[np.float64]
    rents: NDArray[np.float64]
    room: NDArray[np.float64]
    links: NDArray[np.float64]


def shares(
    instance: Instance,
    choices: Choices,
    required: NDArray[np.bool_],
    used: NDArray[np.bool_] | None = None,
) -> Shares | None:
    """Solve the program for tokens that are `required` (T,) and links that are `used` (N, N).

    None if it is too large, or fails.
    """
    tokens, sets = instance.num_tokens, np.arange(len(choices.token))
    works, in_time = usable_subcarriers(instance), instance.air_tokens
    kind_of = np.arange(instance.num_subcarriers)
    if in_time is None:
        flat = works.reshape(-1, len(kind_of))
        kind_of = np.unique(flat, axis=1, return_inverse=True)[1].reshape(-1)
    first = np.unique(kind_of, return_index=True)[1]
    # Pairs of token and passage, the sets that pass them, and their links.
    passed = choices.experts
    if instance.send_once:
        passed = visits(passed, instance.node_of, instance.num_nodes)
    s, c = np.nonzero(passed & passages.need_link(instance)[choices.token])
    columns = len(passages.ends(instance))
    pairs, pair = np.unique(choices.token[s] * columns + c, return_inverse=True)
    t, c = np.divmod(pairs, columns)
    both = instance.source[t] * instance.num_nodes + passages.ends(instance)[c]
    links, link = np.unique(both, return_inverse=True)
    i, n = np.divmod(links, instance.num_nodes)
    of, kind = np.nonzero(works[i, n][:, first])
    g, y = len(sets) + np.arange(len(pairs)), len(sets) + len(pairs) + np.arange(len(of))
    without = len(sets) + len(pairs) + len(of)
    if without > MOST_COLUMNS:
        return None
    rows, inf = Rows(without + tokens), np.inf
    every, at = np.arange(tokens), np.arange(len(pairs))
    serve = rows.add(
        tokens, -inf, -1.0 * required, (choices.token, sets, -1.0), (every, without + every, -1.0)
    )
    room = None
    if instance.capacity is not None:
        r, j = np.nonzero(choices.experts)
        room = rows.add(instance.num_experts, -inf, instance.capacity, (j, r, 1.0))
    passing = rows.add(len(pairs), -inf, 0.0, (pair, s, 1.0), (at, g, -1.0))
    carried = coo_array((np.ones(len(of)), (of, np.arange(len(of)))), shape=(len(links), len(of)))
    p, k = carried.tocsr()[link].nonzero() if len(pairs) else (at, at)
    rows.add(len(pairs), -inf, 0.0, (at, g, 1.0), (p, y[k], -1.0))
    if in_time is None:
        rows.add(len(links), -inf, 1.0, (of, y, 1.0))
    else:
        most = np.minimum(
            in_time[i[of], n[of], first[kind]], np.bincount(link, minlength=len(i))[of]
        )
        rows.add(len(links), -inf, 0.0, (link, g, 1.0), (of, y, -most.astype(float)))
    if used is not None:
        sure = used[i[of], n[of]]
        place = np.unique(of[sure], return_inverse=True)[1].reshape(-1)
        rows.add(int(used[i, n].sum()), -inf, -1.0, (place, y[sure], -1.0))
    share = rows.add(len(first), -inf, np.bincount(kind_of), (kind, y, 1.0))
    cost = np.zeros(rows.width)
    cost[without:] = 1.0
    if not rows.width:
        return None
    answer = linprog(cost, vstack(rows.blocks, format="csr"), np.concatenate(rows.upper))
    if answer.status != 0:
        return None
    dual = np.maximum(-answer.ineqlin.marginals, 0.0)
    prices = np.zeros((tokens, columns))
    prices[t, c] = dual[passing]
    active = np.zeros((instance.num_nodes, instance.num_nodes))
    np.add.at(active, (i[of], n[of]), answer.x[y])
    return Shares(
        without=float(answer.fun),
        tokens=dual[serve],
        passages=prices,
        rents=dual[share][kind_of],
        room=np.zeros(instance.num_experts) if room is None else dual[room],
        links=active,
    )
