"""An autocast of the caller has no part in training and prediction: precision is a parameter."""

import numpy as np
import pytest
import torch

from tests.training.learners import CosineLearner, TwoHeadedLearner, estimator_of
from zslearn import (
    APNClassifier,
    ClassAttributes,
    CVsCClassifier,
    DAZLEClassifier,
    HASClassifier,
)

METHODS = [CVsCClassifier, DAZLEClassifier, APNClassifier, HASClassifier]
METHODS += [estimator_of(one) for one in (CosineLearner, TwoHeadedLearner)]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(0.1, 1, size=(6, 5)))
    y = rng.integers(0, 4, size=60)
    X = table.values[y][:, None, :] @ rng.normal(size=(5, 8)) + rng.normal(size=(60, 3, 8)) * 0.3
    return X.astype(np.float32), y, table


def make(cls, precision):
    return cls(max_epochs=2, batch_size=16, random_state=0, device="cpu", precision=precision)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("cls", METHODS)
def test_scores_are_those_outside(data, cls, precision):
    X, y, table = data
    clf = make(cls, precision).fit(X, y, class_attributes=table)
    names = [
        *("decision_function", "predict_proba", "predict"),
        *("predict_attributes", "attention_maps", "class_embeddings"),
    ]
    methods = [getattr(clf, name) for name in names if hasattr(clf, name)]
    calls = [(one, () if one.__name__ == "class_embeddings" else (X,)) for one in methods]
    outside = [one(*args) for one, args in calls]
    for dtype in (torch.bfloat16, torch.float16):
        with torch.autocast("cpu", dtype):
            inside = [one(*args) for one, args in calls]
            assert torch.is_autocast_enabled("cpu")  # the caller's again
        for found, expected in zip(inside, outside, strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("cls", METHODS[:5])
def test_training_is_that_outside(data, cls, precision, early_stopping):
    X, y, table = data
    fits = []
    for enabled in (False, True):
        clf = make(cls, precision).set_params(early_stopping=early_stopping)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            clf.fit(X, y, class_attributes=table)
            clf.set_params(early_stopping=False).partial_fit(X, y)
        fits.append(list(clf.net_.module_.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(*fits, strict=True))
