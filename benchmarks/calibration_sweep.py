"""The exact choice of delta against grids of 101 values, on the same folds of made-up birds.

- "tuned, std": TunedCalibrationClassifierCV as it is by default, delta in standard deviations;
- "tuned, absolute": the same with delta in the scores' own unit, as a grid has it;
- "GridSearchCV": a refit for each delta and fold;
- "one fit a fold": the grid as it should be done, from one uncalibrated_scores for each fold.

All fit the classifier again on everything at the end. H is the mean over the folds' held-out
classes that was maximised: it compares the searches, and says nothing about test data.

    python -m benchmarks.calibration_sweep [--samples 400] [--epochs 10] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from benchmarks._machine import machine
from zslearn import CVsCClassifier
from zslearn.calibration import TunedCalibrationClassifierCV
from zslearn.datasets import make_field_guide
from zslearn.feature_extraction import PatchDictionaryExtractor
from zslearn.metrics import gzsl_harmonic_mean_scorer, gzsl_scores
from zslearn.model_selection import SeenUnseenKFold

N_FOLDS = 3


def load(n_samples: int) -> tuple[Any, Any, Any]:
    """Regions and labels of the seen classes' pictures to train on, and the table of these."""
    birds = make_field_guide(n_samples, n_classes=20, n_unseen=5, random_state=0)
    extractor = PatchDictionaryExtractor(
        n_atoms=64, grid_shape=(4, 4), max_patches=10_000, random_state=0
    )
    X = extractor.fit_transform(birds.images[birds.train])
    y = birds.target[birds.train]
    # Without the truly unseen, as the tuning of delta does it by itself.
    return X, y, birds.class_attributes.subset(np.unique(y))


def tuned(clf: Any, X: Any, y: Any, table: Any, units: str) -> dict[str, float]:
    """Sweep all switching points."""
    search = TunedCalibrationClassifierCV(clf, cv=N_FOLDS, units=units, random_state=0)
    search.fit(X, y, class_attributes=table)
    return {"fits": N_FOLDS + 1, "delta": search.best_delta_, "H": search.best_score_}


def grid_search(clf: Any, X: Any, y: Any, table: Any, deltas: Any) -> dict[str, float]:
    """Search the grid with a refit for each value."""
    search = GridSearchCV(
        clf,
        {"delta": deltas},
        cv=SeenUnseenKFold(N_FOLDS, random_state=0),
        scoring=gzsl_harmonic_mean_scorer,
        error_score="raise",
    ).fit(X, y, class_attributes=table)
    return {
        "fits": N_FOLDS * len(deltas) + 1,
        "delta": float(search.best_params_["delta"]),
        "H": float(search.best_score_),
    }


def one_fit_a_fold(clf: Any, X: Any, y: Any, table: Any, deltas: Any) -> dict[str, float]:
    """Search the grid with the scores of one model a fold."""
    heights = np.zeros((N_FOLDS, len(deltas)))
    folds = SeenUnseenKFold(N_FOLDS, random_state=0).split(X, y)
    for row, (train, test) in zip(heights, folds, strict=True):
        fitted = clone(clf).fit(X[train], y[train], class_attributes=table)
        scores = fitted.uncalibrated_scores(X[test])
        for i, delta in enumerate(deltas):
            predictions = fitted.set_params(delta=delta).predict_from_uncalibrated(scores)
            row[i] = gzsl_scores(y[test], predictions, seen_classes=fitted.seen_classes_)[2]
    best = int(heights.mean(0).argmax())
    clone(clf).set_params(delta=deltas[best]).fit(X, y, class_attributes=table)
    return {
        "fits": N_FOLDS + 1,
        "delta": float(deltas[best]),
        "H": float(heights.mean(0)[best]),
    }


def run(n_samples: int, n_epochs: int, low: float, high: float) -> dict[str, Any]:
    """Time each way once."""
    X, y, table = load(n_samples)
    # Few pictures and few epochs: at the default rate hardly anything would be learned.
    clf = CVsCClassifier(max_epochs=n_epochs, learning_rate=1e-2, random_state=0)
    deltas = np.linspace(low, high, 101)
    ways: dict[str, Callable[[], dict[str, float]]] = {
        "tuned, std": lambda: tuned(clf, X, y, table, "std"),
        "tuned, absolute": lambda: tuned(clf, X, y, table, "absolute"),
        "GridSearchCV": lambda: grid_search(clf, X, y, table, deltas),
        "one fit a fold": lambda: one_fit_a_fold(clf, X, y, table, deltas),
    }
    clone(clf).fit(X, y, class_attributes=table)  # what is loaded on first use is not timed
    results: dict[str, Any] = {
        "machine": machine(),
        "data": f"{len(X)} pictures of {len(table.labels)} classes, {n_epochs} epochs, "
        f"{N_FOLDS} folds, grids of {len(deltas)} values from {low:g} to {high:g}",
        "ways": {},
    }
    for name, way in ways.items():
        start = time.perf_counter()
        found = way()
        results["ways"][name] = found | {"seconds": time.perf_counter() - start}
    return results


def report(results: dict[str, Any]) -> str:
    """Results as a table; times relative to the first line."""
    lines = [results["machine"], results["data"], ""]
    lines.append(f"{'':16}{'fits':>6}{'seconds':>10}{'ratio':>8}{'delta':>9}{'H':>9}")
    first = next(iter(results["ways"].values()))
    for name, found in results["ways"].items():
        ratio = found["seconds"] / first["seconds"]
        lines.append(
            f"{name:16}{found['fits']:6d}{found['seconds']:10.2f}{ratio:8.2f}"
            f"{found['delta']:9.3f}{found['H']:9.4f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=400, help="pictures, of seen and unseen")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--low", type=float, default=0.0, help="least delta of the grids")
    parser.add_argument("--high", type=float, default=5.0, help="largest delta of the grids")
    parser.add_argument("--json", type=Path, help="write the results here")
    arguments = parser.parse_args()
    results = run(arguments.samples, arguments.epochs, arguments.low, arguments.high)
    print(report(results))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
