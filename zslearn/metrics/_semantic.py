"""How far predicted attributes are from the annotated ones, class by class."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import StrOptions

from zslearn.metrics._classification import exact_mean
from zslearn.metrics._validation import (
    ClassDecomposition,
    check_comparable,
    check_consistent,
    check_labels,
    check_matrix,
    check_unique,
    encode,
    quote,
    validate_params,
)

Normalize = Literal["minmax", "standard", "l2"]


class ClassSemanticError(NamedTuple):
    """The semantic error matrix of :func:`class_semantic_error`.

    Attributes
    ----------
    classes : ndarray of shape (n_classes_present,)
        Sorted labels of the classes that have samples.
    errors : ndarray of shape (n_classes_present, n_attributes) and dtype float64
        Mean squared error of each attribute over the samples of each class.
    """

    classes: NDArray[Any]
    errors: NDArray[np.float64]

    @property
    def mean(self) -> float:
        """Mean over classes and attributes: every class counts the same."""
        return exact_mean(self.errors.mean(axis=1))


class SemanticErrorIncrease(NamedTuple):
    """The averages of :func:`semantic_error_increase`.

    Attributes
    ----------
    seen_error : float
        Mean semantic error of the seen classes.
    unseen_error : float
        Mean semantic error of the unseen classes.
    relative_increase : float
        ``(unseen_error - seen_error) / seen_error``.
    """

    seen_error: float
    unseen_error: float
    relative_increase: float


def _normalized(values: NDArray[np.float64], normalize: str | None) -> NDArray[np.float64]:
    if normalize is None:
        return values
    if normalize == "l2":
        # Scaled by the largest entry first, so that squaring cannot overflow or vanish.
        largest = np.abs(values).max(axis=1, keepdims=True)
        scaled = np.divide(values, largest, out=np.zeros_like(values), where=largest > 0)
        norms = np.linalg.norm(scaled, axis=1, keepdims=True)
        return np.divide(scaled, norms, out=scaled, where=norms > 0)
    lowest, highest = values.min(axis=0), values.max(axis=0)
    varies = highest > lowest
    if normalize == "minmax":
        shift, scale = lowest, highest - lowest
    else:
        shift, scale = values.mean(axis=0), values.std(axis=0)
    # A column that does not vary is 0: its mean, rounded, need not equal its values.
    result = np.zeros_like(values)
    return np.divide(values - shift, scale, out=result, where=varies & (scale > 0))


def _read_table(
    class_attributes: Any, classes: ArrayLike | None, y: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Return the (C, K) values and the labels of their rows."""
    values, labels = class_attributes, classes
    for attribute in ("labels", "index"):
        held = getattr(class_attributes, attribute, None)
        if held is not None and not callable(held) and hasattr(class_attributes, "values"):
            values = class_attributes.values
            labels = held if classes is None else classes
            break
    table = check_matrix(values, "class_attributes")
    if labels is None:
        if y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= len(table):
            raise ValueError(
                "classes is needed: class_attributes is a bare array and y_true does not hold "
                f"row numbers 0..{len(table) - 1}. Give the label of each row of class_attributes."
            )
        labels = np.arange(len(table))
    labels = check_labels(labels, "classes")
    check_unique(labels, "classes")
    if len(labels) != len(table):
        raise ValueError(
            f"class_attributes has {len(table)} rows but classes names {len(labels)}; "
            "give one label for each row."
        )
    return table, labels


def _errors(
    y_true: ArrayLike,
    attributes_pred: ArrayLike,
    class_attributes: Any,
    classes: ArrayLike | None,
    normalize: str | None,
) -> ClassSemanticError:
    y = check_labels(y_true, "y_true")
    predicted = check_matrix(attributes_pred, "attributes_pred")
    check_consistent(len(y), len(predicted), "attributes_pred")
    table, labels = _read_table(class_attributes, classes, y)
    check_comparable(y_true=y, classes=labels)
    if predicted.shape[1] != table.shape[1]:
        raise ValueError(
            f"attributes_pred has {predicted.shape[1]} columns but class_attributes has "
            f"{table.shape[1]}; both need one column for each attribute."
        )
    undescribed = np.setdiff1d(y, labels)
    if undescribed.size:
        raise ValueError(
            f"y_true holds {quote(undescribed)}, which class_attributes does not describe; "
            "add their rows."
        )
    order = np.argsort(labels)
    annotated = _normalized(table, normalize)[order]
    present, position, counts = np.unique(y, return_inverse=True, return_counts=True)
    by_class = np.argsort(position, kind="stable")
    difference = _normalized(predicted, normalize)[by_class]
    difference -= annotated[encode(present, labels[order])][position[by_class]]
    starts = np.cumsum(counts) - counts
    sums = np.add.reduceat(np.square(difference, out=difference), starts, axis=0)
    return ClassSemanticError(present, sums / counts[:, np.newaxis])


