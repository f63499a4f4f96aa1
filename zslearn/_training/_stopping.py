"""How early stopping goes about it, as one object among an estimator's parameters."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval

__all__ = ["HeldOutStopping", "stopping_of"]


class HeldOutStopping(BaseEstimator):
    """Early stopping on held-out seen classes: the parameter ``early_stopping`` in full.

    A share of the seen classes plays the unseen, a share of the other classes' samples is held out
    too, and training stops when the area under their seen-unseen curve rests. Classes without
    samples have no part.

    Parameters
    ----------
    validation_fraction : float, default=0.2
        That share, of the classes and of each other class's samples.
    n_iter_no_change : int, default=5
        Looks without a better area after which training stops.
    evaluate_every : int, default=None
        Epochs from one look to the next. ``None`` looks after each, and with methods that fit a
        classifier for every look, after each twentieth of `max_epochs`.
    refit : bool, default=True
        Whether to train anew on all samples for the epochs found. Otherwise the best weights
        stand, and the held-out classes count as unseen.

    See Also
    --------
    SeenUnseenKFold : Folds that hold out classes in the same way.

    Examples
    --------
    >>> from zslearn.registry import make
    >>> from zslearn.model_selection import HeldOutStopping
    >>> clf = make("dazle", early_stopping=HeldOutStopping(n_iter_no_change=3))
    >>> clf.set_params(early_stopping__refit=False).early_stopping
    HeldOutStopping(n_iter_no_change=3, refit=False)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "evaluate_every": [Interval(Integral, 1, None, closed="left"), None],
        "refit": ["boolean"],
    }

    def __init__(
        self,
        *,
        validation_fraction: float = 0.2,
        n_iter_no_change: int = 5,
        evaluate_every: int | None = None,
        refit: bool = True,
    ) -> None:
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.evaluate_every = evaluate_every
        self.refit = refit


def stopping_of(early_stopping: bool | HeldOutStopping) -> HeldOutStopping | None:
    """Return the settings that a value of the parameter ``early_stopping`` stands for."""
    if isinstance(early_stopping, HeldOutStopping):
        early_stopping._validate_params()
        return early_stopping
    return HeldOutStopping() if early_stopping else None
