"""Whether the compiled attention serves a call, and agrees with the equations where it does."""

from __future__ import annotations

import warnings
from functools import cache

import torch
from torch import Tensor

from zslearn.nn._kernels._verification import verify
from zslearn.nn._native import library, why_not

__all__ = ["WORTH_FEATURES", "attend", "is_preferred", "is_verified", "refuses"]

# Features of an image from which on it is worth building and calling. The number of images does
# not count: a sample's result must not depend on those it comes with.
WORTH_FEATURES = 2**13

# Odd numbers of regions, attributes and groups of 16 features.
_TRIED = (9, 70, 21)


def attend(regions: Tensor, weights: Tensor) -> Tensor:
    """Semantic vectors (B, K) by the compiled code."""
    from zslearn.nn._kernels import _compiled_attention

    return _compiled_attention.attend(regions, weights)


def is_preferred(regions: Tensor, weights: Tensor) -> bool:
    """Whether it serves where nothing was asked for."""
    if regions.dtype != torch.bfloat16 or regions.device.type != "cpu":
        return False
    if regions.shape[1] * regions.shape[2] < WORTH_FEATURES:
        return False
    return not refuses(regions, weights)


def refuses(regions: Tensor, weights: Tensor) -> str:
    """Why it cannot serve, an empty text if it can."""
    if regions.dtype != torch.bfloat16:
        return f"it multiplies bfloat16, not {regions.dtype}"
    if regions.device.type != "cpu" or weights.device.type != "cpu":
        return f"regions are on {regions.device}, weights on {weights.device}, it runs on CPUs"
    if regions.requires_grad:
        return "it computes no gradient by the regions"
    if not (regions.numel() and weights.numel()):
        return f"there is nothing to multiply in shapes {[*regions.shape]} and {[*weights.shape]}"
    if regions.shape[2] % 2:
        return f"it multiplies pairs of features, of which {regions.shape[2]} are no even number"
    return why_not() or _differs()


def is_verified() -> bool:
    """Whether there is compiled code, which agrees with the equations."""
    return library() is not None and not _differs()


@cache
def _differs() -> str:
    """Compare with the equations once in a process."""
    compiled = library()
    reason = verify(
        attend,
        torch.device("cpu"),
        torch.bfloat16,
        _TRIED,
        by_regions=False,
        # Its own products are rounded nowhere before the result.
        result_tolerance=1e-4 if compiled is not None and compiled.multiplies else None,
    )
    if reason:
        warnings.warn(
            f"The compiled attention is not used: {reason}. Plain torch takes its place, which "
            "gives the same results and is slower.",
            RuntimeWarning,
            stacklevel=2,
        )
    return reason
