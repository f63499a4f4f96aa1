"""Optimisers by name or as given, and their learning rates over a training run."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from zslearn._training._callbacks import TrainingCallback
from zslearn._training._schedules import Schedule, StepSchedule

__all__ = ["LearningRate", "find_optimizer", "optimizer_factory", "optimizer_options"]


def find_optimizer(optimizer: Any) -> Callable[..., torch.optim.Optimizer]:
    """Turn a name such as "adam", whatever its case, or a callable into what makes an optimiser."""
    if not isinstance(optimizer, str):
        if callable(optimizer):
            return optimizer
        raise TypeError(
            "optimizer must be the name of a torch optimiser, such as 'adam', or a callable that "
            f"makes one from parameters, found {optimizer!r}"
        )
    known = {
        name.lower(): kind
        for name, kind in vars(torch.optim).items()
        if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer)
    }
    known.pop("optimizer", None)
    if optimizer.lower() not in known:
        raise ValueError(
            f"optimizer must be the name of a torch optimiser, one of {sorted(known)}, or a "
            f"callable that makes one; found {optimizer!r}"
        )
    return known[optimizer.lower()]


def optimizer_options(
    optimizer: Any, usual: Mapping[str, Any], params: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Options asked for, and a method's usual ones where the optimiser knows them."""
    kind = find_optimizer(optimizer)
    known = {name: value for name, value in usual.items() if _takes(kind, name)}
    return known | dict(params or {})


def optimizer_factory(
    optimizer: Any, learning_rate: float, params: Mapping[str, Any] | None, device: torch.device
) -> Callable[..., torch.optim.Optimizer]:
    """Return ``make(parameters, **options)``, which makes the optimiser that was asked for."""
    kind = find_optimizer(optimizer)
    given = dict(params or {})
    if "lr" in given:
        raise ValueError("optimizer_params holds 'lr': set learning_rate instead")
    fused = device.type in ("cpu", "cuda") and _takes(kind, "fused") and "fused" not in given

    def make(parameters: Iterable[Any], **options: Any) -> torch.optim.Optimizer:
        options = {"lr": learning_rate, **given, **options}
        parameters = list(parameters)
        plain = not options.keys() & {"foreach", "differentiable", "capturable"}
        try:
            if fused and plain:
                try:
                    made = kind(parameters, fused=True, **options)
                except (RuntimeError, TypeError):  # not for these dtypes, devices or versions
                    made = kind(parameters, **options)
            else:
                made = kind(parameters, **options)
        except TypeError as error:
            raise ValueError(f"optimizer_params do not suit the optimizer: {error}") from None
        if not isinstance(made, torch.optim.Optimizer):
            raise TypeError(
                f"optimizer must make a torch optimiser, but made a {type(made).__name__}"
            )
        for group in made.param_groups:
            group.setdefault("initial_lr", group["lr"])
        return made

    return make


def _takes(kind: Callable[..., Any], name: str) -> bool:
    try:
        return name in inspect.signature(kind).parameters
    except (TypeError, ValueError):
        return False


class LearningRate(TrainingCallback):
    """Set the learning rates of every step, and record that of the first group as ``lr``.

    Each group's rate is its initial one times a factor, so that groups keep their ratios. skorch's
    own scheduler counts from the beginning of the history; a training that is continued needs a
    schedule of its own.

    Parameters
    ----------
    schedule : {"constant", "cosine", "linear"} or StepSchedule
        "cosine" and "linear" fall from the initial rate to zero over `n_steps`.
    n_steps : int
        Optimiser steps in this run.
    ratio : float, default=1.0
        Of the learning rate of this run to the one the optimisers were made with.
    """

    def __init__(self, schedule: Schedule, n_steps: int, ratio: float = 1.0) -> None:
        if isinstance(schedule, StepSchedule):
            schedule.check()
        self.schedule = schedule
        self.n_steps = n_steps
        self.ratio = ratio
        self.step = 0

    def on_batch_begin(self, net: Any, *args: Any, training: bool = False, **kwargs: Any) -> None:
        """Set the rates of the step that begins."""
        if not training:
            return
        done = self.step / self.n_steps
        for optimizer in net.optimizers_.values():
            for group in optimizer.param_groups:
                rate = group["initial_lr"] * self.ratio * self.factor_of(group, done)
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(rate)
                else:
                    group["lr"] = rate
        first = next(iter(net.optimizers_.values())).param_groups[0]
        rate = first["initial_lr"] * self.ratio * self.factor_of(first, done)
        net.history.record_batch("lr", rate)
        self.step += 1

    def factor_of(self, group: dict[str, Any], done: float) -> float:
        """Share of a group's initial rate when a share `done` of the steps has been made."""
        return self.factor(done)

    def factor(self, done: float) -> float:
        """Share of the initial rate when a share `done` of the steps has been made."""
        if isinstance(self.schedule, StepSchedule):
            return self.schedule(done)
        if self.schedule == "cosine":
            return 0.5 * (1.0 + math.cos(math.pi * done))
        return 1.0 - done if self.schedule == "linear" else 1.0
