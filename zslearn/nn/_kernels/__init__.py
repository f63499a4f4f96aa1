"""Implementations of semantic attention behind one door; none is imported before it is needed."""

from zslearn.nn._kernels import _compiled, _fused
from zslearn.nn._kernels._compiled_regions import gather_regions, normalize_regions
from zslearn.nn._kernels._registry import (
    Backend,
    attention_backend,
    backend_of,
    choose,
    is_allowed,
    register,
)

__all__ = [
    "Backend",
    "attention_backend",
    "backend_of",
    "choose",
    "gather_regions",
    "is_allowed",
    "normalize_regions",
    "register",
]

register(Backend("triton", _fused.attend, _fused.refuses, _fused.is_preferred))
register(Backend("native", _compiled.attend, _compiled.refuses, _compiled.is_preferred))
