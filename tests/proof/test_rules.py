"""Every rule of the checker is needed: without it, a certificate of something false is accepted."""

from __future__ import annotations

import math
import types
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dmoe_opt.proof import check_proof

SOURCE = Path(check_proof.__file__).read_text()
EXPERTS: dict[str, Any] = {
    "scores": [[0.5, 0.25, 0.25]],
    "cost": [[1.0, 3.0, 2.0]],
    "threshold": 0.75,
    "max_experts": 2,
}
"""One token, which pays 3 J for experts 0 and 2."""
LINKS: dict[str, Any] = {
    "tokens": {"source": [0, 1], "scores": [[0.25, 0.75], [0.75, 0.25]], "threshold": 0.5},
    "max_experts": 1,
    "compute_energy": [0.5, 0.25],
    "link_energy": [[[0.0, 0.0], [1.0, 2.0]], [[1.0, 4.0], [0.0, 0.0]]],
}
"""Two tokens that change places for 0.75 J and the links 0 -> 1 and 1 -> 0 for 3 J."""
ONE_CHANNEL = LINKS | {"link_energy": [[[0.0], [1.0]], [[1.0], [0.0]]]}
"""The same with one subcarrier: there is no answer."""
CROWDED: dict[str, Any] = ONE_CHANNEL | {
    "tokens": {"source": [0], "scores": [[0.0, 0.5, 0.5]], "threshold": 1.0},
    "max_experts": 2,
    "compute_energy": [0.0, 0.0, 0.0],
    "placement": [0, 1, 1],
}
"""One token, one link to both of its experts: 1 J a piece."""
TWO_LINKS: dict[str, Any] = ONE_CHANNEL | {
    "tokens": {"source": [0, 1], "scores": [[0.5, 0, 0], [0, 0, 0.5]], "threshold": 0.5},
    "compute_energy": [0.0, 0.0, 0.0],
    "link_energy": [[[1.0], [1.0], [1.0]]] * 3,
}
"""Token 0 stays at home, token 1 needs the one subcarrier."""
AT_NODES: dict[str, Any] = EXPERTS | {
    "scores": [[0.5, 0.5]],
    "cost": [[0.0, 0.0]],
    "threshold": 1.0,
    "placement": [0, 0],
    "node_cost": [[2.0]],
}
"""One token, which needs both experts of a node and pays 2 J for it once."""
HEADER = {"format": "dmoe-opt/certificate", "version": 1}
SELECTION = HEADER | {"problem": "selection"}
ALLOCATION = HEADER | {"problem": "allocation"}
JESA = HEADER | {"problem": "jesa"}


class Rule(NamedTuple):
    """A rule of the source, what remains without it, and a false claim that only it refuses."""

    text: str
    without: str
    instance: dict[str, Any]
    proof: Any
    bound_j: Any = 0.0
    selection: Any = None
    status: str = "feasible"


def tree(z: float, one: Any) -> dict[str, Any]:
    """A certificate for the token of `EXPERTS`."""
    return SELECTION | {"tokens": [{"z": z, "tree": one}]}


def priced(z: float, price: float, rent: float, one: Any = 0) -> dict[str, Any]:
    """A certificate for `LINKS` with the same numbers everywhere."""
    lines = [{"z": z, "tree": one}, {"z": z, "tree": one}]
    return JESA | {"prices": [[price] * 2] * 2, "rents": [rent] * 2, "tokens": lines}


def refuted(*nodes: Any) -> dict[str, Any]:
    """A certificate with a number and a tree per node."""
    return JESA | {"refuted": list(nodes)}


