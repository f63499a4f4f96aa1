"""One fold of the tuning: its parts, its class attributes, its model, its switching points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
from joblib.parallel import get_active_backend
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import clone
from sklearn.utils import _safe_indexing
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _check_method_params

from zslearn._log import tell
from zslearn._split_checks import Split
from zslearn._table_checks import quote_some
from zslearn.base import check_class_attributes
from zslearn.calibration._response import CalibrationRule, class_scores, is_class_attributes_key
from zslearn.metrics._sweep import CommonCalibration, FoldCurve, Scoring, score_pieces, sweep
from zslearn.metrics._switches import Switches, find_switches
from zslearn.metrics._units import Unit
from zslearn.model_selection import RowView


@dataclass(frozen=True)
class Fold:
    """What one model says of delta."""

    switches: Switches
    unit: Unit
    held_out: NDArray[Any]  # labels of the classes that played the unseen
    estimator: Any = None  # the fitted model, if it is wanted
    seconds: float = 0.0  # that its fit and scores took


def with_whole_tables(params: dict[str, Any], y: NDArray[Any]) -> dict[str, Any]:
    """Check the class attribute tables among fit parameters, against all of y."""
    return {
        key: check_class_attributes(value, y)
        if is_class_attributes_key(key) and value is not None
        else value
        for key, value in params.items()
    }


def with_tables_of(params: dict[str, Any], classes: NDArray[Any]) -> dict[str, Any]:
    """Restrict the tables among fit parameters to some classes."""
    return {
        key: value.subset(classes) if is_class_attributes_key(key) and value is not None else value
        for key, value in params.items()
    }


def fit_folds(
    estimator: Any,
    X: Any,
    y: NDArray[Any],
    splits: Sequence[Split],
    fit_params: dict[str, Any],
    unit: type[Unit],
    keep: bool,
    n_jobs: int | None,
    scoring: Scoring | None = None,
) -> list[Fold]:
    """Fit clones of an estimator on all folds; with a scoring, print each fold as it is done."""
    at_once = scoring is None or not get_active_backend()[0].supports_return_generator
    parallel = Parallel(n_jobs=n_jobs, return_as="list" if at_once else "generator")
    folds: list[Fold] = []
    for fold in parallel(
        delayed(fit_fold)(clone(estimator), X, y, split, fit_params, unit, keep) for split in splits
    ):
        folds.append(fold)
        if scoring is not None:
            curves = [FoldCurve.from_switches(one.switches, one.unit) for one in folds]
            best = sweep(curves, scoring)
            n = len(fold.held_out)
            tell(
                f"[calibration fold {len(folds)}/{len(splits)}] {n} class{'es' * (n != 1)} held "
                f"out, {fold.seconds:.1f}s; so far delta_in_units_={best.delta:.4g}, "
                f"best_score_={best.score:.4f}"
            )
    return folds


def fit_fold(
    estimator: Any,
    X: Any,
    y: NDArray[Any],
    split: Split,
    fit_params: dict[str, Any],
    unit: type[Unit],
    keep: bool,
) -> Fold:
    """Fit on the training part and find the switching points of the test part."""
    start = perf_counter()
    train, test = split
    # A memory map is viewed, not copied: it may be larger than memory.
    rows_of = RowView(X) if isinstance(X, np.memmap) else X
    X_train = _safe_indexing(rows_of, train)
    fitted = estimator.fit(X_train, y[train], **_check_method_params(X, fit_params, train))
    fold = measure(fitted, _safe_indexing(rows_of, test), y[test], X_train, unit, keep)
    return replace(fold, seconds=perf_counter() - start)


def measure(
    estimator: Any, X: Any, y: NDArray[Any], X_train: Any, unit: type[Unit], keep: bool
) -> Fold:
    """Find where the samples of a calibration set switch, under a fitted model.

    Candidates are the classes the model has seen and those in y.
    """
    rule = CalibrationRule().fit(estimator)
    name = type(estimator).__name__
    present = np.unique(y)
    undescribed = np.setdiff1d(present, rule.classes_)
    if len(undescribed):
        raise ValueError(
            f"y holds {len(undescribed)} class(es) that are not among the classes_ of the fitted "
            f"{name}, so it cannot predict them: {quote_some(undescribed)}. Describe the classes "
            "of all samples: fit(X, y, class_attributes=...)."
        )
    is_unseen = ~np.isin(present, rule.seen_classes_)
    if is_unseen.all() or not is_unseen.any():
        kind = "seen" if is_unseen.all() else "unseen"
        raise ValueError(
            f"The calibration data hold no sample of a class {kind} by the fitted {name} (they "
            f"hold {quote_some(present)}), so delta cannot be chosen on them. Both kinds are "
            "needed: samples of classes the model has been trained on, held out, and samples of "
            "classes it has only been described. A model that comes fitted is calibrated with "
            "cv='prefit'."
        )
    candidates = np.union1d(rule.seen_classes_, present)
    scores = finite_scores(estimator, X, rule, candidates)
    measured = measure_unit(estimator, X_train, rule, candidates, unit)
    if unit.delta_scale == "probability":
        scores = softmax(scores, axis=1)
    switches = find_switches(y, scores, candidates, rule.seen_classes_)
    return Fold(switches, measured, present[is_unseen], estimator if keep else None)


def measure_unit(
    estimator: Any,
    X_train: Any,
    rule: CalibrationRule,
    candidates: NDArray[Any],
    unit: type[Unit],
) -> Unit:
    """Measure a unit on the scores of training samples."""
    scores = np.empty((0, len(candidates)))
    if unit.needs_training_scores:
        scores = finite_scores(estimator, X_train, rule, candidates)
    return unit.measure(scores, np.isin(candidates, rule.seen_classes_))


def finite_scores(
    estimator: Any, X: Any, rule: CalibrationRule, candidates: NDArray[Any]
) -> NDArray[np.float64]:
    """Scores of some classes in float64, columns in the sorted order of their labels."""
    scores = rule.calibration_scores(class_scores(estimator, X), candidates=candidates)
    n_bad = scores.size - np.count_nonzero(np.isfinite(scores))
    if n_bad:
        raise ValueError(
            f"The scores of the fitted {type(estimator).__name__} hold {n_bad} NaN or infinite "
            f"values of {scores.size}; check that its training has not diverged."
        )
    return scores


def describe_sweep(
    folds: Sequence[Fold],
    curves: Sequence[FoldCurve],
    best: CommonCalibration,
    scoring: Scoring,
) -> dict[str, Any]:
    """Curves of every fold, and of their mean, for `cv_results_`."""
    in_units = [curve.deltas() for curve in curves]
    pairs = zip(folds, in_units, strict=True)
    return {
        "held_out_classes": [fold.held_out for fold in folds],
        "delta": [fold.unit.from_units(deltas) for fold, deltas in pairs],
        "delta_in_units": in_units,
        "unseen_accuracy": [curve.unseen for curve in curves],
        "seen_accuracy": [curve.seen for curve in curves],
        "score": [score_pieces(curve, scoring) for curve in curves],
        "mean_delta_in_units": best.deltas,
        "mean_score": best.scores,
    }
