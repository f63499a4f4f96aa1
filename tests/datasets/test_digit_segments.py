"""Digits described by seven segments."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.utils._param_validation import InvalidParameterError

from zslearn.datasets import load_digit_segments


def test_pictures_are_scikit_learns():
    digits, original = load_digit_segments(), load_digits()
    assert digits.images.dtype == digits.data.dtype == np.float32
    assert_array_equal(digits.images * 16, original.images)
    assert_array_equal(digits.data, digits.images.reshape(1797, 64))
    assert_array_equal(digits.target, original.target)
    assert digits.images.max() == 1


def test_table():
    table = load_digit_segments().class_attributes
    assert_array_equal(table.labels, np.arange(10))
    assert len(np.unique(table.values, axis=0)) == 10
    # Lit segments of a calculator's 0 to 9.
    assert_array_equal(table.values.sum(axis=1), [6, 2, 5, 5, 4, 5, 6, 3, 7, 6])
    six_minus_five = table.values[6] - table.values[5]
    assert_array_equal(np.flatnonzero(six_minus_five), [4])
    assert table.attribute_names[4] == "lower left"


def test_every_segment_is_lit_and_dark_among_seen_digits():
    digits = load_digit_segments()
    lit = digits.class_attributes.values[digits.seen_classes]
    assert_array_equal(lit.max(axis=0), 1)
    assert_array_equal(lit.min(axis=0), 0)


def test_segments_can_be_seen_in_the_pictures():
    """Digits that differ by one segment differ in the ink there."""
    digits = load_digit_segments()
    lower_left = digits.images[:, 4:7, 1:3].mean(axis=(1, 2))
    upper_right = digits.images[:, 1:4, 5:7].mean(axis=(1, 2))
    assert lower_left[digits.target == 6].mean() > 2 * lower_left[digits.target == 5].mean()
    assert upper_right[digits.target == 8].mean() > 2 * upper_right[digits.target == 6].mean()


@pytest.mark.parametrize("unseen", [(3, 6, 9), [0], np.array([8, 1]), ()])
def test_split(unseen):
    digits = load_digit_segments(unseen)
    assert_array_equal(digits.unseen_classes, np.unique(np.asarray(unseen, dtype=int)))
    parts = (digits.train, digits.test_seen, digits.test_unseen)
    assert_array_equal(np.sort(np.concatenate(parts)), np.arange(1797))
    assert_array_equal(np.unique(digits.target[digits.train]), digits.seen_classes)
    assert_array_equal(np.unique(digits.target[digits.test_seen]), digits.seen_classes)
    assert_array_equal(np.unique(digits.target[digits.test_unseen]), digits.unseen_classes)
    n_seen = len(digits.train) + len(digits.test_seen)
    assert_allclose(len(digits.test_seen) / n_seen, 0.2, atol=0.01)


def test_random_state():
    first, second = load_digit_segments(), load_digit_segments(random_state=0)
    assert_array_equal(first.test_seen, second.test_seen)
    other = load_digit_segments(random_state=1)
    assert not np.array_equal(first.test_seen, other.test_seen)
    assert_array_equal(first.test_unseen, other.test_unseen)


def test_test_size():
    assert len(load_digit_segments(test_size=0.5).test_seen) == pytest.approx(626, abs=5)


@pytest.mark.parametrize(
    ("unseen", "match"),
    [
        ((3, 10), "digits 0 to 9"),
        (("three",), "digits 0 to 9"),
        (((3, 6),), "flat sequence"),
        ((3, 3), "twice"),
        (range(9), "fewer than two seen"),
    ],
)
def test_wrong_unseen(unseen, match):
    with pytest.raises(ValueError, match=match):
        load_digit_segments(unseen)


def test_wrong_parameters():
    with pytest.raises(InvalidParameterError, match="unseen"):
        load_digit_segments(3)
    with pytest.raises(InvalidParameterError, match="test_size"):
        load_digit_segments(test_size=0.0)


def test_description_names_the_unseen():
    assert "Unseen digits: 3, 6, 9." in load_digit_segments().DESCR
    assert "Unseen digits: none." in load_digit_segments(()).DESCR
