"""Taking the field guide's pictures: poses, place in the frame, what is visible of a bird."""

from __future__ import annotations

import numpy as np
from numpy.random import RandomState

from zslearn.datasets._field_guide_birds import LABEL, Poses, draw_birds, to_pixels
from zslearn.datasets._field_guide_classes import PART_NAMES
from zslearn.datasets._field_guide_scenes import Scenes, paint_backgrounds, paint_occluders

__all__: list[str] = []

_CANVAS = 1.25  # side of the canvas a bird is drawn on, in sides of the picture


def draw_poses(n: int, size: int, difficulty: float, rng: RandomState) -> tuple[Poses, np.ndarray]:
    """Draw how each bird is held, and the share and direction of the crop, (n, 3)."""
    d, uniform = difficulty, rng.uniform
    cropped = np.less(uniform(size=n), 0.55 * d)
    zoom = np.where(cropped, uniform(0.46, 0.56, size=n), uniform(0.46 - 0.12 * d, 0.47, size=n))
    angle = uniform(0.0, 2 * np.pi, size=n)
    lost = np.where(cropped, uniform(0.12, 0.40, size=n), 0.0)
    poses = Poses(
        scale=size * zoom,
        tilt=d * uniform(-0.30, 0.30, size=n),
        stretch=1.0 - d * uniform(0.0, 0.22, size=n),
        nod=d * uniform(-0.05, 0.08, size=n),
        tail_angle=d * uniform(-0.35, 0.25, size=n),
        blink=np.less(uniform(size=n), 0.2 * d),
        sit=np.less(uniform(size=n), 0.35 * d),
        tint=rng.normal(0.0, 0.015 + 0.03 * d, size=(n, len(PART_NAMES), 3)),
    )
    return poses, np.stack([lost, np.cos(angle), np.sin(angle)], axis=1)


def _boxes(coverage: np.ndarray) -> np.ndarray:
    """Return the pixel boxes (left, top, right, bottom; ends exclusive) of what is drawn."""
    filled = np.greater(coverage, 0.05)
    size = filled.shape[-1]
    columns, rows = filled.any(axis=1), filled.any(axis=2)
    return np.stack(
        [
            columns.argmax(axis=1),
            rows.argmax(axis=1),
            size - columns[:, ::-1].argmax(axis=1),
            size - rows[:, ::-1].argmax(axis=1),
        ],
        axis=1,
    )


def _place(boxes: np.ndarray, crops: np.ndarray, spots: np.ndarray, size: int) -> np.ndarray:
    """Return where the canvas's corner comes to lie in the picture, (n, 2) whole pixels.

    A bird that is not cropped stays inside the picture (or in its middle, where it is larger), at
    the place ``spots`` in [0, 1] of the room it has. A cropped one is pushed over the edge by
    ``lost`` times its own width and height in the drawn direction.
    """
    corner = np.empty((len(boxes), 2), dtype=int)
    for axis in (0, 1):
        low, high = boxes[:, axis], boxes[:, axis + 2]
        room = size - (high - low)
        start = np.where(room >= 0, spots[:, axis] * room, room / 2)
        push = crops[:, 0] * crops[:, axis + 1]
        edge = np.where(push > 0, room, 0) + push * (high - low)
        corner[:, axis] = np.rint(np.where(np.abs(push) > 0.1, edge, start)) - low
    return corner


def _window(canvas: np.ndarray, corner: np.ndarray, size: int) -> np.ndarray:
    """Cut the picture's frame out of each canvas; zero where the canvas does not reach."""
    side = canvas.shape[-1]
    out = np.zeros((*canvas.shape[:-2], size, size), dtype=canvas.dtype)
    for i, (x, y) in enumerate(corner):
        x0, x1 = max(x, 0), min(x + side, size)
        y0, y1 = max(y, 0), min(y + side, size)
        if x0 < x1 and y0 < y1:
            out[i, ..., y0:y1, x0:x1] = canvas[i, ..., y0 - y : y1 - y, x0 - x : x1 - x]
    return out


