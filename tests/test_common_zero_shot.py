"""What every zero-shot estimator has to fulfil: our own checks."""

import pytest

from tests.common_methods import OTHERS, SHORT_METHODS, SHORT_RELATED
from zslearn.calibration import RejectionClassifierCV
from zslearn.utils.estimator_checks import parametrize_with_zero_shot_checks


def may_fail(estimator):
    if getattr(estimator, "average", None) == "probability":
        reason = "the probability of a class is one among the others"
        return {"check_scores_apart_from_classes": reason}
    if isinstance(estimator, RejectionClassifierCV):
        withheld = ("ordinary_classifier", "candidates", "scores", "label_types", "new_table")
        reasons = {f"check_{name}": "an answer can be withheld" for name in withheld}
        return reasons | {"check_boolean_labels": "there is no third boolean"}
    return {}


@parametrize_with_zero_shot_checks(SHORT_METHODS + OTHERS, expected_failed_checks=may_fail)
def test_zero_shot(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_zero_shot_checks(SHORT_RELATED)
def test_zero_shot_of_relatives(estimator, check):
    check(estimator)