_CONSTRAINTS: dict[str, Any] = {
    "y_true": ["array-like"],
    "attributes_pred": ["array-like"],
    "class_attributes": "no_validation",
    "classes": ["array-like", None],
    "normalize": [StrOptions({"minmax", "standard", "l2"}), None],
}


@validate_params(_CONSTRAINTS)
def class_semantic_error(
    y_true: ArrayLike,
    attributes_pred: ArrayLike,
    class_attributes: Any,
    *,
    classes: ArrayLike | None = None,
    normalize: Normalize | None = "minmax",
) -> ClassSemanticError:
    r"""Class-averaged error of each predicted attribute (the semantic error matrix).

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.

    attributes_pred : array-like of shape (n_samples, n_attributes)
        Predicted attribute values, such as a zero-shot classifier's ``predict_attributes``.

    class_attributes : array-like of shape (n_classes, n_attributes), or object
        Annotated attribute values of each class. An object with ``values`` and ``labels``, or a
        DataFrame indexed by label, names its rows itself.

    classes : array-like of shape (n_classes,), default=None
        Label of each row of ``class_attributes``. Needed if that is a bare array, unless
        ``y_true`` holds row numbers.

    normalize : {"minmax", "standard", "l2"} or None, default="minmax"
        How predicted and annotated values are brought to one scale, each on their own:

        - "minmax": each attribute to [0, 1], predicted values over the samples, annotated
          values over all rows of ``class_attributes``;
        - "standard": each attribute to zero mean and unit (biased) variance, over the same;
        - "l2": each row to unit length;
        - None: no change.

    Returns
    -------
    result : ClassSemanticError
        Named tuple of ``classes``, the sorted labels present in ``y_true``, of shape
        (n_classes_present,), and ``errors``, float64 of shape (n_classes_present, n_attributes).
        ``result.mean`` is the average over both axes.

    Raises
    ------
    ValueError
        If a class is not described, if shapes disagree or if a value is NaN or infinite.

    See Also
    --------
    semantic_error_increase : Averages over seen and over unseen classes.

    Notes
    -----
    Eq. 14 of [1]_, with :math:`N_c` the samples of class *c*, :math:`s_k^n` the predicted and
    :math:`s_k^c` the annotated values:

    .. math:: e_{ck} = \frac{1}{|N_c|} \sum_{n \in N_c} (s_k^n - s_k^c)^2.

    The paper normalises "the predicted attribute values in the same manner as the annotated
    attribute values" and does not say how. "minmax" is the default because it keeps errors
    within [0, 1], the range of the published figures, and is the same for any scale and offset
    of an attribute; it is also sensitive to outliers, where "standard" is less so. Errors under
    different normalisations cannot be compared. Predicted values are normalised over the samples
    given, so that the matrix of a subset is not a part of the matrix of the whole (but for "l2"
    and None). A column that does not vary becomes 0, a row of zeros stays as it is.

    References
    ----------
    .. [1] "Causal Visual-semantic Correlation for Zero-shot Learning", ACM Multimedia, 2024.

    Examples
    --------
    >>> from zslearn.metrics import class_semantic_error
    >>> class_attributes = [[0, 10], [1, 20]]
    >>> attributes_pred = [[1, 5], [2, 6], [3, 6]]
    >>> result = class_semantic_error(
    ...     ["cat", "cat", "okapi"], attributes_pred, class_attributes, classes=["cat", "okapi"]
    ... )
    >>> result.errors
    array([[0.125, 0.5  ],
           [0.   , 0.   ]])
    >>> result.mean
    0.15625
    """
    return _errors(y_true, attributes_pred, class_attributes, classes, normalize)


def decompose_class_semantic_error(
    y_true: ArrayLike,
    attributes_pred: ArrayLike,
    class_attributes: Any,
    *,
    classes: ArrayLike | None = None,
    normalize: str | None = "minmax",
) -> ClassDecomposition:
    """Write the mean of :func:`class_semantic_error` in class multiplicities."""
    present, errors = _errors(y_true, attributes_pred, class_attributes, classes, normalize)
    means = errors.mean(axis=1)
    return ClassDecomposition(present, lambda weights: weights @ means / weights.sum(axis=1))


