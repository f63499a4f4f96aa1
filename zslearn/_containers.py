"""What containers say about their contents: masks, names, and kinds that are no numbers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from os import PathLike, fsdecode
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ORDERLESS = (set, frozenset)


def is_masked(values: Any) -> bool:
    """Whether an array, or one inside a list, masks some of its values."""
    if isinstance(values, np.ma.MaskedArray):
        return bool(np.ma.getmaskarray(values).any())
    if isinstance(values, list | tuple):
        return any(is_masked(item) for item in values)
    return False


def refuse_masked(values: Any, argument: str, remedy: str = "leave out the masked rows") -> None:
    """Raise if some values are masked: what is under a mask is no value."""
    if is_masked(values):
        raise ValueError(
            f"{argument} is a masked array with masked values, which are not known: {remedy}, or "
            "fill them in with .filled(...)."
        )


def refuse_orderless(values: Any, argument: str) -> None:
    """Raise on sets and mappings, whose order means nothing."""
    if isinstance(values, (*_ORDERLESS, Mapping)):
        raise TypeError(
            f"{argument} is a {type(values).__name__}, which gives its items no order that could "
            "be matched to rows or columns: pass a list."
        )


def as_path(path: Any, argument: str, what: str = "a folder") -> Path:
    """Path that a user names; ``~`` is the home folder."""
    if not isinstance(path, str | bytes | PathLike):
        raise TypeError(f"{argument} must be the path of {what}, found {type(path).__name__}.")
    if isinstance(path, str) and "://" in path:
        raise ValueError(
            f"{argument}={path!r} is a URL, and {what} on a file system is needed here: only saved "
            "models, feature stores and weights are read by URL, and nothing is written by one."
        )
    return Path(fsdecode(path)).expanduser()


def refuse_ragged(values: Any, argument: str, kind: str = "one-dimensional") -> None:
    """Raise if lists in a list differ in length, so that they make no array."""
    if not isinstance(values, list | tuple):
        return
    try:
        with suppress(TypeError, RuntimeError):  # tensors among them, say: not judged here
            np.asarray(values)
    except ValueError:
        raise ValueError(
            f"{argument} must be {kind}: the items of this list differ in length: {values!r:.60}"
        ) from None


def is_frame(table: Any) -> bool:
    """Whether a table names its columns, as data frames and two-dimensional DataArrays do."""
    named = hasattr(table, "columns") and not isinstance(table, np.ndarray)
    return named or _is_data_array(table)


def as_pandas_like(frame: Any) -> Any:
    """Turn a two-dimensional DataArray into the frame it names; leave others as they are."""
    if _is_data_array(frame):
        if frame.ndim != 2:
            raise ValueError(
                "values must have shape (n_classes, n_attributes); found a DataArray of shape "
                f"{frame.shape}"
            )
        return frame.to_pandas()
    return frame


def _is_data_array(table: Any) -> bool:
    return all(hasattr(table, name) for name in ("dims", "coords", "to_pandas", "dtype"))


def has_unset_index(frame: Any) -> bool:
    """Whether a data frame has no index, or row numbers from 0 as pandas gives by itself."""
    index = getattr(frame, "index", None)
    if index is None or callable(index):
        return True
    return type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1


def unlike_numbers(array: NDArray[Any]) -> str | None:
    """Say what an array holds, if it is not real numbers."""
    kinds = {"U": "text", "T": "text", "S": "bytes", "M": "dates", "m": "spans of time"}
    kinds |= {"c": "complex numbers", "V": "records"}
    if array.dtype.name == "bfloat16":
        return None
    if array.dtype != object:
        return kinds.get(array.dtype.kind)
    for item in array.ravel().tolist():
        if isinstance(item, str | bytes):
            return f"text such as {item!r}"
        if isinstance(item, complex | np.complexfloating):
            return "complex numbers"
        if hasattr(item, "isoformat") or isinstance(item, np.datetime64 | np.timedelta64):
            return f"dates or times such as {str(item)!r}"
        if hasattr(item, "__len__"):
            return f"sequences such as {item!r:.40}"
        if hasattr(item, "total_seconds"):
            return f"spans of time such as {str(item)!r}"
    return None


def as_real_array(values: Any, argument: str, dtype: Any = np.float64) -> NDArray[Any]:
    """Copy real numbers into an array; masked ones and missing objects become NaN."""
    if hasattr(values, "detach"):
        if getattr(values, "is_sparse", False):
            raise ValueError(f"{argument} is a sparse tensor: .to_dense() it.")
        values = values.detach().cpu()
        if not values.is_complex():
            values = values.double().numpy()
    if hasattr(values, "toarray"):
        raise ValueError(f"{argument} is a sparse matrix: .toarray() it.")
    try:
        array = np.ma.getdata(values) if isinstance(values, np.ma.MaskedArray) else values
        array = np.asarray(array)
        found = unlike_numbers(array)
        if found is not None:
            raise ValueError(f"{argument} must be numbers, found {found}")
        if array.dtype == object:
            flat = [np.nan if is_gap(item) else float(item) for item in array.ravel().tolist()]
            array = np.array(flat, dtype=np.float64).reshape(array.shape)
        with np.errstate(over="ignore"):  # an overflow becomes inf, which callers refuse
            array = np.array(array, dtype=dtype)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        text = str(error)
        if text.startswith(f"{argument} must be"):
            raise
        raise ValueError(f"{argument} must be numbers: {text}") from None
    if isinstance(values, np.ma.MaskedArray):
        array[np.ma.getmaskarray(values)] = np.nan
    return array


def is_gap(item: Any) -> bool:
    """Whether an object stands for a missing value, other than NaN."""
    return item is None or type(item).__name__ in ("NAType", "NaTType")


def is_path_or_text(item: Any) -> bool:
    """Whether an item is a text, a path or a picture rather than numbers."""
    return isinstance(item, str | bytes | PathLike) or hasattr(item, "getbands")
