"""What word vectors may come from beside files: mappings and sentence encoders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from zslearn._table_checks import quote_some


def kind_of_source(source: Any) -> Literal["file", "mapping", "encoder"]:
    """Tell files, mappings and sentence encoders apart."""
    if isinstance(source, str | PathLike):
        return "file"
    if callable(getattr(source, "encode", None)):
        return "encoder"
    if isinstance(source, Mapping) or (
        hasattr(source, "__getitem__")
        and hasattr(source, "__contains__")
        and not isinstance(source, Sequence | np.ndarray)
        and not hasattr(source, "shape")
    ):
        return "mapping"
    if callable(source):
        return "encoder"
    raise TypeError(
        "source must be the path of a file of word vectors, a mapping from word to vector, or a "
        f"sentence encoder (a callable, or an object with encode); found {type(source).__name__}."
    )


def look_up(source: Any, words: Iterable[str]) -> tuple[dict[str, NDArray[Any]], int]:
    """Vectors of those words that a mapping holds, and their number of dimensions (0 if none)."""
    found = {word: np.asarray(source[word]) for word in words if word in source}
    n_dims = 0
    for word, vector in found.items():
        if vector.ndim != 1 or vector.dtype.kind not in "iuf" or not np.isfinite(vector).all():
            raise ValueError(
                f"source[{word!r}] must be a vector of finite numbers, found shape "
                f"{vector.shape}, dtype {vector.dtype}."
            )
        if n_dims not in (0, len(vector)):
            raise ValueError(
                f"source[{word!r}] has {len(vector)} dimensions, others have {n_dims}."
            )
        n_dims = len(vector)
    return found, n_dims


def encode_phrases(source: Any, phrases: list[str]) -> NDArray[Any]:
    """Vectors of phrases by a sentence encoder."""
    out = getattr(source, "encode", source)(phrases)
    if hasattr(out, "detach"):
        out = out.detach().cpu().double()
    array = np.asarray(out)
    if array.ndim != 2 or array.shape[1] == 0 or array.dtype.kind not in "iuf":
        raise ValueError(
            f"source must return numbers of shape (n_names, n_dims); for {len(phrases)} phrases "
            f"it returned shape {array.shape}, dtype {array.dtype}."
        )
    if len(array) != len(phrases):
        raise ValueError(
            f"source returned {len(array)} rows for {len(phrases)} phrases: one row a phrase is "
            "needed."
        )
    bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if len(bad):
        raise ValueError(
            f"source returned NaN or infinite numbers for {len(bad)} phrase(s): "
            f"{quote_some([phrases[i] for i in bad])}."
        )
    return array
