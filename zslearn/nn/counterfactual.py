r"""Counterfactual semantic vectors: the model's answer to features the image does not have.

The interventions of CVsC (Eqs. 8-11) replace the attribute-related features F_A by random ones.
What the losses need of them is only their embedding ``E_k . f_k``, a (B, K) matrix.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from zslearn.nn.functional import semantic_attention, semantic_embedding

__all__ = [
    "Counterfactual",
    "normal_counterfactual",
    "permuted_counterfactual",
    "uniform_counterfactual",
]

Counterfactual = Literal["normal", "uniform", "permute"]

_CHUNK = 2**24


def normal_counterfactual(
    embeddings: Tensor,
    n_images: int,
    *,
    scale: float = 1.0,
    lengths: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Embed features with independent normal entries, without drawing them.

    For :math:`\bar f \sim N(0, \sigma^2 I_D)` the embedding :math:`E_k \cdot \bar f` is
    :math:`N(0, \sigma^2 \|E_k\|^2)`, so K numbers an image replace K D of them: the same objective
    in expectation.

    Parameters
    ----------
    embeddings : Tensor of shape (K, D)
        Attribute embeddings ``E = A W_sv``; gradients flow through their lengths.
    n_images : int
        B, the number of images.
    scale : float, default=1.0
        Root mean square length of the random features, that is :math:`\sigma = scale/\sqrt D`.
        1 because region features have length 1.
    lengths : Tensor of shape (K,), default=None
        The lengths of the embeddings, where they are known; gradients flow through these instead.
    generator : torch.Generator, default=None
        Source of randomness, on the device of `embeddings`.

    Returns
    -------
    Tensor of shape (B, K)
        Counterfactual semantic vectors.

    See Also
    --------
    uniform_counterfactual : Non-negative features.
    permuted_counterfactual : Shuffled features.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn.counterfactual import normal_counterfactual
    >>> embeddings = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    >>> normal_counterfactual(embeddings, 5).count_nonzero(dim=0)  # no length, no variance
    tensor([5, 0])
    """
    if lengths is None:
        lengths = torch.linalg.vector_norm(embeddings, dim=1)
    noise = torch.randn(
        n_images,
        len(embeddings),
        generator=generator,
        device=lengths.device,
        dtype=lengths.dtype,
    )
    return (scale / math.sqrt(embeddings.shape[1])) * lengths * noise


def uniform_counterfactual(
    embeddings: Tensor,
    n_images: int,
    *,
    scale: float = 1.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Embed features with independent entries uniform on :math:`[0, scale \sqrt{3/D}]`.

    Non-negative, as the features after a rectifier are. This draws B x K x D numbers, a few images
    at a time: the embedding has no closed form.

    Parameters
    ----------
    embeddings : Tensor of shape (K, D)
        Attribute embeddings ``E = A W_sv``.
    n_images : int
        B, the number of images.
    scale : float, default=1.0
        Root mean square length of the random features.
    generator : torch.Generator, default=None
        Source of randomness, on the device of the other arguments.

    Returns
    -------
    Tensor of shape (B, K)
        Counterfactual semantic vectors.

    See Also
    --------
    normal_counterfactual : Normal features, without drawing them.
    permuted_counterfactual : Shuffled features.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn.counterfactual import uniform_counterfactual
    >>> bool((uniform_counterfactual(torch.ones(2, 3), 5) >= 0).all())
    True
    """
    n_attributes, n_features = embeddings.shape
    high = scale * math.sqrt(3.0 / n_features)
    step = max(1, _CHUNK // (n_attributes * n_features))
    parts = []
    for start in range(0, n_images, step):
        features = torch.rand(
            min(step, n_images - start),
            n_attributes,
            n_features,
            generator=generator,
            device=embeddings.device,
            dtype=embeddings.dtype,
        )
        parts.append(semantic_embedding(features, embeddings) * high)
    return torch.cat(parts)


def permuted_counterfactual(
    regions: Tensor,
    queries: Tensor,
    embeddings: Tensor,
    padding: Tensor | None = None,
    *,
    permutations: tuple[Tensor, Tensor, Tensor] | None = None,
    generator: torch.Generator | None = None,
    n_images: int | None = None,
    gather: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    r"""Embed F_A with its image, attribute and feature axes each shuffled by one permutation.

    ``F_A[b', k', d']`` with ``b', k', d'`` the permuted indices, gradients flowing through the
    attention as well: the form of the authors' released code. Shuffling features is unshuffling
    embeddings, so F_A is not built here either.

    Parameters
    ----------
    regions : Tensor of shape (B, R, D)
        Region features F, each region of unit length.
    queries, embeddings : Tensor of shape (K, D)
        ``Q = A W_q`` and ``E = A W_sv``.
    padding : Tensor of shape (B, R), bool, default=None
        Marks regions that get no attention, never all of an image.
    permutations : tuple of three index Tensors of shapes (B,), (K,), (D,), default=None
        Given permutations; drawn from `generator` when ``None``.
    generator : torch.Generator, default=None
        Source of randomness, on the device of the other arguments.
    n_images : int, default=None
        B, where `regions` are a share of the images; ``None`` if they are all.
    gather : callable, default=None
        Turns rows (b, K) of the share into rows (B, K) of all images, as in
        :class:`~zslearn.nn.CVsCNetwork`.

    Returns
    -------
    Tensor of shape (B, K)
        Counterfactual semantic vectors.

    See Also
    --------
    normal_counterfactual : Normal features, without drawing them.
    uniform_counterfactual : Non-negative features.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn.counterfactual import permuted_counterfactual
    >>> F = torch.tensor([[[2.0, 3.0]]])  # one region, so F_A is that region
    >>> Q, E = torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])
    >>> swapped = torch.tensor([0]), torch.tensor([0]), torch.tensor([1, 0])
    >>> permuted_counterfactual(F, Q, E, permutations=swapped)
    tensor([[3.]])
    """
    if permutations is None:
        permutations = (
            _permutation(n_images or regions.shape[0], regions, generator),
            _permutation(queries.shape[0], regions, generator),
            _permutation(queries.shape[1], regions, generator),
        )
    images, attributes, features = permutations
    unshuffled = torch.empty_like(features)
    unshuffled[features] = torch.arange(len(features), device=features.device)
    semantics = semantic_attention(regions, queries[attributes], embeddings[:, unshuffled], padding)
    return (semantics if gather is None else gather(semantics))[images]


def _permutation(n: int, like: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.randperm(n, generator=generator, device=like.device)
