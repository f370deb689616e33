"""MATLAB files: what scipy reads of them, without its reader."""

from __future__ import annotations

import io

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from dmoe_opt import InputError
from dmoe_opt.data.matlab import read_matlab

VALUES = {
    "real": np.arange(12.0).reshape(2, 2, 3) / 7,
    "complex": np.array([[1 + 2j, 3 - 4j]]),
    "small": np.arange(5, dtype="i2"),
    "half": np.array([[0.5]], dtype="f4"),
    "logical": np.array([[True, False]]),
    "empty": np.zeros((0, 3)),
    "a": 3.0,
    "text": "words",
    "struct": {"x": 1.0},
}


@pytest.mark.parametrize("compressed", [False, True])
def test_same_as_scipy(compressed: bool) -> None:
    """Each full numeric array with its values, shape and type; text and structures are left out."""
    buffer = io.BytesIO()
    savemat(buffer, VALUES, do_compression=compressed)
    arrays = read_matlab(buffer.getvalue())
    assert set(arrays) == set(VALUES) - {"text", "struct"}
    theirs = loadmat(io.BytesIO(buffer.getvalue()))
    for name, array in arrays.items():
        assert array.dtype == theirs[name].dtype
        assert np.array_equal(array, theirs[name])


def test_damaged_files_do_not_end_the_process() -> None:
    """The reader of scipy writes past its memory if numbers are more than the shape says."""
    buffer = io.BytesIO()
    savemat(buffer, {"H": VALUES["real"]})
    content = bytearray(buffer.getvalue())
    content[160] = 1
    with pytest.raises(InputError, match="is a damaged MATLAB file: H has no numbers for 1 x 2"):
        read_matlab(bytes(content))
