"""The Lagrangian of a round with optional rules, at prices on links, wake-ups and capacities.

Token t pays lambda[t, j] for the link to expert j, nu[t, j] for waking it and pi[j] for its room;
with `send_once` it pays lambda[t, n] once for node n instead (`passages`).
With rho[t] the price of dropping the token, inf where it may not be dropped,

    L = sum_t min(rho[t], DES_t(a + lambda + nu + pi)) - sum_j pi[j] C[j]
        + sum_j min(0, b[j] - sum_t nu[t, j]) - (the most that links earn on subcarriers)

(without the min where an expert is known to be awake) bounds every round from below. On subcarrier
m a link earns the sum of its U largest positive lambda[t, j] - c. Without a deadline every link has
one subcarrier, and the most is a matching. With one, links may use several, and as long as nothing
says how many, every subcarrier takes the link that earns most on it. All prices are >= 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.allocation.least_cost import match
from dmoe_opt.answer.objective import Selection
from dmoe_opt.compiling import cached, call
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.radio import MOST_TOKENS
from dmoe_opt.joint import passages
from dmoe_opt.joint.choices import Choices
from dmoe_opt.joint.open_part import Open, everything

ROUNDING = 1e-13  # relative, of sums of floats
LITTLE = 256  # links times subcarriers that Python alone adds up while numba would load


class Frame(NamedTuple):
    """What every evaluation of L needs of a round.

    `usable` (T, K); `drop_j` (T,) in J, inf where a token may not be dropped. The links, `ends`
    (L, 2), have energies `link_j` (L, M), inf where they cannot use a subcarrier, and `room` (L, M)
    in tokens. Their pairs of token and passage are `pairs` (P, 2), those of link l from `first[l]`.
    A link uses at most `most_used` (L,) subcarriers. Experts that are `surely_awake` (K,) in every
    answer that counts pay their wake-up in any case. Links that are `surely_used` (L,) carry a
    token, even at a loss; without a deadline only. `choices` are the sets that tokens may use, None
    for all.
    """

    instance: Instance
    usable: Selection
    drop_j: NDArray[np.float64]
    ends: NDArray[np.int64]
    link_j: NDArray[np.float64]
    room: NDArray[np.int64]
    pairs: NDArray[np.int64]
    first: NDArray[np.int64]
    most_used: NDArray[np.int64]
    surely_awake: NDArray[np.bool_]
    surely_used: NDArray[np.bool_]
    choices: Choices | None


class Point(NamedTuple):
    """Prices of passages over links (T, C), of waking (T, K), and of capacity (K,), J."""

    link: NDArray[np.float64]
    waking: NDArray[np.float64]
    room: NDArray[np.float64]


class Served(NamedTuple):
    """L at a point without what links earn, J, and its parts, which are those of `Priced`."""

    value_j: float
    selection: Selection
    bounds: NDArray[np.float64]
    serving: NDArray[np.float64]
    awake: NDArray[np.bool_]
    slope: Point


class Priced(NamedTuple):
    """L at a point, J, and its parts.

    Experts that tokens choose (T, K), none where they are dropped; bounds of tokens with and
    without dropping (T,); experts that are awake (K,); earnings of links (L, M); and subcarriers
    that links take, (L, M). `slope` is a subgradient.
    """

    value_j: float
    selection: Selection
    bounds: NDArray[np.float64]
    serving: NDArray[np.float64]
    awake: NDArray[np.bool_]
    earned: NDArray[np.float64]
    taken: NDArray[np.bool_]
    slope: Point


def frame_of(instance: Instance, part: Open | None = None) -> Frame:
    """The frame of a round, or of what is open of it."""
    whole = part is None
    part = everything(instance) if part is None else part
    t, c = np.nonzero(passages.passed(instance, part.possible))
    link = instance.source[t] * instance.num_nodes + passages.ends(instance)[c]
    order = np.argsort(link, kind="stable")
    known, first = np.unique(link[order], return_index=True)
    ends = np.stack(np.divmod(known, instance.num_nodes), axis=1)
    i, n = ends.T
    first = np.append(first, len(link))
    energy = np.where(part.subcarriers[i, n], instance.link_energy[i, n], np.inf)
    most = np.diff(first)[:, None]
    room = np.ascontiguousarray(np.broadcast_to(most, energy.shape))
    most_used = np.ones(len(ends), dtype=np.int64)
    if instance.air_tokens is not None:
        room = np.minimum(room, instance.air_tokens[i, n])
        most_used[:] = instance.num_subcarriers
        if not whole:  # all but the last that a link uses are full
            least = np.where(part.subcarriers[i, n], room, most).min(axis=1, initial=MOST_TOKENS)
            most_used = np.minimum(1 + (most[:, 0] - 1) // np.maximum(least, 1), most_used)
    drop_j = np.full(instance.num_tokens, np.inf)
    if instance.drop_price is not None:
        drop_j = np.where(part.droppable, instance.drop_price, np.inf)
    return Frame(
        instance=instance,
        usable=part.possible,
        drop_j=drop_j,
        ends=ends,
        link_j=energy,
        room=room,
        pairs=np.stack([t[order], c[order]], axis=1),
        first=first,
        most_used=most_used,
        surely_awake=part.surely_awake,
        surely_used=np.zeros(len(ends), dtype=bool),
        choices=part.choices,
    )


def evaluate(frame: Frame, point: Point) -> Priced:
    """L and its parts at a point.

    Examples
    --------
    Where nothing is optional, links at their best subcarriers give the relaxed bound:

    >>> import numpy as np
    >>> import dmoe_opt
    >>> from dmoe_opt.joint import multipliers
    >>> from dmoe_opt.selection.relaxed import relaxed_bound
    >>> round_ = dmoe_opt.load("tiny-s1")
    >>> least = round_.to_experts(round_.best_link_energy)
    >>> point = multipliers.Point(least, np.zeros_like(least), np.zeros(3))
    >>> priced = multipliers.evaluate(multipliers.frame_of(round_), point)
    >>> round(priced.value_j / relaxed_bound(round_)[1], 9)
    1.0
    """
    served = serve_at(frame, point)
    earned, passing = _earnings(frame, point.link)
    taken = _takers(frame, earned)
    earned_j = float(earned[taken].sum())
    value_j = served.value_j - earned_j
    if np.isfinite(earned_j):
        value_j -= ROUNDING * abs(earned_j)
    slope = served.slope._replace(link=served.slope.link - _passes(frame, taken, passing))
    parts = served.selection, served.bounds, served.serving, served.awake
    return Priced(value_j, *parts, earned, taken, slope)


def serve_at(frame: Frame, point: Point) -> Served:
    """What tokens and experts add to L at a point; links earn apart."""
    instance = frame.instance
    selection, serving = passages.choose(instance, costs_at(instance, point), frame.usable)
    selection = selection & (serving <= frame.drop_j)[:, None]
    bounds = np.minimum(serving, frame.drop_j)
    wake_j = wake_left_j(frame, point)
    awake = frame.surely_awake | (wake_j < 0)
    # Prices far above the energy leave more rounding than the energy has.
    value_j = float(bounds.sum() + wake_j[awake].sum() - ROUNDING * np.abs(wake_j[awake]).sum())
    slope = Point(
        link=passages.passed(instance, selection).astype(float),
        waking=np.where(instance.wake_energy is None, 0.0, selection - awake.astype(float)),
        room=np.zeros(instance.num_experts),
    )
    if instance.capacity is not None:
        value_j -= float(point.room @ instance.capacity) * (1 + ROUNDING)
        slope = slope._replace(room=np.asarray(selection.sum(axis=0) - instance.capacity, float))
    return Served(value_j, selection, bounds, serving, awake, slope)


def wake_left_j(frame: Frame, point: Point) -> NDArray[np.float64]:
    """What tokens do not pay of the wake-up energies of experts, J, (K,)."""
    wake = frame.instance.wake_energy
    return np.zeros(point.room.shape) if wake is None else wake - point.waking.sum(axis=0)


def costs_at(instance: Instance, point: Point) -> passages.Costs:
    """What tokens pay at a point."""
    experts = instance.compute_energy + point.waking + point.room
    return passages.costs(instance, experts, point.link)


class _Passing(NamedTuple):
    """Pairs of each link by falling price (P,), and how many of them would pass, (L, M)."""

    order: NDArray[np.int64]
    number: NDArray[np.int64]


def _earnings(frame: Frame, prices: NDArray[np.float64]) -> tuple[NDArray[np.float64], _Passing]:
    """What links earn on subcarriers (L, M), J, and the pairs that would pass."""
    paid = prices[frame.pairs[:, 0], frame.pairs[:, 1]]
    link = np.repeat(np.arange(len(frame.ends)), np.diff(frame.first))
    order = np.lexsort((-paid, link))
    earned = np.zeros(frame.link_j.shape)
    number = np.zeros(frame.link_j.shape, dtype=np.int64)
    little = earned.size <= LITTLE
    arrays = frame.first, paid[order], frame.link_j, frame.room, earned, number
    call(_earn, *arrays, little=little)
    if frame.surely_used.any():
        lost = frame.surely_used[:, None] & (number == 0)
        least = paid[order][frame.first[:-1], None] - frame.link_j  # the token that pays most
        earned, number = np.where(lost, least, earned), np.where(lost, 1, number)
    return earned, _Passing(order, number)


@cached(is_entry=True, nogil=True)
def _earn(first, falling, link_j, room, earned, number):  # type: ignore[no-untyped-def]
    """Fill in what links earn (L, M), and how many pairs pass; prices fall within each link."""
    for n in range(link_j.shape[0]):
        start, pairs = first[n], first[n + 1] - first[n]
        sums = np.zeros(pairs + 1)
        for k in range(pairs):
            sums[k + 1] = sums[k] + falling[start + k]
        for m in range(link_j.shape[1]):
            low, high = 0, min(pairs, room[n, m])
            while low < high:  # how many prices are above the energy
                middle = (low + high) // 2
                if falling[start + middle] > link_j[n, m]:
                    low = middle + 1
                else:
                    high = middle
            if low:
                number[n, m] = low
                earned[n, m] = max(sums[low] - low * link_j[n, m], 0.0)


def _takers(frame: Frame, earned: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which link takes which subcarrier, (L, M)."""
    taken = np.zeros(earned.shape, dtype=bool)
    if not earned.size:
        return taken
    if is_unlimited(frame):
        link, m = earned.argmax(axis=0), np.arange(earned.shape[1])
    else:
        copies = np.repeat(np.arange(len(earned)), frame.most_used)
        copy, m = match(-_wanted(frame, earned)[copies])
        link = copies[copy]
    good = (earned[link, m] > 0) | (frame.surely_used[link] & np.isfinite(earned[link, m]))
    taken[link[good], m[good]] = True
    return taken


