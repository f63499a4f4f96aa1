import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score

from zslearn.metrics import (
    ausuc_score,
    best_calibration,
    bootstrap_interval,
    class_semantic_error,
    czsl_accuracy_score,
    gzsl_harmonic_mean_score,
    gzsl_scores,
    per_class_accuracy_score,
    semantic_error_increase,
)
from zslearn.metrics._bootstrap import _DECOMPOSITIONS, _value

C, SEEN = 7, [0, 1, 2, 3]


def problem(seed, n=60):
    """Labels, scores, predictions and attributes for 4 seen and 3 unseen classes."""
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(C), rng.integers(0, C, n - C)])
    # Rounded, so that samples switch together; no two scores of one sample are equal.
    scores = np.round(2 * (rng.normal(size=(n, C)) + 2 * np.eye(C)[y])) / 2 + np.arange(C) / 1024
    table = rng.normal(size=(C, 5))
    return y, scores, scores.argmax(axis=1), table[y] + rng.normal(size=(n, 5)), table


def cases(y, scores, predictions, attributes, table):
    columns = {"classes": np.arange(C), "seen_classes": SEEN}
    seen = {"seen_classes": SEEN}
    table = {"class_attributes": table, "normalize": "l2"}
    return {
        per_class_accuracy_score: (predictions, {}),
        czsl_accuracy_score: (scores, columns),
        gzsl_scores: (predictions, seen),
        gzsl_harmonic_mean_score: (predictions, seen),
        ausuc_score: (scores, columns),
        best_calibration: (scores, columns),
        class_semantic_error: (attributes, table),
        semantic_error_increase: (attributes, table | seen),
    }


METRICS = list(cases(*problem(0)))


def duplicate(multiplicity, y, scores, predictions, attributes, table):
    """Spell a resample out: each copy of a class is a class of its own.

    The samples of a copy are predicted as before, but right where the original was right: the
    copies of a class share its column of scores (repeated, so that any of them can be told), and
    a label is made for each copy.
    """
    copies = [(c, k) for c in range(C) for k in range(multiplicity[c])]
    new_y, new_scores, new_predictions, rows = [], [], [], []
    # Columns: all original classes as 0..C-1, then one a copy.
    for label, (c, _) in enumerate(copies, start=C):
        for i in np.flatnonzero(y == c):
            rows.append(i)
            new_y.append(label)
            # The copy takes the place of its original among the candidates.
            row = np.full(C + len(copies), scores[i].min() - 1)
            row[:C] = scores[i]
            row[label], row[c] = scores[i, c], scores[i].min() - 1
            new_scores.append(row)
            new_predictions.append(label if predictions[i] == c else predictions[i])
    seen = SEEN + [label for label, (c, _) in enumerate(copies, start=C) if c in SEEN]
    columns = {"classes": np.arange(C + len(copies)), "seen_classes": seen}
    new_table = np.concatenate([table, table[[c for c, _ in copies]]])
    table = {"class_attributes": new_table, "normalize": "l2"}
    seen = {"seen_classes": seen}
    return np.array(new_y), {
        per_class_accuracy_score: (new_predictions, {}),
        czsl_accuracy_score: (new_scores, columns),
        gzsl_scores: (new_predictions, seen),
        gzsl_harmonic_mean_score: (new_predictions, seen),
        ausuc_score: (new_scores, columns),
        best_calibration: (new_scores, columns),
        class_semantic_error: (attributes[rows], table),
        semantic_error_increase: (attributes[rows], table | seen),
    }


def test_every_metric_is_covered():
    assert set(METRICS) == set(_DECOMPOSITIONS)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.__name__)
@given(
    st.integers(0, 10**6),
    st.lists(st.integers(0, 3), min_size=4, max_size=4).filter(any),
    st.lists(st.integers(0, 3), min_size=3, max_size=3).filter(any),
)
@settings(max_examples=15, deadline=None)
def test_weights_equal_explicit_duplication(metric, seed, seen, unseen):
    data = problem(seed, 30)
    multiplicity = np.array(seen + unseen)
    outputs, params = cases(*data)[metric]
    decomposition = _DECOMPOSITIONS[metric](data[0], outputs, **params)
    weights = multiplicity[decomposition.classes]
    found = decomposition.evaluate(weights[np.newaxis])[0]
    y, duplicated = duplicate(multiplicity, *data)
    outputs, params = duplicated[metric]
    expected = _value(metric(y, outputs, **params))
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.__name__)
def test_estimate_is_the_metric(metric):
    data = problem(1)
    outputs, params = cases(*data)[metric]
    interval = bootstrap_interval(
        metric, data[0], outputs, n_resamples=50, random_state=0, **params
    )
    np.testing.assert_array_equal(interval.estimate, _value(metric(data[0], outputs, **params)))
    by_name = bootstrap_interval(
        metric.__name__, data[0], outputs, n_resamples=50, random_state=0, **params
    )
    np.testing.assert_array_equal(by_name.distribution, interval.distribution)
    assert interval.distribution.shape[0] == 50
    assert (np.asarray(interval.standard_error) > 0).all()
    assert (np.asarray(interval.low) < np.asarray(interval.high)).all()


