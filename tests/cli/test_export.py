"""The command `export`: programs for other solvers."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.drawn import Ended
from scipy import sparse

from dmoe_opt import SelectionProblem, load, save

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


def test_thresholds_are_exported_whole(typed: Typed, tmp_path: Path) -> None:
    """(C1) in the file holds for the sets that reach the need, for none that is 1e-11 short."""
    import highspy

    problem = SelectionProblem(
        scores=[[0.3, 0.2, 0.25, 0.25, 0.4]],
        cost=[[1.0, 2.0, 3.0, 4.0, 5.0]],
        threshold=0.5 + 1e-9 + 1e-11,
        max_experts=5,
    )
    save(problem, tmp_path / "near.json")
    exported = typed("export", "near.json", "--problem", "selection", "-o", "x.mps")
    assert exported.returncode == 0 and "HiGHS 1.15.1" in exported.stderr
    solver = highspy.Highs()
    solver.silent()
    solver.readModel(str(tmp_path / "x.mps"))
    program = solver.getLp()
    row = next(n for n, name in enumerate(program.row_names_) if "relevance" in name)
    matrix = program.a_matrix_
    data = matrix.value_, matrix.index_, matrix.start_
    weights = sparse.csc_matrix(data, (program.num_row_, program.num_col_))[row].toarray()[0]
    sets = np.array(list(itertools.product([0, 1], repeat=5)))
    reached = sets @ problem.usable_units[0] >= problem.need_units[0]
    assert (reached == (sets @ weights[:5] >= program.row_lower_[row])).all()
    assert 0 < reached.sum() < len(sets)
