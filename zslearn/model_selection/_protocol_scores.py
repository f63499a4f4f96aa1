"""What a protocol chooses on held-out seen classes, and what it measures on test samples."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zslearn._wrapped import final_estimator
from zslearn.attributes import ClassAttributes
from zslearn.metrics import (
    ausuc_score,
    best_calibration,
    class_semantic_error,
    czsl_accuracy_score,
    gzsl_scores,
    semantic_error_increase,
)
from zslearn.metrics._gzsl import harmonic_mean
from zslearn.metrics._sweep import FoldCurve, sweep
from zslearn.metrics._switches import find_switches
from zslearn.metrics._units import StdUnit
from zslearn.model_selection._json_lines import as_json
from zslearn.model_selection._peak_memory import PeakMemory
from zslearn.model_selection._protocol_methods import Method, fit_described, uncalibrated
from zslearn.model_selection._protocol_tasks import Task
from zslearn.model_selection._row_view import RowView
from zslearn.model_selection._seen_unseen_kfold import SeenUnseenKFold
from zslearn.model_selection._trained_to import trained_to, uninterrupted

__all__ = ["CRITERIA", "choose", "delta_of", "fit_and_judge", "judge"]

CRITERIA = ("AUSUC", "H", "T1")


@dataclass
class _Candidate:
    """A setting and a number of epochs, with what its folds have said so far."""

    number: int
    epochs: int | None
    areas: list[float]
    accuracies: list[float]
    curves: list[FoldCurve]

    def scores(self) -> dict[str, float]:
        """Means over folds; H is that of the best delta common to them."""
        return {
            "AUSUC": float(np.mean(self.areas)),
            "H": float(sweep(self.curves, harmonic_mean).score),
            "T1": float(np.mean(self.accuracies)),
        }


def choose(
    method: Method,
    task: Task,
    *,
    epochs: Sequence[int] | None,
    folds: SeenUnseenKFold,
    criterion: str,
) -> dict[str, Any]:
    """Choose setting, epochs and delta on groups of seen classes that take turns as the unseen.

    Nothing of the task's test part takes part, nor the descriptions of its unseen classes.
    """
    X, y = task.training_part(method)
    table = task.table.subset(np.unique(y))
    looks = tuple(sorted(epochs)) if epochs and method.has_epochs else None
    candidates: dict[tuple[int, int | None], _Candidate] = {}
    for fold, (train, held_out) in enumerate(folds.split(y, y)):
        X_train, X_held_out = RowView(X, train), RowView(X, held_out)
        for number, setting in enumerate(method.settings):
            try:
                estimator = method.make(setting, fold)
                own = None if "max_epochs" in setting else looks
                for n, fitted in _fitted(estimator, own, X_train, y[train], table):
                    entry = candidates.setdefault((number, n), _Candidate(number, n, [], [], []))
                    _look(entry, fitted, X_train, X_held_out, y[held_out])
            except Exception as error:
                error.add_note(f"While choosing, fold {fold}, setting {setting!r}.")
                raise
    found = [(entry, entry.scores()) for entry in candidates.values()]
    best, scores = max(found, key=lambda pair: pair[1][criterion])  # the first of equals
    return {
        "number": best.number,
        "setting": as_json(method.settings[best.number]),
        "epochs": best.epochs,
        "delta_in_std": float(sweep(best.curves, harmonic_mean).delta),
        "validation": scores,
        "candidates": [
            {"setting": as_json(method.settings[entry.number]), "epochs": entry.epochs, **values}
            for entry, values in found
        ],
    }


def _fitted(
    estimator: Any, looks: Sequence[int] | None, X: Any, y: NDArray[Any], table: ClassAttributes
) -> Iterator[tuple[int | None, Any]]:
    if looks is not None:
        yield from trained_to(estimator, looks, X, y, table)
        return
    with uninterrupted():
        yield None, fit_described(estimator, X, y, table)


def _look(entry: _Candidate, fitted: Any, X_train: Any, X: Any, y: NDArray[Any]) -> None:
    """Add what a fitted model does with a fold's held-out samples."""
    scores, classes = uncalibrated(fitted, X)
    seen = np.asarray(final_estimator(fitted).seen_classes_)
    known = {"classes": classes, "seen_classes": seen}
    entry.areas.append(ausuc_score(y, scores, **known))
    entry.accuracies.append(czsl_accuracy_score(y, scores, **known))
    unit = StdUnit.measure(uncalibrated(fitted, X_train)[0], np.isin(classes, seen))
    entry.curves.append(FoldCurve.from_switches(find_switches(y, scores, classes, seen), unit))


