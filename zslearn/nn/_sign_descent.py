"""Adversarial samples: small steps against the signs of a gradient."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["descend_by_sign"]


def descend_by_sign(
    objective: Callable[[Tensor], Tensor],
    x: Tensor,
    step: Tensor | float,
    n_steps: int,
    low: Tensor | None = None,
    high: Tensor | None = None,
) -> Tensor:
    """Return x after steps that each lower an objective (a scalar) by the signs of its slope.

    `step`, `low` and `high` broadcast with x. Only the gradient by x is taken: weights gather none.
    """
    with torch.enable_grad():
        for _ in range(n_steps):
            x = x.detach().requires_grad_()
            (slope,) = torch.autograd.grad(objective(x), x)
            x = x.detach() - step * slope.sign()
            if low is not None or high is not None:
                x = torch.clamp(x, low, high)
    return x.detach()
