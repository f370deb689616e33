"""Certificates that there is no answer: a token that nobody serves, or too many links needed.

The proofs are found with the functions of the checker: they are small, and it is exact.
"""

from __future__ import annotations

import json
from typing import Any

from dmoe_opt.data.files import as_json
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.errors import InputError
from dmoe_opt.joint.activation import fewest_links
from dmoe_opt.proof import check_proof
from dmoe_opt.proof.trees import MOST_LEAVES, Tree

Tokens = dict[int, check_proof.Token]


def refutation(data: Instance | SelectionProblem, problem: str) -> dict[str, Any]:
    """The field that proves that there is no answer.

    Raises
    ------
    InputError
        If the reason is none that counts: no token is out of reach, and the nodes do not need more
        links than there are subcarriers, or that would take too large a tree.
    """
    tokens = plain_tokens(data)
    for t, token in enumerate(tokens):
        best = check_proof.best_sum((token.units[j] for j in token.prices), token.cap)
        if best < token.need and token.drop is None:
            return out_of_reach(data, problem, t)
    if problem == "jesa" and isinstance(data, Instance):
        needed = fewest_links(data).needed.tolist()
        nodes = data.node_of.tolist()
        if sum(needed) > data.num_subcarriers:
            sources = data.source.tolist()
            own: list[Tokens] = [{} for _ in needed]
            for t, i in enumerate(sources):
                own[i][t] = tokens[t]
            trees = [
                link_tree(own[i], nodes, i, least) if least else 0 for i, least in enumerate(needed)
            ]
            if None not in trees:
                return {"refuted": [list(pair) for pair in zip(needed, trees, strict=True)]}
    if problem == "allocation":
        raise InputError("a proof that given experts cannot be served; allowed: selection or jesa")
    raise InputError(f"no proof that {problem} has no answer was found by counting links")


def plain_tokens(data: Instance | SelectionProblem) -> list[check_proof.Token]:
    """The tokens as the checker has them, where links cost the least that they can."""
    instance = json.loads(as_json(data))
    return check_proof.tokens_of(
        check_proof.completed(instance) if isinstance(data, Instance) else instance, {}
    )


def out_of_reach(data: Instance | SelectionProblem, problem: str, t: int) -> dict[str, Any]:
    """Lines for the tokens up to t, which no experts serve."""
    fields: dict[str, Any] = {"tokens": [{"z": 0, "tree": 0}] * t + [{"z": None, "tree": 0}]}
    if problem == "selection" or not isinstance(data, Instance):
        return fields
    columns = data.num_nodes if data.send_once else data.num_experts
    return fields | {
        "prices": [[0] * columns] * data.num_tokens,
        "rents": [0] * data.num_subcarriers,
    }


def link_tree(tokens: Tokens, node: list[int], i: int, least: int) -> Tree | None:
    """A tree that node i needs so many active links; None if none was found within the limit.

    It branches on the link to the best expert that the token with the least to spare could add.
    """
    root: list[Tree] = [None]
    waiting: list[Any] = [(root, 0, frozenset([i]), frozenset())]
    leaves = 0
    while waiting:
        parent, place, active, closed = waiting.pop()
        more = least - len(active)
        spare = {
            t: check_proof.reach(token, node, active, closed, more) - token.need
            for t, token in tokens.items()
            if more >= 0
        }
        t = min(spare, key=lambda t: spare[t], default=min(tokens))
        if more < 0 or spare[t] < 0:
            parent[place] = t
            leaves += 1
            if leaves + len(waiting) > MOST_LEAVES:
                return None
            continue
        token = tokens[t]
        free = [j for j in token.prices if node[j] not in active and node[j] not in closed]
        if not free:
            return None
        n = node[max(free, key=lambda j: token.units[j])]
        branch: list[Tree] = [n, None, None]
        parent[place] = branch
        waiting += [(branch, 2, active, closed | {n}), (branch, 1, active | {n}, closed)]
    return root[0]
