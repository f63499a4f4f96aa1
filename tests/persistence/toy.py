"""Small estimators to save, shared by the tests and by the processes that these start."""

from dataclasses import dataclass, field

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    RobustScaler,
    StandardScaler,
)

from zslearn import ClassAttributes
from zslearn.base import ZeroShotClassifierMixin
from zslearn.persistence import register_saved_type


class Holder(BaseEstimator):
    """Has a parameter and an attribute of any value."""

    def __init__(self, value=None):
        self.value = value

    def fit(self, X=None, y=None):
        return self


class LinearZeroShot(ZeroShotClassifierMixin, BaseEstimator):
    """Ridge regression of attributes on features."""

    def __init__(self, gamma=1.0, device="cpu"):
        self.gamma = gamma
        self.device = device

    def fit(self, X, y, class_attributes=None):
        X, y, classes = self._check_fit(X, y, class_attributes)
        X = np.asarray(X, dtype=np.float64).reshape(len(X), -1)
        gram = X.T @ X + self.gamma * np.eye(X.shape[1])
        self.coef_ = np.linalg.solve(gram, X.T @ classes.values[classes.targets(y)]).T.copy().T
        self._set_classes(classes)
        return self

    def _class_scores(self, X, table):
        return self._check_X(X, reset=False).reshape(len(X), -1) @ self.coef_ @ table.values.T


class Plain:
    """Neither estimator nor dataclass."""

    def __init__(self, size):
        self.size = size
        self.grown = False

    def __eq__(self, other):
        return vars(self) == vars(other)


@dataclass(frozen=True)
class Settings:
    """A frozen dataclass with a cache."""

    name: str
    weights: tuple
    cache: list = field(default_factory=list, compare=False)


class Stateful(BaseEstimator):
    """Says itself what is saved."""

    def __init__(self, size=1):
        self.size = size

    def _get_saved_state(self):
        return {"double": 2 * self.size}

    def _set_saved_state(self, state):
        if state.keys() != {"double"}:
            raise KeyError("double")
        self.half_ = state["double"] / 4


def register():
    """Make the classes above known to `save` and `load`."""
    for kind in (Holder, LinearZeroShot, Plain, Settings, Stateful):
        register_saved_type(f"toy.{kind.__name__}", kind)


def problem(n_regions=4):
    """(X, y, table): five classes, of which the last has no samples."""
    rng = np.random.default_rng(0)
    table = ClassAttributes(
        [[1, 0, 0.3], [0, 1, 0.2], [0, 0.1, 1], [1, 1, 0], [0, 1, 1]],
        labels=["sky", "sea", "sand", "bay", "beach"],
        attribute_names=["blue", "wet", "bright ☀"],
        word_vectors=rng.normal(size=(3, 5)),
    )
    y = rng.choice(["sky", "sea", "sand", "bay"], size=120)
    mixed = table.values[table.index_of(y)] @ rng.normal(size=(3, 6))
    X = mixed[:, None] + rng.normal(scale=0.3, size=(120, n_regions, 6))
    return (X[:, 0] if n_regions == 1 else X), y, table


def light_models():
    """{name: (fitted estimator, X)} of those that need no torch."""
    from zslearn.feature_extraction import PatchDictionaryExtractor

    X, y, table = problem(1)
    pictures = np.random.default_rng(1).random((24, 16, 16, 3))
    patches = PatchDictionaryExtractor(
        n_atoms=8, grid_shape=(2, 2), positions=True, dtype="float16", random_state=0
    )
    models = {
        "linear": (LinearZeroShot().fit(X, y, table), X),
        "patches": (patches.fit(pictures), pictures),
        "frozen": (FrozenEstimator(LinearZeroShot().fit(X, y, table)), X),
        "scaled": (
            make_pipeline(
                StandardScaler(),
                MinMaxScaler(),
                MaxAbsScaler(),
                RobustScaler(),
                PCA(4, random_state=np.random.RandomState(3)),
                Normalizer(),
                LinearZeroShot(),
            ).fit(X, y, linearzeroshot__class_attributes=table),
            X,
        ),
    }
    return models


def deep_models():
    """{name: (fitted estimator, X)} of those that are trained by torch, and what is around them."""
    from zslearn import CVsCClassifier
    from zslearn.attention import CVsCObjective
    from zslearn.calibration import FixedCalibrationClassifier, TunedCalibrationClassifierCV
    from zslearn.ensemble import SeedEnsembleClassifier
    from zslearn.feature_extraction import PatchDictionaryExtractor, TimmRegionExtractor
    from zslearn.model_selection import HeldOutStopping, SeenUnseenKFold

    X, y, table = problem()
    options = {"max_epochs": 3, "random_state": 0, "device": "cpu"}
    base = CVsCClassifier(**options).fit(X, y, table)
    pictures = np.random.default_rng(1).integers(0, 256, (120, 32, 32, 3), dtype=np.uint8)
    timm = TimmRegionExtractor(
        "test_vit", pretrained=False, device="cpu", precision="float32", grid_shape=(2, 2)
    )
    patches = PatchDictionaryExtractor(8, grid_shape=(2, 2), random_state=0)
    stopping = HeldOutStopping(validation_fraction=0.3, refit=False)
    objective = CVsCObjective(counterfactual="permute", attribute_dim=7)
    cv = SeenUnseenKFold(2, random_state=0)
    models = {
        "cvsc": (base, X),
        "no table": (CVsCClassifier(**options).fit(X, y), X),
        "half": (CVsCClassifier(precision="bfloat16", **options).fit(X, y, table), X),
        "vectors": (CVsCClassifier(**options).fit(X[:, 0], y, table), X[:, 0]),
        "objective": (
            CVsCClassifier(
                objective=objective,
                early_stopping=stopping,
                optimizer_params={"betas": (0.9, 0.99)},
                **options,
            ).fit(X, y, table.with_word_vectors(None)),
            X,
        ),
        "fixed": (FixedCalibrationClassifier(base, delta=0.25).fit(X, y, table), X),
        "prefit": (FixedCalibrationClassifier(base, delta=np.float64(0.1)), X),
        "tuned": (
            TunedCalibrationClassifierCV(
                CVsCClassifier(**options), cv=cv, store_cv_results=True
            ).fit(X, y, table),
            X,
        ),
        "seeds": (
            SeedEnsembleClassifier(CVsCClassifier(**options), n_estimators=2, random_state=0).fit(
                X, y, table
            ),
            X,
        ),
        "patches and cvsc": (
            make_pipeline(patches, CVsCClassifier(**options)).fit(
                pictures / 255, y, cvscclassifier__class_attributes=table
            ),
            pictures / 255,
        ),
        "timm and cvsc": (
            make_pipeline(timm, CVsCClassifier(**options)).fit(
                pictures, y, cvscclassifier__class_attributes=table
            ),
            pictures[:10],
        ),
    }
    return models


def answers(estimator, X):
    """What an estimator says of X, by method."""
    methods = ("transform", "decision_function", "predict", "predict_proba", "attention_maps")
    return {name: getattr(estimator, name)(X) for name in methods if hasattr(estimator, name)}
