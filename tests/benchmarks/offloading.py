"""Tables of edge offloading: speed, time to the clairvoyant optimum, and trained agents.

for s in 0 1 2 3 4; do
  for p in light busy fading mixed; do
    dmoe-opt offload train $p --seed $s -o agents/$p-s$s
  done
done
python tests/benchmarks/offloading.py agents

The tables of docs/results.md: python tests/benchmarks/offloading.py compared
Five seeds of `forecast`: python tests/benchmarks/offloading.py learned
That of shifts in docs/problems/offloading.md: python tests/benchmarks/offloading.py shifted
A number after the word is one of episodes, instead of 50.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dmoe_opt.comparing.policies import OffloadComparison, PolicyRow, compare, play
from dmoe_opt.comparing.rows import half_width
from dmoe_opt.offload import agent as agents
from dmoe_opt.offload import windows
from dmoe_opt.offload.environment import EdgeOffload
from dmoe_opt.offload.episode import draw
from dmoe_opt.offload.fitting import committed
from dmoe_opt.offload.forecast import Batch, Forecast, learn
from dmoe_opt.offload.many import Many
from dmoe_opt.offload.policies import RULES
from dmoe_opt.offload.presets import PRESETS, preset
from dmoe_opt.offload.scenario import Array
from dmoe_opt.offload.simulate import State, account, run

EPISODES = 50
BESIDE = ("price", "rollout", "sac")
"""What the learned price is compared with."""


def steps_per_second() -> None:
    """Subtasks placed in a second by each rule, the learned policy and the bare environment."""
    print("| policy | steps a second |\n|---|---|")
    episodes = [draw(preset("mixed"), number) for number in range(50)]
    steps = sum(e.num_subtasks for e in episodes)
    for episode in episodes:
        State(episode)  # tables of rewards and times are made once per episode
    choosers = {name: rule(0) for name, rule in RULES.items()}
    if (agent := agents.committed("mixed")) is not None:
        choosers["sac"] = agent.act
    for name, choose in choosers.items():
        began = time.perf_counter()
        for episode in episodes:
            run(episode, choose)
        print(f"| {name} | {steps / (time.perf_counter() - began):,.0f} |")
    env = EdgeOffload("mixed")
    began = time.perf_counter()
    for episode in episodes:
        env.reset(options={"episode": episode})
        while not env.step(np.int64(0))[2]:
            pass
    print(
        "| the gymnasium environment, observations included | "
        f"{steps / (time.perf_counter() - began):,.0f} |"
    )


def many_steps_per_second(count: int = 1000) -> None:
    """Subtasks placed in a second in many episodes at once, observations included."""
    many = Many([draw(preset("mixed"), number) for number in range(count)])
    steps, first_expert = 0, np.zeros(count, dtype=int)
    began = time.perf_counter()
    while many.alive.any():
        many.observations()
        steps += int(many.alive.sum())
        many.step(first_expert)
    print(f"| {count} episodes at once | {steps / (time.perf_counter() - began):,.0f} |")


def optima(limit_s: float = 10.0, count: int = 10) -> None:
    """Time of the clairvoyant optimum by windows, building included, and its proofs."""
    print(
        f"\n| preset | subtasks | experts | proven in {limit_s:g} s | median s | worst s | "
        "largest gap left % |"
    )
    print("|---|---|---|---|---|---|---|")
    for name in PRESETS:
        scenario, times, gaps, sizes, proven = preset(name), [], [], [], 0
        for number in range(count):
            episode = draw(scenario, number)
            began = time.perf_counter()
            best = windows.solve(episode, limit_s)
            times.append(time.perf_counter() - began)
            sizes.append(episode.num_subtasks)
            proven += best.proven
            gaps.append(best.gap)
        print(
            f"| {name} | {min(sizes)} to {max(sizes)} | {scenario.num_experts} | {proven} of "
            f"{count} | "
            f"{np.median(times):.1f} | {max(times):.1f} | {100 * max(gaps):.2g} |",
            flush=True,
        )


def compared(count: int = EPISODES, limit_s: float = 3.0) -> None:
    """Play all policies, and print the tables."""
    done = []
    for name in ("light", "busy", "fading", "mixed"):
        trained = {"sac": agents.committed(name)}
        done.append(compare(preset(name), agents=trained, episodes=count, time_limit=limit_s))
    tables(done)
    names = [row.policy for row in done[0].rows if row.policy != "price"]
    differences([of.scenario for of in done], names, count)


def shifted(count: int = EPISODES) -> None:
    """Play policies as made for other scenarios with the same experts, and print the table."""
    scenarios = ("light", "busy", "drifting")
    made = [f"{rule}@{name}" for rule in ("price", "forecast") for name in scenarios]
    differences(scenarios, [*made, "sac@light", "sac@busy", "greedy"], count)


def learned(count: int = EPISODES) -> None:
    """Learn `forecast` with five seeds, and print what it earns more than others, in percent.

    A mean of the seeds is taken episode by episode, so its interval is that of the episodes.
    """
    print(f"| preset | seed | s | return | {' | '.join(f'less `{name}`' for name in BESIDE)} |")
    print(f"|---|---|---|---|{'---|' * len(BESIDE)}")
    for name in ("busy", "fading", "mixed"):
        scenario, fit = preset(name), committed(preset(name))
        others = [returns(name, policy, count) for policy in BESIDE]
        held_out = Batch(scenario, [draw(scenario, number) for number in range(count)])
        earned, spent_s = [], []
        for seed in range(5):
            began = time.process_time()
            rule = Forecast(scenario, learn(scenario, fit.tariff, seed))
            spent_s.append(time.process_time() - began)
            earned.append(held_out.returns(rule))
            _ahead(f"{name} | {seed} | {spent_s[-1]:.1f}", earned[-1], others)
        _ahead(f"{name} | mean | {np.mean(spent_s):.1f}", np.mean(earned, axis=0), others)


def _ahead(first: str, own: Array, others: Sequence[Array]) -> None:
    """Print a row: the mean of returns (B,), and how much more that is than each other, in %."""
    ahead = [100.0 * (own - other) / other.mean() for other in others]
    cells = [f"{percent.mean():+.2f} ± {half_width(percent):.2f}" for percent in ahead]
    print(f"| {first} | {own.mean():.2f} | {' | '.join(cells)} |", flush=True)


def differences(scenarios: Sequence[str], names: Sequence[str], count: int) -> None:
    """Return of each policy less that of `price` as fitted to the scenario, in % of the latter."""
    print(f"\n| less `price`, % | {' | '.join(scenarios)} |\n|---|{'---|' * len(scenarios)}")
    own = {name: returns(name, "price", count) for name in scenarios}
    for policy in names:
        cells = []
        for name in scenarios:
            percent = 100.0 * (returns(name, policy, count) - own[name]) / own[name].mean()
            cells.append(f"{percent.mean():+.1f} ± {half_width(percent):.1f}")
        print(f"| `{policy}` | {' | '.join(cells)} |", flush=True)


def returns(scenario: str, policy: str, count: int) -> Array:
    """Returns of a policy on the held-out episodes of a preset, (count,)."""
    trained = {"sac": agents.committed(scenario)} if policy == "sac" else None
    episodes = [draw(preset(scenario), number) for number in range(count)]
    choices = [play(e, policy, agents=trained, seed=n)[0] for n, e in enumerate(episodes)]
    pairs = zip(episodes, choices, strict=True)
    return np.array([account(episode, choice).return_ for episode, choice in pairs])


def tables(done: list[OffloadComparison]) -> None:
    """The tables of docs/results.md: share of the optimum, and the two gaps in % of its bound."""
    print("| policy | " + " | ".join(of.scenario for of in done) + " |")
    for title, field in (
        ("share of the optimum", "optimum_share"),
        ("behind the best policy", "behind_best"),
        ("behind the ceiling", "behind_ceiling"),
    ):
        print(f"\n{title}, %\n")
        for k, row in enumerate(done[0].rows):
            cells = [_percent(of, of.rows[k], field) for of in done]
            print(f"| `{row.policy}` | {' | '.join(cells)} |")
    if all(of.hindsight is not None for of in done):
        bounds = [of.bound_mean / 100.0 for of in done]
        split = zip(done, bounds, strict=True)
        cells = [f"{of.hindsight / b:.2f} ± {of.hindsight_ci95 / b:.2f}" for of, b in split]
        print(f"| hindsight | {' | '.join(cells)} |")
    print("optimum found, %:", [f"{100 * of.optimum.optimum_share:.1f}" for of in done])
    print("optima proven:", [f"{of.proven} of {of.episodes}" for of in done])


def _percent(of: OffloadComparison, row: PolicyRow, field: str) -> str:
    factor = 100.0 if field == "optimum_share" else 100.0 / of.bound_mean
    mean, half = getattr(row, field), getattr(row, f"{field}_ci95")
    if mean is None:
        return ""
    return f"{factor * mean:.1f} ± {factor * half:.1f}"


def seeds(folder: Path) -> None:
    """Every agent of the folder over held-out episodes, beside the rules."""
    print(
        f"\n| preset | policy | return of {EPISODES} episodes | share of optimum % | quality | "
        "energy J | lost | local |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name in PRESETS:
        paths = sorted(folder.glob(f"{name}-s*/agent.npz"))
        trained = {
            f"sac, seed {path.parent.name.rpartition('-s')[2]}": agents.load(path) for path in paths
        }
        done = compare(preset(name), agents=trained, episodes=EPISODES, time_limit=1.0)
        for row in [*done.rows, done.optimum]:
            print(
                f"| {name} | {row.policy} | {row.return_mean:.2f} ± {row.return_ci95:.2f} | "
                f"{100 * row.optimum_share:.1f} ± {100 * row.optimum_share_ci95:.1f} | "
                f"{row.quality:.3f} | "
                f"{row.energy_j:.0f} | {row.lost:.1f} | {row.local:.1f} |",
                flush=True,
            )
        print(f"| {name} | {done.proven} of {EPISODES} optima proven | | | | | | |", flush=True)


if __name__ == "__main__":
    printed = {"compared": compared, "shifted": shifted, "learned": learned}
    if sys.argv[1:] and sys.argv[1] in printed:
        sys.exit(printed[sys.argv[1]](*map(int, sys.argv[2:3])))
    steps_per_second()
    many_steps_per_second()
    optima()
    if len(sys.argv) > 1:
        seeds(Path(sys.argv[1]))
