"""Semantic attention and its gradient by the compiled code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from zslearn.nn._native import Library, library
from zslearn.nn._workspace import lend, scratch

__all__ = [
    "attend",
    "compute_gradient",
    "compute_semantics",
    "prepare_attend",
    "prepare_gradient",
    "reads_in_place",
]

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


def reads_in_place(regions: Tensor) -> bool:
    """Whether batches of these regions (n, R, D) are best read where they lie, by their numbers.

    The regions are such that the compiled attention serves. Where it leaves products to torch, a
    batch has to be gathered; images with few regions share tiles, for which they must lie side by
    side.
    """
    if regions.dtype != torch.bfloat16 or regions.device.type != "cpu":
        return False
    compiled = library() if regions.is_contiguous() else None
    if compiled is None or not compiled.multiplies:
        return False
    return compiled.size("tile_rows", regions.shape[1]) < 2 * regions.shape[1]


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
    low = weights.to(torch.bfloat16).contiguous()
    semantics = torch.empty(len(regions), len(low) // 2)
    # Where torch multiplies, its product needs a place.
    needs_place = keep or not _library().multiplies
    place = lend((*regions.shape[:2], len(low)), torch.bfloat16) if needs_place else None
    prepare_attend(regions, low, semantics, place, keep=keep)()
    return semantics, place if keep else None


def compute_gradient(regions: Tensor, semantics: Tensor, kept: Tensor, outer: Tensor) -> Tensor:
    """Gradient (2K, D) by the weights, in bfloat16, from that by the semantic vectors (B, K)."""
    gradient = lend((kept.shape[2], regions.shape[2]), torch.bfloat16)
    outer = outer.float().contiguous()
    prepare_gradient(regions, semantics, kept, outer, gradient)()
    return gradient


def prepare_attend(
    regions: Tensor,
    weights: Tensor,
    semantics: Tensor,
    kept: Tensor | None,
    *,
    keep: bool = True,
    images: Tensor | None = None,
) -> Callable[[], object]:
    """Prepare a call that writes semantic vectors, and what the gradient needs if it is wanted.

    Parameters
    ----------
    regions : Tensor of shape (B, R, D), bfloat16
    weights : Tensor of shape (2K, D), bfloat16
    semantics : Tensor of shape (B, K), float32
    kept : Tensor of shape (B, R, 2K), bfloat16, or None
        What the gradient needs goes here. ``None`` drops it, but not where torch multiplies.
    keep : bool, default=True
        Whether a gradient will be wanted.
    images : Tensor of shape (B,), int64, default=None
        Numbers of the images in `regions`, then (n, R, D), that make the batch: contiguous and in
        range. Only if :func:`reads_in_place`. ``None`` takes them all, in order.
    """
    compiled = _library()
    n_images, n_attributes = semantics.shape
    n_regions, n_features = regions.shape[1:]
    n_tile = torch.get_num_threads() * compiled.size("tile_rows", n_regions) * _WIDTH
    tile = _scratch("tiles", torch.float32, n_tile)
    if not compiled.multiplies:
        assert kept is not None
        assert images is None
        rows, product = regions.view(-1, n_features), kept.view(-1, len(weights))
        soften = compiled.prepare(
            "soften_product",
            *(kept, n_images, n_regions, n_attributes, semantics, int(keep), tile),
        )

        def multiply_and_soften() -> None:
            torch.mm(rows, weights.T, out=product)
            soften()

        return multiply_and_soften
    n_panel = compiled.size("n_panels", n_attributes) * n_features // 2 * _WIDTH
    panels = _scratch("panels", torch.int32, n_panel)
    pack = compiled.prepare("pack_panels", weights, n_attributes, n_features, panels)
    sizes = n_images, n_regions, n_features, n_attributes
    attend = compiled.prepare("attend", regions, images, panels, *sizes, semantics, kept, tile)

    def pack_and_attend() -> None:
        pack()
        attend()

    return pack_and_attend


def prepare_gradient(
    regions: Tensor,
    semantics: Tensor,
    kept: Tensor,
    outer: Tensor,
    gradient: Tensor,
    *,
    images: Tensor | None = None,
) -> Callable[[], object]:
    """Prepare a call that writes the gradient by the weights.

    Parameters
    ----------
    regions : Tensor of shape (B, R, D), bfloat16
    semantics : Tensor of shape (B, K), float32
    kept : Tensor of shape (B, R, 2K), bfloat16
    outer : Tensor of shape (B, K), float32
        Gradient by the semantic vectors.
    gradient : Tensor of shape (2K, D), bfloat16
    images : Tensor of shape (B,), int64, default=None
        As for :func:`prepare_attend`.
    """
    compiled = _library()
    n_images, n_attributes = semantics.shape
    n_regions, n_features = regions.shape[1:]
    n_rows = n_images * n_regions
    if not compiled.multiplies:
        assert images is None
        sizes = n_images, n_regions, n_attributes
        slopes = lend((n_rows, 2 * n_attributes), torch.bfloat16)
        find_slopes = compiled.prepare("slope_product", kept, slopes, semantics, outer, *sizes)
        rows = regions.view(n_rows, n_features)

        def find_slopes_and_multiply() -> None:
            find_slopes()
            torch.mm(slopes.T, rows, out=gradient)

        return find_slopes_and_multiply
    n_sums = compiled.size("sums", n_rows, n_attributes, n_features)
    n_packed = torch.get_num_threads() * compiled.size("packed_pairs", n_rows)
    return compiled.prepare(
        "attend_gradient",
        *(regions, images, kept, outer, n_images, n_regions, n_features, n_attributes, gradient),
        _scratch("sums", torch.float32, n_sums),
        _scratch("slopes", torch.int32, compiled.size("slope_pairs", n_rows, n_attributes)),
        _scratch("packed", torch.int32, n_packed),
    )


def _library() -> Library:
    compiled = library()
    assert compiled is not None
    return compiled


def _scratch(use: str, dtype: torch.dtype, n: int) -> Tensor:
    return scratch(use, (n,), dtype, _CPU)
