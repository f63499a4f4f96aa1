"""Axes of matrices of classes x attributes: panels on one scale, and names that never overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zslearn.inspection._names import GroupSpan, group_spans, readable_name
from zslearn.inspection._style import (
    LONGEST_NAME,
    as_written,
    extra_room,
    import_pyplot,
    muted,
    show_labels,
    ticked_as_shared,
)

# Attributes up to this many are named one by one; above, their groups are, if they have any.
MOST_NAMES = 60
POINTS_PER_NAME = 8.0


def stacked_panels(
    axes: Any,
    counts: dict[str, int],
    row_names: Sequence[str],
    column_names: Sequence[str],
    n_columns: int,
    caller: str,
) -> NDArray[Any]:
    """Axes of shape (len(counts), n_columns): those given, or those of a new figure.

    `counts` holds the number of rows of each kind; a panel is as high as its rows are many.
    """
    shape = (len(counts), n_columns)
    if axes is not None:
        given = np.asarray(axes, dtype=object)
        if given.size != np.prod(shape):
            raise ValueError(
                f"axes must hold {np.prod(shape)} matplotlib Axes, for the panels of "
                f"{' and '.join(counts)} classes of {n_columns} model(s); found {given.size}"
            )
        return given.reshape(shape)
    pyplot = import_pyplot(caller)
    rows = np.array(list(counts.values()))
    width = np.clip(0.28 * len(column_names), 3.2, 9.0 if n_columns == 1 else 7.0)
    height = np.clip(0.17 * rows.sum(), 2.0, 6.0)
    _, grid = pyplot.subplots(
        *shape,
        squeeze=False,
        figsize=(
            2.4 + n_columns * width + extra_room(row_names),
            2.0 + height + extra_room(column_names),
        ),
        layout="constrained",
        # Few rows among many are drawn higher, to be seen at all.
        gridspec_kw={"height_ratios": np.maximum(rows, 0.2 * rows.sum())},
    )
    return np.asarray(grid)


def label_rows(ax: Any, names: Sequence[str]) -> None:
    """Name the rows of a matrix, or as many of them as there is room for."""
    _, height = _size_in_points(ax)
    with ticked_as_shared(ax.yaxis):
        show_labels(ax.yaxis, names, limit=max(1, int(height / POINTS_PER_NAME)))
    _shrink_names(ax.yaxis, height / len(names))


def label_attributes(ax: Any, names: Sequence[str], n_rows: int) -> None:
    """Name the columns of a matrix: each, or the middles of groups where there are many."""
    width, _ = _size_in_points(ax)
    spans = group_spans(names)
    if len(spans) < len(names):
        edges = [span.stop - 0.5 for span in spans[:-1]]
        ax.vlines(edges, -0.5, n_rows - 0.5, color=muted(ax, 0.5), linewidth=0.4)
    room = width / POINTS_PER_NAME
    if len(names) <= min(MOST_NAMES, room) or len(spans) > len(names) / 2:
        labels = [readable_name(name) for name in names]
        with ticked_as_shared(ax.xaxis):
            show_labels(ax.xaxis, labels, rotation=90, limit=max(1, int(room)))
        _shrink_names(ax.xaxis, width / len(names))
        return
    middles = [(span.start + span.stop - 1) / 2 for span in spans]
    kept = _apart(spans, middles, POINTS_PER_NAME * len(names) / width)
    labels = [as_written(spans[i].name, LONGEST_NAME) for i in kept]
    with ticked_as_shared(ax.xaxis):
        ax.set_xticks([middles[i] for i in kept], labels, rotation=90)
    ax.tick_params(axis="x", length=0)
    gap = np.diff([middles[i] for i in kept]).min(initial=len(names)) * width / len(names)
    ax.tick_params(axis="x", labelsize=float(np.clip(0.85 * gap, 5.0, 9.0)))


def _apart(spans: Sequence[GroupSpan], middles: Sequence[float], gap: float) -> list[int]:
    """Positions of groups to name: the largest first, each at least a gap from the others."""
    kept: list[int] = []
    for i in sorted(range(len(spans)), key=lambda i: spans[i].start - spans[i].stop):
        if all(abs(middles[i] - middles[j]) >= gap for j in kept):
            kept.append(i)
    return sorted(kept)


def _shrink_names(axis: Any, spacing: float) -> None:
    """Write names no larger than their rows are high, where each row is named."""
    positions = axis.get_ticklocs()
    step = positions[1] - positions[0] if len(positions) > 1 else 1.0
    axis.set_tick_params(labelsize=float(np.clip(0.85 * spacing * step, 5.0, 9.0)))


def _size_in_points(ax: Any) -> tuple[float, float]:
    box, points = ax.get_window_extent(), 72 / ax.figure.dpi
    return points * box.width, points * box.height


def add_colorbar(axes: NDArray[Any], image: Any, values: NDArray[np.float64], label: str) -> Any:
    """Add a colour bar for all axes; it is pointed where some value is off the scale."""
    extend = "max" if values.max() > image.get_clim()[1] else "neither"
    bar = image.figure.colorbar(image, ax=axes.ravel().tolist(), extend=extend, pad=0.02)
    bar.set_label(label)
    bar.outline.set_visible(False)
    return bar
