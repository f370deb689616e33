"""Router traces: which scores the gates of a real mixture of experts gave its tokens, as rounds to optimise.

A trace comes from a model of Hugging Face's transformers (`from_model`) or from a file (`trace_files.load_trace`).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data import validate
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError
from dmoe_opt.generating import gates, presets

MOST_EXPERTS = 4096
"""Most experts of a trace; the links of a round grow with their square."""
MOST_LOGIT = 1e30
"""Largest absolute logit; differences stay finite."""
GATE_MODULES = ("gate", "router")
"""Names of the modules whose output is taken where a model does not return its router logits."""


@dataclass(frozen=True, eq=False)
class Trace:
    """Gate scores of the mixture layers of one model for the same tokens.

    Parameters
    ----------
    scores
        Gate score of expert j for token t in a layer, in [0, 1], shape (L, T, K); 0 for experts outside the top k
        where only those are known.
    experts_per_token
        k, the experts a token visits in the model, or None if the trace does not say.
    layers
        Number of every layer, shape (L,); default: 0..L-1.
    source
        Where the scores come from, in words.

    Raises
    ------
    InputError
        One line naming field, index, value and what is allowed.

    Examples
    --------
    >>> import numpy as np
    >>> from dmoe_opt.generating.traces import Trace, to_rounds
    >>> trace = Trace(np.full((2, 5, 4), 0.25), experts_per_token=2)
    >>> list(to_rounds(trace, num_subcarriers=16))
    [<Instance trace-l0: 5 tokens, 4 experts, 16 subcarriers>, <Instance trace-l1: 5 tokens, 4 experts, 16 subcarriers>]
    """

    scores: NDArray[np.float64]
    experts_per_token: int | None = None
    layers: tuple[int, ...] = None  # type: ignore[assignment]  # filled with 0..L-1
    source: str = ""

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(
            self,
            "scores",
            _filled(
                "scores", validate.real_array("scores", self.scores, (None, None, None), most=1.0)
            ),
        )
        count, _, experts = self.scores.shape
        if self.experts_per_token is not None:
            put(
                self,
                "experts_per_token",
                validate.whole("experts_per_token", self.experts_per_token),
            )
            if self.experts_per_token > experts:
                raise fail(
                    "experts_per_token",
                    self.experts_per_token,
                    f"at most the number of experts, {experts}",
                )
        layers = range(count) if self.layers is None else self.layers
        put(
            self,
            "layers",
            tuple(
                validate.whole(f"layers[{i}]", number, least=0) for i, number in enumerate(layers)
            ),
        )
        if len(self.layers) != count or len(set(self.layers)) != count:
            raise fail(
                "layers", self.layers, f"{count} different numbers, one for each layer of scores"
            )
        put(self, "source", validate.word("source", self.source))

    def top_experts(self) -> NDArray[np.int64]:
        """The k experts with the largest scores, best first, of equals the lower number, shape (L, T, k)."""
        if self.experts_per_token is None:
            raise InputError(
                "experts_per_token is missing; allowed: a trace that says how many experts a token visits"
            )
        return np.argsort(-self.scores, axis=2, kind="stable")[:, :, : self.experts_per_token]

    def renormalised(self) -> Trace:
        """The weights of models that divide the top k by their sum (Mixtral): all other scores are 0."""
        top = self.top_experts()
        kept = np.take_along_axis(self.scores, top, axis=2)
        total = kept.sum(axis=2, keepdims=True)
        scores = np.zeros_like(self.scores)
        np.put_along_axis(
            scores, top, np.divide(kept, total, out=np.zeros_like(kept), where=total > 0), axis=2
        )
        return Trace(
            scores,
            self.experts_per_token,
            self.layers,
            f"{self.source}, top {self.experts_per_token} renormalised",
        )

    def __repr__(self) -> str:
        return "<Trace {}: {} layers, {} tokens, {} experts>".format(
            self.source or "unnamed", *self.scores.shape
        )


def _filled(field: str, array: NDArray[np.float64]) -> NDArray[np.float64]:
    if not array.size or array.shape[2] > MOST_EXPERTS:
        shape = " x ".join(map(str, array.shape))
        raise InputError(
            f"{field} has shape {shape}; allowed: layers x tokens x experts, none empty, {MOST_EXPERTS} experts"
        )
    return array


def scores_of_logits(logits: Any, gate: str) -> NDArray[np.float64]:
    """Scores of logits of shape (L, T, K), read-only, the same shape; raises `InputError` for a bad gate or logit."""
    validate.word("gate", gate, tuple(gates.GATES))
    array = validate.real_array(
        "logits", logits, (None, None, None), most=MOST_LOGIT, least=-MOST_LOGIT
    )
    scores = np.stack([gates.GATES[gate](layer) for layer in _filled("logits", array)])
    scores.flags.writeable = False  # a trace shares such an array, and these are large
    return scores


def from_model(
    model: Any,
    input_ids: Any,
    attention_mask: Any = None,
    *,
    gate: str = "softmax",
    experts_per_token: int | None = None,
) -> Trace:
    """Run a mixture of experts once and keep what its gates say of every token that is no padding.

    Parameters
    ----------
    model
        A model of transformers (5 or newer), in evaluation mode; or a module like it, whose modules named `gate` or
        `router` return logits, alone or first. Layers are counted from 0 among the mixture layers.
    input_ids
        Token numbers, a tensor of shape (batch, length).
    attention_mask
        0 for padding, a tensor of shape (batch, length); default: no padding.
    gate
        What the model makes of its logits: `"softmax"`, or `"sigmoid"` divided by the sum (DeepSeek-V3).
    experts_per_token
        k; default: what the model's configuration says.

    Raises
    ------
    InputError
        If the model shows no router logits, or not one row for every token in every layer.
    """
    import torch

    validate.word("gate", gate, tuple(gates.GATES))
    if attention_mask is not None and tuple(attention_mask.shape) != tuple(input_ids.shape):
        raise fail(
            "attention_mask",
            tuple(attention_mask.shape),
            f"the shape of input_ids, {tuple(input_ids.shape)}",
        )
    body = getattr(
        model, "base_model", model
    )  # without the language head, whose output is the larger one
    seen: list[Any] = []
    hooks = [
        module.register_forward_hook(
            lambda _, __, out: seen.append(out[0] if isinstance(out, tuple) else out)
        )
        for name, module in body.named_modules()
        if name.rpartition(".")[2] in GATE_MODULES
    ]
    takes = inspect.signature(body.forward).parameters
    asks = "output_router_logits" in takes or any(p.kind is p.VAR_KEYWORD for p in takes.values())
    try:
        with torch.no_grad():
            output = body(
                input_ids=input_ids,
                attention_mask=attention_mask,
                **({"output_router_logits": True} if asks else {}),
            )
    finally:
        for hook in hooks:
            hook.remove()
    found = getattr(output, "router_logits", None) or seen
    name, tokens = type(model).__name__, input_ids.numel()
    if not found:
        raise fail(
            "model",
            name,
            f"a model with router_logits, or with modules named {' or '.join(GATE_MODULES)}",
        )
    layers = [layer.detach().reshape(-1, layer.shape[-1]).cpu() for layer in found]
    if any(
        not layer.is_floating_point() or layer.shape != (tokens, layers[0].shape[1])
        for layer in layers
    ):
        kinds = ", ".join(
            sorted({f"{' x '.join(map(str, layer.shape))} {layer.dtype}" for layer in layers})
        )
        raise InputError(
            f"router_logits are {kinds}; allowed: reals, {tokens} tokens x the same experts in every layer"
        )
    keep = (
        slice(None) if attention_mask is None else attention_mask.reshape(-1).bool().cpu().numpy()
    )
    known = getattr(getattr(model, "config", None), "num_experts_per_tok", None)
    return Trace(
        scores=_scores_of_router(
            np.stack([layer.double().numpy()[keep] for layer in layers]), gate
        ),
        experts_per_token=known if experts_per_token is None else experts_per_token,
        source=f"{name}: {gate} of its router logits",
    )


def _scores_of_router(logits: NDArray[Any], gate: str) -> NDArray[np.float64]:
    """Early releases of transformers 5 return the softmax under the name of logits; that is told by its values."""
    squashed = (
        logits.size > 0
        and logits.min() >= 0
        and bool(np.all(np.abs(logits.sum(axis=2) - 1) < 1e-3))
    )
    if squashed and gate == "sigmoid":
        raise fail(
            "gate",
            gate,
            '"softmax": this version of transformers returns its router logits after a softmax',
        )
    if not squashed:
        return scores_of_logits(logits, gate)
    return np.asarray(logits / logits.sum(axis=2, keepdims=True))


def to_rounds(
    trace: Trace,
    *,
    seed: int = 0,
    name: str = "trace",
    layers: Sequence[int] | None = None,
    num_tokens: int | None = None,
    num_subcarriers: int = 64,
    num_sources: int | None = None,
    max_experts: int | None = None,
    hidden_size: int = 4096,
    share: float = 0.7,
    threshold: float | None = None,
    compute_j: tuple[float, float] = (5e-5, 5e-4),
    **radio: Any,
) -> Iterator[Instance]:
    """One round a layer, called NAME-lLAYER: expert j on node j, radio and energies drawn, scores put on the grid 2^-20.

    Parameters
    ----------
    seed
        A layer's draws depend on it and on the layer's number, not on the other layers.
    layers
        Numbers of the layers wanted; default: all.
    num_tokens
        Tokens drawn at random, the same in every layer, in the trace's order; default: all.
    max_experts
        D; default: the trace's experts per token.
    num_subcarriers, num_sources, hidden_size, share, threshold, compute_j, radio
        As in `generator.radio_round`.

    Raises
    ------
    InputError
        One line naming option, value and what is allowed.
    """
    _, tokens, experts = trace.scores.shape
    if max_experts is None and trace.experts_per_token is None:
        raise InputError(
            "max_experts is missing; allowed: it must be given, since the trace does not say experts_per_token"
        )
    options = {
        "num_subcarriers": num_subcarriers, "num_sources": experts if num_sources is None else num_sources,
        "max_experts": trace.experts_per_token if max_experts is None else max_experts, "hidden_size": hidden_size,
        "share": share, "threshold": threshold, "compute_j": compute_j, **radio,
    }  # fmt: skip
    for option, value in options.items():
        presets.check_option(option, value)
    for field, value, most in (
        ("num_sources", num_sources, experts),
        ("num_tokens", num_tokens, tokens),
    ):
        if value is not None and validate.whole(field, value) > most:
            raise fail(field, value, f"a whole number from 1 to {most}")
    validate.whole("seed", seed, least=0)
    wanted = trace.layers if layers is None else tuple(layers)
    for number in wanted:
        if number not in trace.layers:
            raise fail(
                "layers",
                number,
                f"numbers of the trace's layers: {', '.join(map(str, trace.layers))}",
            )
    kept = np.arange(tokens)
    if num_tokens is not None:
        kept = np.sort(np.random.default_rng([seed]).choice(tokens, num_tokens, replace=False))
    meta = {
        "generator": "dmoe-opt",
        "source": trace.source,
        "seed": seed,
        "options": options | {"num_tokens": len(kept)},
    }
    return (
        presets.round_of_scores(
            np.random.default_rng([seed, 1 + number]),
            trace.scores[trace.layers.index(number)][kept],
            **options,
        ).replace(name=f"{name}-l{number}", meta=meta | {"layer": number})
        for number in wanted
    )
