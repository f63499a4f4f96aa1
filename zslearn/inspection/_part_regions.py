"""Regions that show the parts of an object, and how much attention falls on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zslearn.inspection._attention_answers import through_model
from zslearn.inspection._region_effects import MapKind, check_kind, maps_of
from zslearn.inspection._viewed_part import WHOLE, viewed_part
from zslearn.metrics._localization import (
    AttributeLocalization,
    PairShares,
    as_membership,
    check_part_regions,
    check_shown,
)

__all__ = [
    "estimate_attribute_localization",
    "part_regions_from_map",
    "part_regions_from_points",
]

# Values of attention computed together: 32 MiB in float32.
_BATCH_VALUES = 2**23


def part_regions_from_map(
    part_map: ArrayLike, n_parts: int, grid_shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Find the regions of a grid that show some of each part, from a map of every pixel.

    Parameters
    ----------
    part_map : array-like of int, of shape (n, H, W)
        What each pixel of what the network saw shows: p + 1 for part p, 0 for no part; such as the
        `part_map` of :func:`zslearn.datasets.make_field_guide`.
    n_parts : int
        Number of parts, P.
    grid_shape : (int, int)
        Regions down and across, in reading order; at most H and W.

    Returns
    -------
    part_regions : ndarray of bool, of shape (n, P, R)
        True where some pixel of the part has its centre in the region. All False for a part that
        no pixel shows.

    Raises
    ------
    ValueError
        If the map has another shape, holds other values than 0 to `n_parts`, or has fewer pixels
        than the grid has cells.

    See Also
    --------
    part_regions_from_points : The same from a point a part.
    zslearn.metrics.attribute_localization_score : Takes the result.

    Examples
    --------
    >>> from zslearn.inspection import part_regions_from_map
    >>> part_map = [[[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 2], [0, 0, 0, 2]]]
    >>> part_regions_from_map(part_map, 2, (2, 2)).astype(int)
    array([[[1, 0, 0, 0],
            [0, 0, 0, 1]]])
    """
    pixels = np.asarray(part_map)
    down, across = _check_grid(grid_shape)
    if pixels.ndim != 3 or pixels.dtype.kind not in "iu" or 0 in pixels.shape:
        raise ValueError(
            "part_map must hold integers, of shape (n, H, W); found shape "
            f"{pixels.shape} and dtype {pixels.dtype}."
        )
    n, height, width = pixels.shape
    if height < down or width < across:
        raise ValueError(
            f"part_map has {height} x {width} pixels, fewer than the {down} x {across} regions of "
            "grid_shape."
        )
    if n_parts < 1 or pixels.min() < 0 or pixels.max() > n_parts:
        raise ValueError(
            f"part_map holds values from {pixels.min()} to {pixels.max()}; with n_parts={n_parts} "
            f"they must be 0 for no part, or 1 to {n_parts}."
        )
    # The region in which the centre of each row and column of pixels lies.
    rows = (2 * np.arange(height) + 1) * down // (2 * height)
    columns = (2 * np.arange(width) + 1) * across // (2 * width)
    regions = rows[:, np.newaxis] * across + columns
    found = np.zeros((n, n_parts + 1, down * across), dtype=bool)
    for i in range(n):
        found[i, pixels[i], regions] = True
    return found[:, 1:]


