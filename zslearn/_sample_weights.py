"""How much samples count in a fit: weights given one by one, or by class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zslearn._containers import refuse_masked
from zslearn._input_checks import check_same_order

__all__ = ["Samples"]


@dataclass(frozen=True, eq=False)
class Samples:
    """The samples that count in a fit. One of weight 0 is as if it were not there.

    Attributes
    ----------
    X : array-like
        Features, with the rows of samples that do not count.
    y : ndarray of shape (n_counting,)
        Labels of those that do.
    rows : ndarray of shape (n_counting,) or None
        Their rows in X, in ascending order; None if all count.
    weights : ndarray of shape (n_counting,), float64, or None
        Above 0; None if none were asked for.
    """

    X: Any
    y: NDArray[Any]
    rows: NDArray[np.intp] | None = None
    weights: NDArray[np.float64] | None = None

    @classmethod
    def weighed(
        cls,
        X: Any,
        y: NDArray[Any],
        sample_weight: Any,
        class_weight: Any = None,
        labels: NDArray[Any] | None = None,
    ) -> Samples:
        """Check the weights that a fit was given; `labels` are those that have a meaning.

        Raises
        ------
        ValueError
            If a weight is missing, negative or not finite, or a class has no sample that counts.
        """
        weights = None if sample_weight is None else _checked(X, y, sample_weight)
        if class_weight is not None:
            by_class = _of_classes(class_weight, y, weights, y if labels is None else labels)
            weights = by_class if weights is None else weights * by_class
        if weights is None:
            return cls(X, y)
        counts = weights > 0
        lost = np.setdiff1d(y, y[counts])
        if lost.size:
            raise ValueError(
                f"sample_weight or class_weight is zero for every sample of {lost.size} class(es), "
                f"such as {lost[:3].tolist()}: leave these samples out, or give one a weight above "
                "zero."
            )
        if counts.all():
            return cls(X, y, None, weights)
        return cls(X, y[counts], np.flatnonzero(counts), weights[counts])

    def part(self, index: NDArray[np.intp]) -> Samples:
        """Return some of the samples, counted among those that count."""
        return Samples(self.X, self.y[index], self.rows_of(index), self.weights_of(index))

    def rows_of(self, index: NDArray[np.intp]) -> NDArray[np.intp]:
        """Rows in X of some of the samples."""
        return index if self.rows is None else self.rows[index]

    def weights_of(self, index: Any) -> NDArray[np.float64] | None:
        """Weights of some of the samples, if there are any."""
        return None if self.weights is None else self.weights[index]

    def numbered(self, number: Callable[[NDArray[Any]], NDArray[np.int64]]) -> Samples:
        """Return the same with numbers for labels, and without weights if each is one."""
        weights = self.weights
        ones = weights is None or bool(np.all(weights == 1))
        return Samples(self.X, number(self.y), self.rows, None if ones else weights)

    def relative(self) -> Samples:
        """Return the same without weights if these are equal, for where only ratios matter."""
        if self.weights is None or not np.all(self.weights == self.weights[0]):
            return self
        return Samples(self.X, self.y, self.rows)


def _checked(X: Any, y: NDArray[Any], sample_weight: Any) -> NDArray[np.float64]:
    """Weights as float64, one for each sample."""
    refuse_masked(sample_weight, "sample_weight")
    check_same_order(X, sample_weight, "sample_weight")
    try:
        weights = np.asarray(sample_weight)
        if weights.dtype.kind not in "fiub":
            weights = weights.astype(object).astype(np.float64)
        weights = weights.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"sample_weight must hold real numbers: {error}") from None
    if weights.ndim == 0:
        weights = np.full(len(y), float(weights))
    if weights.shape != y.shape:
        raise ValueError(
            f"sample_weight must have one number for each of the {len(y)} samples, found shape "
            f"{weights.shape}"
        )
    for name, bad in (
        ("NaN or infinite", ~np.isfinite(weights)),
        ("negative", weights < 0),
    ):
        if bad.any():
            rows = np.flatnonzero(bad)
            raise ValueError(
                f"sample_weight is {name} for {len(rows)} sample(s), rows {rows[:10].tolist()}: "
                "weights are finite and at least 0. Leave out samples that are not to count."
            )
    return weights


def _of_classes(
    class_weight: Any,
    y: NDArray[Any],
    weights: NDArray[np.float64] | None,
    known: NDArray[Any],
) -> NDArray[np.float64]:
    """Weight of the class of each sample, as scikit-learn defines it."""
    labels, targets = np.unique(y, return_inverse=True)
    if isinstance(class_weight, str) and class_weight == "balanced":
        sums = np.bincount(targets, weights=weights)
        n_counting = max(1, np.count_nonzero(sums))
        of_class = sums.sum() / (n_counting * np.where(sums > 0, sums, 1.0))
    elif isinstance(class_weight, dict):
        unknown = [name for name in class_weight if name not in set(known.tolist())]
        if unknown:
            raise ValueError(
                f"class_weight names {unknown[:5]}, which are no labels; there are "
                f"{known[:5].tolist()}, ... ({len(known)} in all)"
            )
        given = [class_weight.get(label, 1.0) for label in labels.tolist()]
        try:
            of_class = np.array(given, dtype=np.float64)
        except (TypeError, ValueError):
            raise ValueError(f"class_weight must hold numbers, found {given[:5]}") from None
        bad = ~(np.isfinite(of_class) & (of_class >= 0))
        if bad.any():
            raise ValueError(
                f"class_weight must be finite and at least 0, found {of_class[bad][0]} for class "
                f"{labels[bad].tolist()[0]!r}"
            )
    else:
        raise ValueError(
            f"class_weight must be 'balanced', a dict of weights by class, or None; found "
            f"{class_weight!r}"
        )
    return of_class[targets]
