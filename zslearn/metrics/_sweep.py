"""The best calibration common to several models, exactly, by one sweep of all switching points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zslearn.metrics._switches import Switches
from zslearn.metrics._units import Unit

Scoring = Callable[[NDArray[np.float64], NDArray[np.float64]], ArrayLike]

# As in zslearn.metrics: far above rounding, far below the weight of one sample.
_TIE = 1e-12


class CommonCalibration(NamedTuple):
    """The best common delta, in units, its mean score, and the curve it was chosen from."""

    delta: float
    score: float
    deltas: NDArray[np.float64]
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class FoldCurve:
    """One fold's accuracies, constant between its switching points, which are in units."""

    first: NDArray[np.float64]  # (p,) ascending: a switching point is an interval of the width
    last: NDArray[np.float64]  # (p,) of the rounding of those merged into it
    lower: NDArray[np.float64]  # (p,) ascending: the same, wider by a bound on the rounding of
    upper: NDArray[np.float64]  # (p,) the scores
    unseen: NDArray[np.float64]  # (p + 1,)
    seen: NDArray[np.float64]  # (p + 1,)
    neutral: float  # what no calibration at all is in units

    @classmethod
    def from_switches(cls, switches: Switches, unit: Unit) -> FoldCurve:
        """Convert the switching points of a fold to units."""
        margin = switches.rounding
        bounds = (switches.first, switches.last, switches.first - margin, switches.last + margin)
        # Increasing, but for the rounding of the conversion.
        first, last, lower, upper = (
            np.maximum.accumulate(unit.to_units(bound)) for bound in bounds
        )
        unseen, seen = switches.accuracies()
        neutral = float(unit.to_units(np.zeros(1))[0])
        return cls(first, last, lower, upper, unseen, seen, neutral)

    def deltas(self) -> NDArray[np.float64]:
        """Return a calibration, in units, on each piece."""
        return _middles(self.first, self.last, self.upper - self.last, self.neutral)


def score_pieces(curve: FoldCurve, scoring: Scoring) -> NDArray[np.float64]:
    """Score every piece of a fold's curve, checking what a callable returns."""
    scores = np.asarray(scoring(curve.unseen, curve.seen), dtype=np.float64)
    if scores.shape != curve.unseen.shape or np.isnan(scores).any():
        raise ValueError(
            "scoring must return one number, not NaN, for each pair of unseen and seen accuracy; "
            f"found shape {scores.shape} for {len(curve.unseen)} pairs. Write it with numpy "
            "operations."
        )
    return scores


def sweep(curves: Sequence[FoldCurve], scoring: Scoring) -> CommonCalibration:
    """Maximise the mean over folds of a score, over all real deltas common to them.

    The mean is constant between consecutive points of the union of the folds' switching points;
    sorting the union gives it everywhere. Of the pieces on which it is largest the widest is
    taken, and its middle; among equally wide ones that nearest to no calibration.
    """
    first, last, group = _merge(curves)
    n_pieces = len(first) + 1
    total = np.zeros(n_pieces)
    start = 0
    for curve in curves:
        # Before piece g, the fold has passed its points in the groups before g.
        stop = start + len(curve.first)
        passed = np.searchsorted(group[start:stop], np.arange(n_pieces), side="left")
        total += score_pieces(curve, scoring)[passed]
        start = stop
    scores = total / len(curves)
    neutral = float(np.mean([curve.neutral for curve in curves]))
    rounding = np.concatenate([curve.upper - curve.last for curve in curves])
    deltas = _middles(first, last, rounding, neutral)
    best = scores >= scores.max() - _TIE
    if best.all():
        return CommonCalibration(neutral, float(scores.max()), deltas, scores)
    widths = np.concatenate([[np.inf], first[1:] - last[:-1], [np.inf]])
    candidates = np.flatnonzero(best)
    order = np.lexsort((deltas[best], np.abs(deltas[best] - neutral), -widths[best]))
    chosen = candidates[order[0]]
    return CommonCalibration(float(deltas[chosen]), float(scores[chosen]), deltas, scores)


def _merge(
    curves: Sequence[FoldCurve],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
    """Sort the switching points of all folds, as one those that no delta can tell apart.

    Returns the bounds of each merged point and, fold by fold, the merged point of each point.
    """
    first = np.concatenate([curve.first for curve in curves])
    last = np.concatenate([curve.last for curve in curves])
    lower = np.concatenate([curve.lower for curve in curves])
    upper = np.concatenate([curve.upper for curve in curves])
    group: NDArray[Any] = np.empty(len(first), dtype=np.intp)
    if not len(first):
        return first, last, group
    order = np.argsort(lower, kind="stable")  # which keeps the order within a fold
    reached = np.maximum.accumulate(upper[order])
    is_start = np.ones(len(order), dtype=bool)
    is_start[1:] = lower[order][1:] > reached[:-1]
    starts = np.flatnonzero(is_start)
    group[order] = np.cumsum(is_start) - 1
    return (
        np.minimum.reduceat(first[order], starts),
        np.maximum.reduceat(last[order], starts),
        group,
    )


def _middles(
    first: NDArray[np.float64],
    last: NDArray[np.float64],
    rounding: NDArray[np.float64],
    neutral: float,
) -> NDArray[np.float64]:
    if not len(first):
        return np.array([neutral])
    # The unbounded pieces: by a margin that no rounding can absorb.
    margin = max(1.0, float(rounding.max()))
    below = first[0] - max(margin, abs(first[0]))
    above = last[-1] + max(margin, abs(last[-1]))
    return np.concatenate([[below], last[:-1] / 2 + first[1:] / 2, [above]])
