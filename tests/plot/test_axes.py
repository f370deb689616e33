"""All public pictures: the axes that they draw on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from helpers.axes import canvas
from helpers.offloads import by_hand
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from dmoe_opt import plot
from dmoe_opt.comparing.policies import compare
from dmoe_opt.comparing.schedulers import frontier
from dmoe_opt.layers.protocol import run as protocol_run


@pytest.mark.parametrize(
    ("draw", "data"),
    [
        (plot.episode, lambda: (by_hand(), np.array([0, 1, 0]))),
        (plot.shares, lambda: (compare(by_hand(), ["greedy"]),)),
        (plot.layers, lambda: (protocol_run("digits", num_tokens=16),)),
        (plot.experts, lambda: (protocol_run("digits", num_tokens=16),)),
        (plot.front, lambda: (frontier("digits", schedulers=("topk",), seeds=2, num_tokens=16),)),
    ],
)
def test_axes_are_given_or_made(
    draw: Callable[..., Axes], data: Callable[[], tuple[Any, ...]]
) -> None:
    """Given axes are drawn on and returned, without there is a new figure of pyplot."""
    given_axes = canvas()
    before = plt.get_fignums()
    assert draw(*data(), axes=given_axes) is given_axes
    assert given_axes.has_data()
    assert plt.get_fignums() == before
    made = draw(*data())
    assert plt.fignum_exists(made.figure.number)
    plt.close(made.figure)
