"""Batch standardisation shared by the correlation and intervention losses."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from zslearn.nn.losses._means import relative_weights

EPSILON = 1e-5


class Standardized(NamedTuple):
    """Values that several losses compare, standardised once.

    Attributes
    ----------
    semantics, counterfactual, target : Tensor of shape (B, K)
        Semantic vectors without and with the intervention, and the annotation.
    """

    semantics: Tensor
    counterfactual: Tensor
    target: Tensor

    @classmethod
    def of(
        cls,
        semantics: Tensor,
        counterfactual: Tensor,
        target: Tensor,
        weights: Tensor | None = None,
    ) -> Standardized:
        """Standardise s together with its counterfactual, as one batch of 2B, and T_y."""
        both = None if weights is None else torch.cat([weights, weights])
        s, other = standardize(torch.cat([semantics, counterfactual]), both).chunk(2)
        return cls(s, other, standardize_target(target, weights))


def standardize(x: Tensor, weights: Tensor | None = None) -> Tensor:
    """Give each attribute zero mean and unit biased variance over the images of a batch.

    Parameters
    ----------
    x : Tensor of shape (B, K)
    weights : Tensor of shape (B,), default=None
        Of the images, in the mean and in the variance.

    Returns
    -------
    Tensor of shape (B, K)
        ``(x - mean) / sqrt(variance + 1e-5)``: constant attributes become zero, not NaN.
    """
    if weights is not None:
        shares = (relative_weights(weights) / len(weights)).to(x.dtype)
        centred = x - shares @ x
        return centred * torch.rsqrt(shares @ centred.square() + EPSILON)
    # Centred before, so that what is constant becomes zero whatever its size.
    centred = x - x.mean(dim=0)
    return torch.batch_norm(centred, None, None, None, None, True, 0.0, EPSILON, False)


def standardize_target(target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Standardise the annotated attributes T_y, except in a batch of one.

    One row standardises to zero and would no longer say anything: it is left as it is, as the
    authors' released code does.
    """
    return target if len(target) == 1 else standardize(target, weights)
