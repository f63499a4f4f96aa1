"""Reading MATLAB files of both versions."""

import sys

import h5py
import numpy as np
import pytest
import scipy.sparse
from scipy.io import savemat

from zslearn.datasets._matlab import as_index, read_matlab


@pytest.fixture(params=[5, 7], ids=["v5", "v7.3"])
def version(request):
    return request.param


def variables(layouts):
    return {
        "att": np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
        "loc": layouts.column([3, 1]),
        "names": layouts.cell(["001.Auk", "", "café"]),
        "title": "birds",
        "unused": np.ones((2, 2)),
    }


def test_both_versions_hold_the_same(tmp_path, layouts, version):
    path = tmp_path / "a.mat"
    layouts.write_mat(path, variables(layouts), version)
    found = read_matlab(
        path, ["att", "loc", "names", "title"], ["gone"], dtypes={"att": np.float32}
    )
    assert set(found) == {"att", "loc", "names", "title"}
    assert found["att"].dtype == np.float32
    np.testing.assert_array_equal(found["att"], [[1, 2, 3], [4, 5, 6]])
    assert found["att"].T.flags.c_contiguous
    np.testing.assert_array_equal(found["loc"], [[3], [1]])
    assert found["loc"].dtype == np.uint16
    assert found["names"] == ["001.Auk", "", "café"]
    assert found["title"] == ["birds"]


def test_the_header_is_the_official_one(tmp_path, layouts):
    layouts.write_v73(tmp_path / "a.mat", {"x": np.ones((1, 1))})
    start = (tmp_path / "a.mat").read_bytes()[:520]
    assert start.startswith(b"MATLAB 7.3 MAT-file")
    assert start[512:] == b"\x89HDF\r\n\x1a\n"


def test_a_missing_variable_is_named_with_those_there(tmp_path, layouts, version):
    path = tmp_path / "a.mat"
    layouts.write_mat(path, variables(layouts), version)
    with pytest.raises(
        ValueError, match="no variable 'features', 'labels'; it holds .*'unused'"
    ) as e:
        read_matlab(path, ["att", "features", "labels"])
    assert "#refs#" not in str(e.value)


def test_empty_variables(tmp_path, layouts, version):
    path = tmp_path / "a.mat"
    layouts.write_mat(path, {"x": np.zeros((0, 0))}, version)
    assert read_matlab(path, ["x"])["x"].shape == (0, 0)
    assert as_index(read_matlab(path, ["x"])["x"], "x").tolist() == []


def test_a_damaged_file(tmp_path, layouts, version):
    path = tmp_path / "a.mat"
    rng = np.random.default_rng(0)
    layouts.write_mat(path, {"features": rng.random((100, 100))}, version)
    path.write_bytes(path.read_bytes()[:30_000])
    with pytest.raises(
        ValueError, match=r"a\.mat \(30000 bytes\) cannot be read .*download it again"
    ):
        read_matlab(path, ["features"])


@pytest.mark.parametrize(
    ("content", "found"), [(b"", "is empty"), (b"<!DOCTYPE html><html>", "begins with b'<!DOCTYPE")]
)
def test_not_a_matlab_file(tmp_path, content, found):
    path = tmp_path / "a.mat"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=found):
        read_matlab(path, ["x"])


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file .*gone.mat"):
        read_matlab(tmp_path / "gone.mat", ["x"])


def test_without_h5py_the_extra_is_named(tmp_path, layouts, monkeypatch):
    layouts.write_mat(tmp_path / "a.mat", {"x": np.ones((1, 1))}, 7)
    layouts.write_mat(tmp_path / "b.mat", {"x": np.ones((1, 1))}, 5)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"zslearn\[datasets\]"):
        read_matlab(tmp_path / "a.mat", ["x"])
    assert read_matlab(tmp_path / "b.mat", ["x"])["x"] == 1


