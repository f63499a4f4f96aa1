"""The semantic autoencoder whose regulariser is chosen on held-out classes."""

from __future__ import annotations

from typing import Any

from zslearn.linear_model._attribute_scores import AttributeScoresMixin
from zslearn.linear_model._grid_search import GridClassifier
from zslearn.linear_model._sae import SAEClassifier
from zslearn.registry import register_method

__all__ = ["SAEClassifierCV"]


@register_method("sae_cv", family="linear", input="vectors", paper="CVPR 2017")
class SAEClassifierCV(AttributeScoresMixin, GridClassifier):
    """The semantic autoencoder with its weight chosen on held-out classes.

    The same choice as a ``GridSearchCV`` over a `SAEClassifier` by the area under the seen-unseen
    curve makes, without its fits: one eigendecomposition a fold.

    Parameters
    ----------
    lams : list of float, default=(0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
        Weights of the way to attributes to choose from.
    cv : int, splitter or iterable of (train, test), default=5
        Folds, in each of which whole classes are held out. An int deals the classes to as many
        folds in turn, in the order of their labels, at most one fold a class; each fold tests on
        all samples of its classes, and on a fifth of those of the others, which no fold trains on.
    direction : {"semantic_to_visual", "visual_to_semantic"}, default="semantic_to_visual"
        As in `SAEClassifier`.
    normalize_projection : bool, default=False
        As in `SAEClassifier`.
    scaling : {"unit_length", "signed_root", "standard", "min_max"} or None, \
default="unit_length"
        Scaling of each sample, learnt within each fold.
    attribute_scaling : {"unit_length", "signed_root", "standard", "min_max"} or None, \
default="unit_length"
        Scaling of each class description, learnt within each fold.
    score_scale : float or "auto", default="auto"
        Factor of the scores. "auto" fits it to the log probabilities of held-out samples.
    delta : float, default=0.0
        What is added to the scores of unseen classes in `predict`.

    Attributes
    ----------
    best_params_ : dict
        The weight chosen, ``lam``: the first of the best.
    best_score_ : float
        Mean area under the seen-unseen curve over the folds, with it.
    cv_results_ : dict
        ``params``, ``mean_test_score``, ``std_test_score`` and the scores of each fold, as
        `GridSearchCV` names them.
    estimator_ : SAEClassifier
        Fitted with it on all samples.
    classes_, seen_classes_, unseen_classes_ : ndarray
        Labels of all described classes, of those with samples, and of the others.

    See Also
    --------
    SAEClassifier : With a given weight.
    zslearn.model_selection.SeenUnseenKFold : Folds at random, several times over.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn.linear_model import SAEClassifierCV
    >>> rng = np.random.default_rng(0)
    >>> table = rng.normal(size=(10, 4))
    >>> y = np.arange(160) % 8  # two classes are unseen
    >>> X = table[y] @ rng.normal(size=(4, 6)) + rng.normal(size=(160, 6))
    >>> clf = SAEClassifierCV().fit(X, y, class_attributes=table)
    >>> clf.best_params_
    {'lam': 1.0}
    """

    def __init__(
        self,
        lams: Any = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0),
        *,
        cv: Any = 5,
        direction: str = "semantic_to_visual",
        normalize_projection: bool = False,
        scaling: str | None = "unit_length",
        attribute_scaling: str | None = "unit_length",
        score_scale: Any = "auto",
        delta: float = 0.0,
    ) -> None:
        self.lams = lams
        self.cv = cv
        self.direction = direction
        self.normalize_projection = normalize_projection
        self.scaling = scaling
        self.attribute_scaling = attribute_scaling
        self.score_scale = score_scale
        self.delta = delta

    def _unfitted(self) -> SAEClassifier:
        return SAEClassifier(
            direction=self.direction,
            normalize_projection=self.normalize_projection,
            scaling=self.scaling,
            attribute_scaling=self.attribute_scaling,
            score_scale=self.score_scale,
        )

    def _grid(self) -> dict[str, tuple[str, Any]]:
        return {"lam": ("lams", self.lams)}
