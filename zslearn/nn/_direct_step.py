"""A training step's gradients without autograd: what is between its few products costs as much.

The compiled code computes terms and gradients of attention and objective at once; what is left are
class scores and counterfactuals, which are linear.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from zslearn.nn._kernels import backend_of
from zslearn.nn._kernels._compiled_attention import compute_gradient, compute_semantics
from zslearn.nn._kernels._compiled_projection import (
    compute_projection,
    compute_projection_gradients,
    serves_projection,
)
from zslearn.nn._network import CVsCNetwork, CVsCOutput
from zslearn.nn._semantic_attention import project_attributes
from zslearn.nn.losses import CVsCLoss
from zslearn.nn.losses._compiled import (
    TERMS,
    constants_of,
    evaluate,
    name_terms,
    serves_terms,
    weights_of,
)

__all__ = ["take_gradients"]


def take_gradients(
    network: nn.Module,
    criterion: nn.Module,
    regions: Tensor,
    y: Tensor,
    generator: torch.Generator | None,
) -> tuple[CVsCOutput, dict[str, Tensor]] | None:
    """Do what a network, its criterion and ``backward()`` of the loss do, with the same result.

    Parameters
    ----------
    network : Module
    criterion : Module
    regions : Tensor of shape (B, R, D)
    y : Tensor of shape (B,), int64
    generator : torch.Generator or None
        Source of randomness of the counterfactual.

    Returns
    -------
    tuple or None
        Output and terms, which are no part of a graph; the gradients are added to those of the
        parameters. ``None`` where this does not serve: nothing is done then.
    """
    # Others may compute something else, or watch.
    if type(network) is not CVsCNetwork or type(criterion) is not CVsCLoss:
        return None
    if any(map(_is_watched, (network, *criterion.modules()))) or not torch.is_grad_enabled():
        return None
    if torch.is_autocast_enabled("cpu"):
        return None
    if network.counterfactual != "normal" or not network.training:
        return None
    if not criterion.is_released_form or network.class_attributes.dtype != torch.float32:
        return None
    if not regions.is_contiguous() or backend_of(regions, network.query_weight) != "native":
        return None
    n_images, n_attributes = len(regions), network.n_attributes
    both = torch.empty(2 * n_images, n_attributes)
    unit = network.unit_attributes()
    scores = torch.empty(2 * n_images, len(unit))
    s, other = both.chunk(2)
    output = CVsCOutput(s, scores[:n_images], other, scores[n_images:])
    if not serves_terms(*output):  # type: ignore[arg-type]
        return None

    with torch.no_grad():
        projected, differentiate = _project(network, regions.dtype)
        weights, lengths = projected
        semantics, kept = compute_semantics(regions, weights, keep=True)
        assert kept is not None
        noise = torch.randn(n_images, n_attributes, generator=generator)
        deviation = network.counterfactual_scale / math.sqrt(regions.shape[2])
        s.copy_(semantics)
        torch.mul(deviation * lengths, noise, out=other)
        torch.mm(network.scale * both, unit.T, out=scores)
        terms, by_weight = torch.empty(len(TERMS)), weights_of(criterion)
        by_both, by_scores = torch.empty_like(both), torch.empty_like(scores)
        by_s, by_other = by_both.chunk(2)
        results = (by_s, by_scores[:n_images], by_other, by_scores[n_images:])
        constants = constants_of(criterion, y)
        evaluate(output, constants, terms=terms, weights=by_weight, results=results)  # type: ignore[arg-type]
        by_both.addmm_(by_scores, unit, alpha=network.scale)
        by_lengths = (by_other * noise).sum(0).mul_(deviation)
        by_weights = compute_gradient(regions, semantics, kept, by_s)
        differentiate(by_weights, by_lengths)
    return output, {"loss": terms @ by_weight, **name_terms(terms, criterion.term_names)}


def _project(
    network: CVsCNetwork, dtype: torch.dtype
) -> tuple[tuple[Tensor, Tensor], Callable[[Tensor, Tensor], None]]:
    """Weights and lengths, and what adds their gradients to those of the parameters."""
    parameters = network.attribute_vectors, network.query_weight, network.embedding_weight
    watched = any(p._backward_hooks or p._post_accumulate_grad_hooks for p in parameters)
    plain = not watched and all(p.is_leaf and p.requires_grad for p in parameters[1:])
    if plain and serves_projection(parameters[0], parameters[1], dtype):
        projection = compute_projection(*parameters)

        def add(by_weights: Tensor, by_lengths: Tensor) -> None:
            found = compute_projection_gradients(
                projection, by_weights, by_lengths, by_vectors=parameters[0].requires_grad
            )
            for parameter, gradient in zip(parameters, found, strict=True):
                if gradient is not None:
                    before = parameter.grad
                    parameter.grad = gradient if before is None else before.add_(gradient)

        return (projection.weights, projection.lengths), add

    with torch.enable_grad():
        weights, lengths = project_attributes(*parameters, dtype)

    def differentiate(by_weights: Tensor, by_lengths: Tensor) -> None:
        torch.autograd.backward([weights, lengths], [by_weights, by_lengths])

    return (weights.detach(), lengths.detach()), differentiate


def _is_watched(module: nn.Module) -> bool:
    """Whether somebody is called when a module is, or when any is, or in its place."""
    general = torch.nn.modules.module
    return bool(
        "forward" in vars(module)
        or module._compiled_call_impl is not None
        or module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or general._global_forward_hooks
        or general._global_forward_pre_hooks
        or general._global_backward_hooks
        or general._global_backward_pre_hooks
    )
