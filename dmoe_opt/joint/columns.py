"""The variables of the program of a round (`program`)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.objective import Selection
from dmoe_opt.data.instance import Instance
from dmoe_opt.joint import passages
from dmoe_opt.joint.choices import Choices
from dmoe_opt.joint.open_part import Open


class Columns(NamedTuple):
    """The variables: alpha, d, w, u, y, omega, f, z, in this order."""

    pairs: NDArray[np.int64]  # (P, 2) token and expert
    drops: NDArray[np.int64]  # (R,) token
    wakes: NDArray[np.int64]  # (W,) expert
    links: NDArray[np.int64]  # (L, 2)
    uses: NDArray[np.int64]  # (S, 2) link and subcarrier
    sent: NDArray[np.int64]  # (O, 2) token and node, with `send_once`
    choices: Choices  # (S,) sets, of experts of a token, where they are listed

    @property
    def starts(self) -> tuple[int, ...]:
        """First columns of d, w, u, y, omega, f and z, and the number of columns."""
        sizes = [len(part) for part in (*self[:6], self.uses, self.choices.token)]
        return tuple(np.cumsum(sizes).tolist())

    def passing(self, instance: Instance) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Columns of what passes links, alpha or omega, and the link of each, both (Q,)."""
        number = np.full((instance.num_nodes, instance.num_nodes), -1)
        number[self.links[:, 0], self.links[:, 1]] = np.arange(len(self.links))
        if instance.send_once:
            t, n = self.sent.T
            return self.starts[4] + np.arange(len(t)), number[instance.source[t], n]
        t, j = self.pairs.T
        away = np.flatnonzero(instance.away[t, j])
        return away, number[instance.source[t[away]], instance.node_of[j[away]]]

    def most_on(self, instance: Instance) -> NDArray[np.float64]:
        """Tokens that every use can carry: all of its link, and U under a deadline, (S,)."""
        carried = np.bincount(self.passing(instance)[1], minlength=len(self.links))
        link, m = self.uses.T
        if instance.air_tokens is None:
            return np.asarray(carried[link], dtype=float)
        i, n = self.links[link].T
        return np.asarray(np.minimum(carried[link], instance.air_tokens[i, n, m]), dtype=float)

    def least_on(self, instance: Instance, certain: Selection) -> NDArray[np.int64]:
        """Tokens that every link carries in any case, by experts that tokens must use, (L,)."""
        t, c = np.nonzero(passages.passed(instance, certain))
        carried = np.zeros((instance.num_nodes, instance.num_nodes), dtype=np.int64)
        np.add.at(carried, (instance.source[t], passages.ends(instance)[c]), 1)
        return np.asarray(carried[self.links[:, 0], self.links[:, 1]])


def columns_of(instance: Instance, part: Open) -> Columns:
    """The variables of what is open."""
    t, j = np.nonzero(part.possible & instance.away)
    wanted = np.zeros((instance.num_nodes, instance.num_nodes), dtype=bool)
    wanted[instance.source[t], instance.node_of[j]] = True
    links = np.argwhere(wanted)
    wakes = np.flatnonzero(part.possible.any(axis=0))
    sent = passages.passed(instance, part.possible) if instance.send_once else np.zeros((0, 0))
    return Columns(
        pairs=np.argwhere(part.possible),
        drops=np.flatnonzero(part.droppable),
        wakes=wakes if instance.wake_energy is not None else wakes[:0],
        links=links,
        uses=np.argwhere(part.subcarriers[links[:, 0], links[:, 1]]),
        sent=np.argwhere(sent),
        choices=part.choices or Choices(np.zeros(0, dtype=np.int64), part.possible[:0]),
    )
