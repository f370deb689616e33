"""Write an integer program as MPS, LP or NL through Pyomo, whose MPS keeps 17 digits."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pyomo.environ as pyo

from dmoe_opt.allocation.links import Links, active_links, chosen_experts
from dmoe_opt.data import files
from dmoe_opt.data.instance import Instance, as_problem
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.errors import InputError
from dmoe_opt.models import allocation_pyomo, joint_pyomo, selection_pyomo
from dmoe_opt.models.solvers.tokenwise import scale

SUFFIXES = (".mps", ".lp", ".nl")


def export(data: Instance | SelectionProblem, problem: str, path: str | os.PathLike[str]) -> float:
    """Write the program of `selection`, `allocation` or `jesa`.

    `allocation` serves the links of the selection that DES finds with every link on its best
    subcarrier; its objective counts the energy of the links alone.

    Returns
    -------
    float
        A power of two. The objective of the program is the energy, J, times this factor.

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
    files.write(path, _text(model, suffix))
    return factor


def _model(data: Instance | SelectionProblem, problem: str) -> tuple[pyo.ConcreteModel, float]:
    """The model of a problem, and the factor of its objective."""
    if problem == "selection":
        factor = _factor(data)
        return selection_pyomo.build(as_problem(data), factor=factor), factor
    if problem == "allocation" and isinstance(data, Instance):
        factor = _factor(data)
        return allocation_pyomo.build(_links(data).cost_j * factor), factor
    if problem == "jesa" and isinstance(data, Instance):
        factor = _factor(data)
        return joint_pyomo.build(data, factor=factor), factor
    raise InputError(
        f'problem = "{problem}"; allowed: selection, or allocation or jesa for a round'
    )


def _factor(data: Instance | SelectionProblem) -> float:
    """The power of two that brings the energy of a token to about 1."""
    problem = as_problem(data)
    if not problem.num_tokens:
        raise InputError("the instance has no tokens; allowed: at least one for an export")
    return 2.0 ** round(float(np.log2(np.median(scale(problem)))))


def _links(instance: Instance) -> Links:
    """The links to serve."""
    links = active_links(instance, chosen_experts(instance, None))
    if isinstance(links, str) or not len(links.ends):
        reason = links if isinstance(links, str) else "no link is active"
        raise InputError(
            f"{reason}; allowed for an export: at least one active link, and a subcarrier for each"
        )
    return links


def _text(model: pyo.ConcreteModel, suffix: str) -> bytes:
    """The content of the file, with names of variables where the format has them."""
    options = {} if suffix == ".nl" else {"symbolic_solver_labels": True}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"model{suffix}"
        model.write(str(file), io_options=options)
        return file.read_bytes()
