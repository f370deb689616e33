"""What the offloading commands print."""

from __future__ import annotations

from dmoe_opt.cli.tables import new_table, show, with_interval
from dmoe_opt.comparing.policies import OffloadComparison
from dmoe_opt.offload.presets import PRESETS, preset


def presets() -> None:
    """Print the preset scenarios."""
    counts = ("experts", "types", "slots", "jobs", "jobs/s")
    table = new_table("preset", *counts, "what it shows", right=counts)
    for name in PRESETS:
        s = preset(name)
        numbers = (
            s.num_experts,
            s.num_types,
            s.experts.capacity.sum(),
            s.arrivals.num_jobs,
            f"{s.arrivals.jobs_per_s:g}",
        )
        table.add_row(name, *map(str, numbers), str(s.meta["says"]))
    show(table)


def comparison(of: OffloadComparison) -> None:
    """A row a policy, means per episode with 95 % confidence intervals, the clairvoyant optimum last."""
    numbers = ("return", "share of optimum %", "quality", "energy J", "lost", "local", "served")
    table = new_table("policy", *numbers, right=numbers)
    for row in [*of.rows, *([of.optimum] if of.optimum else [])]:
        if row is of.optimum:
            table.add_section()
        share = (
            ""
            if row.optimum_share is None
            else with_interval(row.optimum_share, row.optimum_share_ci95, ".2f", 100)
        )
        table.add_row(
            row.policy, with_interval(row.return_mean, row.return_ci95, ".3f"), share,
            with_interval(row.quality, row.quality_ci95, ".4f"),
            with_interval(row.energy_j, row.energy_ci95_j, ".1f"), f"{row.lost:.1f}", f"{row.local:.1f}", f"{row.served:.1f}",
        )  # fmt: skip
    show(table)
    name = " ".join(of.scenario.split()) or "scenario"
    many = f"{of.episodes} held-out episodes" if of.episodes > 1 else "one episode"
    print(
        f"{name}: {many} of {of.subtasks:.0f} subtasks on average; "
        f"the optimum is proven in {of.proven} of {of.episodes}, at most {of.bound_mean:.3f} on average"
    )
