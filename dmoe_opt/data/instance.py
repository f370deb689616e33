"""A round of a distributed mixture of experts.

It is frozen, checked once when it is made, and keeps its arrays read-only.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data import validate
from dmoe_opt.data.problem import (
    MOST_ENERGY_J,
    SelectionProblem,
    check_common,
    digest,
    per_token,
    thresholds,
)
from dmoe_opt.data.radio import DEAD_LINK_J, Radio
from dmoe_opt.data.rules import OPTIONAL_RULES
from dmoe_opt.data.words import counted
from dmoe_opt.errors import InputError

MOST_CAPACITY = 10**6
"""Tokens; as good as no limit."""


@dataclass(frozen=True, eq=False)
class Instance:
    """One round: tokens with gate scores on N nodes, K experts on these nodes, and their radio.

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
        J per token of link i -> n on subcarrier m, shape (N, N, M), diagonal ignored. With `radio`
        it is computed: inf marks a link that cannot be used.
    placement
        Node of expert j, shape (K,); None where expert j lives on node j, and then N = K. An expert
        on the token's own node needs no link.
    drop_price
        What it costs to drop token t, which then uses no expert, J, shape (T,) or one number for
        all; None if no token may be dropped.
    capacity
        Tokens that expert j serves at most in a round, whole numbers, shape (K,); None for any
        number.
    wake_energy
        Energy paid once if expert j serves any token, own ones too, J, shape (K,); None for none.
    air_deadline_s
        Time by which every subcarrier must have sent its tokens, s; needs a `radio`. None for no
        deadline.
    send_once
        With a `placement`: a token is sent once to a node, however many of its experts it uses
        there. Otherwise it is sent for each expert.

    Raises
    ------
    InputError
        One line naming field, index, value and what is allowed.

    Examples
    --------
    Token 0 goes from node 0 to expert 1 for 1 + 0.25 J, token 1 stays at its own expert for 0.25 J:

    >>> from dmoe_opt import Instance, solve
    >>> round_ = Instance(
    ...     source=[0, 1],
    ...     scores=[[0.25, 0.75], [0.25, 0.75]],
    ...     threshold=0.5,
    ...     max_experts=1,
    ...     compute_energy=[0.5, 0.25],
    ...     link_energy=[[[0.0, 0.0], [1.0, 2.0]], [[3.0, 4.0], [0.0, 0.0]]],
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
    placement: NDArray[np.int64] | None = None
    drop_price: NDArray[np.float64] | None = None
    capacity: NDArray[np.int64] | None = None
    wake_energy: NDArray[np.float64] | None = None
    air_deadline_s: float | None = None
    send_once: bool = False

    def __post_init__(self) -> None:
        put = object.__setattr__
        energy = self.compute_energy
        energy = validate.real_array("compute_energy", energy, (None,), most=MOST_ENERGY_J)
        put(self, "compute_energy", energy)
        experts = self.num_experts
        if not experts:
            raise InputError("compute_energy is empty; allowed: at least one expert")
        nodes = experts
        if self.placement is not None:  # then only the links say how many nodes there are
            put(self, "link_energy", self._links(None))
            nodes = self.num_nodes
            placed = validate.whole_array("placement", self.placement, (experts,), nodes)
            put(self, "placement", placed)
        put(self, "source", validate.whole_array("tokens.source", self.source, (None,), nodes))
        shape = (self.num_tokens, experts)
        put(self, "scores", validate.real_array("tokens.scores", self.scores, shape, most=1.0))
        put(self, "threshold", thresholds("tokens.threshold", self.threshold, self.num_tokens))
        if self.placement is None:
            put(self, "link_energy", self._links(experts))
        self._check_rules()
        check_common(self)

    def _check_rules(self) -> None:
        """Check the optional fields that are given."""
        put, experts = object.__setattr__, (self.num_experts,)
        if self.drop_price is not None:
            price = per_token("drop_price", self.drop_price, self.num_tokens, MOST_ENERGY_J)
            put(self, "drop_price", price)
        if self.capacity is not None:
            most = MOST_CAPACITY + 1
            put(self, "capacity", validate.whole_array("capacity", self.capacity, experts, most))
        if self.wake_energy is not None:
            wake = validate.real_array("wake_energy", self.wake_energy, experts, MOST_ENERGY_J)
            put(self, "wake_energy", wake)
        if self.air_deadline_s is not None:
            deadline_s = validate.real("air_deadline_s", self.air_deadline_s, positive=False)
            if self.radio is None:
                given = f"air_deadline_s = {deadline_s:g} is given without radio"
                raise InputError(f"{given}; allowed: both, or link_energy without a deadline")
            put(self, "air_deadline_s", deadline_s)
        put(
            self,
            "send_once",
            validate.flag("send_once", False if self.send_once is None else self.send_once),
        )
        if self.send_once and self.placement is None:
            raise InputError("send_once is given without placement; allowed: both, or none")

    def _links(self, nodes: int | None) -> NDArray[np.float64]:
        """Energies of the links, from the radio or as given."""
        if (self.radio is None) == (self.link_energy is None):
            either = "an instance has either radio or link_energy"
            raise InputError(f"{either}; allowed: exactly one of them")
        energy = self._given_links(nodes) if self.radio is None else self._radio_links(nodes)
        if not energy.shape[2]:
            raise InputError("the links have no subcarrier; allowed: at least one")
        energy.flags.writeable = False
        return energy

    def _given_links(self, nodes: int | None) -> NDArray[np.float64]:
        shape = (nodes, nodes, None)
        energy = validate.real_array("link_energy", self.link_energy, shape).copy()
        if energy.shape[0] != energy.shape[1]:
            raise InputError(f"link_energy has shape {energy.shape}; allowed: N x N x M")
        energy[energy > DEAD_LINK_J] = np.inf
        own = np.arange(len(energy))
        energy[own, own, :] = 0.0
        return energy

    def _radio_links(self, nodes: int | None) -> NDArray[np.float64]:
        if not isinstance(self.radio, Radio):
            raise validate.fail("radio", self.radio, "a Radio")
        shape = self.radio.gains.shape
        if nodes not in (None, shape[0]):
            allowed = f"{nodes} x {nodes} x M"
            raise InputError(f"radio.gains has shape {shape}; allowed: {allowed}")
        return self.radio.link_energy_j()

    @property
    def num_tokens(self) -> int:
        """Number of tokens T."""
        return int(self.source.shape[0])

    @property
    def num_experts(self) -> int:
        """Number of experts K."""
        return int(self.compute_energy.shape[0])

    @property
    def num_nodes(self) -> int:
        """Number of nodes N; K without a placement."""
        return int(self.link_energy.shape[0])

    @property
    def num_subcarriers(self) -> int:
        """Number of subcarriers M."""
        return int(self.link_energy.shape[2])

    @property
    def optional_rules(self) -> tuple[str, ...]:
        """Names of the optional fields that this round has, in the order of `OPTIONAL_RULES`."""
        absent = (None, False)
        return tuple(
            name for name in OPTIONAL_RULES if not any(getattr(self, name) is no for no in absent)
        )

    @cached_property
    def air_tokens(self) -> NDArray[np.int64] | None:
        """Tokens U that every subcarrier of a link can send before the deadline, (N, N, M).

        None without a deadline.
        """
        if self.radio is None or self.air_deadline_s is None:
            return None
        return np.where(
            np.isfinite(self.link_energy), self.radio.tokens_within(self.air_deadline_s), 0
        )

    @cached_property
    def best_link_energy(self) -> NDArray[np.float64]:
        """J per token of every link on its best subcarrier, inf without one, shape (N, N)."""
        return np.asarray(self.link_energy.min(axis=2))

    @cached_property
    def node_of(self) -> NDArray[np.int64]:
        """Node of every expert, shape (K,)."""
        return np.arange(self.num_experts) if self.placement is None else self.placement

    @cached_property
    def away(self) -> NDArray[np.bool_]:
        """True where a token needs a link to reach an expert, shape (T, K)."""
        return np.asarray(self.source[:, None] != self.node_of)

    def to_experts(self, of_links: NDArray[Any]) -> NDArray[Any]:
        """Values of the links (N, N) as tokens meet them on the way to experts, shape (T, K)."""
        if self.placement is None:
            return np.asarray(of_links[self.source])
        return np.asarray(of_links[self.source[:, None], self.placement])

    def infeasibility(self) -> str | None:
        """Why some token can never be served, in words; None if each can be, or be dropped."""
        return None if self.drop_price is not None else self._p1.infeasibility()

    def selection_problem(self) -> SelectionProblem:
        """P1 with every link on its best subcarrier, made once.

        The price of expert j for token t is e[t, j] = a[j] + min over m of c[i(t), n(j), m]. With
        `send_once` it is a[j], and the link is the `node_cost` of the problem.
        """
        return self._p1

    @cached_property
    def _p1(self) -> SelectionProblem:
        link = self.to_experts(self.best_link_energy)
        usable = np.isfinite(link)
        price = self.compute_energy + (0.0 if self.send_once else link)
        once: dict[str, Any] = {}
        if self.send_once:
            to_nodes = self.best_link_energy[self.source]
            node_cost = np.where(np.isfinite(to_nodes), to_nodes, 0.0)
            once = {"placement": self.placement, "node_cost": node_cost}
        return SelectionProblem(
            scores=self.scores,
            cost=np.where(usable, price, 0.0),
            threshold=self.threshold,
            max_experts=self.max_experts,
            on_shortfall=self.on_shortfall,
            usable=usable,
            name=self.name,
            meta=self.meta,
            **once,
        )

    @cached_property
    def sha256(self) -> str:
        """Digest of the content, not of a file; equal data has equal digests in every format."""
        placed: list[NDArray[Any]] = [] if self.placement is None else [self.placement]
        for name in self.optional_rules:  # its name too: fields of the same shape must differ
            placed += [np.frombuffer(name.encode(), np.uint8), np.asarray(getattr(self, name))]
        arrays = ("source", "scores", "threshold", "compute_energy")
        if self.radio is None:
            return digest(self, (*arrays, "link_energy"), (), *placed)
        radio = self.radio
        numbers = (
            radio.bandwidth_hz,
            radio.power_w,
            radio.noise_w,
            radio.payload_bits,
            radio.round_trip,
        )
        return digest(self, arrays, numbers, radio.gains, *placed)

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, checked again.

        A new radio replaces the link energies, and the reverse.
        """
        if "link_energy" in changes:
            changes.setdefault("radio", None)
        elif "radio" in changes:
            changes["link_energy"] = None
        return type(self)(**(self._given() | changes))

    def _given(self) -> dict[str, Any]:
        """The fields that make this round again."""
        given = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        if self.radio is not None:
            given["link_energy"] = None
        else:  # dead links are inf inside
            given["link_energy"] = np.minimum(self.link_energy, 10 * DEAD_LINK_J)
        return given

    def __reduce__(self) -> tuple[Any, ...]:
        return validate.rebuild, (type(self), self._given())

    def __repr__(self) -> str:
        size = f"{counted(self.num_tokens, 'token')}, {counted(self.num_experts, 'expert')}"
        size += "" if self.placement is None else f" on {counted(self.num_nodes, 'node')}"
        size += f", {counted(self.num_subcarriers, 'subcarrier')}"
        size += "".join(f", {name}" for name in self.optional_rules)
        return f"<Instance {self.name or 'unnamed'}: {size}>"


def as_problem(data: Instance | SelectionProblem) -> SelectionProblem:
    """P1 of a round (every link on its best subcarrier), or the problem itself."""
    return data.selection_problem()


def problem_of(data: Instance | SelectionProblem) -> str:
    """Name of the problem that an answer to this data is about, unless another is named."""
    return "selection" if isinstance(data, SelectionProblem) else "jesa"


def require_plain(data: Instance | SelectionProblem, what: str) -> None:
    """Raise `InputError` if a round has optional rules, which `what` does not cover."""
    given = data.optional_rules
    if given:
        raise InputError(f"{what} does not cover {given[0]}; allowed: a round without it")
