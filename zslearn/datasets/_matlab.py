"""Read the variables of MATLAB files, of version 5 and of version 7.3, alike."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from zslearn._table_checks import quote_some
from zslearn.datasets._matlab5 import read_variables

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HDF5_OFFSETS = (0, 512, 1024, 2048)  # where HDF5 looks for its signature, userblock or not

# A file says how large its variables are, and a small one may say anything: more bytes than these,
# and than so many for each byte of the file, are not believed.
_MOST_BYTES = 2**25
_MOST_BYTES_A_BYTE = 100


def read_matlab(
    path: str | os.PathLike[str],
    required: Sequence[str],
    optional: Sequence[str] = (),
    *,
    dtypes: dict[str, DTypeLike] | None = None,
    texts: Sequence[str] = (),
) -> dict[str, Any]:
    """Read some variables of a .mat file.

    Parameters
    ----------
    path : path-like
        A file of version 5 or 7.3 (HDF5, read by h5py).
    required, optional : sequence of str
        Names of variables; those of `required` must be there.
    dtypes : dict of str to dtype, default=None
        What to convert numeric variables to, while reading where the file allows it. These must be
        real numbers.
    texts : sequence of str, default=()
        Variables that must be text.

    Returns
    -------
    variables : dict
        Numeric variables as arrays of MATLAB's shape, in Fortran order, so that the transpose is
        C-contiguous; text and cells of text as a flat list of str, columns first.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no MATLAB file, is damaged, lacks a required variable or holds text where numbers
        belong or numbers where text does, claims far more values than a file of its size can hold,
        or keeps them in other files.
    ImportError
        If it is of version 7.3 and h5py is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    version = _version(path)
    names = [*required, *optional]
    dtypes = dtypes or {}
    try:
        read = _read_v5 if version == 5 else _read_v73
        variables = read(path, names, dtypes)
        missing = [name for name in required if name not in variables]
        present = _names_in(path, version) if missing else []
    except (MemoryError, ImportError):
        raise
    except Exception as error:  # whatever is stumbled over in a damaged file
        raise ValueError(
            f"{path} ({path.stat().st_size} bytes) cannot be read as a MATLAB file: "
            f"{type(error).__name__}: {error}. It may be cut short: compare its size or checksum "
            "with the source, and download it again."
        ) from error
    if missing:
        raise ValueError(
            f"{path} has no variable {quote_some(missing)}; it holds {quote_some(present, 12)}. "
            "Is it another file of the same name?"
        )
    for name, value in variables.items():
        is_text = isinstance(value, list)
        if is_text and name in dtypes:
            raise ValueError(f"{path}: {name} holds text; numbers were expected.")
        if not is_text and (name in texts or value.dtype.kind not in "iufb"):
            wanted = "text was" if name in texts else "real numbers were"
            raise ValueError(f"{path}: {name} holds {value.dtype}; {wanted} expected.")
    return variables


def as_index(values: Any, name: str, *, n: int | None = None) -> NDArray[np.intp]:
    """Turn MATLAB's row or column of 1-based numbers into 0-based ones; with n, at most n - 1."""
    array = np.asarray(values)
    if array.dtype.kind not in "iufb" or array.size not in (0, max(array.shape, default=0)):
        raise ValueError(
            f"{name} must be a row or a column of numbers, found {array.dtype} of shape "
            f"{array.shape}"
        )
    flat = array.ravel()
    if flat.dtype.kind == "f" and not np.array_equal(flat, np.round(flat)):
        raise ValueError(f"{name} must hold whole numbers, found {flat[flat != np.round(flat)][0]}")
    flat = flat.astype(np.intp)
    if flat.size and flat.min() < 1:
        raise ValueError(
            f"{name} holds {flat.min()}: MATLAB counts from 1, so the numbers of this file were "
            "changed, or it was not written by MATLAB's conventions"
        )
    if n is not None and flat.size and flat.max() > n:
        raise ValueError(f"{name} holds {flat.max()}, but there are only {n} to count")
    return flat - 1


