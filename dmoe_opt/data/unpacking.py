"""Compressed files, and files of a kind that is not read: told by their first bytes."""

from __future__ import annotations

import codecs
import io
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

from dmoe_opt.data.complaints import one_lined
from dmoe_opt.data.reading import MOST_BYTES
from dmoe_opt.errors import InputError, MissingExtraError

GZIP, ZSTD, ZIP, NPY = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"\x93NUMPY"
MOST_LAYERS = 3
"""A file may be compressed so many times."""


def _save(read: str) -> str:
    return f"python -c \"import numpy; numpy.save('x.npy', {read})\""


_TO_CSV = "python -c \"import pandas; pandas.read_{0}('{1}').to_csv('x.csv', index=False)\""
_TORCH = "torch.load('FILE', weights_only=True)"
UNREAD = (
    (b"\x89HDF", "HDF5 (or MATLAB 7.3)", "save('x.mat', 'H', '-v7') in MATLAB, or numpy.save"),
    (b"PAR1", "Parquet", _TO_CSV.format("parquet", "FILE")),
    (b"ARROW1", "Arrow", _TO_CSV.format("feather", "FILE")),
    (b"GGUF", "a GGUF model, no data of its tokens", "log its router with llama-moe-trace"),
    (b"BZh", "bzip2", "bunzip2 FILE"),
    (b"\xfd7zXZ", "xz", "unxz FILE"),
    (b"\x04\x22\x4d\x18", "lz4", "unlz4 FILE"),
    (b"SQLite", "SQLite", "sqlite3 -csv FILE 'select ...' > x.csv"),
    (b"# Created by Octave", "text of Octave", "save -7 x.mat H in Octave"),
    (b"%PDF", "PDF", "export the numbers as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel table", "save it as CSV"),
)
"""First bytes, kind, and the line that converts it."""
_PROTOCOLS = range(2, 6)
"""Versions of the pickle protocol; the second byte of a file names one."""


def unpack(content: bytes) -> bytes:
    """The content of a file without the gzip or zstd around it, and the mark of UTF-8 inside.

    Raises
    ------
    InputError
        If the compressed data is damaged, or more than `MOST_BYTES` once it is unpacked.
    MissingExtraError
        For zstd, if the package backports.zstd is not installed.
    """
    for _ in range(MOST_LAYERS):
        if content.startswith(GZIP):
            content = _inflated(content, lambda: zlib.decompressobj(wbits=31), "gzip")
        elif content.startswith(ZSTD):
            content = _inflated(content, _zstd(), "zstd")
        else:
            break
    return content.removeprefix(codecs.BOM_UTF8)


def _zstd() -> Callable[[], Any]:
    try:
        from backports import zstd
    except ImportError:
        hint = 'pip install backports.zstd, or "unzstd FILE"'
        raise MissingExtraError(f"is compressed with zstd; {hint}") from None
    new: Callable[[], Any] = zstd.ZstdDecompressor
    return new


def _inflated(content: bytes, new: Callable[[], Any], kind: str) -> bytes:
    """All members of a compressed file, one after the other, each by a new decompressor."""
    whole = io.BytesIO()
    try:
        while True:
            decompressor = new()
            whole.write(decompressor.decompress(content, MOST_BYTES + 1 - whole.tell()))
            if whole.tell() > MOST_BYTES:
                raise InputError(f"has more than {MOST_BYTES:,} bytes once it is unpacked")
            if not decompressor.eof:
                raise InputError(f"is {kind} that ends too early; allowed: the whole file")
            content = decompressor.unused_data
            if not content.strip(b"\0"):  # tapes and blocks are filled up with zeros
                return whole.getvalue()
    except InputError:
        raise
    except Exception as error:  # zlib and zstd raise kinds of their own
        raise InputError(f"is damaged {kind}: {one_lined(str(error))[:80]}") from None


def unread(content: bytes, allowed: str) -> InputError:
    """The complaint about a file of no kind that is read; it names the kind and what converts it.

    Parameters
    ----------
    content
        The file, unpacked.
    allowed
        The kinds that are read, in words.
    """
    kind, how = _kind_of(content)
    if how:
        how = f"; to convert: {how}"
    return InputError(f"is {kind}; allowed: {allowed}{how}")


def _kind_of(content: bytes) -> tuple[str, str]:
    """What the first bytes tell, and the line that converts it, if one is known."""
    for first, kind, how in UNREAD:
        if content.startswith(first):
            return kind, how
    if content[:1] == b"\x80" and content[1:2] and content[1] in _PROTOCOLS:
        how = f"{_save('...')} where it is made"
        return "a pickle, which could run code and is not opened", how
    if content.startswith(ZIP):
        return _kind_of_zip(content)
    if not content.strip():
        return "empty", ""
    shown = content[:8]
    if shown.isascii() and shown.decode().isprintable():
        return f"text that begins with {shown.decode()!r}", ""
    return f"of an unknown kind, its first bytes are {shown.hex(' ')}", ""


def _kind_of_zip(content: bytes) -> tuple[str, str]:
    names = zip_names(content)
    if is_torch(content):
        return "a file of PyTorch", _save(f"{_TORCH}.numpy()")
    if "[Content_Types].xml" in names:
        return "a table or text of Office", "save it as CSV"
    return "a zip archive", "unzip FILE"


def is_torch(content: bytes) -> bool:
    """Whether a file was written by torch.save: a zip archive with data.pkl."""
    return any(name.rpartition("/")[2] == "data.pkl" for name in zip_names(content))


def zip_names(content: bytes) -> list[str]:
    """Names in a zip archive; none if it is no zip archive or a damaged one."""
    if not content.startswith(ZIP):
        return []
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.namelist()
    except Exception:  # zipfile raises many kinds on damaged archives
        return []
