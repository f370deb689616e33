"""Check a bound on offloading in exact arithmetic: python3 -I -S check_episode.py EPISODE PROOF.

This file needs Python alone and trusts no method. It reads an episode and a certificate, and says
that no policy can earn more than its bound, even one that knows all arrivals, or what fails.

A certificate has prices p[k] >= 0 of places at times, [expert, time, price]. The device is expert
E. At any time an expert holds at most as much as its capacity C. So if whoever is there at that
time pays p[k] for each unit of its size, the expert earns at most C p[k]. Then no policy earns more
than

    sum over k of p[k] C[k] + sum over subtasks of max over their options of
        (reward - size * sum of the p[k] of that place from the arrival to the finish),

and being lost is an option that holds no place. The size is 1, or the work where capacities count
work. Rewards are taken a little too high and stays a little too short: logarithms are rounded.

Its ends are those of `check_proof`: each of the two files runs alone, so neither imports the other.
"""

from __future__ import annotations

import json
import math
import sys
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

LITTLE = 2.0**-40
FITS = 1e-8  # of a capacity that counts work: sums of work are rounded too
# Other fields could change what an episode is.
KNOWN = {
    "": "format version name meta experts device types arrivals radio prices drift episode",
    "experts": "skill capacity capacity_unit speed energy_per_work_j mean_gain",
    "device": "skill speed energy_per_work_j capacity",
    "arrivals": "num_jobs jobs_per_s subtasks_per_job gap_s",
    "prices": "communication_per_j computation_per_j loss late_per_s",
    "episode": "arrival_s job type weight payload_bits result_bits work deadline_s gains speed",
}


class Refused(Exception):
    """The certificate does not prove its bound; the message says where."""


