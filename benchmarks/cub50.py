"""Ablation of CVsC (Table 3) on real region features: 50 classes of CUB, 10 of them unseen.

The number of epochs and delta are chosen for each variant on seen classes held out from training;
the test images are read once, at the end.

    python -m benchmarks.cub50 [--data FOLDER] [--seeds 3] [--splits 3] [--json FILE]
"""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from benchmarks._command import command_line
from zslearn import ClassAttributes, CVsCClassifier, __version__
from zslearn.metrics import (
    ausuc_score,
    best_calibration,
    bootstrap_interval,
    czsl_accuracy_score,
    gzsl_scores,
    semantic_error_increase,
)

STEP, MAX_EPOCHS = 4, 24

VARIANTS: dict[str, dict[str, float]] = {
    "baseline": {"lambda_cc": 0.0, "lambda_sci": 0.0, "lambda_tci": 0.0},
    "w/o CC": {"lambda_cc": 0.0},
    "w/o SCI": {"lambda_sci": 0.0},
    "w/o TCI": {"lambda_tci": 0.0},
    "CVsC": {},
}


def load(folder: Path) -> tuple[Any, Any, Any, ClassAttributes]:
    """Regions, labels, the name of each image's split, and the class table."""
    meta = np.load(folder / "meta.npz")
    table = ClassAttributes(
        meta["class_attributes"],
        labels=meta["class_names"],
        attribute_names=meta["attribute_names"],
        word_vectors=meta["attribute_vectors"],
    )
    return np.load(folder / "regions.npy"), meta["label"], meta["split"], table


def disjoint_splits(y: Any, n_splits: int, n_groups: int = 4) -> Iterator[tuple[Any, Any]]:
    """Rows to train on and to choose on; groups of classes take turns as the unseen ones."""
    if n_splits > n_groups:
        raise ValueError(f"--splits must be at most {n_groups}, found {n_splits}")
    rng = np.random.default_rng(0)
    groups = np.array_split(rng.permutation(np.unique(y)), n_groups)
    for group in groups[:n_splits]:
        held_out = np.isin(y, group) | (rng.random(len(y)) < 0.2)
        yield np.flatnonzero(~held_out), np.flatnonzero(held_out)


