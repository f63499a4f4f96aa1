"""Latent embeddings: several bilinear maps, of which the best one scores each class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zslearn._data._vectors import mean_vectors
from zslearn._sample_weights import Samples
from zslearn.linear_model._base import check_counts
from zslearn.linear_model._descent import DescendingClassifier
from zslearn.registry import register_method

__all__ = ["LatEmClassifier"]


@register_method("latem", family="linear", input="vectors", paper="CVPR 2016")
class LatEmClassifier(DescendingClassifier):
    """Several bilinear maps trained to rank the class of a sample first: latent embeddings.

    The score of a class is the largest over the maps, ``F(x, c) = max_m x @ coef_[m] @ t_c``, so
    that each map comes to serve samples of one appearance. A sample's loss is the sum of the
    positive excesses ``margin + F(x, c) - F(x, y)`` of wrong classes c. All wrong classes of a
    batch are looked at in each step, where the published code draws one for one sample at a time.

    Parameters
    ----------
    n_maps : int, default=4
        How many maps there are. One is `DeViSEClassifier` from a random start.
    learning_rate : float, default=0.1
        Step for each sample, above 0.
    margin : float, default=1.0
        By how much the right class is to lead, above 0.
    max_epochs : int, default=15
        Passes over the samples. Few regularise: more serve the seen classes at the expense of the
        unseen ones.
    batch_size : int, default=16
        Samples a step, whose gradients are summed.
    scaling : {"unit_length", "signed_root", "standard", "min_max"} or None, \
default="unit_length"
        Scaling of each sample.
    attribute_scaling : {"unit_length", "signed_root", "standard", "min_max"} or None, \
default="unit_length"
        Scaling of each class description.
    score_scale : float or "auto", default="auto"
        Factor of the scores. "auto" fits it to the log probabilities of held-out samples, at the
        cost of a second training.
    delta : float, default=0.0
        What is added to the scores of unseen classes in `predict`.
    random_state : int, RandomState or None, default=None
        Decides the start of the maps and the order of samples.

    Attributes
    ----------
    coef_ : ndarray of shape (n_maps, n_features, n_attributes)
        The maps from features to attributes.
    score_scale_ : float
        The factor of the scores.
    classes_, seen_classes_, unseen_classes_ : ndarray
        Labels of all described classes, of those with samples, and of the others.

    See Also
    --------
    DeViSEClassifier : One map.

    References
    ----------
    Xian, Akata, Sharma, Nguyen, Hein, Schiele, "Latent embeddings for zero-shot classification",
    CVPR 2016.

    Examples
    --------
    >>> from zslearn.linear_model import LatEmClassifier
    >>> table = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]
    >>> X = [[2, 0, 0], [3, 0, 1], [0, 2, 0], [0, 3, 1], [0, 0, 2], [1, 0, 3]]
    >>> clf = LatEmClassifier(2, random_state=0).fit(X, [0, 0, 1, 1, 2, 2], table)
    >>> clf.coef_.shape, clf.predict([[3, 3, 0]], candidates="unseen")
    ((2, 3, 3), array([3]))
    """

    def __init__(
        self,
        n_maps: int = 4,
        *,
        learning_rate: float = 0.1,
        margin: float = 1.0,
        max_epochs: int = 15,
        batch_size: int = 16,
        scaling: str | None = "unit_length",
        attribute_scaling: str | None = "unit_length",
        score_scale: Any = "auto",
        delta: float = 0.0,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            learning_rate,
            margin=margin,
            max_epochs=max_epochs,
            batch_size=batch_size,
            scaling=scaling,
            attribute_scaling=attribute_scaling,
            score_scale=score_scale,
            delta=delta,
            random_state=random_state,
        )
        self.n_maps = n_maps

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_counts(self, "n_maps")

    def _train(
        self,
        samples: Samples,
        index: NDArray[np.intp],
        described: NDArray[np.float64],
        seed: int,
    ) -> None:
        """Descend: every step adds outer products of samples and seen classes' descriptions."""
        rng = np.random.default_rng(seed)
        similar, width = described @ described.T, samples.X.shape[-1]
        start = rng.normal(size=(int(self.n_maps), width, described.shape[1])) / np.sqrt(width)
        first = described @ start.transpose(0, 2, 1)
        # Weights of seen classes that the start gives, and coefficients of what is learnt.
        weights = np.stack([first, np.zeros_like(first)])
        for _ in range(int(self.max_epochs)):
            order = rng.permutation(index)
            for batch in np.array_split(order, -(-len(order) // int(self.batch_size))):
                chosen = np.sort(batch)
                gradient = np.zeros_like(first)
                for place, vectors in mean_vectors(samples.X, samples.rows_of(chosen)):
                    scaled, own = self.scaling_(vectors), chosen[place]
                    products = scaled @ weights.reshape(-1, width).T
                    given, learnt = products.T.reshape(*weights.shape[:3], -1).swapaxes(2, 3)
                    parts = self._gradient(given + learnt @ similar, samples.y[own])
                    if samples.weights is not None:
                        parts *= samples.weights[own][:, None]
                    gradient += parts.transpose(0, 2, 1) @ scaled
                weights[1] -= self.learning_rate * gradient
        self.coef_ = start + weights[1].transpose(0, 2, 1) @ described

    def _gradient(
        self, scores: NDArray[np.float64], targets: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Gradient of the summed loss with respect to each map's scores (n_maps, n, S)."""
        best = scores.max(axis=0)
        place = np.arange(len(best)), targets
        parts = (self.margin + best - best[place][:, None] > 0).astype(np.float64)
        parts[place] = 0
        parts[place] = -parts.sum(axis=1)
        first = scores.argmax(axis=0)
        return np.where(first == np.arange(len(scores))[:, None, None], parts, 0.0)

    def _linear_scores(
        self, X: Any, described: NDArray[np.float64], rows: NDArray[np.intp] | None = None
    ) -> NDArray[np.float64]:
        weights = self.coef_ @ described.T
        scores = np.empty((X.shape[0] if rows is None else len(rows), len(described)))
        for place, vectors in mean_vectors(X, rows):
            scaled = self.scaling_(vectors)
            scores[place] = scaled @ weights[0]
            for own in weights[1:]:
                np.maximum(scores[place], scaled @ own, out=scores[place])
        return scores

    def _class_weights(self, described: Any) -> Any:
        raise NotImplementedError("scores of several maps are not linear in the sample")
