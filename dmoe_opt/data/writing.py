"""Files that appear whole or not at all, and standard output."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from dmoe_opt.errors import InputError

STANDARD_OUTPUT = ("-", "/dev/stdout")


def is_stdout(path: str | os.PathLike[str]) -> bool:
    """Whether a path stands for standard output: `-` or /dev/stdout."""
    return str(path) in STANDARD_OUTPUT


def write(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file whole or not at all; `-` and /dev/stdout are standard output.

    Raises
    ------
    InputError
        If the file cannot be written; a file that was there before is then left as it was.
    """
    with writing(path) as file:
        file.write(content)


@contextlib.contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A file that is written part by part, and appears whole at the end or not at all.

    Errors are those of `write`.
    """
    temporary = None
    try:
        if not str(path):
            raise ValueError("the name is empty")
        if is_stdout(path) or _is_device(path):
            parts = io.BytesIO()
            yield parts
            _pour(parts.getvalue(), path)  # no view: a failed write would keep it alive
            return
        target = Path(os.path.realpath(path))
        temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.tmp")
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except (BrokenPipeError, InputError):  # the reader of a pipe has left, which is no error
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be written: {reason}") from None
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


def _is_device(path: str | os.PathLike[str]) -> bool:
    """Whether it is a pipe or a device, which cannot be replaced."""
    there = Path(path)
    return there.exists() and not there.is_file() and not there.is_dir()


def _pour(content: bytes, path: str | os.PathLike[str]) -> None:
    """Write to standard output, or into a pipe or device, whose real path may be none."""
    if not is_stdout(path):
        Path(path).write_bytes(content)
        return
    if sys.stdout is None:
        raise ValueError("standard output is closed")
    sys.stdout.buffer.write(content)
    sys.stdout.flush()
