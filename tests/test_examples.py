"""The examples in docstrings are run, and print what they say; `tests/committed` runs the pages."""

from __future__ import annotations

import doctest
import re
from importlib import import_module
from pathlib import Path

import pytest
from helpers.examples import run

import dmoe_opt

ROOT = Path(__file__).parents[1]
PACKAGE = Path(dmoe_opt.__file__).parent
FILES = {  # by name; `models` is a link in a checkout
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in [
        *PACKAGE.rglob("*.py"),
        *PACKAGE.glob("models/*.py"),
        *PACKAGE.glob("models/*/*.py"),
    ]
}
MODULES = [
    f"dmoe_opt.{name}".removesuffix(".__init__")
    for name, path in sorted(FILES.items())
    if ">>> " in path.read_text()
]
UNSEEN = re.compile(
    r"cli\..*|selection\.des_\w+|joint\.activation_kernel|allocation\.augmenting"
    r"|plot\..*|data\.words|colours|(.*\.)?__\w+__"
)
"""Commands, kernels, words of messages, colours, and the files of `plot`, whose functions are
listed as those of `plot`."""


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example of a module."""
    monkeypatch.chdir(tmp_path)
    run(doctest.DocTestFinder(exclude_empty=True).find(import_module(name), name))


def test_public_names_have_examples() -> None:
    """Whoever asks for help on a public name sees it at work."""
    assert [
        name for name in dmoe_opt.__all__ if ">>> " not in (getattr(dmoe_opt, name).__doc__ or "")
    ] == []


def test_every_module_is_in_the_reference() -> None:
    """A new module is entered on a page in docs/api, unless it is none that one would call."""
    pages = "".join(page.read_text() for page in (ROOT / "docs" / "api").glob("*.md"))
    listed = set(re.findall(r"automodule:: dmoe_opt\.(.*)", pages))
    assert {name for name in FILES if not UNSEEN.fullmatch(name)} == listed - {"plot"}
