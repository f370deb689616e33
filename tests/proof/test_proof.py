"""Certificates: what is proven is true, and what is forged is refused in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.drawn import Ended, problems, rounds
from helpers.enumerated import drawn, drawn_on_nodes
from hypothesis import given
from hypothesis import strategies as st

from dmoe_opt import InputError, Instance, SelectionProblem, load, prove, solve
from dmoe_opt.data.files import as_json
from dmoe_opt.joint.steps import Effort
from dmoe_opt.proof import cases, check_proof, files, refuting
from dmoe_opt.proof.trees import Tokens, prove_tokens
from tests.campaigns import forgeries

Typed = Callable[..., Ended]


def claim(bound_j: Any, problem: str = "selection", **fields: Any) -> Any:
    """What a solution says of its bound."""
    return {"problem": problem, "status": "feasible", "bound_j": bound_j} | fields


def plain(data: Instance | SelectionProblem) -> Any:
    return json.loads(as_json(data))


@given(problem=problems())
def test_every_token_is_proven(problem: SelectionProblem) -> None:
    """Trees of small problems prove the optimum but for rounding, and never more."""
    result = solve(problem)
    if result.objective_j is None:
        return
    certificate = prove(problem, result)
    assert certificate.open_tokens == ()
    assert certificate.bound_j is not None
    assert result.objective_j * (1 - 3e-12) <= certificate.bound_j <= result.objective_j
    above = result.objective_j * (1 + 1e-6) + 1e-9
    assert "the proof reaches" in check_proof.verdict(
        plain(problem), claim(above), certificate.fields
    )


@given(problem=problems(), nodes=st.data())
def test_tokens_that_pay_for_nodes_are_proven(problem: SelectionProblem, nodes: Any) -> None:
    """Where a node costs something once, trees prove the optimum of that, and never more."""
    number = nodes.draw(st.integers(1, 3))
    node = st.lists(
        st.integers(0, number - 1), min_size=problem.num_experts, max_size=problem.num_experts
    )
    costs = st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0]), min_size=number, max_size=number)
    paying = problem.replace(
        placement=nodes.draw(node),
        node_cost=np.array([nodes.draw(costs) for _ in problem.scores]).reshape(-1, number),
    )
    result = solve(paying)
    if result.objective_j is not None:
        certificate = prove(paying, result)
        assert certificate.open_tokens == ()
        assert certificate.bound_j is not None
        assert result.objective_j * (1 - 3e-12) <= certificate.bound_j <= result.objective_j


@given(instance=rounds())
def test_rounds_are_proven_from_below(instance: Instance) -> None:
    """Prices and trees never prove more than the optimum, with several experts on a node too."""
    result = solve(instance, "jesa", "exact")
    if result.objective_j is None:
        return
    assert (prove(instance, result).bound_j or 0.0) <= result.objective_j * (1 + 1e-12)


@pytest.mark.parametrize("draw", [drawn, drawn_on_nodes])
def test_optional_rules_are_proven_from_below(draw: Callable[[int], Instance]) -> None:
    """Any optional rules: nearly the optimum, never more, and given experts to rounding."""
    met = 0
    for seed in range(24):
        instance = draw(seed)
        result = solve(instance, "jesa")
        if result.decision is None or result.objective_j is None:
            continue
        joint_j = prove(instance, result).bound_j
        assert joint_j is not None
        assert result.objective_j * (1 - 1e-6) <= joint_j <= result.objective_j
        linked = solve(instance, "allocation", selection=result.selection)
        assert linked.objective_j is not None
        bound_j = prove(instance, linked).bound_j
        assert bound_j is not None
        assert bound_j <= linked.objective_j
        met += bound_j >= linked.objective_j * (1 - 1e-9)
        assert met or instance.air_deadline_s is not None
    assert met > 12  # with a deadline, prices of links can leave a gap


def test_a_search_begins_at_the_prices_of_the_method(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a single step these prices prove the bound of the method, and others do not."""
    monkeypatch.setattr(cases, "EFFORT", Effort(1, 1_000, 0))
    instance = load("scarce-8x36-s0")
    result = solve(instance, "jesa", "lagrangian")
    assert result.bound_j is not None
    with_prices, without = prove(instance, result), prove(instance, replace(result, prices=None))
    assert with_prices.bound_j is not None
    assert without.bound_j is not None
    assert without.bound_j < result.bound_j * (1 - 1e-9) <= with_prices.bound_j


def test_given_experts_are_certified() -> None:
    """The assignment of subcarriers is proven by its dual prices, to rounding."""
    for name in ("tiny-s1", "digits-l4"):
        result = solve(load(name), "allocation")
        certificate = prove(load(name), result)
        assert certificate.bound_j is not None
        assert certificate.bound_j >= result.objective_j * (1 - 1e-11)