def _count_parts(labels: np.ndarray) -> np.ndarray:
    """Count the pixels of each part, (n, n_parts)."""
    n, n_labels = len(labels), len(PART_NAMES) + 1
    flat = labels.reshape(n, -1) + n_labels * np.arange(n)[:, None]
    return np.bincount(flat.ravel(), minlength=n * n_labels).reshape(n, n_labels)[:, 1:]


def _centers(labels: np.ndarray, corner: np.ndarray | None = None) -> np.ndarray:
    """Return the mean pixel (x, y) of each part, (n, n_parts, 2); NaN where it has none."""
    counts = _count_parts(labels)
    n, n_labels, side = len(labels), len(PART_NAMES) + 1, labels.shape[-1]
    flat = (labels.reshape(n, -1) + n_labels * np.arange(n)[:, None]).ravel()
    y, x = np.divmod(np.arange(side * side), side)
    centers = np.empty((n, n_labels - 1, 2))
    for axis, values in enumerate((x, y)):
        weights = np.tile(values + 0.5, n)
        sums = np.bincount(flat, weights, minlength=n * n_labels).reshape(n, n_labels)[:, 1:]
        centers[..., axis] = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return centers if corner is None else centers + corner[:, None, :]


def paint_pictures(
    values: np.ndarray,
    poses: Poses,
    crops: np.ndarray,
    spots: np.ndarray,
    faces_left: np.ndarray,
    scenes: Scenes,
    noise: np.ndarray,
    size: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Paint a stack of pictures; return images, part map, visible shares and part centres."""
    canvas_size = 2 * round(_CANVAS * size / 2)
    rgb, coverage, labels = draw_birds(values, poses, canvas_size)
    # A sitting bird touches its branch with its belly.
    feet = np.stack(to_pixels(0.1, -0.63, poses, canvas_size), axis=1)
    feet[:, 1] = np.where(poses.sit, to_pixels(0.1, -0.30, poses, canvas_size)[1], feet[:, 1])
    for i in np.flatnonzero(faces_left):
        for stack in (rgb, coverage, labels):
            stack[i] = stack[i, ..., ::-1].copy()
        feet[i, 0] = canvas_size - 1 - feet[i, 0]

    boxes = _boxes(coverage)
    corner = _place(boxes, crops, spots, size)
    full = _count_parts(labels)
    full_centers = _centers(labels, corner)
    seen = labels.copy()
    seen[poses.blink[:, None, None] & (labels == LABEL["eye"])] = 0
    seen[poses.sit[:, None, None] & (labels == LABEL["legs"])] = 0
    part_map = _window(seen, corner, size)
    rgb, coverage = _window(rgb, corner, size), _window(coverage, corner, size)

    picture = paint_backgrounds(scenes, (feet + corner + 0.5) / size, size)
    picture *= (1.0 - coverage)[:, None]
    picture += rgb
    frame = np.clip((boxes + np.tile(corner, 2)) / size, 0.0, 1.0)
    hidden = paint_occluders(picture, scenes, frame)
    part_map[hidden] = 0
    picture *= scenes.light.astype(np.float32)[:, :, None, None]
    picture += scenes.noise.astype(np.float32)[:, None, None, None] * noise.astype(np.float32)
    levels = np.rint(255.0 * np.clip(picture, 0.0, 1.0)).astype(np.uint8)
    images = np.ascontiguousarray(levels.transpose(0, 2, 3, 1))

    visible = _count_parts(part_map) / np.maximum(full, 1)
    centers = _centers(part_map)
    centers = np.where(np.isnan(centers), full_centers, centers)
    centers = np.where(np.isnan(centers), (corner + canvas_size / 2)[:, None, :], centers)
    return images, part_map, visible, np.clip(centers / size, 0.0, 1.0)
