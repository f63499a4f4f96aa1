"""Implementations of semantic attention by name, and which of them serves a call."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from torch import Tensor

__all__ = [
    "VARIABLE",
    "Backend",
    "attention_backend",
    "backend_of",
    "choose",
    "refuse_by_name",
    "register",
]

VARIABLE = "ZSLEARN_ATTENTION_BACKEND"

_AUTO = "auto"


class Backend(NamedTuple):
    """One implementation of ``attend(regions, weights, padding)``.

    Attributes
    ----------
    name : str
    attend : callable
        Takes regions (B, R, D), stacked weights ``[Q; E]`` (2K, D), and the mark (B, R) of regions
        that get no attention or None; returns (B, K).
    refuses : callable
        With the same arguments: why they cannot be served, an empty text if they can.
    is_preferred : callable
        With the same arguments: whether to serve them unasked. False is answered at once where
        the answer is plain: this runs in every step.
    """

    name: str
    attend: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    refuses: Callable[[Tensor, Tensor, Tensor | None], str]
    is_preferred: Callable[[Tensor, Tensor, Tensor | None], bool]


_backends: dict[str, Backend] = {}
_chosen: ContextVar[str | None] = ContextVar("attention_backend", default=None)


def register(backend: Backend) -> None:
    """Add a backend, or replace that of the same name; the first that is preferred serves."""
    _backends[backend.name] = backend


def choose(regions: Tensor, weights: Tensor, padding: Tensor | None = None) -> Backend:
    """Backend that serves a call: the one asked for, or the first that is preferred."""
    name = _asked_for()
    if name == _AUTO:
        return next(b for b in _backends.values() if b.is_preferred(regions, weights, padding))
    backend = _backends[name]
    if reason := backend.refuses(regions, weights, padding):
        refuse_by_name(reason, but=_AUTO)
    return backend


def refuse_by_name(reason: str, *, but: str) -> None:
    """Raise if a backend is asked for by name that is not the one which can serve."""
    name = _asked_for()
    if name not in (but, _AUTO):
        raise RuntimeError(
            f"the attention backend {name!r} was asked for and cannot serve: {reason}. Ask for "
            "'auto' to have one that can."
        )


@contextmanager
def attention_backend(name: str) -> Iterator[None]:
    """Choose the implementation of semantic attention for a while.

    Parameters
    ----------
    name : {"auto", "torch", "triton"}
        "torch": matrix products and a softmax by torch, on every device and in every precision.
        "triton": fused kernels for CUDA devices that keep nothing of size B x R x K, in float16,
        bfloat16 and float32. "auto": "triton" for half precision on devices of compute capability
        8.0 or more, where it compiles and agrees with the equations on a random problem; "torch"
        everywhere else.

    Raises
    ------
    ValueError
        If there is no implementation of that name.
    RuntimeError
        By what is computed inside, where the implementation asked for cannot serve.

    See Also
    --------
    attention_backend_of : Which implementation serves given tensors.

    Notes
    -----
    The choice holds in this thread, or asyncio task; a gradient is taken by the implementation
    that computed the result, wherever it is taken. For whole programs, and the threads and worker
    processes they start, set the environment variable ``ZSLEARN_ATTENTION_BACKEND``, over which
    this takes precedence.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn.functional import attention_backend, semantic_attention
    >>> with attention_backend("torch"):
    ...     semantic_attention(torch.ones(1, 2, 3), torch.ones(4, 3), torch.ones(4, 3))
    tensor([[3., 3., 3., 3.]])
    """
    _check_name(name, "attention_backend")
    token = _chosen.set(name)
    try:
        yield
    finally:
        _chosen.reset(token)


def backend_of(regions: Tensor, weights: Tensor) -> str:
    """Name of the backend that serves a call."""
    return choose(regions, weights).name


def _asked_for() -> str:
    name = _chosen.get()
    if name is None:
        name = os.environ.get(VARIABLE) or _AUTO
        if name != _AUTO:
            _check_name(name, f"environment variable {VARIABLE}")
    return name


def _check_name(name: str, where: str) -> None:
    if name != _AUTO and name not in _backends:
        raise ValueError(f"{where} must be one of {[_AUTO, *_backends]}, found {name!r}")
