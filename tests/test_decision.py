"""Decisions from class scores: exact, whatever the blocks, in little memory."""

import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator

from zslearn import CVsCClassifier, _decision
from zslearn._calibrated import check_calibration
from zslearn._decision import by_row_blocks, decide, row_blocks
from zslearn.base import ZeroShotClassifierMixin

LABELS = np.array(["ant", "bee", "cat"])


def call(blocks, delta=0.0, scale="logit", unseen=(False, False, True), columns=(0, 1, 2)):
    columns = np.array(columns)
    return decide(blocks, LABELS[columns], np.array(unseen)[columns], delta, scale, columns)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_by_hand(dtype):
    scores = np.array([[2.0, 1.0, 1.5], [0.0, 3.0, 1.0], [1.0, 1.0, 0.0]], dtype=dtype)
    assert call([scores]).tolist() == ["ant", "bee", "ant"]
    assert call([scores], 0.5).tolist() == ["ant", "bee", "ant"]  # a tie goes to the first
    assert call([scores], 0.75).tolist() == ["cat", "bee", "ant"]
    assert call([scores], np.inf).tolist() == ["cat"] * 3
    assert call([scores], -np.inf).tolist() == ["ant", "bee", "ant"]
    assert call([scores], 9.0, columns=(0, 1)).tolist() == ["ant", "bee", "ant"]
    # Softmax of the second row: .042, .844, .114; of the first: .506, .186, .307.
    assert call([scores], 0.25, "probability").tolist() == ["cat", "bee", "ant"]
    assert call([scores[:1], scores[1:]], 2.5).tolist() == ["cat", "cat", "cat"]
    assert call([]).tolist() == []


def test_rows_without_a_best_class_are_counted_over_all_blocks():
    scores = np.zeros((6, 3))
    scores[1, 0], scores[5, 2] = np.nan, np.inf
    with pytest.raises(ValueError, match=r"for 2 sample\(s\), rows \[1, 5\]"):
        call([scores[:4], scores[4:]])
    assert call([scores], columns=(1,)).tolist() == ["bee"] * 6  # they are of no candidate


@pytest.mark.parametrize("delta", [np.nan, float("nan"), "much", None, 10**400, [1, 2], 1j])
def test_a_delta_that_is_no_number(delta):
    with pytest.raises(ValueError, match="delta (is NaN|must be a number, found)"):
        check_calibration(delta, "logit")


def test_numbers_of_any_kind():
    assert check_calibration(2**64, "logit") == 2.0**64
    assert (
        check_calibration(Fraction(1, 2), "logit")
        == check_calibration(np.float16(0.5), "logit")
        == 0.5
    )
    scores = np.array([[2.0, 1.0, 1.5]])
    assert call([scores], 2**64).tolist() == ["cat"]
    with pytest.raises(ValueError, match="delta_scale must be 'logit' or 'probability', found 'x'"):
        call([scores], scale="x")


@given(st.integers(0, 40), st.integers(1, 12), st.integers(1, 400), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_blocks_have_no_effect(n, n_classes, n_bytes, seed):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n, n_classes)).astype(np.float32)
    unseen, labels = rng.random(n_classes) < 0.5, np.arange(n_classes) * 3
    scale, delta = rng.choice(["logit", "probability"]), rng.normal()
    cuts = np.sort(rng.integers(0, n + 1, size=3))
    arguments = labels, unseen, delta, scale, np.arange(n_classes)
    expected = decide([scores], *arguments)
    doubled = by_row_blocks(lambda rows: 2.0 * rows, scores)
    before, _decision._BLOCK_BYTES = _decision._BLOCK_BYTES, n_bytes
    try:
        np.testing.assert_array_equal(decide(np.split(scores, cuts), *arguments), expected)
        np.testing.assert_array_equal(by_row_blocks(lambda rows: 2.0 * rows, scores), doubled)
        covered = [row for rows in row_blocks(n, n_classes) for row in range(n)[rows]]
        assert covered == list(range(n))
    finally:
        _decision._BLOCK_BYTES = before


class Scored(ZeroShotClassifierMixin, BaseEstimator):
    """Scores in float32, all at once, that cost no more memory than they take."""

    def __init__(self, delta=2.0):
        self.delta = delta

    def fit(self, X, y, class_attributes=None):
        with self._fitting_anew():
            X, y, classes = self._check_fit(X, y, class_attributes)
            self._set_classes(classes)
        return self

    def _class_scores(self, X, table):
        X = self._check_X(X, reset=False)
        scores = np.empty((len(X), table.n_classes), dtype=np.float32)
        scores[:] = np.sin(np.arange(table.n_classes))
        return scores


def peak_of(call):
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


N, N_CLASSES = 20_000, 400


@pytest.fixture(scope="module")
def many():
    rng = np.random.default_rng(0)
    table = rng.random((N_CLASSES, 8)) + 0.1
    X = rng.normal(size=(N, 1, 8)).astype(np.float32)
    return X, np.arange(100).repeat(2), table


@pytest.mark.parametrize("delta", [0.0, 2.0, np.inf])
def test_memory_of_prediction_from_scores_that_come_at_once(many, delta):
    X, y, table = many
    clf = Scored(delta).fit(X[:200], y, class_attributes=table)
    n_bytes = 4 * N * N_CLASSES
    assert peak_of(lambda: clf.predict(X)) < 1.5 * n_bytes
    assert peak_of(lambda: clf.predict(X, candidates="unseen")) < 1.5 * n_bytes
    # The probabilities in float64 are twice as large as the scores they are made of.
    assert peak_of(lambda: clf.predict_proba(X)) < 3.4 * n_bytes


def test_deep_prediction_takes_the_memory_of_a_chunk(many):
    """Their scores are torch's, whose memory is not traced; what numpy holds of them is."""
    X, y, table = many
    clf = CVsCClassifier(max_epochs=1, device="cpu", random_state=0, delta=0.0)
    clf.fit(X[:200], y, class_attributes=table)
    scores = clf.decision_function(X)
    clf.set_params(delta=2.0)
    unseen = np.isin(clf.classes_, clf.unseen_classes_)
    assert peak_of(lambda: clf.predict(X)) < 0.5 * scores.nbytes
    expected = clf.classes_[(scores.astype(np.float64) + 2.0 * unseen).argmax(axis=1)]
    np.testing.assert_array_equal(clf.predict(X), expected)


def test_a_subclass_with_scores_of_its_own_is_asked(many):
    class Reversed(CVsCClassifier):
        def _class_scores(self, X, table):
            return -super()._class_scores(X, table)

    X, y, table = many
    options = {"max_epochs": 1, "device": "cpu", "random_state": 0, "delta": 0.0}
    clf = Reversed(**options).fit(X[:200], y, class_attributes=table)
    plain = CVsCClassifier(**options).fit(X[:200], y, class_attributes=table)
    expected = plain.classes_[plain.decision_function(X[:50]).argmin(axis=1)]
    np.testing.assert_array_equal(clf.predict(X[:50]), expected)
