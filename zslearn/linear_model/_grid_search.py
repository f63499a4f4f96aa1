"""Regularisers chosen on held-out classes, a whole grid from one eigenbasis a fold."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from itertools import islice
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.model_selection import ParameterGrid

from zslearn._data._scaling import Scaling
from zslearn._data._score_scale import held_out_rows
from zslearn._data._vectors import ClassSums, mean_vectors
from zslearn._described_classes import DescribedClasses
from zslearn._split_checks import Split, check_splits
from zslearn.attributes import ClassAttributes
from zslearn.base import ZeroShotClassifierMixin
from zslearn.metrics._switches import StackedTops

__all__ = ["GridClassifier"]

# Of the sums of folds held at once, and of the best scores of a fold's samples.
_SUM_BYTES = _TOP_BYTES = 2**28
_FOLDS = 50
# Samples whose scores by one setting stay in the cache.
_TILE = 2048
Model = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


class GridClassifier(ZeroShotClassifierMixin, BaseEstimator):
    """The best of a grid by the area under the seen-unseen curve of folds, fitted on all samples.

    A subclass has the parameter ``cv``, and implements ``_unfitted`` and ``_grid``.
    """

    cv: Any

    @abstractmethod
    def _unfitted(self) -> Any:
        """Return the estimator whose regularisers are chosen, with ``_weights_of_each``."""

    @abstractmethod
    def _grid(self) -> dict[str, tuple[str, Any]]:
        """Return, by parameter of the estimator, the own parameter's name and its values."""

    def fit(self, X: Any, y: Any, class_attributes: Any = None) -> Self:
        """Choose the regularisers on folds of the classes, and fit with them on all samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_regions, n_features)
            Vectors, or regions, of which the mean is taken; read a chunk of rows at a time.
        y : array-like of shape (n_samples,)
            Class labels.
        class_attributes : ClassAttributes, DataFrame or array-like of shape (n_classes, K), \
default=None
            Descriptions of all classes, seen and unseen. ``None`` describes each class in `y` by
            an attribute of its own, which says nothing about a class held out.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is out of range, if the samples cannot be divided into folds, if a fold
            lacks samples of seen or of unseen classes, or if X is not finite.
        """
        with self._fitting_anew():
            X, y, classes = self._check_fit(X, y, class_attributes)
            settings = list(ParameterGrid(self._checked_grid()))
            targets = classes.seen_targets(y)
            values = classes.values[classes.seen]
            folds = self._folds(X, y, targets)
            scores = np.array(list(self._scores(X, targets, values, folds, settings)))
            mean = scores.mean(axis=0)
            best = int(mean.argmax())
            self.cv_results_ = {
                "params": settings,
                "mean_test_score": mean,
                "std_test_score": scores.std(axis=0),
            } | {f"split{fold}_test_score": row for fold, row in enumerate(scores)}
            self.best_params_, self.best_score_ = settings[best], float(mean[best])
            self.estimator_ = self._unfitted().set_params(**self.best_params_)
            self.estimator_.fit(X, y, class_attributes=classes.table)
            self._set_classes(classes)
        return self

    def _class_scores(self, X: Any, table: ClassAttributes) -> NDArray[np.floating]:
        scores: NDArray[np.floating] = self.estimator_._class_scores(
            self._check_X(X, reset=False), table
        )
        return scores

    def _describe_anew(self, classes: DescribedClasses) -> None:
        self.estimator_._describe_anew(classes)
        self._set_classes(classes)

    def _checked_grid(self) -> dict[str, list[float]]:
        grid = {}
        for name, (own, values) in self._grid().items():
            array = np.asarray(values)
            if array.ndim != 1 or not len(array) or array.dtype.kind not in "iuf":
                raise ValueError(f"{own} must be a non-empty list of numbers, found {values!r}")
            grid[name] = [float(value) for value in array]
        for setting in ParameterGrid(grid):
            estimator = self._unfitted().set_params(**setting)
            estimator._check_parameters()
            estimator._check_score_scale()
        return grid

    def _folds(self, X: Any, y: NDArray[Any], targets: NDArray[np.int64]) -> list[Split]:
        """Return the folds, each with samples of seen and of unseen classes to test on."""
        if isinstance(self.cv, Integral) and not isinstance(self.cv, bool):
            return list(_class_folds(targets, int(self.cv)))
        if isinstance(self.cv, str) or not (hasattr(self.cv, "split") or np.iterable(self.cv)):
            raise ValueError(
                "cv must be a number of folds, a splitter or an iterable of (train, test) rows, "
                f"found {self.cv!r}"
            )
        splits = self.cv.split(X, y) if hasattr(self.cv, "split") else self.cv
        return check_splits(splits, targets)

    def _scores(
        self,
        X: Any,
        targets: NDArray[np.int64],
        values: NDArray[np.float64],
        folds: list[Split],
        settings: list[dict[str, float]],
    ) -> Iterator[list[float]]:
        """Yield the areas under the seen-unseen curve of each fold, one for each setting."""
        at_once = min(_FOLDS, max(1, _SUM_BYTES // (8 * X.shape[-1] ** 2)))
        for start in range(0, len(folds), at_once):
            part = folds[start : start + at_once]
            prepared = []
            for train, _ in part:
                estimator, seen = self._unfitted(), np.unique(targets[train])
                described = estimator._prepare(X, values[seen], np.sort(train))
                prepared.append((estimator, seen, described))
            trains = [train for train, _ in part]
            scalings = [estimator.scaling_ for estimator, _, _ in prepared]
            each = _sums_of_each(X, targets, trains, scalings)
            for (_, test), sums, (estimator, seen, described) in zip(
                part, each, prepared, strict=True
            ):
                test = np.sort(test)
                columns = np.r_[seen, np.setdiff1d(targets[test], seen)]
                models = estimator._weights_of_each(
                    sums.of_classes(seen),
                    described,
                    estimator._describe(values[columns]),
                    settings,
                )
                number = np.empty(len(values), dtype=np.intp)
                number[columns] = np.arange(len(columns))
                right = number[targets[test]]
                yield _areas(X, test, estimator, models, right, len(seen))


def _sums_of_each(
    X: Any,
    targets: NDArray[np.int64],
    trains: list[NDArray[np.intp]],
    scalings: list[Scaling],
) -> list[ClassSums]:
    """Return the sums of each fold's training samples; all in one pass if scaled alike.

    Samples that the same folds train on are added up together, once.
    """
    times = np.stack([np.bincount(train, minlength=len(targets)) for train in trains])
    base = times.max() + 1.0
    _, first, kind = np.unique(
        base ** np.arange(len(trains)) @ times, return_index=True, return_inverse=True
    )
    width, n_seen = X.shape[-1], int(targets.max()) + 1
    too_many = base ** len(trains) > 2**53 or 8 * len(first) * width**2 > _SUM_BYTES
    if len(trains) > 1 and (scalings[0].is_learnt or too_many):
        half = len(trains) // 2
        parts_of_both = (
            (trains[part], scalings[part]) for part in (slice(half), slice(half, None))
        )
        return [sums for both in parts_of_both for sums in _sums_of_each(X, targets, *both)]
    parts = [ClassSums.zeros(n_seen, width) for _ in first]
    rows = np.flatnonzero(times.any(axis=0))
    for place, vectors in mean_vectors(X, rows):
        scaled, y, own = scalings[0](vectors), targets[rows[place]], kind[rows[place]]
        for number in np.unique(own):
            parts[number].add(scaled[own == number], y[own == number])
    sums = [ClassSums.zeros(n_seen, width) for _ in trains]
    for part, shares in zip(parts, times[:, first].T, strict=True):
        for total, share in zip(sums, shares, strict=True):
            if share:
                total.include(part, share)
    return sums


def _areas(
    X: Any,
    test: NDArray[np.intp],
    estimator: Any,
    models: Iterator[Model],
    right: NDArray[np.intp],
    n_seen: int,
) -> list[float]:
    """Areas under the seen-unseen curve of a fold's test samples, one for each model."""
    areas: list[float] = []
    step = max(1, _TOP_BYTES // (17 * len(test)))
    while several := list(islice(models, step)):
        tops = StackedTops(right, n_seen, len(several))
        bases = {id(basis): basis for basis, _, _ in several}
        number = {key: place for place, key in enumerate(bases)}
        # One more dimension, which is 1 and which the offsets are multiplied with.
        basis = np.stack([np.pad(basis, ((0, 0), (0, 1))) for basis in bases.values()]).swapaxes(
            1, 2
        )
        weights = [(number[id(basis)], np.column_stack(parts)) for basis, *parts in several]
        for place, vectors in mean_vectors(X, test):
            rows = estimator._rows(estimator.scaling_(vectors))
            for begin in range(0, len(rows), _TILE):
                tile = rows[begin : begin + _TILE]
                here = slice(place.start + begin, place.start + begin + len(tile))
                mapped = (basis.reshape(-1, rows.shape[1]) @ tile.T).reshape(*basis.shape[:2], -1)
                for own in mapped:
                    own[:-1] = estimator._mapped(own[:-1].T).T
                mapped[:, -1] = 1
                for model, (place_of_basis, own) in enumerate(weights):
                    tops.add(model, here, own @ mapped[place_of_basis])
        areas += tops.areas()
    return areas


def _class_folds(targets: NDArray[np.int64], n_folds: int) -> Iterator[Split]:
    """Deal the classes to folds in turn; each tests on its own and on a fifth of the others.

    A fold whose other classes have but one sample each has nothing seen to test on, and is left
    out.
    """
    if n_folds < 2:
        raise ValueError(f"cv must be at least 2 folds, found {n_folds}")
    n_classes = int(targets.max()) + 1
    held = held_out_rows(targets)
    if n_classes < 2 or len(np.unique(targets[held])) < 2:
        kind = "1 class" if n_classes < 2 else f"{n_classes} classes"
        raise ValueError(
            "To hold out classes, y must have two classes of at least two samples each, found "
            f"{kind} and {len(targets)} sample(s). Give cv, or settle for fixed regularisers."
        )
    group = targets % min(n_folds, n_classes)
    for fold in range(group.max() + 1):
        test = held | (group == fold)
        if np.any(held & (group != fold)):
            yield np.flatnonzero(~test), np.flatnonzero(test)
