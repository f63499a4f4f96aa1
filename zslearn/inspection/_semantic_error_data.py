"""The semantic errors of predictions or of a fitted model, ready to be drawn."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zslearn._wrapped import through_steps
from zslearn.inspection._calibrated_scores import calibration_rule
from zslearn.metrics import class_semantic_error, semantic_error_increase


class SemanticErrors(NamedTuple):
    """Errors of classes and attributes, with their averages."""

    errors: NDArray[np.float64]
    classes: NDArray[Any]
    attribute_names: tuple[str, ...]
    seen_classes: NDArray[Any]
    seen_error: float
    unseen_error: float
    relative_increase: float


def averages_text(seen_error: float, unseen_error: float, relative_increase: float) -> str:
    """Averages and increase as Table 4 of the paper writes them."""
    seen, unseen = f"seen {seen_error:.3f}", f"unseen {unseen_error:.3f}"
    if math.isnan(unseen_error):
        return f"{seen} (no unseen classes)"
    if math.isnan(seen_error):
        return f"{unseen} (no seen classes)"
    if not math.isfinite(relative_increase):
        return f"{seen}, {unseen}"
    increase = f"{100 * relative_increase:+.1f} %".replace("-", "\N{MINUS SIGN}")
    return f"{seen}, {unseen} ({increase})"


def errors_of_predictions(
    y_true: Any,
    attributes_pred: Any,
    class_attributes: Any,
    *,
    seen_classes: Any,
    attribute_names: Any = None,
    **options: Any,
) -> SemanticErrors:
    """Errors of predicted attributes; averages are NaN for a kind of class that has no sample."""
    result = class_semantic_error(y_true, attributes_pred, class_attributes, **options)
    seen_classes = np.asarray(seen_classes)
    is_seen = np.isin(result.classes, seen_classes)
    seen_error = unseen_error = increase = math.nan
    if is_seen.all():
        seen_error = result.mean
    elif not is_seen.any():
        unseen_error = result.mean
    else:
        seen_error, unseen_error, increase = semantic_error_increase(
            y_true, attributes_pred, class_attributes, seen_classes=seen_classes, **options
        )
    if attribute_names is None:
        attribute_names = _names_in(class_attributes, result.errors.shape[1])
    return SemanticErrors(
        result.errors,
        result.classes,
        tuple(str(name) for name in attribute_names),
        seen_classes,
        seen_error,
        unseen_error,
        increase,
    )


def errors_of_model(
    estimator: Any, X: Any, y: Any, class_attributes: Any, normalize: Any, caller: str
) -> SemanticErrors:
    """Errors of the attributes that a fitted classifier predicts."""
    final, X = through_steps(estimator, X)
    if not hasattr(final, "predict_attributes"):
        raise TypeError(
            f"{caller} shows predicted attributes, but {type(final).__name__} has no "
            "predict_attributes. Give a fitted classifier that has it, such as "
            "zslearn.CVsCClassifier."
        )
    rule, _ = calibration_rule(final, class_attributes)
    if not rule.has_table_:
        raise TypeError(
            f"{caller} compares with the table a classifier was fitted with, but "
            f"{type(final).__name__} has no class_attributes_. Use from_predictions."
        )
    return errors_of_predictions(
        y,
        final.predict_attributes(X),
        rule.class_attributes_,
        seen_classes=rule.seen_classes_,
        normalize=normalize,
    )


def check_comparable_errors(name: str, errors: Any, other_name: str, other: Any) -> None:
    """Refuse matrices with different rows or columns."""
    if not (
        np.array_equal(errors.classes, other.classes)
        and errors.attribute_names == other.attribute_names
        and np.array_equal(
            np.isin(errors.classes, errors.seen_classes), np.isin(other.classes, other.seen_classes)
        )
    ):
        raise ValueError(
            f"models {name!r} and {other_name!r} have different test classes, attributes or "
            "seen classes: evaluate them on the same samples and table."
        )


def _names_in(class_attributes: Any, n: int) -> Any:
    for names in ("attribute_names", "columns"):
        if hasattr(class_attributes, names):
            return getattr(class_attributes, names)
    return [f"attribute_{k}" for k in range(n)]
