"""Replicas: an expert on several nodes, of which every token takes what costs it least."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt import compiling
from dmoe_opt.errors import InputError
from dmoe_opt.placing import copies_kernel
from dmoe_opt.placing.problem import Copies, Placement, PlacementProblem

LITTLE = 2_000  # visits that plain Python prices in about a tenth of a second
MOST_PASSES = 3
ROUNDING = 1e-12  # of the energy: a smaller saving is none


Visits = tuple[NDArray[np.int64], NDArray[np.int64]]


class CopiesEnergy(NamedTuple):
    """Energy of all tokens, and the part of computing, J."""

    energy_j: float
    computing_j: float


def copies_of(placement: Placement | Sequence[int], nodes: int) -> Copies:
    """One copy of every expert, bool (K, N)."""
    copies = np.zeros((len(placement), nodes), dtype=bool)
    copies[np.arange(len(placement)), placement] = True
    return copies


def copies_in(held: Sequence[Sequence[int]], nodes: int) -> Copies:
    """Copies from the nodes of every expert, bool (K, N).

    Raises
    ------
    InputError
        If an expert is nowhere, a node is not there, or two copies are on the same node.
    """
    copies = np.zeros((len(held), nodes), dtype=bool)
    for j, of in enumerate(held):
        if not len(of):
            raise InputError(f"placement[{j}] names no node; allowed: at least one")
        for n in of:
            if not 0 <= n < nodes:
                raise InputError(f"placement[{j}] = {n}; allowed: whole numbers in 0..{nodes - 1}")
            if copies[j, n]:
                allowed = "one copy of an expert on a node"
                raise InputError(f"placement[{j}] has node {n} twice; allowed: {allowed}")
            copies[j, n] = True
    return copies


def copies_energy(problem: PlacementProblem, copies: Copies) -> CopiesEnergy:
    """What all tokens pay, each with the copies that cost it least.

    With `send_once` that is a search over the copies of all experts of a token, and exact.

    Raises
    ------
    InputError
        If a node holds more than its memory.

    Examples
    --------
    A copy on each node saves all sending:

    >>> import numpy as np
    >>> from dmoe_opt.placing.copies import copies_energy, copies_in
    >>> from dmoe_opt.placing.problem import PlacementProblem
    >>> problem = PlacementProblem(
    ...     chosen=[[True], [True]], price=[[0.0, 2.0], [3.0, 0.0]], work=[0.5], memory=[1, 1]
    ... )
    >>> [copies_energy(problem, copies_in([of], 2)).energy_j for of in ([0], [1], [0, 1])]
    [4.0, 3.0, 1.0]
    """
    problem.check_held(problem.size @ copies)
    energy_j, computing_j = _of_tokens(problem, _visits(problem), copies)
    return CopiesEnergy(float(energy_j.sum()), float(computing_j.sum()))


def with_replicas(
    problem: PlacementProblem,
    placement: Placement,
    most: int,
    *,
    time_limit: float | None = None,
) -> Copies:
    """Add the copy that saves most until none saves or fits; then exchange copies.

    `most` is the most copies of an expert. An exchange takes a copy away and adds the one that then
    saves most. There is no bound on what replicas could save. `time_limit` is in seconds.
    """
    deadline = np.inf if time_limit is None else time.monotonic() + time_limit
    copies = copies_of(problem.check(placement), problem.num_nodes)
    visits = _visits(problem)
    total_j = _filled(problem, visits, copies, most, deadline)
    for _ in range(MOST_PASSES):
        before_j = total_j
        for j, n in np.argwhere(copies).tolist():
            if time.monotonic() > deadline or copies[j].sum() < 2 or not copies[j, n]:
                continue
            trial = copies.copy()
            trial[j, n] = False
            trial_j = _filled(problem, visits, trial, most, deadline)
            if trial_j < total_j * (1 - ROUNDING):
                copies, total_j = trial, trial_j
        if total_j >= before_j * (1 - ROUNDING):
            break
    return copies


def _filled(
    problem: PlacementProblem, visits: Visits, copies: Copies, most: int, deadline: float
) -> float:
    """Add copies in place while they save; returns the energy, J."""
    energy_j, _ = _of_tokens(problem, visits, copies)
    while time.monotonic() < deadline:
        held = problem.size @ copies
        j, n, _ = _call(
            copies_kernel.best_copy,
            problem,
            *visits,
            problem.chosen,
            copies,
            problem.price,
            problem.work,
            problem.factor,
            problem.send_once,
            energy_j,
            problem.size,
            problem.room,
            held,
            most,
        )
        if j < 0:
            break
        copies[j, n] = True
        energy_j, _ = _of_tokens(problem, visits, copies)
    return float(energy_j.sum())


def _visits(problem: PlacementProblem) -> Visits:
    """Where each token begins in the list of the experts of all tokens, and that list."""
    tokens, experts = np.nonzero(problem.chosen)
    starts = np.searchsorted(tokens, np.arange(problem.num_tokens + 1))
    return starts.astype(np.int64), experts.astype(np.int64)


def _of_tokens(
    problem: PlacementProblem, visits: Visits, copies: Copies
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Energy of every token and its part of computing, J, both (T,)."""
    energy_j, computing_j = np.zeros(problem.num_tokens), np.zeros(problem.num_tokens)
    _call(
        copies_kernel.tokens_least,
        problem,
        *visits,
        copies,
        problem.price,
        problem.work,
        problem.factor,
        problem.send_once,
        energy_j,
        computing_j,
    )
    return energy_j, computing_j


def _call(kernel: compiling.Kernel, problem: PlacementProblem, *arguments: Any) -> Any:
    little = problem.chosen.sum() * problem.num_nodes * problem.num_experts < LITTLE
    return compiling.call(kernel, *arguments, little=bool(little))
