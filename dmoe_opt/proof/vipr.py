"""Certificates in the format VIPR, for checkers of mixed-integer programs.

Source: K. Cheung, A. Gleixner and D. Steffy, *Verifying Integer Programming Results*, IPCO 2017.
The file has the program itself, all in fractions, and derives the bound from it row by row.

- Experts: binary `x[t,j]`, a covering row and a cap per token, each `x <= 1` and `>= 0` a row.
- A round has also binary `y[i,n,m]`, and `s[t,j,m]` for the subcarrier that brings token t to
  expert j. Rows: `x[t,j] = sum over m of s[t,j,m]`, `s[t,j,m] <= y[i,n,m]`, one subcarrier per
  link and one link per subcarrier.

The needs are rounded up to sums of scores (`rnd`), the two branches of a tree are assumed (`asm`)
and joined (`uns`), and leaves, prices and rents are sums of rows (`lin`).
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from fractions import Fraction
from typing import Any, NamedTuple

from dmoe_opt.data.files import as_json
from dmoe_opt.data.instance import Instance, require_plain
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.errors import InputError
from dmoe_opt.proof import check_proof
from dmoe_opt.proof.check_proof import SCALE, UNIT

Terms = dict[int, Fraction]
"""Coefficients of variables, or multipliers of rows, by number."""
ONE, ZERO = Fraction(1), Fraction(0)


class Program:
    """A program and what is derived from it; rows are numbered through both."""

    def __init__(self) -> None:
        self.variables: list[str] = []
        self.integer: list[int] = []
        self.objective: Terms = {}
        self.rows: list[str] = []
        self.given = 0
        self.least: dict[int, int] = {}  # the row that says that a variable is >= 0
        self.most: dict[int, int] = {}

    def variable(self, name: str, cost: Fraction = ZERO, *, binary: bool) -> int:
        """A variable >= 0, and <= 1 if it is binary."""
        number = len(self.variables)
        self.variables.append(name)
        self.objective[number] = cost
        self.least[number] = self.row("G", ZERO, {number: ONE})
        if binary:
            self.integer.append(number)
            self.most[number] = self.row("L", ONE, {number: ONE})
        return number

    def row(self, sense: str, right: Fraction | int, terms: Terms, reason: str = "") -> int:
        """Add a row, given if there is no reason for it; returns its number."""
        number = len(self.rows)
        tail = f" {{ {reason} }} -1" if reason else ""
        self.rows.append(f"R{number} {sense} {right} {_listed(terms)}{tail}")
        self.given += not reason
        return number

    def text(self, bound: Fraction) -> str:
        """The file that proves a bound by its last row."""
        return "\n".join(
            [
                "VER 1.0",
                f"VAR {len(self.variables)}",
                *self.variables,
                f"INT {len(self.integer)}",
                " ".join(map(str, self.integer)),
                "OBJ min",
                _listed(self.objective),
                f"CON {self.given} {len(self.variables) + len(self.integer)}",
                *self.rows[: self.given],
                f"RTP range {bound} inf",
                "SOL 0",
                f"DER {len(self.rows) - self.given}",
                *self.rows[self.given :],
                "",
            ]
        )


class TokenRows(NamedTuple):
    """A token in the program: its variables by expert, and its rows."""

    token: check_proof.Token
    prices: Terms
    x: dict[int, int]
    cover: int
    cap: int
    step: int


class Branch(NamedTuple):
    """What is assumed at a node: rows `x >= 1` and `x <= 0` by expert, and rows of the size."""

    inside: dict[int, int]
    out: dict[int, int]
    most: int
    least: int | None = None
    size: int | None = None


def as_vipr(data: Instance | SelectionProblem, fields: dict[str, Any]) -> str:
    """The VIPR file of a certificate that the exact checker has accepted.

    Raises
    ------
    InputError
        If the certificate is of given experts, or proves that there is no answer.
    """
    if fields["problem"] == "allocation" or fields["bound_j"] is None:
        what = "no answer" if fields["bound_j"] is None else "given experts"
        raise InputError(f"a VIPR proof of {what}; allowed: a bound of selection or jesa")
    require_plain(data, "a VIPR proof")
    if "split" in fields:
        raise InputError("a VIPR proof by cases; allowed: one with the same prices everywhere")
    instance = json.loads(as_json(data))
    if instance.get("node_cost"):
        raise InputError("a VIPR proof with node_cost; allowed: an instance without it")
    if "cost" not in instance:
        instance = check_proof.completed(instance)
    tokens = check_proof.tokens_of(instance, fields)
    program = Program()
    given = [_given(program, instance, t, token, fields) for t, token in enumerate(tokens)]
    spectrum = None
    if "prices" in fields:
        spectrum = _spectrum(program, instance, given, len(fields["rents"]))
    rounded = [_rounded(program, rows) for rows in given]
    total, terms = ZERO, {}
    for rows, line in zip(rounded, fields["tokens"], strict=False):
        total += (z := Fraction(line["z"]))
        terms[_tree(program, rows, z, line["tree"], Branch({}, {}, rows.cap))] = ONE
    if spectrum is not None:
        total -= _earn(program, spectrum, fields, terms)
    if total < 0:  # what costs nothing or more does not cost less than nothing
        total, terms = ZERO, {program.least[k]: cost for k, cost in program.objective.items()}
    program.row("G", total, program.objective, f"lin {_listed(terms)}")
    return program.text(total)


def _listed(terms: Terms) -> str:
    parts = [f"{number} {value}" for number, value in terms.items() if value]
    return " ".join([str(len(parts)), *parts])


def _given(
    program: Program, instance: Any, t: int, token: check_proof.Token, fields: dict[str, Any]
) -> TokenRows:
    """The variables of a token, the relevance that it needs, and its cap."""
    prices = {j: Fraction(e, SCALE) for j, e in token.prices.items()}
    costs = prices  # with prices of links in them, unless links are in the program
    if "prices" in fields:
        costs = {j: Fraction(instance["compute_energy"][j]) for j in prices}
    x = {j: program.variable(f"x_{t}_{j}", cost, binary=True) for j, cost in costs.items()}
    thresholds = instance.get("tokens", instance)["threshold"]
    threshold = thresholds[t] if isinstance(thresholds, list) else thresholds
    need = min(Fraction(threshold - check_proof.TOLERANCE), Fraction(token.need, UNIT))
    scores = {x[j]: Fraction(token.units[j], UNIT) for j in x}
    cover = program.row("G", need, scores)
    cap = program.row("L", token.cap, dict.fromkeys(x.values(), ONE))
    return TokenRows(token, prices, x, cover, cap, math.gcd(*token.units) or 1)


def _rounded(program: Program, rows: TokenRows) -> TokenRows:
    """The rows of a token with its need rounded up, as sums of scores go."""
    token, step = rows.token, rows.step
    terms = {rows.x[j]: Fraction(token.units[j], step) for j in rows.x}
    reason = f"rnd 1 {rows.cover} {Fraction(UNIT, step)}"
    return rows._replace(cover=program.row("G", token.need // step, terms, reason))


def _tree(program: Program, rows: TokenRows, z: Fraction, tree: Any, at: Branch) -> int:
    """Derive that a token costs at least z, below a node; returns the row that says so."""
    if not isinstance(tree, list):
        return _leaf(program, rows, tree, at)
    if tree[0] == "sizes":
        return _sizes(program, rows, z, tree[1], at)
    j, with_j, without_j = tree
    chosen = program.row("G", 1, {rows.x[j]: ONE}, "asm")
    left = _tree(program, rows, z, with_j, at._replace(inside={**at.inside, j: chosen}))
    dropped = program.row("L", 0, {rows.x[j]: ONE}, "asm")
    right = _tree(program, rows, z, without_j, at._replace(out={**at.out, j: dropped}))
    return _joined(program, rows, z, (left, chosen, right, dropped))


def _joined(program: Program, rows: TokenRows, z: Fraction, parts: tuple[int, ...]) -> int:
    """One of two assumptions holds, and each gives that the token costs at least z."""
    terms = {rows.x[j]: e for j, e in rows.prices.items()}
    return program.row("G", z, terms, f"uns {' '.join(map(str, parts))}")


def _sizes(program: Program, rows: TokenRows, z: Fraction, trees: list[Any], at: Branch) -> int:
    """Derive the same for each number of experts in turn: at most n of them, or n + 1 and more."""
    everyone = dict.fromkeys(rows.x.values(), ONE)
    signs = {program.least[number]: ONE for number in everyone}
    least = program.row("G", 0, everyone, f"lin {_listed(signs)}")
    cap = rows.token.cap
    parts = []
    for n in range(cap):
        most = program.row("L", n, everyone, "asm")
        size = at._replace(most=most, least=least, size=n)
        parts.append([_tree(program, rows, z, trees[n], size), most])
        least = program.row("G", n + 1, everyone, "asm")
        parts[-1].append(least)
    proven = _tree(program, rows, z, trees[cap], at._replace(least=least, size=cap))
    for below, most, above in reversed(parts):
        proven = _joined(program, rows, z, (below, most, proven, above))
    return proven


def _leaf(program: Program, rows: TokenRows, mu: Any, at: Branch) -> int:
    """The row of a leaf, by the first of the checker's three reasons that holds."""
    token = rows.token
    free = [j for j in token.prices if j not in at.inside and j not in at.out]
    room = (token.cap if at.size is None else at.size) - len(at.inside)
    nothing = dict.fromkeys(token.prices, ZERO)
    if room < 0:
        return _sum(program, rows, at, nothing, ZERO, ONE)
    if at.size is not None and len(free) < room:
        return _sum(program, rows, at, nothing, ZERO, -ONE)
    missing = token.need - sum(token.units[j] for j in at.inside)
    if check_proof.best_sum((token.units[j] for j in free), room) < missing:
        costs, price = nothing, ONE / UNIT
    else:
        costs, price = rows.prices, Fraction(mu) / UNIT
    reduced = sorted(costs[j] - price * token.units[j] for j in free)
    cut = -reduced[min(room, len(free) - 1)] if free else ZERO
    if at.size is None:
        cut = max(cut, ZERO) if room < len(free) else ZERO
    return _sum(program, rows, at, costs, price, cut)


