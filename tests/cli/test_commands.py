"""The command line as a user meets it: the main path, exit codes, one line of complaint."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.drawn import Ended

from dmoe_opt import load, save
from dmoe_opt.data.files import instance_files

TINY = str(instance_files()["tiny-s1"])


Typed = Callable[..., Ended]


def test_generate_solve_check(typed: Typed, tmp_path: Path) -> None:
    """The main path: an instance file, a solution file, a check; then a forged solution fails.

    To solve is a process of its own.
    """
    made = typed("generate", "tiny", "--seed", "4", "--count", "2", "-o", "many")
    assert (made.returncode, made.stdout.split()) == (0, ["many/tiny-s4.json", "many/tiny-s5.json"])
    command = [sys.executable, "-m", "dmoe_opt", "solve", "many/tiny-s4.json", "-o", "s.json"]
    solved = subprocess.run([*command, "--json"], capture_output=True, check=False, cwd=tmp_path)
    assert (solved.returncode, solved.stderr) == (0, b"")
    assert json.loads(solved.stdout)["status"] == "optimal"
    assert typed("check", "many/tiny-s4.json", "s.json").returncode == 0
    forged = json.loads((tmp_path / "s.json").read_text()) | {"objective_j": 1e-9}
    (tmp_path / "s.json").write_text(json.dumps(forged))
    judged = typed("check", "many/tiny-s4.json", "s.json", "--json")
    assert judged.returncode == 1
    assert json.loads(judged.stdout)["ok"] is False


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["solve", "missing.json"], "missing.json: cannot be read: No such file or directory"),
        (["solve", TINY, "--method", "magic"], 'method = "magic"; allowed for selection: des, '),
        (["solve", TINY, "--method", "bcd"], 'method = "bcd" (with --problem jesa); allowed for s'),
        (["solve", TINY, "--problem", "peace"], 'problem = "peace"; allowed: selection'),
        (
            ["solve", TINY, "--method", "topk", "--node-limit", "3"],
            "option node_limit is unknown to method topk",
        ),
        (
            ["solve", TINY, "--method", "pyomo", "--solver", "nosuch"],
            'solver = "nosuch"; allowed: ',
        ),
        (
            ["solve", TINY, "--method", "cvxpy", "--solver", "nosuch"],
            'solver = "nosuch"; allowed: ',
        ),
        (
            ["solve", TINY, "--problem", "allocation", "--selection", "no.json"],
            "no.json: cannot be read: No such file",
        ),
        (
            ["solve", TINY, "--problem", "allocation", "--selection", TINY],
            'holds an instance; allowed: format "dmoe-opt/solution"',
        ),
        (
            ["solve", TINY, "--problem", "allocation", "--node-limit", "3"],
            "option node_limit is unknown to method assignment",
        ),
        (
            ["solve", "subset-sum-s1", "--problem", "allocation"],
            "problem = 'allocation'; allowed: selection",
        ),
        (["solve", TINY, "--time-limit", "-1"], "time_limit = -1.0; allowed: a finite number > 0"),
        (
            ["solve", TINY, "-o", "no/such/folder/s.json"],
            "cannot be written: No such file or directory",
        ),
        (["check", TINY, TINY], 'holds an instance; allowed: format "dmoe-opt/solution"'),
        (["compare", TINY, "--methods", "des,magic"], 'method = "magic"'),
        (["compare", "."], "holds no instance; allowed: a folder of .json or .npz instances"),
        (["generate", "moon"], 'preset = "moon"; allowed: tiny, '),
        (["generate"], "PRESET is missing"),
        (
            ["export", "subset-sum-s1", "--problem", "allocation", "-o", "x.mps"],
            "allowed: selection, or allocation or jesa",
        ),
        (["export", TINY, "-o", "x.txt"], "allowed: a name that ends in .mps, .lp, .nl"),
        (["frobnicate"], 'command = "frobnicate"; allowed: generate, new'),
        (["solve", TINY, "--seed", "x"], "'x' is not a valid integer"),
    ],
)
def test_one_line_of_complaint(typed: Typed, arguments: list[str], message: str) -> None:
    """Exit code 2, nothing on stdout, one line on stderr, no traceback."""
    ended = typed(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_generate_sends_once(typed: Typed, tmp_path: Path) -> None:
    """Several experts on a node, to which a token is sent once, where nodes are drawn."""
    placed = ("--experts-per-node", "2", "--send-once")
    assert typed("generate", "tiny", *placed, "-o", "x.json").returncode == 0
    round_ = load(tmp_path / "x.json")
    assert (round_.num_nodes, round_.num_experts, round_.send_once) == (2, 3, True)


def test_lists(typed: Typed, tmp_path: Path) -> None:
    """What there is can be listed, as text and as JSON."""
    assert "deepseek-256" in typed("generate", "--list").stdout
    assert "exhaustive" in typed("methods").stdout
    first = json.loads(typed("methods", "--json").stdout)[0]
    assert set(first) == {"problem", "method", "proves", "says", "options"}
    facts = json.loads(typed("info", "edge-8x64-s1", "--json").stdout)
    assert (facts["experts"], facts["subcarriers"], facts["tokens"]) == (8, 64, 128)
    assert "tokens_short" in typed("info", "tiny-s1").stdout


def test_names_never_act_on_a_terminal(typed: Typed, tmp_path: Path) -> None:
    """Control characters, also those above ASCII, are spelt out, and JSON keeps their meaning."""
    name = "a\x1b[31m\x9b31m\u202e\u2028\x7f"
    save(load("tiny-s1").replace(name=name), tmp_path / "x.json")
    for command in (("info",), ("solve",), ("compare", "--methods", "des,topk")):
        for form in ((), ("--json",)):
            ended = typed(command[0], "x.json", *command[1:], *form)
            assert ended.returncode == 0
            assert ended.stdout.replace("\n", "").isprintable()
    assert json.loads(ended.stdout)["rows"][0]["instance"] == name


def test_help_is_light() -> None:
    """`--help` loads nothing heavy; numpy alone would take longer than all of the rest."""
    code = """
import runpy, sys
sys.argv = ["dmoe-opt", "--help"]
try:
    runpy.run_module("dmoe_opt", run_name="__main__")
except SystemExit:
    print(sorted({m.partition(".")[0] for m in sys.modules}))
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = result.stdout.splitlines()[-1]
    for module in ("numpy", "numba", "pyomo", "cvxpy", "rich", "msgspec", "matplotlib", "scipy"):
        assert f"'{module}'" not in loaded


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_full_device(typed: Typed) -> None:
    """A device without room is one line as well."""
    result = typed("solve", "tiny-s1", "-o", "/dev/full")
    assert result.returncode == 2
    assert "No space left on device" in result.stderr
