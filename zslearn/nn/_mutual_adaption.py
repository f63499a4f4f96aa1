"""Mutual adaption of attributes and regions: the module of PSVMA, and its parts."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

__all__ = ["MutualAdaption"]


class SparseAttention(nn.Module):
    """One head whose products are cut at zero before the softmax over those that answer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm_q, self.norm_k, self.norm_v = (nn.LayerNorm(width) for _ in range(3))
        self.to_q, self.to_k, self.to_v, self.proj = (nn.Linear(width, width) for _ in range(4))

    def queries(self, asking: Tensor) -> Tensor:
        """Make queries (..., Q, D) of what asks."""
        queries: Tensor = self.to_q(self.norm_q(asking))
        return queries

    def answers(self, answering: Tensor) -> tuple[Tensor, Tensor]:
        """Make keys and values (B, R, D) of what answers."""
        return self.to_k(self.norm_k(answering)), self.to_v(self.norm_v(answering))

    def forward(self, queries: Tensor, answers: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Give the cut products (B, Q, R), over D ** 0.5, and what is attended to (B, Q, D)."""
        keys, values = answers
        products = (queries @ keys.mT).relu() * queries.shape[-1] ** -0.5
        return products, self.proj(products.softmax(dim=-1) @ values)


class GroupGate(nn.Module):
    """Scale attributes by one factor each, found through a squeeze to a few groups."""

    def __init__(self, n_attributes: int, n_groups: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(n_attributes, n_groups)
        self.fc2 = nn.Linear(n_groups, n_attributes)

    def forward(self, prototypes: Tensor) -> Tensor:
        """Scale prototypes (B, K, D) by factors between 1 and 2."""
        factors = torch.sigmoid(self.fc2(gelu(self.fc1(prototypes.amax(dim=2)))))
        return prototypes * (1 + factors[:, :, None])


class NormedMLP(nn.Module):
    """Layer norm and two layers."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)
        for layer in (self.fc1, self.fc2):
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        """Transform each token for itself."""
        result: Tensor = self.fc2(gelu(self.fc1(self.norm(tokens))))
        return result


class RegionMixer(nn.Module):
    """Layer norm, then three layers along the regions: one map of all of them to all."""

    def __init__(self, width: int, n_regions: int, inner: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(n_regions, inner), nn.Linear(inner, inner)
        self.fc3 = nn.Linear(inner, n_regions)

    def forward(self, regions: Tensor) -> Tensor:
        """Mix regions (B, R, D)."""
        mixed: Tensor = self.fc3(gelu(self.fc2(gelu(self.fc1(self.norm(regions).mT)))))
        return mixed.mT


class MutualAdaption(nn.Module):
    r"""Prototypes of attributes ask the regions of a picture, then regions ask the prototypes [1]_.

    With Att an attention of one head whose products are cut at zero, g a gate of attributes and
    MLPs with a layer norm:

    .. math::

        enc(q) &= g(q + o) + MLP(g(q + o)) + q + o, \quad o = Att(q, X) \\
        P_a &= P_0 + enc(P_0), \quad P_b = enc(P_a) \\
        Z &= X + Att(X, P_b), \quad Z' = Z + mix(Z), \quad X' = Z' + MLP(Z')

    Parameters
    ----------
    n_attributes : int
        K, the number of attributes.
    n_features : int
        D, the width of a region.
    n_regions : int
        R, the number of regions, which the mixing layers are made for.
    n_groups : int
        Width of the gate's squeeze.
    mix_dim : int, default=512
        Width of the mixing layers.

    See Also
    --------
    PSVMAHead : Uses one such module twice.

    References
    ----------
    .. [1] M. Liu et al., "Progressive semantic-visual mutual adaption for generalized zero-shot
       learning", CVPR 2023.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import MutualAdaption
    >>> module = MutualAdaption(n_attributes=4, n_features=8, n_regions=9, n_groups=2, mix_dim=6)
    >>> regions, products = module(torch.randn(2, 9, 8), torch.randn(4, 8))
    >>> regions.shape, products.shape
    (torch.Size([2, 9, 8]), torch.Size([2, 2, 4, 9]))
    """

    def __init__(
        self,
        n_attributes: int,
        n_features: int,
        n_regions: int,
        n_groups: int,
        *,
        mix_dim: int = 512,
    ) -> None:
        super().__init__()
        self.encoder = SparseAttention(n_features)
        self.decoder = SparseAttention(n_features)
        self.gate = GroupGate(n_attributes, n_groups)
        self.encoder_mlp = NormedMLP(n_features, n_features)
        self.mixer = RegionMixer(n_features, n_regions, mix_dim)
        self.region_mlp = NormedMLP(n_features, 4 * n_features)

    def forward(
        self, regions: Tensor, prototypes: Tensor, queries: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Adapt both to each other.

        Parameters
        ----------
        regions : Tensor of shape (B, R, D)
            Regions X.
        prototypes : Tensor of shape (K, D)
            Prototypes P_0 of the attributes, the same for all pictures.
        queries : Tensor of shape (K, D), default=None
            ``encoder.queries(prototypes)``, if they are known: they do not depend on pictures.

        Returns
        -------
        regions : Tensor of shape (B, R, D)
            Adapted regions X'.
        products : Tensor of shape (2, B, K, R)
            Products of attributes and regions cut at zero, over the root of D, in both passes.
        """
        queries = self.encoder.queries(prototypes) if queries is None else queries
        answers = self.encoder.answers(regions)
        products_a, encoded = self._encode(prototypes, queries, answers)
        adapted = prototypes + encoded
        products_b, adapted = self._encode(adapted, self.encoder.queries(adapted), answers)
        _, attended = self.decoder(self.decoder.queries(regions), self.decoder.answers(adapted))
        regions = regions + attended
        regions = regions + self.mixer(regions)
        return regions + self.region_mlp(regions), torch.stack([products_a, products_b])

    def _encode(
        self, prototypes: Tensor, queries: Tensor, answers: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Products with the regions and prototypes that have asked them once."""
        products, attended = self.encoder(queries, answers)
        asked = prototypes + attended
        gated = self.gate(asked)
        return products, gated + self.encoder_mlp(gated) + asked
