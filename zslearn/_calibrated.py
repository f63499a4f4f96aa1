"""Scores with a calibration: what is added to the classes without samples where both compete."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

__all__ = ["add_delta", "as_probabilities", "check_calibration", "on_delta_scale"]


def check_calibration(delta: Any, scale: str) -> float:
    """Return delta as a float; refuse NaN, what is no number, and unknown scales."""
    if scale not in ("logit", "probability"):
        raise ValueError(f"delta_scale must be 'logit' or 'probability', found {scale!r}")
    try:
        number = float(delta)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"delta must be a number, found {delta!r:.80}") from None
    if np.isnan(number):
        raise ValueError("delta is NaN: set a number")
    return number


def on_delta_scale(scores: NDArray[np.floating], scale: str) -> NDArray[np.float64]:
    """Scores, or their probabilities, in float64: what delta is added to."""
    check_calibration(0.0, scale)
    wide = scores.astype(np.float64)
    return softmax(wide, axis=1) if scale == "probability" else wide


def add_delta(
    scores: NDArray[np.floating], unseen: NDArray[Any], delta: float, scale: str
) -> NDArray[np.floating]:
    """Scores of which the largest decides: as they are, if delta has no effect on that.

    `unseen` marks the classes that get delta, or says which share of it each gets. An infinite
    delta leaves the other kind of classes a score of minus infinity.
    """
    delta = check_calibration(delta, scale)
    # Without an effect of delta the raw scores decide: a softmax can round distinct scores to
    # equal probabilities.
    if not delta or (unseen == unseen[:1]).all():
        return scores
    if np.isinf(delta):
        return np.where((unseen == 1) == (delta > 0), scores, -np.inf)
    wide = on_delta_scale(scores, scale)
    wide += delta * unseen
    return wide


def as_probabilities(
    scores: NDArray[np.floating], unseen: NDArray[Any], delta: float, scale: str
) -> NDArray[np.float64]:
    """Probabilities in the order of the calibrated scores.

    On the scale of probabilities, delta is a share that the unseen classes get or lose: the sums
    are cut at zero and brought to a sum of one.
    """
    delta = check_calibration(delta, scale)
    calibrated = add_delta(scores, unseen, delta, scale)
    if calibrated is scores or scale == "logit" or np.isinf(delta):
        return softmax(calibrated.astype(np.float64), axis=1)
    calibrated = np.maximum(calibrated, 0.0)
    return calibrated / calibrated.sum(axis=1, keepdims=True)
