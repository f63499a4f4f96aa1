"""What networks share whose attributes, known by trained word vectors, attend to regions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zslearn.nn import functional as zf

__all__ = ["AttributeAttention"]


class AttributeAttention(nn.Module):
    """Attribute vectors A, and the maps of their attention by ``query_weight``."""

    query_weight: nn.Parameter

    def __init__(
        self, n_attributes: int, vectors: Tensor | None, dim: int, *, normalize: bool
    ) -> None:
        super().__init__()
        if vectors is None:
            vectors = torch.zeros(n_attributes, dim)
        vectors = vectors.detach().to(torch.get_default_dtype(), copy=True)
        directionless = ~vectors.any(dim=1)
        vectors[directionless] = torch.randn_like(vectors)[directionless]
        self.normalize = normalize
        self.attribute_vectors = nn.Parameter(zf.normalize_rows(vectors))

    def vectors(self) -> Tensor:
        """Compute A as it is used.

        Returns
        -------
        Tensor of shape (K, V)
            The attribute vectors.
        """
        vectors = self.attribute_vectors
        return zf.normalize_rows(vectors) if self.normalize else vectors

    def attention_maps(
        self, regions: Tensor, attributes: Tensor | None = None, padding: Tensor | None = None
    ) -> Tensor:
        """Compute attention maps M.

        Parameters
        ----------
        regions : Tensor of shape (B, R, D)
            Region features of unit length.
        attributes : Tensor of shape (k,), int64, default=None
            Index of the attributes to keep; ``None`` keeps all.
        padding : Tensor of shape (B, R), bool, default=None
            Marks regions that get no attention, as in :meth:`forward`.

        Returns
        -------
        Tensor of shape (B, k, R)
            Non-negative, each map summing to one over the regions; exactly 0 on padding.
        """
        vectors = self.vectors()
        vectors = vectors if attributes is None else vectors[attributes]
        return zf.attention_maps(regions, vectors @ self.query_weight, padding)
