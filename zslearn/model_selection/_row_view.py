"""Rows of a large array, chosen but not read."""

from __future__ import annotations

import mmap
import operator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from zslearn.model_selection._hdf5 import StoredDataset, find_dataset

Rows = range | NDArray[np.intp]


class RowView:
    """Some rows of an array or store, read only when asked for.

    Indexing a view gives a view; only ``numpy.asarray`` (and a single row, ``view[i]``) reads.
    scikit-learn cuts folds by indexing: what it cuts from a float16 memmap with an array of rows
    is a copy in memory of most of the file, what it cuts from a view is another view. The deep
    estimators of zslearn read it a batch at a time, so a fold needs no more memory than a batch.

    Parameters
    ----------
    X : ndarray, memmap, RowView or lazy store of shape (n_rows, ...)
        Anything with ``shape``, a numpy ``dtype`` and indexing by slices and by ascending arrays
        of integers, such as an HDF5 dataset.

    rows : slice, array-like of int or of bool, default=None
        The rows of the view, in any order, repeated if need be; negative ones count from the
        end. A mask has one value a row. ``None`` takes all.

    Attributes
    ----------
    base : ndarray, memmap or lazy store
        What is read from; never itself a RowView.
    rows : range or ndarray of intp
        Rows of ``base``, not negative. An array is read-only.
    shape : tuple of int
        Shape of the view.
    dtype : dtype
        That of ``X``.
    ndim : int
        Number of dimensions.

    Raises
    ------
    TypeError
        If ``X`` is not an array or a store, or is a data frame or a sparse matrix.
    IndexError
        If ``rows`` holds something else than rows of ``X``.

    See Also
    --------
    SeenUnseenKFold : Folds to cut.
    gzsl_train_test_split : Gives rows to make a view of.

    Notes
    -----
    ``numpy.asarray(view)`` reads all its rows, so whatever begins with scikit-learn's
    ``check_array`` loads the view whole. In a ``Pipeline``, put before the classifier only steps
    that read by batches or pass a view on.

    Each read asks for exactly the rows wanted, in ascending order, those in a row by a slice.
    Reading the consecutive rows of an array or memmap copies nothing.

    Pickled, as it is on its way to parallel workers, a view of a memmap or of an HDF5 dataset
    holds the name of the file, not its contents, and opens it again for reading; the file must be
    there, and a worker must be able to open it while it is open here (for reading, or with
    ``locking=False``). A view of an array in memory takes along its own rows; another lazy store is
    pickled as it pickles itself.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn.model_selection import RowView
    >>> view = RowView(np.arange(12).reshape(6, 2), [5, 0, 3])
    >>> view
    RowView(3 of 6 rows of ndarray, shape=(3, 2), dtype=int64)
    >>> view[1:]
    RowView(2 of 6 rows of ndarray, shape=(2, 2), dtype=int64)
    >>> np.asarray(view[1:])
    array([[0, 1],
           [6, 7]])
    """

    base: Any
    rows: Rows
    dtype: np.dtype[Any]

    def __init__(self, X: Any, rows: Any = None) -> None:
        parent: Rows
        if isinstance(X, RowView):
            self.base, self.dtype, parent = X.base, X.dtype, X.rows
        else:
            self.base, self.dtype = X, _check_store(X)
            parent = range(X.shape[0])
        self.rows = parent if rows is None else _choose(parent, rows)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), *self.base.shape[1:])

    @property
    def ndim(self) -> int:
        return len(self.base.shape)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> Any:
        """Choose rows.

        Parameters
        ----------
        key : int, slice, array-like of int or of bool
            Rows, also as ``view[key, ...]``, or with slices that take all of the other axes.

        Returns
        -------
        row or view : ndarray or RowView
            A single row is read; several are a view.
        """
        # What scikit-learn's folds ask for, and chunks of dask.
        if isinstance(key, tuple) and 2 <= len(key) <= self.ndim:
            key = key[0] if all(map(_takes_all, key[1:], self.shape[1:])) else key
        if isinstance(key, tuple) or key is None or key is Ellipsis:
            raise IndexError(
                f"A {type(self).__name__} is indexed by rows only; found {key!r}. Read the rows "
                "first: numpy.asarray(view[rows])[:, columns]."
            )
        if not isinstance(key, bool | np.bool_ | np.ndarray) and hasattr(key, "__index__"):
            position = operator.index(key)
            if not -len(self) <= position < len(self):
                raise IndexError(f"row {position} is out of range for {len(self)} rows")
            return np.asarray(self.base[int(self.rows[position])])
        return type(self)(self, key)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Read all rows of the view into an array.

        Parameters
        ----------
        dtype : dtype, default=None
            To convert to; ``None`` is that of the view.
        copy : bool, default=None
            Whether the result must (True) or must not (False) be a copy. ``None`` copies what is
            not consecutive rows of an array or memmap.

        Returns
        -------
        array : ndarray of the view's shape
        """
        array = self._read()
        converted = array if dtype is None else array.astype(dtype, copy=False)
        is_part = isinstance(self.base, np.ndarray) and np.may_share_memory(converted, self.base)
        if copy is False and not is_part:
            raise ValueError(
                f"This {type(self).__name__} cannot be read without a copy; use numpy.asarray."
            )
        return converted.copy() if copy and is_part else converted

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self)} of {self.base.shape[0]} rows of "
            f"{type(self.base).__name__}, shape={self.shape}, dtype={self.dtype})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        if not isinstance(self.base, np.ndarray):
            return _restore, (type(self), find_dataset(self.base) or self.base, self.rows)
        stored = _find_on_disk(self.base)
        if stored is not None:
            return _restore, (type(self), stored, self.rows)
        if isinstance(self.rows, range) and self.rows == range(self.base.shape[0]):
            # The array itself, which joblib shares among its workers.
            return _restore, (type(self), self.base, self.rows)
        return _restore, (type(self), self._read(), range(len(self)))

    def _read(self) -> NDArray[Any]:
        rows = self.rows
        if isinstance(rows, range):
            return _read_range(self.base, rows)
        if not len(rows):
            return _read_range(self.base, range(0))
        steps = np.diff(rows)
        if (steps == 1).all():
            return _read_range(self.base, range(int(rows[0]), int(rows[-1]) + 1))
        if (steps > 0).all():
            return np.asarray(self.base[rows])
        unique, inverse = np.unique(rows, return_inverse=True)
        return np.asarray(self.base[unique])[inverse]


class _OnDisk(NamedTuple):
    """Where the values of an array lie in a file."""

    path: str
    start: int
    n_bytes: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int
    strides: tuple[int, ...]

    def open(self) -> NDArray[Any]:
        region = np.memmap(self.path, np.uint8, "r", offset=self.start, shape=(self.n_bytes,))
        return np.ndarray(self.shape, self.dtype, region, self.offset, self.strides)


def _find_on_disk(array: NDArray[Any]) -> _OnDisk | None:
    """Locate an array in the file it is mapped from; None if it is not, or differs from it."""
    root: Any = array
    while not (isinstance(root, np.memmap) and isinstance(root.base, mmap.mmap)):
        root = getattr(root, "base", None)
        if root is None:
            return None
    # Changes to a copy-on-write map are in memory only.
    if root.filename is None or root.mode == "c" or array.dtype.hasobject:
        return None
    address, start = (part.__array_interface__["data"][0] for part in (array, root))
    return _OnDisk(
        str(root.filename),
        int(root.offset),
        int(root.nbytes),
        array.dtype,
        array.shape,
        address - start,
        array.strides,
    )


def _restore(cls: type[RowView], base: Any, rows: Rows) -> RowView:
    view = cls.__new__(cls)
    view.base = base.open() if isinstance(base, _OnDisk | StoredDataset) else base
    view.dtype = np.dtype(view.base.dtype)
    view.rows = rows
    return view


def _check_store(X: Any) -> np.dtype[Any]:
    name = type(X).__name__
    if hasattr(X, "iloc") or hasattr(X, "columns") or hasattr(X, "tocsr"):
        raise TypeError(f"X is a {name}, which RowView cannot read by rows; give X.to_numpy().")
    if not all(hasattr(X, attribute) for attribute in ("shape", "dtype", "__getitem__")):
        raise TypeError(
            f"X is a {name}; a RowView is made of an array, a memmap or a store with shape, dtype "
            "and indexing by rows. Turn lists into an array with numpy.asarray(X)."
        )
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise TypeError(
            "X is masked, and a RowView would read what the mask hides; give X.filled(...) or the "
            "rows without a mask."
        )
    if len(X.shape) == 0:
        raise TypeError("X is a scalar; a RowView needs rows.")
    try:
        return np.dtype(X.dtype)
    except TypeError:
        raise TypeError(
            f"X is a {name} of dtype {X.dtype}, which is not numpy's; give X.numpy()."
        ) from None


def _takes_all(key: Any, size: int) -> bool:
    return key is Ellipsis or (isinstance(key, slice) and range(size)[key] == range(size))


def _choose(parent: Rows, key: Any) -> Rows:
    """Compose two choices of rows."""
    if isinstance(key, range):
        key = np.asarray(key, dtype=np.intp)
    if isinstance(key, slice):
        return parent[key]
    key = np.asarray(key)
    n = len(parent)
    if key.ndim == 1 and key.dtype.kind == "b":
        if len(key) != n:
            raise IndexError(f"The mask has {len(key)} values, for {n} rows; give one for each.")
        key = np.flatnonzero(key)
    elif key.ndim == 1 and not key.size:
        key = key.astype(np.intp)
    elif key.ndim != 1 or key.dtype.kind not in "iu":
        raise IndexError(
            "Rows are chosen by a slice or a one-dimensional array of integers or booleans; found "
            f"shape {key.shape} and dtype {key.dtype}."
        )
    wrong = key[(key < -n) | (key >= n)]
    if wrong.size:
        raise IndexError(f"row {wrong[0]} is out of range for {n} rows")
    key = key.astype(np.intp)
    key[key < 0] += n
    chosen = parent.start + parent.step * key if isinstance(parent, range) else parent[key]
    chosen.flags.writeable = False
    return chosen


def _read_range(base: Any, rows: range) -> NDArray[Any]:
    if not rows:
        return np.empty((0, *base.shape[1:]), dtype=np.dtype(base.dtype))
    if rows.step < 0:
        return np.asarray(_read_range(base, rows[::-1])[::-1])
    return np.asarray(base[rows.start : rows.stop : rows.step])