def _sum(
    program: Program,
    rows: TokenRows,
    at: Branch,
    costs: dict[int, Fraction],
    price: Fraction,
    cut: Fraction,
) -> int:
    """The row with these costs that is a sum of the rows at a node, `price` per unit of score.

    `cut` is paid for the number of experts: for at most so many if it is positive, for at least so
    many if it is negative.
    """
    token = rows.token
    right = price * token.need - cut * (token.cap if at.size is None else at.size)
    terms: Terms = {rows.cover: price * rows.step}
    if cut:
        terms[at.most if cut > 0 or at.least is None else at.least] = -cut
    for j, x in rows.x.items():
        rest = costs[j] - price * token.units[j] + cut
        if rest > 0:
            terms[at.inside.get(j, program.least[x])] = rest
        else:
            terms[at.out.get(j, program.most[x])] = rest
        if j in at.inside or (rest < 0 and j not in at.out):
            right += rest
    left = {rows.x[j]: cost for j, cost in costs.items()}
    return program.row("G", right, left, f"lin {_listed(terms)}")


class Sent(NamedTuple):
    """A token that goes to an expert on a subcarrier: its energy, variable and row `s <= y`."""

    t: int
    j: int
    link: tuple[int, int, int]
    cost: Fraction
    s: int
    row: int


