"""Router logs as arrays: scores or logits of all experts, or the experts that tokens used."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data import validate
from dmoe_opt.data.arrays import UNNAMED
from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError
from dmoe_opt.generating.log_counts import trace_of_counts
from dmoe_opt.generating.traces import (
    MOST_EXPERTS,
    MOST_LOGIT,
    Asked,
    Trace,
    are_shares,
    scores_of_logits,
)

ROLES = {
    "scores": ("scores", "probs", "router_probs", "routing_probs", "probabilities"),
    "logits": ("logits", "router_logits", "router_logits_of_layer", "gate_logits"),
    "ids": (
        *("ids", "topk_ids", "topk_ids_of_layer", "top_indices", "topk_indices"),
        *("routed_experts", "selected_experts"),
    ),
    "weights": ("weights", "topk_weights", "routing_weights", "top_probs"),
    "counts": ("logical_count", "counts", "count", "expert_counts", "tokens_per_expert", "load"),
    "experts_per_token": ("experts_per_token", "top_k", "topk", "num_experts_per_tok"),
    "order": ("order",),
}
"""What an array is, by its name."""
ORDERS = ("LTK", "TLK", "LKT", "TKL", "KLT", "KTL")
"""Orders of the axes layer, token and expert."""
FULL = "the log has the scores of all experts"


def trace_of_arrays(arrays: dict[str, Any], name: str, asked: Asked) -> Trace:
    """The trace of named arrays (`ROLES`), of one without a name, or of one array per layer.

    Raises
    ------
    InputError
        One line that names the array and what is allowed.
    """
    roles = _by_role(arrays)
    order = roles.pop("order", None) if asked.order is None else asked.order
    if order is not None:
        asked = asked._replace(order=validate.word("order", order, ORDERS))
    per_token = roles.pop("experts_per_token", None)
    left = {key: array for key, array in arrays.items() if _role_of(key) is None}
    remarks = (f"not read: {', '.join(left)}",) if roles and left else ()
    if left and not roles:
        roles = {"unnamed": _stacked(left)}
    kind = _kind_of(roles)
    if kind == "counts":
        return trace_of_counts(roles[kind], name, asked)
    if kind == "ids" or (kind == "unnamed" and np.asarray(roles[kind]).dtype.kind in "iu"):
        return _of_experts(roles[kind], roles.get("weights"), name, asked, remarks)
    if kind == "logits" and "ids" in roles and per_token is None:
        per_token = int(np.shape(roles["ids"])[-1])
    scores, says = scores_of_array(ordered(kind, roles[kind], asked.order), kind, asked.gate)
    trace = Trace(scores, per_token, source=f"{name}: {says}", remarks=remarks)
    if asked.num_experts not in (None, trace.scores.shape[2]):
        raise fail("num_experts", asked.num_experts, f"{trace.scores.shape[2]}, as in the file")
    return trace


def _kind_of(roles: dict[str, Any]) -> str:
    """The role that makes the trace; logits know more than the experts chosen by them."""
    kinds = [role for role in ("scores", "logits", "ids", "counts", "unnamed") if role in roles]
    if kinds == ["logits", "ids"]:
        return "logits"
    if len(kinds) != 1:
        allowed = "exactly one of them, or ids with weights, or counts"
        raise InputError(f"has scores and logits both or neither; allowed: {allowed}")
    return kinds[0]


def _role_of(key: str) -> str | None:
    return next((role for role, names in ROLES.items() if key in names), None)


def _by_role(arrays: dict[str, Any]) -> dict[str, Any]:
    """The arrays by what they are; two of one role are refused."""
    roles: dict[str, Any] = {}
    for key, array in arrays.items():
        role = _role_of(key)
        if role is None:
            continue
        if role in roles:
            raise InputError(f"{key} is the second array of {role}; allowed: one of them")
        roles[role] = array
    return roles


def _stacked(arrays: dict[str, Any]) -> Any:
    """The only array; or one T x K array per layer, in the order of the numbers in their names."""
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    names = sorted(arrays, key=lambda key: ([int(n) for n in re.findall(r"\d{1,9}", key)], key))
    shapes = {np.shape(arrays[key]) for key in names}
    if len(shapes) == 1 and len(next(iter(shapes))) == 2:
        return np.stack([np.asarray(arrays[key]) for key in names])
    have = ", ".join(f"{key} ({' x '.join(map(str, np.shape(arrays[key])))})" for key in names)
    allowed = "scores, logits, ids with weights, or logical_count; or one as FILE:NAME"
    raise InputError(f"has {have or 'no array'}; allowed: {allowed}")


def ordered(field: str, array: Any, order: str | None) -> NDArray[Any]:
    """An array as layers x tokens x experts; a matrix is one layer.

    Without `order` the layers are first, unless there are more of them than of tokens.
    """
    values = validate.numbers("logits" if field == "unnamed" else field, array)
    if values.ndim == 2:
        values = values[None]
    if values.ndim != 3:
        shape = " x ".join(map(str, values.shape)) or "a single value"
        raise InputError(f"{field} has shape {shape}; allowed: layers x tokens x experts")
    if order is not None:
        return np.ascontiguousarray(values.transpose([order.index(axis) for axis in "LTK"]))
    layers, tokens, _ = values.shape
    if layers >= tokens > 1 or layers > tokens > 0:
        shape = " x ".join(map(str, values.shape))
        raise InputError(
            f"{field} has shape {shape}: {layers} layers of {tokens} tokens, or the reverse? "
            "allowed: order LTK or TLK (--order)"
        )
    return values


def scores_of_array(values: NDArray[Any], kind: str, gate: str | None) -> tuple[Any, str]:
    """Scores of an array (L, T, K), and where they come from in words.

    What sums to 1 over the experts is a softmax already, whatever its name, and gets no second one.

    Raises
    ------
    InputError
        If a value or the gate does not fit.
    """
    if kind == "scores":
        if gate is not None:
            raise fail("gate", gate, "nothing: the file holds scores, not logits")
        return values, "gate scores"
    field = "logits"
    numbers = validate.real_array(field, values, (None,) * 3, most=MOST_LOGIT, least=-MOST_LOGIT)
    if numbers.size and are_shares(numbers):
        return scores_of_logits(numbers, gate or "softmax"), "probabilities, taken as they are"
    if gate is None and numbers.size and numbers.min() >= 0 and numbers.max() <= 1:
        if kind == "unnamed":
            return numbers, "numbers in [0, 1], taken as gate scores"
        allowed = "a gate (--gate) if they are logits, or the name scores"
        raise InputError(f"logits are in [0, 1] but do not sum to 1; allowed: {allowed}")
    gate = gate or "softmax"
    return scores_of_logits(numbers, gate), f"{gate} of its router logits"


def _of_experts(ids: Any, weights: Any, name: str, asked: Asked, remarks: tuple[str, ...]) -> Trace:
    if asked.gate is not None:
        raise fail("gate", asked.gate, "nothing: the log has no logits")
    order, num_experts = asked.order, asked.num_experts
    numbers = ordered("ids", validate.whole_array("ids", ids, np.shape(ids), MOST_EXPERTS), order)
    if weights is not None:
        weights = validate.real_array("weights", ordered("weights", weights, order), numbers.shape)
    kept = _mixtures(numbers)
    if len(kept) < len(numbers):
        numbers, weights = numbers[kept], None if weights is None else weights[kept]
        remarks = (*remarks, "layers without a mixture, whose experts repeat, are left out")
    scores, says, more = scores_of_experts(numbers, weights, num_experts)
    layers = tuple(int(layer) for layer in kept)
    return Trace(scores, numbers.shape[2], layers, f"{name}: {says}", (*remarks, *more))


def _mixtures(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers of the layers in which no token names an expert twice; recorders fill up the rest."""
    if not ids.size:
        raise InputError("ids is empty; allowed: at least one token")
    in_order = np.sort(ids, axis=2)
    repeats = (in_order[:, :, 1:] == in_order[:, :, :-1]).any(axis=2)
    some = np.argwhere(repeats & ~repeats.all(axis=1, keepdims=True))
    if len(some) or repeats.all():
        layer, token = some[0] if len(some) else (0, 0)
        row = ids[layer, token].tolist()
        raise fail(f"ids[{layer}][{token}]", row, "every expert once")
    return np.flatnonzero(~repeats.all(axis=1))


