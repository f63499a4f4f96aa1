"""Region features on disk, read as they are needed."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from zslearn._remote import RemotePath, as_location
from zslearn.feature_extraction import _store_format as store_format
from zslearn.feature_extraction._remote_rows import RemoteRows
from zslearn.feature_extraction._store_format import SkippedImage
from zslearn.feature_extraction._store_labels import match_labels
from zslearn.model_selection import RowView

__all__ = ["FeatureStore", "SkippedImage"]


class FeatureStore:
    """Region features of pictures in a folder, read a batch at a time.

    It stands in for the array of shape (n, R, D) wherever rows are all that is asked for: in
    :class:`~zslearn.CVsCClassifier`, and in scikit-learn's splitters, searches and
    ``train_test_split``. Indexing gives a :class:`~zslearn.model_selection.RowView`, which reads
    nothing; only ``numpy.asarray`` and a single row, ``store[i]``, read.

    Parameters
    ----------
    folder : str or path-like
        What an extractor or a :class:`FeatureStoreWriter` wrote. A URL with a protocol of fsspec,
        such as ``s3://bucket/features``, is read through it.
    allow_unfinished : bool, default=False
        Whether a store whose extraction is under way, or was killed, may be opened. It then has
        the rows that were finished when it was opened. The default refuses it, because ``y`` would
        not match.

    Attributes
    ----------
    folder : Path or object
        The folder, absolute; ``str`` gives its path or URL.
    shape : (int, int, int)
        Pictures present, regions a picture and features a region, (n_present, R, D).
    dtype : dtype
        float16.
    ndim : int
        3.
    nbytes : int
        Size of the rows present, in bytes.
    grid_shape : (int, int) or None
        Regions down and across, where they lie on a grid; their product is R.
    images : ndarray of str, of shape (n_present,), or None
        Names of the pictures present, relative to `image_root`, with ``/`` between folders.
    image_root : str or None
        The folder the names are relative to.
    image_paths : list of Path or None
        The pictures present, in `image_root`; ``None`` without names or root.
    rows : ndarray of intp, of shape (n_present,)
        For each row present, its row in what was extracted: with labels ``y`` of all pictures,
        those of the store are ``y[store.rows]``. It is ``0, 1, 2, ...`` unless some were skipped.
        :meth:`labels_of` finds labels by name.
    skipped : list of SkippedImage
        Pictures that were left out, with the reason.
    n_total : int
        Pictures to extract, skipped and unfinished ones included.
    finished : bool
        Whether all of them were extracted or skipped.
    metadata : dict
        What the writer was told about the features: model, layer, checksum of the weights,
        transform. A copy.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If there is no such folder, or a file is missing from it.
    ImportError
        If a URL is given and fsspec, or what it needs for the protocol, is not installed.
    ValueError
        If a file is damaged, cut off or belongs to another store, or if rows are unfinished and
        `allow_unfinished` is False. The message says what was found and what to do.

    See Also
    --------
    FeatureStoreWriter : Writes stores.
    zslearn.model_selection.RowView : What indexing gives.

    Notes
    -----
    **Files.** ``features.npy`` holds all rows, float16, in C order, and can be opened with
    ``numpy.load(..., mmap_mode="r")``; the rows of skipped pictures are zeros in it.
    ``store.json`` tells what they are: format version, id, shape, grid, names and fingerprints of
    the pictures, metadata. ``progress.json`` tells how many rows are finished and which were
    skipped. ``.store.lock`` is there for writers and is empty.

    **Guarantees.** Opening checks that all three files are sound and belong together. Rows count
    as finished only once their bytes are on the disk, so a half-written row is never read, and the
    rows of an unfinished store do not change while its extraction goes on. Over network file
    systems such as NFS this holds as far as they keep to the order of synced writes and show it
    to other machines; open a store after its writer has finished there, and keep to one writer.

    **Overwriting.** A store that is open while its folder is overwritten keeps the old features
    (where the platform lets an open file be replaced at all). Pickled before and unpickled after,
    it raises a ValueError, and so do its views, because they would hold the features of others.

    **URLs.** Behind a URL nothing is mapped into memory: each batch is read by the ranges of bytes
    of its rows, those that follow each other by one, and kept no longer than asked for. Writing
    goes to file systems alone, because object storage cannot write into the middle of a file; copy
    the folder when it is finished. It must not be overwritten while it is open, which nothing here
    would notice.

    **Threads and processes.** Reading is thread-safe. A store or view is pickled as the name of its
    folder, the id of the store and the rows meant, at most 8 bytes a row, and opened again by
    the worker; the folder must be there.

    **Loading it whole.** ``numpy.asarray(store)`` reads everything, and so does whatever begins
    with scikit-learn's ``check_array``: a ``StandardScaler``, for example.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from zslearn.feature_extraction import FeatureStore, FeatureStoreWriter
    >>> folder = tempfile.TemporaryDirectory()
    >>> F = np.random.default_rng(0).normal(size=(5, 4, 3))
    >>> shape = dict(n_total=6, n_regions=4, n_features=3, grid_shape=(2, 2))
    >>> with FeatureStoreWriter(folder.name, **shape, metadata={"model": "none"}) as writer:
    ...     writer.append(F, skipped={2: "cannot be read"})

    Five of six pictures have features; their labels are chosen to match.

    >>> store = FeatureStore(folder.name)
    >>> store.shape, store.rows
    ((5, 4, 3), array([0, 1, 3, 4, 5]))
    >>> store.skipped
    [SkippedImage(row=2, image=None, reason='cannot be read')]
    >>> y = np.array(["ant", "ant", "bee", "bee", "cat", "cat"])
    >>> y[store.rows]
    array(['ant', 'ant', 'bee', 'cat', 'cat'], dtype='<U3')

    Parts of it are views.

    >>> store[1:4]
    RowView(3 of 6 rows of StoredRows, shape=(3, 4, 3), dtype=float16)
    >>> np.asarray(store[1:4]).shape
    (3, 4, 3)
    >>> folder.cleanup()
    """

    def __init__(self, folder: str | os.PathLike[str], *, allow_unfinished: bool = False) -> None:
        self.folder = as_location(folder, "folder").absolute()
        manifest = store_format.read_manifest(self.folder)
        n_total = manifest["n_total"]
        progress = store_format.read_progress(self.folder, manifest["id"], n_total)
        n_finished = 0 if progress is None else progress.n_finished
        if n_finished < n_total and not allow_unfinished:
            raise ValueError(store_format.describe_unfinished(self.folder, progress, n_total))
        self._load(manifest, n_finished, [] if progress is None else progress.skipped)

    def verify(self) -> None:
        """Read all rows and compare them with the checksums that were kept as they were written.

        Opening a store looks at its size only: a disk or a copy may have changed what is inside.

        Raises
        ------
        ValueError
            If rows are not as they were written, which are named by blocks of some 64 MiB; or if
            an earlier version wrote the store, without checksums.
        """
        store_format.verify_features(self.folder, self._manifest["id"])

    def _load(
        self, manifest: dict[str, Any], n_finished: int, skipped: list[tuple[int, str]]
    ) -> None:
        names, grid = manifest["images"], manifest["grid_shape"]
        self._manifest = {
            key: value for key, value in manifest.items() if key not in ("images", "fingerprints")
        }
        self._n_finished = n_finished
        self.n_total: int = manifest["n_total"]
        self.image_root: str | None = manifest["image_root"]
        self.grid_shape: tuple[int, int] | None = None if grid is None else (grid[0], grid[1])
        self.skipped = [
            SkippedImage(row, None if names is None else names[row], reason)
            for row, reason in skipped
            if row < n_finished
        ]
        self.rows: NDArray[np.intp] = np.delete(
            np.arange(n_finished, dtype=np.intp), [item.row for item in self.skipped]
        )
        self.rows.flags.writeable = False
        self.images: NDArray[np.str_] | None = None
        if names is not None:
            self.images = np.array([names[row] for row in self.rows], dtype=np.str_)
            self.images.flags.writeable = False
        stored = StoredRows(
            self.folder, manifest["id"], store_format.shape_of(manifest), n_finished
        )
        self._view = RowView(stored, self.rows if self.skipped else None)

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.rows), self._manifest["n_regions"], self._manifest["n_features"]

    @property
    def dtype(self) -> np.dtype[np.float16]:
        return store_format.DTYPE

    @property
    def ndim(self) -> int:
        return 3

    @property
    def nbytes(self) -> int:
        n, n_regions, n_features = self.shape
        return n * n_regions * n_features * self.dtype.itemsize

    @property
    def finished(self) -> bool:
        return self._n_finished == self.n_total

    @property
    def metadata(self) -> dict[str, Any]:
        return copy.deepcopy(self._manifest["metadata"])

    @property
    def image_paths(self) -> list[Path] | None:
        if self.images is None or self.image_root is None:
            return None
        return [Path(self.image_root, name) for name in self.images.tolist()]

    def labels_of(self, images: Sequence[str | os.PathLike[str]], y: ArrayLike) -> NDArray[Any]:
        """Order labels of named pictures as the rows of this store.

        Labels that were made in another place, in whatever order, meet the right rows by name.

        Parameters
        ----------
        images : sequence of str or path-like of length n
            The pictures that `y` is of: names relative to `image_root`, or full paths, such as
            ``image_files`` and ``image_paths`` of :func:`~zslearn.datasets.load_image_folder`.
        y : array-like of shape (n,)
            Their labels. Those of pictures that were skipped are left out.

        Returns
        -------
        labels : ndarray of shape (n_present,)
            A label a row.

        Raises
        ------
        ValueError
            If the store has no names, pictures of the store have no label, labels are of pictures
            that the store does not know, or a picture has two labels.
        TypeError
            If `images` is no sequence of names.

        See Also
        --------
        zslearn.datasets.load_image_folder : Names and labels of a folder of pictures.

        Examples
        --------
        >>> import tempfile
        >>> import numpy as np
        >>> from zslearn.feature_extraction import FeatureStoreWriter
        >>> shape = dict(n_total=2, n_regions=1, n_features=3, grid_shape=None, metadata={})
        >>> folder = tempfile.TemporaryDirectory()
        >>> with FeatureStoreWriter(folder.name, **shape, images=["ant/2.png", "bee/1.png"]) as w:
        ...     w.append(np.ones((2, 1, 3)))
        >>> w.store().labels_of(["bee/1.png", "ant/2.png"], ["bee", "ant"])
        array(['ant', 'bee'], dtype='<U3')
        >>> folder.cleanup()
        """
        if self.images is None:
            raise ValueError(
                f"{self.folder} has no names of pictures to find labels by: labels are by row, "
                "y[store.rows]."
            )
        skipped = [item.image for item in self.skipped]
        return match_labels(self.images.tolist(), skipped, self.image_root, images, y)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> Any:
        """Choose rows.

        Parameters
        ----------
        key : int, slice, array-like of int or of bool
            Rows present, also as ``store[key, ...]``, or with slices that take all of the others.

        Returns
        -------
        row or view : ndarray of shape (R, D) or RowView
            A single row is read; several are a view.
        """
        return self._view[key]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Read all rows into an array.

        Parameters
        ----------
        dtype : dtype, default=None
            To convert to; ``None`` is float16.
        copy : bool, default=None
            False is refused: reading copies.

        Returns
        -------
        array : ndarray of shape (n_present, R, D)
        """
        return self._view.__array__(dtype, copy=copy)

    def __repr__(self) -> str:
        state = f", {len(self.skipped)} skipped" if self.skipped else ""
        if not self.finished:
            state += f", {self._n_finished} of {self.n_total} finished"
        return f"{type(self).__name__}({str(self.folder)!r}, shape={self.shape}{state})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (type(self), self.folder, self._manifest["id"], self._n_finished)


