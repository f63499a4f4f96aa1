"""Learning rates that fall in steps: a value of the parameter ``learning_rate_schedule``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar, Literal

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval

__all__ = ["Schedule", "StepSchedule"]


class StepSchedule(BaseEstimator):
    """A learning rate that falls at some points of training: a ``learning_rate_schedule`` in full.

    Points are shares of a training, not epochs, so that they suit one of any length.

    Parameters
    ----------
    factor : float or sequence of float, default=0.1
        What the rate is multiplied by at each point, or at each of them in turn.
    at : sequence of float, default=(0.5,)
        Shares of the steps that have been made by then, such as ``(10 / 50,)`` for a fall after
        epoch 10 of 50.

    See Also
    --------
    EpisodeSampling : Another parameter of training with settings of its own.

    Examples
    --------
    >>> from zslearn import DAZLEClassifier
    >>> from zslearn.model_selection import StepSchedule
    >>> schedule = StepSchedule(0.5, at=(0.25, 0.75))
    >>> [schedule(done) for done in (0.0, 0.25, 0.9)]
    [1.0, 0.5, 0.25]
    >>> clf = DAZLEClassifier(learning_rate_schedule=schedule)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "factor": [Interval(Real, 0, None, closed="neither"), tuple, list],
        "at": [tuple, list],
    }

    def __init__(self, factor: float | Sequence[float] = 0.1, at: Sequence[float] = (0.5,)) -> None:
        self.factor = factor
        self.at = at

    def __call__(self, done: float) -> float:
        """Compute the share of the initial rate when a share `done` of the steps has been made.

        Parameters
        ----------
        done : float
            From 0 to 1.

        Returns
        -------
        share : float
            Product of the factors of the points that have been passed.
        """
        passed = [
            factor for factor, point in zip(self._factors(), self.at, strict=True) if done >= point
        ]
        return float(math.prod(passed))

    def _factors(self) -> Sequence[float]:
        if isinstance(self.factor, Sequence):
            return self.factor
        return (self.factor,) * len(self.at)

    def check(self) -> None:
        """Check the parameters.

        Raises
        ------
        ValueError
            If factors are not above 0 or not one a point, or points are not between 0 and 1.
        """
        self._validate_params()
        factors = self._factors()
        bad = [f for f in factors if not isinstance(f, Real) or not f > 0]
        if bad or len(factors) != len(self.at):
            raise ValueError(
                "factor of StepSchedule must be a number above 0, or one for each of its "
                f"{len(self.at)} points, found {self.factor!r}"
            )
        wrong = [p for p in self.at if not isinstance(p, Real) or not 0 < p < 1]
        if wrong:
            raise ValueError(
                f"at of StepSchedule must hold shares between 0 and 1, found {wrong[0]!r}: divide "
                "the epoch by the number of epochs"
            )


Schedule = Literal["constant", "cosine", "linear"] | StepSchedule
