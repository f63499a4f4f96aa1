"""Nets trained side by side on the same batches, each as it would be alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from zslearn._training._direct_epochs import BatchPlaces
from zslearn._training._net import StopTraining, ZeroShotNet
from zslearn._training._rows import TrainingBatches
from zslearn.exceptions import NonFiniteLossError
from zslearn.nn import CVsCLoss, CVsCNetwork
from zslearn.nn._network_stack import CVsCNetworkStack
from zslearn.nn.losses._cvsc_stack import CVsCLossStack

__all__ = ["SideBySide", "can_be_stacked"]

# Exact types: a subclass may compute something else.
_NETWORKS = {CVsCNetwork: CVsCNetworkStack}
_CRITERIA = {CVsCLoss: CVsCLossStack}


def can_be_stacked(network: type, criterion: type) -> bool:
    """Whether nets of such a network and criterion can share their passes over the regions."""
    return network in _NETWORKS and criterion in _CRITERIA


class SideBySide:
    """Train nets on the same batches, with one pass over the regions of a batch for all.

    Each net keeps its own weights, optimiser, callbacks and history, and sees what it would see
    in ``net.partial_fit(batches)``. A net whose loss is not finite, or that is asked to stop,
    leaves; the others go on.

    Parameters
    ----------
    nets : sequence of ZeroShotNet
        Initialised, of one shape and on one device.
    batches : TrainingBatches

    Attributes
    ----------
    errors : dict of int to NonFiniteLossError
        Of the nets that failed.
    """

    def __init__(self, nets: Sequence[ZeroShotNet], batches: TrainingBatches) -> None:
        self.nets = list(nets)
        self.batches = batches
        self.errors: dict[int, NonFiniteLossError] = {}
        self._going = list(range(len(nets)))

    def run(self, epochs: int) -> None:
        """Train for a number of epochs, or until interrupted from the keyboard."""
        for net in self.nets:
            net.interrupted_ = net.stop_requested_ = False
            net.notify("on_train_begin", X=self.batches, y=None)
        try:
            for _ in range(epochs):
                self._run_epoch()
        except KeyboardInterrupt:
            for net in self._nets_going():
                net.interrupted_ = True
        finally:
            for net in self.nets:
                if len(net.history) and "dur" not in net.history[-1]:
                    net.history.pop()
                for parameter in net.module_.parameters():
                    parameter.grad = None  # may be a part of the gradient of all
        for net in self.nets:
            net.notify("on_train_end", X=self.batches, y=None)

    def _nets_going(self) -> list[ZeroShotNet]:
        return [self.nets[i] for i in self._going]

    def _run_epoch(self) -> None:
        data = {"dataset_train": self.batches, "dataset_valid": None}
        for i in list(self._going):
            try:
                self.nets[i].notify("on_epoch_begin", **data)
            except StopTraining:
                self._going.remove(i)
        if not self._going:
            return
        epoch = len(self.nets[self._going[0]].history) - 1
        self.batches.epoch = epoch
        for net in self._nets_going():
            net._set_training(True)
        places = BatchPlaces(self.batches) if self.batches.regions.device.type == "cpu" else None
        if places is not None and all(map(places.serve, self._nets_going())):
            self._take_in_turn(places, epoch)
        else:
            self._take_together(epoch)
        for net in self._nets_going():
            net.history.record("train_batch_count", len(self.batches))
            net.notify("on_epoch_end", **data)

    def _take_together(self, epoch: int) -> None:
        """One product for the queries and embeddings of all nets."""
        sources = _sources(self.nets, epoch)
        self._stack()
        for regions, targets in self.batches:
            self._step(regions, targets, sources)
            if not self._going:
                return

    def _stack(self) -> None:
        nets = self._nets_going()
        self._network = _NETWORKS[type(nets[0].module_)]([net.module_ for net in nets])
        self._criterion = _CRITERIA[type(nets[0].criterion_)](
            [net.criterion_ for net in nets], self._network.intervened
        )

    def _step(self, regions: Tensor, targets: Tensor, sources: list[torch.Generator]) -> None:
        batch = (regions, targets)
        nets = self._nets_going()
        for net in nets:
            net.notify("on_batch_begin", batch=batch, training=True)
            for parameter in net.module_.parameters():
                parameter.grad = None
        output = self._network(regions, [sources[i] for i in self._going])
        losses, terms = self._criterion(output, targets)
        values = _to_numbers(losses, terms)
        total, failed = losses, []
        for position, (i, net) in enumerate(zip(self._going, nets, strict=True)):
            try:
                net.record_terms(values[position])
            except NonFiniteLossError as error:
                self.errors[i] = error
                failed.append(position)
        if failed:
            left = [p for p in range(len(nets)) if p not in failed]
            total, values = losses[left], [values[p] for p in left]
            self._going = [self._going[p] for p in left]
            nets = self._nets_going()
            if not nets:
                return
        total.sum().backward()
        for net, numbers in zip(nets, values, strict=True):
            _finish_step(net, batch, numbers)
        if failed:
            self._stack()

    def _take_in_turn(self, places: BatchPlaces, epoch: int) -> None:
        """Each net takes steps that fill the processor, while it has the batch at hand."""
        steps = {i: places.prepare(self.nets[i]) for i in self._going}
        sources = {i: self.nets[i].noise_of(epoch) for i in self._going}
        for y in places:
            for i in list(self._going):
                net = self.nets[i]
                net.notify("on_batch_begin", batch=None, training=True)
                values = steps[i](y, sources[i])
                try:
                    net.record_terms(values)
                except NonFiniteLossError as error:
                    self.errors[i] = error
                    self._going.remove(i)
                    continue
                _finish_step(net, (None, y), values)
            if not self._going:
                return


def _finish_step(net: ZeroShotNet, batch: Any, values: dict[str, float]) -> None:
    """Step of the optimiser, with what is called around it."""
    named = list(net.module_.named_parameters())
    net.notify("on_grad_computed", named_parameters=named, batch=batch, training=True)
    net.optimizer_.step()
    net.history.record_batch("train_loss", values["loss"])
    net.history.record_batch("train_batch_size", len(batch[1]))
    net.notify("on_batch_end", batch=batch, training=True)


def _sources(nets: Sequence[ZeroShotNet], epoch: int) -> list[torch.Generator]:
    """Each net's source of noise in an epoch; one for those that draw the same from it."""
    sources: dict[tuple[int, object], torch.Generator] = {}
    result = []
    for number, net in enumerate(nets):
        shares = net.module_.counterfactual == "normal"
        key = (net.seed, None if shares else number)
        if key not in sources:
            sources[key] = net.noise_of(epoch)
        result.append(sources[key])
    return result


def _to_numbers(losses: Tensor, terms: Sequence[dict[str, Tensor]]) -> list[dict[str, float]]:
    """Loss and terms of each net, in one transfer from the device."""
    flat = [losses.detach()]
    flat += [torch.stack([t.detach() for t in of_net.values()]) for of_net in terms]
    numbers = iter(torch.cat(flat).tolist())
    rows = [{"loss": next(numbers)} for _ in terms]
    for row, of_net in zip(rows, terms, strict=True):
        row.update((name, next(numbers)) for name in of_net)
    return rows
