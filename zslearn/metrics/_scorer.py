"""Scorers of zero-shot classifiers for scikit-learn's ``scoring=``."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metadata_routing import MetadataRequest

from zslearn._wrapped import final_estimator, through_steps
from zslearn.metrics._classification import per_class_accuracy_score
from zslearn.metrics._curve import ausuc_score
from zslearn.metrics._gzsl import gzsl_scores
from zslearn.metrics._validation import (
    check_comparable,
    check_labels,
    quote,
    validate_params,
)


class _Outputs:
    """What one call of an estimator gives, and the predictions and scores that follow from it."""

    def __init__(self, estimator: Any, X: Any, y: ArrayLike) -> None:
        self.y = check_labels(y, "y")
        self.model = final_estimator(estimator)
        if hasattr(self.model, "uncalibrated_scores"):
            estimator, X = through_steps(estimator, X)
        for method in ("uncalibrated_scores", "decision_function", "predict_proba"):
            if hasattr(estimator, method):
                self.raw = np.asarray(getattr(estimator, method)(X))
                break
        else:
            raise TypeError(
                f"{type(estimator).__name__} has neither decision_function nor predict_proba; a "
                "zero-shot scorer needs one of them."
            )
        for attribute in ("classes_", "seen_classes_"):
            if not hasattr(self.model, attribute):
                raise TypeError(
                    f"{type(self.model).__name__} has no {attribute}; a zero-shot scorer needs a "
                    "fitted classifier with classes_ (all classes) and seen_classes_ (those with "
                    "training samples)."
                )
        self.classes = check_labels(self.model.classes_, "classes_")
        self.seen = check_labels(self.model.seen_classes_, "seen_classes_")
        check_comparable(y=self.y, classes_=self.classes, seen_classes_=self.seen)
        undescribed = np.setdiff1d(self.y, self.classes)
        if undescribed.size:
            raise ValueError(
                f"y holds {quote(undescribed)}, absent from the estimator's classes_, so it "
                "cannot be predicted; describe all classes in class_attributes."
            )
        expected = (len(self.y), len(self.classes))
        if self.raw.shape != expected and (self.raw.shape != expected[:1] or expected[1] != 2):
            raise ValueError(
                f"{type(estimator).__name__}.{method} returned scores of shape {self.raw.shape} "
                f"for {expected[0]} labels in y and {expected[1]} classes_; one column for each "
                "class, in the order of classes_, is needed."
            )
        # Sorted, so that calibration_scores' columns are in this order.
        self.present = np.unique(self.y)
        self.is_unseen = ~np.isin(self.y, self.seen)
        self.candidates = np.union1d(self.seen, self.present)

    @property
    def has_unseen(self) -> bool:
        return bool(self.is_unseen.any())

    @property
    def has_seen(self) -> bool:
        return not self.is_unseen.all()

    @property
    def n_not_finite(self) -> int:
        return int(self.raw.size - np.count_nonzero(np.isfinite(self.raw)))

    def _columns(self, candidates: NDArray[Any]) -> NDArray[Any]:
        raw = self.raw
        if raw.ndim == 1:
            raw = np.column_stack([np.zeros_like(raw), raw])
        order = np.argsort(self.classes)
        return raw[:, order[np.searchsorted(self.classes[order], candidates)]]

    def predict(self, candidates: NDArray[Any], rows: Any = slice(None)) -> NDArray[Any]:
        if hasattr(self.model, "predict_from_uncalibrated"):
            predict = self.model.predict_from_uncalibrated
            predictions = predict(self.raw[rows], candidates=candidates)
            return check_labels(predictions, "predict_from_uncalibrated(scores)")
        return candidates[self._columns(candidates)[rows].argmax(axis=1)]

    def require(self, *, unseen: bool = False, seen: bool = False) -> None:
        """Raise if the scores cannot be ranked or `y` lacks a kind of class."""
        if self.n_not_finite:
            raise ValueError(
                f"The estimator's scores hold {self.n_not_finite} NaN or infinite values of "
                f"{self.raw.size}; check that its training has not diverged."
            )
        if unseen and not self.has_unseen:
            raise ValueError(
                f"y holds no unseen class: all its {len(self.present)} classes are among the "
                "estimator's seen_classes_. Use a class-disjoint splitter, which holds out "
                "whole classes; KFold and StratifiedKFold do not."
            )
        if seen and not self.has_seen:
            raise ValueError(
                "y holds no seen class: none of its classes is among the estimator's "
                "seen_classes_. Use a splitter whose test part also holds samples of the classes "
                "that stay."
            )


def _unseen_seen_harmonic(outputs: _Outputs) -> tuple[float, float, float]:
    predictions = outputs.predict(outputs.candidates)
    return gzsl_scores(outputs.y, predictions, seen_classes=outputs.seen, undefined="nan")


def _czsl_accuracy(outputs: _Outputs) -> float:
    """Scorer of conventional zero-shot accuracy (T1), see :func:`czsl_accuracy_score`."""
    outputs.require(unseen=True)
    truth = outputs.y[outputs.is_unseen]
    return per_class_accuracy_score(truth, outputs.predict(np.unique(truth), outputs.is_unseen))


def _unseen_accuracy(outputs: _Outputs) -> float:
    """Scorer of generalised accuracy on unseen classes (U), see :func:`gzsl_scores`."""
    outputs.require(unseen=True)
    return _unseen_seen_harmonic(outputs)[0]


def _seen_accuracy(outputs: _Outputs) -> float:
    """Scorer of generalised accuracy on seen classes (S), see :func:`gzsl_scores`."""
    outputs.require(seen=True)
    return _unseen_seen_harmonic(outputs)[1]


def _harmonic_mean(outputs: _Outputs) -> float:
    """Scorer of the harmonic mean (H), see :func:`gzsl_harmonic_mean_score`."""
    outputs.require(unseen=True, seen=True)
    return _unseen_seen_harmonic(outputs)[2]


def _ausuc(outputs: _Outputs) -> float:
    """Scorer of the area under the seen-unseen curve, see :func:`ausuc_score`."""
    outputs.require(unseen=True, seen=True)
    if hasattr(outputs.model, "calibration_scores"):
        scores = outputs.model.calibration_scores(outputs.raw, candidates=outputs.candidates)
    else:
        scores = outputs._columns(outputs.candidates)
    return ausuc_score(outputs.y, scores, classes=outputs.candidates, seen_classes=outputs.seen)


def _all_scores(outputs: _Outputs) -> dict[str, float]:
    """Scorer of T1, U, S, H and AUSUC in one pass over the samples, as a dict."""
    scores = dict.fromkeys(("T1", "U", "S", "H", "AUSUC"), math.nan)
    if outputs.n_not_finite:
        # An error here would stop a whole search: scikit-learn cannot put error_score in the
        # place of a dict.
        warnings.warn(
            f"The estimator's scores hold {outputs.n_not_finite} NaN or infinite values of "
            f"{outputs.raw.size}; its metrics are NaN. Check that its training has not diverged.",
            UserWarning,
            stacklevel=3,
        )
        return scores
    scores["U"], scores["S"], scores["H"] = _unseen_seen_harmonic(outputs)
    if outputs.has_unseen:
        scores["T1"] = _czsl_accuracy(outputs)
        if outputs.has_seen:
            scores["AUSUC"] = _ausuc(outputs)
    return scores


class _GZSLScorer:
    """A scorer, called as ``scorer(estimator, X, y)``.

    It takes no metadata: with scikit-learn's metadata routing on, its request is empty.
    """

    def __init__(self, name: str, score: Callable[[_Outputs], Any]) -> None:
        self._name = name
        self._score_outputs = score
        self.__doc__ = score.__doc__

    def __call__(self, estimator: Any, X: Any, y: ArrayLike) -> Any:
        """Score a fitted estimator.

        Parameters
        ----------
        estimator : object
            Fitted zero-shot classifier, or a Pipeline or a fitted search that ends in one.
        X : array-like of shape (n_samples, ...)
            Samples.
        y : array-like of shape (n_samples,)
            True labels.

        Returns
        -------
        score : float or dict of str to float
            Higher is better.
        """
        return self._score_outputs(_Outputs(estimator, X, y))

    def __repr__(self) -> str:
        return f"get_gzsl_scorer({self._name!r})"

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        return get_gzsl_scorer, (self._name,)

    def get_metadata_routing(self) -> MetadataRequest:
        """Return an empty request, as scikit-learn's routing asks of a scorer."""
        return MetadataRequest(owner=self)

    def _accept_sample_weight(self) -> bool:
        # Asked by scikit-learn where sample weights are given and routing is off.
        return False


