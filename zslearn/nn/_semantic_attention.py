"""Semantic-visual attention as two autograd functions: the projection of attributes, and the rest.

The passes over the product that are not matrix products run over a few images at a time on a CPU,
so that what they hold stays in its cache: as whole batches they take longer than they should.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from zslearn.nn._kernels import Backend, choose, register
from zslearn.nn._normalize import ACCUMULATE, normalize_rows
from zslearn.nn._workspace import borrow, give_back, scratch

__all__ = [
    "attend",
    "exponentials",
    "multiply",
    "multiply_back",
    "portions",
    "project_attributes",
    "widen",
]

_CACHED_NUMBERS = 2**19


def attend(regions: Tensor, weights: Tensor, padding: Tensor | None = None) -> Tensor:
    """Semantic vectors (B, K) of regions (B, R, D) by stacked weights ``[Q; E]`` (2K, D).

    Regions marked by `padding` (B, R) get no attention.
    """
    return choose(regions, weights, padding).attend(regions, weights, padding)


def project_attributes(
    vectors: Tensor, query_weight: Tensor, embedding_weight: Tensor, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Stacked queries and embeddings ``[A W_q; A W_sv]``, and the lengths of the embeddings.

    Parameters
    ----------
    vectors : Tensor of shape (K, V)
        Of any length: the rows of A are these, brought to unit length.
    query_weight, embedding_weight : Tensor of shape (V, D)
    dtype : torch.dtype
        Precision of the three products, forward and backward: that of the regions the result is
        multiplied with. float16 is not multiplied in, for lack of range of the gradients.

    Returns
    -------
    weights : Tensor of shape (2K, D)
    lengths : Tensor of shape (K,)
    """
    vectors = normalize_rows(vectors)
    if dtype != torch.bfloat16:
        embeddings = vectors @ embedding_weight
        weights = torch.cat([vectors @ query_weight, embeddings])
        return weights, torch.linalg.vector_norm(embeddings, dim=1)
    weights, lengths = _Projection.apply(vectors, query_weight, embedding_weight, dtype)
    return weights, lengths


class _Projection(torch.autograd.Function):
    """[A W_q; A W_sv] in low precision, with the lengths of the rows of A W_sv."""

    @staticmethod
    def forward(
        ctx: Any,
        vectors: Tensor,
        query_weight: Tensor,
        embedding_weight: Tensor,
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor]:
        n_attributes, n_features = len(vectors), query_weight.shape[1]
        low = vectors.to(dtype)
        halves = query_weight.to(dtype), embedding_weight.to(dtype)
        weights = low.new_empty(2 * n_attributes, n_features)
        for half, rows in zip(halves, weights.chunk(2), strict=True):
            torch.mm(low, half, out=rows)
        embeddings = weights[n_attributes:]
        lengths = torch.linalg.vector_norm(embeddings, dim=1, dtype=vectors.dtype)
        # The outputs themselves: a view of one would hold its graph, and the graph the view.
        ctx.save_for_backward(low, *halves, weights, lengths)
        ctx.dtypes = vectors.dtype, query_weight.dtype
        ctx.set_materialize_grads(False)
        return weights, lengths

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        low, query_half, embedding_half, weights, lengths = ctx.saved_tensors
        embeddings = weights[len(low) :]
        by_weights, by_lengths = gradients
        if by_weights is None:
            by_queries, by_embeddings = torch.zeros_like(embeddings), torch.zeros_like(embeddings)
        else:
            by_queries, by_embeddings = by_weights.chunk(2)
        if by_lengths is not None:
            # The length has no slope at zero.
            slope = by_lengths / torch.where(lengths > 0, lengths, 1.0)
            by_embeddings = torch.addcmul(
                by_embeddings, embeddings, slope.to(embeddings.dtype).unsqueeze(1)
            )
        by_vectors = None
        if ctx.needs_input_grad[0]:
            by_vectors = by_queries @ query_half.T
            by_vectors = by_vectors.addmm_(by_embeddings, embedding_half.T).to(ctx.dtypes[0])
        by_query_weight = (low.T @ by_queries).to(ctx.dtypes[1])
        by_embedding_weight = (low.T @ by_embeddings).to(ctx.dtypes[1])
        return by_vectors, by_query_weight, by_embedding_weight, None


