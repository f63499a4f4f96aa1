"""The semantic autoencoder: one map, to attributes and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zslearn._data._scaling import unit_rows
from zslearn._data._vectors import ClassSums
from zslearn.linear_model._attribute_scores import AttributeScoresMixin
from zslearn.linear_model._base import ClosedFormClassifier, check_above_zero, check_choice
from zslearn.registry import register_method

__all__ = ["SAEClassifier"]


@register_method("sae", family="linear", input="vectors", paper="CVPR 2017")
class SAEClassifier(AttributeScoresMixin, ClosedFormClassifier):
    """A linear map from features to attributes whose transpose maps them back, in closed form.

    ``coef_`` minimises ``|X - S W|**2 + lam * |X W' - S|**2``, S the description of each sample's
    class. It solves a Sylvester equation, here by two eigendecompositions: the solution of least
    norm where there are many.

    Parameters
    ----------
    lam : float, default=0.1
        Weight of the way to attributes beside the way back, above 0.
    direction : {"semantic_to_visual", "visual_to_semantic"}, default="semantic_to_visual"
        Where cosines are taken: among features, or among attributes. The first has fewer hubs.
    normalize_projection : bool, default=False
        Whether the rows of ``coef_`` are scaled to unit length, as the authors' code does.
    scaling : {"unit_length", "standard", "min_max"} or None, default="unit_length"
        Scaling of each sample.
    attribute_scaling : {"unit_length", "standard", "min_max"} or None, default="unit_length"
        Scaling of each class description.
    score_scale : float or "auto", default="auto"
        Factor of the scores. "auto" fits it to the log probabilities of held-out samples.
    delta : float, default=0.0
        What is added to the scores of unseen classes in `predict`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_attributes, n_features)
        The map from attributes to features.
    score_scale_ : float
        The factor of the scores.
    classes_, seen_classes_, unseen_classes_ : ndarray
        Labels of all described classes, of those with samples, and of the others.

    See Also
    --------
    AttributeRidgeClassifier : Either way alone.

    References
    ----------
    Kodirov, Xiang, Gong, "Semantic autoencoder for zero-shot learning", CVPR 2017.

    Examples
    --------
    >>> from zslearn.linear_model import SAEClassifier
    >>> table = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]
    >>> X = [[2, 0, 0], [3, 0, 1], [0, 2, 0], [0, 3, 1], [0, 0, 2], [1, 0, 3]]
    >>> clf = SAEClassifier().fit(X, [0, 0, 1, 1, 2, 2], table)
    >>> clf.predict([[3, 3, 0]])
    array([3])
    """

    def __init__(
        self,
        lam: float = 0.1,
        *,
        direction: str = "semantic_to_visual",
        normalize_projection: bool = False,
        scaling: str | None = "unit_length",
        attribute_scaling: str | None = "unit_length",
        score_scale: Any = "auto",
        delta: float = 0.0,
    ) -> None:
        self.lam = lam
        self.direction = direction
        self.normalize_projection = normalize_projection
        self.scaling = scaling
        self.attribute_scaling = attribute_scaling
        self.score_scale = score_scale
        self.delta = delta

    def _check_parameters(self) -> None:
        check_above_zero(self, "lam")
        check_choice(self, "direction", ("semantic_to_visual", "visual_to_semantic"))

    @property
    def _to_semantic(self) -> bool:
        return self.direction == "visual_to_semantic"

    @property
    def _sums_over_attributes(self) -> bool:  # type: ignore[override]
        return self._to_semantic

    def _solve(self, sums: ClassSums, described: NDArray[np.float64]) -> None:
        a, Q, b, P, answers = _sides(sums, described)
        self.coef_ = _solution(self.lam, a, Q, b, answers) @ P.T

    def _projection(self, coef: NDArray[np.float64]) -> NDArray[np.float64]:
        return unit_rows(coef) if self.normalize_projection else coef

    def _rows(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._to_semantic:
            vectors = vectors @ self._projection(self.coef_).T
        return unit_rows(vectors)

    def _mapped(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return unit_rows(rows) if self._to_semantic else rows

    def _class_weights(
        self, described: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if not self._to_semantic:
            described = described @ self._projection(self.coef_)
        return unit_rows(described), np.zeros(len(described))

    def _weights_of_each(
        self,
        sums: ClassSums,
        described: NDArray[np.float64],
        candidates: NDArray[np.float64],
        settings: list[dict[str, float]],
    ) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]:
        """Yield a basis, weights of the candidates in it and offsets (C,) for each setting.

        The basis is that of all features (D, D), or each setting's own map (D, K) to attributes.
        """
        a, Q, b, P, answers = _sides(sums, described)
        offsets = np.zeros(len(candidates))
        if self._to_semantic:
            self.coef_ = np.eye(len(P))  # the rows that bases are multiplied with stay samples
        for setting in settings:
            turned = self._projection(_solution(setting["lam"], a, Q, b, answers))
            if self._to_semantic:
                yield P @ turned.T, unit_rows(candidates), offsets
            else:
                yield P, unit_rows(candidates @ turned), offsets


def _sides(sums: ClassSums, described: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Eigenvalues and vectors of descriptions and of features, and the right side in these."""
    a, Q = np.linalg.eigh(described.T @ (sums.counts[:, None] * described))
    b, P = np.linalg.eigh(sums.gram)
    return np.maximum(a, 0), Q, np.maximum(b, 0), P, Q.T @ (described.T @ sums.sums) @ P


def _solution(
    lam: float,
    a: NDArray[np.float64],
    Q: NDArray[np.float64],
    b: NDArray[np.float64],
    answers: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the map (K, D) from attributes to the eigenvectors of features."""
    weights = a[:, None] + lam * b
    regular = weights > 1e-10 * weights.max(initial=0)
    quotient = np.divide((1 + lam) * answers, weights, out=np.zeros_like(weights), where=regular)
    solution: NDArray[np.float64] = Q @ quotient
    return solution
