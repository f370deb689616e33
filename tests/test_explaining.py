"""Explained infeasibility: a conflict that is one, and of which no part is needless."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from helpers.drawn import Ended, draws, problems, rounds
from hypothesis import given
from hypothesis import strategies as st

from dmoe_opt import Instance, Radio, SelectionProblem, explain, generate, load, save, solve
from dmoe_opt.answer.objective import Selection, loads
from dmoe_opt.data.instance import as_problem
from dmoe_opt.data.problem import SCORE_UNIT
from dmoe_opt.errors import InputError, LimitError
from dmoe_opt.joint import conflict
from dmoe_opt.joint.feasibility import RULES

Typed = Callable[..., Ended]


def token_sets(problem: SelectionProblem, t: int, rules: Iterable[str]) -> list[Selection]:
    """Every set of experts that a token may use under some rules, by enumeration."""
    allowed = []
    for members in itertools.product([False, True], repeat=problem.num_experts):
        chosen = np.array(members)
        reached = np.rint(problem.scores[t, chosen] * SCORE_UNIT).sum()
        broken = {
            "C1": reached < problem.need_units[t],
            "C2": chosen.sum() > problem.max_experts,
            "C4": (chosen & ~problem.usable[t]).any(),
        }
        if not any(broken.get(name, False) for name in rules):
            allowed.append(chosen)
    return allowed


def links_fit(instance: Instance, links: Iterable[tuple[int, int]], rules: Iterable[str]) -> bool:
    """Whether links can have subcarriers under some rules, by enumeration."""
    if "C4" not in rules:
        return True
    works = [np.flatnonzero(np.isfinite(instance.link_energy[link])) for link in links]
    shared = "C3" not in rules
    return any(shared or len(set(choice)) == len(works) for choice in itertools.product(*works))


def has_answer(
    data: Instance | SelectionProblem, tokens: Iterable[int], rules: Iterable[str], problem: str
) -> bool:
    """Whether some tokens can be served under some rules; needs are those of the instance."""
    sets = [token_sets(as_problem(data), t, rules) for t in tokens]
    if problem == "selection" or isinstance(data, SelectionProblem):
        return all(sets)
    for choice in itertools.product(*sets):
        selection = np.zeros(data.scores.shape, dtype=bool)
        for t, chosen in zip(tokens, choice, strict=True):
            selection[t] = chosen
        links = [(int(i), int(j)) for i, j in np.argwhere(loads(data, selection))]
        if links_fit(data, links, rules):
            return True
    return False


def check_conflict(data: Instance | SelectionProblem, problem: str) -> tuple[str, ...]:
    """The explanation agrees with enumeration, and each token and each rule of it is needed.

    Returns the rules.
    """
    why = explain(data, problem)
    assert why.infeasible != has_answer(data, range(as_problem(data).num_tokens), RULES, problem)
    if not why.infeasible:
        assert (why.tokens, why.rules) == ((), ())
        return ()
    assert why.minimal
    assert not has_answer(data, why.tokens, why.rules, problem)
    for t in why.tokens:
        assert has_answer(data, [other for other in why.tokens if other != t], why.rules, problem)
    for rule in why.rules:
        assert has_answer(data, why.tokens, set(why.rules) - {rule}, problem)
    if isinstance(data, Instance):
        assert set(why.nodes) == set(data.source[list(why.tokens)].tolist())
    return why.rules


@draws(2)
@given(data=problems(most_experts=5, most_tokens=3))
def test_conflicts_of_selection_problems(data: SelectionProblem) -> None:
    """A token and the rules that keep it from its threshold: cap, dead links, both or neither."""
    check_conflict(data, "selection")


@draws(3)
@given(data=rounds())
def test_conflicts_of_rounds(data: Instance) -> None:
    """Tokens and rules, with links of gain 0 and spectrum of any size."""
    check_conflict(data, "jesa")


def crowded(seed: int, carriers: int, dead: float) -> Instance:
    """A round with few subcarriers, a share of whose links work on some of them only."""
    rng = np.random.default_rng(seed)
    tokens, experts = 4, 3
    return Instance(
        source=rng.integers(0, experts, tokens),
        scores=rng.integers(0, 9, (tokens, experts)) / 8,
        threshold=rng.integers(4, 13, tokens) / 8,
        max_experts=int(rng.integers(1, 3)),
        compute_energy=np.ones(experts),
        radio=Radio(
            np.where(rng.random((experts, experts, carriers)) < dead, 0.0, 1.0), 1.0, 1.0, 1.0, 1.0
        ),
    )


def test_conflicts_of_crowded_rounds() -> None:
    """Most have no answer: too many links, or dead subcarriers."""
    kinds = set()
    for seed in range(30):
        kinds.add(check_conflict(crowded(seed, 1 + seed % 4, (seed % 5) / 5), "jesa"))
    assert kinds == {(), ("C1", "C3", "C4")}


def test_the_cap_is_told_where_it_matters() -> None:
    """With a second expert, both tokens could use their own node and the same link."""
    round_ = Instance(
        source=[0, 0],
        scores=[[0.25, 0.5, 0.25], [0.25, 0.25, 0.5]],
        threshold=0.5,
        max_experts=1,
        compute_energy=[1.0, 1.0, 1.0],
        link_energy=np.ones((3, 3, 1)),
    )
    assert check_conflict(round_, "jesa") == ("C1", "C2", "C3", "C4")


@given(data=rounds(), draw=st.data())
def test_conflicts_of_links(data: Instance, draw: st.DataObject) -> None:
    """Links with fewer subcarriers than links, and without any one of them the others fit."""
    if data.selection_problem().infeasibility() is not None:
        return
    choices = [token_sets(data.selection_problem(), t, RULES) for t in range(data.num_tokens)]
    selection = np.zeros(data.scores.shape, dtype=bool)
    for t, sets in enumerate(choices):
        selection[t] = draw.draw(st.sampled_from(sets))
    why = explain(data, selection=selection)
    links = [(int(i), int(j)) for i, j in np.argwhere(loads(data, selection))]
    assert why.problem == "allocation"
    assert why.infeasible != links_fit(data, links, RULES)
    if why.infeasible:
        assert set(why.links) <= set(links)
        assert set(why.tokens) == {
            int(t)
            for t, j in np.argwhere(selection)
            if (data.source[t], data.node_of[j]) in why.links
        }
        assert not links_fit(data, why.links, why.rules)
        for link in why.links:
            assert links_fit(data, set(why.links) - {link}, why.rules)
        for rule in why.rules:
            assert links_fit(data, why.links, set(why.rules) - {rule})


def test_words() -> None:
    """Tokens, node, links and subcarriers are named as one would say it."""
    one = generate("edge-8x64", 1, num_subcarriers=1)
    assert isinstance(one, Instance)
    said = str(explain(one))
    assert "token 40 of node 0 needs at least 2 links, but only 1 subcarrier exists" in said
    many = str(explain(load("scarce-8x36-s1")))
    assert "31 tokens of 8 nodes need at least 37 links, but only 36 subcarriers exist" in many
    assert "tokens 23 and 31 of node 7 need at least 3 links" in many
    assert "Without any one of these tokens and rules the others have an answer." in many


def test_gain_zero_is_told() -> None:
    """Links that work on one subcarrier only, and an expert behind a link that never works."""
    gains = np.ones((3, 3, 3))
    gains[0, 1:, :2] = 0
    round_ = Instance(
        source=[0, 0],
        scores=[[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        threshold=0.5,
        max_experts=1,
        compute_energy=[1.0, 1.0, 1.0],
        radio=Radio(gains, 1.0, 1.0, 1.0, 1.0),
        on_shortfall="infeasible",
    )
    assert explain(round_).minimal
    assert explain(round_).sentences == (
        "tokens 0 and 1 of node 0 need at least 2 links, which cannot all get a subcarrier",
        "link 0 -> 1 works on subcarrier 2 only",
        "link 0 -> 2 works on subcarrier 2 only",
    )
    assert explain(round_, "allocation").links == ((0, 1), (0, 2))
    gains[0, 1] = 0
    dead = explain(round_.replace(radio=Radio(gains, 1.0, 1.0, 1.0, 1.0)))
    assert (dead.tokens, dead.nodes, dead.rules) == ((0,), (0,), ("C1", "C4"))
    assert "without expert 1, which it cannot reach, all give 0" in dead.sentences


def test_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer in time is an error; a question left open leaves a true conflict, not minimal."""
    round_ = crowded(0, 1, 0.0)
    assert explain(round_).infeasible
    monkeypatch.setattr(conflict, "can_be_served", lambda *_: None)
    with pytest.raises(LimitError, match="not decided within 7 s"):
        explain(round_, time_limit=7.0)
    answers = iter([False])
    monkeypatch.setattr(conflict, "can_be_served", lambda *_: next(answers, None))
    why = explain(round_)
    assert why.infeasible
    assert not why.minimal
    assert why.tokens == (0, 1, 2, 3)
    assert "The time limit left open" in str(why)


