"""Trainings without some seen classes, by which an estimator chooses what suits its data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zslearn._described_classes import DescribedClasses
from zslearn._sample_weights import Samples
from zslearn._training._early_stopping import HeldOutMonitor, hold_out_classes
from zslearn._training._net import LearnerNet, attached
from zslearn._training._parameters import epochs_for
from zslearn._training._prediction import device_of
from zslearn._training._progress import FitTask
from zslearn._training._sampling import BatchSampling, batches_of_epoch
from zslearn._training._sharing import take_turn
from zslearn._training._stopping import HeldOutStopping
from zslearn.attributes import ClassAttributes

__all__ = ["HeldOutTraining"]

# Of the classes, and of the samples of the others, that a rehearsal is judged by.
_SHARE = 0.2


class HeldOutTraining:
    """What a training estimator does before it trains on everything."""

    max_epochs: int | Literal["auto"]
    batch_size: int
    batch_sampling: BatchSampling
    net_: LearnerNet
    validation_scores_: list[float]
    validation_history_: Any
    best_epoch_: int
    seen_classes_: NDArray[Any]
    _draw_seed: Callable[[], int]
    _new_net: Callable[[DescribedClasses], LearnerNet]
    _rows: Callable[..., Any]
    _table_values: Callable[[ClassAttributes, torch.device], Tensor]
    _train: Callable[..., None]
    _describe_anew: Callable[[DescribedClasses], None]

    def _epochs(self, samples: Samples) -> int:
        n_batches = batches_of_epoch(self.batch_sampling, samples.y, self.batch_size)
        return epochs_for(self.max_epochs, n_batches)

    def _least_epochs(self) -> int:
        """Epochs that early stopping leaves in any case."""
        return 0

    def _after_training(self, samples: Samples, *, more: bool = False) -> None:
        """Fit what stands on the trained net; with `more`, samples add to those of calls before."""

    def _rehearses(self, samples: Samples) -> bool:
        """Whether something is to be chosen that takes a training without some classes."""
        return False

    def _rehearse(self, samples: Samples, classes: DescribedClasses, task: FitTask) -> None:
        """Train without some seen classes, and judge."""
        train, held_out = hold_out_classes(samples.y, _SHARE, self._draw_seed())
        described = DescribedClasses.of(
            classes.table.subset(np.unique(samples.y)), samples.y[train]
        )
        net = self._new_net(described)
        self._train(net, samples.part(train), described, self._epochs(samples), task)
        if net.interrupted_:
            raise KeyboardInterrupt
        self._judge(samples.part(train), samples.part(held_out))

    def _judge(self, train: Samples, held_out: Samples) -> None:
        """Choose by samples that the net, as it is, was trained on and was not."""

    def _train_held_out(
        self,
        samples: Samples,
        classes: DescribedClasses,
        task: FitTask,
        stopping: HeldOutStopping,
    ) -> LearnerNet:
        """Train without some seen classes and samples, for as long as these gain from it."""
        y, seed = samples.y, self._draw_seed()
        train, held_out = hold_out_classes(y, stopping.validation_fraction, seed)
        # The classes without samples have no part in choosing the epochs.
        described = DescribedClasses.of(classes.table.subset(np.unique(y)), y[train])
        net = self._new_net(described)
        device = device_of(net)
        with take_turn(device):
            monitor = HeldOutMonitor(
                self._rows(
                    samples.X, described.table, device, rows=samples.part(held_out).rows, keep=True
                ),
                y[held_out],
                classes=described,
                table=self._table_values(described.table, device),
                patience=stopping.n_iter_no_change,
                keep_weights=not stopping.refit,
                least=self._least_epochs(),
            )
            with attached(net, "held_out", monitor):
                self._train(net, samples.part(train), described, self._epochs(samples), task)
        self._judge(samples.part(train), samples.part(held_out))
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
        self._describe_anew(whole)
        self._after_training(samples.part(train))
        return net
