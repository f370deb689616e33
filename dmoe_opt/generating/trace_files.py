"""Read router traces from files.

An .npz file holds scores or logits of all experts, JSON lines the experts that each token used.
`instances/README.md` describes both formats.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from dmoe_opt.data import files, formats, validate
from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError
from dmoe_opt.generating.traces import MOST_EXPERTS, Trace, scores_of_logits

ARRAYS = ("scores", "logits", "experts_per_token")


def load_trace(
    path: str | os.PathLike[str], *, gate: str | None = None, num_experts: int | None = None
) -> Trace:
    """Read a trace from .npz (`scores` or `logits`) or JSON lines.

    A JSON line has the fields `step`, `layer`, `ids` and `weights`.

    Parameters
    ----------
    path
        The file; its content tells the format.
    gate
        `"softmax"` (default) or `"sigmoid"`, for logits only.
    num_experts
        K; default: from the shape, or the largest of `ids` plus one.

    Raises
    ------
    InputError
        One line naming file, line or field, index, value and what is allowed.
    """
    content = files.read(path)
    try:
        _check_num_experts(num_experts)
        name = Path(path).name
        if formats.is_archive(content):
            return _of_arrays(formats.read_arrays(content), gate, num_experts, name)
        if gate is not None:
            raise fail("gate", gate, "nothing: the weights of JSON lines are gate scores already")
        return _of_lines(content, num_experts, name)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _check_num_experts(num_experts: int | None) -> None:
    if num_experts is None:
        return
    if validate.whole("num_experts", num_experts) > MOST_EXPERTS:
        raise fail("num_experts", num_experts, f"at most {MOST_EXPERTS}")


def _of_arrays(
    arrays: dict[str, Any], gate: str | None, num_experts: int | None, name: str
) -> Trace:
    for field in arrays:
        if field not in ARRAYS:
            raise formats.unknown(field, "scores or logits, and experts_per_token")
    if ("scores" in arrays) == ("logits" in arrays):
        raise InputError("has scores and logits both or neither; allowed: exactly one of them")
    if "logits" in arrays:
        gate = gate or "softmax"
        scores = scores_of_logits(arrays["logits"], gate)
        source = f"{name}: {gate} of its router logits"
    elif gate is None:
        scores = arrays["scores"]
        source = f"{name}: gate scores"
    else:
        raise fail("gate", gate, "nothing: the file holds scores, not logits")
    trace = Trace(scores, arrays.get("experts_per_token"), source=source)
    experts = trace.scores.shape[2]
    if num_experts is not None and num_experts != experts:
        raise fail("num_experts", num_experts, f"{experts}, as in the file")
    return trace


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    """The experts that one token used in one layer."""

    step: int
    layer: int
    ids: list[int]
    weights: list[float]


Place = tuple[int, int]
"""Step and layer of a line."""


def _of_lines(content: bytes, num_experts: int | None, name: str) -> Trace:
    lines = _read_lines(content, num_experts or MOST_EXPERTS)
    steps = sorted({step for step, _ in lines})
    layers = sorted({layer for _, layer in lines})
    _check_complete(lines, steps, layers)
    ordered = [lines[step, layer] for layer in layers for step in steps]
    ids = np.array([line.ids for line in ordered])
    weights = np.array([line.weights for line in ordered])
    experts = num_experts or int(ids.max()) + 1
    scores = np.zeros((len(ordered), experts))
    np.put_along_axis(scores, ids, weights, axis=1)
    per_token = ids.shape[1]
    return Trace(
        scores.reshape(len(layers), len(steps), experts),
        per_token,
        tuple(layers),
        f"{name}: the weights of the {per_token} experts a token used",
    )


def _read_lines(content: bytes, num_experts: int) -> dict[Place, _Line]:
    """The lines of a file by step and layer, each checked; there is at least one."""
    lines: dict[Place, _Line] = {}
    per_token: int | None = None
    for number, text in enumerate(content.rstrip().splitlines(), 1):
        try:
            line = formats.decode(text, _Line)
            _check_line(line, per_token, num_experts)
            place = (line.step, line.layer)
            if place in lines:
                raise InputError(
                    f"step {line.step} of layer {line.layer} is there twice; "
                    "allowed: one line for each"
                )
        except InputError as error:
            raise InputError(f"line {number}: {error}") from None
        per_token = len(line.ids)
        lines[place] = line
    if not lines:
        raise InputError("is empty; allowed: a JSON object on every line")
    return lines


def _check_complete(lines: dict[Place, _Line], steps: list[int], layers: list[int]) -> None:
    if len(lines) == len(steps) * len(layers):
        return
    for step, layer in itertools.product(steps, layers):
        if (step, layer) not in lines:
            raise InputError(
                f"step {step} of layer {layer} is missing; allowed: every step in every layer"
            )


def _check_line(line: _Line, per_token: int | None, num_experts: int) -> None:
    """Check a line whose tokens use `per_token` experts each; None for the first line."""
    validate.whole("step", line.step, least=0)
    validate.whole("layer", line.layer, least=0)
    count = len(line.ids)
    if not count and per_token is None:
        raise InputError("ids has 0 entries; allowed: at least one")
    if per_token is not None and count != per_token:
        raise InputError(f"ids has {count} entries; allowed: {per_token}, as on line 1")
    if len(line.weights) != count:
        raise InputError(
            f"weights has {len(line.weights)} entries; allowed: as many as ids, {count}"
        )
    _check_ids(line.ids, num_experts)
    for i, weight in enumerate(line.weights):
        if not 0 <= weight <= 1:
            raise fail(f"weights[{i}]", weight, "finite numbers in [0, 1]")


def _check_ids(ids: list[int], num_experts: int) -> None:
    for i, expert in enumerate(ids):
        if not 0 <= expert < num_experts:
            raise fail(f"ids[{i}]", expert, f"whole numbers in 0..{num_experts - 1}")
        if expert in ids[:i]:
            raise fail(f"ids[{i}]", expert, "every expert once")
