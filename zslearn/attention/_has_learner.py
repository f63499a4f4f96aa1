"""HAS in training's terms: steps on samples, and on adversarial ones made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from zslearn._training._learner import Batch, OptimizerFactory
from zslearn.attention._attribute_learner import AttributeLearner
from zslearn.nn import HASLoss, HASNetwork, HASPerturbationLoss
from zslearn.nn._apn import PrototypeOutput
from zslearn.nn._sign_descent import descend_by_sign

__all__ = ["HASLearner"]


class HASLearner(AttributeLearner):
    """Network and losses of HAS in training's terms; a share of steps is followed by another."""

    weighs_samples = divides_batches = True

    def __init__(
        self,
        n_features: int,
        class_attributes: Tensor,
        unseen: Tensor,
        pooling: Literal["max", "mean"],
        loss: dict[str, Any],
        perturbation: dict[str, Any],
        adversarial_share: float,
        n_steps: int,
        epsilon: float,
    ) -> None:
        network = HASNetwork(class_attributes.shape[1], n_features, pooling=pooling)
        super().__init__(network, class_attributes, unseen)
        self.loss = HASLoss(**loss)
        self.perturbation = HASPerturbationLoss(**perturbation)
        self.share, self.n_steps, self.epsilon = adversarial_share, n_steps, epsilon

    def phases(self, step: int) -> Sequence[str]:
        """Every so many steps, as evenly as the share allows, one on adversarial samples more."""
        if int((step + 1) * self.share) > int(step * self.share):
            return ("main", "adversarial")
        return ("main",)

    def configure_optimizers(self, make: OptimizerFactory) -> Mapping[str, torch.optim.Optimizer]:
        """One optimiser takes both kinds of steps."""
        one = make(self.parameters())
        return {"main": one, "adversarial": one} if self.share else {"main": one}

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the loss of the samples, or of adversarial ones made of them."""
        table = self.class_embeddings(self.class_attributes)
        is_adversarial = batch.phase == "adversarial"
        X = self.perturbed(batch, table) if is_adversarial else batch.X
        output = self.network.heads(X, batch.padding)
        output = PrototypeOutput(*map(batch.whole, output[:2]), *output[2:])
        terms: dict[str, Tensor] = self.loss(output, table, batch.y, self.unseen, batch.weights)
        return {"loss": terms["loss"]} if is_adversarial else terms

    def perturbed(
        self,
        batch: Batch,
        table: Tensor,
        regions_of: Callable[[Tensor], Tensor] = lambda X: X,
        limits: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Change samples by steps of `epsilon` of their range in all; padding stays.

        They are regions, or what `regions_of` makes regions of, within limits that are the range.
        """
        X, padding = batch.X, batch.padding
        low, high = limits or self._range_of(batch)
        step = (high - low) * (self.epsilon / (4 if self.n_steps > 1 else 1))
        if padding is not None:
            step = step * ~padding[..., None]
        with torch.no_grad():
            before = self.network.pooled(regions_of(X), padding)

        def objective(x: Tensor) -> Tensor:
            regions = regions_of(x)
            output = self.network.heads(regions, padding)
            pooled = self.network.pooled(regions, padding)
            terms = self.perturbation(output, pooled, before, table, batch.y_of_share, self.unseen)
            loss: Tensor = terms["loss"]
            return loss

        return descend_by_sign(objective, X, step, self.n_steps, *(limits or ()))

    def _range_of(self, batch: Batch) -> tuple[Tensor, Tensor]:
        low, high = batch.X.amin(), batch.X.amax()
        if batch.share is None:
            return low, high
        return batch.share.each(low).amin(), batch.share.each(high).amax()
