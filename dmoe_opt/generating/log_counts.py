"""Logs that count how often each expert was used: tokens are drawn by these frequencies.

Expert recorders, load tables and popularity tables say nothing of single tokens. The scores of a
drawn token are the softmax of the log frequencies plus Gumbel noise. Its k best experts are then k
draws without replacement by these frequencies, for every k (the Gumbel-max trick).
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data import validate
from dmoe_opt.data.tables import Table
from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError
from dmoe_opt.generating import gates
from dmoe_opt.generating.traces import MOST_EXPERTS, Asked, Trace

COUNT_COLUMNS = ("count", "counts", "tokens", "load", "popularity", "frequency")
MOST_LAYERS = 4096


def trace_of_counts(
    counts: Any, name: str, asked: Asked, layers: tuple[int, ...] | None = None
) -> Trace:
    """A trace of tokens that are drawn by how often each expert was used.

    Parameters
    ----------
    counts
        How often, or how probably, expert j was used in a layer, shape (L, K); or (P, L, K) of P
        passes, which are added.
    asked
        Tokens that are drawn, the seed of the draw, and the number of experts; no gate.
    layers
        Numbers of the layers; by default 0..L-1. Layers in which nothing was counted are left out.

    Raises
    ------
    InputError
        If a count is negative, or all are 0.
    """
    if asked.gate is not None:
        raise fail("gate", asked.gate, "nothing: the log only counts, and has no logits")
    num_experts, num_tokens, seed = asked.num_experts, asked.num_tokens, asked.seed
    table = validate.numbers("counts", counts)
    if table.ndim == 3:
        table = table.sum(axis=0)
    table = validate.real_array("counts", table, (None, None))
    _check_size(table.shape, num_experts)
    if num_experts is not None:
        table = np.pad(table, ((0, 0), (0, num_experts - table.shape[1])))
    used = np.flatnonzero(table.sum(axis=1) > 0)
    if not len(used):
        raise InputError("counts are all 0; allowed: at least one expert that was used")
    numbers = tuple(range(len(table))) if layers is None else layers
    kept = tuple(int(numbers[i]) for i in used)
    drawn = [
        _drawn(table[i], num_tokens, np.random.default_rng([seed, int(numbers[i])])) for i in used
    ]
    remark = (
        f"drawn: the {num_tokens} tokens, by these frequencies, each layer apart (--tokens, --seed "
        f"{seed}); their scores are the softmax of log frequency plus Gumbel noise"
    )
    source = f"{name}: how often each expert was used, nothing of single tokens"
    return Trace(np.stack(drawn), None, kept, source, (remark,))


def _check_size(shape: tuple[int, ...], num_experts: int | None) -> None:
    layers, experts = shape
    if not 0 < experts <= MOST_EXPERTS or not 0 < layers <= MOST_LAYERS:
        allowed = f"layers x experts, at most {MOST_LAYERS} x {MOST_EXPERTS}"
        raise InputError(f"counts has shape {layers} x {experts}; allowed: {allowed}")
    if num_experts is not None and num_experts < experts:
        raise fail("num_experts", num_experts, f"at least {experts}, for the experts in the log")


def _drawn(counts: NDArray[Any], num_tokens: int, rng: np.random.Generator) -> NDArray[Any]:
    with np.errstate(divide="ignore"):
        logits = np.log(counts / counts.max())
    return gates.softmax(logits + rng.gumbel(size=(num_tokens, len(counts))))


def counts_of_table(table: Table) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    """Counts (L, K) and layer numbers of a table with the columns `layer` and `expert`.

    A column of counts is added up; without one every row is one use.
    """
    others = [name for name in table.names if name not in ("layer", "expert")]
    column = next((name for name in COUNT_COLUMNS if name in others), None)
    if others and column is None:
        allowed = f"layer, expert and one of {', '.join(COUNT_COLUMNS)}"
        raise InputError(f"has the columns {', '.join(table.names)}; allowed: {allowed}")
    layers, experts = table.places(("layer", "expert"))
    counts = np.ones(len(layers)) if column is None else table.column(column)
    return _added(layers, experts, counts)


def _added(layers: Any, experts: Any, counts: Any) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    """Counts (L, K) of a list of entries, and the numbers of the layers."""
    if not len(layers):
        raise InputError("has no counts; allowed: at least one")
    numbers, rows = np.unique(layers, return_inverse=True)
    _check_size((len(numbers), int(np.max(experts)) + 1), None)
    table = np.zeros((len(numbers), int(np.max(experts)) + 1))
    np.add.at(table, (rows, experts), counts)
    return table, tuple(int(number) for number in numbers)


def counts_of_json(
    content: bytes, domain: str | None
) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    """Counts (L, K) and layer numbers of a popularity table in JSON.

    It is a list of [layer, expert, popularity], or of one row of K numbers per layer, alone or as
    `experts`; or an object with such a table for each domain, of which `domain` chooses one.
    """
    try:
        document = json.loads(content)
    except RecursionError:
        raise InputError("is nested too deeply; allowed: a popularity table") from None
    except ValueError as error:
        raise InputError(f"is not valid JSON: {str(error)[:80]}") from None
    where = "the document"
    if isinstance(document, dict):
        if domain is None and len(document) != 1:
            names = ", ".join(map(str, document)) or "none"
            raise InputError(f"has the tables {names}; allowed: one of them, as FILE:NAME")
        where = domain or next(iter(document))
        if where not in document:
            raise fail("table", where, ", ".join(map(str, document)))
        document = document[where]
    if isinstance(document, dict) and set(document) == {"experts"}:
        document = document["experts"]
    rows = validate.real_array(where, document, (None, None))
    if rows.shape[1] != 3 or (rows[:, :2] % 1).any() or not len(rows):
        return rows, tuple(range(len(rows)))
    if rows[:, 0].max() >= MOST_LAYERS or rows[:, 1].max() >= MOST_EXPERTS:
        raise InputError(f"{where} has layers or experts above {MOST_LAYERS}; allowed: below")
    places = rows[:, :2].astype(np.int64)
    return _added(places[:, 0], places[:, 1], rows[:, 2])
