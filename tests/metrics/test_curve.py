import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zslearn.metrics import (
    ausuc_score,
    best_calibration,
    czsl_accuracy_score,
    gzsl_scores,
    seen_unseen_curve,
)

SEEN = np.array([0, 2, 4])
CLASSES = np.arange(6)
KWARGS = {"classes": CLASSES, "seen_classes": SEEN}


def brute_force(y_true, y_score, delta):
    """Accuracies of the argmax after delta is added to unseen classes."""
    unseen = ~np.isin(CLASSES, SEEN)
    predictions = CLASSES[(y_score.astype(np.float64) + delta * unseen).argmax(axis=1)]
    return gzsl_scores(y_true, predictions, seen_classes=SEEN)


def problem(seed, n=40, grid=None, dtype=np.float64):
    rng = np.random.default_rng(seed)
    y_true = np.concatenate([[0, 1], rng.integers(0, 6, n - 2)])
    y_score = rng.normal(size=(n, 6)) + 1.5 * np.eye(6)[y_true]
    if grid:
        y_score = np.round(y_score * grid) / grid
    return y_true, y_score.astype(dtype)


def every_switch(y_true, y_score):
    """All numbers at which any prediction can change."""
    wide = y_score.astype(np.float64)
    seen = np.isin(CLASSES, SEEN)
    return np.unique(wide[:, seen].max(axis=1) - wide[:, ~seen].max(axis=1))


# Scores on a dyadic grid are added without rounding, so the comparison is exact, ties included.
@given(st.integers(0, 10**6), st.sampled_from([1, 2, 16]), st.integers(2, 40))
@settings(max_examples=100, deadline=None)
def test_curve_equals_brute_force_between_all_switches(seed, grid, n):
    y_true, y_score = problem(seed, n, grid)
    curve = seen_unseen_curve(y_true, y_score, **KWARGS)
    switches = every_switch(y_true, y_score)
    middles = (switches[1:] + switches[:-1]) / 2
    expected = [
        brute_force(y_true, y_score, delta)[:2]
        for delta in [switches[0] - 1, *middles, switches[-1] + 1]
    ]
    # Neighbours at which neither accuracy changes are one point of the curve.
    expected = [p for i, p in enumerate(expected) if i == 0 or p != expected[i - 1]]
    found = np.column_stack(curve[:2])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-15)
    np.testing.assert_allclose(
        found,
        [brute_force(y_true, y_score, delta)[:2] for delta in curve.deltas],
        rtol=0,
        atol=1e-15,
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("seed", range(5))
def test_curve_equals_brute_force_on_continuous_scores(seed, dtype):
    y_true, y_score = problem(seed, 200, dtype=dtype)
    curve = seen_unseen_curve(y_true, y_score, **KWARGS)
    assert curve.deltas.dtype == np.float64
    expected = [brute_force(y_true, y_score, delta)[:2] for delta in curve.deltas]
    np.testing.assert_allclose(np.column_stack(curve[:2]), expected, rtol=0, atol=1e-14)
    assert len(curve.deltas) > 50


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6))
def test_shape_of_the_curve(seed):
    y_true, y_score = problem(seed, grid=2)
    unseen, seen, deltas = seen_unseen_curve(y_true, y_score, **KWARGS)
    assert unseen[0] == 0.0
    assert seen[-1] == 0.0
    assert (np.diff(unseen) >= 0).all()
    assert (np.diff(seen) <= 0).all()
    assert (np.diff(deltas) > 0).all()
    assert ((np.diff(unseen) > 0) | (np.diff(seen) < 0)).all()
    t1 = czsl_accuracy_score(y_true, y_score, **KWARGS)
    assert unseen[-1] == pytest.approx(t1, abs=1e-15)


def test_simultaneous_switches_are_one_point():
    # One seen and one unseen sample switch at the same delta: the curve goes from (0, 1) to (1, 0).
    curve = seen_unseen_curve([0, 1], [[2, 1], [5, 4]], classes=[0, 1], seen_classes=[0])
    np.testing.assert_array_equal(curve.unseen_accuracy, [0, 1])
    np.testing.assert_array_equal(curve.seen_accuracy, [1, 0])
    area = ausuc_score([0, 1], [[2, 1], [5, 4]], classes=[0, 1], seen_classes=[0])
    assert area == 0.5


