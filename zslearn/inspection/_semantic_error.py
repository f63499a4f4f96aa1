"""Which attributes of which classes are mistaken: the semantic error matrix as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zslearn.inspection._matrix_axes import (
    add_colorbar,
    label_attributes,
    label_rows,
    stacked_panels,
)
from zslearn.inspection._names import readable_name
from zslearn.inspection._semantic_error_data import (
    SemanticErrors,
    averages_text,
    check_comparable_errors,
    errors_of_model,
    errors_of_predictions,
)
from zslearn.inspection._style import sequential_colormap

__all__ = ["SemanticErrorDisplay"]


class SemanticErrorDisplay:
    """Semantic error matrix: how wrong each attribute of each class is predicted.

    Two panels with one colour scale, seen classes above unseen ones; a row for each class and a
    column for each attribute (Figure 4 of [1]_). The title tells the averages and by how much the
    error is larger on unseen classes (Table 4). Make one with `from_estimator` or
    `from_predictions`, and several side by side with `compare`.

    Parameters
    ----------
    errors : array-like of shape (n_classes, n_attributes)
        Mean squared error of each attribute over the samples of each class.
    classes : array-like of shape (n_classes,)
        Labels of the rows.
    attribute_names : sequence of str of length n_attributes
        Names of the columns. ``has_bill_shape::dagger`` is the value "dagger" in the group "bill
        shape"; neighbours of one group are ticked as one where there are many attributes.
    seen_classes : array-like
        Labels of the classes seen in training; the other rows are unseen classes.
    seen_error, unseen_error : float
        Mean error over the seen and over the unseen classes; NaN where there are none.
    relative_increase : float
        ``(unseen_error - seen_error) / seen_error``; NaN where it is undefined.
    name : str, default=None
        Name of the model, for the title.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure.
    axes_ : ndarray of matplotlib Axes, of shape (n_panels,)
        The seen panel, then the unseen one; one panel where all classes are of one kind.
    images_ : list of matplotlib AxesImage
        The matrices drawn, in the order of `axes_`.
    colorbar_ : matplotlib Colorbar or None
        The colour bar, if there is one.

    See Also
    --------
    zslearn.metrics.class_semantic_error : The errors (Eq. 14).
    zslearn.metrics.semantic_error_increase : Their averages and the increase.

    References
    ----------
    .. [1] "Causal Visual-semantic Correlation for Zero-shot Learning", ACM Multimedia 2024.

    Examples
    --------
    >>> from zslearn import ClassAttributes
    >>> from zslearn.inspection import SemanticErrorDisplay
    >>> table = ClassAttributes(
    ...     [[1, 0], [0, 1], [1, 1]],
    ...     labels=["sky", "sea", "beach"],
    ...     attribute_names=["blue", "wet"],
    ... )
    >>> display = SemanticErrorDisplay.from_predictions(
    ...     ["sky", "sea", "beach"],
    ...     [[0.9, 0.1], [0.1, 0.9], [0.5, 0.9]],
    ...     table,
    ...     seen_classes=["sky", "sea"],
    ... )
    >>> display.images_[1].get_array().round(2).tolist()
    [[0.25, 0.0]]
    """

    figure_: Any
    axes_: NDArray[Any]
    images_: list[Any]
    colorbar_: Any

    def __init__(
        self,
        *,
        errors: ArrayLike,
        classes: ArrayLike,
        attribute_names: Sequence[str],
        seen_classes: ArrayLike,
        seen_error: float,
        unseen_error: float,
        relative_increase: float,
        name: str | None = None,
    ) -> None:
        self.errors = np.asarray(errors, dtype=np.float64)
        self.classes = np.asarray(classes)
        self.attribute_names = tuple(str(attribute) for attribute in attribute_names)
        self.seen_classes = np.asarray(seen_classes)
        self.seen_error = seen_error
        self.unseen_error = unseen_error
        self.relative_increase = relative_increase
        self.name = name
        expected = (len(self.classes), len(self.attribute_names))
        if self.errors.shape != expected or 0 in expected:
            raise ValueError(
                f"errors must have a row for each class and a column for each attribute, shape "
                f"{expected} and not empty; found shape {self.errors.shape}"
            )

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        class_attributes: Any = None,
        normalize: str | None = "minmax",
        name: str | None = None,
        axes: Any = None,
        **plot_kw: Any,
    ) -> Self:
        """Predict the attributes of test samples, and draw their errors.

        Parameters
        ----------
        estimator : object
            Fitted zero-shot classifier with ``predict_attributes``, or a pipeline, search,
            calibration or ensemble of one.
        X : array-like of shape (n_samples, ...)
            Test samples as the estimator takes them; also a memory map, a ``RowView`` or a
            ``FeatureStore``, of which batches are read.
        y : array-like of shape (n_samples,)
            Their true labels. If all are of seen or all of unseen classes, there is one panel, and
            no increase.
        class_attributes : ClassAttributes or DataFrame, default=None
            Annotation to compare with instead of the fitted one: the same attributes, possibly of
            classes that nobody had described at fit.
        normalize : {"minmax", "standard", "l2"} or None, default="minmax"
            How predicted and annotated values are brought to one scale, see
            :func:`zslearn.metrics.class_semantic_error`.
        name : str, default=None
            Name of the model, for the title.
        axes : array-like of matplotlib Axes, default=None
            One for each panel. ``None`` makes a new figure.
        **plot_kw : dict
            Further arguments of `plot`.

        Returns
        -------
        display : SemanticErrorDisplay

        Raises
        ------
        TypeError
            If the estimator predicts no attributes or keeps no table.
        ValueError
            If a class in `y` is not described.
        """
        found = errors_of_model(estimator, X, y, class_attributes, normalize, cls.__name__)
        return cls(**found._asdict(), name=name).plot(axes, **plot_kw)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        attributes_pred: ArrayLike,
        class_attributes: Any,
        *,
        seen_classes: ArrayLike,
        classes: ArrayLike | None = None,
        attribute_names: Sequence[str] | None = None,
        normalize: str | None = "minmax",
        name: str | None = None,
        axes: Any = None,
        **plot_kw: Any,
    ) -> Self:
        """Draw the errors of attributes that were predicted already.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels. If all are of seen or all of unseen classes, there is one panel, and no
            increase.
        attributes_pred : array-like of shape (n_samples, n_attributes)
            Predicted attribute values.
        class_attributes : ClassAttributes, DataFrame or array-like of shape (C, n_attributes)
            Annotated values of each class.
        seen_classes : array-like
            Labels of the classes seen in training. Every other label of `y_true` is unseen.
        classes : array-like of shape (C,), default=None
            Labels of the rows of a bare array; its row numbers by default.
        attribute_names : sequence of str of length n_attributes, default=None
            Names of the attributes; those of the table by default, if it has any.
        normalize : {"minmax", "standard", "l2"} or None, default="minmax"
            How values are brought to one scale, see :func:`zslearn.metrics.class_semantic_error`.
        name : str, default=None
            Name of the model, for the title.
        axes : array-like of matplotlib Axes, default=None
            One for each panel. ``None`` makes a new figure.
        **plot_kw : dict
            Further arguments of `plot`.

        Returns
        -------
        display : SemanticErrorDisplay
        """
        found = errors_of_predictions(
            y_true,
            attributes_pred,
            class_attributes,
            seen_classes=seen_classes,
            attribute_names=attribute_names,
            classes=classes,
            normalize=normalize,
        )
        return cls(**found._asdict(), name=name).plot(axes, **plot_kw)

    @classmethod
    def compare(
        cls,
        models: Mapping[str, Any],
        X: Any = None,
        y: ArrayLike | None = None,
        *,
        class_attributes: Any = None,
        normalize: str | None = "minmax",
        vmax: float | None = None,
        axes: Any = None,
    ) -> dict[str, Self]:
        """Draw several models side by side, with one colour scale and one colour bar.

        Parameters
        ----------
        models : mapping of str to estimator or SemanticErrorDisplay
            A column for each, headed by its key. Displays are drawn again, estimators are asked
            for the attributes of `X`.
        X : array-like of shape (n_samples, ...), default=None
            Test samples; needed if there is an estimator among the models.
        y : array-like of shape (n_samples,), default=None
            Their true labels.
        class_attributes : ClassAttributes or DataFrame, default=None
            As in `from_estimator`.
        normalize : {"minmax", "standard", "l2"} or None, default="minmax"
            As in `from_estimator`.
        vmax : float, default=None
            Error at the end of the colour scale; the largest of all models by default.
        axes : array-like of matplotlib Axes of shape (n_panels, n_models), default=None
            ``None`` makes a new figure.

        Returns
        -------
        displays : dict of str to SemanticErrorDisplay
            Those drawn, by name.

        Raises
        ------
        ValueError
            If the models were evaluated on different classes or attributes, or an estimator
            comes without `X` and `y`.
        """
        if not models:
            raise ValueError("models is empty: give at least one, as {name: estimator}")
        displays = {
            key: cls._of_model(str(key), model, X, y, class_attributes, normalize)
            for key, model in models.items()
        }
        first_name, first = next(iter(displays.items()))
        for key, display in displays.items():
            check_comparable_errors(first_name, first, key, display)
        largest = max(displays.values(), key=lambda display: float(display.errors.max()))
        vmax = float(largest.errors.max()) if vmax is None else vmax
        grid = first._panels(axes, n_columns=len(displays))
        for column, display in zip(grid.T, displays.values(), strict=True):
            display.plot(column, vmax=vmax, colorbar=False)
        for ax in grid[:, 1:].flat:
            ax.tick_params(left=False, labelleft=False)
            ax.set_ylabel("")
        bar = largest._add_colorbar(grid)
        for display in displays.values():
            display.colorbar_ = bar
        return displays

    @classmethod
    def _of_model(
        cls, name: str, model: Any, X: Any, y: Any, class_attributes: Any, normalize: Any
    ) -> Self:
        """Compute the display of an estimator; of a display, make a copy of that name."""
        if isinstance(model, SemanticErrorDisplay):
            data = {field: getattr(model, field) for field in SemanticErrors._fields}
            return cls(**data, name=name)
        if X is None or y is None:
            raise ValueError(
                f"models[{name!r}] is a {type(model).__name__}: X and y are needed to evaluate it. "
                "Leave them out only if all models are displays."
            )
        found = errors_of_model(model, X, y, class_attributes, normalize, cls.__name__)
        return cls(**found._asdict(), name=name)

    @property
    def _is_seen(self) -> NDArray[np.bool_]:
        return np.isin(self.classes, self.seen_classes)

    def _sides(self) -> list[tuple[str, NDArray[np.intp]]]:
        """Kind and rows of each panel."""
        rows = {"seen": self._is_seen, "unseen": ~self._is_seen}
        return [(kind, np.flatnonzero(mask)) for kind, mask in rows.items() if mask.any()]

    def plot(
        self,
        axes: Any = None,
        *,
        vmax: float | None = None,
        colorbar: bool = True,
        cmap: Any = None,
    ) -> Self:
        """Draw the matrix.

        Parameters
        ----------
        axes : array-like of matplotlib Axes, default=None
            One for each panel: seen classes, then unseen ones. ``None`` makes a new figure.
        vmax : float, default=None
            Error at the end of the colour scale, which begins at 0; the largest error by default.
            Give the same to displays that are to be compared.
        colorbar : bool, default=True
            Whether to draw a colour bar.
        cmap : str or matplotlib Colormap, default=None
            Colours from none to the largest error; by default from that of the paper to blue.

        Returns
        -------
        display : SemanticErrorDisplay
            Itself, with the artists.

        Raises
        ------
        ValueError
            If there are not as many axes as panels.
        """
        sides = self._sides()
        self.axes_ = self._panels(axes)[:, 0]
        self.figure_ = self.axes_[0].figure
        self.images_ = []
        self.colorbar_ = None
        limit = float(self.errors.max()) if vmax is None else float(vmax)
        for ax, (kind, rows) in zip(self.axes_, sides, strict=True):
            image = ax.imshow(
                self.errors[rows],
                aspect="auto",
                cmap=sequential_colormap(ax) if cmap is None else cmap,
                vmin=0.0,
                vmax=limit if limit > 0 else 1.0,
            )
            self.images_.append(image)
            label_rows(ax, [readable_name(label) for label in self.classes[rows]])
            noun = "class" if len(rows) == 1 else "classes"
            ax.set_ylabel(f"{len(rows)} {kind} {noun}")
            label_attributes(ax, self.attribute_names, n_rows=len(rows))
        for ax in self.axes_[:-1]:
            ax.tick_params(bottom=False, labelbottom=False)
        self.axes_[0].set_title(self._title())
        if colorbar:
            self.colorbar_ = self._add_colorbar(self.axes_)
        return self

    def _title(self) -> str:
        text = averages_text(self.seen_error, self.unseen_error, self.relative_increase)
        return f"semantic error: {text}" if self.name is None else f"{self.name}\n{text}"

    def _add_colorbar(self, axes: NDArray[Any]) -> Any:
        return add_colorbar(axes, self.images_[0], self.errors, "semantic error (mean squared)")

    def _panels(self, axes: Any, n_columns: int = 1) -> NDArray[Any]:
        """Axes of shape (n_panels, n_columns), new ones if none are given."""
        counts = {kind: len(rows) for kind, rows in self._sides()}
        rows = [readable_name(label) for label in self.classes]
        names = [readable_name(name) for name in self.attribute_names]
        return stacked_panels(axes, counts, rows, names, n_columns, type(self).__name__)
