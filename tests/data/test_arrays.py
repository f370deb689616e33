"""Arrays of files that people have: the same numbers, or one line that says what to do."""

from __future__ import annotations

import gzip
import importlib
import io
import json
import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.drawn import draws
from helpers.mutated import mutated, read_or_refused
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import savemat

from dmoe_opt import InputError, MissingExtraError, Radio, read_array
from dmoe_opt.data.arrays import array_in
from dmoe_opt.data.unpacking import unpack

H = np.arange(1.0, 13.0).reshape(2, 2, 3) / 8


def as_npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, H)
    return buffer.getvalue()


def as_npz() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, H=H)
    return buffer.getvalue()


def as_mat(compressed: bool = False, **variables: Any) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, variables or {"H": H}, do_compression=compressed)
    return buffer.getvalue()


def as_safetensors(array: Any = H, dtype: str = "F64") -> bytes:
    data = array.tobytes()
    header = {"H": {"dtype": dtype, "shape": array.shape, "data_offsets": [0, len(data)]}}
    text = json.dumps({"__metadata__": {"by": "hand"}} | header).encode()
    return len(text).to_bytes(8, "little") + text + data


def as_csv() -> bytes:
    rows = [f"{i},{j},{m},{H[i, j, m]}" for i in range(2) for j in range(2) for m in range(3)]
    return "\r\n".join(["from,to,subcarrier,H", *rows]).encode()


FILES = {
    "npy": as_npy(),
    "npz": as_npz(),
    "mat": as_mat(),
    "compressed mat": as_mat(compressed=True),
    "safetensors": as_safetensors(),
    "csv": as_csv(),
    "gz": gzip.compress(as_csv()),
}


@pytest.mark.parametrize("kind", FILES)
def test_the_same_numbers_from_every_kind(tmp_path: Path, kind: str) -> None:
    """One array, told by its content and by no suffix; a name is not needed, and may be given."""
    path = tmp_path / "channel"
    path.write_bytes(FILES[kind])
    assert (read_array(path) == H).all()
    if kind != "npy":
        assert (read_array(f"{path}:H") == H).all()
        assert (read_array(path, "H") == H).all()
        with pytest.raises(InputError, match=r'channel: .*"G" is missing; allowed: .*H'):
            read_array(path, "G")


@given(data=st.data(), kind=st.sampled_from(sorted(FILES)))
@draws(5)
def test_fuzzed_files(data: st.DataObject, kind: str) -> None:
    """Every kind with bytes changed: an array of numbers, or one line."""
    content = data.draw(mutated(FILES[kind]))
    array = read_or_refused(lambda: array_in(unpack(content)))
    assert array is None or np.asarray(array).dtype.kind in "biufc"


def test_one_of_several_variables(tmp_path: Path) -> None:
    """Several variables want a name; what is no array of numbers is not offered."""
    path = tmp_path / "w.mat"
    path.write_bytes(as_mat(H=H, n=4.0, note="words", cells=np.array([1, "a"], dtype=object)))
    assert (read_array(f"{path}:H") == H).all()
    with pytest.raises(InputError) as caught:
        read_array(path)
    allowed = "allowed: one of H (2 x 2 x 3), n (1 x 1), as FILE:NAME"
    assert str(caught.value) == f"{path}: the variable is not named; {allowed}"


def test_kinds_of_numbers_in_safetensors() -> None:
    """Half precision too; bfloat16 is the upper half of a float32."""
    for dtype, kind in (("F32", "f4"), ("F16", "f2"), ("I64", "i8"), ("U8", "u1")):
        array = array_in(as_safetensors(np.array([[1, 2]], dtype=kind), dtype))
        assert array.tolist() == [[1, 2]]
    halves = (np.array([1.5, -2.0], dtype="<f4").view("<u4") >> 16).astype("<u2")
    assert array_in(as_safetensors(halves, "BF16")).tolist() == [1.5, -2.0]
    with pytest.raises(InputError, match=r"H\.dtype = 'F8'; allowed: F64"):
        array_in(as_safetensors(halves, "F8"))


