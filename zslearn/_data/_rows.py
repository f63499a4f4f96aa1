"""Region features gathered a batch of rows at a time, from memory, disk or the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zslearn._data._memory import free_memory
from zslearn._data._row_sources import TORCH_HAS, SharedRows, as_tensor, in_memory
from zslearn._data._sampling import RowPlan, ShuffledRows
from zslearn._data._unit_length import WIDE, as_float, divide, measure, normalize
from zslearn.nn._workspace import scratch
from zslearn.nn.functional import find_padding, normalize_rows

__all__ = ["RegionRows", "SharedRows", "TrainingBatches", "in_memory"]

_CHUNK_BYTES = 2**24
_RESIDENT_SHARE = 0.25
_SMALL_COPY = 2**25


class RegionRows:
    """Rows of X as region features on the device, checked as they are read.

    Parameters
    ----------
    X : ndarray, Tensor or lazy store of shape (n, R, D) or (n, D)
        Of any real dtype. Never copied whole, unless `resident`.
    device : torch.device
    dtype : torch.dtype
        Of the regions returned.
    rows : ndarray of int, default=None
        The rows of X meant, in ascending order; all by default. Row numbers below count these.
    keep : bool, default=False
        Keep one prepared copy on the device, if it fits in a quarter of the memory free there and,
        on a CPU, X is in memory: what is on disk may be there because it is large. In float32 on a
        CPU, only the lengths of the regions of a large X, which is divided by them batch by batch.
    unit_length : bool, default=True
        Whether each region is scaled to unit length.

    Attributes
    ----------
    padding : Tensor of shape (n, R), bool, or None
        Marks regions of zeros among rows that are kept, if there are some.
    may_be_padded : bool
        Whether that is not known, or there are some.
    """

    def __init__(
        self,
        X: Any,
        device: torch.device,
        dtype: torch.dtype,
        *,
        rows: NDArray[np.intp] | None = None,
        keep: bool = False,
        unit_length: bool = True,
    ) -> None:
        self.X = X
        self.unit_length = unit_length
        self.rows = rows
        self.device = device
        self.dtype = dtype
        shape = tuple(X.shape) if len(X.shape) == 3 else (X.shape[0], 1, X.shape[1])
        self.shape = shape if rows is None else (len(rows), *shape[1:])
        self._resident: Tensor | None = None
        self._lengths: Tensor | None = None
        self.padding: Tensor | None = None
        if keep and self._reads_in_place():
            self._lengths, self.padding = self._made_once("lengths", self._measure)
        if keep and self._lengths is None and self._should_keep():
            self._resident, self.padding = self._made_once("regions", self._copy)
        is_known = self._resident is not None or self._lengths is not None
        self.may_be_padded = self.padding is not None or (not is_known and shape[1] > 1)

    def _made_once(self, kind: str, make: Callable[[], Any]) -> tuple[Any, Tensor | None]:
        """Return what is made of all rows, and kept with X if that is shared."""
        if not isinstance(self.X, SharedRows):
            return make()
        of_rows = self.rows is None or self.rows.tobytes()
        key = kind, self.device, self.dtype, self.unit_length, of_rows
        with self.X.lock:
            if key not in self.X.kept:
                self.X.kept[key] = make()
        return self.X.kept[key]

    def _reads_in_place(self) -> bool:
        """Whether X is as good as a copy once its regions are measured: large, and in memory."""
        return (
            self.unit_length
            and self.device.type == "cpu"
            and self.dtype in WIDE
            and in_memory(self.X)
            and as_tensor(self.X[:1]).itemsize <= self.dtype.itemsize
            and 4 * int(np.prod(self.shape)) > _SMALL_COPY
        )

    def _measure(self) -> tuple[Tensor | None, Tensor | None]:
        """Return the lengths (n, R, 1) of all regions, and the mark of those of zeros.

        There are none if some image is too small or large for its length to be of use.
        """
        lengths = []
        padding = torch.zeros(self.shape[:2], dtype=torch.bool)
        for chunk in self.chunks():
            raw = self.read(chunk)
            for found, odd in measure(raw):
                if odd is not None and bool(odd.any()):
                    return None, None
                lengths.append(found)
            padding[chunk] = raw.any(dim=-1).logical_not()
        return torch.cat(lengths), padding if bool(padding.any()) else None

    def _copy(self) -> tuple[Tensor, Tensor | None]:
        """Return all rows, prepared, and the mark of the regions of zeros among them."""
        resident = torch.empty(self.shape, dtype=self.dtype, device=self.device)
        padding = torch.zeros(self.shape[:2], dtype=torch.bool, device=self.device)
        for chunk in self.chunks():
            found = find_padding(self.prepare(self.read(chunk), chunk, out=resident[chunk]))
            padding[chunk] = False if found is None else found
        return resident, padding if bool(padding.any()) else None

    def __len__(self) -> int:
        return self.shape[0]

    def chunks(self, bytes_per_row: int = 0) -> Iterator[slice]:
        """Slices of rows that each take a bounded amount of memory."""
        per_row = max(bytes_per_row, 4 * self.shape[1] * self.shape[2])
        # A card waits longer for many small chunks than it computes on them.
        n_bytes = _CHUNK_BYTES * (8 if self.device.type == "cuda" else 1)
        for start in range(0, len(self), step := max(1, n_bytes // per_row)):
            yield slice(start, min(start + step, len(self)))

    def take_chunks(self, bytes_per_row: int = 0) -> Iterator[tuple[slice, Tensor]]:
        """Slices of rows and their regions, each overwritten by the next."""
        space = None
        for chunk in self.chunks(bytes_per_row):
            n = chunk.stop - chunk.start
            if space is None:
                shape = (n, *self.shape[1:])
                space = torch.empty(shape, dtype=self.dtype, device=self.device)
            yield chunk, self.take(chunk, out=space[:n])

    def read_chunks(self, bytes_per_row: int = 0) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Slices of rows, these as X has them, and their regions, overwritten by the next."""
        space = None
        for chunk in self.chunks(bytes_per_row):
            raw = self.read(chunk)
            if space is None:
                space = torch.empty(raw.shape, dtype=self.dtype, device=self.device)
            yield chunk, raw, self.prepare(raw, chunk, out=space[: len(raw)])

    @property
    def resident(self) -> Tensor | None:
        """All rows, normalised and on the device, if they are kept."""
        return self._resident

    def take(self, rows: slice | NDArray[np.intp], out: Tensor | None = None) -> Tensor:
        """Regions (B, R, D) of some rows, in ascending order; `out` may be used for the result."""
        if self._lengths is not None:
            return self._divided(rows, self._lengths, out)
        if self._resident is None:
            return self.prepare(self.read(rows), rows, out)
        if isinstance(rows, slice):
            return self._resident[rows]
        index = torch.from_numpy(rows).to(self.device)
        if out is None:
            return self._resident.index_select(0, index)
        return torch.index_select(self._resident, 0, index, out=out)

    def _divided(
        self, rows: slice | NDArray[np.intp], lengths: Tensor, out: Tensor | None
    ) -> Tensor:
        """Rows of an X in memory, divided by what is known to be their lengths."""
        raw = self._gather(rows)
        if out is None:
            out = torch.empty(raw.shape, dtype=self.dtype)
        return divide(raw, lengths[rows], out)

    def _gather(self, rows: slice | NDArray[np.intp]) -> Tensor:
        """Rows of an X in memory, in memory that is used again: fresh takes longer to get."""
        X = self.X.X if isinstance(self.X, SharedRows) else self.X
        if isinstance(rows, slice) or not isinstance(X, np.ndarray) or X.dtype not in TORCH_HAS:
            return self.read(rows)
        shape = (len(rows), *self.shape[1:])
        dtype = torch.from_numpy(np.empty(0, X.dtype)).dtype
        space = scratch("rows", shape, dtype, self.device)
        index = rows if self.rows is None else self.rows[rows]
        np.take(X, index, axis=0, out=space.numpy().reshape(len(rows), *X.shape[1:]), mode="clip")
        return space

    def read(self, rows: slice | NDArray[np.intp]) -> Tensor:
        """Rows as X has them, of shape (B, R, D)."""
        if not isinstance(rows, slice) and (rows[1:] == rows[:-1]).any():
            # Not every store gives a row twice.
            once, place = np.unique(rows, return_inverse=True)
            return self.read(once)[torch.from_numpy(place)]
        raw = as_tensor(self.X[rows if self.rows is None else self.rows[rows]])
        return raw.reshape(len(raw), *self.shape[1:])

    def prepare(
        self, raw: Tensor, rows: slice | NDArray[np.intp], out: Tensor | None = None
    ) -> Tensor:
        """Regions of rows that were read: on the device, checked, of unit length."""
        if raw.dtype == torch.float64 and self.device.type == "mps":
            raw = raw.float()  # Metal has no float64
        raw = raw.to(self.device)
        if out is None:
            out = torch.empty(raw.shape, dtype=self.dtype, device=self.device)
        if not self.unit_length:
            self._check_values(raw, rows if self.rows is None else self.rows[rows])
            return out.copy_(raw)
        for part, odd in normalize(raw, out):
            if bool(odd.any()):
                self._check_values(raw, rows if self.rows is None else self.rows[rows])
                # A sample must not depend on those it comes with: only odd ones take this way.
                out[part][odd] = normalize_rows(as_float(raw[part][odd])).to(self.dtype)
        return out

    @staticmethod
    def _check_values(regions: Tensor, rows: slice | NDArray[np.intp]) -> None:
        """Raise if samples are not finite, or several regions of theirs are all zero."""
        bad = ~torch.isfinite(regions).flatten(1).all(dim=1)
        if bool(bad.any()):
            kind = "NaN" if bool(torch.isnan(regions).any()) else "infinity"
            raise ValueError(
                f"Input X contains {kind}: {int(bad.sum())} of the {len(bad)} samples read in this "
                f"batch have NaN or infinite features, rows {_name_rows(bad, rows)} of X. Correct "
                "or remove them."
            )
        empty = regions.flatten(1).any(dim=1).logical_not()
        if regions.shape[1] > 1 and bool(empty.any()):
            raise ValueError(
                f"X has samples whose regions are all zero, rows {_name_rows(empty, rows)} of X: "
                "regions of zeros are padding, so nothing of them is left. Remove them."
            )

    def _should_keep(self) -> bool:
        size = int(np.prod(self.shape)) * torch.empty(0, dtype=self.dtype).element_size()
        if self.device.type == "cuda":
            return size <= _RESIDENT_SHARE * torch.cuda.mem_get_info(self.device)[0]
        if self.device.type != "cpu" or not in_memory(self.X):
            return False
        return size <= _RESIDENT_SHARE * free_memory()


