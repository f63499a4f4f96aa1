"""The pictures that attention is laid over, and what is known of how a network saw them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from zslearn._data._grid import resolve_grid as _resolve_grid
from zslearn.calibration._base import BaseCalibrationClassifier, inner_estimator
from zslearn.feature_extraction import FeatureStore
from zslearn.feature_extraction._decoding import to_rgb
from zslearn.feature_extraction._feature_store import StoredRows
from zslearn.feature_extraction._picture_sources import as_pictures
from zslearn.inspection._viewed_part import Box, viewed_part
from zslearn.model_selection import RowView

__all__ = ["Origin", "load_pictures", "origin_of", "resolve_grid", "viewed_boxes"]


class Origin(NamedTuple):
    """What features tell of the pictures they come from."""

    images: Any = None
    grid_shape: tuple[int, int] | None = None
    data_config: Mapping[str, Any] | None = None
    # Whether it is known that regions lie on no grid.
    no_grid: bool = False


def origin_of(estimator: Any, X: Any) -> Origin:
    """Ask the features, the extractor in a pipeline, or the classifier where regions come from."""
    store, positions = _find_store(X)
    if store is not None:
        paths = store.image_paths
        return Origin(
            None if paths is None else [paths[i] for i in positions],
            store.grid_shape,
            store.metadata.get("data_config"),
            store.grid_shape is None,
        )
    extractor = _find_extractor(estimator)
    if not hasattr(extractor, "grid_shape_"):
        return Origin(grid_shape=getattr(extractor, "grid_", None))
    grid = extractor.grid_shape_
    return Origin(X, grid, getattr(extractor, "data_config_", None), grid is None)


def _find_store(X: Any) -> tuple[FeatureStore | None, NDArray[np.intp]]:
    """Find the store that X is, or is a view of, and the pictures of it that X holds."""
    if isinstance(X, FeatureStore):
        return X, np.arange(len(X))
    if isinstance(X, RowView) and isinstance(X.base, FeatureStore):
        return X.base, np.asarray(X.rows, dtype=np.intp)
    if isinstance(X, RowView) and isinstance(X.base, StoredRows):
        store = X.base.open_store()
        return store, np.searchsorted(store.rows, np.asarray(X.rows, dtype=np.intp))
    return None, np.empty(0, dtype=np.intp)


def _find_extractor(estimator: Any) -> Any:
    """Find the last step before the classifier that knows its grid, or else the classifier."""
    while True:
        if isinstance(estimator, Pipeline):
            for _, step in reversed(estimator.steps[:-1]):
                if hasattr(step, "grid_shape_"):
                    return step
            estimator = estimator.steps[-1][1]
        elif isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif isinstance(estimator, BaseCalibrationClassifier):
            estimator = inner_estimator(estimator)
        else:
            return estimator


def resolve_grid(grid_shape: Any, origin: Origin, n_regions: int) -> tuple[int, int]:
    """Rows and columns of the regions: as given, as known, or the square that R is.

    Raises
    ------
    ValueError
        If it cannot be told, or does not have as many cells as there are regions.
    """
    shape = origin.grid_shape if grid_shape is None else grid_shape
    return _resolve_grid(shape, n_regions, no_grid=origin.no_grid, name="grid_shape")


def load_pictures(images: Any, n: int) -> list[NDArray[np.uint8]]:
    """Read n pictures upright as uint8 arrays of shape (height, width, 3).

    Raises
    ------
    ValueError, TypeError
        If there are not n, or one is no picture.
    OSError
        If a file cannot be read.
    """
    try:
        pictures = as_pictures(_as_uint8(images))
    except (TypeError, ValueError) as error:
        raise type(error)(f"images are no pictures. {error}") from None
    if len(pictures) != n:
        raise ValueError(f"images holds {len(pictures)} pictures but X has {n} rows: one for each.")
    return [np.asarray(to_rgb(pictures.load(row))) for row in range(n)]


def _as_uint8(images: Any) -> Any:
    """Floats from 0 to 1 become uint8, whether in one array or in a list of arrays."""
    if isinstance(images, list | tuple):
        return [_as_uint8(item) if isinstance(item, np.ndarray) else item for item in images]
    if not isinstance(images, np.ndarray) or images.dtype.kind != "f":
        return images
    if not (images.size and images.min() >= 0 and images.max() <= 1):
        raise ValueError(
            "Pixels of floating point must lie between 0 and 1, without NaN: divide by the "
            "largest value a pixel can have, or give uint8."
        )
    return np.round(255 * images).astype(np.uint8)


def viewed_boxes(
    pictures: list[NDArray[np.uint8]], data_config: Mapping[str, Any] | None
) -> list[Box]:
    """Find what a network saw of each picture."""
    return [viewed_part(p.shape[1], p.shape[0], data_config) for p in pictures]
