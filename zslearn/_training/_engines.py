"""How the steps of an epoch are run: one by one, or as CUDA graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from skorch.callbacks import Callback

if TYPE_CHECKING:
    from zslearn._training._net import LearnerNet

__all__ = ["EagerEngine", "Engine", "watches_batches"]

_BATCH_EVENTS = ("on_batch_begin", "on_batch_end", "on_grad_computed")


def watches_batches(callback: Callback) -> bool:
    """Whether a callback does something, or may do, that only steps one by one provide for.

    One that is neither training's nor skorch's may change a number that is a constant to a graph.
    """
    declared = getattr(callback, "watches_batches", None)
    if declared is not None:
        return bool(declared)
    if not type(callback).__module__.startswith("skorch."):
        return True
    return any(
        getattr(type(callback), event, None) is not getattr(Callback, event)
        for event in _BATCH_EVENTS
    )


class Engine:
    """Runs the epochs of a net."""

    def __init__(self, net: LearnerNet) -> None:
        self.net = net

    def noise(self, seed: int) -> torch.Generator:
        """Source of an epoch's noise, on the device."""
        return torch.Generator(self.net.device).manual_seed(seed)

    def run_epoch(self, batches: Any) -> None:
        """Run the epoch whose number the batches have, and write it into the net's history."""
        raise NotImplementedError


class EagerEngine(Engine):
    """One step after the other."""

    def run_epoch(self, batches: Any) -> None:
        """Run the epoch whose number the batches have, and write it into the net's history."""
        net, count = self.net, 0
        for batch in batches:
            net.place_ = count, len(batches)
            net.notify("on_batch_begin", batch=batch, training=True)
            step = net.train_step(batch)
            net.history.record_batch("train_batch_size", len(batch[1]))
            net.notify("on_batch_end", batch=batch, training=True, **step)
            count += 1
        net.history.record("train_batch_count", count)
