"""What linear methods share: the mean of the regions that are there."""

import numpy as np
import pytest

from zslearn import ClassAttributes
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
