"""Which unseen classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import _safe_indexing

from zslearn._table_checks import quote_some
from zslearn.attributes import ClassAttributes
from zslearn.base import is_row_source
from zslearn.calibration._response import final_estimator
from zslearn.inspection._calibrated_scores import (
    calibrated_scores,
    calibration_rule,
    refuse_undescribed,
)
from zslearn.inspection._class_order import class_order
from zslearn.inspection._style import muted, new_axes, sequential_colormap, show_labels
from zslearn.metrics._validation import check_comparable, check_labels, check_unique, encode
from zslearn.model_selection import RowView

__all__ = ["UnseenConfusionDisplay"]

# Up to so many classes, values are written in the cells.
_FEW = 15


class UnseenConfusionDisplay:
    """Which unseen classes are taken for which.

    A row for each unseen class, a column for each class its samples are taken for. If seen classes
    were candidates, too, one more column at the right sums up what was taken for any of them. Rows
    are shares of the samples of their class, so the mean of the diagonal is the mean per-class
    accuracy: T1 among unseen classes, U among all.

    Make it with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    confusion_matrix : ndarray of shape (n_classes, n_classes) or (n_classes, n_classes + 1)
        Number of samples of the class of the row that were taken for the class of the column; the
        last column is of all classes that have no row.
    display_labels : sequence of str
        Names of the classes, in the order of the rows.
    rest_label : str, default="a seen class"
        Name of the last column, if there is one more.
    normalize : {"true"} or None, default="true"
        "true" shows shares of each row, ``None`` the numbers of samples.

    Attributes
    ----------
    accuracy : float
        Mean of the diagonal of the shares, over the classes with samples.
    image_ : matplotlib.image.AxesImage
        The matrix; rows of classes without samples are masked.
    text_ : ndarray of matplotlib.text.Text or None
        What is written in the cells. ``None`` with many classes.
    ax_ : matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure
        The figure of the axes.

    See Also
    --------
    zslearn.metrics.czsl_accuracy_score : T1 as a number.
    SemanticErrorDisplay : Which attributes were misjudged.

    Examples
    --------
    >>> from zslearn.inspection import UnseenConfusionDisplay
    >>> y_true = ["okapi", "okapi", "yak", "yak", "cat"]
    >>> y_pred = ["okapi", "yak", "yak", "cat", "cat"]
    >>> display = UnseenConfusionDisplay.from_predictions(y_true, y_pred, seen_classes=["cat"])
    >>> display.confusion_matrix
    array([[1, 1, 0],
           [0, 1, 1]])
    >>> display.accuracy
    0.5
    """

    image_: Any
    text_: NDArray[Any] | None
    ax_: Any
    figure_: Any

    def __init__(
        self,
        *,
        confusion_matrix: ArrayLike,
        display_labels: Sequence[Any],
        rest_label: str = "a seen class",
        normalize: str | None = "true",
    ) -> None:
        matrix = np.asarray(confusion_matrix)
        n = len(display_labels)
        if matrix.ndim != 2 or len(matrix) != n or matrix.shape[1] not in (n, n + 1) or n == 0:
            raise ValueError(
                "confusion_matrix must have a row for each of display_labels and as many columns, "
                f"or one more; found shape {matrix.shape} for {n} labels"
            )
        if normalize not in ("true", None):
            raise ValueError(f"normalize must be 'true' or None, found {normalize!r}")
        self.confusion_matrix = matrix
        self.display_labels = [str(label) for label in display_labels]
        self.rest_label = rest_label
        self.normalize = normalize

    @property
    def accuracy(self) -> float:
        """Mean of the diagonal of the shares, over the classes with samples."""
        return float(np.nanmean(np.diagonal(self._shares())))

    def _shares(self) -> NDArray[np.float64]:
        """Return the rows over their sums, NaN where there is no sample."""
        sums = self.confusion_matrix.sum(axis=1, keepdims=True)
        shares = np.full(self.confusion_matrix.shape, np.nan)
        return np.divide(self.confusion_matrix, sums, out=shares, where=sums > 0)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        candidates: Any = "unseen",
        class_attributes: Any = None,
        normalize: str | None = "true",
        order: Any = "similarity",
        display_labels: Sequence[Any] | None = None,
        ax: Any = None,
        **im_kw: Any,
    ) -> Self:
        """Draw what a fitted classifier takes samples of unseen classes for.

        Parameters
        ----------
        estimator : estimator instance
            Fitted zero-shot classifier, or a Pipeline or a fitted search that ends in one.
        X : array-like of shape (n_samples, ...)
            Test samples, as the estimator takes them. Those of seen classes are left out.
        y : array-like of shape (n_samples,)
            True labels.
        candidates : {"unseen", "all"} or array-like of labels, default="unseen"
            The classes to choose among, as in ``predict``. "unseen" is the conventional setting.
            "all", or ``None``, is the generalised one, with the classifier's own calibration: what
            is taken for a seen class is summed up in the last column.
        class_attributes : ClassAttributes or DataFrame, default=None
            Classes to choose among instead of the fitted ones, described by the same attributes.
        normalize : {"true"} or None, default="true"
            "true" shows shares of each row, ``None`` the numbers of samples.
        order : {"similarity", "table"} or array-like of labels, default="similarity"
            Order of the classes. "similarity" makes neighbours of classes with similar attributes;
            "table" is the order of `classes_`, which are sorted; labels give any other order.
        display_labels : sequence of str, default=None
            Names of the unseen candidates, sorted by their labels. ``None`` takes the labels.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. ``None`` makes a figure.
        **im_kw : dict
            Options of the image, for matplotlib.

        Returns
        -------
        display : UnseenConfusionDisplay
            With the matrix drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If it is not a zero-shot classifier.
        ValueError
            If `y` has no sample of an unseen candidate, or of a class that is not described; if
            there is no unseen class among the candidates; or if classes are to be ordered by
            similarity and the estimator has no table of attributes.

        Notes
        -----
        Unseen classes without samples have an empty row and, as they can be chosen, a column.
        Samples of an unseen class that is not among `candidates` are left out.

        Similar classes: the leaves, optimally ordered, of an average-linkage clustering of the
        attribute rows by cosine distance.

        Examples
        --------
        >>> import numpy as np
        >>> from zslearn import ClassAttributes, CVsCClassifier
        >>> from zslearn.inspection import UnseenConfusionDisplay
        >>> rng = np.random.default_rng(0)
        >>> table = ClassAttributes([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1]])
        >>> y = rng.integers(0, 5, size=200)
        >>> X = table.values[y] + rng.normal(scale=0.3, size=(200, 3))
        >>> seen = y < 3
        >>> clf = CVsCClassifier(max_epochs=2, random_state=0)
        >>> clf = clf.fit(X[seen], y[seen], class_attributes=table)
        >>> display = UnseenConfusionDisplay.from_estimator(clf, X, y)
        >>> display.confusion_matrix.shape
        (2, 2)
        >>> bool(np.isclose(display.accuracy, clf.score(X[~seen], y[~seen], candidates="unseen")))
        True
        """
        rule, _ = calibration_rule(estimator, class_attributes)
        y_true = check_labels(y, "y")
        refuse_undescribed(y_true, rule, type(final_estimator(estimator)).__name__)
        columns = rule._candidate_columns(candidates, rule.class_attributes_)
        labels = np.intersect1d(rule.classes_[columns], rule.unseen_classes_)
        if not len(labels):
            raise ValueError(
                "candidates holds no unseen class: all "
                f"{len(columns)} of them had samples at fit. Pass class_attributes to fit, with "
                "rows for the classes without samples, or here those of new classes."
            )
        rows = np.flatnonzero(np.isin(y_true, labels))
        if not len(rows):
            raise ValueError(
                f"y holds no sample of an unseen candidate; they are {quote_some(labels)}."
            )
        outputs = calibrated_scores(estimator, _take(X, rows), class_attributes)
        if isinstance(order, str) and order == "similarity" and not rule.has_table_:
            raise ValueError(
                "order='similarity' needs the attributes of the classes, and "
                f"{type(final_estimator(estimator)).__name__} has no class_attributes_: use "
                "order='table'."
            )
        display = cls._from_labels(
            y_true[rows],
            outputs.predict(candidates),
            labels,
            with_rest=len(columns) > len(labels),
            display_labels=display_labels,
            order=order,
            table=rule.class_attributes_,
            normalize=normalize,
        )
        return display.plot(ax, **im_kw)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        seen_classes: ArrayLike | None = None,
        class_attributes: ClassAttributes | None = None,
        normalize: str | None = "true",
        order: Any = None,
        display_labels: Sequence[Any] | None = None,
        ax: Any = None,
        **im_kw: Any,
    ) -> Self:
        """Draw what samples of unseen classes were taken for.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels. Samples of classes that are not in `labels` are left out.
        y_pred : array-like of shape (n_samples,)
            Predicted labels.
        labels : array-like of shape (n_classes,), default=None
            Labels of the unseen classes: the rows. ``None`` takes all labels that occur, true or
            predicted, and are not in `seen_classes`.
        seen_classes : array-like of shape (n_seen_classes,), default=None
            Labels of the classes used in training.
        class_attributes : ClassAttributes, default=None
            Describes the classes in `labels`, for their order.
        normalize : {"true"} or None, default="true"
            "true" shows shares of each row, ``None`` the numbers of samples.
        order : {"similarity", "table"} or array-like of labels, default=None
            Order of the classes. "similarity" makes neighbours of classes with similar attributes;
            "table" is that of `labels` (sorted, if ``None``); labels give any other order. ``None``
            is "similarity" with `class_attributes` and "table" without.
        display_labels : sequence of str, default=None
            Names of `labels`. ``None`` takes the labels.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. ``None`` makes a figure.
        **im_kw : dict
            Options of the image, for matplotlib.

        Returns
        -------
        display : UnseenConfusionDisplay
            With the matrix drawn. There is a last column if something was predicted that is not in
            `labels`.

        Raises
        ------
        ValueError
            If the arrays differ in length, if no sample is of a class in `labels`, if a label is
            in both `labels` and `seen_classes`, or if `order` is "similarity" without
            `class_attributes`.

        Examples
        --------
        >>> from zslearn.inspection import UnseenConfusionDisplay
        >>> display = UnseenConfusionDisplay.from_predictions(
        ...     [3, 3, 4, 4], [3, 4, 4, 0], labels=[4, 3], normalize=None
        ... )
        >>> display.image_.get_array().data
        array([[1, 0, 1],
               [1, 1, 0]])
        """
        truth, predictions = check_labels(y_true, "y_true"), check_labels(y_pred, "y_pred")
        if len(truth) != len(predictions):
            raise ValueError(
                f"y_pred has {len(predictions)} labels but y_true has {len(truth)}; give one for "
                "each sample."
            )
        given = {"y_true": truth, "y_pred": predictions}
        rest_label = "another class"
        if seen_classes is not None:
            given["seen_classes"] = check_labels(seen_classes, "seen_classes")
        check_comparable(**given)
        occurring = np.union1d(truth, predictions)
        seen = given.get("seen_classes", occurring[:0])
        rows = np.setdiff1d(occurring, seen) if labels is None else check_labels(labels, "labels")
        check_comparable(labels=rows, y_true=truth)
        check_unique(rows, "labels")
        both = np.intersect1d(rows, seen)
        if len(both):
            raise ValueError(
                f"labels holds {quote_some(both)}, which seen_classes holds, too: rows are unseen "
                "classes."
            )
        used = np.isin(truth, rows)
        if not used.any():
            raise ValueError(
                "y_true holds no sample of an unseen class: "
                + (
                    "all its classes are in seen_classes."
                    if labels is None
                    else f"none of {quote_some(rows)}."
                )
            )
        if order is None:
            order = "table" if class_attributes is None else "similarity"
        outside = np.setdiff1d(predictions[used], rows)
        if len(outside) and np.isin(outside, seen).all():
            rest_label = "a seen class"
        display = cls._from_labels(
            truth[used],
            predictions[used],
            rows,
            with_rest=bool(len(outside)),
            display_labels=display_labels,
            order=order,
            table=class_attributes,
            normalize=normalize,
            rest_label=rest_label,
        )
        return display.plot(ax, **im_kw)

    @classmethod
    def _from_labels(
        cls,
        y_true: NDArray[Any],
        y_pred: NDArray[Any],
        labels: NDArray[Any],
        *,
        with_rest: bool,
        display_labels: Sequence[Any] | None,
        order: Any,
        table: ClassAttributes | None,
        normalize: str | None,
        rest_label: str = "a seen class",
    ) -> Self:
        n = len(labels)
        names = [str(label).replace("_", " ") for label in labels]
        if display_labels is not None:
            names = [str(name) for name in display_labels]
            if len(names) != n:
                raise ValueError(
                    f"display_labels has {len(names)} names for {n} classes: {quote_some(labels)}."
                )
        ordered = class_order(labels, order, table)
        shown = labels[ordered]
        rank = np.argsort(shown)
        row = rank[encode(y_true, shown[rank])]
        column = encode(y_pred, shown[rank])
        column = np.where(column < 0, n, rank[column])
        matrix = np.zeros((n, n + 1), dtype=np.intp)
        np.add.at(matrix, (row, column), 1)
        return cls(
            confusion_matrix=matrix if with_rest else matrix[:, :n],
            display_labels=[names[i] for i in ordered],
            rest_label=rest_label,
            normalize=normalize,
        )

    def plot(
        self,
        ax: Any = None,
        *,
        include_values: bool | None = None,
        colorbar: bool = True,
        **im_kw: Any,
    ) -> Self:
        """Draw the matrix.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. ``None`` makes a figure, larger for more classes.
        include_values : bool, default=None
            Whether values are written in the cells. ``None`` does so for up to 15 classes.
        colorbar : bool, default=True
            Whether there is a colour bar.
        **im_kw : dict
            Options of the image, for matplotlib, such as ``cmap`` or ``vmax``.

        Returns
        -------
        self : object
            With the artists as attributes.
        """
        n, n_columns = self.confusion_matrix.shape
        size = float(np.clip(4.5 + 0.18 * n, 5.0, 10.0))
        own_figure = ax is None
        ax = new_axes(ax, type(self).__name__, (size + 1.5, size + 0.3))
        if own_figure:
            # Constrained alone may crop what is around axes of a fixed aspect.
            ax.figure.set_layout_engine("compressed")
        shares = self._shares()
        empty = np.isnan(shares)
        values = shares if self.normalize else self.confusion_matrix
        options = {
            "cmap": sequential_colormap(ax),
            "vmin": 0,
            "vmax": 1 if self.normalize else max(int(values.max()), 1),
            "interpolation": "nearest",
            **im_kw,
        }
        self.image_ = ax.imshow(np.ma.masked_array(values, empty), **options)
        self._label_axes(ax)
        for i in np.flatnonzero(empty.all(axis=1)):
            ax.plot([-0.5, n_columns - 0.5], [i, i], color=muted(ax, 0.3), linewidth=0.8)
        self.text_ = None
        if include_values or (include_values is None and n <= _FEW):
            self.text_ = self._write_values(ax, values, empty)
        if colorbar:
            label = "Share of the samples of the class" if self.normalize else "Samples"
            ax.figure.colorbar(self.image_, ax=ax, label=label, shrink=0.8, pad=0.02)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _label_axes(self, ax: Any) -> None:
        n, n_columns = self.confusion_matrix.shape
        show_labels(ax.yaxis, self.display_labels, limit=60)
        show_labels(ax.xaxis, self.display_labels, rotation=90, limit=60)
        # Larger than show_labels, which does not know how large the axes are.
        height = 72 * ax.get_window_extent().height / ax.figure.dpi / len(ax.get_yticks())
        ax.tick_params(labelsize=float(np.clip(0.6 * height, 5, 10)))
        among = "unseen classes"
        if n_columns > n:
            is_seen = self.rest_label == "a seen class"
            among = "unseen and seen classes" if is_seen else "these and other classes"
            ticks = [int(tick) for tick in ax.get_xticks() if n - tick >= n / 60]
            names = [*(self.display_labels[tick] for tick in ticks), self.rest_label]
            ax.set_xticks([*ticks, n], names)
            ax.axvline(n - 0.5, color=muted(ax, 0.65), linewidth=1.0)
        ax.set(
            xlabel="Taken for",
            ylabel="True class (unseen)",
        )
        title = f"Among {among}: mean per-class accuracy {self.accuracy:.2f}"
        ax.set_title(title, fontsize="medium")

    def _write_values(
        self, ax: Any, values: NDArray[Any], empty: NDArray[np.bool_]
    ) -> NDArray[Any]:
        """Write each value in black or white, whichever stands out from its cell."""
        text = np.full(values.shape, None, dtype=object)
        for i, j in np.argwhere(~empty):
            *rgb, _ = self.image_.cmap(self.image_.norm(values[i, j]))
            dark = np.dot(rgb, (0.2126, 0.7152, 0.0722)) < 0.5
            as_share = self.normalize and values[i, j] > 0
            written = f"{values[i, j]:.2f}".removeprefix("0") if as_share else f"{values[i, j]:g}"
            text[i, j] = ax.text(
                *(j, i, written),
                ha="center",
                va="center",
                fontsize="small",
                color="white" if dark else "black",
            )
        return text


def _take(X: Any, rows: NDArray[np.intp]) -> Any:
    """Take samples, without a copy in memory of what is read from a file."""
    if isinstance(X, np.memmap) or (is_row_source(X) and isinstance(X.dtype, np.dtype)):
        return RowView(X, rows)
    if is_row_source(X):
        return X[rows]
    return _safe_indexing(X, rows)
