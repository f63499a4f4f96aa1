"""Regions brought to unit length, and gathered, by the compiled code."""

from __future__ import annotations

import torch
from torch import Tensor

from zslearn.nn._kernels._compiled import WORTH_FEATURES, is_verified
from zslearn.nn._kernels._registry import is_allowed
from zslearn.nn._native import Library, library

__all__ = ["gather_regions", "normalize_regions"]

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
    compiled = _library() if raw.is_contiguous() and out.is_contiguous() else None
    if compiled is None:
        return None
    odd = torch.empty(len(raw), dtype=torch.bool)
    compiled.call("normalize", raw, _KINDS[raw.dtype], *raw.shape, out, odd)
    return odd


def gather_regions(regions: Tensor, images: Tensor, out: Tensor | None) -> Tensor:
    """Copy some images out of regions (n, R, D), into `out` (B, R, D) if it is given.

    Parameters
    ----------
    regions : Tensor of shape (n, R, D)
    images : Tensor of shape (B,), int64
        Numbers of images, which are there.
    out : Tensor of shape (B, R, D) or None
    """
    if (
        out is None
        or regions.device.type != "cpu"
        or regions.dtype != torch.bfloat16
        or regions[:1].numel() < WORTH_FEATURES
        or not (regions.is_contiguous() and out.is_contiguous())
        or (compiled := _library()) is None
    ):
        return torch.index_select(regions, 0, images, out=out)
    n_bytes = regions.shape[1] * regions.shape[2] * regions.element_size()
    compiled.call("gather", regions, images.contiguous(), len(images), n_bytes, out)
    return out


def _library() -> Library | None:
    return library() if is_allowed("native") and is_verified() else None
