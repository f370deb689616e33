"""The command line as a user meets it: real processes, exit codes, one line of complaint."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.drawn import Ended

from dmoe_opt import SelectionProblem, generate, load, save
from dmoe_opt.data.files import instance_files
from dmoe_opt.selection import des

TINY = str(instance_files()["tiny-s1"])


Typed = Callable[..., Ended]


def run(*arguments: str, cwd: Path) -> Ended:
    """In a process of its own."""
    command = [sys.executable, "-m", "dmoe_opt", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, timeout=120, check=False
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def test_generate_solve_check(tmp_path: Path) -> None:
    """The main path: an instance file, a solution file, a check; then a forged solution fails."""
    made = run("generate", "tiny", "--seed", "4", "--count", "2", "-o", "many", cwd=tmp_path)
    assert (made.returncode, made.stdout.split()) == (0, ["many/tiny-s4.json", "many/tiny-s5.json"])
    solved = run("solve", "many/tiny-s4.json", "-o", "s.json", "--json", cwd=tmp_path)
    assert (solved.returncode, solved.stderr) == (0, "")
    assert json.loads(solved.stdout)["status"] == "optimal"
    assert run("check", "many/tiny-s4.json", "s.json", cwd=tmp_path).returncode == 0
    forged = json.loads((tmp_path / "s.json").read_text()) | {"objective_j": 1e-9}
    (tmp_path / "s.json").write_text(json.dumps(forged))
    judged = run("check", "many/tiny-s4.json", "s.json", "--json", cwd=tmp_path)
    assert judged.returncode == 1
    assert json.loads(judged.stdout)["ok"] is False


def test_log_is_on_stderr(typed: Typed) -> None:
    """Rows of a search close at what the answer says; --json stays one document."""
    result = typed(
        "solve", "scarce-8x48-s0", "--problem", "jesa", "--method", "exact", "--log", "--json"
    )
    document = json.loads(result.stdout)
    rows = [line.split() for line in result.stderr.splitlines()]
    assert rows[0] == ["time", "s", "energy", "J", "bound", "J", "gap", "%"]
    assert len(rows) > 2
    assert float(rows[-1][1]) == pytest.approx(document["objective_j"], rel=1e-8)
    assert float(rows[-1][3]) <= 1e-4


def test_exit_codes_without_an_answer(typed: Typed, tmp_path: Path) -> None:
    """3 is proven infeasible with a reason, 4 is a limit without an answer."""
    strict = SelectionProblem(
        scores=[[0.5]], cost=[[1.0]], threshold=0.75, max_experts=1, on_shortfall="infeasible"
    )  # type: ignore[arg-type]
    save(strict, tmp_path / "strict.json")
    result = typed("solve", "strict.json")
    assert result.returncode == 3
    assert "token 0 cannot reach the threshold" in result.stdout
    save(generate("edge-8x64", 1, num_subcarriers=6), tmp_path / "scarce.json")
    scarce = typed("solve", "scarce.json", "--problem", "allocation")
    assert scarce.returncode == 3
    assert "links are active and 6 subcarriers exist" in scarce.stdout
    for method in ("bcd", "lagrangian", "exact"):
        refuted = typed(
            "solve",
            "scarce-8x36-s1",
            "--problem",
            "jesa",
            "--method",
            method,
            *(["--log"] if method == "exact" else []),
        )
        assert refuted.returncode == 3
        assert "at least 40 links must be active (4 from node 0, " in refuted.stdout
    save(generate("inverse-strongly-correlated", 1, num_tokens=2), tmp_path / "hard.json")
    limited = typed("solve", "hard.json", "--method", "cvxpy", "--time-limit", "1e-9", "--json")
    assert limited.returncode == 4
    document = json.loads(limited.stdout)
    assert (document["status"], document["objective_j"], document["selection"]) == (
        "no_solution",
        None,
        None,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["solve", "missing.json"], "missing.json: cannot be read: No such file or directory"),
        (["solve", TINY, "--method", "magic"], 'method = "magic"; allowed for selection: des, '),
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
        (["frobnicate"], "No such command"),
        (["solve", TINY, "--seed", "x"], "'x' is not a valid integer"),
    ],
)
def test_one_line_of_complaint(typed: Typed, arguments: list[str], message: str) -> None:
    """Exit code 2, nothing on stdout, one line on stderr, no traceback."""
    ended = typed(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_compare_writes_a_table_and_figures(typed: Typed, tmp_path: Path) -> None:
    """The table names every method; CSV and PNG files are where they were asked for."""
    result = typed("compare", "tiny-s1", "digits-l4", "-o", "out")
    assert result.returncode == 0
    for word in ("digits-l4", "exhaustive", "cvxpy", "gap %", "optimal"):
        assert word in result.stdout
    rows = list(csv.DictReader((tmp_path / "out" / "comparison.csv").read_text().splitlines()))
    assert {row["method"] for row in rows} == {
        "des",
        "exhaustive",
        "pyomo",
        "cvxpy",
        "topk",
        "topp",
        "greedy",
    }
    assert all(
        float(row["gap"]) <= 1e-9
        for row in rows
        if row["method"] in ("des", "exhaustive", "pyomo", "cvxpy")
    )
    for name in ("energy_gap.png", "time.png"):
        assert (tmp_path / "out" / name).read_bytes()[:4] == b"\x89PNG"
    document = typed("compare", "tiny-s1", "--methods", "des,topk", "--json")
    assert [row["method"] for row in json.loads(document.stdout)["rows"]] == ["des", "topk"]


@pytest.mark.parametrize("form", ["csv", "markdown", "latex", "json"])
@pytest.mark.parametrize(
    "command",
    [
        ("compare", "tiny-s1", "--methods", "des,topk"),
        ("protocol", "digits", "--tokens", "8", "--layers", "1"),
        ("offload", "compare", "light", "--episodes", "1", "--policies", "greedy"),
    ],
    ids=lambda command: command[0],
)
def test_tables_in_every_form(typed: Typed, command: tuple[str, ...], form: str) -> None:
    """Standard output holds the table and nothing else."""
    ended = typed(*command, "--format", form)
    assert ended.returncode == 0
    if form == "json":
        assert (
            json.loads(ended.stdout).keys() == json.loads(typed(*command, "--json").stdout).keys()
        )
    elif form == "csv":
        header, *rows = csv.reader(ended.stdout.splitlines())
        assert rows
        assert {len(row) for row in rows} == {len(header)}
    else:
        first, last = {"markdown": ("| ", "|"), "latex": (r"\begin{tab", r"\end{tabular}")}[form]
        lines = ended.stdout.splitlines()
        assert (lines[0].startswith(first), lines[-1].endswith(last)) == (True, True)


def test_rows_stand_below_their_instance(typed: Typed, tmp_path: Path) -> None:
    """No line is longer than 80 columns, and a long name has a line of its own."""
    long = "an-instance-with-a-name-that-would-fill-half-of-the-line-if-it-stood-before-its-rows"
    save(load("tiny-s1").replace(name=long), tmp_path / "x.json")
    lines = typed("compare", "x.json", "--methods", "des,topk,greedy").stdout.splitlines()
    assert lines[2] == long
    assert [line.split()[0] for line in lines[3:]] == ["des", "topk", "greedy"]
    assert max(len(line) for line in lines if line != long) <= 80


@pytest.mark.parametrize(
    ("form", "magic"), [("pdf", b"%PDF"), ("svg", b"<?xml"), ("png", b"\x89PNG")]
)
def test_figures_in_every_format(typed: Typed, tmp_path: Path, form: str, magic: bytes) -> None:
    """One instance is drawn as bars, several as dots, each in the format that is wanted."""
    command = ("--methods", "des,topk", "-o", "out", "--format-figure", form)
    assert typed("compare", "tiny-s1", *command).returncode == 0
    assert typed("compare", "tiny-s1", "digits-l4", *command).returncode == 0
    figures = {path.name for path in (tmp_path / "out").iterdir()} - {"comparison.csv"}
    assert figures == {f"energy.{form}", f"energy_gap.{form}", f"time.{form}"}
    for name in figures:
        assert (tmp_path / "out" / name).read_bytes().startswith(magic)


def test_allocation_of_a_solution(typed: Typed, tmp_path: Path) -> None:
    """Experts of one solution file get subcarriers in another, which passes its check.

    Files that do not fit are refused.
    """
    assert typed("solve", TINY, "--method", "topk", "-o", "s.json").returncode == 0
    allocate = ("solve", TINY, "--problem", "allocation", "--selection")
    solved = typed(*allocate, "s.json", "-o", "a.json", "--json")
    assert (solved.returncode, solved.stderr) == (0, "")
    document = json.loads(solved.stdout)
    assert (document["problem"], document["method"], document["status"]) == (
        "allocation",
        "assignment",
        "optimal",
    )
    assert document["selection"] == json.loads((tmp_path / "s.json").read_text())["selection"]
    assert typed("check", TINY, "a.json").returncode == 0
    forged = json.loads((tmp_path / "a.json").read_text())
    forged["allocation"][0][2] = forged["allocation"][1][2]
    (tmp_path / "forged.json").write_text(json.dumps(forged))
    judged = typed("check", TINY, "forged.json")
    assert judged.returncode == 1
    assert "(C3)" in judged.stdout
    for change, message in (
        ({"selection": None}, "selection = None; allowed: a solution that has one"),
        (
            {"selection": [[99]] * len(forged["selection"])},
            "selection: token 0: there is no expert 99",
        ),
        ({"selection": [[]] * len(forged["selection"])}, "selection: token 0 (C1)"),
        (
            {"instance_sha256": "0"},
            "instance_sha256 = '0'; allowed: a solution of this instance (tiny-s1)",
        ),
    ):
        (tmp_path / "other.json").write_text(json.dumps(forged | change))
        refused = typed(*allocate, "other.json")
        assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
        assert message in refused.stderr
    assert (
        "option selection is unknown to method des"
        in typed("solve", TINY, "--selection", "s.json").stderr
    )


def test_compare_allocation(typed: Typed) -> None:
    """All four methods share one selection, so their energies agree."""
    rows = json.loads(typed("compare", TINY, "--problem", "allocation", "--json").stdout)["rows"]
    assert [row["method"] for row in rows] == ["assignment", "pyomo", "cvxpy", "networkx"]
    assert [row["energy_j"] for row in rows] == pytest.approx([rows[0]["energy_j"]] * 4, rel=1e-9)
    assert {row["status"] for row in rows} == {"optimal"}


@pytest.mark.parametrize("problem", ["selection", "allocation"])
@pytest.mark.parametrize("suffix", ["mps", "lp", "nl"])
def test_export(typed: Typed, tmp_path: Path, suffix: str, problem: str) -> None:
    """The exported program has the optimum of the default method, in the units that are named."""
    result = typed("export", "tiny-s1", "--problem", problem, "-o", f"x.{suffix}")
    assert result.returncode == 0
    assert (tmp_path / f"x.{suffix}").stat().st_size > 500
    if suffix == "nl":
        return
    import highspy

    solver = highspy.Highs()
    solver.silent()
    solver.readModel(str(tmp_path / f"x.{suffix}"))
    solver.run()
    unit_j = float(result.stdout.split("units of ")[1].split()[0])
    answer = json.loads(typed("solve", "tiny-s1", "--problem", problem, "--json").stdout)
    energy = answer["objective_j"]
    if problem == "allocation":
        computing = load("tiny-s1").compute_energy  # type: ignore[union-attr]
        energy -= sum(computing[j] for experts in answer["selection"] for j in experts)
    assert solver.getInfo().objective_function_value * unit_j == pytest.approx(energy, rel=1e-5)


def test_lists(typed: Typed, tmp_path: Path) -> None:
    """What there is can be listed, as text and as JSON."""
    assert "deepseek-256" in typed("generate", "--list").stdout
    assert "exhaustive" in typed("methods").stdout
    first = json.loads(typed("methods", "--json").stdout)[0]
    assert set(first) == {"problem", "method", "proves", "says", "options"}
    facts = json.loads(typed("info", "edge-8x64-s1", "--json").stdout)
    assert (facts["experts"], facts["subcarriers"], facts["tokens"]) == (8, 64, 128)
    assert "tokens_short" in typed("info", "tiny-s1").stdout


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


def test_interrupt_is_one_line(tmp_path: Path) -> None:
    """Ctrl-C ends a search that would run for minutes, at once and without a traceback."""
    des.prepare()  # so that the process finds the kernels compiled
    hard = generate("chvatal", 1, num_experts=128, max_experts=16, num_tokens=100)
    save(hard, tmp_path / "hard.npz")
    process = subprocess.Popen(
        [sys.executable, "-m", "dmoe_opt", "solve", "hard.npz"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    time.sleep(6)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (out, err.strip()) == ("", "dmoe-opt: interrupted")
    assert process.returncode in (
        130,
        -signal.SIGINT,
    )  # a shell shows both as 130; Python chooses the second amid some imports


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_full_device(typed: Typed) -> None:
    """A device without room is one line as well."""
    result = typed("solve", "tiny-s1", "-o", "/dev/full")
    assert result.returncode == 2
    assert "No space left on device" in result.stderr
