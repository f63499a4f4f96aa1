"""Pictures as rows of X: decoded on demand, or once into memory or a file."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zslearn._data._memory import free_memory
from zslearn.exceptions import UnreadableImagesError
from zslearn.feature_extraction._decoding import PixelTransform, count_threads, decode_ahead
from zslearn.feature_extraction._feature_store import SkippedImage
from zslearn.feature_extraction._picture_sources import Pictures

__all__ = ["CROP_MARGIN", "PictureSource", "with_margin"]

# Sides of the pictures that random crops are taken from, to those of the crops.
CROP_MARGIN = 8 / 7
# Of the memory that is free, for pictures that are kept decoded.
_MEMORY_SHARE = 0.25
_AHEAD = 2


def with_margin(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a data config for larger pictures, of the same scale where there is room for that."""
    size = [round(CROP_MARGIN * side) for side in config["input_size"][1:]]
    share = min(1.0, CROP_MARGIN * config["crop_pct"])
    return {**config, "input_size": [3, *size], "crop_pct": share}


class PictureSource:
    """Pictures of one size, uint8, as a lazy array of shape (n, H, W, 3).

    Parameters
    ----------
    pictures : Pictures
        What to decode.
    config : dict
        timm's data config, which says how pictures are resized and cropped.
    n_jobs : int or None
        Threads that decode.

    Attributes
    ----------
    rows : ndarray of int
        Numbers of the pictures behind the rows.
    skipped : list of SkippedImage
        Pictures left out.
    made_for : TimmRegionExtractor or None
        The extractor of a fit that is about to begin.
    mark : str
        What checkpoints of that fit are named by; empty where there are none.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, pictures: Pictures, config: Mapping[str, Any], n_jobs: int | None) -> None:
        self.pictures = pictures
        self.config = dict(config)
        self.n_threads = count_threads(n_jobs)
        self.transform = PixelTransform(self.config)
        self.rows = np.arange(len(pictures))
        self.skipped: list[SkippedImage] = []
        self.made_for: Any = None
        self.mark = ""
        self._decoded: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Pictures, height, width, colours."""
        down, across = self.transform.size
        return len(self), down, across, 3

    @property
    def names(self) -> list[str] | None:
        """Names of the pictures that are files."""
        return self.pictures.names

    def decode(self, *, skip: bool, cache_dir: str | os.PathLike[str] | None = None) -> None:
        """Decode all once, into a file of `cache_dir`, or into memory if they fit a quarter of it.

        Pictures that cannot be read are left out with `skip`, so that there are fewer rows.

        Raises
        ------
        UnreadableImagesError
            Without `skip`, if some cannot be read.
        """
        shape = (len(self.pictures), *self.transform.size, 3)
        failed: dict[int, str] = {}
        if cache_dir is not None:
            self._decoded, failed = self._from_file(Path(cache_dir).expanduser(), shape)
        elif np.prod(shape) <= _MEMORY_SHARE * free_memory():
            self._decoded = np.empty(shape, dtype=np.uint8)
            failed = self._fill(self._decoded)
        elif skip:
            failed = self._fill(None)
        if failed and not skip:
            raise self._unreadable(failed)
        self.skipped = self._named(failed)
        self.rows = np.setdiff1d(self.rows, list(failed))

    def shown_as(self, config: Mapping[str, Any]) -> PictureSource:
        """Return the same rows, resized and cropped otherwise."""
        if self.config == dict(config):
            return self
        other = PictureSource(self.pictures, config, self.n_threads)
        other.rows = self.rows
        return other

    def part(self, rows: Any) -> PictureSource:
        """Return some rows, not decoded before they are asked for."""
        part = copy.copy(self)
        part.rows = self.rows[rows]
        return part

    def __getitem__(self, rows: Any) -> NDArray[np.uint8]:
        """Pixels of some rows, of shape (B, H, W, 3)."""
        rows = self.rows[rows]
        if self._decoded is not None:
            return self._decoded[rows]
        out = np.empty((len(rows), *self.transform.size, 3), dtype=np.uint8)
        failed: dict[int, str] = {}

        def decode(place: int) -> None:
            try:
                out[place] = self.transform(self.pictures.load(int(rows[place])))
            except MemoryError:
                raise
            except Exception as error:
                failed[int(rows[place])] = f"{type(error).__name__}: {error}"

        with ThreadPoolExecutor(self.n_threads, thread_name_prefix="zslearn-decode") as pool:
            list(pool.map(decode, range(len(rows))))
        if failed:
            raise self._unreadable(dict(sorted(failed.items())))
        return out

    def _fill(self, out: NDArray[np.uint8] | None) -> dict[int, str]:
        """Decode all, and tell which failed."""
        size = 64
        n = len(self.pictures)
        batches = [range(i, min(n, i + size)) for i in range(0, n, size)]
        decoded = decode_ahead(
            self.pictures,
            self.transform,
            batches,
            n_threads=self.n_threads,
            n_ahead=_AHEAD,
            allocate=lambda shape: np.zeros(shape, dtype=np.uint8),
            missing=self.pictures.find_missing(),
        )
        failed: dict[int, str] = {}
        with closing(decoded):
            for batch in decoded:
                failed.update(batch.failed)
                if out is not None:
                    out[batch.rows.start : batch.rows.stop] = batch.pixels
        return failed

    def _from_file(
        self, folder: Path, shape: tuple[int, ...]
    ) -> tuple[NDArray[np.uint8], dict[int, str]]:
        """Map the file of these pictures and settings, made at the first time."""
        marks = json.dumps([self.config, self.pictures.digest()], sort_keys=True)
        path = folder / f"pixels-{hashlib.sha256(marks.encode()).hexdigest()[:24]}.npy"
        said = path.with_suffix(".json")
        folder.mkdir(parents=True, exist_ok=True)
        if not (path.exists() and said.exists()):
            # Under another name until it is whole: a decoding that is killed leaves no half file.
            handle, name = tempfile.mkstemp(dir=folder, suffix=".part")
            os.close(handle)
            try:
                out = np.lib.format.open_memmap(name, mode="w+", dtype=np.uint8, shape=shape)
                failed = self._fill(out)
                out.flush()
                said.write_text(json.dumps(failed))
                os.replace(name, path)
            finally:
                Path(name).unlink(missing_ok=True)
        decoded: NDArray[np.uint8] = np.load(path, mmap_mode="r")
        if decoded.shape != shape or decoded.dtype != np.uint8:
            raise ValueError(
                f"{str(path)!r} is not what was written there: remove it, and the pictures are "
                "decoded again."
            )
        return decoded, {int(row): reason for row, reason in json.loads(said.read_text()).items()}

    def _named(self, failed: Mapping[int, str]) -> list[SkippedImage]:
        return [SkippedImage(row, self.pictures.name(row), why) for row, why in failed.items()]

    def _unreadable(self, failed: Mapping[int, str]) -> UnreadableImagesError:
        shown = "\n".join(
            f"  {self.pictures.describe(row)} ({why})" for row, why in list(failed.items())[:100]
        )
        more = f"\n  and {len(failed) - 100} more" if len(failed) > 100 else ""
        return UnreadableImagesError(
            f"{len(failed)} of {len(self.pictures)} pictures are missing or cannot be read:\n"
            f"{shown}{more}\nRepair or leave them out; fit skips them, and their labels, if the "
            "extractor has on_error='skip'.",
            self._named(failed),
        )
