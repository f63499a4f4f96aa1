"""Which part of a picture a network saw, from how pictures were resized and cropped."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["WHOLE", "Box", "viewed_part"]


class Box(NamedTuple):
    """Sides of a rectangle, as shares of the picture's width and height, from its upper left.

    Beyond 0 or 1 where the network saw a border that the picture does not have.
    """

    left: float
    top: float
    right: float
    bottom: float


WHOLE = Box(0.0, 0.0, 1.0, 1.0)


def viewed_part(width: int, height: int, data_config: Mapping[str, Any] | None) -> Box:
    """Find the part of an upright picture that is left after timm's resizing and cropping.

    Parameters
    ----------
    width, height : int
        Of the picture, in pixels.
    data_config : mapping or None
        timm's: ``input_size`` (3, height, width), ``crop_pct``, ``crop_mode``. ``None`` is the
        whole picture.

    Returns
    -------
    Box

    Raises
    ------
    ValueError
        If `data_config` names no size or an unknown crop mode.
    """
    if data_config is None:
        return WHOLE
    size = data_config.get("input_size")
    mode = data_config.get("crop_mode") or "center"
    if not isinstance(size, list | tuple) or len(size) != 3:
        raise ValueError(
            f"data_config must hold input_size, three numbers (channels, height, width); found "
            f"{size!r}. Give an extractor's data_config_."
        )
    if mode not in ("center", "squash", "border"):
        raise ValueError(
            f"data_config['crop_mode'] must be 'center', 'squash' or 'border'; found {mode!r}."
        )
    target = int(size[1]), int(size[2])
    # The roundings are those of timm and torchvision, so that the box is right to the pixel.
    share = data_config.get("crop_pct") or 0.875
    scaled = math.floor(target[0] / share), math.floor(target[1] / share)
    sides = _resized((height, width), scaled, mode)
    top, bottom = _centred(sides[0], target[0])
    left, right = _centred(sides[1], target[1])
    return Box(left, top, right, bottom)


def _resized(sides: tuple[int, int], scaled: tuple[int, int], mode: str) -> tuple[int, int]:
    """Height and width after resizing."""
    if mode == "squash":
        return scaled
    if mode == "center" and scaled[0] == scaled[1]:
        short, long = min(sides), max(sides)
        longer = int(scaled[0] * long / short)
        return (scaled[0], longer) if sides[0] <= sides[1] else (longer, scaled[0])
    ratios = sides[0] / scaled[0], sides[1] / scaled[1]
    ratio = max(ratios) if mode == "border" else min(ratios)
    return round(sides[0] / ratio), round(sides[1] / ratio)


def _centred(side: int, target: int) -> tuple[float, float]:
    """Where `target` pixels in the middle begin and end, as shares of a side."""
    start = -((target - side) // 2) if side < target else round((side - target) / 2)
    return start / side, (start + target) / side
