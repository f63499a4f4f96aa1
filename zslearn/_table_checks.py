"""Checks of the parts of a class attribute table, with errors that name what was found."""

from __future__ import annotations

import re
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zslearn._containers import (
    as_real_array,
    refuse_masked,
    refuse_orderless,
    refuse_ragged,
)


def quote_some(items: Any, n: int = 5) -> str:
    """Quote the first few of many items for a message."""
    items = np.asarray(items, dtype=object).ravel().tolist()
    more = f", ... ({len(items)} in all)" if len(items) > n else ""
    return ", ".join(repr(item) for item in items[:n]) + more


def refuse_duplicates(items: list[Any], argument: str, remedy: str) -> None:
    """Raise if an item occurs twice."""
    seen: set[Any] = set()
    twice = {item for item in items if item in seen or seen.add(item)}  # type: ignore[func-returns-value]
    if twice:
        raise ValueError(
            f"{argument} holds {len(twice)} duplicate(s): "
            f"{quote_some(sorted(twice, key=str))}; {remedy}"
        )


def as_table(values: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Copy values into a float64 table of two dimensions; and the mask that came with them."""
    refuse_orderless(values, "values")
    if not isinstance(values, np.ma.MaskedArray):
        refuse_masked(values, "values", "make one masked array of them: np.ma.stack(rows)")
    refuse_ragged(values, "values", "a table of numbers")
    try:
        table = as_real_array(values, "values")
    except ValueError as error:
        detail = str(error).removeprefix("values must be numbers").lstrip(":, ")
        raise ValueError(f"values must be a table of numbers: {detail}") from None
    if table.ndim != 2 or 0 in table.shape:
        raise ValueError(
            "values must have shape (n_classes, n_attributes), both at least 1; "
            f"found shape {table.shape}"
        )
    if isinstance(values, np.ma.MaskedArray):
        return table, np.array(np.ma.getmaskarray(values))
    return table, np.zeros(table.shape, dtype=bool)


def replace_missing(
    table: NDArray[np.float64],
    mask: NDArray[np.bool_],
    marker: float | None,
    how: str,
    names: tuple[str, ...],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Replace masked and marked values; return the table and where it was changed."""
    if how not in ("mean", "zero"):
        raise ValueError(f"missing must be 'mean' or 'zero', found {how!r}")
    if marker is not None:
        if not isinstance(marker, Real) or isinstance(marker, bool | np.bool_):
            raise TypeError(f"missing_values must be a number, numpy.nan or None, found {marker!r}")
        try:
            marker = float(marker)
        except OverflowError as error:
            raise ValueError(f"missing_values is too large for a table: {error}") from None
        mask = mask | (np.isnan(table) if np.isnan(marker) else table == marker)
    unknown = np.flatnonzero(mask.all(axis=0))
    if len(unknown):
        raise ValueError(
            f"{len(unknown)} attribute(s) have no known value for any class: "
            f"{quote_some([names[k] for k in unknown])}. Remove these columns."
        )
    if not mask.any():
        return table, mask
    if how == "zero":
        return np.where(mask, 0.0, table), mask
    known = np.where(mask, 0.0, table).sum(axis=0) / (~mask).sum(axis=0)
    return np.where(mask, known, table), mask


def check_finite(table: NDArray[np.float64], labels: NDArray[Any], names: tuple[str, ...]) -> None:
    """Raise if a value is NaN or infinite."""
    rows, columns = np.nonzero(~np.isfinite(table))
    if len(rows):
        raise ValueError(
            f"values contains {len(rows)} NaN or infinite entries, the first for class "
            f"{labels.tolist()[rows[0]]!r}, attribute {names[columns[0]]!r}. Fill them in, or pass "
            "missing_values=numpy.nan to treat NaN as unknown."
        )


_NUMBERING_NAME = re.compile(
    r"(unnamed: ?\d+|index|idx|row|#|(class|label|species|taxon|category|target|object|image)?"
    r"[ _.-]*(ids?|no|nr|number|num|index|idx|code|label|class)|class|label|target|y)\.?",
    re.IGNORECASE,
)


def refuse_numbering(table: NDArray[np.float64], names: list[str], remedy: str) -> None:
    """Raise if a column numbers the classes instead of describing them.

    A column does if it is named as such and holds distinct whole numbers, or if it counts the rows.
    """
    n = len(table)
    for name, column in zip(names, table.T, strict=True):
        if n < 2 or not np.isfinite(column).all() or (column != np.floor(column)).any():
            continue
        counts = bool((np.diff(column) == 1).all()) and n >= (4 if column[0] in (0, 1) else 6)
        named = _NUMBERING_NAME.fullmatch(name.strip()) is not None or not name.strip()
        if counts or (named and len(np.unique(column)) == n):
            shown = ", ".join(f"{value:g}" for value in column[:3])
            raise ValueError(
                f"the column {name!r} holds {shown}, ...: it seems to number the classes, and "
                f"would become an attribute that outweighs the others. {remedy}"
            )


def refuse_zero_rows(table: NDArray[np.float64], labels: NDArray[Any]) -> None:
    """Refuse classes described by zeros alone."""
    zero = np.flatnonzero(~table.any(axis=1))
    if len(zero):
        raise ValueError(
            f"values has {len(zero)} all-zero row(s), which describe nothing and have no "
            f"direction: {quote_some(labels[zero])}. Describe or remove these classes."
        )