def test_two_classes_by_hand():
    # One class always right, one never: a resample scores 0, 1/2 or 1, with odds 1 : 2 : 1.
    interval = bootstrap_interval(
        per_class_accuracy_score, [0, 0, 0, 1], [0, 0, 0, 0], n_resamples=20_000, random_state=0
    )
    values, counts = np.unique(interval.distribution, return_counts=True)
    np.testing.assert_array_equal(values, [0, 0.5, 1])
    # Four standard errors of a share of 20 000.
    np.testing.assert_allclose(counts / 20_000, [0.25, 0.5, 0.25], atol=0.0145)
    assert interval[:3] == (0.5, 0.0, 1.0)
    assert interval.standard_error == interval.distribution.std(ddof=1)


def test_standard_error_is_that_of_a_mean_over_classes():
    rng = np.random.default_rng(0)
    accuracies = rng.integers(0, 11, 33)
    y = np.repeat(np.arange(33), 10)
    predictions = np.where(np.tile(np.arange(10), 33) < np.repeat(accuracies, 10), y, 99)
    interval = bootstrap_interval(
        per_class_accuracy_score, y, predictions, n_resamples=4000, random_state=1
    )
    expected = (accuracies / 10).std() / np.sqrt(33)
    # A standard deviation over 4000 resamples is known to 1/sqrt(8000), 1.1 %.
    assert interval.standard_error == pytest.approx(expected, rel=0.045)
    tails = np.quantile(interval.distribution, [0.025, 0.975])
    np.testing.assert_array_equal([interval.low, interval.high], tails)


def test_confidence_level_widens():
    y, _, predictions, *_ = problem(0)
    low, high = (
        bootstrap_interval(
            gzsl_scores, y, predictions, seen_classes=SEEN, confidence_level=level, random_state=0
        )
        for level in (0.5, 0.99)
    )
    assert (high.low < low.low).all()
    assert (high.high > low.high).all()


def test_seen_and_unseen_are_drawn_apart():
    # U is 0 or 1 by class, S too; never may a resample lack a side.
    y = np.arange(5)
    predictions = np.array([0, 9, 9, 3, 9])
    interval = bootstrap_interval(
        gzsl_scores, y, predictions, seen_classes=[0, 1, 2], n_resamples=3000, random_state=0
    )
    unseen, seen, _ = interval.distribution.T
    np.testing.assert_array_equal(np.unique(unseen), [0, 0.5, 1])
    np.testing.assert_allclose(np.unique(seen), [0, 1 / 3, 2 / 3, 1], atol=1e-15)
    assert abs(np.corrcoef(unseen, seen)[0, 1]) < 4 / np.sqrt(3000)
    # The same strata for a metric that does not take seen_classes itself.
    plain = bootstrap_interval(
        per_class_accuracy_score, y, predictions, seen_classes=[0, 1, 2], random_state=0
    )
    pairs = itertools.product(range(4), range(3))
    assert set(np.round(plain.distribution * 5)) <= {float(s + u) for s, u in pairs}


