"""The versions of Python, of dmoe-opt and of the packages it uses, for bug reports."""

from __future__ import annotations

import platform
import re
from importlib.metadata import PackageNotFoundError, requires, version

from dmoe_opt import __version__

EXTRAS = ("plot", "solvers", "train", "gates", "sweep", "drl")
"""Extras whose packages are listed; the other extras are for work on dmoe-opt itself."""


def packages() -> list[str]:
    """Names of the core packages and of those of `EXTRAS`, as the installed dmoe-opt declares them.

    Empty if dmoe-opt is not installed but imported from a folder.
    """
    try:
        requirements = requires("dmoe-opt") or []
    except PackageNotFoundError:
        return []
    names = []
    for requirement in requirements:
        needed, _, marker = requirement.partition(";")
        extra = re.search(r"extra == ['\"](\w+)", marker)
        if extra is None or extra[1] in EXTRAS:
            names.append(re.split(r"[^\w.-]", needed, maxsplit=1)[0])
    return list(dict.fromkeys(names))  # torch belongs to two extras


def versions() -> dict[str, str]:
    """Version by name; "missing" for a package that is not installed. No package is imported."""
    own = {
        "Python": platform.python_version(),
        "platform": platform.platform(),
        "dmoe-opt": __version__,
    }
    return own | {name: _installed(name) for name in packages()}


def show_versions() -> None:
    """Print the versions that a bug report needs, one per line.

    These are Python, the platform, dmoe-opt, and its core and optional packages. A package that is
    not installed is "missing". The packages are not imported, so this is fast and also works where
    one of them is broken.

    Examples
    --------
    >>> import dmoe_opt
    >>> dmoe_opt.show_versions()  # doctest: +ELLIPSIS
    Python        3...
    platform      ...
    dmoe-opt      ...
    numpy         ...
    """
    for name, number in versions().items():
        print(f"{name:<13} {number}")


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"
