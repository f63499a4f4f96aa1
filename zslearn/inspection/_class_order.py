"""The order in which classes are drawn: of a table, of labels, or similar ones side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zslearn._table_checks import quote_some
from zslearn.attributes import ClassAttributes
from zslearn.metrics._validation import check_labels, check_unique, encode


def class_order(
    labels: NDArray[Any], order: Any, table: ClassAttributes | None
) -> NDArray[np.intp]:
    """Positions of the classes in the order asked for, of which "similarity" needs a table."""
    if not isinstance(order, str):
        wanted = check_labels(order, "order")
        check_unique(wanted, "order")
        if not np.array_equal(np.sort(wanted), np.sort(labels)):
            differing = np.setxor1d(wanted, labels)
            raise ValueError(
                f"order must hold each of the {len(labels)} classes of the rows once; it differs "
                f"in {quote_some(differing)}."
            )
        rank = np.argsort(labels)
        return rank[encode(wanted, labels[rank])]
    if order == "table":
        return np.arange(len(labels))
    if order != "similarity":
        raise ValueError(
            f"order must be 'similarity', 'table' or an array of labels, found {order!r}"
        )
    if table is None:
        raise ValueError("order='similarity' needs class_attributes, which describe the classes.")
    return _similarity_order(table.subset(labels).values)


def _similarity_order(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Order rows so that those with similar directions are neighbours."""
    from scipy.cluster.hierarchy import leaves_list, linkage

    n = len(values)
    if n < 3:
        return np.arange(n)
    units = values / np.linalg.norm(values, axis=1, keepdims=True)
    distances = np.maximum(1 - units @ units.T, 0)
    tree = linkage(distances[np.triu_indices(n, 1)], "average", optimal_ordering=True)
    return np.asarray(leaves_list(tree), dtype=np.intp)
