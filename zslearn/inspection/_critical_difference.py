"""Average ranks of methods, and which of them cannot be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from zslearn.inspection._style import PALETTE, as_written, foreground, new_axes
from zslearn.model_selection import AverageRanks, ProtocolResults

__all__ = ["CriticalDifferenceDisplay"]


class CriticalDifferenceDisplay:
    """Average ranks of methods on a line, with bars over those that cannot be told apart.

    The best rank is on the left. A bar spans methods whose ranks differ by less than the critical
    difference of Nemenyi's test, as in [1]_.

    Make it with :meth:`from_results`.

    Parameters
    ----------
    ranks : AverageRanks
        What to draw.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure
        The figure of the axes.
    texts_ : dict of str to matplotlib.text.Annotation
        For each method, its name and rank.
    bars_ : list of matplotlib.lines.Line2D
        The bars.

    See Also
    --------
    zslearn.model_selection.ProtocolResults.ranks : The ranks.

    References
    ----------
    .. [1] J. Demsar, "Statistical comparisons of classifiers over multiple data sets", JMLR 2006.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn.inspection import CriticalDifferenceDisplay
    >>> from zslearn.model_selection import AverageRanks
    >>> names, ranks = ("a", "b", "c"), np.array([1.2, 1.9, 2.9])
    >>> display = CriticalDifferenceDisplay(
    ...     AverageRanks("H", names, ranks, 0.8, 15, 0.01, 16, 0.05)
    ... )
    >>> display.groups
    [('a', 'b')]
    """

    ax_: Any
    figure_: Any
    texts_: dict[str, Any]
    bars_: list[Any]

    def __init__(self, ranks: AverageRanks) -> None:
        self.ranks = ranks

    @property
    def groups(self) -> list[tuple[str, ...]]:
        """Methods that cannot be told apart: the largest groups, from the best on."""
        ranks, names = self.ranks.ranks, self.ranks.methods
        last_end, groups = 0, []
        for start in range(len(names)):
            near = ranks - ranks[start] < self.ranks.critical_difference
            end = int(np.flatnonzero(near)[-1]) + 1
            if end - start > 1 and end > last_end:
                groups.append(names[start:end])
                last_end = end
        return groups

    @classmethod
    def from_results(
        cls,
        results: ProtocolResults,
        *,
        metric: str = "AUSUC",
        methods: Sequence[str] | None = None,
        alpha: float = 0.05,
        ax: Any = None,
    ) -> Self:
        """Rank the methods of a protocol's results and draw them.

        Parameters
        ----------
        results : ProtocolResults
            Of at least two methods.
        metric : str, default="AUSUC"
            By which to rank.
        methods : sequence of str, default=None
            Methods to rank; None takes all.
        alpha : float, default=0.05
            Level of the critical difference.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        display : CriticalDifferenceDisplay
            Drawn.

        Raises
        ------
        ValueError
            If there are fewer than two methods, or no split has results of all of them.
        """
        return cls(results.ranks(metric=metric, methods=methods, alpha=alpha)).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the ranks.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        self : object
            With the artists as attributes.
        """
        found = self.ranks
        n = len(found.methods)
        rows = (n + 1) // 2
        groups = self.groups
        size = (7.0, 1.2 + 0.28 * (rows + len(groups)))
        ax = new_axes(ax, type(self).__name__, size)
        self.ax_, self.figure_ = ax, ax.figure
        color = foreground(ax)
        # Below the axis first the bars, then the names: the better half on the left.
        first = 0.6 + 0.4 * len(groups)
        self.texts_ = {}
        for i, (name, rank) in enumerate(zip(found.methods, found.ranks, strict=True)):
            is_left = i < rows
            depth = first + (i if is_left else n - 1 - i)
            end = 1 if is_left else n
            ax.plot(
                [rank, rank, end], [0, -depth, -depth], color=color, linewidth=0.8, clip_on=False
            )
            text = (
                f"{as_written(name)}  {rank:.2f}" if is_left else f"{rank:.2f}  {as_written(name)}"
            )
            self.texts_[name] = ax.annotate(
                text,
                (end, -depth),
                xytext=(-6 if is_left else 6, 0),
                textcoords="offset points",
                ha="right" if is_left else "left",
                va="center",
                annotation_clip=False,
            )
        self.bars_ = []
        for level, group in enumerate(groups):
            ends = [found.ranks[found.methods.index(name)] for name in (group[0], group[-1])]
            (bar,) = ax.plot(
                [ends[0] - 0.04, ends[1] + 0.04],
                [-0.4 * (level + 1)] * 2,
                color=PALETTE[0],
                linewidth=4,
                solid_capstyle="butt",
            )
            self.bars_.append(bar)
        height = 0.9
        ax.plot([1, 1 + found.critical_difference], [height, height], color=color, linewidth=2)
        ax.annotate(
            f"critical difference {found.critical_difference:.2f} "
            f"({found.n_blocks} splits, α = {found.alpha:g})",
            (1, height),
            xytext=(0, 3),
            textcoords="offset points",
        )
        ax.set(xlim=(1, n), ylim=(-first - rows + 0.4, 1.6), yticks=[])
        ax.set_xticks(range(1, n + 1))
        ax.xaxis.set_ticks_position("top")
        ax.spines["top"].set_position(("data", 0))
        for side in ("left", "right", "bottom"):
            ax.spines[side].set_visible(False)
        ax.set_title(f"Average ranks by {as_written(found.metric)}", fontsize="medium")
        return self
