"""Read router traces from files.

Scores or logits of all experts stand in .npz, the experts that a token used as JSON lines;
`instances/README.md` describes both formats.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from dmoe_opt.data import files, formats, validate
from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError
from dmoe_opt.generating.traces import MOST_EXPERTS, Trace, scores_of_logits


def load_trace(
    path: str | os.PathLike[str], *, gate: str | None = None, num_experts: int | None = None
) -> Trace:
    """Read a trace from .npz or JSON lines.

    An archive has `scores` or `logits`, a JSON line `step`, `layer`, `ids` and `weights`.

    Parameters
    ----------
    path
        The file; its content tells the format.
    gate
        `"softmax"` (default) or `"sigmoid"`, for logits only.
    num_experts
        Number of experts K; by default from the shape, or the largest of `ids` plus one.

    Raises
    ------
    InputError
        One line naming file, line or field, index, value and what is allowed.
    """
    content = files.read(path)
    try:
        if num_experts is not None:
            validate.whole("num_experts", num_experts)
            if num_experts > MOST_EXPERTS:
                raise fail("num_experts", num_experts, f"at most {MOST_EXPERTS}")
        name = Path(path).name
        if formats.is_archive(content):
            return _of_arrays(formats.read_arrays(content), gate, num_experts, name)
        if gate is not None:
            raise fail("gate", gate, "nothing: the weights of JSON lines are gate scores already")
        return _of_lines(content, num_experts, name)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _of_arrays(
    arrays: dict[str, Any], gate: str | None, num_experts: int | None, name: str
) -> Trace:
    unknown = next((n for n in arrays if n not in ("scores", "logits", "experts_per_token")), None)
    if unknown is not None:
        raise InputError(f"{unknown} is unknown; allowed: scores or logits, and experts_per_token")
    if ("scores" in arrays) == ("logits" in arrays):
        raise InputError("has scores and logits both or neither; allowed: exactly one of them")
    if "logits" in arrays:
        gate = gate or "softmax"
        scores, source = scores_of_logits(arrays["logits"], gate), f"{gate} of its router logits"
    elif gate is None:
        scores, source = arrays["scores"], "gate scores"
    else:
        raise fail("gate", gate, "nothing: the file holds scores, not logits")
    trace = Trace(scores, arrays.get("experts_per_token"), source=f"{name}: {source}")
    if num_experts not in (None, trace.scores.shape[2]):
        raise fail("num_experts", num_experts, f"{trace.scores.shape[2]}, as in the file")
    return trace


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    """The experts that one token used in one layer."""

    step: int
    layer: int
    ids: list[int]
    weights: list[float]


def _of_lines(content: bytes, num_experts: int | None, name: str) -> Trace:
    lines = _read_lines(content, num_experts or MOST_EXPERTS)
    steps = sorted({step for step, _ in lines})
    layers = sorted({layer for _, layer in lines})
    ordered = [_line_at(lines, step, layer) for layer in layers for step in steps]
    per_token = len(ordered[0].ids)
    shape = (len(layers), len(steps), per_token)
    ids = np.array([line.ids for line in ordered]).reshape(shape)
    weights = np.array([line.weights for line in ordered]).reshape(shape)
    scores = np.zeros((*shape[:2], num_experts or int(ids.max()) + 1))
    np.put_along_axis(scores, ids, weights, axis=2)
    source = f"{name}: the weights of the {per_token} experts a token used"
    return Trace(scores, per_token, tuple(layers), source)


def _read_lines(content: bytes, num_experts: int) -> dict[tuple[int, int], _Line]:
    """The lines by step and layer; all have as many experts as the first."""
    lines: dict[tuple[int, int], _Line] = {}
    per_token = 0
    for number, text in enumerate(content.rstrip().splitlines(), 1):
        try:
            line = formats.decode(text, _Line)
            per_token = per_token or len(line.ids)
            _check_line(line, per_token, num_experts)
            if (line.step, line.layer) in lines:
                twice = f"step {line.step} of layer {line.layer} is there twice"
                raise InputError(f"{twice}; allowed: one line for each")
        except InputError as error:
            raise InputError(f"line {number}: {error}") from None
        lines[line.step, line.layer] = line
    if not lines:
        raise InputError("is empty; allowed: a JSON object on every line")
    return lines


def _line_at(lines: dict[tuple[int, int], _Line], step: int, layer: int) -> _Line:
    if (step, layer) not in lines:
        missing = f"step {step} of layer {layer} is missing"
        raise InputError(f"{missing}; allowed: every step in every layer")
    return lines[step, layer]


def _check_line(line: _Line, per_token: int, num_experts: int) -> None:
    validate.whole("step", line.step, least=0)
    validate.whole("layer", line.layer, least=0)
    if not line.ids or len(line.ids) != per_token:
        wanted = f"{per_token}, as on line 1" if per_token else "at least one"
        raise InputError(f"ids has {len(line.ids)} entries; allowed: {wanted}")
    if len(line.weights) != per_token:
        have = f"weights has {len(line.weights)} entries"
        raise InputError(f"{have}; allowed: as many as ids, {per_token}")
    for i, expert in enumerate(line.ids):
        if not 0 <= expert < num_experts:
            raise fail(f"ids[{i}]", expert, f"whole numbers in 0..{num_experts - 1}")
        if expert in line.ids[:i]:
            raise fail(f"ids[{i}]", expert, "every expert once")
    for i, weight in enumerate(line.weights):
        if not 0 <= weight <= 1:
            raise fail(f"weights[{i}]", weight, "finite numbers in [0, 1]")
