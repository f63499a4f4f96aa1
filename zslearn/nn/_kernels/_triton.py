"""Semantic attention in fused Triton kernels: logits, softmax and sum without writing B x R x K.

**Forward.** One program takes an image and a tile of attributes, multiplies one tile of regions
after another with the tile's rows of [Q; E], and keeps a running maximum, sum and weighted sum
(online softmax). Rows of Q and E alternate in the tile, so that both come from one product, wide
enough for the tensor cores, and part again in registers. Programs of one image are neighbours: its
regions are read from memory once and from the L2 cache by the others. Written are s and the
logarithm of the softmax's denominator, both (B, K).

**Backward.** The gradient by [Q; E] is dP^T F, with dP = [a (v - s) g; a g] recomputed from these.
A kernel that keeps the sum itself needs all D columns of F for the logits and, at D = 768 or more,
room for 2K x D sums: it would split D over programs that each recompute the attention, or sum by
atomic additions whose order differs from run to run. Instead dP of a portion of the images goes to
a workspace, which stays in L2, and torch's matrix product sums it up, in a fixed order. With the
forward pass that makes 12 B R D K operations, where keeping the product would make 8; memory is
that of the workspace, 8 MiB or one image, however large the batch. The rows of a tile are regions
of whichever image, so none is padded.

The kernels are compared with the equations in Triton's interpreter, and compile for compute
capabilities 8.0 to 12.0; their tiles are chosen by what fits the registers there and by counting
bytes, not by measurement.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["IS_INTERPRETED", "attend"]

WORKSPACE_BYTES = 2**23


@triton.jit
def _multiply(
    regions,  # first number of the first of the rows
    weights,
    rows,
    row_mask,
    attribute,
    n_attributes,
    n_features: tl.constexpr,
    ROWS: tl.constexpr,
    ATTRIBUTES: tl.constexpr,
    FEATURES: tl.constexpr,
    WIDEN: tl.constexpr,
):
    """Logits and values, (ROWS, ATTRIBUTES) each, of a tile of regions and of attributes."""
    column = tl.arange(0, 2 * ATTRIBUTES)
    wanted = attribute + column // 2
    columns = wanted + (column % 2) * n_attributes
    column_mask = wanted < n_attributes
    product = tl.zeros((ROWS, 2 * ATTRIBUTES), dtype=tl.float32)
    for start in range(0, n_features, FEATURES):
        features = start + tl.arange(0, FEATURES)
        feature_mask = features < n_features
        f = tl.load(
            regions + rows[:, None] * n_features + features[None, :],
            mask=row_mask[:, None] & feature_mask[None, :],
            other=0.0,
        )
        w = tl.load(
            weights + columns[None, :] * n_features + features[:, None],
            mask=column_mask[None, :] & feature_mask[:, None],
            other=0.0,
        )
        if WIDEN:
            f = f.to(tl.float32)
            w = w.to(tl.float32)
        product = tl.dot(f, w, product, input_precision="ieee")
    logits, values = tl.split(tl.reshape(product, (ROWS, ATTRIBUTES, 2)))
    return logits, values


@triton.jit
def _attend(
    regions,
    weights,
    padding,
    semantics,
    log_sums,
    n_regions,
    n_attributes,
    n_features: tl.constexpr,
    ROWS: tl.constexpr,
    ATTRIBUTES: tl.constexpr,
    FEATURES: tl.constexpr,
    WIDEN: tl.constexpr,
    PADDED: tl.constexpr,
):
    n_tiles = tl.cdiv(n_attributes, ATTRIBUTES)
    image = (tl.program_id(0) // n_tiles).to(tl.int64)
    attribute = (tl.program_id(0) % n_tiles) * ATTRIBUTES
    largest = tl.full((ATTRIBUTES,), float("-inf"), dtype=tl.float32)
    total = tl.zeros((ATTRIBUTES,), dtype=tl.float32)
    weighted = tl.zeros((ATTRIBUTES,), dtype=tl.float32)
    for start in range(0, n_regions, ROWS):
        rows = start + tl.arange(0, ROWS)
        row_mask = rows < n_regions
        logits, values = _multiply(
            regions + image * n_regions * n_features,
            weights,
            rows,
            row_mask,
            attribute,
            n_attributes,
            n_features,
            ROWS,
            ATTRIBUTES,
            FEATURES,
            WIDEN,
        )
        if PADDED:
            row_mask = tl.load(padding + image * n_regions + rows, mask=row_mask, other=1) == 0
        logits = tl.where(row_mask[:, None], logits, float("-inf"))
        highest = tl.maximum(largest, tl.max(logits, axis=0))
        level = highest
        if PADDED:  # a whole tile may be
            level = tl.where(highest == float("-inf"), 0.0, highest)
        shrink = tl.exp(largest - level)
        attention = tl.exp(logits - level[None, :])
        total = total * shrink + tl.sum(attention, axis=0)
        weighted = weighted * shrink + tl.sum(attention * values, axis=0)
        largest = highest
    attributes = attribute + tl.arange(0, ATTRIBUTES)
    places = image * n_attributes + attributes
    mask = attributes < n_attributes
    tl.store(semantics + places, weighted / total, mask=mask)
    tl.store(log_sums + places, largest + tl.log(total), mask=mask)


@triton.jit
def _differentiate(
    regions,
    weights,
    padding,
    semantics,
    log_sums,
    slopes,
    by_product,
    n_rows,
    n_regions,
    n_attributes,
    width,
    n_features: tl.constexpr,
    ROWS: tl.constexpr,
    ATTRIBUTES: tl.constexpr,
    FEATURES: tl.constexpr,
    WIDEN: tl.constexpr,
    PADDED: tl.constexpr,
):
    """Gradient by the product of n_rows regions, of several images, with [Q; E]."""
    n_tiles = tl.cdiv(n_attributes, ATTRIBUTES)
    first = (tl.program_id(0) // n_tiles).to(tl.int64) * ROWS
    attribute = (tl.program_id(0) % n_tiles) * ATTRIBUTES
    rows = first + tl.arange(0, ROWS)
    row_mask = rows < n_rows
    logits, values = _multiply(
        regions,
        weights,
        rows,
        row_mask,
        attribute,
        n_attributes,
        n_features,
        ROWS,
        ATTRIBUTES,
        FEATURES,
        WIDEN,
    )
    attributes = attribute + tl.arange(0, ATTRIBUTES)
    mask = row_mask[:, None] & (attributes < n_attributes)[None, :]
    places = (rows // n_regions)[:, None] * n_attributes + attributes[None, :]
    log_sum = tl.load(log_sums + places, mask=mask, other=float("inf"))
    if PADDED:
        present = tl.load(padding + rows, mask=row_mask, other=1) == 0
        log_sum = tl.where(present[:, None], log_sum, float("inf"))
    by_values = tl.exp(logits - log_sum) * tl.load(slopes + places, mask=mask, other=0.0)
    by_logits = by_values * (values - tl.load(semantics + places, mask=mask, other=0.0))
    places = by_product + rows[:, None] * width + attributes[None, :]
    dtype = by_product.dtype.element_ty
    tl.store(places, by_logits.to(dtype), mask=mask)
    tl.store(places + n_attributes, by_values.to(dtype), mask=mask)


IS_INTERPRETED = type(_attend).__name__ == "InterpretedFunction"


class _Tile(NamedTuple):
    """What one program takes at a time."""

    ROWS: int
    ATTRIBUTES: int
    FEATURES: int

    @classmethod
    def of(cls, regions: Tensor, n_rows: int, n_attributes: int, most_rows: int = 128) -> _Tile:
        """Tile of a shape; three stages of 128 x 64 x 64 take 96 KiB of shared memory."""

        def fit(number: int, most: int) -> int:
            return max(16, min(most, triton.next_power_of_2(number)))

        deepest = 32 if regions.dtype == torch.float32 else 64
        return cls(fit(n_rows, most_rows), fit(n_attributes, 64), fit(regions.shape[2], deepest))

    def options(self, dtype: torch.dtype) -> dict[str, Any]:
        """Arguments of a launch."""
        return {
            **self._asdict(),
            # The interpreter cannot multiply bfloat16.
            "WIDEN": IS_INTERPRETED and dtype == torch.bfloat16,
            "num_warps": 8 if self.ROWS * self.ATTRIBUTES >= 64 * 64 else 4,
            "num_stages": 3,
            "enable_fp_fusion": True,  # a version is about to change its default
        }


def _most_rows(regions: Tensor) -> int:
    """Regions in a tile of the forward pass: 256 on Hopper where that pads no more than 128 does.

    A taller tile reads [Q; E] from the cache fewer times; elsewhere it does not fit the registers.
    """
    pads_more = (regions.shape[1] - 1) // 128 % 2 == 0
    if regions.dtype == torch.float32 or pads_more:
        return 128
    return 256 if IS_INTERPRETED or _is_hopper(regions.device) else 128


@cache
def _is_hopper(device: torch.device) -> bool:
    return torch.cuda.get_device_capability(device)[0] == 9


def attend(regions: Tensor, weights: Tensor, padding: Tensor | None = None) -> Tensor:
    """Semantic vectors (B, K) of regions (B, R, D) by stacked weights ``[Q; E]`` (2K, D).

    Regions marked by `padding` (B, R) get no attention.
    """
    result: Tensor = _FusedAttention.apply(regions, weights, padding)
    return result


class _FusedAttention(torch.autograd.Function):
    """s = sum_r softmax_r(F Q^T) * (F E^T), keeping two numbers an image and attribute."""

    @staticmethod
    def forward(ctx: Any, regions: Tensor, weights: Tensor, padding: Tensor | None) -> Tensor:
        regions = regions.contiguous()
        marks = None if padding is None else padding.to(torch.uint8).contiguous()
        low = weights.to(regions.dtype).contiguous()
        (n_images, n_regions, n_features), n_attributes = regions.shape, len(low) // 2
        semantics = regions.new_empty(n_images, n_attributes, dtype=torch.float32)
        log_sums = torch.empty_like(semantics)
        tile = _Tile.of(regions, n_regions, n_attributes, _most_rows(regions))
        n_programs = n_images * triton.cdiv(n_attributes, tile.ATTRIBUTES)
        with _on(regions):
            _attend[(n_programs,)](
                regions,
                low,
                regions if marks is None else marks,
                semantics,
                log_sums,
                n_regions,
                n_attributes,
                n_features,
                PADDED=marks is not None,
                **tile.options(regions.dtype),
            )
        ctx.save_for_backward(regions, low, marks, semantics, log_sums)
        ctx.weights_dtype = weights.dtype
        return semantics

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        regions, weights, marks, semantics, log_sums = ctx.saved_tensors
        slopes = gradients[0].float().contiguous()
        scale = None
        if regions.dtype == torch.float16:
            # 5 exponent bits: without a scale, gradients of a mean over B underflow.
            scale = slopes.abs().amax(0).clamp_min(torch.finfo(torch.float32).tiny)
            slopes = slopes / scale
        grad_regions = torch.empty_like(regions) if ctx.needs_input_grad[0] else None
        spread = _unscaled(weights, scale) if ctx.needs_input_grad[0] else None
        grad_weights = None
        for images, by_product in _portions(regions, weights, marks, semantics, log_sums, slopes):
            if spread is not None and grad_regions is not None:
                part = by_product @ spread[0]
                if spread[1] is not None:
                    part = part.float() * spread[1]
                grad_regions[images] = part.view_as(grad_regions[images])
            if ctx.needs_input_grad[1]:
                part = by_product.T @ regions[images].flatten(0, 1)
                grad_weights = part if grad_weights is None else grad_weights.float().add_(part)
        if grad_weights is not None:
            grad_weights = grad_weights.to(ctx.weights_dtype)
            if scale is not None:
                grad_weights = grad_weights * torch.cat([scale, scale]).unsqueeze(1)
        return grad_regions, grad_weights, None


def _portions(
    regions: Tensor,
    weights: Tensor,
    marks: Tensor | None,
    semantics: Tensor,
    log_sums: Tensor,
    slopes: Tensor,
) -> Iterator[tuple[slice, Tensor]]:
    """Gradient by the product, (b R, 2K), of some images after others, in one and the same space.

    Each is overwritten by the next.
    """
    (n_images, n_regions, n_features), n_attributes = regions.shape, len(weights) // 2
    width = 8 * triton.cdiv(2 * n_attributes, 8)  # aligned rows multiply faster
    most = max(1, WORKSPACE_BYTES // (n_regions * width * regions.element_size()))
    step = triton.cdiv(n_images, triton.cdiv(n_images, most))
    space = regions.new_empty(step * n_regions, width)
    space[:, 2 * n_attributes :] = 0  # products on some CPUs read rows to their end
    tile = _Tile.of(regions, len(space), n_attributes)
    for start in range(0, n_images, step):
        images = slice(start, min(start + step, n_images))
        n_rows = (images.stop - start) * n_regions
        n_programs = triton.cdiv(n_rows, tile.ROWS) * triton.cdiv(n_attributes, tile.ATTRIBUTES)
        with _on(regions):
            _differentiate[(n_programs,)](
                regions[images],
                weights,
                (regions if marks is None else marks)[images],
                semantics[images],
                log_sums[images],
                slopes[images],
                space,
                n_rows,
                n_regions,
                n_attributes,
                width,
                n_features,
                PADDED=marks is not None,
                **tile.options(regions.dtype),
            )
        yield images, space[:n_rows, : 2 * n_attributes]


def _unscaled(weights: Tensor, scale: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Weights, and a factor of the result, that undo the scale of the gradient by the product."""
    if scale is None:
        return weights, None
    largest = scale.amax()
    factors = torch.cat([scale, scale]) / largest
    return (weights * factors.unsqueeze(1)).to(weights.dtype), largest


def _on(regions: Tensor) -> AbstractContextManager[Any]:
    """Kernels run on the current device, which need not be that of their arguments."""
    return nullcontext() if regions.device.type == "cpu" else torch.cuda.device(regions.device)
