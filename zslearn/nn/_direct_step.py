"""A training step's gradients without autograd: what is between its few products costs as much.

The compiled code computes terms and gradients of attention and objective at once. All memory is
there before the first step, and every call is prepared: a step writes where the one before did.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from zslearn.nn._kernels import backend_of
from zslearn.nn._kernels._compiled_attention import prepare_attend, prepare_gradient
from zslearn.nn._kernels._compiled_projection import (
    lend_gradients,
    lend_projection,
    prepare_projection,
    prepare_projection_gradients,
    serves_projection,
)
from zslearn.nn._network import CVsCNetwork
from zslearn.nn._semantic_attention import project_attributes
from zslearn.nn._watched import is_watched
from zslearn.nn._workspace import scratch
from zslearn.nn.losses import CVsCLoss
from zslearn.nn.losses._compiled import (
    TERMS,
    constants_of,
    prepare_evaluation,
    serves_objective,
    weights_of,
)

__all__ = ["DirectStep", "serves_steps"]


def serves_steps(network: nn.Module, criterion: nn.Module, regions: Tensor, largest: int) -> bool:
    """Whether :class:`DirectStep` does what network, criterion and ``backward()`` would do.

    Parameters
    ----------
    network, criterion : Module
    regions : Tensor of shape (n, R, D)
        Where those of the batches will be.
    largest : int
        Images of the largest batch.
    """
    # Others may compute something else, or watch.
    if type(network) is not CVsCNetwork or type(criterion) is not CVsCLoss:
        return False
    if any(map(is_watched, (network, *criterion.modules()))) or not torch.is_grad_enabled():
        return False
    if any(p._backward_hooks or p._post_accumulate_grad_hooks for p in network.parameters()):
        return False
    if torch.is_autocast_enabled("cpu"):
        return False
    if network.counterfactual != "normal" or not network.training:
        return False
    if not criterion.is_released_form or network.class_attributes.dtype != torch.float32:
        return False
    if not regions.is_contiguous() or backend_of(regions, network.query_weight) != "native":
        return False
    return serves_objective(largest, network.n_attributes, len(network.class_attributes))


class DirectStep:
    """Steps of a network and its criterion, as they are now, that take gradients without autograd.

    Parameters
    ----------
    network : CVsCNetwork
        Its parameters get their gradients: the same tensors in every step, written anew.
    criterion : CVsCLoss
    regions : Tensor of shape (n, R, D), bfloat16
        Where the regions of every batch will be.
    images : Tensor of shape (largest,), int64, default=None
        Where the numbers of a batch's images among them will be; a smaller batch takes the first
        places. Only for regions that the compiled code reads in place. ``None``: the first images
        are the batch.
    """

    def __init__(
        self,
        network: CVsCNetwork,
        criterion: CVsCLoss,
        regions: Tensor,
        images: Tensor | None = None,
    ) -> None:
        self._network = network
        self._criterion = criterion
        self._regions = regions
        self._images = images
        self._terms = criterion.term_names
        self._weights = weights_of(criterion)
        n_attributes = network.n_attributes
        largest = len(regions if images is None else images)
        self._y = torch.empty(largest, dtype=torch.int64)
        self._noise = torch.empty(largest, n_attributes)
        self._semantics = torch.empty(largest, n_attributes)
        self._both = torch.empty(2 * n_attributes, regions.shape[2], dtype=torch.bfloat16)
        self._by_both = _scratch("by both", self._both.shape)
        self._lengths, self._by_lengths = torch.empty(n_attributes), torch.empty(n_attributes)
        self._kept = _scratch("kept", (largest, regions.shape[1], 2 * n_attributes))
        self._project, self._differentiate = self._prepare_projection()
        self._of_size: dict[int, _Calls] = {}

    def __call__(self, y: Tensor, generator: torch.Generator | None) -> dict[str, float]:
        """Write the gradients of a batch, whose regions are in place.

        Parameters
        ----------
        y : Tensor of shape (B,), int64
        generator : torch.Generator or None
            Source of randomness of the counterfactual.

        Returns
        -------
        dict of str to float
            "loss" and the terms it is made of.
        """
        n = len(y)
        calls = self._of_size.get(n)
        if calls is None:
            calls = self._of_size[n] = self._prepare(n)
        self._y[:n] = y
        with torch.no_grad():
            self._project()
            calls.attend()
            torch.randn(calls.noise.shape, generator=generator, out=calls.noise)
            calls.evaluate()
            calls.differentiate()
            self._differentiate()
        values = calls.terms.tolist()
        loss = sum(value * w for value, w in zip(values, self._weights, strict=True))
        found = dict(zip(TERMS, values, strict=True))
        return {"loss": loss, **{name: found[name] for name in self._terms}}

    def _prepare(self, n: int) -> _Calls:
        """Prepare what depends on the number of images."""
        network, criterion = self._network, self._criterion
        semantics, noise, kept = self._semantics[:n], self._noise[:n], self._kept[:n]
        images = None if self._images is None else self._images[:n]
        regions = self._regions[:n] if images is None else self._regions
        found, evaluate = prepare_evaluation(
            semantics,
            noise,
            self._lengths,
            network.unit_attributes(),
            constants_of(criterion, self._y[:n]),
            scale=network.scale,
            deviation=network.counterfactual_scale / math.sqrt(regions.shape[2]),
            weights=self._weights,
            by_lengths=self._by_lengths,
        )
        return _Calls(
            noise,
            found.terms,
            prepare_attend(regions, self._both, semantics, kept, images=images),
            evaluate,
            prepare_gradient(
                regions, semantics, kept, found.by_semantics, self._by_both, images=images
            ),
        )

    def _prepare_projection(self) -> tuple[Callable[[], object], Callable[[], object]]:
        """Prepare calls from parameters to weights and lengths, and from their gradients back."""
        network = self._network
        parameters = network.attribute_vectors, network.query_weight, network.embedding_weight
        plain = all(p.is_contiguous() for p in parameters)
        plain &= all(p.requires_grad for p in parameters[1:])
        if not plain or not serves_projection(parameters[0], parameters[1], torch.bfloat16):
            return self._prepare_projection_by_torch(parameters)
        projection = lend_projection(*(p.detach() for p in parameters))
        self._both, self._lengths = projection.weights, projection.lengths
        gradients = lend_gradients(projection, by_vectors=parameters[0].requires_grad)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        outers = self._by_both, self._by_lengths
        differentiate = prepare_projection_gradients(projection, *outers, gradients)
        return prepare_projection(projection), differentiate

    def _prepare_projection_by_torch(
        self, parameters: tuple[Tensor, Tensor, Tensor]
    ) -> tuple[Callable[[], object], Callable[[], object]]:
        graph: list[Tensor] = []

        def project() -> None:
            for parameter in parameters:
                parameter.grad = None
            with torch.enable_grad():
                graph[:] = project_attributes(*parameters, torch.bfloat16)
            self._both.copy_(graph[0].detach())
            self._lengths.copy_(graph[1].detach())

        def differentiate() -> None:
            torch.autograd.backward(graph, [self._by_both, self._by_lengths])
            graph.clear()

        return project, differentiate


class _Calls(NamedTuple):
    """What is prepared for batches of one size."""

    noise: Tensor
    terms: Tensor
    attend: Callable[[], object]
    evaluate: Callable[[], None]
    differentiate: Callable[[], object]


def _scratch(use: str, shape: tuple[int, ...]) -> Tensor:
    """Memory that means nothing between steps: those of other nets share it."""
    return scratch(use, shape, torch.bfloat16, torch.device("cpu"))
