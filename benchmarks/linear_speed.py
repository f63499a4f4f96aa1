"""Speed of the linear methods, beside searches with refits, bare products, and literal loops.

Run as ``python -m benchmarks.linear --data FOLDER --speed``. All times are CPU seconds of one
thread, which a busy machine changes little; the least of several runs by turns where more than one
is made. Compare ratios.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits

from benchmarks import literal_ranking
from benchmarks._measure import MIB, PeakMemory
from zslearn import ClassAttributes
from zslearn._data._scaling import unit_rows
from zslearn._data._vectors import mean_vectors
from zslearn.linear_model import (
    ALEClassifier,
    DAPClassifier,
    DeViSEClassifier,
    ESZSLClassifier,
    ESZSLClassifierCV,
    PrototypeRegressionClassifier,
    PrototypeRegressionClassifierCV,
    SAEClassifier,
    SAEClassifierCV,
    SJEClassifier,
)
from zslearn.linear_model._grid_search import _class_folds
from zslearn.metrics import ausuc_score, ausuc_scorer

Data = tuple[Any, NDArray[Any], ClassAttributes, dict[str, NDArray[np.intp]]]
Way = Callable[[], object]

PARTS = ["grid", "closed", "ranking", "dap"]
SHAPE = 100_000, 2048
N_CLASSES, N_SEEN, N_ATTRIBUTES = 200, 150, 85


def least(ways: dict[str, Way], repeats: int) -> dict[str, float]:
    """Run all ways by turns; the least CPU seconds of each."""
    seconds = dict.fromkeys(ways, np.inf)
    for _ in range(repeats):
        for name, way in ways.items():
            start = process_time()
            way()
            seconds[name] = min(seconds[name], process_time() - start)
    return seconds


def say(title: str, seconds: dict[str, float]) -> None:
    """Print the seconds of each way, and their ratios to the first."""
    first = next(iter(seconds.values()))
    for name, value in seconds.items():
        print(f"{title:30.30}{name:36}{value:10.3f} s{value / first:9.2f}", flush=True)


def grids(X: Any, y: Any, table: ClassAttributes) -> None:
    """Choices of regularisers, and the same by a search with refits."""
    targets = np.unique(y, return_inverse=True)[1]
    folds = list(_class_folds(targets, 5))
    for own, plain, repeats in (
        (ESZSLClassifierCV, ESZSLClassifier, 2),
        (PrototypeRegressionClassifierCV, PrototypeRegressionClassifier, 1),
        (SAEClassifierCV, SAEClassifier, 1),
    ):
        for scale in (1.0, "auto"):
            clf = own(scaling=None, score_scale=scale)
            search = GridSearchCV(
                plain(scaling=None, score_scale=scale),
                {name: list(values) for name, (_, values) in clf._grid().items()},
                cv=folds,
                scoring=ausuc_scorer,
            )
            ways: dict[str, Way] = {
                f"score_scale={scale!r}": lambda clf=clf: clf.fit(X, y, class_attributes=table),
                "  GridSearchCV with refits": lambda search=search: search.fit(
                    X, y, class_attributes=table
                ),
            }
            least(dict([next(iter(ways.items()))]), 2)
            say(own.__name__, least(ways, repeats))
            difference = clf.cv_results_["mean_test_score"] - search.cv_results_["mean_test_score"]
            same = clf.best_params_ == search.best_params_
            print(f"  the same choice: {same}; largest difference {np.abs(difference).max():.1e}")


def write_problem(folder: Path) -> None:
    """Features of made-up classes, in float32 on disk, with labels and descriptions."""
    rng = np.random.default_rng(0)
    T = rng.random((N_CLASSES, N_ATTRIBUTES))
    means = T @ rng.normal(size=(N_ATTRIBUTES, SHAPE[1]))
    y = rng.integers(N_SEEN, size=SHAPE[0])
    X = np.lib.format.open_memmap(folder / "X.npy", mode="w+", dtype=np.float32, shape=SHAPE)
    for start in range(0, SHAPE[0], 5000):
        noise = rng.standard_normal((5000, SHAPE[1]), dtype=np.float32)
        X[start : start + 5000] = np.maximum(means[y[start : start + 5000]] + 8 * noise, 0)
    X.flush()
    np.savez(folder / "rest.npz", y=y, T=T)


def child(folder: Path, way: str, n: int) -> dict[str, float]:
    """CPU seconds and memory of one way, in this process."""
    X = np.load(folder / "X.npy", mmap_mode="r")[:n]
    rest = np.load(folder / "rest.npz")
    y, T = rest["y"][:n], rest["T"]
    table = ClassAttributes(T)
    wide = None
    if way in ("product", "numpy"):
        wide = unit_rows(X.astype(np.float64))
    elif way == "product, float32":
        wide = np.array(X)
    np.add.reduce(X[:, 0])
    for start in range(0, n, 1000):  # from the disk into the system's cache
        X[start : start + 1000].sum()
    with threadpool_limits(1), PeakMemory() as memory:
        start_time = process_time()
        if way.startswith("product"):
            wide.T @ wide
        elif way == "numpy":
            plain_eszsl(wide, y, T)
        elif way == "Ridge, float32":
            Ridge().fit(X, T[y].astype(np.float32))
        elif way == "one setting":
            ESZSLClassifier(score_scale=1.0).fit(X, y, class_attributes=table)
        elif way == "one setting, score_scale='auto'":
            ESZSLClassifier().fit(X, y, class_attributes=table)
        else:
            ESZSLClassifierCV().fit(X, y, class_attributes=table)
        seconds = process_time() - start_time
    return {
        "seconds": seconds,
        "anonymous": (memory.peak - memory.before) / MIB,
        "resident": largest_resident_set(),
    }


def largest_resident_set() -> float:
    """MiB of this process at most, pages of files included; Linux only."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def plain_eszsl(X: NDArray[np.float64], y: NDArray[Any], T: NDArray[np.float64]) -> Any:
    """One setting, centred, as one would write it for an array in memory."""
    mean, centred = X.mean(axis=0), T - T[np.unique(y)].mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    seen = centred[np.unique(y)]
    left = X.T @ X - len(X) * np.outer(mean, mean) + np.eye(X.shape[1])
    answers = X.T @ centred[y] - np.outer(mean, centred[y].sum(axis=0))
    half = solve(left, answers, assume_a="pos")
    return solve(seen.T @ seen + np.eye(T.shape[1]), half.T, assume_a="pos").T


