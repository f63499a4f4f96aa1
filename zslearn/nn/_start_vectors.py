"""Attribute vectors as training begins with them."""

from __future__ import annotations

import torch
from torch import Tensor

from zslearn.nn._normalize import normalize_rows

__all__ = ["start_vectors"]


def start_vectors(vectors: Tensor | None, n_attributes: int, width: int) -> Tensor:
    """Word vectors (K, V) brought to unit length; rows of zeros, or all, in random directions."""
    if vectors is None:
        vectors = torch.zeros(n_attributes, width)
    vectors = vectors.detach().to(torch.get_default_dtype(), copy=True)
    directionless = ~vectors.any(dim=1)
    vectors[directionless] = torch.randn_like(vectors)[directionless]
    return normalize_rows(vectors)
