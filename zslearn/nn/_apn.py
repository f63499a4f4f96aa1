"""The network of APN: a global head, and prototypes that are compared with every region."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from zslearn.nn._normalize import ACCUMULATE

__all__ = ["APNNetwork", "PrototypeOutput"]

PredictFrom = Literal["global", "prototypes", "both"]


class PrototypeOutput(NamedTuple):
    """What the losses of APN and HAS need of a batch.

    Attributes
    ----------
    semantics : Tensor of shape (B, K)
        Attributes by the global head.
    local_semantics : Tensor of shape (B, K)
        Attributes by the region that is most like each prototype.
    similarity : Tensor of shape (B, K, R)
        Products of prototypes and regions; minus infinity on padding.
    peaks : Tensor of shape (B, K), int64
        The region that is most like each prototype.
    """

    semantics: Tensor
    local_semantics: Tensor
    similarity: Tensor
    peaks: Tensor


class APNNetwork(nn.Module):
    r"""Attributes read off the whole picture, and off the regions most like their prototypes [1]_.

    .. math::

        v_k = \operatorname{pool}_r(X_r \cdot W_k), \quad
        M_{kr} = X_r \cdot P_k, \quad a_k = \max_r M_{kr}

    The two heads meet in a backbone that is trained by both: on frozen regions neither learns
    anything from the other.

    Parameters
    ----------
    n_attributes : int
        K, the number of attributes.
    n_features : int
        D, the width of a region feature.
    pooling : {"mean", "max"}, default="mean"
        Of the global head. The released code takes "max" on CUB, the mean elsewhere.
    predict_from : {"global", "prototypes", "both"}, default="global"
        What attributes are predicted by: v as released, a, or the mean of both.

    Attributes
    ----------
    global_weight, prototypes : Parameter of shape (K, D)
        W and P; both start from a uniform distribution between 0 and 0.0002.

    See Also
    --------
    zslearn.APNClassifier : The network behind the scikit-learn API.
    zslearn.nn.losses.APNLoss : Its loss.

    References
    ----------
    .. [1] W. Xu, Y. Xian, J. Wang, B. Schiele, Z. Akata, "Attribute prototype network for
       zero-shot learning", NeurIPS 2020.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import APNNetwork
    >>> network = APNNetwork(n_attributes=4, n_features=8)
    >>> network(torch.randn(2, 9, 8)).shape
    torch.Size([2, 4])
    """

    def __init__(
        self,
        n_attributes: int,
        n_features: int,
        *,
        pooling: Literal["mean", "max"] = "mean",
        predict_from: PredictFrom = "global",
    ) -> None:
        super().__init__()
        self.pooling, self.predict_from = pooling, predict_from
        self.global_weight = nn.Parameter(torch.empty(n_attributes, n_features).uniform_(0, 2e-4))
        self.prototypes = nn.Parameter(torch.empty(n_attributes, n_features).uniform_(0, 2e-4))

    def pooled(self, regions: Tensor, padding: Tensor | None = None) -> Tensor:
        """Compute the mean of the regions.

        Parameters
        ----------
        regions : Tensor of shape (B, R, D)
            Region features as the backbone gives them.
        padding : Tensor of shape (B, R), bool, default=None
            Marks regions of zeros, which are left out.

        Returns
        -------
        Tensor of shape (B, D)
            In float32 where regions have half precision.
        """
        total = regions.sum(dim=1, dtype=ACCUMULATE.get(regions.dtype, regions.dtype))
        if padding is None:
            return total / regions.shape[1]
        return total / (~padding).sum(dim=1, keepdim=True)

    def similarity_maps(
        self, regions: Tensor, attributes: Tensor | None = None, padding: Tensor | None = None
    ) -> Tensor:
        """Compute similarities M of regions to prototypes.

        Parameters
        ----------
        regions : Tensor of shape (B, R, D)
            Region features as the backbone gives them.
        attributes : Tensor of shape (k,), int64, default=None
            Index of the attributes to keep; ``None`` keeps all.
        padding : Tensor of shape (B, R), bool, default=None
            Marks regions of zeros.

        Returns
        -------
        Tensor of shape (B, k, R)
            Of any sign; minus infinity on padding.
        """
        prototypes = self.prototypes if attributes is None else self.prototypes[attributes]
        return _products(regions, prototypes, padding).transpose(1, 2)

    def attention_maps(
        self, regions: Tensor, attributes: Tensor | None = None, padding: Tensor | None = None
    ) -> Tensor:
        """Compute the softmax over regions of the similarities M.

        Parameters
        ----------
        regions : Tensor of shape (B, R, D)
            Region features as the backbone gives them.
        attributes : Tensor of shape (k,), int64, default=None
            Index of the attributes to keep; ``None`` keeps all.
        padding : Tensor of shape (B, R), bool, default=None
            Marks regions of zeros.

        Returns
        -------
        Tensor of shape (B, k, R)
            Non-negative, each map summing to one over the regions; exactly 0 on padding.
        """
        return self.similarity_maps(regions, attributes, padding).softmax(dim=2)

    def heads(self, regions: Tensor, padding: Tensor | None = None) -> PrototypeOutput:
        """Compute what both heads say: for the losses.

        Parameters
        ----------
        regions : Tensor of shape (B, R, D)
            Region features as the backbone gives them; their dtype is the precision of products.
        padding : Tensor of shape (B, R), bool, default=None
            Marks regions of zeros.

        Returns
        -------
        PrototypeOutput
            Attributes by both heads, similarities and their peaks.
        """
        products = _products(regions, self.prototypes, padding)
        local, peaks = products.max(dim=1)
        semantics = self._global_semantics(regions, padding)
        return PrototypeOutput(semantics, local, products.transpose(1, 2), peaks)

    def forward(self, regions: Tensor, padding: Tensor | None = None) -> Tensor:
        """Compute the attributes that predictions are made from.

        Parameters
        ----------
        regions : Tensor of shape (B, R, D)
            Region features as the backbone gives them; their dtype is the precision of products.
        padding : Tensor of shape (B, R), bool, default=None
            Marks regions of zeros, never all of an image; :func:`find_padding
            <zslearn.nn.functional.find_padding>` finds them. ``None`` leaves none out.

        Returns
        -------
        Tensor of shape (B, K)
            Attribute scores.
        """
        if self.predict_from == "global":
            return self._global_semantics(regions, padding)
        local = _products(regions, self.prototypes, padding).amax(dim=1)
        if self.predict_from == "prototypes":
            return local
        return (self._global_semantics(regions, padding) + local) / 2

    def _global_semantics(self, regions: Tensor, padding: Tensor | None) -> Tensor:
        if self.pooling == "max":
            return _products(regions, self.global_weight, padding).amax(dim=1)
        pooled = self.pooled(regions, padding)
        return pooled @ self.global_weight.to(pooled.dtype).T


def _products(regions: Tensor, weights: Tensor, padding: Tensor | None) -> Tensor:
    """Products (B, R, k) of regions and vectors (k, D); minus infinity on padding."""
    products = regions @ weights.to(regions.dtype).T
    products = products.to(ACCUMULATE.get(products.dtype, products.dtype))
    return products if padding is None else products.masked_fill(padding[..., None], -torch.inf)
