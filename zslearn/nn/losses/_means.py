"""Means over the images of a batch, weighted or not."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

__all__ = ["mean_cross_entropy", "mean_over_images", "relative_weights", "weighted_sum"]


def relative_weights(weights: Tensor) -> Tensor:
    """Weights with a mean of one: of equal ones each is one."""
    return weights * (len(weights) / weights.sum())


def mean_over_images(values: Tensor, weights: Tensor | None) -> Tensor:
    """Mean of a value (B,) for each image."""
    if weights is None:
        return values.mean()
    return torch.dot(values, weights.to(values.dtype)) / weights.to(values.dtype).sum()


def mean_cross_entropy(logits: Tensor, y: Tensor, weights: Tensor | None) -> Tensor:
    """Cross entropy of a batch, the mean over its images."""
    if weights is None:
        return cross_entropy(logits, y)
    return mean_over_images(cross_entropy(logits, y, reduction="none"), weights)


def weighted_sum(weights: Mapping[str, float], terms: Mapping[str, Tensor]) -> Tensor:
    """Sum of terms, each times the weight of its name."""
    return torch.stack([weights[name] * term for name, term in terms.items()]).sum()
