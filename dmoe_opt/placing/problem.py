"""The placement problem: K experts, each on one of N nodes with limited memory.

::

    min  sum_jn linear[j, n] x[j, n] + sum_tn setup[t, n] omega[t, n]
         sum_n x[j, n] = 1                     every expert is on a node
         sum_j size[j] x[j, n] <= memory[n]    and fits
         omega[t, n] >= x[j, n]                token t goes to node n if one of its experts is there
         x binary

See docs/problems/placement.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.objective import Selection
from dmoe_opt.data import validate
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.problem import MOST_ENERGY_J, SelectionProblem
from dmoe_opt.errors import InputError

Placement = NDArray[np.int64]
"""Node of every expert, shape (K,)."""
Copies = NDArray[np.bool_]
"""Experts and the nodes that hold one of their copies, shape (K, N)."""
MOST_SIZE = 1e15
ROOM_TOLERANCE = 1e-9
"""Relative: sizes that add up to the memory fill it, whatever their sum is rounded to."""


class Placed(NamedTuple):
    """A placement (K,), its energy and a proven lower bound in J; None for what is unknown.

    `chosen` (T, K) are the experts of the tokens where they were chosen with the placement.
    """

    placement: Placement | None
    energy_j: float | None
    bound_j: float | None
    chosen: Selection | None = None


@dataclass(frozen=True, eq=False)
class PlacementProblem:
    """Tokens whose experts are chosen, and the nodes on which experts can be put.

    Parameters
    ----------
    chosen
        True where token t uses expert j, shape (T, K).
    price
        Energy of sending a hidden state of token t to node n, J, shape (T, N); 0 on its own node.
    work
        Energy of expert j for token t, J, shape (T, K), or (K,) if it is the same for all tokens.
    memory
        What a node can hold, in the unit of `size`, shape (N,).
    size
        Size of every expert, > 0, shape (K,), or one number for all.
    factor
        Energy of computing on a node, relative to `work`, shape (N,); by default 1.
    send_once
        True if a hidden state goes once to a node, however many of its experts are there; False if
        it goes once for each expert.

    Raises
    ------
    InputError
        One line naming field, index, value and what is allowed; also if the memory of all nodes is
        less than the sizes of all experts, or an expert fits on no node.

    Examples
    --------
    Both tokens use both experts. On one node these are reached by one transmission:

    >>> from dmoe_opt.placing.problem import PlacementProblem
    >>> problem = PlacementProblem(
    ...     chosen=[[True, True], [True, True]],
    ...     price=[[0.0, 2.0], [0.0, 2.0]],
    ...     work=[0.5, 0.5],
    ...     memory=[1, 2],
    ... )
    >>> problem.energy_j([1, 1]), problem.energy_j([0, 1])
    (6.0, 6.0)
    >>> problem.replace(memory=[2, 2]).energy_j([0, 0])
    2.0
    """

    chosen: Selection
    price: NDArray[np.float64]
    work: NDArray[np.float64]
    memory: NDArray[np.float64]
    size: NDArray[np.float64] = 1.0  # type: ignore[assignment]  # becomes an array
    factor: NDArray[np.float64] = None  # type: ignore[assignment]  # None stands for all 1
    send_once: bool = True
    __reduce__ = validate.reduced

    def __post_init__(self) -> None:
        put = object.__setattr__
        chosen = np.asarray(self.chosen)
        if chosen.ndim != 2 or not chosen.shape[1]:
            have = " x ".join(map(str, chosen.shape)) or "a single value"
            raise InputError(f"chosen has shape {have}; allowed: tokens x experts")
        tokens, experts = chosen.shape
        put(self, "chosen", validate.flags("chosen", chosen, (tokens, experts)))
        price = validate.real_array("price", self.price, (tokens, None), most=MOST_ENERGY_J)
        put(self, "price", price)
        nodes = price.shape[1]
        if np.ndim(self.work) == 1:
            put(self, "work", np.broadcast_to(self.work, (tokens, np.size(self.work))))
        shape = (tokens, experts)
        put(self, "work", validate.real_array("work", self.work, shape, most=MOST_ENERGY_J))
        put(self, "factor", self._numbers("factor", 1.0, nodes, MOST_SIZE))
        put(self, "memory", self._numbers("memory", 0.0, nodes, MOST_SIZE))
        put(self, "size", self._numbers("size", 1.0, experts, MOST_SIZE))
        put(self, "send_once", validate.flag("send_once", self.send_once))
        self._check_room()

    def _numbers(self, field: str, absent: float, length: int, most: float) -> Any:
        value = validate.scalar(getattr(self, field))
        if value is None or isinstance(value, int | float):
            value = np.full(length, absent if value is None else float(value))
        return validate.real_array(field, value, (length,), most=most)

    def _check_room(self) -> None:
        """Refuse experts that cannot fit, as far as sums say; `assigning.assign` says the rest."""
        if (self.size <= 0).any():
            j = int(np.argmin(self.size))
            raise validate.fail(f"size[{j}]", float(self.size[j]), "a number > 0")
        room, needed = self.memory.sum(), self.size.sum()
        if needed > room * (1 + ROOM_TOLERANCE):
            raise InputError(
                f"the experts do not fit: they need {needed:g} and the nodes hold {room:g}; "
                "allowed: at least as much memory as experts need"
            )
        j = int(np.argmax(self.size))
        if self.size[j] > self.memory.max() * (1 + ROOM_TOLERANCE):
            raise InputError(
                f"size[{j}] = {self.size[j]:g}: expert {j} fits on no node; "
                f"allowed: at most {self.memory.max():g}"
            )

    @property
    def num_tokens(self) -> int:
        """Number of tokens T."""
        return int(self.chosen.shape[0])

    @property
    def num_experts(self) -> int:
        """Number of experts K."""
        return int(self.chosen.shape[1])

    @property
    def num_nodes(self) -> int:
        """Number of nodes N."""
        return int(self.price.shape[1])

    @cached_property
    def room(self) -> NDArray[np.float64]:
        """The memory with room for rounding, shape (N,)."""
        return np.asarray(self.memory * (1 + ROOM_TOLERANCE))

    @cached_property
    def linear(self) -> NDArray[np.float64]:
        """Energy that expert j causes on node n by itself, J, shape (K, N).

        It is that of computing, and where hidden states are sent for each expert, of sending too.
        """
        computing = np.where(self.chosen, self.work, 0.0).sum(axis=0)[:, None] * self.factor
        return np.asarray(computing if self.send_once else computing + self.visits_j)

    @cached_property
    def visits_j(self) -> NDArray[np.float64]:
        """Energy of sending the tokens of expert j to node n, each by itself, J, shape (K, N)."""
        return np.asarray(self.chosen.T.astype(np.float64) @ self.price)

    @cached_property
    def sets(self) -> tuple[Selection, NDArray[np.float64]]:
        """The different sets of experts (S, K), and the setup energy of their tokens, J, (S, N).

        Tokens with the same experts go to the same nodes, so they count together.
        """
        if not self.send_once:
            return np.zeros((0, self.num_experts), dtype=bool), np.zeros((0, self.num_nodes))
        chosen = self.chosen[self.chosen.any(axis=1)]
        price = self.price[self.chosen.any(axis=1)]
        sets, number = np.unique(chosen, axis=0, return_inverse=True)
        setup = np.zeros((len(sets), self.num_nodes))
        np.add.at(setup, number.ravel(), price)
        return sets, setup

    def energy_j(self, placement: Placement | Sequence[int]) -> float:
        """Energy of all tokens, J.

        Raises
        ------
        InputError
            If the placement names no node, or a node holds more than its memory.
        """
        placed = self.check(placement)
        sets, setup = self.sets
        there = np.zeros((self.num_experts, self.num_nodes))
        there[np.arange(self.num_experts), placed] = 1.0
        visited = sets.astype(np.float64) @ there > 0.5
        return float((self.linear * there).sum() + setup[visited].sum())

    def selection_problem(self, placement: Placement) -> SelectionProblem:
        """The costs of experts and nodes under a placement, for the evaluator; no thresholds."""
        cost = self.work * self.factor[placement]
        once: dict[str, Any] = {}
        if self.send_once:
            once = {"placement": placement, "node_cost": self.price}
        return SelectionProblem(
            scores=np.zeros(cost.shape),
            cost=cost if self.send_once else cost + self.price[:, placement],
            threshold=np.zeros(self.num_tokens),
            max_experts=self.num_experts,
            **once,
        )

    def check(self, placement: Placement | Sequence[int]) -> Placement:
        """The placement as an array; raises `InputError` as `energy_j` does."""
        placed = validate.whole_array("placement", placement, (self.num_experts,), self.num_nodes)
        self.check_held(np.bincount(placed, self.size, self.num_nodes))
        return placed

    def check_held(self, held: NDArray[Any]) -> None:
        """Raise `InputError` if a node holds more than its memory; `held` has shape (N,)."""
        over = np.flatnonzero(held > self.room)
        if len(over):
            n = int(over[0])
            most = f"at most {self.memory[n]:g}"
            raise InputError(f"placement puts {held[n]:g} on node {n}; allowed: {most}, its memory")

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, checked again."""
        return dataclasses.replace(self, **changes)

    def __repr__(self) -> str:
        size = f"{self.num_tokens} tokens, {self.num_experts} experts, {self.num_nodes} nodes"
        return f"<PlacementProblem: {size}>"


