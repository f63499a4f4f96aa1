"""Training on data that are on the device: no wait for it within an epoch, steps as CUDA graphs.

An ordinary step waits for its loss to be checked and recorded, and a graphics card idles while
Python prepares the next. Here an epoch's order goes to the device at once, each step finds its rows
and its learning rate by a counter it keeps there, and writes the terms of its loss into a table
that is read when the epoch is over: a loss that is not finite is noticed by then. After a few
steps, one is captured as a CUDA graph, compared with an uncaptured step, and replayed from then on.
"""

from __future__ import annotations

import math
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochTimer,
    PassthroughScoring,
    PrintLog,
    TrainEndCheckpoint,
)
from torch import Tensor

from zslearn._training._optimizers import OPTIMIZERS
from zslearn._training._progress import EpochBar
from zslearn._training._rows import TrainingBatches
from zslearn._training._schedule import LearningRate

if TYPE_CHECKING:
    from zslearn._training._net import ZeroShotNet

__all__ = ["GRAPH_VARIABLE", "ResidentEpochs", "resident_epochs", "watches_batches"]

GRAPH_VARIABLE = "ZSLEARN_CUDA_GRAPHS"

_DEVICES = {"cuda"}
_GRAPH_DEVICES = {"cuda"}

_BATCH_EVENTS = ("on_batch_begin", "on_batch_end", "on_grad_computed")

# Callbacks that change nothing a captured step would not see.
_HARMLESS = (
    Checkpoint,
    EarlyStopping,
    EpochTimer,
    PassthroughScoring,
    PrintLog,
    TrainEndCheckpoint,
)

# The libraries' lazy beginnings and the optimiser's first state must not be captured.
_WARM_UP = 3

# Of the length of what a step changes; the same kernels run on the same numbers.
_TOLERANCE = 1e-2
_ROUNDING = 1e-7


class _Replayable(Protocol):
    def replay(self) -> None: ...


def resident_epochs(net: ZeroShotNet, batches: Any) -> ResidentEpochs | None:
    """Whoever runs the epochs of a net on its device; None where that takes ordinary steps."""
    if torch.device(net.device).type not in _DEVICES or not isinstance(batches, TrainingBatches):
        return None
    optimizer = net.optimizer_
    plain = (
        batches.regions.resident is not None
        # Fused, these take their rate from the device and keep all they know there.
        and type(optimizer) in OPTIMIZERS.values()
        and all(group.get("fused") for group in optimizer.param_groups)
        and not any(watches_batches(callback) for _, callback in net.callbacks_)
    )
    return ResidentEpochs(net, batches) if plain else None


def watches_batches(callback: Any) -> bool:
    """Whether a callback does something at each batch that only ordinary steps provide for."""
    if type(callback) in (LearningRate, EpochBar):
        return False
    return any(
        getattr(type(callback), event, None) is not getattr(Callback, event)
        for event in _BATCH_EVENTS
    )


def _is_ours(callback: Any) -> bool:
    return type(callback) in _HARMLESS or type(callback).__module__.startswith("zslearn.")


