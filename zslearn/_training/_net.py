"""The skorch net behind every deep zero-shot estimator: one loop, one step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, EpochTimer, PassthroughScoring, PrintLog
from torch import Tensor, nn

from zslearn._training._callbacks import TrainingCallback
from zslearn._training._distributed import Share, processes_of_fit
from zslearn._training._engines import EagerEngine, Engine
from zslearn._training._graphs import GraphEngine, serves
from zslearn._training._learner import Batch, Learner, parameters_of
from zslearn._training._optimizers import optimizer_factory
from zslearn._training._randomness import seeded
from zslearn.exceptions import NonFiniteLossError
from zslearn.nn.functional import find_padding

Term = TypeVar("Term", float, Tensor)

__all__ = ["LearnerNet", "StopTraining", "attached"]


class StopTraining(Exception):
    """Ends training at the beginning of an epoch, as if it had been the last one."""


@contextmanager
def attached(net: LearnerNet, name: str, callback: Callback) -> Iterator[None]:
    """Give a net a callback for a while, called before its others."""
    net.callbacks_.insert(0, (name, callback))
    try:
        yield
    finally:
        net.callbacks_.remove((name, callback))


class AverageTerms(TrainingCallback):
    """Write the mean over the batches of each loss term into the epoch's history."""

    def on_epoch_end(self, net: Any, *args: Any, **kwargs: Any) -> None:
        """Average what the batches recorded, weighted by their size."""
        for name in net.term_names_:
            batches = [batch for batch in net.history[-1]["batches"] if name in batch]
            sizes = [batch["train_batch_size"] for batch in batches]
            if sizes:
                total = sum(b[name] * n for b, n in zip(batches, sizes, strict=True))
                net.history.record(name, total / sum(sizes))


