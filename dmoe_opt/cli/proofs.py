"""Certificates on the command line: `solve --proof` writes one, `check --proof` believes none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from dmoe_opt.answer.result import Result
    from dmoe_opt.data.formats import Solution
    from dmoe_opt.data.instance import Instance
    from dmoe_opt.data.problem import SelectionProblem


def write(data: Instance | SelectionProblem, result: Result, path: str) -> Result:
    """Prove the bound of a result; returns the result with the bound that is certified.

    That bound is rounded down, and lower where a proof would have grown too large. The suffix says
    whether the file is an archive (.npz), in the format VIPR (.vipr), or JSON.
    """
    from dmoe_opt.answer.result import build
    from dmoe_opt.data import files
    from dmoe_opt.data.instance import as_problem
    from dmoe_opt.proof.certificates import prove
    from dmoe_opt.proof.vipr import as_vipr

    files.require_place(path)
    certificate = prove(data, result)
    if Path(path).suffix == ".vipr":
        files.write(path, as_vipr(data, certificate.fields).encode())
    else:
        certificate.save(path)
    if certificate.open_tokens:
        listed = ", ".join(map(str, certificate.open_tokens[:10]))
        click.echo(f"less is proven than claimed of tokens {listed}: large trees", err=True)
    if certificate.bound_j is None:
        return result
    subject = as_problem(data) if result.problem == "selection" else data
    proven = build(
        subject, result.method, result.decision, problem=result.problem, bound_j=certificate.bound_j
    )
    return replace(result, bound_j=proven.bound_j, gap=proven.gap, status=proven.status)


def verdict(data: Instance | SelectionProblem, claim: Solution, path: str) -> str:
    """Why a certificate does not prove the bound of a solution; empty if it does."""
    from dmoe_opt.errors import InputError
    from dmoe_opt.proof.certificates import refusal
    from dmoe_opt.proof.files import load

    certificate = load(path)
    try:
        return refusal(data, claim, certificate)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
