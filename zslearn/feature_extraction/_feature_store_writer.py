"""Writes feature stores so that a killed extraction can go on."""

from __future__ import annotations

import operator
import os
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import ArrayLike

from zslearn._containers import as_path
from zslearn.feature_extraction import _store_format as store_format
from zslearn.feature_extraction._feature_store import FeatureStore
from zslearn.feature_extraction._folder_lock import FolderLock
from zslearn.feature_extraction._store_manifest import describe_differences, make_manifest
from zslearn.feature_extraction._store_rows import check_space, lay_out_rows
from zslearn.feature_extraction._store_sums import RowSums

__all__ = ["FeatureStoreWriter"]

# Syncing waits for the disk; at most this many seconds of work are lost by a kill.
_FLUSH_SECONDS = 2.0


class FeatureStoreWriter:
    """Write region features to a folder, batch by batch, so that a killed extraction resumes.

    Made with the same arguments on the same folder, a writer goes on behind the last row that is
    safe on the disk: start at picture `n_finished`. What is finished in the end is the same to
    the byte as if it had never been interrupted.

    Parameters
    ----------
    folder : str or path-like
        Where to write; made if it is missing. An empty folder begins a new store, one that holds a
        store of the same pictures and settings goes on with it.

    n_total : int
        Pictures to extract, those that will be skipped included.

    n_regions : int
        Regions a picture, R.

    n_features : int
        Features a region, D.

    grid_shape : (int, int) or None
        Regions down and across; their product must be `n_regions`. ``None`` where regions lie on no
        grid.

    metadata : dict
        All that the features depend on, such as model, layer, checksum of the weights and
        transform; what JSON can hold. A store goes on only with the same metadata.

    images : sequence of str, default=None
        Name of each picture, relative to `image_root`, with ``/`` between folders.

    image_root : str or path-like, default=None
        The folder the names are relative to. A store may go on with another root, for pictures that
        were moved; it then has the new one.

    fingerprints : sequence of str or int, default=None
        One a picture, such as the size of its file or a hash of its contents. A store goes on only
        with the same fingerprints.

    overwrite : bool, default=False
        Whether a store that is in the folder is replaced by a new one. Anything in the folder that
        is not part of a store stays, and a folder that holds other things but no store is refused.

    Attributes
    ----------
    folder : Path
        The folder, absolute.
    n_finished : int
        Rows done, skipped ones included. Go on from here.
    finished : bool
        Whether all rows are done.

    Raises
    ------
    ValueError
        If the folder holds a store of other pictures or settings, with what differs; if it holds
        other things and no store; if its store is damaged; or if the arguments contradict each
        other.
    OSError
        If the disk has clearly no room for the rows that are left, or writing fails.
    RuntimeError
        If another process is writing to the folder.

    Warns
    -----
    UserWarning
        If the file system has no locks.

    See Also
    --------
    FeatureStore : Reads stores; documents the files.

    Notes
    -----
    **Order of writing.** ``store.json`` comes first, then ``features.npy`` at its full size (of
    zeros, which take no space on most file systems), then ``progress.json``. Rows are written, then
    synced to the disk, and only then does a new ``progress.json`` take the place of the old one, in
    one step. That happens about every two seconds of appending, in ``flush`` and at the end. So a
    kill or power failure at any moment costs the rows of the last seconds and nothing else.

    **A full disk** is an ``OSError`` from ``append`` or ``flush``, as is any other failure to
    write. The writer is then of no more use; a new one goes on.

    **One writer.** The folder is locked while it is written to (with ``flock``, so that the lock
    ends with its process); a store that is finished needs no lock and no permission to write. Where
    Python has no ``fcntl``, as on Windows, there is no lock: see to it that one process writes.
    Within it, append from one thread.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from zslearn.feature_extraction import FeatureStoreWriter
    >>> F = np.random.default_rng(0).normal(size=(6, 4, 3))
    >>> call = dict(n_total=6, n_regions=4, n_features=3, grid_shape=(2, 2), metadata={"layer": 11})
    >>> folder = tempfile.TemporaryDirectory()
    >>> with FeatureStoreWriter(folder.name, **call) as writer:
    ...     writer.append(F[:4])
    ...     # and here the power fails

    The same call goes on.

    >>> with FeatureStoreWriter(folder.name, **call) as writer:
    ...     print(writer.n_finished)
    ...     writer.append(F[writer.n_finished :])
    4
    >>> store = writer.store()
    >>> bool((store[5] == F[5].astype(np.float16)).all())
    True

    Other settings do not.

    >>> FeatureStoreWriter(folder.name, **call | {"metadata": {"layer": 10}})
    Traceback (most recent call last):
    ValueError: ... holds other features: metadata 'layer': 11 there, 10 now. Extract into ...
    >>> folder.cleanup()
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        n_total: int,
        n_regions: int,
        n_features: int,
        grid_shape: tuple[int, int] | None,
        metadata: Mapping[str, Any],
        images: Sequence[str] | None = None,
        image_root: str | os.PathLike[str] | None = None,
        fingerprints: Sequence[str | int] | None = None,
        overwrite: bool = False,
    ) -> None:
        self.folder = as_path(folder, "folder").absolute()
        self._manifest = make_manifest(
            n_total, n_regions, n_features, grid_shape, metadata, images, image_root, fingerprints
        )
        self._shape = store_format.shape_of(self._manifest)
        self._row_bytes = int(np.prod(self._shape[1:])) * store_format.DTYPE.itemsize
        self._file: BinaryIO | None = None
        self._lock: FolderLock | None = None
        self._progress = store_format.Progress(0, [], RowSums.begin(self._row_bytes))
        self._owner = os.getpid()
        store_format.refuse_foreign(self.folder)
        if not overwrite and self._is_finished_already():
            return
        if not self.folder.exists():
            check_space(self.folder, 0, self._shape)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = FolderLock(self.folder)
        try:
            store_format.refuse_foreign(self.folder)
            if overwrite or not (self.folder / store_format.MANIFEST).exists():
                self._begin()
            else:
                self._resume()
            self._start = store_format.check_features(self.folder, self._shape)
            self._file = open(  # noqa: SIM115
                self.folder / store_format.FEATURES, "r+b", buffering=0
            )
        except BaseException:
            self._release()
            raise
        self._n_flushed = self.n_finished
        self._last_flush = time.monotonic()

    @property
    def n_finished(self) -> int:
        return self._progress.n_finished

    @property
    def finished(self) -> bool:
        return self.n_finished == self._shape[0]

    def append(self, features: ArrayLike, skipped: Mapping[int, str] | None = None) -> None:
        """Write the next rows.

        Parameters
        ----------
        features : array-like of shape (b, R, D)
            Of the pictures that are not skipped, in order. Rounded to float16.
        skipped : dict of int to str, default=None
            Pictures among the next ``b + len(skipped)`` that are left out: their position among
            these, from 0, and the reason.

        Raises
        ------
        ValueError
            If the shape is wrong, there are more rows than are left, a value is not finite or is
            too large for float16, or the writer is closed. Nothing is written then.
        OSError
            If writing fails, as on a full disk. The writer is closed; a new one goes on.
        """
        file = self._check_open()
        if not isinstance(skipped, Mapping | None):
            raise TypeError(
                f"skipped must map positions in the batch to reasons; found {skipped!r}."
            )
        skipped = {operator.index(k): str(reason) for k, reason in (skipped or {}).items()}
        rows = lay_out_rows(features, skipped, self.n_finished, self._shape)
        start = self._start + self.n_finished * self._row_bytes
        try:
            store_format.write_at(file, start, rows.reshape(-1).view(np.uint8).data)
        except OSError:
            self._release()
            raise
        reasons = [(self.n_finished + k, reason) for k, reason in sorted(skipped.items())]
        sums = self._progress.sums
        # In one assignment: an interrupt comes before or after it.
        self._progress = store_format.Progress(
            self.n_finished + len(rows),
            self._progress.skipped + reasons if reasons else self._progress.skipped,
            None if sums is None else sums.extended(rows, self.n_finished),
        )
        if self.finished or time.monotonic() - self._last_flush >= _FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Wait until all appended rows are on the disk, and count them as finished.

        Raises
        ------
        OSError
            If that fails. The writer is closed; a new one goes on.
        """
        if self._n_flushed == self.n_finished:
            return
        file = self._check_open()
        try:
            os.fsync(file.fileno())
            store_format.write_progress(self.folder, self._manifest["id"], self._progress)
        except OSError:
            # After a sync that failed the next one may succeed without the bytes on the disk.
            self._release()
            raise
        self._n_flushed = self.n_finished
        self._last_flush = time.monotonic()

    def close(self) -> None:
        """Flush, and let go of the folder. Closing twice does nothing.

        Raises
        ------
        OSError
            If flushing fails.
        """
        try:
            if self._file is not None and os.getpid() == self._owner:
                self.flush()
        finally:
            self._release()

    def store(self) -> FeatureStore:
        """Open what has been written.

        Returns
        -------
        store : FeatureStore
            The finished store.

        Raises
        ------
        ValueError
            If rows are left to write.
        """
        if self._file is not None:
            self.flush()
        return FeatureStore(self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({str(self.folder)!r}, {self.n_finished} of {self._shape[0]} "
            "rows finished)"
        )

    def _is_finished_already(self) -> bool:
        """Take over a store that needs no writing, without a lock."""
        if not (self.folder / store_format.MANIFEST).exists():
            return False
        manifest, progress = self._read()
        if (
            progress is None
            or progress.n_finished < self._shape[0]
            or manifest["image_root"] != self._manifest["image_root"]
        ):
            return False
        store_format.check_features(self.folder, self._shape)
        self._manifest, self._progress = manifest, progress
        self._n_flushed = progress.n_finished
        return True

    def _begin(self) -> None:
        """Begin a new store; killed at any point, the folder can be begun or resumed again."""
        check_space(self.folder, 0, self._shape)
        # Without progress, whatever else is there counts as not written.
        (self.folder / store_format.PROGRESS).unlink(missing_ok=True)
        store_format.sync_folder(self.folder)
        store_format.write_json(self.folder, store_format.MANIFEST, self._manifest)
        self._begin_features()

    def _begin_features(self) -> None:
        store_format.create_features(self.folder, self._shape)
        store_format.write_progress(self.folder, self._manifest["id"], self._progress)
        store_format.remove_partial(self.folder)

    def _resume(self) -> None:
        manifest, progress = self._read()
        image_root, self._manifest = self._manifest["image_root"], manifest
        if progress is not None:
            store_format.check_features(self.folder, self._shape)
            self._progress = progress
        check_space(self.folder, self.n_finished, self._shape)
        if image_root != manifest["image_root"]:
            self._manifest = manifest | {"image_root": image_root}
            store_format.write_json(self.folder, store_format.MANIFEST, self._manifest)
        if progress is None:
            self._begin_features()
        store_format.remove_partial(self.folder)

    def _read(self) -> tuple[dict[str, Any], store_format.Progress | None]:
        manifest = store_format.read_manifest(self.folder)
        different = describe_differences(manifest, self._manifest)
        if different:
            raise ValueError(
                f"{self.folder} holds other features: {'; '.join(different)}. Extract into another "
                "folder, or replace them with overwrite=True."
            )
        return manifest, store_format.read_progress(
            self.folder, manifest["id"], manifest["n_total"]
        )

    def _check_open(self) -> BinaryIO:
        if self._file is None or os.getpid() != self._owner:
            state = "finished" if self.finished else "closed"
            raise ValueError(
                f"This {type(self).__name__} is {state} at {self.n_finished} of {self._shape[0]} "
                "rows. Make a new one to go on."
            )
        return self._file

    def _release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._lock is not None:
            self._lock.release()
