"""What `plot` says of a sweep: ratios, exponents, savings and fronts against hand and enumeration, and broken files."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.drawn import Ended
from matplotlib.figure import Figure

from dmoe_opt import InputError
from dmoe_opt.comparing import fronts
from dmoe_opt.comparing.rows import as_csv, half_width
from dmoe_opt.comparing.schedulers import FrontierPoint
from dmoe_opt.plot import profiles as pictures
from dmoe_opt.sweep import analysis, profiles, scaling
from dmoe_opt.sweep.judging import Judged, contradictions, judge, read_jobs

Typed = Callable[..., Ended]


def line(
    method: str,
    seed: int = 0,
    status: str = "optimal",
    objective: float | None = 1.0,
    **changes: Any,
) -> dict[str, Any]:
    """A line of results.jsonl: a job of 1 s whose bound is its objective, unless said otherwise."""
    row: dict[str, Any] = {
        "preset": "tiny", "seed": seed, "problem": "selection", "method": method, "options": {}, "instance": f"tiny-s{seed}",
        "instance_sha256": f"hash {seed}", "tokens": 8, "experts": 4, "max_experts": 2, "subcarriers": None, "status": status,
        "objective_j": objective, "bound_j": objective, "gap": None, "relevance": None, "nodes": None, "wall_s": 1.0,
        "generate_s": 0.1, "tries": 1, "message": "", "host": "here", "versions": {}, "finished": "2026-01-01T00:00:00",
    }  # fmt: skip
    if status not in ("optimal", "feasible"):
        row |= {"objective_j": None, "bound_j": None}
    if status == "failed":
        row |= {"wall_s": None, "instance_sha256": None}
    row |= changes
    return {
        "key": json.dumps(
            [row[name] for name in ("preset", "seed", "problem", "method", "options")]
        )
    } | row


def write(folder: Path, rows: Sequence[dict[str, Any]], end: str = "") -> Path:
    (folder / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + end)
    return folder


def judged(folder: Path, *rows: dict[str, Any]) -> list[Judged]:
    return judge(read_jobs(write(folder, rows)))


THREE_BY_TWO = (
    line("a", 0, wall_s=1.0), line("b", 0, wall_s=2.0),
    line("a", 1, "failed"), line("b", 1, wall_s=3.0),
    line("a", 2, wall_s=6.0, objective=2.0), line("b", 2, "feasible", wall_s=2.0, objective=2.01, bound_j=1.0),
)  # fmt: skip


def test_profiles_by_hand(tmp_path: Path) -> None:
    """Three instances, two methods, one failure, and an answer that is within 1 % of the other's bound."""
    rows = profiles.profile_rows(judged(tmp_path, *THREE_BY_TWO))
    assert {(r.within, r.method, r.seed): r.ratio for r in rows} == {
        (1e-6, "a", 0): 1.0, (1e-6, "a", 1): None, (1e-6, "a", 2): 1.0,
        (1e-6, "b", 0): 2.0, (1e-6, "b", 1): 1.0, (1e-6, "b", 2): None,
        (0.01, "a", 0): 1.0, (0.01, "a", 1): None, (0.01, "a", 2): 3.0,
        (0.01, "b", 0): 2.0, (0.01, "b", 1): 1.0, (0.01, "b", 2): 1.0,
    }  # fmt: skip
    shares = {
        (s.within, s.method): (s.instances, s.run, s.fastest, s.within_10x, s.solved)
        for s in profiles.profile_shares(rows)
    }
    assert shares == {
        (1e-6, "a"): (3, 3, 2 / 3, 2 / 3, 2 / 3),
        (1e-6, "b"): (3, 3, 1 / 3, 2 / 3, 2 / 3),
        (0.01, "a"): (3, 3, 1 / 3, 2 / 3, 2 / 3),
        (0.01, "b"): (3, 3, 2 / 3, 1.0, 1.0),
    }


