"""Cosines with classes described in the samples' own space."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics.pairwise import cosine_similarity

from zslearn._data._score_scale import fit_score_scale, held_out_rows
from zslearn.attributes import ClassAttributes
from zslearn.exceptions import ClassDescriptionWarning
from zslearn.linear_model import CosineClassifier

CLOSE = {"rtol": 0, "atol": 1e-12}


def problem(n_seen=4):
    rng = np.random.default_rng(0)
    texts = rng.normal(size=(6, 7))
    y = np.arange(60) % 6
    X = 3 * texts[y] + rng.normal(size=(60, 7))
    seen = y < n_seen
    return X, y, ClassAttributes(texts), seen


def test_scores_are_cosines():
    X, y, texts, seen = problem()
    clf = CosineClassifier(score_scale=100.0).fit(X[seen], y[seen], texts)
    assert_allclose(clf.decision_function(X), 100 * cosine_similarity(X, texts.values), **CLOSE)
    other = ClassAttributes(-texts.values[:3], labels=["a", "b", "c"])
    expected = -100 * cosine_similarity(X, texts.values[:3])
    assert_allclose(clf.decision_function(X, class_attributes=other), expected, **CLOSE)
    assert clf.score(X[~seen], y[~seen], candidates="unseen") > 0.9


def test_samples_decide_the_scale_alone():
    X, y, texts, seen = problem()
    clf = CosineClassifier().fit(X[seen], y[seen], texts)
    held = held_out_rows(y[seen])
    cosines = cosine_similarity(X[seen][held], texts.values[:4])
    assert_allclose(clf.score_scale_, fit_score_scale(cosines, y[seen][held]), rtol=1e-6)
    raw = CosineClassifier(1.0).fit(X[seen][::-1], y[seen][::-1], texts)
    assert_allclose(clf.decision_function(X), clf.score_scale_ * raw.decision_function(X), **CLOSE)


def test_no_unseen_class_and_one_seen_class():
    X, y, texts, _ = problem()
    clf = CosineClassifier().fit(X, y, texts)
    assert not len(clf.unseen_classes_)
    assert_array_equal(clf.predict(X), cosine_similarity(X, texts.values).argmax(axis=1))
    clf = CosineClassifier().fit(X[y == 3], y[y == 3], texts)
    assert clf.score_scale_ == 1.0
    assert clf.score(X[y != 3], y[y != 3], candidates="unseen") > 0.9


def test_without_a_table_classes_are_mean_directions():
    X, y, _, _ = problem()
    with pytest.warns(ClassDescriptionWarning, match="mean direction of its samples"):
        clf = CosineClassifier(1.0).fit(X, y)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    means = np.array([unit[y == c].mean(axis=0) for c in range(6)])
    assert_allclose(clf.class_attributes_.values, means, **CLOSE)
    assert_allclose(clf.decision_function(X), cosine_similarity(X, means), **CLOSE)


def test_refuses_another_space_and_what_is_not_finite():
    X, y, texts, _ = problem()
    message = "class_attributes has vectors of 7 values, but X has 6 features: cosines need"
    with pytest.raises(ValueError, match=message):
        CosineClassifier().fit(X[:, :6], y, texts)
    X[-1] = np.inf
    for scale in ("auto", 1.0):
        with pytest.raises(ValueError, match="infinity"):
            CosineClassifier(scale).fit(X, y, texts)
