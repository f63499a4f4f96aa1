"""The table that describes classes by attributes: what zero-shot learning transfers through."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterable, Mapping
from os import PathLike
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["ClassAttributes"]


class ClassAttributes:
    """Attribute descriptions of classes, seen and unseen alike.

    One row a class, one column an attribute (the class attribute table `T` of the literature),
    with the labels of the rows, the names of the columns and, optionally, a word vector for each
    attribute name.

    It deliberately has no ``len()``, no ``shape`` and no array interface: scikit-learn slices
    any array-like fit parameter that has as many rows as there are samples when it cuts folds,
    and a class table must pass through whole.

    Parameters
    ----------
    values : array-like of shape (n_classes, n_attributes)
        Finite real numbers. Stored as float64. A row of zeros is refused: class scores compare
        directions, and it has none.
    labels : array-like of shape (n_classes,), default=None
        The class labels, of any dtype, as they appear in ``y``. ``None`` means ``0..n_classes-1``.
    attribute_names : sequence of str of length n_attributes, default=None
        Unique names. ``None`` means ``"attribute_0"``, ``"attribute_1"``, ...
    word_vectors : array-like of shape (n_attributes, n_dims) or mapping, default=None
        A word vector for each attribute, or a mapping from attribute name to vector. Stored as
        float32. All-zero vectors (no word of the name was known) are warned about.
    missing_values : float, default=None
        A mark that stands for "unknown", such as the -1 of Animals with Attributes. ``None``
        keeps every value as it is; ``numpy.nan`` is understood.
    missing : {"mean", "zero"}, default="mean"
        What replaces a value marked by `missing_values`: the mean of the attribute's known values
        (its least informative value), or zero. Without effect when `missing_values` is ``None``.

    Attributes
    ----------
    values : ndarray of shape (n_classes, n_attributes), float64, read-only
    labels : ndarray of shape (n_classes,), read-only
    attribute_names : tuple of str
    word_vectors : ndarray of shape (n_attributes, n_dims), float32, read-only, or None
    missing_mask : ndarray of shape (n_classes, n_attributes), bool, read-only
        True where a value was marked as missing and has been replaced.

    Raises
    ------
    ValueError
        If shapes disagree, a value is NaN or infinite, a label or a name occurs twice, a row is
        all zero, or an attribute has no known value.

    See Also
    --------
    zslearn.CVsCClassifier : Takes it as ``fit(X, y, class_attributes=...)``.

    Examples
    --------
    >>> from zslearn import ClassAttributes
    >>> animals = ClassAttributes(
    ...     [[1, 0, 1], [0, 1, 1], [1, 1, 0]],
    ...     labels=["zebra", "whale", "panda"],
    ...     attribute_names=["stripes", "swims", "large"],
    ... )
    >>> animals
    ClassAttributes(3 classes x 3 attributes, labels: 'zebra', 'whale', 'panda', no word vectors)
    >>> animals.subset(["panda"]).values
    array([[1., 1., 0.]])
    """

    values: NDArray[np.float64]
    labels: NDArray[Any]
    attribute_names: tuple[str, ...]
    word_vectors: NDArray[np.float32] | None
    missing_mask: NDArray[np.bool_]

    def __init__(
        self,
        values: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        attribute_names: Iterable[str] | None = None,
        word_vectors: ArrayLike | Mapping[str, ArrayLike] | None = None,
        missing_values: float | None = None,
        missing: Literal["mean", "zero"] = "mean",
    ) -> None:
        table = _as_table(values)
        self.labels = _as_labels(np.arange(len(table)) if labels is None else labels, len(table))
        self.attribute_names = _as_names(attribute_names, table.shape[1])
        table, mask = _replace_missing(table, missing_values, missing, self.attribute_names)
        _check_finite(table, self.labels, self.attribute_names)
        zero = np.flatnonzero(~table.any(axis=1))
        if len(zero):
            raise ValueError(
                f"values has {len(zero)} all-zero row(s), which describe nothing and have no "
                f"direction: {_some(self.labels[zero])}. Describe or remove these classes."
            )
        self.values, self.missing_mask = table, mask
        self.word_vectors = _as_word_vectors(word_vectors, self.attribute_names)
        self._freeze()

    def _freeze(self) -> None:
        for array in (self.values, self.labels, self.missing_mask, self.word_vectors):
            if array is not None:
                array.flags.writeable = False

    @classmethod
    def from_frame(cls, frame: Any, **options: Any) -> Self:
        """Build the table from a DataFrame: index = class labels, columns = attributes.

        Parameters
        ----------
        frame : pandas.DataFrame of shape (n_classes, n_attributes)
            Numeric columns.
        **options
            `word_vectors`, `missing_values` and `missing` of the constructor.

        Returns
        -------
        ClassAttributes

        Examples
        --------
        >>> import pandas as pd
        >>> from zslearn import ClassAttributes
        >>> frame = pd.DataFrame({"stripes": [1, 0], "swims": [0, 1]}, index=["zebra", "whale"])
        >>> ClassAttributes.from_frame(frame).attribute_names
        ('stripes', 'swims')
        """
        if not (hasattr(frame, "columns") and hasattr(frame, "index")):
            raise TypeError(
                f"frame must be a pandas DataFrame, found {type(frame).__name__}. "
                "For an array use ClassAttributes(values, labels=...)."
            )
        names = [str(column) for column in frame.columns]
        try:
            values = frame.to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"frame must hold numbers only: {error}. Set the column of class labels as index "
                "(frame.set_index(...)) and drop other text columns."
            ) from error
        return cls(values, labels=np.asarray(frame.index), attribute_names=names, **options)

    @classmethod
    def from_csv(
        cls,
        path: str | PathLike[str],
        *,
        label_column: int | str = 0,
        delimiter: str = ",",
        **options: Any,
    ) -> Self:
        r"""Read the table from a CSV file with a header line.

        Parameters
        ----------
        path : path-like
            One line a class. The header names the label column and the attributes. UTF-8.
        label_column : int or str, default=0
            Position or name of the column that holds the class labels. Labels become integers
            when all of them are written as plain integers (``"7"``, not ``"007"``), else strings.
        delimiter : str, default=","
            The field separator.
        **options
            `word_vectors`, `missing_values` and `missing` of the constructor. An empty field
            reads as NaN, so ``missing_values=numpy.nan`` accepts gaps.

        Returns
        -------
        ClassAttributes

        Examples
        --------
        >>> import pathlib, tempfile
        >>> from zslearn import ClassAttributes
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "classes.csv"
        >>> _ = path.write_text("class,stripes,swims\nzebra,1,0\nwhale,0,1\n")
        >>> ClassAttributes.from_csv(path).labels.tolist()
        ['zebra', 'whale']
        """
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file, delimiter=delimiter) if row]
        if len(rows) < 2:
            raise ValueError(f"{path} holds no class: a header line and one line a class is needed")
        header = rows[0]
        if isinstance(label_column, str):
            if label_column not in header:
                raise ValueError(
                    f"label_column={label_column!r} is not in the header of {path}: {header[:8]}"
                )
            label_column = header.index(label_column)
        labels: list[Any] = []
        values = np.empty((len(rows) - 1, len(header) - 1))
        for i, row in enumerate(rows[1:]):
            if len(row) != len(header):
                raise ValueError(
                    f"line {i + 2} of {path} has {len(row)} fields, its header has {len(header)}"
                )
            fields = list(row)
            labels.append(fields.pop(label_column))
            try:
                values[i] = [float(field) if field.strip() else np.nan for field in fields]
            except ValueError as error:
                raise ValueError(f"line {i + 2} of {path}: {error}") from None
        if all(label.lstrip("-").isdigit() and str(int(label)) == label for label in labels):
            labels = [int(label) for label in labels]
        names = [name for j, name in enumerate(header) if j != label_column % len(header)]
        return cls(values, labels=labels, attribute_names=names, **options)

    @property
    def n_classes(self) -> int:
        """Number of classes described."""
        return self.values.shape[0]

    @property
    def n_attributes(self) -> int:
        """Number of attributes."""
        return self.values.shape[1]

    @property
    def has_default_names(self) -> bool:
        """Whether the attributes were left unnamed."""
        return self.attribute_names == _as_names(None, self.n_attributes)

    def index_of(self, labels: ArrayLike) -> NDArray[np.intp]:
        """Row numbers of class labels.

        Parameters
        ----------
        labels : array-like of shape (n,)
            Labels that occur in the table.

        Returns
        -------
        rows : ndarray of shape (n,)

        Raises
        ------
        ValueError
            If a label is not in the table.
        """
        wanted = _as_labels(labels, None)
        unique, inverse = np.unique(wanted, return_inverse=True)
        position = {label: row for row, label in enumerate(self.labels.tolist())}
        missing = [label for label in unique.tolist() if label not in position]
        if missing:
            raise ValueError(
                f"{len(missing)} label(s) are not described in class_attributes: {_some(missing)}. "
                f"It describes {_some(self.labels)}. Check spelling and dtype, or add their rows."
            )
        rows = np.array([position[label] for label in unique.tolist()], dtype=np.intp)
        return rows[inverse]

    def subset(self, labels: ArrayLike) -> Self:
        """Return the table of some classes, in the order given.

        Parameters
        ----------
        labels : array-like of shape (n,)
            Labels that occur in the table, each once.

        Returns
        -------
        ClassAttributes
            With the same attributes and word vectors.
        """
        rows = self.index_of(labels)
        _refuse_duplicates(self.labels[rows].tolist(), "labels", "ask for each class once")
        other = object.__new__(type(self))
        other.values = self.values[rows]
        other.labels = self.labels[rows]
        other.missing_mask = self.missing_mask[rows]
        other.attribute_names, other.word_vectors = self.attribute_names, self.word_vectors
        other._freeze()
        return other

    def to_frame(self) -> Any:
        """Return the values as a pandas DataFrame indexed by class label."""
        import pandas as pd

        return pd.DataFrame(
            np.array(self.values), index=pd.Index(self.labels), columns=list(self.attribute_names)
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._freeze()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ClassAttributes):
            return NotImplemented
        same_vectors = (
            self.word_vectors is None
            if other.word_vectors is None
            else self.word_vectors is not None
            and np.array_equal(self.word_vectors, other.word_vectors)
        )
        return bool(
            same_vectors
            and self.attribute_names == other.attribute_names
            and self.labels.tolist() == other.labels.tolist()
            and np.array_equal(self.values, other.values)
            and np.array_equal(self.missing_mask, other.missing_mask)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        vectors = (
            "no word vectors"
            if self.word_vectors is None
            else f"{self.word_vectors.shape[1]}-d word vectors"
        )
        return (
            f"ClassAttributes({self.n_classes} classes x {self.n_attributes} attributes, "
            f"labels: {_some(self.labels, 3)}, {vectors})"
        )


def _some(items: Any, n: int = 5) -> str:
    """Quote the first few of many items for a message."""
    items = np.asarray(items, dtype=object).ravel().tolist()
    more = f", ... ({len(items)} in all)" if len(items) > n else ""
    return ", ".join(repr(item) for item in items[:n]) + more


def _refuse_duplicates(items: list[Any], argument: str, remedy: str) -> None:
    seen: set[Any] = set()
    twice = {item for item in items if item in seen or seen.add(item)}  # type: ignore[func-returns-value]
    if twice:
        raise ValueError(
            f"{argument} holds {len(twice)} duplicate(s): {_some(sorted(twice, key=str))}; {remedy}"
        )


def _as_table(values: ArrayLike) -> NDArray[np.float64]:
    try:
        table = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"values must be a table of numbers: {error}") from None
    if table.ndim != 2 or 0 in table.shape:
        raise ValueError(
            "values must have shape (n_classes, n_attributes), both at least 1; "
            f"found shape {table.shape}"
        )
    return table


def _as_labels(labels: ArrayLike, n: int | None) -> NDArray[Any]:
    array = np.array(labels)
    if array.dtype == object and all(isinstance(label, str) for label in array.ravel()):
        array = array.astype(str)
    if array.ndim != 1:
        raise ValueError(f"labels must be one-dimensional, found shape {array.shape}")
    if n is not None:
        if len(array) != n:
            raise ValueError(f"labels has {len(array)} entries, values has {n} rows")
        if array.dtype.kind == "f" and np.isnan(array).any():
            raise ValueError("labels contains NaN; every class needs a label")
        _refuse_duplicates(array.tolist(), "labels", "each class needs one row")
    return array


def _as_names(names: Iterable[str] | None, n: int) -> tuple[str, ...]:
    if names is None:
        return tuple(f"attribute_{k}" for k in range(n))
    names = tuple(str(name) for name in names)
    if len(names) != n:
        raise ValueError(f"attribute_names has {len(names)} entries, values has {n} columns")
    _refuse_duplicates(list(names), "attribute_names", "each attribute needs a name of its own")
    return names


def _replace_missing(
    table: NDArray[np.float64],
    marker: float | None,
    how: str,
    names: tuple[str, ...],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    if how not in ("mean", "zero"):
        raise ValueError(f"missing must be 'mean' or 'zero', found {how!r}")
    if marker is None:
        return table, np.zeros(table.shape, dtype=bool)
    mask = np.isnan(table) if np.isnan(marker) else table == marker
    unknown = np.flatnonzero(mask.all(axis=0))
    if len(unknown):
        raise ValueError(
            f"{len(unknown)} attribute(s) have no known value for any class: "
            f"{_some([names[k] for k in unknown])}. Remove these columns."
        )
    if how == "zero":
        return np.where(mask, 0.0, table), mask
    known = np.where(mask, 0.0, table).sum(axis=0) / (~mask).sum(axis=0)
    return np.where(mask, known, table), mask


def _check_finite(table: NDArray[np.float64], labels: NDArray[Any], names: tuple[str, ...]) -> None:
    rows, columns = np.nonzero(~np.isfinite(table))
    if len(rows):
        raise ValueError(
            f"values contains {len(rows)} NaN or infinite entries, the first for class "
            f"{labels.tolist()[rows[0]]!r}, attribute {names[columns[0]]!r}. Fill them in, or pass "
            "missing_values=numpy.nan to treat NaN as unknown."
        )


def _as_word_vectors(
    vectors: ArrayLike | Mapping[str, ArrayLike] | None, names: tuple[str, ...]
) -> NDArray[np.float32] | None:
    if vectors is None:
        return None
    if isinstance(vectors, Mapping):
        absent = [name for name in names if name not in vectors]
        if absent:
            raise ValueError(f"word_vectors has no vector for {_some(absent)}")
        vectors = np.stack([np.asarray(vectors[name], dtype=np.float64) for name in names])
    with np.errstate(over="ignore"):  # an overflow becomes inf, refused below
        array = np.array(vectors, dtype=np.float32)
    if array.ndim != 2 or array.shape[0] != len(names) or array.shape[1] == 0:
        raise ValueError(
            f"word_vectors must have shape (n_attributes, n_dims) with n_attributes={len(names)}; "
            f"found shape {array.shape}"
        )
    if not np.isfinite(array).all():
        raise ValueError("word_vectors contains NaN or infinite entries")
    zero = np.flatnonzero(~array.any(axis=1))
    if len(zero):
        warnings.warn(
            f"word_vectors is all zero for {len(zero)} attribute(s): "
            f"{_some([names[k] for k in zero])}. A vector of zeros has no direction to attend "
            "with; deep estimators learn one for these attributes from a random start.",
            UserWarning,
            stacklevel=3,
        )
    return array
