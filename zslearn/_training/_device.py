"""Where to compute, and in which precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

__all__ = [
    "WORTH_HALF",
    "WORTH_THREADS",
    "compute_dtype",
    "has_fast_bfloat16",
    "outside_autocast",
    "resolve_device",
]

# Below this many multiply-adds in one product with a batch, converting to half precision and
# back costs more than the product saves.
WORTH_HALF = 2**26

# Below this many, threads wait for each other longer than they compute.
WORTH_THREADS = 2**26

_DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def resolve_device(device: str | torch.device) -> torch.device:
    """Turn "auto", "cpu", "cuda", "cuda:i", "mps" or a torch device into one that is there.

    Raises
    ------
    ValueError
        If the name is not a device, or no such device is at hand.
    """
    if isinstance(device, str) and device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        if torch.backends.mps.is_available():
            return torch.device("mps", 0)
        return torch.device("cpu")
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(
            f"device must be 'auto', 'cpu', 'cuda', 'cuda:i' or 'mps', found {device!r}"
        ) from None
    if resolved.type == "cuda":
        n_found = torch.cuda.device_count()
        if not torch.cuda.is_available() or (resolved.index or 0) >= n_found:
            raise ValueError(
                f"device={str(device)!r}, but torch finds {n_found} CUDA device(s). Use "
                "device='auto' to take what is there."
            )
        if resolved.index is None:
            return torch.device("cuda", torch.cuda.current_device())
    elif resolved.type == "mps":
        if not torch.backends.mps.is_available():
            raise ValueError("device='mps', but torch finds no Metal device")
        return torch.device("mps", 0)
    elif resolved.type != "cpu":
        raise ValueError(
            f"device must be 'auto', 'cpu', 'cuda', 'cuda:i' or 'mps', found {device!r}"
        )
    return torch.device("cpu") if resolved.type == "cpu" else resolved


def compute_dtype(precision: str, device: torch.device, work: int) -> torch.dtype:
    """Choose the dtype of products with the regions.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16", "float16"}
        "auto" takes bfloat16 where the hardware multiplies it faster than float32 and the
        products are large enough to gain, float32 elsewhere. The choice depends on the hardware
        and on shapes only, so it is the same in every run on a machine.
    device : torch.device
    work : int
        Multiply-adds of one product with a batch.

    Returns
    -------
    torch.dtype
    """
    if precision != "auto":
        return _DTYPES[precision]
    return torch.bfloat16 if work >= WORTH_HALF and has_fast_bfloat16(device) else torch.float32


@contextmanager
def outside_autocast() -> Iterator[None]:
    """Compute as if the caller were under no autocast: precision is a parameter here."""
    with ExitStack() as stack:
        for kind in ("cpu", "cuda", "mps"):
            try:
                enabled = torch.is_autocast_enabled(kind)
            except RuntimeError:  # not in this version
                enabled = False
            if enabled:
                stack.enter_context(torch.autocast(kind, enabled=False))
        yield


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 faster than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        # What the processor has, torch may have been told not to use (ATEN_CPU_CAPABILITY).
        if not torch.backends.cpu.get_cpu_capability().startswith(("AVX512", "AMX")):
            return False
        # torch names these queries as private, and not in every version.
        return any(
            getattr(torch.cpu, query, bool)()
            for query in ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
        )
    return False
