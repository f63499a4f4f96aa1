"""What training's own callbacks have in common."""

from __future__ import annotations

from skorch.callbacks import Callback

__all__ = ["TrainingCallback"]


class TrainingCallback(Callback):
    """A callback of training's own: an interrupt in it is the user's, and it lets batches pass."""

    may_be_interrupted = True
    watches_batches = False
