"""The reader of MATLAB files of version 5, against scipy's writer and reader."""

import struct

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.io import loadmat, savemat

from zslearn.datasets._matlab5 import read_variables

NUMBERS = ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "?", "c16"]


def read(path, most_bytes=2**20):
    return {variable.name: variable.read() for variable in read_variables(path, most_bytes)}


@pytest.mark.parametrize("packed", [False, True])
@given(
    st.sampled_from(NUMBERS).flatmap(
        lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=2, max_dims=3, min_side=0))
    )
)
@settings(max_examples=60, deadline=None)
def test_tables_are_those_of_scipy(tmp_path_factory, packed, values):
    path = tmp_path_factory.mktemp("mat") / "a.mat"
    savemat(path, {"first": np.eye(2), "values": values, "last": "x"}, do_compression=packed)
    found, expected = read(path), loadmat(path)["values"]
    assert list(found) == ["first", "values", "last"]
    np.testing.assert_array_equal(found["values"], expected)
    if values.dtype != "?":  # scipy gives those as whole numbers
        assert found["values"].dtype == expected.dtype


@given(st.lists(st.text(st.characters(max_codepoint=0x1FFFF, exclude_categories=["Cs", "Cc"]))))
@settings(max_examples=60, deadline=None)
def test_cells_of_text(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("mat") / "a.mat"
    cells = np.empty((len(texts), 1), dtype=object)
    cells[:, 0] = texts
    savemat(path, {"names": cells})
    assert read(path)["names"] == [text.rstrip() for text in texts]


def test_rows_of_letters(tmp_path):
    savemat(tmp_path / "a.mat", {"names": np.array(["ab", "cde"])})
    assert read(tmp_path / "a.mat")["names"] == ["ab", "cde"]


@given(st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_sparse_tables(tmp_path_factory, seed):
    path = tmp_path_factory.mktemp("mat") / "a.mat"
    table = scipy.sparse.random_array((5, 7), density=0.3, format="csc", rng=seed)
    savemat(path, {"table": table})
    np.testing.assert_array_equal(read(path)["table"], table.toarray())


def test_the_other_order_of_bytes(tmp_path):
    def element(kind, content):
        return struct.pack(">II", kind, len(content)) + content + bytes(-len(content) % 8)

    matrix = element(6, struct.pack(">II", 6, 0)) + element(5, struct.pack(">ii", 1, 3))
    matrix += element(1, b"x") + element(4, struct.pack(">HHH", 1, 2, 513))
    header = b"MATLAB 5.0".ljust(124) + struct.pack(">H", 0x0100) + b"MI"
    (tmp_path / "a.mat").write_bytes(header + element(14, matrix))
    found = read(tmp_path / "a.mat")["x"]
    np.testing.assert_array_equal(found, [[1, 2, 513]])
    assert found.dtype == np.float64


def test_what_is_not_asked_for_is_not_unpacked(tmp_path):
    path = tmp_path / "a.mat"
    savemat(path, {"large": np.zeros((300, 300)), "small": np.eye(2)}, do_compression=True)
    large, small = read_variables(path, 10_000)
    assert (large.name, large.shape) == ("large", (300, 300))
    np.testing.assert_array_equal(small.read(), np.eye(2))
    with pytest.raises(ValueError, match="large is cut short, or takes more than 10000 bytes"):
        large.read()


def test_cells_within_cells_end(tmp_path):
    inner = np.array([["ant"]], dtype=object)
    for _ in range(20):
        outer = np.empty((1, 1), dtype=object)
        outer[0, 0] = inner
        inner = outer
    savemat(tmp_path / "a.mat", {"names": inner})
    with pytest.raises(ValueError, match="nested too deeply"):
        read(tmp_path / "a.mat")
    savemat(tmp_path / "a.mat", {"names": {"field": 1}})
    with pytest.raises(ValueError, match="names is of class 2"):
        read(tmp_path / "a.mat")
