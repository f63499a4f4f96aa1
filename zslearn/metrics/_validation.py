"""Checks of labels and scores that the metrics share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array
from sklearn.utils._param_validation import validate_params as _validate_params

from zslearn._containers import refuse_masked, refuse_orderless, refuse_ragged, unlike_numbers
from zslearn._label_checks import refuse_lookalikes, refuse_rounded_integers

_Function = TypeVar("_Function", bound=Callable[..., Any])

_LABEL_FAMILIES = {"b": "number", "i": "number", "u": "number", "f": "number"}
_LABEL_FAMILIES |= {"U": "string", "S": "bytes"}


def validate_params(constraints: dict[str, Any]) -> Callable[[_Function], _Function]:
    """Decorate as scikit-learn's ``validate_params`` does, keeping the function's type."""
    decorator: Callable[[_Function], _Function] = _validate_params(
        constraints, prefer_skip_nested_validation=True
    )
    return decorator


@dataclass(frozen=True)
class ClassDecomposition:
    """A metric as a function of how often each class counts.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted labels of the classes the metric averages over.
    evaluate : callable
        Maps class multiplicities of shape (n_resamples, n_classes) to the metric, of shape
        (n_resamples,) or (n_resamples, n_values).
    """

    classes: NDArray[Any]
    evaluate: Callable[[NDArray[Any]], NDArray[np.float64]]


def quote(labels: NDArray[Any], limit: int = 5) -> str:
    """Name the first few labels, for a message."""
    shown = ", ".join(repr(label) for label in labels[:limit].tolist())
    return f"[{shown}{', ...' if len(labels) > limit else ''}]"


def check_labels(labels: ArrayLike, name: str) -> NDArray[Any]:
    """Return `labels` as a one-dimensional, non-empty array of numbers or of strings."""
    refuse_masked(labels, name, "leave out the samples without a label")
    if isinstance(labels, set | frozenset) and name in ("seen_classes", "unseen_classes"):
        labels = list(labels)
    refuse_orderless(labels, name)
    refuse_ragged(labels, name)
    array = np.asarray(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional; found shape {array.shape}.")
    if array.size == 0:
        raise ValueError(f"{name} is empty; give at least one label.")
    if array.dtype.kind == "T":
        array = array.astype(object)
    if array.dtype.kind == "O":
        items = array.tolist()
        n_strings = sum(isinstance(item, str) for item in items)
        if 0 < n_strings < len(items):
            raise TypeError(
                f"{name} mixes strings with other labels; make all of them strings or all numbers."
            )
        array = np.asarray(items)
    if array.dtype.kind in "fO":
        items = np.asarray(labels, dtype=object).ravel().tolist()
        refuse_rounded_integers(items, array, name)
    if array.ndim != 1 or array.dtype.kind not in _LABEL_FAMILIES:
        raise TypeError(
            f"{name} must hold integers, booleans or strings; found dtype {array.dtype}. "
            "Missing labels are not allowed."
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinity; drop the samples without a label.")
    return array


def check_comparable(**labels: NDArray[Any]) -> None:
    """Raise if some of the label arrays hold numbers and others strings."""
    families = {name: _LABEL_FAMILIES[array.dtype.kind] for name, array in labels.items()}
    (first, family), *others = families.items()
    for name, other in others:
        if other != family:
            raise ValueError(
                f"{first} holds {family} labels but {name} holds {other} labels, so no label of "
                "one can equal one of the other; convert them to one type."
            )
    if others and family == "string":
        texts = set[str]().union(*(array.tolist() for array in labels.values()))
        refuse_lookalikes(sorted(texts), " and ".join(labels))


def check_unique(labels: NDArray[Any], name: str) -> None:
    """Raise if a label is repeated."""
    unique, counts = np.unique(labels, return_counts=True)
    if len(unique) < len(labels):
        raise ValueError(
            f"{name} must not repeat a label; found {quote(unique[counts > 1])} more than once."
        )


def check_consistent(n_expected: int, n_found: int, name: str) -> None:
    """Raise if an argument has not as many rows as ``y_true``."""
    if n_expected != n_found:
        raise ValueError(
            f"{name} has {n_found} rows but y_true has {n_expected} labels; "
            "give one row for each sample."
        )


def check_matrix(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Return a finite two-dimensional float64 array."""
    refuse_masked(values, name, "every value is needed")
    refuse_ragged(values, name, "a table of numbers")
    found = unlike_numbers(np.asarray(values))
    if found is not None:
        raise ValueError(f"{name} must be a table of numbers, found {found}")
    if np.ndim(values) != 2:
        raise ValueError(
            f"{name} must have a row for each sample and a column for each class; found shape "
            f"{np.shape(values)}"
        )
    matrix: NDArray[np.float64] = check_array(
        values, dtype=np.float64, ensure_all_finite=False, input_name=name
    )
    n_bad = matrix.size - np.count_nonzero(np.isfinite(matrix))
    if n_bad:
        raise ValueError(
            f"{name} holds {n_bad} NaN or infinite values of {matrix.size}; they cannot be "
            "ranked. Check the model that produced them."
        )
    return matrix


def encode(values: NDArray[Any], sorted_labels: NDArray[Any]) -> NDArray[np.intp]:
    """Return the position of each value in `sorted_labels`, -1 where it is absent."""
    position = np.searchsorted(sorted_labels, values)
    position[position == len(sorted_labels)] = 0
    return np.where(sorted_labels[position] == values, position, -1)


@dataclass(frozen=True)
class ScoredClasses:
    """Scores, labels and the seen/unseen partition, checked, columns in label order."""

    y: NDArray[np.intp]
    scores: NDArray[np.float64]
    classes: NDArray[Any]
    is_seen: NDArray[np.bool_]


def check_scored_classes(
    y_true: ArrayLike, y_score: ArrayLike, classes: ArrayLike, seen_classes: ArrayLike
) -> ScoredClasses:
    """Check labels and scores, and put the columns in the sorted order of their labels.

    The order makes ties independent of the order in which the caller's columns come.
    """
    labels = check_labels(y_true, "y_true")
    column_labels = check_labels(classes, "classes")
    seen = check_labels(seen_classes, "seen_classes")
    check_comparable(y_true=labels, classes=column_labels, seen_classes=seen)
    check_unique(column_labels, "classes")
    scores = check_matrix(y_score, "y_score")
    check_consistent(len(labels), len(scores), "y_score")
    if scores.shape[1] != len(column_labels):
        raise ValueError(
            f"y_score has {scores.shape[1]} columns but classes names {len(column_labels)}; "
            "give one label for each column."
        )
    for name, given in (("y_true", labels), ("seen_classes", seen)):
        missing = np.setdiff1d(given, column_labels)
        if missing.size:
            raise ValueError(
                f"{name} holds {quote(missing)}, absent from classes; every label needs a column."
            )
    order = np.argsort(column_labels)
    column_labels = column_labels[order]
    is_seen = np.isin(column_labels, seen)
    if is_seen.all():
        raise ValueError(
            "seen_classes holds every label of classes, so no class is unseen; "
            "leave the unseen classes out of seen_classes."
        )
    if not np.array_equal(order, np.arange(len(order))):
        scores = scores[:, order]
    return ScoredClasses(encode(labels, column_labels), scores, column_labels, is_seen)