class TrainingBatches:
    """Epochs of batches, shuffled without replacement unless a plan says otherwise.

    Batches differ in size by at most one: a short last batch would standardise its losses over
    too few images. The regions of a batch are overwritten by those of the next: memory used again
    is faster than memory asked for.

    Parameters
    ----------
    regions : RegionRows
    targets : ndarray of shape (n,)
        Class indices.
    batch_size : int
        The most images in a batch.
    seed : int
        With the number of the epoch, it determines the order.
    weights : ndarray of shape (n,), default=None
        How much each image counts, above 0. They come with the batches.
    draw : bool, default=False
        Let images come as often as they count instead: in each of n places of an epoch.
    plan : RowPlan, default=None
        Which rows make the batches.
    """

    def __init__(
        self,
        regions: RegionRows,
        targets: NDArray[np.int64],
        batch_size: int,
        seed: int,
        *,
        weights: NDArray[np.float64] | None = None,
        draw: bool = False,
        plan: RowPlan | None = None,
    ) -> None:
        self.regions = regions
        self.targets = targets
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0
        self.weights = None
        # Which rows of a batch of n have their regions read, if not all.
        self.share: Callable[[int], slice] | None = None
        self.plan = plan or ShuffledRows(len(targets), batch_size, weights if draw else None)
        if weights is not None and not draw:
            self.weights = (weights / weights.mean()).astype(np.float32)

    def __len__(self) -> int:
        return len(self.plan)

    def rows_of_epoch(self) -> list[NDArray[np.intp]]:
        """Row numbers of each batch of the epoch."""
        batches = self.plan.draw(np.random.default_rng([self.seed, self.epoch]))
        for rows in batches:
            rows.sort()  # the order within a batch is of no consequence, on a disk it is
        return batches

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        return self.batches(self.space())

    @property
    def largest(self) -> int:
        """Images of the largest batch."""
        return self.plan.largest

    def space(self) -> Tensor:
        """Memory for the regions of the largest batch."""
        regions = self.regions
        shape = (self.largest, *regions.shape[1:])
        return torch.empty(shape, dtype=regions.dtype, device=regions.device)

    def batches(self, space: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """Iterate over the epoch: regions, at the beginning of `space`, targets and weights."""
        rows_and_targets = list(self.rows_and_targets())
        share = self.share or slice
        batches = [rows[share(len(rows))] for rows, _ in rows_and_targets]
        of_epoch = self._regions_of(batches, space)
        for (_, regions), (rows, y) in zip(of_epoch, rows_and_targets, strict=True):
            if self.weights is None:
                yield regions, y
            else:
                yield regions, y, torch.from_numpy(self.weights[rows]).to(regions.device)

    def rows_and_targets(self) -> Iterator[tuple[NDArray[np.intp], Tensor]]:
        """Iterate over the epoch: row numbers and targets."""
        for rows in self.rows_of_epoch():
            yield rows, torch.from_numpy(self.targets[rows]).to(self.regions.device)

    def _regions_of(
        self, batches: list[NDArray[np.intp]], space: Tensor
    ) -> Iterator[tuple[NDArray[np.intp], Tensor]]:
        """Regions of each batch; what is not in memory is read while the batch before is used."""
        regions = self.regions
        if regions.resident is not None or in_memory(regions.X):
            for rows in batches:
                yield rows, regions.take(rows, out=space[: len(rows)])
            return
        for rows, raw in self._read_ahead(batches):
            yield rows, regions.prepare(raw, rows, out=space[: len(rows)])

    def _read_ahead(self, batches: list[NDArray[np.intp]]) -> Iterator[tuple[Any, Tensor]]:
        """Rows of each batch as X has them, read while the batch before is used."""
        read = self.regions.read
        with ThreadPoolExecutor(1, thread_name_prefix="zslearn-rows") as pool:
            reading = pool.submit(read, batches[0])
            for rows, after in zip(batches, [*batches[1:], None], strict=True):
                raw = reading.result()
                if after is not None:
                    reading = pool.submit(read, after)
                yield rows, raw


def _name_rows(marked: Tensor, rows: slice | NDArray[np.intp]) -> str:
    """Numbers of the first rows that are marked among those read."""
    found = torch.nonzero(marked).flatten().cpu().numpy()[:10]
    return str((found + (rows.start or 0) if isinstance(rows, slice) else rows[found]).tolist())
