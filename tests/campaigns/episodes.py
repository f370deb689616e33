"""Tiny episodes of offloading against brute force: optimum, bounds, certificates and policies."""

from __future__ import annotations

import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import cache

import numpy as np

from dmoe_opt.models import offload_cvxpy, offload_pyomo
from dmoe_opt.offload import forecast, store, windows
from dmoe_opt.offload.agent import Agent
from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.fitting import Fit
from dmoe_opt.offload.observe import OWN, size
from dmoe_opt.offload.optimum import Optimum
from dmoe_opt.offload.policies import RULES, SAC, fitted, policy
from dmoe_opt.offload.pricing import Tariff, equal_experts
from dmoe_opt.offload.proving import prove_episode
from dmoe_opt.offload.scenario import Scenario
from dmoe_opt.offload.simulate import account, run, violations
from dmoe_opt.proof import check_episode
from tests.campaigns.drawn_episodes import draw
from tests.campaigns.episode_force import Truth
from tests.campaigns.outcome import Fault, Outcome

NOISE = 1e-9
OPTIMUM = 1e-6
MODELS = {"pyomo": (offload_pyomo.solve, 0.1), "cvxpy": (offload_cvxpy.solve, 0.05)}
HIDDEN = 4
"""Hidden units of an untrained agent."""


def attack(seed: int) -> Outcome:
    """One episode: draw it, enumerate its choices, solve it, play it, here and elsewhere."""
    rng = np.random.default_rng(seed)
    outcome = Outcome()
    episode, has = draw(rng)
    document = store.as_bytes(episode)
    right = Truth(json.loads(document))
    outcome.counts.update(["episodes", *(f"with {name}" for name in has)])
    complaints = _of_the_optimum(episode, right, rng)
    complaints += _of_a_certificate(episode, document, right)
    complaints += _of_policies(episode, document, right, seed)
    outcome.faults = [Fault(what, seed, document.decode()) for what in complaints]
    return outcome


def _of_the_optimum(episode: Episode, right: Truth, rng: np.random.Generator) -> list[str]:
    """What is wrong with the answers of the solvers."""
    stages = episode.scenario.arrivals.job_quality is not None
    answers = {"windows": windows.solve(episode), "at once": windows.solve(episode, 1e-9)}
    answers |= {name: solve(episode) for name, (solve, p) in MODELS.items() if rng.random() < p}
    complaints = []
    for name, answer in answers.items():
        for_means = stages and name in MODELS  # of which the optimum is only a bound
        said = _wrong_bound(answer, right) if for_means else judge(episode, answer, right)
        if not for_means and name != "at once" and not _is_optimal(answer, right):
            said.append(f"{answer.return_!r}, proven: {answer.proven}, for {right.optimum!r}")
        complaints += [f"{name}: {what}" for what in said]
    return complaints


def _is_optimal(answer: Optimum, right: Truth) -> bool:
    if answer.return_ is None or not answer.proven:
        return False
    return abs(answer.return_ - right.optimum) <= OPTIMUM * max(abs(right.optimum), answer.unit)


def _wrong_bound(answer: Optimum, right: Truth) -> list[str]:
    if answer.bound is None or answer.bound < right.optimum - NOISE * max(answer.unit, 1.0):
        return [f"the bound {answer.bound!r} is below the optimum {right.optimum!r}"]
    return []


def judge(episode: Episode, answer: Optimum, right: Truth) -> list[str]:
    """What is wrong with a bound, a schedule and its return, in words; empty if nothing is."""
    complaints = _wrong_bound(answer, right)
    if answer.choice is None or answer.return_ is None:
        return [*complaints, "no schedule"]
    complaints += violations(episode, answer.choice)
    value = right.return_of(answer.choice.tolist())
    if value is None or abs(value - answer.return_) > NOISE:
        complaints.append(f"a return of {answer.return_!r} that is {value!r}")
    return complaints


def _of_a_certificate(episode: Episode, document: bytes, right: Truth) -> list[str]:
    """A certificate holds, and its checker accepts it."""
    if episode.scenario.arrivals.job_quality is not None:
        return []
    certificate = prove_episode(episode)
    said = check_episode.verdict(json.loads(document), certificate.fields)
    if said:
        return [f"an honest certificate is refused: {said}"]
    if certificate.bound < right.optimum - NOISE:
        return [f"{certificate.bound!r} is certified, below the optimum {right.optimum!r}"]
    return []


def _of_policies(episode: Episode, document: bytes, right: Truth, seed: int) -> list[str]:
    """No policy beats the optimum or breaks a rule, and its seed fixes its actions everywhere."""
    elsewhere = _worker().submit(actions, document, seed % 1000)
    complaints = []
    here = actions(document, seed % 1000)
    for name, choice in here.items():
        value = right.return_of(choice)
        counted = account(episode, np.array(choice)).return_
        if value is None:
            complaints.append(f"{name} breaks a rule: {choice}")
        elif abs(value - counted) > NOISE:
            complaints.append(f"{name}: a return of {counted!r} that is {value!r}")
        elif value > right.optimum + NOISE:
            complaints.append(f"{name} earns {value!r}, above the optimum {right.optimum!r}")
    there = elsewhere.result()
    other = [name for name in here if here[name] != there[name]]
    return complaints + [f"{name}: other actions in another process" for name in other]


def actions(document: bytes, seed: int) -> dict[str, list[int]]:
    """What every policy does in an episode; fits and agents are drawn by the seed."""
    episode = store.from_fields(json.loads(document))
    assert isinstance(episode, Episode)
    scenario = episode.scenario
    rng = np.random.default_rng(seed)
    agents, fit = {SAC: _agent(rng, scenario)}, _fit(rng, scenario)
    return {
        name: run(episode, policy(name, scenario, agents, fit)(seed)).tolist()
        for name in [*RULES, *fitted(fit), SAC]
    }


def _fit(rng: np.random.Generator, scenario: Scenario) -> Fit:
    groups = np.arange(scenario.num_experts)
    base, rise = rng.choice([0.0, 0.1, 1.0], (2, len(groups)))
    tariff, threshold = Tariff(groups, base, rise, 2.0), float(rng.choice([0.0, 0.1]))
    count = int(equal_experts(scenario).max()) + 1 + forecast.SHARED
    ahead = rng.random(count) if forecast.exists(scenario) else None
    return Fit("", "per group", tariff, threshold, forecast=ahead)


def _agent(rng: np.random.Generator, scenario: Scenario) -> Agent:
    inputs = size(scenario.num_experts, scenario.num_types)
    shapes = [(OWN, HIDDEN), (inputs, HIDDEN), (scenario.num_experts + 1, HIDDEN)]
    shapes += [(HIDDEN, HIDDEN), (HIDDEN,), (HIDDEN,)]
    return Agent(*(rng.normal(size=shape) for shape in shapes))


@cache
def _worker() -> ProcessPoolExecutor:
    """Another process, begun from nothing, with hashes of its own."""
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