EITHER = [0, [1, 0, 0], [1, 0, 0]]
BRANCHED = [0, [2, 0, [1, 0, 0]], 0]
LESS, MORE = EXPERTS | {"threshold": 0.25}, EXPERTS | {"threshold": 1.0}
STRICT = EXPERTS | {"threshold": 0.75 + 5e-10, "on_shortfall": "infeasible"}
AT_HOME: dict[str, Any] = LINKS | {
    "tokens": LINKS["tokens"] | {"scores": [[0.75, 0.25], [0.25, 0.75]]}
}
DIAGONAL = LINKS | {"link_energy": [[[9.0, 9.0], [1.0, 2.0]], [[1.0, 4.0], [9.0, 9.0]]]}
HOME = {
    "tokens": [{"z": 10.5, "tree": [0, 0, 0]}],
    "prices": [[10.0, 0.0], [0.0, 0.0]],
    "rents": [0.0] * 2,
}
NO = {"status": "infeasible", "bound_j": None}
RULES = {
    "format": Rule('proof.get("format") !=', '"" ==', EXPERTS, tree(3, BRANCHED) | {"format": "x"}),
    "no other fields": Rule(
        "if field not in", "if False and field not in", EXPERTS | {"x": 1.0}, tree(3, BRANCHED), 3
    ),
    "known problems": Rule(
        'if problem not in ("selection"',
        'if "" in ("selection"',
        LINKS,
        priced(0, 0, 0) | {"problem": "x"},
    ),
    "numbers are not negative": Rule(
        "or not 0 <= value < math.inf", "", LESS, tree(2, [0, -100, 8]), 2
    ),
    "a leaf with too many": Rule("if room < 0 or", "if room < 1 or", EXPERTS, tree(4, BRANCHED), 4),
    "a leaf with too few": Rule(
        "len(free) < room",
        "len(free) <= room",
        EXPERTS,
        tree(4, ["sizes", [0, 0, [0, [1, 0, 0], 0]]]),
        4,
    ),
    "a leaf out of reach": Rule(
        "room) < missing", "room) <= missing", EXPERTS, tree(4, BRANCHED), 4
    ),
    "a leaf by its price": Rule(
        "sum(reduced) >= z)", "sum(reduced) >= 0)", EXPERTS, tree(99, 0), 99
    ),
    "free experts pay a share": Rule(" / max(min(crowd[n], room), 1)", "", AT_NODES, tree(4, 8), 4),
    "a node is paid once": Rule(
        " if self.entry[j][0] not in entered)", ")", AT_NODES, tree(4, [0, 4, 0]), 4
    ),
    "nodes are paid": Rule("sum(entered.values(), paid)", "paid + 9", AT_NODES, tree(9, EITHER), 9),
    "free experts that cost": Rule(
        "    if size is None:\n", "    if False:\n", EXPERTS | {"threshold": 0.5}, tree(3, 0), 3
    ),
    "all leaves": Rule('if not within(f"token', 'if "" and within(f"token', EXPERTS, tree(9, 0), 9),
    "all sizes": Rule(
        "range(token.cap + 1)", "range(token.cap)", EXPERTS, tree(9, ["sizes", [0, 0]]), 9
    ),
    "with and without": Rule(
        ", (node[2], inside, out | j, size)]", "]", EXPERTS, tree(4, [1, [0, 0, 0], 99]), 4
    ),
    "the tolerance": Rule(
        "TOLERANCE = 1e-9", "TOLERANCE = 0", STRICT, SELECTION | {"refuted": 0}, **NO
    ),
    "lowered thresholds": Rule(
        'get("on_shortfall") != "infeasible"', 'get("x")', MORE, tree(5, 8), 5
    ),
    "lowered to the best D": Rule("reverse=True)[:most]", "reverse=True)", MORE, tree(5, 8), 5),
    "own experts need no link": Rule("a if n == i else ", "", AT_HOME, JESA | HOME, 10.5),
    "rents are paid": Rule(
        "in most), sum(rents, Fraction(0))",
        "in most), Fraction(0)",
        LINKS,
        priced(9, 9, 99, EITHER),
        9,
    ),
    "links earn": Rule(
        "max(e, Fraction(0)) for e in most",
        "Fraction(0) for e in most",
        LINKS,
        priced(9, 9, 0, EITHER),
        9,
    ),
    "a set of experts": Rule(
        'raise Refused(f"selection[{t}] is no set of experts")',
        "pass",
        LINKS,
        ALLOCATION | {"rents": [1.0, 0.0]},
        4,
        [[1, -1], [0]],
    ),
    "subcarriers earn": Rule(
        "= -sum(rents, Fraction(0))",
        "= Fraction(0)",
        LINKS,
        ALLOCATION | {"rents": [9.0, 9.0]},
        9,
        [[1], [0]],
    ),
    "own experts carry nothing": Rule(
        " for j in experts if node[j] != i",
        " for j in experts",
        DIAGONAL,
        ALLOCATION | {"rents": [0.0, 0.0]},
        1,
        [[0], [1]],
    ),
    "many experts at a link": Rule("more * crowd]", "more]", CROWDED, refuted([2, 0]), **NO),
    "tokens of the node": Rule(
        "if type(part) is not int or part not in own",
        "if False",
        TWO_LINKS,
        refuted([1, 1], [1, 1]),
        **NO,
    ),
    "so many links": Rule(
        "elif len(active) - 1 < least:",
        "elif len(active) < least:",
        TWO_LINKS,
        refuted([1, 0], [1, 1]),
        **NO,
    ),
    "reach of a leaf": Rule(
        ">= tokens[part].need:", "> tokens[part].need:", TWO_LINKS, refuted([1, 0], [1, 1]), **NO
    ),
    "with and without a link": Rule(
        ", (without, active, closed | {n})]", "]", TWO_LINKS, refuted([1, [1, 0, 0]], [1, 1]), **NO
    ),
    "whole numbers of links": Rule(
        "if type(least) is not int or least > UNIT:",
        "if False:",
        TWO_LINKS,
        refuted([math.nan, 0]),
        **NO,
    ),
    "all nodes": Rule(
        "if least > 0 and not within(", "if False and within(", LINKS, refuted([9, 0]), **NO
    ),
    "more than there are": Rule(
        "if total <= len(links[0][0]):", "if False:", TWO_LINKS, refuted([0, 0]), **NO
    ),
    "a token that is served": Rule(
        "token.cap) >= token.need:", "token.cap) < 0:", EXPERTS, SELECTION | {"refuted": 0}, **NO
    ),
    "spectrum is of rounds": Rule(
        'if problem != "jesa" or', "if", ONE_CHANNEL, refuted([1, 0], [1, 1]) | SELECTION, **NO
    ),
    "no answer": Rule(
        "if bound == math.inf else", "if True else", EXPERTS, tree(3, BRANCHED), **NO
    ),
    "the bound": Rule('solution") > bound:', 'solution") < 0:', EXPERTS, tree(3, BRANCHED), 4),
}


