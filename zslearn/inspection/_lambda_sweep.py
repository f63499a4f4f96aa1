"""Metrics against the weights of losses, from the results of a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from zslearn._table_checks import quote_some
from zslearn.inspection._parameter_sweep import ParameterSweep, summarise_sweep
from zslearn.inspection._search_results import SearchResults, value_key
from zslearn.inspection._style import (
    LINESTYLES,
    PALETTE,
    import_pyplot,
    muted,
    new_axes,
    ticked_as_shared,
)
from zslearn.inspection._value_axis import set_scale, short_value

__all__ = ["LambdaSweepDisplay"]


class LambdaSweepDisplay:
    r"""Metrics against the weight of each loss, from the results of a search.

    One panel for each parameter, one line for each metric, as in Figure 6 of [1]_: the mean over
    the folds of the search, in a band of one standard error, or with an error bar where a value
    stands alone between gaps. The chosen value is marked.

    Make it with :meth:`from_cv_results`.

    Parameters
    ----------
    sweeps : dict of str to ParameterSweep
        For each parameter what was found along it.
    n_splits : int, default=None
        Number of folds, for the label of the vertical axis.
    names : dict of str to str, default=None
        What parameters and metrics are called, where not by their own names;
        :math:`\lambda_{cc}` for ``lambda_cc`` goes without saying.

    Attributes
    ----------
    lines_ : dict of str to dict of str to matplotlib.lines.Line2D
        For each parameter, the line of each metric.
    bands_ : dict of str to dict of str to matplotlib.collections.PolyCollection
        Their bands.
    error_bars_ : dict of str to dict of str to matplotlib.container.ErrorbarContainer
        For each parameter, the error bars of the metrics that have a mean at a value and at none
        beside it, where there is no band to see.
    best_lines_ : dict of str to matplotlib.lines.Line2D or None
        For each parameter, the mark of the chosen value.
    axes_ : ndarray of shape (n_params,) of matplotlib.axes.Axes
        The panels.
    figure_ : matplotlib.figure.Figure
        The figure of the panels.

    See Also
    --------
    zslearn.metrics.gzsl_multimetric_scorer : All metrics from one search.
    SeenUnseenCurveDisplay : Accuracies against the calibration.

    Notes
    -----
    The standard error is the standard deviation over folds, with n - 1 in the denominator, over
    the square root of their number n. Folds share training samples, so it is rather too small.

    The score of the chosen value has been maximised: it is somewhat optimistic.

    References
    ----------
    .. [1] "Causal Visual-semantic Correlation for Zero-shot Learning", ACM Multimedia 2024.

    Examples
    --------
    >>> from zslearn.inspection import LambdaSweepDisplay
    >>> cv_results = {
    ...     "param_lambda_cc": [0.0, 0.5, 2.0],
    ...     "split0_test_H": [0.50, 0.60, 0.40],
    ...     "split1_test_H": [0.54, 0.56, 0.42],
    ... }
    >>> display = LambdaSweepDisplay.from_cv_results(cv_results)
    >>> display.lines_["lambda_cc"]["H"].get_ydata()
    array([0.52, 0.58, 0.41])
    >>> display.sweeps["lambda_cc"].best
    0.5
    """

    lines_: dict[str, dict[str, Any]]
    bands_: dict[str, dict[str, Any]]
    error_bars_: dict[str, dict[str, Any]]
    best_lines_: dict[str, Any]
    axes_: NDArray[Any]
    figure_: Any

    def __init__(
        self,
        *,
        sweeps: Mapping[str, ParameterSweep],
        n_splits: int | None = None,
        names: Mapping[str, str] | None = None,
    ) -> None:
        if not sweeps:
            raise ValueError("sweeps is empty: give a ParameterSweep for at least one parameter.")
        self.sweeps = dict(sweeps)
        self.n_splits = n_splits
        self.names = dict(names or {})

    @classmethod
    def from_cv_results(
        cls,
        cv_results: Any,
        *,
        params: Sequence[str] | str | None = None,
        metrics: Sequence[str] | str | None = None,
        others: str | Mapping[str, Any] = "chosen",
        select_by: str | None = None,
        names: Mapping[str, str] | None = None,
        axes: Any = None,
        **line_kw: Any,
    ) -> Self:
        """Draw what a search found.

        Parameters
        ----------
        cv_results : dict, DataFrame or fitted search
            ``cv_results_`` of scikit-learn's ``GridSearchCV`` or ``RandomizedSearchCV``, or the
            fitted search itself.
            The search also says what it has chosen, and the values of parameters that some of its
            grids leave alone.
        params : str or sequence of str, default=None
            Parameters to show. A parameter of a step inside, such as
            ``cvscclassifier__lambda_cc``, is found by its own name, too. ``None`` takes all
            ``lambda_...`` of which more than one value was tried.
        metrics : str or sequence of str, default=None
            Metrics to show; that of a search with a single one is "score". ``None`` takes T1 and
            H, as in the paper, or else all there are.
        others : {"chosen", "best", "mean"} or dict, default="chosen"
            What becomes of the other parameters that vary:

            - "chosen": they stay as in the chosen setting. If just one value of the parameter was
              tried there, as in searches along one parameter at a time, they stay as in the best
              setting in which several were;
            - "best": for each value, they are as in its setting with the largest mean of
              `select_by`, for all metrics the same;
            - "mean": the mean over all settings with the value;
            - a dict gives values for some or all of them; the rest stays as with "chosen".
        select_by : str, default=None
            Metric by which settings are chosen. ``None`` takes that of the search (``refit``, whose
            choice then stands), or else "H" or else the first in `metrics`.
        names : dict of str to str, default=None
            What parameters and metrics are called.
        axes : matplotlib.axes.Axes or array of them, default=None
            One for each parameter. ``None`` makes a figure.
        **line_kw : dict
            Options of all lines, for matplotlib.

        Returns
        -------
        display : LambdaSweepDisplay
            With the lines drawn.

        Raises
        ------
        ValueError
            If no parameter varies, if there is no such parameter or metric, if several parameters
            have the same short name, or if just one value is left with the others held.
        TypeError
            If `cv_results` is not the results of a search, or the search is not fitted.

        Notes
        -----
        Values with a fit that failed in some fold (NaN) are a gap in the line; how many fits did
        is written above the panel. Settings that were drawn twice count as one, their mean.

        Examples
        --------
        >>> from zslearn.inspection import LambdaSweepDisplay
        >>> cv_results = {
        ...     "param_clf__lambda_cc": [0, 1, 0, 1],
        ...     "param_clf__lambda_sci": [0, 0, 2, 2],
        ...     "split0_test_score": [0.1, 0.2, 0.3, 0.6],
        ... }
        >>> display = LambdaSweepDisplay.from_cv_results(cv_results, params="lambda_cc")
        >>> display.sweeps["clf__lambda_cc"].others  # of the best, 0.6
        {'clf__lambda_sci': 2}
        >>> display.sweeps["clf__lambda_cc"].mean["score"]
        array([0.3, 0.6])
        """
        results = SearchResults(cv_results)
        shown = results.resolve_metrics(metrics)
        by, choice = results.choose(select_by, shown)
        sweeps = {}
        for param in results.resolve_params(params):
            rows, held = results.rows_along(param, others, by, choice)
            sweeps[param] = summarise_sweep(results, param, rows, held, shown, by, choice)
        all_names = {**results.metric_names, **(names or {})}
        return cls(sweeps=sweeps, n_splits=results.n_splits, names=all_names).plot(axes, **line_kw)

    def plot(self, axes: Any = None, **line_kw: Any) -> Self:
        """Draw the panels.

        Parameters
        ----------
        axes : matplotlib.axes.Axes or array of them, default=None
            One for each parameter. ``None`` makes a figure.
        **line_kw : dict
            Options of all lines, for matplotlib.

        Returns
        -------
        self : object
            With the artists as attributes.

        Raises
        ------
        ValueError
            If the number of axes is not that of the parameters.
        """
        own_figure = axes is None
        self.axes_ = self._panels(axes)
        self.figure_ = self.axes_[0].figure
        self.lines_, self.bands_, self.best_lines_ = {}, {}, {}
        self.error_bars_ = {}
        for ax, (param, sweep) in zip(self.axes_, self.sweeps.items(), strict=True):
            with ticked_as_shared(ax.xaxis):
                positions = set_scale(ax, sweep.values)
            self.lines_[param], self.bands_[param] = self._draw_lines(ax, positions, sweep, line_kw)
            self.error_bars_[param] = _draw_error_bars(ax, positions, sweep, self.lines_[param])
            self.best_lines_[param] = self._mark_best(ax, positions, sweep)
            ax.set_xlabel(self._called(param), fontsize="large")
            ax.set_title(self._note(sweep), fontsize="small", color=muted(ax, 0.65))
        folds = f"{self.n_splits} folds" if (self.n_splits or 0) > 1 else "folds"
        label = "Score" if self.n_splits == 1 else f"Mean over {folds} ± standard error"
        self.axes_[0].set_ylabel(label)
        self._draw_legend(own_figure)
        return self

    def _panels(self, axes: Any) -> NDArray[Any]:
        n = len(self.sweeps)
        if axes is None:
            pyplot = import_pyplot(type(self).__name__)
            n_columns = min(n, 4)
            n_rows = -(-n // n_columns)
            figure, grid = pyplot.subplots(
                n_rows,
                n_columns,
                figsize=(max(3.2 * n_columns, 5.0), 3.5 * n_rows),
                sharey=True,
                squeeze=False,
                layout="constrained",
            )
            for ax in grid.ravel()[n:]:
                figure.delaxes(ax)
            panels: NDArray[Any] = grid.ravel()[:n]
            return panels
        panels = np.atleast_1d(np.asarray(axes, dtype=object)).ravel()
        if len(panels) != n:
            raise ValueError(
                f"axes holds {len(panels)} axes for {n} parameters ({quote_some(self.sweeps)}): "
                "give one for each, or choose with params=."
            )
        return np.array([new_axes(ax, type(self).__name__) for ax in panels], dtype=object)

    def _called(self, name: str) -> str:
        if name in self.names:
            return self.names[name]
        short = name.rpartition("__")[2]
        if short.startswith("lambda_") and len(short) > len("lambda_"):
            subscript = short.removeprefix("lambda_").replace("_", r"\,")
            return rf"$\lambda_{{\mathrm{{{subscript}}}}}$"
        return self.names.get(short, short)

    def _note(self, sweep: ParameterSweep) -> str:
        """Say where the other parameters are held, and how many fits have no score."""
        lines = []
        if isinstance(sweep.others, str):
            how = {"best": "best for each value", "mean": "mean over all"}[sweep.others]
            lines.append(f"others: {how}")
        elif sweep.others:
            held = [
                f"{self._called(key)} = {short_value(value)}" for key, value in sweep.others.items()
            ]
            more = f", ... ({len(held)} in all)" if len(held) > 3 else ""
            lines.append(", ".join(held[:3]) + more)
        if sweep.n_missing:
            lines.append(f"no score in {sweep.n_missing} of {sweep.n_fits} fits")
        return "\n".join(lines)

    def _draw_lines(
        self, ax: Any, positions: NDArray[np.float64], sweep: ParameterSweep, line_kw: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        from matplotlib.cbook import normalize_kwargs
        from matplotlib.lines import Line2D

        lines, bands = {}, {}
        for i, (metric, mean) in enumerate(sweep.mean.items()):
            options = {
                "color": PALETTE[i % len(PALETTE)],
                "linestyle": LINESTYLES[i % len(LINESTYLES)],
                "marker": "osD^vP"[i % 6],
                "markersize": 5,
                "linewidth": 1.8,
                "label": self._called(metric),
                **normalize_kwargs(line_kw, Line2D),
            }
            (lines[metric],) = ax.plot(positions, mean, **options)
            error = sweep.standard_error[metric]
            bands[metric] = ax.fill_between(
                positions,
                mean - error,
                mean + error,
                color=lines[metric].get_color(),
                alpha=0.2,
                linewidth=0,
            )
        return lines, bands

    def _mark_best(self, ax: Any, positions: NDArray[np.float64], sweep: ParameterSweep) -> Any:
        if sweep.best is None:
            return None
        at = [value_key(value) for value in sweep.values].index(value_key(sweep.best))
        meaning = "chosen"
        if sweep.best_by is not None:
            meaning += f" by {self._called(sweep.best_by)}"
        return ax.axvline(
            positions[at],
            color=muted(ax, 0.5),
            linestyle=(0, (2, 2)),
            linewidth=1.3,
            label=meaning,
            zorder=1,
        )

    def _draw_legend(self, own_figure: bool) -> None:
        entries: dict[str, Any] = {}
        marks: dict[str, Any] = {}
        for ax in self.axes_:
            for line in ax.get_legend_handles_labels()[0]:
                group = marks if line in self.best_lines_.values() else entries
                group.setdefault(str(line.get_label()), line)
        handles = [*entries.values(), *marks.values()]
        if own_figure:
            n_columns = min(len(handles), 2 + 3 * min(len(self.axes_), 3))
            self.figure_.legend(
                handles=handles, loc="outside upper center", ncols=n_columns, frameon=False
            )
        else:
            self.axes_[0].legend(handles=handles, fontsize="small")


def _draw_error_bars(
    ax: Any, positions: NDArray[np.float64], sweep: ParameterSweep, lines: dict[str, Any]
) -> dict[str, Any]:
    """Draw the error of values without a neighbour: a band needs two points to be seen."""
    bars = {}
    for metric, mean in sweep.mean.items():
        error = sweep.standard_error[metric]
        known = np.pad(~np.isnan(mean), 1)
        alone = known[1:-1] & ~known[:-2] & ~known[2:] & ~np.isnan(error)
        if alone.any():
            bars[metric] = ax.errorbar(
                positions[alone],
                mean[alone],
                error[alone],
                color=lines[metric].get_color(),
                fmt="none",
                capsize=3,
                linewidth=1.5,
                alpha=0.6,
                zorder=1.5,
            )
    return bars
