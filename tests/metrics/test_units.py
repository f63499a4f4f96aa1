"""Units of delta, on scores small enough to check by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zslearn.metrics._units import UNITS, QuantileUnit, StdUnit

SEEN = np.array([True, True, False])
# Best seen minus best unseen: 1, 3, 3, 5.
SCORES = np.array([[2.0, 0.0, 1.0], [4.0, 5.0, 2.0], [3.0, -1.0, 0.0], [5.0, 1.0, 0.0]])


@pytest.mark.parametrize("name", ["absolute", "probability"])
def test_the_number_itself(name):
    unit = UNITS[name].measure(np.empty((0, 3)), SEEN)
    assert not unit.needs_training_scores
    assert unit.to_units(np.array([0.3, -2.0])).tolist() == [0.3, -2.0]
    assert unit.from_units(np.array([0.3, -2.0])).tolist() == [0.3, -2.0]
    assert unit.delta_scale == {"absolute": "logit"}.get(name, name)


def test_std_is_that_of_a_sample_over_classes():
    scores = np.array([[1.0, 3.0], [10.0, 16.0]])  # variances 1 and 9
    unit = StdUnit.measure(scores, np.array([True, False]))
    assert unit.std == pytest.approx(np.sqrt(5))
    shifted = StdUnit.measure(scores + np.array([[100.0], [-7.0]]), np.array([True, False]))
    assert shifted.std == pytest.approx(unit.std)
    assert unit.from_units(np.array([2.0]))[0] == pytest.approx(2 * np.sqrt(5))
    assert unit.to_units(np.array([np.sqrt(5)]))[0] == pytest.approx(1)


def test_std_does_not_overflow_or_divide_by_zero():
    assert StdUnit.measure(np.ones((3, 2)), SEEN[1:]).std == 1.0
    huge = StdUnit.measure(np.array([[-1e200, 1e200]]), SEEN[1:]).std
    assert huge == pytest.approx(1e200)


def test_quantile_is_the_share_sent_to_unseen_classes():
    unit = QuantileUnit.measure(SCORES, SEEN)
    assert unit.gaps.tolist() == [1.0, 3.0, 5.0]
    assert unit.shares.tolist() == [0.125, 0.5, 0.875]
    # Halfway between two gaps: all samples below, none above, but for the smoothing.
    np.testing.assert_allclose(unit.to_units(np.array([2.0, 4.0])), [0.3125, 0.6875])
    # Beyond the extremes: one for each standard deviation, here sqrt(2).
    np.testing.assert_allclose(
        unit.to_units(np.array([1 - np.sqrt(2), 5 + 2 * np.sqrt(2)])), [-0.875, 2.875]
    )


def test_quantile_of_equal_gaps_or_without_unseen_classes():
    same = QuantileUnit.measure(SCORES[:1], SEEN)
    np.testing.assert_allclose(same.to_units(np.array([0.0, 1.0, 2.0])), [-0.5, 0.5, 1.5])
    none = QuantileUnit.measure(SCORES, np.ones(3, dtype=bool))
    assert none.from_units(none.to_units(np.array([7.0])))[0] == 7.0


@given(
    st.sampled_from(sorted(UNITS)),
    st.lists(st.integers(-20, 20), min_size=6, max_size=30),
    st.lists(st.floats(-100, 100), min_size=2, max_size=10, unique=True),
)
def test_conversions_are_increasing_and_inverse(name, scores, deltas):
    unit = UNITS[name].measure(
        np.array(scores[: len(scores) // 3 * 3], dtype=float).reshape(-1, 3), SEEN
    )
    deltas = np.sort(deltas)
    there = unit.to_units(deltas)
    assert (np.diff(there) > -1e-15).all()
    np.testing.assert_allclose(unit.from_units(there), deltas, atol=1e-9)