def _version(path: Path) -> int:
    with open(path, "rb") as file:
        start = file.read(_HDF5_OFFSETS[-1] + len(_HDF5_SIGNATURE))
    if any(start[at : at + 8] == _HDF5_SIGNATURE for at in _HDF5_OFFSETS):
        return 7
    if start.startswith(b"MATLAB 5"):
        return 5
    found = "is empty" if not start else f"begins with {start[:16]!r}"
    raise ValueError(
        f"{path} is no MATLAB file of version 5 or 7.3: it {found}. A download that failed often "
        "leaves a web page or a Git LFS pointer in its place: download it again."
    )


def _names_in(path: Path, version: int) -> list[str]:
    if version == 5:
        return [variable.name for variable in read_variables(path, _most_bytes(path))]
    import h5py

    with h5py.File(path, "r") as file:
        return [name for name in file if not name.startswith("#")]


def _read_v5(path: Path, names: list[str], dtypes: dict[str, DTypeLike]) -> dict[str, Any]:
    variables: dict[str, Any] = {}
    for variable in read_variables(path, _most_bytes(path)):
        if variable.name not in names:
            continue
        _check_size(path, variable.name, variable.shape, 8)
        value = variable.read()
        if not isinstance(value, list):
            # Of complex numbers a part would be lost.
            dtype = dtypes.get(variable.name) if value.dtype.kind in "iufb" else None
            with np.errstate(over="ignore"):
                value = np.array(value, dtype=dtype, order="F")
        variables[variable.name] = value
    return variables


def _most_bytes(path: Path) -> int:
    return _MOST_BYTES + _MOST_BYTES_A_BYTE * path.stat().st_size


def _check_size(path: Path, name: str, shape: Sequence[int], item_bytes: int) -> None:
    """Refuse what takes far more memory than a file of this size can hold."""
    n_bytes = math.prod(int(size) for size in shape) * item_bytes
    if n_bytes > _most_bytes(path):
        raise ValueError(
            f"{name} claims the shape {tuple(shape)}, {n_bytes} bytes, which is not believed of a "
            "file of this size"
        )


def _read_v73(path: Path, names: list[str], dtypes: dict[str, DTypeLike]) -> dict[str, Any]:
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            f"{path} is a MATLAB file of version 7.3, which h5py reads. Install it with "
            "pip install 'zslearn[datasets]', or save the file again with MATLAB's -v7."
        ) from error
    with h5py.File(path, "r") as file:
        for name in names:
            link = file.get(name, getlink=True)
            if link is not None and not isinstance(link, h5py.HardLink):
                raise ValueError(f"{name} is a link to something elsewhere")
        return {
            name: _hdf5_value(path, file, file[name], dtypes.get(name))
            for name in names
            if name in file
        }


def _hdf5_value(path: Path, file: Any, dataset: Any, dtype: DTypeLike | None) -> Any:
    kind = dataset.attrs.get("MATLAB_class", b"")
    kind = kind.decode() if isinstance(kind, bytes) else str(kind)
    if not hasattr(dataset, "dtype"):
        raise ValueError(f"{dataset.name} is a {kind or 'group'}; a table or a cell was expected")
    # What a file from others may name is any file of the reader's.
    if dataset.external or dataset.is_virtual or dataset.file != file:
        raise ValueError(f"{dataset.name} keeps its values in another file")
    _check_size(path, str(dataset.name), dataset.shape or (), dataset.dtype.itemsize)
    if dataset.dtype.kind == "O":
        # Stored transposed: the rows of what HDF5 sees are MATLAB's columns.
        texts: list[str] = []
        for reference in dataset[()].ravel().tolist():
            item = _hdf5_value(path, file, file[reference], None)
            if not isinstance(item, list):
                raise ValueError(f"{dataset.name} is a cell of {item.dtype}; text was expected")
            texts += item
        return texts
    if dataset.attrs.get("MATLAB_empty", 0):
        if kind == "char":
            return [""]
        if kind == "cell":
            return []
        shape = tuple(int(size) for size in dataset[()].ravel())
        _check_size(path, str(dataset.name), shape, 8)
        return np.zeros(shape, dtype or np.float64)
    if kind == "char":
        codes = dataset[()].T
        return ["".join(map(chr, row)).rstrip() for row in np.atleast_2d(codes).tolist()]
    if dtype is not None and dataset.dtype.kind in "iufb":
        dataset = dataset.astype(dtype)
    return dataset[()].T