@pytest.mark.parametrize(
    ("text", "name", "wanted"),
    [
        ("1,2\n3,4\n", None, [[1, 2], [3, 4]]),
        ("# saved by numpy\n1 2\n3 4", None, [[1, 2], [3, 4]]),
        ("a;b\r\n1;2\r\n\r\n3;4\r\n", None, [[1, 2], [3, 4]]),
        ("a\tb\n1\t2\n3\t4\n", "b", [2, 4]),
        (",0,1\n0,5,6\n1,7,8\n", None, [[5, 6], [7, 8]]),
        ("0.5\n0.25\n", None, [0.5, 0.25]),
        ("node,J\n0,5\n1,6\n", "J", [5, 6]),
        ("from,to,gain\n1,0,5\n0,1,6\n", None, [[0, 6], [5, 0]]),
        ("expert,token,s\n0,0,0.5\n1,0,0.25\n", None, [[0.5, 0.25]]),
        ("from,to,a,b\n0,1,2,3\n1,0,4,5\n", "b", [[0, 3], [5, 0]]),
    ],
)
def test_tables(text: str, name: str | None, wanted: list[Any]) -> None:
    """A matrix as it stands, a column by its name, entries where their places say."""
    assert array_in(text.encode(), name).tolist() == wanted


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("", None, "is empty; allowed: .npy"),
        ("1,2\n3\n", None, "line 2 has 1 cells; allowed: 2, as in the first"),
        ("1,2\n3,x\n", None, "line 2, cell 2 = 'x'; allowed: numbers"),
        ("1,2\n3,1+2j\n", None, "line 2, cell 2 = '1+2j'; allowed: numbers; a power gain is the"),
        ("a,b\n1,2\n", "c", 'column "c" is missing; allowed: a, b'),
        ("1,2\n", "c", 'column "c" is missing; allowed: none: the first line holds numbers'),
        ("from,to,a,b\n0,1,2,3\n", None, "has the columns a, b; allowed: name one"),
        ("from,to,gain\n0,1,2\n", None, "the entry of from 1, to 0 is missing"),
        ("token,expert,s\n0,0,2\n0,0,3\n", None, "the entry of token 0, expert 0 is there twice"),
        ("token,expert,s\n0,0.5,2\n", None, "expert[0] = 0.5; allowed: whole numbers from 0"),
        ("token,expert,s\n0,inf,2\n", None, "expert[0] = inf; allowed: whole numbers from 0"),
        (
            "token,expert,s\n0,9999999,2\n",
            None,
            "has 1 rows for 1 x 10000000; allowed: one for each combination",
        ),
        ("\xff,2\n", None, None),
    ],
)
def test_bad_tables(text: str, name: str | None, message: str | None) -> None:
    """The line, the cell and what is allowed."""
    with pytest.raises(InputError) as caught:
        array_in(text.encode("latin-1"), name)
    assert str(caught.value).startswith(message or "is not text in UTF-8: byte 0")


def torch_file() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("trace/data.pkl", b"\x80\x02}q\x00.")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "kind", "how"),
    [
        (b"\x89HDF\r\n\x1a\n" + bytes(20), "is HDF5", "'-v7')"),
        (b"PAR1" + bytes(20), "is Parquet", "to_csv"),
        (pickle.dumps(H), "is a pickle, which could run code and is not opened", "numpy.save"),
        (torch_file(), "is a file of PyTorch", "weights_only=True"),
        (b"\x01\x02\x00\x03", "its first bytes are 01 02 00 03", "allowed: .npy"),
    ],
)
def test_other_kinds_are_named(tmp_path: Path, content: bytes, kind: str, how: str) -> None:
    """What a file is, by its first bytes, and the line that converts it; nothing is unpickled."""
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_array(tmp_path / "x")
    assert str(caught.value).startswith(f"{tmp_path / 'x'}: {kind}" if kind[:2] == "is" else "")
    assert kind in str(caught.value)
    assert how in str(caught.value)


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    """An array of Python objects is refused by numpy itself."""
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"is not a readable \.npy file: Object arrays"):
        read_array(tmp_path / "x.npy")


def test_zstd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read with backports.zstd; one line where it is missing."""
    path = tmp_path / "x.csv.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(8))
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "backports.zstd", None)
        with pytest.raises(
            MissingExtraError, match=r"pip install backports\.zstd, or .unzstd FILE"
        ):
            read_array(path)
    zstd = importlib.import_module("backports.zstd")
    with pytest.raises(InputError, match=r"x\.csv\.zst: is "):
        read_array(path)
    path.write_bytes(zstd.compress(b"1,2\n") + zstd.compress(b"3,4\n"))
    assert read_array(path).tolist() == [[1, 2], [3, 4]]


def test_cut_gzip(tmp_path: Path) -> None:
    """A file that ends too early is told; members after each other are one file."""
    whole = gzip.compress(b"\xef\xbb\xbf1,2\n") + gzip.compress(b"3,4\n")
    assert array_in(unpack(whole)).tolist() == [[1, 2], [3, 4]]
    with pytest.raises(InputError, match="is gzip that ends too early; allowed: the whole file"):
        unpack(whole[:-3])


def test_complex_channels_get_a_hint(tmp_path: Path) -> None:
    """They can be read, and are refused as gains with what to do."""
    np.save(tmp_path / "h.npy", H * (1 + 1j))
    channel = read_array(tmp_path / "h.npy")
    assert (np.abs(channel) ** 2).dtype == np.float64
    with pytest.raises(InputError, match=r"gains has complex numbers; .*abs\(h\) \*\* 2"):
        Radio(channel, 1, 1, 1, 1)