def fit_and_judge(
    method: Method, task: Task, choice: Mapping[str, Any], seed: int
) -> dict[str, Any]:
    """Fit what was chosen, and look at the test part once."""
    estimator = method.make(method.settings[choice["number"]], seed)
    if choice["epochs"] is not None:
        estimator.set_params(max_epochs=choice["epochs"])
    X, y = task.training_part(method)
    X_test, y_test = RowView(task.samples(method), task.test), task.y[task.test]
    with PeakMemory() as memory:
        start = time.perf_counter()
        with uninterrupted():
            fitted = fit_described(estimator, X, y, task.table)
        fit_seconds = time.perf_counter() - start
        delta = delta_of(fitted, X, choice["delta_in_std"])
        start = time.perf_counter()
        judged = judge(fitted, X_test, y_test, delta)
        predict_seconds = time.perf_counter() - start
    n_seen = int(np.isin(y_test, y).sum())
    chosen = {key: choice[key] for key in ("setting", "epochs", "delta_in_std", "validation")}
    seconds = {"choose": choice["seconds"], "fit": fit_seconds, "predict": predict_seconds}
    return {
        "chosen": {**chosen, "delta": delta, "settings": len(method.settings)},
        **judged,
        "seconds": seconds,
        "peak_mib": memory.added / 2**20 or None,
        "samples": [len(y), n_seen, len(y_test) - n_seen],
        "error": None,
    }


def delta_of(fitted: Any, X_train: Any, delta_in_std: float) -> float:
    """Turn a delta in standard deviations of a model's scores into the scores' own units."""
    scores, classes = uncalibrated(fitted, X_train)
    seen = np.isin(classes, np.asarray(final_estimator(fitted).seen_classes_))
    return float(StdUnit.measure(scores, seen).from_units(np.array([delta_in_std]))[0])


def judge(fitted: Any, X: Any, y: NDArray[Any], delta: float) -> dict[str, Any]:
    """Measure a fitted model on test samples of seen and unseen classes.

    Returns
    -------
    dict
        ``scores``, the metrics; and ``accuracies``, for each class of the test samples its label,
        whether it is unseen, its accuracy among all classes and, of unseen ones, among the unseen.
    """
    scores, classes = uncalibrated(fitted, X)
    model = final_estimator(fitted)
    seen = np.asarray(model.seen_classes_)
    known: dict[str, Any] = {"classes": classes, "seen_classes": seen}
    unseen_columns = ~np.isin(classes, seen)
    predicted = classes[(scores + delta * unseen_columns).argmax(axis=1)]
    among_unseen = classes[unseen_columns][scores[:, unseen_columns].argmax(axis=1)]
    accuracy = gzsl_scores(y, predicted, seen_classes=seen)
    plain = gzsl_scores(y, classes[scores.argmax(axis=1)], seen_classes=seen)
    labels, index = np.unique(y, return_inverse=True)
    unseen = ~np.isin(labels, seen)
    values = {
        "T1": float(czsl_accuracy_score(y, scores, **known)),
        "U": float(accuracy.unseen),
        "S": float(accuracy.seen),
        "H": float(accuracy.harmonic_mean),
        "H_delta_0": float(plain.harmonic_mean),
        "H_hindsight": float(best_calibration(y, scores, **known).score),
        "AUSUC": float(ausuc_score(y, scores, **known)),
    }
    return {
        "scores": values | _semantic_errors(model, fitted, X, y),
        "accuracies": {
            "labels": labels.tolist(),
            "unseen": unseen.tolist(),
            "accuracy": _shares(index, predicted == y).tolist(),
            "T1": _shares(index, among_unseen == y)[unseen].tolist(),
        },
    }


def _semantic_errors(model: Any, fitted: Any, X: Any, y: NDArray[Any]) -> dict[str, float]:
    """Errors of predicted attributes, of methods that predict any."""
    if model is not fitted or not hasattr(model, "predict_attributes"):
        return {}
    table, attributes = model.class_attributes_, model.predict_attributes(X)
    error = class_semantic_error(y, attributes, table).mean
    sides = semantic_error_increase(y, attributes, table, seen_classes=model.seen_classes_)
    return {
        "semantic_error": float(error),
        "semantic_error_seen": float(sides.seen_error),
        "semantic_error_unseen": float(sides.unseen_error),
    }


def _shares(index: NDArray[np.intp], right: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.bincount(index, weights=right) / np.bincount(index)
