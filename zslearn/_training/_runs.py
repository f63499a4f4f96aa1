"""A training run of an estimator: which rows come in which batches, and who watches."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from skorch.callbacks import Callback

from zslearn._data._rows import TrainingBatches
from zslearn._described_classes import DescribedClasses
from zslearn._sample_weights import Samples
from zslearn._training._contract import check_on_few
from zslearn._training._device import WORTH_THREADS
from zslearn._training._net import LearnerNet, attached
from zslearn._training._optimizers import LearningRate
from zslearn._training._prediction import device_of
from zslearn._training._progress import EpochBar, FitTask
from zslearn._training._sampling import BatchSampling, plan_of
from zslearn._training._schedules import Schedule
from zslearn._training._sharing import ThreadShare

__all__ = ["TrainingRuns"]


class TrainingRuns:
    """How a training estimator trains a net on some samples."""

    batch_size: int
    batch_sampling: BatchSampling
    learning_rate: float
    verbose: int
    _rows: Callable[..., Any]
    _table_values: Callable[..., Any]
    _work: Callable[..., int]

    def _train_on(
        self,
        net: LearnerNet,
        samples: Samples,
        classes: DescribedClasses,
        epochs: int,
        schedule: Schedule,
        task: FitTask,
    ) -> None:
        """Train a net for some epochs."""
        regions = self._rows(
            samples.X, classes.table, device_of(net), rows=samples.rows, keep=epochs > 1
        )
        batches = self._batches(net, regions, samples, classes)
        self._begin(net, batches, classes)
        rate = LearningRate(schedule, epochs * len(batches), self.learning_rate / net.lr)
        self._run(net, batches, epochs, rate, task, self._is_small(net, regions, classes))

    def _batches(
        self, net: LearnerNet, regions: Any, samples: Samples, classes: DescribedClasses
    ) -> TrainingBatches:
        """Return the batches of an epoch of these rows."""
        return TrainingBatches(
            regions,
            classes.targets(samples.y),
            self.batch_size,
            net.seed,
            **self._batch_options(net, samples, classes),
        )

    def _batch_options(
        self, net: LearnerNet, samples: Samples, classes: DescribedClasses
    ) -> dict[str, Any]:
        """How samples count in batches, and which make them."""
        draw = not net.module_.weighs_samples
        plan = plan_of(
            self.batch_sampling,
            classes.targets(samples.y),
            self.batch_size,
            draws_weighed=draw and samples.weights is not None,
        )
        return {"weights": samples.weights, "draw": draw, "plan": plan}

    def _begin(self, net: LearnerNet, batches: TrainingBatches, classes: DescribedClasses) -> None:
        """Tell a net what rows are coming, and try it before its first epoch."""
        regions = batches.regions
        net.precision, net.may_be_padded = regions.dtype, regions.may_be_padded
        if net.module_.autocast and regions.dtype == torch.float16:
            raise ValueError(
                f"precision='float16' needs gradients to be scaled, which "
                f"{type(self).__name__} does not do: use 'bfloat16' or 'float32'"
            )
        if not len(net.history):
            check_on_few(net, batches, self._table_values(classes.table, regions.device))

    def _is_small(self, net: LearnerNet, regions: Any, classes: DescribedClasses) -> bool:
        """Whether a step is too little work for threads."""
        small = self._work(classes.table, *regions.shape[1:]) < WORTH_THREADS
        return bool(small and net.device == "cpu")

    def _run(
        self,
        net: LearnerNet,
        batches: TrainingBatches,
        epochs: int,
        rate: LearningRate,
        task: FitTask,
        small: bool,
        **more: Callback,
    ) -> None:
        """Train a net with the callbacks of this run alone."""
        net.max_epochs = epochs
        threads = ThreadShare(small)
        ours = {"learning_rate": rate, "epoch_tasks": task.epochs(), "threads": threads, **more}
        if self.verbose > 1:
            ours["bar"] = EpochBar(epochs, type(self).__name__)
        with ExitStack() as stack:
            stack.callback(threads.leave)
            for name, callback in ours.items():
                stack.enter_context(attached(net, name, callback))
            net.partial_fit(batches)