class ResidentEpochs:
    """Runs epochs of a net on rows that are kept on its device.

    Parameters
    ----------
    net : ZeroShotNet
    batches : TrainingBatches
        Of regions that are resident.
    """

    def __init__(self, net: ZeroShotNet, batches: TrainingBatches) -> None:
        self.net = net
        self.batches = batches
        regions = batches.regions
        device = regions.device
        n_batches, largest = len(batches), batches.largest
        groups = net.optimizer_.param_groups
        self.noise = torch.Generator(device)
        self._regions: Tensor = regions.resident  # type: ignore[assignment]
        self._targets = torch.from_numpy(np.array(batches.targets)).to(device)
        self._space = batches.space()
        self._order = torch.zeros((n_batches, largest), dtype=torch.int64, device=device)
        self._position = torch.zeros(1, dtype=torch.int64, device=device)
        # The kernels of optimisers read the rate as float32 on a graphics card.
        rate_dtype = torch.float64 if device.type == "cpu" else torch.float32
        self._rates = torch.zeros((n_batches, len(groups)), dtype=rate_dtype, device=device)
        self._rate = torch.zeros(len(groups), dtype=rate_dtype, device=device)
        self._terms: Tensor | None = None
        self._names: list[str] = []
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._captures = (
            device.type in _GRAPH_DEVICES
            and os.environ.get(GRAPH_VARIABLE, "1") != "0"
            # Anyone else's may change a number that is a constant to a graph, such as a scale.
            and all(_is_ours(callback) for _, callback in net.callbacks_)
        )
        self._graphs: dict[int, _Replayable] = {}
        self._n_plain_steps: Counter[int] = Counter()
        self._captured_with: Any = None

    def run(self) -> None:
        """Run the epoch whose number the batches have, and write it into the net's history."""
        net, groups = self.net, self.net.optimizer_.param_groups
        batches = self.batches.rows_of_epoch()
        rates = []
        for _ in batches:
            net.notify("on_batch_begin", batch=None, training=True)
            rates.append([group["lr"] for group in groups])
        order = np.zeros(self._order.shape, dtype=np.int64)
        for place, rows in zip(order, batches, strict=True):
            place[: len(rows)] = rows
        self._order.copy_(torch.from_numpy(order))
        self._rates.copy_(torch.tensor(rates, dtype=torch.float64))
        self._position.zero_()
        net._set_training(True)
        self._forget_stale_graphs()
        with self._on_stream():
            for rate, rows in zip(rates, batches, strict=True):
                self._take_step(rate, len(rows))
        self._set_rates(rates[-1])
        assert self._terms is not None
        self._record(self._terms.tolist(), [len(rows) for rows in batches])

    def _record(self, table: list[list[float]], sizes: list[int]) -> None:
        net = self.net
        net.term_names_ = [name for name in self._names if name != "loss"]
        history = net.history[-1]["batches"]
        for number, (numbers, size) in enumerate(zip(table, sizes, strict=True)):
            values = dict(zip(self._names, numbers, strict=True))
            if not all(math.isfinite(value) for value in numbers):
                del history[number + 1 :]
                net._refuse(values)
            batch = history[number]
            batch.update({name: values[name] for name in net.term_names_})
            batch.update(train_loss=values["loss"], train_batch_size=size)
        net.history.record("train_batch_count", len(sizes))
        for _, callback in net.callbacks_:
            if type(callback) is EpochBar:
                callback.on_batch_end(net, training=True)

    # -- a step --------------------------------------------------------------------------------

    def _take_step(self, rate: list[float], size: int) -> None:
        if size in self._graphs:
            self._graphs[size].replay()
            return
        self._set_rates(rate)
        self._step(size)
        self._n_plain_steps[size] += 1
        if self._captures and self._n_plain_steps[size] == _WARM_UP:
            self._try_capture(size)

    def _step(self, size: int) -> None:
        """One step of the optimiser on the batch that the counter points at."""
        net, optimizer = self.net, self.net.optimizer_
        rows = self._order.index_select(0, self._position)[0, :size]
        self._rate.copy_(self._rates.index_select(0, self._position)[0])
        regions = torch.index_select(self._regions, 0, rows, out=self._space[:size])
        optimizer.zero_grad()
        terms = net.criterion_(net.infer(regions), self._targets.index_select(0, rows))
        terms["loss"].backward()
        optimizer.step()
        values = torch.stack([term.detach() for term in terms.values()])
        if self._terms is None:
            self._names = list(terms)
            self._terms = values.new_zeros(len(self._order), len(values))
        self._terms.index_copy_(0, self._position, values.unsqueeze(0))
        self._position.add_(1)

    def _set_rates(self, rates: list[float]) -> None:
        for group, rate in zip(self.net.optimizer_.param_groups, rates, strict=True):
            group["lr"] = rate

    # -- a step as a graph ---------------------------------------------------------------------

    def _try_capture(self, size: int) -> None:
        """Capture a step, unless it cannot be or would do something else; training is as before."""
        state = self._state()
        before = [tensor.clone() for tensor in state]
        noise = self.noise.get_state()
        self._position.sub_(1)  # the trial is the last step again
        start = [tensor.clone() for tensor in state]

        def result_of(step: Callable[[], None]) -> list[Tensor]:
            _copy(start, state)
            self.noise.set_state(noise)
            step()
            return [tensor.clone() for tensor in state]

        try:
            expected = result_of(lambda: self._step(size))
            _copy(start, state)
            with self._rates_on_device():
                graph = capture(lambda: self._step(size), self.noise, self._stream)
            found = result_of(graph.replay)
            reason = _difference(found, expected, start)
        except Exception as error:  # whatever a driver, a library or a module may raise
            reason = f"it fails with {type(error).__name__}: {error}"
        finally:
            _copy(before, state)
            self.noise.set_state(noise)
        if not reason:
            self._graphs[size] = graph
            self._captured_with = self._constants()
            return
        self._captures = False
        self._graphs.clear()
        self.net.optimizer_.zero_grad()
        warnings.warn(
            f"The training step is not replayed as a CUDA graph: {reason}. It runs as usual, which "
            f"is slower. The environment variable {GRAPH_VARIABLE}=0 leaves out the attempt.",
            RuntimeWarning,
            stacklevel=2,
        )

    def _state(self) -> list[Tensor]:
        """All that a step changes and the next one reads."""
        net = self.net
        learned = [
            tensor
            for module in (net.module_, net.criterion_)
            for tensor in (*module.parameters(), *module.buffers())
        ]
        moments = [
            value
            for notes in net.optimizer_.state.values()
            for value in notes.values()
            if isinstance(value, Tensor)
        ]
        assert self._terms is not None
        return [*(tensor.detach() for tensor in learned), *moments, self._terms, self._position]

    def _constants(self) -> Any:
        """Addresses, and numbers that Python holds: a graph takes them as they were."""
        return (
            [tensor.data_ptr() for tensor in self._state()],
            [parameter.requires_grad for parameter in self.net.module_.parameters()],
            [
                {name: value for name, value in group.items() if name not in ("params", "lr")}
                for group in self.net.optimizer_.param_groups
            ],
        )

    def _forget_stale_graphs(self) -> None:
        if self._graphs and self._constants() != self._captured_with:
            self._graphs.clear()
            self._n_plain_steps.clear()

    @contextmanager
    def _rates_on_device(self) -> Iterator[None]:
        """Let the optimiser read its rate where a graph finds the current one."""
        groups = self.net.optimizer_.param_groups
        before = [(group["lr"], group.get("capturable")) for group in groups]
        try:
            for group, rate in zip(groups, self._rate, strict=True):
                group["lr"] = rate
                if "capturable" in group:
                    group["capturable"] = True
            yield
        finally:
            for group, (rate, capturable) in zip(groups, before, strict=True):
                group["lr"] = rate
                if "capturable" in group:
                    group["capturable"] = capturable

    @contextmanager
    def _on_stream(self) -> Iterator[None]:
        """Work beside the default stream, which cannot be captured, and in turn with it."""
        if self._stream is None:
            yield
            return
        outer = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(outer)
        try:
            with torch.cuda.stream(self._stream):
                yield
        finally:
            outer.wait_stream(self._stream)


def capture(
    step: Callable[[], None], noise: torch.Generator, stream: torch.cuda.Stream | None
) -> _Replayable:
    """Record what a step does on the device, without doing it."""
    graph = torch.cuda.CUDAGraph()
    graph.register_generator_state(noise)
    # Other threads may go on using the device.
    with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
        step()
    return graph


def _copy(source: list[Tensor], target: list[Tensor]) -> None:
    for old, new in zip(source, target, strict=True):
        new.copy_(old)


def _difference(found: list[Tensor], expected: list[Tensor], start: list[Tensor]) -> str:
    """How the changes by two steps differ, an empty text if they do not."""
    for ours, theirs, before in zip(found, expected, start, strict=True):
        ours, theirs, before = ours.double(), theirs.double(), before.double()
        change, error = (theirs - before).norm(), (ours - theirs).norm()
        if not error <= _TOLERANCE * change + _ROUNDING * theirs.norm():
            return (
                f"what a replay changes differs by {float(error):.3g} from what a step changes, "
                f"{float(change):.3g}"
            )
    return ""
