"""A round of a distributed mixture of experts: tokens, nodes and the radio between them.

Like a bare selection problem it is frozen, checked once when it is made, and keeps its arrays
read-only.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data import validate
from dmoe_opt.data.problem import MOST_ENERGY_J, SelectionProblem, check_common, digest, thresholds
from dmoe_opt.data.radio import DEAD_LINK_J, Radio
from dmoe_opt.errors import InputError


@dataclass(frozen=True, eq=False)
class Instance:
    """One round: tokens with gate scores on K nodes, one expert per node, linked by radio.

    Parameters
    ----------
    source
        Node that owns token t, a whole number in 0..K-1, shape (T,).
    scores, threshold, max_experts, on_shortfall, name, meta
        As in `SelectionProblem`.
    compute_energy
        Energy of expert j for one token, J, shape (K,).
    radio
        The links as channel gains; or None, and then
    link_energy
        J per token of link i -> j on subcarrier m, shape (K, K, M), diagonal ignored. With `radio`
        it is computed: inf marks a link that cannot be used.

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

    def __post_init__(self) -> None:
        put = object.__setattr__
        energy = validate.real_array(
            "compute_energy", self.compute_energy, (None,), most=MOST_ENERGY_J
        )
        put(self, "compute_energy", energy)
        experts = self.num_experts
        if not experts:
            raise InputError("compute_energy is empty; allowed: at least one expert")
        put(self, "source", validate.whole_array("tokens.source", self.source, (None,), experts))
        shape = (self.num_tokens, experts)
        put(self, "scores", validate.real_array("tokens.scores", self.scores, shape, most=1.0))
        put(self, "threshold", thresholds("tokens.threshold", self.threshold, self.num_tokens))
        put(self, "link_energy", self._links(experts))
        check_common(self)

    def _links(self, experts: int) -> NDArray[np.float64]:
        if (self.radio is None) == (self.link_energy is None):
            raise InputError(
                "an instance has either radio or link_energy; allowed: exactly one of them"
            )
        if self.radio is not None and not isinstance(self.radio, Radio):
            raise validate.fail("radio", self.radio, "a Radio")
        energy = self._given_links(experts) if self.radio is None else self._radio_links(experts)
        if not energy.shape[2]:
            raise InputError("the links have no subcarrier; allowed: at least one")
        energy.flags.writeable = False
        return energy

    def _given_links(self, experts: int) -> NDArray[np.float64]:
        shape = (experts, experts, None)
        energy = validate.real_array("link_energy", self.link_energy, shape).copy()
        energy[energy > DEAD_LINK_J] = np.inf
        nodes = np.arange(experts)
        energy[nodes, nodes, :] = 0.0
        return energy

    def _radio_links(self, experts: int) -> NDArray[np.float64]:
        assert self.radio is not None
        shape = self.radio.gains.shape
        if shape[0] != experts:
            raise InputError(f"radio.gains has shape {shape}; allowed: {experts} x {experts} x M")
        return self.radio.link_energy_j()

    @property
    def num_tokens(self) -> int:
        """Number of tokens T."""
        return int(self.source.shape[0])

    @property
    def num_experts(self) -> int:
        """Number of experts K, which is also the number of nodes."""
        return int(self.compute_energy.shape[0])

    @property
    def num_subcarriers(self) -> int:
        """Number of subcarriers M."""
        return int(self.link_energy.shape[2])

    @cached_property
    def best_link_energy(self) -> NDArray[np.float64]:
        """Energy of every link on its best subcarrier, J per token, shape (K, K).

        It is inf for a link that cannot be used.
        """
        return np.asarray(self.link_energy.min(axis=2))

    def selection_problem(self) -> SelectionProblem:
        """Problem P1 with every link on its best subcarrier; made once.

        Its costs are e[t, j] = a[j] + min over m of c[i(t), j, m], J.
        """
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
            return digest(self, ("source", "scores", "threshold", "compute_energy", "link_energy"))
        radio = self.radio
        numbers = (
            radio.bandwidth_hz,
            radio.power_w,
            radio.noise_w,
            radio.payload_bits,
            radio.round_trip,
        )
        return digest(
            self, ("source", "scores", "threshold", "compute_energy"), numbers, radio.gains
        )

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, checked again.

        A new radio replaces the link energies, and new link energies replace the radio.
        """
        if "link_energy" in changes:
            changes.setdefault("radio", None)
        elif self.radio is not None or "radio" in changes:
            changes["link_energy"] = None
        else:
            # Inside, dead links have infinite energy, which is no valid input.
            changes["link_energy"] = np.minimum(self.link_energy, 10 * DEAD_LINK_J)
        return dataclasses.replace(self, **changes)

    def __repr__(self) -> str:
        nodes = f"{self.num_tokens} tokens, {self.num_experts} experts"
        name = self.name or "unnamed"
        return f"<Instance {name}: {nodes}, {self.num_subcarriers} subcarriers>"


def as_problem(data: Instance | SelectionProblem) -> SelectionProblem:
    """P1 of a round (every link on its best subcarrier), or the problem itself."""
    return data if isinstance(data, SelectionProblem) else data.selection_problem()


def problem_of(data: Instance | SelectionProblem) -> str:
    """Name of the problem that an answer to this data is about, unless another is named."""
    return "selection" if isinstance(data, SelectionProblem) else "jesa"
