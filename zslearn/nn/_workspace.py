"""Memory that is used again: on a CPU, fresh memory costs more than what is computed in it."""

from __future__ import annotations

import math
import threading

import torch
from torch import Tensor

__all__ = ["borrow", "give_back", "scratch"]

# Larger buffers are left to the allocator, lest a thread hold on to them.
_MOST_BYTES = 2**26


class _Buffers(threading.local):
    """The buffers of each thread, one for each use and dtype."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, torch.dtype], Tensor] = {}


_buffers = _Buffers()


def borrow(n: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Memory for at least n numbers, in one row and not initialised.

    Nobody else gets it until it is given back; what is never given back is freed as any tensor.
    Elsewhere than on a CPU the allocator keeps memory by itself.
    """
    kept = _buffers.kept.pop(("loan", dtype), None) if device.type == "cpu" else None
    return kept if kept is not None and kept.numel() >= n else _allocate(n, dtype, device)


def give_back(buffer: Tensor) -> None:
    """Return what :func:`borrow` gave, once nobody has a use for it."""
    if buffer.device.type == "cpu" and buffer.nbytes <= _MOST_BYTES:
        _buffers.kept["loan", buffer.dtype] = buffer


def scratch(use: str, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Memory that holds until the same thread asks for the same use again, not initialised."""
    n = math.prod(shape)
    if device.type != "cpu" or n * dtype.itemsize > _MOST_BYTES:
        return torch.empty(shape, dtype=dtype, device=device)
    kept = _buffers.kept.get((use, dtype))
    if kept is None or kept.numel() < n:
        kept = _buffers.kept[use, dtype] = _allocate(n, dtype, device)
    return kept[:n].view(shape)


def _allocate(n: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    # Made in inference mode, it could not be used in training later on.
    with torch.inference_mode(False):
        return torch.empty(n, dtype=dtype, device=device)