def part_regions_from_points(
    points: ArrayLike,
    grid_shape: tuple[int, int],
    *,
    radius: float = 0.05,
    bounding_boxes: ArrayLike | None = None,
    image_sizes: ArrayLike | None = None,
    data_config: Mapping[str, Any] | None = None,
) -> NDArray[np.bool_]:
    r"""Find the regions of a grid near the point of each part.

    Parameters
    ----------
    points : array-like of shape (n, P, 3)
        Where each part of each picture is: x, y, and over 0 where it is visible. x and y count from
        the upper left corner, as shares of the picture's width and height; in pixels, if
        `image_sizes` is given.
    grid_shape : (int, int)
        Regions down and across, in reading order.
    radius : float, default=0.05
        How far a part reaches around its point, as a share of the picture's width across and of
        its height down; with `bounding_boxes`, as a share of :math:`\sqrt{w h}` of the object's box
        instead, so that parts of a small bird are small. The default is a tenth of the picture
        from edge to edge; 0 is only the region the point is in.
    bounding_boxes : array-like of shape (n, 4), default=None
        Box of each object: x and y of the upper left corner, width w and height h, in the unit of
        `points`.
    image_sizes : array-like of int, of shape (n, 2), default=None
        Width and height of each picture in pixels. Needed for points in pixels, and where pictures
        are cropped.
    data_config : dict, default=None
        How pictures were resized and cropped for the network, as
        ``TimmRegionExtractor.data_config_`` or ``FeatureStore.metadata["data_config"]``. ``None``
        is the whole picture. Points outside what the network saw count as not visible.

    Returns
    -------
    part_regions : ndarray of bool, of shape (n, P, R)
        True where the disc (ellipse) of this radius round the point touches the region. All False
        for a part that is not visible.

    Raises
    ------
    ValueError
        If shapes disagree, a visible point is NaN or infinite, points in pixels lack
        `image_sizes`, or `radius` is negative.

    See Also
    --------
    part_regions_from_map : The same from a map of every pixel.
    zslearn.datasets.load_cub : Has `part_locations` in pixels.

    Notes
    -----
    With bounding boxes the disc is round in the unit of `points`; in shares of an oblong picture
    that is an ellipse, as is the picture squashed to a square for a network.

    Examples
    --------
    >>> from zslearn.inspection import part_regions_from_points
    >>> points = [[[0.2, 0.3, 1], [0.9, 0.48, 1], [0.0, 0.0, 0]]]
    >>> part_regions_from_points(points, (2, 2), radius=0.05).astype(int)
    array([[[1, 0, 0, 0],
            [0, 1, 0, 1],
            [0, 0, 0, 0]]])
    """
    down, across = _check_grid(grid_shape)
    array = np.array(points, dtype=np.float64)
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise ValueError(
            f"points must have shape (n, n_parts, 3): x, y, visible; found {array.shape}."
        )
    if not np.isfinite(radius) or radius < 0:
        raise ValueError(f"radius={radius!r} must be a number, at least 0.")
    n = len(array)
    xy, visible = array[..., :2], array[..., 2] > 0
    if not np.isfinite(xy[visible]).all():
        raise ValueError("points holds NaN or infinite coordinates of visible parts.")
    reach = np.full((n, 1, 2), float(radius))
    if bounding_boxes is not None:
        boxes = _check_rows("bounding_boxes", bounding_boxes, n, 4)
        reach = reach * np.sqrt(boxes[:, 2] * boxes[:, 3])[:, np.newaxis, np.newaxis]
    views = np.tile(np.array(WHOLE), (n, 1))
    if image_sizes is not None:
        sizes = _check_rows("image_sizes", image_sizes, n, 2)
        if (sizes < 1).any():
            raise ValueError("image_sizes holds sides below 1: give width and height in pixels.")
        xy = xy / sizes[:, np.newaxis]
        if bounding_boxes is not None:
            reach = reach / sizes[:, np.newaxis]
        views = np.array([viewed_part(int(w), int(h), data_config) for w, h in sizes])
    elif data_config is not None:
        if data_config.get("crop_mode") != "squash":
            raise ValueError(
                "image_sizes is needed: what is cropped off a picture, or added to it, depends on "
                "its sides."
            )
        views = np.tile(np.array(viewed_part(1000, 1000, data_config)), (n, 1))
    if image_sizes is None and (xy[visible] > 1.5).any():
        raise ValueError(
            f"points holds coordinates up to {xy[visible].max():g}, which are no shares of a "
            "picture: for points in pixels give image_sizes."
        )
    corner, span = views[:, np.newaxis, :2], (views[:, 2:] - views[:, :2])[:, np.newaxis]
    xy, reach = (np.where(visible[..., np.newaxis], xy, 0) - corner) / span, reach / span
    visible = visible & ((xy >= 0) & (xy <= 1)).all(axis=2)
    # How far the nearest point of each column and row is from the part's, in units of its reach.
    gap_x = _gaps(xy[..., 0], across, reach[..., 0])
    gap_y = _gaps(xy[..., 1], down, reach[..., 1])
    near = np.hypot(gap_y[..., :, np.newaxis], gap_x[..., np.newaxis, :]) <= 1
    near &= visible[..., np.newaxis, np.newaxis]
    return np.asarray(near.reshape(n, array.shape[1], down * across))


