"""Damage to files: of their kind (JSON, TOML, archives of arrays) or in their bytes."""

from __future__ import annotations

import io
import json
import re
import warnings
import zipfile
from typing import Any

import numpy as np

ODD = (
    "1e308",
    "-1e308",
    "1e999",
    "-1",
    "-0.0",
    "0",
    "1e-320",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "1" * 400,
    "1" * 5000,
    "2.5",
    "NaN",
    "Infinity",
    "-Infinity",
    "null",
    "true",
    "false",
    '""',
    '"text"',
    '"\\u0000\\u001b[31m\\n\\r\\u2028"',
    '"\\ud800"',
    '"ñ→𝔘\u202e"',
    '"' + "x" * 5000 + '"',
    "[]",
    "{}",
    "[[]]",
    "[1, 2]",
    "[[0.5, 0.5], [0.5]]",
    '{"a": 1}',
    '{"a\\n\\u001b": {"": null}}',
    "[" * 60 + "]" * 60,
    "[" * 3000 + "]" * 3000,
    '{"a":' * 2000 + "1" + "}" * 2000,
)
"""Values as JSON, some of which JSON does not allow."""
ODD_TOML = (
    *ODD,
    "nan",
    "inf",
    "1979-05-27T07:32:00Z",
    "0x7fffffffffffffffffff",
    '"""\nmany\nlines"""',
    "{ a = { b = [1, {}] } }",
    '["tiny", 1, true, 1.5, []]',
    "100000000000",
)
DTYPES = ("<f4", "<f2", "<c16", "<i8", "<u8", "|b1", "<U3", "|S2", "<M8[s]", "|O", ">f8", "<f16")
HOLDER = "the odd value"


def damaged(rng: np.random.Generator, kind: str, content: bytes) -> bytes:
    """A file with one to three damages, of its kind or in its bytes."""
    by_kind = {"json": _json, "jsonl": _json_lines, "toml": _toml, "npz": _npz}
    damage = by_kind[kind] if rng.random() < 0.7 else _bytes
    content = damage(rng, content)
    if rng.random() < 0.1:
        content = _bytes(rng, content)
    return content


def _bytes(rng: np.random.Generator, content: bytes) -> bytes:
    """Bytes flipped, cut off or out, repeated, put in."""
    for _ in range(int(rng.integers(1, 4))):
        start, end = sorted(rng.integers(0, len(content) + 1, size=2).tolist())
        few = content[start : min(end, start + 40)]
        how = rng.choice(["flip", "cut", "out", "repeat", "put", "many"])
        if how == "flip" and content:
            one = min(start, len(content) - 1)
            flipped = bytes([content[one] ^ 1 << int(rng.integers(8))])
            content = content[:one] + flipped + content[one + 1 :]
        elif how == "cut":
            content = content[:end]
        elif how == "out":
            content = content[:start] + content[start + len(few) :]
        elif how == "repeat":
            content = content[:end] + content[start:end] + content[end:]
        elif how == "many":
            content = content[:start] + few * int(rng.choice([10, 1000])) + content[start:]
        else:
            content = content[:start] + rng.bytes(int(rng.integers(1, 9))) + content[start:]
    return content


def _json(rng: np.random.Generator, content: bytes) -> bytes:
    """One to three values of a document replaced, left out, repeated or named otherwise."""
    document = json.loads(content)
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        document = _odd_value(rng, document)
    text = json.dumps(document)
    while f'"{HOLDER}"' in text:
        text = text.replace(f'"{HOLDER}"', str(rng.choice(ODD)), 1)
    return text.encode(errors="surrogatepass")


def _odd_value(rng: np.random.Generator, value: Any) -> Any:
    """Go down to a random place, and change it."""
    if not value or not isinstance(value, dict | list) or rng.random() < 0.15:
        return HOLDER
    if isinstance(value, list):
        k = int(rng.integers(len(value)))
        how = rng.choice(["in", "out", "twice"], p=[0.8, 0.1, 0.1])
        middle = {"in": [_odd_value(rng, value[k])], "out": [], "twice": [value[k]] * 2}
        return value[:k] + middle[how] + value[k + 1 :]
    name = list(value)[rng.integers(len(value))]
    how = rng.choice(["in", "out", "named", "more"], p=[0.8, 0.07, 0.07, 0.06])
    if how == "in":
        return value | {name: _odd_value(rng, value[name])}
    if how == "more":
        return value | {_name(rng): HOLDER}
    rest = {key: inner for key, inner in value.items() if key != name}
    return rest if how == "out" else rest | {_name(rng): value[name]}


def _name(rng: np.random.Generator) -> str:
    odd = ["", "a", "\n\x1b[2J\u2028", "x" * 3000, "\ud800", "__class__", "format", "a.b[0]"]
    return odd[rng.integers(len(odd))]


