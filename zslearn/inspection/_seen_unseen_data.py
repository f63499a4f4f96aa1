"""A seen-unseen curve, its area and the point reached on it, as numbers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zslearn.calibration._response import CalibrationRule
from zslearn.metrics import (
    GZSLScores,
    SeenUnseenCurve,
    ausuc_score,
    gzsl_scores,
    seen_unseen_curve,
)


class CurveAndPoint(NamedTuple):
    """A curve with its area, and the accuracies of predictions made at one calibration."""

    curve: SeenUnseenCurve
    ausuc: float
    unseen_accuracy: float | None
    seen_accuracy: float | None
    harmonic_mean: float | None


def curve_and_point(
    y_true: Any,
    y_score: Any,
    y_pred: NDArray[Any] | None,
    *,
    classes: NDArray[Any],
    seen_classes: NDArray[Any],
) -> CurveAndPoint:
    """Compute the curve of class scores, and where on it predictions are, if there are any."""
    reached: GZSLScores | tuple[None, None, None] = (None, None, None)
    curve = seen_unseen_curve(y_true, y_score, classes=classes, seen_classes=seen_classes)
    if y_pred is not None:
        reached = gzsl_scores(y_true, y_pred, seen_classes=seen_classes)
    area = ausuc_score(y_true, y_score, classes=classes, seen_classes=seen_classes)
    return CurveAndPoint(curve, area, *reached)


def predict_with_delta(
    delta: float, y_score: Any, *, classes: NDArray[Any], seen_classes: NDArray[Any]
) -> NDArray[Any] | None:
    """Predict from scores with delta added; ``None`` for scores that the curve will refuse."""
    order = np.argsort(classes)
    scores = np.asarray(y_score)
    if scores.ndim != 2 or scores.shape[1] != len(order):
        return None
    rule = CalibrationRule(delta).fit(SimpleNamespace(classes_=classes, seen_classes_=seen_classes))
    return rule.predict_from_uncalibrated(scores[:, order])
