"""The scikit-learn face of deep zero-shot estimators, over a skorch net they hold."""

from __future__ import annotations

import copy
import warnings
from abc import abstractmethod
from contextlib import ExitStack
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from skorch.callbacks import Callback, GradientNormClipping
from torch import nn

from zslearn._training._device import resolve_device
from zslearn._training._early_stopping import HeldOutMonitor, hold_out_classes
from zslearn._training._inference import BatchedInference, device_of
from zslearn._training._net import ZeroShotNet, attached
from zslearn._training._optimizers import OPTIMIZERS, optimizer_options
from zslearn._training._progress import CallbackSupportMixin, EpochBar, FitTask
from zslearn._training._rows import TrainingBatches
from zslearn._training._schedule import LearningRate
from zslearn._training._sharing import ThreadShare, take_turn
from zslearn.attributes import ClassAttributes
from zslearn.base import check_class_attributes
from zslearn.exceptions import NonFiniteLossError, TrainingInterruptedWarning

__all__ = ["DeepZeroShotClassifier", "check_weights"]


class DeepZeroShotClassifier(BatchedInference, CallbackSupportMixin, BaseEstimator):
    """Base of estimators that train a torch module on region features by batches.

    A subclass names its parameters in ``__init__`` (those used here among them) and implements
    ``_network(table)`` and ``_criterion(table, unseen)``, each a class and its keyword arguments.

    The network is called as ``network(regions, generator=...)`` in training; its constructor also
    takes ``n_features`` and ``seed``; it has ``n_attributes`` and the methods
    ``attribute_weights(dtype)``, ``semantics(regions, weights=None)`` and
    ``class_scores(semantics, class_attributes=None)``, linear in the semantics. The criterion is
    called with the network's output and class indices, and returns a dict of the terms of the
    loss, among them "loss", their sum.

    Attributes
    ----------
    net_ : ZeroShotNet
        The skorch net; ``net_.history`` holds the loss terms of every epoch and batch.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "optimizer": [StrOptions(set(OPTIMIZERS)), type],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "betas": [tuple, list],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "learning_rate_schedule": [StrOptions({"constant", "cosine", "linear"})],
        "gradient_clip": [Interval(Real, 0, None, closed="neither"), None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "refit": ["boolean"],
        "precision": [StrOptions({"auto", "float32", "bfloat16", "float16"})],
        "device": [str, torch.device],
        "keep_regions": ["boolean", StrOptions({"auto"})],
        "callbacks": [list, None],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "batch_random_state": ["random_state"],
        "delta": [Interval(Real, None, None, closed="neither")],
        "delta_scale": [StrOptions({"probability", "logit"})],
    }

    net_: ZeroShotNet
    validation_scores_: list[float]
    validation_history_: Any
    best_epoch_: int

    @abstractmethod
    def _network(self, table: ClassAttributes) -> tuple[type[nn.Module], dict[str, Any]]:
        """Class and arguments of the network, without its width and seed."""

    @abstractmethod
    def _criterion(
        self, table: ClassAttributes, unseen: NDArray[np.bool_]
    ) -> tuple[type[nn.Module], dict[str, Any]]:
        """Class and arguments of the criterion."""

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "net_")

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, class_attributes: Any = None) -> Any:
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
            If the loss becomes NaN or infinite. The estimator is then not fitted.
        """
        warm = self.warm_start and hasattr(self, "net_")
        if warm and self.early_stopping:
            raise ValueError(
                "warm_start=True continues with all samples, early_stopping=True starts anew "
                "without some of them: set one of the two to False."
            )
        if not warm:
            self.__dict__.pop("net_", None)  # should this fit fail, none before it stands in
        X, y = self._check_X_y(X, y, reset=not warm)
        table = check_class_attributes(class_attributes, y)
        if warm and table != self.class_attributes_:
            raise ValueError(
                "warm_start=True continues the last training, so class_attributes must be equal "
                "to those of the last fit. Set warm_start=False to start anew."
            )
        epochs = self.max_epochs
        searching = self.early_stopping
        task = FitTask(self, epochs * (1 + (searching and self.refit)), X, y)
        if searching:
            stopped = self._train_held_out(X, y, table, task)
            if self.refit and not stopped.interrupted_:
                net = self._new_net(table, y)
                self._train(net, X, y, table, self.best_epoch_, task)
        else:
            for name in ("validation_scores_", "validation_history_", "best_epoch_"):
                self.__dict__.pop(name, None)
            net = self.net_ if warm else self._new_net(table, y)
            self._train(net, X, y, table, epochs, task)
        task.end()
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, *, classes: Any = None, class_attributes: Any = None
    ) -> Any:
        """Train for one pass over some samples, continuing from the weights reached.

        The learning rate is constant and the optimiser's state is kept between calls.

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
        elif hasattr(self, "class_attributes_"):
            raise ValueError(
                "The last training failed and left no model to continue: pass class_attributes "
                "(or classes) to partial_fit again, or call fit."
            )
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
        net = self._new_net(table, y) if first else self.net_
        task = FitTask(self, 1, X, y)
        self._train(net, X, y, table, 1, task, schedule="constant")
        task.end()
        return self

    # -- the parts of a fit --------------------------------------------------------------------

    def _train(
        self,
        net: ZeroShotNet,
        X: Any,
        y: NDArray[Any],
        table: ClassAttributes,
        epochs: int,
        task: FitTask,
        rows: NDArray[np.intp] | None = None,
        schedule: str | None = None,
    ) -> None:
        """Train a net and become fitted with it; `rows` picks those of X that belong to `y`."""
        targets = table.index_of(y).astype(np.int64)
        seen = np.zeros(table.n_classes, dtype=bool)
        seen[targets] = True
        if hasattr(self, "net_"):
            seen |= np.isin(table.labels, self.seen_classes_)
            self._update(net, table, ~seen)
        net.max_epochs = epochs
        before = len(net.history)
        with take_turn(device_of(net)):  # also for the copy of the regions
            regions = self._regions(
                X, table, device_of(net), rows=rows, keep=epochs > 1 and self.keep_regions
            )
            batches = TrainingBatches(regions, targets, self.batch_size, net.batch_seed)
            try:
                self._run(net, batches, epochs, schedule or self.learning_rate_schedule, task)
                check_weights(net)
            except NonFiniteLossError:
                self.__dict__.pop("net_", None)
                raise
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
        self._become_fitted(net, table, seen)

    def _become_fitted(
        self, net: ZeroShotNet, table: ClassAttributes, seen: NDArray[np.bool_]
    ) -> None:
        self.class_attributes_ = table
        self.classes_ = np.array(table.labels)
        self.seen_classes_ = self.classes_[seen]
        self.unseen_classes_ = self.classes_[~seen]
        self.net_ = net

    def _run(
        self, net: ZeroShotNet, batches: TrainingBatches, epochs: int, schedule: str, task: FitTask
    ) -> None:
        """Train a net with the callbacks of this run alone."""
        threads = ThreadShare()
        rate = LearningRate(schedule, self.learning_rate, epochs * len(batches))
        callbacks = {"learning_rate": rate, "epoch_tasks": task.epochs(), "threads": threads}
        if self.verbose > 1:
            callbacks["bar"] = EpochBar(epochs, type(self).__name__)
        with ExitStack() as stack:
            stack.callback(threads.leave)
            for name, callback in callbacks.items():
                stack.enter_context(attached(net, name, callback))
            net.partial_fit(batches)

    def _train_held_out(
        self, X: Any, y: NDArray[Any], table: ClassAttributes, task: FitTask
    ) -> ZeroShotNet:
        """Train without some seen classes and samples, for as long as these gain from it."""
        # The classes without samples have no part in choosing the epochs.
        described = table.subset(np.unique(y))
        train, held_out = hold_out_classes(y, self.validation_fraction, self._draw_seed())
        net = self._new_net(described, y[train])
        device = device_of(net)
        with take_turn(device):
            monitor = HeldOutMonitor(
                self._regions(X, described, device, rows=held_out, keep=self.keep_regions),
                y[held_out],
                classes=described.labels,
                seen_classes=np.unique(y[train]),
                patience=self.n_iter_no_change,
                keep_weights=not self.refit,
            )
            with attached(net, "held_out", monitor):
                self._train(net, X, y[train], described, self.max_epochs, task, rows=train)
        self.validation_scores_ = monitor.scores
        self.validation_history_ = net.history
        self.best_epoch_ = max(1, monitor.best_epoch)
        if self.refit and not net.interrupted_:
            del self.net_
        else:
            if monitor.best_weights is not None:
                net.module_.load_state_dict(monitor.best_weights)
            self._describe_anew(table)
        return net

    def _describe_anew(self, table: ClassAttributes) -> None:
        """Put the whole table in the place of the one the epochs were chosen with."""
        values = self._network(table)[1]["class_attributes"]
        self.net_.module_.class_attributes = values.to(device_of(self.net_))
        self.class_attributes_ = table
        self.classes_ = np.array(table.labels)
        self.unseen_classes_ = np.setdiff1d(self.classes_, self.seen_classes_)
        unseen = np.isin(self.classes_, self.unseen_classes_)
        kind, params = self._criterion(table, unseen)
        self.net_.criterion_ = kind(**params).to(device_of(self.net_))

    def _draw_seed(self, of: str = "random_state") -> int:
        return int(check_random_state(getattr(self, of)).randint(np.iinfo(np.int32).max))

    def _new_net(self, table: ClassAttributes, y: NDArray[Any]) -> ZeroShotNet:
        """Build a net for a table of which the classes in y are seen."""
        device = resolve_device(self.device)
        seed = batch_seed = self._draw_seed()
        if self.batch_random_state is not None:
            batch_seed = self._draw_seed("batch_random_state")
        network, network_params = self._network(table)
        criterion, criterion_params = self._criterion(table, ~np.isin(table.labels, y))
        optimizer: Any = OPTIMIZERS.get(self.optimizer, self.optimizer)
        # Copies: a callback keeps notes while it watches, and parameters must stay as they are.
        callbacks = copy.deepcopy(_check_callbacks(self.callbacks))
        if self.gradient_clip is not None:
            callbacks.append(("gradient_clip", GradientNormClipping(self.gradient_clip)))
        net = ZeroShotNet(
            network,
            criterion=criterion,
            optimizer=optimizer,
            lr=self.learning_rate,
            batch_size=self.batch_size,
            device=str(device),
            verbose=int(self.verbose == 1),
            callbacks=callbacks,
            seed=seed,
            batch_seed=batch_seed,
            module__n_features=self.n_features_in_,
            module__seed=seed,
            **{f"module__{name}": value for name, value in network_params.items()},
            **{f"criterion__{name}": value for name, value in criterion_params.items()},
            **{
                f"optimizer__{name}": value
                for name, value in optimizer_options(
                    optimizer, device, betas=self.betas, weight_decay=self.weight_decay
                ).items()
            },
        )
        return net.initialize()

    def _update(self, net: ZeroShotNet, table: ClassAttributes, unseen: NDArray[np.bool_]) -> None:
        """Give a net that goes on training the parameters as they are now."""
        kind, params = self._criterion(table, unseen)
        device = device_of(net)
        net.criterion_ = kind(**params).to(device)
        for name, value in self._network(table)[1].items():
            if name in net.module_.__dict__:
                setattr(net.module_, name, value)
        net.device, net.verbose = str(device), int(self.verbose == 1)


def _check_callbacks(callbacks: list[Any] | None) -> list[Any]:
    for entry in callbacks or []:
        callback = entry[1] if isinstance(entry, tuple) and len(entry) == 2 else entry
        if not isinstance(callback, Callback):
            raise TypeError(
                "callbacks must be a list of skorch callbacks, or pairs of a name and one; found "
                f"{entry!r}"
            )
    return list(callbacks or [])


def check_weights(net: ZeroShotNet) -> None:
    """Raise if a weight is not finite."""
    for name, parameter in net.module_.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            raise NonFiniteLossError(
                f"{name} is not finite after epoch {len(net.history)}: the last gradient "
                "overflowed. Lower learning_rate, set gradient_clip, or use precision='float32'."
            )
