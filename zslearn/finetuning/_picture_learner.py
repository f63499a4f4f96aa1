"""What learners of pictures share: a backbone, with rates of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from zslearn._training._learner import Batch, Learner, OptimizerFactory
from zslearn.feature_extraction._fitted_backbone import FittedBackbone
from zslearn.finetuning._token_backbone import TokenBackbone
from zslearn.nn.functional import find_padding, normalize_rows

__all__ = ["BackboneRecipe", "PictureLearner", "RegionLearner"]


@dataclass(frozen=True)
class BackboneRecipe:
    """How a backbone is made, and what of it learns at which rate.

    Parameters
    ----------
    fitted : FittedBackbone
        The network of a fitted extractor.
    precision : torch.dtype
        Of the products.
    settings : dict
        Parameters of FineTuning.
    with_weights : bool, default=True
        Whether the network is given its pretrained weights; where trained ones take their place,
        the file of those need not be there.
    """

    fitted: FittedBackbone
    precision: torch.dtype
    settings: dict[str, Any] = field(default_factory=dict)
    with_weights: bool = True

    def make(self) -> TokenBackbone:
        """Make it, on the CPU."""
        recipe = self.fitted.recipe
        if not self.with_weights:
            recipe = replace(recipe, pretrained=False, checkpoint_path=None)
        names = ("frozen_layers", "gradient_checkpointing", "keep_statistics")
        return TokenBackbone(
            recipe.create().to(memory_format=torch.channels_last),
            self.fitted.layout,
            self.fitted.pooled,
            precision=self.precision,
            **{name: self.settings[name] for name in names},
        )


class PictureLearner(Learner):
    """A learner whose batches are pixels: ``batch.X`` is (B, 3, H, W), normalised, float32.

    ``features(X)`` is what the head takes of pictures; while the backbone is frozen and nothing is
    augmented, these may be stored, and ``batch.X`` is then (B, R, D), prepared as rows of features
    are. A head that needs more of the backbone than one tensor sets ``stores`` to False.
    """

    autocast = False
    graphs = False
    stores = True

    def __init__(self, backbone: BackboneRecipe) -> None:
        super().__init__()
        self.settings = backbone.settings
        self.backbone = backbone.make()

    def features(self, X: Tensor) -> Tensor:
        """Compute what the head takes of pixels, (B, R, D): regions."""
        return self.backbone.regions(X)

    def hold(self, still: bool) -> None:
        """Leave the whole backbone as it is for a while, or train what is trained of it."""
        self.backbone.set_frozen(-1 if still else self.settings["frozen_layers"])

    def undivided(self) -> str:
        """Why steps are not the same in any number of processes; empty where they are."""
        mode = self.training
        drawing = sorted({type(m).__name__ for m in self.train().modules() if _couples(m)})
        self.train(mode)
        if not drawing:
            return super().undivided()
        return (
            "its network draws random numbers or standardises by the batch it sees, in "
            f"{', '.join(drawing)}"
        )

    def backbone_groups(self) -> list[dict[str, Any]]:
        """Group the backbone's weights for an optimiser, with rates by layer."""
        self.hold(False)
        settings, network = self.settings, self.backbone.network
        skipped = set(getattr(network, "no_weight_decay", set)())
        layers = self.backbone.layers()
        groups = []
        for number, names in enumerate(layers):
            rate = settings["layer_decay"] ** (len(layers) - 1 - number)
            split: dict[bool, list[nn.Parameter]] = {True: [], False: []}
            for name in names:
                parameter = network.get_parameter(name)
                plain = parameter.ndim <= 1 or name in skipped
                if parameter.requires_grad:
                    split[settings["decay_all"] or not plain].append(parameter)
            for decays, parameters in split.items():
                group: dict[str, Any] = {
                    "params": parameters,
                    "lr": settings["backbone_learning_rate"] * rate,
                    "of_backbone": True,
                }
                if not decays:
                    group["weight_decay"] = 0.0
                elif settings["backbone_weight_decay"] is not None:
                    group["weight_decay"] = settings["backbone_weight_decay"]
                if parameters:
                    groups.append(group)
        return groups

    def configure_optimizers(self, make: OptimizerFactory) -> Mapping[str, torch.optim.Optimizer]:
        """One optimiser, the head's weights first."""
        of_backbone = {id(p) for p in self.backbone.parameters()}
        head = [p for p in self.parameters() if p.requires_grad and id(p) not in of_backbone]
        return {"main": make([{"params": head}, *self.backbone_groups()])}


