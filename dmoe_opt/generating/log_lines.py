"""Router logs with one line of JSON per token or batch: the experts that tokens used.

The kinds are told by the fields of the first line: this project's own lines, routing logs of vLLM,
and routing traces of Megatron-Core (`instances/README.md`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec
import numpy as np

from dmoe_opt.data import formats, validate
from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError
from dmoe_opt.generating.log_tensors import scores_of_array, scores_of_experts
from dmoe_opt.generating.traces import MOST_EXPERTS, Asked, Trace

ROUNDING = 1e-6
"""Weights may be above 1 by this, as sums in float32 are."""


class _Own(msgspec.Struct, forbid_unknown_fields=True):
    """The experts that one token used in one layer."""

    step: int
    layer: int
    ids: list[int]
    weights: list[float]


class _Route(msgspec.Struct):
    """The same in a routing log of vLLM."""

    token_idx: int
    layer: int
    topk_ids: list[int]
    topk_weights: list[float] | None = None
    req_id: str | int = ""


class _Batch(msgspec.Struct):
    """The experts that a batch of tokens used in one layer, in a trace of Megatron-Core."""

    layer: int
    top_indices: list[list[int]]
    step: int = 0
    rank: int = 0
    top_probs: list[list[float]] | None = None
    logits: list[list[float]] | None = None


class _Use(NamedTuple):
    """What a line says of one token in one layer."""

    token: tuple[Any, ...]
    layer: int
    ids: list[int]
    weights: list[float] | None
    logits: list[float] | None
    names: tuple[str, str] = ("ids", "weights")

    def __str__(self) -> str:
        return f"{_words(self.token)} of layer {self.layer}"


def _words(token: tuple[Any, ...]) -> str:
    """A token in words: its parts and their numbers."""
    return " ".join(str(part) for part in token)


def _of_own(line: _Own) -> Iterator[_Use]:
    validate.whole("step", line.step, least=0)
    yield _Use(("step", line.step), line.layer, line.ids, line.weights, None)


def _of_route(line: _Route) -> Iterator[_Use]:
    validate.whole("token_idx", line.token_idx, least=0)
    token = ("request", str(line.req_id), "token", line.token_idx)
    names = ("topk_ids", "topk_weights")
    yield _Use(token, line.layer, line.topk_ids, line.topk_weights, None, names)


def _of_batch(line: _Batch) -> Iterator[_Use]:
    for name in ("top_probs", "logits"):
        rows = getattr(line, name)
        if rows is not None and len(rows) != len(line.top_indices):
            allowed = f"as many as top_indices, {len(line.top_indices)}"
            raise InputError(f"{name} has {len(rows)} rows; allowed: {allowed}")
    for t, ids in enumerate(line.top_indices):
        yield _Use(
            ("step", line.step, "rank", line.rank, "token", t),
            line.layer,
            ids,
            None if line.top_probs is None else line.top_probs[t],
            None if line.logits is None else line.logits[t],
            (f"top_indices[{t}]", f"top_probs[{t}]"),
        )


KINDS: tuple[tuple[str, str, type[msgspec.Struct], Callable[[Any], Iterator[_Use]]], ...] = (
    ("topk_ids", "a routing log of vLLM", _Route, _of_route),
    ("top_indices", "a routing trace of Megatron-Core", _Batch, _of_batch),
    ("", "lines of experts and weights", _Own, _of_own),
)
"""A field of the lines that tells the kind, its name, its struct, and how to take it apart."""


def trace_of_lines(content: bytes, name: str, asked: Asked) -> Trace:
    """The trace of a log of lines; blank lines and lines of type "meta" are left out.

    Raises
    ------
    InputError
        One line that names line, field, index, value and what is allowed; or the token and layer
        that are missing or there twice.
    """
    num_experts, gate = asked.num_experts, asked.gate
    kind, uses = _read_lines(content, num_experts or MOST_EXPERTS)
    tokens = _ordered({token for token, _ in uses})
    layers = sorted({layer for _, layer in uses})
    ordered = [_use_at(uses, token, layer) for layer in layers for token in tokens]
    shape = (len(layers), len(tokens), -1)
    if ordered[0].logits is not None:
        logits = np.array([use.logits for use in ordered]).reshape(shape)
        scores, says = scores_of_array(logits, "logits", gate)
        per_token = len(ordered[0].ids)
        return Trace(scores, per_token, tuple(layers), f"{name}: {kind}, {says}")
    if gate is not None:
        raise fail("gate", gate, "nothing: the log has no logits, its weights are scores already")
    ids = np.array([use.ids for use in ordered]).reshape(shape)
    weights = None
    if ordered[0].weights is not None:
        weights = np.array([use.weights for use in ordered]).reshape(shape)
    scores, says, remarks = scores_of_experts(ids, weights, num_experts)
    return Trace(scores, ids.shape[2], tuple(layers), f"{name}: {says}", remarks)


def _ordered(tokens: set[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Tokens by their numbers; requests by the numbers in their names, so that r2 is before r10."""
    return sorted(
        tokens,
        key=lambda token: [
            (len(part), part) if isinstance(part, str) else (0, part) for part in token
        ],
    )


