"""The sweep finds what trying every delta finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zslearn.metrics import best_calibration, gzsl_harmonic_mean_score
from zslearn.metrics._gzsl import harmonic_mean
from zslearn.metrics._sweep import FoldCurve, sweep
from zslearn.metrics._switches import find_switches
from zslearn.metrics._units import AbsoluteUnit, QuantileUnit, StdUnit

CLASSES = np.arange(5)
SEEN = np.array([0, 2, 3])
UNSEEN = np.array([False, True, False, False, True])


def mean_score(folds, units, value):
    """Mean over folds of H at a calibration in units, by predicting."""
    scores = []
    for (y, z), unit in zip(folds, units, strict=True):
        delta = unit.from_units(np.array([value]))[0]
        predicted = CLASSES[(z + delta * UNSEEN).argmax(1)]
        scores.append(gzsl_harmonic_mean_score(y, predicted, seen_classes=SEEN))
    return np.mean(scores)


def every_piece(folds, units):
    """A calibration in units between any two neighbouring switching points of any fold."""
    points = np.unique(
        np.concatenate(
            [
                unit.to_units(z[:, ~UNSEEN].max(1) - z[:, UNSEEN].max(1))
                for (_, z), unit in zip(folds, units, strict=True)
            ]
        )
    )
    # Rounding only: what is closer cannot be told apart.
    points = points[np.r_[True, np.diff(points) > 1e-12]]
    return np.r_[points[0] - 1, (points[1:] + points[:-1]) / 2, points[-1] + 1]


def curves_of(folds, units):
    return [
        FoldCurve.from_switches(find_switches(y, z, CLASSES, SEEN), unit)
        for (y, z), unit in zip(folds, units, strict=True)
    ]


@st.composite
def fold(draw, values):
    """Labels of both kinds and scores, with many ties where values are few."""
    n = draw(st.integers(2, 12))
    y = [0, 1, *draw(st.lists(st.integers(0, 4), min_size=n - 2, max_size=n - 2))]
    z = draw(st.lists(values, min_size=5 * n, max_size=5 * n))
    return np.array(y), np.array(z, dtype=float).reshape(n, 5)


FEW, MANY = st.integers(-4, 4), st.floats(-10, 10).map(lambda x: round(x, 3))
FOLDS = st.one_of(
    st.lists(fold(FEW), min_size=1, max_size=4), st.lists(fold(MANY), min_size=1, max_size=4)
)


@given(FOLDS, st.sampled_from(["absolute", "std", "quantile"]), st.data())
def test_equals_brute_force(folds, name, data):
    if name == "absolute":
        units = [AbsoluteUnit() for _ in folds]
    elif name == "std":
        units = [StdUnit(data.draw(st.sampled_from([0.25, 0.7, 1.0, 3.0]))) for _ in folds]
    else:
        units = [QuantileUnit.measure(z, ~UNSEEN) for _, z in folds]
    best = sweep(curves_of(folds, units), harmonic_mean)
    brute = [mean_score(folds, units, value) for value in every_piece(folds, units)]
    assert best.score == pytest.approx(max(brute), abs=1e-12)
    if np.ptp(best.scores) > 1e-9:  # else there is no calibration, which may break exact ties
        assert mean_score(folds, units, best.delta) == pytest.approx(best.score, abs=1e-12)
    assert best.scores.max() == best.score


@given(st.one_of(fold(FEW), fold(MANY)))
def test_one_fold_is_best_calibration(one):
    y, z = one
    best = sweep(curves_of([one], [AbsoluteUnit()]), harmonic_mean)
    expected = best_calibration(y, z, classes=CLASSES, seen_classes=SEEN)
    assert (best.delta, best.score) == (expected.delta, expected.score)


@given(fold(FEW), st.integers(2, 4))
def test_repeated_folds_change_nothing(one, n_folds):
    once = sweep(curves_of([one], [AbsoluteUnit()]), harmonic_mean)
    often = sweep(curves_of([one] * n_folds, [AbsoluteUnit()] * n_folds), harmonic_mean)
    assert once.delta == often.delta
    assert once.score == pytest.approx(often.score, abs=1e-12)


def test_points_that_no_delta_tells_apart_are_one():
    # 0.1 + 0.2 and 0.3 differ by one rounding; between them there is no third number.
    z = np.zeros((2, 5))
    z[0], z[1] = [0.3, 0, 0, 0, -9], [0.3, 0, 0, 0, -9]
    other = z.copy()
    other[:, 0] = 0.1 + 0.2
    assert z[0, 0] != other[0, 0]
    y = np.array([0, 1])
    best = sweep(curves_of([(y, z), (y, other)], [AbsoluteUnit()] * 2), harmonic_mean)
    assert len(best.deltas) == 2


def test_without_any_switch_there_is_no_calibration():
    y, z = np.array([2, 4]), np.tile([1.0, 1, 0, 0, 0], (2, 1))
    best = sweep(curves_of([(y, z)], [AbsoluteUnit()]), harmonic_mean)
    assert (best.delta, best.score) == (0.0, 0.0)


def test_a_callable_decides():
    y, z = np.array([0, 0, 1, 1]), np.zeros((4, 5))
    z[:, 0], z[:, [2, 3, 4]] = [3, 2, 2.5, 1], -9
    curves = curves_of([(y, z)], [AbsoluteUnit()])
    assert sweep(curves, lambda u, s: u).delta > 2.5
    assert sweep(curves, lambda u, s: s).delta < 2.0
    assert sweep(curves, lambda u, s: 0 * u).delta == 0.0
    for bad in (lambda u, s: 1.0, lambda u, s: u * np.nan):
        with pytest.raises(ValueError, match="scoring must return one number"):
            sweep(curves, bad)
