"""What learners of attribute scores share: classes are scored by their descriptions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from zslearn._described_classes import DescribedClasses
from zslearn._training._learner import Batch, Learner
from zslearn.nn import CalibrationLoss
from zslearn.nn.functional import find_padding, normalize_rows
from zslearn.nn.losses._means import mean_cross_entropy

__all__ = ["AttributeLearner", "CalibratedLearner", "tensors_of"]


class AttributeLearner(Learner):
    """A network that turns regions into attribute scores s; class scores are products s T^T.

    The rows of T have unit length, times `scale`. The network heeds the dtype of the regions and
    the mark of padding it is called with, draws from the batch's generator if at all, and has
    ``attention_maps(regions, attributes, padding)``.
    """

    autocast = False
    global_randomness = False
    scale: float = 1.0
    class_attributes: Tensor
    unseen: Tensor
    network: Any

    def __init__(self, network: nn.Module, class_attributes: Tensor, unseen: Tensor) -> None:
        super().__init__()
        self.register_buffer("class_attributes", class_attributes)
        self.register_buffer("unseen", unseen)
        self.network = network

    def attribute_scores(self, X: Tensor) -> Tensor:
        """Scores (B, K) of the attributes."""
        scores: Tensor = self.network(X, find_padding(X))
        return scores

    def class_embeddings(self, table: Tensor) -> Tensor:
        """Rows of a table of unit length, times the scale."""
        return self.scale * normalize_rows(table)

    def class_scores(self, X: Tensor, table: Tensor) -> Tensor:
        """Products of attribute scores and class embeddings."""
        return self.scorer(table, X.dtype)(X)

    def scorer(self, table: Tensor, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
        """Class scores of many batches: classes are embedded once."""
        by_class, score = self.class_embeddings(table), self.attribute_scorer(dtype)
        return lambda X: (s := score(X)) @ by_class.to(s.dtype).T

    def attribute_scorer(self, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
        """Attribute scores of many batches: what does not depend on X may be done once."""
        return self.attribute_scores

    def attention_maps(self, X: Tensor, attributes: Tensor) -> Tensor:
        """Attention maps (B, k, R) of some attributes."""
        maps: Tensor = self.network.attention_maps(X, attributes, find_padding(X))
        return maps


class CalibratedLearner(AttributeLearner):
    """One whose class scores are trained by cross entropy and calibration, weighed or not."""

    weighs_samples = True

    def __init__(
        self,
        network: nn.Module,
        class_attributes: Tensor,
        unseen: Tensor,
        lambda_cal: float,
        ce_classes: str,
    ) -> None:
        super().__init__(network, class_attributes, unseen)
        self.lambda_cal = lambda_cal if bool(unseen.any()) else 0.0
        self.calibration = CalibrationLoss(2.0)  # the margin of one on both sides
        self.among_seen = ce_classes == "seen"

    def class_terms(self, z: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Terms of class scores (B, C), and "loss", their weighted sum."""
        rivals = z.masked_fill(self.unseen, -torch.inf) if self.among_seen else z
        ce = mean_cross_entropy(rivals, batch.y, batch.weights)
        if not self.lambda_cal:
            return {"loss": ce, "ce": ce}
        cal = self.calibration(z, self.unseen, batch.weights)
        return {"loss": ce + self.lambda_cal * cal, "ce": ce, "cal": cal}


def tensors_of(classes: DescribedClasses) -> dict[str, Any]:
    """Return the table, the mark of the unseen and the word vectors, as learners take them."""
    vectors = classes.table.word_vectors
    return {
        "class_attributes": torch.tensor(classes.values, dtype=torch.float32),
        "unseen": torch.from_numpy(~classes.seen),
        "attribute_vectors": None if vectors is None else torch.tensor(vectors),
    }
