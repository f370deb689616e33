"""DES itself: bounds, limits, the recorded tree, threads, hard families, extreme numbers."""

from __future__ import annotations

import math
import threading
import time

import numpy as np
import pytest
from benchmarks.unlisted import DRAWS, draw
from helpers.drawn import draws, problems
from hypothesis import given
from hypothesis import strategies as st

from dmoe_opt import InputError, SelectionProblem, Status, check, compiling, generate, solve
from dmoe_opt.data.problem import GRID
from dmoe_opt.generating.knapsacks import FAMILIES, GATED
from dmoe_opt.models import selection_cvxpy, selection_pyomo
from dmoe_opt.selection import des as des_module
from dmoe_opt.selection.des_kernel import EASY_NODES
from dmoe_opt.selection.search import UNLIMITED, Search


def problem_of(preset: str, seed: int = 1, **changes: object) -> SelectionProblem:
    data = generate(preset, seed, **changes)
    assert isinstance(data, SelectionProblem)
    return data


@pytest.mark.parametrize("family", FAMILIES + GATED)
@pytest.mark.parametrize(("experts", "cap"), [(12, 4), (64, 8), (128, 16)])
def test_hard_families_are_proven(family: str, experts: int, cap: int) -> None:
    """Every token of every knapsack family is proven, though 2^K sets exist.

    Without a limit, a gap of 10^-8 is left where `chvatal` has more sets than anybody can look at.
    """
    peaked: dict[str, object] = {"spread": 3.0, "noise": 0.01} if family in GATED else {}
    tokens = 1 if family == "chvatal" else 4
    problem = problem_of(family, num_experts=experts, max_experts=cap, num_tokens=tokens, **peaked)
    result = solve(problem)
    assert result.gap is not None
    assert result.gap <= (1e-8 if family == "chvatal" else 1e-12)
    if experts == 12:
        assert result.objective_j == pytest.approx(
            solve(problem, method="exhaustive").objective_j, rel=1e-12
        )


@pytest.mark.parametrize("family", ["spanner", "circle", "profit-ceiling", "coarse-scores"])
def test_hard_tokens_agree_with_enumeration(family: str) -> None:
    """Subproblems, common units and the dynamic program find the optimum of enumeration."""
    problem = problem_of(family, num_experts=24, max_experts=5, num_tokens=8, share=0.7)
    assert solve(problem).objective_j == solve(problem, method="exhaustive").objective_j


@pytest.mark.parametrize("share", [0.3, 0.95])
def test_families_of_no_list_agree_with_enumeration(share: float) -> None:
    """Concave, rounded, tied, wide and clustered costs are proven to the last digit too."""
    for family in DRAWS:
        problem = draw(family, 16, 4, 4, share)
        optimum = solve(problem, method="exhaustive").objective_j
        assert solve(problem).objective_j == pytest.approx(optimum, rel=1e-12), family


@pytest.mark.parametrize("family", ["coarse-costs", "dear-giant", "square-root"])
def test_few_nodes_prove_what_bounds_alone_leave_open(family: str) -> None:
    """Costs have a unit in spite of rounding, a size certain experts, and scores a second row.

    Without one of these, 2 million nodes leave more than 0.1 % of its family open.
    """
    result = solve(draw(family, 256, 32, 2, 0.5), node_limit=20_000)
    assert result.status == Status.OPTIMAL


@pytest.mark.parametrize("share", [0.1, 0.2, 0.9])
def test_every_threshold_is_proven(share: float) -> None:
    """Low thresholds need the bound that knows the smallest costs; high ones the largest scores."""
    assert (
        solve(problem_of("inverse-strongly-correlated", share=share, num_tokens=4)).status
        == Status.OPTIMAL
    )


def test_gcd_closes_parity() -> None:
    """Even scores cannot reach an odd threshold; without the common divisor this enumerates."""
    rng = np.random.default_rng(0)
    score = 2 * rng.integers(1000, 2000, (2, 40))
    scores = score / 2**20
    problem = SelectionProblem(
        scores=scores, cost=scores, threshold=(score[:, :8].sum(axis=1) + 1) / 2**20, max_experts=10
    )
    result = solve(problem, node_limit=2_000_000)
    assert result.status == Status.OPTIMAL
    assert result.objective_j == pytest.approx(
        float(((score[:, :8].sum(axis=1) + 2) / 2**20).sum()), rel=1e-12
    )


@given(problem=problems(), limit=st.integers(0, 5))
def test_node_limit_keeps_valid_bounds(problem: SelectionProblem, limit: int) -> None:
    """Stopped anywhere, the incumbent is feasible and bound <= optimum <= it, token by token."""
    full = solve(problem)
    cut = solve(problem, node_limit=limit)
    assert cut.status in (full.status, Status.FEASIBLE)
    if cut.selection is None or full.selection is None:
        assert cut.status == Status.INFEASIBLE
        return
    optimum = (problem.cost * full.selection).sum(axis=1)
    assert (cut.stats["token_bound_j"] <= optimum * (1 + 1e-12) + 1e-300).all()
    assert (optimum <= (problem.cost * cut.selection).sum(axis=1) * (1 + 1e-12)).all()
    assert check(problem, cut) == []


