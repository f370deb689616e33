"""Names and defaults of the schedulers, in one light place."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dmoe_opt import InputError
from dmoe_opt.layers import schedulers


def test_import_is_light() -> None:
    """The command line shows the schedulers in its help without waiting for numpy."""
    code = "import sys, dmoe_opt.layers.schedulers; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_names() -> None:
    """An old name becomes today's, any other stays, and what is no scheduler is refused."""
    assert schedulers.todays_name("des") == "des"
    with pytest.warns(FutureWarning, match="jesa"):
        assert schedulers.todays_name("jesa") == "joint"
    assert set(schedulers.OLD_NAMES.values()) <= set(schedulers.SCHEDULERS)
    assert schedulers.DEFAULT in schedulers.SCHEDULERS
    for name in (*schedulers.SCHEDULERS, "exact", "greedy"):
        schedulers.check_scheduler(name)
    with pytest.raises(InputError, match='scheduler = "magic"; allowed: joint, homogeneous, '):
        schedulers.check_scheduler("magic")
