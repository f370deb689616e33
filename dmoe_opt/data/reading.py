"""Bytes of a file that a user names: of a limited size, UTF-8 without its mark.

Files are regular; `-` is standard input, the one pipe that is read.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from dmoe_opt.errors import InputError

MOST_BYTES = 4 * 2**30
"""Largest file that is read."""
STANDARD_INPUT = ("-", "/dev/stdin")
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read(path: str | os.PathLike[str], most_bytes: int = MOST_BYTES) -> bytes:
    """The content of a file or of standard input, without the mark of UTF-8 some editors put first.

    Raises
    ------
    InputError
        If the file cannot be read, is no regular file, is larger than `most_bytes`, or is UTF-16.
    """
    with _told(path):
        content = _piped(most_bytes) if str(path) in STANDARD_INPUT else _stored(path, most_bytes)
    if content.startswith(UTF_16):
        raise InputError(f"{path}: is text in UTF-16; allowed: UTF-8")
    return content.removeprefix(codecs.BOM_UTF8)


def _stored(path: str | os.PathLike[str], most_bytes: int) -> bytes:
    size = bytes_of(path)
    if size > most_bytes:
        raise InputError(f"{path}: has {size:,} bytes; allowed: at most {most_bytes:,} bytes")
    return Path(path).read_bytes()


def bytes_of(path: str | os.PathLike[str]) -> int:
    """The size of a file; `InputError` if there is none, or it is a folder, a pipe or a device.

    A pipe would wait for ever, and a device may never end.
    """
    with _told(path):
        found = Path(path).stat()
    if stat.S_ISREG(found.st_mode):
        return found.st_size
    kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or a device"
    raise InputError(f"{path}: cannot be read: it is {kind}; allowed: a file, or - for a pipe")


@contextlib.contextmanager
def _told(path: str | os.PathLike[str]) -> Iterator[None]:
    """Errors of the system as one line that starts with the path."""
    try:
        yield
    except InputError:
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(f"{path}: cannot be read: {reason}") from None


def _piped(most_bytes: int) -> bytes:
    """Everything on standard input, which can be read once."""
    content = b"" if sys.stdin is None else sys.stdin.buffer.read(most_bytes + 1)
    if not content:
        raise InputError("standard input is empty, or was read already; allowed: - for one file")
    if len(content) > most_bytes:
        raise InputError(f"standard input is too long; allowed: at most {most_bytes:,} bytes")
    return content
