"""What may be wrong with a table of classes though it can be used: said once, at fit."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zslearn._label_checks import plain_form
from zslearn._table_checks import quote_some
from zslearn.exceptions import ClassDescriptionWarning

# Cosine of two rows that nobody can tell apart; tables of 0 and 1 that differ in one attribute
# stay below up to 5,000 attributes.
_PARALLEL = 0.9999
# Share of a row's squared length in one column, and the share of rows with such a column.
_DOMINANT, _MOST_ROWS = 0.8, 0.9
_BLOCK = 256


def warn_of_weak_descriptions(
    values: NDArray[np.float64], labels: NDArray[Any], names: tuple[str, ...], stacklevel: int
) -> None:
    """Warn once, naming classes that cannot be told apart and columns that outweigh all others.

    Parameters
    ----------
    values : ndarray of shape (n_classes, n_attributes)
    labels : ndarray of shape (n_classes,)
    names : tuple of str of length n_attributes
    stacklevel : int
        Of the warning, as in ``warnings.warn``.
    """
    if len(values) < 2:
        return
    found = []
    if len(names) == 1:
        found.append(
            f"it has a single attribute, {names[0]!r}, so that all classes lie in one direction"
        )
    else:
        column = dominant_column(values)
        if column is not None:
            found.append(
                f"the attribute {names[column]!r} makes up most of every row's length, so that "
                "the others hardly count: bring all attributes to one scale"
            )
        pairs, n_pairs = parallel_rows(values)
        if pairs:
            items = labels.tolist()
            shown = ", ".join(f"{items[i]!r} and {items[j]!r}" for i, j in pairs[:5])
            more = f", ... ({n_pairs} pairs in all)" if n_pairs > 5 else ""
            found.append(
                "classes with equal, proportional or nearly parallel rows cannot be told apart: "
                f"{shown}{more}"
            )
    numbering = numbering_column(values, labels)
    if numbering is not None:
        found.append(
            f"the attribute {names[numbering]!r} seems to number the classes: leave it out"
        )
    twins = _capitals(labels)
    if twins:
        found.append(f"labels differ by capitals only: {quote_some(twins)}")
    if found:
        warnings.warn(
            f"class_attributes may describe its classes badly: {'; '.join(found)}.",
            ClassDescriptionWarning,
            stacklevel=stacklevel + 1,
        )


def dominant_column(values: NDArray[np.float64]) -> int | None:
    """Return the column that holds most of the length of nearly every row, if there is one."""
    if values.shape[1] < 2:
        return None
    largest = np.abs(values).max(axis=1, keepdims=True)
    squares = (values / largest) ** 2
    shares = squares / squares.sum(axis=1, keepdims=True)
    column = int(shares.sum(axis=0).argmax())
    return column if (shares[:, column] > _DOMINANT).mean() >= _MOST_ROWS else None


def numbering_column(values: NDArray[np.float64], labels: NDArray[Any]) -> int | None:
    """Return a column that counts the rows or holds their labels, if there is one."""
    n = len(values)
    if n < 4 or values.shape[1] < 2:
        return None
    counts = (np.diff(values, axis=0) == 1).all(axis=0)
    if n < 6:
        counts &= np.isin(values[0], (0, 1))
    if labels.dtype.kind in "iuf":
        counts |= (values == labels[:, None]).all(axis=0)
    return int(counts.argmax()) if counts.any() else None


def parallel_rows(values: NDArray[np.float64]) -> tuple[list[tuple[int, int]], int]:
    """Return the first few pairs of rows of nearly one direction, and the number of all pairs."""
    rows = values / np.abs(values).max(axis=1, keepdims=True)
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    pairs: list[tuple[int, int]] = []
    n_pairs = 0
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK] @ rows[start:].T
        i, j = np.nonzero(block > _PARALLEL)
        above = j > i
        n_pairs += int(above.sum())
        if len(pairs) < 5:
            some = zip(i[above][:5].tolist(), j[above][:5].tolist(), strict=True)
            pairs += [(start + a, start + b) for a, b in some]
    return pairs, n_pairs


def _capitals(labels: NDArray[Any]) -> list[str]:
    """Labels that another label differs from by capitals only, such a pair behind each other."""
    if labels.dtype.kind != "U":
        return []
    first: dict[str, str] = {}
    twins = []
    for label in labels.tolist():
        other = first.setdefault(plain_form(label).casefold(), label)
        if other != label:
            twins += [other, label]
    return twins
