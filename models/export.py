"""Write an integer program as MPS, LP or NL through Pyomo, whose MPS keeps 17 digits."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

from dmoe_opt import files
from dmoe_opt.instance import Instance, SelectionProblem
from dmoe_opt.models import joint_pyomo, selection_pyomo
from dmoe_opt.models.tokenwise import scale
from dmoe_opt.result import as_problem
from dmoe_opt.validate import InputError

SUFFIXES = (".mps", ".lp", ".nl")


def export(data: Instance | SelectionProblem, problem: str, path: str | os.PathLike[str]) -> float:
    """Write the program; its objective is the energy times the factor that is returned (a power of two).

    Raises
    ------
    InputError
        If the suffix is none of .mps, .lp, .nl, the problem has no model, or the file cannot be written.
    """
    suffix = Path(path).suffix
    if suffix not in SUFFIXES:
        raise InputError(f'output = "{path}"; allowed: a name that ends in {", ".join(SUFFIXES)}')
    if problem not in ("selection", "jesa") or (problem == "jesa" and not isinstance(data, Instance)):
        raise InputError(f'problem = "{problem}"; allowed: selection, or jesa for a round')
    p1 = as_problem(data)
    if not p1.num_tokens:
        raise InputError("the instance has no tokens; allowed: at least one for an export")
    factor = 2.0 ** round(float(np.log2(np.median(scale(p1)))))
    if problem == "jesa" and isinstance(data, Instance):
        model = joint_pyomo.build(data, factor=factor)
    else:
        model = selection_pyomo.build(p1, factor=factor)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"model{suffix}"
        labels = {} if suffix == ".nl" else {"symbolic_solver_labels": True}
        model.write(str(file), io_options=labels)
        files.write(path, file.read_bytes())
    return factor
