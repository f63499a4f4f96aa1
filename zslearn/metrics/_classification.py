"""Per-class accuracy, and the accuracy of conventional zero-shot classification."""

from __future__ import annotations

import math
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import StrOptions

from zslearn._containers import refuse_masked
from zslearn.metrics._validation import (
    ClassDecomposition,
    check_comparable,
    check_consistent,
    check_labels,
    check_scored_classes,
    check_unique,
    encode,
    quote,
    validate_params,
)


def exact_mean(values: NDArray[np.float64]) -> float:
    """Return the mean with a correctly rounded sum, which the order of classes cannot move."""
    return math.fsum(values.tolist()) / len(values)


def class_accuracies(
    labels: NDArray[Any],
    predictions: NDArray[Any],
    sample_weight: NDArray[np.float64] | None = None,
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return the classes present, sorted, and the accuracy on each."""
    classes, position = np.unique(labels, return_inverse=True)
    totals = np.bincount(position, weights=sample_weight, minlength=len(classes))
    right = labels == predictions
    weight = None if sample_weight is None else sample_weight[right]
    correct = np.bincount(position[right], weights=weight, minlength=len(classes))
    return classes, correct / totals


def _check_weights(sample_weight: ArrayLike, labels: NDArray[Any]) -> NDArray[np.float64]:
    refuse_masked(sample_weight, "sample_weight", "give a weight of 0")
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != labels.shape:
        raise ValueError(
            f"sample_weight must have shape ({len(labels)},), as y_true has; found shape "
            f"{weights.shape}."
        )
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError("sample_weight must be finite and not negative.")
    classes, position = np.unique(labels, return_inverse=True)
    weightless = np.bincount(position, weights=weights, minlength=len(classes)) == 0
    if weightless.any():
        raise ValueError(
            f"sample_weight is 0 for every sample of {quote(classes[weightless])}, whose accuracy "
            "is then undefined; leave these samples out."
        )
    return weights


def check_predictions(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return both as arrays of one length and one kind of label."""
    labels, predictions = check_labels(y_true, "y_true"), check_labels(y_pred, "y_pred")
    check_comparable(y_true=labels, y_pred=predictions)
    check_consistent(len(labels), len(predictions), "y_pred")
    return labels, predictions


def weighted_mean(
    weights: NDArray[Any], values: NDArray[np.float64], members: NDArray[np.bool_] | slice
) -> NDArray[np.float64]:
    """Return the mean over the members for each row of weights."""
    chosen = weights[:, members].astype(np.float64)
    mean: NDArray[np.float64] = chosen @ values[members] / chosen.sum(axis=1)
    return mean


@overload
def per_class_accuracy_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    average: Literal["macro"] = "macro",
    sample_weight: ArrayLike | None = None,
) -> float: ...


@overload
def per_class_accuracy_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    average: None,
    sample_weight: ArrayLike | None = None,
) -> NDArray[np.float64]: ...


@validate_params(
    {
        "y_true": ["array-like"],
        "y_pred": ["array-like"],
        "labels": ["array-like", None],
        "average": [StrOptions({"macro"}), None],
        "sample_weight": ["array-like", None],
    }
)
def per_class_accuracy_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    average: Literal["macro"] | None = "macro",
    sample_weight: ArrayLike | None = None,
) -> float | NDArray[np.float64]:
    r"""Mean over classes of the accuracy on each class.

    Every class counts the same, however many samples it has. This is the accuracy that
    zero-shot learning reports [1]_.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels: integers, booleans or strings.

    y_pred : array-like of shape (n_samples,)
        Predicted labels. They may be labels that ``y_true`` does not hold.

    labels : array-like of shape (n_labels,), default=None
        The classes to average over. Samples of other classes are left out, and so are labels
        of which ``y_true`` has no sample: their accuracy is undefined. None takes the classes
        present in ``y_true``.

    average : {"macro"} or None, default="macro"
        None returns the accuracy on each class: in the order of ``labels``, or sorted by label
        if ``labels`` is None. A label absent from ``y_true`` gets NaN.

    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the samples within their class; every class still counts the same.

    Returns
    -------
    score : float or ndarray of shape (n_labels,) and dtype float64
        The mean accuracy, or the accuracy on each class if ``average`` is None.

    Raises
    ------
    ValueError
        If none of ``labels`` is present in ``y_true``, if ``labels`` repeats a label, if the
        arrays differ in length or if one holds numbers and the other strings.

    See Also
    --------
    gzsl_scores : The same mean over the seen and over the unseen classes.
    sklearn.metrics.balanced_accuracy_score : The same mean, over the classes of ``y_true`` only.

    Notes
    -----
    With :math:`N_c` the samples of class *c* and :math:`\mathcal{C}` the classes averaged over,

    .. math:: \mathrm{acc} = \frac{1}{|\mathcal{C}|} \sum_{c \in \mathcal{C}}
              \frac{1}{|N_c|} \sum_{n \in N_c} [\hat y_n = c].

    References
    ----------
    .. [1] Y. Xian, C. H. Lampert, B. Schiele, Z. Akata, "Zero-shot learning: a comprehensive
       evaluation of the good, the bad and the ugly", IEEE TPAMI 41(9), 2019.

    Examples
    --------
    >>> from zslearn.metrics import per_class_accuracy_score
    >>> y_true = ["cat", "cat", "cat", "cat", "okapi"]
    >>> y_pred = ["cat", "cat", "cat", "okapi", "cat"]
    >>> per_class_accuracy_score(y_true, y_pred)
    0.375
    >>> per_class_accuracy_score(y_true, y_pred, labels=["okapi", "cat", "yak"], average=None)
    array([0.  , 0.75,  nan])
    """
    truth, predictions = check_predictions(y_true, y_pred)
    weights = None if sample_weight is None else _check_weights(sample_weight, truth)
    classes, accuracies = class_accuracies(truth, predictions, weights)
    if labels is not None:
        wanted = _check_wanted(labels, truth)
        position = encode(wanted, classes)
        if (position < 0).all():
            raise ValueError(
                f"None of labels {quote(wanted)} is present in y_true, which holds "
                f"{quote(classes)}, so no accuracy is defined."
            )
        accuracies = np.where(position >= 0, accuracies[position], np.nan)
    if average is None:
        return accuracies
    return exact_mean(accuracies[~np.isnan(accuracies)])


