"""Shares of delta, by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from zslearn._calibrated import add_delta, as_probabilities
from zslearn._delta_shares import counts_of, delta_shares

COUNTS = np.array([0, 1, 5, 10, 40])


def test_a_share_falls_with_the_number_of_pictures():
    assert_array_equal(delta_shares(COUNTS, None, COUNTS), [1, 0, 0, 0, 0])
    assert_allclose(delta_shares(COUNTS, 10, COUNTS), [1, 0.9, 0.5, 0, 0], rtol=1e-15)
    assert_allclose(delta_shares(COUNTS, 0.5, COUNTS), [1, 0, 0, 0, 0], rtol=1e-15)
    # The median of 1, 5, 10 and 40.
    assert_allclose(delta_shares(COUNTS, "median", COUNTS)[:3], [1, 13 / 15, 1 / 3], rtol=1e-15)
    assert_array_equal(delta_shares(COUNTS[3:], "median", COUNTS), [0, 0])


def test_counts_are_found_by_label():
    known, counts = np.array(["ant", "bee", "cow"]), np.array([3, 0, 7])
    labels = np.array(["aardvark", "ant", "cow", "dog"])
    assert_array_equal(counts_of(labels, known, counts), [0, 3, 7, 0])


def test_shares_of_delta_are_added():
    scores = np.array([[1.0, 0.5, 0.0]], dtype=np.float32)
    shares = np.array([0.0, 0.25, 1.0])
    assert_allclose(add_delta(scores, shares, 2.0, "logit"), [[1, 1, 2]], rtol=1e-15)
    assert add_delta(scores, np.full(3, 0.5), 2.0, "logit") is scores  # all gain alike
    assert add_delta(scores, shares, 0.0, "logit") is scores
    assert_array_equal(add_delta(scores, shares, np.inf, "logit"), [[-np.inf, -np.inf, 0]])
    assert_array_equal(add_delta(scores, shares, -np.inf, "logit"), [[1, 0.5, -np.inf]])
    softmax = np.exp(scores[0].astype(float)) / np.exp(scores[0].astype(float)).sum()
    expected = softmax + 0.2 * shares
    found = as_probabilities(scores, shares, 0.2, "probability")
    assert_allclose(found, expected[None] / expected.sum(), rtol=1e-14)


@pytest.mark.parametrize("kind", [bool, float])
def test_marks_and_shares_of_one_are_the_same(kind):
    scores = np.random.default_rng(0).normal(size=(6, 4))
    unseen = np.array([True, False, False, True])
    for delta in (0.7, -1.2, np.inf, -np.inf):
        assert_array_equal(
            add_delta(scores, unseen.astype(kind), delta, "logit"),
            add_delta(scores, unseen, delta, "logit"),
        )


def test_whole_numbers_of_any_size_are_a_delta():
    scores = np.array([[0.0, 1.0], [3.0, 2.0]])
    for scale in ("logit", "probability"):
        found = as_probabilities(scores, np.array([False, True]), 2**70, scale)
        np.testing.assert_allclose(found, [[0, 1], [0, 1]], atol=1e-9)
