"""One estimator after several numbers of epochs, and interrupts that are not swallowed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray
from sklearn.base import clone

from zslearn.exceptions import TrainingInterruptedWarning

__all__ = ["trained_to", "uninterrupted"]


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Make an interrupt of a training an interrupt again.

    Half-trained weights are of use in Python; their scores would be taken for the model's.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", TrainingInterruptedWarning)
        try:
            yield
        except TrainingInterruptedWarning:
            raise KeyboardInterrupt from None


def trained_to(
    estimator: Any, epochs: Sequence[int], X: Any, y: NDArray[Any], table: Any
) -> Iterator[tuple[int, Any]]:
    """Train, and yield the estimator after each of some ascending numbers of epochs.

    With a constant learning rate one training is the beginning of a longer one; with a schedule,
    of the learning rate or of the losses' weights, or without ``warm_start``, each is a training
    of its own.
    """
    params = estimator.get_params(deep=False)
    goes_on = "warm_start" in params and params.get("learning_rate_schedule") == "constant"
    goes_on = goes_on and not getattr(estimator, "_warms_up", False)
    estimator = clone(estimator)
    if goes_on:
        estimator.set_params(warm_start=True)
    reached = 0
    for n in epochs:
        estimator.set_params(max_epochs=n - reached)
        with uninterrupted():
            estimator.fit(X, y, class_attributes=table)
        yield n, estimator
        reached = n if goes_on else 0
