"""Why this class: what each attribute adds to its score over that of another class."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from zslearn.inspection._names import readable_name
from zslearn.inspection._semantic_score import explain_score
from zslearn.inspection._style import (
    LONGEST_NAME,
    as_written,
    extra_room,
    foreground,
    import_pyplot,
    muted,
    new_axes,
    ticked_as_shared,
)

__all__ = ["SemanticExplanationDisplay"]

# Blue for the class and orange for the other, on light and on dark paper.
ON_LIGHT, ON_DARK = ("#0072B2", "#D55E00"), ("#56B4E9", "#E69F00")
# Points from the axes to the columns of values, and between these.
FIRST_COLUMN, COLUMN = 30.0, 60.0


class SemanticExplanationDisplay:
    r"""Why this class: the difference of two class scores, attribute by attribute.

    The score of a class is a sum over attributes, :math:`z_c = \sum_k s_k e_{ck}`, with the
    predicted attributes :math:`s` and the class embeddings :math:`e` (for
    :class:`~zslearn.CVsCClassifier`, the rows of the class table, of unit length, times its
    scale). So is the difference between two classes:

    .. math:: z_c - z_{c'} = \sum_k s_k (e_{ck} - e_{c'k})

    A bar to the right speaks for the first class, one to the left for the other; all bars add up
    to the difference in the title. Make one with `from_estimator`.

    Parameters
    ----------
    contributions : array-like of shape (n_attributes,)
        What each attribute adds to the score of the class over that of the other.
    attribute_names : sequence of str of length n_attributes
        Names of the attributes.
    class_name, other_name : object
        Labels of the two classes.
    predicted_name : object, default=None
        Label of the class that was predicted; `class_name` by default.
    calibration : float, default=0.0
        What the calibration of the classifier adds to the difference: its ``delta`` if only the
        first class is unseen, ``-delta`` if only the other is. It has a bar of its own.
    pooled : float, default=0.0
        What pooled features add, where class scores look at them too. It has a bar of its own.
    predicted_values : array-like of shape (n_attributes,), default=None
        Predicted attributes, written beside the bars.
    class_values : array-like of shape (2, n_attributes), default=None
        Values of the two classes in the table, written beside the bars.
    note : str, default=None
        What else decided, written below.
    image : array-like of shape (height, width) or (height, width, 3), default=None
        The picture, shown beside the bars.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure.
    ax_ : matplotlib Axes
        Those of the bars.
    image_ax_ : matplotlib Axes or None
        Those of the picture, if there is one.
    bars_ : matplotlib BarContainer
        The bars, from the top: attributes, the strongest first; the sum of the others; the
        pooled features; the calibration.
    value_texts_ : list of list of matplotlib Annotation
        For each attribute with a bar, its values as written: predicted, first class, other class.

    See Also
    --------
    zslearn.inspection.SemanticErrorDisplay : Which attributes are mistaken, over many pictures.

    Notes
    -----
    The values written for the classes are those of the table, while the scores compare classes
    by descriptions of equal length (``class_embeddings``); predicted attributes have a scale of
    their own. The sign of a bar can therefore differ from the sign of the difference of the two
    values, where these are nearly equal.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn import ClassAttributes, CVsCClassifier
    >>> from zslearn.inspection import SemanticExplanationDisplay
    >>> rng = np.random.default_rng(0)
    >>> table = ClassAttributes(
    ...     [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1]],
    ...     labels=["sky", "sea", "sand", "bay", "beach"],
    ...     attribute_names=["blue", "wet", "grainy"],
    ... )
    >>> y = rng.choice(["sky", "sea", "sand", "bay"], size=200)  # no beach
    >>> X = table.values[table.index_of(y)][:, None, :] + rng.normal(scale=0.1, size=(200, 4, 3))
    >>> clf = CVsCClassifier(random_state=0).fit(X, y, class_attributes=table)
    >>> display = SemanticExplanationDisplay.from_estimator(clf, X[:1], target="sky", other="sea")
    >>> z = dict(zip(clf.classes_, clf.decision_function(X[:1])[0]))
    >>> bool(np.isclose(display.score_difference, z["sky"] - z["sea"]))
    True
    """

    figure_: Any
    ax_: Any
    image_ax_: Any
    bars_: Any
    value_texts_: list[list[Any]]

    def __init__(
        self,
        *,
        contributions: ArrayLike,
        attribute_names: Sequence[str],
        class_name: Any,
        other_name: Any,
        predicted_name: Any = None,
        calibration: float = 0.0,
        pooled: float = 0.0,
        predicted_values: ArrayLike | None = None,
        class_values: ArrayLike | None = None,
        note: str | None = None,
        image: Any = None,
    ) -> None:
        self.contributions = np.asarray(contributions, dtype=np.float64)
        self.attribute_names = tuple(str(name) for name in attribute_names)
        self.class_name = class_name
        self.other_name = other_name
        self.predicted_name = class_name if predicted_name is None else predicted_name
        self.calibration = calibration
        self.pooled = pooled
        self.predicted_values = _floats(predicted_values)
        self.class_values = _floats(class_values)
        self.note = note
        self.image = image
        n = len(self.attribute_names)
        for argument, array, shape in (
            ("contributions", self.contributions, (n,)),
            ("predicted_values", self.predicted_values, (n,)),
            ("class_values", self.class_values, (2, n)),
        ):
            if array is not None and array.shape != shape:
                raise ValueError(
                    f"{argument} must have shape {shape}, for {n} attribute_names; found shape "
                    f"{array.shape}"
                )

    @property
    def score_difference(self) -> float:
        """Score of the class minus that of the other, calibrated: the sum of all bars."""
        return math.fsum([*self.contributions, self.pooled, self.calibration])

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        target: Any = None,
        other: Any = None,
        class_attributes: Any = None,
        image: Any = None,
        max_attributes: int = 12,
        ax: Any = None,
        image_ax: Any = None,
    ) -> Self:
        """Explain the class of one sample.

        Parameters
        ----------
        estimator : object
            Fitted zero-shot classifier whose scores are sums over attributes, such as
            :class:`~zslearn.CVsCClassifier`; a pipeline, search or calibration of one, or a
            :class:`~zslearn.ensemble.SeedEnsembleClassifier` with ``average="score"``. Fitted
            without a table, each class is an attribute of its own.
        X : array-like of shape (1, ...)
            The sample, as a batch of one: ``X[i : i + 1]``.
        target : class label, default=None
            The class to explain; the predicted one by default.
        other : class label, default=None
            The class to compare with; by default the best of the rest: the runner-up of the
            predicted class.
        class_attributes : ClassAttributes or DataFrame, default=None
            Classes to choose among instead of the fitted ones.
        image : array-like of shape (height, width) or (height, width, 3), default=None
            The picture, to be shown beside the bars.
        max_attributes : int, default=12
            Most attributes with a bar of their own.
        ax : matplotlib Axes, default=None
            Axes of the bars. ``None`` makes a new figure.
        image_ax : matplotlib Axes, default=None
            Axes of the picture; needed with `ax` if there is one.

        Returns
        -------
        display : SemanticExplanationDisplay

        Raises
        ------
        TypeError
            If the class scores are no sums over attributes.
        ValueError
            If X does not hold one sample, or a class is not described.

        Notes
        -----
        With ``delta_scale="logit"``, ``delta`` is a term of the sum. With "probability" it is
        added behind the softmax and is none: the bars explain the class scores, and a note tells
        both calibrated probabilities, by which the classifier decided.
        """
        found = explain_score(estimator, X, target, other, class_attributes, cls.__name__)
        display = cls(**found._asdict(), image=image)
        return display.plot(ax, max_attributes=max_attributes, image_ax=image_ax)

    def plot(
        self, ax: Any = None, *, max_attributes: int = 12, values: bool = True, image_ax: Any = None
    ) -> Self:
        """Draw the bars.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes of the bars. ``None`` makes a new figure.
        max_attributes : int, default=12
            Most attributes with a bar of their own, the strongest; the others share one.
        values : bool, default=True
            Whether to write the predicted value and those of both classes beside each attribute.
        image_ax : matplotlib Axes, default=None
            Axes of the picture; needed with `ax` if there is one.

        Returns
        -------
        display : SemanticExplanationDisplay
            Itself, with the artists.
        """
        shown, lengths, names = self._rows(max_attributes)
        self.value_texts_ = []
        self.ax_, self.image_ax_ = self._axes(ax, image_ax, names)
        ax = self.ax_
        self.figure_ = ax.figure
        for_class, for_other = colors = _colors(ax)
        positions = np.arange(len(names))
        self.bars_ = ax.barh(
            positions,
            lengths,
            height=0.72,
            color=[for_class if length >= 0 else for_other for length in lengths],
        )
        for bar in self.bars_.patches[len(shown) :]:
            bar.set(hatch="////", edgecolor=muted(ax, 0.0), linewidth=0.0)
        decimals = _decimals(lengths, digits=3)
        signed = [_number(length, decimals, sign="+") for length in lengths]
        ax.bar_label(self.bars_, signed, padding=3, fontsize=8)
        ax.axvline(0.0, color=foreground(ax), linewidth=0.8)
        with ticked_as_shared(ax.yaxis):
            ax.set_yticks(positions, names)
        ax.tick_params(axis="y", length=0)
        ax.set_ylim(len(names) - 0.4, -0.6)
        ax.margins(x=0.2)
        ax.spines[["top", "right", "left"]].set_visible(False)
        label = "part of the score difference"
        ax.set_xlabel(label if self.note is None else f"{label}\n{self.note}")
        for x, side, name, color in (
            (0.0, "left", f"\N{LEFTWARDS ARROW} {_short(self.other_name, 18)}", for_other),
            (1.0, "right", f"{_short(self.class_name, 18)} \N{RIGHTWARDS ARROW}", for_class),
        ):
            ax.annotate(
                as_written(name), (x, 1.0), (0, 4), ha=side, color=color, weight="bold", **ABOVE
            )
        lines = self._write_values(shown, colors) if values else 1
        ax.set_title(self._title(decimals), pad=10.0 + 11.0 * lines)
        if self.image_ax_ is not None:
            self.image_ax_.imshow(self.image, cmap="gray")
            self.image_ax_.axis("off")
        return self

    def _rows(self, max_attributes: int) -> tuple[list[int], list[float], list[str]]:
        """Attributes with a bar of their own, and length and name of all bars."""
        if max_attributes < 1:
            raise ValueError(f"max_attributes must be at least 1, found {max_attributes}")
        order = np.argsort(-np.abs(self.contributions), kind="stable")
        order = order[self.contributions[order] != 0]
        # A single one that is left over takes no more room than its name.
        n_shown = len(order) if len(order) <= max_attributes + 1 else max_attributes
        shown = order[:n_shown].tolist()
        lengths = self.contributions[shown].tolist()
        names = [as_written(readable_name(self.attribute_names[k]), LONGEST_NAME) for k in shown]
        rest = np.setdiff1d(np.arange(len(self.contributions)), shown)
        if len(rest):
            lengths.append(math.fsum(self.contributions[rest]))
            names.append(f"{len(rest)} other attribute{'s' if len(rest) > 1 else ''}")
        if self.pooled:
            lengths, names = [*lengths, self.pooled], [*names, "pooled features"]
        if self.calibration:
            lengths.append(self.calibration)
            names.append("calibration (unseen class)")
        return shown, lengths, names

    def _write_values(self, shown: list[int], colors: tuple[str, str]) -> int:
        """Write a column for the prediction and for each class; return the lines of its heading."""
        columns: list[tuple[Any, Any, Any]] = []
        if self.predicted_values is not None:
            columns.append(("predicted", self.predicted_values, foreground(self.ax_)))
        if self.class_values is not None:
            columns.append((self.class_name, self.class_values[0], colors[0]))
            columns.append((self.other_name, self.class_values[1], colors[1]))
        self.value_texts_ = [[] for _ in shown]
        heads = ["\n".join(textwrap.wrap(_short(head), 12)) for head, _, _ in columns]
        for i, (head, (_, column, color)) in enumerate(zip(heads, columns, strict=True)):
            x = FIRST_COLUMN + i * COLUMN
            decimals = _decimals(column[shown], digits=2)
            self.ax_.annotate(
                as_written(head), (1.0, 1.0), (x, 4), ha="center", color=color, **ABOVE
            )
            for row, k in enumerate(shown):
                text = self.ax_.annotate(
                    _number(column[k], decimals),
                    (1.0, row),
                    (x, 0),
                    xycoords=("axes fraction", "data"),
                    textcoords="offset points",
                    ha="center",
                    va="center",
                    fontsize=8,
                    annotation_clip=False,
                )
                self.value_texts_[row].append(text)
        return max((head.count("\n") + 1 for head in heads), default=1)

    def _title(self, decimals: int) -> str:
        first, second = _short(self.class_name), _short(self.other_name)
        decimals = max(decimals, _decimals(self.score_difference, digits=2))
        difference = f"score difference {_number(self.score_difference, decimals, sign='+')}"
        if self.predicted_name == self.class_name:
            what = f"Taken for {first} rather than {second}:"
        elif self.predicted_name == self.other_name:
            what = f"Not taken for {first} but for {second}:"
        else:
            what = f"{first} against {second} (taken for {_short(self.predicted_name)}):"
        return as_written(f"{what}{' ' if len(what + difference) < 55 else chr(10)}{difference}")

    def _axes(self, ax: Any, image_ax: Any, names: Sequence[str]) -> tuple[Any, Any]:
        height, extra = 1.9 + 0.27 * len(names), extra_room(names)
        if ax is None and self.image is not None:
            if image_ax is not None:
                raise ValueError("image_ax was given without ax: give both, or none of them")
            pyplot = import_pyplot(type(self).__name__)
            figure = pyplot.figure(figsize=(10.5 + extra, height), layout="constrained")
            image_ax, ax = figure.subplots(1, 2, width_ratios=[1, 2])
        elif self.image is not None and image_ax is None:
            raise ValueError("ax was given without image_ax: the image needs axes of its own")
        return new_axes(ax, type(self).__name__, (8.0 + extra, height)), image_ax


ABOVE: dict[str, Any] = {
    "xycoords": "axes fraction",
    "textcoords": "offset points",
    "va": "bottom",
    "fontsize": 8,
    "annotation_clip": False,
}


def _floats(values: ArrayLike | None) -> Any:
    return None if values is None else np.asarray(values, dtype=np.float64)


def _short(name: Any, width: int = 30) -> str:
    text = readable_name(str(name))
    return text if len(text) <= width else text[: width - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def _colors(ax: Any) -> tuple[str, str]:
    return ON_LIGHT if sum(foreground(ax)) < 1.5 else ON_DARK


def _decimals(values: ArrayLike, digits: int) -> int:
    """Decimal places that leave the largest of some numbers so many digits."""
    largest = float(np.abs(np.asarray(values, dtype=np.float64)).max(initial=0.0))
    return 0 if largest == 0 else int(np.clip(digits - 1 - math.floor(math.log10(largest)), 0, 9))


def _number(value: float, decimals: int, sign: str = "-") -> str:
    if decimals > 4:
        text = f"{value:{sign}.2g}"
    else:
        text = f"{round(value, decimals) + 0.0:{sign}.{decimals}f}"
    return text.replace("-", "\N{MINUS SIGN}")
