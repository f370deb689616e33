"""Optimum of small rounds with optional rules, by enumeration that shares no code with the package.

Every set of experts of every token and every owner of every subcarrier is tried. Scores are added
as fractions; energies are floats, right to 1e-12.
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np

from dmoe_opt import Instance, Radio

TOLERANCE = Fraction(1, 10**9)
ON_TIME = 1e-9
DEAD_J = 1e9


def optimum(instance: Instance) -> float | None:
    """Least energy in J; None if the round is infeasible."""
    return min(energies(instance), default=None)


def energies(instance: Instance) -> list[float]:
    """Least energy of every selection that keeps the rules, J, in order."""
    energy, room = _links(instance)
    sets = [_sets(instance, t, energy) for t in range(instance.num_tokens)]
    known: dict[Any, float] = {}
    listed = []
    for choice in itertools.product(*sets):
        load: dict[tuple[int, int], int] = {}
        for t, (experts, _) in enumerate(choice):
            nodes = [int(instance.node_of[j]) for j in experts]
            for n in set(nodes) if instance.send_once else nodes:
                if n != instance.source[t]:
                    link = int(instance.source[t]), n
                    load[link] = load.get(link, 0) + 1
        key = tuple(sorted(load.items()))
        if key not in known:
            known[key] = _cheapest(instance, load, energy, room)
        listed.append(_of_experts(instance, choice) + known[key])
    return sorted(one for one in listed if math.isfinite(one))


def _links(instance: Instance) -> tuple[Any, Any]:
    """Energy of a token, and tokens in time, of every link and subcarrier."""
    nodes, carriers = instance.num_nodes, instance.num_subcarriers
    energy, room = {}, {}
    for i, n, m in itertools.product(range(nodes), range(nodes), range(carriers)):
        if instance.radio is None:
            energy[i, n, m] = float(instance.link_energy[i, n, m])
            continue
        radio = instance.radio
        ways = 2 if radio.round_trip else 1
        ratio = radio.power_w * float(radio.gains[i, n, m]) / radio.noise_w
        rate = radio.bandwidth_hz * math.log1p(ratio) / math.log(2)
        spent = radio.power_w * radio.payload_bits * ways / rate if rate else math.inf
        energy[i, n, m] = spent if spent <= DEAD_J else math.inf
        if instance.air_deadline_s is not None:
            tokens = instance.air_deadline_s * rate / (radio.payload_bits * ways)
            room[i, n, m] = math.floor(tokens * (1 + ON_TIME))
    return energy, room


def _sets(instance: Instance, t: int, energy: Any) -> list[tuple[tuple[int, ...], float]]:
    """Sets of experts that serve a token, with the price of dropping it where it has none."""
    i, carriers = int(instance.source[t]), range(instance.num_subcarriers)
    usable = [
        j
        for j in range(instance.num_experts)
        if (n := int(instance.node_of[j])) == i
        or any(math.isfinite(energy[i, n, m]) for m in carriers)
    ]
    scores = {j: Fraction(float(instance.scores[t, j])) for j in usable}
    most = min(instance.max_experts, len(usable))
    need = Fraction(float(instance.threshold[t])) - TOLERANCE
    if instance.on_shortfall == "top_d":
        need = min(need, sum(sorted(scores.values())[len(usable) - most :], Fraction(0)))
    sets: list[tuple[tuple[int, ...], float]] = [
        (experts, 0.0)
        for size in range(most + 1)
        for experts in itertools.combinations(usable, size)
        if sum((scores[j] for j in experts), Fraction(0)) >= need
    ]
    if instance.drop_price is not None and need > 0:
        sets.append(((), float(instance.drop_price[t])))
    return sets


def _of_experts(instance: Instance, choice: Any) -> float:
    """Computing, waking and dropping, J; inf above a capacity."""
    serves = [0] * instance.num_experts
    for experts, _ in choice:
        for j in experts:
            serves[j] += 1
    if instance.capacity is not None and any(
        n > c for n, c in zip(serves, instance.capacity.tolist(), strict=True)
    ):
        return math.inf
    spent = [n * float(a) for n, a in zip(serves, instance.compute_energy, strict=True)]
    if instance.wake_energy is not None:
        spent += [float(b) for n, b in zip(serves, instance.wake_energy, strict=True) if n]
    return math.fsum(spent + [price for _, price in choice])


def _cheapest(instance: Instance, load: Any, energy: Any, room: Any) -> float:
    """Least energy of the links, over every owner of every subcarrier, J."""
    links, carriers = sorted(load), range(instance.num_subcarriers)
    best = math.inf
    for owners in itertools.product([None, *links], repeat=len(carriers)):
        spent = 0.0
        for i, n in links:
            used = sorted((energy[i, n, m], m) for m in carriers if owners[m] == (i, n))
            left = load[i, n]
            for price, m in used:
                if math.isinf(price):
                    break
                sent = left if instance.air_deadline_s is None else min(left, room[i, n, m])
                spent += sent * price if sent else 0.0
                left -= sent
            if left:
                spent = math.inf
                break
        best = min(best, spent)
    return best


def drawn(seed: int) -> Instance:
    """A small round with every subset of the optional fields, ties, zeros and dead links."""
    rng = np.random.default_rng(seed)
    crowded = rng.random() < 0.3  # all tokens of node 0, whose own expert is no help
    experts = 2 if crowded else int(rng.integers(1, 4))
    tokens = 3 if crowded else int(rng.choice([0, 1, 2, 3], p=[0.06, 0.24, 0.35, 0.35]))
    carriers = 4 if crowded else int(rng.integers(1, 5 if experts < 3 else 4))
    gains = rng.choice(
        [0.0, 0.25, 1.0, 3.0, 7.0], (experts, experts, carriers), p=[0.15] + [0.2125] * 4
    )
    if rng.random() < 0.4:
        gains *= rng.uniform(0.5, 2.0, gains.shape)
    grid = int(rng.choice([4, 8, 2**20]))
    scores = rng.integers(0, grid + 1, (tokens, experts)) / grid
    if crowded:
        gains, scores[:, 0] = np.maximum(gains, 1.0), 0.0
    radio = _radio(rng, gains)
    data = _instance(rng, tokens, experts, scores, radio, gains)
    rules = _rules(rng, tokens, experts, data.radio is not None)
    if crowded and data.radio is not None and rng.random() < 0.7:  # links need several subcarriers
        rules |= {"air_deadline_s": float(rng.choice([0.5, 0.5, 1.0])), "capacity": [3, 3]}
        rules["drop_price"] = None if rng.random() < 0.5 else 9.0
    return data.replace(**rules)


def drawn_on_nodes(seed: int) -> Instance:
    """A small round with several experts on a node, sent once or not, with and without rules."""
    rng = np.random.default_rng(seed)
    nodes, experts = int(rng.integers(1, 4)), int(rng.integers(2, 6))
    tokens, carriers = int(rng.integers(1, 4)), int(rng.integers(1, 5 if nodes < 3 else 4))
    gains = rng.choice([0.0, 0.25, 1.0, 3.0, 7.0], (nodes, nodes, carriers), p=[0.1] + [0.225] * 4)
    if rng.random() < 0.6:
        gains *= rng.uniform(0.5, 2.0, gains.shape)
    scores = rng.integers(0, 9, (tokens, experts)) / 8
    most = int(rng.integers(1, 4))
    best = np.sort(scores, axis=1)[:, ::-1][:, :most].sum(axis=1)
    source = rng.integers(0, nodes, tokens)
    data = Instance(
        source=source if rng.random() < 0.7 else np.zeros_like(source),
        scores=scores,
        threshold=best * rng.choice([0.25, 0.5, 0.8, 1.0, 1.5], tokens),
        max_experts=most,
        compute_energy=rng.choice([0.0, 0.5, 1.0, rng.random()], experts),
        radio=_radio(rng, gains),
        on_shortfall=str(rng.choice(["top_d", "infeasible"], p=[0.8, 0.2])),
        placement=rng.integers(0, nodes, experts),
        send_once=bool(rng.random() < 0.8),
    )
    return data if rng.random() < 0.5 else data.replace(**_rules(rng, tokens, experts, True))


def _radio(rng: np.random.Generator, gains: Any) -> Any:
    return Radio(gains, 1.0, 1.0, 1.0, 1.0, round_trip=bool(rng.random() < 0.3))


def _instance(
    rng: np.random.Generator, tokens: int, experts: int, scores: Any, radio: Any, gains: Any
) -> Instance:
    most = int(rng.integers(1, experts + 1))
    exactly = np.sort(scores, axis=1)[:, ::-1][:, :most].sum(axis=1)
    threshold = [rng.choice([0.0, 0.25, best, best / 2, 1.5]) for best in exactly]
    links: dict[str, Any] = {"radio": radio}
    if rng.random() < 0.15:
        energy = rng.choice([0.0, 0.5, 1.0, 2e9], gains.shape)
        links = {"link_energy": energy}
    return Instance(
        source=rng.integers(0, 1 if not scores[:, 0].any() else experts, tokens),
        scores=scores,
        threshold=np.reshape(threshold, tokens),
        max_experts=most,
        compute_energy=rng.choice([0.0, 0.5, 1.0, rng.random()], experts),
        on_shortfall=str(rng.choice(["top_d", "infeasible"], p=[0.8, 0.2])),
        **links,
    )


def _rules(rng: np.random.Generator, tokens: int, experts: int, radio: bool) -> dict[str, Any]:
    """Each optional field with an even chance."""
    rules: dict[str, Any] = {}
    if rng.random() < 0.5:
        rules["drop_price"] = rng.choice([0.0, 0.5, 1.0, 3.0, 50.0, rng.random()], tokens)
    if rng.random() < 0.5:
        rules["capacity"] = rng.integers(0, tokens + 2, experts)
    if rng.random() < 0.5:
        rules["wake_energy"] = rng.choice([0.0, 0.5, 2.0, rng.random()], experts)
    if radio and rng.random() < 0.6:
        rules["air_deadline_s"] = float(rng.choice([0.0, 0.34, 0.5, 1.0, 2.0, 3.0, 5.0]))
    return rules


def cheapest_links(instance: Instance, load: Any) -> float:
    """Least energy of links with these loads (N, N), J."""
    carried = {(int(i), int(n)): int(load[i, n]) for i, n in np.argwhere(load)}
    return _cheapest(instance, carried, *_links(instance))
