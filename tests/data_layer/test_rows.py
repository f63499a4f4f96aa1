"""Rows are gathered, normalised and checked a batch at a time, from any kind of array."""

import threading
import time

import numpy as np
import pytest
import torch

from zslearn._data._rows import RegionRows, SharedRows, TrainingBatches
from zslearn.nn.functional import normalize_rows

CPU = torch.device("cpu")


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(20, 3, 8)).astype(np.float32)


class LazyStore:
    """Rows on demand, and a count of what was asked for at once."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.most_rows = self.n_reads = 0

    def __getitem__(self, rows):
        picked = self.array[rows]
        self.n_reads += 1
        self.most_rows = max(self.most_rows, len(picked))
        return picked


def expected(X, rows=slice(None)):
    return torch.from_numpy(X[rows] / np.linalg.norm(X[rows], axis=-1, keepdims=True))


def test_rows_have_unit_length(X):
    rows = RegionRows(X, CPU, torch.float32)
    picked = np.array([1, 4, 7])
    torch.testing.assert_close(rows.take(picked), expected(X, picked), rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(rows.take(slice(2, 5)), expected(X, slice(2, 5)))


def test_vectors_are_one_region(X):
    rows = RegionRows(X[:, 0], CPU, torch.float32)
    assert rows.shape == (20, 1, 8)
    torch.testing.assert_close(rows.take(slice(0, 4)), expected(X[:, :1], slice(0, 4)))


@pytest.mark.parametrize("dtype", ["f8", "f2", "u1", "i2", "u2", "i8", ">f4", "bool"])
def test_real_dtypes(X, dtype):
    array = (np.abs(X) * 50 + 1).astype(dtype)
    wide = array.astype(np.float64)
    rows = RegionRows(array, CPU, torch.float32)
    torch.testing.assert_close(
        rows.take(slice(0, 20)).double(), expected(wide), rtol=1e-5, atol=1e-6
    )


def test_torch_and_bfloat16_input(X):
    tensor = torch.from_numpy(X).bfloat16()
    rows = RegionRows(tensor, CPU, torch.float32)
    torch.testing.assert_close(rows.take(np.array([3, 9])), normalize_rows(tensor[[3, 9]]))


def test_read_only_and_strided_arrays(X):
    view = X[::2, :, ::2]
    view.flags.writeable = False
    rows = RegionRows(view, CPU, torch.float32)
    torch.testing.assert_close(rows.take(slice(0, 10)), expected(np.array(view)))


@pytest.mark.parametrize("rows", [slice(0, 1), slice(0, 20)])
def test_reversed_arrays(X, rows):
    # numpy calls a single row contiguous whatever its stride.
    view = X[::-1][rows]
    taken = RegionRows(view, CPU, torch.float32).take(slice(0, len(view)))
    torch.testing.assert_close(taken, expected(np.array(view)))


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_extreme_magnitudes(X, scale):
    rows = RegionRows(X * np.float32(scale), CPU, torch.float32)
    torch.testing.assert_close(rows.take(slice(0, 20)), expected(X), rtol=1e-5, atol=1e-6)


def test_regions_of_zeros_stay_zero(X):
    X[3, 1] = 0
    taken = RegionRows(X, CPU, torch.float32).take(slice(0, 20))
    assert not taken[3, 1].any()
    torch.testing.assert_close(taken[3, 0], expected(X[3, :1])[0])


@pytest.mark.parametrize(("value", "kind"), [(np.nan, "NaN"), (np.inf, "infinity")])
def test_not_finite_rows_are_named(X, value, kind):
    X[13, 1, 2] = value
    rows = RegionRows(X, CPU, torch.float32)
    rows.take(slice(0, 13))
    with pytest.raises(ValueError, match=rf"X contains {kind}: 1 of the 10 .* rows \[13\]"):
        rows.take(slice(10, 20))
    with pytest.raises(ValueError, match=r"rows \[13\]"):
        rows.take(np.array([0, 13, 19]))


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint8])
def test_samples_of_zeros_alone_are_named(X, dtype):
    X = (10 * np.abs(X) + 1).astype(dtype)
    X[[5, 13]] = 0
    X[7, 1:] = 0
    rows = RegionRows(X, CPU, torch.float32)
    rows.take(slice(6, 13))
    with pytest.raises(ValueError, match=r"X has samples whose regions are all zero, rows \[13\]"):
        rows.take(slice(10, 20))
    with pytest.raises(ValueError, match=r"rows \[5, 13\] of X: .* padding"):
        RegionRows(X, CPU, torch.float32, rows=np.arange(3, 17), keep=True)
    assert not RegionRows(X[:, 0], CPU, torch.float32).take(np.array([5])).any()  # a vector is one


def test_padding_is_known_of_rows_that_are_kept(X):
    assert RegionRows(X, CPU, torch.float32).may_be_padded
    assert not RegionRows(X[:, 0], CPU, torch.float32).may_be_padded
    kept = RegionRows(X, CPU, torch.float32, keep=True)
    assert (kept.padding, kept.may_be_padded) == (None, False)
    X[3, 1] = X[19, 0] = 0
    X[7, 2] = 1e-40  # tiny, yet a region
    for source in (X, SharedRows(X)):
        kept = RegionRows(source, CPU, torch.bfloat16, keep=True)
        assert kept.may_be_padded
        assert kept.padding.nonzero().tolist() == [[3, 1], [19, 0]]


def test_resident_copy_equals_streaming(X):
    kept = RegionRows(X, CPU, torch.bfloat16, keep=True)
    streamed = RegionRows(X, CPU, torch.bfloat16)
    assert kept._resident is not None
    assert streamed._resident is None
    picked = np.array([0, 5, 19])
    assert torch.equal(kept.take(picked), streamed.take(picked))
    assert torch.equal(kept.take(slice(3, 9)), streamed.take(slice(3, 9)))


@pytest.fixture
def large(monkeypatch):
    """Take every X for a large one."""
    monkeypatch.setattr("zslearn._data._rows._SMALL_COPY", 0)


@pytest.mark.parametrize("dtype", ["u1", "f2", "f4", "f8"])
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy, SharedRows])
def test_a_large_array_is_divided_by_known_lengths(X, large, dtype, kind):
    X = (100 * np.abs(X) + 1).astype(dtype)
    X[4, 2] = 0
    wide = torch.float64 if dtype == "f8" else torch.float32
    for rows in (None, np.arange(2, 19)):
        options = {"dtype": wide, "rows": rows}
        measured = RegionRows(kind(X), CPU, keep=True, **options)
        streamed = RegionRows(X, CPU, **options)
        assert measured.resident is None
        assert measured.padding.nonzero().tolist() == [[4 if rows is None else 2, 2]]
        for picked in (np.array([0, 4, 11]), np.array([3, 3, 9]), slice(1, 8)):
            space = torch.full((len(np.arange(17)[picked]), 3, 8), torch.nan, dtype=wide)
            taken = measured.take(picked, out=space)
            assert torch.equal(taken, streamed.take(picked))
    assert measured._lengths.numel() == 17 * 3


@pytest.mark.parametrize("wide", [torch.float32, torch.float64])
def test_lengths_of_odd_rows_are_not_relied_on(X, large, wide):
    X = X.astype(np.float64 if wide == torch.float64 else np.float32)
    X[5, 1] = 1e-30
    kept = RegionRows(X, CPU, wide, keep=True)
    assert torch.equal(kept.resident, RegionRows(X, CPU, wide).take(slice(0, 20)))
    X[5, 1] = np.nan
    with pytest.raises(ValueError, match=r"NaN.*rows \[5\]"):
        RegionRows(X, CPU, wide, keep=True)


def test_what_would_be_larger_than_its_copy_is_copied(X, large):
    X = X.astype(np.float64)
    assert RegionRows(X, CPU, torch.float32, keep=True).resident is not None


def test_what_is_on_disk_is_not_kept(X, tmp_path):
    np.save(tmp_path / "X.npy", X.astype(np.float16))
    on_disk = np.load(tmp_path / "X.npy", mmap_mode="r")
    for source in (on_disk, np.asarray(on_disk), on_disk[2:], LazyStore(X)):
        assert RegionRows(source, CPU, torch.bfloat16, keep=True)._resident is None


def test_nothing_is_kept_that_does_not_fit(X, monkeypatch):
    monkeypatch.setattr("zslearn._data._rows.free_memory", lambda: 4 * X.size * 2 - 1)
    assert RegionRows(X, CPU, torch.bfloat16, keep=True)._resident is None
    monkeypatch.setattr("zslearn._data._rows.free_memory", lambda: 4 * X.size * 2)
    assert RegionRows(X, CPU, torch.bfloat16, keep=True)._resident is not None


def test_chunks_bound_memory_and_cover_all(X, monkeypatch):
    monkeypatch.setattr("zslearn._data._rows._CHUNK_BYTES", 4 * 3 * 8 * 7)
    rows = RegionRows(X, CPU, torch.float32)
    assert list(rows.chunks()) == [slice(0, 7), slice(7, 14), slice(14, 20)]
    assert list(rows.chunks(4 * 3 * 8 * 7 * 10))[:2] == [slice(0, 1), slice(1, 2)]


def test_nothing_is_kept_unasked(X):
    assert RegionRows(X, CPU, torch.bfloat16).resident is None


def test_a_shared_copy_is_made_once_for_each_precision(X, monkeypatch):
    made = []
    real = RegionRows._copy
    monkeypatch.setattr(RegionRows, "_copy", lambda self: made.append(self.dtype) or real(self))
    shared = SharedRows(X)
    first, second = (RegionRows(shared, CPU, torch.float32, keep=True) for _ in range(2))
    low = RegionRows(shared, CPU, torch.bfloat16, keep=True)
    part = RegionRows(shared, CPU, torch.float32, keep=True, rows=np.array([1, 4]))
    assert made == [torch.float32, torch.bfloat16, torch.float32]
    assert first.resident is second.resident
    assert torch.equal(part.resident, first.resident[[1, 4]])
    assert torch.equal(low.resident, RegionRows(X, CPU, torch.bfloat16).take(slice(0, 20)))


def test_lengths_may_stay_as_they_are(X):
    rows = RegionRows(X, CPU, torch.float32, unit_length=False)
    assert torch.equal(rows.take(slice(0, 20)), torch.from_numpy(X))
    spoilt = X.copy()
    spoilt[3, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"NaN.*rows \[3\]"):
        RegionRows(spoilt, CPU, torch.float32, unit_length=False).take(slice(0, 20))


def test_epochs_visit_every_row_once(X):
    targets = np.arange(20)
    batches = TrainingBatches(RegionRows(X, CPU, torch.float32), targets, 7, seed=3)
    orders = []
    for batches.epoch in (0, 1, 0):
        parts = [(regions.clone(), y) for regions, y in batches]
        assert [len(y) for _, y in parts] == [7, 7, 6]
        order = torch.cat([y for _, y in parts])
        assert sorted(order.tolist()) == targets.tolist()
        torch.testing.assert_close(torch.cat([r for r, _ in parts]), expected(X)[order])
        orders.append(order.tolist())
    assert orders[0] == orders[2] != orders[1]


def test_batches_are_balanced(X):
    for n, size, sizes in [(20, 19, [10, 10]), (20, 50, [20]), (20, 6, [5, 5, 5, 5])]:
        rows = RegionRows(X[:n], CPU, torch.float32)
        batches = TrainingBatches(rows, np.zeros(n, dtype=np.int64), size, seed=0)
        assert [len(y) for _, y in batches] == sizes
        assert len(batches) == len(sizes)


def test_batches_are_read_ahead_by_one(X):
    store = LazyStore(X)
    iterator = iter(TrainingBatches(RegionRows(store, CPU, torch.float32), np.arange(20), 5, 0))
    next(iterator)
    for _ in range(500):
        if store.n_reads == 2:
            break
        time.sleep(0.01)
    assert store.n_reads == 2
    iterator.close()
    assert store.n_reads == 2
    assert not [t for t in threading.enumerate() if t.name.startswith("zslearn-rows")]


def test_what_reading_raises_arrives(X):
    X[13] = np.nan
    batches = TrainingBatches(RegionRows(X, CPU, torch.float32), np.arange(20), 5, seed=0)
    with pytest.raises(ValueError, match=r"NaN.* rows \[13\] of X"):
        list(batches)

    class Broken(LazyStore):
        def __getitem__(self, rows):
            raise OSError("the disk is gone")

    broken = RegionRows(Broken(X), CPU, torch.float32)
    with pytest.raises(OSError, match="the disk is gone"):
        list(TrainingBatches(broken, np.arange(20), 5, seed=0))


def test_portions_change_nothing(X, monkeypatch):
    X[7, 2] = 0
    X[11] *= np.float32(1e-30)
    whole = RegionRows(X, CPU, torch.float32).take(slice(0, 20))
    monkeypatch.setattr("zslearn._data._unit_length._CACHED_NUMBERS", 3 * 3 * 8)
    rows = RegionRows(X, CPU, torch.float32)
    assert torch.equal(rows.take(slice(0, 20)), whole)
    picked = np.array([2, 7, 8, 11, 19])
    assert torch.equal(rows.take(picked), whole[picked])


def test_batches_gather_rows_together(X):
    store = LazyStore(X)
    batches = TrainingBatches(RegionRows(store, CPU, torch.float32), np.arange(20), 5, seed=0)
    assert len(list(batches)) == 4
    assert store.most_rows == 5


def test_weights_come_with_the_batches(X):
    rows, weights = RegionRows(X, CPU, torch.float32), np.arange(1.0, 21)
    batches = TrainingBatches(rows, np.arange(20), 6, seed=0, weights=weights)
    plain = TrainingBatches(rows, np.arange(20), 6, seed=0)
    for (regions, y, w), (same, targets) in zip(batches, plain, strict=True):
        assert torch.equal(regions, same)
        assert torch.equal(y, targets)
        torch.testing.assert_close(w, (y + 1) / 10.5)


@pytest.mark.parametrize("lazy", [False, True])
def test_samples_are_drawn_as_often_as_they_weigh(X, lazy):
    class Strict(LazyStore):
        def __getitem__(self, rows):
            assert isinstance(rows, slice) or (np.diff(rows) > 0).all()  # as HDF5 wants it
            return super().__getitem__(rows)

    weights = np.ones(20)
    weights[:3] = 8, 0.5, 1.75
    rows = RegionRows(Strict(X) if lazy else X, CPU, torch.float32)
    batches = TrainingBatches(rows, np.arange(20), 6, seed=0, weights=weights, draw=True)
    counts = []
    for batches.epoch in range(300):
        drawn = []
        for regions, y in batches:
            once, place = torch.unique(y, return_inverse=True)
            assert torch.equal(regions, rows.take(once.numpy())[place])
            drawn.append(y)
        assert [len(y) for y in drawn] == [5, 5, 5, 5]
        counts.append(np.bincount(torch.cat(drawn), minlength=20))
    expected = 20 * weights / weights.sum()
    assert (np.abs(counts - expected) < 1 + 1e-9).all()  # in each epoch, and on average:
    np.testing.assert_allclose(np.mean(counts, axis=0), expected, rtol=0, atol=0.1)
