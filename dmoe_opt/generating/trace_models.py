"""Router traces of models of Hugging Face's transformers: run a model, keep its gate scores.

Torch is imported when it is needed; the package does without it otherwise.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data import validate
from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError
from dmoe_opt.generating import gates
from dmoe_opt.generating.traces import Trace, scores_of_logits

GATE_MODULES = ("gate", "router")
"""Names of the modules whose output is taken where a model does not return its router logits."""


def from_model(
    model: Any,
    input_ids: Any,
    attention_mask: Any = None,
    *,
    gate: str = "softmax",
    experts_per_token: int | None = None,
) -> Trace:
    """Run a mixture of experts once and keep the gate scores of every token that is no padding.

    Parameters
    ----------
    model
        A model of transformers (5 or newer), in evaluation mode; or a module like it, whose modules
        named `gate` or `router` return logits, alone or first. Layers are counted from 0 among the
        mixture layers.
    input_ids
        Token numbers, a tensor of shape (batch, length).
    attention_mask
        0 for padding, a tensor of shape (batch, length); default: no padding.
    gate
        How the model turns its logits into scores: `"softmax"`, or `"sigmoid"` divided by the sum
        (DeepSeek-V3).
    experts_per_token
        k; default: the number in the model's configuration.

    Raises
    ------
    InputError
        If the model shows no router logits, or not one row for every token in every layer.
    """
    validate.word("gate", gate, tuple(gates.GATES))
    _check_mask(attention_mask, input_ids)
    outputs = _router_outputs(model, input_ids, attention_mask)
    name = type(model).__name__
    if not outputs:
        modules = " or ".join(GATE_MODULES)
        raise fail("model", name, f"a model with router_logits, or with modules named {modules}")
    layers = [output.detach().reshape(-1, output.shape[-1]).cpu() for output in outputs]
    _check_layers(layers, input_ids.numel())
    kept = _tokens_kept(attention_mask)
    logits = np.stack([layer.double().numpy()[kept] for layer in layers])
    if experts_per_token is None:
        config = getattr(model, "config", None)
        experts_per_token = getattr(config, "num_experts_per_tok", None)
    return Trace(
        scores=_scores_of_router(logits, gate),
        experts_per_token=experts_per_token,
        source=f"{name}: {gate} of its router logits",
    )


def _check_mask(attention_mask: Any, input_ids: Any) -> None:
    if attention_mask is None:
        return
    shape = tuple(attention_mask.shape)
    wanted = tuple(input_ids.shape)
    if shape != wanted:
        raise fail("attention_mask", shape, f"the shape of input_ids, {wanted}")


def _tokens_kept(attention_mask: Any) -> Any:
    """Index of the rows that are no padding."""
    if attention_mask is None:
        return slice(None)
    return attention_mask.reshape(-1).bool().cpu().numpy()


def _router_outputs(model: Any, input_ids: Any, attention_mask: Any) -> Sequence[Any]:
    """One tensor for each mixture layer: the router logits, or else the output of the gates."""
    import torch

    # Without the language head, whose output is larger than all the others.
    body = getattr(model, "base_model", model)
    arguments = {"input_ids": input_ids, "attention_mask": attention_mask}
    if _takes(body.forward, "output_router_logits"):
        arguments["output_router_logits"] = True
    seen: list[Any] = []
    hooks = _watch_gates(body, seen)
    try:
        with torch.no_grad():
            output = body(**arguments)
    finally:
        for hook in hooks:
            hook.remove()
    return getattr(output, "router_logits", None) or seen


def _takes(function: Any, argument: str) -> bool:
    parameters = inspect.signature(function).parameters
    return argument in parameters or any(
        parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()
    )


def _watch_gates(body: Any, seen: list[Any]) -> list[Any]:
    """Let every gate module append its output, or the first of several outputs, to `seen`."""

    def keep(_module: Any, _given: Any, output: Any) -> None:
        seen.append(output[0] if isinstance(output, tuple) else output)

    return [
        module.register_forward_hook(keep)
        for name, module in body.named_modules()
        if name.rpartition(".")[2] in GATE_MODULES
    ]


def _check_layers(layers: list[Any], tokens: int) -> None:
    wanted = (tokens, layers[0].shape[1])
    if all(layer.is_floating_point() and layer.shape == wanted for layer in layers):
        return
    kinds = {f"{' x '.join(map(str, layer.shape))} {layer.dtype}" for layer in layers}
    raise InputError(
        f"router_logits are {', '.join(sorted(kinds))}; "
        f"allowed: reals, {tokens} tokens x the same experts in every layer"
    )


def _scores_of_router(logits: NDArray[Any], gate: str) -> NDArray[np.float64]:
    """Gate scores of router logits, shape (L, T, K).

    Early releases of transformers 5 return the softmax under the name of logits. Values tell it.
    """
    if not _are_probabilities(logits):
        return scores_of_logits(logits, gate)
    if gate == "sigmoid":
        allowed = (
            '"softmax": this version of transformers returns its router logits after a softmax'
        )
        raise fail("gate", gate, allowed)
    return np.asarray(logits / logits.sum(axis=2, keepdims=True))


def _are_probabilities(logits: NDArray[Any]) -> bool:
    if not logits.size or logits.min() < 0:
        return False
    return bool(np.all(np.abs(logits.sum(axis=2) - 1) < 1e-3))
