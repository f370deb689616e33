"""The page with sliders: what it holds. A browser moves the sliders in tests/pages."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import dmoe_opt
from dmoe_opt.exploring import grid


@pytest.fixture(scope="module")
def problem() -> dmoe_opt.SelectionProblem:
    """Two tokens of four experts; the name would end a script if it stood there as it is."""
    return dmoe_opt.SelectionProblem(
        scores=[[0.5, 0.25, 0.125, 0.125], [0.25, 0.25, 0.25, 0.25]],
        cost=[[4.0, 1.0, 0.5, 2.0], [1.0, 2.0, 3.0, 4.0]],
        threshold=[0.6, 0.4],
        max_experts=2,
        usable=[[True, True, True, True], [True, True, True, False]],
        name="</script><script>alert(1)</script>\x1b[31m",
    )


def test_points_are_the_answers_of_solve(problem: dmoe_opt.SelectionProblem) -> None:
    """Every point of the grid is what `solve` says of the instance with these settings."""
    page = dmoe_opt.explore(problem)
    axes = grid.axes_of(problem)
    assert len(page.data["points"]) == len(axes.powers) * len(axes.caps)
    for setting, point in zip(axes.settings(), page.data["points"], strict=True):
        threshold = problem.threshold * 0.9**setting.power
        moved = problem.replace(threshold=threshold, max_experts=setting.max_experts)
        result = dmoe_opt.solve(moved)
        assert point["status"] == result.status
        assert point["energy_j"] == result.objective_j
        assert (
            point["baselines"]["topk"]["energy_j"]
            == dmoe_opt.solve(moved, method="topk").objective_j
        )
        assert [len(experts) for experts in point["experts"]] == result.selection.sum(
            axis=1
        ).tolist()


def test_a_page_stands_alone(problem: dmoe_opt.SelectionProblem, tmp_path: Path) -> None:
    """It asks nothing of a network, a name cannot end its script, and dead links are no numbers."""
    page = dmoe_opt.explore(problem)
    page.save(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert text == page.text
    assert text.count("<script") == text.count("</script>") == 2
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "alert(1)</script>" not in text and "\x1b" not in text
    data = json.loads(text.partition('id="data">')[2].partition("</script>")[0])
    assert data["cost"][1] == [1.0, 2.0, 3.0, None]
    assert "srcdoc" in page._repr_html_()
    assert len(repr(page)) < 80  # notebooks keep it beside the page


def test_a_round_has_a_slider_for_its_spectrum() -> None:
    """The last share is the whole spectrum; the least has no answer, as links are too many."""
    links = np.full((3, 3, 4), 1.0)
    round_ = dmoe_opt.Instance(
        source=[0, 1, 2],
        scores=[[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]],
        threshold=0.9,
        max_experts=1,
        compute_energy=[1.0, 1.0, 1.0],
        link_energy=links,
        on_shortfall="infeasible",
    )
    data = dmoe_opt.explore(round_).data
    assert data["axes"]["subcarriers"] == [1, 2, 3, 4]
    own = data["axes"]["powers"].index(0)
    by_spectrum = data["points"][own :: len(data["axes"]["powers"])]
    per_cap = len(data["axes"]["caps"])
    assert [point["energy_j"] for point in by_spectrum[::per_cap]] == [None, None, 6.0, 6.0]


@pytest.mark.parametrize(
    ("tokens", "experts", "what"), [(600, 2, "tokens"), (0, 2, "tokens"), (1, 80, "experts")]
)
def test_what_does_not_fit_on_a_page_is_refused(tokens: int, experts: int, what: str) -> None:
    """One line names what is too large, and what is allowed."""
    table = np.full((tokens, experts), 0.5)
    large = dmoe_opt.SelectionProblem(scores=table, cost=table, threshold=0.5, max_experts=1)
    with pytest.raises(dmoe_opt.InputError, match=f"{what}; allowed on a page: 1 to"):
        dmoe_opt.explore(large)


def test_a_round_with_a_deadline_has_a_slider_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Points are the answers to the round with that deadline, links with their subcarriers."""
    monkeypatch.setattr(grid, "POWERS", range(1))
    data = dmoe_opt.generate(
        "deadline-8x64", 1, num_experts=3, num_subcarriers=8, num_tokens=9, max_experts=1
    )
    page = dmoe_opt.explore(data).data
    assert page["axes"]["subcarriers"] == [8]
    per_deadline = len(page["axes"]["caps"])
    for k, deadline_s in enumerate(page["axes"]["deadlines"]):
        point = page["points"][k * per_deadline]
        result = dmoe_opt.solve(data.replace(air_deadline_s=deadline_s), "jesa", "exact")
        assert point["status"] == result.status
        assert point["energy_j"] == result.objective_j
        if result.decision is None:
            continue
        sent_j = sum(tokens * each_j for _, _, tokens, _, each_j in point["links"])
        assert sent_j == pytest.approx(result.decision.bill.sending_j)
