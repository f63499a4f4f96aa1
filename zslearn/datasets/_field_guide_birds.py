"""Drawing the birds of the field guide: signed distances, one layer per part, back to front.

Bird coordinates: ``u`` forward, ``v`` up, the body's half length about 0.5. Every function draws a
stack of birds at once, and a layer only touches the window of the canvas that its part can reach.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from zslearn.datasets._field_guide_classes import GROUP_NAMES, GROUPS, PALETTE, PART_NAMES

__all__: list[str] = []

# What of the bird lies in the middle of its canvas, and how far it reaches from there.
CENTER = (0.03, 0.02)
LABEL = {name: index + 1 for index, name in enumerate(PART_NAMES)}

_HEAD = (0.40, 0.34)
_HEAD_RADIUS = 0.27
_EYE = (0.09, 0.05)
_BODY_TILT = 0.42
_DARK = np.array([0.20, 0.13, 0.11], dtype=np.float32)
_LIGHT = np.array([0.97, 0.93, 0.82], dtype=np.float32)

# Length, half thickness at the base, exponent of the taper, bend, curvature exponent.
_BILLS = {
    "cone": (0.20, 0.135, 0.9, 0.02, 2.0),
    "dagger": (0.40, 0.085, 1.0, 0.0, 2.0),
    "hooked": (0.28, 0.115, 0.40, 0.19, 4.0),
    "curved": (0.42, 0.065, 0.50, 0.21, 2.0),
}


@dataclass
class Poses:
    """How each bird is held; arrays of shape (n,), lengths in bird units, angles in radians."""

    scale: np.ndarray  # pixels per bird unit
    tilt: np.ndarray
    stretch: np.ndarray  # foreshortening of u
    nod: np.ndarray  # how far the head is raised
    tail_angle: np.ndarray
    blink: np.ndarray  # bool: the eye is closed
    sit: np.ndarray  # bool: the legs are tucked in
    tint: np.ndarray  # (n, n_parts, 3) individual departure from the palette

    def __getitem__(self, rows: slice) -> Poses:
        return Poses(*(getattr(self, field.name)[rows] for field in fields(self)))


def value_index(group: str, value: str) -> int:
    """Return the index of a value within its group."""
    return GROUPS[GROUP_NAMES.index(group)].values.index(value)


def to_pixels(u: float, v: float, poses: Poses, canvas_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Map a point of the bird to canvas pixels ``x`` (right), ``y`` (down)."""
    a, b = (u - CENTER[0]) * poses.stretch, v - CENTER[1]
    cos, sin = np.cos(poses.tilt), np.sin(poses.tilt)
    middle = (canvas_size - 1) / 2
    return middle + poses.scale * (cos * a - sin * b), middle - poses.scale * (sin * a + cos * b)


class _Canvas:
    """A stack of drawings: colour, coverage and the label of the part on top."""

    def __init__(self, poses: Poses, size: int):
        n = len(poses.scale)
        self.poses, self.size = poses, size
        self.rgb = np.zeros((n, 3, size, size), dtype=np.float32)
        self.coverage = np.zeros((n, size, size), dtype=np.float32)
        self.labels = np.zeros((n, size, size), dtype=np.uint8)
        self.scale = _column(poses.scale)
        axis = np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2)
        x, y = axis[None, None, :] / self.scale, -axis[None, :, None] / self.scale
        cos, sin = _column(np.cos(poses.tilt)), _column(np.sin(poses.tilt))
        self.u = (cos * x + sin * y) / _column(poses.stretch) + np.float32(CENTER[0])
        self.v = cos * y - sin * x + np.float32(CENTER[1])

    def window(self, u0: float, u1: float, v0: float, v1: float) -> tuple:
        """Return the slices of the canvas that hold a box of bird coordinates in every drawing."""
        xs, ys = zip(
            *(to_pixels(u, v, self.poses, self.size) for u in (u0, u1) for v in (v0, v1)),
            strict=True,
        )
        spans = []
        for values in (ys, xs):
            low = max(int(np.floor(np.min(values))) - 1, 0)
            high = min(int(np.ceil(np.max(values))) + 2, self.size)
            spans.append(slice(low, max(high, low)))
        return (slice(None), *spans)

    def alpha(self, distance: np.ndarray) -> np.ndarray:
        """Turn a signed distance in bird units into the covered share of each pixel."""
        return np.clip(0.5 - distance * self.scale, 0.0, 1.0)

    def paint(self, window: tuple, color: np.ndarray, alpha: np.ndarray) -> None:
        """Lay a colour over the window; ``rgb`` stays premultiplied by ``coverage``."""
        rgb = self.rgb[(window[0], slice(None), *window[1:])]
        rgb += alpha[:, None] * (color - rgb)
        coverage = self.coverage[window]
        coverage += alpha * (1.0 - coverage)

    def label(self, window: tuple, part: str, where: np.ndarray) -> None:
        self.labels[window][where] = LABEL[part]


