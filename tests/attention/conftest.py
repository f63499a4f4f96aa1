"""A problem of ten classes and CVsC fitted to it; other methods have problems of their own."""

import numpy as np
import pytest

from tests.attention.cvsc_problem import NAMES, small
from zslearn import ClassAttributes


@pytest.fixture(scope="module")
def problem():
    """Ten classes by five attributes; pictures of eight of them, made from their attributes."""
    rng = np.random.default_rng(0)
    values = np.array(
        [[(c >> k) & 1 for k in range(5)] for c in (1, 2, 4, 8, 16, 6, 24, 19, 3, 20)]
    )
    mixing = rng.normal(size=(5, 16))
    labels = np.repeat(np.arange(10), 12)
    X = values[labels][:, None, :] @ mixing + rng.normal(size=(120, 4, 16)) * 0.3
    table = ClassAttributes(values, labels=NAMES, attribute_names=[f"has_{k}" for k in "abcde"])
    return X.astype(np.float32), NAMES[labels], table, labels < 8


@pytest.fixture(scope="module")
def fitted(problem):
    X, y, table, seen = problem
    return small().fit(X[seen], y[seen], class_attributes=table)