def test_the_drawn_profile_is_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps that perfprof draws have the heights of the ratios in the CSV."""
    seen: list[Figure] = []
    monkeypatch.setattr(pictures, "png", lambda figure: seen.append(figure) or b"")
    rows = profiles.profile_rows(judged(tmp_path, *THREE_BY_TWO))
    pictures.of_profiles(rows)
    for axes, within in zip(seen[0].axes, profiles.WITHIN, strict=True):
        for drawn, method in zip(axes.lines, ("a", "b"), strict=False):
            x, y = drawn.get_data()
            for ratio in (1.0, 1.5, 2.0, 2.5, 3.0):
                mine = [r for r in rows if (r.within, r.method) == (within, method)]
                height = sum(r.ratio is not None and r.ratio <= ratio for r in mine) / 3
                assert np.asarray(y)[np.asarray(x) <= ratio][-1] == pytest.approx(height)


def test_ties_are_fastest_together(tmp_path: Path) -> None:
    """Equal times are both the best."""
    rows = profiles.profile_rows(judged(tmp_path, line("a"), line("b")))
    assert [s.fastest for s in profiles.profile_shares(rows)] == [1.0] * 4


def test_infeasible_is_an_answer(tmp_path: Path) -> None:
    """Who says so has solved it; unless another method has an answer, then the two are told apart."""
    rows = [line("a", 0, "infeasible"), line("b", 0, "no_solution", wall_s=0.5)]
    both = judged(tmp_path, *rows)
    assert {s.method: s.solved for s in profiles.profile_shares(profiles.profile_rows(both))} == {
        "a": 1.0,
        "b": 0.0,
    }
    assert (analysis.gap_rows(both), contradictions(both)) == ([], [])
    three = judged(tmp_path, *rows, line("c"))
    assert {s.method: s.solved for s in profiles.profile_shares(profiles.profile_rows(three))} == {
        "a": 0.0,
        "b": 0.0,
        "c": 1.0,
    }
    assert contradictions(three) == ["selection, tiny seed=0: a says infeasible, c has an answer"]


def test_a_bound_above_an_answer_is_told(tmp_path: Path) -> None:
    """One of the two is wrong, and rounding is not."""
    false = judged(tmp_path, line("a", objective=1.0), line("b", 0, "feasible", 1.2, bound_j=1.1))
    assert contradictions(false) == [
        "selection, tiny seed=0: the bound 1.1 J of b is above the 1 J of a"
    ]
    assert contradictions(judged(tmp_path, line("a"), line("b", objective=1 + 1e-12))) == []


def test_unfinished_sweeps_favour_nobody(tmp_path: Path) -> None:
    """An instance on which a method has yet to run is left out; a method that a setting does not have is not run there."""
    other = {"options": {"num_tokens": 4}, "instance_sha256": "hash other"}
    all_of_it = judged(tmp_path, line("a", 0), line("b", 0), line("a", 1), line("b", 0, **other))
    rows = profiles.profile_rows(all_of_it)
    assert {(r.setting, r.seed, r.method): r.status for r in rows} == {
        ("tiny", 0, "a"): "optimal", ("tiny", 0, "b"): "optimal",
        ("tiny num_tokens=4", 0, "a"): "not run", ("tiny num_tokens=4", 0, "b"): "optimal",
    }  # fmt: skip
    assert {s.method: (s.run, s.solved) for s in profiles.profile_shares(rows)} == {
        "a": (1, 0.5),
        "b": (2, 1.0),
    }
    assert profiles.left_out(all_of_it, rows) == 1


def test_settings_of_a_method_are_lines(tmp_path: Path) -> None:
    """Options of the method that differ are in its name, those of the generator and those that are all the same are not."""
    limit = {"num_tokens": 8, "time_limit": 9}
    rows = [
        line("bcd", options=limit),
        line("bcd", options=limit | {"restarts": 4}),
        line("des", options=limit),
    ]
    assert {j.line for j in judged(tmp_path, *rows)} == {"bcd", "bcd restarts=4", "des"}


def test_gaps_by_hand(tmp_path: Path) -> None:
    """Gaps are to the best bound of any method; failures are no answers."""
    rows = [line("a", seed, objective=1.0) for seed in range(4)]
    rows += [
        line("b", s, "feasible", objective=v, bound_j=0.5) for s, v in enumerate((1.0, 1.25, 2.0))
    ] + [line("b", 3, "failed")]
    exact, rough = analysis.gap_summaries(analysis.gap_rows(judged(tmp_path, *rows)))
    assert (exact.jobs, exact.answers, exact.failed, exact.median, exact.worst, exact.proven) == (
        4,
        4,
        0,
        0.0,
        0.0,
        1.0,
    )
    assert (rough.jobs, rough.answers, rough.failed, rough.proven) == (4, 3, 1, 0.0)
    assert (rough.median, rough.p90, rough.worst) == pytest.approx((0.2, 0.44, 0.5))


def powers(
    method: str, exponent: float, tokens: Sequence[int], **changes: Any
) -> list[dict[str, Any]]:
    """Three seeds at every size, whose median is exactly 1 ms size^exponent."""
    return [
        line(method, seed, tokens=n, instance_sha256=f"{n} {seed}", options={"num_tokens": n},
             wall_s=1e-3 * n**exponent * (0.5, 1.0, 3.0)[seed], **changes)
        for n, seed in itertools.product(tokens, range(3))
    ]  # fmt: skip


def test_exponents_of_exact_powers(tmp_path: Path) -> None:
    """Found with an interval of no width, per method, from three sizes on."""
    rows = powers("a", 1.0, (2, 4, 8, 16)) + powers("b", 2.5, (3, 9, 27)) + powers("c", 1.0, (2, 4))
    points = scaling.scaling_points(judged(tmp_path, *rows))
    assert {p.size_is for p in points} == {"tokens"}
    assert [(p.jobs, p.lower_s / p.median_s, p.upper_s / p.median_s) for p in points] == [
        (3, 0.75, 2.0)
    ] * 9
    a, b, c = scaling.scaling_fits(points)
    assert (a.exponent, a.exponent_ci95, a.factor_s) == pytest.approx((1.0, 0.0, 1e-3), abs=1e-6)
    assert (b.exponent, b.exponent_ci95, b.factor_s) == pytest.approx((2.5, 0.0, 1e-3), abs=1e-6)
    assert (c.sizes, c.exponent) == (2, None)
    assert list(map(str, (a, b, c))) == ["1.00 ± 0.00", "2.50 ± 0.00", "too few sizes"]
    assert scaling.scaling_points(judged(tmp_path, *powers("a", 1.0, (2, 4)))) == []


def test_the_interval_of_an_exponent(tmp_path: Path) -> None:
    """Times 1, 2, 8 at sizes 1, 2, 4: slope 1.5, and Student's t with one degree of freedom by hand."""
    rows = [
        line("a", tokens=n, instance_sha256=str(n), options={"num_tokens": n}, wall_s=t)
        for n, t in ((1, 1), (2, 2), (4, 8))
    ]
    (fit,) = scaling.scaling_fits(scaling.scaling_points(judged(tmp_path, *rows)))
    residual = np.array([1 / 6, -1 / 3, 1 / 6])
    width = 12.7062047 * np.sqrt((residual**2).sum() / 1 / 2)
    assert (fit.exponent, fit.exponent_ci95) == pytest.approx((1.5, width))
    assert width > 1
    assert str(fit) == "undetermined"