def test_bad_requests() -> None:
    """A selection where experts are to be chosen, and a round's problem without a round."""
    round_ = load("tiny-s1")
    assert isinstance(round_, Instance)
    with pytest.raises(InputError, match=r'selection is given for problem = "jesa"; allowed'):
        explain(round_, "jesa", selection=np.zeros((6, 3), dtype=bool))
    with pytest.raises(InputError, match="allowed: selection, for an instance without a radio"):
        explain(load("subset-sum-s1"), "jesa")
    with pytest.raises(InputError, match='problem = "peace"; allowed: selection'):
        explain(round_, "peace")


def test_command(typed: Typed, tmp_path: Path) -> None:
    """`solve` hints at `explain`, which says the same in words and as JSON."""
    refuted = typed("solve", "scarce-8x36-s1", "--problem", "jesa")
    command = "dmoe-opt explain scarce-8x36-s1 --problem jesa"
    assert (refuted.returncode, command in refuted.stderr) == (3, True)
    assert typed("solve", "scarce-8x36-s1", "--problem", "jesa", "--json").stderr == ""
    told = typed(*command.split()[1:])
    assert (told.returncode, told.stdout.strip()) == (0, str(explain(load("scarce-8x36-s1"))))
    round_ = generate("edge-8x64", 1, num_subcarriers=6)
    save(round_, tmp_path / "few.json")
    save(solve(round_), tmp_path / "experts.json")
    links = typed("explain", "few.json", "--selection", "experts.json")
    assert "allocation of edge-8x64-s1: 7 links need a subcarrier each, and 6 work" in links.stdout
