"""dmoe-opt: which experts should a token see, and which subcarrier should carry it there.

>>> import dmoe_opt
>>> round_ = dmoe_opt.load("tiny-s1")
>>> print(dmoe_opt.solve(round_, problem="selection", method="des").status)
optimal
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dmoe_opt.answer.result import Result, Status, check
    from dmoe_opt.comparing.methods import compare
    from dmoe_opt.data.files import load, save
    from dmoe_opt.data.instance import Instance, SelectionProblem
    from dmoe_opt.data.radio import Radio
    from dmoe_opt.data.validate import InputError
    from dmoe_opt.generating.presets import generate
    from dmoe_opt.solving import methods, solve

__version__ = "0.1.0"
__all__ = [
    "InputError",
    "Instance",
    "Radio",
    "Result",
    "SelectionProblem",
    "Status",
    "check",
    "compare",
    "generate",
    "load",
    "methods",
    "save",
    "solve",
]

_HOMES = {
    "answer.result": ("Result", "Status", "check"),
    "comparing.methods": ("compare",),
    "data.files": ("load", "save"),
    "data.instance": ("Instance", "SelectionProblem"),
    "data.radio": ("Radio",),
    "data.validate": ("InputError",),
    "generating.presets": ("generate",),
    "solving": ("methods", "solve"),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: the command line starts in a fraction of a second that way."""
    for module, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(f"dmoe_opt.{module}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'dmoe_opt' has no attribute {name!r}")
