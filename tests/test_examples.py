"""The examples in docstrings and documentation are run, and print what they say."""

from __future__ import annotations

import doctest
import re
import shlex
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import matplotlib as mpl
import pytest
from helpers.drawn import Ended

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
README = ROOT / "README.md"
PAGES = [
    page for page in [README, *sorted((ROOT / "docs").rglob("*.md"))] if ">>> " in page.read_text()
]
UNSEEN = re.compile(
    r"cli\..*|selection\.des_\w+|joint\.activation_kernel|allocation\.augmenting"
    r"|plot\..*|data\.words|colours|(.*\.)?__\w+__"
)
"""Commands, kernels, words of messages, colours, and the files of `plot`, whose functions are
listed as those of `plot`."""
COMMANDS = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""Blocks of commands that run; those without `sh` may need what is not there."""
FENCE = re.compile(r"^```.*$", re.MULTILINE)


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Files go to a folder of their own, and the style of figures stays here."""
    monkeypatch.chdir(tmp_path)
    with mpl.rc_context():
        yield


def run(examples: list[doctest.DocTest]) -> None:
    runner = doctest.DocTestRunner()
    for example in examples:
        runner.run(example)
    assert runner.tries
    assert not runner.failures, "see above"


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str) -> None:
    """Every example of a module."""
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages(page: Path, typed: Callable[..., Ended]) -> None:
    """The examples of a page, in turn, as one session; then its commands, on the same files.

    The commands of README install the package, and `.ci/run` runs them.
    """
    text = FENCE.sub("", page.read_text())
    run([doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)])
    if page == README:
        return
    for block in COMMANDS.findall(page.read_text()):
        for line in block.splitlines():
            ended = typed(*shlex.split(line, comments=True)[1:])
            assert ended.returncode == 0, ended.stderr
