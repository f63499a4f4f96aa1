"""A grid search that fits the candidates of a fold together."""

from __future__ import annotations

import time
import traceback
from collections import defaultdict
from typing import Any

import numpy as np
from sklearn.base import _fit_context, clone, is_classifier
from sklearn.model_selection import GridSearchCV, ParameterGrid, check_cv
from sklearn.model_selection._validation import (
    _insert_error_scores,
    _score,
    _warn_or_raise_about_fit_failures,
)
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.validation import _check_method_params

from zslearn.model_selection._fit_many import share_batches

__all__ = ["StackedGridSearchCV"]

# Of the models of a fold, as many are held at once.
_CANDIDATES_HELD = 32


class StackedGridSearchCV(GridSearchCV):
    """Exhaustive search over parameter values of a deep estimator, its candidates fitted together.

    What :class:`sklearn.model_selection.GridSearchCV` is, with the same results, where all
    candidates of a fold are trained in one pass over its samples: see :func:`fit_many`, also on
    how much faster that is and when it is not.

    Parameters
    ----------
    estimator : estimator
        A deep zero-shot classifier, such as :class:`zslearn.CVsCClassifier`. A pipeline, or another
        meta-estimator around one, is refused: ``GridSearchCV`` takes these.
    param_grid : dict or list of dicts
        Names of parameters, each with the values to try; or several such grids.
    scoring : str, callable, list, tuple or dict, default=None
        As in ``GridSearchCV``: a scorer such as :data:`zslearn.metrics.ausuc_scorer`, one that
        returns several metrics such as :data:`zslearn.metrics.gzsl_multimetric_scorer`, or a dict
        of names and scorers. ``None`` takes the estimator's ``score``.
    refit : bool, str or callable, default=True
        Whether to fit the best candidate on all samples; with several metrics, the name of the one
        that says which is best.
    cv : int, cross-validation generator or iterable, default=None
        As in ``GridSearchCV``. :class:`SeenUnseenKFold` makes folds for zero-shot learning.
    verbose : int, default=0
        Above 0, the number of fits is printed.
    error_score : "raise" or number, default=nan
        The score of a candidate that cannot be fitted or scored in a fold, such as one whose loss
        becomes infinite; the other candidates go on. "raise" raises the error.
    return_train_score : bool, default=False
        Whether ``cv_results_`` has the scores on the training parts.

    Attributes
    ----------
    cv_results_ : dict of str to ndarray
        As of ``GridSearchCV``, with one row a candidate. ``mean_fit_time`` and ``std_fit_time``
        are of equal shares of the time that the candidates of a fold took together.
    best_estimator_ : estimator
        The best candidate, fitted on all samples. Only with `refit`.
    best_score_ : float
        Mean score of the best candidate over the folds.
    best_params_ : dict
        Its parameters.
    best_index_ : int
        Its row in ``cv_results_``.
    scorer_ : callable or dict
    n_splits_ : int
    refit_time_ : float
        Seconds to fit ``best_estimator_``. Only with `refit`.
    multimetric_ : bool
    classes_, n_features_in_, feature_names_in_ : ndarray, int, ndarray of str
        Of ``best_estimator_``; the last if it has them.

    See Also
    --------
    fit_many : Many settings on the same samples, without folds.
    sklearn.model_selection.GridSearchCV : One fit after the other, of any estimator, in parallel.
    SeenUnseenKFold : Folds whose held-out classes play the unseen.

    Notes
    -----
    Candidates are trained together where they see the same batches. If they have different values
    of ``random_state``, or it is ``None``, and nothing is said about ``batch_random_state``, they
    see those of the first, as in :func:`fit_many`; separate fits have each their own. In all other
    cases the fits are those of ``GridSearchCV``. At most 32 candidates are held at a time.

    There is no ``n_jobs``: what runs in parallel is the arithmetic of a step. Callbacks of
    scikit-learn can be set on the estimator, whose candidates are then fitted one by one, but not
    on the search.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn import ClassAttributes, CVsCClassifier
    >>> from zslearn.metrics import ausuc_scorer
    >>> from zslearn.model_selection import SeenUnseenKFold, StackedGridSearchCV
    >>> rng = np.random.default_rng(0)
    >>> table = ClassAttributes(rng.uniform(size=(7, 4)))
    >>> y = rng.integers(0, 6, size=120)
    >>> X = table.values[y] + rng.normal(scale=0.1, size=(120, 4))
    >>> search = StackedGridSearchCV(
    ...     CVsCClassifier(max_epochs=2, random_state=0),
    ...     {"lambda_cc": [0.0, 0.5], "lambda_cal": [0.1, 0.4]},
    ...     scoring=ausuc_scorer,
    ...     cv=SeenUnseenKFold(3, random_state=0),
    ... ).fit(X, y, class_attributes=table)
    >>> search.cv_results_["mean_test_score"].shape
    (4,)
    >>> search.best_estimator_.unseen_classes_
    array([6])
    """

    def __init__(
        self,
        estimator: Any,
        param_grid: Any,
        *,
        scoring: Any = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        error_score: Any = np.nan,
        return_train_score: bool = False,
    ) -> None:
        super().__init__(
            estimator,
            param_grid,
            scoring=scoring,
            refit=refit,
            cv=cv,
            verbose=verbose,
            error_score=error_score,
            return_train_score=return_train_score,
        )

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, **params: Any) -> Any:
        """Fit and score all candidates on all folds, then fit the best one.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_regions, n_features) or (n_samples, n_features)
            Region features, in any form the estimator takes.
        y : array-like of shape (n_samples,)
            Class labels.
        **params : dict of str to object
            ``class_attributes`` for the estimator; ``groups`` for `cv`. With metadata routing, what
            the scorers and the splitter request.

        Returns
        -------
        self : object
            Fitted search.

        Raises
        ------
        TypeError
            If the estimator is not a deep zero-shot classifier, or takes no such parameter.
        ValueError
            If callbacks are set on the search, every fit failed, or parameters are refused.
        """
        self._check_stackable()
        scorers, refit_metric = self._get_scorers()
        X, y = indexable(X, y)
        routed = self._get_routed_params_for_fit(params)
        described = dict(routed.estimator.fit)
        class_attributes = described.pop("class_attributes", None)
        if described:
            raise TypeError(
                f"{type(self.estimator).__name__}.fit takes no parameter {sorted(described)}"
            )
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        self.n_splits_ = cv.get_n_splits(X, y, **routed.splitter.split)
        splits = list(cv.split(X, y, **routed.splitter.split))
        candidates = list(ParameterGrid(self.param_grid))
        n_fits = len(splits) * len(candidates)
        if not n_fits or len(splits) != self.n_splits_:
            raise ValueError(
                f"No fits can be made of {len(candidates)} candidates and {len(splits)} folds "
                f"(cv.get_n_splits says {self.n_splits_})."
            )
        if self.verbose > 0:
            print(
                f"Fitting {len(splits)} folds for each of {len(candidates)} candidates, totalling "
                f"{n_fits} fits"
            )
        by_fold = []
        for fold in splits:
            train, test = (
                (
                    _safe_indexing(X, rows),
                    _safe_indexing(y, rows),
                    _check_method_params(X, params=routed.scorer.score, indices=rows),
                )
                for rows in fold
            )
            by_fold.append(self._fit_fold(train, test, candidates, scorers, class_attributes))
        out = [fold[row] for row in range(len(candidates)) for fold in by_fold]
        _warn_or_raise_about_fit_failures(out, self.error_score)
        if callable(self.scoring):
            _insert_error_scores(out, self.error_score)
        self.cv_results_ = self._format_results(candidates, self.n_splits_, out, defaultdict(list))
        first_score = out[0]["test_scores"]
        self.multimetric_ = isinstance(first_score, dict)
        if callable(self.scoring) and self.multimetric_:
            self._check_refit_for_multimetric(first_score)
            refit_metric = self.refit
        self.scorer_ = getattr(scorers, "_scorers", scorers)
        self._choose(refit_metric)
        if self.refit:
            self._refit(X, y, class_attributes)
        return self

    def _check_stackable(self) -> None:
        from zslearn._training._estimator import DeepZeroShotClassifier  # torch, only where needed

        if not isinstance(self.estimator, DeepZeroShotClassifier):
            raise TypeError(
                "estimator must be a deep zero-shot classifier itself, such as CVsCClassifier, "
                f"found {type(self.estimator).__name__}. Use scikit-learn's GridSearchCV for "
                "pipelines and other estimators."
            )
        if getattr(self, "_skl_callbacks", None):
            raise ValueError(
                f"{type(self).__name__} passes no callbacks on to fits that run together. Set them "
                "on the estimator, or use scikit-learn's GridSearchCV."
            )

    def _fit_fold(
        self,
        train: tuple[Any, Any, dict[str, Any]],
        test: tuple[Any, Any, dict[str, Any]],
        candidates: list[dict[str, Any]],
        scorers: Any,
        class_attributes: Any,
    ) -> list[dict[str, Any]]:
        """Fit and score all candidates on a fold: for each, what scikit-learn collects."""
        from zslearn._training._stacked import fit_side_by_side

        waiting = [self._candidate(candidate) for candidate in candidates]
        share_batches(waiting)
        results: list[dict[str, Any]] = []
        while waiting:
            held, waiting = waiting[:_CANDIDATES_HELD], waiting[_CANDIDATES_HELD:]
            begin = time.perf_counter()
            errors = fit_side_by_side(held, *train[:2], class_attributes)
            seconds = (time.perf_counter() - begin) / len(held)
            for estimator, error in zip(held, errors, strict=True):
                if error is None and estimator.net_.interrupted_:
                    raise KeyboardInterrupt
                if error is not None and self.error_score == "raise":
                    error.add_note(f"Of the candidate {candidates[len(results)]!r}.")
                    raise error
                scores = self._scores(estimator, error, scorers, train, test)
                results.append({"fit_time": seconds, "n_test_samples": len(test[1]), **scores})
        return results

    def _scores(
        self, estimator: Any, error: Exception | None, scorers: Any, train: Any, test: Any
    ) -> dict[str, Any]:
        """Score a candidate, or put the error score in the place of its scores."""
        parts = {"test_scores": test, "train_scores": train}
        if not self.return_train_score:
            del parts["train_scores"]
        if error is not None:
            names = getattr(scorers, "_scorers", None)
            failed = self.error_score if names is None else dict.fromkeys(names, self.error_score)
            text = "".join(traceback.format_exception(error))
            return {"fit_error": text, "score_time": 0.0, **dict.fromkeys(parts, failed)}
        result: dict[str, Any] = {"fit_error": None}
        for part, (X, y, weights) in parts.items():
            begin = time.perf_counter()
            result[part] = _score(estimator, X, y, scorers, weights, self.error_score)
            if part == "test_scores":
                result["score_time"] = time.perf_counter() - begin
        return result

    def _candidate(self, params: dict[str, Any]) -> Any:
        return clone(self.estimator).set_params(**clone(params, safe=False))

    def _choose(self, metric: Any) -> None:
        """Find the best candidate, where something says which it is."""
        if self.refit or not self.multimetric_:
            self.best_index_ = self._select_best_index(self.refit, metric, self.cv_results_)
            if not callable(self.refit):
                self.best_score_ = self.cv_results_[f"mean_test_{metric}"][self.best_index_]
            self.best_params_ = self.cv_results_["params"][self.best_index_]

    def _refit(self, X: Any, y: Any, class_attributes: Any) -> None:
        self.best_estimator_ = self._candidate(self.best_params_)
        begin = time.perf_counter()
        self.best_estimator_.fit(X, y, class_attributes=class_attributes)
        self.refit_time_ = time.perf_counter() - begin
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_