def judged(checker: Any, rule: Rule) -> str:
    claim = {"problem": rule.proof["problem"], "status": rule.status, "bound_j": rule.bound_j}
    return str(checker.verdict(rule.instance, claim | {"selection": rule.selection}, rule.proof))


@pytest.mark.parametrize("name", RULES)
def test_only_that_rule_refuses(name: str) -> None:
    """The checker refuses; the checker without the rule accepts."""
    rule = RULES[name]
    assert SOURCE.count(rule.text) == 1
    weaker = types.ModuleType("weaker")
    exec(SOURCE.replace(rule.text, rule.without), weaker.__dict__)
    assert judged(check_proof, rule)
    assert judged(weaker, rule) == ""


def test_what_is_true_is_accepted() -> None:
    """The same instances with honest claims."""
    true = [
        (EXPERTS, tree(3, BRANCHED), 3, None),
        (LINKS, ALLOCATION | {"rents": [1.0, 0.0]}, 3.75, [[1], [0]]),
        (AT_NODES, tree(2, 2), 2, None),
    ]
    for instance, proof, bound_j, selection in true:
        rule = Rule("", "", instance, proof, bound_j, selection)
        assert judged(check_proof, rule) == ""
    assert judged(check_proof, Rule("", "", ONE_CHANNEL, refuted([1, 0], [1, 1]), **NO)) == ""
