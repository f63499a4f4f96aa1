"""What linear methods share that descend a loss by batches of samples."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from zslearn._sample_weights import Samples
from zslearn.linear_model._base import ClosedFormClassifier, check_above_zero, check_counts

__all__ = ["DescendingClassifier"]


class DescendingClassifier(ClosedFormClassifier):
    """Parameters and order of a stochastic gradient descent; a subclass implements ``_train``."""

    def __init__(
        self,
        learning_rate: float = 0.1,
        *,
        margin: float = 1.0,
        max_epochs: int = 15,
        batch_size: int = 16,
        scaling: str | None = "unit_length",
        attribute_scaling: str | None = "unit_length",
        score_scale: Any = "auto",
        delta: float = 0.0,
        random_state: Any = None,
    ) -> None:
        self.learning_rate = learning_rate
        self.margin = margin
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.scaling = scaling
        self.attribute_scaling = attribute_scaling
        self.score_scale = score_scale
        self.delta = delta
        self.random_state = random_state

    def _check_parameters(self) -> None:
        check_above_zero(self, "learning_rate", "margin")
        check_counts(self, "max_epochs", "batch_size")

    def _learn(
        self, samples: Samples, held: NDArray[np.bool_], described: NDArray[np.float64]
    ) -> None:
        random_state = check_random_state(self.random_state)
        seed = random_state.randint(2**31 - 1)
        if held.any():
            self._train(samples, np.flatnonzero(~held), described, seed)
            self._fit_score_scale(samples, held, described)
        self._train(samples, np.arange(len(held)), described, seed)

    @abstractmethod
    def _train(
        self,
        samples: Samples,
        index: NDArray[np.intp],
        described: NDArray[np.float64],
        seed: int,
    ) -> None:
        """Descend on some of the samples, from a start that follows from the seed."""
