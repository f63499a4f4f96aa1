"""Averages of the weights over the steps of a training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from zslearn._training._callbacks import TrainingCallback
from zslearn._training._learner import parameters_of

__all__ = ["WeightAverage"]


class WeightAverage(TrainingCallback):
    """Keep a running average of the weights that are trained.

    Parameters
    ----------
    decay : float
        Share of the average that a step leaves. Smaller in the first steps, (1 + t) / (10 + t):
        the weights that training began with are soon forgotten.

    Attributes
    ----------
    values : list of Tensor
        The averages, in the order of the optimisers' weights.
    n_steps : int
        Steps averaged over.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.values: list[Tensor] = []
        self.n_steps = 0

    @staticmethod
    def weights_of(net: Any) -> list[Tensor]:
        """Return the weights that are averaged."""
        return [p for one in net.optimizers_.values() for p in parameters_of(one.param_groups)]

    def on_train_begin(self, net: Any, *args: Any, **kwargs: Any) -> None:
        """Begin with the weights there are."""
        if not self.values:
            self.values = [weight.detach().clone() for weight in self.weights_of(net)]

    @torch.no_grad()
    def on_batch_end(self, net: Any, *args: Any, training: bool = False, **kwargs: Any) -> None:
        """Move towards the weights reached, where the batch ended with a step."""
        place, n_batches = net.place_
        if (place + 1) % net.accumulate and place + 1 < n_batches:
            return
        decay = min(self.decay, (1 + self.n_steps) / (10 + self.n_steps))
        torch._foreach_lerp_(self.values, self.weights_of(net), 1.0 - decay)
        self.n_steps += 1

    @contextmanager
    def applied(self, net: Any) -> Iterator[None]:
        """Put the averages in the place of the weights for a while."""
        self._swap(net)
        try:
            yield
        finally:
            self._swap(net)

    def settle(self, net: Any) -> None:
        """Put the averages in the place of the weights for good."""
        if self.n_steps:
            self._swap(net)

    def _swap(self, net: Any) -> None:
        for number, weight in enumerate(self.weights_of(net)):
            weight.data, self.values[number] = self.values[number], weight.data
