"""Files of certificates: JSON, or the same fields in an .npz archive (docs/proofs.md).

What is read is plain data, as `check_proof` takes it; it judges them, so nothing is checked here.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from dmoe_opt.data import formats
from dmoe_opt.data.files import read, write, writing
from dmoe_opt.errors import InputError

FORMAT, VERSION = "dmoe-opt/certificate", 1
TEXTS = ("tokens.tree", "split", "with", "without")
"""Fields with trees, which are JSON text in an archive."""


class Tree(msgspec.Struct):
    """A leaf or a node of a tree; `schema` has what it may be, since msgspec cannot say it."""


class TokenLine(msgspec.Struct):
    """What a token costs at least, J, and the tree that proves it."""

    z: float
    tree: Tree


class BoundFields(msgspec.Struct):
    """The fields that prove a bound; which there are depends on the problem."""

    tokens: list[TokenLine] | msgspec.UnsetType = msgspec.UNSET
    prices: list[list[float]] | msgspec.UnsetType = msgspec.UNSET
    rents: list[float] | msgspec.UnsetType = msgspec.UNSET
    waking: list[list[float]] | msgspec.UnsetType = msgspec.UNSET
    room: list[float] | msgspec.UnsetType = msgspec.UNSET
    split: list[str | int] | msgspec.UnsetType = msgspec.UNSET
    with_: BoundFields | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="with")
    without: BoundFields | msgspec.UnsetType = msgspec.UNSET


class CertificateFields(BoundFields, kw_only=True):
    """A certificate: its header, and what proves its bound."""

    format: str
    version: int
    problem: str
    instance_sha256: str
    bound_j: float | None
    refuted: bool = False


def save(fields: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Write a certificate: an archive if the name ends in .npz, and JSON otherwise."""
    if Path(path).suffix != ".npz":
        write(path, json.dumps(fields).encode() + b"\n")
        return
    arrays = {name: value for name, value in fields.items() if value is not None}
    if "tokens" in fields:
        lines = fields["tokens"]
        arrays["tokens.z"] = [float(line["z"]) for line in lines]
        arrays["tokens.tree"] = [line["tree"] for line in lines]
    arrays.pop("tokens", None)
    arrays |= {name: json.dumps(arrays[name]) for name in TEXTS if name in arrays}
    with writing(path) as file:
        np.savez_compressed(file, **arrays)


def load(path: str | os.PathLike[str]) -> Any:
    """The fields of a certificate as plain data.

    Raises
    ------
    InputError
        If the file holds neither JSON nor arrays. Whether it proves something is not asked.
    """
    content = read(path)
    if content.startswith(b"VER "):
        allowed = "a certificate as JSON or .npz"
        raise InputError(f"{path}: is for a checker of VIPR; allowed: {allowed}")
    try:
        return _unpacked(content) if formats.is_archive(content) else json.loads(content)
    except RecursionError:
        raise InputError(f"{path}: is no certificate: it is nested too deeply") from None
    except (InputError, ValueError, TypeError) as error:
        raise InputError(f"{path}: is no certificate: {str(error)[:80]}") from None


def _unpacked(content: bytes) -> dict[str, Any]:
    """The fields in an archive, nested as in JSON."""
    arrays = formats.read_arrays(content)
    fields: dict[str, Any] = {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in arrays.items()
    }
    fields |= {name: json.loads(fields[name]) for name in TEXTS if name in fields}
    if "tokens.z" in fields:
        lines = zip(fields.pop("tokens.z"), fields.pop("tokens.tree", []), strict=True)
        fields["tokens"] = [{"z": z, "tree": tree} for z, tree in lines]
    return {"bound_j": None} | fields
