"""The projections of attribute vectors by the compiled code, as an autograd function."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from zslearn.nn._kernels._compiled import is_verified
from zslearn.nn._kernels._registry import is_allowed
from zslearn.nn._native import Library, library
from zslearn.nn._workspace import lend, scratch

__all__ = ["project", "serves_projection"]

_CPU = torch.device("cpu")

# Multiply-adds of a product, below which calling costs as much as it saves.
_WORTH_WORK = 2**20


def serves_projection(vectors: Tensor, query_weight: Tensor, dtype: torch.dtype) -> bool:
    """Whether :func:`project` computes [Q; E] in some dtype."""
    if dtype != torch.bfloat16 or vectors.device.type != "cpu":
        return False
    if vectors.dtype != torch.float32 or query_weight.dtype != torch.float32:
        return False
    n_features = query_weight.shape[1]
    if n_features % 2 or vectors.numel() * n_features < _WORTH_WORK or not is_allowed("native"):
        return False
    compiled = library()
    return compiled is not None and compiled.multiplies and is_verified()


def project(
    vectors: Tensor, query_weight: Tensor, embedding_weight: Tensor
) -> tuple[Tensor, Tensor]:
    """Compute [A W_q; A W_sv] in bfloat16, and the lengths of the rows of A W_sv.

    The rows of A are those of `vectors`, brought to unit length.
    """
    weights, lengths = _CompiledProjection.apply(vectors, query_weight, embedding_weight)
    return weights, lengths


class _CompiledProjection(torch.autograd.Function):
    """Products of bfloat16, to which the weights are rounded on their way into them."""

    @staticmethod
    def forward(
        ctx: Any, vectors: Tensor, query_weight: Tensor, embedding_weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        compiled = library()
        assert compiled is not None
        inputs = tuple(x.contiguous() for x in (vectors, query_weight, embedding_weight))
        n_attributes, width = vectors.shape
        n_features = query_weight.shape[1]
        unit = torch.empty(n_attributes, width + width % 2, dtype=torch.bfloat16)
        vector_lengths, lengths = torch.empty(2, n_attributes).unbind()
        weights = lend((2 * n_attributes, n_features), torch.bfloat16)
        compiled.call(
            "project",
            *inputs,
            n_attributes,
            width,
            n_features,
            unit,
            vector_lengths,
            weights,
            lengths,
            _packed(compiled, n_attributes, width),
        )
        ctx.save_for_backward(*inputs, unit, vector_lengths, weights, lengths)
        ctx.compiled = compiled
        ctx.set_materialize_grads(False)
        return weights, lengths

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        vectors, query_weight, embedding_weight, unit, vector_lengths, *results = ctx.saved_tensors
        outer, by_lengths = gradients
        outer = torch.zeros_like(results[0]) if outer is None else outer.contiguous()
        n_attributes, width = vectors.shape
        n_features = query_weight.shape[1]
        by_vectors, transposed = None, None
        if ctx.needs_input_grad[0]:
            by_vectors = lend((n_attributes, width), torch.float32)
            n_pairs = ctx.compiled.size("transposed_pairs", width, n_features)
            transposed = scratch("transposed", (n_pairs,), torch.int32, _CPU)
        by_weights = [lend((width, n_features), torch.float32) for _ in range(2)]
        ctx.compiled.call(
            "project_gradient",
            vectors,
            unit,
            vector_lengths,
            query_weight,
            embedding_weight,
            *results,
            outer,
            None if by_lengths is None else by_lengths.contiguous(),
            n_attributes,
            width,
            n_features,
            by_vectors,
            *by_weights,
            scratch("sum", (n_attributes, n_features), torch.bfloat16, _CPU),
            scratch("turned", (width, n_attributes + n_attributes % 2), torch.bfloat16, _CPU),
            _packed(ctx.compiled, n_attributes, width),
            transposed,
        )
        return by_vectors, *by_weights


def _packed(compiled: Library, n_attributes: int, width: int) -> Tensor:
    n_pairs = compiled.size("projection_pairs", n_attributes, width)
    return scratch("packed", (torch.get_num_threads() * n_pairs,), torch.int32, _CPU)