class StoredRows:
    """The finished rows of a feature store, skipped ones included, read when indexed.

    Parameters
    ----------
    folder : Path
    store_id : str
    shape : (int, int, int)
        That of the file.
    n_finished : int
        The first so many rows.
    """

    def __init__(
        self, folder: Path | RemotePath, store_id: str, shape: tuple[int, int, int], n_finished: int
    ) -> None:
        self._arguments = (folder, store_id, shape, n_finished)
        self._mapped = store_format.map_features(folder, store_id, shape, n_finished)
        self.shape = (n_finished, *shape[1:])
        self.dtype = store_format.DTYPE

    def __getitem__(self, key: Any) -> NDArray[np.float16]:
        part: NDArray[np.float16] = self._mapped[key]
        if isinstance(self._mapped, RemoteRows):
            return part
        # An array of rows has copied; a part of the map is read-only, and would be copied later.
        return part if isinstance(key, np.ndarray) else part.copy()

    def open_store(self) -> FeatureStore:
        """Open the store that these rows are of, with as many of them finished.

        Raises
        ------
        ValueError
            If its folder was overwritten since.
        """
        folder, store_id, _, n_finished = self._arguments
        return _reopen(FeatureStore, folder, store_id, n_finished)

    @property
    def grid_shape(self) -> tuple[int, int] | None:
        """That of the store, which views of these rows are asked for."""
        return self.open_store().grid_shape

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._arguments


def _reopen(
    cls: type[FeatureStore], folder: Path | RemotePath, store_id: str, n_finished: int
) -> FeatureStore:
    """Open a store that was pickled, with the rows it had."""
    manifest = store_format.read_manifest(folder)
    progress = store_format.read_progress(folder, store_id, manifest["n_total"])
    store = cls.__new__(cls)
    store.folder = folder
    if manifest["id"] != store_id or (progress is None and n_finished):
        raise ValueError(
            f"{folder} was overwritten since this FeatureStore was pickled; open it anew."
        )
    store._load(manifest, n_finished, [] if progress is None else progress.skipped)
    return store
