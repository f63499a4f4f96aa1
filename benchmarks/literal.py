"""The equations of CVsC as they are printed, in float32: what a first implementation does.

The attribute-related features F_A (B, K, D) and their random counterfactuals are built, regions are
held and gathered in float32 and normalised at every step. It is there to be compared with, for
speed and for equality.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

EPSILON = 1e-5


class LiteralCVsC:
    """Network, objective and Adam, with the parameters of a ``zslearn.nn.CVsCNetwork``.

    Parameters
    ----------
    vectors : Tensor of shape (K, V)
        A, the attribute vectors.
    query_weight, embedding_weight : Tensor of shape (V, D)
        W_q and W_sv.
    table : Tensor of shape (C, K)
        T; compared with as it is, and with its rows of unit length in the logits.
    unseen : Tensor of shape (C,), bool
    learning_rate : float, default=3e-3
    """

    def __init__(
        self,
        vectors: Tensor,
        query_weight: Tensor,
        embedding_weight: Tensor,
        table: Tensor,
        unseen: Tensor,
        learning_rate: float = 3e-3,
    ) -> None:
        self.parameters = [
            p.detach().clone().requires_grad_() for p in (vectors, query_weight, embedding_weight)
        ]
        self.table, self.unseen = table, unseen
        self.optimizer = torch.optim.Adam(self.parameters, lr=learning_rate, betas=(0.5, 0.999))

    def attribute_features(self, regions: Tensor) -> Tensor:
        """F_A, Eq. 2, of regions (B, R, D) of unit length."""
        vectors, query_weight, _ = self.parameters
        queries = normalize(vectors, dim=1) @ query_weight
        maps = torch.softmax(torch.einsum("kd,brd->bkr", queries, regions), dim=2)
        return torch.einsum("bkr,brd->bkd", maps, regions)

    def semantics(self, features: Tensor) -> Tensor:
        """Semantic vectors, Eq. 3, of attribute-related features (B, K, D)."""
        vectors, _, embedding_weight = self.parameters
        embeddings = normalize(vectors, dim=1) @ embedding_weight
        return torch.einsum("bkd,kd->bk", features, embeddings)

    def logits(self, semantics: Tensor) -> Tensor:
        """Class logits, Eq. 4."""
        return semantics @ normalize(self.table, dim=1).T

    def loss(self, regions: Tensor, y: Tensor, other: Tensor | None = None) -> Tensor:
        """Eq. 12 with the default weights; `other` are counterfactual features (B, K, D)."""
        features = self.attribute_features(regions)
        if other is None:
            other = torch.randn_like(features) / features.shape[-1] ** 0.5
        s, s_other = self.semantics(features), self.semantics(other)
        z, z_other = self.logits(s), self.logits(s_other)
        target = self.table[y]
        joint = _standardize(torch.cat([s, s_other]))
        s_std, s_other_std = joint.chunk(2)
        t_std = _standardize(target)
        above, below = (s_std - t_std).clamp_min(0), (t_std - s_std).clamp_min(0)
        correlation = above.square().sum() / ((above > 0).sum() + 1)
        correlation = correlation + 0.5 * below.square().sum() / ((below > 0).sum() + 1)
        correlation = correlation + (target.flatten().var() - s.flatten().var()).abs()
        calibration = -torch.log(torch.softmax(z, dim=1)[:, self.unseen].sum(1).mean())
        intervention = (t_std - (s_std - s_other_std)).abs().mean()
        return (
            3.0 * cross_entropy(z, y)
            + 0.4 * calibration
            + 0.5 * correlation
            + 2.0 * intervention
            + 2.0 * cross_entropy(z - z_other, y)
        )

    def step(self, X: Tensor, y: Tensor, rows: Tensor) -> float:
        """One step of Adam on some rows of float32 regions (n, R, D) that are not normalised."""
        self.optimizer.zero_grad()
        loss = self.loss(normalize(X[rows], dim=2), y[rows])
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def predict(self, X: Tensor, batch_size: int) -> Tensor:
        """Class logits of float32 regions (n, R, D), a batch at a time."""
        with torch.no_grad():
            parts = [
                self.logits(self.semantics(self.attribute_features(normalize(batch, dim=2))))
                for batch in X.split(batch_size)
            ]
        return torch.cat(parts)


def _standardize(x: Tensor) -> Tensor:
    return (x - x.mean(0)) / torch.sqrt(x.var(0, correction=0) + EPSILON)
