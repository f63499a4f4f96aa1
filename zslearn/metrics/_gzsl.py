"""Accuracies of generalised zero-shot classification: unseen, seen, harmonic mean."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import StrOptions

from zslearn.metrics._classification import (
    check_predictions,
    class_accuracies,
    exact_mean,
    weighted_mean,
)
from zslearn.metrics._validation import (
    ClassDecomposition,
    check_comparable,
    check_labels,
    validate_params,
)


class GZSLScores(NamedTuple):
    """Scores of generalised zero-shot learning, as returned by :func:`gzsl_scores`.

    Attributes
    ----------
    unseen : float
        Mean per-class accuracy over the unseen classes, also ``U``.
    seen : float
        Mean per-class accuracy over the seen classes, also ``S``.
    harmonic_mean : float
        Harmonic mean of the two, also ``H``.
    """

    unseen: float
    seen: float
    harmonic_mean: float

    @property
    def U(self) -> float:
        """The field's letter for ``unseen``."""
        return self.unseen

    @property
    def S(self) -> float:
        """The field's letter for ``seen``."""
        return self.seen

    @property
    def H(self) -> float:
        """The field's letter for ``harmonic_mean``."""
        return self.harmonic_mean


def harmonic_mean(unseen: ArrayLike, seen: ArrayLike) -> NDArray[np.float64]:
    """Return 2us / (u + s), elementwise, and 0 where both are 0."""
    u, s = np.asarray(unseen, dtype=np.float64), np.asarray(seen, dtype=np.float64)
    total = u + s
    return np.divide(2.0 * u * s, total, out=np.zeros_like(total), where=total != 0)


def _partitioned_accuracies(
    y_true: ArrayLike, y_pred: ArrayLike, seen_classes: ArrayLike
) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.bool_]]:
    truth, predictions = check_predictions(y_true, y_pred)
    seen = check_labels(seen_classes, "seen_classes")
    check_comparable(y_true=truth, seen_classes=seen)
    classes, accuracies = class_accuracies(truth, predictions)
    return classes, accuracies, np.isin(classes, seen)


def _check_both_sides(is_seen: NDArray[np.bool_]) -> None:
    if is_seen.all() or not is_seen.any():
        missing, remedy = (
            ("unseen", "classes outside seen_classes")
            if is_seen.all()
            else ("seen", "the classes in seen_classes")
        )
        raise ValueError(
            f"y_true holds no sample of {'an unseen' if missing == 'unseen' else 'a seen'} class, "
            f"so the accuracy on {missing} classes is undefined; give test samples of {remedy}."
        )


_GZSL_CONSTRAINTS: dict[str, Any] = {
    "y_true": ["array-like"],
    "y_pred": ["array-like"],
    "seen_classes": ["array-like"],
    "undefined": [StrOptions({"raise", "nan"})],
}


@validate_params(_GZSL_CONSTRAINTS)
def gzsl_scores(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    seen_classes: ArrayLike,
    undefined: Literal["raise", "nan"] = "raise",
) -> GZSLScores:
    r"""Unseen and seen accuracy and their harmonic mean (U, S, H).

    The scores of generalised zero-shot learning: every class, seen or unseen, was a candidate
    when ``y_pred`` was made.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels of samples of seen and of unseen classes.

    y_pred : array-like of shape (n_samples,)
        Predicted labels.

    seen_classes : array-like of shape (n_seen_classes,)
        Labels of the classes used in training. Every other label of ``y_true`` is unseen.

    undefined : {"raise", "nan"}, default="raise"
        What to do if ``y_true`` has no sample of a seen, or of an unseen, class. "nan" gives
        NaN for that side and for the harmonic mean.

    Returns
    -------
    scores : GZSLScores
        Named tuple ``(unseen, seen, harmonic_mean)`` of floats, also reachable as ``scores.U``,
        ``scores.S`` and ``scores.H``.

    Raises
    ------
    ValueError
        If one side is undefined and ``undefined="raise"``, if the arrays differ in length or if
        some hold numbers and others strings.

    See Also
    --------
    gzsl_harmonic_mean_score : The harmonic mean alone.
    seen_unseen_curve : The two accuracies at every calibration.
    bootstrap_interval : How far they can be trusted.

    Notes
    -----
    U and S are means of per-class accuracies and :math:`H = 2US / (U + S)`, taken as 0 when
    both are 0.

    References
    ----------
    .. [1] Y. Xian, C. H. Lampert, B. Schiele, Z. Akata, "Zero-shot learning: a comprehensive
       evaluation of the good, the bad and the ugly", IEEE TPAMI 41(9), 2019.

    Examples
    --------
    >>> from zslearn.metrics import gzsl_scores
    >>> y_true = ["cat", "cat", "okapi", "okapi"]
    >>> y_pred = ["cat", "cat", "okapi", "cat"]
    >>> gzsl_scores(y_true, y_pred, seen_classes=["cat"])
    GZSLScores(unseen=0.5, seen=1.0, harmonic_mean=0.6666666666666666)
    """
    _, accuracies, is_seen = _partitioned_accuracies(y_true, y_pred, seen_classes)
    if undefined == "raise":
        _check_both_sides(is_seen)
    unseen = math.nan if is_seen.all() else exact_mean(accuracies[~is_seen])
    seen = exact_mean(accuracies[is_seen]) if is_seen.any() else math.nan
    return GZSLScores(unseen, seen, float(harmonic_mean(unseen, seen)))


