"""Samples with different numbers of regions, as one array that is filled up with zeros."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from zslearn._containers import refuse_masked

__all__ = ["pad_ragged"]


def pad_ragged(X: Any) -> Any:
    """Fill up samples of fewer regions with regions of zeros, which take part in nothing.

    Parameters
    ----------
    X : object
        What was passed as features: a list, tuple or array of objects with one array or tensor of
        shape (R_i, D) a sample, or anything else.

    Returns
    -------
    object
        Of samples of different R_i, and of tensors, an array or a tensor of shape (n, max R_i, D)
        and of their dtype, or the dtype that holds all of theirs. Anything else as it is.

    Raises
    ------
    ValueError
        If samples differ in rank or width, or one is empty; the message names it.
    """
    if isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1:
        X = list(X)
        refuse_masked(X, "X", "leave out the masked samples")
    if not isinstance(X, list | tuple) or not X:
        return X
    tensors = all(hasattr(sample, "new_zeros") for sample in X)
    shapes = [_shape_of(sample, i) for i, sample in enumerate(X)]
    if len(set(shapes)) == 1 and not tensors:
        return X
    _check_shapes(shapes)
    shape = (len(X), *np.max(shapes, axis=0).tolist())
    if tensors:
        import torch  # there already: the samples are its tensors

        dtype = reduce(torch.promote_types, {sample.dtype for sample in X})
        samples = [sample.detach() for sample in X]
        padded = samples[0].new_zeros(shape, dtype=dtype)
    else:
        samples = [np.asarray(sample) for sample in X]
        padded = np.zeros(shape, np.result_type(*{sample.dtype for sample in samples}))
    for place, sample in zip(padded, samples, strict=True):
        place[: len(sample)] = sample
    return padded


def _shape_of(sample: Any, number: int) -> tuple[int, ...]:
    try:
        return tuple(np.shape(sample))
    except ValueError:
        raise ValueError(
            f"X[{number}] has regions of different widths; make it an array of shape "
            "(n_regions, n_features)."
        ) from None


def _check_shapes(shapes: list[tuple[int, ...]]) -> None:
    """Raise unless all are of shape (R_i, D), or all of shape (D,)."""
    first = shapes[0]
    for number, shape in enumerate(shapes):
        if 0 in shape:
            raise ValueError(
                f"X[{number}] has shape {shape}, without a region or a feature: leave it out."
            )
        if len(shape) not in (1, 2) or len(shape) != len(first):
            raise ValueError(
                f"X[{number}] has shape {shape}, X[0] has shape {first}: each sample must be of "
                "shape (n_regions, n_features), where the number of regions may differ."
            )
        if shape[-1] != first[-1]:
            raise ValueError(
                f"X[{number}] has {shape[-1]} features, X[0] has {first[-1]}: samples may differ "
                "in the number of their regions, not of features."
            )
