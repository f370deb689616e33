"""False claims that once passed the check, and right values that once came out wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from helpers.drawn import Ended

from dmoe_opt import InputError, Instance, check, load, solve
from dmoe_opt.answer.check import decision_of
from dmoe_opt.checking import told
from dmoe_opt.data.files import load_solution
from dmoe_opt.generating.trace_files import load_trace

CASES = Path(__file__).parent / "cases"
LIES = {
    "forge-alloc-idle-claims": 'method "exact" is one of jesa, not of allocation',
    "forge-alloc-problem-claims-jesa-optimum-as-alloc": "one of jesa, not of allocation",
    "forge-bound-negative": "the bound -1 J is negative",
    "forge-duplicate-alloc-entry": "allocation[4] = [0, 1, 1] is listed twice",
    "forge-infeasible-with-bound": "claimed infeasible, yet a bound is given",
    "forge-nosol-bound-huge": "those of the tokens sum to",
    "forge-topk-claims-optimal-bound=energy": "above the 0.00264340627 J of a known answer",
    "forge-wall_s-negative": "the time -5 s is negative",
}


@pytest.mark.parametrize("name", LIES)
def test_lies_are_found(name: str) -> None:
    """Each false claim is named."""
    (complaint,) = check(load("tiny-s1"), load_solution(CASES / "forged" / f"{name}.json"))
    assert LIES[name] in complaint


FORGED: dict[str, tuple[str, dict[str, object], str]] = {
    "a time without end": ("jesa", {"wall_s": float("inf")}, "the time inf s is no time"),
    "half a node": ("jesa", {"stats": {"nodes": 2.5}}, "stats.nodes = 2.5 counts nothing"),
    "words for nodes": ("jesa", {"stats": {"nodes": "x"}}, "stats.nodes = 'x' counts nothing"),
    "no share": ("jesa", {"stats": {"kept": -1}}, "stats.kept = -1 is no share in [0, 1]"),
    "a bound that is nan": ("jesa", {"bound_j": float("nan")}, "the bound nan J is no number"),
    "other links": ("allocation", {"stats": {"links": 99}}, "stats.links is 99"),
    "a word for a bound": (
        "selection",
        {"stats": {"token_bound_j": ["a"] * 6}},
        "token_bound_j[0] = 'a' is no finite number",
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_claims_that_contradict_themselves(name: str) -> None:
    """One field of an honest solution is changed, and named."""
    problem, change, complaint = FORGED[name]
    data = load("tiny-s1")
    solution = solve(data, problem).solution()
    assert check(data, solution) == []
    said = check(data, msgspec.structs.replace(solution, **change))
    assert complaint in said[0]


def test_bounds_of_tokens_are_compared_with_their_energies() -> None:
    """The same sum over other tokens: one of them has more than its token costs."""
    data = load("tiny-s1")
    solution = solve(data).solution()
    of_tokens = solution.stats["token_bound_j"]
    solution.stats["token_bound_j"] = [sum(of_tokens), *[0.0] * 5]
    (complaint,) = check(data, solution)
    assert complaint.startswith("token 0: the bound 0.00264232668 J is above its energy")
    solution.stats["token_bound_j"] = [sum(of_tokens)]
    assert "has 1 entries, there are 6 tokens" in check(data, solution)[0]


def test_the_truth_passes() -> None:
    """The solution that the lies were made from is right, and only its bound is taken on trust."""
    solution = load_solution(CASES / "forged" / "forge-orig.json")
    assert check(load("tiny-s1"), solution) == []
    assert told(solution) == "the bound 0.00264340627 J"


def test_a_method_that_nobody_knows(typed: Callable[..., Ended]) -> None:
    """A file may come from a method of the user; its bound is called claimed."""
    ended = typed("check", "tiny-s1", str(CASES / "forged" / "forge-method-lie.json"))
    assert ended.returncode == 0
    assert "claimed by 'magic', which is no method of ours" in ended.stdout
    ended = typed("check", "tiny-s1", str(CASES / "forged" / "forge-method-lie.json"), "--json")
    assert '"claimed":"the bound 0.00264340627 J"' in ended.stdout


def test_infeasibility_of_a_round_is_challenged() -> None:
    """Descent finds an answer where a claim says that none exists."""
    round_ = load("tiny-s1")
    solution = solve(round_, "jesa").solution()
    solution.status, solution.bound_j, solution.gap, solution.objective_j = (
        "infeasible",
        *[None] * 3,
    )
    solution.selection, solution.allocation = None, None
    (complaint,) = check(round_, solution)
    assert complaint.startswith("claimed infeasible, yet an answer of 0.0026434")


def test_a_dearer_allocation_in_time_is_not_optimal() -> None:
    """Under a deadline, an allocation with a more expensive subcarrier is not the optimum."""
    round_ = load("deadline-8x64-s1")
    solution = solve(round_, "allocation").solution()
    assert check(round_, solution) == [] and solution.allocation is not None
    i, j, _ = solution.allocation[0]
    idle = set(range(round_.num_subcarriers)) - {used for *_, used in solution.allocation}
    solution.allocation[0][2] = max(idle, key=lambda other: round_.air_tokens[i, j, other])
    decision, broken = decision_of(round_, solution)
    assert decision is not None and not (broken or decision.violations)
    solution.objective_j = solution.bound_j = decision.energy_j
    (complaint,) = check(round_, solution)
    assert "J of a known answer" in complaint


def test_links_that_were_given_are_not_challenged_with_others() -> None:
    """Two links on one subcarrier cannot be served, whatever other experts could."""
    links = np.array([[[0.0], [1.0]], [[1.0], [0.0]]])
    scores = np.array([[0.0, 0.125], [0.125, 0.0]])
    source, threshold, compute_energy = np.arange(2), np.zeros(2), np.zeros(2)
    round_ = Instance(source, scores, threshold, 1, compute_energy, link_energy=links)
    across = np.array([[False, True], [True, False]])
    result = solve(round_, "allocation", selection=across)
    assert result.status == "infeasible"
    assert check(round_, result) == []


RIGHT = {
    "negzero-wrong-optimal": 1.1,
    "far-1e7-selection": 0.0472293548,
    "sel2-wrong-optimal-pyomo-int": 13.0,
    "sel2-wrong-optimal-pyomo-wide12": 6.80869434e-06,
    "near-tie": 1.59952474,
}


@pytest.mark.parametrize("method", ["des", "exhaustive", "pyomo", "cvxpy"])
@pytest.mark.parametrize("name", RIGHT)
def test_every_method_has_the_right_value(name: str, method: str) -> None:
    """-0.0, wide costs and near-ties: one optimum for all, and it passes the check."""
    data = load(CASES / f"{name}.json")
    result = solve(data, "selection", method)
    assert result.status == "optimal"
    assert result.objective_j == pytest.approx(RIGHT[name], rel=1e-8)
    assert check(data, result) == []


def test_costs_that_span_too_much_are_refused() -> None:
    """A token with costs from 1e-170 to 1e150 J: the small ones would lose digits."""
    with pytest.raises(InputError, match="allowed: a factor of at most 1e\\+302"):
        load(CASES / "des-wrong-optimal-min.json")


@pytest.mark.parametrize("name", ["negzero-gain-minus0", "negzero-link-minus0"])
def test_negative_zeros_are_zeros(name: str) -> None:
    """A dead link by a gain of -0.0, a free link by an energy of -0.0."""
    data = load(CASES / f"{name}.json")
    assert (data.link_energy >= 0).all()  # type: ignore[union-attr]
    for problem in ("selection", "allocation", "jesa"):
        result = solve(data, problem)
        assert result.status == "optimal"
        assert check(data, result) == []


def test_the_tolerance_counts_once() -> None:
    """A token whose best set is 0.9e-9 short needs exactly that set."""
    data = load(CASES / "double-tolerance-9e-10.json")
    result = solve(data)
    units = data.usable_units[result.selection].sum()  # type: ignore[union-attr]
    wanted = data.threshold[0] - 1e-9  # type: ignore[union-attr]
    assert units / 2**40 >= wanted - 1e-12


def test_scores_under_the_name_of_logits() -> None:
    """A softmax is not applied twice; the sigmoid of scores is refused."""
    scores = load_trace(CASES / "router_logits_already_softmaxed.npz").scores
    raw = load_trace(CASES / "router_logits_raw.npz").scores
    assert scores == pytest.approx(raw, abs=1e-6)
    with pytest.raises(InputError, match="scores after a softmax already"):
        load_trace(CASES / "router_logits_already_softmaxed.npz", gate="sigmoid")
