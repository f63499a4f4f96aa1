"""What every estimator has to fulfil: scikit-learn's checks and those of zero-shot estimators."""

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from zslearn.calibration import (
    FixedCalibrationClassifier,
    RejectionClassifierCV,
    TunedCalibrationClassifierCV,
)
from zslearn.ensemble import SeedEnsembleClassifier
from zslearn.registry import list_methods, make
from zslearn.utils.discovery import all_estimators
from zslearn.utils.estimator_checks import parametrize_with_zero_shot_checks

# Parameters that make a fit short, where an estimator has them.
SHORT = {
    "max_epochs": 2,
    "critic_iter": 1,
    "n_synthetic": 20,
    **{f"{name}_dim": 16 for name in ("hidden", "latent", "structure", "encoder", "classifier")},
    **{f"{name}_dim": 16 for name in ("embedding", "projection", "comparator")},
    **{f"{name}_dims": (16, 16) for name in ("encoder", "decoder")},
}
# Methods whose products round otherwise where a sample has another place in its batch.
ROUNDED = ["dazle", "free", "hsva", "tfvaegan"]
# Methods that are meant for a card as they come, and trained for long at a low rate.
LONG = list_methods(family="generative")
# What else some of them need to get anywhere in two epochs.
BESIDES = {
    "cada_vae": {"learning_rate": 1.5e-4},
    "ce_gzsl": {"learning_rate": 1e-2, "batch_size": 16},
    "hsva": {"learning_rate": 1.5e-4, "classifier": LogisticRegression(C=100)},
}


def short(name):
    estimator = make(name)
    known = estimator.get_params()
    wanted = SHORT | ({"learning_rate": 0.1} if name in LONG else {}) | BESIDES.get(name, {})
    return estimator.set_params(**{key: wanted[key] for key in wanted if key in known})


METHODS = [short(name) if name in LONG else make(name) for name in list_methods()]
SHORT_METHODS = [short(name) for name in list_methods()]
# Other ways through training, and what holds a method.
OTHERS = [
    short("cvsc").set_params(precision="bfloat16"),
    short("cvsc").set_params(early_stopping=True),
    FixedCalibrationClassifier(short("cvsc"), delta=0.1),
    FixedCalibrationClassifier(short("cvsc"), delta=0.1, delta_scale="probability"),
    TunedCalibrationClassifierCV(short("cvsc"), cv=2, random_state=0),
    RejectionClassifierCV(make("prototypes"), cv=2, random_state=0),
    SeedEnsembleClassifier(short("cvsc"), n_estimators=2),
    SeedEnsembleClassifier(short("cvsc"), n_estimators=2, average="probability"),
]


def beyond_what_holds(estimator):
    """Checks of scikit-learn that ask for what a method does not promise."""
    expected, known = {}, estimator.get_params()
    if type(estimator) in {type(make(name)) for name in ROUNDED}:
        reason = "equal to float32's rounding, see check_samples_apart"
        expected["check_methods_sample_order_invariance"] = reason
        if "classifier" in known:  # at the end, which may take roundings further
            expected["check_methods_subset_invariance"] = reason
    equivalence = "check_sample_weight_equivalence_on_dense_data"
    if "max_epochs" in known:
        expected[equivalence] = "a weight is no repetition where steps are taken on few samples"
    elif known.get("score_scale") == "auto":
        reason = "samples are held out by their place; it holds for a number as score_scale"
        expected[equivalence] = reason
    if "class_weight" in known and "classifier" not in known:
        reason = "scores have no intercept, so that no class is the answer everywhere"
        expected["check_class_weight_classifiers"] = reason
    return expected


# As they come, for scikit-learn's checks ask for accuracy; those of the wrappers are beside them.
@parametrize_with_checks(METHODS, expected_failed_checks=beyond_what_holds)
def test_scikit_learn(estimator, check):
    check(estimator)


def may_fail(estimator):
    if getattr(estimator, "average", None) == "probability":
        reason = "the probability of a class is one among the others"
        return {"check_scores_apart_from_classes": reason}
    if isinstance(estimator, RejectionClassifierCV):
        withheld = ("ordinary_classifier", "candidates", "scores", "label_types")
        reasons = {f"check_{name}": "an answer can be withheld" for name in withheld}
        return reasons | {"check_boolean_labels": "there is no third boolean"}
    return {}


@parametrize_with_zero_shot_checks(SHORT_METHODS + OTHERS, expected_failed_checks=may_fail)
def test_zero_shot(estimator, check):
    check(estimator)


@pytest.mark.parametrize(("name", "cls"), all_estimators("classifier"))
def test_none_is_left_out(name, cls):
    assert cls in {type(estimator) for estimator in SHORT_METHODS + OTHERS}
