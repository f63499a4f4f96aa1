"""ALE, DeViSE and SJE as their papers print them: one sample and one wrong class at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def ale(X: Array, y: NDArray[np.int64], T: Array, rate: float, margin: float, epochs: int) -> Array:
    """Draw wrong classes until one comes too close; the step grows with the estimated rank."""
    rng = np.random.default_rng(0)
    W, n_classes = np.zeros((X.shape[1], T.shape[1])), len(T)
    weights = np.append(0.0, np.cumsum(1 / np.arange(1, n_classes)))
    for _ in range(epochs):
        for n in rng.permutation(len(X)):
            projected = X[n] @ W
            right = projected @ T[y[n]]
            others = rng.permutation(n_classes)
            for number, c in enumerate(others[others != y[n]], 1):
                if margin + projected @ T[c] - right > 0:
                    rank = (n_classes - 1) // number
                    W += rate * weights[rank] * np.outer(X[n], T[y[n]] - T[c])
                    break
    return W


def devise(
    X: Array, y: NDArray[np.int64], T: Array, rate: float, margin: float, epochs: int
) -> Array:
    """Step on the first of the wrong classes, in random order, that comes too close."""
    rng = np.random.default_rng(0)
    W = np.zeros((X.shape[1], T.shape[1]))
    for _ in range(epochs):
        for n in rng.permutation(len(X)):
            projected = X[n] @ W
            right = projected @ T[y[n]]
            others = rng.permutation(len(T))
            for c in others[others != y[n]]:
                if margin + projected @ T[c] - right > 0:
                    W += rate * np.outer(X[n], T[y[n]] - T[c])
                    break
    return W


def sje(X: Array, y: NDArray[np.int64], T: Array, rate: float, margin: float, epochs: int) -> Array:
    """Step on the class that violates most."""
    rng = np.random.default_rng(0)
    W = np.zeros((X.shape[1], T.shape[1]))
    for _ in range(epochs):
        for n in rng.permutation(len(X)):
            scores = margin + X[n] @ W @ T.T
            scores[y[n]] -= margin
            worst = scores.argmax()
            if worst != y[n]:
                W += rate * np.outer(X[n], T[y[n]] - T[worst])
    return W


def loss(kind: str, scores: Array, y: NDArray[np.int64], margin: float) -> float:
    """Mean of the written objective of "ALE", "DeV" or "SJE" over samples."""
    place = np.arange(len(y)), y
    excess = margin + scores - scores[place][:, None]
    excess[place] = 0
    positive = np.maximum(excess, 0)
    if kind == "SJE":
        return float(positive.max(axis=1).mean())
    total = positive.sum(axis=1)
    if kind == "ALE":
        n = (positive > 0).sum(axis=1)
        ranks = np.append(0.0, np.cumsum(1 / np.arange(1, scores.shape[1] + 1)))
        total *= ranks[n] / np.maximum(n, 1)
    return float(total.mean())
