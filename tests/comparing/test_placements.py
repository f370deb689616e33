"""Placements side by side: the best is no worse than baselines, and answers agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dmoe_opt
from dmoe_opt import InputError, Instance, MethodError
from dmoe_opt.answer.objective import energy_j
from dmoe_opt.comparing import placements
from dmoe_opt.comparing.placement_rows import over_layers
from dmoe_opt.data.placements import read_memory, read_placement
from dmoe_opt.generating.nodes import rounds_on_nodes
from dmoe_opt.generating.traces import Trace
from dmoe_opt.placing.rounds import moved, split


def rounds_of(count: int, tokens: int = 12) -> list[Instance]:
    """Rounds of 6 experts on 3 nodes."""
    scores = np.random.default_rng(1).dirichlet(np.ones(6), (1, 128 * (count - 1) + tokens))
    trace = Trace(scores, experts_per_token=2)
    rounds = rounds_on_nodes(trace, 3, num_subcarriers=8)
    return [split([round_], 1 - tokens / round_.num_tokens)[0][0] for round_ in rounds]


@pytest.mark.parametrize("send_once", [True, False])
@pytest.mark.parametrize("select", ["topk", "des"])
def test_searched_and_exact_placements(send_once: bool, select: str) -> None:
    """The bound, exact, searched, baselines, in this order; the two programs agree."""
    rounds = rounds_of(2)
    options: dict[str, Any] = {"send_once": send_once, "select": select, "kicks": 5}
    options |= {"factor": [1.0, 1.5, 0.8], "held_out": rounds[1:]}
    searched = dmoe_opt.place(rounds[:1], **options)
    energies = [row.energy_j for row in searched.rows]
    assert energies[-1] <= min(energies) * (1 + 1e-9)
    assert searched.bound_j <= energies[-1]
    exact = [dmoe_opt.place(rounds[:1], method=m, **options) for m in ("pyomo", "cvxpy")]
    least = [study.rows[-1].energy_j for study in exact]
    assert least[0] == pytest.approx(least[1], rel=1e-7)
    assert least[0] <= energies[-1] * (1 + 1e-9)
    assert all(study.gap < 1e-6 for study in exact)


def test_a_bound_above_the_placement(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound above what the placement costs is wrong, and said so."""
    monkeypatch.setattr(placements, "lower_bound", lambda _, energy_j, **__: 2 * energy_j)
    with pytest.raises(MethodError, match="J of search is wrong; its placement costs"):
        dmoe_opt.place(rounds_of(1), kicks=1)


def test_the_evaluator_prices_the_written_rounds() -> None:
    """If every visit is sent, energies are those of expert selection in the rounds as written."""
    rounds = rounds_of(3)
    factor = [1.0, 2.0, 0.5]
    study = dmoe_opt.place(
        rounds[:2], held_out=rounds[2:], send_once=False, select="des", factor=factor, kicks=2
    )
    placement = [nodes[0] for nodes in study.placement]
    written = [moved(of, placement, factor=factor, send_once=False) for of in rounds]
    per_token = [dmoe_opt.solve(of).objective_j / of.num_tokens for of in written]
    assert study.rows[-1].held_out_j == pytest.approx(per_token[2], rel=1e-9)
    assert study.rows[-1].energy_j == pytest.approx(np.mean(per_token[:2]), rel=1e-9)
    chosen = dmoe_opt.solve(written[2]).selection
    assert energy_j(written[2].selection_problem(), chosen) / 12 == pytest.approx(per_token[2])


def test_layers_are_summed() -> None:
    """Energies, bounds and gaps of all layers together."""
    study = dmoe_opt.place(rounds_of(1), kicks=2)
    twice = over_layers([study, study])
    assert twice.rows[0].energy_j == 2 * study.rows[0].energy_j
    assert twice.bound_j == 2 * study.bound_j
    assert twice.gap == pytest.approx(study.gap)
    assert twice.rows[0].held_out_j is None


def test_no_token_is_seen_and_held_out() -> None:
    """Of many rounds the last are held out, of a single one tokens are."""
    rounds = rounds_of(3)
    assert split(rounds, 0.3) == (rounds[:2], rounds[2:])
    assert split(rounds, 0.0) == (rounds, [])
    (seen,), (held_out,) = split(rounds[:1], 0.25)
    both = np.concatenate([seen.scores, held_out.scores])
    assert sorted(both.tolist()) == sorted(rounds[0].scores.tolist())
    assert held_out.num_tokens == 3
    with pytest.raises(InputError, match=r"held_out = 1.0; allowed: a number from 0 to below 1"):
        split(rounds, 1.0)


MEMORY = '{"format": "dmoe-opt/memory", "version": 1, %s}'
PLACEMENT = '{"format": "dmoe-opt/placement", "version": 1, "nodes": 2, "layers": [%s]}'
LAYER = '{"layer": null, "placement": %s}'


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (MEMORY % '"size": 1', "memory is missing; allowed: it must be given"),
        (MEMORY % '"memory": "big"', "memory = 'big'; allowed: float | array"),
        (PLACEMENT % LAYER % "[[0], [2]]", "layers[0].placement[1][0] = 2; allowed: whole numbers"),
        (PLACEMENT % LAYER % "[[0], []]", "layers[0].placement[1] names no node; allowed"),
        (PLACEMENT % LAYER % "[[1, 1]]", "layers[0].placement[0][1] = 1; allowed: one copy on a"),
        ("[]", "the document = []; allowed: object"),
    ],
)
def test_files_are_refused_in_one_line(text: str, line: str, tmp_path: Any) -> None:
    """File, field, index, value and what is allowed."""
    path = tmp_path / "file.json"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_placement(path) if "placement" in text else read_memory(path, 2, 2)
    assert str(error.value).startswith(f"{path}: {line}")