@validate_params(_GZSL_CONSTRAINTS)
def gzsl_harmonic_mean_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    seen_classes: ArrayLike,
    undefined: Literal["raise", "nan"] = "raise",
) -> float:
    """Harmonic mean of the accuracies on unseen and on seen classes (H).

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels of samples of seen and of unseen classes.

    y_pred : array-like of shape (n_samples,)
        Predicted labels, all classes having been candidates.

    seen_classes : array-like of shape (n_seen_classes,)
        Labels of the classes used in training. Every other label of ``y_true`` is unseen.

    undefined : {"raise", "nan"}, default="raise"
        What to do if ``y_true`` has no sample of a seen, or of an unseen, class.

    Returns
    -------
    score : float
        The harmonic mean, 0 if both accuracies are 0.

    Raises
    ------
    ValueError
        If one side is undefined and ``undefined="raise"``, if the arrays differ in length or if
        some hold numbers and others strings.

    See Also
    --------
    gzsl_scores : The two accuracies as well.
    best_calibration : The calibration at which it is largest.

    References
    ----------
    .. [1] Y. Xian, C. H. Lampert, B. Schiele, Z. Akata, "Zero-shot learning: a comprehensive
       evaluation of the good, the bad and the ugly", IEEE TPAMI 41(9), 2019.

    Examples
    --------
    >>> from zslearn.metrics import gzsl_harmonic_mean_score
    >>> gzsl_harmonic_mean_score([0, 0, 1, 1], [0, 0, 1, 0], seen_classes=[0])
    0.6666666666666666
    """
    return gzsl_scores(y_true, y_pred, seen_classes=seen_classes, undefined=undefined).harmonic_mean


def decompose_gzsl_scores(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    seen_classes: ArrayLike,
    undefined: str = "raise",
) -> ClassDecomposition:
    """Write :func:`gzsl_scores` in class multiplicities."""
    if undefined != "raise":
        raise ValueError(f"undefined must be 'raise' to be resampled; found {undefined!r}.")
    classes, accuracies, is_seen = _partitioned_accuracies(y_true, y_pred, seen_classes)
    _check_both_sides(is_seen)

    def evaluate(weights: NDArray[Any]) -> NDArray[np.float64]:
        unseen = weighted_mean(weights, accuracies, ~is_seen)
        seen = weighted_mean(weights, accuracies, is_seen)
        return np.column_stack([unseen, seen, harmonic_mean(unseen, seen)])

    return ClassDecomposition(classes, evaluate)


def decompose_gzsl_harmonic_mean(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    seen_classes: ArrayLike,
    undefined: str = "raise",
) -> ClassDecomposition:
    """Write :func:`gzsl_harmonic_mean_score` in class multiplicities."""
    scores = decompose_gzsl_scores(y_true, y_pred, seen_classes=seen_classes, undefined=undefined)
    return ClassDecomposition(scores.classes, lambda weights: scores.evaluate(weights)[:, 2])