def _couples(module: nn.Module) -> bool:
    """Whether a part of a network computes for a sample what depends on the rest of its batch."""
    share = getattr(module, "drop_prob", None) or getattr(module, "p", None)
    draws = isinstance(share, float) and share > 0 and "drop" in type(module).__name__.lower()
    standardises = isinstance(module, nn.modules.batchnorm._BatchNorm)
    return module.training and (draws or standardises)


class RegionLearner(PictureLearner):
    """A learner of regions behind a backbone: what a classifier of regions is trained with here.

    A head that changes regions by their gradients, as HAS does, changes pixels here.

    Parameters
    ----------
    n_features : int
        Width of the regions.
    backbone : BackboneRecipe
        Of the backbone.
    head_type : type
        The learner of regions.
    head_params : dict
        Its parameters besides the width.
    unit_length : bool
        Whether regions are scaled to unit length for it.
    """

    black: Tensor
    white: Tensor

    def __init__(
        self,
        n_features: int,
        backbone: BackboneRecipe,
        head_type: type[Learner],
        head_params: dict[str, Any],
        unit_length: bool,
    ) -> None:
        # Before the backbone: its weights are then those it has without one.
        head = head_type(n_features=n_features, **head_params)
        super().__init__(backbone)
        self.head: Any = head
        mean, std = (
            torch.tensor(backbone.fitted.config[k])[:, None, None] for k in ("mean", "std")
        )
        self.register_buffer("black", -mean / std, persistent=False)
        self.register_buffer("white", (1 - mean) / std, persistent=False)
        self.unit_length = unit_length
        self.weighs_samples = head.weighs_samples  # type: ignore[misc]
        self.divides_batches = head.divides_batches  # type: ignore[misc]
        self.undivided_because = head.undivided_because  # type: ignore[misc]
        self.table_buffers = head.table_buffers  # type: ignore[misc]

    def regions_of(self, X: Tensor) -> Tensor:
        """Regions (B, R, D) as the head takes them, of pixels or of stored ones."""
        if X.ndim == 3:
            return X
        regions = self.features(X)
        return normalize_rows(regions) if self.unit_length else regions

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the head's terms on regions with a gradient."""
        adversarial = batch.phase == "adversarial" and hasattr(self.head, "perturbed")
        if batch.X.ndim == 3 or not adversarial:
            terms: dict[str, Tensor] = self.head.training_step(self._seen(batch))
            return terms
        changed = batch._replace(X=self.perturbed(batch), phase="main")
        return {"loss": self.head.training_step(self._seen(changed))["loss"]}

    def perturbed(self, batch: Batch) -> Tensor:
        """Pixels changed within black and white by a head that changes samples."""
        mode, limits = self.training, (self.black, self.white)
        self.eval()
        try:
            table = self.head.class_embeddings(self.head.class_attributes)
            pixels: Tensor = self.head.perturbed(batch, table, self.regions_of, limits)
        finally:
            self.train(mode)
        return pixels

    def _seen(self, batch: Batch) -> Batch:
        if batch.X.ndim == 3:
            return batch
        regions = self.regions_of(batch.X)
        return batch._replace(X=regions, padding=find_padding(regions.detach()))

    def class_scores(self, X: Tensor, table: Tensor) -> Tensor:
        """Scores of the head."""
        return self.head.class_scores(self.regions_of(X), table)

    def scorer(self, table: Tensor, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
        """Scores of the head for many batches."""
        score = self.head.scorer(table, dtype)
        return lambda X: score(self.regions_of(X))

    def phases(self, step: int) -> Any:
        """Those of the head."""
        return self.head.phases(step)

    def configure_optimizers(self, make: OptimizerFactory) -> Mapping[str, torch.optim.Optimizer]:
        """Make the head's optimisers, of which the first one moves the backbone too."""
        rest = self.backbone_groups()

        def make_with_backbone(parameters: Any, **options: Any) -> torch.optim.Optimizer:
            groups = list(parameters)
            if groups and not isinstance(groups[0], dict):
                groups = [{"params": groups}]
            groups += rest
            rest.clear()
            return make(groups, **options)

        made: Mapping[str, torch.optim.Optimizer] = self.head.configure_optimizers(
            make_with_backbone
        )
        if len({id(one) for one in made.values()}) < len(made) and self.settings["accumulate"] > 1:
            raise ValueError(
                f"accumulate={self.settings['accumulate']}, but {type(self.head).__name__} takes "
                "two kinds of steps with one optimiser: set it to 1"
            )
        return made
