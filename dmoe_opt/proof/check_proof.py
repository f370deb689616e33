"""Check a bound in exact arithmetic: python3 -I -S check_proof.py INSTANCE SOLUTION PROOF.

This file needs Python alone and trusts no method. It reads an instance, a solution and a
certificate (JSON), and says that the bound is proven, or what fails first (see docs/proofs.md).

EXPERTS (selection). For each token t a number z[t] and a tree that proves that t costs at least
z[t] at its prices e[t, j]. An inner node [j, A, B] of a tree splits the sets of experts: A proves
those with expert j, B those without. ["sizes", [A0, A1, ..]] splits them by their number of
experts. A leaf is a number mu >= 0. Let IN be the experts that are in on the way to the leaf, and
free those that are neither in nor out. A leaf holds if

1. IN has more than D experts, or as many as are allowed are too few, or
2. the best free experts that still fit do not reach what the token needs, or
3. e(IN) + mu (need - g(IN)) + (the sum of the smallest e[j] - mu g[j] that still fit) >= z[t].

In 3, any set that reaches the need pays at least that, since mu times what it reaches beyond the
need is never negative. The bound is the sum of all z[t]. Sums of scores are multiples of their
greatest common divisor, so the need is rounded up to the next one. Where nodes cost something once,
e(IN) has those of IN, and a free expert elsewhere pays a share, by as many as fit on its node.

ROUNDS (jesa). Here e[t, j] = a[j] + lambda[t, j]: a token pays the price lambda to its link, and
all links and subcarriers together earn at most

    sum over m of v[m] + sum over links of max(0, max over m of (earned[i, n, m] - v[m])),

where earned[i, n, m] is the sum over the tokens of node i and the experts on node n of
max(lambda[t, j] - c[i, n, m], 0). The bound is the sum of all z[t] less these earnings.

SUBCARRIERS (allocation). The experts are given, and with them the load q[i, n] of each link. A link
pays at least min over m of (q c[i, n, m] + v[m]), and all subcarriers together earn at most
sum over m of v[m]. The bound is what the experts and the links pay less what subcarriers earn.

NO ANSWER ("refuted"). Either a token is named that no set of experts serves; or node i gets a
number n[i] and a tree that proves that it needs at least n[i] active links, and these numbers sum
to more than there are subcarriers. An inner node [n, A, B] of such a tree splits by the link to
node n: A proves the sets of active links with it, B those without. A leaf names a token of node i.
It holds if there are n[i] active links already, or if the token does not reach its need with the
experts on its own node, at active links, and the best at as many more links as make n[i] - 1.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

UNIT = 2**40  # scores are added as whole numbers of 1 / UNIT
TOLERANCE = 1e-9  # of a threshold, counted once
LINKS_DOWN = 1 - Fraction(1, 2**40)  # logarithms are rounded, so links are taken as a bit cheaper
DEAD_J = 1e9  # energies per token above are of links that cannot be used
# Other fields of an instance could change what has to be proven.
KNOWN = """format version name meta max_experts on_shortfall tokens compute_energy radio link_energy
placement scores cost threshold usable node_cost"""


class Refused(Exception):
    """The certificate does not prove its bound; the message says where."""


def number(value: Any, what: str) -> Fraction:
    """A number >= 0 of a certificate, exactly."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise Refused(f"{what} is not a number >= 0")
    return Fraction(value)


def best_sum(values: Iterable[int], most: int) -> int:
    """The sum of the greatest values, of so many at most."""
    return sum(sorted(values, reverse=True)[:most])


def within(where: str, holds: Callable[..., bool], *asked: Any) -> bool:
    """Whether a part of the certificate holds; what it breaks is told with its place."""
    try:
        return holds(*asked)
    except Refused as reason:
        raise Refused(f"{where}: {reason}") from None


class Token(NamedTuple):
    """What one token needs and may use: scores in units, prices in J as exact numbers."""

    prices: dict[int, Fraction]
    units: list[int]
    need: int
    cap: int
    entry: Any = None  # for each expert its node, and what the token pays once there

    def prices_at(self, inside: Any, free: list[int], room: int) -> tuple[Fraction, Any]:
        """What the experts that are in pay with their nodes, and the prices of the free ones."""
        paid = sum((self.prices[j] for j in inside), Fraction(0))
        if self.entry is None:
            return paid, self.prices
        entered = dict(self.entry[j] for j in inside)
        crowd, prices = Counter(self.entry[j][0] for j in free), dict(self.prices)
        for n, once, j in ((*self.entry[j], j) for j in free if self.entry[j][0] not in entered):
            prices[j] += once / max(min(crowd[n], room), 1)
        return sum(entered.values(), paid), prices


