"""The observation of a learned policy."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.offloads import by_hand

from dmoe_opt.offload.observe import observe, own
from dmoe_opt.offload.simulate import State


def test_observation() -> None:
    """Entry by entry at the second arrival of the case worked by hand."""
    state = State(by_hand())
    state.step(0)
    seen = observe(state)
    expected = [0, 1, -0.25, 0.2, 1.0, 0.5, 0.0, 0.5, 0, 1, 1.0]
    assert seen == pytest.approx(np.array(expected, dtype=np.float32))
    assert own(seen, 2) == pytest.approx(
        np.array([[0, -0.25, 1.0, 0.0, 0.5], [1, 0.2, 0.5, 1.0, 0.0]]), abs=1e-7
    )
