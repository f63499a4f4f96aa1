"""The table of classes and which of them have samples: made once in a fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zslearn._class_tables import check_class_attributes
from zslearn.attributes import ClassAttributes

__all__ = ["DescribedClasses"]


@dataclass(frozen=True)
class DescribedClasses:
    """A table of classes sorted by label, and the mark of the seen ones.

    Attributes
    ----------
    table : ClassAttributes
    seen : ndarray of shape (n_classes,), bool
        Marks the classes with samples.
    """

    table: ClassAttributes
    seen: NDArray[np.bool_]

    @classmethod
    def of(cls, class_attributes: Any, y: NDArray[Any]) -> DescribedClasses:
        """Check what `fit` was given as a table against its labels."""
        table = check_class_attributes(class_attributes, y)
        seen = np.zeros(table.n_classes, dtype=bool)
        seen[table.index_of(np.unique(y))] = True  # isin would round large integers to floats
        return cls(table, seen)

    @property
    def labels(self) -> NDArray[Any]:
        """Labels of all classes."""
        return np.array(self.table.labels)

    @property
    def seen_labels(self) -> NDArray[Any]:
        """Labels of the classes with samples."""
        return self.labels[self.seen]

    @property
    def unseen_labels(self) -> NDArray[Any]:
        """Labels of the classes without samples."""
        return self.labels[~self.seen]

    @property
    def values(self) -> NDArray[np.float64]:
        """The table's values, of shape (n_classes, n_attributes)."""
        return self.table.values

    def targets(self, y: ArrayLike) -> NDArray[np.int64]:
        """Row of the table of each label."""
        return self.table.index_of(y).astype(np.int64)

    def seen_targets(self, y: ArrayLike) -> NDArray[np.int64]:
        """Give the number of each label among the seen classes."""
        position = np.cumsum(self.seen) - 1
        return position[self.targets(y)]
