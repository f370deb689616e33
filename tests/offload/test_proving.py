"""Certificates of episodes: no schedule beats what is proven, and what is forged is refused."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from helpers.drawn import Ended
from helpers.offloads import by_hand, episodes
from helpers.weakened import weakened
from hypothesis import given

from dmoe_opt import InputError
from dmoe_opt.offload import store, windows
from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.proving import FORMAT, prove_episode
from dmoe_opt.proof import check_episode
from tests.campaigns.forgeries import changed

HAND: dict[str, Any] = json.loads(store.as_bytes(by_hand()))
"""Three subtasks earn 0.5, 0.9 and 0.5 at the expert, which has one slot, and 1.5 at best."""


def changed_hand(part: str, **fields: Any) -> dict[str, Any]:
    return HAND | {part: HAND[part] | fields}


WIDE = changed_hand("experts", capacity=[3])
"""All at the expert: 1.9."""
APART = changed_hand("episode", arrival_s=[0.0, 2.0, 4.0], gains=[[1.0]] * 5)
"""One after the other at the expert: 1.9."""
FULL = changed_hand("experts", capacity=[0]) | {"device": HAND["device"] | {"speed": 0.1}}
"""All three are lost, for 0.25 each."""


def proof(bound: float, *prices: Any) -> dict[str, Any]:
    return {"format": FORMAT, "version": 1, "bound": bound, "prices": list(prices)}


class Rule(NamedTuple):
    """A rule of the source, what remains without it, and a false claim that only it refuses."""

    text: str
    without: str
    episode: dict[str, Any]
    proof: dict[str, Any]


RULES = {
    "format": Rule('proof.get("format") !=', '"" ==', HAND, proof(1.9 + 1e-9) | {"format": "x"}),
    "no other fields": Rule(
        "if field not in known", "if False and field not in known", HAND | {"x": 1}, proof(2.0)
    ),
    "no negative prices": Rule(
        "or not 0 <= value < math.inf", "", WIDE, proof(1.0, [0, 1.0, -1.0])
    ),
    "times": Rule(
        'number(time_s, f"prices[{k}]: the time")',
        "pass",
        HAND,
        proof(2.0, [0, math.nan, 0.0]),
    ),
    "capacities": Rule("* room[place] for", "for", WIDE, proof(1.6, [0, 1.0, 0.2], [0, 2.0, 0.2])),
    "until the finish": Rule(
        "self.sums[max(bisect_left(self.times, end_s), first)]",
        "self.sums[-1]",
        APART,
        proof(1.6, [0, 30.0, 0.2]),
    ),
    "from the arrival": Rule(" - self.sums[first]", "", APART, proof(1.6, [0, 1.0, 0.2])),
    "stays are a bit shorter": Rule(
        'at["speed"]) * (1 - LITTLE)',
        'at["speed"]) * (1 + LITTLE)',
        APART,
        proof(1.8, [0, 2.0, 0.2]),
    ),
    "lost": Rule(
        'best = -Fraction(given["prices"]["loss"]',
        'best = -Fraction(9 + given["prices"]["loss"]',
        FULL,
        proof(-2.0, *([0, time_s, 9.0] for time_s in (0.5, 1.5, 2.5))),
    ),
    "energy": Rule("Fraction(paid * (1 - LITTLE))", "Fraction(9 * paid)", APART, proof(1.0)),
    "sizes": Rule("else Fraction(1)", "else Fraction(9)", APART, proof(1.85, [0, 1.0, 0.1])),
    "the bound": Rule("or not bound <= proof", "or bound is proof", HAND, proof(1.2)),
}


@pytest.mark.parametrize("name", RULES)
def test_only_that_rule_refuses(name: str) -> None:
    """The checker refuses; the checker without the rule accepts."""
    rule = RULES[name]
    weaker = weakened(check_episode, rule.text, rule.without)
    assert check_episode.verdict(rule.episode, rule.proof)
    assert weaker.verdict(rule.episode, rule.proof) == ""


def test_a_proof_by_hand() -> None:
    """Prices of 0.2 at 1 s and at 2 s leave 0.3, 0.5 and 0.3, and the expert 0.4."""
    assert check_episode.verdict(HAND, proof(1.5 + 1e-9, [0, 1.0, 0.2], [0, 2.0, 0.2])) == ""
    said = check_episode.verdict(HAND, proof(1.4, [0, 1.0, 0.2], [0, 2.0, 0.2]))
    assert said == "the proof reaches 1.5, claimed are 1.4"


@given(episode=episodes())
def test_no_schedule_beats_what_is_proven(episode: Episode) -> None:
    """With late results, work that is counted and a finite device too; prices only help."""
    if episode.scenario.arrivals.job_quality is not None:
        with pytest.raises(InputError, match="jobs of stages"):
            prove_episode(episode)
        return
    best = windows.solve(episode)
    certificate = prove_episode(episode)
    assert best.return_ is not None
    assert certificate.bound >= best.return_
    bare = check_episode.proven_bound(json.loads(store.as_bytes(episode)), proof(0.0))
    assert certificate.bound <= bare + 1e-6 * episode.num_subtasks


def test_forged_certificates_prove_nothing_false() -> None:
    """300 changed certificates for a bound that is too low, each refused in one line."""
    for seed in range(300):
        rng = np.random.default_rng(seed)
        forged = proof(1.5 - 1e-6, [0, 1.0, 0.2], [0, 2.0, 0.2])
        for _ in range(rng.integers(1, 4)):
            forged = changed(rng, forged)
        said = check_episode.verdict(HAND, forged)
        bound = forged.get("bound") if isinstance(forged, dict) else None
        assert said or (isinstance(bound, int | float) and bound >= 1.5)
        assert len(said.splitlines()) <= 1
        assert len(said) < 200


def test_the_checker_runs_alone(typed: Callable[..., Ended], tmp_path: Path) -> None:
    """`offload check` and one file of plain Python accept what `evaluate --proof` writes."""
    assert typed("offload", "generate", "busy", "--seed", "0", "-o", "e.json").returncode == 0
    done = typed("offload", "evaluate", "e.json", "--proof", "p.json", "--json")
    document = json.loads(done.stdout)
    assert document["return"] < document["certified_bound"]
    script = str(Path(check_episode.__file__))
    alone = [sys.executable, "-I", "-S", script, "e.json", "p.json"]
    assert subprocess.run(alone, cwd=tmp_path, capture_output=True).returncode == 0
    told = typed("offload", "check", "e.json", "--proof", "p.json")
    assert (told.returncode, "no policy earns more than" in told.stdout) == (0, True)
    forged = json.loads((tmp_path / "p.json").read_text())
    forged["bound"] *= 1 - 1e-9
    (tmp_path / "p.json").write_text(json.dumps(forged))
    refused = subprocess.run(alone, cwd=tmp_path, capture_output=True, text=True)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    told = typed("offload", "check", "e.json", "--proof", "p.json")
    assert (told.returncode, "claimed, not certified" in told.stdout) == (1, True)
