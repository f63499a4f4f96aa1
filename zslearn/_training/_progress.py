"""Progress: the bridge to scikit-learn's callback protocol, and a plain bar.

The protocol is experimental and not in every version; this is the only module that knows of it.
Callbacks set with ``set_callbacks``, or passed down by a search or a pipeline, see each fit as a
task and each of its epochs as a subtask; one that answers "stop" ends the training after that
epoch.
"""

from __future__ import annotations

from typing import Any

from skorch.callbacks import Callback
from tqdm.auto import tqdm

from zslearn._training._callbacks import TrainingCallback
from zslearn._training._distributed import processes_of_fit

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn < 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in for scikit-learn's: no callbacks can be set."""


__all__ = ["CallbackSupportMixin", "EpochBar", "FitTask"]


class FitTask:
    """A fit as scikit-learn's callbacks see it; without support for them, nothing.

    Parameters
    ----------
    estimator : object
        The estimator being fitted.
    n_epochs : int
        The most epochs the fit will take.
    X, y : array-like
        What it is fitted on.
    """

    def __init__(self, estimator: Any, n_epochs: int, X: Any, y: Any) -> None:
        self.estimator = estimator
        self.data = {"X": X, "y": y}
        self.context = None
        if hasattr(estimator, "_init_callback_context"):
            self.context = estimator._init_callback_context(max_subtasks=n_epochs)
            self.context.call_on_fit_task_begin(estimator=estimator, **self.data)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the data: a net that is saved while it trains holds its tasks."""
        return self.__dict__ | {"data": {}, "context": None}

    @property
    def in_search(self) -> bool:
        """Whether the fit belongs to a search, which an interrupt is meant to end as a whole."""
        context = self.context
        while context is not None:
            names = (context.estimator_name, context.source_estimator_name or "")
            if any(name.endswith("SearchCV") for name in names):
                return True
            context = context.parent
        return False

    def epochs(self) -> Callback:
        """Return a callback for the net that reports its epochs as subtasks."""
        return EpochTasks(self)

    def end(self) -> None:
        """Report the end of the fit."""
        if self.context is not None:
            self.context.call_on_fit_task_end(
                estimator=self.estimator, reconstruction_attributes={}, **self.data
            )


class EpochTasks(TrainingCallback):
    """Report each epoch of a net to scikit-learn's callbacks."""

    def __init__(self, task: FitTask) -> None:
        self.task = task
        self.context: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the subtask, which ends with the epoch."""
        return self.__dict__ | {"context": None}

    def on_epoch_begin(self, net: Any, *args: Any, **kwargs: Any) -> None:
        """Open a subtask."""
        task = self.task
        if task.context is not None:
            self.context = task.context.subcontext(task_name="epoch")
            self.context.call_on_fit_task_begin(estimator=task.estimator, **task.data)

    def on_epoch_end(self, net: Any, *args: Any, **kwargs: Any) -> None:
        """Close it, and stop if a callback says so."""
        if self.context is None:
            return
        context, self.context = self.context, None
        if context.call_on_fit_task_end(estimator=self.task.estimator, **self.task.data):
            net.stop_requested_ = True


class EpochBar(TrainingCallback):
    """A progress bar over the epochs of a training run, with the loss and its terms."""

    def __init__(self, n_epochs: int, description: str) -> None:
        self.n_epochs = n_epochs
        self.description = description
        self.bar: Any = None

    def on_train_begin(self, net: Any, *args: Any, **kwargs: Any) -> None:
        """Draw the bar."""
        processes = processes_of_fit()
        silent = processes is not None and processes.rank > 0
        self.bar = tqdm(total=self.n_epochs, desc=self.description, unit="epoch", disable=silent)

    def on_batch_end(self, net: Any, *args: Any, training: bool = False, **kwargs: Any) -> None:
        """Show the terms of the last batch."""
        batch = net.history[-1]["batches"][-1]
        terms = {name: f"{batch[name]:.3g}" for name in net.term_names_ if name in batch}
        self.bar.set_postfix(terms, refresh=False)

    def after_epoch_of_graphs(self, net: Any) -> None:
        """Show the terms of the last batch of an epoch that nobody watched."""
        self.on_batch_end(net, training=True)

    def on_epoch_end(self, net: Any, *args: Any, **kwargs: Any) -> None:
        """Move on."""
        self.bar.update()

    def on_train_end(self, net: Any, *args: Any, **kwargs: Any) -> None:
        """Leave the bar as it stands."""
        self.bar.close()
