"""Instances so small that what they cost is seen at a glance."""

from __future__ import annotations

from typing import Any

EXPERTS: dict[str, Any] = {
    "scores": [[0.5, 0.25, 0.25]],
    "cost": [[1.0, 3.0, 2.0]],
    "threshold": 0.75,
    "max_experts": 2,
}
"""One token, which pays 3 J for experts 0 and 2."""
LINKS: dict[str, Any] = {
    "tokens": {"source": [0, 1], "scores": [[0.25, 0.75], [0.75, 0.25]], "threshold": 0.5},
    "max_experts": 1,
    "compute_energy": [0.5, 0.25],
    "link_energy": [[[0.0, 0.0], [1.0, 2.0]], [[1.0, 4.0], [0.0, 0.0]]],
}
"""Two tokens that change places for 0.75 J and the links 0 -> 1 and 1 -> 0 for 3 J."""
ONE_CHANNEL = LINKS | {"link_energy": [[[0.0], [1.0]], [[1.0], [0.0]]]}
"""The same with one subcarrier: there is no answer."""
AT_NODES: dict[str, Any] = EXPERTS | {
    "scores": [[0.5, 0.5]],
    "cost": [[0.0, 0.0]],
    "threshold": 1.0,
    "placement": [0, 0],
    "node_cost": [[2.0]],
}
"""One token, which needs both experts of a node and pays 2 J for it once."""
LATE: dict[str, Any] = {
    "tokens": {"source": [0, 0], "scores": [[0.0, 1.0]] * 2, "threshold": 0.5},
    "max_experts": 1,
    "compute_energy": [0.0, 0.0],
    "radio": dict.fromkeys(["bandwidth_hz", "power_w", "noise_w", "payload_bits"], 1.0)
    | {"gains": [[[0.0, 0.0], [1.0, 1.0]]] * 2},
    "air_deadline_s": 1.0,
}
"""Two tokens go the same way, one on each subcarrier until the deadline, for 1 J a piece."""
LATER = LATE | {"radio": LATE["radio"] | {"gains": [[[0.0], [1.0]]] * 2}, "air_deadline_s": 2.0}
"""The same on one subcarrier in twice the time."""
SLOWER = LATE | {
    "tokens": {"source": [0] * 5, "scores": [[0.0, 1.0]] * 5, "threshold": 0.5},
    "radio": LATE["radio"] | {"gains": [[[0.0, 0.0], [2**0.5 - 1, 1.0]]] * 2},
    "air_deadline_s": 4.0,
}
"""Five tokens go the same way: four on the second subcarrier for 1 J, and one for 2 J."""
STAYING = ONE_CHANNEL | {
    "tokens": {"source": [0], "scores": [[0.75, 0.25]], "threshold": 0.5},
    "wake_energy": [9.0, 99.0],
}
"""A token at its own expert, which costs 9 J to wake."""
SHARED = ONE_CHANNEL | {
    "tokens": {"source": [1, 1], "scores": [[0.0, 0.5]] * 2, "threshold": 0.5},
    "capacity": [9, 1],
}
"""Two tokens need the only place of their expert: there is no answer."""
