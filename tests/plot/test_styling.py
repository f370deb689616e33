"""Colours: one table for schedulers and methods, and no colour twice in a figure."""

from __future__ import annotations

import pytest
from helpers.axes import canvas
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from dmoe_opt.comparing.judged import MethodRow
from dmoe_opt.comparing.schedulers import FrontierPoint
from dmoe_opt.layers.schedulers import SCHEDULERS
from dmoe_opt.method_table import METHODS
from dmoe_opt.plot import comparison
from dmoe_opt.plot.protocol import front
from dmoe_opt.plot.styling import COLOUR_OF, COLOURS, styles

ALL = dict.fromkeys([*SCHEDULERS, *(name for of in METHODS.values() for name in of)])


def test_no_colour_twice_in_a_figure() -> None:
    """All schedulers and methods at once, with five lines of other names, or 40 of them."""
    for names in ([*ALL, *"abcde"], [f"z = {k}" for k in range(40)]):
        looks = styles(names).values()
        assert len({to_rgb(look["color"]) for look in looks}) == len(names)
    assert [look["color"] for look in styles("abc").values()] == list(COLOURS[:3])


def test_print_in_grey() -> None:
    """Without colours, markers and dashes tell all names of the table apart.

    Markers alone tell schedulers apart, and the methods of a problem that give answers.
    """
    looks = styles(COLOUR_OF)
    assert len({(look["marker"], look["ls"]) for look in looks.values()}) == len(looks)
    for group in (SCHEDULERS, *METHODS.values()):
        answering = [name for name in group if name in COLOUR_OF]
        if group is not SCHEDULERS and "relaxed" in answering:
            answering.remove("relaxed")
        assert len({looks[name]["marker"] for name in answering}) == len(answering)


def test_a_name_looks_the_same_beside_any_others() -> None:
    """In any company and order, a scheduler or method keeps colour, dashes and marker."""
    together = styles(ALL)
    for name in ALL:
        assert styles(["mine", "topk", name])[name] == together[name]


def test_frontiers_and_comparisons_share_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines of a frontier and the dots of a comparison have the colours of the table."""
    seen: list[Figure] = []
    monkeypatch.setattr(comparison, "png", lambda figure: seen.append(figure) or b"")
    names = ["topp", "des", "topk"]
    comparison.comparison(
        [
            MethodRow(data, 1, 2, 1, name, "feasible", 1e-3, None, None, 0.5, 0, 1.0, None, "")
            for data in ("tiny", "other")
            for name in names
        ]
    )
    points = [
        FrontierPoint(name, 0.9, 0.5, 2, 3, 0.8, 0.01, 0.5, 1e-5, 0.0, 1e-3, True)
        for name in reversed(names)
    ]
    lines = {bars.get_label(): bars.lines[0] for bars in front(points, axes=canvas()).containers}
    dots = {dot.get_label(): dot for dot in seen[0].axes[0].lines}
    for name in names:
        assert lines[name].get_color() == dots[name].get_color() == COLOUR_OF[name]
