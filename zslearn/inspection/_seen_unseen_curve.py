"""The seen-unseen curve, its area and the point a calibration reaches on it, drawn."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from zslearn._wrapped import final_estimator
from zslearn.inspection._calibrated_scores import calibrated_scores, refuse_undescribed
from zslearn.inspection._seen_unseen_axes import (
    BEST,
    CHOSEN,
    CONTOUR,
    CURVE,
    draw_contours,
    draw_legend,
    frame,
    lines_of,
)
from zslearn.inspection._seen_unseen_data import curve_and_point, predict_with_delta
from zslearn.inspection._style import LINESTYLES, PALETTE, background, new_axes
from zslearn.metrics import SeenUnseenCurve
from zslearn.metrics._gzsl import harmonic_mean as harmonic_mean_of
from zslearn.metrics._validation import check_labels

__all__ = ["SeenUnseenCurveDisplay"]


class SeenUnseenCurveDisplay:
    r"""Accuracy on seen against accuracy on unseen classes, at every calibration.

    The curve on which every calibrated prediction lies [1]_: a larger :math:`\delta`, added to the
    scores of unseen classes, moves along it from the upper left, where everything is taken for a
    seen class, to the lower right. The area under it (AUSUC) judges a classifier whatever its
    calibration; a dot marks the point that its own :math:`\delta` reaches. Thin lines join points
    of equal harmonic mean, which are read off at the right.

    Make it with :meth:`from_estimator` or :meth:`from_predictions`; several curves are compared on
    one axis with ``ax=``.

    Parameters
    ----------
    curve : SeenUnseenCurve
        Accuracies on unseen and on seen classes, and a delta for each of their pairs, as
        :func:`zslearn.metrics.seen_unseen_curve` returns them.
    ausuc : float
        Area under the curve, between 0 and 1.
    delta : float, default=None
        The chosen calibration, on the scale of the scores of the curve. ``None`` if there is none.
    unseen_accuracy : float, default=None
        Accuracy on unseen classes reached with it.
    seen_accuracy : float, default=None
        Accuracy on seen classes reached with it. Without the two no point is marked.
    harmonic_mean : float, default=None
        Of the two. ``None`` computes it.
    name : str, default=None
        What the legend calls the curve.

    Attributes
    ----------
    line_ : matplotlib.lines.Line2D
        The curve.
    point_ : matplotlib.lines.Line2D or None
        The point reached with `delta`.
    best_point_ : matplotlib.lines.Line2D or None
        The point of the largest harmonic mean, with ``mark_best=True``.
    ax_ : matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure
        The figure of the axes.

    See Also
    --------
    zslearn.metrics.seen_unseen_curve : The curve as numbers.
    zslearn.metrics.ausuc_score : The area as a number.
    LambdaSweepDisplay : Metrics against a parameter.

    Notes
    -----
    The points of the curve are joined by straight lines, the trapezoids that the area is made of.
    Between two points a calibration that decides by chance for each sample reaches what is on the
    line.

    References
    ----------
    .. [1] W.-L. Chao, S. Changpinyo, B. Gong, F. Sha, "An empirical study and analysis of
       generalized zero-shot learning for object recognition in the wild", ECCV 2016.

    Examples
    --------
    >>> from zslearn.inspection import SeenUnseenCurveDisplay
    >>> y_score = [[3, 1], [2, 2], [4, 1], [1, 0]]
    >>> display = SeenUnseenCurveDisplay.from_predictions(
    ...     [0, 0, 1, 1], y_score, classes=[0, 1], seen_classes=[0], delta=1.5, name="toy"
    ... )
    >>> display.ausuc, display.harmonic_mean
    (0.25, 0.5)
    >>> display.line_.get_xydata()[2]
    array([0.5, 0.5])
    """

    line_: Any
    point_: Any
    best_point_: Any
    ax_: Any
    figure_: Any

    def __init__(
        self,
        *,
        curve: SeenUnseenCurve,
        ausuc: float,
        delta: float | None = None,
        unseen_accuracy: float | None = None,
        seen_accuracy: float | None = None,
        harmonic_mean: float | None = None,
        name: str | None = None,
    ) -> None:
        if (unseen_accuracy is None) != (seen_accuracy is None):
            raise ValueError(
                "unseen_accuracy and seen_accuracy make one point: give both, or neither."
            )
        if harmonic_mean is None and unseen_accuracy is not None and seen_accuracy is not None:
            harmonic_mean = float(harmonic_mean_of(unseen_accuracy, seen_accuracy))
        self.curve = SeenUnseenCurve(*curve)
        self.ausuc = ausuc
        self.delta = delta
        self.unseen_accuracy = unseen_accuracy
        self.seen_accuracy = seen_accuracy
        self.harmonic_mean = harmonic_mean
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        class_attributes: Any = None,
        candidates: Any = None,
        name: str | None = None,
        ax: Any = None,
        **line_kw: Any,
    ) -> Self:
        """Draw the curve of a fitted classifier, and where its own calibration is on it.

        Parameters
        ----------
        estimator : estimator instance
            Fitted zero-shot classifier, or a Pipeline or a fitted search that ends in one. The
            calibration is that of its ``predict``: its ``delta`` on its ``delta_scale``, or the one
            that :class:`zslearn.calibration.TunedCalibrationClassifierCV` has found.
        X : array-like of shape (n_samples, ...)
            Test samples of seen and of unseen classes, as the estimator takes them.
        y : array-like of shape (n_samples,)
            True labels.
        class_attributes : ClassAttributes or DataFrame, default=None
            Classes to choose among instead of the fitted ones, described by the same attributes:
            seen ones and those that are new since fit.
        candidates : "all", "present" or array-like of labels, default=None
            The classes to choose among. ``None`` and "all" are all described ones, as in
            ``predict``. "present" are the seen classes and those in `y`, as in the scorers of
            :mod:`zslearn.metrics`: for held-out seen classes that play the unseen, where the truly
            unseen ones shall not interfere.
        name : str, default=None
            What the legend calls the curve. ``None`` takes the class of the classifier.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. ``None`` makes a figure.
        **line_kw : dict
            Options of the curve's line, for matplotlib.

        Returns
        -------
        display : SeenUnseenCurveDisplay
            With the curve drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If it is not a zero-shot classifier.
        ValueError
            If `y` lacks samples of seen or of unseen classes or holds a class that is not
            described, or if a score is NaN or infinite.

        Notes
        -----
        The estimator is called once; X is read as its ``decision_function`` reads it, a store batch
        by batch. A classifier of another package is taken to predict the largest score; it has no
        `delta`, and its ``predict`` is called for the point.

        Examples
        --------
        >>> import numpy as np
        >>> from zslearn import ClassAttributes, CVsCClassifier
        >>> from zslearn.inspection import SeenUnseenCurveDisplay
        >>> rng = np.random.default_rng(0)
        >>> table = ClassAttributes([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1]])
        >>> y = rng.integers(0, 5, size=200)
        >>> X = table.values[y] + rng.normal(scale=0.3, size=(200, 3))
        >>> seen = y < 4
        >>> clf = CVsCClassifier(max_epochs=2, random_state=0)
        >>> clf = clf.fit(X[seen], y[seen], class_attributes=table)
        >>> display = SeenUnseenCurveDisplay.from_estimator(clf, X, y, name="CVsC")
        >>> display.delta
        2.5
        >>> bool(display.unseen_accuracy == np.mean(clf.predict(X[~seen]) == y[~seen]))
        True
        """
        final = final_estimator(estimator)
        outputs = calibrated_scores(estimator, X, class_attributes)
        rule, y_true = outputs.rule, check_labels(y, "y")
        refuse_undescribed(y_true, rule, type(final).__name__)
        if isinstance(candidates, str) and candidates == "present":
            seen = np.intersect1d(rule.seen_classes_, rule.classes_)
            candidates = np.union1d(seen, y_true)
        columns = rule._candidate_columns(candidates, rule.class_attributes_)
        if outputs.is_own_rule or candidates is not None or class_attributes is not None:
            y_pred = outputs.predict(candidates)
        else:
            y_pred = estimator.predict(X)
        scored = {
            "classes": rule.classes_[columns],
            "seen_classes": np.intersect1d(rule.seen_classes_, rule.classes_[columns]),
        }
        found = curve_and_point(y_true, outputs.on_delta_scale(candidates), y_pred, **scored)
        return cls(
            **found._asdict(),
            delta=rule.delta if outputs.is_own_rule else None,
            name=type(final).__name__ if name is None else name,
        ).plot(ax, **line_kw)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_score: ArrayLike,
        *,
        classes: ArrayLike,
        seen_classes: ArrayLike,
        delta: float | None = None,
        name: str | None = None,
        ax: Any = None,
        **line_kw: Any,
    ) -> Self:
        """Draw the curve of given class scores.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels of samples of seen and of unseen classes.
        y_score : array-like of shape (n_samples, n_classes)
            Uncalibrated scores, on the scale on which delta is added.
        classes : array-like of shape (n_classes,)
            Label of each column of `y_score`, in any order.
        seen_classes : array-like of shape (n_seen_classes,)
            Labels of the classes used in training. The other labels of `classes` are unseen.
        delta : float, default=None
            The chosen calibration; it may be infinite. ``None`` marks no point.
        name : str, default=None
            What the legend calls the curve. ``None`` gives its area alone.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. ``None`` makes a figure.
        **line_kw : dict
            Options of the curve's line, for matplotlib.

        Returns
        -------
        display : SeenUnseenCurveDisplay
            With the curve drawn.

        Raises
        ------
        ValueError
            If `y_true` lacks samples of seen or of unseen classes, if a label has no column or if
            a score or `delta` is NaN.

        Examples
        --------
        >>> from zslearn.inspection import SeenUnseenCurveDisplay
        >>> y_score = [[3, 1], [2, 2], [4, 1], [1, 0]]
        >>> known = {"classes": [0, 1], "seen_classes": [0]}
        >>> display = SeenUnseenCurveDisplay.from_predictions([0, 0, 1, 1], y_score, **known)
        >>> display.line_.get_label()
        'AUSUC 0.25'
        """
        scored = {"classes": np.asarray(classes), "seen_classes": np.asarray(seen_classes)}
        y_pred = None if delta is None else predict_with_delta(delta, y_score, **scored)
        found = curve_and_point(y_true, y_score, y_pred, **scored)
        return cls(**found._asdict(), delta=delta, name=name).plot(ax, **line_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        name: str | None = None,
        show_harmonic_mean: bool = True,
        mark_best: bool = False,
        **line_kw: Any,
    ) -> Self:
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on, with curves drawn before or not. ``None`` makes a figure.
        name : str, default=None
            What the legend calls the curve. ``None`` takes the display's `name`.
        show_harmonic_mean : bool, default=True
            Whether lines of equal harmonic mean are drawn, once for all curves of the axes.
        mark_best : bool, default=False
            Whether the point of the largest harmonic mean is marked, by a ring. It is the best in
            hindsight: on test data no calibration can be chosen by it.
        **line_kw : dict
            Options of the curve's line, for matplotlib. Colours and line styles differ from those
            of the curves drawn before.

        Returns
        -------
        self : object
            With the artists as attributes.
        """
        own_figure = ax is None
        ax = new_axes(ax, type(self).__name__, (5.6, 5.2))
        from matplotlib.cbook import normalize_kwargs
        from matplotlib.lines import Line2D

        if own_figure:
            # Constrained alone may crop what is around axes of a fixed aspect.
            ax.figure.set_layout_engine("compressed")
        n_before = len(lines_of(ax, CURVE))
        if not n_before:
            frame(ax)
        if show_harmonic_mean and not lines_of(ax, CONTOUR):
            draw_contours(ax)
        style = n_before + n_before // len(PALETTE)
        options = {
            "color": PALETTE[n_before % len(PALETTE)],
            "linestyle": LINESTYLES[style % len(LINESTYLES)],
            "linewidth": 2.0,
            "label": self._label(self.name if name is None else name),
            "gid": CURVE,
            "zorder": 3,
            **normalize_kwargs(line_kw, Line2D),
        }
        unseen, seen, _ = self.curve
        (self.line_,) = ax.plot(unseen, seen, **options)
        self.best_point_ = self.point_ = None
        color = self.line_.get_color()
        if mark_best:
            best = int(np.argmax(harmonic_mean_of(unseen, seen)))
            (self.best_point_,) = ax.plot(
                unseen[best], seen[best], **BEST, color=color, label="_best", zorder=4
            )
        if self.unseen_accuracy is not None:
            (self.point_,) = ax.plot(
                self.unseen_accuracy,
                self.seen_accuracy,
                **CHOSEN,
                color=color,
                markeredgecolor=background(ax),
                label="_chosen",
                zorder=5,
            )
        draw_legend(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _label(self, name: str | None) -> str:
        parts = [f"AUSUC {self.ausuc:.2f}"]
        if self.harmonic_mean is not None:
            parts.append(f"H {self.harmonic_mean:.2f}")
            if self.delta is not None:
                parts[-1] += f" at δ = {_short(self.delta)}"
        inside = ", ".join(parts)
        return inside if name is None else f"{name} ({inside})"


def _short(delta: float) -> str:
    return f"{delta:.3g}".replace("inf", "∞").replace("-", "−")
