"""Epochs on the CPU by prepared steps: no autograd, and nothing made anew, between the products."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from skorch.callbacks import GradientNormClipping
from torch import Tensor

from zslearn._training._captured_step import watches_batches
from zslearn._training._optimizers import OPTIMIZERS
from zslearn._training._progress import EpochBar
from zslearn._training._rows import TrainingBatches
from zslearn._training._schedule import LearningRate
from zslearn.nn._direct_step import DirectStep, serves_steps
from zslearn.nn._kernels._compiled_attention import reads_in_place

if TYPE_CHECKING:
    from zslearn._training._net import ZeroShotNet

__all__ = ["BatchPlaces", "DirectEpochs", "direct_epochs"]


def direct_epochs(net: ZeroShotNet, batches: Any) -> DirectEpochs | None:
    """Whoever runs the epochs of a net on a CPU; None where that takes ordinary steps."""
    if torch.device(net.device).type != "cpu" or not isinstance(batches, TrainingBatches):
        return None
    # Others may keep a gradient, which the next step writes over.
    callbacks = [c for _, c in net.callbacks_ if type(c) is not GradientNormClipping]
    if type(net.optimizer_) not in OPTIMIZERS.values() or any(map(watches_batches, callbacks)):
        return None
    return DirectEpochs(net, batches)


class DirectEpochs:
    """Runs epochs of a net by :class:`~zslearn.nn._direct_step.DirectStep`.

    Parameters
    ----------
    net : ZeroShotNet
    batches : TrainingBatches
    """

    def __init__(self, net: ZeroShotNet, batches: TrainingBatches) -> None:
        self.net = net
        self.batches = batches
        self._rates = [c for _, c in net.callbacks_ if type(c) is LearningRate]
        self._clips = [c for _, c in net.callbacks_ if type(c) is GradientNormClipping]
        self._bars = [c for _, c in net.callbacks_ if type(c) is EpochBar]

    def run(self, noise: torch.Generator) -> bool:
        """Run the epoch whose number the batches have, and write it into the net's history.

        Parameters
        ----------
        noise : torch.Generator
            Of the epoch.

        Returns
        -------
        bool
            Whether it was run: network or criterion may need ordinary steps by now.
        """
        net, places = self.net, BatchPlaces(self.batches)
        net._set_training(True)
        if not places.serve(net):
            return False
        step = places.prepare(net)
        for y in places:
            self._take(step, y, noise)
        net.history.record("train_batch_count", len(self.batches))
        return True

    def _take(self, step: DirectStep, y: Tensor, noise: torch.Generator) -> None:
        net = self.net
        net.history.new_batch()
        for rate in self._rates:
            rate.on_batch_begin(net, training=True)
        values = step(y, noise)
        net.record_terms(values)
        for clip in self._clips:
            clip.on_grad_computed(net, named_parameters=net.get_all_learnable_params())
        net.optimizer_.step()
        net.history[-1]["batches"][-1].update(train_loss=values["loss"], train_batch_size=len(y))
        for bar in self._bars:
            bar.on_batch_end(net, training=True)


class BatchPlaces:
    """Where an epoch's batches lie, one after the other, for steps that are prepared.

    Regions that the compiled code can read where they are kept are not copied: then the numbers of
    a batch's images change from one to the next, else its regions.

    Parameters
    ----------
    batches : TrainingBatches
        On a CPU.
    """

    def __init__(self, batches: TrainingBatches) -> None:
        self.batches = batches
        resident = batches.regions.resident
        self._images: Tensor | None = None
        if resident is not None and reads_in_place(resident):
            self._regions = resident
            self._images = torch.empty(batches.largest, dtype=torch.int64)
        else:
            self._regions = batches.space()

    def serve(self, net: ZeroShotNet) -> bool:
        """Whether a net, in training mode, can take direct steps."""
        return serves_steps(net.module_, net.criterion_, self._regions, self.batches.largest)

    def prepare(self, net: ZeroShotNet) -> DirectStep:
        """Prepare the steps of a net, to be taken as batches are put in their place."""
        return DirectStep(net.module_, net.criterion_, self._regions, self._images)

    def __iter__(self) -> Iterator[Tensor]:
        """Put each batch of the epoch in its place, and yield its targets."""
        if self._images is None:
            for _, y in self.batches.batches(self._regions):
                yield y
            return
        for rows, y in self.batches.rows_and_targets():
            self._images[: len(rows)] = torch.from_numpy(rows)
            yield y
