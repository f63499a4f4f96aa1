"""The classifier inside pipelines, fitted searches and frozen estimators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

__all__ = ["final_estimator", "replace_final", "through_steps"]


def final_estimator(estimator: Any) -> Any:
    """Return the classifier inside."""
    while (inner := _inside(estimator)) is not None:
        estimator = inner
    return estimator


def through_steps(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Return the classifier inside, and X as the steps before it transform it."""
    while (inner := _inside(estimator)) is not None or hasattr(estimator, "extract"):
        if inner is None:  # an ImageClassifier, of a floor above
            X, inner = estimator.extract(X), estimator.classifier_
        elif isinstance(estimator, Pipeline) and len(estimator.steps) > 1:
            X = estimator[:-1].transform(X)
        estimator = inner
    return estimator, X


def replace_final(estimator: Any, change: Callable[[Any], Any]) -> Any:
    """Put what a change makes of the classifier inside in its place; return the outermost."""
    inner = _inside(estimator)
    if inner is None:
        return change(estimator)
    inner = replace_final(inner, change)
    if isinstance(estimator, Pipeline):
        estimator.steps[-1] = (estimator.steps[-1][0], inner)
    elif isinstance(estimator, FrozenEstimator):
        estimator.estimator = inner
    else:
        estimator.best_estimator_ = inner
    return estimator


def _inside(estimator: Any) -> Any:
    """Return what an estimator wraps, None if it wraps nothing."""
    if isinstance(estimator, Pipeline):
        return estimator.steps[-1][1]
    if isinstance(estimator, FrozenEstimator):
        return estimator.estimator
    return getattr(estimator, "best_estimator_", None)