def correlated_models(seed, n_classes=20, n=20):
    """Two models whose classes are equally hard, the second a little better."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(n_classes), n)
    difficulty = np.repeat(rng.uniform(0.1, 0.8, n_classes), n)
    luck = rng.uniform(size=len(y))
    return y, np.where(luck < difficulty + 0.1, y, -1), np.where(luck < difficulty, y, -1)


def test_paired_interval_is_tighter():
    y, a, b = correlated_models(0)
    args = (per_class_accuracy_score, y)
    paired = bootstrap_interval(*args, a, y_pred_other=b, random_state=0)
    alone = [bootstrap_interval(*args, model, random_state=0) for model in (a, b)]
    assert paired.estimate == alone[0].estimate - alone[1].estimate
    np.testing.assert_array_equal(
        paired.distribution, alone[0].distribution - alone[1].distribution
    )
    unpaired = np.hypot(alone[0].standard_error, alone[1].standard_error)
    assert paired.standard_error < unpaired / 3
    assert paired.low > 0
    # The two intervals overlap: without pairing nothing could be said.
    assert alone[0].low < alone[1].high


def test_a_model_does_not_differ_from_itself():
    y, scores, *_ = problem(2)
    interval = bootstrap_interval(
        ausuc_score, y, scores, y_pred_other=scores, classes=np.arange(C), seen_classes=SEEN
    )
    assert interval[:4] == (0.0, 0.0, 0.0, 0.0)


def test_coverage():
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(300):
        accuracy = rng.beta(4, 2, size=33)  # classes drawn from a population of mean 2/3
        y = np.repeat(np.arange(33), 30)
        predictions = np.where(rng.uniform(size=len(y)) < np.repeat(accuracy, 30), y, -1)
        interval = bootstrap_interval(
            per_class_accuracy_score, y, predictions, n_resamples=200, random_state=seed
        )
        covered += interval.low <= 2 / 3 <= interval.high
    # .95 less a little for 33 classes and 200 resamples, and within three standard errors.
    assert 0.88 <= covered / 300 <= 0.98


def test_random_state():
    y, _, predictions, *_ = problem(0)
    first, again, other = (
        bootstrap_interval(per_class_accuracy_score, y, predictions, random_state=state)
        for state in (3, np.random.RandomState(3), 4)
    )
    np.testing.assert_array_equal(first.distribution, again.distribution)
    assert (first.distribution != other.distribution).any()


def test_blocks_cover_all_resamples(monkeypatch):
    y, _, predictions, *_ = problem(0)
    kwargs = {"n_resamples": 10, "random_state": 0}
    whole = bootstrap_interval(per_class_accuracy_score, y, predictions, **kwargs)
    monkeypatch.setattr("zslearn.metrics._bootstrap._BLOCK", 3 * C)
    blocks = bootstrap_interval(per_class_accuracy_score, y, predictions, **kwargs)
    np.testing.assert_allclose(blocks.distribution, whole.distribution, rtol=1e-14)


def test_any_callable():
    y, _, predictions, *_ = problem(0)
    names = np.array(list("abcdefg"))

    def weighted(y_true, y_pred, *, class_weight, power):
        accuracies = {c: np.mean(y_pred[y_true == c] == c) for c in class_weight}
        total = sum(class_weight.values())
        return sum(w * accuracies[c] for c, w in class_weight.items()) ** power / total**power

    kwargs = {"n_resamples": 30, "random_state": 0}
    slow = bootstrap_interval(weighted, names[y], names[predictions], power=1, **kwargs)
    fast = bootstrap_interval(per_class_accuracy_score, y, predictions, **kwargs)
    np.testing.assert_allclose(slow.distribution, fast.distribution, rtol=1e-13)
    assert slow.estimate == pytest.approx(fast.estimate, rel=1e-13)
    squared = bootstrap_interval(
        weighted, names[y], names[predictions], power=2, seen_classes=["a", "b"], **kwargs
    )
    assert squared.estimate == pytest.approx(fast.estimate**2, rel=1e-13)


def test_one_class_of_a_kind():
    with pytest.warns(UserWarning, match="only one of its kind"):
        interval = bootstrap_interval(gzsl_scores, [0, 1, 2], [0, 1, 0], seen_classes=[0])
    np.testing.assert_array_equal(interval.distribution[:, 1], 1.0)
    with pytest.raises(ValueError, match="at least two are needed"):
        bootstrap_interval(gzsl_scores, [0, 1], [0, 1], seen_classes=[0])
    with pytest.raises(ValueError, match="at least two are needed"):
        bootstrap_interval(per_class_accuracy_score, [0, 0], [0, 1])


@pytest.mark.parametrize(
    ("metric", "kwargs", "message"),
    [
        ("accuracy", {}, "'metric' parameter"),
        ("per_class_accuracy_score", {"n_resamples": 1}, "'n_resamples' parameter"),
        ("per_class_accuracy_score", {"confidence_level": 1.0}, "'confidence_level' parameter"),
        ("per_class_accuracy_score", {"average": None}, "average must be 'macro'"),
        ("gzsl_scores", {"seen_classes": [0], "undefined": "nan"}, "undefined must be 'raise'"),
        ("gzsl_scores", {"seen_classes": [5]}, "no sample of a seen class"),
        ("per_class_accuracy_score", {"y_pred_other": [0]}, "y_pred has 1 rows"),
    ],
)
def test_refusals(metric, kwargs, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(metric, [0, 0, 1, 2], [0, 1, 1, 2], **kwargs)


def test_metrics_that_cannot_be_resampled():
    y = ["a", "a", "b", "b"]
    with pytest.raises(ValueError, match="sample_weight cannot be resampled"):
        bootstrap_interval(per_class_accuracy_score, y, y, sample_weight=[1, 2, 1, 1])
    with pytest.raises(TypeError, match="'accuracy_score' does not take class_weight"):
        bootstrap_interval(accuracy_score, y, y)
