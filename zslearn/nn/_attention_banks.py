"""Several attentions over the same regions, each with embeddings of its own, by one product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from zslearn.nn._kernels import refuse_by_name
from zslearn.nn._normalize import ACCUMULATE
from zslearn.nn._semantic_attention import (
    attend,
    exponentials,
    multiply,
    multiply_back,
    portions,
    widen,
)
from zslearn.nn._workspace import give_back, scratch

__all__ = ["AttentionBank", "attend_banks"]


class AttentionBank(NamedTuple):
    """One softmax, and the embeddings it weighs.

    Attributes
    ----------
    n_values : int
        Embeddings that share it.
    over : {"regions", "attributes"}
        What it sums to one over: the regions for each attribute, or the attributes for each region.
    """

    n_values: int = 1
    over: Literal["regions", "attributes"] = "regions"


def attend_banks(
    regions: Tensor,
    weights: Tensor,
    banks: Sequence[AttentionBank],
    padding: Tensor | None = None,
) -> Tensor:
    r"""Attribute scores of each embedding, ``sum_r M_rk (F_r . E_k)``, by one product with F.

    Parameters
    ----------
    regions : Tensor of shape (B, R, D)
    weights : Tensor of shape (N, D)
        ``[Q; E_1; ...; Q'; E'_1; ...]``: of each bank K queries, then its embeddings.
    banks : sequence of AttentionBank
    padding : Tensor of shape (B, R), bool, default=None
        Marks regions that get no attention.

    Returns
    -------
    Tensor of shape (B, n, K)
        One row for each embedding, in the order of the weights. Accumulated, and returned, in
        float32 where regions are of half precision; differentiable once.
    """
    if list(banks) == [AttentionBank()]:
        return attend(regions, weights, padding).unsqueeze(1)
    refuse_by_name("it has one attention with one bank of embeddings", but="torch")
    scores: Tensor = _AttentionBanks.apply(regions, weights, tuple(banks), padding)
    return scores


class _AttentionBanks(torch.autograd.Function):
    """The product with all weights is the one thing of size B x R x N.

    The attentions take the place of the logits in it for the backward pass, and there the
    gradients by logits and values the place of both.
    """

    @staticmethod
    def forward(
        ctx: Any,
        regions: Tensor,
        weights: Tensor,
        banks: tuple[AttentionBank, ...],
        padding: Tensor | None,
    ) -> Tensor:
        is_trained = any(ctx.needs_input_grad)
        scores, product, memory = _attend(regions, weights, banks, padding, keep=is_trained)
        if is_trained:
            ctx.save_for_backward(regions, weights, scores, padding)
            ctx.banks, ctx.kept = banks, (product, memory)
        else:
            give_back(memory)
        return scores

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        regions, weights, scores, padding = ctx.saved_tensors
        kept, ctx.kept = ctx.kept, None
        if kept is None:  # used up by an earlier backward pass
            kept = _attend(regions, weights, ctx.banks, padding, keep=True)[1:]
        low, memory = kept
        wide_low = low.float() if low.dtype == torch.float16 else low
        for images in portions(low):
            part = wide_low[images]
            wide = widen(part, scores.dtype)
            row = 0
            for bank, attention, values in _banks_of(wide, ctx.banks):
                rows = slice(row, row + bank.n_values)
                row = rows.stop
                slopes, means = gradients[0][images, rows], scores[images, rows]
                _turn_into_gradients(bank, attention, values, slopes, means)
            if wide is not part:
                part.copy_(wide)
        wanted = (ctx.needs_input_grad[0], ctx.needs_input_grad[1])
        found = multiply_back(wide_low, low.dtype, regions, weights, wanted)
        give_back(memory)
        return *found, None, None


def _attend(
    regions: Tensor,
    weights: Tensor,
    banks: tuple[AttentionBank, ...],
    padding: Tensor | None,
    *,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Scores, and the product with the attentions in it, if they are kept, and its memory."""
    product, memory = multiply(regions, weights)
    accumulate = ACCUMULATE.get(product.dtype, product.dtype)
    n_rows = sum(bank.n_values for bank in banks)
    n_attributes = len(weights) // (n_rows + len(banks))
    scores = product.new_empty(len(product), n_rows, n_attributes, dtype=accumulate)
    for images in portions(product):
        part = product[images]
        wide = widen(part, accumulate)
        row = 0
        for (bank, logits, values), (_, place, _) in zip(
            _banks_of(wide, banks), _banks_of(part, banks), strict=True
        ):
            over_regions = bank.over == "regions"
            if over_regions:
                attention, total = exponentials(logits, padding, images)
                if keep:
                    attention /= total
            else:
                attention = scratch("attention", logits.shape, accumulate, product.device)
                torch.softmax(logits, dim=-1, out=attention)
                if padding is not None:
                    attention.masked_fill_(padding[images].unsqueeze(-1), 0)
            if keep:
                place.copy_(attention)
            weighed = scratch("weighed", values.shape, accumulate, product.device)
            torch.mul(values, attention.unsqueeze(-2), out=weighed)
            found = scores[images, row : row + bank.n_values]
            torch.sum(weighed, dim=-3, out=found)
            if over_regions and not keep:
                found /= total
            row += bank.n_values
    return scores, product, memory


def _banks_of(
    product: Tensor, banks: tuple[AttentionBank, ...]
) -> list[tuple[AttentionBank, Tensor, Tensor]]:
    """Split a product into the logits (b, R, K) and values (b, R, n_values, K) of each bank."""
    n_attributes = product.shape[-1] // sum(1 + bank.n_values for bank in banks)
    found, begin = [], 0
    for bank in banks:
        middle = begin + n_attributes
        end = middle + bank.n_values * n_attributes
        values = product[..., middle:end].unflatten(-1, (bank.n_values, n_attributes))
        found.append((bank, product[..., begin:middle], values))
        begin = end
    return found


def _turn_into_gradients(
    bank: AttentionBank, attention: Tensor, values: Tensor, slopes: Tensor, scores: Tensor
) -> None:
    """Put gradients by logits and values in the place of attention and values."""
    weighed = scratch("weighed", values.shape, values.dtype, values.device)
    slopes = slopes.unsqueeze(-3)
    if bank.over == "regions":
        torch.sub(values, scores.unsqueeze(-3), out=weighed).mul_(slopes)
    else:
        torch.mul(values, slopes, out=weighed)
    by_logits = weighed.sum(dim=-2)
    if bank.over == "attributes":
        by_logits -= (by_logits * attention).sum(dim=-1, keepdim=True)
    torch.mul(attention.unsqueeze(-2), slopes, out=values)
    attention *= by_logits
