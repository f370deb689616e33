"""The command `new`: a round from arrays that a user has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dmoe_opt.cli.options import JSON, NATURAL, SEND_ONCE, WHOLE, emit, say, setting
from dmoe_opt.errors import printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BOLTZMANN_J_K = 1.380649e-23
ROOM_K = 290.0
"""Temperature of the noise of receivers in link budgets."""


@click.command()
@click.option("--gains", required=True, metavar="FILE", help="Channel power gains, K x K x M.")
@click.option("--db", is_flag=True, help="The gains are in dB.")
@click.option("--scores", required=True, metavar="FILE", help="Gate scores in [0, 1], T x K.")
@click.option(
    "--threshold", required=True, metavar="X|FILE", help="Relevance wanted, of all or per token."
)
@click.option("--max-experts", required=True, type=WHOLE, metavar="D", help="Experts per token.")
@click.option(
    "--source", metavar="FILE", help="Node of each token; default: dealt evenly, in order."
)
@setting(
    "--compute-energy",
    default="5e-5:5e-4",
    metavar="J|A:B|FILE",
    help="Per token: of all experts, drawn between A and B, or of each expert.",
)
@setting("--bandwidth-hz", type=float, default=1e6, help="Of one subcarrier.")
@setting("--power-w", type=float, default=1e-2, help="Transmit power of one subcarrier.")
@click.option("--noise-w", type=float, help="Of one subcarrier; default: thermal, at 290 K.")
@click.option("--snr-db", type=float, help="Mean SNR, which sets the noise instead.")
@setting("--payload-bits", type=float, default=65536.0, help="Size of one hidden state.")
@click.option("--round-trip", is_flag=True, help="The result comes back over the same link.")
@setting("--seed", type=NATURAL, default=0, help="Of energies that are drawn.")
@click.option("--placement", metavar="FILE", help="Node of each expert; default: one on each.")
@SEND_ONCE
@click.option("-o", "--output", required=True, metavar="PATH", help="x.json or x.npz")
@JSON
def new(output: str, as_json: bool, **given: Any) -> None:
    """Make a round from your own channel gains and gate scores.

    FILE is .npy, .npz, .mat, .safetensors or CSV; FILE:NAME chooses a variable or column. What is
    not given is filled in, and printed.
    """
    from dmoe_opt.data import files, printed

    context = click.get_current_context()
    asked = {
        name
        for name in given
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    }
    piped = files.is_stdout(output)
    round_, filled = _made("round" if piped else Path(output).stem, given, asked)
    files.save(round_, output)
    if as_json:
        if not piped:
            emit(printed.New(output, round_.name, round_.sha256, filled))
        return
    say(f"{round_!r}"[1:-1], err=True)
    for line in filled:
        say(f"filled in: {line}", err=True)
    if not piped:
        click.echo(printable(output))


def _made(name: str, given: dict[str, Any], asked: set[str]) -> tuple[Any, list[str]]:
    """The round, and a line for everything that was filled in."""
    import numpy as np

    from dmoe_opt import Instance, read_array

    scores = read_array(given["scores"])
    experts = scores.shape[-1] if scores.ndim == 2 else 0
    placement = None if given["placement"] is None else _whole(given["placement"])
    nodes = experts if placement is None or not placement.size else int(placement.max()) + 1
    gains = read_gains(given["gains"], nodes)
    radio, filled = _radio(gains, given, asked)
    nodes = radio.gains.shape[0]
    source = np.arange(len(scores)) % nodes
    if given["source"] is None:
        filled.append(f"source: tokens dealt evenly over {nodes} nodes, in order (--source)")
    else:
        source = _whole(given["source"])
    energies = energies_of(given, nodes if placement is None else experts)
    filled.append("shortfall: a token whose best D scores miss the threshold takes these (top_d)")
    if not given["round_trip"]:
        filled.append("results: their way back costs nothing (--round-trip)")
    if "compute_energy" not in asked:
        filled.append(
            f"compute energy: {energies.min():.3g} to {energies.max():.3g} J per token, "
            f"drawn with seed {given['seed']} (--compute-energy)"
        )
    with _named(given["scores"], "tokens.scores", "logits become scores by a softmax"):
        round_ = Instance(
            source=source,
            scores=scores,
            threshold=_vector(given["threshold"]),
            max_experts=given["max_experts"],
            compute_energy=energies,
            radio=radio,
            placement=placement,
            send_once=given["send_once"],
            name=name,
            meta={"source": f"gains of {given['gains']}, scores of {given['scores']}"}
            | {"filled_in": filled},
        )
    return round_, filled


@contextmanager
def _named(file: str, field: str, hint: str = "") -> Iterator[None]:
    """Put the name of the file before a complaint about its field."""
    from dmoe_opt import InputError

    try:
        yield
    except InputError as error:
        if not str(error).startswith(field):
            raise
        beyond = hint and f"; {hint}" if "[0, 1]" in str(error) else ""
        raise InputError(f"{file}: {error}{beyond}") from None


def read_gains(file: str, nodes: int) -> NDArray[Any]:
    """The gains as K x K x M; a matrix is one subcarrier, or has one row per link."""
    from dmoe_opt import InputError, read_array

    gains = read_array(file)
    if gains.ndim == 3:
        return gains
    if gains.shape == (nodes, nodes):
        return gains[:, :, None]
    if gains.ndim == 2 and len(gains) == nodes**2:
        return gains.reshape(nodes, nodes, -1)
    have = " x ".join(map(str, gains.shape)) or "a single value"
    of = f"K = {nodes} experts of the scores" if nodes else "K nodes"
    allowed = "K x K x M, K x K, or K*K rows (links 0->0, 0->1, ...) by M"
    raise InputError(f"{file}: gains have shape {have}; allowed: {allowed}, {of}")


def _radio(gains: NDArray[Any], given: dict[str, Any], asked: set[str]) -> tuple[Any, list[str]]:
    """The radio, and what was filled in."""
    import numpy as np

    from dmoe_opt import Radio

    fields = {name: given[name] for name in ("bandwidth_hz", "power_w", "payload_bits")}
    units = {"bandwidth_hz": "Hz", "power_w": "W", "payload_bits": "bit"}
    filled = [
        f"{name.rpartition('_')[0]}: {value:g} {units[name]} (--{name.replace('_', '-')})"
        for name, value in fields.items()
        if name not in asked
    ]
    if given["noise_w"] is not None and given["snr_db"] is not None:
        raise click.UsageError("give --noise-w or --snr-db, one of the two")
    thermal_w = BOLTZMANN_J_K * ROOM_K * given["bandwidth_hz"]
    fields |= {
        "noise_w": thermal_w if given["noise_w"] is None else given["noise_w"],
        "round_trip": given["round_trip"],
    }
    make = Radio.from_db if given["db"] else Radio
    with _named(given["gains"], "radio.gains"):
        radio = make(gains, **fields)
    if given["snr_db"] is not None:
        radio = radio.at_mean_snr(given["snr_db"])
    elif given["noise_w"] is None:
        mean_gain = 1.0 if radio.mean_gain is None else radio.mean_gain
        snr_db = 10 * np.log10(max(radio.power_w * mean_gain / thermal_w, 1e-300))
        what = f"noise: {thermal_w:.3g} W, thermal at 290 K; the mean SNR is {snr_db:.0f} dB"
        filled.append(f"{what} (--noise-w, --snr-db)")
    return radio, filled


def _vector(text: str) -> Any:
    """A number, or the numbers of a file."""
    from dmoe_opt import read_array

    try:
        return float(text)
    except ValueError:
        numbers = read_array(text)
    # MATLAB has no vectors: one of n numbers is a matrix of one row or column.
    return numbers.ravel() if max(numbers.shape, default=1) == numbers.size else numbers


def _whole(file: str) -> Any:
    """Whole numbers of a file, which CSV and MATLAB hold as floats."""
    import numpy as np

    numbers = np.asarray(_vector(file))
    whole = numbers.dtype.kind == "f" and bool(np.all(numbers == np.floor(numbers)))
    return numbers.astype(np.int64) if whole else numbers


def energies_of(given: dict[str, Any], experts: int) -> NDArray[np.float64]:
    """Energy of each expert for one token, J, shape (experts,)."""
    import numpy as np

    from dmoe_opt.data import validate

    least, _, most = given["compute_energy"].partition(":")
    try:
        low, high = float(least), float(most or least)
    except ValueError:
        return validate.real_array("compute_energy", _vector(given["compute_energy"]), (experts,))
    for joules in (low, high):
        validate.real("compute_energy", joules, positive=False)
    if low > high:
        raise validate.fail("compute_energy", given["compute_energy"], "A:B with A <= B")
    return np.random.default_rng([given["seed"]]).uniform(low, high, experts)
