"""The embarrassingly simple approach to zero-shot learning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve

from zslearn._data._vectors import ClassSums
from zslearn.linear_model._attribute_scores import AttributeScoresMixin
from zslearn.linear_model._base import ClosedFormClassifier, check_above_zero, check_choice
from zslearn.registry import register_method

__all__ = ["ESZSLClassifier"]


@register_method("eszsl", family="linear", input="vectors", paper="ICML 2015")
class ESZSLClassifier(AttributeScoresMixin, ClosedFormClassifier):
    """A bilinear model of features and attributes in closed form.

    The scores are ``(x - mean) @ coef_ @ t`` for a sample x and a class described by t, and
    ``coef_ = inv(X'X + gamma I) X'Y T inv(T'T + lam I)`` with the seen classes' descriptions T.

    Parameters
    ----------
    gamma : float, default=1.0
        Regulariser of the feature side, above 0; not divided by the number of samples.
    lam : float, default=1.0
        Regulariser of the attribute side, above 0.
    center : bool, default=True
        Whether the training samples' mean is taken from X and the seen classes' from the
        descriptions. Uncentred features cost more than ten points of accuracy.
    targets : {"binary", "signed"}, default="binary"
        What Y is where a sample is not of a class: 0 (the authors' code), or -1 (the paper).
        The same model up to a factor of two if centred.
    scaling : {"unit_length", "standard", "min_max"} or None, default="unit_length"
        Scaling of each sample.
    attribute_scaling : {"unit_length", "standard", "min_max"} or None, default="unit_length"
        Scaling of each class description, after centring: a long one would win.
    score_scale : float or "auto", default="auto"
        Factor of the scores. "auto" fits it to the log probabilities of held-out samples.
    delta : float, default=0.0
        What is added to the scores of unseen classes in `predict`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features, n_attributes)
        The map from features to attributes.
    mean_ : ndarray of shape (n_features,)
        What is taken from scaled samples.
    score_scale_ : float
        The factor of the scores.
    classes_, seen_classes_, unseen_classes_ : ndarray
        Labels of all described classes, of those with samples, and of the others.

    See Also
    --------
    PrototypeRegressionClassifier : Better wherever both were measured.

    References
    ----------
    Romera-Paredes, Torr, "An embarrassingly simple approach to zero-shot learning", ICML 2015.

    Examples
    --------
    >>> from zslearn.linear_model import ESZSLClassifier
    >>> table = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]
    >>> X = [[2, 0, 0], [3, 0, 1], [0, 2, 0], [0, 3, 1], [0, 0, 2], [1, 0, 3]]
    >>> clf = ESZSLClassifier(gamma=0.1, lam=0.1).fit(X, [0, 0, 1, 1, 2, 2], table)
    >>> clf.predict([[3, 3, 0]], candidates="unseen")
    array([3])
    """

    def __init__(
        self,
        gamma: float = 1.0,
        lam: float = 1.0,
        *,
        center: bool = True,
        targets: str = "binary",
        scaling: str | None = "unit_length",
        attribute_scaling: str | None = "unit_length",
        score_scale: Any = "auto",
        delta: float = 0.0,
    ) -> None:
        self.gamma = gamma
        self.lam = lam
        self.center = center
        self.targets = targets
        self.scaling = scaling
        self.attribute_scaling = attribute_scaling
        self.score_scale = score_scale
        self.delta = delta

    @property
    def _centres_attributes(self) -> bool:  # type: ignore[override]
        return self.center

    def _check_parameters(self) -> None:
        check_above_zero(self, "gamma", "lam")
        check_choice(self, "targets", ("binary", "signed"))

    def _sides(
        self, sums: ClassSums, described: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Set the mean; return X'X, and two factors of X'Y T, of shapes (D, S) and (S, K)."""
        self.mean_ = sums.mean if self.center else np.zeros(sums.sums.shape[1])
        sums = sums.centred() if self.center else sums
        if self.targets == "signed":
            described = 2 * described - described.sum(axis=0)
        return sums.gram, sums.sums.T, described

    def _solve(self, sums: ClassSums, described: NDArray[np.float64]) -> None:
        gram, of_classes, answers = self._sides(sums, described)
        answers = of_classes @ answers
        left = gram + self.gamma * np.eye(len(gram))
        right = described.T @ described + self.lam * np.eye(described.shape[1])
        half = solve(left, answers, assume_a="pos")
        self.coef_ = np.ascontiguousarray(solve(right, half.T, assume_a="pos").T)

    def _class_weights(
        self, described: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        weights = described @ self.coef_.T
        return weights, -weights @ self.mean_

    def _attribute_rows(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        return (vectors - self.mean_) @ self.coef_

    def _embeddings(self, described: NDArray[np.float64]) -> NDArray[np.float64]:
        return described

    def _weights_of_each(
        self,
        sums: ClassSums,
        described: NDArray[np.float64],
        candidates: NDArray[np.float64],
        settings: list[dict[str, float]],
    ) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]:
        """Yield a basis (D, S), weights in it (C, S) and offsets (C,) for each setting.

        Settings of one gamma share the basis; all come from one eigendecomposition.
        """
        gram, of_classes, answers = self._sides(sums, described)
        b, P = np.linalg.eigh(gram)
        a, Q = np.linalg.eigh(described.T @ described)
        b, a = np.maximum(b, 0), np.maximum(a, 0)
        rotated, answers, candidates = P.T @ of_classes, answers @ Q, candidates @ Q
        gammas = {setting["gamma"] for setting in settings}
        bases = {gamma: P @ (rotated / (b[:, None] + gamma)) for gamma in gammas}
        for setting in settings:
            basis = bases[setting["gamma"]]
            weights = candidates / (a + setting["lam"]) @ answers.T
            yield basis, weights, -weights @ (basis.T @ self.mean_)
