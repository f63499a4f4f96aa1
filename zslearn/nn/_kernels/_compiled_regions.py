"""Regions brought to unit length by the compiled code."""

from __future__ import annotations

import torch
from torch import Tensor

from zslearn.nn._kernels._compiled import WORTH_FEATURES, is_verified
from zslearn.nn._kernels._registry import is_allowed
from zslearn.nn._native import library

__all__ = ["normalize_regions"]

_KINDS = {torch.float32: 0, torch.float16: 1, torch.bfloat16: 2, torch.uint8: 3}


def normalize_regions(raw: Tensor, out: Tensor) -> Tensor | None:
    """Write regions (B, R, D) of unit length into `out`, if the compiled code serves these.

    Parameters
    ----------
    raw : Tensor of shape (B, R, D)
    out : Tensor of shape (B, R, D)

    Returns
    -------
    Tensor of shape (B,), bool, or None
        The images with a region that is not finite, or too short or long to be squared in
        float32: it is not written. ``None`` if all is left to do, by others.
    """
    if raw.device.type != "cpu" or out.device.type != "cpu" or out.dtype != torch.bfloat16:
        return None
    if raw.dtype not in _KINDS or raw[:1].numel() < WORTH_FEATURES:
        return None
    if not (raw.is_contiguous() and out.is_contiguous() and is_allowed("native")):
        return None
    compiled = library()
    if compiled is None or not is_verified():
        return None
    odd = torch.empty(len(raw), dtype=torch.bool)
    compiled.call("normalize", raw, _KINDS[raw.dtype], *raw.shape, out, odd)
    return odd