def even_memory(experts: int, nodes: int, replicas: int = 1) -> NDArray[np.float64]:
    """Memory of nodes that share the experts evenly, in experts, shape (N,)."""
    return np.full(nodes, float(-(-experts * replicas // nodes)))


def problem_of(
    rounds: Sequence[Instance],
    selections: Sequence[Selection],
    *,
    memory: NDArray[np.float64] | Sequence[float] | None = None,
    size: NDArray[np.float64] | Sequence[float] | float = 1.0,
    factor: NDArray[np.float64] | Sequence[float] | None = None,
    send_once: bool = True,
) -> PlacementProblem:
    """The placement problem of the tokens of rounds with the same experts and nodes.

    A hidden state is sent over the best subcarrier of its link in its round: no link takes a
    subcarrier from another. `selections` (T, K) are the experts of the tokens of each round;
    `memory` is by default an even share of the experts. Placements of the rounds do not count.

    Raises
    ------
    InputError
        As `PlacementProblem`; also if there is no round, rounds differ in experts or nodes, or a
        link is dead.
    """
    check_rounds(rounds)
    experts, nodes = rounds[0].num_experts, rounds[0].num_nodes
    price = [round_.best_link_energy[round_.source] for round_ in rounds]
    work = [
        np.broadcast_to(round_.compute_energy, (round_.num_tokens, experts)) for round_ in rounds
    ]
    return PlacementProblem(
        chosen=np.concatenate(list(selections)),
        price=np.concatenate(price),
        work=np.concatenate(work),
        memory=even_memory(experts, nodes) if memory is None else np.asarray(memory),
        size=size,  # type: ignore[arg-type]
        factor=factor,  # type: ignore[arg-type]
        send_once=send_once,
    )


def check_rounds(rounds: Sequence[Instance]) -> None:
    """Raise `InputError` unless one placement can be made for all rounds."""
    if not rounds:
        raise InputError("rounds is empty; allowed: at least one round")
    first = rounds[0]
    for round_ in rounds:
        if (round_.num_experts, round_.num_nodes) != (first.num_experts, first.num_nodes):
            raise InputError(
                f"{round_.name} has {round_.num_experts} experts and {round_.num_nodes} nodes; "
                f"allowed: {first.num_experts} and {first.num_nodes}, as {first.name} has"
            )
        dead = np.argwhere(~np.isfinite(round_.best_link_energy))
        if len(dead):
            i, n = dead[0].tolist()
            raise InputError(f"{round_.name}: link {i} -> {n} is dead; allowed: links that work")
