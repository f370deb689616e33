"""Forged and damaged certificates: none proves anything false, and each is refused in one line."""

from __future__ import annotations

import copy
import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import dmoe_opt
from dmoe_opt import InputError, Instance, Radio, SelectionProblem
from dmoe_opt.data.files import as_json
from dmoe_opt.proof import check_proof
from dmoe_opt.proof import files as proof_files
from tests.campaigns.damage import damaged
from tests.campaigns.outcome import Fault, Outcome

LONGEST = 300
ODD: list[Any] = [
    *(None, -1.0, 0, 1, 1e300, 10**400, True, "x", "1e999999999", float("nan"), float("inf")),
    *([], {}, ["sizes", []], [0, 0.0, 0.0], [0] * 2_000),
]
FACTORS = [0.5, 1 + 1e-9, 1.001, 2.0, -1.0]


class Target(NamedTuple):
    """An instance, an honest certificate of it, and a claim that is false."""

    instance: Any
    fields: Any
    claim: Any


def attack(seed: int) -> Outcome:
    """One certificate, changed in up to three places or as bytes, for a claim that is false."""
    rng = np.random.default_rng(seed)
    target = targets()[rng.integers(len(targets()))]
    outcome = Outcome()
    outcome.counts["forgeries"] += 1
    fields: Any = copy.deepcopy(target.fields)
    try:
        if rng.random() < 0.2:
            fields = reread(damaged(rng, "json", json.dumps(fields).encode()))
        else:
            for _ in range(rng.integers(1, 4)):
                fields = changed(rng, fields)
        said = check_proof.verdict(target.instance, target.claim, fields)
    except InputError as error:
        said = str(error)
    except Exception as error:
        outcome.faults.append(Fault(f"{type(error).__name__}: {str(error)[:LONGEST]}", seed))
        return outcome
    what = complaint(said)
    if what:
        outcome.faults.append(Fault(what, seed, str(fields)[:LONGEST]))
    return outcome


def complaint(said: str) -> str:
    """What is wrong with a verdict on something false; empty if nothing is."""
    if not said:
        return "a false claim is certified"
    if len(said.splitlines()) != 1 or len(said) > LONGEST:
        return f"a refusal of {len(said)} characters: {said[:LONGEST]!r}"
    return ""


