"""Pictures of none of the described classes: an answer is withheld below a threshold."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.base import _fit_context, clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing, check_random_state, indexable
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import _check_method_params

from zslearn._calibrated import add_delta, as_probabilities
from zslearn._decision import row_blocks
from zslearn._input_checks import check_labels_of
from zslearn._scored_prediction import ScoredPrediction
from zslearn._split_checks import check_splits
from zslearn._table_checks import quote_some
from zslearn._wrapped import final_estimator
from zslearn.attributes import ClassAttributes
from zslearn.calibration._base import BaseCalibrationClassifier
from zslearn.calibration._folds import with_tables_of
from zslearn.calibration._response import CalibrationRule, class_scores
from zslearn.metrics._units import StdUnit
from zslearn.model_selection import SeenUnseenKFold

__all__ = ["RejectionClassifierCV"]


class RejectionClassifierCV(BaseCalibrationClassifier):
    """Zero-shot classifier that may answer "none of these".

    Whoever classifies pictures from outside meets some of classes that nobody has described. Where
    the probability of the class that `predict` would name is below a threshold, the answer is
    withheld. The threshold is chosen on classes held out of training, of
    which half are described to the model and half are not: it lets a given share of the pictures
    of described classes through.

    Parameters
    ----------
    estimator : estimator instance
        Zero-shot classifier, or a Pipeline or a search that ends in one. Its predictions and its
        calibration stay as they are where an answer is given.

    acceptance : float in (0, 1), default=0.95
        The share of pictures of described classes that shall be answered, as the mean over
        classes held out of training and seen ones.

    rejection_label : object, default=None
        The answer that stands for none. ``None`` is ``"none of these"`` where labels are text and
        -1 where they are numbers.

    cv : int, splitter or iterable, default=None
        Class-disjoint folds, as of :class:`~zslearn.model_selection.SeenUnseenKFold`, of which
        ``None`` takes three.

    random_state : int, RandomState instance or None, default=None
        Deals the classes to the folds, and to those described and not.

    Attributes
    ----------
    threshold_ : float
        An answer is withheld whose log odds, ``log(p / (1 - p))`` of its probability among the
        candidates, calibration included, are lower. Log odds tell probabilities near one apart.

    rejection_label_ : object
        The answer that stands for none.

    acceptance_rate_ : float
        Share of the held-out pictures of described classes that were answered, mean over classes.

    rejection_rate_ : float
        Share of the held-out pictures of classes not described that were rejected, mean over
        classes. **Look at it**: 1 - `acceptance` is what chance reaches.

    auc_ : float
        Area under the ROC curve of the log odds, described against not described classes.

    estimator_ : estimator instance
        The estimator, fitted on all samples.

    classes_, seen_classes_, unseen_classes_ : ndarray
        As of the estimator inside. `rejection_label` is none of them.

    See Also
    --------
    TunedCalibrationClassifierCV : Chooses delta, the balance of seen and unseen classes.

    Notes
    -----
    Its limits are those of what it can know. A class without pictures is told from a class without
    a description by the description alone, and where the second gets a low probability, so mostly
    does the first: on held-out birds and flowers, `auc_` of unseen described classes
    against undescribed ones was about .5, and .55 to .7 with seen classes among the described.
    Expect it to withhold doubtful answers rather than to find strangers. Scores of the folds'
    models are brought to the spread of the final one's. The final model has more classes to choose
    among, so that its probabilities are lower on the whole, and more is rejected than `acceptance`
    says: ``acceptance_rate_`` is that of the folds' models. With few classes to hold out it may be
    far more, and depends on which they are: compare thresholds of several values of
    `random_state`.

    Where candidates are given, probabilities are those among the candidates. Withheld answers count
    as wrong in ``score`` and in scorers.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn import ClassAttributes, PrototypeRegressionClassifier
    >>> from zslearn.calibration import RejectionClassifierCV
    >>> rng = np.random.default_rng(0)
    >>> table = ClassAttributes(rng.normal(size=(14, 6)))
    >>> y = np.repeat(np.arange(12), 10)
    >>> X = table.values[y] + rng.normal(scale=0.2, size=(120, 6))
    >>> clf = RejectionClassifierCV(PrototypeRegressionClassifier(), random_state=0)
    >>> clf = clf.fit(X, y, class_attributes=table)
    >>> clf.predict(np.vstack([table.values[[3, 13]], -table.values[[5]]])).shape
    (3,)
    >>> 0.9 < clf.acceptance_rate_ <= 1
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseCalibrationClassifier._parameter_constraints,
        "acceptance": [Interval(Real, 0, 1, closed="neither")],
        "rejection_label": "no_validation",  # type: ignore[dict-item]
        "cv": ["cv_object"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        acceptance: float = 0.95,
        rejection_label: Any = None,
        cv: Any = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.acceptance = acceptance
        self.rejection_label = rejection_label
        self.cv = cv
        self.random_state = random_state

    def _delta_and_scale(self) -> tuple[float, str]:
        return _calibration_of(self._fitted())

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, class_attributes: Any = None, **params: Any) -> Self:
        """Choose the threshold on held-out classes, then fit the estimator on everything.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples of the seen classes, as the estimator takes them.
        y : array-like of shape (n_samples,)
            Class labels.
        class_attributes : ClassAttributes, DataFrame or array-like of shape (C, K), default=None
            Describes the classes in `y`, and the unseen ones. ``None`` describes each class in `y`
            by an attribute of its own.
        **params : dict
            Further parameters of the estimator's ``fit``; those with a value for each sample are
            cut with the folds.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If the rejection label is a class or unlike the labels, or a fold has no held-out class
            or no held-out sample of the others.
        """
        for name in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, name)
        y = check_labels_of(type(self).__name__, X, y)
        (X,) = indexable(X)
        fit_params = self._tables_checked(self._fit_params(class_attributes, params), y)
        label = self._label_for_none(y)
        fitted = clone(self.estimator).fit(X, y, **fit_params)
        _check_no_class(label, final_estimator(fitted).classes_)
        odds, classes, strange = self._held_out(X, y, fit_params, _spread(fitted, X))
        weights = _class_balanced(classes)
        known = ~strange
        threshold = _weighted_quantile(odds[known], weights[known], 1 - float(self.acceptance))
        accepted = odds >= threshold
        self.estimator_, self.rejection_label_ = fitted, label
        self.threshold_ = float(threshold)
        self.acceptance_rate_ = float(np.average(accepted[known], weights=weights[known]))
        self.rejection_rate_ = float(np.average(~accepted[strange], weights=weights[strange]))
        self.auc_ = float(roc_auc_score(known, np.nan_to_num(odds), sample_weight=weights))
        return self

    def _described(self, class_attributes: Any) -> ClassAttributes:
        table = super()._described(class_attributes)
        if class_attributes is not None:
            _check_no_class(self.rejection_label_, table.labels)
        return table

    def _label_for_none(self, y: NDArray[Any]) -> Any:
        if y.dtype.kind == "b":
            raise ValueError(
                "y holds booleans, which have no third value for a rejection: use numbers or text."
            )
        if self.rejection_label is not None:
            # Another type would turn the labels of all answers into its own.
            like = {"U": str, "S": str, "f": Real}.get(y.dtype.kind, Integral)
            alike = isinstance(self.rejection_label, like)
            if not alike:
                raise ValueError(
                    f"rejection_label is {self.rejection_label!r}, but labels are like "
                    f"{quote_some(y[:1])}: give one of the same kind."
                )
            return self.rejection_label
        return "none of these" if y.dtype.kind in "US" else -1

    def _held_out(
        self, X: Any, y: NDArray[Any], fit_params: dict[str, Any], spread: float
    ) -> tuple[NDArray[np.float64], NDArray[Any], NDArray[np.bool_]]:
        """Log odds of the test samples of all folds, their classes, and which are strangers'.

        Scores are brought to the spread of those of the final model, which is sharper or less so.
        """
        draw = check_random_state(self.random_state)
        cv = self.cv
        if cv is None or isinstance(cv, Integral):
            cv = SeenUnseenKFold(3 if cv is None else int(cv), random_state=draw)
        odds, classes, strange = [], [], []
        for train, test in check_splits(check_cv(cv).split(X, y), y):
            held = np.setdiff1d(y[test], y[train])
            strangers = draw.permutation(held)[: (len(held) + 1) // 2]
            described = np.setdiff1d(y, strangers)
            params = _check_method_params(X, with_tables_of(fit_params, described), train)
            fitted = clone(self.estimator).fit(_safe_indexing(X, train), y[train], **params)
            rule = CalibrationRule(*_calibration_of(fitted)).fit(fitted)
            own = spread / _spread(fitted, _safe_indexing(X, train))
            unseen, delta, scale = rule._calibration(rule.classes_)
            scores = class_scores(fitted, _safe_indexing(X, test)) * own
            delta *= own if scale == "logit" else 1
            odds.append(_log_odds(scores, (unseen, delta, scale)))
            classes.append(y[test])
            strange.append(np.isin(y[test], strangers))
        return np.concatenate(odds), np.concatenate(classes), np.concatenate(strange)

    def _decide(
        self,
        score_blocks: Iterable[NDArray[np.floating]],
        table: ClassAttributes,
        columns: NDArray[np.intp],
    ) -> NDArray[Any]:
        calibration = self._calibration(table.labels[columns])
        answers = []
        for scores in score_blocks:
            for rows in row_blocks(*scores.shape):
                block = scores[rows]
                predicted = super()._decide([block], table, columns)
                if predicted.dtype.kind == "u":
                    predicted = predicted.astype(np.int64)
                sure = _log_odds(block[:, columns], calibration) >= self.threshold_
                answers.append(np.where(sure, predicted, self.rejection_label_))
        return np.concatenate(answers)


def _check_no_class(label: Any, classes: NDArray[Any]) -> None:
    if np.isin(label, classes):
        raise ValueError(
            f"rejection_label is {label!r}, which is the label of a class: give another."
        )


def _calibration_of(estimator: Any) -> tuple[float, str]:
    """Delta of the classifier inside and its scale: of a third party's, none is known."""
    final = final_estimator(estimator)
    return final._delta_and_scale() if isinstance(final, ScoredPrediction) else (0.0, "logit")


def _spread(estimator: Any, X: Any) -> float:
    """Deviation over the seen classes of the scores of training samples."""
    rule = CalibrationRule().fit(estimator)
    seen = np.isin(rule.classes_, rule.seen_classes_)
    scores = class_scores(estimator, X)[:, seen].astype(np.float64)
    return StdUnit.measure(scores, np.ones(scores.shape[1], dtype=bool)).std


def _log_odds(
    scores: NDArray[np.floating], calibration: tuple[NDArray[np.bool_], float, str]
) -> NDArray[np.float64]:
    """Log odds of the most probable class of each row against all others."""
    logits = add_delta(scores, *calibration).astype(np.float64)
    if calibration[-1] == "probability":
        with np.errstate(divide="ignore"):
            logits = np.log(as_probabilities(scores, *calibration))
    best = logits.argmax(axis=1)[:, np.newaxis]
    largest = np.take_along_axis(logits, best, axis=1)[:, 0]
    np.put_along_axis(logits, best, -np.inf, axis=1)
    # A single candidate is certain.
    return largest - logsumexp(logits, axis=1)


def _class_balanced(classes: NDArray[Any]) -> NDArray[np.float64]:
    """Weights that give each class the same sum."""
    _, index, counts = np.unique(classes, return_inverse=True, return_counts=True)
    return 1.0 / counts[index]


def _weighted_quantile(
    values: NDArray[np.float64], weights: NDArray[np.float64], share: float
) -> float:
    """Largest of the values below which lies at most a share of the weight."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order]) - weights[order]
    # Equal values lie below none of them.
    first = np.searchsorted(values[order], values[order], side="left")
    allowed = below[first] <= share * weights.sum() * (1 + 1e-12)
    return float(values[order][np.flatnonzero(allowed)[-1]])
