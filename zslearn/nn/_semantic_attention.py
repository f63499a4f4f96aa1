"""Semantic-visual attention as two autograd functions: the projection of attributes, and the rest.

The passes over the product that are not matrix products run over a few images at a time on a CPU,
so that what they hold stays in its cache: as whole batches they take longer than they should.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from zslearn.nn._kernels import Backend, choose, refuse_by_name, register
from zslearn.nn._normalize import ACCUMULATE, normalize_rows
from zslearn.nn._workspace import borrow, give_back, scratch

__all__ = ["attend", "project_attributes"]

_CACHED_NUMBERS = 2**19


def attend(
    regions: Tensor, weights: Tensor, n_values: int = 1, padding: Tensor | None = None
) -> Tensor:
    """Semantic vectors (B, K) of regions (B, R, D) by stacked weights ``[Q; E]`` (2K, D).

    With several banks of embeddings, ``[Q; E_1; E_2; ...]``, one attention serves all of them, and
    the result has shape (B, n_values, K). Regions marked by `padding` (B, R) get no attention.
    """
    if n_values == 1:
        return choose(regions, weights, padding).attend(regions, weights, padding)
    refuse_by_name("it has one bank of embeddings for each attention", but="torch")
    semantics: Tensor = _SemanticAttention.apply(regions, weights, n_values, padding)
    return semantics


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
    """s = sum_r softmax_r(F Q^T) * (F E^T), for each bank E.

    The product with [Q; E] is the one thing of size B x R x 2K. The attention takes the place of
    the logits in it for the backward pass, and there the gradient by both the place of both.
    """

    @staticmethod
    def forward(
        ctx: Any,
        regions: Tensor,
        weights: Tensor,
        n_values: int = 1,
        padding: Tensor | None = None,
    ) -> Tensor:
        is_trained = any(ctx.needs_input_grad)
        ctx.n_values = n_values
        semantics, memory = _attend(regions, weights, n_values, padding, keep_attention=is_trained)
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
            memory = _attend(regions, weights, ctx.n_values, padding, keep_attention=True)[1]
        shape = (*regions.shape[:-1], len(weights))
        low = memory[: math.prod(shape)].view(shape)
        accumulate = semantics.dtype
        # float16 has 5 exponent bits: without a scale, gradients of a mean over B underflow.
        wide_low = low.float() if low.dtype == torch.float16 else low
        for images in _portions(low):
            part = wide_low[images]
            wide = _widen(part, accumulate)
            if ctx.n_values == 1:
                attention, values = wide.chunk(2, dim=-1)
                attention *= gradients[0][images].unsqueeze(-2)  # the gradient by the values
                values -= semantics[images].unsqueeze(-2)
                values *= attention  # the gradient by the logits
            else:
                _turn_into_gradients(wide, gradients[0][images], semantics[images])
            if wide is not part:
                part.copy_(wide)
        scale = None
        if wide_low is not low:
            scale = wide_low.abs().amax().clamp_min(torch.finfo(torch.float32).tiny)
            low = (wide_low / scale).half()
        # Of one bank, the gradient by the values lies where the logits were: halves change places.
        in_place = _swap_halves if ctx.n_values == 1 else _as_they_are
        grad_regions = grad_weights = None
        if ctx.needs_input_grad[0]:
            grad_regions = low @ in_place(weights).to(regions.dtype)
            if scale is not None:
                grad_regions = (grad_regions.float() * scale).to(regions.dtype)
        if ctx.needs_input_grad[1]:
            grad_weights = low.flatten(0, -2).T @ regions.flatten(0, -2)
            grad_weights = in_place(grad_weights).to(weights.dtype)
            if scale is not None:
                grad_weights = grad_weights * scale
        give_back(memory)
        return grad_regions, grad_weights, None, None


def _attend(
    regions: Tensor,
    weights: Tensor,
    n_values: int,
    padding: Tensor | None,
    *,
    keep_attention: bool,
) -> tuple[Tensor, Tensor]:
    """Semantics, and the memory that holds attention and values, or values of no use."""
    shape = (*regions.shape[:-1], len(weights))
    memory = borrow(math.prod(shape), regions.dtype, regions.device)
    product = memory[: math.prod(shape)].view(shape)
    flat = regions.flatten(0, -2)
    torch.mm(flat, weights.to(regions.dtype).T, out=product.flatten(0, -2))
    n_attributes = len(weights) // (1 + n_values)
    accumulate = ACCUMULATE.get(product.dtype, product.dtype)
    banks = () if n_values == 1 else (n_values,)
    semantics = product.new_empty(len(product), *banks, n_attributes, dtype=accumulate)
    for images in _portions(product):
        part = product[images]
        wide = _widen(part, accumulate)
        logits, values = wide[..., :n_attributes], wide[..., n_attributes:]
        if padding is not None:
            logits.masked_fill_(padding[images].unsqueeze(-1), -torch.inf)
        # In a place of its own, where it is contiguous: exp takes ten times as long elsewhere.
        attention = scratch("attention", logits.shape, accumulate, product.device)
        torch.sub(logits, logits.amax(dim=-2, keepdim=True), out=attention).exp_()
        total = attention.sum(dim=-2, keepdim=True)
        if keep_attention:
            attention /= total
            part[..., :n_attributes] = attention
        if n_values > 1:
            banked = values.unflatten(-1, (n_values, n_attributes))
            torch.sum(banked * attention.unsqueeze(-2), dim=-3, out=semantics[images])
        else:
            torch.sum(attention.mul_(values), dim=-2, out=semantics[images])
        if not keep_attention:
            semantics[images] /= total if n_values > 1 else total.squeeze(-2)
    return semantics, memory


def _widen(part: Tensor, dtype: torch.dtype) -> Tensor:
    """Part of a product in the dtype to accumulate in: itself, or a copy in passing memory."""
    if part.dtype == dtype:
        return part
    return scratch("product", part.shape, dtype, part.device).copy_(part)


def _turn_into_gradients(wide: Tensor, gradient: Tensor, semantics: Tensor) -> None:
    """Put gradients by logits and values of several banks in the place of attention and values."""
    n_values, n_attributes = semantics.shape[-2:]
    attention = wide[..., :n_attributes]
    values = wide[..., n_attributes:].unflatten(-1, (n_values, n_attributes))
    slope = gradient.unsqueeze(-3)
    by_logits = ((values - semantics.unsqueeze(-3)) * slope).sum(dim=-2).mul_(attention)
    torch.mul(attention.unsqueeze(-2), slope, out=values)
    attention.copy_(by_logits)


def _as_they_are(weights: Tensor) -> Tensor:
    return weights


def _swap_halves(weights: Tensor) -> Tensor:
    return torch.cat(weights.chunk(2)[::-1])


def _portions(product: Tensor) -> Iterator[slice]:
    """Slices of images: all at once, or on a CPU as many as its cache holds."""
    step = max(1, len(product))
    if product.device.type == "cpu":
        step = max(1, _CACHED_NUMBERS // max(1, product[:1].numel()))
    for start in range(0, len(product), step):
        yield slice(start, start + step)


def _serve(regions: Tensor, weights: Tensor, padding: Tensor | None) -> Tensor:
    semantics: Tensor = _SemanticAttention.apply(regions, weights, 1, padding)
    return semantics


register(Backend("torch", _serve, lambda *_: "", lambda *_: True))
