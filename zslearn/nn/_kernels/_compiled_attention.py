"""Semantic attention and its gradient by the compiled code."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from zslearn.nn._native import Library, library
from zslearn.nn._workspace import lend, scratch

__all__ = ["attend", "compute_gradient", "compute_semantics"]

_CPU = torch.device("cpu")
_WIDTH = 64  # attributes of a panel, twice


def attend(regions: Tensor, weights: Tensor) -> Tensor:
    """Semantic vectors (B, K), float32, of regions and weights in bfloat16 on a CPU."""
    semantics: Tensor = _CompiledAttention.apply(regions, weights)
    return semantics


class _CompiledAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, regions: Tensor, weights: Tensor) -> Tensor:
        regions = regions.contiguous()
        semantics, kept = compute_semantics(regions, weights, keep=ctx.needs_input_grad[1])
        ctx.weights_dtype = weights.dtype
        ctx.save_for_backward(regions, semantics, kept)
        return semantics

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor]:
        regions, semantics, kept = ctx.saved_tensors
        gradient = compute_gradient(regions, semantics, kept, gradients[0])
        return None, gradient.to(ctx.weights_dtype)


def compute_semantics(
    regions: Tensor, weights: Tensor, *, keep: bool
) -> tuple[Tensor, Tensor | None]:
    """Semantic vectors, and what the gradient needs if it is to be kept.

    Parameters
    ----------
    regions : Tensor of shape (B, R, D), bfloat16
        Contiguous.
    weights : Tensor of shape (2K, D)
    keep : bool

    Returns
    -------
    semantics : Tensor of shape (B, K), float32
    kept : Tensor of shape (B, R, 2K), bfloat16, or None
        Attention and values; where the compiled code multiplies, values less their weighted sum.
    """
    compiled = library()
    assert compiled is not None
    low = weights.to(torch.bfloat16).contiguous()
    n_attributes = len(low) // 2
    n_images, n_regions, n_features = regions.shape
    semantics = torch.empty(n_images, n_attributes)
    n_tile = torch.get_num_threads() * compiled.size("tile_rows", n_regions) * _WIDTH
    tile = _scratch("tiles", torch.float32, n_tile)
    if not compiled.multiplies:
        product = lend((n_images, n_regions, len(low)), torch.bfloat16)
        torch.mm(regions.view(-1, n_features), low.T, out=product.view(-1, len(low)))
        compiled.call(
            "soften_product",
            *(product, n_images, n_regions, n_attributes, semantics, int(keep), tile),
        )
        return semantics, product if keep else None
    kept = lend((n_images, n_regions, len(low)), torch.bfloat16) if keep else None
    n_panel = compiled.size("n_panels", n_attributes) * n_features // 2 * _WIDTH
    panels = _scratch("panels", torch.int32, n_panel)
    compiled.call("pack_panels", low, n_attributes, n_features, panels)
    compiled.call("attend", regions, panels, *regions.shape, n_attributes, semantics, kept, tile)
    return semantics, kept


def compute_gradient(regions: Tensor, semantics: Tensor, kept: Tensor, outer: Tensor) -> Tensor:
    """Gradient (2K, D) by the weights, in bfloat16, from that by the semantic vectors (B, K)."""
    compiled: Library | None = library()
    assert compiled is not None
    outer = outer.float().contiguous()
    n_images, n_regions, n_features = regions.shape
    n_attributes, n_rows = semantics.shape[1], n_images * n_regions
    if not compiled.multiplies:
        slopes = lend((n_rows, 2 * n_attributes), torch.bfloat16)
        compiled.call(
            "slope_product", kept, slopes, semantics, outer, n_images, n_regions, n_attributes
        )
        return slopes.T @ regions.view(n_rows, n_features)
    gradient = lend((2 * n_attributes, n_features), torch.bfloat16)
    n_sums = compiled.size("sums", n_rows, n_attributes, n_features)
    n_packed = torch.get_num_threads() * compiled.size("packed_pairs", n_rows)
    compiled.call(
        "attend_gradient",
        *(regions, kept, outer, *regions.shape, n_attributes, gradient),
        _scratch("sums", torch.float32, n_sums),
        _scratch("slopes", torch.int32, compiled.size("slope_pairs", n_rows, n_attributes)),
        _scratch("packed", torch.int32, n_packed),
    )
    return gradient


def _scratch(use: str, dtype: torch.dtype, n: int) -> Tensor:
    return scratch(use, (n,), dtype, _CPU)
