"""Implementations of semantic attention behind one door; none is imported before it is needed."""

from zslearn.nn._kernels import _fused
from zslearn.nn._kernels._registry import (
    Backend,
    attention_backend,
    backend_of,
    choose,
    refuse_by_name,
    register,
)

__all__ = [
    "Backend",
    "attention_backend",
    "backend_of",
    "choose",
    "refuse_by_name",
    "register",
]

register(Backend("triton", _fused.attend, _fused.refuses, _fused.is_preferred))
