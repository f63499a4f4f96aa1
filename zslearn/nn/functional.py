"""Semantic-visual attention and embedding (Eqs. 1-3) through one product with the regions.

Notation: B images, R regions, D features, K attributes. Queries ``Q`` and embeddings ``E`` do not
depend on the image, so ``E_k . (M F)_k = sum_r M_kr (F_r . E_k)``: the product of F with
``[Q; E]`` holds everything, and the attribute features ``F_A = M F`` are never built.
"""

from __future__ import annotations

import torch
from torch import Tensor

from zslearn.nn._kernels import attention_backend, backend_of
from zslearn.nn._normalize import ACCUMULATE, normalize_rows
from zslearn.nn._padding import find_padding
from zslearn.nn._semantic_attention import attend

__all__ = [
    "attention_backend",
    "attention_backend_of",
    "attention_maps",
    "attribute_features",
    "class_scores",
    "find_padding",
    "normalize_rows",
    "semantic_attention",
    "semantic_embedding",
]


def semantic_attention(
    regions: Tensor, queries: Tensor, embeddings: Tensor, padding: Tensor | None = None
) -> Tensor:
    r"""Semantic vectors of images, Eqs. 1-3 in one product with the regions.

    .. math:: s_k = \sum_r \operatorname{softmax}_r(F_r \cdot Q_k) \; (F_r \cdot E_k)

    Parameters
    ----------
    regions : Tensor of shape (B, R, D)
        Region features F, each region of unit length. Their dtype is the precision of the
        product; bfloat16 and float16 are accumulated and returned in float32.
    queries, embeddings : Tensor of shape (K, D)
        ``Q = A W_q`` and ``E = A W_sv``.
    padding : Tensor of shape (B, R), bool, default=None
        Marks regions that get no attention, never all of an image. ``None`` attends to all of
        them, those of zeros too: whoever knows that there are none spends no time on looking.

    Returns
    -------
    Tensor of shape (B, K)
        Differentiable once, with respect to regions, queries and embeddings.

    See Also
    --------
    find_padding : Marks regions of zeros.
    attention_maps : The attention alone.
    attention_backend : Choose how it is computed.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn.functional import semantic_attention
    >>> F = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    >>> Q, E = torch.tensor([[100.0, 0.0]]), torch.tensor([[2.0, 3.0]])
    >>> semantic_attention(F, Q, E)  # all attention on the first region
    tensor([[2.]])
    """
    return attend(regions, torch.cat([queries, embeddings]), padding=padding)


def attention_backend_of(regions: Tensor, queries: Tensor) -> str:
    """Name of the implementation that serves :func:`semantic_attention` of these tensors.

    Parameters
    ----------
    regions : Tensor of shape (B, R, D)
        Region features F, each region of unit length.
    queries : Tensor of shape (K, D)
        Attribute queries ``Q = A W_q``.

    Returns
    -------
    {"torch", "triton"}
        The implementation's name.

    Raises
    ------
    RuntimeError
        If an implementation is asked for by name that cannot serve.

    See Also
    --------
    attention_backend : Ask for one by name.

    Notes
    -----
    On a CUDA device the answer may take a compilation and a trial.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn.functional import attention_backend_of
    >>> attention_backend_of(torch.ones(1, 2, 3), torch.ones(4, 3))
    'torch'
    """
    return backend_of(regions, queries.expand(2, *queries.shape).flatten(0, 1))


def attention_maps(regions: Tensor, queries: Tensor, padding: Tensor | None = None) -> Tensor:
    """Attribute attention maps M, Eq. 2.

    Parameters
    ----------
    regions : Tensor of shape (B, R, D)
        Region features F, each region of unit length.
    queries : Tensor of shape (K, D)
        Attribute queries ``Q = A W_q``.
    padding : Tensor of shape (B, R), bool, default=None
        Marks regions that get no attention, never all of an image.

    Returns
    -------
    Tensor of shape (B, K, R)
        Non-negative, each map summing to one over the regions; exactly 0 on padding.

    See Also
    --------
    semantic_attention : Attention and embedding in one.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn.functional import attention_maps
    >>> F = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    >>> attention_maps(F, torch.zeros(1, 2))
    tensor([[[0.5000, 0.5000]]])
    """
    logits = regions @ queries.to(regions.dtype).T
    logits = logits.to(ACCUMULATE.get(logits.dtype, logits.dtype))
    if padding is not None:
        logits = logits.masked_fill(padding.unsqueeze(-1), -torch.inf)
    return torch.softmax(logits.transpose(-1, -2), dim=-1)


def attribute_features(regions: Tensor, queries: Tensor, padding: Tensor | None = None) -> Tensor:
    """Attribute-related visual features ``F_A = M F``, Eq. 2, materialised.

    Nothing in training or prediction needs them; they are K / R times as large as the regions.

    Parameters
    ----------
    regions : Tensor of shape (B, R, D)
        Region features F, each region of unit length.
    queries : Tensor of shape (K, D)
        Attribute queries ``Q = A W_q``.
    padding : Tensor of shape (B, R), bool, default=None
        Marks regions that get no attention, never all of an image.

    Returns
    -------
    Tensor of shape (B, K, D)
        One feature for each attribute.

    See Also
    --------
    semantic_attention : Does without them.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn.functional import attribute_features
    >>> F = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    >>> attribute_features(F, torch.zeros(1, 2))  # the mean of both regions
    tensor([[[0.5000, 0.5000]]])
    """
    maps = attention_maps(regions, queries, padding)
    return maps @ regions.to(maps.dtype)


def semantic_embedding(features: Tensor, embeddings: Tensor) -> Tensor:
    r"""Semantic vectors of given attribute features, Eq. 3 as printed.

    .. math:: s_k = E_k \cdot f_k

    Parameters
    ----------
    features : Tensor of shape (B, K, D)
        One feature for each attribute: F_A, or a counterfactual of it.
    embeddings : Tensor of shape (K, D)
        Attribute embeddings ``E = A W_sv``.

    Returns
    -------
    Tensor of shape (B, K)
        Semantic vectors s.

    See Also
    --------
    semantic_attention : Attention and embedding in one.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn.functional import semantic_embedding
    >>> semantic_embedding(torch.tensor([[[1.0, 2.0]]]), torch.tensor([[3.0, 4.0]]))
    tensor([[11.]])
    """
    return torch.einsum("bkd,kd->bk", features, embeddings)


def class_scores(semantics: Tensor, class_attributes: Tensor, scale: float = 1.0) -> Tensor:
    r"""Class logits, Eq. 4: ``z = scale * s T^T`` with the rows of T of unit length.

    Parameters
    ----------
    semantics : Tensor of shape (B, K)
        Semantic vectors s.
    class_attributes : Tensor of shape (C, K)
        The class attribute table T; its rows are l2-normalised here.
    scale : float, default=1.0
        The scale of the logits. The paper mentions one without a value; 1 because the projections
        start from a standard normal, which already gives s unit scale.

    Returns
    -------
    Tensor of shape (B, C)
        Class logits z.

    See Also
    --------
    semantic_attention : Computes semantic vectors.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn.functional import class_scores
    >>> table = torch.tensor([[3.0, 4.0], [2.0, 0.0]])
    >>> class_scores(torch.tensor([[1.0, 1.0]]), table)
    tensor([[1.4000, 1.0000]])
    """
    return scale * semantics @ normalize_rows(class_attributes).to(semantics.dtype).T
