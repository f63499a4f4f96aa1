"""TransZero as it is written down, in float32: what a first implementation does.

The geometry of the grid is embedded for every image of every step, (B, R, R, 64); keys, values and
what heads put out are built; attributes attend to each other in every image.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import dropout, layer_norm, linear, relu

from benchmarks.literal_attention import LiteralMethod

__all__ = ["LiteralTransZero"]


class LiteralTransZero(LiteralMethod):
    """Encoder and decoder of one block and one head each, in training."""

    def loss(self, regions: Tensor, y: Tensor) -> Tensor:
        """Objective of regions (B, R, D) of unit length."""
        s = self.semantics(regions)
        difference = ((s - self.table[y]) ** 2).mean()
        return self.calibrated(s @ self.table.T, y) + self.learner.lambda_reg * difference

    def semantics(self, regions: Tensor) -> Tensor:
        """Attribute scores (B, K)."""
        x = self.linear("embed_regions", regions)
        x = self.encode(x)
        vectors = self.weights["attribute_vectors"]
        attributes = self.linear("embed_attributes", vectors).expand(len(x), -1, -1)
        attributes = self.decode(attributes, x)
        return torch.einsum("bkd,kd->bk", attributes, vectors @ self.weights["output_weight"])

    def encode(self, x: Tensor) -> Tensor:
        """Regions (B, R, d) that have attended to each other; x is added twice."""
        block, p = "encoder.0.", self.learner.network.encoder[0].p
        heard = self.attend(f"{block}attention", x, x, 0.1, self.reduction(len(x)))
        first = self.norm(f"{block}norm_a", x + dropout(heard, p))
        second = self.norm(f"{block}norm_b", x + dropout(first, p))
        return self.norm(f"{block}norm_c", second + self.feed_forward(block, second, p))

    def decode(self, x: Tensor, regions: Tensor) -> Tensor:
        """Attributes (B, K, d) that have attended to each other and to regions."""
        block, p = "decoder.0.", self.learner.network.decoder[0].p
        heard = self.attend(f"{block}self_attention", x, x, p)
        x = self.norm(f"{block}norm_1", x + dropout(heard, p))
        seen = self.attend(f"{block}attention", x, regions, p)
        x = self.norm(f"{block}norm_2", x + dropout(seen, p))
        return self.norm(f"{block}norm_3", x + self.feed_forward(block, x, p))

    def attend(
        self, name: str, asking: Tensor, asked: Tensor, p: float, reduction: Tensor | None = None
    ) -> Tensor:
        """Scaled dot-product attention of one head."""
        query = self.linear_of(name, "query", asking)
        value = self.linear_of(name, "value", asked)
        key = asked @ self.weights[f"{name}.key_weight"].T  # a bias would have no effect
        logits = query @ key.transpose(1, 2) / math.sqrt(key.shape[2])
        if reduction is not None:
            logits = logits - reduction
        maps = dropout(torch.softmax(logits, dim=2), p)
        return self.linear_of(name, "out", maps @ value)

    def reduction(self, n_images: int) -> Tensor:
        """Embed all pairs of regions of all images, and score them: (B, R, R)."""
        places = self.learner.network.geometry.places
        dtype = self.weights["geometry.score.weight"].dtype
        side = math.isqrt(len(places))
        cells = torch.arange(len(places), device=places.device)
        place = torch.stack([cells // side, cells % side]).to(dtype).expand(n_images, -1, -1)
        apart = (place[..., :, None] - place[..., None, :]).abs() / (side + 1)
        ratios = torch.log(apart.clamp_min(1e-3))  # (B, 2, R, R)
        sizes = torch.zeros_like(ratios)
        waves = 100 * 1000 ** (-torch.arange(8, device=places.device, dtype=dtype) / 8)
        angles = torch.cat([ratios, sizes], dim=1).permute(0, 2, 3, 1)[..., None] * waves
        angles = angles.flatten(3)
        embedded = torch.cat([angles.sin(), angles.cos()], dim=3)
        return relu(self.linear("geometry.score", embedded)).squeeze(3)

    def feed_forward(self, block: str, x: Tensor, p: float) -> Tensor:
        """Two linear layers."""
        hidden = dropout(relu(self.linear(f"{block}feed_forward.inner", x)), p)
        return dropout(self.linear(f"{block}feed_forward.outer", hidden), p)

    def linear(self, name: str, x: Tensor) -> Tensor:
        """One linear layer."""
        return linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def linear_of(self, name: str, part: str, x: Tensor) -> Tensor:
        """One of the linear layers of an attention."""
        return linear(x, self.weights[f"{name}.{part}_weight"], self.weights[f"{name}.{part}_bias"])

    def norm(self, name: str, x: Tensor) -> Tensor:
        """Layer norm."""
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return layer_norm(x, weight.shape, weight, bias)