def closed_forms() -> None:
    """ESZSL from a memory map, beside the bare product, plain numpy and ridge regression."""
    settings = ["one setting", "20 settings"]
    beside = ["numpy", "one setting, score_scale='auto'", "product, float32", "Ridge, float32"]
    with tempfile.TemporaryDirectory() as folder:
        write_problem(Path(folder))
        for n, ways in ((SHAPE[0], ["product", *settings, *beside]), (SHAPE[0] // 4, settings)):
            print(f"ESZSL, {n} x {SHAPE[1]} float32 on disk; added memory, resident set")
            results = {way: measured_child(folder, way, n) for way in ways}
            for way in ways:  # a second turn
                if n == SHAPE[0] and way != "20 settings":
                    again = measured_child(folder, way, n)
                    results[way] = min(results[way], again, key=lambda result: result["seconds"])
            first = next(iter(results.values()))["seconds"]
            for way, result in results.items():
                print(
                    f"  {way:34}{result['seconds']:9.2f} s{result['seconds'] / first:7.2f}"
                    f"{result['anonymous']:8.0f} MiB{result['resident']:8.0f} MiB",
                    flush=True,
                )


def measured_child(folder: str, way: str, n: int) -> dict[str, float]:
    """Measure a way in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.linear_speed", folder, way, str(n)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def scaled(clf: Any, X: Any) -> NDArray[np.float64]:
    """Vectors as a fitted estimator multiplies them."""
    return np.concatenate([clf.scaling_(vectors) for _, vectors in mean_vectors(X)])


def ranking(name: str, data: Data) -> None:
    """Ranking methods, and the published loops over single samples."""
    X, y, table, rows = data
    train, test = rows["trainval"], np.r_[rows["test_seen"], rows["test_unseen"]]
    for cls, loop in (
        (ALEClassifier, literal_ranking.ale),
        (DeViSEClassifier, literal_ranking.devise),
        (SJEClassifier, literal_ranking.sje),
    ):
        clf = cls(random_state=0, score_scale=1.0)
        start = process_time()
        clf.fit(X[train], y[train], class_attributes=table)
        seconds = {f"{clf.max_epochs} epochs": process_time() - start}
        samples, answers = scaled(clf, X[train]), clf.classes_.searchsorted(y[train])
        seen, targets = np.unique(answers, return_inverse=True)
        T = clf._describe(clf.class_attributes_.values)
        start = process_time()
        W = loop(samples, targets, T[seen], clf.learning_rate, clf.margin, clf.max_epochs)
        seconds["  the published loop"] = process_time() - start
        start = process_time()
        products(samples, len(seen), clf.max_epochs, clf.batch_size)
        seconds["  its bare products"] = process_time() - start
        say(f"{cls.__name__}, {name}", seconds)
        for way, coef in (("here", clf.coef_), ("the loop", W)):
            scores = samples @ coef @ T[seen].T
            loss = literal_ranking.loss(cls.__name__[:3], scores, targets, clf.margin)
            area = ausuc_score(
                y[test],
                scaled(clf, X[test]) @ coef @ T.T,
                classes=clf.classes_,
                seen_classes=clf.seen_classes_,
            )
            print(f"    {way:10} loss of the training samples {loss:.3f}, AUSUC {area:.3f}")


def products(samples: NDArray[np.float64], n_seen: int, n_epochs: int, batch_size: int) -> None:
    """Take the products of a descent, of samples in the order they lie in."""
    dual, similar = np.zeros((n_seen, samples.shape[1])), np.eye(n_seen)
    for _ in range(n_epochs):
        for begin in range(0, len(samples), batch_size):
            batch = samples[begin : begin + batch_size]
            dual -= (batch @ dual.T @ similar).T @ batch


def attributes(name: str, data: Data) -> None:
    """DAP, and the same with scikit-learn's regressions one after the other."""
    X, y, table, rows = data
    X, y = X[rows["trainval"]], y[rows["trainval"]]
    one = LogisticRegression(C=10.0, max_iter=1000)
    clfs = {"together": DAPClassifier(), "  scikit-learn's, one by one": DAPClassifier(one)}
    ways: dict[str, Way] = {
        key: lambda clf=clf: clf.fit(X, y, class_attributes=table) for key, clf in clfs.items()
    }
    say(f"DAPClassifier, {name}", least(ways, 1))


def run(read: Callable[[Path], Data], folder: Path, parts: list[str]) -> None:
    """Measure and print."""
    with threadpool_limits(1):
        bags = read(folder / "awa1_bow")
        if "grid" in parts:
            train = bags[3]["trainval"]
            grids(bags[0][train], bags[1][train], bags[2])
        if "closed" in parts:
            closed_forms()
        for name, data in (("awa1_bow", bags), ("cub50", read(folder / "cub50"))):
            if "ranking" in parts:
                ranking(name, data)
            if "dap" in parts:
                attributes(name, data)


if __name__ == "__main__":
    print(json.dumps(child(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
