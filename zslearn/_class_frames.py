"""Tables of classes in data frames: where their labels are, and columns that are no attributes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zslearn._containers import as_pandas_like, as_real_array, has_unset_index, is_frame
from zslearn._table_checks import quote_some, refuse_numbering

_ESCAPE = (
    "If it is an attribute, pass the numbers without names of columns: "
    "ClassAttributes(frame.to_numpy(), labels=..., attribute_names=...)."
)


class NamedTable(NamedTuple):
    """Values with the labels of their rows and the names of their columns.

    Attributes
    ----------
    values : ndarray of shape (n_classes, n_attributes), float64
    labels : array-like of shape (n_classes,)
    names : list of str
    """

    values: NDArray[np.float64]
    labels: Any
    names: list[str]


def read_frame(frame: Any, label_column: Any = None, *, row_numbers: bool = False) -> NamedTable:
    """Take labels, names and numbers out of a data frame, refusing columns that are no attributes.

    Parameters
    ----------
    frame : pandas.DataFrame, polars.DataFrame or xarray.DataArray of two dimensions
    label_column : object, default=None
        The column that holds the labels; ``None`` takes the index.
    row_numbers : bool, default=False
        Whether row numbers will do as labels where there is no index.
    """
    frame = as_pandas_like(frame)
    if not is_frame(frame) or not hasattr(frame, "shape"):
        raise TypeError(
            f"frame must be a pandas DataFrame, found {type(frame).__name__}. "
            "For an array use ClassAttributes(values, labels=...)."
        )
    frame = _with_names(frame)
    columns = list(frame.columns)
    remedy = "Name the column of class labels, label_column=..., and drop what is no attribute."
    labels: Any
    if label_column is not None:
        if label_column not in columns:
            raise ValueError(
                f"label_column={label_column!r} is no column of the frame: {quote_some(columns)}"
            )
        if columns.count(label_column) > 1:
            raise ValueError(f"label_column={label_column!r} names several columns of the frame")
        labels = np.asarray(frame[label_column])
        columns.remove(label_column)
    elif not hasattr(frame, "index"):
        labels = np.arange(frame.shape[0])
        if not row_numbers:
            raise ValueError(
                f"frame is a {type(frame).__name__} of {type(frame).__module__.split('.')[0]}, "
                "which has no index that could hold the class labels. Its columns: "
                f"{quote_some(columns)}. " + remedy
            )
    else:
        labels = np.asarray(frame.index)
        if not has_unset_index(frame):
            remedy = "Drop it: frame.drop(columns=...). " + _ESCAPE
        else:
            remedy = (
                "Set the column of class labels as index (frame.set_index(...)) and drop other "
                "columns of this kind. " + _ESCAPE
            )
    names = [str(column) for column in columns]
    kept = [j for j, column in enumerate(frame.columns) if column in columns]
    values = np.empty((frame.shape[0], len(kept)))
    for k, j in enumerate(kept):
        values[:, k] = _column_of(frame, j, names[k])
    refuse_numbering(values, names, remedy)
    return NamedTable(values, labels, names)


def _with_names(frame: Any) -> Any:
    """Refuse what has columns but does not name them, such as an Arrow table."""
    if hasattr(frame, "column_names") and hasattr(frame, "to_pandas"):
        return frame.to_pandas()
    return frame


def _column_of(frame: Any, j: int, name: str) -> NDArray[np.float64]:
    column = frame.iloc[:, j] if hasattr(frame, "iloc") else frame.to_series(j)
    dtype = str(getattr(column, "dtype", ""))
    if dtype == "category":
        found = "categories"
    else:
        try:
            return as_real_array(column.to_numpy(), "it")
        except ValueError as error:
            found = (
                str(error).removeprefix("it must be numbers").lstrip(":, ").removeprefix("found ")
            )
    raise ValueError(
        f"frame must hold numbers only, its column {name!r} holds {found}. Set the column of class "
        "labels as index (frame.set_index(...)) and drop other columns that are no attributes."
    )
