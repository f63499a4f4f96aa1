"""A small problem of pictures, and networks that train in fractions of a second."""

import numpy as np

from zslearn import ClassAttributes, CVsCClassifier
from zslearn.feature_extraction import TimmRegionExtractor
from zslearn.finetuning import FineTunedClassifier, FineTuning

# One colour channel an attribute, so that classes can be told by it.
TABLE = ClassAttributes(
    [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]],
    labels=["red", "green", "blue", "yellow"],
)


def pictures(n=24, side=32, seed=0):
    """Noisy pictures of the first three classes, and their labels."""
    rng = np.random.default_rng(seed)
    y = TABLE.labels[np.arange(n) % 3]
    shown = 60 + 120 * TABLE.values[TABLE.index_of(y)]
    X = shown[:, None, None] + rng.normal(scale=30, size=(n, side, side, 3))
    return X.clip(0, 255).astype(np.uint8), y


def extractor(model="test_vit", **params):
    """A network with random weights, in float32 on every machine."""
    given = {"pretrained": False, "image_size": 32, "precision": "float32", **params}
    if model == "test_vit":
        given["model_kwargs"] = {"depth": 3}
    return TimmRegionExtractor(model, **given)


def fine_tuned(model="test_vit", finetuning=None, **params):
    """An estimator that trains for two epochs of four steps."""
    given = {"max_epochs": 2, "batch_size": 6, "head": "own", "random_state": 0, **params}
    if isinstance(finetuning, dict):
        finetuning = FineTuning(**finetuning)
    return FineTunedClassifier(extractor(model), CVsCClassifier(**given), finetuning=finetuning)


def fit(estimator, X=None, y=None, **given):
    """Fit on the small problem."""
    if X is None:
        X, y = pictures()
    return estimator.fit(X, y, class_attributes=TABLE, **given)
