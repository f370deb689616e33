"""Whether tokens of a round can be served under some of its rules: P2 without its energies.

Every rule is a row of `RULES`, with words for it and the rows that it adds to an integer program in
alpha[t, j], u[i, n] (the link has a subcarrier) and y[i, n, k] (it has one of kind k)::

    (C1) sum_j g[t, j] alpha[t, j] >= threshold of t
    (C2) sum_j alpha[t, j] <= D
    (C3) sum_in y[i, n, k] <= number of subcarriers of kind k
    (C4) alpha[t, j] <= u[i(t), n(j)],  u[i, n] <= sum_k y[i, n, k]
    (C5) sum_t alpha[t, j] <= capacity of j
    (C7) sum of alpha[t, j] over link i -> n <= sum_k U[i, n, k] y[i, n, k]
         with `send_once`, of omega[t, n] >= alpha[t, j] for every j on n

Subcarriers on which the same links work are of one kind: without energies nothing tells them apart.
Under a deadline every subcarrier is a kind of its own. (C6) forbids nothing. A new rule is a new
row of `RULES`; one that looks at gains has to make finer kinds in `Round`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Set
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.allocation.least_cost import matching
from dmoe_opt.answer.objective import Selection, loads, visits
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.problem import SCORE_TOLERANCE, SCORE_UNIT, score_units
from dmoe_opt.joint.activation import Fewest, fewest_links
from dmoe_opt.joint.highs import Rows, decide
from dmoe_opt.joint.passages import ends, need_link
from dmoe_opt.selection.covers import cover


class Round:
    """What feasibility needs of a round, the same for all of its tokens and rules.

    `works` (N, N, k) tells on which kinds of subcarriers a link works, `sizes` (k,) how many there
    are of each kind, and `kind_of` (M,) the kind of each. `needs` (T,) are in score units, after
    the shortfall rule; they do not change with the rules. `fewest` keeps the links that tokens of a
    node need, by these tokens and whether (C2) holds.
    """

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        nodes = len(instance.link_energy)
        working = np.isfinite(instance.link_energy)
        working[np.arange(nodes), np.arange(nodes)] = False
        flat = working.reshape(nodes * nodes, -1)
        kinds, kind_of, self.sizes = np.unique(
            flat, axis=1, return_inverse=True, return_counts=True
        )
        if instance.air_tokens is not None:
            carriers = np.arange(flat.shape[1])
            kinds, kind_of, self.sizes = flat, carriers, np.ones_like(carriers)
        self.kind_of = kind_of.reshape(-1)  # numpy 2.0.0 gives it two axes
        self.works = kinds.reshape(nodes, nodes, -1)
        self.needs = instance.selection_problem().need_units
        self.fewest: dict[tuple[bytes, bool], Fewest] = {}

    def most(self, rules: Set[str]) -> int:
        """How many experts a token may use under some rules."""
        return self.instance.max_experts if "C2" in rules else self.instance.num_experts

    def part(self, tokens: NDArray[np.int64], rules: Set[str]) -> Instance:
        """Some tokens as a round of their own, with one subcarrier for all that works.

        (C2) is left out by a cap that nothing reaches.
        """
        given = self.instance
        # The threshold that becomes these units again: rounded up, less the tolerance.
        threshold = (self.needs[tokens] - 0.25) / SCORE_UNIT + SCORE_TOLERANCE
        return Instance(
            source=given.source[tokens],
            scores=given.scores[tokens],
            threshold=np.maximum(threshold, 0.0),
            max_experts=self.most(rules),
            compute_energy=np.zeros(given.num_experts),
            link_energy=np.where(self.works.any(axis=2), 1.0, 1e300)[:, :, None],
            on_shortfall="infeasible",
            placement=given.placement,
        )


class Program:
    """The variables of some tokens: alpha of all experts, then u of links, then y of links.

    With `send_once` omega follows, 1 where a token is sent to a node.
    """

    def __init__(self, round_: Round, tokens: NDArray[np.int64], rules: Set[str]) -> None:
        self.round, self.tokens = round_, tokens
        self.most = round_.most(rules)
        instance = round_.instance
        self.source = instance.source[tokens]
        self.experts = instance.num_experts
        sends = np.zeros(instance.num_nodes, dtype=bool)
        sends[self.source] = True
        self.links = np.argwhere(sends[:, None] & round_.works.any(axis=2))
        self.uses = np.argwhere(round_.works[self.links[:, 0], self.links[:, 1]])
        self.first_u = len(tokens) * self.experts
        self.first_y = self.first_u + len(self.links)
        self.first_omega = self.first_y + len(self.uses)
        self.width = self.first_omega + (len(tokens) * instance.num_nodes * instance.send_once)

    @property
    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Token, counted within the part, and expert of every alpha."""
        return np.divmod(np.arange(self.first_u), self.experts)

    def link_numbers(self) -> NDArray[np.int64]:
        """Which of the links leads from node i to node n, -1 for none, shape (N, N)."""
        numbers = np.full(self.round.works.shape[:2], -1)
        numbers[self.links[:, 0], self.links[:, 1]] = np.arange(len(self.links))
        return numbers

    def values(self, selection: Selection, kinds: NDArray[np.int64]) -> NDArray[np.float64]:
        """A selection (t, K) and one kind of subcarrier for each link, -1 for none, as values."""
        value = np.zeros(self.width)
        value[: self.first_u] = selection.ravel()
        value[self.first_u : self.first_y] = kinds >= 0
        value[self.first_y : self.first_omega] = kinds[self.uses[:, 0]] == self.uses[:, 1]
        if self.round.instance.send_once:
            nodes = self.round.works.shape[0]
            visited = visits(selection, self.round.instance.node_of, nodes)
            value[self.first_omega :] = visited.ravel()
        return value

    def passing(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Columns of what passes links, alpha or omega, and the link of each, both (Q,)."""
        instance = self.round.instance
        first = self.first_omega if instance.send_once else 0
        t, c = np.nonzero(need_link(instance)[self.tokens])
        link = self.link_numbers()[self.source[t], ends(instance)[c]]
        columns = first + t * len(ends(instance)) + c
        return columns[link >= 0], link[link >= 0]


def _relevance(program: Program, rows: Rows) -> None:
    given = score_units(program.round.instance.scores[program.tokens])
    t, j = program.pairs
    reached = cover(given, program.round.needs[program.tokens])
    rows.cover(reached, program.most, (t, np.arange(program.first_u), reached.units[t, j]))


def _cap(program: Program, rows: Rows) -> None:
    t, _ = program.pairs
    most = program.round.instance.max_experts
    rows.add(len(program.tokens), -np.inf, most, (t, np.arange(len(t)), 1.0))


def _exclusive(program: Program, rows: Rows) -> None:
    columns = program.first_y + np.arange(len(program.uses))
    sizes = program.round.sizes
    rows.add(len(sizes), -np.inf, sizes, (program.uses[:, 1], columns, 1.0))


def _carried(program: Program, rows: Rows) -> None:
    instance = program.round.instance
    away = np.flatnonzero(instance.away[program.tokens])
    t, j = (index[away] for index in program.pairs)
    link = program.link_numbers()[program.source[t], instance.node_of[j]]
    step, linked = np.arange(len(away)), np.flatnonzero(link >= 0)
    served = (linked, program.first_u + link[linked], -1.0)  # without a link alpha stays 0
    rows.add(len(away), -np.inf, 0.0, (step, away, 1.0), served)
    links, uses = np.arange(len(program.links)), np.arange(len(program.uses))
    carriers = (program.uses[:, 0], program.first_y + uses, -1.0)
    u = (links, program.first_u + links, 1.0)
    rows.add(len(links), -np.inf, 0.0, u, carriers)


def _within_capacity(program: Program, rows: Rows) -> None:
    capacity = program.round.instance.capacity
    assert capacity is not None
    _, j = program.pairs
    rows.add(len(capacity), -np.inf, capacity, (j, np.arange(len(j)), 1.0))


def _in_time(program: Program, rows: Rows) -> None:
    instance = program.round.instance
    assert instance.air_tokens is not None
    passing, link = program.passing()
    if instance.send_once:  # alpha <= omega
        away = np.flatnonzero(instance.away[program.tokens])
        t, j = (index[away] for index in program.pairs)
        sent = program.first_omega + t * instance.num_nodes + instance.node_of[j]
        step = np.arange(len(away))
        rows.add(len(away), -np.inf, 0.0, (step, away, 1.0), (step, sent, -1.0))
    i, n = program.links[program.uses[:, 0]].T
    columns = program.first_y + np.arange(len(program.uses))
    room = np.minimum(instance.air_tokens[i, n, program.uses[:, 1]], program.first_u)
    carried = (program.uses[:, 0], columns, -room.astype(float))
    rows.add(len(program.links), -np.inf, 0.0, (link, passing, 1.0), carried)


class Rule(NamedTuple):
    """A rule in words, and the rows that it adds to a program."""

    says: str
    add: Callable[[Program, Rows], None]


RULES = {
    "C1": Rule("every token reaches its threshold", _relevance),
    "C2": Rule("a token uses at most D experts", _cap),
    "C3": Rule("a subcarrier serves at most one link", _exclusive),
    "C4": Rule("a link that carries tokens has a subcarrier that works", _carried),
    "C5": Rule("an expert serves at most as many tokens as its capacity", _within_capacity),
    "C7": Rule("a subcarrier sends no more tokens than it can before the deadline", _in_time),
}
"""The rules of a round by their name in the checker."""


def rules_of(instance: Instance) -> list[str]:
    """Names of the rules that a round has."""
    absent = {"C5": instance.capacity is None, "C7": instance.air_tokens is None}
    return [name for name in RULES if not absent.get(name, False)]


def can_be_served(
    round_: Round, tokens: NDArray[np.int64], rules: Set[str], deadline: float
) -> bool | None:
    """Whether the tokens have an answer under the rules alone; None if the deadline came first.

    A "no" is proven, by the number of links that nodes need or by HiGHS. A "yes" is an answer that
    keeps every row of the rules exactly.
    """
    if not len(tokens):
        return True
    fewest = None
    if {"C1", "C3", "C4"} <= rules:
        fewest = _fewest(round_, tokens, rules, deadline)
        if fewest is None:
            return None
        if fewest.needed.sum() > round_.sizes.sum():
            return False
    program = Program(round_, tokens, rules)
    rows = Rows(program.width)
    for name in rules:
        RULES[name].add(program, rows)
    if fewest and _keeps(rows, _over(program, round_.part(tokens, rules), fewest)):
        return True
    return _decided(rows, deadline - time.monotonic())


def cannot_be_served(instance: Instance, time_limit: float) -> bool:
    """Whether it is proven within seconds that a round has no answer; its energies play no part."""
    if instance.drop_price is not None:
        return False
    tokens, rules = np.arange(instance.num_tokens), set(rules_of(instance))
    return can_be_served(Round(instance), tokens, rules, time.monotonic() + time_limit) is False


def _fewest(
    round_: Round, tokens: NDArray[np.int64], rules: Set[str], deadline: float
) -> Fewest | None:
    """The links that the nodes of some tokens need; None if the deadline came first.

    Nodes are independent, and a search asks for the same tokens of a node again and again. It ends
    as soon as the links are too many.
    """
    nodes = round_.instance.num_nodes
    total = Fewest(np.zeros(nodes, dtype=np.int64), np.zeros((nodes, nodes), dtype=bool))
    source = round_.instance.source[tokens]
    for i in np.unique(source):
        own = tokens[source == i]
        key = own.tobytes(), "C2" in rules
        if key not in round_.fewest:
            if time.monotonic() > deadline:
                return None
            round_.fewest[key] = fewest_links(round_.part(own, rules))
        needed, open_links = round_.fewest[key]
        total = Fewest(total.needed + needed, total.open_links | open_links)
        if total.needed.sum() > round_.sizes.sum():
            break
    return total


def _over(program: Program, part: Instance, fewest: Fewest) -> NDArray[np.float64]:
    """An attempt: every token's best experts over the open links, which are matched."""
    reached = part.to_experts(fewest.open_links) | ~part.away
    usable = part.selection_problem().usable & reached
    units = np.where(usable, score_units(part.scores), -1.0)
    order = np.argsort(-units, axis=1, kind="stable")[:, : part.max_experts]
    selection = np.zeros(usable.shape, dtype=bool)
    np.put_along_axis(selection, order, True, axis=1)
    selection &= usable
    load = loads(part, selection)
    active = np.flatnonzero(load[program.links[:, 0], program.links[:, 1]])
    i, j = program.links[active].T
    partner = matching(program.round.works[i, j][:, program.round.kind_of])
    kinds = np.full(len(program.links), -1)
    kinds[active] = np.where(partner >= 0, program.round.kind_of[partner], -1)
    return program.values(selection, kinds)


def _keeps(rows: Rows, value: NDArray[np.float64]) -> bool:
    """Whether whole values keep every row; sums of whole units are exact."""
    for matrix, lower, upper in zip(rows.blocks, rows.lower, rows.upper, strict=True):
        total = matrix @ value
        if (total < lower).any() or (total > upper).any():
            return False
    return not any((cover.units @ value < cover.sums).any() for cover in rows.covers)


def _decided(rows: Rows, time_limit: float) -> bool | None:
    """What HiGHS says of the program with costs of 0."""
    if not rows.blocks:
        return True
    if time_limit <= 0:
        return None
    zero, one = np.zeros(rows.width), np.ones(rows.width)
    outcome = decide(rows, zero, zero, one, rows.width, time_limit=time_limit)
    if outcome.infeasible:
        return False
    return True if outcome.value is not None and _keeps(rows, np.rint(outcome.value)) else None
