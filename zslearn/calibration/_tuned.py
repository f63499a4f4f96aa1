"""A calibration that is chosen on held-out seen classes."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import _fit_context, clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_is_fitted, indexable

from zslearn._containers import refuse_orderless
from zslearn._input_checks import check_labels_of
from zslearn._split_checks import check_splits
from zslearn.calibration._base import BaseCalibrationClassifier
from zslearn.calibration._folds import (
    Fold,
    describe_sweep,
    fit_folds,
    measure,
    measure_unit,
    with_tables_of,
)
from zslearn.calibration._response import (
    CalibrationRule,
    routing_enabled,
)
from zslearn.metrics._gzsl import harmonic_mean
from zslearn.metrics._sweep import FoldCurve, Scoring, sweep
from zslearn.metrics._units import UNITS
from zslearn.model_selection import SeenUnseenKFold

__all__ = ["TunedCalibrationClassifierCV"]


class TunedCalibrationClassifierCV(BaseCalibrationClassifier):
    r"""Zero-shot classifier whose calibration is chosen on held-out seen classes.

    A classifier trained on seen classes prefers them, and calibrated stacking [1]_ adds
    :math:`\delta` to the scores of unseen classes to make up for it. Which :math:`\delta` is best
    must not be looked up on test data. Here, groups of seen classes take turns as the unseen: in
    each fold a model is fitted without them, the best :math:`\delta` over all folds is found
    exactly, and the estimator is fitted again on everything and calibrated with it.

    Parameters
    ----------
    estimator : estimator instance
        Zero-shot classifier with ``decision_function`` or ``predict_proba`` and, once fitted,
        `classes_` and `seen_classes_`; or a Pipeline or a search that ends in one. A calibration
        of its own is ignored: the uncalibrated scores are used.

    scoring : {"harmonic_mean"} or callable, default="harmonic_mean"
        What to maximise. A callable takes the arrays of unseen and of seen accuracies (U, S) and
        returns an array of scores of the same shape, finite everywhere (both may be 0). The
        harmonic mean is what generalised zero-shot learning is judged by. The area under the
        seen-unseen curve has no say here: it is the same for every delta.

    cv : int, cross-validation generator, iterable or "prefit", default=None
        How held-out classes are chosen:

        - ``None``: ``SeenUnseenKFold(random_state=random_state)``, in whose folds each seen class
          is unseen once;
        - an int: that many of its folds;
        - a splitter, or an iterable of (train, test) row indices. The test part of a fold holds
          classes that its training part lacks and held-out samples of classes it has;
        - "prefit": `estimator` comes fitted, and ``fit`` takes the calibration set. It must hold
          samples of classes unseen to the estimator.

    units : {"std", "absolute", "quantile", "probability"}, default="std"
        The unit in which delta is common to the models of the folds and carried over to the
        final one, which knows more classes and whose scores are of another size:

        - "std": standard deviations of a sample's scores over the classes. The default: a model's
          scores as a whole grow or shrink with the number of classes and of training steps, and
          delta must follow;
        - "absolute": the scores' own unit, the same number everywhere;
        - "quantile": the share of training samples that delta sends to unseen classes;
        - "probability": delta is added to probabilities, the softmax of the scores over the
          candidates, in all models alike.

        On seen classes of CUB the loss of H against the best delta in hindsight was .010, .011,
        .013 and .017, in this order (24 models of CVsC, ``benchmarks/selection_study.py``).

    refit : bool, default=True
        Whether to fit the estimator again on all samples. Without, which is possible if `cv` has
        a single fold, the model of that fold is kept. Without effect if ``cv="prefit"``.

    store_cv_results : bool, default=False
        Whether to keep the curves of all folds in `cv_results_`.

    n_jobs : int, default=None
        Number of folds fitted in parallel. ``None`` means 1 unless in a
        ``joblib.parallel_backend`` context, -1 all processors. Results do not depend on it.

    random_state : int, RandomState instance or None, default=None
        Determines the classes and samples held out if `cv` is ``None`` or an int. The estimator
        has a random state of its own.

    verbose : int, default=0
        Whether to print a line when a fold is done, with its seconds and the best delta so far.

    Attributes
    ----------
    estimator_ : estimator instance
        The fitted estimator.

    best_delta_ : float
        What `predict` adds to the scores (``units="probability"``: to the probabilities) of
        unseen classes, in the score units of `estimator_`.

    delta_in_units_ : float
        The same as it was found, in `units`.

    best_score_ : float
        Mean over folds of the score at that delta. It has been maximised, so it is somewhat
        optimistic, and it is the score of models without the held-out classes.

    cv_results_ : dict
        Curves of the folds, if ``store_cv_results=True``. For each fold an array in the lists
        "held_out_classes" (labels), "delta" (in the score units of the fold's model),
        "delta_in_units", "unseen_accuracy", "seen_accuracy" and "score", a point for each
        interval of delta on which both accuracies are constant; and the objective in the arrays
        "mean_delta_in_units" and "mean_score".

    classes_ : ndarray of shape (n_classes,)
        Labels of all described classes.

    seen_classes_, unseen_classes_ : ndarray
        Those with and without samples at fit.

    class_attributes_ : ClassAttributes
        The table of the estimator, if it has one.

    n_features_in_ : int
        Number of features seen during fit, if the estimator has it.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen during fit, if the estimator has them.

    See Also
    --------
    FixedCalibrationClassifier : Takes delta as given.
    zslearn.metrics.best_calibration : The best delta for given scores.
    zslearn.model_selection.SeenUnseenKFold : The default folds.

    Notes
    -----
    In a fold, the class attribute table is cut down to the classes in `y`: its model is told of
    the held-out classes as the final one is told of the unseen, and of no others, and its
    candidates are the classes in `y`. Truly unseen classes have no part in the choice. With an
    estimator that holds a table of its own the fold's model may know of them; they are no
    candidates even so. Tables reach the estimator as
    :class:`~zslearn.ClassAttributes`, sorted by label. Without a table each class in `y` is
    described by an attribute of its own, from which nothing can be transferred.

    A sample goes to its best unseen class if delta exceeds
    :math:`t_i = \max_{c\ \mathrm{seen}} z_{ic} - \max_{c\ \mathrm{unseen}} z_{ic}`, so the mean
    score over folds is constant between the switching points of all of them together. Sorting
    these gives the best of all real numbers, with a single prediction of the held-out samples in
    each fold and no grid. Of several equally good intervals the widest is taken, and its middle.

    For "std" and "quantile" the training samples are scored once more, in the folds and in the
    end, so that the unit of a model is the same thing for all. Let :math:`z_{ic}` be the scores of
    training samples and candidates. "std" is :math:`\sqrt{\mathrm{mean}_i \mathrm{var}_c z_{ic}}`,
    which numbers added to all scores of a sample leave unchanged. "quantile" is the distribution
    function of :math:`t_i`, linear between the values it takes, and continued beyond the extremes
    by one for each standard deviation of :math:`t_i`. With ``cv="prefit"`` and ``refit=False``
    there is one model only, and the unit is without effect on `best_delta_` but for the choice
    between intervals; with "prefit" it is measured on the calibration set's samples of seen
    classes.

    Folds of an ``np.memmap`` are views of it
    (:class:`~zslearn.model_selection.RowView`), which a classifier may read by batches.

    References
    ----------
    .. [1] W.-L. Chao, S. Changpinyo, B. Gong, F. Sha, "An empirical study and analysis of
       generalized zero-shot learning for object recognition in the wild", ECCV 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn import ClassAttributes, CVsCClassifier
    >>> from zslearn.calibration import TunedCalibrationClassifierCV
    >>> rng = np.random.default_rng(0)
    >>> table = ClassAttributes([[(c >> k) & 1 for k in range(4)] for c in range(1, 13)])
    >>> labels = np.repeat(np.arange(12), 10)
    >>> X = table.values[labels] @ rng.normal(size=(4, 8)) + rng.normal(scale=0.5, size=(120, 8))
    >>> seen = labels < 9
    >>> clf = TunedCalibrationClassifierCV(CVsCClassifier(random_state=0), cv=3, random_state=0)
    >>> clf = clf.fit(X[seen], labels[seen], class_attributes=table)
    >>> clf.unseen_classes_
    array([ 9, 10, 11])
    >>> clf.best_delta_ > 0
    True

    Inside a search, on folds that hold out other classes::

        GridSearchCV(
            TunedCalibrationClassifierCV(CVsCClassifier()),
            {"estimator__lambda_sci": [0.2, 2.0]},
            cv=SeenUnseenKFold(),
            scoring=gzsl_harmonic_mean_scorer,
        ).fit(X, y, class_attributes=table)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseCalibrationClassifier._parameter_constraints,
        "scoring": [StrOptions({"harmonic_mean"}), callable],
        "cv": ["cv_object", StrOptions({"prefit"})],
        "units": [StrOptions(set(UNITS))],
        "refit": ["boolean"],
        "store_cv_results": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        scoring: str | Scoring = "harmonic_mean",
        cv: Any = None,
        units: str = "std",
        refit: bool = True,
        store_cv_results: bool = False,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.scoring = scoring
        self.cv = cv
        self.units = units
        self.refit = refit
        self.store_cv_results = store_cv_results
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def _delta_and_scale(self) -> tuple[float, str]:
        return self.best_delta_, UNITS[self.units].delta_scale

    @property
    def _is_prefit(self) -> bool:
        return isinstance(self.cv, str) and self.cv == "prefit"

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X: Any, y: Any, class_attributes: Any = None, **params: Any
    ) -> TunedCalibrationClassifierCV:
        """Choose delta on held-out classes, then fit the estimator on everything.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples of the seen classes, as the estimator takes them; if ``cv="prefit"``, the
            calibration set.
        y : array-like of shape (n_samples,)
            Class labels.
        class_attributes : ClassAttributes, DataFrame or array-like of shape (C, K), default=None
            Describes the classes in `y`, and the unseen ones. It reaches the classifier inside a
            Pipeline without the name of its step. Not used if ``cv="prefit"``.
        **params : dict
            Further parameters of the estimator's ``fit``; those with a value for each sample are
            cut with the folds. With metadata routing, also those of the splitter.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If a fold has no held-out class or no held-out sample of the others, the calibration
            set of a fitted estimator lacks unseen or seen classes, scores are NaN or infinite, or
            ``refit=False`` comes with several folds.
        TypeError
            If the estimator, once fitted, has no `classes_` or `seen_classes_`.
        NotFittedError
            If ``cv="prefit"`` and the estimator is not fitted.
        """
        for name in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, name)  # should this fit fail, none before it stands in
        y = self._check_y(X, y)
        (X,) = indexable(X)
        scoring = harmonic_mean if isinstance(self.scoring, str) else self.scoring
        if self._is_prefit:
            folds, fitted = [self._measure_prefit(X, y)], self.estimator
        else:
            splits = self._make_splits(X, y, params)
            fit_params = self._tables_checked(self._fit_params(class_attributes, params), y)
            folds = fit_folds(
                self.estimator,
                X,
                y,
                splits,
                with_tables_of(fit_params, np.unique(y)),
                UNITS[self.units],
                keep=not self.refit,
                n_jobs=self.n_jobs,
                scoring=scoring if self.verbose else None,
            )
            if self.refit:
                fitted = clone(self.estimator).fit(X, y, **fit_params)
            else:
                fitted = folds[0].estimator
        curves = [FoldCurve.from_switches(fold.switches, fold.unit) for fold in folds]
        best = sweep(curves, scoring)
        unit = folds[0].unit
        if self.refit and not self._is_prefit:
            rule = CalibrationRule().fit(fitted)
            unit = measure_unit(fitted, X, rule, rule.classes_, UNITS[self.units])
        self.delta_in_units_ = best.delta
        self.best_delta_ = float(unit.from_units(np.array([best.delta]))[0])
        self.best_score_ = best.score
        if self.store_cv_results:
            self.cv_results_ = describe_sweep(folds, curves, best, scoring)
        self.estimator_ = fitted
        return self

    def _check_y(self, X: Any, y: Any) -> NDArray[Any]:
        name = type(self).__name__
        y = check_labels_of(name, X, y)
        if len(np.unique(y)) < 2:
            raise ValueError(
                f"{name} holds classes out, but y holds samples of 1 class only; at least two are "
                "needed, one to play the unseen and one to train on."
            )
        return y

    def _measure_prefit(self, X: Any, y: NDArray[Any]) -> Fold:
        try:
            check_is_fitted(self.estimator)
        except NotFittedError:
            raise NotFittedError(
                f"cv='prefit' calibrates a fitted estimator, but this {type(self.estimator)} is "
                "not fitted. Fit it first, on other samples than those given here, or leave cv out."
            ) from None
        seen = CalibrationRule().fit(self.estimator).seen_classes_
        X_seen = _safe_indexing(X, np.flatnonzero(np.isin(y, seen)))
        return measure(self.estimator, X, y, X_seen, UNITS[self.units], keep=False)

    def _make_splits(self, X: Any, y: NDArray[Any], params: dict[str, Any]) -> list[Any]:
        if self.cv is None:
            cv = SeenUnseenKFold(random_state=self.random_state)
        elif isinstance(self.cv, Integral):
            cv = SeenUnseenKFold(int(self.cv), random_state=self.random_state)
        else:
            cv = check_cv(self.cv)
            refuse_orderless(self.cv, "cv")
        split_params = {}
        if routing_enabled():
            split_params = process_routing(self, "fit", **params).splitter.split
        splits = check_splits(cv.split(X, y, **split_params), y)
        if not self.refit and len(splits) > 1:
            raise ValueError(
                f"refit=False keeps the model of the only fold, but cv has {len(splits)}. Set "
                "refit=True, or give a cv with one fold, such as SeenUnseenKFold(1, n_unseen=0.2)."
            )
        return splits

    def get_metadata_routing(self) -> MetadataRouter:
        """Return the routing of metadata to this estimator, the one inside and the splitter.

        Returns
        -------
        routing : MetadataRouter
            ``class_attributes`` and ``candidates`` are requested by this estimator.
        """
        splitter = self.cv if hasattr(self.cv, "split") else None
        by_fit = MethodMapping().add(caller="fit", callee="split")
        return super().get_metadata_routing().add(splitter=splitter, method_mapping=by_fit)
