"""Several networks on the same regions: one product for the queries and embeddings of all.

What a network computes in a stack is what it computes alone, in the same precision and from the
same randomness; only the passes over the regions are shared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from zslearn.nn import functional as zf
from zslearn.nn._network import CVsCNetwork
from zslearn.nn._semantic_attention import attend, project_attributes
from zslearn.nn.counterfactual import permuted_counterfactual, uniform_counterfactual

__all__ = ["CVsCNetworkStack", "StackedOutput"]


class StackedOutput(NamedTuple):
    """What a :class:`CVsCNetworkStack` of m networks computes for a batch of B images.

    Attributes
    ----------
    semantics : Tensor of shape (m, B, K)
    logits : Tensor of shape (m, B, C)
    counterfactual_semantics : Tensor of shape (p, B, K) or None
        Of the p networks that have a counterfactual, in their order.
    counterfactual_logits : Tensor of shape (p, B, C) or None
    """

    semantics: Tensor
    logits: Tensor
    counterfactual_semantics: Tensor | None
    counterfactual_logits: Tensor | None


class CVsCNetworkStack:
    """The training pass of m networks of one shape and one class table.

    The networks keep their parameters: gradients arrive at each.

    Parameters
    ----------
    networks : sequence of m CVsCNetwork
        With equal numbers K of attributes, V and D, and equal class tables. Their weights, scales
        and counterfactuals may differ.

    Attributes
    ----------
    intervened : list of int
        The networks that have a counterfactual.

    Examples
    --------
    >>> import torch
    >>> from zslearn.nn import CVsCNetwork
    >>> from zslearn.nn._network_stack import CVsCNetworkStack
    >>> networks = [CVsCNetwork(torch.eye(4), n_features=8, seed=seed) for seed in range(3)]
    >>> generators = [torch.Generator().manual_seed(seed) for seed in range(3)]
    >>> output = CVsCNetworkStack(networks)(torch.randn(2, 9, 8), generators)
    >>> output.semantics.shape
    torch.Size([3, 2, 4])
    """

    def __init__(self, networks: Sequence[CVsCNetwork]) -> None:
        self.networks = list(networks)
        self.intervened = [i for i, n in enumerate(networks) if n.counterfactual is not None]
        self.class_attributes = networks[0].class_attributes
        device, n_features = self.class_attributes.device, networks[0].query_weight.shape[1]
        scales = [network.scale for network in networks]
        self._scales = torch.tensor(scales, device=device).view(-1, 1, 1)
        self._normal = [i for i in self.intervened if networks[i].counterfactual == "normal"]
        deviations = [
            networks[i].counterfactual_scale / math.sqrt(n_features) for i in self._normal
        ]
        self._deviations = torch.tensor(deviations, device=device).view(-1, 1)

    def __call__(self, regions: Tensor, generators: Sequence[torch.Generator]) -> StackedOutput:
        """Semantic vectors and logits, with their counterfactuals.

        Parameters
        ----------
        regions : Tensor of shape (B, R, D)
            Region features of unit length; their dtype is the precision of the products.
        generators : sequence of m torch.Generator
            Each network's source of randomness. Networks with the "normal" counterfactual and the
            same generator object share its noise.

        Returns
        -------
        StackedOutput
        """
        m, n_images = len(self.networks), len(regions)
        projected = [
            project_attributes(
                n.attribute_vectors, n.query_weight, n.embedding_weight, regions.dtype
            )
            for n in self.networks
        ]
        queries, embeddings = zip(*(weights.chunk(2) for weights, _ in projected), strict=True)
        semantics = attend(regions, torch.cat([*queries, *embeddings]))
        semantics = semantics.view(n_images, m, -1).transpose(0, 1).contiguous()
        logits = zf.class_scores(semantics, self.class_attributes, self._scales)  # type: ignore[arg-type]
        if not self.intervened:
            return StackedOutput(semantics, logits, None, None)
        others: dict[int, Tensor] = {}
        if self._normal:
            lengths = torch.stack([projected[i][1] for i in self._normal])
            spread = (self._deviations * lengths).unsqueeze(1)
            drawn = _draw(lengths, n_images, [generators[i] for i in self._normal])
            others.update(zip(self._normal, (spread * drawn).unbind(), strict=True))
        for i in self.intervened:
            network, generator = self.networks[i], generators[i]
            if network.counterfactual == "permute":
                others[i] = permuted_counterfactual(
                    regions, queries[i], embeddings[i], generator=generator
                )
            elif network.counterfactual == "uniform":
                others[i] = uniform_counterfactual(
                    embeddings[i].to(projected[i][1].dtype),
                    n_images,
                    scale=network.counterfactual_scale,
                    generator=generator,
                )
        stacked = torch.stack([others[i] for i in self.intervened])
        scales = self._scales
        if len(self.intervened) < m:
            scales = scales[torch.tensor(self.intervened, device=scales.device)]
        other_logits = zf.class_scores(stacked, self.class_attributes, scales)  # type: ignore[arg-type]
        return StackedOutput(semantics, logits, stacked, other_logits)


def _draw(lengths: Tensor, n_images: int, generators: Sequence[torch.Generator]) -> Tensor:
    """Draw standard normal noise (p, B, K), once from each generator."""
    shape = (n_images, lengths.shape[1])
    drawn: dict[int, Tensor] = {}
    for generator in generators:
        if id(generator) not in drawn:
            drawn[id(generator)] = torch.randn(
                shape, generator=generator, device=lengths.device, dtype=lengths.dtype
            )
    return torch.stack([drawn[id(generator)] for generator in generators])
