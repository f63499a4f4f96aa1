"""Choose weights, epochs and delta on held-out seen classes; then read the test split, once.

python -m benchmarks.select_cub50 [--data FOLDER] [--n-jobs 1] [--seeds 3] [--json FILE]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import GridSearchCV

from benchmarks._command import command_line
from benchmarks.cub50 import evaluate, load, machine
from zslearn import CVsCClassifier
from zslearn.calibration import TunedCalibrationClassifierCV
from zslearn.metrics import gzsl_multimetric_scorer
from zslearn.model_selection import SeenUnseenKFold

EPOCHS = [6, 12]
GRID: list[dict[str, list[float]]] = [
    {"lambda_cc": [0.0, 0.5, 2.0], "lambda_sci": [0.0], "lambda_tci": [0.0], "max_epochs": EPOCHS},
    {"lambda_cc": [0.5, 2.0], "lambda_sci": [2.0], "lambda_tci": [2.0], "max_epochs": EPOCHS},
]
FOLDS = SeenUnseenKFold(3, random_state=0)


def search(X: Any, y: Any, table: Any, n_jobs: int) -> GridSearchCV:
    """Mean metrics of every setting over class-disjoint folds of the training images."""
    found = GridSearchCV(
        CVsCClassifier(random_state=0),
        GRID,
        cv=FOLDS,
        scoring=gzsl_multimetric_scorer,
        refit=False,
        n_jobs=n_jobs,
        verbose=2,
        error_score="raise",
    )
    return found.fit(X, y, class_attributes=table)


def run(folder: Path, n_jobs: int, seeds: int) -> dict[str, Any]:
    """Select, calibrate, fit, and evaluate beside the defaults."""
    X, y, split, table = load(folder)
    train = split == "trainval"
    X_train, y_train = X[train], y[train]
    found = search(X_train, y_train, table, n_jobs).cv_results_
    order = np.argsort(-found["mean_test_AUSUC"])
    chosen = {name: float(value) for name, value in found["params"][order[0]].items()}
    chosen["max_epochs"] = int(chosen["max_epochs"])
    candidates = [
        {"params": found["params"][i]}
        | {m: float(found[f"mean_test_{m}"][i]) for m in ("AUSUC", "T1", "H")}
        for i in order
    ]
    # From here on nothing is chosen any more.
    X_test, y_test = X[~train], y[~train]
    tests: dict[str, list[dict[str, float]]] = {"chosen": [], "defaults": []}
    tuned_info = []
    for seed in range(seeds):
        for name, params in (("chosen", chosen), ("defaults", {})):
            clf = CVsCClassifier(**params, random_state=seed)
            if name == "chosen":
                clf = TunedCalibrationClassifierCV(clf, cv=FOLDS, n_jobs=n_jobs)
            clf.fit(X_train, y_train, class_attributes=table)
            if name == "chosen":
                tuned_info.append({"delta": clf.best_delta_, "validation H": clf.best_score_})
            tests[name].append(evaluate(clf, X_test, y_test))
    return {
        "machine": machine(),
        "candidates": candidates,
        "chosen": chosen,
        "tuned": tuned_info,
        "tests": tests,
    }


def report(results: dict[str, Any]) -> str:
    """Candidates, what was chosen, and the test."""
    lines = [results["machine"], "", "Mean over held-out class splits, by AUSUC:"]
    for candidate in results["candidates"]:
        values = "  ".join(f"{m} {candidate[m]:.3f}" for m in ("AUSUC", "T1", "H"))
        lines.append(f"  {values}  {candidate['params']}")
    lines += ["", f"chosen: {results['chosen']}"]
    for seed, info in enumerate(results["tuned"]):
        lines.append(
            f"seed {seed}: delta {info['delta']:.3f}, validation H {info['validation H']:.3f}"
        )
    names = list(results["tests"]["chosen"][0])
    lines += ["", f"{'test':10}" + "".join(f"{name:>14}" for name in names)]
    for label, rows in results["tests"].items():
        values = np.array([[row[name] for name in names] for row in rows])
        spread = values.std(0, ddof=1) if len(values) > 1 else np.zeros(len(names))
        cells = "".join(f"{m:>8.3f}±{s:.3f}" for m, s in zip(values.mean(0), spread, strict=True))
        lines.append(f"{label:10}{cells}")
    return "\n".join(lines)


if __name__ == "__main__":
    command_line(__doc__, run, report, n_jobs=1, seeds=3)