def leaf_holds(token: Token, z: Fraction, inside: Any, out: Any, size: Any, mu: Any) -> bool:
    """Whether no set with the experts `inside` and without `out` costs less than z."""
    free = [j for j in token.prices if j not in inside | out]
    room = (token.cap if size is None else size) - len(inside)
    if room < 0 or (size is not None and len(free) < room):
        return True  # 1
    missing = token.need - sum(token.units[j] for j in inside)
    if best_sum((token.units[j] for j in free), room) < missing:
        return True  # 2
    price = number(mu, "a leaf") / UNIT
    paid, prices = token.prices_at(inside, free, room)
    reduced = sorted(prices[j] - price * token.units[j] for j in free)[:room]
    if size is None:
        reduced = [r for r in reduced if r < 0]
    return bool(paid + price * missing + sum(reduced) >= z)  # 3


def tree_holds(token: Token, z: Fraction, tree: Any) -> bool:
    """Whether every leaf of a tree holds."""
    waiting: list[Any] = [(tree, frozenset(), frozenset(), None)]
    while waiting:
        node, inside, out, size = waiting.pop()
        if not isinstance(node, list):
            if not leaf_holds(token, z, inside, out, size, node):
                return False
        elif len(node) == 2 and node[0] == "sizes":
            waiting += [(node[1][n], inside, out, n) for n in range(token.cap + 1)]
        elif len(node) == 3 and type(node[0]) is int and node[0] in token.prices:
            j = {node[0]}
            waiting += [(node[1], inside | j, out, size), (node[2], inside, out | j, size)]
        else:
            raise Refused("a node is none of: a leaf, [expert, with, without], sizes")
    return True


def link_energy(instance: Any) -> list[Any]:
    """c[i][n][m] in J as exact numbers, a little below the true ones; None for a dead link."""
    if given := instance.get("link_energy"):
        return [[[None if c > DEAD_J else Fraction(c) for c in row] for row in of] for of in given]
    radio = instance["radio"]
    joules = radio["power_w"] * radio["payload_bits"] * (2.0 if radio.get("round_trip") else 1.0)
    snr = radio["power_w"] / radio["noise_w"]

    def energy(gain: float) -> Fraction | None:
        nats = math.log1p(min(gain * snr, sys.float_info.max))
        rate = radio["bandwidth_hz"] * nats / math.log(2.0)
        dead = rate <= 0 or joules / rate > DEAD_J
        return None if dead else Fraction(joules / rate) * LINKS_DOWN

    return [[[energy(gain) for gain in row] for row in rows] for rows in radio["gains"]]