_SCORERS = {
    name: _GZSLScorer(name, score)
    for name, score in {
        "ausuc": _ausuc,
        "czsl_accuracy": _czsl_accuracy,
        "gzsl_harmonic_mean": _harmonic_mean,
        "gzsl_multimetric": _all_scores,
        "seen_accuracy": _seen_accuracy,
        "unseen_accuracy": _unseen_accuracy,
    }.items()
}

ausuc_scorer = _SCORERS["ausuc"]
czsl_accuracy_scorer = _SCORERS["czsl_accuracy"]
gzsl_harmonic_mean_scorer = _SCORERS["gzsl_harmonic_mean"]
gzsl_multimetric_scorer = _SCORERS["gzsl_multimetric"]
seen_accuracy_scorer = _SCORERS["seen_accuracy"]
unseen_accuracy_scorer = _SCORERS["unseen_accuracy"]


def get_gzsl_scorer_names() -> list[str]:
    """List the names of the scorers of zero-shot classifiers.

    Returns
    -------
    names : list of str
        Sorted names, for :func:`get_gzsl_scorer`.

    See Also
    --------
    get_gzsl_scorer : The scorer of a name.

    Examples
    --------
    >>> from zslearn.metrics import get_gzsl_scorer_names
    >>> get_gzsl_scorer_names()
    ['ausuc', 'czsl_accuracy', 'gzsl_harmonic_mean', 'gzsl_multimetric', 'seen_accuracy',
     'unseen_accuracy']
    """
    return sorted(_SCORERS)


