"""The method `bcd`: the descent, and a few steps of the price ascent where it ends far off."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.result import Result
from dmoe_opt.clock import is_over, until
from dmoe_opt.data.instance import Instance
from dmoe_opt.joint import decided
from dmoe_opt.joint.descent import Descent, better, conclude, descend_from, select
from dmoe_opt.joint.lagrangian import QUICK, close_in

FAR = 0.01  # above the bound: the descent may be stuck, where links contest few subcarriers
RANDOM_AMONG = 5


def solve_bcd(
    instance: Instance,
    *,
    time_limit: float | None = None,
    restarts: int = 0,
    seed: int = 0,
    start: Decision | None = None,
) -> Result:
    """Block coordinate descent from every link's best subcarrier.

    Where it ends more than 1 % above the relaxed bound, a few steps of the price ascent of
    `lagrangian` follow, which improve the bound too, until an answer is within 1 % of it.

    Parameters
    ----------
    time_limit
        Seconds. The first answer is found whatever the limit, without a descent if there is no time
        for one.
    restarts
        Further descents, each from a random subcarrier among the best few of every link; the best
        answer counts.
    seed
        Seed of the restarts.
    start
        An answer from which one more descent starts.

    Returns
    -------
    Result
        `stats` has `iterations` and the `trace` of energies of the descent that ended lowest, which
        never rises. Where more links would be active than subcarriers exist, links are given up one
        by one. The result is `infeasible` if it is proven that too many are needed, `no_solution`
        if no answer was found otherwise.

    Examples
    --------
    >>> import dmoe_opt
    >>> from dmoe_opt.joint.bcd import solve_bcd
    >>> result = solve_bcd(dmoe_opt.load("scarce-8x36-s0"))
    >>> trace = result.stats["trace"]
    >>> trace == sorted(trace, reverse=True), result.gap < 0.01
    (True, True)
    """
    with until(time_limit):
        if instance.optional_rules:
            return decided.solve_descent(instance, restarts=restarts, seed=seed, start=start)
        end = close_in(instance, "bcd", far=FAR, effort=QUICK, start=start)
        if isinstance(end, Result):
            return end
        best = _restart(instance, end.answer, restarts, np.random.default_rng(seed))
        trace = [] if best is None else best.trace
        stats = {"iterations": len(trace), "trace": trace}
        message = (
            f"more links are needed than the {instance.num_subcarriers} subcarriers can carry, "
            "as far as was tried"
        )
        prices = end.point(instance)
        return conclude(instance, "bcd", best, end.bound_j, stats, message, prices)


def _restart(
    instance: Instance, best: Descent | None, restarts: int, rng: np.random.Generator
) -> Descent | None:
    """The best of a descent and further ones from random prices."""
    for _ in range(restarts):
        if is_over():
            break
        start = select(instance, _random_prices(instance, rng))
        best = better(best, None if start is None else descend_from(instance, start))
    return best


def _random_prices(instance: Instance, rng: np.random.Generator) -> NDArray[np.float64]:
    """Price of every link, J/token, shape (N, N), on a random one of its best few subcarriers."""
    few = min(RANDOM_AMONG, instance.num_subcarriers)
    best = np.partition(instance.link_energy, few - 1, axis=2)[:, :, :few]
    drawn = rng.integers(few, size=best.shape[:2])
    return np.asarray(np.take_along_axis(best, drawn[:, :, None], axis=2)[:, :, 0])
