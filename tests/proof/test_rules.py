"""Every rule of the checker is needed: without it, a certificate of something false is accepted."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from helpers.checked import (
    AT_NODES,
    EXPERTS,
    LATE,
    LATER,
    LINKS,
    ONE_CHANNEL,
    SHARED,
    SLOWER,
    STAYING,
)
from helpers.weakened import weakened

from dmoe_opt.proof import check_proof

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


def given(first: float, second: float = 0) -> dict[str, Any]:
    """A certificate of what the given experts of `LINKS` pay."""
    return priced(0, 0, 0) | ALLOCATION | {"tokens": [{"z": z, "tree": 0} for z in (first, second)]}


def late(price: float, tokens: int = 2, first: float | None = None) -> dict[str, Any]:
    """A certificate for tokens that go the same way; the first may pay another price."""
    prices = [price if first is None else first, *[price] * (tokens - 1)]
    lines = [{"z": z, "tree": [1, 0, 0]} for z in prices]
    return JESA | {"prices": [[0.0, z] for z in prices], "rents": [0.0] * 2, "tokens": lines}


ONE_RENT = {"rents": [0.0]}


EITHER = [0, [1, 0, 0], [1, 0, 0]]


def refuted(z: float, price: float = 1.0, rent: float = 1.0, **fields: Any) -> dict[str, Any]:
    """A certificate of no answer: two tokens that cost z with their one expert."""
    lines = [{"z": z, "tree": EITHER}] * 2
    paid = {"prices": [[price] * 2] * 2, "rents": [rent], "tokens": lines}
    return JESA | {"refuted": True} | paid | fields


BRANCHED = [0, [2, 0, [1, 0, 0]], 0]
LESS, MORE = EXPERTS | {"threshold": 0.25}, EXPERTS | {"threshold": 1.0}
STRICT = EXPERTS | {"threshold": 0.75 + 5e-10, "on_shortfall": "infeasible"}
AT_HOME: dict[str, Any] = LINKS | {
    "tokens": LINKS["tokens"] | {"scores": [[0.75, 0.25], [0.25, 0.75]]}
}
HOME = {
    "tokens": [{"z": 10.5, "tree": [0, 0, 0]}],
    "prices": [[10.0, 0.0], [0.0, 0.0]],
    "rents": [0.0] * 2,
}
UNSERVED: dict[str, Any] = {"refuted": True, "tokens": [{"z": 1, "tree": 0}]}
UNSERVED_ROUND = JESA | UNSERVED | {"prices": [[0.0, 0.0]] * 2, "rents": [0.0, 0.0]}
SPLIT = JESA | {
    "split": ["link", 0, 1],
    "with": priced(0, 0, 0),
    "without": priced(0, 0, 0) | {"tokens": [{"z": 1e9, "tree": 0}]},
}
CASE = {"prices": [[0.0, 0.0]], "rents": [0.0]}
NOBODY: dict[str, Any] = {"tokens": [{"z": 99, "tree": 0}]}
IN_CASES = JESA | {
    "split": ["expert", 0],
    "with": CASE | {"tokens": [{"z": 0.5, "tree": [0, 0, 0]}]},
    "without": CASE | NOBODY,
}
"""A proof for `STAYING`: with its own expert the token pays 9.5 J, and without it has none."""
AWAKE = IN_CASES | {"refuted": True, "with": CASE | {"tokens": []}}
FREE = tree(3, [0, [2, 0, [1, 0, 0]], 0]) | {"refuted": True}
WAKING = LINKS | {"wake_energy": [1.0, 1.0]}
ROOMY = LINKS | {"capacity": [9, 9]}
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
    "free experts pay a share": Rule(
        " // max(min(crowd[n], room), 1)", "", AT_NODES, tree(4, 8), 4
    ),
    "a node is paid once": Rule(
        " if self.entry[j][0] not in entered)", ")", AT_NODES, tree(4, [0, 4, 0]), 4
    ),
    "nodes are paid": Rule(
        "paid + sum(entered.values())", "paid + 9 * SCALE", AT_NODES, tree(9, EITHER), 9
    ),
    "free experts that cost": Rule(
        "    if size is None:\n", "    if False:\n", EXPERTS | {"threshold": 0.5}, tree(3, 0), 3
    ),
    "all leaves": Rule("if not tree_holds(", "if False and tree_holds(", EXPERTS, tree(9, 0), 9),
    "all sizes": Rule(
        "range(token.cap + 1)", "range(token.cap)", EXPERTS, tree(9, ["sizes", [0, 0]]), 9
    ),
    "with and without": Rule(
        "return with_it and tree_holds(",
        "return with_it or tree_holds(",
        EXPERTS,
        tree(4, [1, [0, 0, 0], 99]),
        4,
    ),
    "the tolerance": Rule("TOLERANCE = 1e-9", "TOLERANCE = 0", STRICT, SELECTION | UNSERVED, **NO),
    "lowered thresholds": Rule(
        'get("on_shortfall") != "infeasible"', 'get("x")', MORE, tree(5, 8), 5
    ),
    "lowered to the best D": Rule("reverse=True)[:most]", "reverse=True)", MORE, tree(5, 8), 5),
    "own experts need no link": Rule("0 if own else ", "", AT_HOME, JESA | HOME, 10.5),
    "rents are paid": Rule("total = sum(rents)", "total = 0", LINKS, priced(9, 9, 99, EITHER), 9),
    "links earn": Rule(
        "total += link_earns(", "total += 0 * link_earns(", LINKS, priced(9, 9, 0, EITHER), 9
    ),
    "several subcarriers earn": Rule("if earned > 0 and", "if False and", LATE, late(10.0), 10),
    "earnings of full subcarriers": Rule("before + (sum", "(sum", LATE, late(10.0), 10),
    "the cheapest subcarriers first": Rule("sorted(cells)", "cells", SLOWER, late(10.0, 5), 6.5),
    "the greatest prices first": Rule(
        "sorted(prices, reverse=True)", "sorted(prices)", LATE, late(10.0, 2, 0.5), 10
    ),
    "links earn with all tokens": Rule(
        "(sum(gains) or prices[k] - energy)",
        "(prices[k] - energy)",
        LATER,
        late(10.0) | ONE_RENT,
        10,
    ),
    "as many as can be sent": Rule(
        "prices[k : k + room]", "prices[k : k + 1]", LATER, late(10.0) | ONE_RENT, 10
    ),
    "links are a bit cheaper": Rule(
        "energy * (1 - LITTLE) if radio", "energy if radio", LATE, late(1.0), 2.0
    ),
    "the tolerance of a deadline": Rule(
        "(1 + ON_TIME + LITTLE)", "1", LATE | {"air_deadline_s": 1 - 5e-10}, UNSERVED_ROUND, **NO
    ),
    "reached in time": Rule(
        "late = n != i and not any(",
        "late = n != i and any(",
        LATE,
        UNSERVED_ROUND,
        **NO,
    ),
    "experts with room": Rule(
        '["capacity"][j] == 0', '["capacity"][j] > 0', ROOMY, UNSERVED_ROUND, **NO
    ),
    "given experts, however many": Rule(
        "cap = len(uses) if", "cap = cap if", LINKS, given(9), 9, [[0, 1], [0]]
    ),
    "given experts, whatever they reach": Rule(
        "need, drop = 0, None", "pass", LINKS, given(9), 9, [[0], [0]]
    ),
    "given experts are not dropped": Rule(
        "if uses or drop is None:",
        "if drop is None:",
        LINKS | {"drop_price": 9.0},
        given(9),
        9,
        [[0], [0]],
    ),
    "dropped for the price": Rule(
        "else min(z, token.drop)", "else z", EXPERTS | {"drop_price": 2.0}, tree(3, BRANCHED), 3
    ),
    "room is earned": Rule(
        "total += room *", "total += 0 *", ROOMY, priced(9, 0, 0, EITHER) | {"room": [9.0] * 2}, 9
    ),
    "waking is earned": Rule(
        "else max(profit, 0)",
        "else 0",
        WAKING,
        priced(9, 0, 0, EITHER) | {"waking": [[9.0] * 2] * 2},
        9,
    ),
    "both parts of a split": Rule("return min(used, ", "return max(used, ", LINKS, SPLIT, 99),
    "experts are not out": Rule('("expert", j) in out', "True", LINKS, UNSERVED_ROUND, **NO),
    "links are not out": Rule('("link", i, n) in out', "n != i", LINKS, UNSERVED_ROUND, **NO),
    "links that need not be used": Rule(
        "None if used else 0",
        "None",
        ONE_CHANNEL,
        priced(0, 0, 99) | {"rents": [99.0]},
        99,
    ),
    "experts that need not serve": Rule(
        'profit if ("expert", j) in inside',
        "profit if True",
        STAYING,
        priced(0, 0, 0) | {"rents": [0.0]},
        99,
    ),
    "experts that are there": Rule(
        "if uses <= prices.keys()", "if not uses", LINKS, given(9), 9, [[1], [0]]
    ),
    "no answer if nothing costs": Rule("if free and", "if", EXPERTS, tree(3, BRANCHED), **NO),
    "experts cost nothing": Rule(
        "cost node_cost compute", "node_cost compute", EXPERTS, FREE, **NO
    ),
    "nodes cost nothing": Rule(
        "cost node_cost compute", "cost compute", AT_NODES, tree(2, 2) | {"refuted": True}, **NO
    ),
    "computing costs nothing": Rule(
        'compute_energy wake_energy drop_price links"',
        'wake_energy drop_price links"',
        LINKS,
        refuted(0.25, 0.0, rents=[0.0] * 2),
        **NO,
    ),
    "waking costs nothing": Rule(
        "wake_energy drop_price links", "drop_price links", STAYING, AWAKE, **NO
    ),
    "dropping costs nothing": Rule(
        "wake_energy drop_price links",
        "wake_energy links",
        ONE_CHANNEL | {"drop_price": 1.0},
        refuted(1.0),
        **NO,
    ),
    "links cost nothing": Rule(
        'drop_price links"', 'drop_price"', LINKS, refuted(1.0, rents=[0.0] * 2), **NO
    ),
    "no answer": Rule(
        "if bound == math.inf else", "if True else", EXPERTS, tree(3, BRANCHED), **NO
    ),
    "the bound": Rule("SCALE) > bound:", "SCALE) < 0:", EXPERTS, tree(3, BRANCHED), 4),
}


def judged(checker: Any, rule: Rule) -> str:
    claim = {"problem": rule.proof["problem"], "status": rule.status, "bound_j": rule.bound_j}
    return str(checker.verdict(rule.instance, claim | {"selection": rule.selection}, rule.proof))


@pytest.mark.parametrize("name", RULES)
def test_only_that_rule_refuses(name: str) -> None:
    """The checker refuses; the checker without the rule accepts."""
    rule = RULES[name]
    weaker = weakened(check_proof, rule.text, rule.without)
    assert judged(check_proof, rule)
    assert judged(weaker, rule) == ""


def test_what_a_link_earns() -> None:
    """The most over sets of subcarriers and numbers of tokens, of one at least if it is used."""
    ways = check_proof.link_earns(
        [10, 8, 7, 4, 0], [(3, 1, 2), (1, 2, 5), (4, 1, 0), (3, 1, 4)], False
    )
    assert ways == 14  # two ways to fill two places, and the better one counts
    rng = np.random.default_rng(0)
    for _ in range(200):
        prices = sorted(rng.integers(0, 13, rng.integers(1, 6)).tolist(), reverse=True)
        number = int(rng.integers(1, 5))
        cells = [(int(e), int(r), int(v)) for e, r, v in rng.integers(0, [9, 4, 7], (number, 3))]
        cells = [cell for cell in cells if cell[1]]
        for used in (False, True):
            most = max(earnings(prices, cells), default=0)
            earned = check_proof.link_earns(prices, cells, used)
            assert earned == (most if used else max(most, 0))


def earnings(prices: list[int], cells: list[tuple[int, int, int]]) -> Iterator[int]:
    """What a link earns on each set of subcarriers with each number of tokens."""
    for size in range(1, len(cells) + 1):
        for chosen in itertools.combinations(sorted(cells), size):
            places = [energy for energy, room, _ in chosen for _ in range(room)]
            for k in range(1, min(len(prices), len(places)) + 1):
                yield sum(prices[:k]) - sum(places[:k]) - sum(rent for *_, rent in chosen)


def test_what_is_true_is_accepted() -> None:
    """The same instances with honest claims."""
    true = [
        (EXPERTS, tree(3, BRANCHED), 3, None),
        (
            LINKS,
            given(2.25, 2.5) | {"prices": [[2.0] * 2] * 2, "rents": [1.0, 0.0]},
            3.75,
            [[1], [0]],
        ),
        (LATE, late(10.0), 2 - 1e-10, None),
        (LATER, late(10.0) | {"rents": [0.0]}, 2 - 1e-10, None),
        (STAYING, IN_CASES, 9.5, None),
        (AT_NODES, tree(2, 2), 2, None),
    ]
    for instance, proof, bound_j, selection in true:
        rule = Rule("", "", instance, proof, bound_j, selection)
        assert judged(check_proof, rule) == ""
    full = refuted(1.0, 0.0, 0.0, room=[0.0, 1.0])
    for instance, proof in ((ONE_CHANNEL, refuted(1.0)), (SHARED, full)):
        assert judged(check_proof, Rule("", "", instance, proof, **NO)) == ""
