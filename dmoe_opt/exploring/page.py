"""One self-contained page: sliders over a grid of exact solves, without network or server."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from dmoe_opt.data import validate
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.data.writing import write
from dmoe_opt.errors import printable
from dmoe_opt.exploring.grid import TIME_LIMIT_S, solved_grid
from dmoe_opt.solving import prepare, require_instance

HEIGHT_PX = 900
PARTS = {"STYLE": "page.css", "SCRIPT": "drawing.js", "CONTROLS": "page.js"}


@dataclass(frozen=True, repr=False)
class Page:
    """A page about one instance; in a notebook it shows itself.

    `data` is what it shows, as plain data; `text` is the page, HTML.

    Examples
    --------
    >>> import dmoe_opt
    >>> problem = dmoe_opt.SelectionProblem([[0.5, 0.5]], [[1.0, 2.0]], 0.4, max_experts=1)
    >>> page: dmoe_opt.Page = dmoe_opt.explore(problem)
    >>> min(point["energy_j"] for point in page.data["points"])
    1.0
    """

    data: dict[str, Any]
    text: str

    @property
    def proven(self) -> int:
        """How many points are proven: optimal, or without an answer."""
        return sum(point["status"] in ("optimal", "infeasible") for point in self.data["points"])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page to a file; raises `InputError` if that is not possible."""
        write(path, self.text.encode())

    def __repr__(self) -> str:
        return f"Page({self.data['name']!r}, {len(self.data['points'])} exact solves)"

    def _repr_html_(self) -> str:
        """The page in a frame of its own, so that its style stays there.

        Only apostrophes and ampersands are escaped: data is full of quotes, and notebooks keep it.
        """
        name = html.escape(printable(self.data["name"]))
        frame = f'<iframe title="{name}" width="100%" height="{HEIGHT_PX}" style="border:0"'
        text = self.text.replace("&", "&amp;").replace("'", "&#39;")
        return f"{frame} srcdoc='{text}'></iframe>"


def explore(
    instance: Instance | SelectionProblem,
    *,
    time_limit: float = TIME_LIMIT_S,
    progress: Callable[[int, int], None] | None = None,
) -> Page:
    """A page with sliders for thresholds, cap, importance and, of a round, its subcarriers.

    A round with `air_deadline_s` has a slider for that in place of subcarriers. The page is solved
    over a grid, some 200 exact solves, and needs neither network nor server when it is read.

    Parameters
    ----------
    instance
        A round or a selection problem, of at most 512 tokens and 64 experts.
    time_limit
        Seconds for each exact solve, and a thirtieth of what all of them may take; the page says
        where that was not enough.
    progress
        Called with the solves done, and all of them.

    Raises
    ------
    InputError
        If the instance is too large for a page.

    Examples
    --------
    >>> import dmoe_opt
    >>> problem = dmoe_opt.SelectionProblem(
    ...     scores=[[0.5, 0.25, 0.25]], cost=[[1.0, 3.0, 2.0]], threshold=0.6, max_experts=2
    ... )
    >>> page = dmoe_opt.explore(problem)
    >>> page.data["axes"]["caps"], len(page.data["points"])
    ([1, 2, 3], 45)
    """
    require_instance(instance)
    validate.real("time_limit", time_limit)
    prepare("jesa" if isinstance(instance, Instance) else "selection")
    data = solved_grid(instance, time_limit, progress)
    return Page(data, _text(data))


def _text(data: dict[str, Any]) -> str:
    """The page: its parts are files of this folder, and the data stands in it as JSON."""
    here = files(__package__)
    text = (here / "page.html").read_text(encoding="utf-8")
    for mark, name in PARTS.items():
        text = text.replace(f"/*{mark}*/", (here / name).read_text(encoding="utf-8"))
    text = text.replace("<!--TITLE-->", html.escape(printable(data["name"])))
    # In JSON a < can only be inside a string; unescaped, </script> there would end the data.
    numbers = json.dumps(_finite(data), separators=(",", ":")).replace("<", "\\u003c")
    return text.replace("/*DATA*/", numbers)


def _finite(value: Any) -> Any:
    """Plain data whose infinite numbers are None, for JSON."""
    if isinstance(value, dict):
        return {str(name): _finite(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return None if value == float("inf") else value
