"""The table that describes classes by attributes: what zero-shot learning transfers through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zslearn._attribute_vectors import as_word_vectors
from zslearn._class_files import read_class_csv
from zslearn._class_frames import read_frame
from zslearn._class_reprs import table_html, table_text
from zslearn._class_texts import encode_descriptions
from zslearn._containers import is_frame
from zslearn._frame_names import take_names
from zslearn._label_checks import as_labels, as_names, rows_of_labels
from zslearn._table_checks import (
    as_table,
    check_finite,
    refuse_duplicates,
    refuse_zero_rows,
    replace_missing,
)

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
        directions, and it has none. Of a masked array the masked values are unknown, and replaced
        as `missing` says. A data frame names its rows and columns, as in :meth:`from_frame`.
    labels : array-like of shape (n_classes,), default=None
        The class labels, of any dtype, as they appear in ``y``. ``None`` means ``0..n_classes-1``.
    attribute_names : sequence of str of length n_attributes, default=None
        Unique names. ``None`` means ``"attribute_0"``, ``"attribute_1"``, ...
    word_vectors : array-like of shape (n_attributes, n_dims) or mapping, default=None
        A word vector for each attribute, or a mapping from attribute name to vector, or a
        DataFrame indexed by attribute name. Stored as float32. All-zero vectors (no word of the
        name was known) are warned about.
    missing_values : float, default=None
        A mark that stands for "unknown", such as the -1 of Animals with Attributes. ``None``
        keeps every value as it is; ``numpy.nan`` is understood.
    missing : {"mean", "zero"}, default="mean"
        What replaces a value that is masked or marked by `missing_values`: the mean of the
        attribute's known values (its least informative value), or zero.

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
        If shapes disagree, a value is no finite real number, a label or a name occurs twice or
        looks like another (they differ by blanks, invisible characters or form of Unicode), a row
        is all zero, or an attribute has no known value.
    TypeError
        If labels or names come without an order, or `missing_values` is no number.

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
        if is_frame(values):
            values, labels, attribute_names = take_names(values, labels, attribute_names)
        table, mask = as_table(values)
        self.labels = as_labels(np.arange(len(table)) if labels is None else labels, len(table))
        self.attribute_names = as_names(attribute_names, table.shape[1])
        table, mask = replace_missing(table, mask, missing_values, missing, self.attribute_names)
        check_finite(table, self.labels, self.attribute_names)
        refuse_zero_rows(table, self.labels)
        self.values, self.missing_mask = table, mask
        self.word_vectors = as_word_vectors(word_vectors, self.attribute_names)
        self._freeze()

    def _freeze(self) -> None:
        for array in (self.values, self.labels, self.missing_mask, self.word_vectors):
            if array is not None:
                array.flags.writeable = False

    @classmethod
    def from_frame(cls, frame: Any, *, label_column: Any = None, **options: Any) -> Self:
        """Build the table from a DataFrame: index = class labels, columns = attributes.

        Parameters
        ----------
        frame : pandas.DataFrame of shape (n_classes, n_attributes)
            Numeric columns. Frames of polars and two-dimensional DataArrays of xarray are
            understood too. A column that numbers the classes is refused.
        label_column : str or int, default=None
            Name of the column that holds the class labels. ``None`` takes the index, which frames
            of polars have not.
        **options
            `word_vectors`, `missing_values` and `missing` of the constructor.

        Returns
        -------
        ClassAttributes

        Raises
        ------
        TypeError
            If `frame` is no data frame.
        ValueError
            If a column holds anything else but numbers, or numbers the classes, or the labels are
            not where they are looked for.

        Examples
        --------
        >>> import pandas as pd
        >>> from zslearn import ClassAttributes
        >>> frame = pd.DataFrame({"stripes": [1, 0], "swims": [0, 1]}, index=["zebra", "whale"])
        >>> ClassAttributes.from_frame(frame).attribute_names
        ('stripes', 'swims')
        """
        table = read_frame(frame, label_column)
        return cls(table.values, labels=table.labels, attribute_names=table.names, **options)

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
            One line a class. The header names the label column and the attributes. UTF-8. Lines
            and last columns that are blank throughout, as spreadsheets leave them, do not count.
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

        Raises
        ------
        ValueError
            If a field is no number in plain digits, the first line is no header, or a column
            numbers the classes. The message has the line, the column and a remedy.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> from zslearn import ClassAttributes
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "classes.csv"
        >>> _ = path.write_text("class,stripes,swims\nzebra,1,0\nwhale,0,1\n")
        >>> ClassAttributes.from_csv(path).labels.tolist()
        ['zebra', 'whale']
        """
        table = read_class_csv(path, label_column, delimiter)
        return cls(table.values, labels=table.labels, attribute_names=table.names, **options)

    @classmethod
    def from_text(
        cls,
        descriptions: Mapping[Any, str | Sequence[str]],
        encoder: Any,
        *,
        attribute_names: Iterable[str] | None = None,
    ) -> Self:
        """Build the table from descriptions in words, by any text encoder.

        A class becomes the mean of the unit vectors of its texts.

        Parameters
        ----------
        descriptions : mapping from label to str or list of str, or pandas.Series
            Texts.
        encoder : callable or object with ``encode`` or ``transform``
            Makes an array (n_texts, n_dims) of a list of texts.
        attribute_names : sequence of str of length n_dims, default=None
            Names of the dimensions.

        Returns
        -------
        ClassAttributes

        Raises
        ------
        TypeError, ValueError
            If there are no texts, or one becomes no finite vector.

        See Also
        --------
        zslearn.CosineClassifier : Compares them with pictures, without training.

        Examples
        --------
        >>> from zslearn import ClassAttributes
        >>> def count(texts):
        ...     return [[text.count("stripe"), text.count("sea")] for text in texts]
        >>> texts = {"zebra": "a horse with stripes", "whale": ["lives in the sea", "a sea mammal"]}
        >>> ClassAttributes.from_text(texts, count).values
        array([[1., 0.],
               [0., 1.]])
        """
        values, labels = encode_descriptions(descriptions, encoder)
        return cls(values, labels=labels, attribute_names=attribute_names)

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
        return self.attribute_names == as_names(None, self.n_attributes)

    def index_of(self, labels: ArrayLike) -> NDArray[np.intp]:
        """Row numbers of class labels.

        Parameters
        ----------
        labels : array-like of shape (n,)
            Labels that occur in the table.

        Returns
        -------
        rows : ndarray of shape (n,)
            For each label its row.

        Raises
        ------
        ValueError
            If a label is not in the table.
        """
        return rows_of_labels(as_labels(labels, None), self.labels)

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
        refuse_duplicates(self.labels[rows].tolist(), "labels", "ask for each class once")
        other = object.__new__(type(self))
        other.values = self.values[rows]
        other.labels = self.labels[rows]
        other.missing_mask = self.missing_mask[rows]
        other.attribute_names, other.word_vectors = self.attribute_names, self.word_vectors
        other._freeze()
        return other

    def with_word_vectors(self, word_vectors: Any) -> Self:
        """Return the same table with other word vectors.

        Parameters
        ----------
        word_vectors : array-like, mapping, transformer, callable or None
            What the constructor takes; or a transformer with ``fit_transform`` (it is fitted to the
            attribute names in place) or a callable, which make vectors of shape (n_attributes,
            n_dims) of the attribute names. ``None`` takes the vectors away.

        Returns
        -------
        ClassAttributes
            With the same classes and values.

        Examples
        --------
        >>> from zslearn import ClassAttributes
        >>> from zslearn.feature_extraction import WordVectors
        >>> animals = ClassAttributes([[1, 0], [0, 1]], attribute_names=["has_stripes", "swims"])
        >>> words = {"stripes": [1.0, 2.0], "swims": [0.0, 3.0]}
        >>> animals.with_word_vectors(WordVectors(words)).word_vectors.tolist()
        [[1.0, 2.0], [0.0, 3.0]]
        """
        make = getattr(word_vectors, "fit_transform", word_vectors)
        if callable(make):
            if self.has_default_names:
                raise ValueError(
                    "The attributes have no names to make word vectors of: give attribute_names."
                )
            word_vectors = make(list(self.attribute_names))
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.word_vectors = as_word_vectors(word_vectors, self.attribute_names)
        other._freeze()
        return other

    def to_frame(self) -> Any:
        """Return the values as a pandas DataFrame.

        Returns
        -------
        pandas.DataFrame of shape (n_classes, n_attributes)
            Indexed by class label, a column for each attribute.
        """
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
    __array_ufunc__ = None  # comparing with an array asks __eq__ above, not each element

    __repr__ = table_text

    _repr_html_ = table_html
