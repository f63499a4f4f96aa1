"""How to choose settings and carry delta over, studied on seen classes of real region features.

Groups of the 40 seen classes of cub50 take turns as an outer test; within the others, inner folds
choose. Two questions, neither of which looks at the test images:

- In which units does a delta chosen on inner folds carry over to the model fitted on all of the
  outer training part? (H reached on the outer test, against the best H there.)
- By which inner criterion should settings be chosen? (Area and H on the outer test of the setting
  each criterion picks.)

    python -m benchmarks.selection_study [--data FOLDER] [--outer 4] [--inner 4]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from benchmarks._data import FOLDER, load_regions
from benchmarks._machine import machine
from zslearn import CVsCClassifier
from zslearn.calibration import FixedCalibrationClassifier
from zslearn.calibration._folds import measure, measure_unit
from zslearn.calibration._response import CalibrationRule
from zslearn.metrics import ausuc_score, best_calibration, czsl_accuracy_score, gzsl_scores
from zslearn.metrics._gzsl import harmonic_mean
from zslearn.metrics._sweep import FoldCurve, sweep
from zslearn.metrics._units import UNITS
from zslearn.model_selection import SeenUnseenKFold

SETTINGS: dict[str, dict[str, float]] = {
    "baseline": {"lambda_cc": 0.0, "lambda_sci": 0.0, "lambda_tci": 0.0},
    "cc": {"lambda_sci": 0.0, "lambda_tci": 0.0},
    "tci": {"lambda_cc": 0.0, "lambda_sci": 0.0},
    "CVsC": {},
    "CVsC, cal 1": {"lambda_cal": 1.0},
    "CVsC, cc 2": {"lambda_cc": 2.0},
}
EPOCHS = 8


class Remembered:
    """A fitted classifier that scores each array once, however often it is asked."""

    def __init__(self, clf: CVsCClassifier) -> None:
        self.clf = clf
        self.classes_, self.seen_classes_ = clf.classes_, clf.seen_classes_
        self.known = {"classes": clf.classes_, "seen_classes": clf.seen_classes_}
        self._scores: dict[int, Any] = {}

    def uncalibrated_scores(self, X: Any) -> Any:
        """Scores of the classifier."""
        if id(X) not in self._scores:
            self._scores[id(X)] = self.clf.uncalibrated_scores(X)
        return self._scores[id(X)]

    def predict(self, X: Any, delta: float, delta_scale: str) -> Any:
        """Calibrated predictions."""
        calibrated = FixedCalibrationClassifier(self.clf, delta=delta, delta_scale=delta_scale)
        return calibrated.predict_from_uncalibrated(self.uncalibrated_scores(X))


def scores_of(clf: Remembered, X: Any, y: Any) -> dict[str, float]:
    """T1, area and best H of a model on held-out samples."""
    scores = clf.uncalibrated_scores(X)
    return {
        "T1": czsl_accuracy_score(y, scores, **clf.known),
        "AUSUC": ausuc_score(y, scores, **clf.known),
        "H": best_calibration(y, scores, **clf.known).score,
    }


def carried(folds: list[Any], fitted: Remembered, X_train: Any, X: Any, y: Any) -> dict:
    """H on the outer test with the delta of the inner folds, carried over in each unit."""
    rule = CalibrationRule().fit(fitted)
    reached = {}
    for name, unit in UNITS.items():
        curves = [FoldCurve.from_switches(fold[name].switches, fold[name].unit) for fold in folds]
        delta = sweep(curves, harmonic_mean).delta
        own = measure_unit(fitted, X_train, rule, rule.classes_, unit)
        own_delta = float(own.from_units(np.array([delta]))[0])
        predicted = fitted.predict(X, own_delta, unit.delta_scale)
        reached[name] = gzsl_scores(y, predicted, seen_classes=fitted.seen_classes_).H
    return reached


def run(folder: Path, outer: int, inner: int) -> dict[str, Any]:
    """Fit every setting on every inner and outer fold."""
    X, y, table, split = load_regions(folder)
    X, y = X[split.train], y[split.train]
    rows: list[dict[str, Any]] = []
    folds_out = list(SeenUnseenKFold(max(2, outer), random_state=0).split(X, y))[:outer]
    with tqdm(total=len(folds_out) * len(SETTINGS) * (inner + 1), unit="fit") as bar:
        for o, (train, test) in enumerate(folds_out):
            X_train, y_train = X[train], y[train]
            described = table.subset(np.unique(y_train))
            folds_in = list(SeenUnseenKFold(inner, random_state=1).split(X_train, y_train))
            for name, params in SETTINGS.items():
                params = {**params, "max_epochs": EPOCHS}
                found, folds = [], []
                for i, (a, b) in enumerate(folds_in):
                    clf = CVsCClassifier(**params, random_state=i)
                    clf.fit(X_train[a], y_train[a], class_attributes=described)
                    model, part = Remembered(clf), (X_train[b], y_train[b], X_train[a])
                    found.append(scores_of(model, *part[:2]))
                    folds.append({u: measure(model, *part, UNITS[u], keep=False) for u in UNITS})
                    bar.update()
                clf = CVsCClassifier(**params, random_state=o)
                clf.fit(X_train, y_train, class_attributes=table.subset(np.unique(y)))
                model, X_test = Remembered(clf), X[test]
                result = scores_of(model, X_test, y[test])
                reached = carried(folds, model, X_train, X_test, y[test])
                rows.append(
                    {
                        "outer": o,
                        "setting": name,
                        "inner": found,
                        "test": result,
                        "carried": reached,
                    }
                )
                bar.update()
    return {"machine": machine(), "epochs": EPOCHS, "rows": rows}


def report(results: dict[str, Any]) -> str:
    """Both questions as tables."""
    rows = results["rows"]
    lines = [
        results["machine"],
        "",
        "Loss of H against the best delta on the outer test, by units:",
    ]
    for unit in UNITS:
        loss = np.array([row["test"]["H"] - row["carried"][unit] for row in rows])
        lines.append(
            f"  {unit:12} mean {loss.mean():.4f}  worst {loss.max():.4f}  (n = {len(loss)})"
        )
    lines += ["", "Outer test of the setting picked on inner folds, by criterion:"]
    lines.append(f"  {'':24}{'AUSUC':>8}{'best H':>8}{'T1':>8}")
    for label, pick in criteria(rows).items():
        picked = [row["test"] for row in pick]
        means = [np.mean([test[m] for test in picked]) for m in ("AUSUC", "H", "T1")]
        lines.append(f"  {label:24}" + "".join(f"{m:8.4f}" for m in means))
    lines += ["", "Mean over outer tests by setting:"]
    for name in SETTINGS:
        tests = [row["test"] for row in rows if row["setting"] == name]
        means = [np.mean([test[m] for test in tests]) for m in ("AUSUC", "H", "T1")]
        lines.append(f"  {name:24}" + "".join(f"{m:8.4f}" for m in means))
    return "\n".join(lines)


def criteria(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Rows picked by each criterion, one for each outer split (and inner fold, if only one)."""
    picked: dict[str, list[dict[str, Any]]] = {}
    for o in sorted({row["outer"] for row in rows}):
        here = [row for row in rows if row["outer"] == o]
        n_inner = len(here[0]["inner"])
        for metric in ("T1", "H", "AUSUC"):

            def mean(row: dict[str, Any], metric: str = metric) -> float:
                return float(np.mean([fold[metric] for fold in row["inner"]]))

            picked.setdefault(f"{metric}, {n_inner} splits", []).append(max(here, key=mean))
            for i in range(n_inner):

                def single(row: dict[str, Any], metric: str = metric, i: int = i) -> float:
                    return float(row["inner"][i][metric])

                picked.setdefault(f"{metric}, one split", []).append(max(here, key=single))
        picked.setdefault("(best on outer test)", []).append(
            max(here, key=lambda row: row["test"]["AUSUC"])
        )
        picked.setdefault("(any setting)", []).extend(here)
    return picked


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=FOLDER / "cub50", help="folder of regions")
    parser.add_argument("--outer", type=int, default=4)
    parser.add_argument("--inner", type=int, default=4)
    arguments = parser.parse_args()
    print(report(run(arguments.data, arguments.outer, arguments.inner)))
