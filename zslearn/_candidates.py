"""The classes that a prediction chooses among."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zslearn._containers import refuse_masked
from zslearn.attributes import ClassAttributes

__all__ = ["candidate_columns"]


def candidate_columns(
    candidates: Any, table: ClassAttributes, seen_classes: NDArray[Any]
) -> NDArray[np.intp]:
    """Columns of the table that a choice of candidates names, in the table's order."""
    if candidates is None or (isinstance(candidates, str) and candidates == "all"):
        return np.arange(table.n_classes)
    if isinstance(candidates, str):
        if candidates not in ("seen", "unseen"):
            raise ValueError(
                "candidates must be 'all', 'seen', 'unseen' or an array of class labels, "
                f"found {candidates!r}; for a single class, [{candidates!r}]"
            )
        seen = np.isin(table.labels, seen_classes)
        columns = np.flatnonzero(seen if candidates == "seen" else ~seen)
        if not len(columns):
            raise ValueError(
                f"candidates={candidates!r}, but none of the {table.n_classes} described "
                f"classes is {candidates}: "
                + (
                    "every class had samples at fit. Pass class_attributes to fit, with rows "
                    "for the classes without samples (a Pipeline passes it on as "
                    "STEP__class_attributes)."
                    if candidates == "unseen"
                    else "the table holds none of the classes of fit."
                )
            )
        return columns
    if isinstance(candidates, ClassAttributes):
        raise TypeError("candidates are class labels: pass a table as class_attributes=")
    if isinstance(candidates, set | frozenset):
        candidates = list(candidates)
    refuse_masked(candidates, "candidates", "leave out the masked labels")
    labels = np.asarray(candidates)
    if labels.ndim != 1 or not len(labels):
        raise ValueError(
            "candidates must be a non-empty one-dimensional array of class labels, found "
            f"{candidates!r}"
        )
    if labels.dtype == bool and table.labels.dtype != bool:
        raise ValueError(
            "candidates must be class labels, found a boolean mask: pass clf.classes_[mask]"
        )
    return np.unique(table.index_of(labels))
