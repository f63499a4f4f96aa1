"""Learning-rate schedules, as factors of the initial rate."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from skorch.callbacks import LRScheduler

__all__ = ["schedule_callback"]


def schedule_callback(name: str, n_steps: int) -> LRScheduler | None:
    """Return the skorch callback of a schedule, or None for a constant rate.

    Parameters
    ----------
    name : {"constant", "cosine", "linear"}
        "cosine" and "linear" fall from the initial rate to zero over `n_steps`.
    n_steps : int
        Optimiser steps in the whole training.
    """
    if name == "constant":
        return None
    factor: Any = {"cosine": _cosine, "linear": _linear}[name]
    return LRScheduler(
        policy="LambdaLR",
        lr_lambda=partial(factor, n_steps=n_steps),
        step_every="batch",
        event_name="lr",
    )


def _cosine(step: int, n_steps: int) -> float:
    return 0.5 * (1.0 + math.cos(math.pi * min(step / n_steps, 1.0)))


def _linear(step: int, n_steps: int) -> float:
    return max(0.0, 1.0 - step / n_steps)
