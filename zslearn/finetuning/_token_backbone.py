"""A network of timm that is trained: its tokens and maps, with gradients."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

if TYPE_CHECKING:
    from zslearn.feature_extraction._timm_backbone import Layout

__all__ = ["TokenBackbone"]

_NORMS = (nn.modules.batchnorm._BatchNorm,)


class TokenBackbone(nn.Module):
    r"""A timm network as the trained part of a classifier of pictures.

    A vision transformer is taken apart: ``embed`` makes tokens h\ :sub:`0` of pixels, ``run``
    passes them through some blocks, ``finish`` applies the last norm, and ``split`` parts class
    and register tokens from regions. ``regions`` is what a
    :class:`~zslearn.feature_extraction.TimmRegionExtractor` takes, of any network, here with a
    gradient.

    Parameters
    ----------
    network : Module
        A network of timm without classifier, in float32 or float64.
    layout : Layout
        Which map is taken, and how its axes are read: that of a fitted extractor.
    pooled : (int, int) or None, default=None
        Regions down and across to average to.
    precision : torch.dtype, default=torch.float32
        Of the products, under autocast; weights and results keep their precision.
    frozen_layers : int, default=0
        As in `set_frozen`.
    gradient_checkpointing : bool, default=False
        Whether activations are computed again in the backward pass instead of kept: for
        ViT-B/16 at 224 pixels 8 MiB a picture instead of 112, at the cost of another pass.
    keep_statistics : bool, default=True
        Whether batch norms use and keep the statistics they came with, also in training: those of
        a small batch are poor. Frozen ones always do.

    Attributes
    ----------
    n_features : int
        Features of a region, D.
    n_prefix_tokens : int
        Class, distillation and register tokens in front of the regions.
    depth : int
        Blocks of a vision transformer; 0 of other networks.

    See Also
    --------
    FineTunedClassifier : Trains one with a region classifier.
    zslearn.feature_extraction.TimmRegionExtractor : The same network, not trained.

    Examples
    --------
    >>> import torch
    >>> from zslearn.feature_extraction import TimmRegionExtractor
    >>> from zslearn.finetuning import TokenBackbone
    >>> extractor = TimmRegionExtractor("test_vit", pretrained=False, image_size=32).fit()
    >>> backbone = TokenBackbone.from_extractor(extractor)
    >>> x = torch.zeros(2, 3, 32, 32)
    >>> h = backbone.run(backbone.embed(x), 0, backbone.depth)
    >>> prefix, regions = backbone.split(backbone.finish(h))
    >>> prefix.shape, regions.shape
    (torch.Size([2, 1, 64]), torch.Size([2, 4, 64]))
    >>> torch.equal(regions, backbone.regions(x))
    True
    """

    def __init__(
        self,
        network: nn.Module,
        layout: Layout,
        pooled: tuple[int, int] | None = None,
        *,
        precision: torch.dtype = torch.float32,
        frozen_layers: int = 0,
        gradient_checkpointing: bool = False,
        keep_statistics: bool = True,
    ) -> None:
        super().__init__()
        self.network: Any = network
        self.layout = layout
        self.pooled = pooled
        self.precision = precision
        self.keep_statistics = keep_statistics
        self.n_features = layout.n_features
        self.n_prefix_tokens = layout.n_prefix_tokens
        parts = ("patch_embed", "_pos_embed", "patch_drop", "norm_pre", "blocks", "norm")
        # Networks whose blocks want more than tokens, such as rotary positions, are run whole.
        self.has_tokens = all(hasattr(network, part) for part in parts) and not hasattr(
            network, "rope"
        )
        blocks: Any = network.blocks if self.has_tokens else ()
        self.depth = len(blocks)
        self._frozen: list[nn.Module] = []
        self.set_frozen(frozen_layers)
        self.set_grad_checkpointing(gradient_checkpointing)

    @classmethod
    def from_extractor(cls, extractor: Any, **options: Any) -> Self:
        """Make the network of a fitted extractor anew, in float32, to be trained.

        Parameters
        ----------
        extractor : TimmRegionExtractor
            A fitted one; its own network stays as it is.
        **options : dict
            Parameters of this class besides network, layout and pooled.

        Returns
        -------
        backbone : TokenBackbone
            On the CPU.
        """
        fitted = extractor._fitted
        return cls(fitted.recipe.create(), fitted.layout, fitted.pooled, **options)

    # -- what it computes ----------------------------------------------------------------------

    def autocast(self) -> AbstractContextManager[Any]:
        """Compute in the precision of the products.

        Returns
        -------
        context : context manager
            Empty where that is the precision of the weights.
        """
        weight = next(self.network.parameters())
        if self.precision == torch.float32 or weight.dtype != torch.float32:
            return nullcontext()
        return torch.autocast(weight.device.type, self.precision)

    def embed(self, x: Tensor) -> Tensor:
        """Compute tokens of patches, with position, and the prefix tokens: h0.

        Parameters
        ----------
        x : Tensor of shape (B, 3, H, W)
            Normalised pictures.

        Returns
        -------
        h : Tensor of shape (B, n_prefix_tokens + R, D)
            Tokens.

        Raises
        ------
        TypeError
            If the network is no vision transformer.
        """
        self._check_tokens()
        network = self.network
        h: Tensor = network.norm_pre(network.patch_drop(network._pos_embed(network.patch_embed(x))))
        return h

    def run(self, h: Tensor, start: int = 0, stop: int | None = None) -> Tensor:
        """Pass tokens through blocks.

        Parameters
        ----------
        h : Tensor of shape (B, N, D)
            Tokens before block `start`.
        start : int, default=0
            The first block.
        stop : int, default=None
            Behind the last block; ``None`` is the last one of the network.

        Returns
        -------
        h : Tensor of shape (B, N, D)
            Tokens after block ``stop - 1``.

        Raises
        ------
        TypeError
            If the network is no vision transformer.
        """
        self._check_tokens()
        saves = self.training and torch.is_grad_enabled() and self.network.grad_checkpointing
        for block in self.network.blocks[start:stop]:
            h = checkpoint(block, h, use_reentrant=False) if saves else block(h)
        return h

    def finish(self, h: Tensor) -> Tensor:
        """Apply the network's last norm.

        Parameters
        ----------
        h : Tensor of shape (B, N, D)
            Tokens after the last block.

        Returns
        -------
        h : Tensor of shape (B, N, D)
            Normalised tokens.

        Raises
        ------
        TypeError
            If the network is no vision transformer.
        """
        self._check_tokens()
        normed: Tensor = self.network.norm(h)
        return normed

    def split(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Part the prefix tokens from the regions.

        Parameters
        ----------
        h : Tensor of shape (B, n_prefix_tokens + R, D)
            Tokens.

        Returns
        -------
        prefix : Tensor of shape (B, n_prefix_tokens, D)
            Class, distillation and register tokens.
        regions : Tensor of shape (B, R, D)
            Tokens of patches.
        """
        return h[:, : self.n_prefix_tokens], h[:, self.n_prefix_tokens :]

    def tokens(self, x: Tensor, *, norm: bool = True) -> Tensor:
        """Compute all tokens behind the last block, in the precision of the weights.

        Parameters
        ----------
        x : Tensor of shape (B, 3, H, W)
            Normalised pictures.
        norm : bool, default=True
            Whether the last norm is applied.

        Returns
        -------
        h : Tensor of shape (B, n_prefix_tokens + R, D)
            Tokens, the prefix first.

        Raises
        ------
        TypeError
            If the network is no vision transformer.
        """
        with self.autocast():
            h = self.run(self.embed(x))
            h = self.finish(h) if norm else h
        return h.to(next(self.network.parameters()).dtype)

    def regions(self, x: Tensor) -> Tensor:
        """Compute the regions that the extractor takes, in the precision of the weights.

        Parameters
        ----------
        x : Tensor of shape (B, 3, H, W)
            Normalised pictures.

        Returns
        -------
        regions : Tensor of shape (B, R, D)
            Not scaled.
        """
        from zslearn.feature_extraction._timm_backbone import take_regions

        with self.autocast():
            regions = take_regions(self.network, self.layout, self.pooled, x)
        return regions.to(next(self.network.parameters()).dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the regions of pictures: `regions`.

        Parameters
        ----------
        x : Tensor of shape (B, 3, H, W)
            Normalised pictures.

        Returns
        -------
        regions : Tensor of shape (B, R, D)
            Not scaled.
        """
        return self.regions(x)

    # -- what is trained of it -----------------------------------------------------------------

    def layers(self) -> list[list[str]]:
        """List the weights of each layer by name, from the pixels on, as timm groups them.

        Returns
        -------
        layers : list of list of str
            Of a vision transformer the embedding and each block, with the last norm in the last
            one; of a convolutional network the stem and each block.
        """
        from timm.models import group_parameters

        matcher = self.network.group_matcher(coarse=False)
        layer_of = group_parameters(self.network, matcher, reverse=True)
        names: dict[int, list[str]] = {number: [] for number in sorted(set(layer_of.values()))}
        for name, _ in self.network.named_parameters():
            names[layer_of[name]].append(name)
        return [layer for layer in names.values() if layer]

    def set_frozen(self, n_layers: int) -> None:
        """Train all but the first layers, whose statistics and dropout then stand still.

        Parameters
        ----------
        n_layers : int
            Number of `layers` from the pixels on that stay as they are; -1 freezes all.

        Raises
        ------
        ValueError
            If there are fewer.
        """
        layers = self.layers()
        if not -1 <= n_layers <= len(layers):
            raise ValueError(
                f"frozen_layers={n_layers}, but {type(self.network).__name__} has {len(layers)} "
                "layers: give a number up to that, or -1 for all."
            )
        still = {name for layer in layers[: n_layers % (len(layers) + 1)] for name in layer}
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(name not in still)
        self._frozen = [
            module
            for module in self.network.modules()
            if (own := list(module.parameters())) and not any(p.requires_grad for p in own)
        ]
        self.train(self.training)

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Compute activations again in the backward pass instead of keeping them.

        Parameters
        ----------
        enable : bool, default=True
            Whether to.

        Raises
        ------
        ValueError
            If the network has no such thing.
        """
        try:
            self.network.set_grad_checkpointing(enable)
        except (AttributeError, AssertionError):
            if enable:
                raise ValueError(
                    f"gradient_checkpointing=True, but {type(self.network).__name__} does not "
                    "provide for it: set it to False, and a smaller batch_size with accumulate."
                ) from None

    def train(self, mode: bool = True) -> Self:
        """Set the mode of what is trained; what is frozen stays in evaluation mode.

        Parameters
        ----------
        mode : bool, default=True
            Whether to train.

        Returns
        -------
        self : TokenBackbone
            This network.
        """
        super().train(mode)
        for module in self._frozen:
            module.eval()
        if self.keep_statistics:
            for module in self.network.modules():
                if isinstance(module, _NORMS):
                    module.eval()
        return self

    def _check_tokens(self) -> None:
        if not self.has_tokens:
            raise TypeError(
                f"{type(self.network).__name__} is no plain vision transformer of timm, so its "
                "tokens cannot be taken block by block: choose another model_name, or a method "
                "that takes regions."
            )
