"""Fixtures of the tests of finetuning."""

import pytest

from tests.finetuning.problems import fine_tuned, fit, pictures


@pytest.fixture(scope="session")
def problem():
    """Pictures and labels; nobody may change them."""
    X, y = pictures()
    X.flags.writeable = False
    return X, y


@pytest.fixture(scope="session")
def fitted(problem):
    """A fitted estimator that nobody may change."""
    return fit(fine_tuned(), *problem)
