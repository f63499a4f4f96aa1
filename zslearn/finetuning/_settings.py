"""How a backbone is trained, as one object among an estimator's parameters."""

from __future__ import annotations

import os
from numbers import Integral, Real
from typing import Any, ClassVar, Literal

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from zslearn._training._schedules import Schedule, StepSchedule

__all__ = ["FineTuning"]


class FineTuning(BaseEstimator):
    r"""How the backbone of a classifier of pictures is trained: the parameter ``finetuning``.

    What is said here is of the backbone; epochs, batches, optimiser, the rate of all else and early
    stopping are parameters of the classifier.

    Parameters
    ----------
    backbone_learning_rate : float, default=1e-4
        Initial rate of the last layer of the backbone.
    layer_decay : float, default=1.0
        A layer's rate to that of the layer behind it: layer i of L, counted from zero at the
        pixels, learns at ``backbone_learning_rate * layer_decay ** (L - 1 - i)``. Below 1, early
        layers, which suit all pictures, change less.
    backbone_schedule : {"constant", "cosine", "linear"} or StepSchedule, default="cosine"
        How the backbone's rates fall, from the first epoch that trains it to the last.
    warmup_epochs : float, default=0
        Epochs over which they rise from zero before.
    backbone_weight_decay : float, default=None
        Weight decay of the backbone; ``None`` is that of all else.
    decay_all : bool, default=True
        Whether norms, biases, class token and position are decayed too, as authors mostly do.
    freeze_epochs : int, default=0
        Epochs at the beginning that leave the backbone as it is. Where nothing is augmented they
        run on stored features: seconds an epoch.
    frozen_layers : int, default=0
        Layers from the pixels on that are never trained, as
        :meth:`~zslearn.finetuning.TokenBackbone.layers` counts them; -1 is all.
    keep_statistics : bool, default=True
        Whether batch norms use and keep the statistics they came with while they are trained: those
        of a small batch are poor, and differ from those of prediction.
    gradient_checkpointing : bool, default=False
        Whether activations are computed twice instead of kept: a fraction of the memory, and
        another pass through the network.
    accumulate : int, default=1
        Batches whose gradients are averaged before a step. Losses that compare the pictures of a
        batch still see the small one.
    augmentation : {"none", "flip", "crop"}, default="flip"
        What is done to pictures in training: half of them are swapped left and right; or a random
        part is taken as well, of pictures an eighth larger. Nothing is done to colours, which
        attributes speak of.
    average_decay : float, default=None
        If set, what is kept and judged are averages of the weights over the steps, each step
        counting ``average_decay`` times the one after it; such as 0.999.
    cache_dir : str or path-like, default=None
        Folder for decoded pictures, H x W x 3 bytes each, kept for the next fit. ``None`` keeps
        them in memory if they fit a quarter of what is free, and decodes in every epoch otherwise.
    checkpoint : str or path-like, default=None
        Folder in which training is saved; a `fit` on the same data with the same parameters goes on
        from there after it was killed, with the same result on one CPU. Removed when done.
    checkpoint_interval : int, default=1
        Epochs from one save to the next.

    See Also
    --------
    FineTunedClassifier : Trains a region classifier and its backbone.

    Examples
    --------
    >>> from zslearn.finetuning import FineTuning
    >>> FineTuning(freeze_epochs=5, layer_decay=0.75)
    FineTuning(freeze_epochs=5, layer_decay=0.75)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "backbone_learning_rate": [Interval(Real, 0, None, closed="neither")],
        "layer_decay": [Interval(Real, 0, 1, closed="right")],
        "backbone_schedule": [StrOptions({"constant", "cosine", "linear"}), StepSchedule],
        "warmup_epochs": [Interval(Real, 0, None, closed="left")],
        "backbone_weight_decay": [Interval(Real, 0, None, closed="left"), None],
        "decay_all": ["boolean"],
        "freeze_epochs": [Interval(Integral, 0, None, closed="left")],
        "frozen_layers": [Interval(Integral, -1, None, closed="left")],
        "keep_statistics": ["boolean"],
        "gradient_checkpointing": ["boolean"],
        "accumulate": [Interval(Integral, 1, None, closed="left")],
        "augmentation": [StrOptions({"none", "flip", "crop"})],
        "average_decay": [Interval(Real, 0, 1, closed="neither"), None],
        "cache_dir": [str, os.PathLike, None],
        "checkpoint": [str, os.PathLike, None],
        "checkpoint_interval": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        *,
        backbone_learning_rate: float = 1e-4,
        layer_decay: float = 1.0,
        backbone_schedule: Schedule = "cosine",
        warmup_epochs: float = 0,
        backbone_weight_decay: float | None = None,
        decay_all: bool = True,
        freeze_epochs: int = 0,
        frozen_layers: int = 0,
        keep_statistics: bool = True,
        gradient_checkpointing: bool = False,
        accumulate: int = 1,
        augmentation: Literal["none", "flip", "crop"] = "flip",
        average_decay: float | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_interval: int = 1,
    ) -> None:
        self.backbone_learning_rate = backbone_learning_rate
        self.layer_decay = layer_decay
        self.backbone_schedule = backbone_schedule
        self.warmup_epochs = warmup_epochs
        self.backbone_weight_decay = backbone_weight_decay
        self.decay_all = decay_all
        self.freeze_epochs = freeze_epochs
        self.frozen_layers = frozen_layers
        self.keep_statistics = keep_statistics
        self.gradient_checkpointing = gradient_checkpointing
        self.accumulate = accumulate
        self.augmentation = augmentation
        self.average_decay = average_decay
        self.cache_dir = cache_dir
        self.checkpoint = checkpoint
        self.checkpoint_interval = checkpoint_interval
