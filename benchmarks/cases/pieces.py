"""Parts by themselves: the loss terms, the seen-unseen curve, the data path, a search, imports."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from sklearn.model_selection import GridSearchCV

from benchmarks._measure import Comparison
from benchmarks.problems import Problem
from zslearn import CVsCClassifier
from zslearn._data._rows import RegionRows, TrainingBatches
from zslearn._training._device import resolve_device
from zslearn.metrics import ausuc_score, ausuc_scorer, gzsl_scores
from zslearn.model_selection import RowView, SeenUnseenKFold
from zslearn.nn import (
    CalibrationLoss,
    ConditionalCorrelationLoss,
    SemanticInterventionLoss,
    TargetInterventionLoss,
)


def losses(batch_size: int = 50) -> Iterator[Comparison]:
    """Forward and backward of each term at the size of CUB."""
    device = resolve_device("auto")
    generator = torch.Generator().manual_seed(0)
    n_attributes, n_classes = 312, 200

    def draw(width: int) -> torch.Tensor:
        x = torch.randn(batch_size, width, generator=generator).to(device)
        return x.requires_grad_()

    s, other, z, z_other = (draw(w) for w in (n_attributes, n_attributes, n_classes, n_classes))
    target = draw(n_attributes).detach()
    y = torch.randint(n_classes, (batch_size,), generator=generator).to(device)
    unseen = torch.arange(n_classes, device=device) >= 150
    terms: dict[str, Callable[[], torch.Tensor]] = {
        "cross entropy": lambda: torch.nn.functional.cross_entropy(z, y),
        "calibration": lambda: CalibrationLoss()(z, unseen),
        "correlation": lambda: ConditionalCorrelationLoss()(s, target, other),
        "semantic intervention": lambda: SemanticInterventionLoss()(s, other, target),
        "target intervention": lambda: TargetInterventionLoss()(z, z_other, y),
    }
    ways = {
        name: (lambda term=term: term().backward() or None)  # type: ignore[misc]
        for name, term in terms.items()
    }
    yield Comparison("loss terms", f"{batch_size} x {n_attributes}", ways, "term")


def curve(n_samples: int = 5000, n_classes: int = 200) -> Iterator[Comparison]:
    """Time the area under the exact seen-unseen curve, beside a sweep over 101 values of delta."""
    rng = np.random.default_rng(0)
    y = rng.integers(n_classes, size=n_samples)
    scores = rng.standard_normal((n_samples, n_classes)).astype(np.float32)
    scores[np.arange(n_samples), y] += 1.0
    classes, seen = np.arange(n_classes), np.arange(150)

    def grid() -> None:
        bonus = (classes >= 150).astype(np.float32)
        points = [
            gzsl_scores(y, (scores + delta * bonus).argmax(1), seen_classes=seen)[:2]
            for delta in np.linspace(-5, 5, 101)
        ]
        unseen, seen_accuracy = np.array(points).T
        np.trapezoid(unseen, seen_accuracy)

    def exact() -> None:
        ausuc_score(y, scores, classes=classes, seen_classes=seen)

    yield Comparison(
        "AUSUC", f"{n_samples} x {n_classes}", {"zslearn, exact": exact, "101 deltas": grid}
    )


def loading(problem: Problem) -> Iterator[Comparison]:
    """Go through an epoch's batches without computing: from memory, a warm memmap, a lazy fold."""
    device = resolve_device("auto")
    dtype = torch.bfloat16

    def through(X: object, keep: bool, rows: np.ndarray) -> Callable[[], float]:
        def way() -> float:
            source = RegionRows(X, device, dtype, keep=keep)
            batches = TrainingBatches(source, problem.y[rows], 50, seed=0)
            start = time.perf_counter()
            for _ in batches:
                pass
            return time.perf_counter() - start

        return way

    every = np.arange(len(problem.X))
    fold = every[every % 5 != 0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "X.npy"
        np.save(path, problem.X.astype(np.float16))
        stored = np.load(path, mmap_mode="r")
        yield Comparison(
            "batches",
            problem.name,
            {
                "resident": through(problem.X, True, every),
                "array": through(problem.X, False, every),
                "memmap": through(stored, False, every),
                "lazy fold, 4/5": through(RowView(stored, fold), False, fold),
            },
            "epoch",
        )


def search(problem: Problem) -> Iterator[Comparison]:
    """GridSearchCV over two settings and two class-disjoint folds, beside the bare fits."""
    grid = {"lambda_cc": [0.0, 0.5]}
    table = problem.table.subset(problem.seen)
    clf = CVsCClassifier(max_epochs=2, random_state=0)
    folds = list(SeenUnseenKFold(2, random_state=0).split(problem.X, problem.y))

    def whole() -> None:
        GridSearchCV(clf, grid, cv=folds, scoring=ausuc_scorer, refit=False).fit(
            problem.X, problem.y, class_attributes=table
        )

    def bare() -> None:
        for train, _ in folds:
            for weight in grid["lambda_cc"]:
                CVsCClassifier(max_epochs=2, random_state=0, lambda_cc=weight).fit(
                    problem.X[train], problem.y[train], class_attributes=table
                )

    yield Comparison(
        "GridSearchCV, 4 fits", problem.name, {"with scores": whole, "bare fits": bare}, "search"
    )


def imports() -> Iterator[Comparison]:
    """Time to import, in processes of their own."""
    statements = ("pass", "import zslearn", "import zslearn.metrics", "import torch")
    last = "from zslearn import CVsCClassifier"

    def way(statement: str) -> Callable[[], None]:
        return lambda: subprocess.run([sys.executable, "-c", statement], check=True) and None

    yield Comparison(
        "import", "a new process", {text: way(text) for text in (last, *statements)}, "process"
    )
