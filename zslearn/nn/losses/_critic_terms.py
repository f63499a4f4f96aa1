"""Terms of a critic of one hidden layer in closed form, with all gradients in the least products.

Automatic differentiation would make the gradient of the first layer's weights of three parts as
large as the weights, one of them mostly zeros; here each product is added to where it belongs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import leaky_relu

__all__ = ["CriticTerms"]


class CriticTerms(torch.autograd.Function):
    """Mean critic of real samples less that of generated ones, and the gradient penalty.

    Arguments are real samples above generated ones, each with its condition, of shape
    (2 B, n_in + n_condition); the shares `alpha` (B, 1) of the real ones in the mixtures the
    penalty is taken at; weights and biases of both layers; the slope of the rectifier; n_in.
    Gradients flow into weights and biases only.
    """

    @staticmethod
    def forward(
        ctx: Any,
        both: Tensor,
        alpha: Tensor,
        hidden_weight: Tensor,
        hidden_bias: Tensor,
        out_weight: Tensor,
        out_bias: Tensor,
        slope: float,
        n_in: int,
    ) -> tuple[Tensor, Tensor]:
        """Compute both terms."""
        n = len(both) // 2
        before = torch.addmm(hidden_bias, both, hidden_weight.T)
        hidden = leaky_relu(before, slope)
        scores = torch.addmm(out_bias, hidden, out_weight.T)
        mixed = torch.lerp(before[n:], before[:n], alpha)
        slopes = torch.full_like(mixed, slope).masked_fill_(mixed > 0, 1.0)
        gradient = (slopes * out_weight) @ hidden_weight[:, :n_in]
        lengths = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
        ctx.save_for_backward(
            both, before, hidden, slopes, gradient, lengths, hidden_weight, out_weight
        )
        ctx.slope, ctx.n_in = slope, n_in
        return scores[:n].mean() - scores[n:].mean(), (lengths - 1).square().mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_apart: Tensor, of_penalty: Tensor) -> tuple[Tensor | None, ...]:
        """Compute the gradients of weights and biases."""
        both, before, hidden, slopes, gradient, lengths, hidden_weight, out_weight = (
            ctx.saved_tensors
        )
        n = len(both) // 2
        of_scores = torch.cat([of_apart.expand(n), -of_apart.expand(n)])[:, None] / n
        of_before = torch.where(before > 0, out_weight, ctx.slope * out_weight) * of_scores
        weight_gradient = of_before.T @ both
        # At a gradient of length 0 the penalty has none.
        share = torch.where(lengths > 0, (lengths - 1) / lengths, 0.0)
        of_gradient = gradient * share * (2 * of_penalty / n)
        weight_gradient[:, : ctx.n_in].addmm_((slopes * out_weight).T, of_gradient)
        of_slopes = of_gradient @ hidden_weight[:, : ctx.n_in].T
        of_out = of_scores.T @ hidden + (of_slopes * slopes).sum(dim=0, keepdim=True)
        biases = of_before.sum(dim=0), of_scores.sum(dim=0)
        return None, None, weight_gradient, biases[0], of_out, biases[1], None, None
