"""The loop of an extraction: decode, compute, hand over, batch by batch."""

from __future__ import annotations

import os
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from zslearn.exceptions import UnreadableImagesError
from zslearn.feature_extraction._cluster_extraction import check_client, run_on_cluster
from zslearn.feature_extraction._decoding import (
    PixelBatch,
    PixelTransform,
    count_threads,
    decode_ahead,
)
from zslearn.feature_extraction._feature_store import FeatureStore, SkippedImage
from zslearn.feature_extraction._feature_store_writer import FeatureStoreWriter
from zslearn.feature_extraction._folder_lock import FolderBusyError
from zslearn.feature_extraction._picture_sources import Pictures

if TYPE_CHECKING:
    from zslearn.feature_extraction._timm_backbone import Backbone

__all__ = ["Extraction", "check_n_jobs", "warn_of_skipped"]

# Batches of pixels begun while one is computed: as many as hide one slow picture.
_AHEAD = 2
_LISTED = 100
_POLL_SECONDS = 0.2


class RegionBatch(NamedTuple):
    """Regions of consecutive pictures, without those that failed: their place and the reason."""

    regions: NDArray[np.float16]
    failed: dict[int, str]

    @property
    def n_rows(self) -> int:
        """Pictures, those that failed included."""
        return len(self.regions) + len(self.failed)


