"""How batches are drawn: the parameter ``batch_sampling``."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval

from zslearn._data._sampling import RowPlan, RowsByClass

__all__ = ["BatchSampling", "EpisodeSampling", "batches_of_epoch", "plan_of"]


class EpisodeSampling(BaseEstimator):
    """Batches of a few samples of a few classes: the parameter ``batch_sampling`` in full.

    A batch has `n_way` classes, none twice, and `n_shot` samples of each, none twice unless the
    class has fewer. The parameter ``batch_size`` of the estimator plays no part.

    Parameters
    ----------
    n_way : int, default=16
        Classes of a batch; where fewer have samples, all of them.
    n_shot : int, default=2
        Samples of each.
    n_batches : int, default=None
        Batches of an epoch; ``None`` takes as many as hold the training samples once.

    See Also
    --------
    HeldOutStopping : Another parameter of training with settings of its own.

    Notes
    -----
    The defaults are those of published code for the 150 seen classes of CUB, where an epoch has
    300 batches.

    Examples
    --------
    >>> from zslearn import DAZLEClassifier
    >>> from zslearn.model_selection import EpisodeSampling
    >>> clf = DAZLEClassifier(batch_sampling=EpisodeSampling(n_shot=3))
    >>> clf.set_params(batch_sampling__n_way=8).batch_sampling
    EpisodeSampling(n_shot=3, n_way=8)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_way": [Interval(Integral, 1, None, closed="left")],
        "n_shot": [Interval(Integral, 1, None, closed="left")],
        "n_batches": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(self, *, n_way: int = 16, n_shot: int = 2, n_batches: int | None = None) -> None:
        self.n_way = n_way
        self.n_shot = n_shot
        self.n_batches = n_batches


BatchSampling = Literal["shuffled", "balanced", "episodes"] | EpisodeSampling


def _episodes_of(sampling: BatchSampling) -> EpisodeSampling | None:
    if isinstance(sampling, EpisodeSampling):
        sampling._validate_params()
        return sampling
    return EpisodeSampling() if sampling == "episodes" else None


def batches_of_epoch(sampling: BatchSampling, targets: NDArray[Any], batch_size: int) -> int:
    """Return how many batches an epoch of samples of these classes has."""
    episodes = _episodes_of(sampling)
    if episodes is None:
        return -(-len(targets) // batch_size)
    if episodes.n_batches is not None:
        return episodes.n_batches
    n_way = min(episodes.n_way, len(np.unique(targets)))
    return -(-len(targets) // (n_way * episodes.n_shot))


def plan_of(
    sampling: BatchSampling, targets: NDArray[np.int64], batch_size: int, *, draws_weighed: bool
) -> RowPlan | None:
    """Return the plan of the batches, or none where rows are shuffled.

    Raises
    ------
    ValueError
        If samples are to come as often as they weigh, where classes decide how often they come.
    """
    if isinstance(sampling, str) and sampling == "shuffled":
        return None
    if draws_weighed:
        raise ValueError(
            f"batch_sampling={sampling!r} decides how often samples come, and this estimator can "
            "heed sample_weight and class_weight by that alone: leave them out, or set "
            "batch_sampling='shuffled'."
        )
    n_batches = batches_of_epoch(sampling, targets, batch_size)
    episodes = _episodes_of(sampling)
    if episodes is not None:
        return RowsByClass(targets, episodes.n_way, episodes.n_shot, n_batches, replace=False)
    n_classes = min(len(np.unique(targets)), batch_size)
    return RowsByClass(targets, n_classes, batch_size // n_classes, n_batches, replace=True)
