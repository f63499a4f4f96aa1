"""Whether the fused kernels can be had, and agree with the equations where they are to be used.

Triton is imported here when a call may be served by it, never before.
"""

from __future__ import annotations

import importlib.util
import os
import threading
import warnings
from functools import cache

import torch
from torch import Tensor

from zslearn.nn._kernels._verification import verify

__all__ = ["attend", "is_preferred", "refuses"]

_LEAST_CAPABILITY = (8, 0)

# A tile of the tensor cores: of fewer regions, most of what they multiply would be padding.
_WORTH_REGIONS = 16

_HALF = (torch.float16, torch.bfloat16)

_lock = threading.Lock()
_verified: set[tuple[torch.device, torch.dtype, bool, int, int, int]] = set()
_failed: dict[tuple[torch.device, torch.dtype, bool], str] = {}


def attend(regions: Tensor, weights: Tensor, padding: Tensor | None = None) -> Tensor:
    """Semantic vectors (B, K) by the fused kernels."""
    from zslearn.nn._kernels import _triton

    return _triton.attend(regions, weights, padding)


def is_preferred(regions: Tensor, weights: Tensor, padding: Tensor | None = None) -> bool:
    """Whether the kernels serve where nothing was asked for."""
    if regions.device.type != "cuda" or regions.dtype not in _HALF:
        return False
    return regions.shape[1] >= _WORTH_REGIONS and not refuses(regions, weights, padding)


def refuses(regions: Tensor, weights: Tensor, padding: Tensor | None = None) -> str:
    """Why the kernels cannot serve, an empty text if they can."""
    if regions.dtype not in (*_HALF, torch.float32):
        return f"it has no kernel for {regions.dtype}"
    if regions.device != weights.device:
        return f"regions are on {regions.device}, weights on {weights.device}"
    if not (regions.numel() and weights.numel()):
        return f"there is nothing to multiply in shapes {[*regions.shape]} and {[*weights.shape]}"
    if reason := _lacks(regions.device):
        return reason
    shape = *regions.shape[1:], len(weights) // 2
    return _differs(regions.device, regions.dtype, padding is not None, shape)


@cache
def _has_triton() -> bool:
    return importlib.util.find_spec("triton") is not None


@cache
def _lacks(device: torch.device) -> str:
    if not _has_triton():
        return "the package triton is not installed"
    if device.type == "cuda":
        capability = torch.cuda.get_device_capability(device)
        if capability < _LEAST_CAPABILITY:
            return f"{device} is of compute capability {capability}, it needs {_LEAST_CAPABILITY}"
        return ""
    if device.type == "cpu" and os.environ.get("TRITON_INTERPRET") == "1":
        return ""
    return f"regions are on {device}, its kernels run on CUDA devices"


def _differs(
    device: torch.device, dtype: torch.dtype, is_padded: bool, shape: tuple[int, int, int]
) -> str:
    """Compile for a shape and compare with the equations once; after a failure never again."""
    kind = device, dtype, is_padded
    if (*kind, *shape) in _verified and kind not in _failed:
        return ""
    with _lock:
        if kind not in _failed and (*kind, *shape) not in _verified:
            if device.type == "cuda" and torch.cuda.is_current_stream_capturing():
                return "its first call for a shape cannot be captured in a CUDA graph"
            try:
                reason = verify(attend, device, dtype, shape, is_padded)
            except torch.cuda.OutOfMemoryError:
                return "there is no memory to try it in"
            except Exception as error:  # whatever a compiler and a driver may raise
                reason = f"it fails with {type(error).__name__}: {error}"
            if not reason:
                _verified.add((*kind, *shape))
                return ""
            _failed[kind] = reason
            warnings.warn(
                f"Triton's attention kernel is not used on {device} in {dtype}: {reason}. Plain "
                "torch takes its place, which gives the same results and may be slower.",
                RuntimeWarning,
                stacklevel=2,
            )
        return _failed.get(kind, "")
