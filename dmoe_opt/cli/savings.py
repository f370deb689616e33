"""The command `savings`: what choosing experts by energy would save on a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from dmoe_opt.cli.options import (
    FIGURES,
    WHOLE,
    emit,
    formatted,
    numbers_in,
    pictures,
    setting,
)
from dmoe_opt.data.words import counted

if TYPE_CHECKING:
    from dmoe_opt.comparing.savings import Measure, SavingPoint
    from dmoe_opt.data.instance import Instance

MOST_NODES = 8
"""Nodes of a trace unless --experts-per-node says otherwise: few people have more devices."""
MOST_TOKENS = 256
SAMPLES = 10
QUALITY = (
    "Kept gate weight is not quality: measure that on your task. With the committed networks it "
    "is measured: dmoe-opt savings digits, dmoe-opt savings domains."
)


class _Source(NamedTuple):
    """What is measured, how many samples it has at most (None: any), and what it is in words."""

    measure: Measure
    samples: int | None
    facts: list[str]


@click.command()
@click.argument("source")
@click.option("--shares", metavar="LIST", help="Shares of the best D scores; default: 0.3 to 1.")
@setting("--samples", type=WHOLE, default=SAMPLES, help="Draws of radio and energies.")
@click.option("--max-experts", type=WHOLE, metavar="D", help="Default: as in the source.")
@click.option(
    "--tokens", "num_tokens", type=WHOLE, metavar="N", help=f"Default: at most {MOST_TOKENS}."
)
@click.option(
    "--experts-per-node", type=WHOLE, metavar="N", help=f"Default: at most {MOST_NODES} nodes."
)
@click.option("--gate", metavar="NAME", help="softmax (default) or sigmoid, for logits.")
@click.option("--order", metavar="LTK|TLK|..", help="Axes of an array: layer, token, expert.")
@click.option("--subcarriers", "num_subcarriers", type=WHOLE, metavar="M", help="Of a trace.")
@click.option("--compute-energy", metavar="J|A:B|FILE", help="J per token: all, drawn, or each.")
@click.option("--gains", metavar="FILE", help="Channel power gains, N x N x M, in place of drawn.")
@click.option("--snr-db", type=float, help="Mean signal-to-noise ratio of a subcarrier.")
@click.option("--bandwidth-hz", type=float, help="Of one subcarrier.")
@click.option("--payload-bits", type=float, help="Size of one hidden state.")
@click.option("-o", "--output", metavar="FOLDER", help="Write savings.csv and a figure there.")
@FIGURES
@formatted()
def savings(
    source: str,
    shares: str | None,
    samples: int,
    output: str | None,
    form: str,
    **options: Any,
) -> None:
    """Energy of Top-k, Top-p, DES and JESA against the gate weight that is kept.

    SOURCE is a router trace, a folder or file of rounds, a preset, or one of the trained tasks
    digits and domains, where accuracy is measured too.
    """
    from dmoe_opt.cli import console
    from dmoe_opt.comparing import savings as study
    from dmoe_opt.comparing.rows import as_csv
    from dmoe_opt.data import files

    found = _source(source, options)
    wanted = study.SHARES if shares is None else numbers_in("shares", shares)
    number = samples if found.samples is None else min(samples, found.samples)
    if output is not None:
        files.make_folder(output)
    console.prepare("jesa")
    with console.progress(f"savings on {Path(source).name}") as report:
        points = study.savings(found.measure, shares=wanted, samples=number, progress=report)
    if output is not None:
        _write(output, points, Path(source).name)
    ends = study.ends_at(points)
    if form == "json":
        rows = [asdict(point) for point in points]
        emit({"source": source, "assumes": found.facts, "ends_at": ends, "points": rows})
    elif form == "csv":
        click.echo(as_csv(points, study.SavingPoint), nl=False)
    else:
        _show(points, ends, found.facts, form)


def _source(source: str, options: dict[str, Any]) -> _Source:
    """What SOURCE names: a task, a preset, rounds in files, or a trace."""
    from dmoe_opt.data import files
    from dmoe_opt.data.arrays import split_name
    from dmoe_opt.generating.presets import PRESETS
    from dmoe_opt.layers.protocol import PRESETS as TASKS

    if source in TASKS:
        return _task(source, options)
    if source in PRESETS:
        return _preset(source, options)
    if source == "-":  # standard input can be read once, and is a log
        return _trace(source, options)
    path = files.resolve(split_name(source, None)[0])
    if path.is_dir() or files.is_instance(path):
        return _files(path, options)
    return _trace(source, options)


def _refuse(options: dict[str, Any], names: Sequence[str], what: str) -> None:
    """Refuse options that this kind of source has no use for."""
    for name in names:
        if options[name] is not None:
            option = name.replace("num_", "").replace("_", "-")
            raise click.UsageError(f"--{option} is not taken for {what}")


def _task(preset: str, options: dict[str, Any]) -> _Source:
    from dmoe_opt.comparing.savings import of_protocol

    fixed = [name for name in options if name not in ("num_tokens", "max_experts")]
    _refuse(options, fixed, "a trained task or another preset of the protocol")
    tokens, most = options["num_tokens"], options["max_experts"] or 2
    facts = [
        "drawn: one channel per layer and sample; the energies of the experts once",
        "the loop is closed: an expert that is left out is missing in the next layer",
    ]
    return _Source(of_protocol(preset, num_tokens=tokens, max_experts=most), None, facts)


def _preset(preset: str, options: dict[str, Any]) -> _Source:
    from dmoe_opt import Instance, generate
    from dmoe_opt.comparing.savings import of_rounds

    _refuse(options, ("gate", "order"), "a preset")
    names = ("num_tokens", "max_experts", "experts_per_node", "num_subcarriers")
    changes = {name: options[name] for name in names if options[name] is not None}
    first = generate(preset, 0, **changes)
    if not isinstance(first, Instance):
        raise click.UsageError(f"{preset} has no radio; allowed: a preset of rounds")
    size = f"{counted(first.num_experts, 'expert')} on {counted(first.num_nodes, 'node')}"
    size += f", {counted(first.num_tokens, 'token')}"
    size += f", {counted(first.num_subcarriers, 'subcarrier')}"
    facts = [f"drawn for each sample: scores, radio and energies ({size})"]
    own = _own(options)
    return _Source(
        of_rounds(lambda seed: [own(_round(generate(preset, seed, **changes)), seed)]), None, facts
    )


def _round(data: object) -> Instance:
    from dmoe_opt import Instance

    if not isinstance(data, Instance):
        raise click.UsageError("a selection problem has no radio; allowed: rounds")
    return data


def _files(path: Path, options: dict[str, Any]) -> _Source:
    from dmoe_opt import load
    from dmoe_opt.cli import console
    from dmoe_opt.comparing.methods import sorted_out
    from dmoe_opt.comparing.savings import of_rounds

    of_traces = ("num_tokens", "experts_per_node", "num_subcarriers", "gate", "order")
    _refuse(options, of_traces, "rounds in files")
    inside, others = sorted_out([path])
    console.passed_over(others)
    rounds = [_round(load(file)) for file in inside]
    most = options["max_experts"]
    rounds = [round_.replace(max_experts=most) if most else round_ for round_ in rounds]
    own = _own(options)
    facts = ["each file is one sample; its radio and energies are those of the file"]
    return _Source(of_rounds(lambda seed: [own(rounds[seed], seed)]), len(rounds), facts)


def _trace(source: str, options: dict[str, Any]) -> _Source:
    from dmoe_opt.comparing.savings import of_rounds
    from dmoe_opt.generating.trace_files import load_trace
    from dmoe_opt.generating.traces import to_rounds

    trace = load_trace(source, gate=options["gate"], order=options["order"])
    layers, tokens, experts = trace.scores.shape
    per_node = options["experts_per_node"] or -(-experts // MOST_NODES)
    nodes = -(-experts // per_node)
    taken = {
        "num_tokens": min(options["num_tokens"] or MOST_TOKENS, tokens),
        "max_experts": options["max_experts"],
        "experts_per_node": None if per_node == 1 else per_node,
        "num_subcarriers": options["num_subcarriers"] or max(64, nodes * (nodes - 1)),
    }
    own = _own(options)
    facts = [
        f"from the log: {counted(layers, 'layer')}, {counted(tokens, 'token')}, "
        f"{counted(experts, 'expert')}",
        *trace.remarks,
        f"drawn per sample: {taken['num_tokens']} of the tokens, which belong to the nodes in turn",
        f"chosen: {counted(nodes, 'node')} for the {experts} experts (--experts-per-node), "
        f"{taken['num_subcarriers']} subcarriers (--subcarriers)",
    ]
    drawn = [("gains", "Rayleigh channels"), ("compute_energy", "energies of the experts")]
    missing = [what for name, what in drawn if options[name] is None]
    facts += [f"drawn, not in the log: {' and '.join(missing)}"] if missing else []

    def rounds_of(seed: int) -> list[Instance]:
        return [own(round_, seed) for round_ in to_rounds(trace, seed=seed, **taken)]

    return _Source(of_rounds(rounds_of), None, facts)


def _own(options: dict[str, Any]) -> Callable[[Instance, int], Instance]:
    """Puts the energies and the radio of the command line into a round of a sample."""
    from dmoe_opt.cli.new import energies_of, read_gains
    from dmoe_opt.data.radio import Radio

    fields = {
        name: options[name]
        for name in ("bandwidth_hz", "payload_bits")
        if options[name] is not None
    }
    wants_radio = fields or options["gains"] or options["snr_db"] is not None
    gains_of = cache(lambda nodes: read_gains(options["gains"], nodes))

    def own(round_: Instance, seed: int) -> Instance:
        changes: dict[str, Any] = {}
        if options["compute_energy"] is not None:
            given = {"compute_energy": options["compute_energy"], "seed": seed}
            changes["compute_energy"] = energies_of(given, round_.num_experts)
        if wants_radio:
            radio = round_.radio
            if not isinstance(radio, Radio):
                raise click.UsageError(f"{round_.name} has link_energy; allowed: a round of gains")
            gains = gains_of(round_.num_nodes) if options["gains"] else radio.gains
            radio = replace(radio, gains=gains, **fields)
            snr_db = options["snr_db"]
            changes["radio"] = radio if snr_db is None else radio.at_mean_snr(snr_db)
        return round_.replace(**changes) if changes else round_

    return own


def _write(folder: str, points: Sequence[SavingPoint], name: str) -> None:
    from dmoe_opt.cli import console
    from dmoe_opt.comparing.rows import as_csv
    from dmoe_opt.comparing.savings import SavingPoint
    from dmoe_opt.data import files

    rows = {"savings.csv": as_csv(points, SavingPoint).encode()}
    drawn = pictures("plot.savings", "of_savings", points, name)
    console.wrote(files.write_all(folder, rows | drawn))


def _show(
    points: Sequence[SavingPoint], ends: float | None, facts: Sequence[str], form: str
) -> None:
    from dmoe_opt.cli.tables import note, show
    from dmoe_opt.comparing.sheets import Sheet

    numbers = ["share", "Top-k", "Top-p", "DES", "JESA", "kept %", "saved %", "over Top-p %"]
    tested = any(point.accuracy is not None for point in points)
    numbers += ["accuracy %", "of Top-k %"] if tested else []
    table = Sheet(numbers, numbers)
    for point in points:
        table.add_row(*_cells(point, tested))
    show(table, form)
    end = "JESA saves energy at every share of this table."
    if ends is not None:
        end = f"From share {ends:g} on, no saving of JESA from Top-k can be told from 0."
    lines = ["Energies in mJ per token, all layers summed.", end, *(f"- {fact}" for fact in facts)]
    for line in lines if tested else [*lines, QUALITY]:
        note(line, form)


def _cells(point: SavingPoint, tested: bool) -> list[str]:
    from dmoe_opt.cli.tables import with_interval

    def energy(joules: float | None) -> str:
        return "no answer" if joules is None else f"{1e3 * joules:.4g}"

    def saved(value: float | None, ci95: float | None) -> str:
        return "" if value is None else with_interval(value, ci95, 100)

    def percent(value: float | None) -> str:
        return "" if value is None else f"{100 * value:.1f}"

    energies = (point.topk_j, point.topp_j, point.des_j, point.joint_j)
    cells = [f"{point.share:g}", *map(energy, energies), percent(point.kept)]
    cells.append(saved(point.saved, point.saved_ci95))
    cells.append(saved(point.saved_from_topp, point.saved_from_topp_ci95))
    return cells + ([percent(point.accuracy), percent(point.topk_accuracy)] if tested else [])