@given(problem=problems())
def test_relaxation_is_that_of_the_models(problem: SelectionProblem) -> None:
    """The root bound lies between the Dantzig bound (no cap) and the optimum."""
    if problem.infeasibility():
        return
    bound = des_module.relaxation(problem)
    assert bound <= solve(problem).objective_j * (1 + 1e-12)  # type: ignore[operator]
    uncapped = problem.replace(
        max_experts=problem.num_experts, threshold=problem.effective_threshold
    )
    assert des_module.relaxation(uncapped) <= bound * (1 + 1e-9) + 1e-12


@pytest.mark.parametrize("back_end", [selection_pyomo, selection_cvxpy])
def test_linear_relaxation_matches(back_end: object, hand: SelectionProblem) -> None:
    """The dual bound equals the linear relaxation that Pyomo and CVXPY solve."""
    for problem in (hand, problem_of("weakly-correlated", num_tokens=3)):
        assert back_end.relaxation(problem) == pytest.approx(
            des_module.relaxation(problem), rel=1e-7
        )  # type: ignore[attr-defined]


def test_duals_by_hand() -> None:
    """With the cap, less of expert 2 and more of expert 1 saves 2 J for 0.25 of score: 8 J a unit.

    Without the cap, a unit of score costs 6 J, as with expert 2.
    """
    token = SelectionProblem(
        [[0.25, 0.25, 0.5, 0.75]], [[0.5, 1.0, 3.0, 6.0]], threshold=0.65, max_experts=2
    )
    capped = selection_cvxpy.duals(token)
    assert [v.item() for v in capped] == pytest.approx([2.7, 8.0, 1.0])
    free = selection_cvxpy.duals(token.replace(max_experts=4))
    # a threshold counts as reached up to 1e-9
    assert [v.item() for v in free] == pytest.approx([2.4, 6.0, 0.0], abs=1e-8)


@given(problem=problems())
def test_duals_certify_the_relaxation(problem: SelectionProblem) -> None:
    """The two prices of a token alone give its bound back; one that cannot be served has none."""
    found = selection_cvxpy.duals(problem)
    profit = found.relevance[:, None] * problem.scores - found.cap[:, None] - problem.cost
    wanted = np.maximum(problem.grid_need, 0.0) / GRID
    paid = found.relevance * wanted - found.cap * problem.max_experts
    certified = paid - np.where(problem.usable, np.maximum(profit, 0), 0).sum(axis=1)
    served = np.isfinite(found.bound_j)
    assert served.all() or problem.infeasibility()
    assert certified[served] == pytest.approx(found.bound_j[served], abs=1e-6)
    assert np.isnan(certified[~served]).all()
    if served.all():
        assert found.bound_j.sum() == pytest.approx(des_module.relaxation(problem), abs=1e-6)


def test_time_limit_returns_incumbent_and_bound() -> None:
    """A limit that strikes during the search leaves a checked answer with an honest gap."""
    problem = problem_of("chvatal", max_experts=16, share=0.5, num_tokens=3)
    result = solve(problem, time_limit=0.05)
    assert result.status == Status.FEASIBLE
    assert result.gap is not None
    assert result.gap > 0
    assert check(problem, result) == []


def test_threads_do_not_change_the_answer() -> None:
    """One thread or three: the same selections, bounds and node counts."""
    problem = problem_of("weakly-correlated", num_tokens=50)
    one, three = solve(problem, threads=1), solve(problem, threads=3)
    assert one.selection is not None
    assert three.selection is not None
    assert (one.selection == three.selection).all()
    assert (one.stats["token_nodes"] == three.stats["token_nodes"]).all()
    assert one.bound_j == three.bound_j


def test_stop_flag_is_seen_inside_the_search() -> None:
    """The flag set from another thread ends a search that would run for minutes."""
    problem = problem_of("chvatal", num_experts=128, max_experts=16, share=0.5, num_tokens=64)
    search = Search(problem)
    timer = threading.Timer(0.05, search.stop.fill, [True])
    timer.start()
    search.run(slice(None), UNLIMITED)
    timer.join()
    assert (search.bound >= 0).all()


@pytest.mark.parametrize("reduce", [True, False])
@pytest.mark.parametrize("sweep", [True, False])
def test_tree_is_a_tree(reduce: bool, sweep: bool) -> None:
    """Parents precede children, bounds never fall along a branch, and every leaf has a reason."""
    problem = problem_of("uncorrelated", num_experts=12, max_experts=4, num_tokens=2)
    nodes = des_module.search_tree(problem, 1, reduce=reduce, sweep=sweep)
    assert nodes[0].parent == -1
    assert nodes[0].expert is None
    children = [0] * len(nodes)
    for node in nodes[1:]:
        assert node.parent < node.node
        children[node.parent] += 1
        assert node.bound_j >= nodes[node.parent].bound_j - 1e-12
    for node, count in zip(nodes, children, strict=True):
        assert count == (2 if node.reason == "branched" else 0)
    assert len(nodes) < 2**12


