"""The protocol over layers: every layer of a distributed mixture of experts is a round (docs/problems/layers.md).

::

    for each layer:
        gate scores of the hidden states; thresholds z gamma^(l); a channel draw
        a scheduler chooses experts and subcarriers from what it knows of the channel
        tokens go out, experts run, results come back: the true channel bills
        hidden states move on by the chosen experts' outputs, weighted by their gate scores as they were in training

With a trained network the loop is closed: what the scheduler leaves out is missing in the next layer, and accuracy is
measured at the end. Without one, gate scores are drawn and accuracy is unknown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.allocation.links import solve_assignment
from dmoe_opt.answer.objective import (
    Allocation,
    Selection,
)
from dmoe_opt.data import validate
from dmoe_opt.data.instance import Instance
from dmoe_opt.errors import InputError
from dmoe_opt.generating import gates
from dmoe_opt.generating.fading import estimate
from dmoe_opt.generating.presets import check_radio
from dmoe_opt.generating.rounds import draw_radio
from dmoe_opt.layers.bills import LayerBill, layer_bill
from dmoe_opt.layers.network import HeldOut, Network, held_out, load_network
from dmoe_opt.method_table import METHODS
from dmoe_opt.selection.relaxed import best_subcarriers, relaxed_bound
from dmoe_opt.solving import solve

HARDWARE_SEED = 0
SPREAD = 2.0
"""Standard deviation of drawn gate logits."""
Watch = Callable[[int, Instance, Selection, Allocation], None]


class Preset(NamedTuple):
    """A task, or None for drawn gates; sizes, and the energy range of experts, J/token."""

    task: str | None
    num_experts: int
    num_layers: int
    num_tokens: int
    num_subcarriers: int
    payload_bits: int
    compute_j: tuple[float, float]


PRESETS = {
    "digits": Preset("digits", 8, 4, 450, 64, 16 * 32, (5e-7, 5e-6)),
    "domains": Preset("domains", 8, 4, 512, 64, 16 * 32, (5e-7, 5e-6)),
    "synthetic-32": Preset(None, 8, 32, 1024, 64, 16 * 4096, (5e-5, 5e-4)),
}
SCHEDULERS = {
    "jesa": "experts and subcarriers by block coordinate descent",
    "homogeneous": "the same with one threshold z in all layers (gamma0 = 1)",
    "des": "experts by DES at best-subcarrier prices, then an assignment",
    "topk": "the D best scores, then an assignment",
    "relaxed": "every link on its best subcarrier, shared or not: a bound, not a schedule",
    "dense": "all experts, then an assignment",
}


@dataclass(frozen=True)
class Run:
    """A run of the protocol: its settings, the bill of every layer, and accuracy on the labels (None without a task).

    `importance` has the factor of every layer; `gamma0` is None if they were given one by one.
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

    def total(self, field: str) -> float:
        """Sum of a field over the layers."""
        return float(sum(getattr(layer, field) for layer in self.layers))

    def document(self) -> dict[str, Any]:
        """The run as plain data: totals, and the same per layer."""
        sums = {
            f: self.total(f) for f in ("energy_j", "communication_j", "computation_j", "latency_s")
        }
        counts = {"rounds": len(self.layers), "tokens": self.layers[0].tokens if self.layers else 0}
        settings = {k: v for k, v in asdict(self).items() if k != "layers"}
        rows = [asdict(layer) for layer in self.layers]
        return (
            settings | sums | counts | {"shortfalls": int(self.total("shortfalls")), "layers": rows}
        )


