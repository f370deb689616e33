"""One instance solved over a grid of settings, for a page with sliders."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.result import Result
from dmoe_opt.data.instance import Instance, as_problem
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.errors import InputError
from dmoe_opt.solving import solve

STEP = 0.9
"""Ratio of two thresholds that are neighbours. It is gamma0 too, the importance factor of a layer:
so threshold and layer, which multiply, meet on one grid."""
SCALES = range(-4, 5)
"""Powers of STEP by which the threshold slider multiplies the thresholds of the instance."""
LAYERS = range(7)
"""Powers of STEP by which the importance slider multiplies them."""
POWERS = range(SCALES[0] + LAYERS[0], SCALES[-1] + LAYERS[-1] + 1)
SHARES_OF_SPECTRUM = (0.25, 0.5, 0.75, 1.0)
SCALES_OF_DEADLINE = (0.5, 0.7, 1.0, 2.0)
"""A round with a deadline is solved at these scales of it, each with its whole spectrum."""
MOST_CAPS = 5
MOST_TOKENS = 512
MOST_EXPERTS = 64
TIME_LIMIT_S = 2.0
"""Limit of each exact solve. The page shows the gap of a point that is not proven by then."""
LIMITS_IN_ALL = 30
"""All exact solves together take at most so many limits, a minute by default."""
HASTE = 4
"""While there is time, a solve may take so many times its even share of what is left."""
LEAST = 0.01
"""Share of the limit that every solve has, when all of them have taken too long."""
BASELINES = ("topk", "topp", "greedy", "des")
"""Their experts are chosen with every link on its best subcarrier, then links get subcarriers."""


Served = dict[tuple[int, float | None, bytes], float | None]
"""Energies of chosen experts in J, by subcarriers, deadline and the experts."""


class Setting(NamedTuple):
    """Where the sliders stand; None where the instance has no such thing."""

    power: int
    max_experts: int
    num_subcarriers: int | None
    air_deadline_s: float | None = None


class Axes(NamedTuple):
    """The values of every slider, in the order in which the points of a grid are listed."""

    powers: list[int]
    caps: list[int]
    subcarriers: list[int]
    deadlines: list[float]

    def settings(self) -> Iterator[Setting]:
        """All settings, the powers fastest."""
        spectra: list[int | None] = [*self.subcarriers] or [None]
        deadlines: list[float | None] = [*self.deadlines] or [None]
        for deadline_s, number, cap, power in product(deadlines, spectra, self.caps, self.powers):
            yield Setting(power, cap, number, deadline_s)


def axes_of(data: Instance | SelectionProblem) -> Axes:
    """The sliders of an instance: thresholds, caps and, of a round, spectra or deadlines.

    Raises
    ------
    InputError
        If the instance is too large for a page.
    """
    for what, number, most in (
        ("tokens", data.num_tokens, MOST_TOKENS),
        ("experts", data.num_experts, MOST_EXPERTS),
    ):
        if not 1 <= number <= most:
            raise InputError(f"the instance has {number} {what}; allowed on a page: 1 to {most}")
    if not isinstance(data, Instance):
        return Axes([*POWERS], _caps(data), [], [])
    if data.air_deadline_s is not None:
        deadlines = [scale * data.air_deadline_s for scale in SCALES_OF_DEADLINE]
        return Axes([*POWERS], _caps(data), [data.num_subcarriers], deadlines)
    shares = {round(share * data.num_subcarriers) for share in SHARES_OF_SPECTRUM}
    return Axes([*POWERS], _caps(data), sorted(shares - {0}), [])


def _caps(data: Instance | SelectionProblem) -> list[int]:
    """Up to `MOST_CAPS` values of D around the instance's own, which is among them."""
    own = min(data.max_experts, data.num_experts)
    near = sorted({1, 2, max(own - 1, 1), own, own + 1, 2 * own})
    allowed = [cap for cap in near if cap <= data.num_experts]
    while len(allowed) > MOST_CAPS:
        allowed.remove(next(cap for cap in allowed if cap != own))
    return allowed


def variant(data: Instance | SelectionProblem, setting: Setting) -> Instance | SelectionProblem:
    """The instance as the sliders have it."""
    changes: dict[str, Any] = {
        "threshold": data.threshold * STEP**setting.power,
        "max_experts": setting.max_experts,
    }
    if not isinstance(data, Instance):
        return data.replace(**changes)
    if setting.air_deadline_s is not None:
        changes["air_deadline_s"] = setting.air_deadline_s
    number = setting.num_subcarriers
    if number != data.num_subcarriers:
        if data.radio is not None:
            changes["radio"] = dataclasses.replace(
                data.radio, gains=data.radio.gains[:, :, :number]
            )
        else:
            changes["link_energy"] = data.link_energy[:, :, :number]
    return data.replace(**changes)


