"""Areas from the best scores alone, ties included, and accuracies that are exact."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zslearn.metrics import ausuc_score, seen_unseen_curve
from zslearn.metrics._switches import StackedTops


@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 5, 10**6]), st.integers(1, 60))
def test_areas_of_stacked_scores_are_those_of_each(seed, levels, n):
    rng = np.random.default_rng(seed)
    n_seen, n_classes, n_models = 3, 5, 2
    y = np.r_[0, n_seen, rng.integers(n_classes, size=n)]
    scores = rng.integers(levels, size=(n_models, n_classes, len(y))).astype(float)
    tops = StackedTops(y, n_seen, n_models)
    for place in (slice(0, len(y) // 2), slice(len(y) // 2, len(y))):
        for model in range(n_models):
            tops.add(model, place, scores[model][:, place])
    labels, seen = np.arange(n_classes), np.arange(n_seen)
    expected = [ausuc_score(y, own.T, classes=labels, seen_classes=seen) for own in scores]
    assert tops.areas() == expected


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e308])
def test_refuses_scores_without_an_order(bad):
    tops = StackedTops(np.array([0, 1]), 1, 1)
    tops.add(0, slice(0, 2), np.array([[0.0, bad], [1.0, 2.0]]))
    with pytest.raises(ValueError, match="NaN, infinite or so large"):
        tops.areas()


def test_accuracies_are_exact_whatever_the_number_of_samples():
    rng = np.random.default_rng(0)
    sizes = np.array([7, 4999, 13, 3001, 11])
    y = np.repeat(np.arange(5), sizes)
    scores = 4.0 * np.eye(5)[y]
    scores[:, 3] += rng.random(len(y))  # every sample switches somewhere of its own
    curve = seen_unseen_curve(y, scores, classes=range(5), seen_classes=[0, 1, 2])
    assert curve.seen_accuracy[0] == curve.unseen_accuracy[-1] == 1.0
    # Of each point the nearest number that two counts of right samples can give.
    counts = [Fraction(a, 2 * 3001) + Fraction(b, 2 * 11) for a in range(3002) for b in range(12)]
    exact = np.array(sorted({float(count) for count in counts}))
    position = np.searchsorted(exact, curve.unseen_accuracy).clip(1, len(exact) - 1)
    apart = np.abs(exact[[position - 1, position]] - curve.unseen_accuracy).min(axis=0)
    assert apart.max() <= 2**-53
