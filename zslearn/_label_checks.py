"""Class labels and attribute names: kinds that are understood, and pairs that look alike."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zslearn._containers import is_gap, refuse_masked, refuse_orderless, refuse_ragged
from zslearn._table_checks import quote_some, refuse_duplicates

_KINDS = "biufUS"
# Every integer up to it is a float64 too.
_LARGEST_EXACT = 2**53


def as_labels(labels: ArrayLike, n: int | None, argument: str = "labels") -> NDArray[Any]:
    """Copy labels into a one-dimensional array; with `n`, check that there are n, all distinct."""
    refuse_masked(labels, argument)
    refuse_orderless(labels, argument)
    if hasattr(labels, "detach"):
        labels = labels.detach().cpu().numpy()
    refuse_ragged(labels, argument)
    array = np.array(labels)
    # The items of an array are of one kind already.
    is_plain = isinstance(labels, np.ndarray) and array.dtype.kind in _KINDS
    items = [] if is_plain else np.asarray(labels, dtype=object).ravel().tolist()
    if array.dtype.kind == "T":
        array = array.astype(object)
    kinds = {next((k for k in (str, bytes) if isinstance(label, k)), None) for label in items}
    if len(kinds) > 1:
        raise ValueError(
            f"{argument} mixes strings with other things: {quote_some(labels)}. Use one kind, as "
            "in y."
        )
    if array.dtype == object and array.ndim == 1:
        if kinds == {str}:
            array = array.astype(str)
        elif not any(isinstance(item, list | tuple) for item in items):
            array = np.array(items)  # plain numbers kept as objects, if it is that
    refuse_rounded_integers(items, array, argument)
    if array.dtype.kind not in _KINDS and array.ndim == 1:
        found = "dates or times" if array.dtype.kind in "mM" else quote_some(items)
        raise ValueError(f"{argument} must be numbers or strings, found {found}")
    if array.ndim != 1:
        raise ValueError(f"{argument} must be one-dimensional, found shape {array.shape}")
    if n is not None:
        if len(array) != n:
            raise ValueError(f"{argument} has {len(array)} entries, values has {n} rows")
        if array.dtype.kind == "f" and np.isnan(array).any():
            raise ValueError(f"{argument} contains NaN; every class needs a label")
        refuse_duplicates(array.tolist(), argument, "each class needs one row")
        refuse_lookalikes(array.tolist(), argument)
    return array


def refuse_rounded_integers(items: Iterable[Any], array: NDArray[Any], argument: str) -> None:
    """Raise if whole numbers are too large for an array of integers, or were rounded to floats."""
    if array.dtype.kind not in "fO":
        return
    large = [
        item
        for item in items
        if isinstance(item, int | np.integer) and abs(int(item)) > _LARGEST_EXACT
    ]
    if large:
        raise ValueError(
            f"{argument} holds whole numbers that need more than 63 bits, such as "
            f"{str(large[0])[:30]}: an array would round them. Make all labels strings."
        )


def as_names(names: Iterable[str] | None, n: int) -> tuple[str, ...]:
    """Make a tuple of n distinct names, or default ones."""
    if names is None:
        return tuple(f"attribute_{k}" for k in range(n))
    argument = "attribute_names"
    refuse_orderless(names, argument)
    refuse_masked(names, argument)
    if isinstance(names, str | bytes) or not hasattr(names, "__iter__"):
        raise TypeError(f"{argument} must be a sequence of {n} names, found {names!r}")
    items = list(names)
    blank = [k for k, name in enumerate(items) if is_gap(name) or str(name) in ("", "nan")]
    if blank:
        raise ValueError(f"{argument} has no name at position(s) {quote_some(blank)}")
    texts = tuple(str(name) for name in items)
    if len(texts) != n:
        raise ValueError(f"{argument} has {len(texts)} entries, values has {n} columns")
    refuse_duplicates(list(texts), argument, "each attribute needs a name of its own")
    refuse_lookalikes(texts, argument)
    return texts


def plain_form(label: str) -> str:
    """Return a label in composed Unicode, with single blanks and without invisible characters."""
    visible = (
        " " if letter.isspace() else letter
        for letter in unicodedata.normalize("NFC", label)
        if letter.isspace() or unicodedata.category(letter) not in ("Cf", "Cc")
    )
    return " ".join("".join(visible).split())


def refuse_lookalikes(labels: Iterable[Any], argument: str) -> None:
    """Raise if two labels differ by blanks, invisible characters or form of Unicode only."""
    first: dict[str, str] = {}
    for label in labels:
        if isinstance(label, str):
            other = first.setdefault(plain_form(label), label)
            if other != label:
                raise ValueError(
                    f"{argument} holds {other!a} and {label!a}, which differ by "
                    f"{difference(other, label)}: write one name in one way."
                )


def difference(one: str, other: str) -> str | None:
    """Say in what two labels that look alike differ; None if they do not look alike."""
    if unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other):
        return "their form of Unicode only (use unicodedata.normalize('NFC', label) for both)"
    if plain_form(one) == plain_form(other):
        return "blanks or invisible characters only"
    if plain_form(one).casefold() == plain_form(other).casefold():
        return "capitals only" if one.casefold() == other.casefold() else "capitals and blanks only"
    return None


def lookalike_hint(missing: list[Any], described: list[Any]) -> str:
    """Name the first missing label that looks like a described one, for an error message."""
    forms = {plain_form(x).casefold(): x for x in described if isinstance(x, str)}
    for label in missing:
        if isinstance(label, str):
            other = forms.get(plain_form(label).casefold())
            if other is not None:
                return (
                    f" {label!a} and the described {other!a} differ by {difference(label, other)}."
                )
        elif str(label) in described:
            return f" {label!r} is a number, the described {str(label)!r} is text."
    for label in missing:
        if isinstance(label, str) and any(str(x) == label for x in described):
            return f" {label!r} is text, the described label of that spelling is a number."
    return ""


def rows_of_labels(wanted: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.intp]:
    """Find the rows of labels in a table; refuse those that are not there."""
    unique, inverse = np.unique(wanted, return_inverse=True)
    position = {label: row for row, label in enumerate(labels.tolist())}
    missing = [label for label in unique.tolist() if label not in position]
    if missing:
        raise ValueError(
            f"{len(missing)} label(s) are not described in class_attributes: "
            f"{quote_some(missing)}. It describes {quote_some(labels)}."
            f"{lookalike_hint(missing, list(position))} Check spelling and dtype, or add their "
            "rows."
        )
    rows = np.array([position[label] for label in unique.tolist()], dtype=np.intp)
    return rows[inverse]