class LearnerNet(NeuralNet):
    """A net whose module is a `Learner` and whose data are batches of rows.

    Parameters
    ----------
    module : type
        A subclass of `Learner`.
    optimizer_params : mapping, default=None
        Options of the optimizer besides its rate.
    may_be_padded : bool, default=True
        Whether some regions may be zero, so that batches are looked through.
    seed : int, default=0
        Of the initial weights; with the number of an epoch in the history, it determines that
        epoch's batches and noise, so a continued training sees the same as an uninterrupted one.
    precision : torch.dtype, default=torch.float32
        Of the products, for learners that compute under autocast.
    gradient_clip : float, default=None
        Largest norm of the gradient.
    accumulate : int, default=1
        Batches whose gradients are averaged before a step.
    **kwargs
        Parameters of ``skorch.NeuralNet``.

    Attributes
    ----------
    optimizers_ : dict of str to torch.optim.Optimizer
        By name. The first is also ``optimizer_``, the others ``optimizer_<name>_``.
    interrupted_ : bool
        Whether the last training was ended from the keyboard.
    stop_requested_ : bool
        Set by a callback to end training after the epoch.
    term_names_ : list of str
        Names of the loss terms in the history.
    steps_ : int
        Batches trained on so far.
    average_ : object or None
        What keeps averages of the weights during training.
    place_ : (int, int)
        Of the batch in its epoch, counted from zero, and the batches of the epoch.
    made_with_ : MadeWith
        Parameters of the estimator that it follows.
    """

    module_: Learner

    def __init__(
        self,
        module: Any,
        *,
        optimizer_params: Mapping[str, Any] | None = None,
        seed: int = 0,
        precision: torch.dtype = torch.float32,
        gradient_clip: float | None = None,
        accumulate: int = 1,
        may_be_padded: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(module, criterion=nn.Identity, train_split=None, **kwargs)
        self.optimizer_params = optimizer_params
        self.seed = seed
        self.precision = precision
        self.gradient_clip = gradient_clip
        self.accumulate = accumulate
        self.may_be_padded = may_be_padded
        self.interrupted_ = self.stop_requested_ = False
        self.term_names_: list[str] = []
        self.phases_: list[str] = []
        self.steps_ = 0
        self.place_ = (0, 1)
        self.average_: Any = None
        self.made_with_: Any = None
        self._noise: torch.Generator | None = None
        self._engine: Engine | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what only training needs: it holds the data."""
        left_out = dict.fromkeys(("_noise", "_engine", "average_"))
        state: dict[str, Any] = super().__getstate__() | left_out
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

    # -- what it is made of --------------------------------------------------------------------

    def initialize_module(self) -> Any:
        """Build the learner from a seeded generator."""
        with seeded(self.seed, torch.device("cpu")):
            return super().initialize_module()

    def initialize_optimizer(self, triggered_directly: Any = None) -> Any:
        """Make the learner's optimisers."""
        device = torch.device(self.device)
        make = optimizer_factory(self.optimizer, self.lr, self.optimizer_params, device)
        self.set_optimizers(self.module_.configure_optimizers(make))
        return self

    def set_optimizers(self, optimizers: Mapping[str, torch.optim.Optimizer]) -> None:
        """Move weights by these, of which each is known by its name."""
        self.phases_ = list(optimizers)
        for number, (phase, optimizer) in enumerate(optimizers.items()):
            setattr(self, f"optimizer_{phase}_" if number else "optimizer_", optimizer)

    @property
    def optimizers_(self) -> dict[str, torch.optim.Optimizer]:
        """The optimisers by name."""
        return {
            phase: getattr(self, f"optimizer_{phase}_" if number else "optimizer_")
            for number, phase in enumerate(self.phases_)
        }

    def get_dataset(self, X: Any, y: Any = None) -> Any:
        """Return the batches as they are."""
        return X

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        """Return the batches as they are: they iterate over themselves, an epoch at a time."""
        return dataset

    # -- the loop ------------------------------------------------------------------------------

    def fit_loop(self, X: Any, y: Any = None, epochs: int | None = None, **params: Any) -> Any:
        """Train; an epoch that does not end leaves no half-filled line in the history."""
        self.interrupted_ = self.stop_requested_ = False
        processes, verbose = processes_of_fit(), self.verbose
        if processes is not None:
            processes.agree(self, X)
            X.share = processes.share
            self.verbose = verbose if processes.rank == 0 else 0
        self._engine = GraphEngine(self, X) if serves(self, X) else EagerEngine(self)
        try:
            return super().fit_loop(X, y, epochs=epochs, **params)
        except StopTraining:
            return self
        except KeyboardInterrupt:
            self.interrupted_ = True
            raise
        finally:
            self._noise = self._engine = None
            if processes is not None:
                X.share, self.verbose = None, verbose
            for optimizer in self.optimizers_.values():
                optimizer.zero_grad()
            if len(self.history) and "dur" not in self.history[-1]:
                self.history.pop()

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Call the callbacks; the interrupt by which skorch stops early is none of the user's."""
        getattr(self, method_name)(self, **cb_kwargs)
        for _, callback in self.callbacks_:
            try:
                getattr(callback, method_name)(self, **cb_kwargs)
            except KeyboardInterrupt:
                if isinstance(callback, EarlyStopping):
                    raise StopTraining from None
                raise
            except KeyError as error:
                monitor = getattr(callback, "monitor", None)
                known = sorted(name for name in self.history[-1] if name != "batches")
                if not isinstance(monitor, str) or monitor in known:
                    raise
                raise ValueError(
                    f"{type(callback).__name__} in callbacks monitors {monitor!r}, but an epoch "
                    f"records {', '.join(known)}"
                ) from error

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
        engine = self._engine
        assert engine is not None
        self._noise = engine.noise(self.noise_seed(epoch))
        self._set_training(True)
        self.module_.begin_epoch(epoch)
        with self._randomness(epoch):
            engine.run_epoch(iterator)

    def noise_seed(self, epoch: int) -> int:
        """Seed of the noise of an epoch, counted from zero."""
        return (self.seed << 20) + epoch + 1

    def _randomness(self, epoch: int) -> AbstractContextManager[None]:
        if not self.module_.global_randomness:
            return nullcontext()
        return seeded(self.noise_seed(epoch), torch.device(self.device))

    # -- the step ------------------------------------------------------------------------------

    def train_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Take one step of the optimisers whose turn it is, and check and record the terms."""
        X, y, *weights = batch
        padding = self.find_padding(X)
        values: dict[str, float] = {}
        processes = processes_of_fit()
        share = None if processes is None else Share(processes, len(y))
        for phase in self.module_.phases(self.steps_):
            terms = self.compute_terms(X, y, phase, *weights, padding=padding, share=share)
            numbers = torch.stack([term.detach() for term in terms.values()]).tolist()
            values |= self.named_terms(phase, dict(zip(terms, numbers, strict=True)))
            self.check_terms(values)
            self.move(phase, terms["loss"], batch)
        self.record_terms(values)
        self.steps_ += 1
        return {"loss": terms["loss"].detach(), "y_pred": None}

    def find_padding(self, X: Tensor) -> Tensor | None:
        """Mark the regions of zeros of a batch, which are looked for where there may be some."""
        return find_padding(X) if self.may_be_padded else None

    def compute_terms(
        self,
        X: Tensor,
        y: Tensor,
        phase: str,
        weights: Tensor | None = None,
        *,
        padding: Tensor | None,
        share: Share | None = None,
    ) -> dict[str, Tensor]:
        """Compute the terms of the loss of a phase on a batch."""
        assert self._noise is not None
        batch = Batch(X, y, self._noise, self.steps_, phase, padding, weights, share)
        with self.autocast():
            return self.module_.training_step(batch)

    def move(self, phase: str, loss: Tensor, batch: Any) -> None:
        """Take the gradient, and a step when enough of them are gathered."""
        known = self.optimizers_
        moving = [known[name] for name in self.module_.optimizers_of(phase)]
        place, n_batches = self.place_
        gathered = place % self.accumulate
        # The last batches of an epoch may be fewer: nothing is left for the next one.
        together = min(self.accumulate, n_batches - place + gathered)
        if gathered == 0:
            for optimizer in moving:
                optimizer.zero_grad()
        (loss / together if together > 1 else loss).backward()
        if gathered + 1 < together:
            return
        groups = [group for optimizer in moving for group in optimizer.param_groups]
        if (processes := processes_of_fit()) is not None:
            processes.average(parameters_of(groups))
        named = list(self.module_.named_parameters())
        self.notify("on_grad_computed", named_parameters=named, batch=batch, training=True)
        if self.gradient_clip is not None:
            nn.utils.clip_grad_norm_(parameters_of(groups), self.gradient_clip)
        for optimizer in moving:
            optimizer.step()

    def averaged(self) -> AbstractContextManager[None]:
        """Put averages of the weights in their place, where training keeps some."""
        averages: AbstractContextManager[None] = (
            nullcontext() if self.average_ is None else self.average_.applied(self)
        )
        return averages

    def autocast(self, dtype: torch.dtype | None = None) -> AbstractContextManager[Any]:
        """Compute in a precision, that of training by default, unless the learner sees to it."""
        dtype = dtype or self.precision
        if not self.module_.autocast or dtype == torch.float32:
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, dtype)

    def named_terms(self, phase: str, values: dict[str, Term]) -> dict[str, Term]:
        """Terms by the names they are recorded under: with several phases, these say which."""
        if len(self.phases_) == 1:
            return values
        named = {name: value for name, value in values.items() if name != "loss"}
        return {f"{phase}_loss": values["loss"], **named}

    def check_terms(self, values: Mapping[str, float]) -> None:
        """Raise if a term of the loss is not finite."""
        if all(map(math.isfinite, values.values())):
            return
        bad = [name for name in values if name != "loss" and not math.isfinite(values[name])]
        shown = ", ".join(f"{name}={value:.4g}" for name, value in values.items())
        raise NonFiniteLossError(
            f"The loss is not finite in epoch {len(self.history)}, batch "
            f"{len(self.history[-1]['batches'])}: term {', '.join(bad) or 'loss (the sum)'} "
            f"({shown}). Lower learning_rate or the weight of that term, set gradient_clip, or "
            "use precision='float32'."
        )

    def check_weights(self) -> None:
        """Raise if a weight is not finite."""
        for name, parameter in self.module_.named_parameters():
            if not bool(torch.isfinite(parameter).all()):
                raise NonFiniteLossError(
                    f"{name} is not finite after epoch {len(self.history)}: the last gradient "
                    "overflowed. Lower learning_rate, set gradient_clip, or use "
                    "precision='float32'."
                )

    def record_terms(self, values: Mapping[str, float]) -> None:
        """Write the terms of a batch into the history; the loss of the last phase is the loss."""
        loss = math.nan
        for name, value in values.items():
            loss = value if name == "loss" or name.endswith("_loss") else loss
            if name == "loss":
                continue
            if name not in self.term_names_:
                self.term_names_ = [*self.term_names_, name]
            self.history.record_batch(name, value)
        self.history.record_batch("train_loss", loss)
