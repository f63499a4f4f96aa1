"""Layers of TransZero: attention whose matrices are multiplied with each other first."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from zslearn.nn._dropout import dropout, relu_dropout

__all__ = ["Attention", "DecoderLayer", "EncoderLayer", "decoder_layers", "precision_of"]


class Attention(nn.Module):
    """Attention of some vectors to others.

    Of each head, ``q k^T = x (W_q^T W_k) y^T`` and ``(P v) o = P (y (W_o W_v)^T)``: keys and what
    heads put out are never built, and the products in parentheses are made once a step where this
    is less work. A bias of the keys would be the same for all that a softmax compares, so there is
    none.

    Parameters
    ----------
    dim : int
        d, the width of all vectors.
    n_heads : int
        H, which divides d.
    inner, outer : float
        Bounds of the uniform start of queries, keys and values, and of the output.
    """

    query_weight: nn.Parameter
    key_weight: nn.Parameter
    value_weight: nn.Parameter
    out_weight: nn.Parameter
    query_bias: nn.Parameter
    value_bias: nn.Parameter
    out_bias: nn.Parameter

    def __init__(self, dim: int, n_heads: int, inner: float, outer: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        for name, bound in {"query": inner, "key": inner, "value": inner, "out": outer}.items():
            weight = nn.init.uniform_(torch.empty(dim, dim), -bound, bound)
            self.register_parameter(f"{name}_weight", nn.Parameter(weight))
        for name in ("query", "value", "out"):
            self.register_parameter(f"{name}_bias", nn.Parameter(torch.zeros(dim)))

    def maps(
        self,
        asking: Tensor,
        asked: Tensor,
        padding: Tensor | None = None,
        reduction: Tensor | None = None,
    ) -> Tensor:
        """Compute attention (..., K H, R) of vectors (..., K, d) to others (..., R, d).

        Those marked by `padding` (B, R) get none; logits are less by `reduction` (R, R).
        """
        heads = (self.n_heads, -1)
        keys = self.key_weight.unflatten(0, heads) / math.sqrt(len(self.key_weight) // heads[0])
        queries = self.query_weight.unflatten(0, heads), self.query_bias.view(heads)
        questions = _through(asking, *queries, keys).flatten(-3, -2)
        if reduction is None:
            logits = questions @ asked.mT
        else:
            logits = torch.baddbmm(-reduction, questions, asked.mT)
        if padding is not None:
            logits = logits.masked_fill(padding.unsqueeze(1), -torch.inf)
        return torch.softmax(logits, dim=-1)

    def answers(self, maps: Tensor, asked: Tensor) -> Tensor:
        """Compute what vectors (..., R, d) answer to those that attend to them, (..., K, d)."""
        heads = (self.n_heads, -1)
        outs = self.out_weight.T.unflatten(0, heads)
        values = self.value_weight.unflatten(0, heads), self.value_bias.view(heads)
        heard = _through(asked, *values, outs).transpose(-3, -2).flatten(-3, -2)
        maps = maps.unflatten(-2, (-1, self.n_heads)).flatten(-2)
        if heard.ndim == 3:
            return torch.baddbmm(self.out_bias, maps, heard)
        return linear(maps, heard.mT, self.out_bias)


def _through(x: Tensor, weight: Tensor, bias: Tensor, following: Tensor) -> Tensor:
    """Compute (x W^T + b) V of each head, (..., H, e), in the order that multiplies less.

    W and V have shape (H, d / H, d), b has (H, d / H).
    """
    if len(x.flatten(0, -2)) > weight.shape[-1]:
        both, shift = following.mT @ weight, following.mT @ bias.unsqueeze(-1)
        return linear(x, both.flatten(0, 1), shift.flatten()).unflatten(-1, (len(weight), -1))
    inner = linear(x, weight.flatten(0, 1), bias.flatten()).unflatten(-1, bias.shape)
    return torch.einsum("...hi,hie->...he", inner, following)


class FeedForward(nn.Module):
    """Two linear layers with a ReLU between them, and dropout after both."""

    def __init__(self, dim: int, hidden: int, p: float) -> None:
        super().__init__()
        self.p = p
        self.inner, self.outer = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Compute it, of the shape of x."""
        hidden = relu_dropout(self.inner(x), self.p, self.training)
        return dropout(self.outer(hidden), self.p, self.training, inplace=True)


