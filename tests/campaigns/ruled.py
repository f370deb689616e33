"""Small rounds with optional rules and costs over up to 200 orders against enumeration."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmoe_opt import Instance, Radio, Result, Status
from tests.campaigns.outcome import TOO_WIDE, Fault, Outcome, judged
from tests.helpers.enumerated import drawn, drawn_on_nodes, optimum

NOISE = 1e-9
OPTIMUM = 1e-6
ALWAYS = ("exact", "bcd", "lagrangian")
MODELLED = {"pyomo": 0.08, "cvxpy": 0.05}
WIDEST_GAIN = 24
LIVE_J, DEAD_J = 9e8, 2e9


def attack(seed: int) -> Outcome:
    """One round: draw it, solve it by methods that take all rules, judge the answers."""
    data, outcome = draw(seed), Outcome()
    best_j = optimum(data)
    outcome.counts["rounds"] += 1
    outcome.counts["infeasible"] += best_j is None
    rng = np.random.default_rng(seed)
    methods = list(ALWAYS) + [name for name, share in MODELLED.items() if rng.random() < share]
    for method in methods:
        outcome.counts[f"answers of {method}"] += 1
        complaints = judged(data, "jesa", method, lambda answer: judge(answer, best_j))
        if complaints:
            outcome.faults.append(Fault(f"{method}: {'; '.join(complaints)}", seed))
    return outcome


def draw(seed: int) -> Instance:
    """A round of `tests.helpers.enumerated` with other energies, gains and deadlines."""
    rng = np.random.default_rng([seed, 7])
    data = drawn(seed) if rng.random() < 0.7 else drawn_on_nodes(seed)
    reach = int(rng.choice([1, 5, 20, 60, 100]))
    rules: dict[str, Any] = {"compute_energy": _energies(rng, reach, (data.num_experts,))}
    if data.drop_price is not None and rng.random() < 0.8:
        rules["drop_price"] = _energies(rng, reach, (data.num_tokens,))
    if data.wake_energy is not None and rng.random() < 0.8:
        rules["wake_energy"] = _energies(rng, reach, (data.num_experts,))
    if rng.random() < 0.6 and data.capacity is None:
        rules["capacity"] = rng.integers(0, data.num_tokens + 2, data.num_experts)
    if data.radio is None:
        energy = np.minimum(_energies(rng, reach, data.link_energy.shape), LIVE_J)
        rules["link_energy"] = np.where(data.link_energy <= LIVE_J, energy, DEAD_J)
    elif rng.random() < 0.7:
        rules |= _radio(rng, reach, data.radio)
    return data.replace(**rules)


def _energies(rng: np.random.Generator, reach: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Energies of up to `reach` orders above and below 1 J, some 0."""
    energy = 10 ** rng.uniform(-reach, reach, shape)
    return np.where(rng.random(shape) < 0.3, 0.0, energy) if rng.random() < 0.3 else energy


def _radio(rng: np.random.Generator, reach: int, radio: Radio) -> dict[str, Any]:
    """A radio of wide gains, mostly with a deadline when some subcarrier sends 1 to 3 tokens."""
    most = min(reach, WIDEST_GAIN)
    gains = np.where(radio.gains == 0, 0.0, 10 ** rng.uniform(-most, most, radio.gains.shape))
    power_w = float(10 ** rng.uniform(-reach, reach)) if rng.random() < 0.5 else 1.0
    wide = Radio(gains, 1.0, power_w, power_w, 1.0, round_trip=radio.round_trip)
    rate = np.log2(1 + gains)
    if rng.random() >= 0.6 or not rate.any():
        return {"radio": wide}
    seconds = float(rng.choice([1, 2, 3]) / rng.choice(rate[rate > 0]))
    return {"radio": wide, "air_deadline_s": seconds}


def judge(answer: Result, best_j: float | None) -> list[str]:
    """What is wrong with an answer, in words; empty if nothing is."""
    # A solver of integer programs may refuse costs that it cannot tell apart.
    is_modelled = answer.method in MODELLED and TOO_WIDE not in answer.message
    proves = answer.method == "exact" or is_modelled
    status, energy_j, bound_j = answer.status, answer.objective_j, answer.bound_j
    if best_j is None:
        if answer.solved or (proves and status != Status.INFEASIBLE):
            return [f"no answer exists, yet the status is {status}: {answer.message}"]
        return []
    if status == Status.INFEASIBLE:
        return [f"claimed infeasible, yet {best_j!r} J is possible"]
    wrong = []
    if proves and status != Status.OPTIMAL:
        wrong.append(f"the status is {status} without a limit: {answer.message}")
    if bound_j is not None and not bound_j <= best_j * (1 + NOISE):
        wrong.append(f"the bound {bound_j!r} is above the optimum {best_j!r}")
    if energy_j is not None and energy_j < best_j * (1 - NOISE):
        wrong.append(f"{energy_j!r} is below the optimum {best_j!r}")
    if status == Status.OPTIMAL and energy_j * (1 - OPTIMUM) > best_j:
        wrong.append(f"optimal at {energy_j!r}, the optimum is {best_j!r}")
    return wrong
