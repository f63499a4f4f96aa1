"""Pixels gathered a batch of rows at a time, normalised and turned about on the device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zslearn._data._rows import TrainingBatches
from zslearn.finetuning._picture_source import PictureSource

__all__ = ["PixelBatches", "PixelRows", "Views"]


class Views(NamedTuple):
    """What is shown of each picture of a batch.

    Attributes
    ----------
    top, left : ndarray of shape (B,), float
        Where the crop begins, as a share of the room there is.
    flipped : ndarray of shape (B,), bool
        Whether left and right are swapped.
    """

    top: NDArray[np.float64]
    left: NDArray[np.float64]
    flipped: NDArray[np.bool_]


class PixelRows:
    """Rows of pictures as normalised pixels (B, 3, H, W) on the device, without augmentation.

    It stands where features stand in training; what these rows are kept in is the source.

    Parameters
    ----------
    source : PictureSource
        Of pictures at least as large as wanted: the middle is taken of larger ones.
    config : dict
        timm's data config of the network, of which input_size, mean and std are used.
    device : torch.device
        Where the network is.
    block : int
        Pictures of a chunk.
    rows : ndarray of int, default=None
        The rows of the source meant, in ascending order.
    """

    padding = None
    may_be_padded = False
    resident = None
    dtype = torch.float32

    def __init__(
        self,
        source: PictureSource,
        config: dict[str, Any],
        device: torch.device,
        block: int,
        *,
        rows: NDArray[np.intp] | None = None,
    ) -> None:
        self.X = source
        self.device = device
        self.block = block
        self.rows = rows
        self.size = (int(config["input_size"][1]), int(config["input_size"][2]))
        n = len(source) if rows is None else len(rows)
        self.shape = (n, 3, *self.size)
        # Of pixels from 0 to 255, for a whole line of them: long runs are what adds up fast.
        self._mean, self._std = (
            255 * torch.tensor(config[name], device=device).repeat(self.size[1])
            for name in ("mean", "std")
        )

    def __len__(self) -> int:
        return self.shape[0]

    def source_rows(self, rows: slice | NDArray[np.intp]) -> NDArray[np.intp]:
        """Rows of the source behind some of these."""
        index: NDArray[np.intp] = np.arange(len(self))[rows]
        return index if self.rows is None else self.rows[index]

    def read(self, rows: slice | NDArray[np.intp]) -> Tensor:
        """Pixels as they are kept, uint8 of shape (B, H, W, 3)."""
        # A mapped file is read-only, which torch warns of, though nothing here writes to it.
        return torch.from_numpy(np.require(self.X[self.source_rows(rows)], requirements=["C", "W"]))

    def prepare(self, raw: Tensor, rows: Any = None, views: Views | None = None) -> Tensor:
        """Pixels that were read: on the device, cropped, flipped, normalised."""
        raw = raw.to(self.device, non_blocking=True)
        down, across = self.size
        room = raw.shape[1] - down, raw.shape[2] - across
        if views is None:
            y, x = room[0] // 2, room[1] // 2
            raw = raw[:, y : y + down, x : x + across]
        else:
            top, left = (
                torch.from_numpy(np.floor(share * (most + 1)).astype(np.int64)).to(self.device)
                for share, most in ((views.top, room[0]), (views.left, room[1]))
            )
            ys = top[:, None] + torch.arange(down, device=self.device)
            xs = torch.arange(across, device=self.device).expand(len(raw), -1)
            flipped = torch.from_numpy(views.flipped).to(self.device)[:, None]
            xs = left[:, None] + torch.where(flipped, across - 1 - xs, xs)
            images = torch.arange(len(raw), device=self.device)[:, None, None]
            raw = raw[images, ys[:, :, None], xs[:, None, :]]
        pixels = raw.to(torch.float32)
        pixels.flatten(2).sub_(self._mean).div_(self._std)
        return pixels.permute(0, 3, 1, 2)

    def take(self, rows: slice | NDArray[np.intp], out: Tensor | None = None) -> Tensor:
        """Normalised pixels (B, 3, H, W) of some rows."""
        return self.prepare(self.read(rows))

    def take_chunks(self, bytes_per_row: int = 0) -> Iterator[tuple[slice, Tensor]]:
        """Slices of rows and their pixels."""
        for start in range(0, len(self), self.block):
            chunk = slice(start, min(start + self.block, len(self)))
            yield chunk, self.take(chunk)


class PixelBatches(TrainingBatches):
    """Epochs of batches of pixels, each picture shown otherwise in each epoch.

    Order and view of a row come from the seed, the epoch and its number in the source alone.

    Parameters
    ----------
    regions : PixelRows
        The pictures.
    targets : ndarray of shape (n,)
        Class indices.
    batch_size : int
        The most pictures in a batch.
    seed : int
        With the number of the epoch, it determines order and views.
    augmentation : {"none", "flip", "crop"}
        "flip" swaps left and right of half of the pictures; "crop" also takes a random part.
    **weighing : dict
        How samples are weighed, as in TrainingBatches.
    """

    regions: Any

    def __init__(
        self,
        regions: PixelRows,
        targets: NDArray[np.int64],
        batch_size: int,
        seed: int,
        *,
        augmentation: str = "none",
        **weighing: Any,
    ) -> None:
        super().__init__(regions, targets, batch_size, seed, **weighing)  # type: ignore[arg-type]
        self.augmentation = augmentation

    def space(self) -> Tensor:
        """Nothing: a backward pass may need the pixels of a batch still."""
        return torch.empty(0)

    def views(self, rows: NDArray[np.intp]) -> Views | None:
        """Draw what is shown of some rows in this epoch."""
        if self.augmentation == "none":
            return None
        source = self.regions.source_rows(rows).tolist()
        draws = np.array(
            [np.random.default_rng([self.seed, self.epoch, r]).random(3) for r in source]
        )
        top, left, side = draws.T
        if self.augmentation == "flip":
            top = left = np.full(len(draws), 0.5)
        return Views(top, left, side < 0.5)

    def _regions_of(
        self, batches: list[NDArray[np.intp]], space: Tensor
    ) -> Iterator[tuple[NDArray[np.intp], Tensor]]:
        for rows, raw in self._read_ahead(batches):
            yield rows, self.regions.prepare(raw, rows, self.views(rows))
