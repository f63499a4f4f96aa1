"""Samples with different numbers of regions become one array, and odd ones are named."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zslearn._ragged import pad_ragged

SAMPLES = [np.arange(1, 1 + 3 * n, dtype=np.float32).reshape(n, 3) for n in (2, 1, 4)]
PADDED = np.stack([np.pad(x, ((0, 4 - len(x)), (0, 0))) for x in SAMPLES])


def objects(samples):
    array = np.empty(len(samples), dtype=object)
    array[:] = samples
    return array


@pytest.mark.parametrize(
    "X",
    [
        SAMPLES,
        tuple(SAMPLES),
        objects(SAMPLES),
        [x.tolist() for x in SAMPLES],
        [SAMPLES[0].tolist(), SAMPLES[1], torch.from_numpy(SAMPLES[2])],
    ],
    ids=["list", "tuple", "objects", "lists", "mixed"],
)
def test_zeros_fill_up(X):
    found = pad_ragged(X)
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, PADDED)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.sampled_from(["f2", "f8", "u1"]))
def test_samples_are_at_the_beginning_and_dtypes_stay(lengths, dtype):
    samples = [np.full((n, 2), i + 1, dtype=dtype) for i, n in enumerate(lengths)]
    found = np.asarray(pad_ragged(samples))
    assert (found.dtype, found.shape) == (np.dtype(dtype), (len(lengths), max(lengths), 2))
    for row, sample in zip(found, samples, strict=True):
        np.testing.assert_array_equal(row[: len(sample)], sample)
        assert not row[len(sample) :].any()


def test_dtypes_of_several_kinds():
    found = pad_ragged([np.ones((1, 2), np.float16), np.ones((2, 2), np.float32)])
    assert found.dtype == np.float32
    assert pad_ragged([np.ones((1, 2), int), np.ones((2, 2), np.float16)]).dtype == np.float64


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_tensors_stay_tensors(dtype):
    samples = [torch.from_numpy(x).to(dtype) for x in SAMPLES]
    samples[1].requires_grad_()
    found = pad_ragged(samples)
    assert (found.dtype, found.requires_grad) == (dtype, False)
    np.testing.assert_array_equal(found.float().numpy(), PADDED)
    assert pad_ragged(samples[:1] * 2).shape == (2, 2, 3)  # of equal shapes too


@pytest.mark.parametrize(
    "X",
    [
        [[1.0, 2.0], [3.0, 4.0]],
        [SAMPLES[0], SAMPLES[0]],
        [1.0, 2.0],
        [],
        np.ones((2, 3)),
        np.ones((2, 3), dtype=object),
        "text",
        None,
    ],
    ids=repr,
)
def test_anything_else_stays(X):
    assert pad_ragged(X) is X


def test_objects_of_equal_shapes_are_a_list():
    np.testing.assert_array_equal(pad_ragged(objects([SAMPLES[0]] * 2)), [SAMPLES[0]] * 2)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([*SAMPLES, np.ones((2, 4))], r"X\[3\] has 4 features, X\[0\] has 3: .* number of their"),
        ([*SAMPLES, np.ones((0, 3))], r"X\[3\] has shape \(0, 3\), without a region"),
        ([*SAMPLES, []], r"X\[3\] has shape \(0,\), without a region"),
        ([*SAMPLES, np.ones(3)], r"X\[3\] has shape \(3,\), X\[0\] has shape \(2, 3\)"),
        ([np.ones((1, 2, 3)), np.ones((2, 2, 3))], r"X\[0\] has shape \(1, 2, 3\)"),
        ([SAMPLES[0], [[1, 2, 3], [4, 5]]], r"X\[1\] has regions of different widths"),
        ([[1.0, 2.0], [3.0]], r"X\[1\] has 1 features, X\[0\] has 2"),
        (objects([SAMPLES[0], np.ones((2, 4))]), r"X\[1\] has 4 features"),
        (objects([np.ma.masked_equal(x, 1) for x in SAMPLES]), "masked"),
    ],
)
def test_odd_samples_are_named(X, message):
    with pytest.raises(ValueError, match=message):
        pad_ragged(X)