@dataclass(frozen=True)
class Extraction:
    """Pictures, and how their regions are computed.

    Parameters
    ----------
    pictures : Pictures
        What to extract.
    load_backbone : callable
        Returns the backbone; called only if there is something to compute.
    config : dict
        timm's data config.
    shape : (int, int)
        Regions a picture, features a region.
    batch_size, n_jobs, verbose : int
        As in TimmRegionExtractor.
    skip : bool
        Whether pictures that cannot be read are skipped.
    """

    pictures: Pictures
    load_backbone: Callable[[], Backbone]
    config: Mapping[str, Any]
    shape: tuple[int, int]
    batch_size: int
    n_jobs: int | None
    skip: bool
    verbose: int

    def to_array(self) -> tuple[NDArray[np.float16], list[SkippedImage]]:
        """Extract into memory; also what was skipped."""
        missing = self._check_missing()
        out = np.empty((len(self.pictures), *self.shape), dtype=np.float16)
        skipped: list[SkippedImage] = []
        row = end = 0
        with closing(self._run(0, missing)) as batches:
            for regions, failed in batches:
                skipped += [
                    SkippedImage(row + place, self.pictures.name(row + place), reason)
                    for place, reason in failed.items()
                ]
                out[end : end + len(regions)] = regions
                end += len(regions)
                row += len(regions) + len(failed)
        return out[:end], skipped

    def to_store(
        self,
        folder: str | os.PathLike[str],
        *,
        grid_shape: tuple[int, int] | None,
        metadata: Mapping[str, Any],
        overwrite: bool = False,
        wait: bool = False,
        client: Any = None,
    ) -> FeatureStore:
        """Extract into a store, or go on with one; `wait` for another that writes the same."""
        check_client(client)
        missing = self._check_missing()
        pictures = self.pictures
        with (
            _open_writer(
                folder,
                wait,
                n_total=len(pictures),
                n_regions=self.shape[0],
                n_features=self.shape[1],
                grid_shape=grid_shape,
                metadata=metadata,
                images=pictures.names,
                image_root=pictures.root,
                fingerprints=pictures.fingerprints(),
                overwrite=overwrite,
            ) as writer,
            closing(
                self._run(writer.n_finished, missing)
                if client is None
                else run_on_cluster(client, self, writer.n_finished, missing)
            ) as batches,
        ):
            for regions, failed in batches:
                writer.append(regions, failed)
        store = writer.store()
        if store.skipped and not self.skip:
            left_out = {picture.row: picture.reason for picture in store.skipped}
            raise ValueError(
                f"The store in {folder} was extracted with on_error='skip' and leaves out "
                f"{len(left_out)} of {store.n_total} pictures:\n"
                f"{_list_failures(pictures, left_out)}\nAllow that with on_error='skip', or "
                "repair these pictures and extract again with overwrite=True."
            )
        return store

    def _check_missing(self) -> dict[int, str]:
        missing = self.pictures.find_missing()
        if missing and not self.skip:
            # Nothing will be computed, but those that cannot be decoded are to be named as well.
            raise self.unreadable(self.find_unreadable(range(len(self.pictures)), missing))
        return missing

    def find_unreadable(self, rows: range, missing: Mapping[int, str]) -> dict[int, str]:
        """Rows whose pictures cannot be decoded or are missing, with the reason."""
        failed: dict[int, str] = {}
        decoded = decode_ahead(
            self.pictures,
            PixelTransform(self.config),
            self._batches(rows),
            n_threads=count_threads(self.n_jobs),
            n_ahead=0,
            allocate=lambda shape: np.empty(shape, dtype=np.uint8),
            missing=missing,
        )
        with closing(decoded):
            for batch in decoded:
                failed.update(batch.failed)
        return failed

    def unreadable(self, failed: Mapping[int, str]) -> UnreadableImagesError:
        pictures = self.pictures
        return UnreadableImagesError(
            f"{len(failed)} of {len(pictures)} pictures are missing or cannot be read:\n"
            f"{_list_failures(pictures, failed)}\n"
            "Repair or leave them out, or record and skip them with on_error='skip'.",
            [SkippedImage(row, pictures.name(row), reason) for row, reason in failed.items()],
        )

    def _run(self, start: int, missing: Mapping[int, str]) -> Generator[RegionBatch, None, None]:
        """Yield the regions of the pictures from row `start` on, batch by batch."""
        return self.run(range(start, len(self.pictures)), missing)

    def _batches(self, rows: range) -> list[range]:
        # A batch holds the same rows wherever an extraction starts, so that its bits are the same.
        size = self.batch_size
        ends = [*range((rows.start // size + 1) * size, rows.stop, size), rows.stop]
        return [range(i, j) for i, j in pairwise([rows.start, *ends]) if i < j]

    def run(self, rows: range, missing: Mapping[int, str]) -> Generator[RegionBatch, None, None]:
        """Yield the regions of consecutive pictures, batch by batch."""
        pictures = self.pictures
        batches = self._batches(rows)
        if not batches:
            return
        backbone = self.load_backbone()
        # Threads of a network wait for one another, so that one core that is shared slows all:
        # where none is idle, decoding on all of them between the batches costs less.
        n_ahead = _AHEAD if backbone.leaves_cores_idle else 0
        decoded = decode_ahead(
            pictures,
            PixelTransform(self.config),
            batches,
            n_threads=count_threads(self.n_jobs),
            n_ahead=n_ahead,
            allocate=backbone.allocate,
            missing=missing,
        )
        bar = tqdm(total=rows.stop, initial=rows.start, unit="picture", disable=not self.verbose)
        broken: dict[int, str] = {}
        with closing(decoded), bar:
            begun: deque[tuple[PixelBatch, Any]] = deque()
            for batch in decoded:
                if batch.failed and not self.skip:
                    broken.update(batch.failed)
                if broken:  # nothing more is computed, but all that cannot be read are to be named
                    if begun:
                        yield self._finish(*begun.popleft())
                    bar.update(len(batch.rows))
                    continue
                begun.append((batch, _start(backbone, batch)))
                # One late: the next batch is on its way before this one is waited for.
                if len(begun) > 1:
                    yield self._finish(*begun.popleft())
                bar.update(len(batch.rows))
            while begun:
                yield self._finish(*begun.popleft())
        if broken:
            raise self.unreadable(broken)

    def _finish(self, batch: PixelBatch, pending: Any) -> RegionBatch:
        failed = {row - batch.rows.start: reason for row, reason in batch.failed.items()}
        if pending is None:
            return RegionBatch(np.empty((0, *self.shape), np.float16), failed)
        regions, finite = pending.result()
        if not finite.all():
            present = [row for row in batch.rows if row not in batch.failed]
            rows = {present[place]: "not finite" for place in np.flatnonzero(~finite)}
            raise ValueError(
                "Features are NaN or beyond the range of float16 (65504) for these pictures:\n"
                f"{_list_failures(self.pictures, rows)}\n"
                "Use norm=True, another layer or precision='float32'; or check the weights."
            )
        return RegionBatch(regions, failed)


def _open_writer(folder: str | os.PathLike[str], wait: bool, **call: Any) -> FeatureStoreWriter:
    while True:
        try:
            return FeatureStoreWriter(folder, **call)
        except FolderBusyError:
            if not wait:
                raise
        time.sleep(_POLL_SECONDS)


def _start(backbone: Backbone, batch: PixelBatch) -> Any:
    pixels = batch.pixels
    if batch.failed:
        pixels = pixels[[place for place, row in enumerate(batch.rows) if row not in batch.failed]]
        if not len(pixels):
            return None
    return backbone.start(pixels)


def _list_failures(pictures: Pictures, failed: Mapping[int, str]) -> str:
    """One line for each picture and reason, up to a hundred."""
    lines = [
        f"  {pictures.describe(row)} ({reason})" for row, reason in list(failed.items())[:_LISTED]
    ]
    if len(failed) > _LISTED:
        lines.append(f"  and {len(failed) - _LISTED} more")
    return "\n".join(lines)


def check_n_jobs(n_jobs: int | None) -> None:
    """Refuse a number of threads that decodes nothing."""
    if n_jobs == 0:
        raise ValueError(
            "n_jobs=0 leaves no thread to decode pictures; use 1 or more, -1 for all cores, or "
            "None to let it be chosen."
        )


def warn_of_skipped(skipped: list[SkippedImage], n_total: int) -> None:
    """Warn the caller of the caller that features have fewer rows than pictures."""
    if not skipped:
        return
    some = ", ".join(
        f"{picture.image or f'row {picture.row}'} ({picture.reason})" for picture in skipped[:5]
    )
    more = f" and {len(skipped) - 5} more" if len(skipped) > 5 else ""
    warnings.warn(
        f"{len(skipped)} of {n_total} pictures are skipped: {some}{more}. The features have "
        "fewer rows than X; skipped_ names the rows left out.",
        UserWarning,
        stacklevel=3,
    )
