"""The switching points of a calibration: where a sample goes from a seen to an unseen class."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zslearn.metrics._validation import check_scored_classes


@dataclass(frozen=True)
class Switches:
    """The samples whose prediction becomes right or wrong at some delta, and where."""

    classes: NDArray[Any]  # classes present in y_true, sorted
    is_seen: NDArray[np.bool_]  # of those classes
    counts: NDArray[np.intp]  # samples of those classes
    y: NDArray[np.intp]  # (m,) class of each switching sample, an index into classes
    point: NDArray[np.intp]  # (m,) its switching point
    first: NDArray[np.float64]  # (p,) each switching point: the least delta merged into it
    last: NDArray[np.float64]  # (p,) and the greatest
    rounding: float  # bound on the rounding of any of them

    @property
    def n_pieces(self) -> int:
        return len(self.first) + 1

    def deltas(self) -> NDArray[np.float64]:
        if not len(self.first):
            return np.zeros(1)
        # Beyond the extremes by a margin that no rounding can absorb.
        below = self.first[0] - max(1.0, abs(self.first[0]), self.rounding)
        above = self.last[-1] + max(1.0, abs(self.last[-1]), self.rounding)
        middles = self.last[:-1] / 2 + self.first[1:] / 2
        return np.concatenate([[below], middles, [above]])

    def widths(self) -> NDArray[np.float64]:
        inside = self.first[1:] - self.last[:-1]
        return np.concatenate([[np.inf], inside, [np.inf]]) if len(self.first) else np.ones(1)

    def restricted(self, weights: NDArray[Any]) -> Switches:
        """Return the switches without the classes of weight 0."""
        kept = weights[self.y] > 0
        used, point = np.unique(self.point[kept], return_inverse=True)
        return replace(
            self,
            y=self.y[kept],
            point=point,
            first=self.first[used],
            last=self.last[used],
        )

    def _accumulate(
        self,
        members: NDArray[np.bool_],
        point: NDArray[np.intp],
        weights: NDArray[Any] | None,
    ) -> NDArray[np.float64]:
        """Return the accuracy that the member classes gain by the switches before each piece."""
        samples = members[self.y]
        y, point = self.y[samples], point[samples]
        if weights is not None:
            gain = weights / (weights[members].sum() * self.counts)
            steps = np.bincount(point, weights=gain[y], minlength=self.n_pieces - 1)
            return np.concatenate([[0.0], np.cumsum(steps)])
        # Whole numbers are added as such, for all classes of one size together: the rounding
        # then does not grow with the number of samples.
        total = np.zeros(self.n_pieces)
        sizes, n_classes = self.counts[y], np.count_nonzero(members)
        for size in np.unique(sizes):
            steps = np.bincount(point[sizes == size], minlength=self.n_pieces - 1)
            total[1:] += np.cumsum(steps) / (size * n_classes)
        return total

    def accuracies(
        self, weights: NDArray[Any] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the unseen and the seen accuracy of each piece, for class multiplicities."""
        unseen = self._accumulate(~self.is_seen, self.point, weights)
        # Run from the other end, where it is an exact 0.
        seen = self._accumulate(self.is_seen, self.n_pieces - 2 - self.point, weights)
        return unseen, seen[::-1]


def find_switches(
    y_true: ArrayLike, y_score: ArrayLike, classes: ArrayLike, seen_classes: ArrayLike
) -> Switches:
    """Return the switches of all samples whose right class is the best on its own side."""
    scored = check_scored_classes(y_true, y_score, classes, seen_classes)
    present, y, counts = np.unique(scored.y, return_inverse=True, return_counts=True)
    is_seen = scored.is_seen[present]
    if is_seen.all() or not is_seen.any():
        raise ValueError(
            f"y_true holds no sample of {'an unseen' if is_seen.all() else 'a seen'} class, so "
            "the seen-unseen curve is undefined; give test samples of both kinds of class."
        )
    columns = [np.flatnonzero(scored.is_seen), np.flatnonzero(~scored.is_seen)]
    best = [side[scored.scores[:, side].argmax(axis=1)] for side in columns]
    rows = np.arange(len(y))
    top_seen, top_unseen = (scored.scores[rows, column] for column in best)
    limits = np.finfo(np.float64)
    if max(np.abs(top_seen).max(), np.abs(top_unseen).max()) > limits.max / 8:
        raise ValueError(
            "y_score holds scores so large that their differences overflow; rescale them."
        )
    # Crossing the switching point changes an accuracy only if the right class is best on its side.
    matters = np.where(is_seen[y], best[0], best[1]) == scored.y
    y, top_seen, top_unseen = y[matters], top_seen[matters], top_unseen[matters]
    switch = top_seen - top_unseen
    # Bounds on the rounding of `seen - unseen` and of `unseen + delta`. Points closer than that
    # cannot be told apart by any delta, and are one.
    largest = np.maximum(np.abs(top_seen), np.abs(top_unseen))
    rounding = 4 * limits.eps * np.maximum(largest, limits.tiny)
    order = np.argsort(switch - rounding, kind="stable")
    lower = (switch - rounding)[order]
    upper = np.maximum.accumulate((switch + rounding)[order])
    is_start = np.ones(len(y), dtype=bool)
    is_start[1:] = lower[1:] > upper[:-1]
    starts = np.flatnonzero(is_start)
    point = np.empty(len(y), dtype=np.intp)
    point[order] = np.cumsum(is_start) - 1
    return Switches(
        classes=scored.classes[present],
        is_seen=is_seen,
        counts=counts,
        y=y,
        point=point,
        first=np.minimum.reduceat(switch[order], starts) if len(starts) else switch,
        last=np.maximum.reduceat(switch[order], starts) if len(starts) else switch,
        rounding=float(rounding.max(initial=0.0)),
    )
