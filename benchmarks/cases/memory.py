"""Training from a float16 file larger than the memory a process may have, beside one in memory."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._measure import MIB, Comparison, PeakMemory
from benchmarks.problems import make_problem
from zslearn import CVsCClassifier
from zslearn.model_selection import RowView

GIB = 2**30
N_IMAGES = 2000
SHAPE = (196, 768)


def larger_than_memory(n_gib: int = 12, limit_gib: int = 3) -> Iterator[Comparison]:
    """Time an epoch of images spread over a large file, in a process of limited memory.

    The file holds the images of the problem in memory, repeated. What is limited is the memory a
    process asks for (RLIMIT_DATA), which the pages of a mapped file are not part of.
    """
    if shutil.disk_usage(tempfile.gettempdir()).free < (n_gib + 2) * GIB:
        print(f"memory: left out, no {n_gib + 2} GiB of disk are free in {tempfile.gettempdir()}")
        return
    problem = make_problem("CUB ViT", N_IMAGES)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "X.npy"
        n = n_gib * GIB // (2 * SHAPE[0] * SHAPE[1])
        file = np.lib.format.open_memmap(path, "w+", np.float16, (n, *SHAPE))
        for start in range(0, n, N_IMAGES):
            file[start : start + N_IMAGES] = problem.X[: n - start]
        file.flush()
        del file
        reported: dict[str, Any] = {}

        def limited() -> float:
            command = [sys.executable, "-m", "benchmarks.cases.memory", str(path), str(limit_gib)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            reported.update(json.loads(done.stdout.splitlines()[-1]))
            return float(reported["seconds"])

        def in_memory() -> float:
            clf = CVsCClassifier(max_epochs=3, random_state=0)
            clf.fit(problem.X, problem.y, class_attributes=problem.table)
            return float(np.min(clf.net_.history[1:, "dur"]))

        comparison = Comparison(
            f"epoch of {N_IMAGES} images",
            f"{n_gib} GiB under {limit_gib} GiB",
            {"memmap, limited": limited, "array in memory": in_memory},
            "epoch",
        )
        yield comparison
        comparison.results["memmap, limited"]["peak MiB"] = reported["peak MiB"]


def train_limited(path: Path, limit: int) -> dict[str, float]:
    """Train on images spread over a file, with no more memory than `limit` bytes."""
    import resource

    problem = make_problem("CUB ViT", N_IMAGES)
    y, table = problem.y, problem.table
    del problem
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    X = np.load(path, mmap_mode="r")
    # The same images as in memory, each at another place of the file.
    places = np.arange(N_IMAGES) + N_IMAGES * (np.arange(N_IMAGES) % (len(X) // N_IMAGES))
    clf = CVsCClassifier(max_epochs=4, random_state=0)
    with PeakMemory() as memory:
        clf.fit(RowView(X, places), y, class_attributes=table)
    # The first epoch also reads what the file system has not cached.
    return {
        "seconds": float(np.min(clf.net_.history[1:, "dur"])),
        "peak MiB": memory.peak / MIB,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=Path)
    parser.add_argument("limit", type=int)
    arguments = parser.parse_args()
    print(json.dumps(train_limited(arguments.path, arguments.limit * GIB)))
