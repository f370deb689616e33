"""Check a bound in exact arithmetic: python3 -I -S check_proof.py INSTANCE SOLUTION PROOF.

This file needs Python alone and trusts no method. It reads an instance, a solution and a
certificate, and says that the bound is proven, or what fails first (see docs/proofs.md).

EXPERTS (selection). For each token t a number z[t] and a tree that proves that t costs at least
z[t] at its prices e[t, j]. An inner node [j, A, B] splits the sets of experts: A proves those with
expert j, B those without. ["sizes", [A0, A1, ..]] splits them by their number of experts. A leaf is
a number mu >= 0. Let IN be the experts that are in on the way to it, and free those that are
neither in nor out. A leaf holds if

1. IN has more than D experts, or as many as are allowed are too few, or
2. the best free experts that still fit do not reach what the token needs, or
3. e(IN) + mu (need - g(IN)) + (the sum of the smallest e[j] - mu g[j] that still fit) >= z[t].

In 3, any set that reaches the need pays at least that, since mu times what it reaches beyond the
need is never negative. The bound is the sum of all z[t]. Sums of scores are multiples of their
greatest common divisor, so the need is rounded up. Where nodes cost something once, e(IN) has those
of IN, and a free expert elsewhere pays a share, by as many as fit on its node.

ROUNDS (jesa). Here e[t, j] = a[j] + lambda[t, j] + nu[t, j] + pi[j]: a token pays the price lambda
for a link ("prices"; once for a node with send_once), nu for waking the expert, pi for its room.
It costs at most rho[t] if it may be dropped. Links rent subcarriers for v[m]. The bound is

    sum over t of min(z[t], rho[t])
    - sum over links of the most that the link can earn - sum over m of v[m]
    - sum over j of (pi[j] C[j] + max(0, (sum over t of nu[t, j]) - b[j])).

A link earns the lambda of tokens, pays c[i, n, m] for each, and v[m] for each subcarrier that it
uses. With a deadline it may use several, and each sends only so many tokens in time. It earns most
if the tokens with the greatest lambda fill the cheapest of its subcarriers. {"split": ["link", i,
n], "with": A, "without": B} has the lower of two bounds: in A the link carries a token even at a
loss, in B it carries none. ["expert", j] splits by whether j serves.

SUBCARRIERS (allocation). The same, where a token uses the experts that it is given.

NO ANSWER ("refuted": true). If nothing cost any energy, every answer would cost 0 J. So there is
none if the bound of that is above 0.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

UNIT = 2**40  # scores are added as whole numbers of 1 / UNIT
SCALE = 2**1200  # and energies as whole numbers of 1 / SCALE J, which every float is
TOLERANCE = 1e-9  # of a threshold, counted once
ON_TIME = 1e-9  # of a deadline, relative
LITTLE = 2.0**-40  # logarithms are rounded, so links are taken as that much cheaper and faster
MOST = sys.float_info.max
DEAD_J = 1e9  # energies per token above are of links that cannot be used
# Other fields of an instance could change what has to be proven.
KNOWN = """format version name meta max_experts on_shortfall tokens compute_energy radio link_energy
placement scores cost threshold usable node_cost drop_price capacity wake_energy air_deadline_s
send_once"""
ENERGIES = "cost node_cost compute_energy wake_energy drop_price links"
NONE: Any = frozenset()


class Refused(Exception):
    """The certificate does not prove its bound; the message says where."""


def exact(value: float) -> int:
    """A float as a whole number of 1 / SCALE."""
    above, below = value.as_integer_ratio()  # below is a power of 2
    return above << (SCALE.bit_length() - below.bit_length())


def number(what: str, value: Any, *place: int) -> int:
    """A number >= 0 of a certificate, exactly, at a place of a field; 0 if it is not there."""
    if place and value is None:
        return 0
    for k in place:
        value = value[k]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise Refused(f"{what} is not a number >= 0")
    return exact(value)


def best_sum(values: Iterable[int], most: int) -> int:
    """The sum of the greatest values, of so many at most."""
    return sum(sorted(values, reverse=True)[:most])


class Token(NamedTuple):
    """What one token needs and may use: scores in units, prices as exact numbers."""

    prices: dict[int, int]
    units: list[int]
    need: int
    cap: int
    entry: Any = None  # for each expert its node, and what the token pays once there
    drop: int | None = None  # what it pays to be dropped, if it may be
    given: Any = NONE  # experts that it has to use

    def prices_at(self, inside: Any, free: list[int], room: int) -> tuple[int, Any]:
        """What the experts that are in pay with their nodes, and the prices of the free ones."""
        paid = sum(self.prices[j] for j in inside)
        if self.entry is None:
            return paid, self.prices
        entered = dict(self.entry[j] for j in inside)
        crowd, prices = Counter(self.entry[j][0] for j in free), dict(self.prices)
        for n, once, j in ((*self.entry[j], j) for j in free if self.entry[j][0] not in entered):
            prices[j] += once // max(min(crowd[n], room), 1)
        return paid + sum(entered.values()), prices


def leaf_holds(token: Token, z: int, inside: Any, out: Any, size: Any, mu: Any) -> bool:
    """Whether no set with the experts `inside` and without `out` costs less than z."""
    free = [j for j in token.prices if j not in inside and j not in out]
    room = (token.cap if size is None else size) - len(inside)
    if room < 0 or (size is not None and len(free) < room):
        return True  # 1
    missing, price = token.need - sum(token.units[j] for j in inside), number("a leaf", mu) // UNIT
    if best_sum((token.units[j] for j in free), room) < missing:
        return True  # 2
    paid, prices = token.prices_at(inside, free, room)
    reduced = sorted(prices[j] - price * token.units[j] for j in free)[:room]
    if size is None:
        reduced = [r for r in reduced if r < 0]
    return bool(paid + price * missing + sum(reduced) >= z)  # 3


def tree_holds(token: Token, z: int, tree: Any, inside: Any, out: Any, size: Any = None) -> bool:
    """Whether every leaf of a tree holds."""
    if not isinstance(tree, list):
        return leaf_holds(token, z, inside, out, size, tree)
    if len(tree) == 2 and tree[0] == "sizes":
        return all(tree_holds(token, z, tree[1][n], inside, out, n) for n in range(token.cap + 1))
    if len(tree) != 3 or type(tree[0]) is not int or tree[0] not in token.prices:
        raise Refused("a node is none of: a leaf, [expert, with, without], sizes")
    j, first, second = {tree[0]}, tree[1], tree[2]
    with_it = tree_holds(token, z, first, inside | j, out, size)
    return with_it and tree_holds(token, z, second, inside, out | j, size)


def no_energy(value: Any) -> Any:
    """Energies as zeros, those of subcarriers too."""
    if isinstance(value, tuple):
        return value[0], 0, value[2]
    return [no_energy(one) for one in value] if isinstance(value, list) else value and 0


def completed(instance: Any) -> Any:
    """A round with its `links`: subcarriers that work, J of a token on each, tokens in time."""
    radio, seconds = instance.get("radio"), instance.get("air_deadline_s")
    if radio:
        bits = radio["payload_bits"] * (2.0 if radio.get("round_trip") else 1.0)
        joules, ratio = radio["power_w"] * bits, radio["power_w"] / radio["noise_w"]

    def working(link: list[float]) -> Iterator[tuple[int, int, int]]:
        for m, value in enumerate(link):
            energy, in_time = value, UNIT
            if radio:
                rate = radio["bandwidth_hz"] * math.log1p(min(value * ratio, MOST)) / math.log(2.0)
                energy = joules / rate if rate > 0 else math.inf
                if seconds is not None:
                    in_time = min(rate * seconds / bits * (1 + ON_TIME + LITTLE), UNIT)
            if energy <= DEAD_J:
                yield m, exact(energy * (1 - LITTLE) if radio else energy), int(in_time)

    table = radio["gains"] if radio else instance["link_energy"]
    links = [[list(working(link)) for link in row] for row in table]
    node = instance.get("placement") or range(len(instance["compute_energy"]))
    return instance | {"links": links, "placement": node}


def prices_of(instance: Any, proof: Any) -> Iterator[tuple[dict[int, int], Any]]:
    """The prices of tokens, and their `entry`; links cost the least if no prices are given."""
    if "cost" in instance:
        usable, once = instance.get("usable"), instance.get("node_cost")
        for t, row in enumerate(instance["cost"]):
            entry = once and [(n, exact(once[t][n])) for n in instance["placement"]]
            yield {j: exact(c) for j, c in enumerate(row) if not usable or usable[t][j]}, entry
        return
    node, once, paid = instance["placement"], instance.get("send_once"), proof.get("prices")
    for t, i in enumerate(instance["tokens"]["source"]):
        alone, way = {}, {}
        for j, (n, a) in enumerate(zip(node, instance["compute_energy"], strict=True)):
            link, own = instance["links"][i][n], n == i
            if own or link:
                waking = number("waking", proof.get("waking"), t, j)
                alone[j] = exact(a) + waking + number("room", proof.get("room"), j)
                price = number("prices", paid, t, n if once else j)
                way[j] = n, 0 if own else price if paid else min(energy for _, energy, _ in link)
        yield (alone, way) if once else ({j: alone[j] + way[j][1] for j in way}, None)


def is_out(instance: Any, t: int, j: int, out: Any) -> bool:
    """Whether token t of a round cannot have expert j: too late, full, or not used in this case."""
    i, n = instance["tokens"]["source"][t], instance["placement"][j]
    late = n != i and not any(in_time for *_, in_time in instance["links"][i][n])
    full = instance.get("capacity") is not None and instance["capacity"][j] == 0
    return late or full or ("expert", j) in out or ("link", i, n) in out


def tokens_of(instance: Any, proof: Any, out: Any = NONE) -> list[Token]:
    """Tokens at their prices, with what they need, without experts that they can have no more."""
    part, tokens = instance.get("tokens", instance), []
    for t, (prices, entry) in enumerate(prices_of(instance, proof)):
        cap, both = instance["max_experts"], (part["threshold"], instance.get("drop_price"))
        threshold, drop = (each[t] if isinstance(each, list) else each for each in both)
        units = [round(score * UNIT) for score in part["scores"][t]]
        step = math.gcd(*units) or 1  # sums of scores are multiples of it
        need = -(-math.ceil((threshold - TOLERANCE) * UNIT) // step) * step
        if instance.get("on_shortfall") != "infeasible":
            need = min(need, best_sum((units[j] for j in prices), cap))
        if "links" in instance:
            prices = {j: price for j, price in prices.items() if not is_out(instance, t, j, out)}
        uses = NONE
        if "given" in instance:
            uses = frozenset(instance["given"][t])
            cap = len(uses) if uses <= prices.keys() else -1  # no set has them
            prices = {j: prices[j] for j in uses & prices.keys()}
            if uses or drop is None:  # whatever they reach; where there are none, it is dropped
                need, drop = 0, None
        drop = None if drop is None else exact(drop)
        tokens.append(Token(prices, units, need, cap, entry, drop, uses))
    return tokens


def link_earns(prices: list[int], cells: list[tuple[int, int, int]], used: bool) -> int:
    """The most that a link earns by tokens with falling prices, of one at least if it is `used`.

    Cells are the subcarriers: energy of a token, how many fit, rent. The tokens of the highest
    prices fill the cheapest subcarriers; `full` is what is earned once so many fill some of them.
    """
    most, full = None if used else 0, {0: 0}
    for energy, room, rent in sorted(cells):
        for k, before in list(full.items()):
            gains = [p - energy for p in prices[k : k + room] if p > energy]
            earned = before + (sum(gains) or prices[k] - energy) - rent
            most = earned if most is None else max(most, earned)
            if earned > 0 and k + room < len(prices) and len(gains) == room:
                full[k + room] = max(earned, full.get(k + room, 0))
    return most or 0


def links_earn(instance: Any, proof: Any, inside: Any) -> int:
    """The most that links and subcarriers earn, where links `inside` are used."""
    links, rents = instance["links"], [number("rents", rent) for rent in proof["rents"]]
    ends = range(len(links)) if instance.get("send_once") else instance["placement"]
    paid: dict[Any, list[int]] = {}
    for t, i in enumerate(instance["tokens"]["source"]):
        for place, n in enumerate(ends):
            paid.setdefault((i, n), []).append(number("prices", proof["prices"], t, place))
    total = sum(rents)
    for (i, n), prices in paid.items():
        if n != i:
            cells = [(energy, room, rents[m]) for m, energy, room in links[i][n] if room]
            total += link_earns(sorted(prices, reverse=True), cells, ("link", i, n) in inside)
    return total


def experts_earn(instance: Any, proof: Any, inside: Any) -> int:
    """The most that experts earn by their room, and by being woken, where `inside` serve."""
    total, tokens = 0, range(len(instance["tokens"]["source"]))
    for j in range(len(instance["compute_energy"])):
        if room := number("room", proof.get("room"), j):
            total += room * instance["capacity"][j]
        waking = sum(number("waking", proof.get("waking"), t, j) for t in tokens)
        profit = waking - number("wake_energy", instance.get("wake_energy"), j)
        total += profit if ("expert", j) in inside else max(profit, 0)
    return total


def sum_of_trees(tokens: list[Token], lines: Any) -> int:
    """The sum of all z, each of them proven by its tree; tokens without a line add nothing."""
    total = 0
    for t, (token, line) in enumerate(zip(tokens, lines, strict=False)):
        try:
            z = number("z", line["z"])
            if not tree_holds(token, z, line["tree"], token.given, NONE):
                raise Refused(f"a leaf does not reach z = {str(line['z'])[:30]}")
        except Refused as reason:
            raise Refused(f"token {t}: {reason}") from None
        total += z if token.drop is None else min(z, token.drop)
    return total


def round_bound(instance: Any, proof: Any, inside: Any = NONE, out: Any = NONE) -> int:
    """The bound of a round, in 1 / SCALE J; the least of two where it is split."""
    if "split" in proof:
        on = {tuple(proof["split"])}
        used = round_bound(instance, proof["with"], inside | on, out)
        return min(used, round_bound(instance, proof["without"], inside, out | on))
    paid = sum_of_trees(tokens_of(instance, proof, out), proof["tokens"])
    earned = links_earn(instance, proof, inside) + experts_earn(instance, proof, inside)
    return max(paid - earned, 0)


def proven_bound(instance: Any, proof: Any, selection: Any = None) -> Fraction | float:
    """The bound in J that a certificate proves, inf for no answer; it raises `Refused`."""
    if proof.get("format") != "dmoe-opt/certificate" or proof.get("version") != 1:
        raise Refused("format: allowed: dmoe-opt/certificate, version 1")
    problem, free = proof.get("problem"), proof.get("refuted") is True
    if problem not in ("selection", "allocation", "jesa"):
        raise Refused("problem: allowed: selection, allocation or jesa")
    for field, value in instance.items():
        if field not in KNOWN.split() and value is not None and value is not False:
            raise Refused(f"{str(field)[:30]}: allowed: an instance without it")
    if "cost" not in instance:
        given = problem == "allocation" and selection is not None  # or else whatever is given
        instance = completed(instance) | ({"given": selection} if given else {})
    if free:
        instance = instance | {k: no_energy(instance[k]) for k in ENERGIES.split() if k in instance}
    if problem == "selection":
        bound = sum_of_trees(tokens_of(instance, {}), proof["tokens"])
    else:
        bound = round_bound(instance, proof)
    return math.inf if free and bound > 0 else Fraction(bound, SCALE)


def verdict(instance: Any, claim: Any, proof: Any) -> str:
    """Why a certificate does not prove a bound, or that there is no answer; empty if it does."""
    try:
        if claim["problem"] != proof["problem"]:
            return "solution and certificate are of different problems"
        bound = proven_bound(instance, proof, claim.get("selection"))
        if claim["status"] == "infeasible":
            return "" if bound == math.inf else "the certificate does not refute the round"
        if Fraction(number("the bound of the solution", claim["bound_j"]), SCALE) > bound:
            return f"the proof reaches {float(bound):.12g} J, claimed are {claim['bound_j']:.12g} J"
    except Exception as e:  # whatever a damaged file leads to
        what = f"the certificate is damaged: {type(e).__name__}: {str(e)[:80]}"
        return str(e) if isinstance(e, Refused) else what
    return ""


def main() -> None:
    """Read the files that are named, and say whether the bound is proven."""
    try:
        instance, solution, proof = (json.loads(Path(path).read_bytes()) for path in sys.argv[1:])
    except (OSError, ValueError, RecursionError) as error:
        sys.exit(f"usage: python3 -I -S check_proof.py INSTANCE SOLUTION PROOF: {str(error)[:200]}")
    if reason := verdict(instance, solution, proof):
        sys.exit(f"refused: {reason}")
    print("proven:", "no answer" if solution["bound_j"] is None else f"{solution['bound_j']} J")


if __name__ == "__main__":
    main()
