"""Why a round has no answer (P2): tokens and rules that conflict, as few as possible.

Without any one of them the others have an answer. QuickXplain finds such a conflict with few
questions to `feasibility`: U. Junker, QuickXplain: preferred explanations and relaxations for
over-constrained problems, AAAI 2004.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data.instance import Instance
from dmoe_opt.errors import LimitError
from dmoe_opt.joint.feasibility import RULES, Round, can_be_served, rules_of
from dmoe_opt.selection import des

Part = TypeVar("Part")


class Conflict(NamedTuple):
    """Tokens and names of rules without a common answer.

    `minimal` is False if the time limit left open whether the conflict is the smallest of its kind.
    """

    tokens: list[int]
    rules: list[str]
    minimal: bool


def quick_xplain(parts: Sequence[Part], refuted: Callable[[Sequence[Part]], bool]) -> list[Part]:
    """A minimal set of parts that is still refuted; parts that come first are preferred.

    `parts` as a whole are refuted. `refuted` is True where it is proven that some parts have no
    answer together; more parts never have one where fewer have none.

    Examples
    --------
    >>> from dmoe_opt.joint.conflict import quick_xplain
    >>> quick_xplain([5, 1, 4, 2, 3], lambda numbers: sum(numbers) > 8)
    [5, 4]
    """

    def within(given: list[Part], is_new: bool, open_parts: list[Part]) -> list[Part]:
        if is_new and refuted(given):
            return []
        if len(open_parts) == 1:
            return open_parts
        half = len(open_parts) // 2
        first, second = open_parts[:half], open_parts[half:]
        of_second = within([*given, *first], True, second)
        return within([*given, *of_second], bool(of_second), first) + of_second

    return within([], False, list(parts))


def conflict_of(instance: Instance, time_limit: float) -> Conflict | None:
    """A minimal conflict of a round whose tokens can all be served alone; None if it has an answer.

    Tokens that need many links come first, so that few of them make a conflict; those of a node
    stand together, so that what is known of the node is used again.

    Raises
    ------
    LimitError
        If the time limit, in seconds, left open whether there is an answer.
    """
    if instance.drop_price is not None:  # every token that needs an expert may be dropped
        return None
    deadline = time.monotonic() + time_limit
    round_ = Round(instance)
    undecided = False

    def served(parts: Sequence[int | str]) -> bool | None:
        tokens = np.array(sorted(part for part in parts if isinstance(part, int)), dtype=np.int64)
        rules = {part for part in parts if isinstance(part, str)}
        return can_be_served(round_, tokens, rules, deadline)

    def refuted(parts: Sequence[int | str]) -> bool:
        nonlocal undecided
        answer = served(parts)
        undecided |= answer is None
        return answer is False

    parts: list[int | str] = [*rules_of(instance), *_by_links_needed(instance).tolist()]
    answer = served(parts)
    if answer is None:
        reached = f"whether the round has an answer was not decided within {time_limit:g} s"
        raise LimitError(reached)
    if answer:
        return None
    conflict = quick_xplain(parts, refuted)
    return Conflict(
        tokens=sorted(part for part in conflict if isinstance(part, int)),
        rules=[name for name in RULES if name in conflict],
        minimal=not undecided,
    )


def _by_links_needed(instance: Instance) -> NDArray[np.int64]:
    """The tokens, those that need most links on their own first, and then node by node."""
    problem = instance.selection_problem()
    _, needed = des.choose(problem, instance.away.astype(float), problem.usable, des.QUICK_NODES)
    return np.lexsort((instance.source, -needed))
