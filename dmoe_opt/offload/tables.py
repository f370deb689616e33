"""What the offloading commands print."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from dmoe_opt.offload.comparing import OffloadComparison, PolicyRow
from dmoe_opt.offload.presets import PRESETS, preset
from dmoe_opt.tables import new_table, show


def presets() -> None:
    """Print the preset scenarios."""
    counts = ("experts", "types", "slots", "jobs", "jobs/s")
    table = new_table("preset", *counts, "what it shows", right=counts)
    for name in PRESETS:
        s = preset(name)
        numbers = (s.num_experts, s.num_types, s.experts.capacity.sum(), s.arrivals.num_jobs, f"{s.arrivals.jobs_per_s:g}")
        table.add_row(name, *map(str, numbers), str(s.meta["says"]))
    show(table)


def comparison(of: OffloadComparison) -> None:
    """A row a policy, means per episode with 95 % confidence intervals, the clairvoyant optimum last."""
    numbers = ("return", "share of optimum %", "quality", "energy J", "lost", "local", "served")
    table = new_table("policy", *numbers, right=numbers)
    for row in of.rows:
        _add(table, row)
    if of.optimum:
        table.add_section()
        _add(table, of.optimum)
    show(table)
    print(
        f"{escape(of.scenario) or 'scenario'}: {of.episodes} held-out episodes of {of.subtasks:.0f} subtasks on average; "
        f"the optimum is proven in {of.proven} of them, at most {of.bound_mean:.3f} on average"
    )


def _add(table: Table, row: PolicyRow) -> None:
    share = "" if row.optimum_share is None else f"{100 * row.optimum_share:.2f} ± {100 * (row.optimum_share_ci95 or 0.0):.2f}"
    table.add_row(
        row.policy,
        f"{row.return_mean:.3f} ± {row.return_ci95:.3f}",
        share,
        f"{row.quality:.4f} ± {row.quality_ci95:.4f}",
        f"{row.energy_j:.1f} ± {row.energy_ci95_j:.1f}",
        f"{row.lost:.1f}",
        f"{row.local:.1f}",
        f"{row.served:.1f}",
    )