def test_index_counts_from_zero():
    index = as_index(np.array([[3], [1], [2]], dtype=np.uint16), "loc", n=3)
    assert index.tolist() == [2, 0, 1]
    assert index.dtype == np.intp
    assert as_index(np.array([[2.0, 1.0]]), "loc").tolist() == [1, 0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([[0], [1]]), "loc holds 0: MATLAB counts from 1"),
        (np.array([[1.5]]), "loc must hold whole numbers, found 1.5"),
        (np.array([[np.nan]]), "whole numbers, found nan"),
        (np.array([[4]]), "loc holds 4, but there are only 3"),
        (np.ones((2, 2)), "row or a column"),
        (["a"], "row or a column of numbers"),
    ],
)
def test_index_refuses(values, message):
    with pytest.raises(ValueError, match=message):
        as_index(values, "loc", n=3)


def test_text_and_numbers_are_not_taken_for_each_other(tmp_path, layouts, version):
    path = tmp_path / "a.mat"
    layouts.write_mat(path, variables(layouts), version)
    with pytest.raises(ValueError, match=r"a\.mat: names holds text; numbers were expected"):
        read_matlab(path, ["names"], dtypes={"names": np.float32})
    with pytest.raises(ValueError, match=r"a\.mat: att holds float64; text was expected"):
        read_matlab(path, ["att"], texts=["att"])


def test_complex_numbers_lose_no_part(tmp_path):
    savemat(tmp_path / "a.mat", {"att": np.ones((2, 2)) + 1j})
    with pytest.raises(ValueError, match="holds complex128; real numbers were expected"):
        read_matlab(tmp_path / "a.mat", ["att"], dtypes={"att": np.float32})
    with h5py.File(tmp_path / "b.mat", "w") as file:
        file["att"] = np.ones((2, 2)) + 1j
    with pytest.raises(ValueError, match="real numbers were expected"):
        read_matlab(tmp_path / "b.mat", ["att"], dtypes={"att": np.float32})


def test_sparse_tables(tmp_path):
    savemat(tmp_path / "a.mat", {"att": scipy.sparse.csc_array(np.diag([1.0, 2.0]))})
    found = read_matlab(tmp_path / "a.mat", ["att"], dtypes={"att": np.float32})
    np.testing.assert_array_equal(found["att"], np.diag([1, 2]))


def external(path, secret):
    with h5py.File(path, "w") as file:
        file.create_dataset("att", (1, 8), "u1", external=[(str(secret), 0, 8)])


def virtual(path, secret):
    with h5py.File(secret.with_suffix(".h5"), "w") as file:
        file["x"] = np.arange(8)
    layout = h5py.VirtualLayout((8,), np.int64)
    layout[:] = h5py.VirtualSource(str(secret.with_suffix(".h5")), "x", (8,))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("att", layout)


def link_outside(path, secret):
    with h5py.File(secret.with_suffix(".h5"), "w") as file:
        file["x"] = np.arange(8)
    with h5py.File(path, "w") as file:
        file["att"] = h5py.ExternalLink(str(secret.with_suffix(".h5")), "x")


def link_to_a_link(path, secret):
    link_outside(path, secret)
    with h5py.File(path, "a") as file:
        file.move("att", "hidden")
        file["att"] = h5py.SoftLink("/hidden")


def cell_of_external(path, secret):
    with h5py.File(path, "w") as file:
        item = file.create_dataset("item", (8,), "u1", external=[(str(secret), 0, 8)])
        file.create_dataset("att", data=np.array([item.ref], object), dtype=h5py.ref_dtype)


@pytest.mark.parametrize(
    "write", [external, virtual, link_outside, link_to_a_link, cell_of_external]
)
def test_values_in_other_files_are_not_read(tmp_path, write):
    secret = tmp_path / "secret"
    secret.write_bytes(b"password")
    write(tmp_path / "a.mat", secret)
    with pytest.raises(ValueError, match=r"a\.mat .*(another file|link to something elsewhere)"):
        read_matlab(tmp_path / "a.mat", ["att"])


def test_small_files_that_claim_much_are_not_believed(tmp_path):
    savemat(tmp_path / "a.mat", {"att": np.zeros((4000, 4000))}, do_compression=True)
    with h5py.File(tmp_path / "b.mat", "w") as file:
        file.create_dataset("att", (10**6, 10**6), "f8", chunks=(100, 100))
    for name in ("a.mat", "b.mat"):
        with pytest.raises(ValueError, match="not believed of a file of this size"):
            read_matlab(tmp_path / name, ["att"], dtypes={"att": np.float32})