class Spectrum(NamedTuple):
    """Subcarriers in the program: numbers of variables and rows."""

    y: dict[tuple[int, int, int], int]
    link_rows: dict[tuple[int, int], int]
    channels: list[int]
    shares: dict[tuple[int, int], int]
    sent: list[Sent]


def _spectrum(program: Program, instance: Any, given: list[TokenRows], carriers: int) -> Spectrum:
    """Put links and so many subcarriers into the program."""
    links, node, sources = instance["links"], instance["placement"], instance["tokens"]["source"]
    y: dict[tuple[int, int, int], int] = {}
    shares, sent = {}, []
    for t, (i, rows) in enumerate(zip(sources, given, strict=True)):
        for j in rows.x:
            shared: Terms = {rows.x[j]: ONE}
            for m, energy, _ in links[i][node[j]] if node[j] != i else []:
                cost = Fraction(energy, SCALE)
                link = (i, node[j], m)
                if link not in y:
                    y[link] = program.variable("y_{}_{}_{}".format(*link), binary=True)
                s = program.variable(f"s_{t}_{j}_{m}", cost, binary=False)
                shared[s] = -ONE
                sent.append(Sent(t, j, link, cost, s, program.row("L", 0, {s: ONE, y[link]: -ONE})))
            if node[j] != i:
                shares[t, j] = program.row("E", 0, shared)
    of_links: dict[tuple[int, int], Terms] = defaultdict(dict)
    of_subcarriers: list[Terms] = [{} for _ in range(carriers)]
    for (i, n, m), number in y.items():
        of_links[i, n][number] = of_subcarriers[m][number] = ONE
    link_rows = {link: program.row("L", 1, terms) for link, terms in of_links.items()}
    channels = [program.row("L", 1, terms) for terms in of_subcarriers]
    return Spectrum(y, link_rows, channels, shares, sent)


def _earn(program: Program, spectrum: Spectrum, fields: dict[str, Any], terms: Terms) -> Fraction:
    """Add the rows of prices and rents to the sum `terms`; returns what is earned, J."""
    prices = [[Fraction(price) for price in row] for row in fields["prices"]]
    rents = [Fraction(rent) for rent in fields["rents"]]
    for (t, j), row in spectrum.shares.items():
        terms[row] = -prices[t][j]
    earned: dict[tuple[int, int, int], Fraction] = dict.fromkeys(spectrum.y, ZERO)
    for sent in spectrum.sent:
        earns = prices[sent.t][sent.j] - sent.cost
        if earns > 0:
            earned[sent.link] += earns
        terms[sent.row if earns > 0 else program.least[sent.s]] = -earns
    profits: dict[tuple[int, int], Fraction] = dict.fromkeys(spectrum.link_rows, ZERO)
    for (i, n, m), value in earned.items():
        profits[i, n] = max(profits[i, n], value - rents[m])
    for (i, n, m), value in earned.items():
        terms[program.least[spectrum.y[i, n, m]]] = profits[i, n] + rents[m] - value
    terms |= {spectrum.link_rows[link]: -profit for link, profit in profits.items()}
    terms |= {row: -rent for row, rent in zip(spectrum.channels, rents, strict=True)}
    return sum(rents, ZERO) + sum(profits.values(), ZERO)
