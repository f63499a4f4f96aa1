"""Regions brought to unit length, a few images at a time on a CPU."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from zslearn.nn._workspace import scratch

__all__ = ["WIDE", "as_float", "divide", "measure", "normalize"]

WIDE = (torch.float32, torch.float64)
_CACHED_NUMBERS = 2**17


def normalize(raw: Tensor, out: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Write regions of unit length into out; tell the images that need a second look."""
    for part in _portions(raw):
        regions = _widen(raw[part])
        lengths, odd = _measure(regions)
        _divide(regions, lengths, out[part], is_copy=raw.dtype not in WIDE)
        if odd is not None:
            yield part, odd


def measure(raw: Tensor) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Lengths (b, R, 1) of regions, 1 where all is zero, and the images told by `normalize`."""
    for part in _portions(raw):
        yield _measure(_widen(raw[part]))


def divide(raw: Tensor, lengths: Tensor, out: Tensor) -> Tensor:
    """Divide regions (B, R, D) by lengths (B, R, 1) into a wide out, as `normalize` does."""
    for part in _portions(raw):
        if raw.dtype in WIDE:
            _divide(raw[part], lengths[part], out[part], is_copy=False)
        else:
            out[part].copy_(raw[part]).div_(lengths[part])
    return out


def _portions(raw: Tensor) -> Iterator[slice]:
    """Slices of images: all at once, or on a CPU as many as its cache holds."""
    step = max(1, len(raw))
    if raw.device.type == "cpu":
        step = max(1, _CACHED_NUMBERS // max(1, raw[:1].numel()))
    for start in range(0, len(raw), step):
        yield slice(start, start + step)


def as_float(raw: Tensor) -> Tensor:
    """Return regions in float32 or float64."""
    return raw if raw.dtype in WIDE else raw.float()


def _widen(raw: Tensor) -> Tensor:
    if raw.dtype in WIDE:
        return raw
    return scratch("regions", raw.shape, torch.float32, raw.device).copy_(raw)


def _measure(regions: Tensor) -> tuple[Tensor, Tensor | None]:
    """Lengths, 1 where all is zero, and a mark of images of odd lengths, or of zeros alone."""
    lengths = torch.linalg.vector_norm(regions, dim=-1, keepdim=True)
    zero = lengths == 0
    lengths = lengths.masked_fill_(zero, 1.0)
    low, high, some_zero = torch.stack([lengths.amin(), lengths.amax(), zero.any()]).tolist()
    odd = None
    if not (low > 1e-12 and high < 1e12):
        odd = ~((lengths > 1e-12) & (lengths < 1e12)).flatten(1).all(1)
    if some_zero:
        # Regions of zeros, or ones too small to be squared.
        zero = zero.squeeze(-1)
        small = (regions[zero] != 0).any(-1)
        odd = zero.all(-1) if odd is None else odd | zero.all(-1)
        odd[zero.nonzero()[small, 0]] = True
    return lengths, odd


def _divide(regions: Tensor, lengths: Tensor, out: Tensor, *, is_copy: bool) -> None:
    if not is_copy and out.dtype == regions.dtype:
        torch.div(regions, lengths, out=out)
    else:
        out.copy_(regions.div_(lengths) if is_copy else regions / lengths)
