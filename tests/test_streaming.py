"""Files that are solved block by block have the answers that they have in memory."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.drawn import Ended, problems
from hypothesis import given

from dmoe_opt import InputError, SelectionProblem, check, generate, load, save, solve
from dmoe_opt.data import files
from dmoe_opt.streaming import solve_stream


def problem_of(tokens: int, **changes: Any) -> SelectionProblem:
    problem = generate("uncorrelated", 3, num_tokens=tokens, num_experts=12, max_experts=3)
    assert isinstance(problem, SelectionProblem)
    return problem.replace(**changes)


@given(problem=problems(most_tokens=7))
def test_blocks_give_the_answer_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, problem: SelectionProblem
) -> None:
    """Whatever the problem: the same selection, digest, status and shortfall, and a true claim."""
    folder = tmp_path_factory.mktemp("stream")
    save(problem, folder / "problem.npz")
    solve_stream(folder / "problem.npz", folder / "solution.json", entries=9, threads=2)
    claim, answer = files.load_solution(folder / "solution.json"), solve(problem)
    assert claim.status == answer.status
    assert claim.instance_sha256 == problem.sha256
    assert check(problem, claim) == []
    if answer.selection is not None:
        assert claim.selection == answer.solution().selection
        assert claim.shortfall == list(answer.shortfall)
        assert claim.objective_j == pytest.approx(answer.objective_j, rel=1e-12)


@pytest.mark.parametrize("method", ["topk", "greedy"])
def test_other_methods_too(tmp_path: Path, method: str) -> None:
    """Each method of the table takes blocks."""
    problem = problem_of(20)
    save(problem, tmp_path / "p.npz")
    solve_stream(tmp_path / "p.npz", tmp_path / "s.json", method=method, entries=50)
    claim = files.load_solution(tmp_path / "s.json")
    assert claim.selection == solve(problem, method=method).solution().selection


def archive(problem: SelectionProblem, compressed: bool = False, **changes: Any) -> bytes:
    """The problem as an .npz file with some arrays changed; None leaves one out."""
    fields: dict[str, Any] = {
        "format": "dmoe-opt/selection",
        "version": 1,
        "max_experts": problem.max_experts,
        "scores": problem.scores,
        "cost": problem.cost,
        "threshold": problem.threshold,
    }
    fields = {name: value for name, value in (fields | changes).items() if value is not None}
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, **fields)
    return buffer.getvalue()


def test_compressed_files_and_other_types(tmp_path: Path) -> None:
    """Deflated members, float32 and one threshold for all are read as in memory."""
    problem = problem_of(10, threshold=0.25)
    single = problem.scores.astype(np.float32)
    content = archive(problem, compressed=True, scores=single, threshold=0.25)
    (tmp_path / "p.npz").write_bytes(content)
    solve_stream(tmp_path / "p.npz", tmp_path / "s.json", entries=30)
    claim = files.load_solution(tmp_path / "s.json")
    assert claim.instance_sha256 == load(tmp_path / "p.npz").sha256
    assert check(load(tmp_path / "p.npz"), claim) == []


def wrong_score(problem: SelectionProblem) -> Any:
    scores = np.array(problem.scores)
    scores[17, 3] = 1.5
    return scores


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (lambda p: {"scores": wrong_score(p)}, r"scores\[17\]\[3\] = 1.5; allowed"),
        (lambda p: {"cost": p.cost[:19]}, "cost has shape 19 x 12; allowed: 20 x 12"),
        (lambda p: {"cost": np.asfortranarray(p.cost)}, "cost is stored column by column"),
        (lambda p: {"cost": None}, "cost is missing"),
        (lambda p: {"colour": 3}, "colour is unknown"),
        (lambda p: {"format": "dmoe-opt/round"}, "format = 'dmoe-opt/round'; allowed"),
        (lambda p: {"scores": p.scores.astype(complex)}, "scores has entries of type complex128"),
    ],
)
def test_wrong_files_are_one_line(
    tmp_path: Path, changes: Callable[[SelectionProblem], dict[str, Any]], complaint: str
) -> None:
    """File, field and the token as the file numbers it; no solution is left half written."""
    problem = problem_of(20)
    (tmp_path / "p.npz").write_bytes(archive(problem, **changes(problem)))
    with pytest.raises(InputError, match=complaint):
        solve_stream(tmp_path / "p.npz", tmp_path / "s.json", entries=60)
    assert [path.name for path in tmp_path.iterdir()] == ["p.npz"]


def test_damaged_files_are_one_line(tmp_path: Path) -> None:
    """A byte that changed is found by the sum that the archive keeps."""
    content = bytearray(archive(problem_of(20)))
    content[content.index(problem_of(20).cost.tobytes()[:64]) + 200] ^= 1
    (tmp_path / "p.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"p\.npz: is not a readable \.npz file: Bad CRC"):
        solve_stream(tmp_path / "p.npz", entries=60)


def test_infeasible_tokens_are_named(tmp_path: Path) -> None:
    """The message has the number of the token in the file; the solution has no selection."""
    threshold = np.full(20, 0.1)
    threshold[13] = 11.5
    problem = problem_of(20, threshold=threshold, on_shortfall="infeasible")
    save(problem, tmp_path / "p.npz")
    solution = solve_stream(tmp_path / "p.npz", tmp_path / "s.json", entries=60).solution
    assert solution.status == "infeasible"
    assert solution.message == "token 13 cannot reach its threshold with 3 experts"
    assert check(problem, files.load_solution(tmp_path / "s.json")) == []


def test_on_the_command_line(tmp_path: Path, typed: Callable[..., Ended]) -> None:
    """Speed and memory are printed; a part of it stands in the JSON document."""
    save(problem_of(50), tmp_path / "p.npz")
    done = typed("solve", "p.npz", "--stream", "-o", "s.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert "50 tokens, " in done.stdout
    assert " MiB" in done.stdout
    assert typed("check", "p.npz", "s.json").returncode == 0
    told = json.loads(typed("solve", "p.npz", "--stream", "--json").stdout)
    assert told["status"] == "optimal"
    assert told["tokens_per_s"] > 0
    refused = typed("solve", "p.npz", "--backend", "dask")
    assert (refused.returncode, refused.stderr) == (2, "dmoe-opt: --backend is for --stream\n")


def test_large_files_are_streamed_unasked(
    tmp_path: Path, typed: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above a size the file is never in memory as a whole."""
    save(problem_of(50), tmp_path / "p.npz")
    monkeypatch.setattr("dmoe_opt.streaming.LARGE", 100)
    assert "50 tokens, " in typed("solve", "p.npz").stdout


def test_members_are_never_unpickled(tmp_path: Path) -> None:
    """An array of Python objects is refused before anything of it is read."""
    content = archive(problem_of(3), scores=np.array([[{}]], dtype=object))
    (tmp_path / "p.npz").write_bytes(content)
    with pytest.raises(InputError, match="scores has entries of type object"):
        solve_stream(tmp_path / "p.npz")
