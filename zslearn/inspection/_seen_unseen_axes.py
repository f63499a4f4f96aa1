"""What several seen-unseen curves on one axis share: frame, harmonic means, legend."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zslearn.inspection._style import muted
from zslearn.metrics._gzsl import harmonic_mean as harmonic_mean_of

# By these the artists of other displays on the same axes are recognised.
CURVE, CONTOUR = "zslearn_seen_unseen_curve", "zslearn_harmonic_mean"
_LEVELS = np.arange(1, 10) / 10
_REACH = 1.02  # of the contours, beyond the frame

CHOSEN: dict[str, Any] = {
    "marker": "o",
    "markersize": 9,
    "markeredgewidth": 1.5,
    "linestyle": "none",
}
BEST: dict[str, Any] = {
    "marker": "o",
    "markersize": 15,
    "markeredgewidth": 1.8,
    "markerfacecolor": "none",
    "linestyle": "none",
}


def lines_of(ax: Any, gid: str) -> list[Any]:
    """Find the lines of some kind that are on the axes already."""
    return [line for line in ax.lines if line.get_gid() == gid]


def frame(ax: Any) -> None:
    """Make the axes a square from 0 to 1."""
    # A curve that runs along an edge is not cut to half its width there.
    ax.set(
        xlim=(-0.01, 1.01),
        ylim=(-0.01, 1.01),
        xlabel="Accuracy on unseen classes (U)",
        ylabel="Accuracy on seen classes (S)",
    )
    ax.set_aspect("equal", adjustable="box")


def draw_contours(ax: Any) -> None:
    """Draw lines of equal harmonic mean, labelled where they leave at the right: an axis of H."""
    for level in _LEVELS:
        unseen = np.linspace(_REACH * level / (2 * _REACH - level), _REACH, 200)
        ax.plot(
            unseen,
            level * unseen / (2 * unseen - level),
            color=muted(ax, 0.2),
            linewidth=0.8,
            linestyle="-",
            label="_harmonic_mean",
            gid=CONTOUR,
            zorder=1,
        )

    edge = _RightEdge(ax)
    axis = ax.secondary_yaxis("right", functions=(edge.to_harmonic, edge.to_seen))
    axis.set_yticks(_LEVELS)
    axis.set_ylabel("Harmonic mean of both (H)", color=muted(ax, 0.65))
    axis.tick_params(axis="y", colors=muted(ax, 0.65), length=0, labelsize="small")
    axis.spines["right"].set_visible(False)


class _RightEdge:
    """Harmonic means along the right edge of axes; a class, for these must be pickled."""

    def __init__(self, ax: Any) -> None:
        self.ax = ax

    def to_harmonic(self, seen: Any) -> Any:
        return harmonic_mean_of(self.ax.get_xlim()[1], seen)

    def to_seen(self, level: Any) -> Any:
        level, right = np.asarray(level, dtype=np.float64), self.ax.get_xlim()[1]
        rest = 2 * right - level
        return np.divide(level * right, rest, out=np.full_like(level, np.inf), where=rest > 0)


def draw_legend(ax: Any) -> None:
    """Name the curves, then say once what the marks mean, where no curve passes."""
    from matplotlib.lines import Line2D

    curves = lines_of(ax, CURVE)
    handles = [line for line in curves if not str(line.get_label()).startswith("_")]
    drawn = {line.get_label() for line in ax.lines}
    for label, style, meaning in (
        ("_chosen", CHOSEN, "at the chosen δ"),
        ("_best", {**BEST, "markersize": 11}, "largest H, in hindsight"),
    ):
        if label in drawn:
            handles.append(Line2D([], [], **style, color=muted(ax, 0.65), label=meaning))
    if not handles:
        return
    points = np.vstack([line.get_xydata() for line in curves])
    place = min(_CORNERS, key=lambda corner: _n_hidden(points, corner, len(handles)))
    ax.legend(handles=handles, loc=place, fontsize="small")


_CORNERS = ("upper right", "lower left", "upper left", "lower right")


def _n_hidden(points: NDArray[np.float64], corner: str, n_entries: int) -> int:
    """Count the points of curves that a legend in a corner would hide, by its usual size."""
    vertical, horizontal = corner.split()
    x = 1 - points[:, 0] if horizontal == "right" else points[:, 0]
    y = 1 - points[:, 1] if vertical == "upper" else points[:, 1]
    return int(np.count_nonzero((x < 0.65) & (y < 0.06 * n_entries + 0.04)))
