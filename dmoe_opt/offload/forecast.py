"""The rule `forecast`: prices of slots that know how many arrivals are still to come.

A slot is worth nothing once nothing more arrives, and less while few jobs are open. Expert e of
group g charges, for a subtask of duration d that arrives now::

    rise[g] max(x, 0)^power  times  the integral of D(s)^trust over s in (0, d)
    x = (1 - mix) u_g + mix u + ends v_g + load (o / mean of o - 1) + floor

D(s) is the rate of arrivals to be expected in s seconds, as a share of the long-run rate. It
follows from the jobs that have not begun and from the number o of open jobs, both known to the
device, which splits the jobs; a load that drifts counts with its mean. u is the occupied share of
all slots, u_g that of the group. v_g counts an occupied slot by the time until it is free, as a
share of half the longest deadline, at most 1.

The G + 6 numbers are learned by the cross-entropy method on the returns of whole episodes: R.
Rubinstein, *The Cross-Entropy Method for Combinatorial and Continuous Optimization*, Methodology
and Computing in Applied Probability 1 (1999); for policies: I. Szita and A. Lorincz, *Learning
Tetris Using the Noisy Cross-Entropy Method*, Neural Computation 18 (2006).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.linalg import toeplitz
from scipy.special import gammainc, gammaincc
from scipy.stats import poisson

from dmoe_opt.compiling import call
from dmoe_opt.errors import InputError
from dmoe_opt.offload import forecast_kernel
from dmoe_opt.offload.episode import Episode, draw
from dmoe_opt.offload.pricing import Tariff, equal_experts
from dmoe_opt.offload.scenario import Array, Scenario, Whole
from dmoe_opt.offload.simulate import FITS, State

SHARED = 6
"""Numbers that all groups share: mix, ends, load, floor, power, trust."""
BINS, FINE = 8, 8
"""Pieces of the longest deadline on which the expected rate is constant, and parts of a piece."""
LEARNING = 2404
"""First part of the seeds of the episodes that are learned from."""
BATCHES, EPISODES = 6, 40
"""Batches of episodes, which generations take in turn, so that no episode is learned by heart."""
POPULATION, ELITE, GENERATIONS = 24, 6, 30
LITTLE = 1000
"""Subtasks that plain Python plays in less than a tenth of a second."""
KEPT = 0.3
"""Share of the old mean and spread that is kept in a generation."""


def exists(scenario: Scenario) -> bool:
    """Whether the rule expects the arrivals of a scenario: not those of stages."""
    return scenario.arrivals.job_quality is None


def expected_rates(scenario: Scenario) -> tuple[Array, Array]:
    """Expected rates of arrivals in each piece of time ahead, as shares of the long-run rate.

    Returns
    -------
    of_new, of_open
        Arrivals of jobs that have not begun, (J + 1, `BINS`), by the number of these jobs; and of a
        job that is open, (`BINS`,).
    """
    of = scenario.arrivals
    least, most = of.subtasks_per_job
    mean = (least + most) / 2
    edges_s = np.linspace(0.0, width_s(scenario) * BINS, BINS * FINE + 1)
    middle_s = (edges_s[1:] + edges_s[:-1]) / 2
    jobs = np.arange(of.num_jobs + 1)[:, None]
    jobs_per_s = scenario.mean_jobs_per_s
    some_left = gammaincc(np.maximum(jobs, 1), jobs_per_s * middle_s)
    begin = jobs_per_s * np.where(jobs > 0, some_left, 0.0)
    if of.gap_s and most > 1:
        k = np.arange(1, most)
        has_more = (most - np.maximum(k, least - 1)) / (most - least + 1)  # than k subtasks
        followed = has_more @ gammainc(k[:, None], edges_s / of.gap_s)
        follow = np.diff(followed)
        new = begin + begin @ toeplitz(np.append(follow[0], np.zeros(len(follow) - 1)), follow)
        still = has_more[::-1].cumsum()[::-1] / has_more.sum()  # has more after k - 1 others
        open_ = still @ poisson.pmf(k[:, None] - 1, middle_s / of.gap_s) / of.gap_s
    else:  # a job comes at once
        new, open_ = begin * mean, np.zeros(len(middle_s))
    steady = jobs_per_s * mean
    of_new = new.reshape(-1, BINS, FINE).mean(axis=2) / steady
    return of_new, open_.reshape(BINS, FINE).mean(axis=1) / steady


def width_s(scenario: Scenario) -> float:
    """Length of a piece of time ahead, s."""
    return float(scenario.types.deadline_s.max()) / BINS


def jobs_ahead(episode: Episode) -> tuple[Whole, Whole]:
    """How many jobs have not begun, and how many are open, when subtask n has arrived, both (N,).

    The device knows both: the shares of a job that has no more subtasks add up to 1.
    """
    firsts, lasts = np.zeros((2, episode.num_subtasks), dtype=np.int64)
    firsts[np.unique(episode.job, return_index=True)[1]] = 1
    lasts[-1 - np.unique(episode.job[::-1], return_index=True)[1]] = 1
    begun = firsts.cumsum()
    left = np.maximum(episode.scenario.arrivals.num_jobs - begun, 0)
    return left, np.asarray(begun - lasts.cumsum())


class Forecast:
    """The rule with its numbers, (G + 6,): G rises, then mix, ends, load, floor, power and trust.

    Raises
    ------
    InputError
        If there is another number of numbers than the scenario needs.
    """

    def __init__(self, scenario: Scenario, numbers: Array) -> None:
        self.group = equal_experts(scenario)
        count = int(self.group.max()) + 1 + SHARED
        if len(numbers) != count:
            raise InputError(f"the forecast has {len(numbers)} numbers; allowed: {count}")
        self.numbers = numbers
        self.room = scenario.experts.capacity.astype(float)
        self.of_new, self.of_open = expected_rates(scenario)
        self.width_s = width_s(scenario)
        of = scenario.arrivals
        followers = sum(of.subtasks_per_job) / 2 - 1
        self.ahead: tuple[Episode, Whole, Whole] | None = None  # of the last episode
        self.usual_open = max(scenario.mean_jobs_per_s * of.gap_s * followers, 1.0)

    def choose(self, state: State) -> int:
        """The open action of greatest reward less charge; the device among equals."""
        pairs = zip(state.reward, self._charges(state, state.duration), strict=False)
        return state.best_open([reward - state.size * charge for reward, charge in pairs])

    def prices(self, state: State) -> list[float]:
        """The price of a second of a slot at each expert now, (E,).

        It is what the first piece of time ahead costs, for each of its seconds.
        """
        first_s = self.width_s
        return [charge / first_s for charge in self._charges(state, [first_s] * state.device)]

    def _charges(self, state: State, duration_s: list[float]) -> list[float]:
        """What each expert charges now for so long, (E,), for a subtask of size 1."""
        half_s = self.width_s * BINS / 2
        heaps = state.held[: state.device]
        held = [float(sum(size for _, size in heap)) for heap in heaps]
        soon = [
            sum(size * min((end - state.now) / half_s, 1.0) for end, size in heap) for heap in heaps
        ]
        if self.ahead is None or self.ahead[0] is not state.episode:
            self.ahead = state.episode, *jobs_ahead(state.episode)
        _, jobs_left, jobs_open = self.ahead
        open_ = int(jobs_open[state.n])
        rate = self.of_new[jobs_left[state.n]] + open_ * self.of_open
        charge = [0.0] * state.device
        forecast_kernel.charges(
            self.numbers.tolist(),  # plain Python is faster with lists
            self.group.tolist(),
            self.room.tolist(),
            held,
            soon,
            duration_s,
            rate.tolist(),
            self.width_s,
            open_ / self.usual_open - 1.0,
            charge,
        )
        return charge


class Batch:
    """Episodes one after another, for the kernel that plays them."""

    def __init__(self, scenario: Scenario, episodes: Sequence[Episode]) -> None:
        self.starts = np.append(0, np.cumsum([episode.num_subtasks for episode in episodes]))
        names = "arrival_s reward duration_s may_start loss_reward size"
        self.columns = [
            np.concatenate([getattr(episode, name) for episode in episodes])
            for name in names.split()
        ]
        self.columns[5] = self.columns[5].astype(float)
        ahead = [jobs_ahead(episode) for episode in episodes]
        self.columns += [np.concatenate(counts) for counts in zip(*ahead, strict=True)]
        room, size = scenario.experts.capacity.max(), self.columns[5].min()
        self.most_held = max(int(min(room / (size * FITS), len(self.columns[0]))), 1)

    def returns(self, rule: Forecast) -> Array:
        """Returns of the rule, (B,); a device with a capacity counts as one without."""
        filled = np.empty(len(self.starts) - 1)
        call(
            forecast_kernel.play,
            self.starts,
            *self.columns,
            rule.numbers,
            rule.group,
            rule.room,
            self.most_held,
            rule.of_new,
            rule.of_open,
            rule.width_s,
            rule.usual_open,
            FITS,
            filled,
            little=self.starts[-1] <= LITTLE,
        )
        return filled


def learn(
    scenario: Scenario, tariff: Tariff, seed: int, progress: Callable[[], None] | None = None
) -> Array:
    """The numbers of the rule for a scenario, (G + 6,), learned on episodes drawn for that.

    The search begins near the prices `tariff`.
    """
    rng = np.random.default_rng([LEARNING, seed])
    batches = [
        Batch(scenario, [draw(scenario, rng) for _ in range(EPISODES)]) for _ in range(BATCHES)
    ]
    group = equal_experts(scenario)
    of_group = np.eye(int(group.max()) + 1)[group]
    full = tariff.base + tariff.rise  # the price where all is occupied
    rise = full[tariff.group] @ of_group / of_group.sum(axis=0)
    mean = np.concatenate([rise, [0.0, 0.0, 0.0, 0.1, tariff.power, 0.7]])
    spread = np.concatenate([0.3 * rise, [0.3, 0.3, 0.1, 0.1, 0.5, 0.3]])
    positive = np.r_[: len(rise), -2:0]
    rule = Forecast(scenario, mean)

    def worth(numbers: Array, batch: Batch) -> float:
        rule.numbers = numbers
        return float(batch.returns(rule).mean())

    for generation in range(GENERATIONS):
        batch = batches[generation % BATCHES]
        tried = mean + spread * rng.standard_normal((POPULATION, len(mean)))
        tried[:, positive] = np.abs(tried[:, positive])
        best = tried[np.argsort([worth(numbers, batch) for numbers in tried])[-ELITE:]]
        mean = KEPT * mean + (1 - KEPT) * best.mean(axis=0)
        spread = KEPT * spread + (1 - KEPT) * best.std(axis=0)
        if progress:
            progress()
    return mean
