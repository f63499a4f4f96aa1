"""The scikit-learn face of deep zero-shot estimators, over a skorch net they hold."""

from __future__ import annotations

import copy
import warnings
from abc import abstractmethod
from contextlib import ExitStack
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from skorch.callbacks import Callback

from zslearn._data._rows import TrainingBatches
from zslearn._described_classes import DescribedClasses
from zslearn._training._contract import check_learner
from zslearn._training._device import WORTH_THREADS, resolve_device
from zslearn._training._early_stopping import HeldOutMonitor, hold_out_classes
from zslearn._training._learner import Learner, take_over
from zslearn._training._net import LearnerNet, attached
from zslearn._training._optimizers import LearningRate, optimizer_options
from zslearn._training._parameters import TrainingParameters
from zslearn._training._prediction import device_of
from zslearn._training._progress import CallbackSupportMixin, EpochBar, FitTask
from zslearn._training._randomness import seeded
from zslearn._training._refusal import unchanged_if_refused
from zslearn._training._saved_state import SavedStateMixin
from zslearn._training._sharing import ThreadShare, take_turn
from zslearn._training._stopping import HeldOutStopping
from zslearn.base import check_class_attributes
from zslearn.exceptions import TrainingInterruptedWarning

__all__ = ["DeepZeroShotClassifier"]