def _json_lines(rng: np.random.Generator, content: bytes) -> bytes:
    """One line damaged as JSON, or lines left out, repeated or in another order."""
    lines = content.splitlines()
    k = int(rng.integers(len(lines)))
    how = rng.choice(["in", "out", "twice", "order"], p=[0.7, 0.1, 0.1, 0.1])
    if how == "order":
        lines = [lines[n] for n in rng.permutation(len(lines))]
    else:
        middle = {"in": [_json(rng, lines[k])], "out": [], "twice": [lines[k]] * 2}
        lines[k : k + 1] = middle[how]
    return b"\n".join(lines) + b"\n"


def _toml(rng: np.random.Generator, content: bytes) -> bytes:
    """One to three values or names of a plan replaced."""
    lines = content.decode().splitlines()
    for _ in range(int(rng.integers(1, 4))):
        k = int(rng.integers(len(lines)))
        setting = re.match(r"(.*) = ", lines[k])
        odd = str(rng.choice(ODD_TOML))
        if setting and rng.random() < 0.7:
            lines[k] = f"{setting[1]} = {odd}"
        elif rng.random() < 0.5:
            lines[k] = f"{json.dumps(_name(rng))} = {odd}"
        else:
            lines.insert(k, f"[{json.dumps(_name(rng))}]" if rng.random() < 0.5 else odd)
    return "\n".join(lines).encode(errors="surrogatepass")


def _npz(rng: np.random.Generator, content: bytes) -> bytes:
    """One member of an archive damaged: its array, its header, its name, its packing."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = list(members)[rng.integers(len(members))]
    how = rng.choice(["array", "header", "bytes", "name", "out", "twice", "packed", "text"])
    buffer = io.BytesIO()
    packing = zipfile.ZIP_DEFLATED if how == "packed" else zipfile.ZIP_STORED
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", packing) as archive:
        warnings.simplefilter("ignore")  # zipfile tells of names that are there twice
        for key, member in members.items():
            if key != name:
                archive.writestr(zipfile.ZipInfo(key), member)
                continue
            if how != "out":
                new, content = _member(rng, key, member, how)
                archive.writestr(zipfile.ZipInfo(new), content, packing)
            if how == "twice":
                archive.writestr(zipfile.ZipInfo(key), member)
    return buffer.getvalue()


def _member(rng: np.random.Generator, name: str, member: bytes, how: str) -> tuple[str, bytes]:
    """Name and content of a member after one damage."""
    if how == "array":
        return name, _other_array(rng, member)
    if how == "header":
        return name, _other_header(rng, member)
    if how == "bytes":
        return name, _bytes(rng, member)
    if how == "packed":
        return name, member[:128] + bytes(int(rng.choice([0, 10**5, 3 * 10**7])))
    if how == "text":
        return name, str(rng.choice(ODD)).encode(errors="surrogatepass")
    if how == "name":
        other = rng.choice(["../x.npy", "/x.npy", "x", "a\n.npy", "scores.npy.npy", ".npy"])
        return str(other), member
    return name, member


def _other_array(rng: np.random.Generator, member: bytes) -> bytes:
    """An array of another type or shape, or with odd values."""
    array = np.load(io.BytesIO(member))
    how = rng.choice(["dtype", "shape", "value", "less"])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            array = _changed(rng, array, how)
        except (ValueError, TypeError, IndexError):
            array = np.array(["a", "b"])
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def _changed(rng: np.random.Generator, array: np.ndarray, how: str) -> np.ndarray:
    if how == "dtype":
        return array.astype(np.dtype(str(rng.choice(DTYPES))))
    if how == "shape":
        shapes = [array.ravel(), array[None], array.T, np.zeros((0, *array.shape)), np.zeros(())]
        return shapes[rng.integers(len(shapes))]
    if how == "less":
        return np.atleast_1d(array)[..., :-1]
    odd = rng.choice([np.nan, np.inf, -1.0, 1e308, -0.0, 1e-320, 2.0**63])
    numbers = array.astype(float)
    numbers.flat[int(rng.integers(max(array.size, 1)))] = odd
    return numbers


def _other_header(rng: np.random.Generator, member: bytes) -> bytes:
    """Another type, shape or order in the header of an array, as text of the same length."""
    shapes = ["(-1,)", "(10**9,)", "(1000000000000,)", "(9,9,9)", "()", "x", "(1.5,)"]
    changes = [
        (rb"'<f8'", b"'|O'"),
        (rb"'<f8'", b"'<i8'"),
        (rb"'<f8'", b"'nope'"),
        (rb"'<f8'", b"[('a','<f8')]"),
        (rb"\(.*?\)", str(rng.choice(shapes)).encode()),
        (rb"False", b"True"),
        (rb"'shape'", b"'sharp'"),
        (rb"\{", b"("),
        (rb"\x01\x00", b"\x09\x00"),
        (rb"NUMPY", b"NUMPX"),
    ]
    pattern, new = changes[rng.integers(len(changes))]
    head, body = member[:128], member[128:]
    head = re.sub(pattern, lambda _: new, head, count=1)
    head = head[:127].rstrip().ljust(127) + b"\n"
    return head + body
