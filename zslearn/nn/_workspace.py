"""Memory that is used again: on a CPU, fresh memory costs more than what is computed in it."""

from __future__ import annotations

import math
import threading
import weakref

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["borrow", "give_back", "lend", "scratch"]

# Larger buffers are left to the allocator, lest a thread hold on to them.
_MOST_BYTES = 2**26

# Lent memory that is kept for the next, in all; smaller results cost the allocator nothing.
_MOST_LENT_BYTES = 2**26
_LEAST_LENT_BYTES = 2**17


class _Buffers(threading.local):
    """The buffers of each thread, one for each use and dtype."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, torch.dtype], Tensor] = {}


_buffers = _Buffers()
_returned: dict[int, NDArray[np.uint8]] = {}  # by identity, the latest last


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


def lend(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Make a tensor on the CPU, not initialised, whose memory is used again once nobody has it.

    For results: unlike memory that is borrowed, nobody needs to give it back.
    """
    n_bytes = math.prod(shape) * dtype.itemsize
    if not _LEAST_LENT_BYTES <= n_bytes <= _MOST_LENT_BYTES:
        return torch.empty(shape, dtype=dtype)
    for key, block in reversed(tuple(_returned.items())):
        # Another thread may have been faster.
        if block.size == n_bytes and _returned.pop(key, None) is not None:
            break
    else:
        block = torch.empty(n_bytes, dtype=torch.uint8).numpy()
    on_loan = block[:]
    weakref.finalize(on_loan, _take_back, block).atexit = False
    return torch.from_numpy(on_loan).view(dtype).view(shape)


def _take_back(block: NDArray[np.uint8]) -> None:
    _returned[id(block)] = block
    while sum(kept.size for kept in tuple(_returned.values())) > _MOST_LENT_BYTES:
        _returned.pop(next(iter(tuple(_returned)), 0), None)


def _allocate(n: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    # Made in inference mode, it could not be used in training later on.
    with torch.inference_mode(False):
        return torch.empty(n, dtype=dtype, device=device)
