"""dmoe-opt: which experts should a token see, and which subcarrier should carry it there.

>>> import dmoe_opt
>>> round_ = dmoe_opt.load("tiny-s1")
>>> print(dmoe_opt.solve(round_, problem="selection", method="des").status)
optimal
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dmoe_opt.comparing import compare
    from dmoe_opt.files import load, save
    from dmoe_opt.generator import generate
    from dmoe_opt.instance import Instance, SelectionProblem
    from dmoe_opt.radio import Radio
    from dmoe_opt.result import Result, Status, check
    from dmoe_opt.solving import methods, solve
    from dmoe_opt.validate import InputError

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
    "comparing": ("compare",),
    "files": ("load", "save"),
    "generator": ("generate",),
    "instance": ("Instance", "SelectionProblem"),
    "radio": ("Radio",),
    "result": ("Result", "Status", "check"),
    "solving": ("methods", "solve"),
    "validate": ("InputError",),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: the command line starts in a fraction of a second that way."""
    for module, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(f"dmoe_opt.{module}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'dmoe_opt' has no attribute {name!r}")
