"""The released form of the objective by compiled code: five terms and their gradients at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from zslearn.nn._kernels import is_allowed
from zslearn.nn._native import Library, library
from zslearn.nn._workspace import scratch

__all__ = ["TERMS", "compute_terms", "serves_terms"]

TERMS = ("ce", "cal", "cc", "sci", "tci")

# Numbers of a batch below which a build and a call are not worth it.
_WORTH_NUMBERS = 2**12

_CPU = torch.device("cpu")


def serves_terms(*matrices: Tensor) -> bool:
    """Whether :func:`compute_terms` takes these matrices, of a row for each image."""
    if sum(x.numel() for x in matrices[:2]) < _WORTH_NUMBERS:
        return False
    if any(x.dtype != torch.float32 or x.device.type != "cpu" or x.ndim != 2 for x in matrices):
        return False
    # A batch of vmap, or values that a compiler traces, have no memory to point at.
    if any(torch._C._functorch.is_functorch_wrapped_tensor(x) for x in matrices):
        return False
    return is_allowed("native") and not torch.compiler.is_compiling() and library() is not None


def compute_terms(
    output: tuple[Tensor, Tensor, Tensor, Tensor],
    y: Tensor,
    table: Tensor,
    unseen: Tensor,
    settings: tuple[float, float],
    wanted: tuple[str, ...],
) -> Tensor:
    """Terms of the objective in the order of ``TERMS``; zero what is not wanted.

    Parameters
    ----------
    output : tuple of four Tensors
        Semantic vectors (B, K) and logits (B, C), and both under the intervention.
    y : Tensor of shape (B,), int64
    table : Tensor of shape (C, K)
    unseen : Tensor of shape (C,), bool
    settings : tuple of two floats
        alpha and the calibration bias.
    wanted : tuple of str
        Names of terms.

    Raises
    ------
    IndexError
        If an entry of `y` is no class.
    """
    mask = sum(1 << i for i, name in enumerate(TERMS) if name in wanted)
    constants = (y.contiguous(), table.contiguous(), unseen.contiguous(), torch.tensor(settings))
    terms: Tensor = _Objective.apply(*output, constants, mask)
    return terms


class _Objective(torch.autograd.Function):
    """All terms forward; backward the gradient of their sum, weighted by what comes in."""

    @staticmethod
    def forward(
        ctx: Any,
        s: Tensor,
        z: Tensor,
        s_other: Tensor,
        z_other: Tensor,
        constants: tuple[Tensor, ...],
        wanted: int,
    ) -> Tensor:
        output = tuple(x.contiguous() for x in (s, z, s_other, z_other))
        terms = torch.empty(len(TERMS))
        _call(output, constants, wanted, terms, None, (None,) * 4)
        ctx.save_for_backward(*output, *constants)
        ctx.wanted = wanted
        return terms

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        results = tuple(torch.empty_like(x) for x in saved[:4])
        _call(saved[:4], saved[4:], ctx.wanted, None, gradients[0].contiguous(), results)
        return *results, None, None


def _call(
    output: tuple[Tensor, ...],
    constants: tuple[Tensor, ...],
    wanted: int,
    terms: Tensor | None,
    weights: Tensor | None,
    results: tuple[Tensor | None, ...],
) -> None:
    compiled: Library | None = library()
    assert compiled is not None
    sizes = *output[0].shape, output[1].shape[1]
    space = scratch("objective", (compiled.size("objective_floats", *sizes),), torch.float32, _CPU)
    failed = compiled.call(
        "objective", *output, *constants, *sizes, wanted, space, terms, weights, *results
    )
    if failed:
        raise IndexError(
            f"y holds class indices from {int(constants[0].min())} to {int(constants[0].max())}, "
            f"there are {sizes[2]} classes"
        )