def _wanted(frame: Frame, earned: NDArray[np.float64]) -> NDArray[np.float64]:
    """Earnings (L, M) with a premium that no profit outweighs for links that are surely used."""
    if not frame.surely_used.any():
        return earned
    premium_j = 2 * np.abs(earned[np.isfinite(earned)]).sum() or 1.0
    with_premium = np.maximum(earned, -premium_j) + premium_j
    return np.where(frame.surely_used[:, None], with_premium, earned)


def is_unlimited(frame: Frame) -> bool:
    """Whether each link may use all subcarriers."""
    return bool((frame.most_used >= frame.link_j.shape[1]).all())


def _passes(frame: Frame, taken: NDArray[np.bool_], passing: _Passing) -> NDArray[np.float64]:
    """How often each passage of a token is carried by its link, (T, C)."""
    link, m = np.nonzero(taken)
    change = np.zeros(len(frame.pairs) + 1)  # how many more subcarriers carry a pair than the last
    np.add.at(change, frame.first[link], 1.0)
    np.add.at(change, frame.first[link] + passing.number[link, m], -1.0)
    t, c = frame.pairs[passing.order].T
    passes = np.zeros((len(frame.usable), len(passages.ends(frame.instance))))
    passes[t, c] = change.cumsum()[:-1]
    return passes