def exact(data: Instance | SelectionProblem, time_limit: float) -> Result:
    """The exact answer that the page shows at a setting."""
    problem = "jesa" if isinstance(data, Instance) else "selection"
    return solve(data, problem, time_limit=time_limit)


def solved_grid(
    data: Instance | SelectionProblem,
    time_limit: float = TIME_LIMIT_S,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Everything that the page shows, as plain data; energies in J.

    Parameters
    ----------
    data
        A round or a selection problem, of at most 512 tokens and 64 experts.
    time_limit
        Seconds for each exact solve, and a thirtieth of what all of them may take together.
    progress
        Called with the points done, and all points.
    """
    axes = axes_of(data)
    settings = list(axes.settings())
    points = []
    served: Served = {}
    ends = time.monotonic() + LIMITS_IN_ALL * time_limit
    for done, setting in enumerate(settings):
        if progress:
            progress(done, len(settings))
        left_s = max(ends - time.monotonic(), 0.0)
        share_s = HASTE * left_s / (len(settings) - done)
        limit_s = min(max(share_s, LEAST * time_limit), time_limit)
        points.append(_point(variant(data, setting), limit_s, served))
    return _facts(data) | {
        "axes": axes._asdict() | {"scales": [*SCALES], "layers": [*LAYERS], "step": STEP},
        "points": points,
    }


def _facts(data: Instance | SelectionProblem) -> dict[str, Any]:
    """What is the same at every setting."""
    facts: dict[str, Any] = {
        "name": data.name or "unnamed",
        "max_experts": data.max_experts,
        "lowers": data.on_shortfall == "top_d",
        "scores": data.scores.tolist(),
        "threshold": data.threshold.tolist(),
    }
    if not isinstance(data, Instance):
        facts["cost"] = np.where(data.usable, data.cost, np.inf).tolist()
        if data.placement is not None and data.node_cost is not None:
            facts |= {"node_of": data.placement.tolist(), "node_cost": data.node_cost.tolist()}
        return facts
    return facts | {
        "source": data.source.tolist(),
        "node_of": data.node_of.tolist(),
        "compute_energy": data.compute_energy.tolist(),
        "num_nodes": data.num_nodes,
        "send_once": data.send_once,
        "air_deadline_s": data.air_deadline_s,
        "best_link_energy": {
            number: data.link_energy[:, :, :number].min(axis=2).tolist()
            for number in axes_of(data).subcarriers
        },
    }


def _point(data: Instance | SelectionProblem, time_limit: float, served: Served) -> dict[str, Any]:
    """The exact answer at a setting, and what the baselines spend there (None: no answer).

    A baseline has the time of the exact answer as well: under a deadline its links need an integer
    program.
    """
    result = exact(data, time_limit)
    point: dict[str, Any] = {
        "status": str(result.status),
        "energy_j": result.objective_j,
        "bound_j": result.bound_j,
        "message": result.message,
        "lowered": len(result.shortfall),
        "kept": _kept(data, result),
        "baselines": {name: _baseline(data, name, time_limit, served) for name in BASELINES},
    }
    decision = result.decision
    if decision is None:
        return point
    point["experts"] = [np.flatnonzero(row).tolist() for row in decision.selection]
    if isinstance(data, Instance) and decision.allocation is not None:
        point["links"] = _links(decision)
    return point


def _links(decision: Decision) -> list[list[Any]]:
    """Links in use: from, to, tokens, subcarriers, and the energy of a token on average, J."""
    energy_j, sent = decision.instance.link_energy, decision.sent
    return [
        [
            int(i),
            int(n),
            int(decision.loads[i, n]),
            np.flatnonzero(sent[i, n]).tolist(),
            float(np.average(energy_j[i, n], weights=sent[i, n])),
        ]
        for i, n in np.argwhere(sent.any(axis=2))
    ]


def _baseline(
    data: Instance | SelectionProblem, name: str, time_limit: float, served: Served
) -> dict[str, float | None]:
    """Energy and kept weight of a baseline; in a round its experts get their best subcarriers."""
    chosen = solve(as_problem(data), "selection", name)
    energy_j = chosen.objective_j
    if isinstance(data, Instance) and chosen.selection is not None:
        # Thresholds and D play no part any more, so the same experts cost the same.
        key = (data.num_subcarriers, data.air_deadline_s, chosen.selection.tobytes())
        if key not in served:
            result = solve(data, "allocation", selection=chosen.selection, time_limit=time_limit)
            served[key] = result.objective_j
        energy_j = served[key]
    return {"energy_j": energy_j, "kept": _kept(data, chosen)}


def _kept(data: Instance | SelectionProblem, result: Result) -> float | None:
    """Share of all gate weight that the chosen experts have; None without an answer."""
    if result.decision is None:
        return None
    return float(result.decision.relevance.sum() / max(data.scores.sum(), 1e-300))
