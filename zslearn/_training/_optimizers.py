"""Optimisers by name, and those of an estimator's options that one knows."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch

__all__ = ["OPTIMIZERS", "optimizer_options"]

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}


def optimizer_options(
    optimizer: type[torch.optim.Optimizer],
    device: torch.device,
    *,
    betas: Sequence[float],
    weight_decay: float,
) -> dict[str, Any]:
    """Those of the options that an optimiser knows.

    Parameters
    ----------
    optimizer : type
    device : torch.device
        Where the weights are.
    betas : sequence of two floats
    weight_decay : float

    Returns
    -------
    dict of str to object

    Raises
    ------
    ValueError
        If `optimizer` is no optimiser, the betas are not two numbers in [0, 1), or the optimiser
        has no weight decay and some is wanted.
    """
    if not issubclass(optimizer, torch.optim.Optimizer):
        raise ValueError(
            "optimizer must be 'adam', 'adamw', 'sgd' or a subclass of torch.optim.Optimizer, "
            f"found {optimizer.__name__}"
        )
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"betas must be two numbers in [0, 1), found {betas!r}")
    options: dict[str, Any] = {"weight_decay": weight_decay, "betas": tuple(betas)}
    if optimizer in OPTIMIZERS.values() and device.type in ("cpu", "cuda"):
        options["fused"] = True
    known = inspect.signature(optimizer).parameters
    if weight_decay and "weight_decay" not in known:
        raise ValueError(
            f"weight_decay={weight_decay}, but {optimizer.__name__} has none: set it to 0"
        )
    return {name: value for name, value in options.items() if name in known}
