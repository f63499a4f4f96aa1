"""The scikit-learn face of deep zero-shot estimators, over a skorch net they hold."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import _fit_context
from sklearn.utils import check_random_state

from zslearn._delta_shares import counts_of
from zslearn._described_classes import DescribedClasses
from zslearn._sample_weights import Samples
from zslearn._training._callbacks import check_callbacks
from zslearn._training._continuing import MadeWith, go_on, unchanged_if_refused
from zslearn._training._device import outside_autocast, resolve_device
from zslearn._training._distributed import processes_of_fit
from zslearn._training._held_out import HeldOutTraining
from zslearn._training._net import LearnerNet
from zslearn._training._optimizers import optimizer_options
from zslearn._training._parameters import TrainingParameters
from zslearn._training._prediction import device_of
from zslearn._training._progress import CallbackSupportMixin, FitTask
from zslearn._training._runs import TrainingRuns
from zslearn._training._saved_state import SavedStateMixin
from zslearn._training._schedules import Schedule
from zslearn._training._sharing import take_turn
from zslearn._training._stopping import stopping_of
from zslearn.base import check_class_attributes
from zslearn.exceptions import TrainingInterruptedWarning

__all__ = ["DeepZeroShotClassifier"]


class DeepZeroShotClassifier(
    TrainingRuns, HeldOutTraining, SavedStateMixin, CallbackSupportMixin, TrainingParameters
):
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

    @abstractmethod
    def _learner_params(self, classes: DescribedClasses) -> dict[str, Any]:
        """Keyword arguments of the learner for these classes, without its width."""

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "net_")

    @_fit_context(prefer_skip_nested_validation=True)
    @outside_autocast()
    def fit(self, X: Any, y: Any, class_attributes: Any = None, sample_weight: Any = None) -> Self:
        """Train on samples of the seen classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_regions, n_features) or (n_samples, n_features)
            Region features of any real dtype; a vector an image is taken as one region. An
            ``np.memmap`` or lazy store is read a batch at a time. Each region is scaled to unit
            length; regions of zeros are padding and get no attention. Samples with different
            numbers of regions come as a list of arrays of shape (n_regions, n_features).
        y : array-like of shape (n_samples,)
            Class labels.
        class_attributes : ClassAttributes, DataFrame or array-like of shape (C, K), default=None
            Describes the classes in `y`, and the unseen ones. A DataFrame is indexed by class
            label; row c of a bare array describes the class labelled c. ``None`` gives each class
            in `y` an attribute of its own: an ordinary classifier.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each sample counts, at least 0: relative to the others, so that equal weights
            are as none. A sample of weight 0 is as if it were not there; each class in `y` needs
            one above. With `early_stopping`, held-out samples count alike.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If labels are not described, features are NaN or infinite, all regions of a sample are
            zero, shapes disagree, or weights are negative, not finite, or all 0 in a class.
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
            self._fit_on(X, y, class_attributes, sample_weight)
            return self
        with self._fitting_anew():
            self._fit_anew(X, y, class_attributes, sample_weight)
        return self

    def _fit_on(self, X: Any, y: Any, class_attributes: Any, sample_weight: Any) -> None:
        """Continue with the weights of the last fit."""
        X, y = self._check_X_y(X, y, reset=False)
        classes = DescribedClasses.of(class_attributes, y)
        if classes.table != self.class_attributes_:
            raise ValueError(
                "warm_start=True continues the last training, so class_attributes must be equal "
                "to those of the last fit. Set warm_start=False to start anew."
            )
        samples = self._weigh(X, y, sample_weight, classes)
        epochs, schedule = self._epochs(samples), self.learning_rate_schedule
        before = self.class_count_
        task = FitTask(self, epochs, X, y)
        self._continue(samples, classes, epochs, task, schedule, more=False)
        self.class_count_ = np.maximum(before, self.class_count_)  # they may be the same samples
        task.end()

    def _fit_anew(self, X: Any, y: Any, class_attributes: Any, sample_weight: Any) -> None:
        X, y, classes = self._check_fit(X, y, class_attributes)
        samples = self._weigh(X, y, sample_weight, classes)
        stopping = stopping_of(self.early_stopping)
        refits = stopping is not None and stopping.refit
        check_callbacks(self.callbacks, watched=stopping is not None and not refits)
        rehearses = stopping is None and self._rehearses(samples)
        epochs = self._epochs(samples)
        most = self._most_epochs(epochs) if rehearses else epochs * (1 + refits)
        task = FitTask(self, most, X, y)
        if stopping is None:
            if rehearses:
                epochs = self._rehearse(samples, classes, task, epochs)
            self._before_training(samples, classes)
            self._train(self._new_net(classes), samples, classes, epochs, task)
            self._after_training(samples)
        else:
            stopped = self._train_held_out(samples, classes, task, stopping)
            if refits and not stopped.interrupted_:
                self._before_training(samples, classes)
                self._train(self._new_net(classes), samples, classes, self.best_epoch_, task)
                self._after_training(samples)
        task.end()

    @_fit_context(prefer_skip_nested_validation=True)
    @outside_autocast()
    def partial_fit(
        self,
        X: Any,
        y: Any,
        *,
        classes: Any = None,
        class_attributes: Any = None,
        sample_weight: Any = None,
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
        sample_weight : array-like of shape (n_samples,), default=None
            How much each sample counts, as for `fit`: relative to the others of the call.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            As `fit` does, and if the table or the width of X changes, or `class_weight` is
            "balanced": how often classes occur in one call says nothing of the next.
        """
        with unchanged_if_refused(self):
            self._fit_part(X, y, classes, class_attributes, sample_weight)
        return self

    def _fit_part(
        self, X: Any, y: Any, classes: Any, class_attributes: Any, sample_weight: Any
    ) -> None:
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
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all samples, of which partial_fit sees a part: give "
                "sample_weight, such as sklearn.utils.class_weight.compute_sample_weight"
                "('balanced', y) of the samples of this call."
            )
        samples = self._weigh(X, y, sample_weight, described)
        task = FitTask(self, 1, X, y)
        if first:
            check_callbacks(self.callbacks)
            self._before_training(samples, described)
            net = self._new_net(described)
            self._train(net, samples, described, 1, task, schedule="constant")
            self._after_training(samples)
        else:
            before = self.class_count_
            self._continue(samples, described, 1, task, "constant", more=True)
            self.class_count_ += before
        task.end()

    # -- the parts of a fit --------------------------------------------------------------------

    def _weigh(
        self, X: Any, y: NDArray[Any], sample_weight: Any, classes: DescribedClasses
    ) -> Samples:
        """Return the samples that count, and how much, relative to each other."""
        weighed = Samples.weighed(X, y, sample_weight, self.class_weight, classes.labels)
        return weighed.relative()

    def _continue(
        self,
        samples: Samples,
        classes: DescribedClasses,
        epochs: int,
        task: FitTask,
        schedule: Schedule,
        *,
        more: bool,
    ) -> None:
        """Go on with the net there is, or leave all as it was."""
        seen = classes.seen | np.isin(classes.labels, self.seen_classes_)
        with unchanged_if_refused(self):
            described = DescribedClasses(classes.table, seen)
            self._before_training(samples, described, more=True)
            net = go_on(self, self._learner_params(described))
            self._train(net, samples, classes, epochs, task, schedule=schedule, seen=seen)
            self._after_training(samples, more=more)

    def _train(
        self,
        net: LearnerNet,
        samples: Samples,
        classes: DescribedClasses,
        epochs: int,
        task: FitTask,
        *,
        schedule: Schedule | None = None,
        seen: NDArray[np.bool_] | None = None,
    ) -> None:
        """Train a net and become fitted with it."""
        before = len(net.history)
        with take_turn(device_of(net)):  # also for the copy of the rows
            schedule = schedule or self.learning_rate_schedule
            self._train_on(net, samples, classes, epochs, schedule, task)
            net.check_weights()
            counts = np.bincount(classes.targets(samples.y), minlength=len(classes.labels))
        if net.interrupted_ and (task.in_search or processes_of_fit() is not None):
            raise KeyboardInterrupt
        if net.interrupted_:
            warnings.warn(
                f"Training was interrupted after {len(net.history) - before} of {epochs} epochs; "
                "the estimator is usable, with the weights reached.",
                TrainingInterruptedWarning,
                stacklevel=4,
            )
        self._set_classes(classes if seen is None else DescribedClasses(classes.table, seen))
        self.net_, self.class_count_ = net, counts

    def _draw_seed(self) -> int:
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def _new_net(self, classes: DescribedClasses) -> LearnerNet:
        """Build a net for these classes."""
        return self._make_net(classes, self._draw_seed(), resolve_device(self.device))

    def _make_net(self, classes: DescribedClasses, seed: int, device: torch.device) -> LearnerNet:
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
            # Not copied: whoever gave them reads what they note.
            callbacks=list(self.callbacks or []),
            seed=seed,
            gradient_clip=self.gradient_clip,
            module__n_features=self._width,
            **{f"module__{k}": value for k, value in self._learner_params(classes).items()},
        )
        net.made_with_ = MadeWith.of(self)
        return net.initialize()

    @property
    def n_iter_(self) -> int:
        """Epochs trained, those of all calls of `partial_fit`."""
        return len(self.net_.history)

    def _describe_anew(self, classes: DescribedClasses) -> None:
        go_on(self, self._learner_params(classes))
        self.class_count_ = counts_of(classes.labels, self.classes_, self.class_count_)
        self._set_classes(classes)
