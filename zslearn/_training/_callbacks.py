"""Callbacks: what training's own have in common, and which of skorch's have nothing to do here."""

from __future__ import annotations

from typing import Any

from skorch.callbacks import BatchScoring, Callback, EpochScoring

__all__ = ["TrainingCallback", "check_callbacks"]


class TrainingCallback(Callback):
    """A callback of training's own: nothing has to happen between the steps for it."""

    watches_batches = False


def check_callbacks(callbacks: list[Any] | None, *, watched: bool = False) -> list[Any]:
    """Refuse what is no callback, or waits for what training does not have.

    Parameters
    ----------
    callbacks : list of callbacks, or of pairs of a name and one, or None
    watched : bool, default=False
        Whether ``valid_ausuc`` is recorded in every epoch.
    """
    for entry in callbacks or []:
        callback = entry[1] if isinstance(entry, tuple) and len(entry) == 2 else entry
        if not isinstance(callback, Callback):
            raise TypeError(
                "callbacks must be a list of skorch callbacks, or pairs of a name and one; found "
                f"{entry!r}"
            )
        kind = type(callback).__name__
        if isinstance(callback, EpochScoring | BatchScoring):
            raise ValueError(
                f"callbacks holds {kind}, which scores the predictions of a net on validation data "
                "or on batches; training has neither. Set early_stopping=True, which records "
                "valid_ausuc of held-out classes in each epoch, or call partial_fit, one pass at a "
                "time, and score in between."
            )
        monitor = getattr(callback, "monitor", None)
        if not isinstance(monitor, str) or not monitor.startswith("valid_"):
            continue
        if monitor.removesuffix("_best") != "valid_ausuc":
            raise ValueError(
                f"callbacks holds {kind} with monitor={monitor!r}, but there is no validation "
                "data. Set monitor='train_loss', or leave it out and set early_stopping=True, "
                "which stops when held-out classes gain nothing more."
            )
        if not watched:
            raise ValueError(
                f"callbacks holds {kind} with monitor={monitor!r}, which a fit records only while "
                "it watches held-out classes. Set monitor='train_loss', or "
                "early_stopping=HeldOutStopping(refit=False)."
            )
    return list(callbacks or [])
