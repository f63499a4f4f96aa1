"""What is written above and beside the panels of attention maps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zslearn.inspection._attention_panels import wrap
from zslearn.inspection._names import readable_name

__all__ = ["panel_title", "picture_lines"]


def picture_lines(label: Any, prediction: Any) -> list[str]:
    """Lines that tell the class of a picture and what it was taken for, of those that are known."""
    lines = []
    if label is not None:
        lines.append(wrap(str(label).replace("_", " ")))
    if prediction is not None:
        lines.append(wrap(f"predicted: {prediction}".replace("_", " ")))
    return lines


def panel_title(
    name: str,
    cells: NDArray[Any],
    region: NDArray[np.bool_] | None,
    value: float | None,
    class_value: float | None,
) -> str:
    """Attribute, its predicted value and that of the class, and its attention inside the region."""
    lines = [wrap(readable_name(name))]
    told = []
    if value is not None:
        told.append(f"predicted {value:.2f}")
    if class_value is not None:
        told.append(f"class {class_value:.3g}")
    if told:
        lines.append(", ".join(told))
    if region is not None and region.any() and cells.any():
        lines.append(f"{cells[region].sum() / cells.sum():.0%} inside")
    return "\n".join(lines)
