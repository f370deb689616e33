"""The optimum of a tiny episode by brute force over all choices, from the fields of its file.

This shares no code with the package.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

LOST = -1
FITS = 1e-9
"""Share of a subtask that may be missing where it goes: sums of work have rounding errors."""


class Option(NamedTuple):
    """What a place means for a subtask; quality and paid are those of the subtask alone."""

    finish_s: float
    quality: float
    paid: float
    gain: float


class Truth:
    """The rules of one episode, and its greatest return."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self._given = fields
        self._of = fields["episode"]
        weights: dict[int, float] = {}
        for job, weight in zip(self._of["job"], self._of["weight"], strict=True):
            weights[job] = weights.get(job, 0.0) + weight
        pairs = zip(self._of["job"], self._of["weight"], strict=True)
        self._share = [weight / weights[job] for job, weight in pairs]
        self._stages = fields["arrivals"].get("job_quality")
        device = fields["device"].get("capacity")
        self._room = [*fields["experts"]["capacity"], math.inf if device is None else device]
        by_work = fields["experts"].get("capacity_unit") == "work"
        self._size = self._of["work"] if by_work else [1] * len(self._of["work"])
        self._options = [self._open(n) for n in range(len(self._size))]
        self.optimum = self._best(())

    def _open(self, n: int) -> dict[int, Option]:
        """The places at which subtask n may be started if there is room."""
        places = range(len(self._room))
        every = {a: self._option(n, a) for a in places}
        return {a: option for a, option in every.items() if option is not None}

    def _option(self, n: int, a: int) -> Option | None:
        given, of = self._given, self._of
        kind, work = of["type"][n], of["work"][n]
        experts = given["experts"]
        transfer_s = 0.0
        if a == len(self._room) - 1:
            skill, speed, per_work = (
                given["device"][name] for name in ("skill", "speed", "energy_per_work_j")
            )
        else:
            skill, speed, per_work = (
                experts[name][a] for name in ("skill", "speed", "energy_per_work_j")
            )
            speed = of["speed"][n][a] if of.get("speed") else speed
            transfer_s = self._transfer_s(n, a)
        if math.isinf(transfer_s):
            return None
        duration_s = transfer_s + work / speed
        late_s = max(duration_s - of["deadline_s"][n], 0.0)
        prices, share = given["prices"], self._share[n]
        paid = prices["communication_per_j"] * given["radio"]["power_w"] * transfer_s
        paid += prices["computation_per_j"] * per_work * work
        gain = share * skill[kind] - paid
        if late_s > 0:
            if prices.get("late_per_s") is None:
                return None
            gain -= prices["late_per_s"] * share * late_s
            if not gain > -prices["loss"] * share:
                return None
        return Option(of["arrival_s"][n] + duration_s, skill[kind], paid, gain)

    def _transfer_s(self, n: int, a: int) -> float:
        of, radio = self._of, self._given["radio"]
        gain = of["gains"][int(of["arrival_s"][n] // radio["coherence_s"])][a]
        rate = radio["bandwidth_hz"] * math.log2(1 + radio["power_w"] * gain / radio["noise_w"])
        bits = of["payload_bits"][n] + of["result_bits"][n]
        return bits / rate if rate > 0 else math.inf

    def _is_open(self, choice: Sequence[int], a: int) -> bool:
        """Whether the next subtask may go to a after these choices."""
        n = len(choice)
        if a not in self._options[n]:
            return False
        now_s, job = self._of["arrival_s"][n], self._of["job"][n]
        if self._stages and any(
            b == LOST and self._of["job"][m] == job for m, b in enumerate(choice)
        ):
            return False
        held = sum(
            self._size[m]
            for m, b in enumerate(choice)
            if b == a and self._options[m][a].finish_s > now_s
        )
        return bool(held + self._size[n] * (1 - FITS) <= self._room[a])

    def return_of(self, choice: Sequence[int]) -> float | None:
        """The return of choices; None if they break a rule."""
        for n, a in enumerate(choice):
            if a != LOST and not self._is_open(choice[:n], a):
                return None
        if self._stages:
            return self._return_of_stages(choice)
        loss = self._given["prices"]["loss"]
        return math.fsum(
            -loss * self._share[n] if a == LOST else self._options[n][a].gain
            for n, a in enumerate(choice)
        )

    def _return_of_stages(self, choice: Sequence[int]) -> float:
        earned = []
        for job in set(self._of["job"]):
            stages = [n for n, of in enumerate(self._of["job"]) if of == job]
            taken = [self._options[n][choice[n]] for n in stages if choice[n] != LOST]
            earned += [-option.paid for option in taken]
            qualities = [option.quality for option in taken]
            if len(taken) < len(stages):
                earned.append(-self._given["prices"]["loss"])
            else:
                earned.append(min(qualities) if self._stages == "minimum" else math.prod(qualities))
        return math.fsum(earned)

    def _best(self, choice: tuple[int, ...]) -> float:
        """The greatest return that begins with these choices."""
        if len(choice) == len(self._size):
            value = self.return_of(choice)
            assert value is not None
            return value
        tried = [a for a in range(len(self._room)) if self._is_open(choice, a)]
        return max(self._best((*choice, a)) for a in [*tried, LOST])
