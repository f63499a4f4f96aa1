"""Word vectors of attributes: in the order of the names, whatever container they come in."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zslearn._containers import (
    as_pandas_like,
    as_real_array,
    has_unset_index,
    is_frame,
    refuse_masked,
)
from zslearn._table_checks import quote_some, refuse_duplicates


def as_word_vectors(
    vectors: ArrayLike | Mapping[str, ArrayLike] | None, names: tuple[str, ...]
) -> NDArray[np.float32] | None:
    """Copy word vectors, in the order of the names, into a float32 array; warn of zeros."""
    if vectors is None:
        return None
    wanted = (
        f"word_vectors must be numbers of shape (n_attributes, n_dims), n_attributes={len(names)}"
    )
    refuse_masked(vectors, "word_vectors", "every attribute needs a whole vector")
    array = as_real_array(_in_order_of(vectors, names), "word_vectors", np.float32)
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


def _in_order_of(vectors: Any, names: tuple[str, ...]) -> Any:
    """Bring vectors that are named into the order of the names; leave others as they are."""
    vectors = as_pandas_like(vectors)
    if is_frame(vectors) or hasattr(vectors, "iloc"):
        if has_unset_index(vectors):
            if is_frame(vectors) and not hasattr(vectors, "index"):
                return vectors.to_numpy()
            return vectors
        index = vectors.index.tolist()
        refuse_duplicates(index, "the index of word_vectors", "give each attribute one vector")
        vectors = dict(zip(index, vectors.to_numpy(), strict=True))
    if not isinstance(vectors, Mapping):
        return vectors
    composed = {_composed(key): vector for key, vector in vectors.items()}
    absent = [name for name in names if name not in vectors and _composed(name) not in composed]
    if absent:
        raise ValueError(
            f"word_vectors has no vector for {quote_some(absent)}. It has vectors for "
            f"{quote_some(list(vectors))}: name them like the attributes."
        )
    rows = [vectors[name] if name in vectors else composed[_composed(name)] for name in names]
    for name, row in zip(names, rows, strict=True):
        refuse_masked(row, f"word_vectors[{name!r}]")
    rows = [
        as_real_array(row, f"word_vectors[{name!r}]") for name, row in zip(names, rows, strict=True)
    ]
    lengths = {name: row.shape for name, row in zip(names, rows, strict=True)}
    if len(set(lengths.values())) > 1:
        one, other = names[0], next(n for n in names if lengths[n] != lengths[names[0]])
        raise ValueError(
            "word_vectors must have vectors of one length: found shape "
            f"{lengths[one]} for {one!r}, {lengths[other]} for {other!r}"
        )
    return np.stack(rows)


def _composed(name: Any) -> Any:
    return unicodedata.normalize("NFC", name) if isinstance(name, str) else name
