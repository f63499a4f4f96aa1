"""Regularisers chosen on held-out classes, a whole grid from one eigenbasis a fold."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.model_selection import ParameterGrid

from zslearn._data._score_scale import held_out_rows
from zslearn._data._vectors import ClassSums, mean_vectors
from zslearn._described_classes import DescribedClasses
from zslearn.attributes import ClassAttributes
from zslearn.base import ZeroShotClassifierMixin
from zslearn.metrics import ausuc_score

__all__ = ["GridClassifier"]

# Of the scores of a fold's samples held at once, for as many settings as fit in.
_SCORE_BYTES = 2**28
Fold = tuple[NDArray[np.intp], NDArray[np.intp]]


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
            scores = np.array([self._score(X, targets, values, fold, settings) for fold in folds])
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

    def _folds(self, X: Any, y: NDArray[Any], targets: NDArray[np.int64]) -> list[Fold]:
        """Return the folds, each with samples of seen and of unseen classes to test on."""
        if isinstance(self.cv, Integral) and not isinstance(self.cv, bool):
            return list(_class_folds(targets, int(self.cv)))
        if isinstance(self.cv, str) or not (hasattr(self.cv, "split") or np.iterable(self.cv)):
            raise ValueError(
                "cv must be a number of folds, a splitter or an iterable of (train, test) rows, "
                f"found {self.cv!r}"
            )
        splits = self.cv.split(X, y) if hasattr(self.cv, "split") else self.cv
        rows = np.arange(len(targets))
        folds = [(rows[train], rows[test]) for train, test in splits]
        if not folds:
            raise ValueError("cv must give at least one fold, found none")
        for number, (train, test) in enumerate(folds):
            seen = np.isin(targets[test], targets[train])
            if not len(seen) or seen.all() or not seen.any():
                lacking = "unseen" if len(seen) and seen.all() else "seen"
                raise ValueError(
                    f"cv must hold out whole classes and samples of the others, but the test part "
                    f"of its fold {number} has no sample of {lacking} classes; give a number of "
                    "folds, or zslearn.model_selection.SeenUnseenKFold."
                )
        return folds

    def _score(
        self,
        X: Any,
        targets: NDArray[np.int64],
        values: NDArray[np.float64],
        fold: Fold,
        settings: list[dict[str, float]],
    ) -> NDArray[np.float64]:
        """Return the area under the seen-unseen curve of a fold, for each setting."""
        train, test = (np.sort(rows) for rows in fold)
        seen, position = np.unique(targets[train], return_inverse=True)
        candidates = np.union1d(seen, targets[test])
        estimator = self._unfitted()
        described = estimator._prepare(X, values[seen], train)
        sums = ClassSums.zeros(len(seen), X.shape[-1])
        for place, vectors in mean_vectors(X, train):
            sums.add(estimator.scaling_(vectors), position[place])
        each = estimator._weights_of_each(
            sums, described, estimator._describe(values[candidates]), settings
        )
        step = max(1, _SCORE_BYTES // (8 * len(test) * len(candidates)))
        areas = []
        for start in range(0, len(settings), step):
            models = [next(each) for _ in settings[start : start + step]]
            scores = np.empty((len(models), len(test), len(candidates)))
            for place, vectors in mean_vectors(X, test):
                rows = estimator._rows(estimator.scaling_(vectors))
                shared = {id(basis): basis for basis, _, _ in models}
                mapped = {key: rows @ basis for key, basis in shared.items()}
                for own, (basis, weights, offsets) in zip(scores, models, strict=True):
                    np.matmul(mapped[id(basis)], weights.T, out=own[place])
                    own[place] += offsets
            areas += [
                ausuc_score(targets[test], own, classes=candidates, seen_classes=seen)
                for own in scores
            ]
        return np.array(areas)


def _class_folds(targets: NDArray[np.int64], n_folds: int) -> Iterator[Fold]:
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
