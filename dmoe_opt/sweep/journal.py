"""Results on disk: JSON lines, one for each finished job, appended as they come.

A line that is written stays, whatever happens.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import msgspec

from dmoe_opt.data import files, reading
from dmoe_opt.errors import InputError

RESULTS, RUNNING = "results.jsonl", "running.json"
FAILED = "failed"
"""Status of a job without a result; the others are those of `Result`."""


class Journal:
    """The results of a folder, opened to go on writing; a lock keeps a second sweep out.

    `done` holds the keys that have a row, `damaged` the numbers of lines that are no rows: they
    stay in the file, and their jobs run again. A last line that was cut short is dropped.
    """

    def __init__(self, folder: str | os.PathLike[str], resume: bool) -> None:
        self.path = files.make_folder(folder) / RESULTS
        self.done: set[str] = set()
        self.damaged: list[int] = []
        if self.path.exists():
            reading.bytes_of(self.path)  # refuses a pipe, which would wait for ever
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written: {error.strerror}") from None
        try:
            self._lock()
            if not resume and os.fstat(self._file).st_size:
                raise InputError(
                    f"{self.path}: holds results of a sweep; allowed: --resume, or another folder"
                )
            self._end = 0
            with self.path.open("rb") as lines:
                for number, line in enumerate(lines, 1):
                    if line.endswith(b"\n"):
                        self._end += len(line)
                        self._note(number, line)
            os.ftruncate(self._file, self._end)
        except BaseException:
            os.close(self._file)
            raise

    def _note(self, number: int, line: bytes) -> None:
        """The key of a row, or that the line is damaged; it stays in the file."""
        try:
            self.done.add(msgspec.json.decode(line, type=_Keyed).key)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.damaged.append(number)

    def _lock(self) -> None:
        with contextlib.suppress(ImportError):  # Windows has no fcntl
            import fcntl

            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InputError(
                    f"{self.path}: another sweep is writing there; allowed: one at a time"
                ) from None

    def append(self, row: dict[str, Any]) -> None:
        """Write a row; if that fails, a full disk say, nothing of it stays.

        Raises
        ------
        InputError
            If the row cannot be written.
        """
        line = msgspec.json.encode(row) + b"\n"
        try:
            if os.write(self._file, line) != len(line):
                raise OSError(28, "No space left on device")
        except OSError as error:
            os.ftruncate(self._file, self._end)
            how = "the rows before are kept, go on with --resume"
            raise InputError(f"{self.path}: cannot be written: {error.strerror}; {how}") from None
        self._end += len(line)
        self.done.add(row["key"])

    def close(self) -> None:
        """Force the rows to disk and give up the lock."""
        with contextlib.suppress(OSError):
            os.fsync(self._file)
        os.close(self._file)


class _Keyed(msgspec.Struct):
    key: str


def mark(path: Path, key: str, tries: int) -> None:
    """Note the job that runs.

    The note is not forced to disk: it is for processes that die, not for machines.
    """
    path.write_bytes(msgspec.json.encode({"key": key, "tries": tries}))


def unmark(path: Path) -> None:
    """No job runs."""
    path.unlink(missing_ok=True)


def victim(path: Path) -> tuple[str | None, int]:
    """The job that ran when a process ended without a word, and how often it was tried."""
    with contextlib.suppress(OSError, msgspec.DecodeError):
        noted = msgspec.json.decode(path.read_bytes(), type=_Marked)
        return noted.key, noted.tries
    return None, 0


class _Marked(msgspec.Struct):
    key: str
    tries: int
