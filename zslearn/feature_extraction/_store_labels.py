"""Labels meet the rows of a feature store by the names of the pictures."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zslearn._table_checks import quote_some

__all__ = ["match_labels"]


def match_labels(
    stored: Iterable[str],
    skipped: Iterable[str | None],
    root: str | None,
    images: Any,
    y: ArrayLike,
) -> NDArray[Any]:
    """Order labels of named pictures as the rows of a store.

    Parameters
    ----------
    stored, skipped : iterable of str
        Names of the pictures present, and of those that were left out.
    root : str or None
        The folder they are in.
    images : sequence of str or path-like of length n
        Names relative to `root`, or full paths.
    y : array-like of length n
        Their labels.
    """
    if isinstance(images, str | bytes) or not isinstance(images, Iterable):
        raise TypeError(
            "images must be a sequence of the names or paths that y is of; found "
            f"{type(images).__name__}."
        )
    given = list(images)
    wrong = [name for name in given if not isinstance(name, str | os.PathLike)]
    if wrong:
        raise TypeError(f"images must hold names or paths; found {quote_some(wrong, 3)}.")
    labels = np.asarray(y)
    if labels.ndim != 1 or len(labels) != len(given):
        raise ValueError(
            f"y has shape {labels.shape}, for {len(given)} images; give one label an image."
        )
    row_of: dict[str, int] = {}
    for row, name in enumerate(given):
        first = row_of.setdefault(_plain(name, root), row)
        if labels[first] != labels[row]:
            raise ValueError(
                f"images names {os.fspath(name)!r} twice, with the labels {labels[first]!r} and "
                f"{labels[row]!r}."
            )
    wanted = [_plain(name, root) for name in stored]
    without = [name for name in wanted if name not in row_of]
    if without:
        raise ValueError(
            f"{len(without)} of {len(wanted)} pictures of the store have no label: images does not "
            f"name {quote_some(without, 3)}. It names {quote_some(list(row_of), 3)}. Choose the "
            "rows that have one, store[numpy.isin(store.images, images)], or give the others."
        )
    known = {*wanted, *(_plain(name, root) for name in skipped if name is not None)}
    strange = [name for name in row_of if name not in known]
    if strange:
        raise ValueError(
            f"{len(strange)} of {len(row_of)} images are not in the store, which has no features "
            f"of {quote_some(strange, 3)}. Extract them too, or leave them out of images and y."
        )
    return labels[np.array([row_of[name] for name in wanted], dtype=np.intp)]


def _plain(name: str | os.PathLike[str], root: str | None) -> str:
    """Name relative to the root, with "/" between folders and letters in one form."""
    text = os.fspath(name)
    if root is not None and os.path.isabs(text):
        text = os.path.relpath(text, root)
    return unicodedata.normalize("NFC", Path(text).as_posix())
