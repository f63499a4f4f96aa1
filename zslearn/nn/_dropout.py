"""Dropout by 16 bits a number: on a CPU, drawing takes longer than the products around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from zslearn.nn._workspace import scratch

__all__ = ["dropout"]

_CACHED_NUMBERS = 2**17
_STEPS = 2**16


def dropout(x: Tensor, p: float, training: bool = True) -> Tensor:
    """Set a share p of the numbers of x (B, ...) to zero, and scale the others by 1 / (1 - p).

    Drawn from torch's global generator. On a CPU, p is rounded to 65536ths.
    """
    if not training or not p:
        return x
    if x.device.type != "cpu":
        return torch.nn.functional.dropout(x, p)
    kept: Tensor = _Dropout.apply(x, min(round(p * _STEPS), _STEPS - 1))
    return kept


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, n_dropped: int) -> Tensor:
        keep = torch.empty(x.shape, dtype=torch.bool)
        for part in _portions(keep):
            n = keep[part].numel()
            drawn = scratch("dropout bits", (-(-n // 4),), torch.int64, x.device)
            bits = drawn.random_(-(2**63), None).view(torch.int16)[:n].view(keep[part].shape)
            torch.ge(bits, n_dropped - _STEPS // 2, out=keep[part])
        ctx.save_for_backward(keep)
        ctx.scale = _STEPS / (_STEPS - n_dropped)
        return _scale_kept(x, keep, ctx.scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (keep,) = ctx.saved_tensors
        return _scale_kept(gradients[0], keep, ctx.scale), None


def _scale_kept(x: Tensor, keep: Tensor, scale: float) -> Tensor:
    out = torch.empty(x.shape, dtype=x.dtype)
    for part in _portions(keep):
        # A product with what is bool takes three times as long.
        ones = scratch("dropout", keep[part].shape, x.dtype, x.device).copy_(keep[part])
        torch.mul(x[part], ones, out=out[part]).mul_(scale)
    return out


def _portions(keep: Tensor) -> Iterator[slice]:
    """Slices that a cache holds."""
    step = max(1, _CACHED_NUMBERS // max(1, keep[:1].numel()))
    for start in range(0, len(keep), step):
        yield slice(start, start + step)
