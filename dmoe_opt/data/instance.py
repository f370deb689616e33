"""The two kinds of data: a round of a distributed mixture of experts, and a bare expert-selection problem.

Both are frozen, checked once when they are made, and keep their arrays read-only.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data import validate
from dmoe_opt.data.radio import DEAD_LINK_J, Radio
from dmoe_opt.data.validate import InputError

SCORE_UNIT = 2.0**40
"""Scores are added as whole multiples of 1/SCORE_UNIT, which makes every sum exact whatever its order."""
SCORE_TOLERANCE = 1e-9
"""A token is served when its scores reach its threshold up to this; the grid of generated data is far coarser."""
MOST_ENERGY_J = 1e200
"""Largest energy of one token; keeps every sum of energies finite."""
MOST_THRESHOLD = 1e6
"""Largest threshold; far above any sum of scores, and small enough for exact arithmetic on score units."""
ON_SHORTFALL = ("top_d", "infeasible")


def score_units(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores as whole numbers of 1/SCORE_UNIT (float64, exact up to 8192 times a score of 1)."""
    return np.asarray(np.rint(scores * SCORE_UNIT))


@dataclass(frozen=True, eq=False)
class SelectionProblem:
    """Problem P1: choose at most D experts per token that reach its threshold at least cost.

    Parameters
    ----------
    scores
        Gate score of expert j for token t, in [0, 1], shape (T, K).
    cost
        Price of expert j for token t in joules, >= 0, shape (T, K).
    threshold
        Relevance wanted, >= 0, shape (T,) or one number for all.
    max_experts
        D, the experts a token may use at most.
    on_shortfall
        What happens to a token whose best D scores stay below its threshold: `"top_d"` lowers the threshold to what
        they reach and flags the token, `"infeasible"` makes the problem infeasible.
    usable
        False where an expert cannot be used by a token (its link has no gain), shape (T, K); default: all True.
    name, meta
        Free text and JSON-like notes on where the data comes from.

    Raises
    ------
    InputError
        One line naming field, index, value and what is allowed.

    Examples
    --------
    >>> from dmoe_opt import SelectionProblem, solve
    >>> problem = SelectionProblem(scores=[[0.5, 0.25, 0.25]], cost=[[1.0, 3.0, 2.0]], threshold=0.6, max_experts=2)
    >>> solve(problem).selection.tolist()
    [[True, False, True]]
    """

    scores: NDArray[np.float64]
    cost: NDArray[np.float64]
    threshold: NDArray[np.float64]
    max_experts: int
    on_shortfall: str = "top_d"
    usable: NDArray[np.bool_] = None  # type: ignore[assignment]  # None stands for all True
    name: str = ""
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "scores", validate.real_array("scores", self.scores, (None, None), most=1.0))
        if self.num_tokens and not self.num_experts:
            raise InputError("scores has no experts; allowed: at least one column")
        shape = (self.num_tokens, self.num_experts)
        put(self, "cost", validate.real_array("cost", self.cost, shape, most=MOST_ENERGY_J))
        put(self, "threshold", _thresholds("threshold", self.threshold, self.num_tokens))
        usable = np.ones(shape, dtype=bool) if self.usable is None else self.usable
        put(self, "usable", validate.flags("usable", usable, shape))
        _check_common(self)

    @property
    def num_tokens(self) -> int:
        """T."""
        return int(self.scores.shape[0])

    @property
    def num_experts(self) -> int:
        """K."""
        return int(self.scores.shape[1])

    @property
    def usable_units(self) -> NDArray[np.float64]:
        """Scores in whole units, 0 for experts that cannot be used, shape (T, K)."""
        return np.where(self.usable, score_units(self.scores), 0.0)

    @cached_property
    def need_units(self) -> NDArray[np.float64]:
        """Relevance every method must reach after the shortfall rule, in whole score units, shape (T,)."""
        reach = np.minimum(self.threshold, self._best_units / SCORE_UNIT)
        wanted = reach if self.on_shortfall == "top_d" else self.threshold
        return np.asarray(np.ceil((wanted - SCORE_TOLERANCE) * SCORE_UNIT))

    @cached_property
    def _best_units(self) -> NDArray[np.float64]:
        if not self.num_experts:
            return np.zeros(self.num_tokens)
        keep = min(self.max_experts, self.num_experts)
        units = self.usable_units
        units.partition(self.num_experts - keep, axis=1)
        return np.asarray(units[:, self.num_experts - keep :].sum(axis=1))

    @cached_property
    def effective_threshold(self) -> NDArray[np.float64]:
        """Thresholds after the shortfall rule, as scores, shape (T,)."""
        if self.on_shortfall == "infeasible":
            return self.threshold
        return np.where(self.shortfall, self._best_units / SCORE_UNIT, self.threshold)

    @cached_property
    def shortfall(self) -> NDArray[np.bool_]:
        """True for tokens whose best D usable scores stay below the threshold, shape (T,)."""
        return np.asarray(np.ceil((self.threshold - SCORE_TOLERANCE) * SCORE_UNIT) > self._best_units)

    @cached_property
    def sha256(self) -> str:
        """Digest of the content, not of a file; equal data has equal digests in every format."""
        return _digest(self, ("scores", "cost", "threshold", "usable"))

    def infeasibility(self) -> str | None:
        """Why no answer exists, in words, or None if one does."""
        if self.on_shortfall != "infeasible" or not self.shortfall.any():
            return None
        tokens = np.flatnonzero(self.shortfall)
        t = int(tokens[0])
        best = float(self._best_units[t] / SCORE_UNIT)
        listed = ", ".join(map(str, tokens[:10])) + (f" and {len(tokens) - 10} more" if len(tokens) > 10 else "")
        return (
            f"token{'s' * (len(tokens) > 1)} {listed} cannot reach the threshold with {self.max_experts} experts: "
            f"token {t} reaches at most {best:.6g} of {self.threshold[t]:.6g}"
        )

    def rows(self, tokens: NDArray[np.int64]) -> SelectionProblem:
        """The problem of some tokens alone."""
        return SelectionProblem(
            scores=self.scores[tokens],
            cost=self.cost[tokens],
            threshold=self.threshold[tokens],
            max_experts=self.max_experts,
            on_shortfall=self.on_shortfall,
            usable=self.usable[tokens],
        )

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, checked again."""
        return dataclasses.replace(self, **changes)

    def __repr__(self) -> str:
        return f"<SelectionProblem {self.name or 'unnamed'}: {self.num_tokens} tokens, {self.num_experts} experts>"


@dataclass(frozen=True, eq=False)
class Instance:
    """One round: tokens with gate scores on K nodes, one expert per node, and the radio between them.

    Parameters
    ----------
    source
        Node that owns token t, shape (T,).
    scores, threshold, max_experts, on_shortfall, name, meta
        As in `SelectionProblem`.
    compute_energy
        Energy of expert j for one token, J, shape (K,).
    radio
        The links as channel gains; or None, and then
    link_energy
        J per token of link i -> j on subcarrier m, shape (K, K, M), diagonal ignored. With `radio` it is computed:
        inf marks a link that cannot be used.

    Raises
    ------
    InputError
        One line naming field, index, value and what is allowed.

    Examples
    --------
    Token 0 goes from node 0 to expert 1 for 1 + 0.25 J, token 1 stays at its own expert for 0.25 J:

    >>> from dmoe_opt import Instance, solve
    >>> round_ = Instance(
    ...     source=[0, 1], scores=[[0.25, 0.75], [0.25, 0.75]], threshold=0.5, max_experts=1,
    ...     compute_energy=[0.5, 0.25], link_energy=[[[0.0, 0.0], [1.0, 2.0]], [[3.0, 4.0], [0.0, 0.0]]],
    ... )
    >>> solve(round_, "jesa").objective_j
    1.5
    """

    source: NDArray[np.int64]
    scores: NDArray[np.float64]
    threshold: NDArray[np.float64]
    max_experts: int
    compute_energy: NDArray[np.float64]
    radio: Radio | None = None
    link_energy: NDArray[np.float64] = None  # type: ignore[assignment]  # filled from the radio
    on_shortfall: str = "top_d"
    name: str = ""
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "compute_energy", validate.real_array("compute_energy", self.compute_energy, (None,), most=MOST_ENERGY_J))
        experts = self.num_experts
        if not experts:
            raise InputError("compute_energy is empty; allowed: at least one expert")
        put(self, "source", validate.whole_array("tokens.source", self.source, (None,), experts))
        shape = (self.num_tokens, experts)
        put(self, "scores", validate.real_array("tokens.scores", self.scores, shape, most=1.0))
        put(self, "threshold", _thresholds("tokens.threshold", self.threshold, self.num_tokens))
        put(self, "link_energy", self._links(experts))
        _check_common(self)

    def _links(self, experts: int) -> NDArray[np.float64]:
        if (self.radio is None) == (self.link_energy is None):
            raise InputError("an instance has either radio or link_energy; allowed: exactly one of them")
        if self.radio is not None and not isinstance(self.radio, Radio):
            raise validate.fail("radio", self.radio, "a Radio")
        if self.radio is None:
            energy = validate.real_array("link_energy", self.link_energy, (experts, experts, None)).copy()
            energy[energy > DEAD_LINK_J] = np.inf
            nodes = np.arange(experts)
            energy[nodes, nodes, :] = 0.0
        else:
            if self.radio.gains.shape[0] != experts:
                raise InputError(f"radio.gains has shape {self.radio.gains.shape}; allowed: {experts} x {experts} x M")
            energy = self.radio.link_energy_j()
        if not energy.shape[2]:
            raise InputError("the links have no subcarrier; allowed: at least one")
        energy.flags.writeable = False
        return energy

    @property
    def num_tokens(self) -> int:
        """T."""
        return int(self.source.shape[0])

    @property
    def num_experts(self) -> int:
        """K, also the number of nodes."""
        return int(self.compute_energy.shape[0])

    @property
    def num_subcarriers(self) -> int:
        """M."""
        return int(self.link_energy.shape[2])

    @cached_property
    def best_link_energy(self) -> NDArray[np.float64]:
        """J per token of every link on its best subcarrier, inf where there is none, shape (K, K)."""
        return np.asarray(self.link_energy.min(axis=2))

    def selection_problem(self) -> SelectionProblem:
        """P1 with every link on its best subcarrier: e[t, j] = a[j] + min over m of c[i(t), j, m]; made once."""
        return self._p1

    @cached_property
    def _p1(self) -> SelectionProblem:
        price = self.compute_energy + self.best_link_energy[self.source]
        usable = np.isfinite(price)
        return SelectionProblem(
            scores=self.scores,
            cost=np.where(usable, price, 0.0),
            threshold=self.threshold,
            max_experts=self.max_experts,
            on_shortfall=self.on_shortfall,
            usable=usable,
            name=self.name,
            meta=self.meta,
        )

    @cached_property
    def sha256(self) -> str:
        """Digest of the content, not of a file; equal data has equal digests in every format."""
        if self.radio is None:
            return _digest(self, ("source", "scores", "threshold", "compute_energy", "link_energy"))
        radio = self.radio
        numbers = (radio.bandwidth_hz, radio.power_w, radio.noise_w, radio.payload_bits, radio.round_trip)
        return _digest(self, ("source", "scores", "threshold", "compute_energy"), numbers, radio.gains)

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, checked again; a new radio replaces the link energies and the reverse."""
        if "link_energy" in changes:
            changes.setdefault("radio", None)
        elif self.radio is not None or "radio" in changes:
            changes["link_energy"] = None
        else:
            changes["link_energy"] = np.minimum(self.link_energy, 10 * DEAD_LINK_J)  # dead links are inf inside
        return dataclasses.replace(self, **changes)

    def __repr__(self) -> str:
        size = f"{self.num_tokens} tokens, {self.num_experts} experts, {self.num_subcarriers} subcarriers"
        return f"<Instance {self.name or 'unnamed'}: {size}>"


