r"""Speed of CE-GZSL's comparator beside its literal form.

    python -m benchmarks.generative_contrastive --repeats 3

Every embedding of a batch is compared with every seen class. Literal code lays each embedding
beside each description and takes the products of all pairs, a row at a time; the comparator takes
those of embeddings and of descriptions once each. Timed by turns, in CPU seconds of one thread, the
least of several runs. Compare ratios.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, leaky_relu

from benchmarks._measure import machine
from benchmarks.linear_speed import least
from zslearn.nn import ClassComparator

Compare = Callable[[ClassComparator, Tensor, Tensor], Tensor]


def literal(comparator: ClassComparator, h: Tensor, table: Tensor) -> Tensor:
    """Compare as the formula is printed, a row at a time."""
    rows = []
    for one in h:
        joined = torch.cat([one.expand(len(table), -1), table], dim=1)
        rows.append(comparator.output(leaky_relu(comparator.joint(joined), 0.2)))
    return torch.cat(rows, dim=1).T


def step(compare: Compare, comparator: ClassComparator, h: Tensor, table: Tensor) -> None:
    """Take the loss and its gradients."""
    comparator.zero_grad()
    h.grad = None
    y = torch.arange(len(h)) % len(table)
    cross_entropy(compare(comparator, h, table) / 0.1, y).backward()


def forward(compare: Compare, comparator: ClassComparator, h: Tensor, table: Tensor) -> None:
    """Take the scores alone."""
    with torch.no_grad():
        compare(comparator, h, table)


def main() -> None:
    """Time all ways, and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    B, S, M, K, H = 64, 150, 2048, 312, 2048
    comparator = ClassComparator(M, K, H)
    h, table = torch.rand(B, M).requires_grad_(), torch.rand(S, K)
    split = ClassComparator.__call__
    ways: dict[str, Callable[[], object]] = {
        f"{name}, {what.__name__}": partial(what, compare, comparator, h, table)
        for what in (forward, step)
        for name, compare in (("literal", literal), ("split", split))
    }
    seconds = least(ways, arguments.repeats)
    print(machine())
    print(f"batch {B}, classes {S}, embedding {M}, attributes {K}, hidden {H}")
    for what in ("forward", "step"):
        slow, fast = (seconds[f"{name}, {what}"] for name in ("literal", "split"))
        print(
            f"{what:10}literal {1e3 * slow:8.1f} ms   split {1e3 * fast:8.1f} ms   "
            f"{slow / fast:5.1f} times"
        )


if __name__ == "__main__":
    main()
