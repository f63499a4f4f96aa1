"""An axis for the values of a parameter, whatever they are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zslearn.inspection._style import as_written

# Width of a character of a tick's label in a panel of usual size.
_CHARACTER = 0.035
# Values at least this factor apart are drawn on a logarithmic axis; less the rounding of 2 / 0.1.
_WIDE = 20 * (1 - 1e-9)


def is_number(value: Any) -> bool:
    """Whether a value of a parameter has a place on an axis of numbers."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def short_value(value: Any) -> str:
    """Write a value of a parameter in a few characters."""
    text = f"{value:.3g}" if is_number(value) else str(value)
    return as_written(text if len(text) <= 20 else text[:17] + "...")


def set_scale(ax: Any, values: NDArray[Any]) -> NDArray[np.float64]:
    """Choose the scale of the horizontal axis, tick the values, and return their positions."""
    from matplotlib.ticker import NullLocator

    if values.dtype == object:
        ax.set_xticks(range(len(values)), [short_value(value) for value in values])
        return np.arange(len(values), dtype=np.float64)
    positive = values[values > 0]
    heights = values
    if (values >= 0).all() and len(positive) > 1 and positive[-1] / positive[0] >= _WIDE:
        if len(positive) == len(values):
            ax.set_xscale("log")
            heights = np.log10(values)
        else:
            # Zero is one step of the smallest value before it: as far as a factor of about 4.
            ax.set_xscale("symlog", linthresh=positive[0], linscale=0.6)
            heights = np.log10(np.maximum(values / positive[0], 10**-0.6))
    ax.set_xticks(*_spaced_ticks(values, heights))
    ax.xaxis.set_minor_locator(NullLocator())
    return values


def _spaced_ticks(
    values: NDArray[np.float64], heights: NDArray[np.float64]
) -> tuple[list[float], list[str]]:
    """Tick as many of the values as can be written beside each other, the ends always."""
    labels = [short_value(value) for value in values]
    if len(values) < 2:
        return values.tolist(), labels
    places = (heights - heights[0]) / (heights[-1] - heights[0])

    def fits(i: int, j: int) -> bool:
        return bool(places[j] - places[i] >= 0.02 + _CHARACTER * (len(labels[i] + labels[j])) / 2)

    last = len(values) - 1
    kept = [0]
    for i in range(1, last):
        if fits(kept[-1], i) and fits(i, last):
            kept.append(i)
    kept.append(last)
    return [float(values[i]) for i in kept], [labels[i] for i in kept]
