"""Names of rows and columns of a confusion matrix, and the values in its cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zslearn.inspection._style import (
    LONGEST_NAME,
    as_written,
    muted,
    show_labels,
    ticked_as_shared,
)


def label_confusion(
    ax: Any, names: Sequence[str], rest_label: str, with_rest: bool, result: str
) -> None:
    """Name rows and columns, set the last column off if it is of other classes, and say a title."""
    n = len(names)
    with ticked_as_shared(ax.yaxis):
        show_labels(ax.yaxis, names, limit=60)
    with ticked_as_shared(ax.xaxis):
        show_labels(ax.xaxis, names, rotation=90, limit=60)
        if with_rest:
            ticks = [int(tick) for tick in ax.get_xticks() if n - tick >= n / 60]
            labels = [as_written(name, LONGEST_NAME) for name in (*names, rest_label)]
            ax.set_xticks([*ticks, n], [labels[tick] for tick in (*ticks, n)])
    # Larger than show_labels, which does not know how large the axes are.
    height = 72 * ax.get_window_extent().height / ax.figure.dpi / len(ax.get_yticks())
    ax.tick_params(labelsize=float(np.clip(0.6 * height, 5, 10)))
    among = "unseen classes"
    if with_rest:
        is_seen = rest_label == "a seen class"
        among = "unseen and seen classes" if is_seen else "these and other classes"
        ax.axvline(n - 0.5, color=muted(ax, 0.65), linewidth=1.0)
    ax.set(xlabel="Taken for", ylabel="True class (unseen)")
    ax.set_title(f"Among {among}: {result}", fontsize="medium")


def write_values(ax: Any, image: Any, values: NDArray[Any], *, as_shares: bool) -> NDArray[Any]:
    """Write each value in black or white, whichever stands out from its cell; none where masked."""
    text = np.full(values.shape, None, dtype=object)
    for i, j in np.argwhere(~np.ma.getmaskarray(image.get_array())):
        *rgb, _ = image.cmap(image.norm(values[i, j]))
        dark = np.dot(rgb, (0.2126, 0.7152, 0.0722)) < 0.5
        as_share = as_shares and values[i, j] > 0
        written = f"{values[i, j]:.2f}".removeprefix("0") if as_share else f"{values[i, j]:g}"
        text[i, j] = ax.text(
            *(j, i, written),
            ha="center",
            va="center",
            fontsize="small",
            color="white" if dark else "black",
        )
    return text
