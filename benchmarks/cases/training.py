"""A training step and an epoch, beside the printed equations and the bare matrix products."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from benchmarks._measure import Comparison, synchronize
from benchmarks.literal import LiteralCVsC
from benchmarks.problems import Problem, as_float32
from zslearn import CVsCClassifier
from zslearn._data._rows import RegionRows
from zslearn._training._device import compute_dtype, resolve_device
from zslearn.nn import CVsCLoss, CVsCNetwork

BATCH = 50


def steps(problem: Problem) -> Iterator[Comparison]:
    """One step on a batch that is at hand: forward, losses, backward, Adam."""
    device = resolve_device("auto")
    dtype = dtype_for(problem, device)
    rows = RegionRows(problem.X, device, dtype)
    regions = rows.take(slice(0, BATCH))
    y = torch.from_numpy(problem.y[:BATCH]).to(device)
    table = torch.tensor(problem.table.values, dtype=torch.float32, device=device)
    table /= table.abs().max()
    unseen = torch.ones(len(table), dtype=torch.bool, device=device)
    unseen[problem.seen] = False
    literal = make_literal(problem, device)
    network = CVsCNetwork(
        table, regions.shape[2], attribute_vectors=torch.tensor(problem.table.word_vectors)
    ).to(device)
    criterion = CVsCLoss(table, unseen).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3, betas=(0.5, 0.999), fused=True)

    def ours() -> None:
        optimizer.zero_grad()
        criterion(network(regions), y)["loss"].backward()
        optimizer.step()

    floats = torch.from_numpy(problem.X[:BATCH].astype(np.float32)).to(device)
    batch = torch.arange(BATCH, device=device)

    def printed() -> None:
        literal.step(floats, y, batch)

    yield Comparison(
        f"step, {str(dtype).removeprefix('torch.')}",
        problem.name,
        {
            "zslearn": ours,
            "printed equations": printed,
            "bare products": bare_products(regions, problem.table.n_attributes),
            "and projections": bare_products(regions, problem.table.n_attributes, 300),
        },
        "step",
    )


def epochs(problem: Problem, precision: str = "auto", n_steps: int = 4) -> Iterator[Comparison]:
    """Time an epoch of ``CVsCClassifier.fit``; of the others some steps, times their number."""
    device = resolve_device("auto")
    dtype = dtype_for(problem, device, precision)
    n_batches = -(-len(problem.X) // BATCH)
    table, seen = problem.table, problem.seen

    def ours() -> float:
        clf = CVsCClassifier(max_epochs=4, random_state=0, precision=precision)
        clf.fit(problem.X, seen[np.searchsorted(seen, problem.y)], class_attributes=table)
        return float(np.median(clf.net_.history[1:, "dur"]))

    literal = make_literal(problem, device)
    floats, y = as_float32(problem.X), torch.from_numpy(problem.y).to(device)
    floats = floats.to(device)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0)).to(device)

    def printed() -> float:
        return n_batches * _mean_seconds(
            lambda i: literal.step(floats, y, order[i * BATCH : (i + 1) * BATCH]), n_steps
        )

    regions = RegionRows(problem.X, device, dtype).take(slice(0, BATCH))
    products = bare_products(regions, table.n_attributes)
    projections = bare_products(regions, table.n_attributes, 300)
    yield Comparison(
        f"epoch, {str(dtype).removeprefix('torch.')}",
        problem.name,
        {
            "zslearn": ours,
            "printed equations": printed,
            "bare products": lambda: n_batches * _mean_seconds(lambda i: products(), 5 * n_steps),
            "and projections": lambda: (
                n_batches * _mean_seconds(lambda i: projections(), 5 * n_steps)
            ),
        },
        "epoch",
    )


def small_epochs(problem: Problem) -> Iterator[Comparison]:
    """Overhead: an epoch of a small problem beside a plain loop over the same network and loss."""
    device = resolve_device("auto")
    table = torch.tensor(problem.table.values, dtype=torch.float32, device=device)
    unseen = torch.ones(len(table), dtype=torch.bool, device=device)
    unseen[problem.seen] = False
    X = RegionRows(problem.X, device, torch.float32).take(slice(0, len(problem.X)))
    y = torch.from_numpy(problem.y).to(device)

    def ours() -> float:
        clf = CVsCClassifier(max_epochs=6, random_state=0, precision="float32")
        clf.fit(problem.X, problem.y, class_attributes=problem.table)
        return float(np.median(clf.net_.history[1:, "dur"]))

    network = CVsCNetwork(
        table, X.shape[2], attribute_vectors=torch.tensor(problem.table.word_vectors)
    ).to(device)
    criterion = CVsCLoss(table, unseen).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3, betas=(0.5, 0.999), fused=True)

    def plain() -> None:
        for rows in torch.randperm(len(y)).to(device).split(BATCH):
            optimizer.zero_grad()
            loss = criterion(network(X[rows]), y[rows])["loss"]
            loss.backward()
            optimizer.step()
            loss.item()

    yield Comparison(
        "epoch, float32", "R=1, D=256", {"zslearn": ours, "plain torch loop": plain}, "epoch"
    )


def make_literal(problem: Problem, device: torch.device) -> LiteralCVsC:
    """Make the printed equations, from random weights."""
    table = torch.tensor(problem.table.values, dtype=torch.float32)
    unseen = torch.ones(len(table), dtype=torch.bool)
    unseen[problem.seen] = False
    generator = torch.Generator().manual_seed(0)
    vectors = torch.tensor(problem.table.word_vectors, dtype=torch.float32)
    weights = [
        torch.randn(vectors.shape[1], problem.X.shape[-1], generator=generator) for _ in range(2)
    ]
    parts = (vectors, *weights, table / table.abs().max(), unseen)
    return LiteralCVsC(*(part.to(device) for part in parts))


def bare_products(
    regions: torch.Tensor, n_attributes: int, width: int | None = None
) -> Callable[[], None]:
    """Make the products no implementation can do without: F [Q; E]^T, and its gradient by [Q; E].

    With `width`, the width of the attribute vectors, also the projections A W and their gradients.
    """
    flat = regions.flatten(0, 1)
    options: dict[str, Any] = {"dtype": regions.dtype, "device": regions.device}
    weights = torch.randn(2 * n_attributes, flat.shape[1], **options)
    slope = torch.randn(len(flat), 2 * n_attributes, **options)
    forward, backward = torch.empty_like(slope), torch.empty_like(weights)
    if width is not None:
        vectors = torch.randn(n_attributes, width, **options)
        projection = torch.randn(width, 2 * flat.shape[1], **options)
        side_by_side = torch.empty(n_attributes, 2 * flat.shape[1], **options)
        by_vectors, by_projection = torch.empty_like(vectors), torch.empty_like(projection)

    def run() -> None:
        torch.mm(flat, weights.T, out=forward)
        torch.mm(slope.T, flat, out=backward)
        if width is not None:
            torch.mm(vectors, projection, out=side_by_side)
            torch.mm(side_by_side, projection.T, out=by_vectors)
            torch.mm(vectors.T, side_by_side, out=by_projection)

    return run


def dtype_for(problem: Problem, device: torch.device, precision: str = "auto") -> torch.dtype:
    """Tell what CVsCClassifier computes in."""
    n_regions = problem.X.shape[1]
    work = 2 * BATCH * n_regions * problem.X.shape[2] * problem.table.n_attributes
    return compute_dtype(precision, device, work)


def _mean_seconds(step: Callable[[int], Any], n_steps: int) -> float:
    step(0)
    synchronize()
    start = time.perf_counter()
    for i in range(n_steps):
        step(i)
    synchronize()
    return (time.perf_counter() - start) / n_steps