def test_switches_a_rounding_apart_are_one_point():
    # In real numbers both are 0.3: in floating point they differ in the last digit.
    y_score = [[0.3, 0.0], [0.4, 0.1]]
    assert 0.4 - 0.1 != 0.3 - 0.0
    curve = seen_unseen_curve([0, 1], y_score, classes=[0, 1], seen_classes=[0])
    np.testing.assert_array_equal(curve.unseen_accuracy, [0, 1])
    np.testing.assert_array_equal(curve.seen_accuracy, [1, 0])


scale = st.floats(-1e300, 1e300, allow_nan=False).filter(lambda x: x == 0 or abs(x) > 1e-300)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(scale, scale), min_size=2, max_size=12))
@example([(0.0, 0.0), (2.0**53, 2.0**53 - 1)])
@example([(1.0, 0.0), (np.nextafter(1.0, 2), 0.0), (1.0 + 2**-40, 0.0)])
@example([(0.0, 0.0), (5e-324, 0.0), (1e-323, 0.0), (1e16, 1.0), (1e16, 2.0)])
def test_deltas_give_their_point_in_floating_point(pairs):
    y_score = np.array(pairs)
    y_true = np.arange(len(pairs)) % 2
    unseen, seen, deltas = seen_unseen_curve(y_true, y_score, classes=[0, 1], seen_classes=[0])
    assert np.isfinite(deltas).all()
    assert (np.diff(deltas) > 0).all()
    for u, s, delta in zip(unseen, seen, deltas, strict=True):
        predictions = (y_score[:, 1] + delta > y_score[:, 0]).astype(int)
        scores = gzsl_scores(y_true, predictions, seen_classes=[0])
        assert (u, s) == pytest.approx(scores[:2], abs=1e-15)


def test_nothing_ever_right():
    # The second class of each side always wins.
    y_score = np.tile([0.0, 0.0, 1.0, 1.0, 0.0, 0.0], (2, 1))
    order = {"classes": [0, 1, 2, 3, 4, 5], "seen_classes": SEEN}
    y_score[:, 3] = 2
    curve = seen_unseen_curve([0, 1], y_score, **order)
    np.testing.assert_array_equal(curve, [[0.0], [0.0], [0.0]])
    assert ausuc_score([0, 1], y_score, **order) == 0.0
    assert best_calibration([0, 1], y_score, **order) == (0.0, 0.0)


def test_perfect_and_hopeless_areas():
    y_true = np.array([0, 2, 4, 1, 3, 5])
    perfect = 10 * np.eye(6)[y_true]
    assert ausuc_score(y_true, perfect, **KWARGS) == 1.0
    # Each image prefers the other side by more than any image prefers its own.
    hopeless = perfect.copy()
    hopeless[:3, 5] = 20
    hopeless[3:, 4] = 20
    hopeless[2, 4], hopeless[5, 5] = 15, 15
    curve = seen_unseen_curve(y_true, hopeless, **KWARGS)
    assert curve.seen_accuracy[0] == 1.0
    assert curve.unseen_accuracy[-1] == 1.0
    assert ausuc_score(y_true, hopeless, **KWARGS) == 0.0


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(-8, 8))
def test_area_by_pairs_and_its_invariances(seed, shift):
    y_true, y_score = problem(seed, 30, grid=4)
    area = ausuc_score(y_true, y_score, **KWARGS)
    seen = np.isin(CLASSES, SEEN)
    sides = [CLASSES[side][y_score[:, side].argmax(axis=1)] for side in (seen, ~seen)]
    right = np.where(seen[y_true], sides[0], sides[1]) == y_true
    t = y_score[:, seen].max(axis=1) - y_score[:, ~seen].max(axis=1)
    size = np.bincount(y_true, minlength=6)
    kinds = [len(set(y_true[seen[y_true]])), len(set(y_true[~seen[y_true]]))]
    by_pairs = sum(
        ((t[i] < t[j]) + (t[i] == t[j]) / 2) / (size[y_true[i]] * size[y_true[j]])
        for i in np.flatnonzero(right & ~seen[y_true])
        for j in np.flatnonzero(right & seen[y_true])
    ) / (kinds[0] * kinds[1])
    assert area == pytest.approx(by_pairs, abs=1e-14)
    shifted = y_score + shift * ~seen
    assert ausuc_score(y_true, shifted, **KWARGS) == area


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(6)), st.permutations(range(40)))
def test_curve_invariances(seed, columns, rows):
    y_true, y_score = problem(seed, grid=2)
    curve = seen_unseen_curve(y_true, y_score, **KWARGS)
    columns, rows = np.array(columns), np.array(rows)
    names = np.array([f"class {label}" for label in CLASSES])
    variants = {
        "columns": (y_true, y_score[:, columns], CLASSES[columns], SEEN),
        "rows": (y_true[rows], y_score[rows], CLASSES, SEEN),
        "names": (names[y_true], y_score, names, names[SEEN]),
        "doubled": (np.tile(y_true, 2), np.tile(y_score, (2, 1)), CLASSES, SEEN[::-1]),
    }
    for name, (y, scores, classes, seen) in variants.items():
        other = seen_unseen_curve(y, scores, classes=classes, seen_classes=seen)
        for a, b in zip(curve, other, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=name)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 4]))
