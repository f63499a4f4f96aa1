"""A network as it is after fit: made when it is needed, and pickled without its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from zslearn._training._device import compute_dtype, resolve_device
from zslearn.feature_extraction import _timm_models as models
from zslearn.feature_extraction._timm_backbone import Backbone, Layout, check_pooling, find_layout

__all__ = ["FittedBackbone"]


@dataclass(frozen=True)
class FittedBackbone:
    """What features depend on, but for rounding: not device, batch size or versions.

    Parameters
    ----------
    recipe : NetworkRecipe
        How the network is made.
    weights_checksum : str
        SHA-256 of its weights.
    layout : Layout
        What is taken from it.
    pooled : (int, int) or None
        Regions down and across to average to.
    config : dict
        timm's data config.
    precision : {"float32", "bfloat16", "float16"}
        Precision of the network.
    """

    recipe: models.NetworkRecipe
    weights_checksum: str
    layout: Layout
    pooled: tuple[int, int] | None
    config: dict[str, Any]
    precision: str
    # The network, once it is made; a list, because all else is as it was found.
    _made: list[Backbone] = field(default_factory=list, compare=False, repr=False)

    @classmethod
    def fit(
        cls,
        recipe: models.NetworkRecipe,
        *,
        layer: int,
        norm: bool,
        pooled: bool | str = False,
        grid_shape: Any,
        data_config: Mapping[str, Any] | None,
        precision: str,
        device: str | torch.device,
    ) -> FittedBackbone:
        """Make a network and find out what it gives; the parameters are those of the extractor.

        Raises
        ------
        ValueError, FileNotFoundError, OSError
            As TimmRegionExtractor.fit.
        """
        place = resolve_device(device)
        network = recipe.create()
        weights_checksum = models.checksum(network)
        config = models.resolve_data_config(network, recipe.image_size, data_config)
        size = (config["input_size"][1], config["input_size"][2])
        layout = find_layout(network.to(place), size, layer, norm, bool(pooled))
        to_grid = check_pooling(grid_shape, layout)
        # However small the network, a batch of pictures is work enough for half precision to pay.
        dtype = compute_dtype(precision, place, 2**62)
        name = str(dtype).removeprefix("torch.")
        backbone = Backbone(network, layout, config, to_grid, place, dtype)
        return cls(recipe, weights_checksum, layout, to_grid, config, name, [backbone])

    @property
    def grid_shape(self) -> tuple[int, int] | None:
        """Regions down and across, after pooling."""
        return self.layout.grid_shape if self.pooled is None else self.pooled

    def load(self, device: str | torch.device) -> Backbone:
        """Return the network; after unpickling, make it again and see that it is the same."""
        if not self._made:
            network = self.recipe.create()
            if models.checksum(network) != self.weights_checksum:
                raise RuntimeError(
                    f"The weights of {self.recipe.model_name!r} are not those that this extractor "
                    "was fitted with: fit it again."
                )
            self._keep(network, device)
        return self._made[0]

    def _keep(self, network: nn.Module, device: str | torch.device) -> None:
        place, dtype = resolve_device(device), getattr(torch, self.precision)
        self._made[:] = [Backbone(network, self.layout, self.config, self.pooled, place, dtype)]

    def weights(self, device: str | torch.device) -> dict[str, torch.Tensor]:
        """Return the weights of the network, in its precision."""
        state = self.load(device).network.state_dict()
        return {name: value.cpu().contiguous() for name, value in state.items()}

    def restore(self, weights: dict[str, torch.Tensor], device: str | torch.device) -> None:
        """Make the network of weights that `weights` has returned, not of their source."""
        recipe = replace(self.recipe, pretrained=False, checkpoint_path=None)
        network = recipe.create().to(getattr(torch, self.precision))
        network.load_state_dict(weights)
        self._keep(network, device)

    def describe(self) -> dict[str, Any]:
        """All of it, in what JSON can hold."""
        layout = self.layout
        kwargs = json.loads(json.dumps(self.recipe.model_kwargs, default=repr, sort_keys=True))
        return {
            "model": self.recipe.model_name,
            "model_kwargs": kwargs,
            "weights_checksum": self.weights_checksum,
            "random_weights": not (self.recipe.pretrained or self.recipe.checkpoint_path),
            "layer": layout.layer,
            "n_layers": layout.n_layers,
            "norm": layout.norm,
            **(
                {"pooled": "projected" if self.recipe.with_head else True}
                if layout.source == "pooled"
                else {}
            ),
            "n_prefix_tokens": layout.n_prefix_tokens,
            "native_grid_shape": _as_list(layout.grid_shape),
            "grid_shape": _as_list(self.grid_shape),
            "data_config": self.config,
            "precision": self.precision,
        }

    def _describe_pooling(self) -> dict[str, Any]:
        if self.layout.source != "pooled":
            return {}
        return {"pooled": "projected" if self.recipe.with_head else True}

    def __getstate__(self) -> dict[str, Any]:
        # The network is large, and can be made again.
        return {**self.__dict__, "_made": []}


def _as_list(shape: tuple[int, int] | None) -> list[int] | None:
    return None if shape is None else list(shape)
