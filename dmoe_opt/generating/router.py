"""Router logits of a model that runs: what its gates say of every token."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError

GATE_MODULES = ("gate", "router")
"""Names of the modules whose output is taken where a model does not return its router logits."""


def router_logits(model: Any, input_ids: Any, attention_mask: Any = None) -> NDArray[np.float64]:
    """Run a model once; its router logits, shape (L, T, K), for the T tokens that are no padding.

    The arguments and errors are those of `traces.from_model`.
    """
    import torch

    shape = tuple(input_ids.shape)
    if attention_mask is not None and tuple(attention_mask.shape) != shape:
        allowed = f"the shape of input_ids, {shape}"
        raise fail("attention_mask", tuple(attention_mask.shape), allowed)
    body = getattr(model, "base_model", model)  # the language head's output would be the larger one
    inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
    if _takes(body.forward, "output_router_logits"):
        inputs["output_router_logits"] = True
    with _recorded(body) as recorded, torch.no_grad():
        output = body(**inputs)
    layers = getattr(output, "router_logits", None) or recorded
    if not layers:
        allowed = f"a model with router_logits, or with modules named {' or '.join(GATE_MODULES)}"
        raise fail("model", type(model).__name__, allowed)
    tables = [layer.detach().reshape(-1, layer.shape[-1]).cpu() for layer in layers]
    _check(tables, input_ids.numel())
    logits = np.stack([table.double().numpy() for table in tables])
    if attention_mask is None:
        return logits
    return np.asarray(logits[:, attention_mask.reshape(-1).bool().cpu().numpy()])


def _takes(function: Any, name: str) -> bool:
    """Whether a function has a parameter of this name, or takes any."""
    parameters = inspect.signature(function).parameters
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


@contextmanager
def _recorded(body: Any) -> Iterator[list[Any]]:
    """Outputs of the gate modules in the order of their calls; of a tuple the first part."""
    outputs: list[Any] = []

    def record(_module: Any, _inputs: Any, output: Any) -> None:
        outputs.append(output[0] if isinstance(output, tuple) else output)

    hooks = [
        module.register_forward_hook(record)
        for name, module in body.named_modules()
        if name.rpartition(".")[2] in GATE_MODULES
    ]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


def _check(tables: list[Any], tokens: int) -> None:
    """Raise `InputError` unless every layer has reals, one row per token, of the same experts."""
    wanted = (tokens, tables[0].shape[1])
    if all(table.is_floating_point() and table.shape == wanted for table in tables):
        return
    kinds = {f"{' x '.join(map(str, table.shape))} {table.dtype}" for table in tables}
    allowed = f"reals, {tokens} tokens x the same experts in every layer"
    raise InputError(f"router_logits are {', '.join(sorted(kinds))}; allowed: {allowed}")
