"""Certificates of the clairvoyant optimum of an episode: prices of places at times."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from typing import Any

import msgspec

from dmoe_opt.data.files import write
from dmoe_opt.errors import InputError
from dmoe_opt.offload import store, windows
from dmoe_opt.offload.episode import Episode
from dmoe_opt.proof import check_episode

FORMAT, VERSION = "dmoe-opt/episode-certificate", 1


class EpisodeCertificateFields(msgspec.Struct):
    """The fields of a certificate; `prices` lists [expert, time in s, price]."""

    format: str
    version: int
    bound: float
    prices: list[tuple[int, float, float]]


@dataclass(frozen=True)
class EpisodeCertificate:
    """A proof that no policy earns more than `bound`, which the exact checker has accepted."""

    bound: float
    fields: dict[str, Any]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as JSON."""
        write(path, json.dumps(self.fields).encode() + b"\n")


def prove_episode(episode: Episode) -> EpisodeCertificate:
    """A certificate with the dual prices of the linear relaxation.

    Raises
    ------
    InputError
        If jobs have stages, whose qualities are not summed.

    Examples
    --------
    >>> from dmoe_opt.offload.episode import draw
    >>> from dmoe_opt.offload.presets import preset
    >>> from dmoe_opt.offload.windows import solve
    >>> from dmoe_opt.offload.proving import prove_episode
    >>> episode = draw(preset("busy"), 0)
    >>> best = solve(episode, time_limit=1.0)
    >>> 0 <= prove_episode(episode).bound / best.return_ - 1 < 0.01
    True
    """
    if episode.scenario.arrivals.job_quality is not None:
        raise InputError("a proof for jobs of stages; allowed: no arrivals.job_quality")
    document = json.loads(store.as_bytes(episode))
    fields: dict[str, Any] = {"format": FORMAT, "version": VERSION}
    fields["prices"] = [list(price) for price in windows.prices(episode)]
    bound = check_episode.proven_bound(document, fields)
    value = float(bound)
    fields["bound"] = value if value >= bound else math.nextafter(value, math.inf)
    return EpisodeCertificate(fields["bound"], fields)


def refusal(episode: Episode, fields: Any) -> str:
    """Why a certificate does not prove its bound on an episode; empty if it does."""
    return check_episode.verdict(json.loads(store.as_bytes(episode)), fields)
