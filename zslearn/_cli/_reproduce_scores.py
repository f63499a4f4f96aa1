"""Test scores of a fitted model, with what their intervals over classes need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zslearn._cli._inputs import EvaluationInputs
from zslearn.calibration._response import class_scores
from zslearn.metrics import (
    ausuc_score,
    bootstrap_interval,
    class_semantic_error,
    czsl_accuracy_score,
    gzsl_scores,
    semantic_error_increase,
)
from zslearn.model_selection import RowView

__all__ = ["METRICS", "class_intervals", "judge"]

_ERRORS = ("seen_error", "unseen_error", "relative_increase")
METRICS = ("T1", "U", "S", "H", "AUSUC", *_ERRORS)


def judge(model: Any, inputs: EvaluationInputs, delta: float) -> dict[str, Any]:
    """Judge a fitted classifier on the test pictures.

    Parameters
    ----------
    model : CVsCClassifier
        Fitted; its delta is set.
    inputs : EvaluationInputs
    delta : float
        Added to the logits of unseen classes.

    Returns
    -------
    dict
        The metrics, ``delta``, and under ``classes`` for each class of the test pictures its label,
        whether it is unseen, its share of right predictions among all classes and, of unseen ones,
        among the unseen (``T1``), and its semantic error. All in what JSON can hold.
    """
    rows = np.concatenate([inputs.test_seen, inputs.test_unseen])
    X, y = RowView(inputs.X, rows), inputs.y[rows]
    model.set_params(delta=delta)
    scores = class_scores(model, X)
    attributes = model.predict_attributes(X)
    seen = model.seen_classes_
    known = {"classes": model.classes_, "seen_classes": seen}
    predicted = model.predict_from_uncalibrated(scores)
    accuracy = gzsl_scores(y, predicted, seen_classes=seen)
    table = model.class_attributes_
    errors = class_semantic_error(y, attributes, table)
    increase = semantic_error_increase(y, attributes, table, seen_classes=seen)
    labels, index = np.unique(y, return_inverse=True)
    unseen = ~np.isin(labels, seen)
    among_unseen = model.predict_from_uncalibrated(scores, candidates="unseen")
    return {
        "T1": float(czsl_accuracy_score(y, scores, **known)),
        "U": accuracy.unseen,
        "S": accuracy.seen,
        "H": accuracy.harmonic_mean,
        "AUSUC": float(ausuc_score(y, scores, **known)),
        "seen_error": increase.seen_error,
        "unseen_error": increase.unseen_error,
        "relative_increase": increase.relative_increase,
        "delta": delta,
        "classes": {
            "labels": labels.tolist(),
            "unseen": unseen.tolist(),
            "accuracy": _shares(index, predicted == y).tolist(),
            "T1": _shares(index, among_unseen == y)[unseen].tolist(),
            "semantic_error": errors.errors.mean(axis=1).tolist(),
        },
    }


def class_intervals(
    runs: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]] | None = None
) -> dict[str, tuple[float, float]]:
    """95 % intervals of means over seeds, classes resampled.

    Parameters
    ----------
    runs : sequence of dict
        Of :func:`judge`, a run a seed.
    others : sequence of dict, default=None
        Runs of another model on the same pictures: the intervals are then those of differences.

    Returns
    -------
    dict of str to (float, float)
        Of T1, U, S, H and the semantic errors; empty where there are too few classes to resample.
    """
    first = runs[0]["classes"]
    labels, unseen = np.array(first["labels"]), np.array(first["unseen"])
    if min(unseen.sum(), (~unseen).sum()) < 2:
        return {}
    names = labels.tolist()

    def means_over_seeds(y: Any, values: Any, *, class_weight: Mapping[Any, int]) -> Any:
        weights = np.array([class_weight[name] for name in names], dtype=np.float64)
        u, s = (
            weights[side] @ values[side].reshape(side.sum(), -1) / weights[side].sum()
            for side in (unseen, ~unseen)
        )
        (t1, u, unseen_error), (_, s, seen_error) = u.reshape(3, -1), s.reshape(3, -1)
        total = u + s
        h = np.divide(2 * u * s, total, out=np.zeros_like(u), where=total > 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            increase = unseen_error / seen_error - 1
        each = (t1, u, s, h, seen_error, unseen_error, increase)
        return [values.sum() / len(values) for values in each]

    interval = bootstrap_interval(
        means_over_seeds,
        labels,
        _by_class(runs),
        y_pred_other=None if others is None else _by_class(others),
        seen_classes=labels[~unseen],
        random_state=0,
    )
    ends = zip(interval.low.tolist(), interval.high.tolist(), strict=True)
    return dict(zip(("T1", "U", "S", "H", *_ERRORS), ends, strict=True))


def _by_class(runs: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
    """T1, accuracy and semantic error of each class and seed, (C, 3, n_seeds)."""
    unseen = np.array(runs[0]["classes"]["unseen"])
    values = np.zeros((len(unseen), 3, len(runs)))
    for seed, run in enumerate(runs):
        values[unseen, 0, seed] = run["classes"]["T1"]
        values[:, 1, seed] = run["classes"]["accuracy"]
        values[:, 2, seed] = run["classes"]["semantic_error"]
    return values


def _shares(index: NDArray[np.intp], right: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.bincount(index, weights=right) / np.bincount(index)