def choose(
    params: dict[str, Any], X: Any, y: Any, table: ClassAttributes, n_splits: int, bar: tqdm
) -> dict[str, float]:
    """Epochs by the mean area under the curve over splits, delta by their mean best one."""
    areas, deltas, heights = (np.zeros((n_splits, MAX_EPOCHS // STEP)) for _ in range(3))
    for i, (train, held_out) in enumerate(disjoint_splits(y, n_splits)):
        clf = CVsCClassifier(**params, max_epochs=STEP, warm_start=True, random_state=i)
        X_train, X_held_out = X[train], X[held_out]
        for j in range(areas.shape[1]):
            clf.fit(X_train, y[train], class_attributes=table)
            scores = clf.uncalibrated_scores(X_held_out)
            known = {"classes": clf.classes_, "seen_classes": clf.seen_classes_}
            areas[i, j] = ausuc_score(y[held_out], scores, **known)
            deltas[i, j], heights[i, j] = best_calibration(y[held_out], scores, **known)
            bar.update(STEP)
    best = int(areas.mean(0).argmax())
    return {
        "epochs": STEP * (best + 1),
        "delta": float(deltas[:, best].mean()),
        "validation AUSUC": float(areas[:, best].mean()),
        "validation H": float(heights[:, best].mean()),
    }


def evaluate(clf: CVsCClassifier, X: Any, y: Any) -> dict[str, float]:
    """Metrics on the test images of seen and unseen classes."""
    scores = clf.uncalibrated_scores(X)
    known = {"classes": clf.classes_, "seen_classes": clf.seen_classes_}
    accuracy = gzsl_scores(y, clf.predict_from_uncalibrated(scores), seen_classes=clf.seen_classes_)
    error = semantic_error_increase(
        y, clf.predict_attributes(X), clf.class_attributes_, seen_classes=clf.seen_classes_
    )
    return {
        "T1": czsl_accuracy_score(y, scores, **known),
        "U": accuracy.unseen,
        "S": accuracy.seen,
        "H": accuracy.harmonic_mean,
        "H oracle": best_calibration(y, scores, **known).score,
        "AUSUC": ausuc_score(y, scores, **known),
        "err seen": error.seen_error,
        "err unseen": error.unseen_error,
    }


def machine() -> str:
    """One line about where this ran."""
    return (
        f"zslearn {__version__}, torch {torch.__version__}, {torch.get_num_threads()} threads, "
        f"{platform.machine()}, Python {platform.python_version()}"
    )


def run(folder: Path, seeds: int, splits: int) -> dict[str, Any]:
    """Choose, fit and evaluate every variant."""
    X, y, split, table = load(folder)
    train, test = split == "trainval", split != "trainval"
    X_train, y_train = X[train], y[train]
    X_test, y_test = X[test], y[test]
    described = table.subset(np.unique(y_train))  # the truly unseen have no part in choosing
    results: dict[str, Any] = {"machine": machine(), "seeds": seeds, "splits": splits}
    predictions = {}
    total = len(VARIANTS) * MAX_EPOCHS * (splits + seeds)
    with tqdm(total=total, unit="epoch") as bar:
        for name, params in VARIANTS.items():
            bar.set_description(f"{name}: choosing")
            chosen = choose(params, X_train, y_train, described, splits, bar)
            rows, predicted, seconds = [], [], []
            for seed in range(seeds):
                bar.set_description(f"{name}: seed {seed}")
                clf = CVsCClassifier(
                    **params,
                    max_epochs=int(chosen["epochs"]),
                    delta=chosen["delta"],
                    random_state=seed,
                )
                start = time.perf_counter()
                clf.fit(X_train, y_train, class_attributes=table)
                seconds.append(time.perf_counter() - start)
                rows.append(evaluate(clf, X_test, y_test))
                unseen = np.isin(y_test, clf.unseen_classes_)
                predicted.append(clf.predict(X_test[unseen], candidates="unseen"))
                bar.update(MAX_EPOCHS)
            predictions[name] = np.concatenate(predicted)
            results[name] = {"chosen": chosen, "test": rows, "fit seconds": seconds}
    truth = np.tile(y_test[unseen], seeds)
    for name in VARIANTS:
        gain = bootstrap_interval(
            "per_class_accuracy_score",
            truth,
            predictions[name],
            y_pred_other=predictions["baseline"],
            random_state=0,
        )
        results[name]["T1 over baseline"] = [gain.estimate, gain.low, gain.high]
    return results


def report(results: dict[str, Any]) -> str:
    """Results as a table."""
    names = list(results["CVsC"]["test"][0])
    lines = [results["machine"], ""]
    lines.append(f"{'':9} epochs delta  val H " + "".join(f"{name:>13}" for name in names))
    for variant in VARIANTS:
        entry = results[variant]
        chosen = entry["chosen"]
        values = np.array([[row[name] for name in names] for row in entry["test"]])
        spread = values.std(0, ddof=1) if len(values) > 1 else np.zeros(len(names))
        cells = "".join(f"{m:>7.3f}±{s:.3f}" for m, s in zip(values.mean(0), spread, strict=True))
        lines.append(
            f"{variant:9} {chosen['epochs']:6d} {chosen['delta']:5.2f}  "
            f"{chosen['validation H']:.3f} {cells}"
        )
    lines += ["", "T1 over the baseline, same images, 95% interval over classes:"]
    for variant in list(VARIANTS)[1:]:
        estimate, low, high = results[variant]["T1 over baseline"]
        lines.append(f"{variant:9} {estimate:+.3f}  ({low:+.3f} to {high:+.3f})")
    return "\n".join(lines)


if __name__ == "__main__":
    command_line(__doc__, run, report, seeds=3, splits=3)