class _SemanticAttention(torch.autograd.Function):
    """s = sum_r softmax_r(F Q^T) * (F E^T).

    The product with [Q; E] is the one thing of size B x R x 2K. The attention takes the place of
    the logits in it for the backward pass, and there the gradient by both the place of both.
    """

    @staticmethod
    def forward(
        ctx: Any, regions: Tensor, weights: Tensor, padding: Tensor | None = None
    ) -> Tensor:
        is_trained = any(ctx.needs_input_grad)
        semantics, memory = _attend(regions, weights, padding, keep_attention=is_trained)
        if is_trained:
            ctx.save_for_backward(regions, weights, semantics, padding)
            ctx.memory = memory
        else:
            give_back(memory)
        return semantics

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        regions, weights, semantics, padding = ctx.saved_tensors
        memory, ctx.memory = ctx.memory, None
        if memory is None:  # used up by an earlier backward pass
            memory = _attend(regions, weights, padding, keep_attention=True)[1]
        shape = (*regions.shape[:-1], len(weights))
        low = memory[: math.prod(shape)].view(shape)
        # float16 has 5 exponent bits: without a scale, gradients of a mean over B underflow.
        wide_low = low.float() if low.dtype == torch.float16 else low
        for images in portions(low):
            part = wide_low[images]
            wide = widen(part, semantics.dtype)
            attention, values = wide.chunk(2, dim=-1)
            attention *= gradients[0][images].unsqueeze(-2)  # the gradient by the values
            values -= semantics[images].unsqueeze(-2)
            values *= attention  # the gradient by the logits
            if wide is not part:
                part.copy_(wide)
        # The gradient by the values lies where the logits were: halves change places.
        wanted = (ctx.needs_input_grad[0], ctx.needs_input_grad[1])
        found = multiply_back(wide_low, low.dtype, regions, weights, wanted, _swap_halves)
        give_back(memory)
        return *found, None


def multiply(regions: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Product (B, R, N) of regions with stacked weights (N, D), and the memory it lies in."""
    shape = (*regions.shape[:-1], len(weights))
    memory = borrow(math.prod(shape), regions.dtype, regions.device)
    product = memory[: math.prod(shape)].view(shape)
    torch.mm(regions.flatten(0, -2), weights.to(regions.dtype).T, out=product.flatten(0, -2))
    return product, memory


def multiply_back(
    gradient: Tensor,
    dtype: torch.dtype,
    regions: Tensor,
    weights: Tensor,
    wanted: tuple[bool, bool],
    arrange: Callable[[Tensor], Tensor] = lambda weights: weights,
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients by regions and by weights, those `wanted`, of the gradient by their product.

    They are multiplied in some dtype; in float16, for its narrow range, scaled. `arrange` puts
    weights into the order of the gradient, and back.
    """
    scale = None
    low = gradient
    if gradient.dtype != dtype:
        scale = gradient.abs().amax().clamp_min(torch.finfo(torch.float32).tiny)
        low = (gradient / scale).to(dtype)
    by_regions = by_weights = None
    if wanted[0]:
        by_regions = low @ arrange(weights).to(regions.dtype)
        if scale is not None:
            by_regions = (by_regions.float() * scale).to(regions.dtype)
    if wanted[1]:
        by_weights = low.flatten(0, -2).T @ regions.flatten(0, -2)
        by_weights = arrange(by_weights).to(weights.dtype)
        if scale is not None:
            by_weights = by_weights * scale
    return by_regions, by_weights


def _attend(
    regions: Tensor, weights: Tensor, padding: Tensor | None, *, keep_attention: bool
) -> tuple[Tensor, Tensor]:
    """Semantics, and the memory that holds attention and values, or values of no use."""
    product, memory = multiply(regions, weights)
    n_attributes = len(weights) // 2
    accumulate = ACCUMULATE.get(product.dtype, product.dtype)
    semantics = product.new_empty(len(product), n_attributes, dtype=accumulate)
    for images in portions(product):
        part = product[images]
        wide = widen(part, accumulate)
        logits, values = wide.chunk(2, dim=-1)
        attention, total = exponentials(logits, padding, images)
        if keep_attention:
            attention /= total
            part[..., :n_attributes] = attention
        torch.sum(attention.mul_(values), dim=-2, out=semantics[images])
        if not keep_attention:
            semantics[images] /= total.squeeze(-2)
    return semantics, memory


def exponentials(logits: Tensor, padding: Tensor | None, images: slice) -> tuple[Tensor, Tensor]:
    """Exponentials of logits (b, R, K), 0 on padding, in passing memory, and their sums over R."""
    if padding is not None:
        logits.masked_fill_(padding[images].unsqueeze(-1), -torch.inf)
    # In a place of its own, where it is contiguous: exp takes ten times as long elsewhere.
    found = scratch("attention", logits.shape, logits.dtype, logits.device)
    torch.sub(logits, logits.amax(dim=-2, keepdim=True), out=found).exp_()
    return found, found.sum(dim=-2, keepdim=True)


def widen(part: Tensor, dtype: torch.dtype) -> Tensor:
    """Part of a product in the dtype to accumulate in: itself, or a copy in passing memory."""
    if part.dtype == dtype:
        return part
    return scratch("product", part.shape, dtype, part.device).copy_(part)


def _swap_halves(weights: Tensor) -> Tensor:
    return torch.cat(weights.chunk(2)[::-1])


def portions(product: Tensor) -> Iterator[slice]:
    """Slices of images: all at once, or on a CPU as many as its cache holds."""
    step = max(1, len(product))
    if product.device.type == "cpu":
        step = max(1, _CACHED_NUMBERS // max(1, product[:1].numel()))
    for start in range(0, len(product), step):
        yield slice(start, start + step)


def _serve(regions: Tensor, weights: Tensor, padding: Tensor | None) -> Tensor:
    semantics: Tensor = _SemanticAttention.apply(regions, weights, padding)
    return semantics


register(Backend("torch", _serve, lambda *_: "", lambda *_: True))
