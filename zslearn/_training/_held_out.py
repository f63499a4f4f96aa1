"""Trainings without some seen classes, by which an estimator chooses what suits its data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

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

    # Whether held-out samples are scored on the scale of predictions, so that a delta carries over.
    _scores_held_out_alike: ClassVar[bool] = False

    max_epochs: int | Literal["auto"]
    batch_size: int
    batch_sampling: BatchSampling
    net_: LearnerNet
    validation_scores_: list[float]
    validation_history_: Any
    validation_delta_: float
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

    def _before_training(
        self, samples: Samples, classes: DescribedClasses, *, more: bool = False
    ) -> None:
        """Learn what the net is made and fed by from what it trains on; with `more`, it goes on."""

    def _scorer_of_held_out(
        self, net: LearnerNet, samples: Samples, classes: DescribedClasses, dtype: torch.dtype
    ) -> Callable[[Tensor], Tensor]:
        """Return what gives class scores (B, C) of regions while a net trains on samples."""
        return net.module_.scorer(self._table_values(classes.table, device_of(net)), dtype)

    def _least_epochs(self) -> int:
        """Epochs that early stopping leaves in any case."""
        return 0

    def _epochs_to_a_look(self, epochs: int) -> int:
        """Epochs of a training from one look at held-out classes to the next."""
        return 1

    def _after_training(self, samples: Samples, *, more: bool = False) -> None:
        """Fit what stands on the trained net; with `more`, samples add to those of calls before."""

    def _rehearses(self, *parts: Samples) -> bool:
        """Whether something is to be chosen that takes a training without some classes."""
        return False

    def _most_epochs(self, epochs: int) -> int:
        """Return how many epochs a rehearsal and the training after it take at most."""
        return 2 * epochs

    def _rehearse(
        self, samples: Samples, classes: DescribedClasses, task: FitTask, epochs: int
    ) -> int:
        """Train without some seen classes, and judge; return the epochs for all of them."""
        self._train_and_judge(samples, classes, task, epochs, self._draw_seed())
        return epochs

    def _train_and_judge(
        self,
        samples: Samples,
        classes: DescribedClasses,
        task: FitTask,
        epochs: int,
        seed: int,
    ) -> None:
        """Train without the classes that a seed holds out, and judge by them."""
        train, held_out = hold_out_classes(samples.y, _SHARE, seed)
        described = DescribedClasses.of(
            classes.table.subset(np.unique(samples.y)), samples.y[train]
        )
        self._before_training(samples.part(train), described)
        net = self._new_net(described)
        self._train(net, samples.part(train), described, epochs, task)
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
        kept = samples.part(train)
        self._before_training(kept, described)
        net = self._new_net(described)
        device, epochs = device_of(net), self._epochs(samples)
        with take_turn(device):
            monitor = HeldOutMonitor(
                self._rows(
                    samples.X, described.table, device, rows=samples.part(held_out).rows, keep=True
                ),
                y[held_out],
                classes=described,
                scorer_of=lambda net, dtype: self._scorer_of_held_out(net, kept, described, dtype),
                patience=stopping.n_iter_no_change,
                delta_scale=getattr(self, "delta_scale", "logit"),
                least=self._least_epochs(),
                epochs=epochs,
                every=stopping.evaluate_every or self._epochs_to_a_look(epochs),
            )
            with attached(net, "held_out", monitor):
                self._train(net, kept, described, epochs, task)
        if monitor.best_weights is not None:
            net.module_.load_state_dict(monitor.best_weights)
        self._judge(kept, samples.part(held_out))
        self.validation_scores_ = monitor.scores
        self.validation_history_ = net.history
        if self._scores_held_out_alike:
            self.validation_delta_ = monitor.best_delta
        self.best_epoch_ = max(1, monitor.best_epoch)
        if stopping.refit and not net.interrupted_:
            del self.net_
            return net
        # The whole table takes the place of the one the epochs were chosen with.
        whole = DescribedClasses(classes.table, np.isin(classes.labels, self.seen_classes_))
        self._describe_anew(whole)
        self._after_training(kept)
        return net