def tokens_of(instance: Any, prices: Any) -> list[Token]:
    """Every token, with what it needs by the rules of the instance."""
    part = instance.get("tokens", instance)
    thresholds = part["threshold"]
    cap, tokens = instance["max_experts"], []
    for t, scores in enumerate(part["scores"]):
        units = [round(Fraction(score) * UNIT) for score in scores]
        threshold = thresholds[t] if isinstance(thresholds, list) else thresholds
        step = math.gcd(*units) or 1  # sums of scores are multiples of it
        need = -(-math.ceil((threshold - TOLERANCE) * UNIT) // step) * step
        usable = {j: e for j, e in enumerate(prices[t]) if e is not None}
        if instance.get("on_shortfall") != "infeasible":
            need = min(need, best_sum((units[j] for j in usable), cap))
        once = instance.get("node_cost")
        entry = once and [(n, Fraction(once[t][n])) for n in instance["placement"]]
        tokens.append(Token(usable, units, need, cap, entry))
    return tokens


def prices_of(instance: Any, links: Any, paid: Any) -> list[Any]:
    """Prices e[t][j]; None where an expert cannot be used.

    In a round, tokens pay their links `paid`, (T, K), or the least that a link costs if it is None.
    """
    if links is None:
        costs, usable = instance["cost"], instance.get("usable")
        cells = [[(Fraction(c), t, j) for j, c in enumerate(row)] for t, row in enumerate(costs)]
        return [[c if not usable or usable[t][j] else None for c, t, j in row] for row in cells]
    compute, node = [Fraction(a) for a in instance["compute_energy"]], nodes_of(instance)
    prices = []
    for t, i in enumerate(instance["tokens"]["source"]):
        least = [min((c for c in links[i][n] if c is not None), default=None) for n in node]
        given = least if paid is None else [number(price, "a price") for price in paid[t]]
        row: Any = zip(compute, node, least, given, strict=True)
        prices.append([a if n == i else None if c is None else a + e for a, n, c, e in row])
    return prices


def nodes_of(instance: Any) -> list[int]:
    """The node of every expert."""
    return list(instance.get("placement") or range(len(instance["compute_energy"])))


def earnings(instance: Any, links: Any, prices: Any, rents: list[Fraction]) -> Fraction:
    """The most that links and subcarriers earn at the prices (T, K) and rents (M), J."""
    earned: dict[Any, list[Fraction]] = {}
    for i, row in zip(instance["tokens"]["source"], prices, strict=True):
        for n, price in zip(nodes_of(instance), row, strict=True):
            sums = earned.setdefault((i, n), [Fraction(0)] * len(rents))
            for m, c in enumerate(links[i][n] if n != i and price else []):
                if c is not None and price > c:
                    sums[m] += Fraction(price) - c
    most = (max(e - v for e, v in zip(sums, rents, strict=True)) for sums in earned.values())
    return sum((max(e, Fraction(0)) for e in most), sum(rents, Fraction(0)))


def paid_by(instance: Any, links: Any, rents: list[Fraction], selection: Any) -> Fraction | float:
    """The least that the given experts and their links pay; without end if a link cannot work."""
    node = nodes_of(instance)
    total: Fraction | float = -sum(rents, Fraction(0))
    loads: Counter[tuple[int, int]] = Counter()
    for t, (i, experts) in enumerate(zip(instance["tokens"]["source"], selection, strict=True)):
        if sorted(set(experts)) != sorted(experts) or not set(experts) <= set(range(len(node))):
            raise Refused(f"selection[{t}] is no set of experts")
        total += sum(Fraction(instance["compute_energy"][j]) for j in experts)
        loads.update((i, node[j]) for j in experts if node[j] != i)
    for (i, n), load in loads.items():
        paid = [load * c + v for c, v in zip(links[i][n], rents, strict=True) if c is not None]
        total += min(paid, default=math.inf)
    return total


def reach(token: Token, node: list[int], active: Any, closed: Any, more: int) -> int:
    """At most what a token reaches over the active links and so many more that are not closed."""
    near = [token.units[j] for j in token.prices if node[j] in active]
    far = [token.units[j] for j in token.prices if node[j] not in active | closed]
    crowd = max(Counter(node).values())  # so many more links lead to that many experts each
    return best_sum(near + sorted(far, reverse=True)[: more * crowd], token.cap)


def needs_links(instance: Any, tokens: list[Token], i: int, least: int, tree: Any) -> bool:
    """Whether the tokens of node i cannot all be served over fewer than `least` links."""
    node, waiting = nodes_of(instance), [(tree, frozenset([i]), frozenset[int]())]
    while waiting:
        part, active, closed = waiting.pop()
        if isinstance(part, list):
            n, with_it, without = part
            waiting += [(with_it, active | {n}, closed), (without, active, closed | {n})]
        elif len(active) - 1 < least:
            own = [t for t, source in enumerate(instance["tokens"]["source"]) if source == i]
            if type(part) is not int or part not in own:
                raise Refused("a leaf is none of its tokens")
            if reach(tokens[part], node, active, closed, least - len(active)) >= tokens[part].need:
                return False
    return True


def refute(instance: Any, links: Any, problem: str, proof: Any) -> float:
    """Inf, the bound where there is no answer, if the certificate proves that."""
    tokens = tokens_of(instance, prices_of(instance, links, None))
    if type(proof) is int and 0 <= proof < len(tokens):
        token = tokens[proof]
        if best_sum((token.units[j] for j in token.prices), token.cap) >= token.need:
            raise Refused(f"token {proof} can be served")
        return math.inf
    if problem != "jesa" or not isinstance(proof, list):
        raise Refused("refuted: allowed: a token, or in jesa a number and a tree per node")
    total = 0
    for i, (least, tree) in enumerate(proof):
        if type(least) is not int or least > UNIT:
            raise Refused(f"node {i}: its number of links is no whole number up to 2^40")
        if least > 0 and not within(f"node {i}", needs_links, instance, tokens, i, least, tree):
            raise Refused(f"node {i}: a leaf does not show that it needs {least} links")
        total += least
    if total <= len(links[0][0]):
        raise Refused(f"{total} links are needed; for a proof: more than {len(links[0][0])}")
    return math.inf


def sum_of_tokens(tokens: list[Token], lines: Any) -> Fraction:
    """The sum of all z, each of them proven by its tree; tokens without a line add nothing."""
    total = Fraction(0)
    for t, (token, line) in enumerate(zip(tokens, lines, strict=False)):
        total += (z := number(line["z"], "z"))
        if not within(f"token {t}", tree_holds, token, z, line["tree"]):
            raise Refused(f"token {t}: a leaf does not reach z = {str(line['z'])[:30]}")
    return total


def proven_bound(instance: Any, proof: Any, selection: Any = None) -> Fraction | float:
    """The bound in J that a certificate proves, inf if that there is no answer.

    Raises `Refused`. An allocation is judged for the experts of each token in `selection`.
    """
    if proof.get("format") != "dmoe-opt/certificate" or proof.get("version") != 1:
        raise Refused("format: allowed: dmoe-opt/certificate, version 1")
    for field, value in instance.items():
        if field not in KNOWN.split() and value is not None and value is not False:
            raise Refused(f"{str(field)[:30]}: allowed: an instance without it")
    problem = proof.get("problem")
    if problem not in ("selection", "allocation", "jesa"):
        raise Refused("problem: allowed: selection, allocation or jesa")
    links: Any = None if "cost" in instance else link_energy(instance)
    if "refuted" in proof:
        return refute(instance, links, problem, proof["refuted"])
    if problem == "selection":
        return sum_of_tokens(tokens_of(instance, prices_of(instance, links, None)), proof["tokens"])
    rents = [number(rent, "a rent") for rent in proof["rents"]]
    if problem == "allocation":
        return paid_by(instance, links, rents, selection)
    tokens = tokens_of(instance, prices_of(instance, links, proof["prices"]))
    total = sum_of_tokens(tokens, proof["tokens"])
    return max(total - earnings(instance, links, proof["prices"], rents), Fraction(0))


def verdict(instance: Any, claim: Any, proof: Any) -> str:
    """Why a certificate does not prove a bound, or that there is no answer; empty if it does."""
    try:
        if claim["problem"] != proof["problem"]:
            return "solution and certificate are of different problems"
        bound = proven_bound(instance, proof, claim.get("selection"))
        if claim["status"] == "infeasible":
            return "" if bound == math.inf else "the certificate does not refute the round"
        if number(claim["bound_j"], "the bound of the solution") > bound:
            claimed = str(claim["bound_j"])[:30]
            return f"the proof reaches {float(bound):.12g} J, claimed are {claimed} J"
    except Refused as reason:
        return str(reason)
    except KeyError as e:
        return f"the certificate or the solution has no field {str(e)[:80]}"
    except Exception as e:  # whatever a damaged file leads to
        return f"the certificate is damaged: {type(e).__name__}: {str(e)[:80]}"
    return ""


def main() -> int:
    """Read the files that are named, and say whether the bound is proven."""
    try:
        instance, solution, proof = (json.loads(Path(path).read_bytes()) for path in sys.argv[1:])
    except (OSError, ValueError, RecursionError) as error:
        usage = "usage: python3 -I -S check_proof.py INSTANCE SOLUTION PROOF"
        print(f"{usage}: {str(error)[:200]}", file=sys.stderr)
        return 2
    if reason := verdict(instance, solution, proof):
        print(f"refused: {reason}")
        return 1
    bound = f"at least {solution['bound_j']} J"
    print("proven:", "no answer" if solution["status"] == "infeasible" else bound)
    return 0


if __name__ == "__main__":
    sys.exit(main())
