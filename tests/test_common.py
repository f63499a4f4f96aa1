"""What every estimator has to fulfil: scikit-learn's checks."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from tests.common_methods import (
    METHODS,
    OTHERS,
    RELATED_METHODS,
    SHORT_METHODS,
    SHORT_RELATED,
    SMALL_NETWORK,
    beyond_what_holds,
)
from zslearn.finetuning import FineTunedClassifier
from zslearn.registry import make
from zslearn.utils.discovery import all_estimators


# Those of the wrappers are beside them.
@parametrize_with_checks(
    [*METHODS, FineTunedClassifier(SMALL_NETWORK, make("cvsc"))],
    expected_failed_checks=beyond_what_holds,
)
def test_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(RELATED_METHODS, expected_failed_checks=beyond_what_holds)
def test_scikit_learn_of_relatives(estimator, check):
    check(estimator)


@pytest.mark.parametrize(("name", "cls"), all_estimators("classifier"))
def test_none_is_left_out(name, cls):
    assert cls in {type(estimator) for estimator in SHORT_METHODS + SHORT_RELATED + OTHERS}
