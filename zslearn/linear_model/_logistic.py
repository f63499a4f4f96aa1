"""Logistic regressions on the same samples, all at once."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

__all__ = ["fit_logistic"]

# Largest entry of the gradient, as scikit-learn has it, but where the curvature is at most 1.
_TOLERANCE = 1e-4
_STEPS = 1000
_BLOCK = 2**18


def fit_logistic(
    vectors: NDArray[np.float64],
    answers: NDArray[np.float64],
    C: float,
    start: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    sample_weight: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit logistic regressions with the penalty ``|w|**2 / (2 * C)``, the intercepts free.

    The curvature of each is at most a quarter of X'X, whatever its answers: in the basis in which
    that bound is 1, one for all of them, few steps are needed, in products of matrices.

    Parameters
    ----------
    vectors : ndarray of shape (n, D)
    answers : ndarray of shape (n, K)
        0 or 1, for each regression.
    C : float
    start : tuple of ndarrays of shapes (D, K) and (K,), default=None
        Weights and intercepts to start from, of a fit to similar samples; zeros by default.
    sample_weight : ndarray of shape (n,), default=None
        How often each sample counts; once by default.

    Returns
    -------
    weights, intercepts : ndarrays of shapes (D, K) and (K,)
    """
    width, n_answers = vectors.shape[1], answers.shape[1]
    times = np.ones(len(vectors)) if sample_weight is None else sample_weight
    n = times.sum()
    mean = times @ vectors / n
    rows = vectors - mean
    bound, basis = np.linalg.eigh(rows.T @ (times[:, None] * rows) / (4 * n))
    penalty = 1 / (C * n)
    bound = np.maximum(bound, 0) + penalty
    # The last column is that of the intercept, whose curvature is at most a quarter.
    rows = np.column_stack([rows @ (basis / np.sqrt(bound)), np.full(len(rows), 2.0)])
    shrinkage = penalty * np.append(1 / bound, 0)[:, None]
    step = max(1, _BLOCK // n_answers)

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(width + 1, n_answers)
        gradient = shrinkage * weights
        total = n * np.vdot(weights, gradient) / 2
        for begin in range(0, len(rows), step):
            place = slice(begin, begin + step)
            block, right, own = rows[place], answers[place], times[place]
            odds = block @ weights
            small = np.exp(-np.abs(odds))
            losses = np.log(1 + small) + np.maximum(odds, 0) - right * odds
            total += own @ losses.sum(axis=1)
            share = np.where(odds >= 0, 1, small) / (1 + small)
            gradient += block.T @ (own[:, None] * (share - right)) / n
        return total / n, gradient.ravel()

    weights = np.zeros((width + 1, n_answers))
    if start is not None:
        weights[:-1] = np.sqrt(bound)[:, None] * (basis.T @ start[0])
        weights[-1] = (start[1] + mean @ start[0]) / 2
    options = {"gtol": _TOLERANCE, "ftol": 0.0, "maxiter": _STEPS, "maxfun": 10**6, "maxcor": 5}
    result = minimize(loss, weights.ravel(), jac=True, method="L-BFGS-B", options=options)
    if not result.success:
        warnings.warn(
            f"The logistic regressions did not converge in {result.nit} steps; scale the features.",
            ConvergenceWarning,
            stacklevel=2,
        )
    weights = result.x.reshape(width + 1, n_answers)
    found = basis @ (weights[:-1] / np.sqrt(bound)[:, None])
    return found, 2 * weights[-1] - mean @ found
