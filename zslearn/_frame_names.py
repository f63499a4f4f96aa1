"""Labels and names of a table that comes as a data frame."""

from __future__ import annotations

from typing import Any

from zslearn._class_frames import read_frame
from zslearn._containers import as_pandas_like, has_unset_index
from zslearn._label_checks import as_labels
from zslearn._table_checks import quote_some

__all__ = ["take_names"]


def take_names(values: Any, labels: Any, names: Any) -> tuple[Any, Any, Any]:
    """Take labels and names out of a data frame, or refuse those given if it has others."""
    frame = as_pandas_like(values)
    table = read_frame(frame, row_numbers=labels is not None)
    index = as_labels(table.labels, None)
    if labels is not None and not has_unset_index(frame):
        given = as_labels(labels, None)
        if given.tolist() != index.tolist():
            raise ValueError(
                f"labels begins with {quote_some(given, 3)}, but the index of values with "
                f"{quote_some(index, 3)}: to name the rows anew, pass values.to_numpy()."
            )
    if names is not None and list(map(str, names)) != table.names:
        raise ValueError(
            f"attribute_names differs from the columns of values, {quote_some(table.names, 3)}: to "
            "name the columns anew, pass values.to_numpy()."
        )
    return table.values, index if labels is None else labels, table.names
