"""Prices on links: a bound of a round (P2) that sees exclusivity, and answers on the way.

Let token t of node i pay lambda[t, j] for passing the link i -> j, and let the link earn it. Then

    L(lambda) = sum_t DES_t(a + lambda)
                - max over matchings m of sum_ij sum_t (lambda[t, j] - c[i, j, m(i, j)])^+

bounds every round from below: tokens choose experts at these prices, links choose subcarriers (C3)
for what they earn, and nothing else ties the two together. Both parts are exact and cheap, so the
bound is at least as good as the linear relaxation with one flow for each token, link and
subcarrier. A subgradient of L is 1 where a token uses a link and 0 elsewhere, less 1 where it may
pass.

The ascent, with numbers as in the comments of `ascend`::

    repeat
        1. evaluate L at the prices; remember the best
        2. every few rounds, repair what the prices suggest into an answer
        3. stop if the gap is closed, nothing pulls at the prices, or steps became short
        4. after rounds without progress, shorten the step and go back to the best prices
        5. take a step of Polyak's length along the damped subgradient
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.allocation.assignment import serve
from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import Selection
from dmoe_opt.answer.result import Result, infeasible
from dmoe_opt.clock import TimeUp, is_over, left_s, until
from dmoe_opt.data.instance import Instance
from dmoe_opt.generating.presets import generate
from dmoe_opt.joint import decided
from dmoe_opt.joint.activation import (
    MOST_RUNS,
    activate,
    fewest_links,
    no_open_links,
    serve_over,
    solve_activation,
    too_many_links,
)
from dmoe_opt.joint.descent import (
    CLOSED,
    Descent,
    better,
    conclude,
    descend,
    descend_from,
    is_closed,
    is_new,
    price_idle,
    select,
)
from dmoe_opt.joint.multipliers import Point
from dmoe_opt.joint.prices import PricedRound, earnings, evaluate_at
from dmoe_opt.joint.steps import PATIENCE, SHORTEST_STEP, Climb, Effort, Log
from dmoe_opt.selection import des
from dmoe_opt.selection.relaxed import relaxed_bound

LEAST_SCALE = 1e-3  # of a step, in mean prices


THOROUGH = Effort(500, 5, MOST_RUNS)
QUICK = Effort(20, 2, 40_000)  # the first prices differ most, and so do the answers they suggest


class Ascent(NamedTuple):
    """Where an ascent ended: best prices (T, K), their bound, best answer if any, iterations.

    `needed` (N,) are the links that each node needs at least, None where spectrum is not scarce.
    """

    prices: NDArray[np.float64]
    bound_j: float
    answer: Descent | None
    iterations: int
    needed: NDArray[np.int64] | None = None

    def point(self, instance: Instance) -> Point:
        """The prices as a point of `multipliers`."""
        return Point(self.prices, np.zeros_like(self.prices), np.zeros(instance.num_experts))


@cache
def prepare() -> None:
    """Compile the kernels of `prices` and `activation`, once in a process.

    Later processes load them from numba's cache.
    """
    des.prepare()
    round_ = generate("tiny", 0)
    assert isinstance(round_, Instance)
    solve_activation(round_)
    earnings(round_, round_.to_experts(round_.best_link_energy))


def ascend(
    instance: Instance,
    answer: Descent | None,
    bound_j: float,
    *,
    effort: Effort = THOROUGH,
    far: float = CLOSED,
    log: Log | None = None,
    fewest: NDArray[np.bool_] | None = None,
) -> Ascent:
    """Raise the bound by subgradient steps, and repair what the prices suggest into answers.

    It ends where an answer is within `far` of the bound, as a share of its energy. `fewest` are few
    links (N, N) that serve all tokens, where spectrum is scarce. Steps have Polyak's length, `step
    * (target - L) / |subgradient|^2`, with the energy of the answer as the target.
    """
    least = _least_prices(instance)
    scale = least + (LEAST_SCALE * least.sum() / max(least.size, 1) or 1.0)
    climb = Climb(least, least)
    seen: set[bytes] = set()
    iteration = 0
    for iteration in range(1, effort.steps + 1):
        # 1. evaluate
        try:
            priced = evaluate_at(instance, climb.prices)
        except TimeUp:
            break
        climb.record(priced.value_j, _target_j(answer, climb.best_value_j))
        bound_j = max(bound_j, priced.value_j)
        slope = np.where(instance.away, priced.selection.astype(float) - priced.passes, 0.0)
        # 2. repair, and where nothing pulls any more, since then the prices tell the answer
        settled = not slope.any()
        if iteration % effort.repair_every == 1 or settled:
            answer = _repair(instance, priced, answer, seen, fewest)
            if log:
                log(None if answer is None else answer.energy_j, bound_j)
        # 3. stop
        if settled or climb.step < SHORTEST_STEP or is_closed(answer, bound_j, far):
            break
        if is_over():
            break
        # 4. shorten
        if climb.stalled >= PATIENCE:
            climb.cut()
        # 5. move
        rise_j = _target_j(answer, bound_j) - priced.value_j
        del priced  # its earnings are as large as the gains of the round
        if not climb.move(slope, scale, rise_j):
            break
    return Ascent(climb.best_prices, bound_j, answer, iteration)


def _target_j(answer: Descent | None, bound_j: float) -> float:
    """What the bound may rise to: the known energy, or a little more than the bound."""
    return 1.02 * bound_j if answer is None else answer.energy_j * (1 + CLOSED)


def _least_prices(instance: Instance) -> NDArray[np.float64]:
    """Every link at its best subcarrier, where L is the relaxed bound, shape (T, K).

    Own experts and dead links are priced 0.
    """
    best = instance.best_link_energy
    return instance.to_experts(np.where(np.isfinite(best), best, 0.0))


def _repair(
    instance: Instance,
    priced: PricedRound,
    answer: Descent | None,
    seen: set[bytes],
    fewest: NDArray[np.bool_] | None,
) -> Descent | None:
    """The best of the answer and of descents from what the prices suggest.

    One starts from what the tokens chose, another from the links that earn most. Where the tokens
    chose more links than there are subcarriers, one more starts from `fewest` and the links that
    earn most besides.
    """
    earners = select(instance, price_idle(instance, priced.allocation))
    for selection in (priced.selection, earners):
        if selection is None or not is_new(selection, seen):
            continue
        decision = serve(instance, selection)
        if decision is not None:
            answer = better(answer, descend(decision, seen))
    if fewest is not None and _num_links(instance, priced.selection) > instance.num_subcarriers:
        links = _filled_up(instance, priced, fewest)
        if is_new(links, seen):
            answer = better(answer, _over(instance, links))
    return answer


def _num_links(instance: Instance, selection: Selection) -> int:
    """Number of links that a selection uses."""
    return int((Decision(instance, selection).loads > 0).sum())


def _filled_up(
    instance: Instance, priced: PricedRound, fewest: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Links (N, N): the given ones, and those that earn most, one for each subcarrier left."""
    earned = np.where(fewest, 0.0, priced.earned.max(axis=2))
    spare = max(instance.num_subcarriers - int(fewest.sum()), 0)
    most = np.argsort(-earned, axis=None, kind="stable")[:spare]
    open_links = fewest.copy()
    open_links.ravel()[most] |= earned.ravel()[most] > 0
    return open_links


def close_in(
    instance: Instance,
    method: str,
    *,
    far: float = CLOSED,
    effort: Effort = THOROUGH,
    share: float = 1.0,
    log: Log | None = None,
    start: Decision | None = None,
) -> Ascent | Result:
    """Descend; if this ends `far` above the bound, count active links, and ascend as far.

    The value is a result of `method` where the round is proven to have no answer. Where spectrum is
    scarce and every set of links was looked at, the ascent has only a `share` of the time left.
    `start` is an answer from which one more descent starts.
    """
    selection, bound_j = relaxed_bound(instance)
    answer = descend_from(instance, selection)
    answer = better(answer, None if start is None else descend(start))
    if is_closed(answer, bound_j, far):
        return Ascent(_least_prices(instance), bound_j, answer, 0)
    scarce = _num_links(instance, selection) > instance.num_subcarriers
    fewest, limit_s = None, None
    if answer is None or (scarce and not is_over()):
        fewest = fewest_links(instance)
        if reason := too_many_links(instance, fewest.needed):
            return infeasible(instance, method, reason)
        activation = activate(instance, fewest.needed, effort.runs)
        if activation.bound_j == np.inf:
            return infeasible(instance, method, no_open_links(instance))
        bound_j = max(bound_j, activation.bound_j)
        for open_links in (fewest.open_links, activation.open_links):
            answer = better(answer, _over(instance, open_links))
        if activation.open_links is not None:
            limit_s = share * left_s()
    links = None if fewest is None else fewest.open_links
    with until(limit_s):
        end = ascend(instance, answer, bound_j, effort=effort, far=far, log=log, fewest=links)
    return end._replace(needed=None if fewest is None else fewest.needed)


def _over(instance: Instance, open_links: NDArray[np.bool_] | None) -> Descent | None:
    """Where the descent over some links (N, N) ends, if it can start."""
    decision = None if open_links is None else serve_over(instance, open_links)
    return None if decision is None else descend(decision)


def solve_lagrangian(
    instance: Instance,
    *,
    time_limit: float | None = None,
    log: Log | None = None,
    start: Decision | None = None,
) -> Result:
    """Descend, then raise the bound by prices on links and repair what they suggest.

    Where spectrum is scarce, the activation bound and its answer come first.

    Returns
    -------
    Result
        `stats` has `iterations` of the ascent.

    Examples
    --------
    >>> import dmoe_opt
    >>> from dmoe_opt.selection.relaxed import relaxed_bound
    >>> from dmoe_opt.joint.lagrangian import solve_lagrangian
    >>> round_ = dmoe_opt.load("tiny-s1")
    >>> result = solve_lagrangian(round_)
    >>> result.bound_j > relaxed_bound(round_)[1], result.gap < 1e-6
    (True, True)
    """
    with until(time_limit):
        if instance.optional_rules:
            return decided.solve_ascent(instance, log=log, start=start)
        end = close_in(instance, "lagrangian", log=log, start=start)
        if isinstance(end, Result):
            return end
        stats = {"iterations": end.iterations}
        without = "no answer was found in the iterations"
        prices = end.point(instance)
        return conclude(instance, "lagrangian", end.answer, end.bound_j, stats, without, prices)


def as_descent(result: Result) -> Descent | None:
    """The answer of a result as a place to go on from."""
    if result.decision is None:
        return None
    return Descent(result.decision, [result.decision.energy_j])
