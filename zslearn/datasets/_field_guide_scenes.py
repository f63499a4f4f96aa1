"""Where the birds of the field guide live: habitats behind them, things in front of them.

All lengths are shares of the picture's side and all draws are made before anything is painted, so a
picture does not depend on how many are painted at once.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.random import RandomState

from zslearn.datasets._field_guide_classes import PALETTE

__all__: list[str] = []

# Colours of the upper and the lower edge, and whether there is ground (else a branch to sit on).
_HABITATS = (
    ((0.66, 0.81, 0.93), (0.90, 0.94, 0.94), False),  # sky
    ((0.58, 0.72, 0.50), (0.40, 0.56, 0.36), False),  # wood
    ((0.80, 0.87, 0.90), (0.72, 0.80, 0.62), True),  # meadow
    ((0.84, 0.88, 0.93), (0.96, 0.97, 0.98), True),  # snow
    ((0.93, 0.87, 0.78), (0.86, 0.76, 0.60), True),  # sand
    ((0.88, 0.83, 0.90), (0.62, 0.74, 0.80), False),  # dusk over water
)
_GROUND = np.array([np.multiply(lower, 0.88) for _, lower, _ in _HABITATS], dtype=np.float32)
_BARK = np.array([0.42, 0.33, 0.27], dtype=np.float32)
_LEAVES = np.array(
    [(0.30, 0.50, 0.22), (0.45, 0.58, 0.20), (0.24, 0.42, 0.30), (0.70, 0.36, 0.16)],
    dtype=np.float32,
)
_CLUTTER = np.array(list(PALETTE.values()), dtype=np.float32)

N_CLUTTER = 6
N_LEAVES = 7
N_BLADES = 7
N_FLAKES = 16
_MOTTLE = 7  # side of the coarse grid that mottles a background


@dataclass
class Scenes:
    """Everything around each bird; first axis: pictures."""

    habitat: np.ndarray  # (n,) index into the habitats
    mottle: np.ndarray  # (n, 3, 7, 7) departures of colour on a coarse grid
    slope: np.ndarray  # (n,) of the branch or the horizon
    clutter: np.ndarray  # (n, 6, 4): x, y, radius (0: none), colour
    leaves: np.ndarray  # (n, 7, 5): x, y (within the bird), length (0: none), angle, colour
    branch: np.ndarray  # (n, 4): x, y (within the bird), half width (0: none), angle
    blades: np.ndarray  # (n, 7, 4): x, height (0: none), half width, bend
    flakes: np.ndarray  # (n, 16, 3): x, y, radius (0: none)
    light: np.ndarray  # (n, 3) gain of each colour channel
    noise: np.ndarray  # (n,) standard deviation of the sensor's noise

    def __getitem__(self, rows: slice) -> Scenes:
        return Scenes(*(getattr(self, field.name)[rows] for field in fields(self)))


def draw_scenes(n: int, difficulty: float, rng: RandomState) -> Scenes:
    """Draw what surrounds ``n`` birds; nothing at all lies in front of them at difficulty 0."""

    def when(shape: tuple[int, ...], probability: float) -> np.ndarray:
        return rng.uniform(size=shape) < probability * difficulty

    uniform = rng.uniform
    leaves = np.stack(
        [
            uniform(-0.05, 1.05, size=(n, N_LEAVES)),
            uniform(-0.05, 1.05, size=(n, N_LEAVES)),
            uniform(0.09, 0.20, size=(n, N_LEAVES)) * when((n, N_LEAVES), 0.75),
            uniform(0.0, np.pi, size=(n, N_LEAVES)),
            rng.randint(len(_LEAVES), size=(n, N_LEAVES)),
        ],
        axis=-1,
    )
    leaves[..., 2] *= when((n, 1), 0.85)
    # One leaf in some pictures is close to the lens.
    leaves[:, -1, 2] *= np.where(when((n,), 0.6), 1.8, 1.0)
    branch = np.stack(
        [
            uniform(0.1, 0.9, size=n),
            uniform(0.1, 0.9, size=n),
            uniform(0.02, 0.06, size=n) * when((n,), 0.5),
            uniform(0.0, np.pi, size=n),
        ],
        axis=-1,
    )
    blades = np.stack(
        [
            uniform(0.0, 1.0, size=(n, N_BLADES)),
            uniform(0.30, 0.70, size=(n, N_BLADES)) * when((n, 1), 0.45),
            uniform(0.025, 0.05, size=(n, N_BLADES)),
            uniform(-0.6, 0.6, size=(n, N_BLADES)),
        ],
        axis=-1,
    )
    flakes = np.stack(
        [
            uniform(0.0, 1.0, size=(n, N_FLAKES)),
            uniform(0.0, 1.0, size=(n, N_FLAKES)),
            uniform(0.015, 0.045, size=(n, N_FLAKES)) * when((n, 1), 0.35),
        ],
        axis=-1,
    )
    clutter = np.stack(
        [
            uniform(0.0, 1.0, size=(n, N_CLUTTER)),
            uniform(0.0, 1.0, size=(n, N_CLUTTER)),
            uniform(0.03, 0.14, size=(n, N_CLUTTER)) * when((n, N_CLUTTER), 0.7),
            rng.randint(len(_CLUTTER), size=(n, N_CLUTTER)),
        ],
        axis=-1,
    )
    return Scenes(
        habitat=rng.randint(len(_HABITATS), size=n),
        mottle=rng.normal(0.0, 0.02 + 0.06 * difficulty, size=(n, 3, _MOTTLE, _MOTTLE)),
        slope=uniform(-0.12, 0.12, size=n),
        clutter=clutter,
        leaves=leaves,
        branch=branch,
        blades=blades,
        flakes=flakes,
        light=1.0
        + difficulty * (uniform(-0.18, 0.12, size=(n, 1)) + uniform(-0.06, 0.06, size=(n, 3))),
        noise=np.full(n, 0.035 * difficulty),
    )


def _lay(rgb: np.ndarray, color: np.ndarray, alpha: np.ndarray) -> None:
    rgb += alpha[:, None] * (color[:, :, None, None] - rgb)


def _cover(distance: np.ndarray, size: int) -> np.ndarray:
    return np.clip(0.5 - distance * size, 0.0, 1.0)


def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    axis = ((np.arange(size) + 0.5) / size).astype(np.float32)
    return axis[None, None, :], axis[None, :, None]


def _cell(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)[:, None, None]


def _magnify(size: int) -> np.ndarray:
    """Return the (size, 7) matrix of linear interpolation from the coarse grid."""
    position = np.linspace(0.0, _MOTTLE - 1.0, size)[:, None]
    weights = 1.0 - np.abs(position - np.arange(_MOTTLE)[None, :])
    return np.maximum(weights, 0.0).astype(np.float32)


def paint_backgrounds(scenes: Scenes, feet: np.ndarray, size: int) -> np.ndarray:
    """Paint the habitats and what the birds stand on.

    Parameters
    ----------
    scenes : Scenes
        What to paint.
    feet : ndarray of shape (n, 2)
        Where each bird touches the ground or its branch, in shares of the picture (x, y).
    size : int
        Side of the pictures in pixels.

    Returns
    -------
    ndarray of shape (n, 3, size, size), float32
        Colours, about [0, 1].
    """
    x, y = _grid(size)
    top = np.array([h[0] for h in _HABITATS], dtype=np.float32)[scenes.habitat]
    bottom = np.array([h[1] for h in _HABITATS], dtype=np.float32)[scenes.habitat]
    has_ground = _cell(np.array([h[2] for h in _HABITATS])[scenes.habitat])
    rgb = top[:, :, None, None] + y[:, None] * (bottom - top)[:, :, None, None]
    rgb = rgb + np.zeros_like(x)[:, None]
    line = _cell(feet[:, 1]) + _cell(scenes.slope) * (x - _cell(feet[:, 0]))
    _lay(rgb, _GROUND[scenes.habitat], _cover(line - 0.05 - y, size) * has_ground)
    magnify = _magnify(size)
    rgb += magnify @ scenes.mottle.astype(np.float32) @ magnify.T
    for j in range(N_CLUTTER):
        rows = np.flatnonzero(scenes.clutter[:, j, 2])
        cx, cy, radius, color = scenes.clutter[rows, j].T
        distance = np.hypot(x - _cell(cx), y - _cell(cy)) - _cell(radius)
        # Out of focus: the edge is a fifth of the radius wide.
        alpha = np.clip(0.5 - distance / _cell(0.4 * radius), 0.0, 1.0) * np.float32(0.8)
        part = rgb[rows]
        _lay(part, _CLUTTER[color.astype(int)], alpha)
        rgb[rows] = part
    perch = _cover(np.abs(y - line - 0.022) - 0.024, size) * (1.0 - has_ground)
    _lay(rgb, np.broadcast_to(_BARK, (len(feet), 3)), perch)
    return rgb


def paint_occluders(rgb: np.ndarray, scenes: Scenes, boxes: np.ndarray) -> np.ndarray:
    """Paint leaves, branches, grass and snow in front of the birds, in place.

    Parameters
    ----------
    rgb : ndarray of shape (n, 3, size, size)
        Pictures.
    scenes : Scenes
        What to paint.
    boxes : ndarray of shape (n, 4)
        Bounding boxes of the birds within the picture (left, top, right, bottom), in shares of it.

    Returns
    -------
    ndarray of shape (n, size, size), bool
        Pixels that something hides.
    """
    size = rgb.shape[-1]
    x, y = _grid(size)
    hidden = np.zeros((len(rgb), size, size), dtype=bool)

    def lay(rows: np.ndarray, color: np.ndarray, alpha: np.ndarray) -> None:
        part = rgb[rows]
        _lay(part, color, alpha)
        rgb[rows] = part
        hidden[rows] |= alpha > 0.5

    def within(rows: np.ndarray, px: np.ndarray, py: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        left, top, right, bottom = boxes[rows].T
        return _cell(left + px * (right - left)), _cell(top + py * (bottom - top))

    rows = np.flatnonzero(scenes.branch[:, 2])
    px, py, half, angle = scenes.branch[rows].T
    cx, cy = within(rows, px, py)
    across = np.abs((x - cx) * _cell(np.sin(angle)) - (y - cy) * _cell(np.cos(angle)))
    bark = np.broadcast_to(_BARK * np.float32(0.8), (len(rows), 3))
    lay(rows, bark, _cover(across - _cell(half), size))

    for j in range(N_LEAVES):
        rows = np.flatnonzero(scenes.leaves[:, j, 2])
        px, py, length, angle, color = scenes.leaves[rows, j].T
        cx, cy = within(rows, px, py)
        cos, sin, length = _cell(np.cos(angle)), _cell(np.sin(angle)), _cell(length)
        a = cos * (x - cx) + sin * (y - cy)
        b = cos * (y - cy) - sin * (x - cx)
        # A lens: two arcs that meet in the tips.
        distance = np.abs(b) - 0.48 * length * (1.0 - (a / length) ** 2)
        alpha = _cover(distance, size) * (np.abs(a) < length)
        shade = _LEAVES[color.astype(int)]
        lay(rows, shade, alpha)
        vein = _cover(np.abs(b) - 0.006, size) * alpha * np.float32(0.5)
        lay(rows, shade * np.float32(0.6), vein)

    for j in range(N_BLADES):
        rows = np.flatnonzero(scenes.blades[:, j, 1])
        px, height, half, bend = scenes.blades[rows, j].T
        # Heights count from the picture's lower edge to at most the middle of the bird.
        _, middle = within(rows, px, np.full(len(rows), 0.45))
        height = np.minimum(_cell(height), 1.0 - middle)
        t = np.clip((1.0 - y) / np.maximum(height, 0.05), 0.0, 1.0)
        distance = np.abs(x - _cell(px) - _cell(bend) * height * t * t) - _cell(half) * (1.0 - t)
        alpha = _cover(distance, size) * (t < 1.0)
        lay(rows, np.broadcast_to(_LEAVES[j % 2], (len(rows), 3)), alpha)

    for j in range(N_FLAKES):
        rows = np.flatnonzero(scenes.flakes[:, j, 2])
        px, py, radius = scenes.flakes[rows, j].T
        distance = np.hypot(x - _cell(px), y - _cell(py)) - _cell(radius)
        lay(rows, np.full((len(rows), 3), 0.97, dtype=np.float32), _cover(distance, size))
    return hidden
