"""Which class the scores of each sample decide for, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zslearn._calibrated import add_delta, check_calibration

__all__ = ["by_row_blocks", "decide", "row_blocks"]

_BLOCK_BYTES = 2**21  # of a block in float64: it and what is made of it stay in cache


def decide(
    score_blocks: Iterable[NDArray[np.floating]],
    labels: NDArray[Any],
    unseen: NDArray[np.bool_],
    delta: float,
    scale: str,
    columns: NDArray[np.intp],
) -> NDArray[Any]:
    """Label of the largest score of each row, delta added to those of unseen classes.

    Besides what it is given it holds a block of rows in float64, and its result.

    Parameters
    ----------
    score_blocks : iterable of ndarray of shape (n_rows, n_classes)
        Scores of the samples in turn; a single one of all samples will do.
    labels : ndarray of shape (n_candidates,)
    unseen : ndarray of shape (n_candidates,), bool
    delta : float
        May be infinite: then one kind of classes wins wherever both compete.
    scale : {"logit", "probability"}
        What delta is added to; probabilities are taken among the candidates.
    columns : ndarray of shape (n_candidates,)
        Those of the candidates among the scores.

    Returns
    -------
    ndarray of shape (n_samples,)

    Raises
    ------
    ValueError
        If delta is NaN or no number, the scale unknown, or a score of a candidate not finite.
    """
    delta = check_calibration(delta, scale)
    best, bad, n_done = [np.empty(0, dtype=np.intp)], [np.empty(0, dtype=np.intp)], 0
    for scores in score_blocks:
        for rows in row_blocks(len(scores), len(labels)):
            block = np.take(scores[rows], columns, axis=1)
            finite = np.isfinite(block).all(axis=1)
            bad.append(np.flatnonzero(~finite) + n_done + rows.start)
            block[~finite] = 0
            best.append(add_delta(block, unseen, delta, scale).argmax(axis=1))
        n_done += len(scores)
    wrong = np.concatenate(bad)
    if len(wrong):
        raise ValueError(
            f"scores are NaN or infinite for {len(wrong)} sample(s), rows {wrong[:10].tolist()}: "
            "there is no best class. Check the features, or use precision='float32'."
        )
    return labels[np.concatenate(best)]


def by_row_blocks(
    function: Callable[[NDArray[np.floating]], NDArray[np.float64]], scores: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Results in float64, one of each score, of a function of rows: it sees a block at a time."""
    result = np.empty(scores.shape)
    for rows in row_blocks(*scores.shape):
        result[rows] = function(scores[rows])
    return result


def row_blocks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Divide rows into blocks of bounded size."""
    step = max(1, _BLOCK_BYTES // (8 * max(1, n_columns)))
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))
