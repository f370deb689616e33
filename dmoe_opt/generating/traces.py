"""Router traces: the gate scores that a real mixture of experts gave its tokens, as rounds.

A trace comes from a model of Hugging Face's transformers (`from_model`) or from a file
(`trace_files.load_trace`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data import validate
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError
from dmoe_opt.generating import gates, presets
from dmoe_opt.generating.rounds import round_of_scores
from dmoe_opt.generating.router import router_logits

MOST_EXPERTS = 4096
"""Most experts of a trace; the links of a round grow with their square."""
SUM_TOLERANCE = 0.01
"""By so much the scores of a token may miss a sum of 1: bfloat16 keeps 8 bits of each."""
MOST_LOGIT = 1e30
"""Largest absolute logit; differences stay finite."""


DRAWN_TOKENS = 128
"""Tokens drawn for a log that only counts, unless their number is given."""


class Asked(NamedTuple):
    """What is said about a log beside it; the fields are those of `trace_files.load_trace`."""

    gate: str | None = None
    num_experts: int | None = None
    order: str | None = None
    part: str | None = None
    num_tokens: int = DRAWN_TOKENS
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Trace:
    """Gate scores of the mixture layers of one model for the same tokens.

    Parameters
    ----------
    scores
        Gate score of expert j for token t in a layer, in [0, 1], shape (L, T, K); 0 for experts
        outside the top k where only those are known.
    experts_per_token
        Number k of experts that a token visits in the model, or None if the trace does not say.
    layers
        Number of every layer, shape (L,); by default 0..L-1.
    source
        Where the scores come from, in words.
    remarks
        What the log leaves open and what was drawn in its place, in sentences.

    Raises
    ------
    InputError
        One line naming field, index, value and what is allowed.

    Examples
    --------
    >>> import numpy as np
    >>> from dmoe_opt.generating.traces import Trace, to_rounds
    >>> trace = Trace(np.full((2, 5, 4), 0.25), experts_per_token=2)
    >>> for round_ in to_rounds(trace, num_subcarriers=16):
    ...     print(round_)
    <Instance trace-l0: 5 tokens, 4 experts, 16 subcarriers>
    <Instance trace-l1: 5 tokens, 4 experts, 16 subcarriers>
    """

    scores: NDArray[np.float64]
    experts_per_token: int | None = None
    layers: tuple[int, ...] = None  # type: ignore[assignment]  # filled with 0..L-1
    source: str = ""
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        put = object.__setattr__
        scores = validate.real_array("scores", self.scores, (None, None, None), most=1.0)
        put(self, "scores", _filled("scores", scores))
        put(self, "layers", self._layers())
        put(self, "source", validate.word("source", self.source))
        put(self, "remarks", tuple(validate.word("remarks", text) for text in self.remarks))
        if self.experts_per_token is not None:
            number = validate.whole("experts_per_token", self.experts_per_token)
            if number > scores.shape[2]:
                allowed = f"at most the number of experts, {scores.shape[2]}"
                raise fail("experts_per_token", number, allowed)
            put(self, "experts_per_token", number)

    def _layers(self) -> tuple[int, ...]:
        count = self.scores.shape[0]
        given = range(count) if self.layers is None else self.layers
        numbers = [validate.whole(f"layers[{i}]", n, least=0) for i, n in enumerate(given)]
        if len(numbers) != count or len(set(numbers)) != count:
            allowed = f"{count} different numbers, one for each layer of scores"
            raise fail("layers", self.layers, allowed)
        return tuple(numbers)

    __reduce__ = validate.reduced

    def top_experts(self) -> NDArray[np.int64]:
        """The k experts with the largest scores, best first, shape (L, T, k).

        Of equal experts the lower number comes first.
        """
        if self.experts_per_token is None:
            allowed = "a trace that says how many experts a token visits"
            raise InputError(f"experts_per_token is missing; allowed: {allowed}")
        return np.argsort(-self.scores, axis=2, kind="stable")[:, :, : self.experts_per_token]

    def renormalised(self) -> Trace:
        """The weights of models that divide the top k by their sum (Mixtral); others are 0."""
        top = self.top_experts()
        kept = np.take_along_axis(self.scores, top, axis=2)
        total = kept.sum(axis=2, keepdims=True)
        shares = np.divide(kept, total, out=np.zeros_like(kept), where=total > 0)
        scores = np.zeros_like(self.scores)
        np.put_along_axis(scores, top, shares, axis=2)
        source = f"{self.source}, top {self.experts_per_token} renormalised"
        return Trace(scores, self.experts_per_token, self.layers, source, self.remarks)

    def __repr__(self) -> str:
        layers, tokens, experts = self.scores.shape
        size = f"{layers} layers, {tokens} tokens, {experts} experts"
        return f"<Trace {self.source or 'unnamed'}: {size}>"


def _filled(field: str, array: NDArray[np.float64]) -> NDArray[np.float64]:
    if not array.size or array.shape[2] > MOST_EXPERTS:
        shape = " x ".join(map(str, array.shape))
        allowed = f"layers x tokens x experts, none empty, {MOST_EXPERTS} experts"
        raise InputError(f"{field} has shape {shape}; allowed: {allowed}")
    return array


def scores_of_logits(logits: Any, gate: str) -> NDArray[np.float64]:
    """Scores of router logits, both of shape (L, T, K), read-only.

    Early releases of transformers 5, and files of others, give the softmax under the name of
    logits. Its values tell: they are at least 0 and sum to 1 for every token of every layer.

    Raises
    ------
    InputError
        For an unknown gate or a bad logit; and for the gate "sigmoid", if a softmax was applied
        already.
    """
    validate.word("gate", gate, tuple(gates.GATES))
    shape = (None, None, None)
    array = validate.real_array("logits", logits, shape, most=MOST_LOGIT, least=-MOST_LOGIT)
    _filled("logits", array)
    if not are_shares(array):
        scores = np.stack([gates.GATES[gate](layer) for layer in array])
    elif gate == "softmax":
        scores = np.asarray(array / array.sum(axis=2, keepdims=True))
    else:
        allowed = '"softmax": the logits are scores after a softmax already'
        raise fail("gate", gate, allowed)
    scores.flags.writeable = False  # a trace shares such an array, and these are large
    return scores


def are_shares(values: NDArray[np.float64]) -> bool:
    """Whether the values are those of a softmax, perhaps in half precision: shares of 1."""
    return bool(values.min() >= 0 and np.all(np.abs(values.sum(axis=-1) - 1) < SUM_TOLERANCE))


def from_model(
    model: Any,
    input_ids: Any,
    attention_mask: Any = None,
    *,
    gate: str = "softmax",
    experts_per_token: int | None = None,
) -> Trace:
    """Run a mixture of experts once; the scores of its gates for all tokens that are no padding.

    Parameters
    ----------
    model
        A model of transformers (5 or newer) in evaluation mode; or a module like it, whose modules
        named `gate` or `router` return logits, alone or first. Layers are counted from 0 among the
        mixture layers.
    input_ids
        Token numbers, a tensor of shape (batch, length).
    attention_mask
        0 for padding, a tensor of shape (batch, length); by default there is no padding.
    gate
        The function that the model applies to its logits: `"softmax"`, or `"sigmoid"` divided by
        the sum (DeepSeek-V3).
    experts_per_token
        Number k of experts per token; by default that of the model's configuration.

    Raises
    ------
    InputError
        If the model shows no router logits, or not one row for every token in every layer.
    """
    validate.word("gate", gate, tuple(gates.GATES))
    logits = router_logits(model, input_ids, attention_mask)
    if experts_per_token is None:
        experts_per_token = getattr(getattr(model, "config", None), "num_experts_per_tok", None)
    return Trace(
        scores=scores_of_logits(logits, gate),
        experts_per_token=experts_per_token,
        source=f"{type(model).__name__}: {gate} of its router logits",
    )


def to_rounds(
    trace: Trace,
    *,
    seed: int = 0,
    name: str = "trace",
    layers: Sequence[int] | None = None,
    num_tokens: int | None = None,
    num_subcarriers: int = 64,
    num_sources: int | None = None,
    experts_per_node: int | None = None,
    send_once: bool = False,
    max_experts: int | None = None,
    hidden_size: int = 4096,
    share: float = 0.7,
    threshold: float | None = None,
    compute_j: tuple[float, float] = (5e-5, 5e-4),
    **radio: Any,
) -> Iterator[Instance]:
    """One round per layer, called NAME-lLAYER.

    Radio and energies are drawn, and scores are put on the grid 2^-20.

    Parameters
    ----------
    seed
        The draws of a layer depend on it and on the layer's number, not on the other layers.
    layers
        Numbers of the layers wanted; by default all.
    num_tokens
        Tokens drawn at random, the same in every layer, in the trace's order; by default all.
    max_experts
        The cap D; by default the trace's experts per token.
    num_subcarriers, num_sources, experts_per_node, send_once, hidden_size, share, threshold
        As in `rounds.radio_round`.
    compute_j, radio
        As in `rounds.radio_round`.

    Raises
    ------
    InputError
        One line naming option, value and what is allowed.
    """
    _, tokens, experts = trace.scores.shape
    if max_experts is None:
        max_experts = trace.experts_per_token
    if max_experts is None:
        allowed = "it must be given (--max-experts), since the trace does not say experts_per_token"
        raise InputError(f"max_experts is missing; allowed: {allowed}")
    options: dict[str, Any] = {
        "num_subcarriers": num_subcarriers,
        "num_sources": num_sources,
        "experts_per_node": experts_per_node,
        "send_once": send_once,
        "max_experts": max_experts,
        "hidden_size": hidden_size,
        "share": share,
        "threshold": threshold,
        "compute_j": compute_j,
        **radio,
    }
    for option, value in options.items():
        presets.check_option(option, value)
    nodes = experts if experts_per_node is None else math.ceil(experts / experts_per_node)
    _check_most("num_sources", num_sources, nodes)
    _check_most("num_tokens", num_tokens, tokens)
    validate.whole("seed", seed, least=0)
    wanted = _wanted_layers(trace, layers)
    kept = np.arange(tokens)
    if num_tokens is not None:
        kept = np.sort(np.random.default_rng([seed]).choice(tokens, num_tokens, replace=False))
    meta = {
        "generator": "dmoe-opt",
        "source": trace.source,
        "seed": seed,
        "options": options | {"num_tokens": len(kept)},
    }
    if trace.remarks:
        meta["remarks"] = list(trace.remarks)
    return (
        round_of_scores(
            np.random.default_rng([seed, 1 + number]),
            trace.scores[trace.layers.index(number)][kept],
            f"{name}-l{number}",
            meta | {"layer": number},
            **options,
        )
        for number in wanted
    )


def _check_most(option: str, value: int | None, most: int) -> None:
    if value is not None and validate.whole(option, value) > most:
        raise fail(option, value, f"a whole number from 1 to {most}")


def _wanted_layers(trace: Trace, layers: Sequence[int] | None) -> Sequence[int]:
    """The numbers of the layers wanted, each of the trace."""
    if layers is None:
        return trace.layers
    for number in layers:
        if number not in trace.layers:
            allowed = f"numbers of the trace's layers: {', '.join(map(str, trace.layers))}"
            raise fail("layers", number, allowed)
    return layers
