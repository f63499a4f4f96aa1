"""ViT-ZSL: a vision transformer trained with a linear map of its class token to attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal, Unpack

import torch
from sklearn.utils._param_validation import StrOptions
from torch import Tensor

from zslearn._training._learner import Batch
from zslearn._training._parameters import TrainingOptions
from zslearn._training._schedules import StepSchedule
from zslearn.feature_extraction import TimmRegionExtractor
from zslearn.finetuning._attribute_pictures import (
    AttributePictureClassifier,
    AttributePictureLearner,
    vector_width,
)
from zslearn.finetuning._settings import FineTuning
from zslearn.nn import ViTZSLHead
from zslearn.nn.losses import SeenCrossEntropyLoss
from zslearn.registry import register_method

__all__ = ["ViTZSLClassifier", "ViTZSLLearner", "rates_in_steps"]


class ViTZSLLearner(AttributePictureLearner):
    """Backbone, linear map and cross entropy of the seen classes."""

    divides_batches = True
    head: ViTZSLHead
    head_type: ClassVar[type[ViTZSLHead]] = ViTZSLHead

    def __init__(self, n_features: int, **options: Any) -> None:
        super().__init__(**options)
        n_attributes = self.class_attributes.shape[1]
        self.head = self.head_type(n_attributes, vector_width(self.backbone))
        self.loss = SeenCrossEntropyLoss()

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the cross entropy."""
        return {"loss": self.class_loss(self.vectors(batch.X), batch)}

    def class_loss(self, vectors: Tensor, batch: Batch) -> Tensor:
        """Cross entropy of the seen classes, of vectors (B, D)."""
        table = self.class_embeddings(self.class_attributes)
        scores = batch.whole(self.head.class_scores(self.head(vectors), table))
        loss: Tensor = self.loss(scores, batch.y, self.unseen, batch.weights)
        return loss

    def scorer(self, table: Tensor, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
        """Class scores of many batches, by one map from vectors."""
        merged = self.head.merged(self.class_embeddings(table))
        return lambda X: self.vectors(X) @ merged.T


_BACKBONE: dict[str, Any] = {"backbone_learning_rate": 1e-5, "backbone_weight_decay": 1e-4}


def rates_in_steps(schedule: StepSchedule, backbone: dict[str, Any]) -> dict[str, Any]:
    """Parameters by which all rates follow a schedule."""
    finetuning = FineTuning(**backbone, backbone_schedule=schedule)
    return {"learning_rate_schedule": schedule, "finetuning": finetuning}


# Halved after epochs 10, 20, 30 and 40 of 80.
_RATES = rates_in_steps(StepSchedule(0.5, (10 / 80, 20 / 80, 30 / 80, 40 / 80)), _BACKBONE)


@register_method("vitzsl", family="finetuning", input="pictures", paper="IMVIP 2021")
class ViTZSLClassifier(AttributePictureClassifier):
    """A vision transformer trained end to end with a linear map to attributes [1]_.

    Nothing but the cross entropy of the seen classes trains it; a picture's vector is what the
    network's own classifier would take, the class token behind the last norm.

    Parameters
    ----------
    extractor : str or TimmRegionExtractor, default="vit_large_patch16_224.orig_in21k"
        The network, by its name in timm or as an extractor with its settings: weights, size of
        pictures, normalisation. Its regions, layer and norm play no part here.
    delta : float, default=0.9
        Added to the probabilities of unseen classes where they compete with seen ones.
    delta_scale : {"logit", "probability"}, default="probability"
        What `delta` is added to.
    finetuning : FineTuning, default=None
        How the backbone is trained. ``None`` is as the authors do: a rate of 1e-5 and a weight
        decay of 1e-4 from the first epoch on, pictures flipped, with a cosine for their schedule.
    {training}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    IEAMClassifier : The same beside a second task.
    zslearn.nn.ViTZSLHead : The head alone.
    FineTunedClassifier : Trains any classifier of regions with its backbone.

    Notes
    -----
    Defaults are the authors' for CUB and AWA2, but for the schedule of the rates, which
    ``from_preset`` has as well: they are halved after epochs 10, 20, 30 and 40. They
    show the network pictures normalised by mean and deviation of ImageNet; here the network's own,
    for which its weights were trained, unless the extractor's ``data_config`` says otherwise. They
    report test accuracy of every epoch and tune `delta` on pictures of which some are of the test
    set; here epochs are found by `early_stopping` and `delta` by
    :class:`~zslearn.calibration.TunedCalibrationClassifierCV`, on seen classes.

    References
    ----------
    .. [1] F. Alamri, A. Dutta, "Multi-head self-attention via vision transformer for zero-shot
       learning", IMVIP 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn.feature_extraction import TimmRegionExtractor
    >>> from zslearn.finetuning import ViTZSLClassifier
    >>> table, y = np.array([[1, 0], [0, 1], [1, 1]]), np.arange(8) % 2
    >>> X = np.random.default_rng(0).integers(0, 256, size=(8, 32, 32, 3), dtype=np.uint8)
    >>> network = TimmRegionExtractor("test_vit", pretrained=False, image_size=32)
    >>> clf = ViTZSLClassifier(network, max_epochs=1, random_state=0)
    >>> clf.fit(X, y, class_attributes=table).predict_attributes(X).shape
    (8, 2)
    """

    _learner_type: ClassVar[type[ViTZSLLearner]] = ViTZSLLearner
    _training_defaults: ClassVar[TrainingOptions] = {
        "max_epochs": 80,
        "batch_size": 32,
        "batch_sampling": "balanced",
        "learning_rate_schedule": "cosine",
    }
    _optimizer_options: ClassVar[dict[str, Any]] = {"weight_decay": 1e-5}
    _finetuning_defaults = _BACKBONE
    _presets: ClassVar[dict[str, dict[str, Any]]] = {
        name: {"delta": delta, **_RATES}
        for name, delta in (("cub", 0.9), ("sun", 0.4), ("awa2", 0.9))
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "delta_scale": [StrOptions({"logit", "probability"})],
    }

    def __init__(
        self,
        extractor: str | TimmRegionExtractor = "vit_large_patch16_224.orig_in21k",
        *,
        delta: float = 0.9,
        delta_scale: Literal["logit", "probability"] = "probability",
        finetuning: FineTuning | None = None,
        **training: Unpack[TrainingOptions],
    ) -> None:
        super().__init__(**training)
        self.extractor = extractor
        self.delta = delta
        self.delta_scale = delta_scale
        self.finetuning = finetuning
