"""Read router logs: of this project and of others, told by their content.

`instances/README.md` lists the kinds.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from dmoe_opt.data import files, unpacking, validate
from dmoe_opt.data.arrays import UNNAMED, arrays_in, one_of, split_name
from dmoe_opt.data.complaints import one_lined
from dmoe_opt.data.tables import array_of, read_table
from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError, MissingExtraError
from dmoe_opt.generating import log_counts, log_tensors
from dmoe_opt.generating.log_lines import is_lines, trace_of_lines
from dmoe_opt.generating.traces import DRAWN_TOKENS, MOST_EXPERTS, Asked, Trace

READ = "router logs in JSON lines, CSV, .npy, .npz, .safetensors, .mat, .pt, also as .gz or .zst"
TORCH = (
    "is a file of PyTorch, and torch is not installed; install its CPU build (see pytorch.org), "
    "or save the tensors as .npz where it is"
)


def load_trace(
    path: str | os.PathLike[str],
    *,
    gate: str | None = None,
    num_experts: int | None = None,
    order: str | None = None,
    num_tokens: int | None = None,
    seed: int = 0,
) -> Trace:
    """Read a router log; its content tells the kind.

    Parameters
    ----------
    path
        The file, or FILE:NAME for one of several arrays or tables. Nothing is unpickled; a file of
        PyTorch is opened with weights only, which needs torch.
    gate
        `"softmax"` (default) or `"sigmoid"`, for logits only. Logits that sum to 1 are
        probabilities, and are taken as they are.
    num_experts
        Number of experts K; by default from the shape, or the largest expert in the log plus one.
    order
        Order of the axes layer, token and expert: `"LTK"`, `"TLK"` and so on. It must be given if
        there are not more tokens than layers.
    num_tokens, seed
        For logs that only count: how many tokens are drawn (default 128), and the seed.

    Raises
    ------
    InputError
        One line naming file, line or field, index, value and what is allowed.
    MissingExtraError
        If the file needs torch or zstd, and it is not installed.
    """
    file, part = split_name(path, None)
    content = files.read(file)
    try:
        if num_experts is not None:
            validate.whole("num_experts", num_experts)
            if num_experts > MOST_EXPERTS:
                raise fail("num_experts", num_experts, f"at most {MOST_EXPERTS}")
        asked = Asked(gate, num_experts, order, part, num_tokens or DRAWN_TOKENS, seed)
        return trace_in(unpacking.unpack(content), Path(file).name, asked)
    except (InputError, MissingExtraError) as error:
        raise type(error)(f"{path}: {error}") from None


def trace_in(content: bytes, name: str, asked: Asked) -> Trace:
    """As `load_trace`, from the content of a file that is unpacked."""
    if unpacking.is_torch(content):
        arrays = log_tensors.arrays_of_torch(log_tensors.plain(_torch_load(content)))
    elif content.lstrip().startswith((b"{", b"[")):
        if is_lines(content):
            return trace_of_lines(content, name, asked)
        counts, layers = log_counts.counts_of_json(content, asked.part)
        return log_counts.trace_of_counts(counts, name, asked, layers)
    else:
        found = arrays_in(content, READ)
        if found is None:
            return _of_text(content, name, asked)
        arrays = found
    if asked.part is not None:
        arrays = {asked.part: one_of(arrays, asked.part)}
    return log_tensors.trace_of_arrays(arrays, name, asked)


def _of_text(content: bytes, name: str, asked: Asked) -> Trace:
    """The trace of a table: uses of experts to be counted, or scores."""
    table = read_table(content)
    if {"layer", "expert"} <= set(table.names) and "token" not in table.names:
        counts, layers = log_counts.counts_of_table(table)
        return log_counts.trace_of_counts(counts, name, asked, layers)
    if "layer" in table.names:
        asked = asked._replace(order="LTK")
    return log_tensors.trace_of_arrays({UNNAMED: array_of(table, asked.part)}, name, asked)


def _torch_load(content: bytes) -> Any:
    try:
        import torch
    except ImportError:
        raise MissingExtraError(TORCH) from None
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch and pickle raise many kinds
        reason = one_lined(str(error))[:80]
        raise InputError(f"cannot be opened with weights only: {reason}") from None
