"""The head of ViT-ZSL: a linear map of a backbone's class token to attributes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["ViTZSLHead"]


class ViTZSLHead(nn.Module):
    r"""Attributes as a linear map of one vector a picture [1]_.

    .. math:: s = W x, \quad z_c = s \cdot t_c

    Trained by nothing but the cross entropy of z over the seen classes, together with the backbone
    that makes x: its class token after the last norm, or a pooled map.

    Parameters
    ----------
    n_attributes : int
        K, the number of attributes.
    n_features : int
        D, the width of x.

    Attributes
    ----------
    attributes : torch.nn.Linear
        W of shape (K, D), without a bias.

    See Also
    --------
    IEAMHead : The same beside a second task.
    zslearn.nn.losses.SeenCrossEntropyLoss : The loss.

    References
    ----------
    .. [1] F. Alamri, A. Dutta, "Multi-head self-attention via vision transformer for zero-shot
       learning", IMVIP 2021.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import ViTZSLHead
    >>> head = ViTZSLHead(n_attributes=4, n_features=8)
    >>> head.class_scores(head(torch.randn(2, 8)), torch.eye(4)[:3]).shape
    torch.Size([2, 3])
    """

    def __init__(self, n_attributes: int, n_features: int) -> None:
        super().__init__()
        self.attributes = nn.Linear(n_features, n_attributes, bias=False)

    def forward(self, vectors: Tensor) -> Tensor:
        """Compute semantic vectors.

        Parameters
        ----------
        vectors : Tensor of shape (B, D)
            One vector x a picture.

        Returns
        -------
        Tensor of shape (B, K)
            Semantic vectors s.
        """
        semantics: Tensor = self.attributes(vectors)
        return semantics

    def class_scores(self, semantics: Tensor, table: Tensor) -> Tensor:
        """Compute class scores.

        Parameters
        ----------
        semantics : Tensor of shape (B, K)
            Semantic vectors s.
        table : Tensor of shape (C, K)
            Descriptions t of classes, as they are: the authors' have rows of unit length.

        Returns
        -------
        Tensor of shape (B, C)
            Scores z.
        """
        return semantics @ table.to(semantics.dtype).T

    def merged(self, table: Tensor) -> Tensor:
        """Compute the one map from vectors to class scores, for prediction.

        Parameters
        ----------
        table : Tensor of shape (C, K)
            Descriptions of classes.

        Returns
        -------
        Tensor of shape (C, D)
            T W: its product with x is z.
        """
        return torch.matmul(table.to(self.attributes.weight.dtype), self.attributes.weight)