def _check_sides(classes: NDArray[Any], seen_classes: ArrayLike) -> NDArray[np.bool_]:
    seen = check_labels(seen_classes, "seen_classes")
    check_comparable(y_true=classes, seen_classes=seen)
    is_seen = np.isin(classes, seen)
    if is_seen.all() or not is_seen.any():
        raise ValueError(
            f"y_true holds no sample of {'an unseen' if is_seen.all() else 'a seen'} class, so "
            "the increase of the error is undefined; give samples of both kinds of class."
        )
    return is_seen


@validate_params(_CONSTRAINTS | {"seen_classes": ["array-like"]})
def semantic_error_increase(
    y_true: ArrayLike,
    attributes_pred: ArrayLike,
    class_attributes: Any,
    *,
    seen_classes: ArrayLike,
    classes: ArrayLike | None = None,
    normalize: Normalize | None = "minmax",
) -> SemanticErrorIncrease:
    r"""Mean semantic error on seen and on unseen classes, and its relative increase.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels of samples of seen and of unseen classes.

    attributes_pred : array-like of shape (n_samples, n_attributes)
        Predicted attribute values.

    class_attributes : array-like of shape (n_classes, n_attributes), or object
        Annotated attribute values of each class. An object with ``values`` and ``labels``, or a
        DataFrame indexed by label, names its rows itself.

    seen_classes : array-like of shape (n_seen_classes,)
        Labels of the classes used in training. Every other label of ``y_true`` is unseen.

    classes : array-like of shape (n_classes,), default=None
        Label of each row of ``class_attributes``. Needed if that is a bare array, unless
        ``y_true`` holds row numbers.

    normalize : {"minmax", "standard", "l2"} or None, default="minmax"
        How values are brought to one scale, see :func:`class_semantic_error`. Samples of seen
        and of unseen classes are normalised together.

    Returns
    -------
    result : SemanticErrorIncrease
        Named tuple ``(seen_error, unseen_error, relative_increase)`` of floats. The increase is
        infinite if only the seen error is 0, and NaN if both are.

    Raises
    ------
    ValueError
        If ``y_true`` lacks samples of seen or of unseen classes, if a class is not described, if
        shapes disagree or if a value is NaN or infinite.

    See Also
    --------
    class_semantic_error : The error of each class and attribute.

    Notes
    -----
    Table 4 of [1]_: both errors are means of :math:`e_{ck}` (Eq. 14) over classes and attributes,
    and the increase is :math:`(e_{unseen} - e_{seen}) / e_{seen}`.

    References
    ----------
    .. [1] "Causal Visual-semantic Correlation for Zero-shot Learning", ACM Multimedia, 2024.

    Examples
    --------
    >>> from zslearn.metrics import semantic_error_increase
    >>> semantic_error_increase(
    ...     [0, 1], [[0, 1.5], [2, 0]], [[0, 1], [1, 0]], seen_classes=[0], normalize=None
    ... )
    SemanticErrorIncrease(seen_error=0.125, unseen_error=0.5, relative_increase=3.0)
    """
    present, errors = _errors(y_true, attributes_pred, class_attributes, classes, normalize)
    is_seen = _check_sides(present, seen_classes)
    means = errors.mean(axis=1)
    seen, unseen = exact_mean(means[is_seen]), exact_mean(means[~is_seen])
    if seen == 0:
        return SemanticErrorIncrease(seen, unseen, math.inf if unseen > 0 else math.nan)
    return SemanticErrorIncrease(seen, unseen, (unseen - seen) / seen)


def decompose_semantic_error_increase(
    y_true: ArrayLike,
    attributes_pred: ArrayLike,
    class_attributes: Any,
    *,
    seen_classes: ArrayLike,
    classes: ArrayLike | None = None,
    normalize: str | None = "minmax",
) -> ClassDecomposition:
    """Write :func:`semantic_error_increase` in class multiplicities."""
    present, errors = _errors(y_true, attributes_pred, class_attributes, classes, normalize)
    is_seen = _check_sides(present, seen_classes)
    means = errors.mean(axis=1)

    def evaluate(weights: NDArray[Any]) -> NDArray[np.float64]:
        seen, unseen = (
            weights[:, side] @ means[side] / weights[:, side].sum(axis=1)
            for side in (is_seen, ~is_seen)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.column_stack([seen, unseen, (unseen - seen) / seen])

    return ClassDecomposition(present, evaluate)
