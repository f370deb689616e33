"""Valid files, changed a little: what loaders must refuse in one line, or read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from dmoe_opt import DmoeError

PIECES = [
    *(b"", b"-", b"9", b"[", b"]", b"{", b"}", b"null", b"true", b"1e400", b'"', b",", b"NaN"),
    *(b"\n", b"\r\n", b";", b"\t", b"\xff", b"\x00", b"\x80\x04", b"\xff\xff\xff\x7f"),
]


@st.composite
def mutated(draw: st.DrawFn, content: bytes) -> bytes:
    """The content with a few bytes replaced, cut out, put in or cut off."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        if not changed:
            break
        at = draw(st.integers(0, len(changed) - 1))
        width = draw(st.integers(0, 4))
        piece = draw(st.one_of(st.sampled_from(PIECES), st.binary(min_size=1, max_size=4)))
        changed[at : at + width] = piece
    if draw(st.integers(0, 4)) == 0:
        del changed[draw(st.integers(0, len(changed))) :]
    return bytes(changed)


def read_or_refused(read: Callable[[], Any]) -> Any:
    """What a loader returns; None if it refuses in one printable line. All else fails the test."""
    try:
        return read()
    except DmoeError as error:
        assert str(error)
        assert "\n" not in str(error)
        return None