class DeepZeroShotClassifier(SavedStateMixin, CallbackSupportMixin, TrainingParameters):
    """Base of estimators that train a learner on features by batches.

    A subclass names its own parameters in ``__init__``, its `Learner` in ``_learner_type``, and
    implements ``_learner_params(classes)``, the learner's keyword arguments besides ``n_features``.

    Attributes
    ----------
    net_ : LearnerNet
        The skorch net; ``net_.history`` holds the loss terms of every epoch and batch.
    """

    # Options of the optimiser that a method usually has, where the optimiser knows them.
    _optimizer_options: ClassVar[dict[str, Any]] = {}

    net_: LearnerNet
    validation_scores_: list[float]
    validation_history_: Any
    best_epoch_: int

    @abstractmethod
    def _learner_params(self, classes: DescribedClasses) -> dict[str, Any]:
        """Keyword arguments of the learner for these classes, without its width."""

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "net_")

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, class_attributes: Any = None) -> Self:
        """Train on samples of the seen classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_regions, n_features) or (n_samples, n_features)
            Region features of any real dtype; a vector an image is taken as one region. An
            ``np.memmap`` or lazy store is read a batch at a time. Each region is scaled to unit
            length.
        y : array-like of shape (n_samples,)
            Class labels.
        class_attributes : ClassAttributes, DataFrame or array-like of shape (C, K), default=None
            Describes the classes in `y`, and the unseen ones. A DataFrame is indexed by class
            label; row c of a bare array describes the class labelled c. ``None`` gives each class
            in `y` an attribute of its own: an ordinary classifier.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If labels are not described, features are NaN or infinite, or shapes disagree.
        NonFiniteLossError
            If the loss becomes NaN or infinite. The estimator is then not fitted; with
            `warm_start`, it is as it was before.
        """
        warm = self.warm_start and hasattr(self, "net_")
        if warm and self.early_stopping:
            raise ValueError(
                "warm_start=True continues with all samples, early_stopping=True starts anew "
                "without some of them: set one of the two to False."
            )
        if warm:
            self._fit_on(X, y, class_attributes)
            return self
        with self._fitting_anew():
            self._fit_anew(X, y, class_attributes)
        return self

    def _fit_on(self, X: Any, y: Any, class_attributes: Any) -> None:
        """Continue with the weights of the last fit."""
        X, y = self._check_X_y(X, y, reset=False)
        classes = DescribedClasses.of(class_attributes, y)
        if classes.table != self.class_attributes_:
            raise ValueError(
                "warm_start=True continues the last training, so class_attributes must be equal "
                "to those of the last fit. Set warm_start=False to start anew."
            )
        task = FitTask(self, self.max_epochs, X, y)
        self._continue(
            X, y, classes, self.max_epochs, task, self.learning_rate_schedule, more=False
        )
        task.end()

    def _fit_anew(self, X: Any, y: Any, class_attributes: Any) -> None:
        X, y, classes = self._check_fit(X, y, class_attributes)
        stopping = self._stopping()
        task = FitTask(self, self.max_epochs * (1 + bool(stopping and stopping.refit)), X, y)
        if stopping is None:
            self._train(self._new_net(classes), X, y, classes, self.max_epochs, task)
            self._after_training(X, y)
        else:
            stopped = self._train_held_out(X, y, classes, task, stopping)
            if stopping.refit and not stopped.interrupted_:
                self._train(self._new_net(classes), X, y, classes, self.best_epoch_, task)
                self._after_training(X, y)
        task.end()

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, *, classes: Any = None, class_attributes: Any = None
    ) -> Self:
        """Train for one pass over some samples, continuing from the weights reached.

        The learning rate is constant and the optimiser's state is kept between calls. A call that
        is refused leaves the estimator as it was.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_regions, n_features) or (n_samples, n_features)
            Region features, as for `fit`.
        y : array-like of shape (n_samples,)
            Class labels; classes that occur for the first time become seen.
        classes : array-like of labels, default=None
            All classes that will occur, needed at the first call if `class_attributes` is
            ``None``: each then has an attribute of its own.
        class_attributes : ClassAttributes, DataFrame or array-like of shape (C, K), default=None
            At the first call, as in `fit`. Later calls may leave it out; it must not change.

        Returns
        -------
        self : object
            Fitted estimator.
        """
        first = not hasattr(self, "net_")
        X, y = self._check_X_y(X, y, reset=first)
        if class_attributes is not None:
            table = check_class_attributes(class_attributes, y, may_be_cut=False)
        elif not first:
            table = self.class_attributes_
        else:
            table = check_class_attributes(None, y if classes is None else np.asarray(classes))
        if classes is not None and (extra := np.setdiff1d(classes, table.labels)).size:
            raise ValueError(
                f"classes holds labels that class_attributes does not describe: "
                f"{extra[:5].tolist()}. Describe them, or leave classes out."
            )
        if not first and table != self.class_attributes_:
            raise ValueError(
                "class_attributes differs from that of the first call to partial_fit; call fit to "
                "start anew."
            )
        described = DescribedClasses(table, np.isin(table.labels, y))
        described.targets(y)  # an error if one is not described
        task = FitTask(self, 1, X, y)
        if first:
            try:
                self._train(self._new_net(described), X, y, described, 1, task, schedule="constant")
                self._after_training(X, y)
            except BaseException:
                self._forget()
                raise
        else:
            self._continue(X, y, described, 1, task, "constant", more=True)
        task.end()
        return self

    # -- the parts of a fit --------------------------------------------------------------------

    def _stopping(self) -> HeldOutStopping | None:
        if isinstance(self.early_stopping, HeldOutStopping):
            self.early_stopping._validate_params()
            return self.early_stopping
        return HeldOutStopping() if self.early_stopping else None

    def _continue(
        self,
        X: Any,
        y: NDArray[Any],
        classes: DescribedClasses,
        epochs: int,
        task: FitTask,
        schedule: str,
        *,
        more: bool,
    ) -> None:
        """Go on with the net there is, or leave all as it was."""
        seen = classes.seen | np.isin(classes.labels, self.seen_classes_)
        with unchanged_if_refused(self):
            net = self._rebuild(DescribedClasses(classes.table, seen))
            self._train(net, X, y, classes, epochs, task, schedule=schedule, seen=seen)
            self._after_training(X, y, more=more)

    def _after_training(
        self, X: Any, y: NDArray[Any], *, rows: NDArray[np.intp] | None = None, more: bool = False
    ) -> None:
        """Fit what stands on the trained net; `y` belongs to the samples or to these rows of them.

        With `more`, they are added to those of the calls before.
        """

    def _train(
        self,
        net: LearnerNet,
        X: Any,
        y: NDArray[Any],
        classes: DescribedClasses,
        epochs: int,
        task: FitTask,
        *,
        rows: NDArray[np.intp] | None = None,
        schedule: str | None = None,
        seen: NDArray[np.bool_] | None = None,
    ) -> None:
        """Train a net and become fitted with it; `rows` picks those of X that belong to `y`."""
        net.max_epochs = epochs
        before = len(net.history)
        with take_turn(device_of(net)):  # also for the copy of the rows
            regions = self._rows(X, classes.table, device_of(net), rows=rows, keep=epochs > 1)
            batches = TrainingBatches(regions, classes.targets(y), self.batch_size, net.seed)
            net.precision = regions.dtype
            if net.module_.autocast and regions.dtype == torch.float16:
                raise ValueError(
                    f"precision='float16' needs gradients to be scaled, which "
                    f"{type(self).__name__} does not do: use 'bfloat16' or 'float32'"
                )
            if not before:
                self._check_contract(net, batches, classes)
            schedule = schedule or self.learning_rate_schedule
            small = self._work(classes.table, *regions.shape[1:]) < WORTH_THREADS
            self._run(net, batches, epochs, schedule, task, small and net.device == "cpu")
            net.check_weights()
            del regions, batches
        if net.interrupted_ and task.in_search:
            raise KeyboardInterrupt
        if net.interrupted_:
            warnings.warn(
                f"Training was interrupted after {len(net.history) - before} of {epochs} epochs; "
                "the estimator is usable, with the weights reached.",
                TrainingInterruptedWarning,
                stacklevel=4,
            )
        self._set_classes(classes if seen is None else DescribedClasses(classes.table, seen))
        self.net_ = net

    def _check_contract(
        self, net: LearnerNet, batches: TrainingBatches, classes: DescribedClasses
    ) -> None:
        """Refuse a learner that does not keep its word, before the first epoch."""
        few = np.arange(min(len(batches.targets), self.batch_size, 8))
        X = batches.regions.take(few)
        y = torch.from_numpy(batches.targets[few]).to(X.device)
        with seeded(0, X.device):
            check_learner(net, X, y, self._table_values(classes.table, X.device))

    def _run(
        self,
        net: LearnerNet,
        batches: TrainingBatches,
        epochs: int,
        schedule: str,
        task: FitTask,
        small: bool,
    ) -> None:
        """Train a net with the callbacks of this run alone."""
        threads = ThreadShare(small)
        rate = LearningRate(schedule, epochs * len(batches), self.learning_rate / net.lr)
        callbacks = {"learning_rate": rate, "epoch_tasks": task.epochs(), "threads": threads}
        if self.verbose > 1:
            callbacks["bar"] = EpochBar(epochs, type(self).__name__)
        with ExitStack() as stack:
            stack.callback(threads.leave)
            for name, callback in callbacks.items():
                stack.enter_context(attached(net, name, callback))
            net.partial_fit(batches)

    def _train_held_out(
        self,
        X: Any,
        y: NDArray[Any],
        classes: DescribedClasses,
        task: FitTask,
        stopping: HeldOutStopping,
    ) -> LearnerNet:
        """Train without some seen classes and samples, for as long as these gain from it."""
        seed = self._draw_seed()
        train, held_out = hold_out_classes(y, stopping.validation_fraction, seed)
        # The classes without samples have no part in choosing the epochs.
        described = DescribedClasses.of(classes.table.subset(np.unique(y)), y[train])
        net = self._new_net(described)
        device = device_of(net)
        with take_turn(device):
            monitor = HeldOutMonitor(
                self._rows(X, described.table, device, rows=held_out, keep=True),
                y[held_out],
                classes=described,
                table=self._table_values(described.table, device),
                patience=stopping.n_iter_no_change,
                keep_weights=not stopping.refit,
            )
            with attached(net, "held_out", monitor):
                self._train(net, X, y[train], described, self.max_epochs, task, rows=train)
        self.validation_scores_ = monitor.scores
        self.validation_history_ = net.history
        self.best_epoch_ = max(1, monitor.best_epoch)
        if stopping.refit and not net.interrupted_:
            del self.net_
            return net
        if monitor.best_weights is not None:
            net.module_.load_state_dict(monitor.best_weights)
        # The whole table takes the place of the one the epochs were chosen with.
        whole = DescribedClasses(classes.table, np.isin(classes.labels, self.seen_classes_))
        self._rebuild(whole)
        self._set_classes(whole)
        self._after_training(X, y[train], rows=train)
        return net

    def _draw_seed(self) -> int:
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def _new_net(self, classes: DescribedClasses) -> LearnerNet:
        """Build a net for these classes."""
        return self._make_net(classes, self._draw_seed(), resolve_device(self.device))

    def _make_net(self, classes: DescribedClasses, seed: int, device: torch.device) -> LearnerNet:
        # Copies: a callback keeps notes while it watches, and parameters must stay as they are.
        callbacks = copy.deepcopy(_check_callbacks(self.callbacks))
        net = LearnerNet(
            self._learner_type,
            optimizer=self.optimizer,
            optimizer_params=optimizer_options(
                self.optimizer, self._optimizer_options, self.optimizer_params
            ),
            lr=self.learning_rate,
            batch_size=self.batch_size,
            device=str(device),
            verbose=int(self.verbose == 1),
            callbacks=callbacks,
            seed=seed,
            gradient_clip=self.gradient_clip,
            **self._module_params(classes),
        )
        return net.initialize()

    def _module_params(self, classes: DescribedClasses) -> dict[str, Any]:
        params = {"n_features": self.n_features_in_, **self._learner_params(classes)}
        return {f"module__{name}": value for name, value in params.items()}

    def _describe_anew(self, classes: DescribedClasses) -> None:
        self._rebuild(classes)
        self._set_classes(classes)

    def _rebuild(self, classes: DescribedClasses) -> LearnerNet:
        """Give the net a learner for other classes, or other parameters, with what it learned."""
        net = self.net_
        device = device_of(net)
        params = self._learner_params(classes)
        with seeded(net.seed, device):
            new: Learner = self._learner_type(n_features=self.n_features_in_, **params)
        net.module_ = take_over(new.to(device), net.module_)
        net.device, net.verbose = str(device), int(self.verbose == 1)
        net.gradient_clip = self.gradient_clip
        return net


def _check_callbacks(callbacks: list[Any] | None) -> list[Any]:
    for entry in callbacks or []:
        callback = entry[1] if isinstance(entry, tuple) and len(entry) == 2 else entry
        if not isinstance(callback, Callback):
            raise TypeError(
                "callbacks must be a list of skorch callbacks, or pairs of a name and one; found "
                f"{entry!r}"
            )
    return list(callbacks or [])