def test_best_calibration_beats_every_delta(seed, grid):
    y_true, y_score = problem(seed, grid=grid)
    delta, score = best_calibration(y_true, y_score, **KWARGS)
    assert score == pytest.approx(brute_force(y_true, y_score, delta).H, abs=1e-15)
    switches = every_switch(y_true, y_score)
    # At a switching point itself the best seen class is kept, as just below it.
    middles = (switches[1:] + switches[:-1]) / 2
    best = max(brute_force(y_true, y_score, point).H for point in middles)
    assert score >= best - 1e-15


def test_best_calibration_takes_the_middle_of_the_widest():
    # H is 1/2 between 1 and 2 and again between 5 and 9 (seen, unseen alternate).
    switches = {0: [2.0, 9.0], 1: [1.0, 5.0]}
    y_true = [0, 0, 1, 1, 0, 1]
    y_score = [[t, 0.0] for t in (*switches[0], *switches[1], -50.0, 50.0)]
    curve = seen_unseen_curve(y_true, y_score, classes=[0, 1], seen_classes=[0])
    np.testing.assert_allclose(curve.unseen_accuracy * 3, [0, 0, 1, 1, 2, 2, 3], atol=1e-15)
    np.testing.assert_allclose(curve.seen_accuracy * 3, [3, 2, 2, 1, 1, 0, 0], atol=1e-15)
    best = best_calibration(y_true, y_score, classes=[0, 1], seen_classes=[0])
    assert best.delta == 7.0
    assert best.score == pytest.approx(4 / 9, abs=1e-15)


def test_best_calibration_with_another_scoring():
    y_true, y_score = problem(3)
    curve = seen_unseen_curve(y_true, y_score, **KWARGS)
    best = best_calibration(y_true, y_score, **KWARGS, scoring=lambda u, s: u)
    assert best == (curve.deltas[-1], curve.unseen_accuracy[-1])
    weighted = best_calibration(y_true, y_score, **KWARGS, scoring=lambda u, s: u + 3 * s)
    assert weighted.score == (curve.unseen_accuracy + 3 * curve.seen_accuracy).max()
    with pytest.raises(ValueError, match="scoring must return one number"):
        best_calibration(y_true, y_score, **KWARGS, scoring=lambda u, s: u.max())


@pytest.mark.parametrize("function", [seen_unseen_curve, ausuc_score, best_calibration])
@pytest.mark.parametrize(
    ("y_true", "value", "message"),
    [
        ([0, 0], 0.0, "no sample of an unseen class"),
        ([1, 1], 0.0, "no sample of a seen class"),
        ([0, 1], np.nan, "y_score holds 1 NaN or infinite"),
        ([0, 1], -np.inf, "y_score holds 1 NaN or infinite"),
        ([0, 1], 1e308, "so large"),
        ([0, 6], 0.0, r"y_true holds \[6\]"),
    ],
)
def test_refusals(function, y_true, value, message):
    y_score = np.zeros((2, 6))
    y_score[0, 0] = value
    with pytest.raises(ValueError, match=message):
        function(y_true, y_score, **KWARGS)
