"""ESZSL whose regularisers are chosen on held-out classes."""

from __future__ import annotations

from typing import Any

from zslearn.linear_model._attribute_scores import AttributeScoresMixin
from zslearn.linear_model._eszsl import ESZSLClassifier
from zslearn.linear_model._grid_search import GridClassifier
from zslearn.registry import register_method

__all__ = ["ESZSLClassifierCV"]


@register_method("eszsl_cv", family="linear", input="vectors", paper="ICML 2015")
class ESZSLClassifierCV(AttributeScoresMixin, GridClassifier):
    """ESZSL with both regularisers chosen on held-out classes, from one eigenbasis a fold.

    The same choice as a ``GridSearchCV`` over an `ESZSLClassifier` by the area under the
    seen-unseen curve makes, without its fits.

    Parameters
    ----------
    gammas : list of float, default=(0.1, 1.0, 10.0, 100.0)
        Regularisers of the feature side to choose from.
    lams : list of float, default=(0.001, 0.01, 0.1, 1.0, 10.0)
        Regularisers of the attribute side to choose from.
    cv : int, splitter or iterable of (train, test), default=5
        Folds, in each of which whole classes are held out. An int deals the classes to as many
        folds in turn, in the order of their labels, at most one fold a class; each fold tests on
        all samples of its classes, and on a fifth of those of the others, which no fold trains on.
    center : bool, default=True
        As in `ESZSLClassifier`.
    targets : {"binary", "signed"}, default="binary"
        As in `ESZSLClassifier`.
    scaling : {"unit_length", "standard", "min_max"} or None, default="unit_length"
        Scaling of each sample, learnt within each fold.
    attribute_scaling : {"unit_length", "standard", "min_max"} or None, default="unit_length"
        Scaling of each class description, after centring, learnt within each fold.
    score_scale : float or "auto", default="auto"
        Factor of the scores. "auto" fits it to the log probabilities of held-out samples.
    delta : float, default=0.0
        What is added to the scores of unseen classes in `predict`.

    Attributes
    ----------
    best_params_ : dict
        The regularisers chosen, ``gamma`` and ``lam``: the first of the best.
    best_score_ : float
        Mean area under the seen-unseen curve over the folds, with these.
    cv_results_ : dict
        ``params``, ``mean_test_score``, ``std_test_score`` and the scores of each fold, as
        `GridSearchCV` names them.
    estimator_ : ESZSLClassifier
        Fitted with them on all samples.
    classes_, seen_classes_, unseen_classes_ : ndarray
        Labels of all described classes, of those with samples, and of the others.

    See Also
    --------
    ESZSLClassifier : With given regularisers.
    zslearn.model_selection.SeenUnseenKFold : Folds at random, several times over.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn.linear_model import ESZSLClassifierCV
    >>> rng = np.random.default_rng(0)
    >>> table = rng.normal(size=(10, 4))
    >>> y = np.arange(160) % 8  # two classes are unseen
    >>> X = table[y] @ rng.normal(size=(4, 6)) + rng.normal(size=(160, 6))
    >>> clf = ESZSLClassifierCV().fit(X, y, class_attributes=table)
    >>> clf.best_params_
    {'gamma': 0.1, 'lam': 10.0}
    """

    def __init__(
        self,
        gammas: Any = (0.1, 1.0, 10.0, 100.0),
        lams: Any = (0.001, 0.01, 0.1, 1.0, 10.0),
        *,
        cv: Any = 5,
        center: bool = True,
        targets: str = "binary",
        scaling: str | None = "unit_length",
        attribute_scaling: str | None = "unit_length",
        score_scale: Any = "auto",
        delta: float = 0.0,
    ) -> None:
        self.gammas = gammas
        self.lams = lams
        self.cv = cv
        self.center = center
        self.targets = targets
        self.scaling = scaling
        self.attribute_scaling = attribute_scaling
        self.score_scale = score_scale
        self.delta = delta

    def _unfitted(self) -> ESZSLClassifier:
        return ESZSLClassifier(
            center=self.center,
            targets=self.targets,
            scaling=self.scaling,
            attribute_scaling=self.attribute_scaling,
            score_scale=self.score_scale,
        )

    def _grid(self) -> dict[str, tuple[str, Any]]:
        return {"gamma": ("gammas", self.gammas), "lam": ("lams", self.lams)}
