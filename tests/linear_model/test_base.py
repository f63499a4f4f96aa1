"""What linear methods share: the mean of the regions that are there, and checks of numbers."""

import numpy as np
import pytest

from zslearn import ClassAttributes
from zslearn.linear_model import (
    ALEClassifier,
    ConSEClassifier,
    DAPClassifier,
    ESZSLClassifier,
    GFZSLClassifier,
    LatEmClassifier,
)
from zslearn.registry import list_methods, make, method_info


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(0.1, 1, size=(7, 5)))
    y = rng.permutation(np.repeat(np.arange(5), 8))
    X = (table.values[y] @ rng.normal(size=(5, 9)))[:, None] + rng.normal(size=(40, 4, 9))
    return X.astype(np.float32), y, table


@pytest.mark.parametrize("name", list_methods(family="linear"))
def test_regions_of_zeros_are_left_out(problem, name):
    X, y, table = problem
    if method_info(name).shared_space:
        X = X[..., : table.n_attributes]
    short = X.copy()
    short[::3, 2:] = 0
    wide = np.concatenate([np.zeros_like(short), short], axis=1)
    ragged = [x[: 2 if i % 3 == 0 else None] for i, x in enumerate(X)]
    params = {"random_state": 0} if "random_state" in make(name).get_params() else {}
    fitted = [
        make(name).set_params(**params).fit(given, y, class_attributes=table)
        for given in (short, wide, ragged)
    ]
    expected = fitted[0].decision_function(short)
    for clf, given in zip(fitted, (short, wide, ragged), strict=True):
        assert np.array_equal(clf.decision_function(given), expected)
    vectors = np.stack([x.astype(np.float64).mean(axis=0) for x in ragged])
    of_means = make(name).set_params(**params).fit(vectors, y, class_attributes=table)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(of_means.decision_function(vectors), expected, atol=1e-9 * scale)


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (ESZSLClassifier(gamma=None), "gamma must be a finite number above 0, found None"),
        (ESZSLClassifier(score_scale=[1.0]), "score_scale must be 'auto' or a number above 0"),
        (GFZSLClassifier(regulariser="1"), "regulariser must be a finite number, 0 or above"),
        (DAPClassifier(threshold=[0.5] * 5), "threshold must be 'mean' or a finite number"),
        (ConSEClassifier(n_top=0.5), "n_top must be a whole number, found 0.5"),
        (ALEClassifier(max_epochs=0.5), "max_epochs must be a whole number, found 0.5"),
        (ALEClassifier(batch_size=2.5), "batch_size must be a whole number, found 2.5"),
        (LatEmClassifier(n_maps=0.5), "n_maps must be a whole number, found 0.5"),
    ],
)
def test_parameters_that_are_no_numbers_or_no_counts_are_named(problem, estimator, message):
    X, y, table = problem
    with pytest.raises(ValueError, match=message):
        estimator.fit(X, y, class_attributes=table)