def _gaps(at: NDArray[np.float64], n_cells: int, reach: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of points (n, P) from each of the cells along a side, over the reach."""
    own = np.clip((at * n_cells).astype(np.intp), 0, n_cells - 1)[..., np.newaxis]
    cells = np.arange(n_cells)
    at = at[..., np.newaxis]
    gap = np.where(cells > own, cells / n_cells - at, at - (cells + 1) / n_cells)
    gap = np.where(cells == own, 0.0, np.maximum(gap, 0.0))
    beyond = np.full(gap.shape, np.inf)
    # Without reach, all but the own cell are infinitely far, also those the point borders on.
    wide = np.broadcast_to(reach[..., np.newaxis], gap.shape)
    with np.errstate(over="ignore"):
        ratio = np.divide(gap, wide, out=beyond, where=wide > 0)
    return np.where(cells == own, 0.0, np.minimum(ratio, 2.0))  # far is far: no square overflows


def _check_grid(grid_shape: Any) -> tuple[int, int]:
    try:
        down, across = (int(side) for side in grid_shape)
    except (TypeError, ValueError):
        down = across = 0
    if min(down, across) < 1:
        raise ValueError(
            f"grid_shape={grid_shape!r} must be two positive integers: regions down and across."
        )
    return down, across


def _check_rows(name: str, values: ArrayLike, n: int, width: int) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (n, width):
        raise ValueError(f"{name} must have shape {(n, width)}, found {array.shape}.")
    if not np.isfinite(array).all() or (array < 0).any():
        raise ValueError(f"{name} holds NaN, infinite or negative values.")
    return array


def estimate_attribute_localization(
    estimator: Any,
    X: Any,
    part_regions: Any,
    attribute_parts: ArrayLike,
    *,
    shown: ArrayLike | None = None,
    method: Literal["mass", "peak"] = "mass",
    average: Literal["attribute", "pair"] = "attribute",
    kind: MapKind = "attention",
    batch_size: int | None = None,
) -> AttributeLocalization:
    """Measure how much of an estimator's attention is on the part that each attribute names.

    Maps are computed batch by batch, and only of attributes that name a part: X may be larger than
    memory.

    Parameters
    ----------
    estimator : classifier
        Fitted, with `attention_maps`; a pipeline, search, calibrated classifier or ensemble of it
        is welcome.
    X : array-like of shape (n, R, D), memory map, FeatureStore or pictures
        As the estimator takes it.
    part_regions : array of bool, of shape (n, P, R)
        Whether a region shows some of a part; see :func:`part_regions_from_map` and
        :func:`part_regions_from_points`.
    attribute_parts : array-like of int of shape (K,), or bool of shape (K, P)
        The part, or the parts, that each attribute of the table names.
    shown : array-like of bool, of shape (n, K), default=None
        Whether a picture shows an attribute; ``None`` judges all whose part is visible.
    method : {"mass", "peak"}, default="mass"
        Share of attention, or of peaks, inside.
    average : {"attribute", "pair"}, default="attribute"
        Mean over attributes, or over pairs of a picture and an attribute.
    kind : {"attention", "effect"}, default="attention"
        Whether attention is judged, or what regions add to the attribute's score: the positive
        part of :func:`region_effects`, which costs as many predictions as there are regions.
    batch_size : int, default=None
        Pictures whose maps are computed at once. ``None`` takes as many as need 32 MiB.

    Returns
    -------
    result : AttributeLocalization
        Named tuple ``(score, chance, n_pairs, attribute_scores, attribute_chances,
        attribute_pairs)``, see :func:`~zslearn.metrics.attribute_localization_score`.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If the estimator has no attention maps, or `part_regions` is not boolean.
    ValueError
        If shapes disagree, `kind` is another, or there is nothing to judge.

    See Also
    --------
    region_effects : What `kind="effect"` judges.
    zslearn.metrics.attribute_localization_score : The same from maps; its notes tell what the
        score means.

    Examples
    --------
    >>> from zslearn import CVsCClassifier
    >>> from zslearn.datasets import make_field_guide
    >>> from zslearn.feature_extraction import PatchDictionaryExtractor
    >>> from zslearn.inspection import estimate_attribute_localization, part_regions_from_map
    >>> birds = make_field_guide(80, n_classes=10, n_unseen=3, random_state=0)
    >>> extractor = PatchDictionaryExtractor(n_atoms=32, max_patches=2000, random_state=0)
    >>> X = extractor.fit(birds.images[birds.train]).transform(birds.images)
    >>> clf = CVsCClassifier(max_epochs=1, random_state=0)
    >>> _ = clf.fit(
    ...     X[birds.train], birds.target[birds.train], class_attributes=birds.class_attributes
    ... )
    >>> result = estimate_attribute_localization(
    ...     clf,
    ...     X[birds.test_unseen],
    ...     part_regions_from_map(birds.part_map[birds.test_unseen], 10, extractor.grid_shape_),
    ...     birds.attribute_parts,
    ...     shown=birds.attributes_shown[birds.test_unseen],
    ... )
    >>> result.n_pairs == birds.attributes_shown[birds.test_unseen].sum()
    np.True_
    """
    check_kind(kind)
    regions = check_part_regions(part_regions)
    n, n_parts, n_regions = regions.shape
    membership = as_membership(attribute_parts, n_parts)
    n_found = X.shape[0] if hasattr(X, "shape") else len(X)
    if n_found != n:
        raise ValueError(
            f"X has {n_found} samples but part_regions has {n}; give the regions of the same "
            "samples."
        )
    pairs = PairShares(regions, membership, check_shown(shown, n, len(membership)), method)
    if batch_size is None:
        batch_size = max(1, _BATCH_VALUES // max(1, len(pairs.attributes) * n_regions))
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size} must be at least 1.")
    for start in range(0, n if len(pairs.attributes) else 0, batch_size):
        final, features = through_model(estimator, X[start : start + batch_size])
        n_attributes = final.class_attributes_.n_attributes
        if n_attributes != len(membership):
            raise ValueError(
                f"attribute_parts has {len(membership)} entries, but the estimator has "
                f"{n_attributes} attributes."
            )
        maps = maps_of(final, features, pairs.attributes, kind)
        if maps.shape[2] != n_regions:
            raise ValueError(
                f"The attention is over {maps.shape[2]} regions, part_regions over {n_regions}: "
                "make it with the grid of the features."
            )
        pairs.add(maps)
    return pairs.result(average)