def run(
    preset: str,
    scheduler: str = "jesa",
    *,
    gamma0: float = 0.9,
    importance: Sequence[float] | None = None,
    z: float = 0.6,
    max_experts: int = 2,
    layers: int | None = None,
    seed: int = 0,
    num_tokens: int | None = None,
    channel_error: float = 0.0,
    radio: Mapping[str, Any] | None = None,
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
        One factor a layer, in [0, 1], in place of gamma0^l; "homogeneous" has 1 in all layers whatever is given.
    layers, num_tokens
        Fewer or more than the preset has; a trained network has no more layers than it was trained with.
    seed
        Draws tokens and channels: schedulers of the same seed meet the same ones. The nodes' energies are those of the
        preset.
    channel_error
        Share of the channel's variance that the scheduler does not know, in [0, 1).
    radio
        Options of `generator.draw_radio`.
    watch
        Called with each layer's number, its round as the true channel has it, and what was chosen; nothing of it is kept.

    Raises
    ------
    InputError
        If an argument is out of range, or a round has no answer.

    Examples
    --------
    >>> from dmoe_opt.layers import protocol
    >>> jesa, topk = (protocol.run("digits", scheduler, num_tokens=32) for scheduler in ("jesa", "topk"))
    >>> len(jesa.layers), jesa.total("energy_j") < topk.total("energy_j")
    (4, True)
    """
    chosen = PRESETS.get(preset)
    if chosen is None:
        raise InputError(f'preset = "{preset}"; allowed: {", ".join(PRESETS)}')
    _check(scheduler, gamma0, z, channel_error)
    check_radio(radio or {})
    max_experts = validate.whole("max_experts", max_experts)
    depth = validate.whole("layers", chosen.num_layers if layers is None else layers)
    if chosen.task and depth > chosen.num_layers:
        raise validate.fail(
            "layers",
            depth,
            f"1 to {chosen.num_layers}, the layers that the network was trained with",
        )
    started = time.perf_counter()
    rng = np.random.default_rng([validate.whole("seed", seed, least=0), 0])
    wanted = validate.whole("num_tokens", chosen.num_tokens if num_tokens is None else num_tokens)
    network, task, tokens = _tokens(chosen, rng, wanted)
    compute_energy = np.random.default_rng(HARDWARE_SEED).uniform(
        *chosen.compute_j, chosen.num_experts
    )
    hidden = network.embed(task.inputs[tokens]) if network and task else np.zeros((wanted, 0))
    bills = []
    scheduling_s = 0.0
    factors = gates.importance(depth, gamma0)
    if importance is not None:
        if np.shape(importance) != (depth,):
            raise InputError(
                f"importance has {np.size(importance)} factors; allowed: {depth}, one a layer"
            )
        factors = validate.real_array("importance", importance, (depth,), most=1.0)
    if scheduler == "homogeneous":
        factors = np.ones(depth)
    for layer, factor in enumerate(factors):
        draw = np.random.default_rng([seed, 1 + layer])
        scores = (
            network.gate(layer, hidden)
            if network
            else gates.softmax(gates.random_logits(draw, wanted, chosen.num_experts, SPREAD))
        )
        channel = replace(
            draw_radio(
                draw,
                chosen.num_experts,
                chosen.num_subcarriers,
                chosen.payload_bits,
                **(radio or {}),
            ),
            round_trip=True,
        )
        known = (
            channel
            if not channel_error
            else replace(channel, gains=estimate(draw, channel.gains, channel_error))
        )
        true = Instance(
            source=np.arange(len(scores)) % chosen.num_experts,
            scores=gates.to_grid(scores),
            threshold=np.full(len(scores), gates.floor_to_grid(z * factor)),
            max_experts=chosen.num_experts if scheduler == "dense" else max_experts,
            compute_energy=compute_energy,
            radio=channel,
            name=f"{preset}-l{layer + 1}",
        )
        seen = true if known is channel else true.replace(radio=known)
        before = time.perf_counter()
        selection, allocation, gap = _schedule(seen, scheduler)
        scheduling_s += time.perf_counter() - before
        accuracy = None
        if network and task:
            hidden = network.layer(layer, hidden, np.where(selection, scores, 0.0))
            accuracy = float((network.classify(hidden) == task.labels[tokens]).mean())
        bills.append(layer_bill(layer + 1, true, selection, allocation, gap, accuracy))
        if watch:
            watch(layer + 1, true, selection, allocation)
    return Run(
        preset, scheduler, None if importance is not None else gamma0, tuple(factors.tolist()), z, max_experts, seed,
        channel_error, bills[-1].accuracy, tuple(bills), time.perf_counter() - started, scheduling_s,
    )  # fmt: skip


def _check(scheduler: str, gamma0: float, z: float, channel_error: float) -> None:
    known = [
        *SCHEDULERS,
        *METHODS["selection"],
        *METHODS["jesa"],
    ]
    if scheduler not in known:
        raise InputError(f'scheduler = "{scheduler}"; allowed: {", ".join(dict.fromkeys(known))}')
    for name, value in (("gamma0", gamma0), ("z", z)):
        if validate.real(name, value, positive=False) > 1:
            raise validate.fail(name, value, "a number from 0 to 1")
    if not validate.real("channel_error", channel_error, positive=False) < 1:
        raise validate.fail("channel_error", channel_error, "a share from 0 to below 1")


def _tokens(
    preset: Preset, rng: np.random.Generator, wanted: int
) -> tuple[Network | None, HeldOut | None, NDArray[np.int64]]:
    if preset.task is None:
        return None, None, np.arange(wanted)
    task = held_out(preset.task)
    if wanted > len(task.labels):
        raise validate.fail(
            "num_tokens", wanted, f"1 to {len(task.labels)}, the tokens that were held out"
        )
    return load_network(preset.task), task, rng.permutation(len(task.labels))[:wanted]


def _schedule(instance: Instance, scheduler: str) -> tuple[Selection, Allocation, float | None]:
    """Experts and subcarriers, and the gap that is left."""
    if scheduler == "relaxed":
        selection, _ = relaxed_bound(instance)
        return selection, best_subcarriers(instance, selection), 0.0
    method = {"jesa": "bcd", "homogeneous": "bcd"}.get(scheduler, scheduler)
    if scheduler == "dense":
        result = solve_assignment(instance, selection=instance.selection_problem().usable)
    elif method in METHODS["jesa"]:
        result = solve(instance, "jesa", method)
    else:
        chosen = solve(instance, "selection", method)
        result = (
            chosen
            if chosen.selection is None
            else solve_assignment(instance, selection=chosen.selection)
        )
    if result.selection is None or result.allocation is None:
        raise InputError(
            f"{instance.name}: {scheduler} has no answer: {result.message}; allowed: rounds that can be served"
        )
    return result.selection, result.allocation, result.gap
