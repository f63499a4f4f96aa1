"""Vectors of classes that are described in words, by any text encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zslearn._table_checks import quote_some

__all__ = ["encode_descriptions"]


def encode_descriptions(descriptions: Any, encoder: Any) -> tuple[NDArray[np.float64], list[Any]]:
    """Encode the texts of each class: mean of the unit vectors of its texts, and labels.

    Raises
    ------
    TypeError
        If descriptions are no mapping to texts, or the encoder is none.
    ValueError
        If there is none, a text is empty, or the encoder returns something else than a finite
        vector for each text that is not zero.
    """
    labels, texts, owner = _flatten(descriptions)
    vectors = _as_vectors(_function_of(encoder)(texts), texts)
    lengths = np.linalg.norm(vectors, axis=1)
    if not lengths.all():
        zero = [texts[i] for i in np.flatnonzero(lengths == 0)]
        raise ValueError(f"encoder returned vectors of zeros for {quote_some(zero)}.")
    sums = np.zeros((len(labels), vectors.shape[1]))
    np.add.at(sums, owner, vectors / lengths[:, None])
    return sums / np.bincount(owner)[:, None], labels


def _flatten(descriptions: Any) -> tuple[list[Any], list[str], list[int]]:
    """List classes, all texts, and the number of the class of each text."""
    if not isinstance(descriptions, Mapping) and hasattr(descriptions, "to_dict"):
        descriptions = descriptions.to_dict()  # a series of pandas
    if not isinstance(descriptions, Mapping):
        raise TypeError(
            "descriptions must map class labels to texts, such as {'owl': 'a bird of the night'}; "
            f"found a {type(descriptions).__name__}."
        )
    if not descriptions:
        raise ValueError("descriptions is empty: describe at least one class.")
    texts: list[str] = []
    owner: list[int] = []
    for number, (label, given) in enumerate(descriptions.items()):
        of_class = [given] if isinstance(given, str) else given
        if not isinstance(of_class, list | tuple) or not all(isinstance(t, str) for t in of_class):
            raise TypeError(
                f"descriptions[{label!r}] must be a text or a list of texts, found {given!r:.60}."
            )
        if not of_class or not all(text.strip() for text in of_class):
            raise ValueError(f"descriptions[{label!r}] is empty: describe the class, or drop it.")
        texts += of_class
        owner += [number] * len(of_class)
    return list(descriptions), texts, owner


def _function_of(encoder: Any) -> Any:
    for name in () if isinstance(encoder, str | bytes) else ("encode", "transform"):
        if callable(getattr(encoder, name, None)):
            return getattr(encoder, name)
    if callable(encoder):
        return encoder
    raise TypeError(
        "encoder must be a callable that takes a list of texts and returns a vector for each, or "
        f"have encode or transform; found a {type(encoder).__name__}."
    )


def _as_vectors(found: Any, texts: list[str]) -> NDArray[np.float64]:
    if hasattr(found, "toarray"):
        found = found.toarray()
    if hasattr(found, "detach"):  # torch, also on a device and with a history
        found = found.detach().cpu().float().numpy()
    vectors = np.asarray(found, dtype=np.float64)
    if vectors.ndim != 2 or len(vectors) != len(texts) or not vectors.shape[1]:
        raise ValueError(
            f"encoder must return a vector for each of the {len(texts)} texts, shape "
            f"({len(texts)}, n_dims); found shape {vectors.shape}."
        )
    if not np.isfinite(vectors).all():
        bad = [texts[i] for i in np.flatnonzero(~np.isfinite(vectors).all(axis=1))]
        raise ValueError(f"encoder returned NaN or infinite values for {quote_some(bad)}.")
    return vectors
