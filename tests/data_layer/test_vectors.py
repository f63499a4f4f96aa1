"""Vectors from any source of rows, and the sums of closed forms."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from zslearn._data import _vectors
from zslearn._data._vectors import ClassSums, mean_vectors


class Rows:
    """A lazy source that tells how many rows it gave at once."""

    def __init__(self, X):
        self.X, self.shape, self.dtype, self.most = X, X.shape, X.dtype, 0

    def __getitem__(self, rows):
        part = self.X[rows]
        self.most = max(self.most, len(part))
        return part


def gather(X, rows=None):
    return np.concatenate([vectors for _, vectors in mean_vectors(X, rows)])


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(_vectors, "_CHUNK_BYTES", 4 * 3 * 5 * 7)  # seven samples of three regions


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(30, 3, 5)).astype(np.float16)


def test_the_mean_of_regions_in_float64(X, small_chunks):
    assert_allclose(gather(X), X.astype(np.float64).mean(axis=1), rtol=1e-14)
    assert_array_equal(gather(X[:, 0]), X[:, 0].astype(np.float64))


def test_rows_of_every_source_are_equal(X, small_chunks, tmp_path):
    np.save(tmp_path / "X.npy", X)
    expected = gather(X)
    lazy = Rows(X)
    sources = [np.load(tmp_path / "X.npy", mmap_mode="r"), lazy, torch.from_numpy(X), X[::-1][::-1]]
    for source in sources:
        assert_array_equal(gather(source), expected)
    assert lazy.most == 7
    half = torch.from_numpy(X.astype(np.float32)).bfloat16()
    assert_array_equal(gather(half), gather(half.float().numpy()))


def test_a_row_several_times(X, small_chunks):
    class Once(Rows):
        def __getitem__(self, rows):
            assert len(np.unique(rows)) == len(rows), "some stores refuse to read a row twice"
            return super().__getitem__(rows)

    rows = np.sort(np.random.default_rng(0).integers(30, size=50))
    assert_array_equal(gather(Once(X), rows), gather(X)[rows])


def test_some_rows(X, small_chunks):
    rows = np.array([1, 4, 9, 11, 12, 20, 21, 22, 29])
    assert_array_equal(gather(X, rows), gather(X)[rows])


@pytest.mark.parametrize(
    "to", [lambda X: X, torch.from_numpy, lambda X: torch.tensor(X).bfloat16()]
)
def test_regions_of_zeros_are_no_part_of_a_mean(X, small_chunks, to):
    """To the bit: zeros are added to nothing else."""
    wide = np.zeros((30, 6, 5), dtype=X.dtype)
    wide[:, [0, 2, 5]] = X
    wide[11, 2] = 0
    expected = gather(to(X))
    expected[11] = gather(to(X[11:12, [0, 2]]))
    assert_array_equal(gather(to(wide)), expected)


def test_single_vectors_may_be_zero(X):
    X[4] = 0
    assert_array_equal(gather(X[:, :1])[4], np.zeros(5))
    assert_array_equal(gather(X[:, 0])[4], np.zeros(5))


def test_names_rows_without_a_region(X, small_chunks):
    X[[9, 12]] = 0
    with pytest.raises(ValueError, match=r"regions are all zero, rows \[9, 12\] of X"):
        gather(X)
    with pytest.raises(ValueError, match=r"rows \[12\] of X"):
        gather(X, np.array([2, 12, 13]))


@pytest.mark.parametrize(("value", "kind"), [(np.nan, "NaN"), (np.inf, "infinity")])
def test_names_rows_that_are_not_finite(X, small_chunks, value, kind):
    X[[9, 12], 1, 2] = value
    with pytest.raises(ValueError, match=rf"contains {kind}: 2 of the 7 .* rows \[9, 12\] of X"):
        gather(X)
    with pytest.raises(ValueError, match=r"rows \[12\] of X"):
        gather(X, np.array([2, 12, 13]))


def test_huge_numbers_of_float16_have_a_mean():
    assert gather(np.full((1, 4, 2), 6e4, dtype=np.float16)).max() == np.float16(6e4)


def test_sums_and_what_follows_from_them(X):
    vectors = X[:, 0].astype(np.float64) + 2
    targets = np.arange(30) % 4
    whole, parts = ClassSums.zeros(4, 5), [ClassSums.zeros(4, 5) for _ in range(2)]
    whole.add(vectors, targets)
    for part, rows in zip(parts, (slice(11), slice(11, None)), strict=True):
        part.add(vectors[rows], targets[rows])
    for sums in (whole, parts[0] + parts[1]):
        means = [vectors[targets == c].mean(axis=0) for c in range(4)]
        assert_allclose(sums.class_means, means, rtol=1e-13)
        assert_allclose(sums.mean, vectors.mean(axis=0), rtol=1e-13)
        assert_array_equal(sums.counts, [8, 8, 7, 7])
        assert_allclose(sums.gram, vectors.T @ vectors, rtol=1e-13)
        apart = vectors - vectors.mean(axis=0)
        assert_allclose(sums.centred().gram, apart.T @ apart, rtol=0, atol=1e-11)
        within = vectors - np.array(means)[targets]
        assert_allclose(sums.within_covariance(), within.T @ within / 30, rtol=0, atol=1e-12)
    twice = ClassSums.zeros(4, 5)
    twice.include(parts[0], 2)
    twice.include(parts[1])
    assert_array_equal(twice.counts, np.bincount(np.r_[targets, targets[:11]]))
    repeated = np.concatenate([vectors, vectors[:11]])
    assert_allclose(twice.gram, repeated.T @ repeated, rtol=1e-13)
    assert_allclose(twice.mean, repeated.mean(axis=0), rtol=1e-13)
    assert_array_equal(twice.of_classes(np.array([1, 3])).sums, twice.sums[[1, 3]])
    alone = ClassSums.zeros(30, 5)
    alone.add(vectors, np.arange(30))
    assert_array_equal(alone.within_covariance(), np.zeros((5, 5)))


def test_weighted_sums_are_those_of_repeated_vectors(X):
    vectors = X[:, 0].astype(np.float64) + 2
    targets, times = np.arange(30) % 4, np.arange(30) % 3 + 1
    weighted, repeated = ClassSums.zeros(4, 5), ClassSums.zeros(4, 5)
    weighted.add(vectors, targets, times.astype(float))
    repeated.add(vectors.repeat(times, axis=0), targets.repeat(times))
    assert_array_equal(weighted.counts, repeated.counts)
    assert_allclose(weighted.sums, repeated.sums, rtol=1e-13)
    assert_allclose(weighted.gram, repeated.gram, rtol=1e-13)
    assert_allclose(weighted.within_covariance(), repeated.within_covariance(), rtol=1e-11)
