"""Settings of authors who train the backbone of a classifier of regions."""

from __future__ import annotations

from typing import Any

from zslearn._training._schedules import StepSchedule
from zslearn.attention import CVsCClassifier, HASClassifier
from zslearn.feature_extraction import TimmRegionExtractor
from zslearn.finetuning._settings import FineTuning

__all__ = ["PRESETS", "preset"]

_NETWORK = "resnet101.tv_in1k"
_EPOCHS, _OF_HEAD, _FALLS = 60, 5, (10, 20, 30, 40, 50)
# Of HAS, by data set: the rate of the backbone, and of the head once both are trained.
_HAS = {"has_cub": 1e-6, "has_sun": 1e-5, "has_awa2": 1e-5}
PRESETS = ("cvsc", *_HAS)


def preset(name: str) -> dict[str, Any]:
    """Extractor, classifier and settings of one of `PRESETS`."""
    if name == "cvsc":
        classifier: Any = CVsCClassifier(
            objective="released",
            head="own",
            max_epochs=20,
            batch_size=20,
            learning_rate=1e-3,
            learning_rate_schedule="constant",
        )
        tuning = FineTuning(backbone_learning_rate=1e-4, freeze_epochs=9, augmentation="none")
        return {
            "extractor": TimmRegionExtractor(_NETWORK),
            "classifier": classifier,
            "finetuning": tuning,
        }
    classifier, rate = HASClassifier.from_preset(name.partition("_")[2]), _HAS[name]
    points = tuple(epoch / _EPOCHS for epoch in (_OF_HEAD, *_FALLS))
    factors = (rate / classifier.learning_rate, *[0.8] * len(_FALLS))
    classifier.set_params(learning_rate_schedule=StepSchedule(factors, points))
    after = tuple((epoch - _OF_HEAD) / (_EPOCHS - _OF_HEAD) for epoch in _FALLS)
    return {
        "extractor": TimmRegionExtractor(_NETWORK, image_size=448),
        "classifier": classifier,
        "finetuning": FineTuning(
            backbone_learning_rate=rate,
            backbone_schedule=StepSchedule(0.8, after),
            freeze_epochs=_OF_HEAD,
            frozen_layers=4,  # all before the second stage
            augmentation="crop",
        ),
    }
