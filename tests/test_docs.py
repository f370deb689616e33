"""Pages of the documentation that repeat something from the code say the same as the code."""

from __future__ import annotations

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from test_layers import FOLDERS

import dmoe_opt
from dmoe_opt.cli.main import COMMANDS
from dmoe_opt.method_table import METHODS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def test_architecture_lists_the_folders_in_order() -> None:
    """The table is the order in which imports are allowed."""
    page = (DOCS / "dev" / "architecture.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == FOLDERS


def test_the_command_line_page_shows_every_command() -> None:
    """At its top stands an example of each."""
    examples = (DOCS / "cli.md").read_text().partition("| exit code")[0]
    shown = set(re.findall(r"^dmoe-opt (\w+)", examples, re.MULTILINE))
    assert shown == set(COMMANDS)


def test_the_page_of_methods_lists_all() -> None:
    """A row in the table of its problem for each method."""
    page = (DOCS / "which-method.md").read_text()
    sections = {
        "selection": page.split("## Experts\n")[1].split("\n## ")[0],
        "allocation": page.split("## Subcarriers\n")[1].split("\n## ")[0],
        "jesa": page.split("## Experts and subcarriers\n")[1],
    }
    for problem, text in sections.items():
        rows = re.findall(r"^\| (`.*?`) \|", text, re.MULTILINE)
        assert set(re.findall(r"`(\w+)`", " ".join(rows))) == set(METHODS[problem])


def test_pictures_of_benchmarks_find_their_numbers() -> None:
    """The script that draws them reads its numbers from tables of the page, by section."""
    spec = spec_from_file_location("make_figures", DOCS / "make_figures.py")
    assert spec is not None and spec.loader is not None
    make_figures = module_from_spec(spec)
    spec.loader.exec_module(make_figures)
    page = (ROOT / "tests" / "benchmarks" / "README.md").read_text()
    for sizes, times, _ in make_figures.growth(page).values():
        assert len(sizes) == len(times) > 4
    shares = make_figures.shares_proven(page)
    assert {channel: len(rows) for channel, rows in shares.items()} == {
        "independent": 5,
        "16 taps": 5,
        "4 taps": 5,
    }
    assert all(0 <= part <= 1 for rows in shares.values() for row in rows for part in row)


def test_words_are_explained_once() -> None:
    """No word of the glossary has two entries."""
    page = (DOCS / "glossary.md").read_text()
    blocks = re.findall(r"```\{glossary\}\n(.*?)```", page, re.DOTALL)
    words = [word for block in blocks for word in re.findall(r"^(\S.*)$", block, re.MULTILINE)]
    assert len(words) > 50
    assert sorted(words) == sorted(set(words))


def test_every_page_of_the_reference_belongs_to_a_folder() -> None:
    """One page for each folder, and one for the files beside them."""
    package = Path(dmoe_opt.__file__).parent
    folders = {folder for folder in FOLDERS if (package / folder).is_dir()} - {"cli"}
    pages = {page.stem for page in (DOCS / "api").glob("*.md")}
    assert pages == folders | {"front", "index"}


def test_bug_reports_ask_for_versions() -> None:
    templates = ROOT / ".github" / "ISSUE_TEMPLATE"
    assert "dmoe_opt.show_versions()" in (templates / "bug_report.md").read_text()


def test_readme_is_short() -> None:
    """What does not help in the first five minutes is on a page of its own."""
    text = (ROOT / "README.md").read_text()
    assert len([word for word in text.split() if any(map(str.isalnum, word))]) < 600
    assert len(re.findall(r"^```sh$", text, re.MULTILINE)) == 2


def test_ci_finds_the_test_command() -> None:
    """`.ci/run` takes it from the block below the mark."""
    text = (ROOT / "README.md").read_text()
    below = text.split("<!-- test command -->\n")[1]
    assert below.startswith("```sh\npython3 -m venv .venv-test && ")
    assert "pytest" in below.split("```")[1]


def test_versions_agree() -> None:
    """Package and citation name the same version, and the changelog has a section for it."""
    version = re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert version is not None
    assert version[1] == dmoe_opt.__version__
    assert f"## {version[1]} - " in (ROOT / "CHANGELOG.md").read_text()
