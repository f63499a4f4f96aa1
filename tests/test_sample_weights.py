"""Weights of samples and classes: what they come to, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.utils.class_weight import compute_sample_weight

from zslearn._sample_weights import Samples

X = np.zeros((6, 2))
Y = np.array(["a", "b", "b", "c", "c", "c"])


def test_without_weights_all_count_alike():
    samples = Samples.weighed(X, Y, None)
    assert samples.rows is None
    assert samples.weights is None
    assert_array_equal(samples.part(np.array([1, 3])).rows, [1, 3])


def test_samples_of_weight_zero_are_left_out():
    samples = Samples.weighed(X, Y, [1, 0, 2, 0, 3, 4])
    assert_array_equal(samples.rows, [0, 2, 4, 5])
    assert_array_equal(samples.y, ["a", "b", "c", "c"])
    assert_array_equal(samples.weights, [1, 2, 3, 4])
    part = samples.part(np.array([1, 3]))
    assert_array_equal(part.rows, [2, 5])
    assert_array_equal(part.weights, [2, 4])


def test_equal_weights_are_none_where_ratios_matter():
    assert Samples.weighed(X, Y, 2.5).relative().weights is None
    assert_array_equal(Samples.weighed(X, Y, 2.5).weights, [2.5] * 6)
    some = Samples.weighed(X, Y, [2, 0, 2, 2, 0, 2]).relative()
    assert some.weights is None
    assert_array_equal(some.rows, [0, 2, 3, 5])
    assert Samples.weighed(X, Y, [1, 1, 1, 1, 1, 2]).relative().weights is not None


def test_only_ones_are_none_where_weights_are_repetitions():
    number = {"a": 0, "b": 1, "c": 2}

    def numbered(weights):
        samples = Samples.weighed(X, Y, weights)
        return samples.numbered(lambda y: np.array([number[label] for label in y]))

    assert numbered(np.ones(6)).weights is None
    assert_array_equal(numbered(np.full(6, 2.0)).weights, [2] * 6)
    assert_array_equal(numbered([0, 1, 1, 1, 1, 1] + np.eye(6)[0]).y, [0, 1, 1, 2, 2, 2])


@pytest.mark.parametrize("class_weight", ["balanced", {"a": 2.0, "c": 0.5}])
def test_weights_of_classes_are_those_of_scikit_learn(class_weight):
    found = Samples.weighed(X, Y, None, class_weight).weights
    expected = class_weight
    if class_weight != "balanced":
        expected = {"b": 1.0} | class_weight
    assert_array_equal(found, compute_sample_weight(expected, Y))


def test_weights_of_classes_and_samples_multiply():
    weights = np.array([1.0, 2, 2, 1, 1, 0])  # sums by class 1, 4, 2
    balanced = Samples.weighed(X, Y, weights, "balanced")
    by_class = 7 / (3 * np.array([1, 4, 4, 2, 2]))
    np.testing.assert_allclose(balanced.weights, weights[:5] * by_class, rtol=1e-15)
    sums = [balanced.weights[balanced.y == label].sum() for label in "abc"]
    np.testing.assert_allclose(sums, [7 / 3] * 3, rtol=1e-15)


def test_labels_that_look_like_numbers_are_named_as_they_are():
    y = np.array(["10", "2", "2"])
    found = Samples.weighed(X[:3], y, None, {"10": 3.0}, np.array(["10", "2", "7"])).weights
    assert_array_equal(found, [3, 1, 1])
    assert (
        Samples.weighed(X[:3], y, None, {"7": 3.0}, np.array(["10", "2", "7"])).relative().weights
        is None
    )


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 1, np.nan, 1, 1, np.inf], r"NaN or infinite for 2 sample\(s\), rows \[2, 5\]"),
        ([1, -1, 1, 1, 1, 1], r"negative for 1 sample\(s\), rows \[1\]"),
        ([1, 0, 0, 1, 1, 1], r"zero for every sample of 1 class\(es\), such as \['b'\]"),
        (np.zeros(6), r"zero for every sample of 3 class\(es\)"),
        (np.ones(5), r"one number for each of the 6 samples, found shape \(5,\)"),
        (np.ones((6, 1)), r"found shape \(6, 1\)"),
        (["much"] * 6, "must hold real numbers.*much"),
        ([1j] * 6, "must hold real numbers"),
        (np.ma.array(np.ones(6), mask=[1, 0, 0, 0, 0, 0]), "masked"),
    ],
)
def test_bad_weights_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        Samples.weighed(X, Y, weights)


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ("even", "must be 'balanced', a dict"),
        ({"a": -1.0}, "at least 0, found -1.0 for class 'a'"),
        ({"a": np.nan}, "found nan for class 'a'"),
        ({"a": "much"}, "must hold numbers"),
        ({"bird": 2.0}, r"names \['bird'\], which are no labels; there are \['a', 'b'"),
        ({"a": 0.0}, r"class_weight is zero for every sample of 1 class\(es\), such as \['a'\]"),
    ],
)
def test_bad_weights_of_classes_are_refused(class_weight, message):
    with pytest.raises(ValueError, match=message):
        Samples.weighed(X, Y, None, class_weight, np.unique(Y))


def test_weights_that_name_their_samples_otherwise_are_refused():
    frame = pd.DataFrame(X, index=list("uvwxyz"))
    weights = pd.Series(np.ones(6), index=list("zyxwvu"))
    with pytest.raises(
        ValueError, match=r"X and sample_weight have .* sample_weight.loc\[X.index\]"
    ):
        Samples.weighed(frame, Y, weights)
    assert Samples.weighed(frame, Y, weights[::-1]).relative().weights is None
