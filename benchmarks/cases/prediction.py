"""Prediction, attention maps, and predicting more images than memory should have to hold."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from benchmarks._measure import Comparison
from benchmarks.cases.training import BATCH, dtype_for, make_literal
from benchmarks.problems import Problem, as_float32
from zslearn import CVsCClassifier
from zslearn._data._rows import RegionRows
from zslearn._training._device import resolve_device


def predictions(problem: Problem) -> Iterator[Comparison]:
    """Class scores and attention maps of all images, from a classifier trained for an epoch."""
    device = resolve_device("auto")
    dtype = dtype_for(problem, device)
    clf = CVsCClassifier(max_epochs=1, random_state=0)
    clf.fit(problem.X, problem.y, class_attributes=problem.table)
    literal, floats = make_literal(problem, device), as_float32(problem.X).to(device)
    n_attributes = problem.table.n_attributes
    regions = RegionRows(problem.X, device, dtype).take(slice(0, min(len(problem.X), 200)))
    flat = regions.flatten(0, 1)
    weights = torch.randn(2 * n_attributes, flat.shape[1], dtype=dtype, device=device)
    out = torch.empty(len(flat), 2 * n_attributes, dtype=dtype, device=device)
    share = len(problem.X) / len(regions)

    def products() -> None:
        for _ in range(int(share)):
            torch.mm(flat, weights.T, out=out)
        rest = int((share - int(share)) * len(regions)) * regions.shape[1]
        if rest:
            torch.mm(flat[:rest], weights.T, out=out[:rest])

    name = str(dtype).removeprefix("torch.")
    yield Comparison(
        f"decision_function, {name}",
        problem.name,
        {
            "zslearn": lambda: clf.decision_function(problem.X) is None or None,
            "printed equations": lambda: literal.predict(floats, BATCH) is None or None,
            "bare product": products,
        },
        f"{len(problem.X)} images",
    )
    some = slice(0, min(len(problem.X), 400))

    def printed_maps() -> None:
        vectors, query_weight, _ = literal.parameters
        with torch.no_grad():
            queries = torch.nn.functional.normalize(vectors, dim=1) @ query_weight
            for batch in floats[some].split(BATCH):
                unit = torch.nn.functional.normalize(batch, dim=2)
                torch.softmax(torch.einsum("kd,brd->bkr", queries, unit), dim=2)

    yield Comparison(
        f"attention_maps, {name}",
        problem.name,
        {
            "zslearn": lambda: clf.attention_maps(problem.X[some]) is None or None,
            "printed equations": printed_maps,
        },
        f"{some.stop} images",
    )


def many_images(problem: Problem, n_images: int = 100_000) -> Iterator[Comparison]:
    """Memory of predicting very many images: that of a batch and of the result."""
    clf = CVsCClassifier(max_epochs=1, random_state=0)
    clf.fit(problem.X, problem.y, class_attributes=problem.table)
    many = Repeated(problem.X, n_images)
    yield Comparison(
        "decision_function",
        f"{n_images} x {problem.X.shape[1]} x {problem.X.shape[2]}",
        {"zslearn": lambda: clf.decision_function(many) is None or None},
        f"{n_images} images",
    )


class Repeated:
    """A lazy store of n rows, which repeats those of an array."""

    def __init__(self, X: np.ndarray, n: int) -> None:
        self.X, self.shape, self.dtype = X, (n, *X.shape[1:]), X.dtype

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(self.shape[0]))
        return self.X[rows % len(self.X)]
