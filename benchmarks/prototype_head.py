"""What the heads of CVsC are worth: paired differences over random re-splits of seen classes.

Of the training samples of each data set, a quarter of the classes plays the unseen, and a fifth of
the samples of the others tests the seen; the data sets' own test classes have no part. T1, the
harmonic mean with the estimator's own delta and with the best in hindsight, the area under the
seen-unseen curve, each as a mean over splits and as the mean and deviation of the differences.

    python -m benchmarks.prototype_head --data FOLDER [--sets cub50 flo40] [--splits 6]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.base import clone

from benchmarks._machine import machine
from zslearn import ClassAttributes, CVsCClassifier
from zslearn.attention import PrototypeHead
from zslearn.linear_model import PrototypeRegressionClassifier
from zslearn.metrics import ausuc_score, best_calibration, czsl_accuracy_score, gzsl_scores

FIRST = {"max_epochs": 20, "learning_rate_schedule": "constant", "delta": 2.0}
VARIANTS: dict[str, Any] = {
    "own head, 20 epochs, constant rate": CVsCClassifier(head="own", **FIRST),
    "own head": CVsCClassifier(head="own", delta=2.0),
    "default": CVsCClassifier(),
    "prototypes": CVsCClassifier(head="prototypes"),
    "attributes alone": CVsCClassifier(head=PrototypeHead(feature_weight=0.0)),
    "features alone": CVsCClassifier(head=PrototypeHead(attribute_weight=0.0)),
    "prototypes + LDA": PrototypeRegressionClassifier(delta=2.5),
}
NAMES = ("T1", "H", "best H", "AUSUC", "delta")


def read(folder: Path) -> tuple[Any, Any, ClassAttributes]:
    """Regions and labels of the training samples, and the table of their classes."""
    data = np.load(folder / "meta.npz")
    words = {key: data[key] for key in ("attribute_names",) if key in data}
    if "attribute_vectors" in data:
        words["word_vectors"] = data["attribute_vectors"]
    values = data["class_attributes"].astype(np.float64)
    table = ClassAttributes(values, labels=data["class_names"], **words)
    rows = np.flatnonzero(data["split"] == "trainval")
    y = data["label"][rows]
    X = np.load(folder / "regions.npy", mmap_mode="r")[rows]
    return X, y, table.subset(np.unique(y))


def resplit(y: Any, number: int) -> tuple[Any, Any]:
    """Rows to train on and rows to test on."""
    rng = np.random.default_rng(1000 + number)
    classes = np.unique(y)
    unseen = np.isin(y, rng.permutation(classes)[: round(len(classes) / 4)])
    test = unseen | (rng.random(len(y)) < 0.2)
    return np.flatnonzero(~test), np.flatnonzero(test)


def measure(clf: Any, X: Any, y: Any, table: ClassAttributes, rows: tuple[Any, Any]) -> list[float]:
    """Numbers of one fit, in the order of NAMES, and its seconds."""
    train, test = rows
    start = perf_counter()
    clf.fit(X[train], y[train], class_attributes=table)
    seconds = perf_counter() - start
    scores = clf.uncalibrated_scores(X[test])
    known = {"classes": clf.classes_, "seen_classes": clf.seen_classes_}
    best = best_calibration(y[test], scores, **known)
    found = gzsl_scores(
        y[test], clf.predict_from_uncalibrated(scores), seen_classes=clf.seen_classes_
    )
    accuracy = czsl_accuracy_score(y[test], scores, **known)
    area = ausuc_score(y[test], scores, **known)
    return [accuracy, found.harmonic_mean, best.score, area, best.delta, seconds]


def report(results: dict[str, Any]) -> str:
    """Means over the splits, and the differences to the first variant."""
    first = next(iter(results.values()))
    lines = [f"{'':34}" + "".join(f"{name:>9}" for name in (*NAMES, "seconds"))]
    for name, values in results.items():
        lines.append(f"{name:34}" + "".join(f"{mean:9.3f}" for mean in np.mean(values, axis=0)))
        gains = np.subtract(values, first)[:, :4]
        if len(gains) > 1 and name != next(iter(results)):
            pairs = zip(gains.mean(axis=0), gains.std(axis=0, ddof=1), strict=True)
            cells = (f"{mean:+.3f} ({sd:.3f})" for mean, sd in pairs)
            lines.append(f"    over the first (deviation): {', '.join(cells)}, n = {len(gains)}")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--sets", nargs="+", default=["cub50", "flo40"])
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--splits", type=int, default=6)
    arguments = parser.parse_args()
    print(machine())
    everything: dict[str, list[list[float]]] = {name: [] for name in arguments.variants}
    for data_set in arguments.sets:
        X, y, table = read(arguments.data / data_set)
        results: dict[str, list[list[float]]] = {name: [] for name in arguments.variants}
        for number in range(arguments.splits):
            for name, rows in results.items():
                clf = clone(VARIANTS[name])
                if "random_state" in clf.get_params():
                    clf.set_params(random_state=0)
                rows.append(measure(clf, X, y, table, resplit(y, number)))
                everything[name].append(rows[-1])
        print(f"\n{data_set}\n{report(results)}", flush=True)
    print(f"\nall\n{report(everything)}")
