"""The rule `rollout`: try the best actions in sampled futures, and play on by prices there.

Budget: at most `CANDIDATES` actions, each in the same `FUTURES` futures of `AHEAD` subtasks.
Futures are pieces of episodes that the scenario draws. The action that the prices prefer is left
only for one that is better by more than the error of the sampled mean. Rollout of a base policy,
here the tariff, is due to D. Bertsekas, J. Tsitsiklis and C. Wu, *Rollout Algorithms for
Combinatorial Optimization*, Journal of Heuristics 3 (1997); sampling futures to compare actions to
E. Chong, R. Givan and H. Chang, *A Framework for Simulation-Based Network Control via Hindsight
Optimization*, CDC 2000.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dmoe_opt.offload.episode import draw
from dmoe_opt.offload.pricing import Tariff, net_rewards
from dmoe_opt.offload.scenario import Array, Scenario
from dmoe_opt.offload.simulate import Choose, State

CANDIDATES = 2
FUTURES = 8
AHEAD = 32
NEAR = 0.02
"""An action that is worth less by more than this, in perfect jobs, is not tried."""
POOL = 24
"""Episodes of which futures are pieces."""


def rollout(scenario: Scenario, tariff: Tariff, seed: int) -> Choose:
    """The best of a few actions, by their mean return in sampled futures."""
    rng = np.random.default_rng([seed, POOL])
    pool = [State(episode) for episode in (draw(scenario, rng) for _ in range(POOL))]
    pool = [state for state in pool if len(state.choice) > 1]  # a future begins after a subtask
    if not pool:
        return tariff.choose

    def choose(state: State) -> int:
        candidates = _candidates(state, tariff)
        if len(candidates) <= 1:
            return candidates[0] if candidates else state.device
        futures = [pool[k] for k in rng.integers(len(pool), size=FUTURES)]
        starts = [int(rng.integers(1, max(len(f.choice) - AHEAD, 2))) for f in futures]
        best, most = candidates[0], 0.0
        usual = _returns(state, best, tariff, futures, starts)
        for action in candidates[1:]:
            ahead = _returns(state, action, tariff, futures, starts) - usual
            sure = float(ahead.mean() - ahead.std(ddof=1) / np.sqrt(FUTURES))
            if sure > most:
                best, most = action, sure
        return best

    return choose


def _candidates(state: State, tariff: Tariff) -> list[int]:
    """The open actions whose reward less price is near the best, best first."""
    worth = [*net_rewards(state, tariff.prices(state)), state.reward[-1]]
    open_ = sorted((a for a in range(len(worth)) if state.mask[a]), key=lambda a: -worth[a])
    return [a for a in open_[:CANDIDATES] if worth[a] >= worth[open_[0]] - NEAR]


def _returns(
    state: State, action: int, tariff: Tariff, futures: Sequence[State], starts: Sequence[int]
) -> Array:
    """Return of an action in each of the futures, with its reward now."""
    pairs = zip(futures, starts, strict=True)
    after = [_return_after(state, action, tariff, future, start) for future, start in pairs]
    return state.reward[action] + np.array(after)


def _return_after(state: State, action: int, tariff: Tariff, future: State, start: int) -> float:
    """Return of the subtasks of a future after an action, less what stays occupied at its end."""
    arrival_s = future.episode.arrival_s
    shift = float(arrival_s[start - 1]) - state.now  # the next gap is one of the future
    held = [[(end + shift, size) for end, size in heap] for heap in state.held]
    if action < len(held):
        held[action].append((state.now + state.duration[action] + shift, state.size))
        held[action].sort()
    played = future.elsewhere(start, held)
    total = 0.0
    for _ in range(min(AHEAD, len(arrival_s) - start)):
        total += played.step(tariff.choose(played))
    prices = tariff.prices(played)
    occupied = zip(prices, played.held, strict=False)  # a device has no price
    left = ((p, max(end - played.now, 0.0), size) for p, heap in occupied for end, size in heap)
    return total - sum(p * seconds * size for p, seconds, size in left)
