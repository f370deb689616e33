"""Write an integer program as MPS, LP or NL through Pyomo, whose MPS keeps 17 digits."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

from dmoe_opt.allocation.links import Links, active_links, chosen_experts
from dmoe_opt.data import files
from dmoe_opt.data.instance import Instance, as_problem
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.errors import InputError
from dmoe_opt.models import allocation_pyomo, joint_pyomo, selection_pyomo
from dmoe_opt.models.solvers.tokenwise import scale

SUFFIXES = (".mps", ".lp", ".nl")


def export(data: Instance | SelectionProblem, problem: str, path: str | os.PathLike[str]) -> float:
    """Write the program; its objective is the energy times the factor that is returned (a power of two).

    That of `allocation` serves the links of the selection that DES finds with every link on its best subcarrier; its
    objective is the energy of the links alone.

    Raises
    ------
    InputError
        If the suffix is none of .mps, .lp, .nl, the problem has no model, or the file cannot be written.

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
    if problem not in ("selection", "allocation", "jesa") or (
        problem != "selection" and not isinstance(data, Instance)
    ):
        raise InputError(
            f'problem = "{problem}"; allowed: selection, or allocation or jesa for a round'
        )
    p1 = as_problem(data)
    if not p1.num_tokens:
        raise InputError("the instance has no tokens; allowed: at least one for an export")
    factor = 2.0 ** round(float(np.log2(np.median(scale(p1)))))
    if problem == "allocation" and isinstance(data, Instance):
        model = allocation_pyomo.build(_links(data).cost_j * factor)
    elif problem == "jesa" and isinstance(data, Instance):
        model = joint_pyomo.build(data, factor=factor)
    else:
        model = selection_pyomo.build(p1, factor=factor)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"model{suffix}"
        labels = {} if suffix == ".nl" else {"symbolic_solver_labels": True}
        model.write(str(file), io_options=labels)
        files.write(path, file.read_bytes())
    return factor


def _links(instance: Instance) -> Links:
    links = active_links(instance, chosen_experts(instance, None))
    if isinstance(links, str) or not len(links.ends):
        reason = links if isinstance(links, str) else "no link is active"
        raise InputError(
            f"{reason}; allowed for an export: at least one active link, and a subcarrier for each"
        )
    return links
