"""Every tolerance that decides what counts as optimal, as rounding, and as feasible to a solver."""

from __future__ import annotations

OPTIMAL_GAP = 1e-6
"""A gap this small (relative) counts as proven optimal."""
BOUND_NOISE = 1e-9
"""A bound above the objective by no more than this (relative) is rounding and is lowered to it."""
FEASIBILITY = 1e-9
"""Feasibility tolerance asked of solvers; their defaults (1e-6) accept wrong sets on near-ties."""
HIGHS_TOLERANCES = {
    "primal_feasibility_tolerance": FEASIBILITY,
    "dual_feasibility_tolerance": FEASIBILITY,
    "mip_feasibility_tolerance": FEASIBILITY,
}