@validate_params({"name": [StrOptions(set(_SCORERS))]})
def get_gzsl_scorer(name: str) -> Callable[[Any, Any, ArrayLike], Any]:
    """Scorer of zero-shot classifiers by name, for scikit-learn's ``scoring=``.

    Parameters
    ----------
    name : str
        - "czsl_accuracy": T1, unseen classes told apart among themselves;
        - "unseen_accuracy": U;
        - "seen_accuracy": S;
        - "gzsl_harmonic_mean": H, of U and S;
        - "ausuc": area under the seen-unseen curve;
        - "gzsl_multimetric": a dict of all, with keys "T1", "U", "S", "H" and "AUSUC", from one
          call of the estimator.

    Returns
    -------
    scorer : callable
        Called as ``scorer(estimator, X, y)``. The same objects are importable from
        :mod:`zslearn.metrics` as the name followed by ``_scorer``.

    Raises
    ------
    ValueError
        If there is no scorer of that name.

    See Also
    --------
    get_gzsl_scorer_names : The names.
    gzsl_scores : U, S and H from labels.

    Notes
    -----
    The estimator has ``uncalibrated_scores``, ``predict_from_uncalibrated`` and
    ``calibration_scores``, as those of this package have, and is calibrated as it predicts; or it
    has ``decision_function`` (or else ``predict_proba``), of which the largest score decides. It
    has ``classes_`` and ``seen_classes_``. Pipelines and fitted searches are seen through to their
    last estimator.

    Candidates are the classes the estimator has seen and the classes present in ``y``: when a
    fold plays some seen classes as unseen, the truly unseen ones do not interfere. For T1 they
    are the unseen classes present in ``y``.

    A score undefined because ``y`` lacks unseen or seen classes is an error that says so;
    "gzsl_multimetric" gives NaN in its place, as it does, with a warning, for all scores if the
    estimator's are not finite. In a search, "gzsl_multimetric" needs ``refit`` to name a key,
    such as ``refit="H"``.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn.metrics import get_gzsl_scorer
    >>> class Fitted:
    ...     classes_ = np.array(["cat", "okapi", "yak"])
    ...     seen_classes_ = np.array(["cat"])
    ...
    ...     def decision_function(self, X):
    ...         return X
    >>> X = np.array([[3, 1, 0], [0, 2, 1], [1, 2, 0], [0, 1, 2]])
    >>> scorer = get_gzsl_scorer("gzsl_harmonic_mean")
    >>> scorer
    get_gzsl_scorer('gzsl_harmonic_mean')
    >>> scorer(Fitted(), X, ["cat", "okapi", "yak", "yak"])
    0.8571428571428571
    """
    return _SCORERS[name]
