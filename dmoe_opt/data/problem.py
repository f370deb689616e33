"""Problem P1, expert selection: scores, costs, thresholds and a cap.

A problem is frozen and checked once, when it is made.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data import validate
from dmoe_opt.data.needs import best_sums
from dmoe_opt.data.words import counted
from dmoe_opt.errors import InputError

if TYPE_CHECKING:
    from dmoe_opt.data.instance import Instance

SCORE_UNIT = 2.0**40
"""Scores are added as whole multiples of 1/SCORE_UNIT, so that sums are exact in any order."""
GRID = 2.0**20
"""Solvers get scores in multiples of 1/GRID, the grid of generated data."""
SCORE_TOLERANCE = 1e-9
"""A token is served when its scores reach its threshold up to this, which is counted once."""
MOST_ENERGY_J = 1e200
"""Largest energy of one token; keeps every sum of energies finite."""
WIDEST_SPAN = 1e302
"""Largest ratio of two costs of a token; beyond, the smaller lose digits beside the larger."""
MOST_THRESHOLD = 1e6
"""Largest threshold: far above any sum of scores, and small enough for exact score units."""
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
        What happens to a token whose best D scores stay below its threshold: `"top_d"` lowers the
        threshold to the sum of these scores and flags the token, `"infeasible"` makes the problem
        infeasible.
    usable
        False where an expert cannot be used by a token (its link has no gain), shape (T, K); by
        default all True.
    placement, node_cost
        Both or neither: the node of expert j, shape (K,), and what token t pays once for every node
        on which it uses an expert, J, shape (T, N).
    name, meta
        Free text and JSON-like notes on where the data comes from.

    Raises
    ------
    InputError
        One line naming field, index, value and what is allowed.

    Examples
    --------
    >>> from dmoe_opt import SelectionProblem, solve
    >>> problem = SelectionProblem(
    ...     scores=[[0.5, 0.25, 0.25]], cost=[[1.0, 3.0, 2.0]], threshold=0.6, max_experts=2
    ... )
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
    placement: NDArray[np.int64] | None = None
    node_cost: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "scores", validate.real_array("scores", self.scores, (None, None), most=1.0))
        if self.num_tokens and not self.num_experts:
            raise InputError("scores has no experts; allowed: at least one column")
        shape = (self.num_tokens, self.num_experts)
        put(self, "cost", validate.real_array("cost", self.cost, shape, most=MOST_ENERGY_J))
        put(self, "threshold", thresholds("threshold", self.threshold, self.num_tokens))
        given = self.usable is not None
        usable = validate.flags("usable", self.usable, shape) if given else validate.all_true(shape)
        put(self, "usable", usable)
        self._check_nodes()
        self._check_span()
        check_common(self)

    def _check_nodes(self) -> None:
        """Check the nodes of the experts and their prices."""
        put = object.__setattr__
        if (self.placement is None) != (self.node_cost is None):
            raise InputError("has placement or node_cost alone; allowed: both, or neither")
        if self.placement is None:
            return
        shape = (self.num_tokens, None)
        cost = validate.real_array("node_cost", self.node_cost, shape, most=MOST_ENERGY_J)
        put(self, "node_cost", cost)
        placed = validate.whole_array(
            "placement", self.placement, (self.num_experts,), cost.shape[1]
        )
        put(self, "placement", placed)

    def _check_span(self) -> None:
        """Refuse a token whose usable costs span more than numbers can hold side by side."""
        if self.cost.min(initial=np.inf) >= MOST_ENERGY_J / WIDEST_SPAN:  # as almost always
            return
        positive = self.usable & (self.cost > 0)
        least = np.where(positive, self.cost, np.inf).min(axis=1, initial=np.inf)
        most = np.where(positive, self.cost, 0.0).max(axis=1, initial=0.0)
        wide = np.flatnonzero(most / WIDEST_SPAN > least)
        if len(wide):
            t = int(wide[0])
            allowed = f"a factor of at most {WIDEST_SPAN:g}"
            span = f"usable costs from {least[t]:.3g} to {most[t]:.3g} J"
            raise InputError(f"token {t} has {span}; allowed: {allowed}")

    @property
    def num_tokens(self) -> int:
        """Number of tokens T."""
        return int(self.scores.shape[0])

    @property
    def num_experts(self) -> int:
        """Number of experts K."""
        return int(self.scores.shape[1])

    @property
    def optional_rules(self) -> tuple[str, ...]:
        """Names of the optional fields of the round that this problem comes from."""
        return () if self.node_cost is None else ("send_once",)

    @property
    def usable_units(self) -> NDArray[np.float64]:
        """Scores in whole units, 0 for experts that cannot be used, shape (T, K)."""
        return np.where(self.usable, score_units(self.scores), 0.0)

    @cached_property
    def need_units(self) -> NDArray[np.float64]:
        """Relevance that every method must reach, in whole score units, shape (T,).

        It is the threshold less `SCORE_TOLERANCE`. Where the best D scores stay below it and the
        shortfall rule is "top_d", it is exactly what they reach: the tolerance counts once.
        """
        wanted = self._wanted_units
        return np.minimum(wanted, self._best_units) if self.on_shortfall == "top_d" else wanted

    @cached_property
    def _wanted_units(self) -> NDArray[np.float64]:
        return np.asarray(np.ceil((self.threshold - SCORE_TOLERANCE) * SCORE_UNIT))

    @cached_property
    def grid_scores(self) -> NDArray[np.float64]:
        """Scores as the checker adds them, in multiples of 1/GRID, for (C1) in solvers, (T, K).

        In this unit the scores of generated data are whole numbers. A solver that got raw scores
        would take 0.250000002 for 0.25, and cut off sets that reach the threshold.
        """
        return score_units(self.scores) / (SCORE_UNIT / GRID)

    @property
    def grid_need(self) -> NDArray[np.float64]:
        """The need in the unit of `grid_scores`, for linear relaxations, shape (T,)."""
        return self.need_units / (SCORE_UNIT / GRID)

    @cached_property
    def _best_units(self) -> NDArray[np.float64]:
        return best_sums(self.scores, self.usable, self.max_experts, SCORE_UNIT)

    @cached_property
    def effective_threshold(self) -> NDArray[np.float64]:
        """Thresholds after the shortfall rule, as scores, shape (T,)."""
        if self.on_shortfall == "infeasible":
            return self.threshold
        return np.where(self.shortfall, self._best_units / SCORE_UNIT, self.threshold)

    @cached_property
    def shortfall(self) -> NDArray[np.bool_]:
        """True for tokens whose best D usable scores stay below the threshold, shape (T,)."""
        return np.asarray(self._wanted_units > self._best_units)

    @property
    def lowered(self) -> tuple[int, ...]:
        """Tokens whose threshold the shortfall rule lowered, in order."""
        if self.on_shortfall != "top_d":
            return ()
        return tuple(np.flatnonzero(self.shortfall).tolist())

    @cached_property
    def sha256(self) -> str:
        """Digest of the content, not of a file; equal data has equal digests in every format."""
        once = () if self.node_cost is None else ("placement", "node_cost")
        return digest(self, ("scores", "cost", "threshold", "usable", *once))

    def selection_problem(self) -> SelectionProblem:
        """Itself, so that a method of the user can ask a round and a bare problem alike."""
        return self

    def infeasibility(self) -> str | None:
        """Why no answer exists, in words, or None if one does."""
        if self.on_shortfall != "infeasible" or not self.shortfall.any():
            return None
        tokens = np.flatnonzero(self.shortfall)
        t = int(tokens[0])
        best = float(self._best_units[t] / SCORE_UNIT)
        listed = ", ".join(map(str, tokens[:10]))
        more = f" and {len(tokens) - 10} more" if len(tokens) > 10 else ""
        return (
            f"token{'s' if len(tokens) > 1 else ''} {listed}{more} cannot reach the threshold "
            f"with {counted(self.max_experts, 'expert')}: "
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
            placement=self.placement,
            node_cost=None if self.node_cost is None else self.node_cost[tokens],
        )

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, checked again."""
        return dataclasses.replace(self, **changes)

    def __repr__(self) -> str:
        size = f"{counted(self.num_tokens, 'token')}, {counted(self.num_experts, 'expert')}"
        return f"<SelectionProblem {self.name or 'unnamed'}: {size}>"

    __reduce__ = validate.reduced


