"""Dropout by 16 bits a number: on a CPU, drawing takes longer than the products around it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from zslearn.nn._workspace import scratch

__all__ = ["dropout", "dropout_of_share", "relu_dropout"]

_CACHED_NUMBERS = 2**17
_STEPS = 2**16
_share: ContextVar[tuple[int, slice] | None] = ContextVar("share", default=None)


@contextmanager
def dropout_of_share(n: int, rows: slice) -> Iterator[None]:
    """Let dropout of some rows of a batch of n draw for all of it, and heed what these get."""
    token = _share.set((n, rows))
    try:
        yield
    finally:
        _share.reset(token)


def dropout(x: Tensor, p: float, training: bool = True, *, inplace: bool = False) -> Tensor:
    """Set a share p of the numbers of x (B, ...) to zero, and scale the others by 1 / (1 - p).

    Drawn from torch's global generator. On a CPU, p is rounded to 65536ths.
    """
    if not training or not p:
        return x
    if x.device.type != "cpu":
        if (share := _share.get()) is not None:
            ones = x.new_ones(share[0], *x.shape[1:])
            return x * torch.nn.functional.dropout(ones, p)[share[1]]
        return torch.nn.functional.dropout(x, p, inplace=inplace)
    kept: Tensor = _Dropout.apply(x, _n_dropped(p), inplace)
    return kept


def relu_dropout(x: Tensor, p: float, training: bool = True) -> Tensor:
    """Dropout of what is above zero in x, in its place: of both, only the result is kept."""
    if not training or not p or x.device.type != "cpu":
        return dropout(torch.relu(x), p, training)
    kept: Tensor = _ReluDropout.apply(x, _n_dropped(p))
    return kept


def _n_dropped(p: float) -> int:
    return min(round(p * _STEPS), _STEPS - 1)


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, n_dropped: int, inplace: bool) -> Tensor:
        keep = _drawn(x, n_dropped)
        ctx.save_for_backward(keep)
        ctx.scale = _STEPS / (_STEPS - n_dropped)
        if inplace:
            ctx.mark_dirty(x)
        return _scale_kept(x, keep, ctx.scale, x if inplace else _empty_like(x))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (keep,) = ctx.saved_tensors
        out = _scale_kept(gradients[0], keep, ctx.scale, _empty_like(gradients[0]))
        return out, None, None


class _ReluDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, n_dropped: int) -> Tensor:
        ctx.scale = _STEPS / (_STEPS - n_dropped)
        drawn = None if _share.get() is None else _drawn(x, n_dropped)
        for part in _portions(x):
            if drawn is not None:
                keep = drawn[part]
            else:
                keep = scratch("kept", x[part].shape, torch.uint8, x.device)
                _draw(keep, n_dropped)
            _scale_kept(x[part].relu_(), keep, ctx.scale, x[part])
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (kept,) = ctx.saved_tensors
        out = _empty_like(kept)
        for part in _portions(kept):
            keep = scratch("kept", kept[part].shape, torch.uint8, kept.device)
            torch.gt(kept[part], 0, out=keep)
            _scale_kept(gradients[0][part], keep, ctx.scale, out[part])
        return out, None


def _drawn(x: Tensor, n_dropped: int) -> Tensor:
    """Draw what to keep of a tensor, as ones of uint8."""
    n, rows = _share.get() or (len(x), slice(None))
    keep = torch.empty((n, *x.shape[1:]), dtype=torch.uint8)
    for part in _portions(keep):
        _draw(keep[part], n_dropped)
    return keep[rows]


def _draw(keep: Tensor, n_dropped: int) -> None:
    """Draw what to keep, as ones of uint8: torch converts these several times faster than bools."""
    n = keep.numel()
    drawn = scratch("dropout bits", (-(-n // 4),), torch.int64, keep.device)
    bits = drawn.random_(-(2**63), None).view(torch.int16)[:n].view(keep.shape)
    torch.ge(bits, n_dropped - _STEPS // 2, out=keep)


def _scale_kept(x: Tensor, keep: Tensor, scale: float, out: Tensor) -> Tensor:
    for part in _portions(keep):
        ones = scratch("dropout", keep[part].shape, x.dtype, x.device).copy_(keep[part])
        torch.mul(x[part], ones, out=out[part]).mul_(scale)
    return out


def _empty_like(x: Tensor) -> Tensor:
    return torch.empty(x.shape, dtype=x.dtype)


def _portions(x: Tensor) -> Iterator[slice]:
    """Slices that a cache holds."""
    step = max(1, _CACHED_NUMBERS // max(1, x[:1].numel()))
    for start in range(0, len(x), step):
        yield slice(start, start + step)