def reread(content: bytes) -> Any:
    """A certificate from a file of these bytes, as the command line reads it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "proof.json"
        path.write_bytes(content)
        try:
            return proof_files.load(path)
        except InputError as error:
            raise InputError(str(error).replace(str(path), "proof.json")) from None


def changed(rng: np.random.Generator, fields: Any) -> Any:
    """The certificate with one change: a value made odd or scaled, cut, swapped or moved."""
    places = containers(fields)
    if not places:
        return copy.deepcopy(ODD[rng.integers(len(ODD))])
    container, key = places[rng.integers(len(places))]
    other, place = places[rng.integers(len(places))]
    kind = rng.integers(5)
    value = container[key]
    if kind == 0:
        container[key] = copy.deepcopy(ODD[rng.integers(len(ODD))])
    elif kind == 1 and isinstance(value, int | float) and value < 1e300:  # as a float
        container[key] = value * FACTORS[rng.integers(len(FACTORS))]
    elif kind == 2:
        del container[key]
    elif kind == 3:
        container[key] = copy.deepcopy(other[place])
    else:
        container[key], other[place] = copy.deepcopy(other[place]), copy.deepcopy(value)
    return fields


def containers(value: Any) -> list[tuple[Any, Any]]:
    """Every container and key in a document."""
    if not isinstance(value, list | dict) or len(value) > 1000:
        return []
    keys = list(range(len(value))) if isinstance(value, list) else list(value)
    return [
        *((value, key) for key in keys),
        *(place for key in keys for place in containers(value[key])),
    ]


def three_pairs() -> Instance:
    """Each of three tokens has two of three experts to wake for 1 J: a proof has cases."""
    return Instance(
        source=[0, 0, 0],
        scores=[[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]],
        threshold=0.5,
        max_experts=1,
        compute_energy=np.zeros(3),
        link_energy=np.zeros((1, 1, 1)),
        placement=[0, 0, 0],
        wake_energy=np.ones(3),
    )


@cache
def targets() -> list[Target]:
    """Each kind of certificate, for a bound a millionth too high or for another instance."""
    tiny = dmoe_opt.load("tiny-s1")
    family = dmoe_opt.generate("weakly-correlated", 1, num_tokens=2, num_experts=12, max_experts=3)
    assert isinstance(tiny, Instance)
    richer = tiny.replace(
        drop_price=1e-3,
        capacity=[2, 3, 2],
        wake_energy=[1e-4, 2e-4, 1e-4],
        air_deadline_s=3e-3,
        placement=[0, 1, 1],
        send_once=True,
    )
    return [
        _too_high(tiny, "selection"),
        _too_high(tiny, "allocation"),
        _too_high(tiny, "jesa"),
        _too_high(richer, "allocation"),
        _too_high(richer, "jesa"),
        _too_high(three_pairs(), "jesa"),
        _too_high(family, "selection"),
        _too_high(
            family.rows([0]).replace(placement=[0, 1, 2] * 4, node_cost=[[1e-3, 2e-3, 0.0]]),
            "selection",
        ),
        *refutations(),
    ]


def refutations() -> list[Target]:
    """Rounds whose certificate says that there is no answer, each beside one that has an answer."""
    crowded = Instance(
        source=[0, 0, 1],
        scores=[[0.25, 0.5, 0.25], [0.25, 0.25, 0.5], [0.5, 0.25, 0.25]],
        threshold=0.5,
        max_experts=1,
        compute_energy=np.ones(3),
        link_energy=np.ones((3, 3, 2)),
    )
    staying = crowded.replace(scores=[[0.25, 0.5, 0.25], [0.25, 0.25, 0.5], [0.25, 0.5, 0.25]])
    alike = crowded.replace(scores=[[0.25, 0.5, 0.25]] * 3)
    radio = Radio(np.ones((3, 3, 1)), bandwidth_hz=1.0, power_w=1.0, noise_w=1.0, payload_bits=1.0)
    sending = alike.replace(link_energy=None, radio=radio)
    halves = Instance(
        source=[0, 2],
        scores=np.full((2, 3), 0.5),
        threshold=0.5,
        max_experts=1,
        compute_energy=np.ones(3),
        link_energy=np.ones((3, 3, 1)),
        placement=[1, 1, 1],
    )  # two links share a subcarrier, and each of its halves serves half a token
    out_of_reach = staying.replace(threshold=0.75, on_shortfall="infeasible")
    return [
        _absent(crowded, staying, "jesa"),
        _absent(alike.replace(capacity=[3, 1, 3]), alike.replace(capacity=[3, 3, 3]), "jesa"),
        _absent(sending.replace(air_deadline_s=1.0), sending.replace(air_deadline_s=2.0), "jesa"),
        _absent(halves, halves.replace(link_energy=np.ones((3, 3, 2))), "jesa"),
        _absent(out_of_reach, staying, "jesa"),
        _absent(out_of_reach, staying, "selection"),
        _absent(crowded, staying, "allocation"),
    ]


def _absent(without: Instance, near: Instance, problem: str) -> Target:
    """The certificate that a round has no answer, for one that has one."""
    answer = dmoe_opt.solve(near, problem)
    assert answer.objective_j is not None
    claim = {"problem": problem, "status": "infeasible", "bound_j": None}
    claim["selection"] = answer.solution().selection
    fields = dmoe_opt.prove(without, dmoe_opt.solve(without, problem)).fields
    return Target(json.loads(as_json(near)), fields, claim)


def _too_high(data: Instance | SelectionProblem, problem: str) -> Target:
    result = dmoe_opt.solve(data, problem)
    claim = {"problem": problem, "status": "feasible", "selection": result.solution().selection}
    claim["bound_j"] = (result.objective_j or 0.0) * (1 + 1e-6)
    return Target(json.loads(as_json(data)), dmoe_opt.prove(data, result).fields, claim)
