"""The protocol over layers: every layer of a distributed mixture of experts is a round.

::

    for each layer:
        gate scores of the hidden states; thresholds z gamma^(l); a channel draw
        a scheduler, which may know the channel in part, chooses experts and subcarriers
        tokens go out, experts run, results come back: the true channel bills
        hidden states move on by the outputs of the chosen experts, weighted by their gate scores

With a trained network the loop is closed: an expert that is not chosen is missing in the next
layer, and accuracy is measured at the end. Without one, gate scores are drawn and accuracy is
unknown. See docs/problems/layers.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.decision import Decision
from dmoe_opt.data import validate
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.radio import Radio
from dmoe_opt.errors import InputError
from dmoe_opt.generating import gates
from dmoe_opt.generating.fading import estimate
from dmoe_opt.generating.presets import check_radio
from dmoe_opt.generating.rounds import draw_radio
from dmoe_opt.layers import schedulers
from dmoe_opt.layers.bills import LayerBill, layer_bill
from dmoe_opt.layers.choosing import over, schedule
from dmoe_opt.layers.rules import Rules, layered
from dmoe_opt.layers.schedulers import SCHEDULERS
from dmoe_opt.layers.tokens import DrawnTokens, TrainedTokens

__all__ = ["PRESETS", "SCHEDULERS", "Preset", "Run", "Watch", "run"]

HARDWARE_SEED = 0
TOTALS = (
    "energy_j",
    "communication_j",
    "computation_j",
    "waking_j",
    "dropping_j",
    "latency_s",
)
Watch = Callable[[int, Decision], None]


class Preset(NamedTuple):
    """A task, or None for drawn gates; sizes, and the energy range of experts, J per token."""

    task: str | None
    num_experts: int
    num_layers: int
    num_tokens: int
    num_subcarriers: int
    payload_bits: int
    compute_j: tuple[float, float]

    def compute_energy_j(self) -> NDArray[np.float64]:
        """Computing energy of every expert, J per token, shape (K,): the same in all runs."""
        rng = np.random.default_rng(HARDWARE_SEED)
        return rng.uniform(*self.compute_j, self.num_experts)


PRESETS = {
    "digits": Preset("digits", 8, 4, 450, 64, 16 * 32, (5e-7, 5e-6)),
    "domains": Preset("domains", 8, 4, 512, 64, 16 * 32, (5e-7, 5e-6)),
    "synthetic-32": Preset(None, 8, 32, 1024, 64, 16 * 4096, (5e-5, 5e-4)),
}


@dataclass(frozen=True)
class Run:
    """A run of the protocol: its settings, the bill of every layer, and accuracy on the labels.

    `importance` has the factor of every layer; `gamma0` is None if they were given one by one.
    Optional rules have one value per layer, or are None.
    `accuracy` is None without a task. `wall_s` is the time of the whole run, `scheduling_s` the
    time that the scheduler took of it.
    """

    preset: str
    scheduler: str
    gamma0: float | None
    importance: tuple[float, ...]
    z: float
    max_experts: int
    seed: int
    channel_error: float
    accuracy: float | None
    layers: tuple[LayerBill, ...]
    wall_s: float
    scheduling_s: float
    experts_per_node: int | None = None
    send_once: bool = False
    drop_price: tuple[float, ...] | None = None
    capacity: tuple[int, ...] | None = None
    wake_energy: tuple[float, ...] | None = None
    air_deadline_s: tuple[float, ...] | None = None

    @property
    def late(self) -> int:
        """Layers that missed their deadline."""
        return sum(layer.on_time is False for layer in self.layers)

    def total(self, field: str) -> float:
        """Sum of a field over the layers."""
        return float(sum(getattr(layer, field) for layer in self.layers))

    def document(self) -> dict[str, Any]:
        """The run as plain data: totals, and the same per layer."""
        document = asdict(self)
        layers = document.pop("layers")
        for field in TOTALS:
            document[field] = self.total(field)
        document["dropped"] = int(self.total("dropped"))
        document["late"] = self.late
        document["rounds"] = len(self.layers)
        document["tokens"] = self.layers[0].tokens if self.layers else 0
        document["shortfalls"] = int(self.total("shortfalls"))
        document["layers"] = list(layers)
        return document


def run(
    preset: str,
    scheduler: str = schedulers.DEFAULT,
    *,
    gamma0: float = schedulers.GAMMA0,
    importance: Sequence[float] | None = None,
    z: float = schedulers.Z,
    max_experts: int = schedulers.MAX_EXPERTS,
    layers: int | None = None,
    seed: int = 0,
    num_tokens: int | None = None,
    channel_error: float = 0.0,
    radio: Mapping[str, Any] | None = None,
    experts_per_node: int | None = None,
    send_once: bool = False,
    drop_price: float | Sequence[float] | None = None,
    capacity: int | Sequence[int] | None = None,
    wake_energy: float | Sequence[float] | None = None,
    air_deadline_s: float | Sequence[float] | None = None,
    watch: Watch | None = None,
) -> Run:
    """Run the protocol.

    Parameters
    ----------
    preset
        A name in `PRESETS`.
    scheduler
        A name in `SCHEDULERS`, or a method of the selection or joint problem.
    gamma0, z
        The threshold of layer l = 1..L is z gamma0^l.
    importance
        One factor per layer, in [0, 1], in place of gamma0^l; "homogeneous" has 1 in all layers
        whatever is given.
    max_experts
        Experts per token and layer, D; "dense" asks all whatever is given.
    layers, num_tokens
        Fewer or more than the preset has; a trained network has no more layers than it was trained
        with.
    seed
        Draws tokens and channels: schedulers of the same seed meet the same ones. The energies of
        the nodes belong to the preset.
    channel_error
        Share of the channel's variance that the scheduler does not know, in [0, 1).
    radio
        Options of `generating.rounds.draw_radio`.
    experts_per_node
        That many experts share a node, in order; by default every expert has a node of its own.
    send_once
        As in `Instance`; needs `experts_per_node`.
    drop_price, capacity, wake_energy
        Optional rules of `Instance`: one number for all layers, or one per layer; the same for all
        tokens or experts. A dropped token goes on to the next layer as it is.
    air_deadline_s
        Likewise. A layer whose links cannot all send in time is late: it is scheduled, billed and
        watched without the deadline.
    watch
        Called with the number of each layer and the `Decision` on its round, as the true channel
        has it: `decision.instance`, `decision.selection`, `decision.allocation`.

    Raises
    ------
    InputError
        If an argument is out of range.
    InfeasibleError
        If it is proven that a round has no answer.
    LimitError
        If the scheduler found no answer to a round.

    Examples
    --------
    >>> from dmoe_opt.layers import protocol
    >>> joint = protocol.run("digits", "joint", num_tokens=32)
    >>> topk = protocol.run("digits", "topk", num_tokens=32)
    >>> len(joint.layers), joint.total("energy_j") < topk.total("energy_j")
    (4, True)
    """
    started = time.perf_counter()
    task = _preset(preset)
    scheduler = schedulers.todays_name(scheduler)
    schedulers.check_scheduler(scheduler)
    _check_share("gamma0", gamma0)
    _check_share("z", z)
    _check_channel_error(channel_error)
    check_radio(radio or {})
    max_experts = validate.whole("max_experts", max_experts)
    placement = _placement(task, experts_per_node, send_once)
    nodes = task.num_experts if placement is None else int(placement[-1]) + 1
    depth = _depth(task, layers)
    rules = Rules(
        layered("drop_price", drop_price, depth),
        layered("capacity", capacity, depth),
        layered("wake_energy", wake_energy, depth),
        layered("air_deadline_s", air_deadline_s, depth),
    )
    schedulers.check_rules(scheduler, rules.given)
    factors = _factors(depth, scheduler, gamma0, importance)
    tokens = _tokens(task, num_tokens, validate.whole("seed", seed, least=0))
    bills = []
    scheduling_s = 0.0
    for layer, factor in enumerate(factors.tolist(), start=1):
        # gate scores of the hidden states, thresholds, a channel draw
        rng = np.random.default_rng([seed, layer])
        scores = tokens.gate(layer, rng)
        true = Instance(
            source=np.arange(len(scores)) % nodes,
            scores=gates.to_grid(scores),
            threshold=np.full(len(scores), gates.floor_to_grid(z * factor)),
            max_experts=task.num_experts if scheduler == "dense" else max_experts,
            compute_energy=task.compute_energy_j(),
            radio=_channel(task, nodes, radio or {}, rng),
            name=f"{preset}-l{layer}",
            placement=placement,
            send_once=send_once,
            **rules.of_layer(layer, task.num_experts),
        )
        known = _as_known(true, channel_error, rng)
        # the scheduler chooses
        before = time.perf_counter()
        choice, gap = schedule(known, scheduler)
        scheduling_s += time.perf_counter() - before
        # hidden states move on, and the true channel bills
        tokens.move_on(layer, scores, choice.selection)
        decision = over(true, choice)
        bill = layer_bill(layer, decision, gap, tokens.accuracy(), true.air_deadline_s)
        bills.append(bill)
        if watch:
            watch(layer, decision)
    return Run(
        preset=preset,
        scheduler=scheduler,
        gamma0=gamma0 if importance is None else None,
        importance=tuple(factors.tolist()),
        z=z,
        max_experts=max_experts,
        seed=seed,
        channel_error=channel_error,
        accuracy=bills[-1].accuracy,
        layers=tuple(bills),
        wall_s=time.perf_counter() - started,
        scheduling_s=scheduling_s,
        experts_per_node=experts_per_node,
        send_once=send_once,
        **rules._asdict(),
    )


def _placement(task: Preset, experts_per_node: int | None, once: bool) -> NDArray[np.int64] | None:
    """The node of every expert, (K,); None for one of its own each."""
    if experts_per_node is None:
        if once:
            raise InputError("send_once is given without experts_per_node; allowed: both, or none")
        return None
    return np.arange(task.num_experts) // validate.whole("experts_per_node", experts_per_node)


def _preset(name: str) -> Preset:
    if name not in PRESETS:
        raise InputError(f'preset = "{name}"; allowed: {", ".join(PRESETS)}')
    return PRESETS[name]


def _check_share(name: str, value: float) -> None:
    if validate.real(name, value, positive=False) > 1:
        raise validate.fail(name, value, "a number from 0 to 1")


def _check_channel_error(value: float) -> None:
    if validate.real("channel_error", value, positive=False) >= 1:
        raise validate.fail("channel_error", value, "a share from 0 to below 1")


def _depth(task: Preset, layers: int | None) -> int:
    """Number of layers L."""
    depth = validate.whole("layers", task.num_layers if layers is None else layers)
    if task.task and depth > task.num_layers:
        allowed = f"1 to {task.num_layers}, the layers that the network was trained with"
        raise validate.fail("layers", depth, allowed)
    return depth


def _factors(
    depth: int, scheduler: str, gamma0: float, importance: Sequence[float] | None
) -> NDArray[np.float64]:
    """The importance factor of every layer, shape (L,)."""
    factors = gates.importance(depth, gamma0)
    if importance is not None:
        if np.shape(importance) != (depth,):
            number = np.size(importance)
            raise InputError(f"importance has {number} factors; allowed: {depth}, one per layer")
        factors = validate.real_array("importance", importance, (depth,), most=1.0)
    return np.ones(depth) if scheduler == "homogeneous" else factors


def _tokens(task: Preset, num_tokens: int | None, seed: int) -> TrainedTokens | DrawnTokens:
    """The tokens of a run, before its first layer."""
    number = validate.whole("num_tokens", task.num_tokens if num_tokens is None else num_tokens)
    if task.task is None:
        return DrawnTokens(number, task.num_experts)
    return TrainedTokens(task.task, number, np.random.default_rng([seed, 0]))


def _channel(
    task: Preset, nodes: int, options: Mapping[str, Any], rng: np.random.Generator
) -> Radio:
    """A channel draw for one layer, on which results come back as well."""
    size = (nodes, task.num_subcarriers, task.payload_bits)
    return draw_radio(rng, *size, round_trip=True, **options)


def _as_known(true: Instance, channel_error: float, rng: np.random.Generator) -> Instance:
    """The round as the scheduler sees it, with the channel known only in part."""
    if not channel_error:
        return true
    assert true.radio is not None
    gains = estimate(rng, true.radio.gains, channel_error)
    return true.replace(radio=replace(true.radio, gains=gains))
