"""Training of the attention methods beside literal implementations of their equations, by turns.

    python -m benchmarks.attention [--methods transzero] [--repeats 5] [--precision float32]
    OMP_NUM_THREADS=1 python -m benchmarks.attention --cpu-seconds     on a busy machine

An epoch over the training pictures of cub50 (49 regions x 1280, 312 attributes) in batches of 50,
with the settings the authors have for CUB; of the literal implementation some steps, times their
number. Peak memory is what each adds while it trains, with its own copy of the regions.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from time import perf_counter, process_time
from typing import Any, NamedTuple

import numpy as np
import torch
from skorch.callbacks import Callback

from benchmarks._machine import machine
from benchmarks._measure import Comparison, measure, report, synchronize
from benchmarks.literal_attention import LiteralDAZLE, LiteralMethod, LiteralMSDN
from benchmarks.literal_transzero import LiteralTransZero
from benchmarks.problems import CUB50, Problem, as_float32, load_cub50, make_problem
from zslearn.registry import method_info

BATCH = 50
ADAM = {"lr": 1e-4, "betas": (0.9, 0.999), "weight_decay": 1e-4}
RMSPROP = {"lr": 1e-4, "momentum": 0.9, "weight_decay": 1e-4}


class Row(NamedTuple):
    """What a method of the registry is compared with, and at which ratio of seconds it aims."""

    literal: type[LiteralMethod]
    optimizer: type[torch.optim.Optimizer]
    options: dict[str, Any]
    aim: float


ROWS = {
    "dazle": Row(LiteralDAZLE, torch.optim.RMSprop, RMSPROP, 5),
    "msdn": Row(LiteralMSDN, torch.optim.RMSprop, RMSPROP, 5),
    "transzero": Row(LiteralTransZero, torch.optim.Adam, ADAM, 2),
}


class EpochEnds(Callback):
    """Notes when epochs end."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.times: list[float] = []

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Note the time."""
        synchronize()
        self.times.append(self.clock())


def compare(
    name: str,
    row: Row,
    problem: Problem,
    *,
    precision: str = "auto",
    clock: Callable[[], float] = perf_counter,
    n_epochs: int = 3,
    n_steps: int = 4,
) -> Comparison:
    """Compare an epoch of an estimator and of its literal implementation."""
    estimator: Any = method_info(name).estimator
    n_batches = -(-len(problem.X) // BATCH)

    def trained(max_epochs: int, **params: Any) -> Any:
        params |= {"precision": precision, "random_state": 0}
        clf = estimator.from_preset("cub", max_epochs=max_epochs, **params)
        return clf.fit(problem.X, problem.y, class_attributes=problem.table)

    def ours() -> float:
        ends = EpochEnds(clock)
        trained(1 + n_epochs, callbacks=[ends])
        return float(np.median(np.diff(ends.times)))

    literal = row.literal(trained(1).net_.module_)
    literal.optimize_by(row.optimizer, **row.options)
    device = literal.table.device
    y = torch.from_numpy(problem.y).to(device)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0)).to(device)

    def written() -> float:
        floats = as_float32(problem.X).to(device)
        literal.step(floats, y, order[:BATCH])
        synchronize()
        start = clock()
        for number in range(n_steps):
            literal.step(floats, y, order[number * BATCH : (number + 1) * BATCH])
        synchronize()
        return n_batches * (clock() - start) / n_steps

    ways = {"zslearn": ours, "literal": written}
    return Comparison(f"{name}, {precision}", problem.name, ways, "epoch")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.attention",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--methods", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--repeats", type=int, default=5, help="after one run to warm up")
    parser.add_argument("--epochs", type=int, default=3, help="of zslearn in a run, after one")
    parser.add_argument("--precision", default="auto", help="of zslearn (default: %(default)s)")
    parser.add_argument("--cpu-seconds", action="store_true", help="instead of elapsed ones")
    arguments = parser.parse_args()
    options = {
        "precision": arguments.precision,
        "n_epochs": arguments.epochs,
        "clock": process_time if arguments.cpu_seconds else perf_counter,
    }
    print(machine())
    there = (CUB50 / "regions.npy").is_file()
    problem = load_cub50() if there else make_problem("CUB ResNet", 1000)
    for name in arguments.methods:
        done = measure(compare(name, ROWS[name], problem, **options), arguments.repeats)
        print(report([done]), flush=True)
        written = done.results["literal"]
        share = done.results["zslearn"]["peak MiB"] / written["peak MiB"]
        print(
            f"{name}: {written['ratio']:.1f} times as fast as literal (aim {ROWS[name].aim:g}), "
            f"{share:.2f} of its memory (aim 0.5)",
            flush=True,
        )


if __name__ == "__main__":
    main()
