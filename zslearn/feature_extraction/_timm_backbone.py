"""From pixels to regions: which map of a timm model is taken, and how its axes are read."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from joblib import cpu_count
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Backbone", "Layout", "check_pooling", "find_layout", "take_regions"]


class Layout(NamedTuple):
    """How regions are taken from a network.

    Attributes
    ----------
    layer : int
        Index of the layer among `n_layers`.
    n_layers : int
        Layers there are.
    source : {"NCHW", "NHWC", "NLC", "intermediate", "pooled"}
        Axes of what ``forward_features`` returns; or "intermediate" where the map is one of
        ``forward_intermediates``, "pooled" where ``forward_head`` makes one vector of it.
    norm : bool
        Whether ``forward_intermediates`` is asked for the final norm.
    n_prefix_tokens : int
        Tokens in front of those of the patches, which are dropped.
    grid_shape : (int, int) or None
        Regions down and across.
    n_regions, n_features : int
        Regions of a picture, features of a region.
    """

    layer: int
    n_layers: int
    source: str
    norm: bool
    n_prefix_tokens: int
    grid_shape: tuple[int, int] | None
    n_regions: int
    n_features: int


class _Final(NamedTuple):
    """What ``forward_features`` returns."""

    source: str
    n_prefix_tokens: int
    n_regions: int
    n_features: int
    grid_shape: tuple[int, int] | None


@torch.inference_mode()
def find_layout(
    network: nn.Module, size: tuple[int, int], layer: int, norm: bool, pooled: bool = False
) -> Layout:
    """Run a network on one blank picture and find out how to take the regions of a layer.

    Raises
    ------
    ValueError
        If the network does not take pictures of this size, has no such layer, or returns nothing
        that can be read as regions.
    """
    weight = next(network.parameters())
    blank = torch.zeros(1, 3, *size, device=weight.device, dtype=weight.dtype)
    name = type(network).__name__
    try:
        output = network.forward_features(blank)  # type: ignore[operator]
        maps = _intermediates(network, blank, None, False)
    except torch.cuda.OutOfMemoryError:
        raise
    except Exception as error:  # sizes that do not fit end in errors of all kinds
        raise ValueError(
            f"{name} does not take pictures of {size[0]} x {size[1]} pixels "
            f"({type(error).__name__}: {error}). Choose another image_size; None is the model's "
            "own."
        ) from error
    if pooled:
        vector = network.forward_head(output)  # type: ignore[operator]
        if vector.ndim != 2:
            raise ValueError(
                f"{name} pools to {_describe(vector)}, not to a vector a picture: use pooled=False."
            )
        n_layers = max(1, len(maps))
        return Layout(n_layers - 1, n_layers, "pooled", norm, 0, (1, 1), 1, vector.shape[1])
    last = maps[-1] if maps else None
    final = _read_final(network, output, last)
    if final is None and last is None:
        raise ValueError(
            f"{name}.forward_features returns {_describe(output)}, which is neither a map nor "
            "patch tokens, and it has no forward_intermediates. Choose another model."
        )
    # A convolution behind the last stage makes a layer of its own.
    has_tail = final is not None and (
        last is None or (final.n_features, final.n_regions) != (last.shape[1], last[0, 0].numel())
    )
    n_layers = len(maps) + has_tail
    if not -n_layers <= layer < n_layers:
        raise ValueError(
            f"layer={layer}, but {name} has {n_layers} layers: 0 to {n_layers - 1}, or "
            f"{-n_layers} to -1."
        )
    layer %= n_layers
    if layer == n_layers - 1 and final is not None and (norm or has_tail):
        return Layout(
            layer,
            n_layers,
            final.source,
            norm,
            final.n_prefix_tokens,
            final.grid_shape,
            final.n_regions,
            final.n_features,
        )
    if norm:
        try:
            _intermediates(network, blank, layer, True)
        except AssertionError:  # timm's way to say that it normalises no intermediate map
            norm = False
    taken = maps[layer]
    if taken.ndim != 4:
        raise ValueError(f"{name} gives {_describe(taken)} for layer {layer}, which is no map.")
    down, across = int(taken.shape[2]), int(taken.shape[3])
    prefix = int(getattr(network, "num_prefix_tokens", 0) or 0)
    return Layout(
        layer,
        n_layers,
        "intermediate",
        norm,
        prefix,
        (down, across),
        down * across,
        int(taken.shape[1]),
    )


def check_pooling(grid_shape: Any, layout: Layout) -> tuple[int, int] | None:
    """Check that the regions of a layer can be averaged to a grid.

    Raises
    ------
    ValueError
        If these are not two positive integers, there are fewer regions, or they lie on no grid.
    """
    if grid_shape is None:
        return None
    grid = tuple(grid_shape)
    if len(grid) != 2 or not all(isinstance(side, int | np.integer) and side >= 1 for side in grid):
        raise ValueError(f"grid_shape={grid_shape!r} must be two positive integers (down, across).")
    own = layout.grid_shape
    if own is None:
        raise ValueError(
            f"grid_shape={grid}, but the {layout.n_regions} regions of this layer lie on no grid "
            "that could be averaged; use grid_shape=None."
        )
    if grid[0] > own[0] or grid[1] > own[1]:
        raise ValueError(
            f"grid_shape={grid} asks for more regions than there are: layer {layout.layer} has "
            f"{own[0]} x {own[1]}. Use a coarser grid, another layer or a larger image_size."
        )
    return int(grid[0]), int(grid[1])


def _intermediates(network: nn.Module, x: Tensor, layer: int | None, norm: bool) -> list[Tensor]:
    """Compute the map of one layer or of all, (n, D, down, across); none if there is no way."""
    method = getattr(network, "forward_intermediates", None)
    if method is None:
        return []
    wanted = {
        "indices": None if layer is None else [layer],
        "norm": norm,
        "stop_early": layer is not None,
        "output_fmt": "NCHW",
        "intermediates_only": True,
    }
    known = inspect.signature(method).parameters
    return list(method(x, **{name: value for name, value in wanted.items() if name in known}))


def _read_final(network: nn.Module, output: Any, last: Tensor | None) -> _Final | None:
    """Read the axes of what ``forward_features`` returns; None if they cannot be told."""
    if not torch.is_tensor(output):
        return None
    shape = tuple(int(side) for side in output.shape)
    if output.ndim == 4:
        declared = getattr(network, "output_fmt", "NCHW")
        source = str(getattr(declared, "value", declared))
        if source not in ("NCHW", "NHWC"):
            return None
        n_features = shape[1] if source == "NCHW" else shape[3]
        grid = (shape[2], shape[3]) if source == "NCHW" else (shape[1], shape[2])
        if n_features != getattr(network, "num_features", n_features):
            return None
        return _Final(source, 0, grid[0] * grid[1], n_features, grid)
    if output.ndim != 3:
        return None
    declared = getattr(network, "num_prefix_tokens", None)
    n_regions = shape[1] - int(declared or 0)
    grid_shape = _find_grid(network, n_regions, last)
    # Without a declaration, only a grid tells patch tokens from a class token.
    if n_regions < 1 or (declared is None and grid_shape is None):
        return None
    return _Final("NLC", int(declared or 0), n_regions, shape[2], grid_shape)


def _find_grid(network: nn.Module, n_regions: int, last: Tensor | None) -> tuple[int, int] | None:
    candidates = []
    if last is not None and last.ndim == 4:
        candidates.append(tuple(int(side) for side in last.shape[2:]))
    own = getattr(getattr(network, "patch_embed", None), "grid_size", None)
    if isinstance(own, tuple | list) and len(own) == 2 and None not in own:
        candidates.append((int(own[0]), int(own[1])))
    for down, across in candidates:
        if down * across == n_regions:
            return down, across
    return None


def _describe(output: Any) -> str:
    if torch.is_tensor(output):
        return f"a tensor of shape {tuple(output.shape)}"
    if isinstance(output, list | tuple):
        return f"a {type(output).__name__} of {len(output)}"
    return f"a {type(output).__name__}"


def take_regions(
    network: nn.Module, layout: Layout, pooled: tuple[int, int] | None, x: Tensor
) -> Tensor:
    """Compute the regions (n, R, D) of normalised pictures."""
    if layout.source == "intermediate":
        (output,) = _intermediates(network, x, layout.layer, layout.norm)
    else:
        output = network.forward_features(x)  # type: ignore[operator]
    if layout.source == "pooled":
        regions = network.forward_head(output).unsqueeze(1)  # type: ignore[operator]
    elif layout.source == "NLC":
        regions = output[:, layout.n_prefix_tokens :]
    elif layout.source == "NHWC":
        regions = output.flatten(1, 2)
    else:
        regions = output.flatten(2).transpose(1, 2)
    if regions.shape[1:] != (layout.n_regions, layout.n_features):
        raise RuntimeError(
            f"{type(network).__name__} gave regions of shape {tuple(regions.shape[1:])}, "
            f"after {(layout.n_regions, layout.n_features)} for the first picture."
        )
    if pooled is not None and pooled != layout.grid_shape:
        assert layout.grid_shape is not None
        grid = regions.float().transpose(1, 2).unflatten(2, layout.grid_shape)
        regions = functional.adaptive_avg_pool2d(grid, pooled).flatten(2).transpose(1, 2)
    return regions


class Backbone:
    """A network on its device, from uint8 pixels to float16 regions.

    Parameters
    ----------
    network : Module
        As :func:`create_network` makes it; moved and converted in place.
    layout : Layout
        What is taken from it.
    config : dict
        Data config, of which mean and std are used.
    pooled : (int, int) or None
        Regions down and across to average to.
    device : device
        Where to compute.
    dtype : dtype
        Of weights and activations.
    """

    def __init__(
        self,
        network: nn.Module,
        layout: Layout,
        config: Mapping[str, Any],
        pooled: tuple[int, int] | None,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.network = network.to(
            device=device,
            dtype=dtype,
            memory_format=torch.channels_last,  # type: ignore[call-overload]
        )
        self.layout, self.pooled, self.device, self.dtype = layout, pooled, device, dtype
        # Of pixels from 0 to 255, for a whole line of them: long runs are what adds up fast.
        width = int(config["input_size"][2])
        self._mean, self._std = (
            255 * torch.tensor(config[name], device=device).repeat(width)
            for name in ("mean", "std")
        )

    def allocate(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Memory for pixels that copies to the device quickly."""
        return torch.empty(shape, dtype=torch.uint8, pin_memory=self._on_cuda).numpy()

    @torch.inference_mode()
    def normalize(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Copy pixels (n, H, W, 3) to the device and normalise them, to float32 (n, 3, H, W)."""
        x = torch.from_numpy(pixels).to(self.device, non_blocking=True).to(torch.float32)
        x.flatten(2).sub_(self._mean).div_(self._std)
        return x.permute(0, 3, 1, 2)

    @torch.inference_mode()
    def start(self, pixels: NDArray[np.uint8]) -> Pending:
        """Begin to compute the regions of pictures; returns before a GPU has finished."""
        regions = self.take(self.normalize(pixels).to(self.dtype))
        # One pass: a sum in float32 cannot overflow, and what is not finite stays so.
        finite = torch.isfinite(regions.sum(dim=(1, 2), dtype=torch.float32))
        return Pending(regions, finite, pixels)

    def take(self, x: Tensor) -> Tensor:
        """Compute the regions (n, R, D) of normalised pictures, in float16."""
        regions = take_regions(self.network, self.layout, self.pooled, x)
        return regions.to(torch.float16)

    @property
    def leaves_cores_idle(self) -> bool:
        """Whether pictures can be decoded meanwhile without taking cores from the network."""
        return self.device.type != "cpu" or torch.get_num_threads() < cpu_count()

    @property
    def n_regions(self) -> int:
        """Regions a picture, after pooling."""
        return self.layout.n_regions if self.pooled is None else math.prod(self.pooled)

    @property
    def _on_cuda(self) -> bool:
        return self.device.type == "cuda"


class Pending:
    """Regions that may still be on their way from the device."""

    def __init__(self, regions: Tensor, finite: Tensor, pixels: NDArray[np.uint8]) -> None:
        # The pixels are kept until the copy to the device is done.
        self._pixels: NDArray[np.uint8] | None = pixels
        self._event: Any = None
        if regions.device.type != "cuda":
            self._regions, self._finite = regions.cpu(), finite.cpu()
            return
        self._regions, self._finite = (
            torch.empty(value.shape, dtype=value.dtype, pin_memory=True).copy_(
                value, non_blocking=True
            )
            for value in (regions, finite)
        )
        self._event = torch.cuda.Event()
        self._event.record(torch.cuda.current_stream(regions.device))

    def result(self) -> tuple[NDArray[np.float16], NDArray[np.bool_]]:
        """Wait for regions (n, R, D), and whether those of each picture are all finite."""
        if self._event is not None:
            self._event.synchronize()
        self._pixels = None
        return self._regions.numpy(), self._finite.numpy()
