"""The networks of CE-GZSL beside generator and critic: an embedding and a comparator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import leaky_relu, normalize, relu

__all__ = ["ClassComparator", "ContrastiveEmbedding"]

# Numbers that a piece of the comparison holds: within a processor's caches, or worth a launch.
_PIECE = {"cpu": 1 << 20, "cuda": 1 << 27}


class ContrastiveEmbedding(nn.Module):
    r"""An embedding in which classes meet, and a projection in which rows are contrasted [1]_.

    .. math::

        h = \max(0, W_1 x + b_1), \qquad z = \frac{W_2 h + b_2}{\|W_2 h + b_2\|}

    Parameters
    ----------
    n_features : int
        D, the width of a feature vector.
    embedding_dim : int, default=2048
        M, the width of h, in which the final classifier works.
    projection_dim : int, default=512
        P, the width of z, which only training needs.

    See Also
    --------
    ClassComparator : Compares h with the descriptions of classes.
    SupervisedContrastiveLoss : Contrasts rows of z.

    References
    ----------
    .. [1] Z. Han, Z. Fu, S. Chen, J. Yang, "Contrastive embedding for generalized zero-shot
       learning", CVPR 2021.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import ContrastiveEmbedding
    >>> embedding = ContrastiveEmbedding(n_features=8, embedding_dim=6, projection_dim=4)
    >>> h, z = embedding(torch.rand(2, 8))
    >>> h.shape, z.shape
    (torch.Size([2, 6]), torch.Size([2, 4]))
    """

    def __init__(
        self, n_features: int, embedding_dim: int = 2048, projection_dim: int = 512
    ) -> None:
        super().__init__()
        self.embedding = nn.Linear(n_features, embedding_dim)
        self.projection = nn.Linear(embedding_dim, projection_dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Embed and project.

        Parameters
        ----------
        x : Tensor of shape (B, D)
            Features.

        Returns
        -------
        h : Tensor of shape (B, M)
            Embeddings, at least 0.
        z : Tensor of shape (B, P)
            Projections of unit length.
        """
        h = self.embed(x)
        return h, normalize(self.projection(h), dim=1)

    def embed(self, x: Tensor) -> Tensor:
        """Embed alone, as for classification.

        Parameters
        ----------
        x : Tensor of shape (B, D)
            Features.

        Returns
        -------
        Tensor of shape (B, M)
            Embeddings, at least 0.
        """
        return relu(self.embedding(x))


class ClassComparator(nn.Module):
    r"""How well embeddings fit descriptions, each with each [1]_.

    .. math::

        q_{ic} = w^\top \phi\bigl(W [h_i; T_c] + b\bigr) + b',
        \qquad W [h_i; T_c] + b = W_h h_i + (W_a T_c + b)

    The right-hand form needs B + S products rather than B S. What lies between, of shape
    (B, S, H), is made in pieces, forwards and backwards, and never stands in memory whole.

    Parameters
    ----------
    embedding_dim : int
        M, the width of an embedding.
    n_attributes : int
        K, the width of a description.
    hidden_dim : int, default=2048
        H, the width of the layer between.

    See Also
    --------
    ContrastiveEmbedding : What makes h.

    Notes
    -----
    Gradients with respect to h, the table and all weights are exact; there is no second
    derivative.

    References
    ----------
    .. [1] Z. Han, Z. Fu, S. Chen, J. Yang, "Contrastive embedding for generalized zero-shot
       learning", CVPR 2021.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import ClassComparator
    >>> ClassComparator(6, n_attributes=5, hidden_dim=7)(torch.rand(2, 6), torch.rand(4, 5)).shape
    torch.Size([2, 4])
    """

    def __init__(self, embedding_dim: int, n_attributes: int, hidden_dim: int = 2048) -> None:
        super().__init__()
        self.joint = nn.Linear(embedding_dim + n_attributes, hidden_dim)
        self.output = nn.Linear(hidden_dim, 1)

    def forward(self, h: Tensor, table: Tensor) -> Tensor:
        """Compare each embedding with each description.

        Parameters
        ----------
        h : Tensor of shape (B, M)
            Embeddings.
        table : Tensor of shape (S, K)
            Descriptions.

        Returns
        -------
        Tensor of shape (B, S)
            Scores, without temperature.
        """
        of_h, of_class = self.joint.weight.split([h.shape[1], table.shape[1]], dim=1)
        u = nn.functional.linear(h, of_h)
        v = nn.functional.linear(table, of_class, self.joint.bias)
        # Sums of many terms: kept in the precision of the weights, also under autocast.
        weight = self.output.weight[0]
        scores: Tensor = _PairScores.apply(u.to(weight.dtype), v.to(weight.dtype), weight)
        return scores + self.output.bias


class _PairScores(torch.autograd.Function):
    """Products (B, S) of w with the leaky rectifier of u_i + v_c, for u (B, H) and v (S, H)."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, v: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(u, v, w)
        with torch.autocast(u.device.type, enabled=False):
            return torch.cat([leaky_relu(pairs, 0.2, inplace=True) @ w for pairs in _pieces(u, v)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        u, v, w = ctx.saved_tensors
        # The rectifier's slopes are .2, and .8 more above zero: sums over those above make it all.
        parts, of_v, done = [], torch.zeros_like(v), 0
        for pairs in _pieces(u, v):
            above, part = pairs.gt_(0), grad[done : done + len(pairs)]
            done += len(part)
            parts.append((part[:, None] @ above)[:, 0])
            of_v += (part.T[:, None] @ above.transpose(0, 1))[:, 0]
        of_u = 0.8 * torch.cat(parts) + 0.2 * grad.sum(dim=1, keepdim=True)
        of_v = 0.8 * of_v + 0.2 * grad.sum(dim=0)[:, None]
        # The rectified value is slope times sum, so that w's gradient needs no third pass.
        return of_u * w, of_v * w, (of_u * u).sum(dim=0) + (of_v * v).sum(dim=0)


def _pieces(u: Tensor, v: Tensor) -> Iterator[Tensor]:
    """Make sums u_i + v_c of a few rows at a time."""
    rows = max(1, _PIECE.get(u.device.type, 1 << 22) // v.numel())
    return (part[:, None] + v for part in u.split(rows))