def _column(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, dtype=np.float32)[:, None, None]


def _mix(color: np.ndarray, other: np.ndarray, share: np.ndarray) -> np.ndarray:
    return color + share[:, None] * (other - color)


def _ellipse(u: np.ndarray, v: np.ndarray, a: float, b: float) -> np.ndarray:
    """Signed distance to an ellipse at the origin, exact to first order at its outline."""
    p, q = u / a, v / b
    level = np.sqrt(p * p + q * q)
    slope = np.sqrt((p / a) ** 2 + (q / b) ** 2)
    return level * (level - 1.0) / np.maximum(slope, 1e-6)


def _segment(
    u: np.ndarray, v: np.ndarray, start: tuple[float, float], end: tuple[float, float]
) -> np.ndarray:
    du, dv = end[0] - start[0], end[1] - start[1]
    t = np.clip(((u - start[0]) * du + (v - start[1]) * dv) / (du * du + dv * dv), 0.0, 1.0)
    return np.hypot(u - start[0] - t * du, v - start[1] - t * dv)


def _rotated(
    u: np.ndarray, v: np.ndarray, origin: tuple[float, float], angle: float | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    cos, sin = _column(np.cos(np.atleast_1d(angle))), _column(np.sin(np.atleast_1d(angle)))
    du, dv = u - np.float32(origin[0]), v - np.float32(origin[1])
    return cos * du + sin * dv, cos * dv - sin * du


class _Plumage:
    """Colours and choices of a stack of birds, looked up by group and value name."""

    def __init__(self, values: np.ndarray, tint: np.ndarray):
        self.values, self.tint = values, tint

    def color(self, group: str) -> np.ndarray:
        g = GROUP_NAMES.index(group)
        table = np.array([PALETTE[value] for value in GROUPS[g].values], dtype=np.float32)
        tint = self.tint[:, PART_NAMES.index(GROUPS[g].part)]
        return np.clip(table[self.values[:, g]] + tint, 0.0, 1.0)[:, :, None, None]

    def is_value(self, group: str, value: str) -> np.ndarray:
        return self.values[:, GROUP_NAMES.index(group)] == value_index(group, value)

    def flag(self, group: str, value: str) -> np.ndarray:
        return _column(self.is_value(group, value))


def _mark_on(color: np.ndarray) -> np.ndarray:
    """Return the colour of marks that stand out on ``color``: dark on light, light on dark."""
    luminance = color.mean(axis=1, keepdims=True)
    return np.where(luminance > 0.5, _DARK[:, None, None], _LIGHT[:, None, None])


def _rimmed(color: np.ndarray, distance: np.ndarray, width: float, depth: float) -> np.ndarray:
    """Darken a colour towards an outline, as a pen would."""
    rim = np.clip(1.0 + distance / width, 0.0, 1.0)
    return color * (1.0 - depth * rim * rim)[:, None]


def _spots(a: np.ndarray, b: np.ndarray, pitch: float, radius: float, scale: np.ndarray):
    """Rows of dots, every other row set off by half a pitch."""
    row = np.floor(b / pitch)
    p = (a / pitch + 0.5 * (row % 2)) % 1.0 - 0.5
    q = (b / pitch) % 1.0 - 0.5
    return np.clip(0.5 - (np.hypot(p, q) * pitch - radius) * scale, 0.0, 1.0)


def _stripes(a: np.ndarray, pitch: float, width: float, scale: np.ndarray):
    return np.clip(0.5 - (np.abs((a / pitch) % 1.0 - 0.5) * pitch - width / 2) * scale, 0.0, 1.0)


def _draw_tail(canvas: _Canvas, birds: _Plumage) -> None:
    window = canvas.window(-1.06, -0.22, -0.75, 0.25)
    along, across = _rotated(
        canvas.u[window], canvas.v[window], (-0.34, -0.12), np.pi + 0.42 + canvas.poses.tail_angle
    )
    side = np.abs(across)
    fork, fan = birds.flag("has_tail_shape", "forked"), birds.flag("has_tail_shape", "fan")
    point = 1.0 - fork - fan
    half = 0.09 + fan * 0.36 * along + fork * 0.20 * along + point * (0.05 - 0.24 * along)
    # The fan ends in an arc, the fork in a notch, the point where its sides meet.
    end = fan * (np.hypot(along + 0.1, across) - 0.64)
    end += fork * (along - 0.36 - 1.5 * side) * 0.55 + point * (along - 0.58)
    distance = np.maximum(np.maximum((side - half) * 0.94, end), -along - 0.05)
    color = birds.color("has_tail_color")
    feathers = 0.12 * _stripes(across + 0.03, 0.075, 0.02, canvas.scale)
    alpha = canvas.alpha(distance)
    canvas.paint(window, _rimmed(color, distance, 0.06, 0.35) * (1 - feathers)[:, None], alpha)
    canvas.label(window, "tail", alpha > 0.5)


def _draw_legs(canvas: _Canvas, birds: _Plumage) -> None:
    window = canvas.window(-0.16, 0.34, -0.68, -0.2)
    u, v = canvas.u[window], canvas.v[window]
    distance = np.full_like(u, 9.0)
    for hip in (-0.04, 0.13):
        foot = (hip + 0.02, -0.60)
        np.minimum(distance, _segment(u, v, (hip, -0.24), foot), out=distance)
        np.minimum(distance, _segment(u, v, foot, (foot[0] + 0.10, -0.63)), out=distance)
    alpha = canvas.alpha(distance - 0.036)
    canvas.paint(window, birds.color("has_leg_color"), alpha * _column(~canvas.poses.sit))
    canvas.label(window, "legs", alpha > 0.5)


def _draw_bill(canvas: _Canvas, birds: _Plumage) -> None:
    window = canvas.window(0.48, 1.10, -0.08, 0.62)
    shapes = np.array([_BILLS[value] for value in GROUPS[0].values], dtype=np.float32)
    length, base, taper, bend, power = (
        column[:, None, None] for column in shapes[birds.values[:, 0]].T
    )
    along = canvas.u[window] - np.float32(_HEAD[0] + 0.19)
    across = canvas.v[window] - _column(_HEAD[1] - 0.01 + canvas.poses.nod)
    t = np.clip(along / length, 0.0, 1.0)
    distance = np.abs(across + bend * t**power) - base * (1.0 - t) ** taper
    distance = np.maximum(distance * 0.85, np.maximum(along - length, -along))
    gape = 0.25 * np.clip(1.0 - np.abs(across + bend * t**power) * canvas.scale, 0.0, 1.0)
    alpha = canvas.alpha(distance)
    color = birds.color("has_bill_color") * (1.0 - gape)[:, None]
    canvas.paint(window, color, alpha)
    canvas.label(window, "bill", alpha > 0.5)


def _draw_torso(canvas: _Canvas, birds: _Plumage) -> None:
    window = canvas.window(-0.60, 0.72, -0.45, 0.90)
    u, v, scale = canvas.u[window], canvas.v[window], canvas.scale
    nod = _column(canvas.poses.nod)
    a, b = _rotated(u, v, (0.0, 0.0), _BODY_TILT)
    body = _ellipse(a, b, 0.50, 0.335)
    hu, hv = u - np.float32(_HEAD[0]), v - np.float32(_HEAD[1]) - nod
    head = np.hypot(hu, hv) - np.float32(_HEAD_RADIUS)
    # A smooth union gives the bird a neck.
    blend = np.maximum(0.16 - np.abs(body - head), 0.0)
    outline = np.minimum(body, head) - blend * blend * (0.25 / 0.16)
    ca, cb = _rotated(hu, hv, (-0.07, 0.19), 2.45)
    crest = np.maximum(np.abs(cb) * 0.93 - 0.13 * (1.0 - ca / 0.38), np.maximum(0.08 - hv, -ca))
    crest += 9.0 * (1.0 - birds.flag("has_crown_shape", "crested"))
    outline = np.minimum(outline, crest)
    alpha = canvas.alpha(outline)

    near_head = head - np.float32(0.015)
    crown = np.minimum(np.maximum(near_head, 0.085 - hv - 0.10 * hu), crest)
    face = np.maximum(near_head, -0.16 - hv + 0.35 * hu)
    back = 0.13 - b - 0.10 * a
    breast = 0.10 - a + 0.30 * b
    color = birds.color("has_belly_color") + np.zeros_like(u)[:, None]
    is_part = {"belly": np.ones(u.shape, dtype=bool)}
    for name, distance in (("breast", breast), ("back", back), ("face", face), ("crown", crown)):
        share = canvas.alpha(distance)
        layer = birds.color(f"has_{name}_color")
        if name == "breast":
            spots = _spots(a - 0.02, b, 0.125, 0.040, scale)
            stripes = _stripes(b + 0.3 * a, 0.125, 0.052, scale)
            spotted = birds.flag("has_breast_pattern", "spotted")
            striped = birds.flag("has_breast_pattern", "striped")
            layer = _mix(layer, _mark_on(layer), spots * spotted + stripes * striped)
        if name == "face":
            band = np.maximum(np.abs(hv - 0.05) - 0.075, -0.06 - hu)
            streak = np.maximum(np.abs(hv + 0.10 + 0.35 * (hu - 0.1)) - 0.045, -0.08 - hu)
            masked = birds.flag("has_face_pattern", "masked") * canvas.alpha(band)
            streaked = birds.flag("has_face_pattern", "moustached") * canvas.alpha(streak)
            dark = np.array(PALETTE["black"], dtype=np.float32)[:, None, None]
            layer = _mix(layer, dark, masked + streaked)
        color = _mix(color, layer, share)
        for mask in is_part.values():
            mask &= share <= 0.5
        is_part[name] = share > 0.5
    light = 1.0 + 0.07 * np.clip(b / 0.3, -1.0, 1.0)
    canvas.paint(window, _rimmed(color, outline, 0.05, 0.30) * light[:, None], alpha)
    for name, mask in is_part.items():
        canvas.label(window, name, mask & (alpha > 0.5))


def _draw_wing(canvas: _Canvas, birds: _Plumage) -> None:
    window = canvas.window(-0.62, 0.24, -0.36, 0.28)
    a, b = _rotated(canvas.u[window], canvas.v[window], (-0.15, -0.04), 0.36)
    # A teardrop: the ellipse thins towards the tail.
    distance = _ellipse(a, b / (1.0 + 0.9 * np.clip(a, -0.5, 0.4)), 0.40, 0.185) * 0.9
    color = birds.color("has_wing_color")
    bars = _stripes(a + 0.02 + 0.25 * np.abs(b), 0.17, 0.062, canvas.scale)
    bars *= np.abs(a) < 0.30
    spots = _spots(a, b, 0.135, 0.040, canvas.scale)
    marks = bars * birds.flag("has_wing_pattern", "barred")
    marks += spots * birds.flag("has_wing_pattern", "spotted")
    inner = np.clip(0.5 - (distance + 0.035) * canvas.scale, 0.0, 1.0)
    layer = _mix(_rimmed(color, distance, 0.06, 0.40), _mark_on(color), marks * inner)
    alpha = canvas.alpha(distance)
    canvas.paint(window, layer, alpha)
    canvas.label(window, "wing", alpha > 0.5)


def _draw_eye(canvas: _Canvas, birds: _Plumage) -> None:
    u0, v0 = _HEAD[0] + _EYE[0], _HEAD[1] + _EYE[1]
    nods = canvas.poses.nod
    window = canvas.window(
        u0 - 0.13, u0 + 0.13, v0 - 0.13 + nods.min(initial=0), v0 + 0.13 + nods.max(initial=0)
    )
    u, v = canvas.u[window] - np.float32(u0), canvas.v[window] - _column(v0 + nods)
    radius = np.hypot(u, v)
    is_open = _column(~canvas.poses.blink)
    ring, dark = _LIGHT[:, None, None], np.array(PALETTE["black"], np.float32)[:, None, None]
    canvas.paint(window, ring, canvas.alpha(radius - 0.105) * is_open)
    alpha = canvas.alpha(radius - 0.082)
    canvas.paint(window, birds.color("has_eye_color"), alpha * is_open)
    pupil = (1.0 - birds.flag("has_eye_color", "black")) * canvas.alpha(radius - 0.036)
    canvas.paint(window, dark, pupil * is_open)
    glint = canvas.alpha(np.hypot(u - 0.03, v - 0.03) - 0.020)
    canvas.paint(window, ring, 0.9 * glint * is_open)
    lid = np.maximum(np.abs(v + 1.5 * u * u) - 0.016, np.abs(u) - 0.08)
    canvas.paint(window, dark, canvas.alpha(lid) * (1.0 - is_open))
    canvas.label(window, "eye", alpha > 0.5)


def draw_birds(
    values: np.ndarray, poses: Poses, canvas_size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw a stack of birds, all facing right, each in the middle of its canvas.

    Parameters
    ----------
    values : ndarray of shape (n, n_groups), int
        Which value of each group every bird has.
    poses : Poses
        How every bird is held.
    canvas_size : int
        Side of the square canvas in pixels.

    Returns
    -------
    rgb : ndarray of shape (n, 3, canvas_size, canvas_size), float32
        Colours in [0, 1], premultiplied by the coverage.
    coverage : ndarray of shape (n, canvas_size, canvas_size), float32
        Share of each pixel that the bird covers.
    labels : ndarray of shape (n, canvas_size, canvas_size), uint8
        Part on top at each pixel (index into ``PART_NAMES`` plus one; 0 for none), closed eyes and
        tucked legs included: what the bird would show if it held back nothing.
    """
    birds = _Plumage(values, poses.tint.astype(np.float32))
    canvas = _Canvas(poses, canvas_size)
    _draw_tail(canvas, birds)
    _draw_legs(canvas, birds)
    _draw_bill(canvas, birds)
    _draw_torso(canvas, birds)
    _draw_wing(canvas, birds)
    _draw_eye(canvas, birds)
    return canvas.rgb, canvas.coverage, canvas.labels
