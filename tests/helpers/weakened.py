"""A checker without one of its rules, to see that the rule is needed."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType


def weakened(checker: ModuleType, text: str, without: str) -> ModuleType:
    """The checker with other source text in place of `text`, which stands in it once."""
    assert checker.__file__ is not None
    source = Path(checker.__file__).read_text()
    assert source.count(text) == 1
    weaker = ModuleType("weaker")
    exec(source.replace(text, without), weaker.__dict__)
    return weaker
