"""The command `export`: programs for other solvers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.drawn import Ended

from dmoe_opt import load

Typed = Callable[..., Ended]


@pytest.mark.parametrize("problem", ["selection", "allocation"])
@pytest.mark.parametrize("suffix", ["mps", "lp", "nl"])
def test_export(typed: Typed, tmp_path: Path, suffix: str, problem: str) -> None:
    """The exported program has the optimum of the default method, in the units that are named."""
    result = typed("export", "tiny-s1", "--problem", problem, "-o", f"x.{suffix}")
    assert result.returncode == 0
    assert (tmp_path / f"x.{suffix}").stat().st_size > 500
    if suffix == "nl":
        return
    import highspy

    solver = highspy.Highs()
    solver.silent()
    solver.readModel(str(tmp_path / f"x.{suffix}"))
    solver.run()
    unit_j = float(result.stdout.split("units of ")[1].split()[0])
    answer = json.loads(typed("solve", "tiny-s1", "--problem", problem, "--json").stdout)
    energy = answer["objective_j"]
    if problem == "allocation":
        computing = load("tiny-s1").compute_energy  # type: ignore[union-attr]
        energy -= sum(computing[j] for experts in answer["selection"] for j in experts)
    assert solver.getInfo().objective_function_value * unit_j == pytest.approx(energy, rel=1e-5)