def _check_wanted(labels: ArrayLike, truth: NDArray[Any]) -> NDArray[Any]:
    wanted = check_labels(labels, "labels")
    check_comparable(y_true=truth, labels=wanted)
    check_unique(wanted, "labels")
    return wanted


def decompose_per_class_accuracy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    average: str | None = "macro",
) -> ClassDecomposition:
    """Write :func:`per_class_accuracy_score` in class multiplicities."""
    if average != "macro":
        raise ValueError(f"average must be 'macro' to be resampled; found {average!r}.")
    truth, predictions = check_predictions(y_true, y_pred)
    classes, accuracies = class_accuracies(truth, predictions)
    if labels is not None:
        kept = np.isin(classes, _check_wanted(labels, truth))
        classes, accuracies = classes[kept], accuracies[kept]
    return ClassDecomposition(
        classes, lambda weights: weighted_mean(weights, accuracies, slice(None))
    )


def _czsl_predictions(
    y_true: ArrayLike, y_score: ArrayLike, classes: ArrayLike, seen_classes: ArrayLike
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return true and predicted labels of the samples of unseen classes."""
    scored = check_scored_classes(y_true, y_score, classes, seen_classes)
    samples = ~scored.is_seen[scored.y]
    if not samples.any():
        raise ValueError(
            "y_true holds no sample of an unseen class, so the conventional zero-shot accuracy "
            "is undefined; give samples of classes outside seen_classes."
        )
    candidates = scored.classes[~scored.is_seen]
    best = scored.scores[np.ix_(samples, ~scored.is_seen)].argmax(axis=1)
    return scored.classes[scored.y[samples]], candidates[best]


@validate_params(
    {
        "y_true": ["array-like"],
        "y_score": ["array-like"],
        "classes": ["array-like"],
        "seen_classes": ["array-like"],
    }
)
def czsl_accuracy_score(
    y_true: ArrayLike, y_score: ArrayLike, *, classes: ArrayLike, seen_classes: ArrayLike
) -> float:
    """Conventional zero-shot accuracy (T1): unseen classes told apart among themselves.

    Only the samples of unseen classes count, and only the unseen classes are candidates. The
    score is the mean per-class accuracy.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels. Samples of seen classes are allowed and left out.

    y_score : array-like of shape (n_samples, n_classes)
        Scores of all classes: logits, decision values or probabilities. Floats of less than 64
        bits are promoted to float64.

    classes : array-like of shape (n_classes,)
        Label of each column of ``y_score``, in any order.

    seen_classes : array-like of shape (n_seen_classes,)
        Labels of the classes used in training. The other labels of ``classes`` are unseen.

    Returns
    -------
    score : float
        Mean per-class accuracy over the unseen classes present in ``y_true``.

    Raises
    ------
    ValueError
        If ``y_true`` has no sample of an unseen class, if a label has no column or if a score is
        NaN or infinite.

    See Also
    --------
    gzsl_scores : All classes are candidates.
    per_class_accuracy_score : From predicted labels.

    Notes
    -----
    All unseen labels of ``classes`` are candidates, also those without a sample. Equal scores
    go to the label that sorts first, whatever the order of the columns.

    References
    ----------
    .. [1] Y. Xian, C. H. Lampert, B. Schiele, Z. Akata, "Zero-shot learning: a comprehensive
       evaluation of the good, the bad and the ugly", IEEE TPAMI 41(9), 2019.

    Examples
    --------
    >>> from zslearn.metrics import czsl_accuracy_score
    >>> y_true = ["okapi", "okapi", "yak", "cat"]
    >>> y_score = [[9, 2, 1], [9, 0, 1], [9, 0, 1], [0, 1, 2]]
    >>> czsl_accuracy_score(y_true, y_score, classes=["cat", "okapi", "yak"], seen_classes=["cat"])
    0.75
    """
    truth, predictions = _czsl_predictions(y_true, y_score, classes, seen_classes)
    return exact_mean(class_accuracies(truth, predictions)[1])


def decompose_czsl_accuracy(
    y_true: ArrayLike, y_score: ArrayLike, *, classes: ArrayLike, seen_classes: ArrayLike
) -> ClassDecomposition:
    """Write :func:`czsl_accuracy_score` in class multiplicities."""
    truth, predictions = _czsl_predictions(y_true, y_score, classes, seen_classes)
    return decompose_per_class_accuracy(truth, predictions)
