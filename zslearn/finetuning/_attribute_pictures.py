"""What methods share that train a backbone and a head of attributes together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from zslearn._described_classes import DescribedClasses
from zslearn.feature_extraction import TimmRegionExtractor
from zslearn.finetuning._picture_classifier import PictureClassifier
from zslearn.finetuning._picture_learner import BackboneRecipe, PictureLearner
from zslearn.finetuning._settings import FineTuning
from zslearn.finetuning._token_backbone import TokenBackbone
from zslearn.nn.functional import normalize_rows

__all__ = ["AttributePictureClassifier", "AttributePictureLearner", "vector_width"]


class AttributePictureLearner(PictureLearner):
    """A backbone and a head that predicts attributes s of pictures; class scores are s T^T.

    The rows of T have unit length. What the head takes is one vector a picture, that which the
    network's own classifier would take, unless a subclass says otherwise in `features` and
    `attribute_scores`.
    """

    weighs_samples = True
    class_attributes: Tensor
    unseen: Tensor
    head: Any

    def __init__(self, backbone: BackboneRecipe, class_attributes: Tensor, unseen: Tensor) -> None:
        super().__init__(backbone)
        self.register_buffer("class_attributes", class_attributes)
        self.register_buffer("unseen", unseen)

    def features(self, X: Tensor) -> Tensor:
        """Vectors of pictures, (B, 1, D)."""
        return vectors_of(self.backbone, X)[:, None]

    def vectors(self, X: Tensor) -> Tensor:
        """Vectors (B, D) of pixels, or of what was stored of them."""
        return (X if X.ndim == 3 else self.features(X))[:, 0]

    def attribute_scores(self, X: Tensor) -> Tensor:
        """Semantic vectors (B, K)."""
        scores: Tensor = self.head(self.vectors(X))
        return scores

    def class_embeddings(self, table: Tensor) -> Tensor:
        """Rows of a table of unit length."""
        return normalize_rows(table)

    def class_scores(self, X: Tensor, table: Tensor) -> Tensor:
        """Products of semantic vectors and class embeddings."""
        return self.scorer(table, X.dtype)(X)

    def scorer(self, table: Tensor, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
        """Class scores of many batches: classes are embedded once."""
        by_class, score = self.class_embeddings(table), self.attribute_scorer(dtype)
        return lambda X: (s := score(X)) @ by_class.to(s.dtype).T

    def attribute_scorer(self, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
        """Semantic vectors of many batches: what does not depend on X may be done once."""
        return self.attribute_scores


class AttributePictureClassifier(PictureClassifier):
    """Base of estimators whose learner is an `AttributePictureLearner`.

    What is not said by the parameter ``finetuning`` is as ``_finetuning_defaults`` have it.
    """

    _learner_type: ClassVar[type[AttributePictureLearner]]
    _finetuning_defaults: ClassVar[dict[str, Any]] = {}
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "extractor": [str, TimmRegionExtractor],
        "finetuning": [FineTuning, None],
    }

    @property
    def _settings(self) -> FineTuning:
        if self.finetuning is None:
            return FineTuning(**self._finetuning_defaults)
        return super()._settings

    def _learner_params(self, classes: DescribedClasses) -> dict[str, Any]:
        return {
            "backbone": self._recipe(),
            "class_attributes": torch.tensor(classes.values, dtype=torch.float32),
            "unseen": torch.from_numpy(~classes.seen),
        }


def vectors_of(backbone: TokenBackbone, X: Tensor) -> Tensor:
    """Compute what the network's own classifier takes: a class token, a mean of regions."""
    network = backbone.network
    with backbone.autocast():
        vectors = network.forward_head(network.forward_features(X), pre_logits=True)
    return torch.as_tensor(vectors).to(next(network.parameters()).dtype)


def vector_width(backbone: TokenBackbone) -> int:
    """Width of `vectors_of`."""
    network = backbone.network
    return int(getattr(network, "head_hidden_size", network.num_features))