@pytest.mark.parametrize("size", [1e-300, 1e-30, 1e30, 1e190])
def test_any_scale_of_costs(size: float) -> None:
    """Costs from 1e-300 to 1e190 J give the same selection as costs near 1."""
    problem = problem_of("uncorrelated", num_experts=10, max_experts=3, num_tokens=5)
    scaled = problem.replace(cost=problem.cost * 1024 * size)
    one, other = solve(problem), solve(scaled)
    assert other.status == Status.OPTIMAL
    assert one.selection is not None
    assert other.selection is not None
    assert (one.selection == other.selection).all()


def test_wild_ratios_stay_honest() -> None:
    """Costs that differ by 10^15 within a token: the optimum is the one of enumeration."""
    rng = np.random.default_rng(3)
    cost = 10.0 ** rng.uniform(-15, 0, (40, 8))
    problem = SelectionProblem(scores=rng.random((40, 8)), cost=cost, threshold=1.5, max_experts=4)
    ours, reference = solve(problem), solve(problem, method="exhaustive")
    assert ours.bound_j is not None
    assert reference.objective_j is not None
    assert ours.objective_j == pytest.approx(reference.objective_j, rel=1e-9)


def test_tokens_keep_their_own_scale() -> None:
    """A token of 1e-200 J beside one of 1e190 J is solved as exactly as alone."""
    cost = [[1e190, 1e180, 1e189], [3e-200, 1e-200, 2e-200]]
    problem = SelectionProblem(scores=[[0.5] * 3] * 2, cost=cost, threshold=0.4, max_experts=1)
    result = solve(problem)
    assert result.selection is not None
    assert result.selection.tolist() == [[False, True, False]] * 2


def test_token_without_experts() -> None:
    """Where nothing can be used the relaxation says so instead of dividing by zero."""
    problem = SelectionProblem([[0.5]], [[1.0]], 0.5, 1, "infeasible", np.array([[False]]))
    assert des_module.relaxation(problem) == np.inf
    assert solve(problem).status == Status.INFEASIBLE


def test_bad_options() -> None:
    """Options are checked before anything runs."""
    problem = problem_of("uncorrelated", num_tokens=1)
    with pytest.raises(
        InputError, match=r"option colour is unknown to method des; allowed: .*node_limit"
    ):
        solve(problem, colour="red")
    with pytest.raises(InputError, match="threads = 0"):
        solve(problem, threads=0)
    for limit in (0, -1, math.nan):
        with pytest.raises(InputError, match="time_limit"):
            solve(problem, time_limit=limit)


def test_progress_is_reported() -> None:
    """The last report says that all tokens are done."""
    seen: list[tuple[int, int]] = []
    problem = problem_of("weakly-correlated", num_tokens=40)
    solve(problem, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (40, 40)


def test_many_tokens_take_proportionate_memory() -> None:
    """A hundred thousand tokens are solved and checked; the benchmark reports the peak."""
    data = generate("edge-8x64", 1, num_tokens=100_000)
    started = time.monotonic()
    result = solve(data)
    assert result.status == Status.OPTIMAL
    assert result.wall_s <= time.monotonic() - started + 1e-3


def searches(problem: SelectionProblem, limit: int) -> tuple[Search, Search]:
    """The same search by plain Python functions, and by compiled ones."""
    des_module.prepare()
    plain, compiled = Search(problem), Search(problem)
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr(compiling, "call", lambda kernel, *args, little: kernel(*args))
        plain.run(slice(None), limit)
    compiled.run(slice(None), limit)
    return plain, compiled


@draws(3)
@given(problem=problems(most_tokens=2))
def test_plain_python_gives_the_compiled_answer(problem: SelectionProblem) -> None:
    """Kernels that are not compiled choose the same experts in the same nodes, with the bounds."""
    plain, compiled = searches(problem, UNLIMITED)
    assert (plain.chosen == compiled.chosen).all()
    assert (plain.nodes == compiled.nodes).all()
    np.testing.assert_allclose(plain.bound, compiled.bound, rtol=1e-14)


@pytest.mark.parametrize("family", FAMILIES)
def test_plain_python_searches_like_compiled(family: str) -> None:
    """On hard tokens too, past the nodes after which they are split by size."""
    problem = problem_of(family, num_experts=48, max_experts=6, num_tokens=2)
    plain, compiled = searches(problem, 3 * EASY_NODES)
    assert (plain.chosen == compiled.chosen).all()
    assert (plain.nodes == compiled.nodes).all()
    np.testing.assert_allclose(plain.bound, compiled.bound, rtol=1e-14)
