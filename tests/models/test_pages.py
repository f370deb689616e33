"""What every page of the models promises."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path

import cvxpy as cp
import pyomo.environ as pyo
import pytest

import dmoe_opt
from dmoe_opt import models
from dmoe_opt.models import (
    joint_cvxpy,
    joint_pyomo,
    offload_cvxpy,
    offload_pyomo,
    selection_cvxpy,
    selection_pyomo,
)
from dmoe_opt.offload.episode import draw
from dmoe_opt.offload.presets import preset

FOLDER = Path(str(models.__file__)).parent
BACK_ENDS = ("pyomo", "cvxpy", "networkx")
PAGES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem.endswith(BACK_ENDS))


def test_the_pages_are_found() -> None:
    """Placing, three problems of a round, and offloading in two back-ends each; one in networkx."""
    assert len(PAGES) == 11


@pytest.mark.parametrize("name", PAGES)
def test_a_page_builds_and_solves(name: str) -> None:
    """Both functions are its own, and keyword options come after the data."""
    page = import_module(f"dmoe_opt.models.{name}")
    for function in (page.build, page.solve):
        assert function.__module__ == page.__name__
        assert inspect.getdoc(function)
        first, *options = inspect.signature(function).parameters.values()
        assert first.default is inspect.Parameter.empty
        assert all(option.default is not inspect.Parameter.empty for option in options)


def test_the_letters_are_the_same() -> None:
    """Experts chosen are alpha, nodes used omega, subcarriers y, and the flow of tokens f."""
    round_ = dmoe_opt.load("tiny-s1")
    episode = draw(preset("light"), 0)
    problem = round_.selection_problem()
    models_of = (
        (selection_pyomo, problem, ["alpha", "omega"]),
        (offload_pyomo, episode, ["alpha"]),
    )
    for page, data, letters in models_of:
        model = page.build(data)
        assert [variable.name for variable in model.component_objects(pyo.Var)] == letters
    model = joint_pyomo.build(round_)
    names = [variable.name for variable in model.component_objects(pyo.Var)]
    assert names == ["alpha", "y", "f"]
    program = joint_cvxpy.build(round_)
    variables = [program.alpha, program.y, program.f]
    assert {v.id for v in program.program.variables()} == {v.id for v in variables}
    assert isinstance(selection_cvxpy.build(problem).alpha, cp.Variable)
    assert isinstance(offload_cvxpy.build(episode)[1], cp.Variable)


def test_a_round_without_links() -> None:
    """The program in CVXPY then has neither subcarriers nor a flow, and still an answer."""
    alone = dmoe_opt.Instance(
        source=[0],
        scores=[[1.0]],
        threshold=1.0,
        max_experts=1,
        compute_energy=[2.0],
        link_energy=[[[0.0]]],
    )
    assert joint_cvxpy.build(alone).y is None
    for page in (joint_cvxpy, joint_pyomo):
        result = page.solve(alone)
        assert result.objective_j == 2.0
        assert result.status == "optimal"
