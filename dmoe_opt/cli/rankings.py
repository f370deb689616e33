"""How several answers are printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dmoe_opt.cli.tables import show
from dmoe_opt.comparing.sheets import Sheet

if TYPE_CHECKING:
    from dmoe_opt.answer.result import Result
    from dmoe_opt.data.rankings import RankedRound, RankedSelection

MOST_TOKENS = 10
MOST_CHANGES = 3
NUMBERS = ("token", "rank", "energy J", "above best")


def ranking(result: Result) -> None:
    """Print the best selections of the first tokens, or the best answers to a round."""
    if result.token_ranking is not None:
        _tokens(result.token_ranking)
    if result.round_ranking is not None:
        _rounds(result.round_ranking)


def _tokens(ranking: list[list[RankedSelection]]) -> None:
    table = Sheet(("token", "rank", "energy J", "above best", "proven", "experts"), NUMBERS)
    for t, listed in enumerate(ranking[:MOST_TOKENS]):
        for n, best in enumerate(listed):
            cells = _cells(n, best.energy_j, listed[0].energy_j, best.proven)
            experts = ", ".join(map(str, best.experts)) or "none"
            table.add_row("" if n else str(t), *cells, experts)
        table.add_section()
    show(table)
    if len(ranking) > MOST_TOKENS:
        click.echo(f"and {len(ranking) - MOST_TOKENS} more tokens, all of them in --json and -o")


def _rounds(ranking: list[RankedRound]) -> None:
    changes = "experts that differ from the best"
    table = Sheet(("rank", "energy J", "above best", "proven", changes), NUMBERS)
    for n, best in enumerate(ranking):
        cells = _cells(n, best.energy_j, ranking[0].energy_j, best.proven)
        table.add_row(*cells, _changes(ranking[0].selection, best.selection))
    show(table)


def _cells(n: int, energy_j: float, best_j: float, proven: bool) -> tuple[str, str, str, str]:
    above = f"{energy_j / best_j - 1:.3%}" if best_j else ""
    return str(n + 1), f"{energy_j:.7g}", above, "yes" if proven else "no"


def _changes(best: list[list[int]], other: list[list[int]]) -> str:
    """What a selection has in place of the best one, token by token."""
    said = [
        f"token {t}: {', '.join(map(str, new)) or 'none'} for {', '.join(map(str, old)) or 'none'}"
        for t, (old, new) in enumerate(zip(best, other, strict=True))
        if old != new
    ]
    more = len(said) - MOST_CHANGES
    return "; ".join(said[:MOST_CHANGES]) + (f" and {more} more" if more > 0 else "")
