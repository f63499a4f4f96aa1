"""The panels of attention displays: a picture, attention over it, an outline."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from zslearn.inspection._style import (
    as_written,
    background,
    foreground,
    import_pyplot,
    sequential_colormap,
)
from zslearn.inspection._viewed_part import WHOLE, Box

__all__ = [
    "cell_borders",
    "check_options",
    "clear_frame",
    "draw_attention",
    "draw_in_color",
    "draw_in_grey",
    "draw_outline",
    "make_axes",
    "wrap",
]

_WIDTH = 1.7  # inches a panel
_LETTERS = 25  # a line of a title
_FINE = 24  # pixels a cell and side, of smooth attention
_SHADE = 0.45  # how far a picture in grey is drawn towards the paper
_LUMINANCE = np.array([0.299, 0.587, 0.114])

Sides = tuple[float, float]  # width and height


def check_options(upsampling: str, scale: str, max_opacity: float) -> None:
    """Refuse options of a drawing that have no meaning."""
    for name, value, known in (
        ("upsampling", upsampling, ("smooth", "cells")),
        ("scale", scale, ("panel", "shared")),
    ):
        if value not in known:
            raise ValueError(f"{name}={value!r} must be {known[0]!r} or {known[1]!r}.")
    if not 0 < max_opacity <= 1:
        raise ValueError(f"max_opacity={max_opacity!r} must be over 0 and at most 1.")


def wrap(text: str) -> str:
    """Break a text into lines as wide as a panel, written as it is."""
    return as_written(textwrap.fill(text, _LETTERS))


def make_axes(axes: Any, heights: Sequence[float], n_columns: int, caller: str) -> NDArray[Any]:
    """Take the given axes, or make a figure of rows of these heights, in panels' widths."""
    shape = (len(heights), n_columns)
    if axes is not None:
        given = np.array(axes, dtype=object)
        if given.size != np.prod(shape):
            raise ValueError(
                f"axes holds {given.size} Axes, but {shape[0]} rows of {shape[1]} panels are "
                f"drawn: plt.subplots({shape[0]}, {shape[1]})."
            )
        return given.reshape(shape)
    inches = [_WIDTH * float(np.clip(height, 0.4, 2.0)) for height in heights]
    # Beside the pictures, room for titles of up to four lines.
    _, made = import_pyplot(caller).subplots(
        *shape,
        figsize=((_WIDTH + 0.1) * n_columns, sum(inches) + 0.5 * len(inches)),
        gridspec_kw={"height_ratios": inches},
        layout="constrained",
        squeeze=False,
    )
    return np.asarray(made)


def clear_frame(ax: Any) -> None:
    """Take away ticks and frame, but leave room for a label."""
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)


def draw_in_color(ax: Any, image: NDArray[np.uint8], box: Box) -> Any:
    """Draw a picture, and a frame round what the network saw if that is not all of it."""
    return _draw_picture(ax, image, image, box)


def draw_in_grey(ax: Any, image: NDArray[np.uint8], box: Box) -> Any:
    """Draw a picture in grey and faintly, so that a tint over it stands out."""
    light = (image @ _LUMINANCE / 255)[..., np.newaxis]
    faint = (1 - _SHADE) * light + _SHADE * np.array(background(ax))
    return _draw_picture(ax, image, np.clip(faint, 0, 1), box)


def _draw_picture(ax: Any, image: NDArray[np.uint8], pixels: Any, box: Box) -> Any:
    height, width = image.shape[:2]
    artist = ax.imshow(pixels, extent=(0, width, height, 0))
    _fit(ax, (width, height), box)
    if box != WHOLE:
        from matplotlib.patches import Rectangle

        left, right, bottom, top = _extent((width, height), box)
        frame = Rectangle((left, top), right - left, bottom - top, fill=False, lw=0.8, ls="--")
        frame.set_edgecolor((*foreground(ax), 0.7))
        ax.add_patch(frame)
    return artist


def draw_attention(
    ax: Any,
    cells: NDArray[np.floating],
    sides: Sides,
    box: Box,
    *,
    largest: float,
    smooth: bool,
    cmap: Any,
    opacity: float | None,
) -> Any:
    """Draw attention where the network looked, full colour at `largest`; None is opaque."""
    if smooth:
        # Linear: no attention appears where there is none.
        cells = zoom(cells.astype(np.float64), _FINE, order=1, mode="nearest", grid_mode=True)
    strength = np.clip(cells / largest, 0, 1) if largest > 0 else np.zeros(cells.shape)
    artist = ax.imshow(
        cells,
        cmap=sequential_colormap(ax) if cmap is None else cmap,
        vmin=0,
        vmax=largest if largest > 0 else 1,
        alpha=None if opacity is None else opacity * strength,
        extent=_extent(sides, box),
        interpolation="nearest",
    )
    _fit(ax, sides, box)
    if opacity is None:
        for spine in ax.spines.values():
            spine.set(visible=True, linewidth=0.5)
    return artist


def draw_outline(ax: Any, mask: NDArray[np.bool_], sides: Sides, box: Box) -> Any:
    """Draw the border of some cells, visible on any ground."""
    from matplotlib.collections import LineCollection
    from matplotlib.patheffects import Normal, Stroke

    left, right, bottom, top = _extent(sides, box)
    unit = np.array([(right - left) / mask.shape[1], (bottom - top) / mask.shape[0]])
    lines = LineCollection(
        cell_borders(mask) * unit + [left, top],
        colors=[foreground(ax)],
        linewidths=0.9,
        capstyle="projecting",
        path_effects=[Stroke(linewidth=2.2, foreground=background(ax)), Normal()],
    )
    return ax.add_collection(lines, autolim=False)


def cell_borders(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Lines between cells inside and outside a mask: (n_lines, 2 ends, x and y), in cells."""
    padded = np.pad(mask, 1)
    down, across = np.nonzero(padded[1:-1, 1:] != padded[1:-1, :-1])
    upright = np.stack([np.stack([across, down], 1), np.stack([across, down + 1], 1)], 1)
    down, across = np.nonzero(padded[1:, 1:-1] != padded[:-1, 1:-1])
    level = np.stack([np.stack([across, down], 1), np.stack([across + 1, down], 1)], 1)
    return np.concatenate([upright, level]).astype(np.float64)


def _extent(sides: Sides, box: Box) -> tuple[float, float, float, float]:
    """Left, right, bottom and top of what the network saw, in pixels."""
    width, height = sides
    return box.left * width, box.right * width, box.bottom * height, box.top * height


def _fit(ax: Any, sides: Sides, box: Box) -> None:
    """Show all of the picture, and all that the network saw."""
    left, right, bottom, top = _extent(sides, box)
    ax.set(
        xlim=(min(0, left), max(sides[0], right)),
        ylim=(max(sides[1], bottom), min(0, top)),
    )
