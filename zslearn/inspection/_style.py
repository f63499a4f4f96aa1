"""What all displays share: axes, colours everybody can tell apart, light and dark styles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

# Okabe and Ito's palette without yellow and black, which vanish on light and on dark paper. The
# first two differ in lightness as well as in hue, so that they survive a grey printer.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
SEEN_COLOR, UNSEEN_COLOR = PALETTE[0], PALETTE[1]
# Linestyles go round with the colours, for the same reason.
LINESTYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (3, 1, 1, 1, 1, 1)))

# Most letters of a name beside a row or below a column: a longer one would take the axes' room.
LONGEST_NAME = 40


def import_pyplot(caller: str) -> Any:
    """Matplotlib's pyplot, or an error that says how to get it."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            f"{caller} draws with matplotlib, which is not installed: pip install 'zslearn[plot]'"
        ) from error
    return pyplot


def new_axes(ax: Any, caller: str, figsize: tuple[float, float] | None = None) -> Any:
    """Take the given axes, or make those of a new figure with a constrained layout."""
    pyplot = import_pyplot(caller)
    if ax is None:
        _, ax = pyplot.subplots(figsize=figsize, layout="constrained")
    elif not hasattr(ax, "plot") or not hasattr(ax, "figure"):
        raise TypeError(
            f"ax must be one matplotlib Axes, found {type(ax).__name__}: pass an element of what "
            "plt.subplots returns, or None for a new figure"
        )
    return ax


def foreground(ax: Any) -> tuple[float, float, float]:
    """Colour of text on these axes: black or white, whichever stands out from their paper."""
    from matplotlib.colors import to_rgb

    red, green, blue = to_rgb(background(ax))
    light = 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.5
    return (0.0, 0.0, 0.0) if light else (1.0, 1.0, 1.0)


def background(ax: Any) -> tuple[float, float, float]:
    """Colour of the paper behind these axes, transparent axes taken over a white or dark figure."""
    from matplotlib.colors import to_rgba

    color = np.ones(3)
    # The figure of a subfigure is the one that all are parts of.
    for layer in (ax.figure.figure.get_facecolor(), ax.figure.get_facecolor(), ax.get_facecolor()):
        *rgb, alpha = to_rgba(layer)
        color = alpha * np.array(rgb) + (1 - alpha) * color
    red, green, blue = color
    return float(red), float(green), float(blue)


def muted(ax: Any, strength: float = 0.35) -> tuple[float, ...]:
    """Colour between paper (0) and text (1): grids, guides and notes."""
    mixed = (1 - strength) * np.array(background(ax)) + strength * np.array(foreground(ax))
    return tuple(float(part) for part in mixed)


def sequential_colormap(ax: Any) -> Any:
    """From the paper of these axes to a strong colour, evenly: none is where nothing is drawn."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    on_light = sum(background(ax)) > 1.5
    ends = ("#9ecae1", "#0072B2", "#08306b") if on_light else ("#0b4f7d", "#56B4E9", "#e8f6ff")
    return LinearSegmentedColormap.from_list(
        "zslearn_sequential", [background(ax), *(to_rgb(color) for color in ends)]
    )


def diverging_colormap(ax: Any) -> Any:
    """Orange for below, blue for above, the paper of these axes for zero."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    return LinearSegmentedColormap.from_list(
        "zslearn_diverging", [to_rgb("#D55E00"), background(ax), to_rgb("#0072B2")]
    )


def as_written(text: Any, longest: int | None = None) -> str:
    """Make matplotlib write a text as it is, dollars included, without the middle if it is long."""
    text = str(text)
    if longest is not None and len(text) > longest:
        end = longest // 3
        text = f"{text[: longest - end - 1].rstrip()}\N{HORIZONTAL ELLIPSIS}{text[-end:].lstrip()}"
    # Two dollars would turn what is between them into mathematics.
    return text.replace("$", r"\$")


def extra_room(names: Sequence[str], usual: int = 22) -> float:
    """Inches by which a figure is made larger for names longer than usual; many are small."""
    if len(names) > 60:
        return 0.0
    longest = min(max((len(name) for name in names), default=0), LONGEST_NAME)
    return 0.085 * max(0, longest - usual)


@contextmanager
def ticked_as_shared(axis: Any) -> Iterator[None]:
    """Refuse to tick an axis otherwise than axes that share it: these would be named wrongly.

    Raises
    ------
    ValueError
        If what is ticked within differs from what drawn axes that share the axis have.
    """
    ax = axis.axes
    name = axis.axis_name
    group = ax.get_shared_x_axes() if name == "x" else ax.get_shared_y_axes()
    is_shared = any(other is not ax and other.has_data() for other in group.get_siblings(ax))
    before = _ticked(axis) if is_shared else None
    yield
    if is_shared and _ticked(axis) != before:
        raise ValueError(
            f"ax shares its {name} axis with axes that show something else there, which would now "
            f"be named wrongly: make them by plt.subplots without share{name}=True."
        )


def _ticked(axis: Any) -> list[tuple[float, str]]:
    places = axis.get_ticklocs().tolist()
    return list(zip(places, axis.get_major_formatter().format_ticks(places), strict=True))


def show_labels(axis: Any, labels: Sequence[str], *, rotation: float = 0, limit: int = 45) -> None:
    """Tick each row or column by its name; where names would overlap, every second, third, ...

    Parameters
    ----------
    axis : matplotlib.axis.Axis
        The x or the y axis; position i belongs to ``labels[i]``.
    labels : sequence of str
        Names, written as they are; those of more than `LONGEST_NAME` letters without their middle.
    rotation : float, default=0
        Of the names, in degrees.
    limit : int, default=45
        Most names that are written.
    """
    step = max(1, -(-len(labels) // limit))
    positions = list(range(0, len(labels), step))
    axis.set_ticks(positions, [as_written(labels[i], LONGEST_NAME) for i in positions])
    size = float(np.clip(260 / max(len(positions), 1), 5, 10))
    axis.set_tick_params(labelsize=size, labelrotation=rotation, length=2 if step == 1 else 3)
