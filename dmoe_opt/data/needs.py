"""What the best D experts of a token reach together, which no selection exceeds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.compiling import cached, call

LITTLE = 2**16  # scores that Python alone looks at while numba would load


def best_sums(
    scores: NDArray[np.float64], usable: NDArray[np.bool_], cap: int, unit: float
) -> NDArray[np.float64]:
    """Sums of the best `cap` usable scores of every row in whole multiples of 1/`unit`, (T,).

    Both tables are read-only, (T, K), and scores are >= 0.

    Examples
    --------
    >>> from dmoe_opt import SelectionProblem
    >>> from dmoe_opt.data.needs import best_sums
    >>> problem = SelectionProblem([[0.5, 0.25, 0.125]], [[1.0, 1.0, 1.0]], 0.6, max_experts=2)
    >>> best_sums(problem.scores, problem.usable, 2, 8.0).tolist()
    [6.0]
    """
    best = np.zeros(len(scores))
    cap = min(cap, scores.shape[1])
    if cap:
        call(_best_sums, scores, usable, cap, unit, best, little=scores.size <= LITTLE)
    return best


@cached(is_entry=True, nogil=True)
def _best_sums(scores, usable, cap, unit, best):  # type: ignore[no-untyped-def]
    """Add the sums to `best` (T,); scores in order are put in their place among the best so far."""
    for t in range(scores.shape[0]):
        top = np.zeros(cap)  # falling
        for j in range(scores.shape[1]):
            score = scores[t, j]
            if not usable[t, j] or score <= top[cap - 1]:
                continue
            n = cap - 1
            while n > 0 and top[n - 1] < score:
                top[n] = top[n - 1]
                n -= 1
            top[n] = score
        for n in range(cap):
            best[t] += np.rint(top[n] * unit)
