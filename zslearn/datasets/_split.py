"""The three-way split of generalised zero-shot learning."""

from __future__ import annotations

import numpy as np
from numpy.random import RandomState

__all__: list[str] = []


def split_pictures(
    target: np.ndarray, is_seen: np.ndarray, test_size: float, rng: RandomState
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split pictures into those to fit on and the two kinds of test pictures.

    Parameters
    ----------
    target : ndarray of shape (n_samples,), int
        Class index of each picture.
    is_seen : ndarray of shape (n_classes,), bool
        Which classes may be fitted on.
    test_size : float
        Share of each seen class that is held out; at least one picture, never all of them.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    train, test_seen, test_unseen : ndarray of int
        Sorted row indices.
    """
    held_out = np.zeros(len(target), dtype=bool)
    for c in np.flatnonzero(is_seen):
        rows = rng.permutation(np.flatnonzero(target == c))
        n_test = min(max(round(test_size * len(rows)), 1), len(rows) - 1)
        held_out[rows[:n_test]] = True
    of_seen = is_seen[target]
    return (
        np.flatnonzero(of_seen & ~held_out),
        np.flatnonzero(held_out),
        np.flatnonzero(~of_seen),
    )
