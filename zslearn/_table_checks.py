"""Checks of the parts of a class attribute table, with errors that name what was found."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


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


def as_table(values: ArrayLike) -> NDArray[np.float64]:
    """Copy values into a float64 table of two dimensions."""
    try:
        table = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"values must be a table of numbers: {error}") from None
    if table.ndim != 2 or 0 in table.shape:
        raise ValueError(
            "values must have shape (n_classes, n_attributes), both at least 1; "
            f"found shape {table.shape}"
        )
    return table


def as_labels(labels: ArrayLike, n: int | None) -> NDArray[Any]:
    """Copy labels into a one-dimensional array; with `n`, check that there are n, all distinct."""
    array = np.array(labels)
    if array.dtype.kind == "T":
        array = array.astype(str)
    kinds = {isinstance(label, str) for label in np.asarray(labels, dtype=object).ravel()}
    if len(kinds) > 1:
        raise ValueError(
            f"labels mixes strings with other things: {quote_some(labels)}. Use one kind, as in y."
        )
    if array.dtype == object:
        if kinds == {True}:
            array = array.astype(str)
        else:
            array = np.array(array.tolist())  # plain numbers kept as objects, if it is that
            if array.dtype == object:
                raise ValueError(f"labels must be numbers or strings, found {quote_some(labels)}")
    if array.ndim != 1:
        raise ValueError(f"labels must be one-dimensional, found shape {array.shape}")
    if n is not None:
        if len(array) != n:
            raise ValueError(f"labels has {len(array)} entries, values has {n} rows")
        if array.dtype.kind == "f" and np.isnan(array).any():
            raise ValueError("labels contains NaN; every class needs a label")
        refuse_duplicates(array.tolist(), "labels", "each class needs one row")
    return array


def as_names(names: Iterable[str] | None, n: int) -> tuple[str, ...]:
    """Make a tuple of n distinct names, or default ones."""
    if names is None:
        return tuple(f"attribute_{k}" for k in range(n))
    names = tuple(str(name) for name in names)
    if len(names) != n:
        raise ValueError(f"attribute_names has {len(names)} entries, values has {n} columns")
    refuse_duplicates(list(names), "attribute_names", "each attribute needs a name of its own")
    return names


def replace_missing(
    table: NDArray[np.float64],
    marker: float | None,
    how: str,
    names: tuple[str, ...],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Replace marked values; return the table and where it was changed."""
    if how not in ("mean", "zero"):
        raise ValueError(f"missing must be 'mean' or 'zero', found {how!r}")
    if marker is not None and not isinstance(marker, Real):
        raise TypeError(f"missing_values must be a number, numpy.nan or None, found {marker!r}")
    if marker is None:
        return table, np.zeros(table.shape, dtype=bool)
    mask = np.isnan(table) if np.isnan(marker) else table == marker
    unknown = np.flatnonzero(mask.all(axis=0))
    if len(unknown):
        raise ValueError(
            f"{len(unknown)} attribute(s) have no known value for any class: "
            f"{quote_some([names[k] for k in unknown])}. Remove these columns."
        )
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


def as_word_vectors(
    vectors: ArrayLike | Mapping[str, ArrayLike] | None, names: tuple[str, ...]
) -> NDArray[np.float32] | None:
    """Copy word vectors, in the order of the names, into a float32 array; warn of zeros."""
    if vectors is None:
        return None
    wanted = (
        f"word_vectors must be numbers of shape (n_attributes, n_dims), n_attributes={len(names)}"
    )
    if isinstance(vectors, Mapping):
        absent = [name for name in names if name not in vectors]
        if absent:
            raise ValueError(f"word_vectors has no vector for {quote_some(absent)}")
        vectors = np.stack([np.asarray(vectors[name], dtype=np.float64) for name in names])
    try:
        with np.errstate(over="ignore"):  # an overflow becomes inf, refused below
            array = np.array(vectors, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{wanted}: {error}") from None
    if array.ndim != 2 or array.shape[0] != len(names) or array.shape[1] == 0:
        raise ValueError(f"{wanted}; found shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("word_vectors contains NaN or infinite entries")
    zero = np.flatnonzero(~array.any(axis=1))
    if len(zero):
        warnings.warn(
            f"word_vectors is all zero for {len(zero)} attribute(s): "
            f"{quote_some([names[k] for k in zero])}. A vector of zeros has no direction to attend "
            "with; deep estimators learn one for these attributes from a random start.",
            UserWarning,
            stacklevel=3,
        )
    return array
