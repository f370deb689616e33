"""Check a bound in exact arithmetic: python3 -I -S check_proof.py INSTANCE SOLUTION PROOF.

This file needs Python alone and trusts no method: it reads an instance, a solution and a
certificate (JSON), and says that the bound of the solution is proven, or the first line of the
certificate that fails.

A certificate (format dmoe-opt/certificate, docs/proofs.md) has for each token t a number z[t] and a
tree that proves that t costs at least z[t] at its prices e[t, j]. An inner node [j, A, B] of a tree
splits the sets of experts: A proves those with expert j, B those without. ["sizes", [A0, A1, ..]]
splits them by their number of experts. A leaf is a number mu >= 0. Let IN be the experts that are
in on the way to the leaf, and free those that are neither in nor out. A leaf holds if

1. IN has more than D experts, or as many as are allowed are too few, or
2. the best free experts that still fit do not reach what the token needs, or
3. e(IN) + mu (need - g(IN)) + (the sum of the smallest e[j] - mu g[j] that still fit) >= z[t].

In 3, any set that reaches the need pays at least that, since mu times what it reaches beyond the
need is never negative. In a round, e[t, j] = a[j] + lambda[t, j]: a token pays the price lambda to
its link, and all links and subcarriers together earn at most

    sum over m of v[m] + sum over links of max(0, max over m of (earned[i, n, m] - v[m])),

where earned[i, n, m] is the sum over the tokens of node i and the experts on node n of
max(lambda[t, j] - c[i, n, m], 0). The bound is the sum of all z[t] less these earnings.
"""

from __future__ import annotations

import json
import math
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

UNIT = 2**40  # scores are added as whole numbers of 1 / UNIT
TOLERANCE = 1e-9  # of a threshold, counted once
LINKS_DOWN = 1 - Fraction(1, 2**40)  # logarithms are rounded, so links are taken as a bit cheaper
DEAD_J = 1e9  # energies per token above are of links that cannot be used


class Refused(Exception):
    """The certificate does not prove its bound; the message says where."""


class Token:
    """What one token needs and may use: scores in units, prices in J as exact numbers."""

    def __init__(self, prices: dict[int, Fraction], units: list[int], need: int, cap: int) -> None:
        self.prices, self.units, self.need, self.cap = prices, units, need, cap


def leaf_holds(token: Token, z: Fraction, inside: Any, out: Any, size: Any, mu: Any) -> bool:
    """Whether no set with the experts `inside` and without `out` costs less than z."""
    free = [j for j in token.prices if j not in inside and j not in out]
    most = token.cap if size is None else min(token.cap, size)
    room = most - len(inside)
    if room < 0 or (size is not None and (size > token.cap or len(free) < room)):
        return True  # 1
    missing = token.need - sum(token.units[j] for j in inside)
    if sum(sorted((token.units[j] for j in free), reverse=True)[:room]) < missing:
        return True  # 2
    if isinstance(mu, bool) or not isinstance(mu, int | float) or not 0 <= mu < math.inf:
        raise Refused("a leaf is not a number >= 0")
    price = Fraction(mu) / UNIT
    reduced = sorted(token.prices[j] - price * token.units[j] for j in free)[:room]
    if size is None:
        reduced = [r for r in reduced if r < 0]
    paid = sum((token.prices[j] for j in inside), Fraction(0))
    return bool(paid + price * missing + sum(reduced) >= z)  # 3


def tree_holds(token: Token, z: Fraction, tree: Any) -> bool:
    """Whether every leaf of a tree holds."""
    waiting: list[Any] = [(tree, frozenset(), frozenset(), None)]
    while waiting:
        node, inside, out, size = waiting.pop()
        if not isinstance(node, list):
            if not leaf_holds(token, z, inside, out, size, node):
                return False
        elif len(node) == 2 and node[0] == "sizes" and size is None and isinstance(node[1], list):
            if len(node[1]) != token.cap + 1:
                raise Refused(f"a node has {len(node[1])} sizes; allowed: 0..{token.cap}")
            waiting += [(child, inside, out, n) for n, child in enumerate(node[1])]
        elif len(node) == 3 and type(node[0]) is int and node[0] in token.prices:
            j = node[0]
            if j in inside or j in out:
                raise Refused(f"a tree decides expert {j} twice")
            waiting += [(node[1], inside | {j}, out, size), (node[2], inside, out | {j}, size)]
        else:
            raise Refused("a node is none of: a leaf, [expert, with, without], sizes")
    return True


def link_energy(instance: Any) -> list[Any]:
    """c[i][n][m] in J as exact numbers, a little below the true ones; None for a dead link."""
    if instance.get("link_energy") is not None:
        return [
            [[None if c > DEAD_J else Fraction(c) for c in row] for row in rows]
            for rows in instance["link_energy"]
        ]
    radio = instance["radio"]
    joules = radio["power_w"] * radio["payload_bits"] * (2.0 if radio.get("round_trip") else 1.0)
    snr = radio["power_w"] / radio["noise_w"]

    def energy(gain: float) -> Fraction | None:
        nats = math.log1p(min(gain * snr, sys.float_info.max))
        rate = radio["bandwidth_hz"] * nats / math.log(2.0)
        return (
            Fraction(joules / rate) * LINKS_DOWN if rate > 0 and joules / rate <= DEAD_J else None
        )

    return [[[energy(gain) for gain in row] for row in rows] for rows in radio["gains"]]


