"""The skorch net behind every deep zero-shot estimator."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EpochTimer, PassthroughScoring, PrintLog
from torch import Tensor

from zslearn._training._captured_step import ResidentEpochs, resident_epochs
from zslearn._training._direct_epochs import DirectEpochs, direct_epochs
from zslearn.exceptions import NonFiniteLossError

__all__ = ["StopTraining", "ZeroShotNet", "attached"]


class StopTraining(Exception):
    """Ends training at the beginning of an epoch, as if it had been the last one."""


@contextmanager
def attached(net: ZeroShotNet, name: str, callback: Callback) -> Iterator[None]:
    """Give a net a callback for a while, called before its others."""
    net.callbacks_.insert(0, (name, callback))
    try:
        yield
    finally:
        net.callbacks_.remove((name, callback))


class AverageTerms(Callback):
    """Write the mean over the batches of each loss term into the epoch's history."""

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Average what the batches recorded, weighted by their size."""
        batches = net.history[-1]["batches"]
        sizes = [batch["train_batch_size"] for batch in batches]
        for name in net.term_names_:
            values = [batch[name] for batch in batches]
            mean = sum(v * n for v, n in zip(values, sizes, strict=True)) / sum(sizes)
            net.history.record(name, mean)


class ZeroShotNet(NeuralNet):
    """A net whose data are batches of rows and whose loss is a dict of named terms.

    Its data set is a `TrainingBatches`; its criterion is called with the module's output and the
    targets and returns a dict with the entry "loss", to be minimised, and a scalar for each term.

    Parameters
    ----------
    seed : int, default=0
        With the number of an epoch in the history, it determines that epoch's batches and noise;
        so a continued training sees the same as an uninterrupted one.
    batch_seed : int, default=None
        The seed of the batches alone, if it is another one.
    **kwargs
        Parameters of ``skorch.NeuralNet``.

    Attributes
    ----------
    interrupted_ : bool
        Whether the last training was ended from the keyboard.
    stop_requested_ : bool
        Set by a callback to end training after the epoch.
    term_names_ : list of str
        Names of the loss terms in the history.
    """

    def __init__(
        self, *args: Any, seed: int = 0, batch_seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, train_split=None, **kwargs)
        self.seed = seed
        self.batch_seed = seed if batch_seed is None else batch_seed
        self.interrupted_ = False
        self.stop_requested_ = False
        self.term_names_: list[str] = []
        self._noise: torch.Generator | None = None
        self._on_device: ResidentEpochs | None = None
        self._direct: DirectEpochs | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what only training needs: it holds the data."""
        running = {"_noise": None, "_on_device": None, "_direct": None}
        state: dict[str, Any] = super().__getstate__() | running
        return state

    @property
    def _default_callbacks(self) -> list[tuple[str, Callback]]:
        return [
            ("epoch_timer", EpochTimer()),
            ("average_terms", AverageTerms()),
            (
                "train_loss",
                PassthroughScoring(name="train_loss", lower_is_better=True, on_train=True),
            ),
            ("print_log", PrintLog()),
        ]

    def get_dataset(self, X: Any, y: Any = None) -> Any:
        """Return the batches as they are."""
        return X

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        """Return the batches as they are: they iterate over themselves, an epoch at a time."""
        return dataset

    def fit_loop(self, X: Any, y: Any = None, epochs: int | None = None, **params: Any) -> Any:
        """Train; an epoch that does not end leaves no half-filled line in the history."""
        self.interrupted_ = self.stop_requested_ = False
        if type(self) is ZeroShotNet and not params.keys() - {"_routing_method"}:
            self._on_device = resident_epochs(self, X)
            self._direct = direct_epochs(self, X)
        try:
            return super().fit_loop(X, y, epochs=epochs, **params)
        except StopTraining:
            return self
        except KeyboardInterrupt as error:
            if _raised_by_callback(error):
                return self
            self.interrupted_ = True
            raise
        finally:
            self._noise = self._on_device = self._direct = None
            if len(self.history) and "dur" not in self.history[-1]:
                self.history.pop()

    def on_epoch_begin(self, net: Any, *args: Any, **kwargs: Any) -> None:
        """Begin an epoch, unless a callback has asked to stop."""
        if self.stop_requested_:
            raise StopTraining
        super().on_epoch_begin(net, *args, **kwargs)

    def run_single_epoch(
        self, iterator: Any, training: bool, prefix: str, step_fn: Any, **params: Any
    ) -> None:
        """Run an epoch whose order and noise its number determines."""
        if iterator is None:
            return
        epoch = len(self.history) - 1
        iterator.epoch = epoch
        self._noise = self.noise_of(epoch)
        if self._on_device is not None:
            self._noise = self._on_device.noise.manual_seed(self._noise.initial_seed())
            self._on_device.run()
            return
        if self._direct is not None and self._direct.run(self._noise):
            return
        super().run_single_epoch(iterator, training, prefix, step_fn, **params)

    def noise_of(self, epoch: int) -> torch.Generator:
        """Source of randomness of an epoch, counted from zero."""
        return torch.Generator(self.device).manual_seed((self.seed << 20) + epoch + 1)

    def infer(self, x: Tensor, **params: Any) -> Any:
        """Call the module, in training with the epoch's source of noise."""
        if self.module_.training:
            params["generator"] = self._noise
        return self.module_(x, **params)

    def get_loss(
        self, y_pred: Any, y_true: Tensor, X: Any = None, training: bool = False
    ) -> Tensor:
        """Compute the loss, check it and record its terms."""
        terms: dict[str, Tensor] = self.criterion_(y_pred, y_true)
        values = torch.stack([term.detach() for term in terms.values()]).tolist()
        self.record_terms(dict(zip(terms, values, strict=True)))
        return terms["loss"]

    def record_terms(self, values: dict[str, float]) -> None:
        """Write the terms of a batch into the history, and raise if one is not finite."""
        if not all(math.isfinite(value) for value in values.values()):
            self._refuse(values)
        self.term_names_ = [name for name in values if name != "loss"]
        for name in self.term_names_:
            self.history.record_batch(name, values[name])

    def _refuse(self, values: dict[str, float]) -> None:
        bad = [name for name in values if name != "loss" and not math.isfinite(values[name])]
        shown = ", ".join(f"{name}={value:.4g}" for name, value in values.items())
        raise NonFiniteLossError(
            f"The loss is not finite in epoch {len(self.history)}, batch "
            f"{len(self.history[-1]['batches'])}: term {', '.join(bad) or 'loss (the sum)'} "
            f"({shown}). Lower learning_rate or the weight of that term, set gradient_clip, or "
            "use precision='float32'."
        )


def _raised_by_callback(error: BaseException) -> bool:
    """Whether an interrupt is a callback of skorch that stops training, such as EarlyStopping."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else str(trace.tb_frame.f_globals.get("__name__", ""))
    return where.startswith("skorch.callbacks")
