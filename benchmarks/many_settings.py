"""Many settings in one pass against separate fits, on a small problem and on real regions.

- "sweep": settings of the weight of one term, as for a study of it;
- "seeds": initial weights and noise, as for error bars or an ensemble.

Both ways run in turn, and the least time of each counts. Their models are compared as well: the
last column is the largest difference of a class score, relative to the largest score.

    python -m benchmarks.many_settings [--settings 1 4 8] [--repeats 3] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from benchmarks._command import DATA
from benchmarks.cub50 import load, machine
from zslearn import ClassAttributes, CVsCClassifier
from zslearn.model_selection import fit_many

Problem = tuple[str, Any, Any, ClassAttributes, CVsCClassifier]


def small(n_epochs: int) -> Problem:
    """One vector an image, as of a pooled backbone."""
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(0.1, 1.0, size=(50, 85)))
    y = rng.integers(0, 40, size=2000)
    X = table.values[y] @ rng.normal(size=(85, 256)) + rng.normal(size=(2000, 256))
    clf = CVsCClassifier(max_epochs=n_epochs, precision="float32", random_state=0)
    return "small, 2000 x 1 x 256, K 85, float32", X.astype(np.float32), y, table, clf


def cub50(folder: Path, n_images: int, n_epochs: int) -> Problem:
    """Regions of the first pictures to train on, of every class alike."""
    X, y, split, table = load(folder)
    rows = np.flatnonzero(split == "trainval")
    rows = np.sort(rows[:: max(1, len(rows) // n_images)][:n_images])
    X, y = X[rows], y[rows]
    clf = CVsCClassifier(max_epochs=n_epochs, precision="bfloat16", random_state=0)
    shape = " x ".join(map(str, X.shape))
    return f"cub50, {shape}, K {table.n_attributes}, bfloat16", X, y, table, clf


def settings_of(kind: str, n: int) -> list[dict[str, Any]]:
    """As many settings as asked for."""
    if kind == "seeds":
        return [{"random_state": seed, "batch_random_state": 0} for seed in range(n)]
    return [{"lambda_cc": 0.1 * (i + 1)} for i in range(n)]


def compare(problem: Problem, kind: str, n: int, repeats: int) -> dict[str, Any]:
    """Least seconds of each way, and how far apart their models are."""
    name, X, y, table, clf = problem
    settings = settings_of(kind, n)
    together, apart = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        one_by_one = [
            clone(clf).set_params(**s).fit(X, y, class_attributes=table) for s in settings
        ]
        apart.append(time.perf_counter() - start)
        start = time.perf_counter()
        at_once = fit_many(clf, settings, X, y, class_attributes=table)
        together.append(time.perf_counter() - start)
    gap = 0.0
    for one, other in zip(at_once, one_by_one, strict=True):
        scores = other.decision_function(X)
        gap = max(
            gap, float(np.abs(one.decision_function(X) - scores).max() / np.abs(scores).max())
        )
    return {
        "problem": name,
        "kind": kind,
        "settings": n,
        "separate seconds": min(apart),
        "fit_many seconds": min(together),
        "ratio": min(apart) / min(together),
        "difference": gap,
    }


def run(folder: Path, numbers: list[int], repeats: int, n_images: int) -> dict[str, Any]:
    """Compare on every problem that is at hand."""
    problems = [small(n_epochs=3)]
    if (folder / "regions.npy").is_file():
        problems.append(cub50(folder, n_images, n_epochs=3))
    results: dict[str, Any] = {"machine": machine(), "cases": []}
    for problem in problems:
        fit_many(problem[-1], [{"max_epochs": 1}] * 2, *problem[1:3], class_attributes=problem[3])
        for kind in ("sweep", "seeds"):
            for n in numbers:
                results["cases"].append(compare(problem, kind, n, repeats))
    return results


def report(results: dict[str, Any]) -> str:
    """Results as a table."""
    lines = [results["machine"]]
    name = None
    for case in results["cases"]:
        if case["problem"] != name:
            name = case["problem"]
            lines += ["", name, f"{'':8}{'m':>3}{'separate s':>12}{'fit_many s':>12}{'ratio':>8}"]
            lines[-1] += f"{'difference':>13}"
        lines.append(
            f"{case['kind']:8}{case['settings']:3d}{case['separate seconds']:12.2f}"
            f"{case['fit_many seconds']:12.2f}{case['ratio']:8.2f}{case['difference']:13.1e}"
        )
    return "\n".join(lines)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA, help="folder of regions and meta data")
    parser.add_argument("--settings", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--images", type=int, default=400, help="of the regions in the folder")
    parser.add_argument("--json", type=Path, help="write the results here")
    arguments = parser.parse_args()
    if min(arguments.settings) < 1 or arguments.repeats < 1 or arguments.images < 1:
        parser.error("--settings, --repeats and --images must be at least 1")
    results = run(arguments.data, arguments.settings, arguments.repeats, arguments.images)
    print(report(results))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
