"""Numbers of things in words, for messages and pictures."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """A number and its thing, in the plural unless it is one.

    Examples
    --------
    >>> counted(1, "token"), counted(3, "token")
    ('1 token', '3 tokens')
    """
    return f"{number} {thing}{'' if number == 1 else 's'}"


def existing(number: int, thing: str) -> str:
    """How many of a thing exist, with the verb.

    Examples
    --------
    >>> existing(1, "subcarrier")
    '1 subcarrier exists'
    """
    return f"{counted(number, thing)} {'exists' if number == 1 else 'exist'}"