def _read_lines(
    content: bytes, num_experts: int
) -> tuple[str, dict[tuple[tuple[Any, ...], int], _Use]]:
    """The kind, and what is used by token and layer; all have as many experts as the first."""
    uses: dict[tuple[tuple[Any, ...], int], _Use] = {}
    kind = None
    first: _Use | None = None
    for number, text in enumerate(content.splitlines(), 1):
        if not text.strip() or _is_meta(text):
            continue
        try:
            kind = kind or _kind_of(text)
            for use in kind[3](formats.decode(text, kind[2])):
                first = first or use
                _check(use, first, num_experts)
                if (use.token, use.layer) in uses:
                    raise InputError(f"{use} is there twice; allowed: once")
                uses[use.token, use.layer] = use
        except InputError as error:
            raise InputError(f"line {number}: {error}") from None
    if kind is None or not uses:
        raise InputError("is empty; allowed: a JSON object on every line")
    return kind[1], uses


def _fields(text: bytes) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _is_meta(text: bytes) -> bool:
    return b'"meta"' in text and _fields(text).get("type") == "meta"


def _kind_of(text: bytes) -> Any:
    """The kind of the first line; lines of no kind are taken for own ones, which are strict."""
    fields = _fields(text)
    return next(kind for kind in KINDS if kind[0] in fields or not kind[0])


def _use_at(
    uses: dict[tuple[tuple[Any, ...], int], _Use], token: tuple[Any, ...], layer: int
) -> _Use:
    if (token, layer) not in uses:
        missing = f"{_words(token)} of layer {layer} is missing"
        raise InputError(f"{missing}; allowed: every token in every layer")
    return uses[token, layer]


def _check(use: _Use, first: _Use, num_experts: int) -> None:
    validate.whole("layer", use.layer, least=0)
    ids, weights = use.names
    per_token = len(first.ids)
    if not use.ids or len(use.ids) != per_token:
        wanted = f"{per_token}, as in the first" if per_token else "at least one"
        raise InputError(f"{ids} has {len(use.ids)} entries; allowed: {wanted}")
    for i, expert in enumerate(use.ids):
        if not 0 <= expert < num_experts:
            raise fail(f"{ids}[{i}]", expert, f"whole numbers in 0..{num_experts - 1}")
        if expert in use.ids[:i]:
            raise fail(f"{ids}[{i}]", expert, "every expert once")
    for part in ("weights", "logits"):
        if (getattr(use, part) is None) != (getattr(first, part) is None):
            raise InputError(f"{part} are on some lines only; allowed: on all or none")
    if use.weights is not None:
        _check_weights(weights, use.weights, per_token)
    if use.logits is not None and len(use.logits) != len(first.logits or ()):
        wanted = f"{len(first.logits or ())}, as in the first"
        raise InputError(f"logits has {len(use.logits)} entries; allowed: {wanted}")


def _check_weights(name: str, weights: list[float], per_token: int) -> None:
    if len(weights) != per_token:
        have = f"{name} has {len(weights)} entries"
        raise InputError(f"{have}; allowed: as many as experts, {per_token}")
    for i, weight in enumerate(weights):
        if not 0 <= weight <= 1 + ROUNDING:
            raise fail(f"{name}[{i}]", weight, "finite numbers in [0, 1]")


def is_lines(content: bytes) -> bool:
    """Whether the first line that is not blank is a JSON object of its own, and of no table."""
    start = content.lstrip()
    if not start.startswith(b"{"):
        return False
    first = start.splitlines()[0]
    fields = _fields(first)
    known = {"step", "layer", "ids", "topk_ids", "top_indices", "token_idx"}
    return bool(known & set(fields)) or fields.get("type") == "meta" or not _is_json(content)


def _is_json(content: bytes) -> bool:
    """Whether the whole content is one document."""
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return False
    return True
