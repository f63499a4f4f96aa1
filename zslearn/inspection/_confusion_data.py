"""Pairs of true and predicted labels of unseen classes, checked and counted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import _safe_indexing

from zslearn._table_checks import quote_some
from zslearn.base import is_row_source
from zslearn.metrics._validation import check_comparable, check_labels, check_unique, encode
from zslearn.model_selection import RowView


def labels_of_unseen(
    y_true: ArrayLike, y_pred: ArrayLike, labels: Any, seen_classes: Any
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Check labels; return those of samples of unseen classes, these classes and the seen ones."""
    truth, predictions = check_labels(y_true, "y_true"), check_labels(y_pred, "y_pred")
    if len(truth) != len(predictions):
        raise ValueError(
            f"y_pred has {len(predictions)} labels but y_true has {len(truth)}; give one for "
            "each sample."
        )
    given = {"y_true": truth, "y_pred": predictions}
    if seen_classes is not None:
        given["seen_classes"] = check_labels(seen_classes, "seen_classes")
    check_comparable(**given)
    occurring = np.union1d(truth, predictions)
    seen = given.get("seen_classes", occurring[:0])
    rows = np.setdiff1d(occurring, seen) if labels is None else check_labels(labels, "labels")
    check_comparable(labels=rows, y_true=truth)
    check_unique(rows, "labels")
    both = np.intersect1d(rows, seen)
    if len(both):
        raise ValueError(
            f"labels holds {quote_some(both)}, which seen_classes holds, too: rows are unseen "
            "classes."
        )
    used = np.isin(truth, rows)
    if not used.any():
        raise ValueError(
            "y_true holds no sample of an unseen class: "
            + (
                "all its classes are in seen_classes."
                if labels is None
                else f"none of {quote_some(rows)}."
            )
        )
    return truth[used], predictions[used], rows, seen


def unseen_candidates(
    rule: Any, candidates: Any, y_true: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[np.intp], bool]:
    """Find the unseen candidates, the samples of them, and whether there are other candidates."""
    columns = rule._candidate_columns(candidates, rule.class_attributes_)
    labels = np.intersect1d(rule.classes_[columns], rule.unseen_classes_)
    if not len(labels):
        raise ValueError(
            "candidates holds no unseen class: all "
            f"{len(columns)} of them had samples at fit. Pass class_attributes to fit, with "
            "rows for the classes without samples, or here those of new classes."
        )
    rows = np.flatnonzero(np.isin(y_true, labels))
    if not len(rows):
        raise ValueError(
            f"y holds no sample of an unseen candidate; they are {quote_some(labels)}."
        )
    return labels, rows, len(columns) > len(labels)


def count_pairs(
    y_true: NDArray[Any], y_pred: NDArray[Any], labels: NDArray[Any]
) -> NDArray[np.intp]:
    """Count how often each label is taken for each; one more column is for predictions outside."""
    n = len(labels)
    rank = np.argsort(labels)
    row = rank[encode(y_true, labels[rank])]
    column = encode(y_pred, labels[rank])
    column = np.where(column < 0, n, rank[column])
    matrix = np.zeros((n, n + 1), dtype=np.intp)
    np.add.at(matrix, (row, column), 1)
    return matrix


def row_shares(matrix: NDArray[Any]) -> NDArray[np.float64]:
    """Divide rows by their sums; they are NaN where there is no sample."""
    sums = matrix.sum(axis=1, keepdims=True)
    shares = np.full(matrix.shape, np.nan)
    return np.divide(matrix, sums, out=shares, where=sums > 0)


def take_rows(X: Any, rows: NDArray[np.intp], n_labels: int) -> Any:
    """Take samples, without a copy in memory of what is read from a file.

    Raises
    ------
    ValueError
        If there are not as many samples as labels.
    """
    n_samples = X.shape[0] if hasattr(X, "shape") else len(X)
    if n_samples != n_labels:
        raise ValueError(f"y has {n_labels} labels but X has {n_samples} samples; give one each.")
    if isinstance(X, np.memmap) or (is_row_source(X) and isinstance(X.dtype, np.dtype)):
        return RowView(X, rows)
    if is_row_source(X):
        return X[rows]
    return _safe_indexing(X, rows)
