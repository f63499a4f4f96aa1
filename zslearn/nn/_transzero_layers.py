"""Layers of TransZero: attention whose matrices are multiplied with each other first."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from zslearn.nn._dropout import dropout, relu_dropout

__all__ = ["Attention", "DecoderLayer", "EncoderLayer", "Look", "decoder_layers", "precision_of"]


class Look(NamedTuple):
    """Of vectors that are asked: their keys and answers, (..., H R, d), and what turns questions.

    Where questions are taken as they come, logits are more by `shift` (..., 1, H R).
    """

    keys: Tensor
    heard: Tensor
    question: Callable[[Tensor], Tensor] | None = None
    shift: Tensor | None = None

    def split(self, n_images: int) -> list[Look]:
        """Those of some images at a time."""
        keys, heard = self.keys.split(n_images), self.heard.split(n_images)
        shifts = [None] * len(keys) if self.shift is None else self.shift.split(n_images)
        return [Look(k, h, self.question, s) for k, h, s in zip(keys, heard, shifts, strict=True)]


class Attention(nn.Module):
    """Attention of some vectors to others.

    Of each head, ``q k^T = x (W_q^T W_k) y^T`` and ``(P v) o = P (y (W_o W_v)^T)``: keys and what
    heads put out are never built, and the products in parentheses are made once a step where this
    is less work; so is ``y (W_k^T W_q)`` where fewer are asked than ask. A bias of the keys would
    be the same for all that a softmax compares, so there is none.

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

    def look(self, asked: Tensor, n_asking: int) -> Look:
        """Compute what those that ask need to know of vectors (..., R, d) that are asked.

        `n_asking` vectors are going to ask in all: what is less work is multiplied with weights,
        these or the asked.
        """
        heads = (self.n_heads, -1)
        keys = self.key_weight.unflatten(0, heads) / math.sqrt(len(self.key_weight) // heads[0])
        queries, bias = self.query_weight.unflatten(0, heads), self.query_bias.view(heads)
        outs = self.out_weight.T.unflatten(0, heads)
        values = self.value_weight.unflatten(0, heads), self.value_bias.view(heads)
        heard = _fold(asked, *values, outs)(asked).transpose(-3, -2).flatten(-3, -2)
        if len(asked.flatten(0, -2)) * self.n_heads < n_asking:
            none = torch.zeros_like(bias)
            keyed = _fold(asked, keys, none, queries)(asked).transpose(-3, -2).flatten(-3, -2)
            shift = asked @ (keys.mT @ bias.unsqueeze(-1)).squeeze(-1).T
            return Look(keyed, heard, shift=shift.mT.flatten(-2).unsqueeze(-2))
        return Look(asked, heard, question=_fold(n_asking, queries, bias, keys))

    def maps(
        self,
        asking: Tensor,
        look: Look,
        padding: Tensor | None = None,
        reduction: Tensor | None = None,
    ) -> Tensor:
        """Compute attention (..., K H, R) of vectors (..., K, d) to others (..., R, d).

        Those marked by `padding` (B, R) get none; logits are less by `reduction` (R, R).
        """
        less = look.shift if reduction is None else -reduction
        if look.question is not None:
            asking = look.question(asking).flatten(-3, -2)
        if less is None or asking.ndim < 3:
            logits = asking @ look.keys.mT
            logits = logits if less is None else logits + less
        else:
            logits = torch.baddbmm(less, asking, look.keys.mT)
        if look.question is None:
            logits = logits.unflatten(-1, (self.n_heads, -1)).flatten(-3, -2)
        if padding is not None:
            logits = logits.masked_fill(padding.unsqueeze(1), -torch.inf)
        return torch.softmax(logits, dim=-1)

    def answers(self, maps: Tensor, look: Look) -> Tensor:
        """Compute what those that are asked answer by the maps, (..., K, d)."""
        maps = maps.unflatten(-2, (-1, self.n_heads)).flatten(-2)
        if look.heard.ndim == 3:
            return torch.baddbmm(self.out_bias, maps, look.heard)
        return linear(maps, look.heard.mT, self.out_bias)


def _fold(
    rows: Tensor | int, weight: Tensor, bias: Tensor, following: Tensor
) -> Callable[[Tensor], Tensor]:
    """Return x -> (x W^T + b) V of each head, (..., H, e), in the order that multiplies less.

    W and V have shape (H, d / H, d), b has (H, d / H); `rows` are those of all x, or their number.
    """
    n_rows = rows if isinstance(rows, int) else len(rows.flatten(0, -2))
    if n_rows > weight.shape[-1]:
        both, shift = following.mT @ weight, following.mT @ bias.unsqueeze(-1)
        both, shift = both.flatten(0, 1), shift.flatten()
        return lambda x: linear(x, both, shift).unflatten(-1, (len(weight), -1))

    def through(x: Tensor) -> Tensor:
        inner = linear(x, weight.flatten(0, 1), bias.flatten()).unflatten(-1, bias.shape)
        return torch.einsum("...hi,hie->...he", inner, following)

    return through


class FeedForward(nn.Module):
    """Two linear layers with a ReLU between them, and dropout after both."""

    def __init__(self, dim: int, hidden: int, p: float) -> None:
        super().__init__()
        self.p = p
        self.inner, self.outer = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Compute it of x (n, d): with more axes it were a view, copied when its place is taken."""
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
        look = self.attention.look(regions, len(regions.flatten(0, -2)))
        maps = self.attention.maps(regions, look, padding, reduction)
        maps = dropout(maps, self.attention_p, self.training)
        heard = self.attention.answers(maps, look)
        x = self.norm_a(_add(dropout(heard, self.p, self.training, inplace=True), regions))
        x = self.norm_b(_add(dropout(x, self.p, self.training, inplace=True), regions))
        encoded: Tensor = _and_fed(x, self.feed_forward, self.norm_c)
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

    def meet(self, attributes: Tensor) -> tuple[Tensor, Look] | None:
        """Compute maps of attributes (..., K, d) of each other, and what they answer."""
        if self.self_attention is None:
            return None
        look = self.self_attention.look(attributes, len(attributes.flatten(0, -2)))
        return self.self_attention.maps(attributes, look), look

    def ask_each_other(
        self, attributes: Tensor, met: tuple[Tensor, Look] | None, n_images: int
    ) -> Tensor:
        """Attributes (K, d) or (B, K, d) that have attended to each other.

        Those of no image stay so, unless dropout makes them differ between images.
        """
        if met is None or self.self_attention is None or self.norm_1 is None:
            return attributes
        maps, look = met
        if self.training and self.p:
            maps = dropout(maps.expand(n_images, *maps.shape[-2:]), self.p, self.training)
        heard = dropout(self.self_attention.answers(maps, look), self.p, self.training)
        asked: Tensor = self.norm_1(heard + attributes)
        return asked

    def forward(self, attributes: Tensor, look: Look, padding: Tensor | None) -> Tensor:
        """Attributes (B, K, d) that have looked at regions."""
        maps = self.attention.maps(attributes, look, padding)
        maps = dropout(maps, self.p, self.training)
        seen = self.attention.answers(maps, look)
        seen = dropout(seen, self.p, self.training, inplace=True)
        decoded: Tensor = _and_fed(
            self.norm_2(_add(seen, attributes)), self.feed_forward, self.norm_3
        )
        return decoded


def _and_fed(x: Tensor, feed_forward: FeedForward, norm: nn.LayerNorm) -> Tensor:
    rows = x.flatten(0, -2)
    fed: Tensor = norm(_add(feed_forward(rows), rows))
    return fed.view(x.shape)


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
