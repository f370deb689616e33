"""All methods for P3: enumeration, whole vertices, proofs of infeasibility, odd radios."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import networkx as nx
import numpy as np
import pytest
from helpers.drawn import cheapest_allocation, rounds
from hypothesis import given
from hypothesis import strategies as st

from dmoe_opt import InputError, Instance, Radio, Status, check, generate, load, solve
from dmoe_opt.allocation.assignment import assign
from dmoe_opt.allocation.links import Links, active_links, chosen_experts
from dmoe_opt.answer.objective import loads
from dmoe_opt.data.instance import as_problem
from dmoe_opt.method_table import METHODS
from dmoe_opt.models import allocation_cvxpy, allocation_networkx, allocation_pyomo
from dmoe_opt.models.solvers import cvxpy_solver, pyomo_solver
from dmoe_opt.selection.baselines import topk_selection

ALL = list(METHODS["allocation"])


@given(instance=rounds(), most_relevant=st.booleans())
def test_against_enumeration(instance: Instance, most_relevant: bool) -> None:
    """Every method proves the enumerated optimum of any selection, or that there is none."""
    given = topk_selection(as_problem(instance)) if most_relevant else None
    messages = set()
    for method in ALL:
        result = solve(instance, "allocation", method, selection=given)
        messages.add(result.message)
        assert (result.problem, result.method) == ("allocation", method)
        assert check(instance, result) == []
        if as_problem(instance).infeasibility():
            assert result.status == Status.INFEASIBLE
            continue
        selection = chosen_experts(instance, given)
        optimum = cheapest_allocation(instance, selection)
        assert result.status == (Status.INFEASIBLE if optimum is None else Status.OPTIMAL), method
        assert result.objective_j == (
            None if optimum is None else pytest.approx(optimum, rel=1e-9, abs=1e-12)
        )
        if result.selection is not None:
            assert (result.selection == selection).all()
    assert len(messages) == 1


def edge_links() -> Links:
    """The active links of a committed round."""
    data = load("edge-8x64-s1")
    assert isinstance(data, Instance)
    links = active_links(data, chosen_experts(data, None))
    assert isinstance(links, Links)
    return links


def test_vertices_are_assignments() -> None:
    """In both models, the linear relaxation has the integer optimum, at an integer vertex."""
    links = edge_links()
    cost = links.cost_j / links.unit_j
    values = []
    for relax in (False, True):
        model = allocation_pyomo.build(cost, relax=relax)
        assert pyomo_solver.run(model).solved
        program, y = allocation_cvxpy.build(cost, relax=relax)
        assert cvxpy_solver.run(program).solved
        assert all(variable.is_binary() != relax for variable in model.y.values())
        assert program.is_mixed_integer() != relax
        values += [model.energy(), program.value]
        found = [
            np.array([variable.value for variable in model.y.values()]),
            np.asarray(y.value).ravel(),
        ]
        for shares in found:
            assert np.abs(shares - np.rint(shares)).max() <= 1e-9
            assert np.rint(shares).sum() == len(links.ends)
    assert values == pytest.approx([values[0]] * 4, rel=1e-9)


def test_methods_agree() -> None:
    """All name the same energy to 1e-9, relaxations too; the scaling of networkx gives n / 2^40."""
    runs: list[tuple[str, dict[str, Any]]] = [(method, {}) for method in ALL]
    runs += [(method, {"relax": True}) for method in ("pyomo", "cvxpy")]
    data = load("edge-8x64-s1")
    results = [solve(data, "allocation", method, **options) for method, options in runs]
    energies = [r.objective_j for r in results]
    assert energies == pytest.approx([energies[0]] * len(runs), rel=1e-9)
    assert {r.status for r in results} == {Status.OPTIMAL}
    gaps = {r.method: r.gap for r in results}
    assert 0 <= gaps["networkx"] < len(edge_links().ends) / 2**40  # type: ignore[operator]


def test_rounded_costs_bound_from_below() -> None:
    """In exact arithmetic, the optimum of the network is never above the true one.

    It is at most n / 2^40 below.
    """
    links = edge_links()
    cost = links.cost_j / links.unit_j
    least = Fraction(nx.min_cost_flow_cost(allocation_networkx.build(cost)), 2**40)
    optimum = sum(Fraction(cost[link, m]) for link, m in enumerate(assign(cost).tolist()))
    assert 0 <= optimum - least < Fraction(len(cost), 2**40)


def test_unit_bounds_the_optimum() -> None:
    """Unit <= optimum <= n units, and no cost that is left exceeds that."""
    data, links = load("edge-8x64-s1"), edge_links()
    result = solve(data, "allocation")
    assert result.objective_j is not None
    assert result.selection is not None
    energy = result.objective_j - float(result.selection.sum(axis=0) @ data.compute_energy)
    assert links.unit_j <= energy <= len(links.ends) * links.unit_j
    assert links.cost_j[np.isfinite(links.cost_j)].max() <= len(links.ends) * links.unit_j * (
        1 + 1e-9
    )


def star(gains: list[list[float]]) -> Instance:
    """Node 0 sends one token to each other node j, on the subcarriers with a gain in row j - 1."""
    experts = len(gains) + 1
    radio = np.zeros((experts, experts, len(gains[0])))
    radio[0, 1:] = gains
    return Instance(
        source=np.zeros(experts - 1, dtype=int),
        scores=np.eye(experts)[1:],
        threshold=1.0,
        max_experts=1,
        compute_energy=np.zeros(experts),
        radio=Radio(radio, 1.0, 1.0, 1.0, 1.0),
    )


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize(
    ("gains", "reason"),
    [
        ([[1.0], [1.0]], "2 links are active and 1 subcarrier exists"),
        ([[1.0, 1.0]] * 3, "3 links are active and 2 subcarriers exist"),
        (
            [[1.0, 0.0, 0.0], [1.0, 1.0, 1.0], [3.0, 0.0, 0.0]],
            "2 links share only 1 working subcarrier: 0 -> 1, 0 -> 3",
        ),
        (
            [[1, 1, 0, 0], [3, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1]],
            "3 links share only 2 working subcarriers: 0 -> 1, 0 -> 2, 0 -> 3",
        ),
    ],
)
def test_says_why_not(method: str, gains: list[list[float]], reason: str) -> None:
    """The reason counts links and subcarriers, or names the links that have too few of them."""
    data = star(gains)
    result = solve(data, "allocation", method)
    assert (result.status, result.message, result.problem) == (
        Status.INFEASIBLE,
        reason,
        "allocation",
    )
    assert check(data, result) == []


@pytest.mark.parametrize("method", ALL)
def test_odd_radios(method: str) -> None:
    """Equal gains, dead and perfect links, one of everything: a proof, no warning, no NaN."""
    shapes = [(1, 2, 1), (3, 0, 2), (3, 1, 1), (3, 6, 6)]
    for gain, (experts, tokens, carriers), threshold in itertools.product(
        [0.0, 1e-300, 1.0, 1e300], shapes, (0.0, 0.9)
    ):
        scores = np.random.default_rng(1).random((tokens, experts))
        radio = Radio(np.full((experts, experts, carriers), gain), 1e6, 1e-2, 1e-3, 1e4)
        data = Instance(
            np.zeros(tokens, dtype=int), scores, threshold, 2, np.full(experts, 1e-3), radio
        )
        result = solve(data, "allocation", method)
        case = (gain, data.scores.shape, threshold)
        assert check(data, result) == [], case
        assert result.status in (Status.OPTIMAL, Status.INFEASIBLE), case
        assert result.objective_j is None or np.isfinite(result.objective_j), case
        if threshold == 0.0:
            assert (result.status, result.objective_j) == (Status.OPTIMAL, 0.0), case


@pytest.mark.parametrize("method", ALL)
def test_costs_far_apart(method: str) -> None:
    """Link energies from 1e-310 to 1e8 J: the cheap ones decide, and solvers see no others."""
    link_energy = np.zeros((3, 3, 3))
    link_energy[0, 1], link_energy[0, 2] = [1e-9, 1e-310, 1e8], [1.5e-9, 1e-9, 1e8]
    data = Instance(
        source=[0, 0],
        scores=[[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        threshold=1.0,
        max_experts=1,
        compute_energy=[0.0] * 3,
        link_energy=link_energy,
    )
    result = solve(data, "allocation", method)
    assert (result.status, result.objective_j) == (Status.OPTIMAL, pytest.approx(1.5e-9, rel=1e-9))


@pytest.mark.parametrize("method", ALL)
def test_serves_the_selection_as_given(method: str) -> None:
    """The links of the selection are served, and none that DES would use beyond them."""
    data = generate("tiny", 1)
    given = topk_selection(data.selection_problem())  # type: ignore[union-attr]
    result = solve(data, "allocation", method, selection=given.tolist())
    assert result.selection is not None
    assert result.allocation is not None
    assert (result.selection == given).all()
    assert result.allocation is not None
    assert (result.allocation.any(axis=2) == (loads(data, given) > 0)).all()
    assert result.objective_j == pytest.approx(solve(data, "jesa", "topk").objective_j, rel=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"selection": [[True]]}, "selection has shape 1 x 1; allowed: 2 x 3"),
        ({"selection": [[0, 1, 0]] * 2}, "selection = .*; allowed: true or false"),
        (
            {"selection": [[False] * 3] * 2},
            r"selection: token 0 \(C1\): relevance 0 is below 1; allowed: a selection that keeps",
        ),
        (
            {"selection": [[True, True, True], [False, False, True]]},
            r"selection: token 0 \(C2\): 3 experts, at most 1 are allowed",
        ),
        ({"method": "pyomo", "relax": "yes"}, "relax = 'yes'; allowed: true or false"),
        ({"relax": True}, "option relax is unknown to method assignment; allowed: selection"),
    ],
)
def test_refuses(options: dict[str, Any], message: str) -> None:
    """A selection that is none of this round, or breaks a rule, and options that do not fit."""
    with pytest.raises(InputError, match=message):
        solve(star([[1.0, 1.0]] * 2), "allocation", **options)