def test_rounds_without_an_answer_are_refuted() -> None:
    """Too few subcarriers, or a token that no set of experts serves."""
    instance = load("scarce-8x36-s1")
    certificate = prove(instance, solve(instance, "jesa"))
    assert certificate.bound_j is None
    problem = TWO.replace(threshold=[0.5, 5.0], on_shortfall="infeasible")
    for data in (problem, instance.replace(threshold=5.0, on_shortfall="infeasible")):
        assert prove(data, solve(data)).bound_j is None


@pytest.mark.parametrize(
    ("draw", "seeds"), [(drawn, [34, 35, 36, 37]), (drawn_on_nodes, [0, 2, 16, 21, 32, 49])]
)
def test_any_rules_are_refuted(draw: Callable[[int], Instance], seeds: list[int]) -> None:
    """Capacity, deadline and few subcarriers in many combinations."""
    for seed in seeds:
        result = solve(draw(seed), "jesa")
        assert (result.status, prove(draw(seed), result).bound_j) == ("infeasible", None)


def test_a_round_that_is_served_in_part_is_refuted_by_cases() -> None:
    """Two links share a subcarrier, and each of its halves serves one half of a token."""
    cases_of = [target.fields for target in forgeries.refutations() if "split" in target.fields]
    assert [(fields["split"][0], fields["refuted"]) for fields in cases_of] == [("link", True)]
    later = drawn_on_nodes(1781)
    assert prove(later, solve(later, "jesa")).bound_j is None


def test_sets_that_are_too_many_to_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """DES finds those that matter."""
    monkeypatch.setattr(refuting, "choices_of", lambda *_: None)
    instance = load("scarce-8x36-s1")
    assert prove(instance, solve(instance, "jesa")).bound_j is None


def test_given_experts_without_subcarriers_are_refuted() -> None:
    """Which experts were given is part of the solution; no certificate refutes others."""
    instance = load("tiny-s1")
    crowded = instance.replace(link_energy=instance.link_energy[:, :, :2])
    result = solve(crowded, "allocation")
    certificate = prove(crowded, result)
    assert (result.status, certificate.bound_j) == ("infeasible", None)
    absent = claim(None, "allocation", status="infeasible")
    fields = certificate.fields
    experts = result.solution().selection
    assert check_proof.verdict(plain(crowded), absent | {"selection": experts}, fields) == ""
    alone = [[i] for i in instance.source.tolist()]
    assert check_proof.verdict(plain(crowded), absent | {"selection": alone}, fields)


@given(instance=rounds())
def test_refutations_are_true(instance: Instance) -> None:
    """What has an answer is never refuted, with several experts on a node too."""
    result = solve(instance, "jesa", "exact")
    if result.status == "infeasible":
        assert prove(instance, result).bound_j is None
    else:
        with pytest.raises(InputError, match="no proof was found"):
            refuting.refutation(instance, "jesa")


def test_forged_certificates_prove_nothing_false() -> None:
    """300 changed certificates of every kind; an honest one of a true claim is no forgery."""
    for seed in range(300):
        assert forgeries.attack(seed).faults == []
    for target in forgeries.targets():
        if target.claim["bound_j"] is not None:
            true = target.claim | {"bound_j": target.fields["bound_j"]}
            assert check_proof.verdict(target.instance, true, target.fields) == ""
    assert forgeries.complaint("") == "a false claim is certified"


def _forgeable(data: Instance | SelectionProblem) -> tuple[Any, Any, float]:
    result = solve(data, "jesa" if isinstance(data, Instance) else "selection")
    assert result.objective_j is not None
    return plain(data), prove(data, result).fields, result.objective_j


TWO = SelectionProblem(
    scores=[[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]],
    cost=[[1.0, 3.0, 2.0], [1.0, 2.0, 2.0]],
    threshold=[0.6, 0.5],
    max_experts=2,
)
FORGED: dict[str, tuple[Any, Any, float]] = {}


@pytest.fixture(autouse=True, scope="module")
def forgeable() -> None:
    """An instance with a proof to forge."""
    FORGED["problem"] = _forgeable(TWO)


def test_only_a_result_is_proven() -> None:
    """The name of a problem in its place is one line."""
    with pytest.raises(InputError, match="result = 'selection'"):
        prove(load("tiny-s1"), "selection")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        ([0, 0.0, 0.0], "does not reach"),  # a leaf whose price is too low
        ([0, [1, 9.0, 8.0]], "none of"),  # a branch is missing
        ([7, 0.0, 0.0], "none of"),  # there is no expert 7
        (["sizes", [0.0, 0.0]], "IndexError"),  # sizes 0 to 2 are wanted
        ([0, -4.0, 0.0], "not a number >= 0"),  # a negative price would count too much for nothing
        (True, "not a number >= 0"),
    ],
)
def test_each_rule_refuses(tree: Any, says: str) -> None:
    """A tree that breaks one rule is refused by that rule."""
    instance, fields, _ = FORGED["problem"]
    lines = [{"z": 2.99, "tree": tree}, fields["tokens"][1]]
    assert says in check_proof.verdict(instance, claim(0.0), fields | {"tokens": lines})


