"""Learning-rate schedules over one training run.

skorch's ``LRScheduler`` counts from the beginning of the history; a training that is continued
needs a schedule of its own.
"""

from __future__ import annotations

import math
from typing import Any

from skorch.callbacks import Callback

__all__ = ["LearningRate"]


class LearningRate(Callback):
    """Set the learning rate of every step, and record it as ``lr`` in the history.

    Parameters
    ----------
    schedule : {"constant", "cosine", "linear"}
        "cosine" and "linear" fall from the initial rate to zero over `n_steps`.
    initial : float
        The initial rate.
    n_steps : int
        Optimiser steps in this run.
    """

    def __init__(self, schedule: str, initial: float, n_steps: int) -> None:
        self.schedule = schedule
        self.initial = initial
        self.n_steps = n_steps
        self.step = 0

    def on_batch_begin(self, net: Any, training: bool = False, **kwargs: Any) -> None:
        """Set the rate of the step that begins."""
        if not training:
            return
        rate = self.initial * self.factor(self.step / self.n_steps)
        for group in net.optimizer_.param_groups:
            group["lr"] = rate
        net.history.record_batch("lr", rate)
        self.step += 1

    def factor(self, done: float) -> float:
        """Share of the initial rate when a share `done` of the steps has been made."""
        if self.schedule == "cosine":
            return 0.5 * (1.0 + math.cos(math.pi * done))
        return 1.0 - done if self.schedule == "linear" else 1.0