def _thresholds(field_name: str, value: object, tokens: int) -> NDArray[np.float64]:
    if not isinstance(value, list | tuple | np.ndarray) or (isinstance(value, np.ndarray) and value.ndim == 0):
        number = value.item() if isinstance(value, np.ndarray) else value
        value = np.full(tokens, validate.real(field_name, number, positive=False))
    return validate.real_array(field_name, value, (tokens,), most=MOST_THRESHOLD)


def _check_common(data: SelectionProblem | Instance) -> None:
    put = object.__setattr__
    put(data, "max_experts", validate.whole("max_experts", data.max_experts))
    put(data, "on_shortfall", validate.word("on_shortfall", data.on_shortfall, ON_SHORTFALL))
    put(data, "name", validate.word("name", data.name))
    if not isinstance(data.meta, dict):
        raise validate.fail("meta", data.meta, "an object")
    put(data, "meta", validate.plain("meta", data.meta))


def _digest(
    data: SelectionProblem | Instance, arrays: tuple[str, ...], numbers: tuple[float, ...] = (), *more: NDArray[Any]
) -> str:
    text = json.dumps([type(data).__name__, data.max_experts, data.on_shortfall, *map(float.hex, map(float, numbers))])
    digest = hashlib.sha256(text.encode())
    for array in (*(getattr(data, name) for name in arrays), *more):
        digest.update(repr((array.dtype.str, array.shape if array.size else 0)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
