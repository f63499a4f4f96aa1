"""What models answer about pictures, and which attributes are worth looking at."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from zslearn._input_checks import check_attribute_indices
from zslearn._wrapped import through_steps
from zslearn.attributes import ClassAttributes
from zslearn.inspection._calibrated_scores import calibration_rule
from zslearn.inspection._names import SEPARATOR
from zslearn.inspection._region_effects import MapKind, check_kind, maps_of
from zslearn.metrics._localization import as_membership, regions_of_attributes

__all__ = [
    "Answers",
    "as_models",
    "ask_models",
    "attribute_strengths",
    "check_length",
    "check_shape",
    "strongest_attributes",
    "through_model",
    "true_regions",
]

_MOST_ROWS = 40


def attribute_strengths(
    final: Any,
    semantics: NDArray[Any],
    class_rows: NDArray[np.intp],
    table: ClassAttributes | None = None,
) -> NDArray[np.float64]:
    """How much each attribute sets a class above the mean of all classes, in each picture.

    Parameters
    ----------
    final : classifier
        With `class_attributes_`, and `class_embeddings` if it has one.
    semantics : ndarray of shape (n, K)
        Predicted values of attributes.
    class_rows : ndarray of shape (n,)
        Row of a class in the table, for each picture.
    table : ClassAttributes, default=None
        Classes instead of the fitted ones.

    Returns
    -------
    strengths : ndarray of shape (n, K)
        At most 1, and below -1 for attributes predicted to be absent, or just -1.
    """
    if hasattr(final, "class_embeddings"):
        options = {} if table is None else {"class_attributes": table}
        embeddings = np.asarray(final.class_embeddings(**options), dtype=np.float64)
    else:
        values = (final.class_attributes_ if table is None else table).values
        embeddings = values / np.linalg.norm(values, axis=1, keepdims=True)
    values = semantics.astype(np.float64)
    parts = values * (embeddings[class_rows] - embeddings.mean(axis=0))
    largest = np.abs(parts).max(axis=1, keepdims=True)
    parts = np.divide(parts, largest, out=np.zeros_like(parts), where=largest > 0)
    # What is absent is nowhere to be looked at, though a contribution may be large: below all else.
    return np.asarray(np.where(values > 0, parts, -1 - np.abs(parts)))


def strongest_attributes(
    strengths: NDArray[np.float64], names: tuple[str, ...], n_attributes: int, distinct: bool
) -> NDArray[np.intp]:
    """Numbers of the strongest attributes of one picture, strongest first; ties by number."""
    order = np.argsort(-strengths, kind="stable")
    if distinct:
        groups = [
            name.partition(SEPARATOR)[0] if SEPARATOR in name else i for i, name in enumerate(names)
        ]
        taken: set[Any] = set()
        first: list[int] = []
        later: list[int] = []
        for k in order.tolist():
            (later if groups[k] in taken else first).append(k)
            taken.add(groups[k])
        order = np.array(first + later, dtype=np.intp)
    return np.asarray(order[:n_attributes], dtype=np.intp)


def _choose_attributes(attributes: Any, names: tuple[str, ...], n_samples: int) -> NDArray[np.intp]:
    """Numbers (n, k) of attributes that were named for all pictures, or for each."""
    wanted = np.asarray(attributes)
    if wanted.size == 0:
        raise ValueError("attributes is empty: name at least one, or 'strongest'.")
    if wanted.ndim < 2:
        return np.tile(check_attribute_indices(attributes, names), (n_samples, 1))
    if wanted.ndim != 2 or len(wanted) != n_samples:
        raise ValueError(
            f"attributes must be one sequence for all, or one for each of the {n_samples} "
            f"pictures; found shape {wanted.shape}."
        )
    return np.stack([check_attribute_indices(row, names) for row in wanted])


class Answers(NamedTuple):
    """What models say about some attributes of some pictures."""

    names: tuple[str, ...]  # of all K
    chosen: NDArray[np.intp]  # (n, k)
    maps: NDArray[np.floating]  # (m, n, k, R)
    values: NDArray[np.floating] | None  # (m, n, k)
    class_values: NDArray[np.floating]  # (m, n, k)
    predictions: NDArray[Any]  # (m, n)


def as_models(estimator: Any, X: Any) -> dict[str, Any]:
    """Models by name, refused with pictures that would take too many rows."""
    models = dict(estimator) if isinstance(estimator, Mapping) else {"": estimator}
    if not models:
        raise ValueError("estimator is an empty dict: give at least one model.")
    if isinstance(X, str | PathLike):
        raise TypeError(f"X must hold one entry a picture, found {str(X)!r}: give a list.")
    n_rows = (X.shape[0] if hasattr(X, "shape") else len(X)) * len(models)
    if not 0 < n_rows <= _MOST_ROWS:
        raise ValueError(
            f"X would give {n_rows} rows of pictures, each of {len(models)} model(s); at most "
            f"{_MOST_ROWS} can be seen. Cut out the pictures to draw: X[[0, 7]]."
        )
    return models


def ask_models(
    models: dict[str, Any],
    X: Any,
    y: Any,
    attributes: Any,
    n_attributes: int,
    distinct: bool,
    class_attributes: Any = None,
    kind: MapKind = "attention",
) -> Answers:
    """Ask models for their answers, of classes of another table than the fitted one if given."""
    check_kind(kind)
    finals, features = [], []
    for name, model in models.items():
        final, seen = through_model(model, X, name)
        finals.append(final)
        features.append(seen)
    tables = [final.class_attributes_ for final in finals]
    names = tables[0].attribute_names
    if any(table.attribute_names != names for table in tables[1:]):
        raise ValueError("The models were fitted to other attributes than one another.")
    options = {}
    if class_attributes is not None:
        tables = [
            calibration_rule(final, class_attributes)[0].class_attributes_ for final in finals
        ]
        options = {"class_attributes": tables[0]}
    n = features[0].shape[0] if hasattr(features[0], "shape") else len(features[0])
    predictions = [
        final.predict(seen, **options) for final, seen in zip(finals, features, strict=True)
    ]
    if y is not None and np.shape(y) != (n,):
        raise ValueError(f"y must hold a label for each of the {n} pictures, found {np.shape(y)}.")
    rows = [
        table.index_of(told if y is None else y)
        for table, told in zip(tables, predictions, strict=True)
    ]
    semantics = None
    if all(hasattr(final, "predict_attributes") for final in finals):
        semantics = [
            np.asarray(final.predict_attributes(seen))
            for final, seen in zip(finals, features, strict=True)
        ]
    if isinstance(attributes, str) and attributes == "strongest":
        if semantics is None:
            raise TypeError(
                "attributes='strongest' needs predict_attributes of every model: name attributes."
            )
        if n_attributes < 1:
            raise ValueError(f"n_attributes={n_attributes} must be at least 1.")
        strengths = np.mean(
            [
                attribute_strengths(final, values, at, options.get("class_attributes"))
                for final, values, at in zip(finals, semantics, rows, strict=True)
            ],
            axis=0,
        )
        chosen = np.stack(
            [strongest_attributes(row, names, n_attributes, distinct) for row in strengths]
        )
    else:
        chosen = _choose_attributes(attributes, names, n)
    maps = [_maps(final, seen, chosen, kind) for final, seen in zip(finals, features, strict=True)]
    if len({part.shape[-1] for part in maps}) > 1:
        raise ValueError("The models' maps have different numbers of regions: draw them apart.")
    samples = np.arange(n)[:, np.newaxis]
    return Answers(
        names,
        chosen,
        np.stack(maps),
        None if semantics is None else np.stack([values[samples, chosen] for values in semantics]),
        np.stack([t.values[at[:, np.newaxis], chosen] for t, at in zip(tables, rows, strict=True)]),
        np.stack(predictions),
    )


def through_model(estimator: Any, X: Any, name: str = "") -> tuple[Any, Any]:
    """Return the classifier inside, and X as it comes there; refuse one without attention."""
    final, features = through_steps(estimator, X)
    if hasattr(final, "fit"):
        check_is_fitted(final)
    for needed in ("attention_maps", "class_attributes_"):
        if not hasattr(final, needed):
            raise TypeError(
                f"The model {repr(name) + ' ' if name else ''}is a {type(final).__name__}, which "
                f"has no {needed}. Give a fitted classifier that attends to regions, such as "
                "CVsCClassifier."
            )
    return final, features


def _maps(
    final: Any, features: Any, chosen: NDArray[np.intp], kind: MapKind
) -> NDArray[np.floating]:
    """Compute maps (n, k, R) of the attributes chosen, and of no others."""
    if (chosen == chosen[0]).all():
        return maps_of(final, features, chosen[0], kind)
    rows = [maps_of(final, features[i : i + 1], own, kind) for i, own in enumerate(chosen)]
    return np.concatenate(rows)


def true_regions(
    regions: Any, attribute_parts: Any, chosen: NDArray[np.intp], n_attributes: int, n_regions: int
) -> NDArray[np.bool_] | None:
    """Regions (n, k, R) of the attributes drawn."""
    if regions is None:
        if attribute_parts is not None:
            raise ValueError("attribute_parts is given without regions: give the parts' regions.")
        return None
    array = np.asarray(regions)
    n = len(chosen)
    if array.dtype != np.bool_ or array.ndim != 3 or array.shape[::2] != (n, n_regions):
        raise ValueError(
            f"regions must be boolean of shape ({n}, n_attributes or n_parts, {n_regions}); found "
            f"shape {array.shape} and dtype {array.dtype}."
        )
    if attribute_parts is None:
        if array.shape[1] != n_attributes:
            raise ValueError(
                f"regions is of {array.shape[1]} parts, but there are {n_attributes} attributes: "
                "give attribute_parts, the part of each attribute."
            )
    else:
        membership = as_membership(attribute_parts, array.shape[1])
        if len(membership) != n_attributes:
            raise ValueError(
                f"attribute_parts has {len(membership)} entries for {n_attributes} attributes."
            )
        array = regions_of_attributes(array, membership)
    return np.asarray(array[np.arange(n)[:, np.newaxis], chosen])


def check_length(name: str, items: Any, length: int) -> None:
    """Refuse lists that do not have an entry for each picture or model."""
    if items is not None and len(items) != length:
        raise ValueError(f"{name} has {len(items)} entries, but maps needs {length}.")


def check_shape(name: str, values: Any, shape: tuple[int, ...]) -> NDArray[Any] | None:
    """Take data of panels, whose shape follows that of the maps, if there are any."""
    if values is None:
        return None
    array = np.asarray(values)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, as maps has it; found {array.shape}.")
    return array
