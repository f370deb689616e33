"""The time limit that all functions of a method look at."""

from __future__ import annotations

import numpy as np
import pytest

from dmoe_opt import clock


def test_the_earlier_of_nested_limits_holds() -> None:
    """An inner limit can only shorten the time, and ends with its block, as its flag does."""
    with clock.until(1e6):
        assert 0 < clock.left_s() <= 1e6
        with clock.until(0.0):
            assert clock.is_over()
            assert clock.flag()[0]
            with clock.until(1e6), pytest.raises(clock.TimeUp):
                clock.check()
        assert not clock.is_over()
        assert not clock.flag()[0]
    assert clock.left_s() == np.inf
    clock.check()


def test_the_flag_is_set_while_a_kernel_runs() -> None:
    """A loop that looks at nothing but the flag ends."""
    with clock.until(1e-3):
        flag = clock.flag()
        while not flag[0]:
            pass
