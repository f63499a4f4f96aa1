"""What training's own callbacks have in common."""

from __future__ import annotations

from skorch.callbacks import Callback

__all__ = ["TrainingCallback"]


class TrainingCallback(Callback):
    """A callback of training's own: nothing has to happen between the steps for it."""

    watches_batches = False
