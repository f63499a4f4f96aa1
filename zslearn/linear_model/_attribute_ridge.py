"""Ridge regression between features and attributes, either way."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve

from zslearn._data._scaling import unit_rows
from zslearn._data._vectors import ClassSums
from zslearn.linear_model._attribute_scores import AttributeScoresMixin
from zslearn.linear_model._base import ClosedFormClassifier, check_above_zero, check_choice
from zslearn.registry import register_method

__all__ = ["AttributeRidgeClassifier"]


@register_method("attribute_ridge", family="linear", input="vectors", paper="ECML 2015")
class AttributeRidgeClassifier(AttributeScoresMixin, ClosedFormClassifier):
    """Nearest class after a ridge regression of attributes on features, or the other way.

    Parameters
    ----------
    alpha : float, default=1.0
        Regulariser, above 0; not divided by the number of samples.
    direction : {"visual_to_semantic", "semantic_to_visual"}, default="visual_to_semantic"
        Whether attributes are predicted from features, or features from attributes. The latter
        has fewer hubs: regression shrinks what it predicts, and here that is classes.
    similarity : {"dot", "euclidean", "cosine"} or None, default=None
        What compares samples and classes. ``None`` is "dot" among attributes, "euclidean" among
        features.
    center : bool, default=True
        Whether the training samples' mean is taken from X and the seen classes' from the
        descriptions.
    scaling : {"unit_length", "standard", "min_max"} or None, default="unit_length"
        Scaling of each sample.
    attribute_scaling : {"unit_length", "standard", "min_max"} or None, default="unit_length"
        Scaling of each class description, after centring.
    score_scale : float or "auto", default="auto"
        Factor of the scores. "auto" fits it to the log probabilities of held-out samples.
    delta : float, default=0.0
        What is added to the scores of unseen classes in `predict`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features, n_attributes) or (n_attributes, n_features)
        The map from features to attributes, or from attributes to features.
    mean_ : ndarray of shape (n_features,)
        What is taken from scaled samples.
    intercept_ : ndarray of shape (n_attributes,) or (n_features,)
        What a sample at the mean, or a class at the mean, is mapped to.
    score_scale_ : float
        The factor of the scores.
    classes_, seen_classes_, unseen_classes_ : ndarray
        Labels of all described classes, of those with samples, and of the others.

    See Also
    --------
    PrototypeRegressionClassifier : Regresses class means, and compares by a better metric.

    References
    ----------
    Shigeto, Suzuki, Hara, Shimbo, Matsumoto, "Ridge regression, hubness, and zero-shot learning",
    ECML 2015.

    Examples
    --------
    >>> from zslearn.linear_model import AttributeRidgeClassifier
    >>> table = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]
    >>> X = [[2, 0, 0], [3, 0, 1], [0, 2, 0], [0, 3, 1], [0, 0, 2], [1, 0, 3]]
    >>> clf = AttributeRidgeClassifier(0.1).fit(X, [0, 0, 1, 1, 2, 2], table)
    >>> clf.predict([[3, 3, 0]], candidates="unseen")
    array([3])
    """

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        direction: str = "visual_to_semantic",
        similarity: str | None = None,
        center: bool = True,
        scaling: str | None = "unit_length",
        attribute_scaling: str | None = "unit_length",
        score_scale: Any = "auto",
        delta: float = 0.0,
    ) -> None:
        self.alpha = alpha
        self.direction = direction
        self.similarity = similarity
        self.center = center
        self.scaling = scaling
        self.attribute_scaling = attribute_scaling
        self.score_scale = score_scale
        self.delta = delta

    @property
    def _centres_attributes(self) -> bool:  # type: ignore[override]
        return self.center

    @property
    def _to_semantic(self) -> bool:
        return self.direction == "visual_to_semantic"

    @property
    def _similarity(self) -> str:
        return self.similarity or ("dot" if self._to_semantic else "euclidean")

    @property
    def _sums_over_attributes(self) -> bool:  # type: ignore[override]
        return self._to_semantic and self._similarity != "euclidean"

    def _check_parameters(self) -> None:
        check_above_zero(self, "alpha")
        check_choice(self, "direction", ("visual_to_semantic", "semantic_to_visual"))
        if self.similarity is not None:
            check_choice(self, "similarity", ("dot", "euclidean", "cosine"))

    def _solve(self, sums: ClassSums, described: NDArray[np.float64]) -> None:
        weighted = sums.counts[:, None] * described
        mean = sums.mean
        described_mean = weighted.sum(axis=0) / sums.n_samples
        if not self.center:
            mean, described_mean = np.zeros_like(mean), np.zeros_like(described_mean)
        sums = sums.centred() if self.center else sums
        described = described - described_mean
        products = described.T @ sums.sums
        if self._to_semantic:
            gram, products, self.intercept_ = sums.gram, products.T, described_mean
        else:
            gram = described.T @ (sums.counts[:, None] * described)
            self.intercept_ = np.zeros_like(mean)
        ridge = self.alpha * np.eye(len(gram))
        self.coef_ = solve(gram + ridge, products, assume_a="pos")
        self.mean_ = mean
        if not self._to_semantic:
            self.intercept_ = self.intercept_ - described_mean @ self.coef_

    def _rows(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        rows = vectors - self.mean_
        if self._to_semantic:
            rows = rows @ self.coef_ + self.intercept_
        return unit_rows(rows) if self._similarity == "cosine" else rows

    def _class_weights(
        self, described: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if not self._to_semantic:
            described = described @ self.coef_ + self.intercept_
        if self._similarity == "euclidean":
            return 2 * described, -(described**2).sum(axis=1)
        if self._similarity == "cosine":
            described = unit_rows(described)
        return described, np.zeros(len(described))
