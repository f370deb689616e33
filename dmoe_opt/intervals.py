"""Confidence intervals of means."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats


def half_width(values: NDArray[np.float64]) -> float:
    """Half the 95 % confidence interval of a mean (Student's t); 0 for a single value, of which nothing is known."""
    if len(values) < 2:
        return 0.0
    return float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