def test_a_time_limit_is_not_a_time(tmp_path: Path) -> None:
    """Sizes at which most jobs were stopped are drawn, not fitted: they would say that time does not grow."""
    rows = powers("a", 2.0, (2, 4, 8, 16))
    for row in rows:
        row["options"] = row["options"] | {"time_limit": 0.1}
        row["wall_s"] = min(row["wall_s"], 0.1)
    points = scaling.scaling_points(judged(tmp_path, *rows))
    assert [(p.stopped, p.censored) for p in points] == [
        (0, False),
        (0, False),
        (1, False),
        (3, True),
    ]
    (fit,) = scaling.scaling_fits(points)
    assert (fit.sizes, fit.exponent) == (3, pytest.approx(2.0))


def test_what_size_is(tmp_path: Path) -> None:
    """Tokens times experts where both vary, else what varies; presets of one size each share a panel."""
    sizes = ((2, 2), (2, 3), (4, 3))
    both = [line("a", n, tokens=t, experts=k) for n, (t, k) in enumerate(sizes)]
    assert {(p.size_is, p.size) for p in scaling.scaling_points(judged(tmp_path, *both))} == {
        ("tokens times experts", size) for size in (4, 6, 12)
    }
    air = [line("a", n, subcarriers=m, preset=f"preset {n}") for n, m in enumerate((16, 32, 64))]
    points = scaling.scaling_points(judged(tmp_path, *air))
    assert {(p.preset, p.size_is) for p in points} == {(scaling.ALL_PRESETS, "subcarriers")}


