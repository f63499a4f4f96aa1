"""How many epochs: watched on seen classes and samples that are held out from training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zslearn._calibrated import on_delta_scale
from zslearn._data._rows import RegionRows
from zslearn._described_classes import DescribedClasses
from zslearn._training._callbacks import TrainingCallback
from zslearn.metrics import ausuc_score, best_calibration

__all__ = ["HeldOutMonitor", "hold_out_classes"]


def hold_out_classes(
    y: NDArray[Any], fraction: float, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split rows so that some classes are held out whole, and a share of the others' samples.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Labels of seen classes.
    fraction : float
        The share of classes, and of each remaining class's samples, that is held out; at least
        one of each, and at most all but one.
    seed : int

    Returns
    -------
    train, held_out : ndarray of int
        Sorted row numbers.

    Raises
    ------
    ValueError
        If no class, or no sample of a class that stays, would be left to train on.
    """
    rng = np.random.default_rng(seed)
    classes, targets, counts = np.unique(y, return_inverse=True, return_counts=True)
    n_held_out = min(max(1, round(fraction * len(classes))), len(classes) - 1)
    if len(classes) < 2:
        raise ValueError(
            f"early_stopping=True holds out whole classes, but y has {len(classes)}: at least two "
            "are needed, one to hold out and one to train on. Set early_stopping=False."
        )
    unseen = np.zeros(len(classes), dtype=bool)
    unseen[rng.permutation(len(classes))[:n_held_out]] = True
    stays_single = ~unseen & (counts < 2)
    if (stays_single | unseen).all():
        raise ValueError(
            "early_stopping=True holds out samples of the classes that are trained on, but each "
            f"of the {int(stays_single.sum())} that stay has only one, such as "
            f"{classes[stays_single].tolist()[0]!r}. Set early_stopping=False or give them more "
            "samples."
        )
    held_out = unseen[targets]
    order = rng.permutation(len(y))
    for c in np.flatnonzero(~unseen & ~stays_single):  # a single sample is there to train on
        rows = order[targets[order] == c]
        held_out[rows[: min(len(rows) - 1, max(1, round(fraction * len(rows))))]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


class HeldOutMonitor(TrainingCallback):
    """Record the area under the seen-unseen curve of held-out samples, and stop when it rests.

    Parameters
    ----------
    regions : RegionRows
        The held-out samples.
    y : ndarray of shape (n_held_out,)
        Their labels.
    classes : DescribedClasses
        Those of the fold.
    scorer_of : callable
        Of a net and a dtype, makes what gives class scores of regions of that dtype.
    patience : int
        Looks without a new best after which training stops.
    epochs : int
        Epochs of the training, of which the last is looked at in any case.
    every : int, default=1
        Epochs from one look to the next.
    delta_scale : str, default="logit"
        What a delta is added to.
    least : int, default=0
        Epochs that are trained in any case, behind which patience begins.

    Attributes
    ----------
    scores : list of float
        The area at each look; also ``valid_ausuc`` in the net's history, NaN between looks.
    best_epoch : int
        Counted from one.
    best_delta : float
        The one with the best harmonic mean in that epoch.
    best_weights : dict or None
        A copy of the weights after it, in the memory of the CPU.
    """

    def __init__(
        self,
        regions: RegionRows,
        y: NDArray[Any],
        classes: DescribedClasses,
        scorer_of: Callable[[Any, torch.dtype], Callable[[Tensor], Tensor]],
        patience: int,
        epochs: int,
        every: int = 1,
        delta_scale: str = "logit",
        least: int = 0,
    ) -> None:
        self.regions = regions
        self.y = y
        self.known: dict[str, Any] = {
            "classes": classes.labels,
            "seen_classes": classes.seen_labels,
        }
        self.n_attributes = classes.table.n_attributes
        self.scorer_of = scorer_of
        self.patience = patience
        self.epochs, self.every = epochs, every
        self.delta_scale = delta_scale
        self.best_delta = 0.0
        self.least = least
        self.scores: list[float] = []
        self.best_epoch = 0
        self.best_weights: dict[str, Any] | None = None

    def on_epoch_end(self, net: Any, *args: Any, **kwargs: Any) -> None:
        """Score the held-out samples, if it is time to."""
        if len(net.history) < self._epoch_of(len(self.scores)):
            net.history.record("valid_ausuc", float("nan"))
            return
        with net.averaged():
            self._score(net)

    def _epoch_of(self, look: int) -> int:
        return min((look + 1) * self.every, self.epochs)

    def _score(self, net: Any) -> None:
        module = net.module_.eval()
        logits = []
        with torch.inference_mode(), net.autocast(self.regions.dtype):
            score_of = self.scorer_of(net, self.regions.dtype)
            n_values = self.regions.shape[1] * self.n_attributes
            for _, regions in self.regions.take_chunks(8 * n_values):
                logits.append(score_of(regions).float().cpu().numpy())
        found = np.concatenate(logits)
        score = ausuc_score(self.y, found, **self.known)
        net.history.record("valid_ausuc", score)
        self.scores.append(score)
        if score > max(self.scores[:-1], default=-1.0):
            self.best_epoch = self._epoch_of(len(self.scores) - 1)
            scaled = on_delta_scale(found, self.delta_scale)
            self.best_delta = best_calibration(self.y, scaled, **self.known).delta
            self.best_weights = {
                name: value.detach().to("cpu", copy=True)
                for name, value in module.state_dict().items()
            }
            return
        begun = max(self.best_epoch, self.least)
        since = sum(self._epoch_of(look) > begun for look in range(len(self.scores)))
        if since >= self.patience:
            net.stop_requested_ = True
