"""Confidence intervals of means."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats


def half_width(values: NDArray[np.float64]) -> float | None:
    """Half the 95 % confidence interval of a mean (Student's t); None for a single value, which says nothing of it."""
    if len(values) < 2:
        return None
    return float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
