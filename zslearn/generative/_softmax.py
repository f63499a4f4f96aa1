"""A linear softmax, trained as the released codes of these methods do."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from torch.nn.functional import cross_entropy

__all__ = ["SoftmaxClassifier"]


class SoftmaxClassifier(ClassifierMixin, BaseEstimator):
    """A linear softmax by some epochs of Adam, which leave it short of its optimum."""

    def __init__(
        self,
        *,
        n_epochs: int = 25,
        batch_size: int = 100,
        learning_rate: float = 1e-3,
        device: str = "cpu",
        random_state: int | None = None,
    ) -> None:
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on rows (n, M), or what makes those of a batch, and their numbers from 0 on."""
        make = X.make if hasattr(X, "make") else torch.as_tensor(X).__getitem__
        targets = torch.as_tensor(np.asarray(y, dtype=np.int64))
        weights = torch.ones(len(targets))
        if sample_weight is not None:
            weights = torch.as_tensor(np.asarray(sample_weight, dtype=np.float32))
        self.classes_ = np.unique(y)
        generator = torch.Generator().manual_seed(self.random_state or 0)
        shape = len(self.classes_), X.shape[1]
        start = 0.02 * torch.randn(shape, generator=generator)
        weight = start.to(self.device).requires_grad_()
        bias = torch.zeros(shape[0], device=self.device, requires_grad=True)
        adam = torch.optim.Adam([weight, bias], lr=self.learning_rate, betas=(0.5, 0.999))
        for _ in range(self.n_epochs):
            for batch in torch.randperm(len(targets), generator=generator).split(self.batch_size):
                y_batch, counts = (t[batch].to(self.device) for t in (targets, weights))
                Z = make(batch).to(self.device, torch.float32)
                loss = cross_entropy(Z @ weight.T + bias, y_batch, reduction="none") @ counts
                adam.zero_grad()
                (loss / len(batch)).backward()
                adam.step()
        self.coef_ = weight.detach().cpu().numpy()
        self.intercept_ = bias.detach().cpu().numpy()
        return self

    def decision_function(self, X: Any) -> NDArray[np.floating]:
        """Logits (n, n_classes), with a column for each of two classes too."""
        scores: NDArray[np.floating] = np.asarray(X) @ self.coef_.T + self.intercept_
        return scores
