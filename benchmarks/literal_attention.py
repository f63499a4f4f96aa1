"""DAZLE and MSDN as they are written down, in float32: what a first implementation does.

The features that attributes attend to are built, (B, K, D), and regions are held and gathered in
float32 and normalised at every step. Nothing is computed that no loss needs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

__all__ = ["LiteralDAZLE", "LiteralMSDN", "LiteralMethod"]


class LiteralMethod:
    """Parameters, and steps of a torch optimiser; subclasses have the ``loss``.

    Parameters
    ----------
    learner : Learner
        The learner of zslearn, whose parameters are copied by their names in its network.
    """

    def __init__(self, learner: Any) -> None:
        named = learner.network.named_parameters()
        self.weights = {name: one.detach().clone().requires_grad_() for name, one in named}
        self.learner = learner
        self.table, self.unseen = normalize(learner.class_attributes, dim=1), learner.unseen

    def loss(self, regions: Tensor, y: Tensor) -> Tensor:
        """Objective of regions (B, R, D) of unit length."""
        raise NotImplementedError

    def optimize_by(self, kind: type[torch.optim.Optimizer], **options: Any) -> None:
        """Choose the optimiser of the steps."""
        self.optimizer = kind(self.weights.values(), **options)

    def step(self, X: Tensor, y: Tensor, rows: Tensor) -> float:
        """One step on some rows of float32 regions (n, R, D) that are not normalised."""
        self.optimizer.zero_grad()
        loss = self.loss(normalize(X[rows], dim=2), y[rows])
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def projected(self, name: str) -> Tensor:
        """Multiply the attribute vectors with one of the weights: (K, D)."""
        vectors = self.weights["attribute_vectors"]
        if self.learner.network.normalize:
            vectors = normalize(vectors, dim=1)
        return vectors @ self.weights[f"{name}_weight"]

    def attended(self, regions: Tensor) -> Tensor:
        """Features (B, K, D) of the regions that attributes attend to."""
        maps = torch.softmax(torch.einsum("kd,brd->bkr", self.projected("query"), regions), dim=2)
        return torch.einsum("bkr,brd->bkd", maps, regions)

    def calibrated(self, z: Tensor, y: Tensor) -> Tensor:
        """Cross entropy over all classes, and the probability kept on the unseen."""
        p = torch.softmax(z + 2.0 * self.unseen, dim=1)
        cal = -torch.log(p[:, self.unseen].sum(dim=1).mean())
        return cross_entropy(z, y) + self.learner.lambda_cal * cal


class LiteralDAZLE(LiteralMethod):
    """Scores and gates of attended features."""

    def loss(self, regions: Tensor, y: Tensor) -> Tensor:
        """Objective of regions (B, R, D) of unit length."""
        features = self.attended(regions)
        scores = torch.einsum("kd,bkd->bk", self.projected("embedding"), features)
        gates = torch.sigmoid(torch.einsum("kd,bkd->bk", self.projected("gate"), features))
        return self.calibrated((gates * scores) @ self.table.T, y)


class LiteralMSDN(LiteralMethod):
    """Two sub-nets, and their distillation."""

    def loss(self, regions: Tensor, y: Tensor) -> Tensor:
        """Objective of regions (B, R, D) of unit length."""
        s = torch.einsum("kd,bkd->bk", self.projected("embedding"), self.attended(regions))
        logits = torch.einsum("kd,brd->bkr", self.projected("visual_query"), regions)
        values = torch.einsum("kd,brd->bkr", self.projected("visual_embedding"), regions)
        z = s @ self.table.T
        other = (torch.softmax(logits, dim=1) * values).sum(dim=2) @ self.table.T
        gap = z - other
        distance = ((gap.abs() ** 3).sum(dim=1) / gap.norm(dim=1)).mean()
        p, q = (torch.softmax(x + 2.0 * self.unseen, dim=1) for x in (z, other))
        m = (p + q) / 2
        divergence = (p * (p / m).log() + q * (q / m).log()).sum(dim=1).mean() / 2
        distilled = self.learner.lambda_distill * (distance + divergence)
        return self.calibrated(z, y) + self.calibrated(other, y) + distilled
