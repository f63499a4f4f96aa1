"""What zero-shot classifiers share, on a linear one that is written in five lines."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator

from zslearn import ClassAttributes
from zslearn.base import ZeroShotClassifierMixin, check_class_attributes


class Oracle(ZeroShotClassifierMixin, BaseEstimator):
    """X is the semantic vector: the scores are its products with the table."""

    def __init__(self, delta=0.0, delta_scale="logit"):
        self.delta = delta
        self.delta_scale = delta_scale

    def fit(self, X, y, class_attributes=None):
        X, y = self._check_X_y(X, y, reset=True)
        self.class_attributes_ = check_class_attributes(class_attributes, y)
        self.classes_ = self.class_attributes_.labels
        self.seen_classes_ = np.unique(y)
        self.unseen_classes_ = np.setdiff1d(self.classes_, y)
        return self

    def _class_scores(self, X, table):
        return np.asarray(self._check_X(X, reset=False), dtype=float) @ table.values.T


TABLE = ClassAttributes(
    [[0, 0, 1], [1, 0, 0], [0, 1, 0], [1, 1, 0]], labels=["whale", "cat", "bee", "ant"]
)
X = np.array([[1.0, 0.2, 0.1], [0.0, 1.0, 0.3], [0.9, 0.8, 0.0]])
Y = np.array(["cat", "bee", "cat"])


@pytest.fixture
def oracle():
    return Oracle().fit(X, Y, class_attributes=TABLE)


def test_classes_are_sorted_and_split(oracle):
    assert oracle.classes_.tolist() == ["ant", "bee", "cat", "whale"]
    assert oracle.seen_classes_.tolist() == ["bee", "cat"]
    assert oracle.unseen_classes_.tolist() == ["ant", "whale"]
    np.testing.assert_array_equal(
        oracle.class_attributes_.values, TABLE.subset(["ant", "bee", "cat", "whale"]).values
    )


def test_scores_and_probabilities(oracle):
    expected = X @ oracle.class_attributes_.values.T
    np.testing.assert_array_equal(oracle.decision_function(X), expected)
    np.testing.assert_allclose(oracle.predict_proba(X), softmax(expected, axis=1), rtol=1e-15)


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        (None, ["ant", "ant", "ant"]),
        ("all", ["ant", "ant", "ant"]),
        ("seen", ["cat", "bee", "cat"]),
        ("unseen", ["ant", "ant", "ant"]),
        (["whale", "bee"], ["bee", "bee", "bee"]),
        (np.array(["cat"]), ["cat"] * 3),
    ],
)
def test_candidates(oracle, candidates, expected):
    assert oracle.predict(X, candidates=candidates).tolist() == expected
    scores = oracle.uncalibrated_scores(X)
    assert oracle.predict_from_uncalibrated(scores, candidates=candidates).tolist() == expected


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        ("novel", "candidates must be 'all', 'seen', 'unseen' or an array"),
        (["dog"], "not described.*'dog'"),
        ([], "non-empty"),
        ([["cat"]], r"found \[\['cat'\]\]"),
        (np.array([True, False, False, True]), r"boolean mask: pass clf.classes_\[mask\]"),
    ],
)
def test_bad_candidates(oracle, candidates, message):
    with pytest.raises(ValueError, match=message):
        oracle.predict(X, candidates=candidates)


def test_no_unseen_candidates():
    oracle = Oracle().fit(X, Y)
    with pytest.raises(ValueError, match="'unseen', but none of the 2 described classes is unseen"):
        oracle.predict(X[:, :2], candidates="unseen")


def test_delta_on_logits_shifts_unseen_classes():
    """Switching points are the gap between the best seen and the best unseen score."""
    scores = X @ TABLE.subset(["ant", "bee", "cat", "whale"]).values.T
    gap = scores[:, [1, 2]].max(1) - scores[:, [0, 3]].max(1)
    for delta in np.r_[gap - 1e-9, gap + 1e-9]:
        oracle = Oracle(delta=delta).fit(X, Y, class_attributes=TABLE)
        to_unseen = np.isin(oracle.predict(X), ["ant", "whale"])
        np.testing.assert_array_equal(to_unseen, delta > gap)


def test_delta_on_probabilities():
    shares = Oracle().fit(X, Y, class_attributes=TABLE).predict_proba(X)
    for delta in (-0.9, -0.1, 0.0, 0.1, 0.9):
        oracle = Oracle(delta=delta, delta_scale="probability").fit(X, Y, class_attributes=TABLE)
        calibrated = shares + delta * np.array([1, 0, 0, 1])
        expected = oracle.classes_[calibrated.argmax(1)]
        np.testing.assert_array_equal(oracle.predict(X), expected)
        if delta:  # without an effect, the raw scores decide
            np.testing.assert_allclose(oracle.decision_function(X), calibrated, rtol=1e-12)
        cut = np.maximum(calibrated, 0)
        expected = cut / cut.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(oracle.predict_proba(X), expected, rtol=1e-12)


def test_scores_and_probabilities_include_delta():
    plain = Oracle().fit(X, Y, class_attributes=TABLE)
    raw = plain.uncalibrated_scores(X)
    for delta in (-1.5, 0.2, 3.0):
        oracle = Oracle(delta=delta).fit(X, Y, class_attributes=TABLE)
        calibrated = raw + delta * np.array([1, 0, 0, 1])
        np.testing.assert_array_equal(oracle.decision_function(X), calibrated)
        np.testing.assert_allclose(oracle.predict_proba(X), softmax(calibrated, axis=1), rtol=1e-14)
        np.testing.assert_array_equal(oracle.uncalibrated_scores(X), raw)
        best = oracle.classes_[calibrated.argmax(axis=1)]
        np.testing.assert_array_equal(oracle.predict(X), best)


def test_infinite_delta_leaves_one_kind_of_classes():
    for delta, kept in ((np.inf, [0, 3]), (-np.inf, [1, 2])):
        oracle = Oracle(delta=delta).fit(X, Y, class_attributes=TABLE)
        scores, shares = oracle.decision_function(X), oracle.predict_proba(X)
        raw = oracle.uncalibrated_scores(X)
        np.testing.assert_array_equal(scores[:, kept], raw[:, kept])
        assert np.isneginf(np.delete(scores, kept, axis=1)).all()
        np.testing.assert_allclose(shares[:, kept], softmax(raw[:, kept], axis=1), rtol=1e-15)
        assert not np.delete(shares, kept, axis=1).any()


def test_a_copy_with_other_classes(oracle):
    new = ClassAttributes([[0, 0, 9], [0, 6, 0], [1, 0, 0]], labels=["eel", "fly", "cat"])
    changed = oracle.with_class_attributes(new)
    assert changed.classes_.tolist() == ["cat", "eel", "fly"]
    assert changed.seen_classes_.tolist() == ["cat"]
    assert changed.unseen_classes_.tolist() == ["eel", "fly"]
    assert oracle.classes_.tolist() == ["ant", "bee", "cat", "whale"]
    np.testing.assert_array_equal(
        changed.decision_function(X), oracle.decision_function(X, class_attributes=new)
    )
    with pytest.raises(TypeError, match="new classes need names"):
        oracle.with_class_attributes(np.eye(3))


def test_probabilities_are_taken_among_the_candidates():
    oracle = Oracle(delta_scale="probability").fit(X, Y, class_attributes=TABLE)
    scores = oracle.decision_function(X)
    on_scale = oracle.calibration_scores(scores, candidates=["whale", "bee"])
    np.testing.assert_allclose(on_scale, softmax(scores[:, [1, 3]], axis=1), rtol=1e-15)
    oracle.delta_scale = "logit"
    np.testing.assert_array_equal(
        oracle.calibration_scores(scores, candidates=["cat", "ant"]), scores[:, [0, 2]]
    )


def test_delta_has_no_say_within_one_side():
    oracle = Oracle(delta=100.0).fit(X, Y, class_attributes=TABLE)
    plain = Oracle().fit(X, Y, class_attributes=TABLE)
    for candidates in ("seen", "unseen"):
        np.testing.assert_array_equal(
            oracle.predict(X, candidates=candidates), plain.predict(X, candidates=candidates)
        )


def test_saturated_probabilities_do_not_decide_ties():
    oracle = Oracle(delta_scale="probability").fit(X, Y, class_attributes=TABLE)
    scores = np.array([[0.0, 1e4, 1e4 + 1e-8, 0.0]])
    assert oracle.predict_from_uncalibrated(scores).tolist() == ["cat"]


def test_new_classes_after_fit(oracle):
    new = ClassAttributes([[0, 0, 9], [0, 6, 0], [1, 0, 0]], labels=["eel", "fly", "cat"])
    assert oracle.predict(X, class_attributes=new).tolist() == ["fly", "fly", "fly"]
    assert oracle.predict(X, candidates="seen", class_attributes=new).tolist() == ["cat"] * 3
    assert oracle.decision_function(X, class_attributes=new).shape == (3, 3)
    frame = new.to_frame()
    assert oracle.predict(X, class_attributes=frame).tolist() == ["fly", "fly", "fly"]
    scores = oracle.decision_function(X, class_attributes=new)
    assert oracle.predict_from_uncalibrated(scores, class_attributes=new).tolist() == ["fly"] * 3


def test_new_classes_are_checked(oracle):
    with pytest.raises(ValueError, match="has 2 attributes, at fit it had 3"):
        oracle.predict(X, class_attributes=ClassAttributes(np.eye(2)))
    with pytest.raises(TypeError, match=r"found ndarray: new classes need names"):
        oracle.predict(X, class_attributes=np.eye(3))
    with pytest.raises(TypeError, match="candidates are class labels"):
        oracle.predict(X, candidates=TABLE)
    other = ClassAttributes(np.eye(3), attribute_names=["a", "b", "c"])
    with pytest.raises(ValueError, match="attribute 0 'a', at fit it was 'attribute_0'"):
        oracle.predict(X, class_attributes=other)


def test_two_classes_follow_the_binary_convention():
    table = ClassAttributes(np.eye(2), labels=["no", "yes"])
    oracle = Oracle(delta=0.3).fit(X[:, :2], ["no"] * 3, class_attributes=table)
    scores = oracle.decision_function(X[:, :2])
    np.testing.assert_allclose(scores, X[:, 1] - X[:, 0] + 0.3)
    expected = np.where(scores > 0, "yes", "no")
    np.testing.assert_array_equal(oracle.predict(X[:, :2]), expected)
    raw = oracle.uncalibrated_scores(X[:, :2])
    np.testing.assert_array_equal(raw, X[:, :2])
    np.testing.assert_array_equal(oracle.predict_from_uncalibrated(raw), expected)
    np.testing.assert_allclose(oracle.predict_proba(X[:, :2])[:, 1], expit(scores))


def test_scores_of_the_wrong_width_are_refused(oracle):
    with pytest.raises(ValueError, match=r"one column for each of the 4 .* shape \(3, 2\)"):
        oracle.predict_from_uncalibrated(np.zeros((3, 2)))


def test_score_is_the_mean_over_classes(oracle):
    assert oracle.score(X, Y, candidates="seen") == 1.0
    assert oracle.score(X, ["cat", "cat", "cat"], candidates="seen") == pytest.approx(2 / 3)
    assert oracle.score(X, ["bee", "bee", "cat"], candidates="seen") == pytest.approx(0.75)


# -- the table -------------------------------------------------------------------------------------


def test_no_table_describes_each_class_by_itself():
    table = check_class_attributes(None, np.array(["b", "a", "b"]))
    np.testing.assert_array_equal(table.values, np.eye(2))
    assert table.labels.tolist() == ["a", "b"]


def test_bare_array_describes_row_numbers():
    table = check_class_attributes(np.eye(4), np.array([2, 0, 2, 1, 1]))
    assert table.labels.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("table", "y", "message"),
    [
        (np.eye(4), ["cat", "bee"], "bare array.*such as .'bee', 'cat'.*ClassAttributes"),
        (np.eye(4), [0, 4], "bare array of 4 rows.*from 0 to 4"),
        (np.eye(4), [-1, 0], "from -1 to 0"),
        (np.eye(3), [0, 1, 2], "as many rows as there are samples.*slices"),
        (pd.DataFrame(np.eye(2), index=["a", "b"]), ["a", "b"], "as many rows .*from_frame"),
        (pd.DataFrame(np.eye(2), index=["a", "b"]), ["a", "c", "a"], "not described.*'c'"),
        (TABLE, ["cat", "dog"], "not described.*'dog'"),
    ],
)
def test_tables_that_do_not_fit_are_refused(table, y, message):
    with pytest.raises(ValueError, match=message):
        check_class_attributes(table, np.array(y))


# -- X and y ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X_bad", "message"),
    [
        (np.zeros((3, 2, 4)), "X has 4 features, but Oracle is expecting 3"),
        (np.zeros((3, 2)), "X has 2 features, but Oracle is expecting 3"),
        (np.zeros((3, 2, 2, 3)), r"found shape \(3, 2, 2, 3\)"),
        (np.zeros((3, 0, 3)), r"found shape \(3, 0, 3\)"),
        (np.zeros(3), "1D array"),
    ],
)
def test_wrong_width_or_rank(oracle, X_bad, message):
    with pytest.raises(ValueError, match=message):
        oracle.predict(X_bad)


def test_labels_are_needed_and_as_many_as_samples():
    with pytest.raises(ValueError, match="requires y to be passed"):
        Oracle().fit(X, None)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        Oracle().fit(X, Y[:2])
