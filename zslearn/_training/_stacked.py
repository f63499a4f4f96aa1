"""Several estimators fitted on the same data, in as few passes over it as their settings allow."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import get_config

from zslearn._training._estimator import DeepZeroShotClassifier, check_weights
from zslearn._training._inference import device_of
from zslearn._training._net import ZeroShotNet, attached
from zslearn._training._optimizers import OPTIMIZERS
from zslearn._training._progress import EpochBar
from zslearn._training._rows import TrainingBatches
from zslearn._training._schedule import LearningRate
from zslearn._training._sharing import ThreadShare, take_turn
from zslearn._training._side_by_side import SideBySide, can_be_stacked
from zslearn.attributes import ClassAttributes
from zslearn.base import check_class_attributes
from zslearn.exceptions import NonFiniteLossError, TrainingInterruptedWarning

__all__ = ["fit_side_by_side"]

# Bytes of the product of a batch with the weights of all; as much again for its gradient.
_PRODUCT_BYTES = 2**28


def fit_side_by_side(
    estimators: Sequence[Any], X: Any, y: Any, class_attributes: Any = None
) -> list[Exception | None]:
    """Fit estimators on the same data, each as it would be fitted alone.

    Deep estimators of one kind whose batches are the same are stacked: a pass over a batch of
    regions serves them all. The others are fitted one by one: those with early stopping,
    callbacks, float16 products, warm starts, or an optimiser of the user's own.

    Parameters
    ----------
    estimators : sequence of estimators
    X, y, class_attributes
        As in their ``fit``.

    Returns
    -------
    errors : list of Exception or None
        Why an estimator could not be fitted; ``None`` for those that were.

    Raises
    ------
    KeyboardInterrupt
        On an interrupt before every estimator has begun. If all have, those in training stop and
        are usable, as after the interrupt of a single fit.
    """
    errors: list[Exception | None] = [None] * len(estimators)
    groups = _make_groups(estimators, X, y, class_attributes, errors)
    stacked = {i for group in groups for i in group.rows}
    alone = [i for i in range(len(estimators)) if i not in stacked and errors[i] is None]
    left = len(stacked) + len(alone)
    described = {} if class_attributes is None else {"class_attributes": class_attributes}
    for group in groups:
        with take_turn(group.device):  # also for the copy of the regions
            for begun, interrupted in group.fit(errors):
                left -= begun
                if interrupted and left:
                    raise KeyboardInterrupt
    for i in alone:
        left -= 1
        try:
            estimators[i].fit(X, y, **described)
        except Exception as error:
            errors[i] = error
        else:
            net = getattr(estimators[i], "net_", None)
            if left and net is not None and net.interrupted_:
                raise KeyboardInterrupt
    return errors


class _Group:
    """Estimators whose nets see the same batches.

    Parameters
    ----------
    X, y, table
        Checked.
    """

    def __init__(self, X: Any, y: NDArray[Any], table: ClassAttributes) -> None:
        self.data = X, y, table
        self.rows: list[int] = []
        self.estimators: list[Any] = []
        self.nets: list[ZeroShotNet] = []

    @property
    def device(self) -> torch.device:
        """Where the nets are."""
        return device_of(self.nets[0])

    def fit(self, errors: list[Exception | None]) -> Iterator[tuple[int, bool]]:
        """Train and finish the estimators, as many at a time as memory allows.

        Yields how many were begun, and whether they were interrupted.
        """
        X, y, table = self.data
        lead, device = self.estimators[0], self.device
        targets = table.index_of(y).astype(np.int64)
        many = lead.max_epochs > 1
        try:
            regions = lead._regions(X, table, device, keep=many and lead.keep_regions)
            batches = TrainingBatches(regions, targets, lead.batch_size, self.nets[0].batch_seed)
        except Exception as error:
            for i in self.rows:
                errors[i] = error
            yield len(self.rows), False
            return
        images = -(-len(targets) // len(batches))
        numbers = images * regions.shape[1] * 2 * table.n_attributes
        most = max(1, _PRODUCT_BYTES // (numbers * regions.dtype.itemsize))
        n_parts = -(-len(self.rows) // most)
        for part in np.array_split(np.arange(len(self.rows)), n_parts):
            nets = [self.nets[k] for k in part]
            estimators = [self.estimators[k] for k in part]
            try:
                found = _train(estimators, nets, batches)
            except Exception as error:
                found = dict.fromkeys(range(len(nets)), error)
            seen = np.zeros(table.n_classes, dtype=bool)
            seen[targets] = True
            for k, (estimator, net) in enumerate(zip(estimators, nets, strict=True)):
                if k in found:
                    errors[self.rows[part[k]]] = found[k]
                else:
                    estimator._become_fitted(net, table, seen)
            interrupted = any(net.interrupted_ for net in nets)
            if interrupted:
                _warn_interrupted(nets, lead.max_epochs)
            yield len(part), interrupted


def _train(
    estimators: Sequence[Any], nets: Sequence[ZeroShotNet], batches: TrainingBatches
) -> dict[int, Exception]:
    """Train nets with the callbacks of their estimators; why some failed."""
    lead, epochs = estimators[0], estimators[0].max_epochs
    threads = ThreadShare()
    training = SideBySide(nets, batches)
    with ExitStack() as stack:
        stack.callback(threads.leave)
        stack.enter_context(attached(nets[0], "threads", threads))
        if any(estimator.verbose > 1 for estimator in estimators):
            bar = EpochBar(epochs, f"{len(nets)} x {type(lead).__name__}")
            stack.enter_context(attached(nets[0], "bar", bar))
        for estimator, net in zip(estimators, nets, strict=True):
            net.max_epochs = epochs
            schedule, initial = estimator.learning_rate_schedule, estimator.learning_rate
            rate = LearningRate(schedule, initial, epochs * len(batches))
            stack.enter_context(attached(net, "learning_rate", rate))
        training.run(epochs)
    errors: dict[int, Exception] = dict(training.errors)
    for k, net in enumerate(nets):
        if k not in errors:
            try:
                check_weights(net)
            except NonFiniteLossError as error:
                errors[k] = error
    return errors


def _warn_interrupted(nets: Sequence[ZeroShotNet], epochs: int) -> None:
    done = min(len(net.history) for net in nets)
    warnings.warn(
        f"Training was interrupted after {done} of {epochs} epochs; the {len(nets)} estimators "
        "trained together are usable, with the weights reached.",
        TrainingInterruptedWarning,
        stacklevel=5,
    )


def _may_be_stacked(estimator: Any) -> bool:
    if not isinstance(estimator, DeepZeroShotClassifier):
        return False
    known = (*OPTIMIZERS, *OPTIMIZERS.values())
    return (
        not estimator.early_stopping
        and not estimator.callbacks
        and not getattr(estimator, "_skl_callbacks", None)
        and not (estimator.warm_start and hasattr(estimator, "net_"))
        and estimator.optimizer in known
        # In float16 the gradients of a product are scaled by the largest of them.
        and estimator.precision != "float16"
    )


def _make_groups(
    estimators: Sequence[Any],
    X: Any,
    y: Any,
    class_attributes: Any,
    errors: list[Exception | None],
) -> list[_Group]:
    """Build the nets of those estimators that can be stacked, and group them."""
    groups: dict[Any, _Group] = {}
    first: Any = None
    for i, estimator in enumerate(estimators):
        if not _may_be_stacked(estimator):
            continue
        try:
            if not get_config()["skip_parameter_validation"]:
                estimator._validate_params()
            if first is None:
                estimator.__dict__.pop("net_", None)
                values, labels = estimator._check_X_y(X, y, reset=True)
                table = check_class_attributes(class_attributes, labels)
                nobody = np.zeros(table.n_classes, dtype=bool)
                first = estimator
            if not can_be_stacked(
                estimator._network(table)[0], estimator._criterion(table, nobody)[0]
            ):
                continue
            _begin_anew(estimator, first)
            net = estimator._new_net(table, labels)
            _ = net.criterion_.term_names  # an error if there is nothing to minimise
        except Exception as error:
            errors[i] = error
            continue
        shapes = tuple(tuple(p.shape) for p in net.module_.parameters())
        shared = (estimator.max_epochs, estimator.batch_size, estimator.precision, net.device)
        key = (type(estimator), shared, shapes, net.batch_seed)
        group = groups.setdefault(key, _Group(values, labels, table))
        group.rows.append(i)
        group.estimators.append(estimator)
        group.nets.append(net)
    return list(groups.values())


def _begin_anew(estimator: Any, first: Any) -> None:
    """Forget a former fit, and take over what the first estimator learned of X."""
    for name in ("net_", "validation_scores_", "validation_history_", "best_epoch_"):
        estimator.__dict__.pop(name, None)
    for name in ("n_features_in_", "feature_names_in_", "_fitted_on_vectors"):
        if hasattr(first, name):
            setattr(estimator, name, getattr(first, name))
        else:
            estimator.__dict__.pop(name, None)
