"""The schedulers of the protocol by name, and the values that its commands take by default.

This file is light: it imports no numpy, so that the command line can show it in its help at once.
"""

from __future__ import annotations

import warnings

from dmoe_opt.data.rules import OPTIONAL_RULES
from dmoe_opt.errors import InputError
from dmoe_opt.method_table import METHODS

SCHEDULERS = {
    "joint": "experts and subcarriers by block coordinate descent",
    "homogeneous": "the same with one threshold z in all layers (gamma0 = 1)",
    "des": "experts by DES at best-subcarrier prices, then an assignment",
    "topk": "the D best scores, then an assignment",
    "topp": "the best scores until the threshold is reached, then an assignment",
    "relaxed": "every link on its best subcarrier, shared or not: a bound, not a schedule",
    "dense": "all experts, then an assignment",
}
OLD_NAMES = {"jesa": "joint"}
"""Today's name of every scheduler that was called otherwise before."""

DEFAULT = "joint"
GAMMA0 = 0.9
Z = 0.6
MAX_EXPERTS = 2
"""Defaults of one run: scheduler, gamma0, z, and D experts per token."""

ALL = tuple(SCHEDULERS)
GAMMA0_GRID = (0.7, 0.8, 0.9, 1.0)
Z_GRID = (0.4, 0.6, 0.8, 1.0)
MAX_EXPERTS_GRID = (MAX_EXPERTS,)
SEEDS = 5
"""Defaults of a frontier: lists of the same, and the number of runs of every setting."""


def renaming(name: str) -> str | None:
    """A hint in one line if a scheduler has another name today; None if not.

    Examples
    --------
    >>> from dmoe_opt.layers.schedulers import renaming
    >>> renaming("jesa")
    'the scheduler "jesa" is called "joint" now; the old name will be removed'
    >>> renaming("joint") is None
    True
    """
    if name not in OLD_NAMES:
        return None
    return f'the scheduler "{name}" is called "{OLD_NAMES[name]}" now; the old name will be removed'


def todays_name(name: str) -> str:
    """The name of a scheduler today; an old name is accepted, with a `FutureWarning`."""
    hint = renaming(name)
    if hint is not None:
        # level 3 is whoever called `run` or `frontier`, and has to write the new name
        warnings.warn(hint, FutureWarning, stacklevel=3)
    return OLD_NAMES.get(name, name)


def check_scheduler(name: str) -> None:
    """Raise `InputError` unless this is a scheduler, or a method of the selection or joint problem.

    Examples
    --------
    >>> from dmoe_opt.layers.schedulers import check_scheduler
    >>> check_scheduler("joint"), check_scheduler("lagrangian")
    (None, None)
    """
    allowed = dict.fromkeys([*SCHEDULERS, *METHODS["selection"], *METHODS["jesa"]])
    if name not in allowed:
        raise InputError(f'scheduler = "{name}"; allowed: {", ".join(allowed)}')


def takes(name: str, rule: str) -> bool:
    """Whether a scheduler takes an optional rule of rounds.

    Examples
    --------
    >>> from dmoe_opt.layers.schedulers import takes
    >>> takes("joint", "capacity"), takes("des", "capacity")
    (True, False)
    """
    if name in ("joint", "homogeneous"):
        return rule in OPTIONAL_RULES
    if name in METHODS["jesa"] and name != "relaxed":
        return rule in METHODS["jesa"][name].rules
    return False


def check_rules(name: str, given: tuple[str, ...]) -> None:
    """Raise `InputError` if a scheduler does not take a rule; any may be held to a deadline.

    Examples
    --------
    >>> from dmoe_opt.layers.schedulers import check_rules
    >>> check_rules("joint", ("capacity",)), check_rules("des", ("air_deadline_s",))
    (None, None)
    """
    for rule in given:
        if rule == "air_deadline_s" or takes(name, rule):
            continue
        others = dict.fromkeys([*SCHEDULERS, *METHODS["jesa"]])
        allowed = ", ".join(other for other in others if takes(other, rule))
        raise InputError(f'scheduler = "{name}" does not take {rule}; allowed: {allowed}')
