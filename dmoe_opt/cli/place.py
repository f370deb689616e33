"""The command `place`: where to put the experts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from dmoe_opt.answer.tolerances import OPTIMAL_GAP
from dmoe_opt.cli.options import FIGURES, NATURAL, WHOLE, emit, formatted, pictures, setting
from dmoe_opt.data.words import counted

if TYPE_CHECKING:
    from dmoe_opt.comparing.placement_rows import PlacementStudy
    from dmoe_opt.data.instance import Instance

TASK_TOKENS = {"digits": 450, "domains": 512}
OF_TRACES = ("num_tokens", "max_experts", "num_subcarriers", "path_loss_exponent", "gate", "order")
TASK_BITS = 32


class _Source(NamedTuple):
    """Its name, rounds by layer (None: not told apart), and what they are in words."""

    name: str
    layers: dict[int | None, list[Instance]]
    facts: list[str]


@click.command()
@click.argument("source")
@click.option("--nodes", required=True, type=WHOLE, metavar="N", help="Number of nodes.")
@click.option("--memory", metavar="FILE", help="Memory of nodes and sizes of experts, JSON.")
@click.option("--send-each", is_flag=True, help="Send a hidden state for each expert on a node.")
@setting("--select", type=click.Choice(["topk", "des"]), default="topk", help="Experts of tokens.")
@setting(
    "--method",
    type=click.Choice(["search", "pyomo", "cvxpy"]),
    default="search",
    help="Local search, or an integer program.",
)
@setting("--replicas", type=WHOLE, default=1, metavar="R", help="Most copies of an expert.")
@click.option("--placement", metavar="FILE", help="Price a placement of your own too.")
@setting("--held-out", type=float, default=0.5, metavar="SHARE", help="Of rounds, or of tokens.")
@setting("--seed", type=NATURAL, default=0, help="Of the search, and of what is drawn.")
@click.option("--time-limit", type=float, metavar="S", help="Seconds per layer and bound.")
@click.option("--tokens", "num_tokens", type=WHOLE, metavar="N", help="Of a trace; default: all.")
@click.option("--max-experts", type=WHOLE, metavar="D", help="Of a trace; default: as it says.")
@click.option("--subcarriers", "num_subcarriers", type=WHOLE, metavar="M", help="Of a trace: 64.")
@click.option("--path-loss-exponent", type=float, help="Of a trace: 3; 0 makes links alike.")
@click.option("--gate", metavar="NAME", help="softmax (default) or sigmoid, for logits.")
@click.option("--order", metavar="LTK|TLK|..", help="Axes of an array: layer, token, expert.")
@click.option("-o", "--output", metavar="FOLDER", help="Write placement, rounds, table and figure.")
@FIGURES
@formatted()
def place(
    source: str,
    nodes: int,
    memory: str | None,
    send_each: bool,
    placement: str | None,
    held_out: float,
    output: str | None,
    form: str,
    **options: Any,
) -> None:
    """Where to put the experts: the placement of least energy, beside baselines.

    SOURCE is a router trace, a folder or file of rounds with N nodes, or one of the trained tasks
    digits and domains. Each layer gets a placement of its own; half of its rounds, or of the tokens
    of a single one, are held out.
    """
    from dmoe_opt.cli import console
    from dmoe_opt.comparing import placement_rows, placements
    from dmoe_opt.data import files
    from dmoe_opt.placing.rounds import split

    traced = {name: options.pop(name) for name in OF_TRACES}
    given = _given(placement, nodes)
    found = _source(source, nodes, traced, options["seed"])
    experts = next(iter(found.layers.values()))[0].num_experts
    limits = _limits(memory, nodes, experts)
    if output is not None:
        files.make_folder(output)
    studies: dict[int | None, PlacementStudy] = {}
    with console.progress(f"placing the experts of {Path(source).name}") as report:
        for layer, rounds in found.layers.items():
            seen, others = split(rounds, held_out, options["seed"])
            studies[layer] = placements.place(
                seen,
                held_out=others,
                send_once=not send_each,
                given=given(layer),
                progress=report,
                **limits,
                **options,
            )
    facts = [*found.facts, _sending(send_each)]
    total = placement_rows.over_layers(list(studies.values()))
    if output is not None:
        _write(output, found, studies, total, limits.get("factor"))
    if form == "json":
        layers = [{"layer": layer} | asdict(study) for layer, study in studies.items()]
        rows = [asdict(row) for row in total.rows]
        emit({"source": source, "assumes": facts, "rows": rows, "layers": layers})
    elif form == "csv":
        click.echo(placement_rows.as_csv(studies), nl=False)
    else:
        _show(total, facts, form)


def _sending(send_each: bool) -> str:
    if send_each:
        return "a hidden state is sent for each expert (--send-each)"
    return "a hidden state is sent once to a node, however many of its experts are there"


def _limits(file: str | None, nodes: int, experts: int) -> dict[str, Any]:
    """Memory, sizes and factors as `place` takes them."""
    from dmoe_opt.data.placements import read_memory

    if file is None:
        return {}
    given = read_memory(file, nodes, experts)
    memory = [given.memory] * nodes if isinstance(given.memory, float) else given.memory
    return {"memory": memory, "size": given.size, "factor": given.compute_factor}


def _given(file: str | None, nodes: int) -> Callable[[int | None], list[list[int]] | None]:
    """The nodes of every expert in a file, by layer."""
    from dmoe_opt import InputError
    from dmoe_opt.data.placements import read_placement

    if file is None:
        return lambda layer: None
    document = read_placement(file)
    if document.nodes != nodes:
        raise InputError(f"{file}: nodes = {document.nodes}; allowed: {nodes}, as --nodes says")
    layers = {of.layer: of.placement for of in document.layers}

    def of_layer(layer: int | None) -> list[list[int]]:
        if layer not in layers and None not in layers:
            raise InputError(f"{file}: has no layer {layer}; allowed: each layer of the source")
        return layers[layer] if layer in layers else layers[None]

    return of_layer


def _source(source: str, nodes: int, traced: dict[str, Any], seed: int) -> _Source:
    """What SOURCE names: a task, rounds in files, or a trace."""
    from dmoe_opt.data import files
    from dmoe_opt.data.arrays import split_name

    if source in TASK_TOKENS:
        return _task(source, nodes, traced, seed)
    path = files.resolve(split_name(source, None)[0])
    if source != "-" and (path.is_dir() or files.is_instance(path)):
        for name, value in traced.items():
            if value is not None:
                option = name.replace("num_", "").replace("_", "-")
                raise click.UsageError(f"--{option} is not taken for rounds in files")
        return _files(path, nodes)
    from dmoe_opt.generating.trace_files import load_trace

    trace = load_trace(source, gate=traced.pop("gate"), order=traced.pop("order"))
    layers, tokens, experts = trace.scores.shape
    size = f"{counted(layers, 'layer')}, {counted(tokens, 'token')}, {counted(experts, 'expert')}"
    name = "log" if source == "-" else path.name.partition(".")[0]
    return _of_trace(trace, name, nodes, traced, seed, [f"from the log: {size}", *trace.remarks])


def _task(task: str, nodes: int, traced: dict[str, Any], seed: int) -> _Source:
    from dmoe_opt.layers.protocol import PRESETS
    from dmoe_opt.layers.tokens import trace_of_task

    for name in ("gate", "order"):
        if traced.pop(name) is not None:
            raise click.UsageError(f"--{name} is not taken for a trained task")
    number = traced["num_tokens"] or TASK_TOKENS[task]
    trace, accuracy = trace_of_task(task, number, traced["max_experts"] or 2, seed)
    facts = [f"{trace.source}, {number} tokens"]
    if accuracy is not None:
        same = "which no placement changes"
        facts.append(f"accuracy under Top-k: {100 * accuracy:.1f} %, {same}")
    more = {"hidden_size": TASK_BITS, "compute_j": PRESETS[task].compute_j}
    return _of_trace(trace, task, nodes, traced | more, seed, facts)


def _of_trace(
    trace: Any, name: str, nodes: int, traced: dict[str, Any], seed: int, facts: list[str]
) -> _Source:
    from dmoe_opt.generating.nodes import rounds_on_nodes

    given = {name: value for name, value in traced.items() if value is not None}
    rounds = rounds_on_nodes(trace, nodes, seed=seed, name=name, **given)
    facts.append(
        f"drawn: {nodes} nodes in a square, Rayleigh fading for each round, energies of experts; "
        "tokens belong to the nodes in turn"
    )
    return _Source(name, _by_layer(rounds), facts)


def _files(path: Path, nodes: int) -> _Source:
    from dmoe_opt import InputError, Instance, load
    from dmoe_opt.cli import console
    from dmoe_opt.comparing.methods import sorted_out

    inside, others = sorted_out([path])
    console.passed_over(others)
    rounds = []
    for file in inside:
        round_ = load(file)
        if not isinstance(round_, Instance):
            raise click.UsageError(f"{file}: a selection problem has no nodes; allowed: rounds")
        if round_.num_nodes != nodes:
            have = f"{file}: has {counted(round_.num_nodes, 'node')}, and --nodes is {nodes}"
            raise InputError(f"{have}; allowed: --nodes {round_.num_nodes}, or a router trace")
        rounds.append(round_)
    by_layer = _by_layer(rounds)
    layers = counted(len(by_layer), "layer")
    layers += "" if None not in by_layer else ", as far as the files say"
    return _Source(path.name, by_layer, [f"{counted(len(rounds), 'round')} of {layers}"])


def _by_layer(rounds: Sequence[Instance]) -> dict[int | None, list[Instance]]:
    """Rounds by the layer that all of their notes name; or all together."""
    layers: dict[int | None, list[Instance]] = {}
    told = all(isinstance(round_.meta.get("layer"), int) for round_ in rounds)
    for round_ in rounds:
        layers.setdefault(round_.meta["layer"] if told else None, []).append(round_)
    return layers


def _write(
    folder: str,
    found: _Source,
    studies: dict[int | None, PlacementStudy],
    total: PlacementStudy,
    factor: Sequence[float] | None,
) -> None:
    from dmoe_opt.cli import console
    from dmoe_opt.comparing import placement_rows
    from dmoe_opt.data import files
    from dmoe_opt.data.placements import PlacedLayer, placement_json
    from dmoe_opt.placing.rounds import moved

    layers = [PlacedLayer(layer, study.placement) for layer, study in studies.items()]
    contents = {
        "placement.json": placement_json(total.nodes, layers),
        "placements.csv": placement_rows.as_csv(studies).encode(),
    }
    drawn = pictures("plot.placements", "of_placements", total, found.name)
    wrote = files.write_all(folder, contents | drawn)
    if any(len(held) > 1 for study in studies.values() for held in study.placement):
        console.wrote(wrote)
        click.echo("rounds are not written: they cannot carry replicas", err=True)
        return
    placed: dict[str, bytes] = {}
    for layer, rounds in found.layers.items():
        study = studies[layer]
        node = [held[0] for held in study.placement]
        for round_ in rounds:
            there = moved(round_, node, factor=factor, send_once=study.send_once)
            placed[files.unused_name(round_.name, placed)] = files.as_json(there)
    files.write_all(Path(folder) / "rounds", placed)
    console.wrote([*wrote, Path(folder) / "rounds"])


def _show(total: PlacementStudy, facts: Sequence[str], form: str) -> None:
    from dmoe_opt.cli.tables import note, show
    from dmoe_opt.comparing.sheets import Sheet, rounded

    numbers = ["energy", "sending", "saved %"]
    if total.held_out_tokens:
        numbers += ["held out", "held-out sending", "held-out saved %"]
    table = Sheet(["placement", *numbers], numbers)
    first = next(row for row in total.rows if row.placement == "in order")
    for row in total.rows:
        cells = [row.placement, rounded(1e3 * row.energy_j), rounded(1e3 * row.sending_j)]
        cells.append(_saved(first.energy_j, row.energy_j))
        if row.held_out_j is not None and row.held_out_sending_j is not None:
            cells += [rounded(1e3 * row.held_out_j), rounded(1e3 * row.held_out_sending_j)]
            cells.append(_saved(first.held_out_j, row.held_out_j))
        table.add_row(*cells)
    show(table, form)
    seen = f"{total.tokens} tokens of each layer are seen, {total.held_out_tokens} held out"
    note(f"Energies in mJ per token, all layers summed; {seen}.", form)
    if total.bound_j is not None and total.gap is not None:
        without = " without replicas" if total.rows[-1].placement == "replicas" else ""
        note(f"Bound{without}: {rounded(1e3 * total.bound_j)} mJ{_gap(total)}.", form)
    for fact in facts:
        note(f"- {fact}", form)


def _gap(total: PlacementStudy) -> str:
    """How far the bound is below the energy, and for which experts of the tokens it holds."""
    fixed = total.select == "des" and total.method == "search"
    of = ", for the experts that tokens use in the end" if fixed else ""
    if total.gap is None or total.sending_gap is None or total.gap <= OPTIMAL_GAP:
        return f", which proves the placement optimal{of}"
    gap = f"{100 * total.gap:.2g} % below the best"
    return f", {gap}, or {100 * total.sending_gap:.2g} % of its sending{of}"


def _saved(before_j: float | None, after_j: float) -> str:
    return "" if not before_j else f"{100 * (1 - after_j / before_j):.2f}"
