import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils import _safe_indexing, check_array, indexable

from zslearn.base import is_row_source
from zslearn.model_selection import RowView

ARRAY = np.arange(120, dtype=np.float16).reshape(20, 3, 2)


class Store:
    """Rows on demand as an HDF5 file gives them, ascending only, and what was asked for."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.asked = []

    def __getitem__(self, rows):
        if isinstance(rows, np.ndarray):
            assert (np.diff(rows) > 0).all()
        elif isinstance(rows, slice):
            assert rows.step is None or rows.step > 0
        picked = self.array[rows]
        self.asked.append(1 if np.ndim(rows) == 0 and isinstance(rows, int) else len(picked))
        return picked


@pytest.fixture
def path(tmp_path):
    np.save(tmp_path / "X.npy", ARRAY)
    return tmp_path / "X.npy"


def keys(n):
    """Any way of choosing among n rows."""
    bound = st.one_of(st.none(), st.integers(-n - 2, n + 2))
    step = st.one_of(st.none(), st.integers(-3, 3).filter(bool))
    index = st.integers(-n, n - 1)
    return st.one_of(
        st.builds(slice, bound, bound, step),
        st.lists(index, max_size=8) if n else st.just([]),
        st.lists(index, max_size=8).map(lambda x: np.array(x, dtype="i2")) if n else st.just([]),
        st.lists(st.booleans(), min_size=n, max_size=n).map(lambda x: np.array(x, dtype=bool)),
    )


@given(st.data(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_views_of_views_are_what_numpy_gives(data, lazy):
    store = Store(ARRAY)
    view, expected = RowView(store if lazy else ARRAY), ARRAY
    for _ in range(data.draw(st.integers(1, 3))):
        key = data.draw(keys(len(expected)))
        view = view[key, ...] if data.draw(st.booleans()) else view[key]
        expected = expected[np.array(key, dtype=int) if isinstance(key, list) else key]
        assert isinstance(view, RowView)
        assert (view.shape, view.ndim, view.dtype) == (expected.shape, 3, expected.dtype)
        assert len(view) == len(expected)
    assert store.asked == []  # nothing is read before it is asked for
    np.testing.assert_array_equal(np.asarray(view), expected)
    assert max(store.asked, default=0) <= len(expected)
    if len(expected):
        i = data.draw(st.integers(-len(expected), len(expected) - 1))
        np.testing.assert_array_equal(view[i], expected[i])
        assert not lazy or store.asked[-1] == 1


def test_given_rows():
    for rows in ([3, 1, 1], slice(1, 9, 3), np.arange(20) % 7 == 0, range(5, 1, -2), None):
        key = slice(None) if rows is None else list(rows) if isinstance(rows, range) else rows
        np.testing.assert_array_equal(np.asarray(RowView(ARRAY, rows)), ARRAY[key])
    inner = RowView(ARRAY, [9, 5, 2])
    outer = RowView(inner, [2, 0])
    assert outer.base is ARRAY
    assert outer.rows.tolist() == [2, 9]
    assert [row[0, 0] for row in outer] == [12, 54]


def test_the_rows_of_a_view_are_its_own():
    rows = np.array([1, 2, 3])
    view = RowView(ARRAY, rows)
    rows[:] = 0
    assert view.rows.tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="read-only"):
        view.rows[0] = 5


def test_conversions():
    view = RowView(ARRAY)[4:8]
    assert np.shares_memory(np.asarray(view), ARRAY)
    assert not np.shares_memory(np.array(view), ARRAY)
    assert np.asarray(view, dtype=np.float64).dtype == np.float64
    assert view.__array__(copy=False) is not None
    for lost, options in ((view, {"dtype": "f8"}), (view[[0, 2]], {}), (RowView(Store(ARRAY)), {})):
        with pytest.raises(ValueError, match="cannot be read without a copy"):
            lost.__array__(copy=False, **options)
    np.testing.assert_array_equal(check_array(view[:, ...], allow_nd=True), ARRAY[4:8])
    whole = tuple(slice(0, size) for size in ARRAY.shape[1:])
    assert view[(slice(1, 3), *whole)].rows == range(5, 7)
    labels = RowView(np.array(["a", "b", "c"]))[[2, 0]]
    assert np.asarray(labels).tolist() == ["c", "a"]
    assert repr(labels) == "RowView(2 of 3 rows of ndarray, shape=(2,), dtype=<U1)"


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (20, "row 20 is out of range for 20 rows"),
        (-21, "row -21 is out of range"),
        ([0, 20], "row 20 is out of range"),
        (np.array([-21]), "row -21 is out of range"),
        (np.ones(19, dtype=bool), "mask has 19 values, for 20 rows"),
        ([0.5], "one-dimensional array of integers or booleans; found shape"),
        ([[0, 1]], r"found shape \(1, 2\)"),
        (True, r"found shape \(\) and dtype bool"),
        ("row", "found shape"),
        ((0, 1), r"indexed by rows only; found \(0, 1\)"),
        ((slice(None), 0), "indexed by rows only"),
        ((slice(None), slice(1)), "indexed by rows only"),
        ((slice(None),) * (ARRAY.ndim + 1), "indexed by rows only"),
        (None, "indexed by rows only; found None"),
    ],
)
def test_bad_rows(key, message):
    with pytest.raises(IndexError, match=message):
        RowView(ARRAY)[key]


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (pd.DataFrame({"a": [1]}), r"X is a DataFrame, .* X.to_numpy\(\)"),
        (scipy.sparse.csr_array(np.eye(3)), "X is a csr_array"),
        ([[1, 2]], r"X is a list; .* numpy.asarray\(X\)"),
        (np.float64(1), "X is a scalar"),
        (torch.zeros(3, 2), r"dtype torch.float32, which is not numpy's; give X.numpy\(\)"),
    ],
)
def test_bad_bases(X, message):
    with pytest.raises(TypeError, match=message):
        RowView(X)


def test_scikit_learn_cuts_views_without_reading():
    store = Store(ARRAY)
    view = RowView(store)
    assert indexable(view, np.zeros(20))[0] is view
    assert is_row_source(view)
    for key in (np.array([5, 2]), [5, 2], np.arange(20) < 3, slice(0, 4)):
        assert isinstance(_safe_indexing(view, key), RowView)
    assert store.asked == []
    np.testing.assert_array_equal(_safe_indexing(view, 7), ARRAY[7])


# -- pickles -----------------------------------------------------------------------------------


def is_mapped(array):
    while array is not None:
        if isinstance(array, np.memmap):
            return True
        array = getattr(array, "base", None)
    return False


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    "part",
    [np.s_[:], np.s_[5:], np.s_[3:15:2], np.s_[::-1], np.s_[:, 1], np.s_[:, ::-1, 1:], np.s_[4:4]],
    ids=str,
)
def test_a_view_of_a_memmap_is_pickled_as_the_name_of_its_file(tmp_path, order, part):
    np.save(tmp_path / "X.npy", np.asarray(ARRAY, order=order))
    whole = np.load(tmp_path / "X.npy", mmap_mode="r")
    for base in (whole[part], whole[part].view(np.ndarray)):
        view = RowView(base)[::3]
        again = pickle.loads(pickle.dumps(view))
        np.testing.assert_array_equal(np.asarray(again), np.asarray(view))
        assert again.base.shape == base.shape
        assert is_mapped(again.base)
        thrice = pickle.loads(pickle.dumps(again))
        np.testing.assert_array_equal(np.asarray(thrice), np.asarray(view))
        assert is_mapped(thrice.base)
        with pytest.raises(ValueError, match="read-only"):
            again.base[...] = 0


def test_pickles_are_small(tmp_path):
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", "f2", (1000, 50, 20))
    assert len(pickle.dumps(RowView(X)[100:900])) < 1000
    assert len(pickle.dumps(RowView(X)[np.arange(0, 1000, 7)])) < 3000
    in_memory = RowView(np.array(X))
    assert 2_000_000 < len(pickle.dumps(in_memory)) < 2_001_000
    assert len(pickle.dumps(in_memory[[0, 5, 9]])) < 10_000


def test_what_differs_from_its_file_is_pickled_whole(path):
    X = np.load(path, mmap_mode="c")
    X[0] = 99
    again = pickle.loads(pickle.dumps(RowView(X)[:2]))
    assert np.asarray(again)[0, 0, 0] == 99


def test_pickled_stores_and_arrays():
    for base in (Store(ARRAY), ARRAY):
        again = pickle.loads(pickle.dumps(RowView(base)[[4, 1]]))
        np.testing.assert_array_equal(np.asarray(again), ARRAY[[4, 1]])
        np.testing.assert_array_equal(np.asarray(again[1:]), ARRAY[[1]])


def test_across_processes(path):
    view = RowView(np.load(path, mmap_mode="r"))[::2]
    with joblib.parallel_config("loky", n_jobs=2):
        read = joblib.Parallel()(joblib.delayed(np.asarray)(view[k::2]) for k in range(2))
        sent = joblib.Parallel()(joblib.delayed(pickle.dumps)(view) for _ in range(2))
    for k in range(2):
        np.testing.assert_array_equal(read[k], ARRAY[::2][k::2])
    # Pickled by the worker: it still holds the name of the file only.
    assert max(map(len, sent)) < 1000
    assert is_mapped(pickle.loads(sent[0]).base)


@pytest.fixture
def hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "X.h5", "w") as file:
        file["deep/X"] = ARRAY
    with h5py.File(tmp_path / "X.h5") as file:
        yield file["deep/X"]


def test_hdf5_is_pickled_by_file_and_name(hdf5):
    view = RowView(hdf5, [3, 1, 19])
    data = pickle.dumps(view)
    assert len(data) < 1000
    np.testing.assert_array_equal(np.asarray(pickle.loads(data)), ARRAY[[3, 1, 19]])
    again = joblib.Parallel(2)(joblib.delayed(np.asarray)(view[k:]) for k in range(3))
    for k, found in enumerate(again):
        np.testing.assert_array_equal(found, ARRAY[[3, 1, 19]][k:])


def test_hdf5_that_is_no_longer_what_it_was(hdf5, tmp_path):
    h5py = pytest.importorskip("h5py")
    data = pickle.dumps(RowView(hdf5))
    hdf5.file.close()
    with h5py.File(tmp_path / "X.h5", "w") as file:
        file["deep/X"] = ARRAY[:5]
    with pytest.raises(ValueError, match=r"had shape \(20, 3, 2\).*now has \(5, 3, 2\)"):
        pickle.loads(data)
    with h5py.File(tmp_path / "X.h5", "w") as file:
        file["other"] = ARRAY
    with pytest.raises(OSError, match="deep/X'.*cannot be opened again"):
        pickle.loads(data)
    (tmp_path / "X.h5").unlink()
    with pytest.raises(OSError, match="deep/X'.*cannot be opened again"):
        pickle.loads(data)


def test_hdf5_in_memory_is_still_read(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "X", "w", driver="core", backing_store=False) as file:
        file["X"] = ARRAY
        view = RowView(file["X"], [2, 0])
        np.testing.assert_array_equal(np.asarray(view), ARRAY[[2, 0]])
        with pytest.raises(TypeError):
            pickle.dumps(view)


def test_what_a_mask_hides_is_not_read():
    with pytest.raises(TypeError, match="X is masked"):
        RowView(np.ma.masked_equal(ARRAY, 7))
    np.testing.assert_array_equal(np.asarray(RowView(np.ma.array(ARRAY))), ARRAY)
