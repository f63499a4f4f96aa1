"""Prototype regression whose regularisers are chosen on held-out classes."""

from __future__ import annotations

from typing import Any

from zslearn.linear_model._grid_search import GridClassifier
from zslearn.linear_model._prototypes import PrototypeRegressionClassifier
from zslearn.registry import register_method

__all__ = ["PrototypeRegressionClassifierCV"]


@register_method("prototypes_cv", family="linear", input="vectors", paper="ICCV 2017")
class PrototypeRegressionClassifierCV(GridClassifier):
    """Prototype regression with its settings chosen on held-out classes, one eigenbasis a fold.

    The same choice as a ``GridSearchCV`` over a `PrototypeRegressionClassifier` by the area under
    the seen-unseen curve makes, without its fits.

    Parameters
    ----------
    alphas : list of float, default=(0.01, 0.03, 0.1, 1.0)
        Regularisers of the regression to choose from.
    gammas : list of float, default=(0.25, 0.5, 1.0)
        Of the "rbf" kernel, to choose from; of no effect on the others.
    shrinkages : list of float, default=(0.01, 0.03, 0.1, 0.3, 0.5, 0.7, 0.85)
        Of the "lda" metric's covariance, to choose from; of no effect on the others.
    cv : int, splitter or iterable of (train, test), default=5
        Folds, in each of which whole classes are held out. An int deals the classes to as many
        folds in turn, in the order of their labels, at most one fold a class; each fold tests on
        all samples of its classes, and on a fifth of those of the others, which no fold trains on.
    kernel : {"rbf", "linear", "poly"}, default="rbf"
        As in `PrototypeRegressionClassifier`.
    metric : {"lda", "euclidean", "cosine"}, default="lda"
        As in `PrototypeRegressionClassifier`.
    scaling : {"unit_length", "signed_root", "standard", "min_max"} or None, \
default="signed_root"
        Scaling of each sample, learnt within each fold.
    attribute_scaling : {"unit_length", "signed_root", "standard", "min_max"} or None, \
default="unit_length"
        Scaling of each class description, less the mean of the seen ones, within each fold.
    score_scale : float or "auto", default="auto"
        Factor of the scores. "auto" fits it to the log probabilities of held-out samples.
    delta : float, default=0.0
        What is added to the scores of unseen classes in `predict`.

    Attributes
    ----------
    best_params_ : dict
        The settings chosen, ``alpha`` and, where they have an effect, ``gamma`` and ``shrinkage``:
        the first of the best.
    best_score_ : float
        Mean area under the seen-unseen curve over the folds, with these.
    cv_results_ : dict
        ``params``, ``mean_test_score``, ``std_test_score`` and the scores of each fold, as
        `GridSearchCV` names them.
    estimator_ : PrototypeRegressionClassifier
        Fitted with them on all samples.
    classes_, seen_classes_, unseen_classes_ : ndarray
        Labels of all described classes, of those with samples, and of the others.

    See Also
    --------
    PrototypeRegressionClassifier : With given settings.
    zslearn.model_selection.SeenUnseenKFold : Folds at random, several times over.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn.linear_model import PrototypeRegressionClassifierCV
    >>> rng = np.random.default_rng(0)
    >>> table = rng.normal(size=(10, 4))
    >>> y = np.arange(160) % 8  # two classes are unseen
    >>> X = table[y] @ rng.normal(size=(4, 6)) + rng.normal(size=(160, 6))
    >>> clf = PrototypeRegressionClassifierCV(gammas=[0.5]).fit(X, y, class_attributes=table)
    >>> clf.best_params_
    {'alpha': 0.1, 'gamma': 0.5, 'shrinkage': 0.85}
    """

    def __init__(
        self,
        alphas: Any = (0.01, 0.03, 0.1, 1.0),
        *,
        gammas: Any = (0.25, 0.5, 1.0),
        shrinkages: Any = (0.01, 0.03, 0.1, 0.3, 0.5, 0.7, 0.85),
        cv: Any = 5,
        kernel: str = "rbf",
        metric: str = "lda",
        scaling: str | None = "signed_root",
        attribute_scaling: str | None = "unit_length",
        score_scale: Any = "auto",
        delta: float = 0.0,
    ) -> None:
        self.alphas = alphas
        self.gammas = gammas
        self.shrinkages = shrinkages
        self.cv = cv
        self.kernel = kernel
        self.metric = metric
        self.scaling = scaling
        self.attribute_scaling = attribute_scaling
        self.score_scale = score_scale
        self.delta = delta

    def _unfitted(self) -> PrototypeRegressionClassifier:
        return PrototypeRegressionClassifier(
            kernel=self.kernel,
            metric=self.metric,
            scaling=self.scaling,
            attribute_scaling=self.attribute_scaling,
            score_scale=self.score_scale,
        )

    def _grid(self) -> dict[str, tuple[str, Any]]:
        grid = {"alpha": ("alphas", self.alphas)}
        if self.kernel == "rbf":
            grid["gamma"] = ("gammas", self.gammas)
        if self.metric == "lda":
            grid["shrinkage"] = ("shrinkages", self.shrinkages)
        return grid
