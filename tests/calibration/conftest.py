"""A problem of sixteen classes."""

import numpy as np
import pytest

from tests.calibration.classifiers import NAMES
from zslearn import ClassAttributes


@pytest.fixture(scope="module")
def problem():
    """Sixteen classes by six attributes, of which twelve have samples to train on."""
    rng = np.random.default_rng(0)
    values = np.unique(rng.integers(0, 2, size=(200, 6)), axis=0)[1:]
    values = rng.permutation(values)[:16].astype(float)
    labels = np.repeat(np.arange(16), 15)
    X = values[labels] @ rng.normal(size=(6, 10)) + rng.normal(scale=1.2, size=(240, 10))
    table = ClassAttributes(values, labels=NAMES)
    return X, NAMES[labels], table, labels < 12


@pytest.fixture(scope="module")
def train(problem):
    X, y, table, seen = problem
    return X[seen], y[seen], table
