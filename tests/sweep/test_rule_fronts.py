"""Energy against an optional rule: points, means over the same rounds, and the bound as a band."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib import pyplot as plt

from dmoe_opt import generate, solve
from dmoe_opt.plot.rule_fronts import front, of_rule_fronts
from dmoe_opt.sweep import plan
from dmoe_opt.sweep.driver import sweep
from dmoe_opt.sweep.judging import judge, read_jobs
from dmoe_opt.sweep.rule_fronts import RulePoint, rule_points, served_bound_j

RULES = {
    "air_deadline_s": [0.001, 0.03, 0.06],
    "capacity": [1, 4, 6],
    "wake_energy": [0.0, 1e-3],
    "drop_price": [1e-4, 1e-3, 1e-2],
}
SIZES = {"num_tokens": [8], "num_experts": [3], "num_subcarriers": [12]}


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[RulePoint]]:
    """Points of a small sweep over each of the rules."""
    found = {}
    for rule, values in RULES.items():
        folder = tmp_path_factory.mktemp(rule)
        grid = {"preset": ["deadline-8x64"], "seeds": 2, "problem": "jesa", rule: values}
        sweep(plan.plan({"grid": grid | SIZES | {"method": ["exact", "bcd"]}}), folder)
        found[rule] = rule_points(judge(read_jobs(folder)))
    return found


def test_points_are_proven_and_monotone(points: dict[str, list[RulePoint]]) -> None:
    """A looser rule costs no more, a higher price no less; bounds meet the answers of `exact`."""
    for rule, of_rule in points.items():
        assert {point.rule for point in of_rule} == {rule}
        energies = [point.energy_j for point in of_rule]
        assert len(energies) >= 2
        is_price = rule in ("wake_energy", "drop_price")
        assert energies == sorted(energies, reverse=not is_price)
        assert all(point.gap is not None and point.gap <= 1e-6 for point in of_rule)


def test_values_without_any_answer_have_no_point(points: dict[str, list[RulePoint]]) -> None:
    """Nothing is sent within a millisecond; the means are those of the rounds themselves."""
    deadlines = points["air_deadline_s"]
    assert [point.value for point in deadlines] == [0.03, 0.06]
    sizes = {name: value for name, (value,) in SIZES.items()}
    rounds = [generate("deadline-8x64", seed, **sizes, air_deadline_s=0.03) for seed in (0, 1)]
    energies = [solve(data, "jesa").objective_j for data in rounds]
    assert deadlines[0].seeds == 2
    assert deadlines[0].energy_j == pytest.approx(np.mean(energies), rel=1e-6)


def test_served_energy_is_above_its_bound(points: dict[str, list[RulePoint]]) -> None:
    """So many dropped tokens cost no less anywhere on the front than every price proves."""
    front_points = points["drop_price"]
    assert front_points[0].dropped != front_points[-1].dropped
    for point in front_points:
        assert point.dropped is not None
        bound_j = served_bound_j(front_points, point.dropped)
        assert point.served_j == pytest.approx(bound_j, rel=1e-5, abs=1e-9)


def test_figures(points: dict[str, list[RulePoint]], tmp_path: Path) -> None:
    """A figure for each rule; a band reaches from the bounds to the energies."""
    pictures = of_rule_fronts([point for of_rule in points.values() for point in of_rule])
    assert set(pictures) == {f"front-jesa-{rule}.png" for rule in RULES}
    loose = RulePoint("jesa", "capacity", "mine", 4.0, 1, 0, 0.03, 0.02, 0.5, None)
    tight = RulePoint("jesa", "capacity", "mine", 2.0, 1, 0, 0.05, 0.04, 0.2, None)
    axes = front([tight, loose], axes=plt.figure().subplots())
    ends = axes.collections[0].get_paths()[0].vertices
    assert ends[:, 1].min() == pytest.approx(20.0)
    assert axes.lines[0].get_ydata() == pytest.approx([50.0, 30.0])
    plt.close("all")