def per_token(field_name: str, value: object, tokens: int, most: float) -> NDArray[np.float64]:
    """One number per token in [0, most], from an array or from one number for all, shape (T,)."""
    number = validate.scalar(value)
    if isinstance(number, int | float):
        value = np.full(tokens, validate.real(field_name, number, positive=False))
    return validate.real_array(field_name, value, (tokens,), most=most)


def thresholds(field_name: str, value: object, tokens: int) -> NDArray[np.float64]:
    """One threshold per token, from an array or from one number for all, shape (T,)."""
    return per_token(field_name, value, tokens, MOST_THRESHOLD)


def check_common(data: SelectionProblem | Instance) -> None:
    """Check the fields that both kinds of data have."""
    put = object.__setattr__
    put(data, "max_experts", validate.whole("max_experts", data.max_experts))
    put(data, "on_shortfall", validate.word("on_shortfall", data.on_shortfall, ON_SHORTFALL))
    put(data, "name", validate.word("name", data.name))
    if not isinstance(data.meta, dict):
        raise validate.fail("meta", data.meta, "an object")
    put(data, "meta", validate.plain("meta", data.meta))


def digest(
    data: SelectionProblem | Instance,
    arrays: tuple[str, ...],
    numbers: tuple[float, ...] = (),
    *more: NDArray[Any],
) -> str:
    """SHA-256 of the content of data: its numbers, and its arrays in bytes, dtype and shape."""
    digest = digest_start(type(data).__name__, data.max_experts, data.on_shortfall, numbers)
    for array in (*(getattr(data, name) for name in arrays), *more):
        digest_head(digest, array.dtype, array.shape)
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def digest_start(
    kind: str, max_experts: int, on_shortfall: str, numbers: tuple[float, ...] = ()
) -> hashlib._Hash:
    """A digest of the numbers of data; the arrays follow, each after its head."""
    text = json.dumps([kind, max_experts, on_shortfall, *map(float.hex, map(float, numbers))])
    return hashlib.sha256(text.encode())


def digest_head(digest: hashlib._Hash, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Add type and shape of an array to a digest."""
    digest.update(repr((dtype.str, shape if math.prod(shape) else 0)).encode())