class EncoderLayer(nn.Module):
    """Regions attend to regions, the less the geometry says; their input is added twice."""

    def __init__(self, dim: int, hidden: int, p: float, attention_p: float) -> None:
        super().__init__()
        self.p, self.attention_p = p, attention_p
        bound = math.sqrt(3 / dim)
        self.attention = Attention(dim, 1, bound, bound)
        self.feed_forward = FeedForward(dim, hidden, p)
        self.norm_a, self.norm_b, self.norm_c = (nn.LayerNorm(dim) for _ in range(3))

    def forward(self, regions: Tensor, padding: Tensor | None, reduction: Tensor) -> Tensor:
        """Encode regions (B, R, d)."""
        maps = self.attention.maps(regions, regions, padding, reduction)
        maps = dropout(maps, self.attention_p, self.training)
        heard = self.attention.answers(maps, regions)
        x = self.norm_a(_add(dropout(heard, self.p, self.training, inplace=True), regions))
        x = self.norm_b(_add(dropout(x, self.p, self.training, inplace=True), regions))
        encoded: Tensor = self.norm_c(_add(self.feed_forward(x), x))
        return encoded


class DecoderLayer(nn.Module):
    """Attributes attend to each other, then to regions."""

    def __init__(
        self, dim: int, hidden: int, p: float, n_heads: int, *, self_attention: bool
    ) -> None:
        super().__init__()
        self.p = p
        bounds = math.sqrt(1.5 / dim), 1 / math.sqrt(dim)
        self.self_attention = Attention(dim, n_heads, *bounds) if self_attention else None
        self.norm_1 = nn.LayerNorm(dim) if self_attention else None
        self.attention = Attention(dim, n_heads, *bounds)
        self.feed_forward = FeedForward(dim, hidden, p)
        self.norm_2, self.norm_3 = nn.LayerNorm(dim), nn.LayerNorm(dim)

    def ask_each_other(self, attributes: Tensor, n_images: int) -> Tensor:
        """Attributes (K, d) or (B, K, d) that have attended to each other.

        Those of no image stay so, unless dropout makes them differ between images.
        """
        if self.self_attention is None or self.norm_1 is None:
            return attributes
        maps = self.self_attention.maps(attributes, attributes)
        if self.training and self.p:
            maps = dropout(maps.expand(n_images, *maps.shape[-2:]), self.p, self.training)
        heard = self.self_attention.answers(maps, attributes)
        heard = dropout(heard, self.p, self.training, inplace=True)
        asked: Tensor = self.norm_1(_add(heard, attributes))
        return asked

    def forward(self, attributes: Tensor, regions: Tensor, padding: Tensor | None) -> Tensor:
        """Attributes (B, K, d) that have looked at regions (B, R, d)."""
        maps = self.attention.maps(attributes, regions, padding)
        maps = dropout(maps, self.p, self.training)
        seen = self.attention.answers(maps, regions)
        seen = dropout(seen, self.p, self.training, inplace=True)
        x = self.norm_2(_add(seen, attributes))
        decoded: Tensor = self.norm_3(_add(self.feed_forward(x), x))
        return decoded


def _add(x: Tensor, other: Tensor) -> Tensor:
    """Add to x, which nobody else reads, in its place unless that would round."""
    return x.add_(other) if x.dtype == other.dtype else x + other


def precision_of(regions: Tensor) -> torch.autocast:
    """Multiply in bfloat16 where regions are of it."""
    low, device = regions.dtype == torch.bfloat16, regions.device.type
    # Weights are used once: there is nothing to gain by keeping their copies.
    return torch.autocast(device, torch.bfloat16, enabled=low, cache_enabled=False)


def decoder_layers(n_layers: int, first: DecoderLayer) -> nn.ModuleList:
    """Layers that start as copies of the first."""
    return nn.ModuleList([first, *(copy.deepcopy(first) for _ in range(n_layers - 1))])
