"""The fate of every subtask of an episode, as rows of a table."""

from __future__ import annotations

from dataclasses import dataclass

from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.scenario import Whole
from dmoe_opt.offload.simulate import LOST, rewards


@dataclass(frozen=True)
class Fate:
    """What became of a subtask.

    `fate` is `served`, `local` (by the device) or `lost`. `expert` is None unless it is served,
    `duration_s` is None if it is lost. Times are in s, energy is in J.
    """

    subtask: int
    job: int
    type: str
    arrival_s: float
    fate: str
    expert: int | None
    duration_s: float | None
    quality: float
    energy_j: float
    reward: float


def fates(episode: Episode, choice: Whole) -> list[Fate]:
    """A row for each subtask, for a choice of shape (N,) as `dmoe_opt.offload.simulate.run` gives.

    Examples
    --------
    >>> from dmoe_opt.offload.episode import draw
    >>> from dmoe_opt.offload.fates import fates
    >>> from dmoe_opt.offload.policies import greedy
    >>> from dmoe_opt.offload.presets import preset
    >>> from dmoe_opt.offload.simulate import run
    >>> episode = draw(preset("busy"), 0)
    >>> rows = fates(episode, run(episode, greedy(0)))
    >>> [sum(row.fate == fate for row in rows) for fate in ("served", "local", "lost")]
    [289, 13, 8]
    """
    earned = rewards(episode, choice).tolist()
    return [_fate(episode, n, action, earned[n]) for n, action in enumerate(choice.tolist())]


def _fate(episode: Episode, n: int, action: int, reward: float) -> Fate:
    """The row of subtask n at expert `action`, on the device, or lost."""
    device = episode.scenario.num_experts
    job = int(episode.job[n])
    kind = episode.scenario.types.name[episode.type[n]]
    arrival_s = float(episode.arrival_s[n])
    if action == LOST:
        return Fate(n, job, kind, arrival_s, "lost", None, None, 0.0, 0.0, reward)
    energy_j = episode.communication_j[n, action] + episode.computation_j[n, action]
    return Fate(
        subtask=n,
        job=job,
        type=kind,
        arrival_s=arrival_s,
        fate="local" if action == device else "served",
        expert=None if action == device else action,
        duration_s=float(episode.duration_s[n, action]),
        quality=float(episode.quality[n, action]),
        energy_j=float(energy_j),
        reward=reward,
    )
