"""Router traces: gate scores of a real mixture of experts for its tokens, as rounds to optimise.

A trace comes from a model of Hugging Face's transformers (`trace_models.from_model`) or from a file
(`trace_files.load_trace`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data import validate
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError
from dmoe_opt.generating import gates
from dmoe_opt.generating.presets import check_option
from dmoe_opt.generating.rounds import round_of_scores

MOST_EXPERTS = 4096
"""Most experts of a trace; the links of a round grow with their square."""
MOST_LOGIT = 1e30
"""Largest absolute logit; differences stay finite."""


@dataclass(frozen=True, eq=False)
class Trace:
    """Gate scores of the mixture layers of one model for the same tokens.

    Parameters
    ----------
    scores
        Gate score of expert j for token t in a layer, in [0, 1], shape (L, T, K). Where only the
        top k experts are known, the other scores are 0.
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
    >>> for data in to_rounds(trace, num_subcarriers=16):
    ...     print(data)
    <Instance trace-l0: 5 tokens, 4 experts, 16 subcarriers>
    <Instance trace-l1: 5 tokens, 4 experts, 16 subcarriers>
    """

    scores: NDArray[np.float64]
    experts_per_token: int | None = None
    layers: tuple[int, ...] = None  # type: ignore[assignment]  # filled with 0..L-1
    source: str = ""

    def __post_init__(self) -> None:
        put = object.__setattr__
        scores = validate.real_array("scores", self.scores, (None, None, None), most=1.0)
        put(self, "scores", _filled("scores", scores))
        if self.experts_per_token is not None:
            put(self, "experts_per_token", self._checked_experts_per_token())
        put(self, "layers", self._checked_layers())
        put(self, "source", validate.word("source", self.source))

    def _checked_experts_per_token(self) -> int:
        name = "experts_per_token"
        count = validate.whole(name, self.experts_per_token)
        experts = self.scores.shape[2]
        if count > experts:
            raise fail(name, count, f"at most the number of experts, {experts}")
        return count

    def _checked_layers(self) -> tuple[int, ...]:
        count = len(self.scores)
        given = range(count) if self.layers is None else self.layers
        layers = tuple(
            validate.whole(f"layers[{i}]", number, least=0) for i, number in enumerate(given)
        )
        if len(layers) != count or len(set(layers)) != count:
            allowed = f"{count} different numbers, one for each layer of scores"
            raise fail("layers", layers, allowed)
        return layers

    def top_experts(self) -> NDArray[np.int64]:
        """The k experts with the largest scores, best first, shape (L, T, k).

        Of equal experts the lower number comes first.

        Raises
        ------
        InputError
            If the trace does not say how many experts a token visits.
        """
        if self.experts_per_token is None:
            raise InputError(
                "experts_per_token is missing; "
                "allowed: a trace that says how many experts a token visits"
            )
        return np.argsort(-self.scores, axis=2, kind="stable")[:, :, : self.experts_per_token]

    def renormalised(self) -> Trace:
        """The trace as a model weighs it that divides the top k scores by their sum (Mixtral).

        All other scores are 0. A token whose top k scores are all 0 keeps them.
        """
        top = self.top_experts()
        kept = np.take_along_axis(self.scores, top, axis=2)
        total = kept.sum(axis=2, keepdims=True)
        weights = np.divide(kept, total, out=np.zeros_like(kept), where=total > 0)
        scores = np.zeros_like(self.scores)
        np.put_along_axis(scores, top, weights, axis=2)
        source = f"{self.source}, top {self.experts_per_token} renormalised"
        return Trace(scores, self.experts_per_token, self.layers, source)

    def __repr__(self) -> str:
        return "<Trace {}: {} layers, {} tokens, {} experts>".format(
            self.source or "unnamed", *self.scores.shape
        )


def _filled(field: str, array: NDArray[np.float64]) -> NDArray[np.float64]:
    if not array.size or array.shape[2] > MOST_EXPERTS:
        shape = " x ".join(map(str, array.shape))
        allowed = f"layers x tokens x experts, none empty, {MOST_EXPERTS} experts"
        raise InputError(f"{field} has shape {shape}; allowed: {allowed}")
    return array


def scores_of_logits(logits: Any, gate: str) -> NDArray[np.float64]:
    """Gate scores of logits of shape (L, T, K): a read-only array of the same shape.

    Raises
    ------
    InputError
        If the gate is unknown, or a logit is not finite or out of range.
    """
    validate.word("gate", gate, tuple(gates.GATES))
    shape = (None, None, None)
    array = validate.real_array("logits", logits, shape, most=MOST_LOGIT, least=-MOST_LOGIT)
    scores = np.stack([gates.GATES[gate](layer) for layer in _filled("logits", array)])
    scores.flags.writeable = False  # a trace shares such an array, and these are large
    return scores


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
    """One round for each layer, called NAME-lLAYER, with expert j on node j.

    Radio and energies are drawn, and the scores are put on the grid 2^-20.

    Parameters
    ----------
    seed
        The draws of a layer depend on it and on the layer's number, not on the other layers.
    layers
        Numbers of the layers wanted; default: all.
    num_tokens
        Tokens drawn at random, the same in every layer, in the trace's order; default: all.
    max_experts
        D; default: the trace's experts per token.
    num_subcarriers, num_sources, hidden_size, share, threshold, compute_j, radio
        As in `rounds.radio_round`.

    Raises
    ------
    InputError
        One line naming option, value and what is allowed.
    """
    _, tokens, experts = trace.scores.shape
    if max_experts is None:
        max_experts = _experts_of(trace)
    options = {
        "num_subcarriers": num_subcarriers,
        "num_sources": experts if num_sources is None else num_sources,
        "max_experts": max_experts,
        "hidden_size": hidden_size,
        "share": share,
        "threshold": threshold,
        "compute_j": compute_j,
        **radio,
    }
    for option, value in options.items():
        check_option(option, value)
    _check_count("num_sources", num_sources, experts)
    _check_count("num_tokens", num_tokens, tokens)
    validate.whole("seed", seed, least=0)
    wanted = _layers_wanted(trace, layers)
    kept = _tokens_kept(tokens, num_tokens, seed)
    meta = {
        "generator": "dmoe-opt",
        "source": trace.source,
        "seed": seed,
        "options": options | {"num_tokens": len(kept)},
    }
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


def _experts_of(trace: Trace) -> int:
    if trace.experts_per_token is None:
        raise InputError(
            "max_experts is missing; "
            "allowed: it must be given, since the trace does not say experts_per_token"
        )
    return trace.experts_per_token


def _check_count(field: str, value: int | None, most: int) -> None:
    if value is not None and validate.whole(field, value) > most:
        raise fail(field, value, f"a whole number from 1 to {most}")


def _layers_wanted(trace: Trace, layers: Sequence[int] | None) -> tuple[int, ...]:
    wanted = trace.layers if layers is None else tuple(layers)
    for number in wanted:
        if number not in trace.layers:
            numbers = ", ".join(map(str, trace.layers))
            raise fail("layers", number, f"numbers of the trace's layers: {numbers}")
    return wanted


def _tokens_kept(tokens: int, num_tokens: int | None, seed: int) -> NDArray[np.int64]:
    if num_tokens is None:
        return np.arange(tokens)
    drawn = np.random.default_rng([seed]).choice(tokens, num_tokens, replace=False)
    return np.sort(drawn)
