"""Training on data that are on the card: no wait for it within an epoch, steps as CUDA graphs.

A step taken by itself waits for its loss to be checked and recorded, and the card idles while
Python prepares the next. Here an epoch's order goes to the device at once, each step finds its rows
and its learning rates by a counter it keeps there, and writes the terms of its loss into a table
that is read when the epoch is over: a loss that is not finite is noticed by then. After a few
steps, one is captured as a CUDA graph, compared with an uncaptured step, and replayed from then on.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from zslearn._data._rows import TrainingBatches
from zslearn._training._distributed import processes_of_fit
from zslearn._training._engines import Engine, watches_batches
from zslearn._training._learner import parameters_of

if TYPE_CHECKING:
    from zslearn._training._net import LearnerNet

__all__ = ["GRAPH_VARIABLE", "GraphEngine", "capture", "serves"]

GRAPH_VARIABLE = "ZSLEARN_CUDA_GRAPHS"

# The libraries' lazy beginnings and the optimiser's first state must not be captured.
_WARM_UP = 3

# Of the length of what a step changes; the same kernels run on the same numbers.
_TOLERANCE = 1e-2
_ROUNDING = 1e-7

_DEVICES = {"cuda"}
_CAPTURES = {"cuda"}

_Key = tuple[int, tuple[str, ...]]


class _Replayable(Protocol):
    def replay(self) -> None: ...


def serves(net: LearnerNet, batches: Any) -> bool:
    """Whether nothing has to happen between the steps of an epoch."""
    return (
        torch.device(net.device).type in _DEVICES
        and os.environ.get(GRAPH_VARIABLE, "1") != "0"
        and isinstance(batches, TrainingBatches)
        and batches.regions.resident is not None
        and net.accumulate == 1
        and processes_of_fit() is None
        and net.module_.graphs
        # Fused, optimisers take their rate from the device and keep all they know there.
        and all(
            group.get("fused") for one in net.optimizers_.values() for group in one.param_groups
        )
        and not any(watches_batches(callback) for _, callback in net.callbacks_)
    )


class GraphEngine(Engine):
    """Runs epochs of a net on rows that are kept on its device."""

    def __init__(self, net: LearnerNet, batches: TrainingBatches) -> None:
        super().__init__(net)
        regions = batches.regions
        self.batches = batches
        self.device = device = regions.device
        n_batches, largest = len(batches), batches.largest
        self._groups = [g for one in net.optimizers_.values() for g in one.param_groups]
        self._noise = torch.Generator(device)
        assert regions.resident is not None
        self._regions, self._padding = regions.resident, regions.padding
        self._targets = torch.from_numpy(np.array(batches.targets)).to(device)
        self._weights: list[Tensor] = []
        if batches.weights is not None:
            self._weights = [torch.from_numpy(batches.weights).to(device)]
        self._space = batches.space()
        self._order = torch.zeros((n_batches, largest), dtype=torch.int64, device=device)
        self._position = torch.zeros(1, dtype=torch.int64, device=device)
        # The kernels of optimisers read the rate as float32 on a graphics card.
        rate_dtype = torch.float64 if device.type == "cpu" else torch.float32
        shape = (n_batches, len(self._groups))
        self._rates = torch.zeros(shape, dtype=rate_dtype, device=device)
        self._rate = torch.zeros(len(self._groups), dtype=rate_dtype, device=device)
        self._columns: dict[str, Tensor] = {}
        self._names: dict[tuple[str, ...], list[str]] = {}
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._captures = device.type in _CAPTURES
        self._graphs: dict[_Key, _Replayable] = {}
        self._n_plain_steps: Counter[_Key] = Counter()
        self._captured_with: Any = None

    def noise(self, seed: int) -> torch.Generator:
        """Source of an epoch's noise: always the same one, which graphs hold."""
        return self._noise.manual_seed(seed)

    def run_epoch(self, batches: Any) -> None:
        """Run the epoch whose number the batches have, and write it into the net's history."""
        net = self.net
        of_epoch = batches.rows_of_epoch()
        rates = []
        for _ in of_epoch:
            net.notify("on_batch_begin", batch=None, training=True)
            rates.append([float(group["lr"]) for group in self._groups])
        order = np.zeros(self._order.shape, dtype=np.int64)
        for place, rows in zip(order, of_epoch, strict=True):
            place[: len(rows)] = rows
        self._order.copy_(torch.from_numpy(order))
        self._rates.copy_(torch.tensor(rates, dtype=torch.float64))
        self._position.zero_()
        self._forget_stale_graphs()
        taken = []
        with self._on_stream():
            for rate, rows in zip(rates, of_epoch, strict=True):
                key = len(rows), tuple(net.module_.phases(net.steps_))
                self._take_step(rate, key)
                net.steps_ += 1
                taken.append(key)
        self._set_rates(rates[-1])
        self._record(taken)

    def _record(self, taken: list[_Key]) -> None:
        net = self.net
        table = dict(
            zip(self._columns, torch.stack(list(self._columns.values())).tolist(), strict=True)
        )
        history = net.history[-1]["batches"]
        written, history[:] = list(history), []
        for number, (size, phases) in enumerate(taken):
            net.history.new_batch()
            history[-1].update(written[number])
            values = {name: table[name][number] for name in self._names[phases]}
            net.check_terms(values)
            net.record_terms(values)
            net.history.record_batch("train_batch_size", size)
        net.history.record("train_batch_count", len(taken))
        for _, callback in net.callbacks_:
            if hasattr(callback, "after_epoch_of_graphs"):
                callback.after_epoch_of_graphs(net)

    # -- a step --------------------------------------------------------------------------------

    def _take_step(self, rate: list[float], key: _Key) -> None:
        if key in self._graphs:
            self._graphs[key].replay()
            return
        self._set_rates(rate)
        self._step(key)
        self._n_plain_steps[key] += 1
        if self._captures and self._n_plain_steps[key] == _WARM_UP:
            self._try_capture(key)

    def _step(self, key: _Key) -> None:
        """One step of the optimisers on the batch that the counter points at."""
        net, (size, phases) = self.net, key
        rows = self._order.index_select(0, self._position)[0, :size]
        self._rate.copy_(self._rates.index_select(0, self._position)[0])
        X = torch.index_select(self._regions, 0, rows, out=self._space[:size])
        y = self._targets.index_select(0, rows)
        padding = None if self._padding is None else self._padding.index_select(0, rows)
        weights = [one.index_select(0, rows) for one in self._weights]
        written: dict[str, Tensor] = {}
        for phase in phases:
            terms = net.compute_terms(X, y, phase, *weights, padding=padding)
            net.move(phase, terms["loss"], None)
            found = {name: term.detach() for name, term in terms.items()}
            written |= net.named_terms(phase, found)
        self._names[phases] = list(written)
        for name, value in written.items():
            if name not in self._columns:
                self._columns[name] = torch.zeros(len(self._order), device=self.device)
            self._columns[name].index_copy_(0, self._position, value.float().reshape(1))
        self._position.add_(1)

    def _set_rates(self, rates: list[float]) -> None:
        for group, rate in zip(self._groups, rates, strict=True):
            group["lr"] = rate

    # -- a step as a graph ---------------------------------------------------------------------

    def _try_capture(self, key: _Key) -> None:
        """Capture a step, unless it cannot be or would do something else; training is as before."""
        state = self._state()
        before = [tensor.clone() for tensor in state]
        draws = self._draws()
        self._position.sub_(1)  # the trial is the last step again
        start = [tensor.clone() for tensor in state]

        def result_of(step: Callable[[], None]) -> list[Tensor]:
            _copy(start, state)
            self._set_draws(draws)
            step()
            return [tensor.clone() for tensor in state]

        try:
            expected = result_of(lambda: self._step(key))
            _copy(start, state)
            with self._rates_on_device():
                graph = capture(lambda: self._step(key), self._noise, self._stream)
            found = result_of(graph.replay)
            reason = _difference(found, expected, start)
        except Exception as error:  # whatever a driver, a library or a module may raise
            reason = f"it fails with {type(error).__name__}: {error}"
        _copy(before, state)
        if not reason:
            self._set_draws(draws)
            self._graphs[key] = graph
            self._captured_with = self._constants()
            return
        self._captures = False
        self._graphs.clear()
        # A generator does not leave a capture that broke off.
        self._noise = torch.Generator(self.device)
        self._noise.set_state(draws[0])
        self.net._noise = self._noise
        for optimizer in self.net.optimizers_.values():
            optimizer.zero_grad()
        warnings.warn(
            f"The training step is not replayed as a CUDA graph: {reason}. It runs as usual, which "
            f"is slower. The environment variable {GRAPH_VARIABLE}=0 leaves out the attempt.",
            RuntimeWarning,
            stacklevel=2,
        )

    def _draws(self) -> list[Tensor]:
        """States of the generators a step may draw from."""
        states = [self._noise.get_state()]
        if self.device.type == "cuda":
            states.append(torch.cuda.get_rng_state(self.device))
        return states

    def _set_draws(self, states: list[Tensor]) -> None:
        self._noise.set_state(states[0])
        if len(states) > 1:
            torch.cuda.set_rng_state(states[1], self.device)

    def _state(self) -> list[Tensor]:
        """All that a step changes and the next one reads."""
        module = self.net.module_
        moments = [
            value
            for one in self.net.optimizers_.values()
            for notes in one.state.values()
            for value in notes.values()
            if isinstance(value, Tensor)
        ]
        learned = [tensor.detach() for tensor in (*module.parameters(), *module.buffers())]
        return [*learned, *moments, *self._columns.values(), self._position]

    def _constants(self) -> Any:
        """Addresses, and numbers that Python holds: a graph takes them as they were."""
        return (
            [tensor.data_ptr() for tensor in self._state()],
            [p.requires_grad for p in parameters_of(self._groups)],
            [
                {name: value for name, value in group.items() if name not in ("params", "lr")}
                for group in self._groups
            ],
            self.net.gradient_clip,
        )

    def _forget_stale_graphs(self) -> None:
        if self._graphs and self._constants() != self._captured_with:
            self._graphs.clear()
            self._n_plain_steps.clear()

    @contextmanager
    def _rates_on_device(self) -> Iterator[None]:
        """Let the optimisers read their rates where a graph finds the current ones."""
        before = [(group["lr"], group.get("capturable")) for group in self._groups]
        with ExitStack() as stack:
            for group, rate, (old, capturable) in zip(
                self._groups, self._rate, before, strict=True
            ):
                stack.callback(group.__setitem__, "lr", old)
                group["lr"] = rate
                if "capturable" in group:
                    stack.callback(group.__setitem__, "capturable", capturable)
                    group["capturable"] = True
            yield

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
