"""What the commands print as JSON, each as a structure, for the schemas in docs/schema/cli.

Structures of commands that import little are in `data/printed.py`, and their commands fill them.
The commands below have heavy rows, and print them as plain data.
`tests/committed/test_documents.py` holds what every command prints against its schema.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from dmoe_opt.comparing.fronts import Front
from dmoe_opt.comparing.judged import MethodRow
from dmoe_opt.comparing.placement_rows import PlacementRow
from dmoe_opt.comparing.policies import OffloadComparison
from dmoe_opt.comparing.savings import SavingPoint
from dmoe_opt.comparing.schedulers import FrontierPoint
from dmoe_opt.data import formats, printed
from dmoe_opt.data.printed import Printed
from dmoe_opt.layers.bills import LayerBill
from dmoe_opt.schema import DRAFT, Schema, of_struct
from dmoe_opt.sweep.analysis import GapSummary, Saving
from dmoe_opt.sweep.profiles import ProfileShare
from dmoe_opt.sweep.rule_fronts import RulePoint
from dmoe_opt.sweep.scaling import ScalingFit


class Preset(Printed):
    """A preset of rounds; without a radio it is a selection problem."""

    preset: str
    experts: int
    nodes: int
    tokens: int
    max_experts: int
    subcarriers: int | None
    radio: str | None


class OffloadPreset(Printed):
    """A preset of offloading."""

    preset: str
    experts: int
    types: int
    slots: int
    jobs: int
    jobs_per_s: float
    says: str


class Info(Printed):
    """What an instance holds; pairs are a range. The last fields are those of rounds."""

    name: str
    kind: str
    tokens: int
    experts: int
    max_experts: int
    on_shortfall: str
    tokens_short: int
    threshold: list[float] | None
    scores: list[float] | None
    price_j: list[float] | None
    infeasible: str | None
    sha256: str
    meta: dict[str, Any]
    nodes: int | msgspec.UnsetType = msgspec.UNSET
    subcarriers: int | msgspec.UnsetType = msgspec.UNSET
    link_energy_j: list[float] | msgspec.UnsetType | None = msgspec.UNSET
    dead_links: int | msgspec.UnsetType = msgspec.UNSET
    mean_snr_db: float | msgspec.UnsetType | None = msgspec.UNSET


class Method(Printed):
    """A row of the table of methods, with the names of its options."""

    problem: str
    method: str
    proves: str
    says: str
    options: list[str]


class Streamed(Printed):
    """The answer of `solve --stream`; the selection is in the file of -o."""

    format: str
    version: int
    instance: str
    instance_sha256: str
    problem: str
    method: str
    status: str
    objective_j: float | None
    bound_j: float | None
    gap: float | None
    shortfall: int
    wall_s: float
    stats: dict[str, Any]
    message: str
    tokens: int
    tokens_per_s: float
    peak_bytes: int | None


class Checked(Printed):
    """What `check` found; `claimed` is what cannot be recomputed, in words."""

    ok: bool
    violations: list[str]
    claimed: str
    certified: bool | msgspec.UnsetType = msgspec.UNSET


class CheckedEpisode(Printed):
    """What `offload check` found: a certified bound on all policies, or why there is none."""

    certified: bool
    bound: float | None
    reason: str


class Compared(Printed):
    """A row for each instance and method."""

    problem: str
    rows: list[MethodRow]


class Protocol(Printed):
    """A run of the protocol: its settings, totals, and the same for each layer."""

    preset: str
    scheduler: str
    gamma0: float | None
    importance: list[float]
    z: float
    max_experts: int
    seed: int
    channel_error: float
    accuracy: float | None
    wall_s: float
    scheduling_s: float
    experts_per_node: int | None
    send_once: bool
    drop_price: list[float] | None
    capacity: list[int] | None
    wake_energy: list[float] | None
    air_deadline_s: list[float] | None
    energy_j: float
    communication_j: float
    computation_j: float
    waking_j: float
    dropping_j: float
    latency_s: float
    rounds: int
    tokens: int
    shortfalls: int
    dropped: int
    late: int
    layers: list[LayerBill]


class Frontier(Printed):
    """A row for each setting of each scheduler."""

    preset: str
    rows: list[FrontierPoint]


class Savings(Printed):
    """Savings by share, what they assume, and the share from which none can be told from 0."""

    source: str
    assumes: list[str]
    ends_at: float | None
    points: list[SavingPoint]


class PlacedLayer(Printed):
    """The placement of one layer, and what it is compared with; the layer is null if not told."""

    layer: int | None
    experts: int
    nodes: int
    tokens: int
    held_out_tokens: int
    send_once: bool
    select: str
    method: str
    placement: list[list[int]]
    bound_j: float | None
    gap: float | None
    sending_gap: float | None
    rows: list[PlacementRow]


class PlacedExperts(Printed):
    """Energies of the placements with all layers summed, and layer by layer, per token."""

    source: str
    assumes: list[str]
    rows: list[PlacementRow]
    layers: list[PlacedLayer]


class Plotted(Printed):
    """The tables beside the figures: the first five of a sweep, `fronts` of a frontier."""

    notes: list[str]
    profile: list[ProfileShare] | msgspec.UnsetType = msgspec.UNSET
    gaps: list[GapSummary] | msgspec.UnsetType = msgspec.UNSET
    scaling: list[ScalingFit] | msgspec.UnsetType = msgspec.UNSET
    savings: list[Saving] | msgspec.UnsetType = msgspec.UNSET
    rules: list[RulePoint] | msgspec.UnsetType = msgspec.UNSET
    fronts: list[Front] | msgspec.UnsetType = msgspec.UNSET


class Trained(Printed):
    """Returns per validation episode: of the agent, of the rules, and of the optimum at most."""

    return_mean: float
    optimum_mean: float
    rules: dict[str, float]
    made_by: str


class Played(Printed):
    """The sums of one episode; `bound`, on any policy, comes with the optimum.

    `certified_bound` is what a certificate proves in exact arithmetic, with `--proof`.
    """

    scenario: str
    policy: str
    subtasks: int
    return_: float = msgspec.field(name="return")
    quality: float
    energy_j: float
    communication_j: float
    computation_j: float
    served: int
    local: int
    lost: int
    late: int
    bound: float | None = None
    certified_bound: float | None = None


DOCUMENTS: dict[str, Any] = {
    "generate": printed.Generated,
    "generate --list": list[Preset],
    "new": printed.New,
    "import": printed.Imported,
    "info": Info,
    "export": printed.Exported,
    "methods": list[Method],
    "solve": formats.Solution,
    "solve --stream": Streamed,
    "check": Checked,
    "compare": Compared,
    "explain": printed.Explanation,
    "explore": printed.Explored,
    "protocol": Protocol,
    "savings": Savings,
    "place": PlacedExperts,
    "frontier": Frontier,
    "offload generate": printed.OffloadGenerated,
    "offload generate --list": list[OffloadPreset],
    "offload import": printed.OffloadImported,
    "offload fit": printed.Fitted,
    "offload train": Trained,
    "offload evaluate": Played,
    "offload check": CheckedEpisode,
    "offload compare": OffloadComparison,
    "sweep": printed.Swept,
    "plot": Plotted,
}
"""The document that a command prints with --json."""


def schemas() -> dict[str, Schema]:
    """The schema of every document by its command, such as `offload compare`."""
    return {
        command: {"$schema": DRAFT, "title": f"dmoe-opt {command} --json", **of_struct(kind)}
        for command, kind in DOCUMENTS.items()
    }


def files() -> dict[str, bytes]:
    """The schemas as files by name, such as `offload-compare.json`."""
    return {
        f"{command.replace(' --', '-').replace(' ', '-')}.json": (
            json.dumps(schema, indent=1) + "\n"
        ).encode()
        for command, schema in schemas().items()
    }