def tokens_of(instance: Any, prices: Any) -> list[Any]:
    """Every token, with what it needs by the rules of the instance."""
    part = instance.get("tokens", instance)
    thresholds = part["threshold"]
    cap, tokens = instance["max_experts"], []
    for t, scores in enumerate(part["scores"]):
        units = [round(Fraction(score) * UNIT) for score in scores]
        threshold = thresholds[t] if isinstance(thresholds, list) else thresholds
        need = math.ceil((threshold - TOLERANCE) * UNIT)
        usable = {j: e for j, e in enumerate(prices[t]) if e is not None}
        if instance.get("on_shortfall", "top_d") == "top_d":
            best = sorted((units[j] for j in usable), reverse=True)[:cap]
            need = min(need, sum(best))
        tokens.append(Token(usable, units, need, cap))
    return tokens


def prices_of(instance: Any, proof: Any) -> tuple[list[Any], Fraction]:
    """Prices e[t][j] of the tokens, None where an expert cannot be used; and what links earn."""
    if "cost" in instance:
        costs, usable = instance["cost"], instance.get("usable")
        allowed = usable or [[True] * len(row) for row in costs]
        return [
            [Fraction(c) if may else None for c, may in zip(*pair, strict=True)]
            for pair in zip(costs, allowed, strict=True)
        ], Fraction(0)
    links, source = link_energy(instance), instance["tokens"]["source"]
    compute = [Fraction(a) for a in instance["compute_energy"]]
    node = instance.get("placement") or list(range(len(compute)))
    best = [
        [min((c for c in row if c is not None), default=None) for row in rows] for rows in links
    ]
    if proof["problem"] == "jesa":
        paid, earned = proof["prices"], earnings(links, source, node, proof)
    else:  # every link on its best subcarrier
        paid, earned = [[best[i][n] or 0 for n in node] for i in source], Fraction(0)
    prices: list[Any] = []
    for i, row in zip(source, paid, strict=True):
        away = zip(compute, node, row, strict=True)
        prices.append(
            [
                a if n == i else None if best[i][n] is None else a + Fraction(price)
                for a, n, price in away
            ]
        )
    return prices, earned


def earnings(links: Any, source: Any, node: Any, proof: Any) -> Fraction:
    """The most that links and subcarriers earn at the prices (T, K) and rents (M), J."""
    prices, rents = proof["prices"], [Fraction(v) for v in proof["rents"]]
    if len(rents) != len(links[0][0]) or any(v < 0 for v in rents):
        raise Refused("rents: allowed: a number >= 0 for every subcarrier")
    if any(price < 0 for row in prices for price in row):
        raise Refused("prices: allowed: numbers >= 0")
    earned: dict[Any, list[Fraction]] = {}
    for i, row in zip(source, prices, strict=True):
        for n, price in zip(node, row, strict=True):
            if n == i or price == 0:
                continue
            sums = earned.setdefault((i, n), [Fraction(0)] * len(rents))
            for m, c in enumerate(links[i][n]):
                if c is not None and price > c:
                    sums[m] += Fraction(price) - c
    most = (max(e - v for e, v in zip(sums, rents, strict=True)) for sums in earned.values())
    return sum((max(e, Fraction(0)) for e in most), sum(rents, Fraction(0)))


def proven_bound(instance: Any, proof: Any) -> Fraction:
    """The bound in J that a certificate proves; raises `Refused` with the first line that fails."""
    if proof.get("format") != "dmoe-opt/certificate" or proof.get("version") != 1:
        raise Refused("format: allowed: dmoe-opt/certificate, version 1")
    if proof.get("problem") not in ("selection", "jesa"):
        raise Refused("problem: allowed: selection or jesa")
    for rule in (
        "drop_price",
        "capacity",
        "wake_energy",
        "air_deadline_s",
        "send_once",
        "node_cost",
    ):
        if instance.get(rule) not in (None, False):
            raise Refused(f"{rule}: allowed: a round without it")
    prices, earned = prices_of(instance, proof)
    tokens, lines = tokens_of(instance, prices), proof["tokens"]
    if len(lines) != len(tokens):
        raise Refused(f"{len(lines)} tokens are proven; allowed: all {len(tokens)} of the instance")
    total = Fraction(0)
    for t, (token, line) in enumerate(zip(tokens, lines, strict=True)):
        z = Fraction(line["z"])
        try:
            holds = tree_holds(token, z, line["tree"])
        except Refused as reason:
            raise Refused(f"token {t}: {reason}") from None
        if not holds:
            raise Refused(f"token {t}: a leaf does not reach z = {str(line['z'])[:30]}")
        total += z
    return max(total - earned, Fraction(0))


def verdict(instance: Any, claimed_j: Any, proof: Any) -> str:
    """The empty string if the certificate proves the claimed bound, or why not, in one line."""
    try:
        bound = proven_bound(instance, proof)
        if Fraction(claimed_j) > bound:
            return f"the proof reaches {float(bound):.12g} J, claimed are {str(claimed_j)[:30]} J"
    except Refused as reason:
        return str(reason)
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as e:
        return f"the certificate is damaged: {type(e).__name__}: {str(e)[:80]}"
    return ""


def main() -> int:
    """Read the files that are named, and say whether the bound is proven."""
    if len(sys.argv) != 4:
        print("usage: python3 -I -S check_proof.py INSTANCE SOLUTION PROOF", file=sys.stderr)
        return 2
    try:
        texts = [Path(path).read_text(encoding="utf-8-sig") for path in sys.argv[1:]]
        instance, solution, proof = (json.loads(text) for text in texts)
        claimed_j = solution["bound_j"]
        if solution["problem"] != proof["problem"]:
            raise ValueError("solution and proof are of different problems")
    except (OSError, LookupError, TypeError, ValueError, RecursionError) as error:
        print(f"cannot be read: {str(error)[:200]}", file=sys.stderr)
        return 2
    reason = verdict(instance, claimed_j, proof)
    print(f"refused: {reason}" if reason else f"proven: at least {claimed_j} J")
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main())
