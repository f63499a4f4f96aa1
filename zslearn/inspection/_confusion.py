"""Which unseen classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zslearn._table_checks import quote_some
from zslearn._wrapped import final_estimator
from zslearn.attributes import ClassAttributes
from zslearn.inspection._calibrated_scores import (
    calibrated_scores,
    calibration_rule,
    refuse_undescribed,
)
from zslearn.inspection._class_order import class_order
from zslearn.inspection._confusion_axes import label_confusion, write_values
from zslearn.inspection._confusion_data import (
    count_pairs,
    labels_of_unseen,
    row_shares,
    take_rows,
    unseen_candidates,
)
from zslearn.inspection._style import extra_room, muted, new_axes, sequential_colormap
from zslearn.metrics._validation import check_labels

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
        return float(np.nanmean(np.diagonal(row_shares(self.confusion_matrix))))

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
            If `y` differs from X in length, has no sample of an unseen candidate, or one of a class
            that is not described; if there is no unseen class among the candidates; or if classes
            are to be ordered by similarity and the estimator has no table of attributes.

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
        labels, rows, with_rest = unseen_candidates(rule, candidates, y_true)
        outputs = calibrated_scores(estimator, take_rows(X, rows, len(y_true)), class_attributes)
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
            with_rest=with_rest,
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
        truth, predictions, rows, seen = labels_of_unseen(y_true, y_pred, labels, seen_classes)
        if order is None:
            order = "table" if class_attributes is None else "similarity"
        outside = np.setdiff1d(predictions, rows)
        only_seen = len(outside) > 0 and np.isin(outside, seen).all()
        display = cls._from_labels(
            truth,
            predictions,
            rows,
            with_rest=bool(len(outside)),
            display_labels=display_labels,
            order=order,
            table=class_attributes,
            normalize=normalize,
            rest_label="a seen class" if only_seen else "another class",
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
        matrix = count_pairs(y_true, y_pred, labels[ordered])
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
        size += extra_room(self.display_labels)
        own_figure, ax = ax is None, new_axes(ax, type(self).__name__, (size + 1.5, size + 0.3))
        if own_figure:
            # Constrained alone may crop what is around axes of a fixed aspect.
            ax.figure.set_layout_engine("compressed")
        shares = row_shares(self.confusion_matrix)
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
        title = f"mean per-class accuracy {self.accuracy:.2f}"
        label_confusion(ax, self.display_labels, self.rest_label, n_columns > n, title)
        for i in np.flatnonzero(empty.all(axis=1)):
            ax.plot([-0.5, n_columns - 0.5], [i, i], color=muted(ax, 0.3), linewidth=0.8)
        self.text_ = None
        if include_values or (include_values is None and n <= _FEW):
            self.text_ = write_values(ax, self.image_, values, as_shares=bool(self.normalize))
        if colorbar:
            label = "Share of the samples of the class" if self.normalize else "Samples"
            ax.figure.colorbar(self.image_, ax=ax, label=label, shrink=0.8, pad=0.02)
        self.ax_, self.figure_ = ax, ax.figure
        return self