def number(value: Any, what: str) -> Fraction:
    """A number >= 0 of a certificate, exactly."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise Refused(f"{what} is not a number >= 0")
    return Fraction(value)


class Option(NamedTuple):
    """A place for a subtask: at most this reward, and there at least until `finish_s`."""

    place: int
    reward: Fraction
    finish_s: float


def options(given: Any, n: int, share: float) -> Iterator[Option]:
    """Where subtask n may go, the device last."""
    episode, radio, prices = given["episode"], given["radio"], given["prices"]
    arrival_s, kind, work = (episode[name][n] for name in ("arrival_s", "type", "work"))
    bits = episode["payload_bits"][n] + episode["result_bits"][n]
    gains = episode["gains"][int(arrival_s // radio["coherence_s"])]
    for place in range(len(gains) + 1):
        at = at_place(given, n, place)
        seconds = 0.0
        if place < len(gains):
            snr = radio["power_w"] * gains[place] / radio["noise_w"]
            rate = radio["bandwidth_hz"] * math.log2(1.0 + snr)
            seconds = bits / rate if rate > 0 else math.inf
        if seconds == math.inf:
            continue
        duration_s = (seconds + work / at["speed"]) * (1 - LITTLE)
        late_s = max(duration_s - episode["deadline_s"][n], 0.0)
        if late_s and prices.get("late_per_s") is None:
            continue
        paid = prices["communication_per_j"] * radio["power_w"] * seconds
        paid += prices["computation_per_j"] * at["energy_per_work_j"] * work
        paid += (prices.get("late_per_s") or 0.0) * share * late_s
        reward = Fraction(share * at["skill"][kind] * (1 + LITTLE)) - Fraction(paid * (1 - LITTLE))
        yield Option(place, reward, arrival_s + duration_s)


def at_place(given: Any, n: int, place: int) -> dict[str, Any]:
    """Skill per type, speed and energy of an expert, or of the device."""
    experts = given["experts"]
    if place == len(experts["skill"]):
        return dict(given["device"])
    at = {name: experts[name][place] for name in ("skill", "speed", "energy_per_work_j")}
    speed = given["episode"].get("speed")
    return at if speed is None else at | {"speed": speed[n][place]}


def capacities(given: Any) -> list[Fraction]:
    """What experts hold at once, and the device if it has a capacity."""
    counts_work = given["experts"].get("capacity_unit") == "work"
    device = given["device"].get("capacity")
    room = [*given["experts"]["capacity"], *([] if device is None else [device])]
    return [Fraction(most) * (1 + Fraction(FITS) if counts_work else 1) for most in room]


class Prices(NamedTuple):
    """Times of prices at a place, and the sums of the first 0, 1, .. of them."""

    times: list[float]
    sums: list[Fraction]

    def paid(self, start_s: float, end_s: float) -> Fraction:
        """The prices of all times from the start on and before the end."""
        first = bisect_left(self.times, start_s)
        return self.sums[max(bisect_left(self.times, end_s), first)] - self.sums[first]


def prices_of(proof: Any, places: int) -> dict[int, Prices]:
    """The prices at each place that has some."""
    listed: dict[int, list[tuple[float, Fraction]]] = defaultdict(list)
    for k, (place, time_s, price) in enumerate(proof["prices"]):
        if type(place) is not int or not 0 <= place < places:
            raise Refused(f"prices[{k}]: {str(place)[:30]} is no place with a capacity")
        number(time_s, f"prices[{k}]: the time")
        listed[place].append((time_s, number(price, f"prices[{k}]: the price")))
    prices = {}
    for place, entries in listed.items():
        entries.sort()
        times, sums = [time_s for time_s, _ in entries], accumulate(price for _, price in entries)
        prices[place] = Prices(times, [Fraction(0), *sums])
    return prices


def proven_bound(given: Any, proof: Any) -> Fraction:
    """The most that any policy earns, by a certificate; it raises `Refused`."""
    if proof.get("format") != "dmoe-opt/episode-certificate" or proof.get("version") != 1:
        raise Refused("format: allowed: dmoe-opt/episode-certificate, version 1")
    for part, known in KNOWN.items():
        for field, value in (given[part] if part else given).items():
            if field not in known.split() and value is not None:
                raise Refused(f"{part} {str(field)[:30]}: allowed: an episode without it")
    room = capacities(given)
    prices = prices_of(proof, len(room))
    total = sum((prices[place].sums[-1] * room[place] for place in prices), Fraction(0))
    episode, counts_work = given["episode"], given["experts"].get("capacity_unit") == "work"
    weights: dict[int, float] = defaultdict(float)
    for job, weight in zip(episode["job"], episode["weight"], strict=True):
        weights[job] += weight
    for n, arrival_s in enumerate(episode["arrival_s"]):
        share = episode["weight"][n] / weights[episode["job"][n]]
        size = Fraction(episode["work"][n]) if counts_work else Fraction(1)
        best = -Fraction(given["prices"]["loss"] * share * (1 - LITTLE))
        for place, reward, finish_s in options(given, n, share):
            held = prices[place].paid(arrival_s, finish_s) if place in prices else Fraction(0)
            best = max(best, reward - size * held)
        total += best
    return total


def verdict(given: Any, proof: Any) -> str:
    """Why a certificate does not prove its bound on an episode; empty if it does."""
    try:
        bound = proven_bound(given, proof)
        if not isinstance(proof["bound"], int | float) or not bound <= proof["bound"]:
            return f"the proof reaches {float(bound):.12g}, claimed are {str(proof['bound'])[:30]}"
    except Exception as e:  # whatever a damaged file leads to
        what = f"the certificate is damaged: {type(e).__name__}: {str(e)[:80]}"
        return str(e) if isinstance(e, Refused) else what
    return ""


def main() -> None:
    """Read the files that are named, and say whether the bound is proven."""
    try:
        given, proof = (json.loads(Path(path).read_bytes()) for path in sys.argv[1:])
    except (OSError, ValueError, RecursionError) as error:
        sys.exit(f"usage: python3 -I -S check_episode.py EPISODE PROOF: {str(error)[:200]}")
    if reason := verdict(given, proof):
        sys.exit(f"refused: {reason}")
    print("proven: no policy earns more than", proof["bound"])


if __name__ == "__main__":
    main()