def scores_of_experts(
    ids: NDArray[Any], weights: NDArray[Any] | None, num_experts: int | None
) -> tuple[NDArray[np.float64], str, tuple[str, ...]]:
    """Scores (L, T, K) of the k experts that tokens used, where they come from, and remarks.

    Without weights each counts 1/k; experts that are not listed count 0.
    """
    per_token = ids.shape[2]
    most = int(ids.max()) + 1
    if num_experts is not None and num_experts < most:
        raise fail("num_experts", num_experts, f"at least {most}, for the experts in the log")
    scores = np.zeros((*ids.shape[:2], num_experts or most))
    if weights is None:
        np.put_along_axis(scores, ids, 1.0 / per_token, axis=2)
        says = f"the {per_token} experts that a token used, without weights"
        remarks = [
            f"the log has no weights, so each expert that a token used counts 1/{per_token}; if "
            "logits were saved beside it, import these"
        ]
    else:
        np.put_along_axis(scores, ids, np.minimum(weights, 1.0), axis=2)
        says = f"the weights of the {per_token} experts a token used"
        remarks = []
    if per_token < scores.shape[2]:
        remarks.append(
            f"experts outside the {per_token} that a token used are not in the log and count 0: "
            "a token can only drop experts, not swap them for cheaper ones"
        )
    return scores, says, tuple(remarks)


def plain(value: Any) -> Any:
    """What torch.load returned as numpy arrays, dictionaries and lists; the rest is left out."""
    if hasattr(value, "detach"):
        return validate.detached(value).numpy()
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value


def arrays_of_torch(value: Any) -> dict[str, Any]:
    """Named arrays of what `plain` returned; batches of an expert recorder are put together.

    Raises
    ------
    InputError
        If there is no array in it.
    """
    if isinstance(value, dict) and isinstance(value.get("records"), list):
        return _recorded(value["records"])
    if isinstance(value, list):
        value = {str(number): inner for number, inner in enumerate(value)}
    if not isinstance(value, dict):
        value = {UNNAMED: value}
    arrays = {key: inner for key, inner in value.items() if isinstance(inner, np.ndarray)}
    numbers = {key: n for key, n in value.items() if _role_of(key) and isinstance(n, int | str)}
    if not arrays:
        raise InputError("has no tensor; allowed: a tensor, or a dictionary or list of them")
    return arrays | numbers


def _recorded(records: list[Any]) -> dict[str, Any]:
    """The records of SGLang's expert recorder, one per forward pass: L x tokens x k, or counts."""
    for key, axis in (("topk_ids_of_layer", 1), ("logical_count", None)):
        parts = [r[key] for r in records if isinstance(r, dict) and key in r]
        if parts:
            try:
                whole = np.stack(parts) if axis is None else np.concatenate(parts, axis=axis)
            except (ValueError, TypeError):
                raise InputError(f"{key} has records of different shapes") from None
            return {key: whole}
    raise InputError("records have neither topk_ids_of_layer nor logical_count")