def test_the_three_ways_to_close_a_leaf() -> None:
    """Too many experts, too little relevance, and the price: each closes what the others do not."""
    z = check_proof.exact(1.0)
    token = check_proof.Token({0: z, 1: 3 * z}, [2, 1], 2, 1)
    assert check_proof.leaf_holds(token, z, {0, 1}, set(), None, 0.0)
    assert check_proof.leaf_holds(token, z, set(), {0}, None, 0.0)
    assert not check_proof.leaf_holds(token, z, set(), set(), None, 0.0)
    assert check_proof.leaf_holds(token, z, set(), set(), None, 2.0**39)  # 1/2 per unit
    assert not check_proof.leaf_holds(token, z + z // 10**9, set(), set(), None, 2.0**39)


def test_another_instance_is_another_proof() -> None:
    """A proof does not carry over to an instance with cheaper experts."""
    _, fields, optimum_j = FORGED["problem"]
    cheaper = TWO.replace(cost=TWO.cost * 0.9)
    assert check_proof.verdict(plain(cheaper), claim(optimum_j * (1 - 1e-9)), fields)


def test_trees_split_by_size_where_they_grow() -> None:
    """Costs that follow the scores need the number of experts; the proof is found all the same."""
    problem = load("strongly-correlated-s1")
    assert isinstance(problem, SelectionProblem)
    one = problem.rows([0])
    certificate = prove(one, solve(one))
    assert certificate.open_tokens == ()
    assert certificate.fields["tokens"][0]["tree"][0] == "sizes"


def test_no_tree_proves_too_much() -> None:
    """Asked for more than the optimum, the search gives up."""
    token = Tokens(TWO.cost[:1], np.array([[2.0, 1.0, 1.0]]), np.array([3.0]), 2)  # 0.75
    for z, found in ((3.0 * (1 - 1e-12), True), (3.0 * (1 + 1e-9), False)):
        assert [tree is not None for tree in prove_tokens(token, np.array([z]))] == [found]


@pytest.mark.parametrize("problem", ["selection", "allocation", "jesa"])
def test_archives_hold_the_same(problem: str, tmp_path: Path) -> None:
    """JSON and .npz, with trees and without, a round without an answer too."""
    name = "scarce-8x36-s1" if problem == "jesa" else "tiny-s1"
    for data in (load(name), load("tiny-s1")):
        certificate = prove(data, solve(data, problem))
        for path in (tmp_path / "p.json", tmp_path / "p.npz"):
            certificate.save(path)
            assert files.load(str(path)) == certificate.fields
    for damage in ({"tokens.z": [1.0]}, {"split": "["}, {"split": 3}):
        np.savez(tmp_path / "p.npz", **damage)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="is no certificate"):
            files.load(tmp_path / "p.npz")


def test_the_checker_runs_alone(typed: Typed, tmp_path: Path) -> None:
    """One file of plain Python, without the package and without site-packages, says yes or no."""
    (tmp_path / "i.json").write_bytes(as_json(load("tiny-s1")))
    done = typed("solve", "i.json", "--problem", "jesa", "--proof", "p.json", "-o", "s.json")
    assert done.returncode == 0
    told = typed("check", "i.json", "s.json", "--proof", "p.json")
    assert (told.returncode, "bound certified" in told.stdout) == (0, True)
    script = Path(check_proof.__file__)
    alone = [sys.executable, "-I", "-S", str(script), "i.json", "s.json", "p.json"]
    assert subprocess.run(alone, cwd=tmp_path, capture_output=True, text=True).returncode == 0
    forged = json.loads((tmp_path / "s.json").read_text())
    forged["bound_j"] *= 1 + 1e-9
    (tmp_path / "s.json").write_text(json.dumps(forged))
    refused = subprocess.run(alone, cwd=tmp_path, capture_output=True, text=True)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    told = typed("check", "i.json", "s.json", "--proof", "p.json")
    assert (told.returncode, "claimed, not certified" in told.stdout) == (1, True)


def test_refutations_on_the_command_line(typed: Typed) -> None:
    """A round without an answer: `solve` ends with 3, and `check` says what is proven."""
    name = "scarce-8x36-s1"
    done = typed("solve", name, "--problem", "jesa", "--proof", "p.json", "-o", "s.json")
    assert done.returncode == 3
    told = typed("check", name, "s.json", "--proof", "p.json")
    assert (told.returncode, "bound certified: no answer" in told.stdout) == (0, True)
    asked = ("--problem", "allocation", "-o", "s.json", "--proof", "p.json")
    assert typed("solve", name, *asked).returncode == 3
    told = typed("check", name, "s.json", "--proof", "p.json")
    assert (told.returncode, "bound certified: no answer" in told.stdout) == (0, True)
