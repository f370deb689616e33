"""The tables and lines that the offloading commands print."""

from __future__ import annotations

from typing import Any

from dmoe_opt.cli.tables import note, show, with_interval
from dmoe_opt.comparing.policies import OffloadComparison, PolicyRow
from dmoe_opt.comparing.sheets import Sheet
from dmoe_opt.offload.presets import PRESETS, preset


def presets() -> None:
    """Print the preset scenarios."""
    counts = ("experts", "types", "slots", "jobs", "jobs/s")
    table = Sheet(("preset", *counts, "what it shows"), counts)
    for name, *numbers, jobs_per_s, says in map(dict.values, preset_facts()):
        table.add_row(name, *map(str, numbers), f"{jobs_per_s:g}", says)
    show(table)


def preset_facts() -> list[dict[str, Any]]:
    """The preset scenarios, each with what distinguishes it."""
    rows = []
    for name in PRESETS:
        scenario = preset(name)
        rows.append(
            {
                "preset": name,
                "experts": scenario.num_experts,
                "types": scenario.num_types,
                "slots": int(scenario.experts.capacity.sum()),
                "jobs": scenario.arrivals.num_jobs,
                "jobs_per_s": scenario.arrivals.jobs_per_s,
                "says": str(scenario.meta["says"]),
            }
        )
    return rows


def comparison(of: OffloadComparison, form: str) -> None:
    """Print a row for each policy, the clairvoyant optimum last.

    Values are means per episode with 95 % confidence intervals.
    """
    numbers = (
        *("return", "behind best", "share of optimum %"),
        *("quality", "energy J", "lost", "local", "served"),
    )
    table = Sheet(("policy", *numbers), numbers)
    for row in of.rows:
        table.add_row(*_cells(row))
    table.add_section()
    table.add_row(*_cells(of.optimum))
    show(table, form)
    name = " ".join(of.scenario.split()) or "scenario"
    many = f"{of.episodes} held-out episodes" if of.episodes > 1 else "one episode"
    note(
        f"{name}: {many} of {of.subtasks:.0f} subtasks on average; "
        f"the optimum is proven in {of.proven} of {of.episodes}, "
        f"at most {of.bound_mean:.3f} on average",
        form,
    )
    if of.ceiling_mean is not None and of.hindsight is not None:
        if of.hindsight == 0.0:
            note("no lower bound is known on policies that do not know the future", form)
            return
        best = min(of.rows, key=lambda row: row.behind_ceiling or 0.0)
        note(
            "without knowing the future no policy earns more than "
            f"{of.ceiling_mean:.3f} on average; of what the optimum has more than {best.policy}, "
            f"{_number(of.hindsight, of.hindsight_ci95)} nobody could know, "
            f"{_number(best.behind_ceiling, best.behind_ceiling_ci95)} is left to gain at most",
            form,
        )


def _number(value: float | None, half_width: float | None) -> str:
    return "" if value is None else with_interval(value, half_width)


def _cells(row: PolicyRow) -> list[str]:
    share = ""
    if row.optimum_share is not None:
        share = with_interval(row.optimum_share, row.optimum_share_ci95, 100)
    return [
        row.policy,
        with_interval(row.return_mean, row.return_ci95),
        _number(row.behind_best, row.behind_best_ci95),
        share,
        with_interval(row.quality, row.quality_ci95),
        with_interval(row.energy_j, row.energy_ci95_j),
        f"{row.lost:.1f}",
        f"{row.local:.1f}",
        f"{row.served:.1f}",
    ]
