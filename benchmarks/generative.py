r"""Speed of methods that generate features: the critic's step beside its bare products.

    python -m benchmarks.generative --repeats 7

One step of the critic is the generated samples, the loss and its gradient; the optimiser is apart.
The same with the penalty differentiated for twice, as literal code has it, and the matrix products
of the step alone, are timed by turns, in CPU seconds of one thread, the least of several runs.
Compare ratios.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks._measure import machine
from benchmarks.linear_speed import least
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


def main() -> None:
    """Time all ways, and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    shape = Shape()
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
