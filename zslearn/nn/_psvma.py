"""The head of PSVMA: attributes and regions adapt to each other, at two depths of a backbone."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from zslearn.nn._mutual_adaption import MutualAdaption

__all__ = ["PSVMAHead", "PSVMAOutput"]

_LENGTH = 1e-5


class PSVMAOutput(NamedTuple):
    """What the head makes of a batch.

    Attributes
    ----------
    semantics : Tensor of shape (B, K)
        Semantic vectors s.
    products : Tensor of shape (4, B, K, R)
        Products of attributes and regions, cut at zero: two passes at two depths.
    """

    semantics: Tensor
    products: Tensor


class PSVMAHead(nn.Module):
    r"""Mutual adaption before and after the last block of a backbone [1]_.

    .. math::

        P_0 = A W, \quad X_1 = adapt(X, P_0), \quad X_2 = adapt(block(X_1), P_0), \quad
        s = \frac{1}{R} \sum_r X_{2,r} V, \quad z_c = \sigma \cos(s, t_c)

    One module `adapt` is used at both depths.

    Parameters
    ----------
    attribute_vectors : Tensor of shape (K, V)
        Word vectors A of the attributes, as they are.
    n_features : int
        D, the width of a region.
    n_regions : int
        R, the number of regions.
    n_groups : int
        Width of the gate's squeeze; the authors' number of attributes to a group.
    mix_dim : int, default=512
        Width of the layers that mix regions.
    scale : float, default=25.0
        Of the cosines.
    train_scale : bool, default=False
        Whether the scale is learned; the authors then start from 20.
    train_attribute_vectors : bool, default=False
        Whether A is learned.

    Attributes
    ----------
    attribute_vectors : Tensor of shape (K, V)
        A, a parameter if it is learned.
    prototype_weight : Parameter of shape (V, D)
        W.
    semantic_weight : Parameter of shape (D, K)
        V of the equation.
    scale : Tensor of shape ()
        Of the cosines, a parameter if it is learned.
    adapt : MutualAdaption
        The module of both depths.

    See Also
    --------
    MutualAdaption : One depth.
    zslearn.nn.losses.DebiasingLoss : One of the losses.

    References
    ----------
    .. [1] M. Liu et al., "Progressive semantic-visual mutual adaption for generalized zero-shot
       learning", CVPR 2023.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import PSVMAHead
    >>> head = PSVMAHead(torch.randn(4, 6), 8, n_regions=9, n_groups=2, mix_dim=6)
    >>> head(torch.randn(2, 9, 8), torch.tanh).semantics.shape
    torch.Size([2, 4])
    """

    attribute_vectors: Tensor
    scale: Tensor

    def __init__(
        self,
        attribute_vectors: Tensor,
        n_features: int,
        n_regions: int,
        n_groups: int,
        *,
        mix_dim: int = 512,
        scale: float = 25.0,
        train_scale: bool = False,
        train_attribute_vectors: bool = False,
    ) -> None:
        super().__init__()
        n_attributes, width = attribute_vectors.shape
        vectors = attribute_vectors.detach().to(torch.get_default_dtype(), copy=True)
        self._hold("attribute_vectors", vectors, train_attribute_vectors)
        self._hold("scale", torch.tensor(float(scale)), train_scale)
        self.prototype_weight = nn.Parameter(torch.empty(width, n_features))
        self.semantic_weight = nn.Parameter(torch.empty(n_features, n_attributes))
        for weight in (self.prototype_weight, self.semantic_weight):
            nn.init.trunc_normal_(weight, std=0.01, a=-0.02, b=0.02)
        self.adapt = MutualAdaption(n_attributes, n_features, n_regions, n_groups, mix_dim=mix_dim)

    def _hold(self, name: str, value: Tensor, learned: bool) -> None:
        if learned:
            self.register_parameter(name, nn.Parameter(value))
        else:
            self.register_buffer(name, value)

    def forward(self, regions: Tensor, last_block: Callable[[Tensor], Tensor]) -> PSVMAOutput:
        """Compute semantic vectors, and what the losses need beside them.

        Parameters
        ----------
        regions : Tensor of shape (B, R, D)
            Regions before the backbone's last block.
        last_block : callable
            What the backbone makes of adapted regions (B, R, D): the authors put the learned class
            token before them, add the table of positions once more, and drop the class token
            after the block; the backbone's last norm is never applied.

        Returns
        -------
        PSVMAOutput
            Semantic vectors and products.
        """
        prototypes = self.attribute_vectors @ self.prototype_weight
        queries = self.adapt.encoder.queries(prototypes)
        regions, first = self.adapt(regions, prototypes, queries)
        regions, second = self.adapt(last_block(regions), prototypes, queries)
        semantics = regions.mean(dim=1) @ self.semantic_weight
        return PSVMAOutput(semantics, torch.cat([first, second]))

    def class_scores(self, semantics: Tensor, table: Tensor) -> Tensor:
        """Compute class scores, scaled cosines.

        Parameters
        ----------
        semantics : Tensor of shape (B, K)
            Semantic vectors s.
        table : Tensor of shape (C, K)
            Descriptions of classes, of any length.

        Returns
        -------
        Tensor of shape (B, C)
            Scores z.
        """
        described = self.directions(table.to(semantics.dtype))
        return self.scale * self.directions(semantics) @ described.T

    def directions(self, rows: Tensor) -> Tensor:
        """Compute what the scores are products of, as the authors bring rows to unit length.

        Parameters
        ----------
        rows : Tensor of shape (n, K)
            Semantic vectors or descriptions.

        Returns
        -------
        Tensor of shape (n, K)
            Each row over its length and 1e-5.
        """
        return rows / (rows.norm(dim=1, keepdim=True) + _LENGTH)
