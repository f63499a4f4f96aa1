"""Every method, small and fitted in moments, for the checks that all of them have to pass."""

from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

from zslearn.calibration import (
    FixedCalibrationClassifier,
    RejectionClassifierCV,
    TunedCalibrationClassifierCV,
)
from zslearn.ensemble import SeedEnsembleClassifier
from zslearn.feature_extraction import ImageClassifier, TimmRegionExtractor
from zslearn.finetuning import FineTunedClassifier
from zslearn.registry import list_methods, make, method_info

# Parameters that make a fit short, where an estimator has them.
SHORT = {
    "max_epochs": 2,
    "critic_iter": 1,
    "n_synthetic": 20,
    **{f"{name}_dim": 16 for name in ("hidden", "latent", "structure", "encoder", "classifier")},
    **{f"{name}_dim": 16 for name in ("embedding", "projection", "comparator")},
    **{f"{name}_dims": (16, 16) for name in ("encoder", "decoder")},
}
SMALL_NETWORK = TimmRegionExtractor(
    "test_vit",
    pretrained=False,
    model_kwargs={"depth": 1, "embed_dim": 32},
    image_size=32,
    precision="float32",
)
# Widths of what is behind such a network.
NARROW = {"width": 16, "n_heads": 2, "inner_dim": 32, "mix_dim": 8, "attribute_dim": 6}
# Methods whose products round otherwise where a sample has another place in its batch.
ORDER, SUBSET = "check_methods_sample_order_invariance", "check_methods_subset_invariance"
ROUNDED = {
    "dazle": [ORDER],
    "free": [ORDER, SUBSET],
    "hsva": [ORDER, SUBSET],
    "tfvaegan": [ORDER, SUBSET],
    "transzero": [SUBSET],
}
# Methods that are meant for a card as they come, and trained for long at a low rate.
LONG = list_methods(family="generative")
# What else some of them need to get anywhere in two epochs.
BESIDES = {
    "cada_vae": {"learning_rate": 1.5e-4},
    "ce_gzsl": {"learning_rate": 1e-2, "batch_size": 16},
    "free": {"classifier_learning_rate": 0.05},
    "hsva": {"learning_rate": 1.5e-4, "classifier": LogisticRegression(C=100)},
    "tfvaegan": {"classifier_learning_rate": 0.05},
}


def short(name):
    estimator = make(name)
    known = estimator.get_params()
    wanted = SHORT | ({"learning_rate": 0.1} if name in LONG else {}) | BESIDES.get(name, {})
    if "extractor" in known:
        wanted |= {"extractor": SMALL_NETWORK} | NARROW
    return estimator.set_params(**{key: wanted[key] for key in wanted if key in known})


# Sizes and steps that make a fit short and still accurate.
SMALL = {"transzero": {"dim": 32, "dim_feedforward": 32, "learning_rate": 1e-2}}
SHORT_METHODS = [short(name) for name in list_methods()]
# As they come, for scikit-learn's checks ask for accuracy; networks for pictures are small ones,
# and most checks are of features: tests/finetuning/test_picture_methods.py has the others.
METHODS = [
    estimator
    if method_info(name).input == "pictures" or name in LONG
    else make(name).set_params(**SMALL.get(name, {}))
    for name, estimator in zip(list_methods(), SHORT_METHODS, strict=True)
]
# Relatives of others, whose checks take long.
RELATIVES = ["ce_gzsl", "duet", "free", "fvaegan", "hsva", "ieam", "psvma", "tfvaegan"]


def split(estimators):
    """Return those that are checked in every run, and their relatives."""
    types = {type(make(name)) for name in RELATIVES}
    parts = [[one for one in estimators if (type(one) in types) == told] for told in (False, True)]
    return parts[0], parts[1]


METHODS, RELATED_METHODS = split(METHODS)
SHORT_METHODS, SHORT_RELATED = split(SHORT_METHODS)
# Other ways through training, and what holds a method.
OTHERS = [
    short("cvsc").set_params(precision="bfloat16"),
    short("cvsc").set_params(early_stopping=True),
    FixedCalibrationClassifier(short("cvsc"), delta=0.1),
    FixedCalibrationClassifier(short("cvsc"), delta=0.1, delta_scale="probability"),
    TunedCalibrationClassifierCV(short("cvsc"), cv=2, random_state=0),
    RejectionClassifierCV(make("prototypes"), cv=2, random_state=0),
    ImageClassifier(FunctionTransformer(), make("eszsl")),
    SeedEnsembleClassifier(short("cvsc"), n_estimators=2),
    FineTunedClassifier(SMALL_NETWORK, make("cvsc", max_epochs=1, head="own")),
    SeedEnsembleClassifier(short("cvsc"), n_estimators=2, average="probability"),
]


def beyond_what_holds(estimator):
    """Checks of scikit-learn that ask for what a method does not promise."""
    expected, known = {}, estimator.get_params()
    for name, checks in ROUNDED.items():
        if type(estimator) is type(make(name)):
            reason = "equal to float32's rounding, see check_samples_apart"
            expected |= dict.fromkeys(checks, reason)
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
