"""The units in which a calibration is carried from the models of the folds to the final one.

A unit is measured on a fitted model and converts between its calibration and a number that is
meant to say the same of another model. Only training samples can be asked for, of the folds'
models as of the final one: there is nothing else that the final model could be measured on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Unit(ABC):
    """Strictly increasing conversion between a model's delta and a number in units.

    Attributes
    ----------
    delta_scale : {"logit", "probability"}
        What the model's delta is added to.
    needs_training_scores : bool
        Whether `measure` looks at the scores.
    """

    delta_scale: ClassVar[str] = "logit"
    needs_training_scores: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def measure(cls, scores: Array, is_seen: NDArray[np.bool_]) -> Self:
        """Measure the unit on a model.

        Parameters
        ----------
        scores : ndarray of shape (n_samples, n_classes)
            The model's scores of training samples, for seen and unseen candidates; no rows where
            they are not needed.
        is_seen : ndarray of shape (n_classes,)
            Which columns are seen classes.
        """

    @abstractmethod
    def to_units(self, delta: Array) -> Array:
        """Convert calibrations of the model to units."""

    @abstractmethod
    def from_units(self, value: Array) -> Array:
        """Convert numbers in units to calibrations of the model."""


@dataclass(frozen=True)
class AbsoluteUnit(Unit):
    """The scores' own unit: the number itself is carried over."""

    @classmethod
    def measure(cls, scores: Array, is_seen: NDArray[np.bool_]) -> Self:
        return cls()

    def to_units(self, delta: Array) -> Array:
        return delta

    def from_units(self, value: Array) -> Array:
        return value


@dataclass(frozen=True)
class ProbabilityUnit(AbsoluteUnit):
    """Probability: the number itself, added to the softmax of the scores."""

    delta_scale: ClassVar[str] = "probability"


@dataclass(frozen=True)
class StdUnit(Unit):
    """Standard deviations of the scores of one sample over the classes.

    The root of the mean, over training samples, of the variance over classes: a number added to
    all scores of a sample changes neither a prediction nor this unit.
    """

    std: float
    needs_training_scores: ClassVar[bool] = True

    @classmethod
    def measure(cls, scores: Array, is_seen: NDArray[np.bool_]) -> Self:
        # The largest deviation is taken out, so that no square overflows.
        deviations = scores - scores.mean(axis=1, keepdims=True)
        largest = float(np.abs(deviations).max())
        if not largest:
            return cls(1.0)
        return cls(largest * float(np.sqrt(np.mean((deviations / largest) ** 2))))

    def to_units(self, delta: Array) -> Array:
        return delta / self.std

    def from_units(self, value: Array) -> Array:
        return value * self.std


@dataclass(frozen=True)
class QuantileUnit(Unit):
    """Share of the training samples that the calibration sends to unseen classes.

    A sample goes to an unseen class when delta exceeds its gap, the best seen score minus the
    best unseen one; the share is the distribution function of the gaps, linear between them.
    Beyond the smallest and the largest gap, where the share would be 0 or 1 whatever delta, it is
    continued by one for each standard deviation of the gaps: below 0 or above 1.
    """

    gaps: Array  # distinct, sorted
    shares: Array  # of samples with a smaller gap, plus half of those with this one
    std: float
    needs_training_scores: ClassVar[bool] = True

    @classmethod
    def measure(cls, scores: Array, is_seen: NDArray[np.bool_]) -> Self:
        if is_seen.all() or not is_seen.any():
            return cls(np.zeros(1), np.full(1, 0.5), 1.0)  # delta is without effect
        gap = scores[:, is_seen].max(axis=1) - scores[:, ~is_seen].max(axis=1)
        gaps, counts = np.unique(gap, return_counts=True)
        shares = (np.cumsum(counts) - counts / 2) / len(gap)
        return cls(gaps, shares, float(gap.std()) if len(gaps) > 1 else 1.0)

    def to_units(self, delta: Array) -> Array:
        delta = np.asarray(delta, dtype=np.float64)
        below = np.minimum(delta - self.gaps[0], 0.0) / self.std
        above = np.maximum(delta - self.gaps[-1], 0.0) / self.std
        return np.interp(delta, self.gaps, self.shares) + below + above

    def from_units(self, value: Array) -> Array:
        value = np.asarray(value, dtype=np.float64)
        below = np.minimum(value - self.shares[0], 0.0) * self.std
        above = np.maximum(value - self.shares[-1], 0.0) * self.std
        return np.interp(value, self.shares, self.gaps) + below + above


UNITS: dict[str, type[Unit]] = {
    "absolute": AbsoluteUnit,
    "probability": ProbabilityUnit,
    "quantile": QuantileUnit,
    "std": StdUnit,
}
