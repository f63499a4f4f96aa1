"""The class splits of a protocol, and what is fitted and judged on each."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zslearn._class_tables import check_class_attributes
from zslearn._input_checks import check_labels_of
from zslearn._version import __version__
from zslearn.attributes import ClassAttributes
from zslearn.metrics._validation import quote
from zslearn.model_selection._gzsl_train_test_split import GZSLSplit
from zslearn.model_selection._protocol_methods import Method, mean_regions
from zslearn.model_selection._row_view import RowView
from zslearn.model_selection._seen_unseen_kfold import SeenUnseenKFold

if TYPE_CHECKING:
    from zslearn.model_selection._protocol import GZSLProtocol

__all__ = ["Task", "make_splits", "make_tasks"]


class Task(NamedTuple):
    """One split of one data set, ready to be fitted on.

    Attributes
    ----------
    X : array or store
        Samples of all parts.
    vectors : array or store
        The same, or the means of their regions.
    y : ndarray
    table : ClassAttributes
        The classes of the split, and no other.
    train, test : ndarray of intp
        Ascending rows; the test part holds samples of seen and of unseen classes.
    names : dict
        Data set, classes and split: what tells its lines apart.
    rows : int
        Checksum of the rows of the split.
    identity : dict
        These, and all else of the data and the protocol that results depend on.
    """

    X: Any
    vectors: Any
    y: NDArray[Any]
    table: ClassAttributes
    train: NDArray[np.intp]
    test: NDArray[np.intp]
    names: dict[str, Any]
    rows: int
    identity: dict[str, Any]

    def samples(self, method: Method) -> Any:
        """Give the samples as a method takes them."""
        return self.vectors if method.on_vectors else self.X

    def training_part(self, method: Method) -> tuple[RowView, NDArray[Any]]:
        """Give samples and labels to choose and to fit on."""
        return RowView(self.samples(method), self.train), self.y[self.train]


def make_splits(protocol: GZSLProtocol, y: ArrayLike, split: Any) -> list[GZSLSplit]:
    """Class splits of the samples that take part, or the published one alone."""
    y = np.asarray(y)
    if split is not None:
        split = GZSLSplit(*(np.asarray(part, dtype=np.intp) for part in split))
        _check_split(split, y)
    if protocol.classes == "proposed":
        if split is None:
            raise ValueError("classes='proposed' needs split, the published one.")
        return [split]
    rows = np.arange(len(y))
    if split is not None:
        rows = split.train if protocol.classes == "seen" else np.concatenate(split)
        rows = np.sort(rows)
    folds = SeenUnseenKFold(
        protocol.n_splits,
        n_unseen=protocol.n_unseen,
        test_size=protocol.test_size,
        random_state=protocol.random_state,
    )
    made = []
    for train, test in folds.split(rows, y[rows]):
        seen = np.isin(y[rows[test]], y[rows[train]])
        made.append(GZSLSplit(rows[train], rows[test[seen]], rows[test[~seen]]))
    return made


def make_tasks(
    protocol: GZSLProtocol, X: Any, y: Any, table: Any, name: str, split: Any, on_vectors: bool
) -> Iterator[Task]:
    """Check the data and yield their splits."""
    X = X if hasattr(X, "shape") and hasattr(X, "dtype") else np.asarray(X)
    y = check_labels_of(type(protocol).__name__, X, y)
    table = check_class_attributes(table, y)
    splits = make_splits(protocol, y, split)
    vectors = mean_regions(X) if on_vectors else X
    few = np.asarray(RowView(X)[: min(8, X.shape[0])])
    content = [zlib.crc32(repr(y.tolist()).encode()), _checksum(table.values), _checksum(few)]
    known = ("n_unseen", "test_size", "n_folds", "criterion", "random_state")
    settings = {key: getattr(protocol, key) for key in known}
    if protocol.epochs is not None:
        settings["epochs"] = sorted(map(int, protocol.epochs))
    for number, (train, test_seen, test_unseen) in enumerate(splits):
        names = {"data": name, "classes": protocol.classes, "split": number}
        rows = _checksum(np.concatenate([train, [-1], test_seen, [-1], test_unseen]))
        identity = {"content": [list(X.shape), *content, rows], "version": __version__}
        test = np.sort(np.concatenate([test_seen, test_unseen]))
        described = table.subset(np.unique(np.concatenate([y[train], y[test]])))
        yield Task(X, vectors, y, described, train, test, names, rows, names | settings | identity)


def _checksum(values: NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(values).tobytes())


def _check_split(split: GZSLSplit, y: NDArray[Any]) -> None:
    rows = np.concatenate(split)
    if len(np.unique(rows)) < len(rows) or (rows < 0).any() or (rows >= len(y)).any():
        raise ValueError(
            f"split must hold three parts that do not overlap, of rows from 0 to {len(y) - 1}."
        )
    if not all(map(len, split)):
        raise ValueError("split must have samples in each of its three parts.")
    train, seen, unseen = (np.unique(y[part]) for part in split)
    leaked, strange = np.intersect1d(train, unseen), np.setdiff1d(seen, train)
    if len(leaked):
        raise ValueError(f"split trains on {quote(leaked[:1])}, a class that it tests as unseen.")
    if len(strange):
        raise ValueError(f"split tests {quote(strange[:1])} as seen, but does not train on it.")
