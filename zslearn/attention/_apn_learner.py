"""APN in training's terms: both heads on a batch of regions."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from zslearn._training._learner import Batch
from zslearn.attention._attribute_learner import AttributeLearner
from zslearn.nn import APNLoss, APNNetwork
from zslearn.nn._apn import PrototypeOutput

__all__ = ["APNLearner"]


class APNLearner(AttributeLearner):
    """Network and loss of APN in training's terms."""

    weighs_samples = divides_batches = True

    def __init__(
        self,
        n_features: int,
        class_attributes: Tensor,
        unseen: Tensor,
        network: dict[str, Any],
        loss: dict[str, Any],
    ) -> None:
        heads = APNNetwork(class_attributes.shape[1], n_features, **network)
        super().__init__(heads, class_attributes, unseen)
        self.loss = APNLoss(**loss)

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the loss of both heads."""
        output = self.network.heads(batch.X, batch.padding)
        # Maps are large, and only one loss compares them.
        n_compared = 4 if self.loss.weights["compactness"] else 2
        output = PrototypeOutput(*map(batch.whole, output[:n_compared]), *output[n_compared:])
        weights = self.network.global_weight, self.network.prototypes
        table = self.class_embeddings(self.class_attributes)
        terms: dict[str, Tensor] = self.loss(
            output, table, batch.y, self.unseen, batch.weights, weights=weights
        )
        return terms
