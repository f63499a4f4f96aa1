"""Semantic attention by the compiled code, as autograd functions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from zslearn.nn._native import Library, library
from zslearn.nn._workspace import lend, scratch

__all__ = ["attend"]

_CPU = torch.device("cpu")
_WIDTH = 64  # attributes of a panel, twice


def attend(regions: Tensor, weights: Tensor) -> Tensor:
    """Semantic vectors (B, K), float32, of regions and weights in bfloat16 on a CPU."""
    compiled = library()
    assert compiled is not None
    function = _CompiledAttention if compiled.multiplies else _CompiledPasses
    semantics: Tensor = function.apply(regions, weights, compiled)
    return semantics


class _CompiledAttention(torch.autograd.Function):
    """One pass over the regions; attention and values are kept in bfloat16 for the gradient."""

    @staticmethod
    def forward(ctx: Any, regions: Tensor, weights: Tensor, compiled: Library) -> Tensor:
        regions = regions.contiguous()
        n_attributes = len(weights) // 2
        n_images, n_regions, n_features = regions.shape
        n_panels = compiled.size("n_panels", n_attributes)
        panels = _scratch("panels", torch.int32, n_panels * n_features // 2 * _WIDTH)
        low = weights.to(torch.bfloat16).contiguous()
        compiled.call("pack_panels", low, n_attributes, n_features, panels)
        semantics = torch.empty(n_images, n_attributes)
        kept = None
        if ctx.needs_input_grad[1]:
            kept = lend((n_images, n_panels, n_regions, _WIDTH), torch.bfloat16)
        tile = _scratch(
            "tiles",
            torch.float32,
            torch.get_num_threads() * compiled.size("tile_rows", n_regions) * _WIDTH,
        )
        compiled.call(
            "attend", regions, panels, *regions.shape, n_attributes, semantics, kept, tile
        )
        ctx.compiled, ctx.weights_dtype = compiled, weights.dtype
        ctx.save_for_backward(regions, semantics, kept)
        return semantics

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        regions, semantics, kept = ctx.saved_tensors
        compiled: Library = ctx.compiled
        n_attributes = semantics.shape[1]
        n_images, n_regions, n_features = regions.shape
        n_rows, n_threads = n_images * n_regions, torch.get_num_threads()
        outer = gradients[0].float().contiguous()
        gradient = lend((2 * n_attributes, n_features), torch.bfloat16)
        slope_pairs = compiled.size("slope_pairs", n_rows, n_attributes)
        packed_pairs = n_threads * compiled.size("packed_pairs", n_rows)
        n_sums = compiled.size("sums", n_rows, n_attributes, n_features)
        compiled.call(
            "attend_gradient",
            regions,
            kept,
            semantics,
            outer,
            *regions.shape,
            n_attributes,
            gradient,
            _scratch("sums", torch.float32, n_sums),
            _scratch("slopes", torch.int32, slope_pairs),
            _scratch("packed", torch.int32, packed_pairs),
        )
        return None, gradient.to(ctx.weights_dtype), None


class _CompiledPasses(torch.autograd.Function):
    """Products by torch, and the passes over them by the compiled code, in their place."""

    @staticmethod
    def forward(ctx: Any, regions: Tensor, weights: Tensor, compiled: Library) -> Tensor:
        regions, low = regions.contiguous(), weights.to(torch.bfloat16)
        n_images, n_regions, _ = regions.shape
        n_attributes = len(weights) // 2
        product = lend((n_images * n_regions, len(weights)), torch.bfloat16)
        torch.mm(regions.flatten(0, 1), low.T, out=product)
        semantics = torch.empty(n_images, n_attributes)
        is_trained = ctx.needs_input_grad[1]
        tile = _scratch("tiles", torch.float32, torch.get_num_threads() * n_regions * _WIDTH)
        compiled.call(
            "soften_product",
            product,
            n_images,
            n_regions,
            n_attributes,
            semantics,
            int(is_trained),
            tile,
        )
        ctx.compiled, ctx.weights_dtype = compiled, weights.dtype
        ctx.save_for_backward(regions, semantics, product if is_trained else None)
        return semantics

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        regions, semantics, kept = ctx.saved_tensors
        n_images, n_regions, _ = regions.shape
        outer = gradients[0].float().contiguous()
        slopes = lend(kept.shape, torch.bfloat16)
        ctx.compiled.call(
            "slope_product",
            kept,
            slopes,
            semantics,
            outer,
            n_images,
            n_regions,
            semantics.shape[1],
        )
        gradient = slopes.T @ regions.flatten(0, 1)
        return None, gradient.to(ctx.weights_dtype), None


def _scratch(use: str, dtype: torch.dtype, n: int) -> Tensor:
    return scratch(use, (n,), dtype, _CPU)
