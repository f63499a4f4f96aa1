"""The projections of attribute vectors by the compiled code, as an autograd function."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from zslearn.nn._kernels._compiled import is_verified
from zslearn.nn._kernels._registry import is_allowed
from zslearn.nn._native import Library, Prepared, library
from zslearn.nn._workspace import lend, scratch

__all__ = [
    "Projection",
    "compute_projection",
    "compute_projection_gradients",
    "lend_gradients",
    "lend_projection",
    "prepare_projection",
    "prepare_projection_gradients",
    "project",
    "serves_projection",
]

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
    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        projection = compute_projection(*inputs)
        ctx.save_for_backward(*projection)
        ctx.set_materialize_grads(False)
        return projection.weights, projection.lengths

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        outer, by_lengths = gradients
        projection = Projection(*ctx.saved_tensors)
        return compute_projection_gradients(
            projection, outer, by_lengths, by_vectors=ctx.needs_input_grad[0]
        )


class Projection(NamedTuple):
    """Queries and embeddings, and what their gradients need.

    Attributes
    ----------
    vectors, query_weight, embedding_weight : Tensor
        What was projected, and by what.
    unit : Tensor of shape (K, V), bfloat16
        The vectors, brought to unit length; padded by a zero to an even width.
    vector_lengths : Tensor of shape (K,)
        What the vectors were divided by.
    weights : Tensor of shape (2K, D), bfloat16
    lengths : Tensor of shape (K,)
        Of the embeddings.
    """

    vectors: Tensor
    query_weight: Tensor
    embedding_weight: Tensor
    unit: Tensor
    vector_lengths: Tensor
    weights: Tensor
    lengths: Tensor


def compute_projection(
    vectors: Tensor, query_weight: Tensor, embedding_weight: Tensor
) -> Projection:
    """Products of bfloat16, to which the weights are rounded on their way into them."""
    inputs = (x.detach().contiguous() for x in (vectors, query_weight, embedding_weight))
    projection = lend_projection(*inputs)
    prepare_projection(projection)()
    return projection


def lend_projection(vectors: Tensor, query_weight: Tensor, embedding_weight: Tensor) -> Projection:
    """Memory for the projections of contiguous inputs."""
    n_attributes, width = vectors.shape
    return Projection(
        vectors,
        query_weight,
        embedding_weight,
        unit=torch.empty(n_attributes, width + width % 2, dtype=torch.bfloat16),
        vector_lengths=torch.empty(n_attributes),
        weights=lend((2 * n_attributes, query_weight.shape[1]), torch.bfloat16),
        lengths=torch.empty(n_attributes),
    )


def prepare_projection(projection: Projection) -> Prepared:
    """Prepare a call that computes all of a projection from what is projected."""
    compiled = _library()
    vectors, query_weight, embedding_weight, *results = projection
    sizes = *vectors.shape, query_weight.shape[1]
    return compiled.prepare(
        "project",
        *(vectors, query_weight, embedding_weight, *sizes, *results),
        _packed(compiled, *vectors.shape),
    )


def compute_projection_gradients(
    projection: Projection, outer: Tensor | None, by_lengths: Tensor | None, *, by_vectors: bool
) -> tuple[Tensor | None, Tensor, Tensor]:
    """Gradients by the vectors, if they are wanted, W_q and W_sv.

    Parameters
    ----------
    projection : Projection
    outer : Tensor of shape (2K, D), bfloat16, or None
        Gradient by the weights.
    by_lengths : Tensor of shape (K,) or None
        Gradient by the lengths.
    by_vectors : bool
    """
    outer = torch.zeros_like(projection.weights) if outer is None else outer.contiguous()
    by_lengths = None if by_lengths is None else by_lengths.contiguous()
    gradients = lend_gradients(projection, by_vectors=by_vectors)
    prepare_projection_gradients(projection, outer, by_lengths, gradients)()
    return gradients


def lend_gradients(
    projection: Projection, *, by_vectors: bool
) -> tuple[Tensor | None, Tensor, Tensor]:
    """Memory for the gradients by what was projected."""
    shapes = [tuple(x.shape) for x in projection[:3]]
    of_vectors = lend(shapes[0], torch.float32) if by_vectors else None
    return of_vectors, lend(shapes[1], torch.float32), lend(shapes[2], torch.float32)


def prepare_projection_gradients(
    projection: Projection,
    outer: Tensor,
    by_lengths: Tensor | None,
    gradients: tuple[Tensor | None, Tensor, Tensor],
) -> Prepared:
    """Prepare a call that writes the gradients by the vectors, unless ``None``, W_q and W_sv.

    Parameters
    ----------
    projection : Projection
    outer : Tensor of shape (2K, D), bfloat16
    by_lengths : Tensor of shape (K,) or None
    gradients : tuple of Tensor
        As from :func:`lend_gradients`.
    """
    compiled = _library()
    vectors, query_weight, embedding_weight, unit, vector_lengths, weights, lengths = projection
    n_attributes, width = vectors.shape
    n_features = query_weight.shape[1]
    transposed = None
    if gradients[0] is not None:
        n_pairs = compiled.size("transposed_pairs", width, n_features)
        transposed = scratch("transposed", (n_pairs,), torch.int32, _CPU)
    return compiled.prepare(
        "project_gradient",
        *(vectors, unit, vector_lengths, query_weight, embedding_weight, weights, lengths),
        *(outer, by_lengths, n_attributes, width, n_features, *gradients),
        scratch("sum", (n_attributes, n_features), torch.bfloat16, _CPU),
        scratch("turned", (width, n_attributes + n_attributes % 2), torch.bfloat16, _CPU),
        _packed(compiled, n_attributes, width),
        transposed,
    )


def _library() -> Library:
    compiled = library()
    assert compiled is not None
    return compiled


def _packed(compiled: Library, n_attributes: int, width: int) -> Tensor:
    n_pairs = compiled.size("projection_pairs", n_attributes, width)
    return scratch("packed", (torch.get_num_threads() * n_pairs,), torch.int32, _CPU)
