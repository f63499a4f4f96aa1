"""How much of delta a class gets: all of it without pictures, less of it as pictures come."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["counts_of", "delta_shares"]


def delta_shares(
    counts: NDArray[np.int64], fade: float | str | None, fitted: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Give the share of delta of classes with some numbers of pictures.

    Parameters
    ----------
    counts : ndarray of shape (n_classes,)
    fade : float, "median" or None
        Number of pictures from which on a class gets none of it; "median" is that of the classes
        that have some, None the first.
    fitted : ndarray of shape (n_fitted,)
        Numbers of pictures of all classes that were fitted.

    Returns
    -------
    ndarray of shape (n_classes,)
        ``max(0, 1 - counts / fade)``.

    Raises
    ------
    ValueError
        If `fade` is none of these.
    """
    if fade is None:
        return (counts == 0).astype(np.float64)
    if isinstance(fade, str) and fade == "median":
        fade = float(np.median(fitted[fitted > 0]))
    if isinstance(fade, str) or not 0 < fade < np.inf:
        raise ValueError(f"delta_fade must be a number above 0, 'median' or None; found {fade!r}")
    return np.maximum(0.0, 1.0 - counts / fade)


def counts_of(
    labels: NDArray[np.generic], known: NDArray[np.generic], counts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Give the counts of some labels, from those of known ones, sorted; 0 for others."""
    place = np.minimum(np.searchsorted(known, labels), len(known) - 1)
    return np.where(known[place] == labels, counts[place], 0)
