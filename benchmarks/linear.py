"""Linear methods on real features: accuracy on the Proposed Split, and seconds.

Run as ``python -m benchmarks.linear --data FOLDER``, where the folder holds the prepared data sets
``cub50``, ``flo40`` and ``awa1_bow``. Parameters are the estimators' defaults, but for those in
``SETTINGS``, which come from searches on classes held out of training. The harmonic mean is the
best over all delta, as the area is over all: none is chosen here for use. Methods that need classes
described in the space of the features are left out: these data have no such descriptions.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from scipy.linalg import solve
from sklearn.linear_model import Ridge

from benchmarks import linear_speed
from zslearn import ClassAttributes
from zslearn.metrics import ausuc_score, best_calibration, per_class_accuracy_score
from zslearn.registry import list_methods, make, method_info

# The features of awa1_bow are scaled already, and many more than their width.
SETTINGS: dict[str, dict[str, Any]] = {
    "prototypes": {"shrinkage": 0.03, "scaling": None},
    "eszsl": {"gamma": 10.0, "lam": 0.1, "scaling": None},
    "prototypes_cv": {"scaling": None},
    "eszsl_cv": {"scaling": None},
}
PARTS = ("trainval", "test_seen", "test_unseen")


def read(folder: Path) -> tuple[Any, Any, ClassAttributes, dict[str, Any]]:
    """X, the labels, the table, and the rows of each part of the Proposed Split."""
    if folder.name == "awa1_bow":
        data = np.load(folder / "awa1_bow_pca256.npz")
        names, X = data["class_names"], data["X"]
        y = names[data["label"]]
        rows = {part: data[part] for part in PARTS}
        return X, y, ClassAttributes(data["class_attributes_l2"], labels=names), rows
    data = np.load(folder / "meta.npz")
    X = np.load(folder / "regions.npy", mmap_mode="r")
    X = np.concatenate([X[i : i + 256].mean(axis=1) for i in range(0, len(X), 256)])
    table = data["class_attributes"].astype(np.float64)
    rows = {part: np.flatnonzero(data["split"] == part) for part in PARTS}
    return X, data["label"], ClassAttributes(table, labels=data["class_names"]), rows


def measure(clf: Any, X: Any, y: Any, table: ClassAttributes, rows: dict[str, Any]) -> str:
    """One line of results of an estimator, and the seconds of the processor that a fit takes."""
    train, test = rows["trainval"], np.r_[rows["test_seen"], rows["test_unseen"]]
    start = process_time()
    clf.fit(X[train], y[train], class_attributes=table)
    seconds = process_time() - start
    scores = clf.uncalibrated_scores(X[test])
    classes = {"classes": clf.classes_, "seen_classes": clf.seen_classes_}
    unseen = rows["test_unseen"]
    T1 = per_class_accuracy_score(y[unseen], clf.predict(X[unseen], candidates="unseen"))
    best = best_calibration(y[test], scores, **classes)
    area = ausuc_score(y[test], scores, **classes)
    return f"{T1:.3f} {best.score:.3f} {area:.3f} {best.delta:6.2f} {seconds:7.3f}"


def bare_seconds(X: Any) -> tuple[float, float, float]:
    """Seconds of the product ``X.T @ X``, of ESZSL in numpy, and of scikit-learn's ridge."""
    wide = X.astype(np.float64)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    targets = np.random.default_rng(0).normal(size=(len(X), 85))
    start = process_time()
    gram = wide.T @ wide
    product = process_time() - start
    solve(gram + np.eye(len(gram)), wide.T @ targets, assume_a="pos")
    plain = process_time() - start
    start = process_time()
    Ridge().fit(wide, targets)
    return product, plain, process_time() - start


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--sets", nargs="+", default=["cub50", "flo40", "awa1_bow"])
    methods = [m for m in list_methods(family="linear") if not method_info(m).shared_space]
    parser.add_argument("--methods", nargs="+", default=methods)
    parser.add_argument(
        "--speed",
        nargs="*",
        choices=linear_speed.PARTS,
        help="print times beside other ways to the same instead, all or some of them",
    )
    arguments = parser.parse_args()
    if arguments.speed is not None:
        linear_speed.run(read, arguments.data, arguments.speed or list(linear_speed.PARTS))
        sys.exit()
    print("data set   method          T1    H    AUSUC  delta seconds")
    for name in arguments.sets:
        problem = read(arguments.data / name)
        for method in arguments.methods:
            settings = SETTINGS.get(method, {}) if name == "awa1_bow" else {}
            clf = make(method, **settings)
            if "random_state" in clf.get_params():
                clf.set_params(random_state=0)
            print(f"{name:10} {method:15}", measure(clf, *problem), flush=True)
        product, plain, ridge = bare_seconds(problem[0][problem[3]["trainval"]])
        print(f"{name:10} X'X {product:.3f} s, numpy {plain:.3f} s, Ridge {ridge:.3f} s")
