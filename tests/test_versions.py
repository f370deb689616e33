"""The versions for bug reports."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

import dmoe_opt
from dmoe_opt import versions

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]


def names(requirements: list[str]) -> set[str]:
    """Package names of requirements such as `numpy>=2.0`."""
    return {re.split(r"[<>=\[]", requirement)[0] for requirement in requirements}


def test_packages_are_those_of_the_project() -> None:
    """Core packages and those of the extras that a user installs."""
    extras = PROJECT["optional-dependencies"]
    optional = [requirement for extra in versions.EXTRAS for requirement in extras[extra]]
    assert set(versions.packages()) == names(PROJECT["dependencies"]) | names(optional)
    assert set(extras) - set(versions.EXTRAS) == {"docs", "test", "dev"}


def test_versions_are_printed_one_per_line(capsys: pytest.CaptureFixture[str]) -> None:
    dmoe_opt.show_versions()
    lines = capsys.readouterr().out.splitlines()
    shown = dict(line.split(maxsplit=1) for line in lines)
    assert shown["Python"] == platform.python_version()
    assert shown["platform"] == platform.platform()
    assert shown["dmoe-opt"] == dmoe_opt.__version__
    assert shown["numpy"] == version("numpy")
    assert list(shown) == ["Python", "platform", "dmoe-opt", *versions.packages()]


def test_a_package_that_is_not_installed_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_cvxpy(name: str) -> str:
        if name == "cvxpy":
            raise PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(versions, "version", without_cvxpy)
    shown = versions.versions()
    assert shown["cvxpy"] == "missing"
    assert shown["scipy"] == "1.0"


def test_a_checkout_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing_installed(name: str) -> list[str]:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(versions, "requires", nothing_installed)
    assert list(versions.versions()) == ["Python", "platform", "dmoe-opt"]


def test_no_package_is_imported() -> None:
    code = (
        "import sys, dmoe_opt; dmoe_opt.show_versions(); "
        "sys.exit(bool({'numpy', 'click', 'scipy', 'pyomo'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
