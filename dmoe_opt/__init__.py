"""dmoe-opt: which experts should a token see, and which subcarrier should carry it there.

>>> import dmoe_opt
>>> round_ = dmoe_opt.load("tiny-s1")
>>> print(dmoe_opt.solve(round_, problem="selection", method="des").status)
optimal
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes 5 to 20 ms, in which Ctrl-C would print a traceback
if TYPE_CHECKING:
    from typing import Any

    from dmoe_opt.answer.decision import Decision
    from dmoe_opt.answer.result import Result, Status
    from dmoe_opt.checking import check
    from dmoe_opt.comparing.methods import compare
    from dmoe_opt.comparing.placements import place
    from dmoe_opt.data.arrays import read_array
    from dmoe_opt.data.files import load, save
    from dmoe_opt.data.instance import Instance
    from dmoe_opt.data.problem import SelectionProblem
    from dmoe_opt.data.radio import Radio
    from dmoe_opt.errors import DmoeError, InputError, MethodError, MissingExtraError, NoAnswerError
    from dmoe_opt.explaining import Explanation, explain
    from dmoe_opt.exploring.page import Page, explore
    from dmoe_opt.generating.presets import generate
    from dmoe_opt.method_table import methods
    from dmoe_opt.proof.certificates import prove
    from dmoe_opt.solving import solve
    from dmoe_opt.versions import show_versions

__version__ = "0.2.0"
__all__ = [
    "Decision",
    "DmoeError",
    "Explanation",
    "InputError",
    "Instance",
    "MethodError",
    "MissingExtraError",
    "NoAnswerError",
    "Page",
    "Radio",
    "Result",
    "SelectionProblem",
    "Status",
    "check",
    "compare",
    "explain",
    "explore",
    "generate",
    "load",
    "methods",
    "place",
    "prove",
    "read_array",
    "save",
    "show_versions",
    "solve",
]

_HOMES = {
    "answer.decision": ("Decision",),
    "answer.result": ("Result", "Status"),
    "checking": ("check",),
    "comparing.methods": ("compare",),
    "comparing.placements": ("place",),
    "data.arrays": ("read_array",),
    "proof.certificates": ("prove",),
    "data.files": ("load", "save"),
    "data.instance": ("Instance",),
    "data.problem": ("SelectionProblem",),
    "data.radio": ("Radio",),
    "errors": ("DmoeError", "InputError", "MethodError", "MissingExtraError", "NoAnswerError"),
    "explaining": ("Explanation", "explain"),
    "exploring.page": ("Page", "explore"),
    "generating.presets": ("generate",),
    "method_table": ("methods",),
    "solving": ("solve",),
    "versions": ("show_versions",),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that the command line starts at once."""
    from importlib import import_module

    for module, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(f"dmoe_opt.{module}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'dmoe_opt' has no attribute {name!r}")
