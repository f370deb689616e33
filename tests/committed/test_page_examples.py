"""The examples on the pages are run, and print what they say; so do their commands."""

from __future__ import annotations

import doctest
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.drawn import Ended
from helpers.examples import run

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [
    page for page in [README, *sorted((ROOT / "docs").rglob("*.md"))] if ">>> " in page.read_text()
]
COMMANDS = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""Blocks of commands that run; those without `sh` may need what is not there."""
FENCE = re.compile(r"^```.*$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages(
    page: Path, typed: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The examples of a page, in turn, as one session; then its commands, on the same files.

    The commands of README install the package, and `.ci/run` runs them.
    """
    monkeypatch.chdir(tmp_path)
    text = FENCE.sub("", page.read_text())
    run([doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)])
    if page == README:
        return
    for block in COMMANDS.findall(page.read_text()):
        for line in block.splitlines():
            ended = typed(*shlex.split(line, comments=True)[1:])
            assert ended.returncode == 0, ended.stderr
