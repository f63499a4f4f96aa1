"""The seen-unseen curve as the calibration runs over all reals, its area and its best point."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import StrOptions

from zslearn.metrics._gzsl import harmonic_mean
from zslearn.metrics._switches import Switches, find_switches
from zslearn.metrics._validation import (
    ClassDecomposition,
    validate_params,
)

Scoring = Callable[[NDArray[np.float64], NDArray[np.float64]], ArrayLike]

# Two pieces of the curve tie when their scores differ by less: far above the rounding of a sum
# of accuracies, far below the weight of one sample.
_TIE = 1e-12


class SeenUnseenCurve(NamedTuple):
    """The curve of :func:`seen_unseen_curve`, from all-seen to all-unseen.

    Attributes
    ----------
    unseen_accuracy : ndarray of shape (n_points,) and dtype float64
        Mean per-class accuracy on the unseen classes, never decreasing.
    seen_accuracy : ndarray of shape (n_points,) and dtype float64
        Mean per-class accuracy on the seen classes, never increasing.
    deltas : ndarray of shape (n_points,) and dtype float64
        A calibration that gives each point, increasing.
    """

    unseen_accuracy: NDArray[np.float64]
    seen_accuracy: NDArray[np.float64]
    deltas: NDArray[np.float64]


class BestCalibration(NamedTuple):
    """The calibration found by :func:`best_calibration` and its score.

    Attributes
    ----------
    delta : float
        What to add to the scores of unseen classes.
    score : float
        The score there: the harmonic mean, unless another was asked for.
    """

    delta: float
    score: float


_CONSTRAINTS: dict[str, Any] = {
    "y_true": ["array-like"],
    "y_score": ["array-like"],
    "classes": ["array-like"],
    "seen_classes": ["array-like"],
}


@validate_params(_CONSTRAINTS)
def seen_unseen_curve(
    y_true: ArrayLike, y_score: ArrayLike, *, classes: ArrayLike, seen_classes: ArrayLike
) -> SeenUnseenCurve:
    r"""Unseen and seen accuracy at every calibration, exactly.

    Calibrated stacking adds a number :math:`\delta` to the scores of the unseen classes before
    the best class is taken [1]_. The curve holds the two accuracies for all real
    :math:`\delta`, from one pass over the scores.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels of samples of seen and of unseen classes.

    y_score : array-like of shape (n_samples, n_classes)
        Uncalibrated scores, on the scale on which delta is added. Floats of less than 64 bits
        are promoted to float64.

    classes : array-like of shape (n_classes,)
        Label of each column of ``y_score``, in any order.

    seen_classes : array-like of shape (n_seen_classes,)
        Labels of the classes used in training. The other labels of ``classes`` are unseen.

    Returns
    -------
    curve : SeenUnseenCurve
        Named tuple ``(unseen_accuracy, seen_accuracy, deltas)`` of float64 arrays of shape
        (n_points,), from ``delta`` so low that every prediction is a seen class to so high that
        every one is unseen.

    Raises
    ------
    ValueError
        If ``y_true`` lacks samples of seen or of unseen classes, if a label has no column or if
        a score is NaN or infinite.

    See Also
    --------
    ausuc_score : Area under this curve.
    best_calibration : The point of this curve with the largest harmonic mean.

    Notes
    -----
    Sample *i* is given its best unseen class if and only if :math:`\delta > t_i`, with

    .. math:: t_i = \max_{c\ \mathrm{seen}} z_{ic} - \max_{c\ \mathrm{unseen}} z_{ic},

    so both accuracies are constant between consecutive switching points and sorting the
    :math:`t_i` gives the whole curve. Only switching points at which an accuracy changes are
    kept: each point of the curve is one maximal interval of :math:`\delta`, and ``deltas`` holds
    its middle (for the two unbounded ones, a value at least 1 beyond the last switching point).
    Switching points closer than the rounding error of the scores are taken as one. Equal scores
    on one side go to the label that sorts first.

    References
    ----------
    .. [1] W.-L. Chao, S. Changpinyo, B. Gong, F. Sha, "An empirical study and analysis of
       generalized zero-shot learning for object recognition in the wild", ECCV 2016.

    Examples
    --------
    >>> from zslearn.metrics import seen_unseen_curve
    >>> y_score = [[3, 1], [2, 2], [4, 1], [1, 0]]
    >>> curve = seen_unseen_curve([0, 0, 1, 1], y_score, classes=[0, 1], seen_classes=[0])
    >>> curve.unseen_accuracy
    array([0. , 0. , 0.5, 0.5, 1. ])
    >>> curve.seen_accuracy
    array([1. , 0.5, 0.5, 0. , 0. ])
    >>> curve.deltas
    array([-1. ,  0.5,  1.5,  2.5,  6. ])
    """
    switches = find_switches(y_true, y_score, classes, seen_classes)
    unseen, seen = switches.accuracies()
    return SeenUnseenCurve(unseen, seen, switches.deltas())


@validate_params(_CONSTRAINTS)
def ausuc_score(
    y_true: ArrayLike, y_score: ArrayLike, *, classes: ArrayLike, seen_classes: ArrayLike
) -> float:
    r"""Area under the seen-unseen accuracy curve (AUSUC).

    A score of generalised zero-shot learning that no choice of calibration enters [1]_.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels of samples of seen and of unseen classes.

    y_score : array-like of shape (n_samples, n_classes)
        Uncalibrated scores, on the scale on which delta would be added.

    classes : array-like of shape (n_classes,)
        Label of each column of ``y_score``, in any order.

    seen_classes : array-like of shape (n_seen_classes,)
        Labels of the classes used in training. The other labels of ``classes`` are unseen.

    Returns
    -------
    score : float
        The area, between 0 and 1.

    Raises
    ------
    ValueError
        If ``y_true`` lacks samples of seen or of unseen classes, if a label has no column or if
        a score is NaN or infinite.

    See Also
    --------
    seen_unseen_curve : The curve itself.
    bootstrap_interval : A confidence interval for the area.

    Notes
    -----
    Trapezoids under :math:`(U(\delta), S(\delta))`, from :math:`(0, S_{max})` to
    :math:`(U_{max}, 0)`. Adding a constant to the scores of all unseen classes leaves it unchanged.

    References
    ----------
    .. [1] W.-L. Chao, S. Changpinyo, B. Gong, F. Sha, "An empirical study and analysis of
       generalized zero-shot learning for object recognition in the wild", ECCV 2016.

    Examples
    --------
    >>> from zslearn.metrics import ausuc_score
    >>> y_score = [[3, 1], [2, 2], [4, 1], [1, 0]]
    >>> ausuc_score([0, 0, 1, 1], y_score, classes=[0, 1], seen_classes=[0])
    0.25
    """
    return find_switches(y_true, y_score, classes, seen_classes).area()


def decompose_ausuc(
    y_true: ArrayLike, y_score: ArrayLike, *, classes: ArrayLike, seen_classes: ArrayLike
) -> ClassDecomposition:
    """Write :func:`ausuc_score` in class multiplicities.

    The area is bilinear in the class weights: the mean over pairs of an unseen and a seen class
    of the share of sample pairs, both right on their own side, whose unseen one switches first
    (ties count half).
    """
    switches = find_switches(y_true, y_score, classes, seen_classes)
    n_classes = len(switches.classes)
    from_unseen = ~switches.is_seen[switches.y]
    y, point = switches.y[from_unseen], switches.point[from_unseen]
    pairs = np.zeros((n_classes, n_classes))
    for label in np.flatnonzero(switches.is_seen):
        rivals = np.sort(switches.point[switches.y == label])
        not_later = np.searchsorted(rivals, point, "left") + np.searchsorted(rivals, point, "right")
        wins = len(rivals) - not_later / 2
        pairs[:, label] = np.bincount(y, weights=wins, minlength=n_classes)
    pairs /= np.outer(switches.counts, switches.counts)
    pairs = pairs[np.ix_(~switches.is_seen, switches.is_seen)]

    def evaluate(weights: NDArray[Any]) -> NDArray[np.float64]:
        unseen, seen = (weights[:, side] for side in (~switches.is_seen, switches.is_seen))
        area: NDArray[np.float64] = np.sum((unseen @ pairs) * seen, axis=1)
        return area / (unseen.sum(axis=1) * seen.sum(axis=1))

    return ClassDecomposition(switches.classes, evaluate)


def _pick(
    switches: Switches,
    scoring: Scoring,
    weights: NDArray[Any] | None = None,
) -> BestCalibration:
    unseen, seen = switches.accuracies(weights)
    scores = np.asarray(scoring(unseen, seen), dtype=np.float64)
    if scores.shape != unseen.shape or np.isnan(scores).any():
        raise ValueError(
            "scoring must return one number, not NaN, for each pair of accuracies; found shape "
            f"{scores.shape} for {len(unseen)} pairs. Write it with numpy operations."
        )
    best = scores >= scores.max() - _TIE
    if best.all():
        return BestCalibration(0.0, float(scores.max()))
    deltas, widths = switches.deltas(), switches.widths()
    candidates = np.flatnonzero(best)
    order = np.lexsort((deltas[best], np.abs(deltas[best]), -widths[best]))
    chosen = candidates[order[0]]
    return BestCalibration(float(deltas[chosen]), float(scores[chosen]))


def _resolve(scoring: str | Scoring) -> Scoring:
    return harmonic_mean if isinstance(scoring, str) else scoring


@validate_params(_CONSTRAINTS | {"scoring": [StrOptions({"harmonic_mean"}), callable]})
def best_calibration(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    classes: ArrayLike,
    seen_classes: ArrayLike,
    scoring: Literal["harmonic_mean"] | Scoring = "harmonic_mean",
) -> BestCalibration:
    """Find the delta, added to the scores of unseen classes, that maximises a score.

    The maximum is over all real numbers, and exact: no grid is searched.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels of samples of seen and of unseen classes. Take held-out seen classes in the
        part of the unseen: a delta chosen on test data makes the test score worthless.

    y_score : array-like of shape (n_samples, n_classes)
        Uncalibrated scores, on the scale on which delta is added.

    classes : array-like of shape (n_classes,)
        Label of each column of ``y_score``, in any order.

    seen_classes : array-like of shape (n_seen_classes,)
        Labels of the classes used in training. The other labels of ``classes`` are unseen.

    scoring : {"harmonic_mean"} or callable, default="harmonic_mean"
        The score to maximise. A callable takes the arrays of unseen and of seen accuracies and
        returns an array of scores of the same shape, finite everywhere (both may be 0).

    Returns
    -------
    best : BestCalibration
        Named tuple ``(delta, score)`` of floats.

    Raises
    ------
    ValueError
        If ``y_true`` lacks samples of seen or of unseen classes, if a label has no column, if a
        score is NaN or infinite or if ``scoring`` returns something else than one number a pair.

    See Also
    --------
    seen_unseen_curve : All the points it chooses from.

    Notes
    -----
    The score is constant on intervals of delta. Of the intervals on which it is largest (within
    1e-12) the widest is taken, and its middle returned: the delta least disturbed by a shift of
    the scores between the data it was chosen on and those it is used on. Among equally wide
    ones, the one nearest 0. If every delta is equally good, delta is 0. At a switching point itself
    the seen class is kept: what could be won there by breaking exact ties otherwise is not counted.

    References
    ----------
    .. [1] W.-L. Chao, S. Changpinyo, B. Gong, F. Sha, "An empirical study and analysis of
       generalized zero-shot learning for object recognition in the wild", ECCV 2016.

    Examples
    --------
    >>> from zslearn.metrics import best_calibration
    >>> y_score = [[3, 1], [2, 2], [4, 1], [1, 0]]
    >>> best_calibration([0, 0, 1, 1], y_score, classes=[0, 1], seen_classes=[0])
    BestCalibration(delta=1.5, score=0.5)
    """
    switches = find_switches(y_true, y_score, classes, seen_classes)
    return _pick(switches, _resolve(scoring))


def decompose_best_calibration(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    classes: ArrayLike,
    seen_classes: ArrayLike,
    scoring: Literal["harmonic_mean"] | Scoring = "harmonic_mean",
) -> ClassDecomposition:
    """Write :func:`best_calibration` in class multiplicities: delta is chosen anew each time."""
    switches = find_switches(y_true, y_score, classes, seen_classes)
    score = _resolve(scoring)
    return ClassDecomposition(
        switches.classes,
        lambda weights: np.array([_pick(switches.restricted(row), score, row) for row in weights]),
    )
