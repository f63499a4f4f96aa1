"""The switching points of a calibration: where a sample goes from a seen to an unseen class."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zslearn.metrics._validation import check_scored_classes

_GRID = 2**52
_LIMITS = np.finfo(np.float64)


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
        # In units of 2**-52 sums of whole parts are exact, and what is left of each gain is tiny:
        # the rounding does not grow with the number of samples.
        shares = self.counts * np.count_nonzero(members)
        whole = _GRID // shares
        rest = (_GRID - whole * shares) / shares
        steps, remainder = (
            np.bincount(point, weights=part[y], minlength=self.n_pieces - 1)
            for part in (whole.astype(np.float64), rest)
        )
        total = np.zeros(self.n_pieces)
        total[1:] = (np.cumsum(steps) + np.cumsum(remainder)) / _GRID
        return total

    def area(self) -> float:
        """Return the area under the seen-unseen curve."""
        unseen, seen = self.accuracies()
        return float(np.sum(np.diff(unseen) * (seen[1:] + seen[:-1])) / 2)

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
    if max(np.abs(top_seen).max(), np.abs(top_unseen).max()) > _LIMITS.max / 8:
        raise ValueError(
            "y_score holds scores so large that their differences overflow; rescale them."
        )
    # Crossing the switching point changes an accuracy only if the right class is best on its side.
    matters = np.where(is_seen[y], best[0], best[1]) == scored.y
    parts = (part[matters] for part in (y, top_seen, top_unseen))
    return switches_between(scored.classes[present], is_seen, counts, *parts)


def switches_between(
    classes: NDArray[Any],
    is_seen: NDArray[np.bool_],
    counts: NDArray[np.intp],
    y: NDArray[np.intp],
    top_seen: NDArray[np.float64],
    top_unseen: NDArray[np.float64],
) -> Switches:
    """Return the switches of samples right on their own side, from the best score on each."""
    switch = top_seen - top_unseen
    # Bounds on the rounding of `seen - unseen` and of `unseen + delta`. Points closer than that
    # cannot be told apart by any delta, and are one.
    largest = np.maximum(np.abs(top_seen), np.abs(top_unseen))
    rounding = 4 * _LIMITS.eps * np.maximum(largest, _LIMITS.tiny)
    order = np.argsort(switch - rounding)
    lower = (switch - rounding)[order]
    upper = np.maximum.accumulate((switch + rounding)[order])
    is_start = np.ones(len(y), dtype=bool)
    is_start[1:] = lower[1:] > upper[:-1]
    starts = np.flatnonzero(is_start)
    point = np.empty(len(y), dtype=np.intp)
    point[order] = np.cumsum(is_start) - 1
    ordered = switch[order]
    return Switches(
        classes=classes,
        is_seen=is_seen,
        counts=counts,
        y=y,
        point=point,
        first=np.minimum.reduceat(ordered, starts) if len(starts) else switch,
        last=np.maximum.reduceat(ordered, starts) if len(starts) else switch,
        rounding=float(rounding.max(initial=0.0)),
    )


class StackedTops:
    """The best scores on each side of the same samples by many models, and the areas they give.

    Parameters
    ----------
    targets : ndarray of shape (n,)
        Columns of the right classes. Columns of seen classes come first, those of a side in the
        order of their labels.
    n_seen : int
        Number of seen columns.
    n_models : int
    """

    def __init__(self, targets: NDArray[np.intp], n_seen: int, n_models: int) -> None:
        self.targets, self.n_seen = targets, n_seen
        shape = n_models, len(targets)
        self.tops = np.empty((2, *shape))
        self.right = np.empty(shape, dtype=bool)

    def add(self, model: int, place: slice, scores: NDArray[np.float64]) -> None:
        """Take in a model's scores (C, n) of the samples at some place."""
        y = self.targets[place]
        sides = scores[: self.n_seen], scores[self.n_seen :]
        seen, unseen = self.tops[:, model, place]
        pairs = (sides[0], seen), (sides[1], unseen)
        for side, top in pairs:
            side.max(axis=0, out=top)
        own = scores[y, np.arange(len(y))]
        right = own == np.where(y < self.n_seen, seen, unseen)
        if sum(np.count_nonzero(side == top) for side, top in pairs) > 2 * len(y):
            best = sides[0].argmax(axis=0), self.n_seen + sides[1].argmax(axis=0)
            right &= np.where(y < self.n_seen, *best) == y  # of equal scores the first counts
        self.right[model, place] = right

    def areas(self) -> list[float]:
        """Return the area under each model's seen-unseen curve."""
        if not (np.abs(self.tops) <= _LIMITS.max / 8).all():
            raise ValueError(
                "A setting gives scores that are NaN, infinite or so large that their differences "
                "overflow; leave it out, or scale the features."
            )
        present, y, counts = np.unique(self.targets, return_inverse=True, return_counts=True)
        areas = []
        for right, seen, unseen in zip(self.right, *self.tops, strict=True):
            parts = (part[right] for part in (y, seen, unseen))
            areas.append(switches_between(present, present < self.n_seen, counts, *parts).area())
        return areas
