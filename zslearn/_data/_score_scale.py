"""One scale for the scores of all methods: that of log probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

__all__ = ["fit_score_scale", "held_out_rows"]

_SHARE = 5
_LIMIT = 7.0


def fit_score_scale(
    scores: NDArray[np.float64],
    targets: NDArray[np.int64],
    weights: NDArray[np.float64] | None = None,
    doubt: float = 0.0,
) -> float:
    """Return the factor of scores whose softmax has the least mean cross entropy, above 0.

    Within a factor of exp(7) of the scores' spread: where all samples are recognised there is no
    least one, unless some `doubt` about the labels, spread over all classes, keeps it small.
    """
    centred = scores - scores.mean(axis=1, keepdims=True)
    spread = float(centred.std())
    if spread <= 1e-12 * float(np.abs(scores).max(initial=0)) or not np.isfinite(spread):
        return 1.0
    centred /= spread
    # The mean of centred scores is 0: doubt takes nothing else from the right one's.
    right = (1 - doubt) * np.take_along_axis(centred, targets[:, None], axis=1)[:, 0]
    largest = centred.max(axis=1, keepdims=True)
    centred -= largest
    right -= largest[:, 0]
    powers = np.empty_like(centred)

    def loss(exponent: float) -> float:
        factor = np.exp(exponent)
        np.exp(np.multiply(centred, factor, out=powers), out=powers)
        losses = np.log(powers.sum(axis=1)) - factor * right
        return float(np.average(losses, weights=weights))

    best = minimize_scalar(loss, bounds=(-_LIMIT, _LIMIT), method="bounded")
    return float(np.exp(best.x) / spread)


def held_out_rows(targets: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark a fifth of each class, and one sample of each with two to four; every one keeps some."""
    order = np.argsort(targets, kind="stable")
    counts = np.bincount(targets)
    place = np.empty(len(targets), dtype=np.int64)
    place[order] = np.arange(len(targets)) - np.repeat(np.cumsum(counts) - counts, counts)
    period = np.minimum(_SHARE, counts)[targets]
    held: NDArray[np.bool_] = (place % period == period - 1) & (counts[targets] > 1)
    return held
