"""The scikit-learn face of deep zero-shot estimators, over a skorch net they hold."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import GradientNormClipping
from torch import Tensor, nn

from zslearn._training._device import compute_dtype, resolve_device
from zslearn._training._net import ZeroShotNet
from zslearn._training._rows import RegionRows, TrainingBatches
from zslearn._training._schedule import schedule_callback
from zslearn.attributes import ClassAttributes
from zslearn.base import ZeroShotClassifierMixin, check_class_attributes
from zslearn.exceptions import NonFiniteLossError, TrainingInterruptedWarning

__all__ = ["DeepZeroShotClassifier"]

_OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}


class DeepZeroShotClassifier(ZeroShotClassifierMixin, BaseEstimator):
    """Base of estimators that train a torch module on region features by batches.

    A subclass names its parameters in ``__init__`` (those used here among them) and implements
    ``_network(table, n_features)`` and ``_criterion(table, unseen)``, each a class and its keyword
    arguments. The network has the methods ``semantics(regions)`` and
    ``class_scores(semantics, class_attributes)``.

    Attributes
    ----------
    net_ : ZeroShotNet
        The skorch net; ``net_.history`` holds the loss terms of every epoch and batch.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "optimizer": [StrOptions(set(_OPTIMIZERS)), type],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "betas": [tuple, list],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "learning_rate_schedule": [StrOptions({"constant", "cosine", "linear"})],
        "gradient_clip": [Interval(Real, 0, None, closed="neither"), None],
        "precision": [StrOptions({"auto", "float32", "bfloat16", "float16"})],
        "device": [str, torch.device],
        "callbacks": [list, None],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "delta": [Interval(Real, None, None, closed="neither")],
        "delta_scale": [StrOptions({"probability", "logit"})],
    }

    net_: ZeroShotNet

    @abstractmethod
    def _network(
        self, table: ClassAttributes, n_features: int
    ) -> tuple[type[nn.Module], dict[str, Any]]:
        """Class and arguments of the network, without its seed."""

    @abstractmethod
    def _criterion(
        self, table: ClassAttributes, unseen: NDArray[np.bool_]
    ) -> tuple[type[nn.Module], dict[str, Any]]:
        """Class and arguments of the criterion."""

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "net_")

    # -- training ------------------------------------------------------------------------------

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
        previous = self.__dict__.pop("net_", None)
        width = getattr(self, "n_features_in_", None)
        X, y = self._check_X_y(X, y, reset=True)
        table = check_class_attributes(class_attributes, y)
        if warm and (width != self.n_features_in_ or table != self.class_attributes_):
            raise ValueError(
                "warm_start=True continues the last training, so X must have as many features "
                f"({width}, found {self.n_features_in_}) and class_attributes must be equal. "
                "Set warm_start=False to start anew."
            )
        return self._train(X, y, table, previous if warm else None, self.max_epochs)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, classes: Any = None, class_attributes: Any = None) -> Any:
        """Train for one pass over some samples, continuing from the weights reached.

        The learning rate is constant and the optimiser's state is kept between calls.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_regions, n_features) or (n_samples, n_features)
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
            table = check_class_attributes(class_attributes, y)
        elif first:
            known = y if classes is None else np.unique(np.asarray(classes))
            table = check_class_attributes(None, known)
        else:
            table = self.class_attributes_
        if not first and table != self.class_attributes_:
            raise ValueError(
                "class_attributes differs from that of the first call to partial_fit; call fit to "
                "start anew."
            )
        previous = self.__dict__.pop("net_", None)
        return self._train(X, y, table, previous, 1, one_pass=True)

    def _train(
        self,
        X: Any,
        y: NDArray[Any],
        table: ClassAttributes,
        net: ZeroShotNet | None,
        epochs: int,
        one_pass: bool = False,
    ) -> Any:
        targets = table.index_of(y).astype(np.int64)
        seen = np.zeros(table.n_classes, dtype=bool)
        seen[targets] = True
        if net is not None:
            seen |= np.isin(table.labels, self.seen_classes_)
        device = resolve_device(self.device) if net is None else _device_of(net)
        shape = X.shape if len(X.shape) == 3 else (X.shape[0], 1, X.shape[1])
        rows_a_batch = min(self.batch_size, shape[0])
        work = 2 * rows_a_batch * shape[1] * shape[2] * table.n_attributes
        regions = RegionRows(
            X, device, compute_dtype(self.precision, device, work), keep=epochs > 1
        )
        if net is None:
            n_steps = epochs * -(-shape[0] // self.batch_size)
            schedule = None if one_pass else schedule_callback(self.learning_rate_schedule, n_steps)
            net = self._make_net(table, ~seen, device, schedule)
        else:
            net.criterion_.set_unseen(torch.from_numpy(~seen))
            net.device = str(device)
            net.verbose = int(self.verbose)
        batches = TrainingBatches(regions, targets, self.batch_size, net.seed)
        self._run(net, batches, epochs)
        self.class_attributes_ = table
        self.classes_ = np.array(table.labels)
        self.seen_classes_ = self.classes_[seen]
        self.unseen_classes_ = self.classes_[~seen]
        self.net_ = net
        return self

    def _run(self, net: ZeroShotNet, batches: TrainingBatches, epochs: int) -> None:
        before = len(net.history)
        net.max_epochs = epochs
        net.partial_fit(batches)
        for name, parameter in net.module_.named_parameters():
            if not bool(torch.isfinite(parameter).all()):
                raise NonFiniteLossError(
                    f"{name} is not finite after epoch {len(net.history)}: the last gradient "
                    "overflowed. Lower learning_rate, set gradient_clip, or use "
                    "precision='float32'."
                )
        if net.interrupted_:
            warnings.warn(
                f"Training was interrupted after {len(net.history) - before} of {epochs} epochs; "
                "the estimator is usable, with the weights reached.",
                TrainingInterruptedWarning,
                stacklevel=5,
            )

    def _make_net(
        self,
        table: ClassAttributes,
        unseen: NDArray[np.bool_],
        device: torch.device,
        schedule: Any,
    ) -> ZeroShotNet:
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        network, network_params = self._network(table, self.n_features_in_)
        criterion, criterion_params = self._criterion(table, unseen)
        optimizer = _OPTIMIZERS.get(self.optimizer, self.optimizer)
        options: dict[str, Any] = {"weight_decay": self.weight_decay}
        if self.optimizer in ("adam", "adamw"):
            options["betas"] = tuple(self.betas)
        if self.optimizer in _OPTIMIZERS and device.type in ("cpu", "cuda"):
            options["fused"] = True
        callbacks = [] if self.callbacks is None else list(self.callbacks)
        if schedule is not None:
            callbacks.append(("learning_rate_schedule", schedule))
        if self.gradient_clip is not None:
            callbacks.append(("gradient_clip", GradientNormClipping(self.gradient_clip)))
        net = ZeroShotNet(
            network,
            criterion=criterion,
            optimizer=optimizer,
            lr=self.learning_rate,
            batch_size=self.batch_size,
            device=str(device),
            verbose=int(self.verbose),
            callbacks=callbacks,
            seed=seed,
            **{f"module__{name}": value for name, value in network_params.items()},
            module__seed=seed,
            **{f"criterion__{name}": value for name, value in criterion_params.items()},
            **{f"optimizer__{name}": value for name, value in options.items()},
        )
        return net.initialize()

    # -- prediction ----------------------------------------------------------------------------

    def _inference_rows(self, X: Any) -> RegionRows:
        X = self._check_X(X, reset=False)
        device = _device_of(self.net_)
        n_regions = X.shape[1] if len(X.shape) == 3 else 1
        # The precision of training, whatever the number of rows: a sample's scores must not
        # depend on the company it comes in.
        work = 2 * self.batch_size * n_regions * X.shape[-1] * self.class_attributes_.n_attributes
        return RegionRows(X, device, compute_dtype(self.precision, device, work))

    def _infer(
        self, rows: RegionRows, method: str, n_values: int, *args: Any
    ) -> Iterator[tuple[slice, Tensor]]:
        """Results of a method of the network, a chunk of rows at a time, on the CPU."""
        module = self.net_.module_.eval()
        with torch.inference_mode():
            for chunk in rows.chunks(8 * n_values):
                yield chunk, getattr(module, method)(rows.take(chunk), *args).float().cpu()

    def _infer_semantics(self, X: Any) -> tuple[int, Iterator[tuple[slice, Tensor]]]:
        rows = self._inference_rows(X)
        n_values = rows.shape[1] * self.class_attributes_.n_attributes
        return len(rows), self._infer(rows, "semantics", n_values)

    def predict_attributes(self, X: Any) -> NDArray[np.float32]:
        """Semantic vectors of the samples (Eq. 3).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_regions, n_features) or (n_samples, n_features)

        Returns
        -------
        semantics : ndarray of shape (n_samples, n_attributes), float32
            Columns in the order of ``class_attributes_.attribute_names``. Comparable between
            samples; not on the scale of the class attribute table.
        """
        check_is_fitted(self)
        n_samples, chunks = self._infer_semantics(X)
        result = np.empty((n_samples, self.class_attributes_.n_attributes), dtype=np.float32)
        for rows, semantics in chunks:
            result[rows] = semantics.numpy()
        return result

    def _class_scores(self, X: Any, table: ClassAttributes) -> NDArray[np.float32]:
        n_samples, chunks = self._infer_semantics(X)
        values = torch.from_numpy(np.array(table.values))
        result = np.empty((n_samples, table.n_classes), dtype=np.float32)
        for rows, semantics in chunks:
            result[rows] = self.net_.module_.class_scores(semantics, values).numpy()
        return result


def _device_of(net: ZeroShotNet) -> torch.device:
    """Where the weights are: not where they were trained, once unpickled on another machine."""
    device: torch.device = next(net.module_.parameters()).device
    return device
