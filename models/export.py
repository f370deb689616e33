"""Write an integer program as MPS, LP or NL through Pyomo, whose MPS keeps 17 digits."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pyomo.environ as pyo

from dmoe_opt.allocation.links import Links, active_links, chosen_experts
from dmoe_opt.data import files
from dmoe_opt.data.instance import Instance, as_problem, require_plain
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.errors import InputError
from dmoe_opt.models import allocation_pyomo, joint_pyomo, selection_pyomo
from dmoe_opt.models.solvers.tokenwise import scaled
from dmoe_opt.selection.covers import cover

SUFFIXES = (".mps", ".lp", ".nl")


def export(data: Instance | SelectionProblem, problem: str, path: str | os.PathLike[str]) -> float:
    """Write the program; its objective is the energy times the factor that is returned.

    The factor is a power of two. The program of `allocation` serves the links of the selection that
    DES finds with every link on its best subcarrier; its objective is the energy of the links
    alone. Thresholds are as close as scores tell apart, while our own models ask HiGHS for a little
    less, and cut off what falls short (`is_too_fine`).

    Raises
    ------
    InputError
        If the suffix is none of .mps, .lp, .nl, the problem has no model, or the file cannot be
        written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import dmoe_opt
    >>> from dmoe_opt.models.export import export
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "tiny.lp"
    ...     factor = export(dmoe_opt.load("tiny-s1"), "selection", path)
    ...     "binary" in path.read_text()
    True
    """
    suffix = Path(path).suffix
    if suffix not in SUFFIXES:
        raise InputError(f'output = "{path}"; allowed: a name that ends in {", ".join(SUFFIXES)}')
    model, factor = _model(data, problem)
    if problem != "allocation":
        _ask_closely(model, as_problem(data))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"model{suffix}"
        labels = {} if suffix == ".nl" else {"symbolic_solver_labels": True}
        model.write(str(file), io_options=labels)
        files.write(path, file.read_bytes())
    return factor


def _model(data: Instance | SelectionProblem, problem: str) -> tuple[pyo.ConcreteModel, float]:
    """The program, and the factor of its objective."""
    require_plain(data, f"the program of {problem}")
    p1 = as_problem(data)
    if problem not in ("selection", "allocation", "jesa"):
        allowed = "selection, or allocation or jesa for a round"
        raise InputError(f'problem = "{problem}"; allowed: {allowed}')
    if not p1.num_tokens:
        raise InputError("the instance has no tokens; allowed: at least one for an export")
    factor = 2.0 ** round(float(np.log2(np.median(scaled(p1).factor))))
    if problem == "selection":
        return selection_pyomo.build(p1, factor=factor), factor
    if not isinstance(data, Instance):
        allowed = "selection, or allocation or jesa for a round"
        raise InputError(f'problem = "{problem}"; allowed: {allowed}')
    if problem == "allocation":
        return allocation_pyomo.build(_links(data).cost_j * factor), factor
    return joint_pyomo.build(data, factor=factor), factor


def _ask_closely(model: pyo.ConcreteModel, problem: SelectionProblem) -> None:
    """(C1) with thresholds that no set of experts is short of by less than half of the finest."""
    close = cover(problem.usable_units, problem.need_units).close
    for t, row in model.relevance.items():
        row.set_value((float(close[t]), row.body, None))


def is_too_fine(data: Instance | SelectionProblem) -> bool:
    """Whether a solver has to tell apart sums of scores as HiGHS 1.15.1 does not.

    It then calls wrong sets optimal. Scores of generated instances are coarse enough.
    """
    problem = as_problem(data)
    return bool(cover(problem.usable_units, problem.need_units).is_fine.any())


def _links(instance: Instance) -> Links:
    links = active_links(instance, chosen_experts(instance, None))
    if isinstance(links, Links) and len(links.ends):
        return links
    reason = links if isinstance(links, str) else "no link is active"
    allowed = "at least one active link, and a subcarrier for each"
    raise InputError(f"{reason}; allowed for an export: {allowed}")
