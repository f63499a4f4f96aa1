"""Scores as sums over attributes: there where it is so, and what they are by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from zslearn.attributes import ClassAttributes
from zslearn.inspection import SemanticExplanationDisplay
from zslearn.linear_model import (
    ALEClassifier,
    AttributeRidgeClassifier,
    ConSEClassifier,
    DAPClassifier,
    ESZSLClassifier,
    ESZSLClassifierCV,
    GFZSLClassifier,
    LatEmClassifier,
    PrototypeRegressionClassifier,
    SAEClassifier,
    SAEClassifierCV,
)

TO_SEMANTIC, TO_VISUAL = "visual_to_semantic", "semantic_to_visual"
SUMS = [
    ESZSLClassifier(),
    ESZSLClassifier(center=False, attribute_scaling=None),
    ESZSLClassifierCV(cv=2),
    AttributeRidgeClassifier(),
    AttributeRidgeClassifier(similarity="cosine", center=False),
    SAEClassifier(direction=TO_SEMANTIC),
    SAEClassifier(direction=TO_SEMANTIC, normalize_projection=True),
    SAEClassifierCV(direction=TO_SEMANTIC, cv=2),
    ALEClassifier(random_state=0),
    ConSEClassifier(n_top=2),
    DAPClassifier(),
    DAPClassifier(indirect=True, threshold=0.0),
]
OTHERS = [
    AttributeRidgeClassifier(similarity="euclidean"),
    AttributeRidgeClassifier(direction=TO_VISUAL, similarity="dot"),
    SAEClassifier(),
    SAEClassifierCV(),
    PrototypeRegressionClassifier(kernel="linear"),
    LatEmClassifier(),
    GFZSLClassifier(),
]


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(8, 5))
    table[:6, 4] = 1.0  # no seen class is without it: DAP cannot learn it
    y = np.repeat(np.arange(6), 12)
    X = table[y] @ rng.normal(size=(5, 9)) + rng.normal(size=(72, 9)) + 1
    return X, y, ClassAttributes(table)


@pytest.mark.parametrize("clf", SUMS, ids=repr)
def test_scores_are_sums_over_attributes(problem, clf):
    X, y, table = problem
    clf.fit(X, y, class_attributes=table)
    semantics = clf.predict_attributes(X)
    new = ClassAttributes(table.values[:3, ::-1] + 0.1, labels=["c", "a", "b"])
    for given in (None, new):
        scores = clf.decision_function(X, class_attributes=given)
        close = {"rtol": 0, "atol": 1e-12 * np.abs(scores).max()}
        assert_allclose(semantics @ clf.class_embeddings(given).T, scores, **close)
    assert np.linalg.matrix_rank(semantics) > 1
    display = SemanticExplanationDisplay.from_estimator(clf, X[:1], target=0, other=7)
    first = clf.decision_function(X[:1])[0]
    assert display.score_difference == pytest.approx(first[0] - first[7], rel=1e-9)


@pytest.mark.parametrize("clf", OTHERS, ids=repr)
def test_absent_where_they_are_not(problem, clf):
    X, y, table = problem
    for _ in ("before", "after"):
        assert not hasattr(clf, "predict_attributes")
        assert not hasattr(clf, "class_embeddings")
        clf = clf.fit(X, y, class_attributes=table)


def test_what_they_are(problem):
    X, y, table = problem
    clf = AttributeRidgeClassifier(scaling=None, attribute_scaling=None, score_scale=2.0)
    clf.fit(X, y, class_attributes=table)
    centred, answers = X - X.mean(axis=0), table.values[y] - table.values[:6].mean(axis=0)
    coef = np.linalg.solve(centred.T @ centred + np.eye(9), centred.T @ answers)
    assert_allclose(clf.predict_attributes(X), 2 * (centred @ coef), rtol=0, atol=1e-10)
    expected = table.values - table.values[:6].mean(axis=0)
    assert_allclose(clf.class_embeddings(), expected, rtol=0, atol=1e-14)


def test_an_attribute_that_cannot_be_learnt_counts_for_nothing(problem):
    X, y, table = problem
    clf = DAPClassifier(threshold=0.5).fit(X, y, class_attributes=table)
    assert not clf.predict_attributes(X)[:, 4].any()
    assert set(np.unique(clf.class_embeddings())) == {0.0, 1.0}
