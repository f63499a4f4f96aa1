"""Memory and time of cross-validation on a float16 memmap, given as it is and as a RowView.

scikit-learn copies the rows of each fold out of a memmap; a RowView is read by batches. Each way
has a process of its own. "anonymous" is memory that is not backed by a file (RssAnon, sampled);
the largest resident set also counts pages of the file that the kernel may drop at any time.
Linux only.

    python -m benchmarks.fold_memory [--gib 1.0] [--folds 2] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import cross_validate

from benchmarks._machine import machine
from zslearn import ClassAttributes, CVsCClassifier
from zslearn.metrics import gzsl_multimetric_scorer
from zslearn.model_selection import RowView, SeenUnseenKFold

WAYS = ("memmap", "RowView")
N_REGIONS, N_FEATURES, N_CLASSES, N_ATTRIBUTES = 49, 512, 40, 32
MIB = 2**20
STATUS = Path("/proc/self/status")


class PeakMemory:
    """Largest anonymous memory of this process inside a ``with`` block, in bytes."""

    def __init__(self, interval: float = 0.002) -> None:
        self.interval = interval
        self.before = self.peak = anonymous_memory()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def _sample(self) -> None:
        while not self._done.wait(self.interval):
            self.peak = max(self.peak, anonymous_memory())

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()


def anonymous_memory() -> int:
    """Anonymous memory of this process, in bytes."""
    (line,) = (text for text in STATUS.read_text().splitlines() if text.startswith("RssAnon"))
    return 1024 * int(line.split()[1])


def write_data(folder: Path, gib: float) -> None:
    """Random regions of about that size, and labels."""
    rng = np.random.default_rng(0)
    n = max(int(gib * 2**30 / (2 * N_REGIONS * N_FEATURES)), 10 * N_CLASSES)
    shape = (n, N_REGIONS, N_FEATURES)
    X = np.lib.format.open_memmap(folder / "X.npy", mode="w+", dtype=np.float16, shape=shape)
    block = rng.standard_normal((256, N_REGIONS, N_FEATURES), dtype=np.float32)
    block = block.astype(np.float16)
    for start in range(0, n, len(block)):
        X[start : start + len(block)] = block[: n - start]
    X.flush()
    np.save(folder / "y.npy", rng.permutation(np.arange(n) % N_CLASSES))


def measure(way: str, folder: Path, n_folds: int) -> dict[str, float]:
    """Cross-validate in this process."""
    X: Any = np.load(folder / "X.npy", mmap_mode="r")
    y = np.load(folder / "y.npy")
    table = ClassAttributes(np.random.default_rng(0).random((N_CLASSES, N_ATTRIBUTES)))
    clf = CVsCClassifier(max_epochs=1, random_state=0)
    # What is loaded on first use, whatever the size of X, is not what is measured.
    few = RowView(X, slice(100))
    gzsl_multimetric_scorer(clf.fit(few, y[:100], class_attributes=table), few, y[:100])
    start = time.perf_counter()
    with PeakMemory() as memory:
        results = cross_validate(
            clf,
            RowView(X) if way == "RowView" else X,
            y,
            cv=SeenUnseenKFold(n_folds, random_state=0),
            scoring=gzsl_multimetric_scorer,
            params={"class_attributes": table},
            error_score="raise",
        )
    return {
        "anonymous MiB": memory.peak / MIB,
        "of which added MiB": (memory.peak - memory.before) / MIB,
        "resident MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "seconds": time.perf_counter() - start,
        "AUSUC": float(results["test_AUSUC"].mean()),
    }


def run(gib: float, n_folds: int) -> dict[str, Any]:
    """Measure both ways, each in a process of its own."""
    results: dict[str, Any] = {"machine": machine(), "folds": n_folds}
    with tempfile.TemporaryDirectory() as folder:
        write_data(Path(folder), gib)
        results["data MiB"] = (Path(folder) / "X.npy").stat().st_size / MIB
        for way in WAYS:
            command = [sys.executable, "-m", "benchmarks.fold_memory", "--measure", way, folder]
            done = subprocess.run(
                [*command, "--folds", str(n_folds)], check=True, stdout=subprocess.PIPE, text=True
            )
            results[way] = json.loads(done.stdout)
    return results


def report(results: dict[str, Any]) -> str:
    """Results as a table."""
    names = list(results[WAYS[0]])
    title = f"X of {results['data MiB']:.0f} MiB, {results['folds']} folds"
    lines = [results["machine"], title, "", f"{'':10}" + "".join(f"{name:>20}" for name in names)]
    for way in WAYS:
        values = (results[way][name] for name in names)
        lines.append(f"{way:10}" + "".join(f"{value:>20.4g}" for value in values))
    first, second = (results[way] for way in WAYS)
    ratios = "".join(f"{first[name] / max(second[name], 1e-9):>20.3g}" for name in names)
    return "\n".join([*lines, f"{'ratio':10}{ratios}"])


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gib", type=float, default=1.0, help="size of X")
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the results here")
    parser.add_argument("--measure", nargs=2, metavar=("WAY", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not STATUS.is_file():
        parser.error(f"there is no {STATUS} to read memory from; run it on Linux")
    if arguments.measure:
        way, folder = arguments.measure
        print(json.dumps(measure(way, Path(folder), arguments.folds)))
        return
    results = run(arguments.gib, arguments.folds)
    print(report(results))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