def test_savings_by_hand(tmp_path: Path) -> None:
    """Mean and interval over the instances to which both have an answer."""
    rows = [
        line("topk", s, "feasible", objective=v, bound_j=0.0)
        for s, v in enumerate((2.0, 4.0, 5.0, 1.0))
    ]
    rows += [line("des", s, objective=v) for s, v in enumerate((1.0, 3.0, 5.0))] + [
        line("des", 3, "failed"),
        line("des", 4),
    ]
    (saving,) = analysis.savings(judged(tmp_path, *rows))
    assert (saving.method, saving.instances, saving.saved) == ("des", 3, pytest.approx(0.25))
    assert (
        saving.saved_ci95
        == pytest.approx(half_width(np.array([0.5, 0.25, 0.0])))
        == pytest.approx(4.3026527 * 0.25 / 3**0.5)
    )
    assert analysis.savings(judged(tmp_path, line("des"))) == []


def test_a_cut_last_line_is_passed_over(tmp_path: Path) -> None:
    """Of a job that is there twice the last line counts, with or without an end of line."""
    rows = [line("a", wall_s=1.0), line("b"), line("a", wall_s=2.0)]
    whole = json.dumps(line("c"))
    for cut in (1, len(whole) // 2, len(whole) - 1):
        assert [job.wall_s for job in read_jobs(write(tmp_path, rows, whole[:cut]))] == [2.0, 1.0]
    assert len(read_jobs(write(tmp_path, rows, whole))) == 3


@pytest.mark.parametrize(
    ("end", "says"),
    [
        ('{"key": "cut\n', "line 2: is not valid JSON"),
        ('{"key": "short"}\n', "line 2: preset is missing"),
        (json.dumps(line("a", wall_s=-1.0)) + "\n", "line 2: wall_s = -1.0; allowed: "),
        (
            json.dumps(line("a", 0, "solved")),
            'line 2: status = \'solved\'; allowed: "optimal" or "feasible" or ',
        ),
        (
            json.dumps(line("a")).replace("1.0", "NaN") + "\n",
            "line 2: objective_j = nan; allowed: finite numbers",
        ),
    ],
)
def test_a_broken_line_is_one_complaint(tmp_path: Path, end: str, says: str) -> None:
    """With file and number of the line."""
    with pytest.raises(InputError) as complaint:
        read_jobs(write(tmp_path, [line("b")], end))
    text = str(complaint.value)
    assert text.startswith(f"{tmp_path / 'results.jsonl'}: {says}")
    assert "\n" not in text


def point(scheduler: str, energy: float, accuracy: float) -> FrontierPoint:
    return FrontierPoint(scheduler, 1.0, 0.5, 2, 3, accuracy, 0.01, 0.5, energy, 0.0, 1e-3)


def test_fronts_by_enumeration() -> None:
    """Marks by pairs, hypervolumes by counting cells of a grid; the reference is a tenth of the range worse."""
    rng = np.random.default_rng(5)
    for _ in range(20):
        cloud = [
            point("ab"[int(rng.integers(2))], *rng.integers(0, 11, 2).astype(float))
            for _ in range(12)
        ]
        points = [*cloud, point("a", 10.0, 0.0), point("b", 0.0, 0.0), point("b", 10.0, 10.0)]
        marked = fronts.with_fronts(points)
        for found in fronts.fronts(points):
            mine = [
                (p.energy_per_token_j, p.worth) for p in points if p.scheduler == found.scheduler
            ]
            on_front = {
                (e, w)
                for e, w in mine
                if not any((d <= e and v >= w) and (d, v) != (e, w) for d, v in mine)
            }
            got = [
                (p.energy_per_token_j, p.worth)
                for p in marked
                if p.scheduler == found.scheduler and p.front
            ]
            assert sorted(got) == sorted(on_front)
            cells = sum(
                any(e <= x and w > y for e, w in mine)
                for x, y in itertools.product(range(11), range(-1, 10))
            )
            assert (found.reference_energy_j, found.reference_worth) == pytest.approx((11.0, -1.0))
            assert found.hypervolume == pytest.approx(cells / 11**2)


def test_frontier_files(tmp_path: Path) -> None:
    """What `frontier` writes is read as it was; a broken line is one complaint."""
    points = [point("jesa", 1e-5, 0.8), point("topk", 2e-5, 0.9)]
    file = tmp_path / "frontier.csv"
    file.write_text(as_csv(points, FrontierPoint))
    assert fronts.read_frontier(tmp_path) == points
    for old, new, says in (
        ("2e-05", "dear", "line 3: energy_per_token_j = 'dear'; allowed: float"),
        ("2e-05", "nan", "line 3: energy_per_token_j = 'nan'; allowed: finite numbers"),
        ("latency_s", "delay", "line 1: latency_s is missing"),
        (",False\n", "\n", "line 2: front = None"),
    ):
        file.write_text(as_csv(points, FrontierPoint).replace(old, new))
        with pytest.raises(InputError, match=r"frontier\.csv: ") as complaint:
            fronts.read_frontier(tmp_path)
        assert says in str(complaint.value)
        assert "\n" not in str(complaint.value)


def test_plot_writes_figures_and_tables(typed: Typed, tmp_path: Path) -> None:
    """A PNG and a CSV of the same stem for everything there is, and notes on what there is not."""
    rows = powers("des", 1.0, (2, 4, 8)) + powers(
        "topk", 0.5, (2, 4, 8), status="feasible", objective_j=2.0, bound_j=0.5
    )
    write(
        tmp_path, [*rows, line("bcd", problem="jesa"), line("exact", 0, "failed", problem="jesa")]
    )
    (tmp_path / "frontier.csv").write_text(
        as_csv([point("jesa", 1e-5, 0.8), point("topk", 2e-5, 0.9)], FrontierPoint)
    )
    done = typed("plot", ".", "-o", "out")
    assert done.returncode == 0, done.stderr
    stems = {f"{n}-selection" for n in ("profile", "gaps", "scaling", "savings")} | {
        "profile-jesa",
        "gaps-jesa",
        "fronts",
    }
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        f"{s}.{end}" for s in stems for end in ("png", "csv")
    }
    assert all((tmp_path / "out" / f"{s}.png").read_bytes()[:4] == b"\x89PNG" for s in stems)
    with (tmp_path / "out" / "profile-selection.csv").open() as file:
        assert {row["method"] for row in csv.DictReader(file)} == {"des", "topk"}
    assert "scaling: no figure of jesa, since a fit needs three sizes" in done.stdout
    document = json.loads(typed("plot", ".", "--json").stdout)
    assert {name: len(found) for name, found in document.items()} == {
        "profile": 8, "gaps": 4, "scaling": 2, "savings": 1, "fronts": 2, "notes": 2,
    }  # fmt: skip
    assert (tmp_path / "fronts.png").exists()


def test_plot_of_one_file(typed: Typed, tmp_path: Path) -> None:
    """A folder with a frontier alone is fine, one with neither file is one complaint."""
    neither = typed("plot", ".")
    assert (neither.returncode, neither.stdout) == (2, "")
    assert neither.stderr.count("\n") == 1
    assert "holds neither results.jsonl nor frontier.csv" in neither.stderr
    (tmp_path / "frontier.csv").write_text(as_csv([point("jesa", 1e-5, 0.8)], FrontierPoint))
    assert typed("plot", ".").returncode == 0
    assert {p.name for p in tmp_path.iterdir()} == {"frontier.csv", "fronts.csv", "fronts.png"}
