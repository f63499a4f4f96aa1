r"""Speed and memory of methods that generate features: a critic's step, a classifier's rows.

    python -m benchmarks.generative --repeats 7
    python -m benchmarks.generative --memory

One step of the critic is the generated samples, the loss and its gradient; the optimiser is apart.
The same with the penalty differentiated for twice, as literal code has it, and the matrix products
of the step alone, are timed by turns, in CPU seconds of one thread, the least of several runs.
Compare ratios.

With --memory: one epoch of the softmax at the end, on rows of TF-VAEGAN (features, attributes and
hidden layer) of as many pictures as CUB trains on and 300 of each of 50 classes, which stand whole
or are made by the batch; how far memory rises, and CPU seconds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from time import process_time

import numpy as np
import torch
from torch import Tensor

from benchmarks._measure import MIB, machine
from benchmarks.linear_speed import least
from zslearn import TFVAEGANClassifier
from zslearn._sample_weights import Samples
from zslearn.generative._rows import GeneratedRows
from zslearn.generative._softmax import SoftmaxClassifier
from zslearn.model_selection._peak_memory import PeakMemory
from zslearn.nn import ConditionalMLP, CriticLoss


@dataclass(frozen=True)
class Shape:
    """Widths of a step."""

    batch: int = 64
    features: int = 2048
    attributes: int = 312
    hidden: int = 4096


def critic_step(shape: Shape, closed_form: bool, moves: bool = False) -> Callable[[], object]:
    """Return a step of the critic, to the gradients of its weights or, if it moves, to these."""
    torch.manual_seed(0)
    B, D, K, H = shape.batch, shape.features, shape.attributes, shape.hidden
    generator, critic = ConditionalMLP(K, K, H, D, output="relu"), ConditionalMLP(D, K, H, 1)
    loss_of = CriticLoss(closed_form=closed_form)
    x, a, noise, alpha = torch.rand(B, D), torch.rand(B, K), torch.randn(B, K), torch.rand(B, 1)

    adam = torch.optim.Adam(critic.parameters(), lr=1e-4, betas=(0.5, 0.999), fused=True)

    def step() -> None:
        critic.zero_grad()
        with torch.no_grad():
            fake = generator(noise, a)
        loss_of(critic, x, fake, a, alpha)["loss"].backward()
        if moves:
            adam.step()

    return step


def bare_products(shape: Shape) -> Callable[[], object]:
    """Return the products of such a step, in their least number, and nothing else."""
    B, D, K, H = shape.batch, shape.features, shape.attributes, shape.hidden
    given, first, features = torch.rand(B, 2 * K), torch.rand(2 * K, H), torch.rand(H, D)
    both, hidden = torch.rand(2 * B, D + K), torch.rand(D + K, H)
    slopes, out, lengths = torch.rand(B, H), torch.rand(H, 1), torch.rand(B, D)
    weight = torch.rand(H, D)
    at_hidden = torch.rand(2 * B, H)

    def products() -> list[Tensor]:
        gradient = at_hidden.T @ both  # of the critic's weights
        gradient[:, :D].addmm_(slopes.T, lengths)  # what the penalty adds
        return [
            gradient,
            (given @ first) @ features,  # generated samples
            (both @ hidden) @ out,  # the critic of both kinds
            slopes @ weight,  # the gradient the penalty is of
            lengths @ weight.T,  # and what it gives the last layer
        ]

    return products


def memory(shape: Shape, n_real: int = 7057, n_seen: int = 150, n_unseen: int = 50) -> None:
    """Print memory and seconds of the final classifier, its rows whole or by the batch."""
    rng = np.random.default_rng(0)
    X = rng.random((n_real, shape.features), dtype=np.float32)
    y = np.resize(np.arange(n_seen), n_real)
    table = rng.random((n_seen + n_unseen, shape.attributes))
    clf = TFVAEGANClassifier(hidden_dim=shape.hidden, max_epochs=1, critic_iter=1, random_state=0)
    clf.set_params(classifier="softmax", n_synthetic=1)
    clf.fit(X[: 3 * n_seen], y[: 3 * n_seen], class_attributes=table)
    net, scaling, n = clf.net_, clf.scaling_, 300
    rows = GeneratedRows(net, scaling, Samples(X, y), table[n_seen:], n)
    targets = np.concatenate([y, np.repeat(np.arange(n_seen, len(table)), n)])
    softmax = SoftmaxClassifier(n_epochs=1, batch_size=n)
    print(f"{rows.shape[0]} rows of {rows.shape[1]} numbers, {rows.nbytes / MIB:.0f} MiB")
    ways = {
        "whole": lambda: softmax.fit(rows.whole(), targets),
        "by the batch": lambda: softmax.fit(rows, targets),
    }
    weights = {}
    for name, way in ways.items():
        with PeakMemory() as peak:
            start = process_time()
            way()
            seconds = process_time() - start
        weights[name] = softmax.coef_
        print(f"{name:14}{peak.added / MIB:8.0f} MiB{seconds:8.1f} s")
    print(
        f"largest difference of a weight {np.ptp(weights['whole'] - weights['by the batch']):.1g}"
    )


def main() -> None:
    """Time all ways, and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--memory", action="store_true", help="of the classifier's rows")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    shape = Shape()
    if arguments.memory:
        print(machine())
        memory(shape)
        return
    ways = {
        "critic step": critic_step(shape, True),
        "the same and Adam": critic_step(shape, True, moves=True),
        "penalty differentiated twice": critic_step(shape, False),
        "bare products": bare_products(shape),
    }
    seconds = least(ways, arguments.repeats)
    print(machine())
    print(shape)
    for name, found in seconds.items():
        ratio = found / seconds["bare products"]
        print(f"{name:32}{1e3 * found:8.1f} ms{ratio:8.2f} of the bare products")


if __name__ == "__main__":
    main()
