"""What deep estimators tell of their scores."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from zslearn import ClassAttributes, CVsCClassifier
from zslearn.attention import CVsCObjective

TABLE = ClassAttributes([[0, 3, 4], [5, 0, 0], [2, 2, 1]], labels=["c", "a", "b"])


def fit(**params):
    X = np.random.default_rng(0).normal(size=(12, 3, 6))
    clf = CVsCClassifier(max_epochs=1, head="own", random_state=0, **params)
    return clf.fit(X, np.tile(["a", "b"], 6), class_attributes=TABLE), X


def test_embeddings_are_scaled_rows_of_unit_length():
    clf, _ = fit(objective=CVsCObjective(scale=3.0))
    embeddings = clf.class_embeddings()
    assert clf.classes_.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(embeddings, [[3, 0, 0], [2, 2, 1], [0, 1.8, 2.4]], rtol=1e-6)
    assert embeddings.dtype == np.float32
    other = ClassAttributes([[0, 0, 7], [0, 2, 0]], labels=["z", "y"])
    np.testing.assert_allclose(clf.class_embeddings(other), [[0, 3, 0], [0, 0, 3]], rtol=1e-6)


def test_scores_are_products_with_embeddings():
    clf, X = fit(objective=CVsCObjective(scale=0.3))
    expected = clf.predict_attributes(X) @ clf.class_embeddings().T
    np.testing.assert_allclose(clf.uncalibrated_scores(X), expected, rtol=1e-5, atol=1e-6)


def test_embeddings_need_a_fit_and_the_same_attributes():
    with pytest.raises(NotFittedError):
        CVsCClassifier(head="own").class_embeddings()
    clf, _ = fit()
    with pytest.raises(ValueError, match="has 2 attributes, at fit it had 3"):
        clf.class_embeddings(ClassAttributes([[1, 2], [2, 1]]))
