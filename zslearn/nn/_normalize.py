"""Rows of unit length, and what half precision is accumulated in."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["ACCUMULATE", "normalize_rows"]

ACCUMULATE = {torch.bfloat16: torch.float32, torch.float16: torch.float32}


def normalize_rows(x: Tensor) -> Tensor:
    r"""Scale the last axis to unit Euclidean length; rows of zeros stay zero.

    Unlike division by :math:`\max(\|x\|, \epsilon)`, whose gradient at zero is
    :math:`1/\epsilon`, the gradient at a row of zeros is zero.

    Parameters
    ----------
    x : Tensor of shape (..., n)
        Floating point. Half precision is accumulated in float32 and returned as such.

    Returns
    -------
    Tensor of shape (..., n)
        Rows of length 1, and rows of zeros.

    See Also
    --------
    semantic_attention : Takes regions of unit length.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn.functional import normalize_rows
    >>> normalize_rows(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000]])
    """
    x = x.to(ACCUMULATE.get(x.dtype, x.dtype))
    # Dividing by the largest entry first keeps tiny and huge rows from under- and overflowing.
    largest = x.detach().abs().amax(dim=-1, keepdim=True)
    zero = largest == 0
    x = x / torch.where(zero, torch.ones_like(largest), largest)
    squares = x.square().sum(dim=-1, keepdim=True).masked_fill(zero, 1.0)
    return x * squares.rsqrt().masked_fill(zero, 0.0)
