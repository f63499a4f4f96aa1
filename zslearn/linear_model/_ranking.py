"""Bilinear models trained by ranking: ALE, DeViSE and SJE."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from functools import lru_cache
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zslearn._data._vectors import mean_vectors
from zslearn._described_classes import DescribedClasses
from zslearn._sample_weights import Samples
from zslearn.linear_model._attribute_scores import AttributeScoresMixin
from zslearn.linear_model._descent import DescendingClassifier
from zslearn.registry import register_method

__all__ = ["ALEClassifier", "DeViSEClassifier", "SJEClassifier"]

# Scaled samples that are kept, and those read or gathered at once for the batches to come.
_HELD_BYTES = 2**28
_READ_NUMBERS, _CACHED_NUMBERS = 2**22, 2**17


class _RankingClassifier(AttributeScoresMixin, DescendingClassifier):
    """Stochastic gradient descent on a ranking loss, from zero or a multiple of the identity."""

    def __init__(
        self,
        learning_rate: float = 0.1,
        *,
        margin: float = 1.0,
        max_epochs: int = 15,
        batch_size: int = 16,
        identity_start: float = 0.0,
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
        self.identity_start = identity_start

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if not isinstance(self.identity_start, Real) or not 0 <= self.identity_start < np.inf:
            raise ValueError(
                f"identity_start must be a number of at least 0, found {self.identity_start!r}"
            )

    def _check_fit(
        self, X: Any, y: Any, class_attributes: Any
    ) -> tuple[Any, NDArray[Any], DescribedClasses]:
        X, y, classes = super()._check_fit(X, y, class_attributes)
        found, width = classes.table.n_attributes, X.shape[-1]
        if self.identity_start and found != width:
            raise ValueError(
                f"identity_start={self.identity_start!r} needs classes described in the space of "
                f"the samples, but class_attributes has {found} values a class and X has {width} "
                "features: use 0."
            )
        return X, y, classes

    @staticmethod
    @abstractmethod
    def _weights(excess: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return weights of wrong classes in the loss, from excesses; 0 where there is none."""

    def _train(
        self,
        samples: Samples,
        index: NDArray[np.intp],
        described: NDArray[np.float64],
        seed: int,
    ) -> None:
        """Descend: every step adds outer products of samples and seen classes' descriptions."""
        rng = np.random.default_rng(seed)
        similar = self.learning_rate * described @ described.T
        dual = np.zeros((len(described), samples.X.shape[-1]))
        start = self.identity_start
        for scaled, chosen in self._batches(samples, index, rng):
            scores = scaled @ dual.T @ similar
            if start:
                scores += start * scaled @ described.T
            parts = self._gradient(scores, samples.y[chosen])
            if samples.weights is not None:
                parts *= samples.weights[chosen][:, None]
            dual -= parts.T @ scaled
        self.coef_ = self.learning_rate * dual.T @ described
        if start:
            np.einsum("ii->i", self.coef_)[...] += start

    def _batches(
        self, samples: Samples, index: NDArray[np.intp], rng: np.random.Generator
    ) -> Iterator[tuple[NDArray[np.float64], NDArray[np.intp]]]:
        """Iterate over the batches of all epochs: scaled samples, and their numbers.

        Samples are read once if what they take is bounded, else several batches of them at once.
        """
        width = samples.X.shape[-1]
        held = self._read(samples, index) if 8 * len(index) * width <= _HELD_BYTES else None
        n_batches = -(-len(index) // int(self.batch_size))
        ends = np.cumsum([len(part) for part in np.array_split(index, n_batches)])
        numbers = _READ_NUMBERS if held is None else _CACHED_NUMBERS
        at_once = max(1, numbers // (int(self.batch_size) * width))
        for _ in range(int(self.max_epochs)):
            order = rng.permutation(len(index))
            begin = 0
            for several in (ends[i : i + at_once] for i in range(0, n_batches, at_once)):
                chosen = order[begin : several[-1]]
                part = self._read(samples, index[chosen]) if held is None else held[chosen]
                numbers_of, first = index[chosen], begin
                for end in several:
                    place = slice(begin - first, end - first)
                    yield part[place], numbers_of[place]
                    begin = end

    def _read(self, samples: Samples, index: NDArray[np.intp]) -> NDArray[np.float64]:
        """Scaled samples of some numbers, read in ascending order."""
        order = np.argsort(index)
        vectors = np.empty((len(index), samples.X.shape[-1]))
        for place, part in mean_vectors(samples.X, samples.rows_of(index[order])):
            vectors[order[place]] = self.scaling_(part)
        return vectors

    def _gradient(
        self, scores: NDArray[np.float64], targets: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Gradient of the summed loss with respect to the scores (n, S) of seen classes."""
        place = np.arange(len(scores)), targets
        excess = scores + (self.margin - scores[place])[:, None]
        excess[place] = -np.inf
        weights = self._weights(excess)
        weights[place] = -weights.sum(axis=1)
        return weights

    def _class_weights(
        self, described: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        weights = described @ self.coef_.T
        return weights, np.zeros(len(weights))

    def _attribute_rows(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        return vectors @ self.coef_

    def _embeddings(self, described: NDArray[np.float64]) -> NDArray[np.float64]:
        return described


@register_method("ale", family="linear", input="vectors", paper="TPAMI 2016")
class ALEClassifier(_RankingClassifier):
    """A bilinear model trained to rank the class of a sample first: attribute label embedding.

    With excess ``r_c = margin + F(x, c) - F(x, y)`` of a wrong class c, a sample's loss is
    ``l_n / n`` times the sum of the n positive excesses, ``l_n = 1 + 1/2 + ... + 1/n``.
    All wrong classes of a batch are looked at in each step, where the published code draws some for
    one sample at a time: the same objective, in products of matrices.

    Parameters
    ----------
    learning_rate : float, default=0.1
        Step for each sample, above 0.
    margin : float, default=1.0
        By how much the right class is to lead, above 0.
    max_epochs : int, default=15
        Passes over the samples. Few regularise: more serve the seen classes at the expense of the
        unseen ones.
    batch_size : int, default=16
        Samples a step, whose gradients are summed.
    identity_start : float, default=0.0
        The map starts from this times the identity, for classes described in the space of the
        samples, as by a pair of image and text encoders: their alignment is then bent and not
        thrown away. The scale of the encoders' cosines, 100 or so, makes the margin one of their
        scores. 0 starts from nothing.
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
        Decides the order of samples.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features, n_attributes)
        The map from features to attributes.
    score_scale_ : float
        The factor of the scores.
    classes_, seen_classes_, unseen_classes_ : ndarray
        Labels of all described classes, of those with samples, and of the others.

    See Also
    --------
    DeViSEClassifier : All excesses weigh the same.
    SJEClassifier : The largest excess alone.

    References
    ----------
    Akata, Perronnin, Harchaoui, Schmid, "Label-embedding for image classification", TPAMI 2016.

    Examples
    --------
    >>> from zslearn.linear_model import ALEClassifier
    >>> table = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]
    >>> X = [[2, 0, 0], [3, 0, 1], [0, 2, 0], [0, 3, 1], [0, 0, 2], [1, 0, 3]]
    >>> clf = ALEClassifier(random_state=0).fit(X, [0, 0, 1, 1, 2, 2], table)
    >>> clf.predict([[3, 3, 0]], candidates="unseen")
    array([3])
    """

    @staticmethod
    def _weights(excess: NDArray[np.float64]) -> NDArray[np.float64]:
        violated = excess > 0
        return violated * _mean_ranks(excess.shape[1])[violated.sum(axis=1)][:, None]


@lru_cache
def _mean_ranks(n_classes: int) -> NDArray[np.float64]:
    """``l_n / n`` for up to so many positive excesses; 0 for none."""
    numbers = np.arange(1, n_classes + 1)
    return np.append(0.0, np.cumsum(1 / numbers) / numbers)


@register_method("devise", family="linear", input="vectors", paper="NIPS 2013")
class DeViSEClassifier(_RankingClassifier):
    """A bilinear model trained to rank the class of a sample first: deep visual-semantic embedding.

    With excess ``r_c = margin + F(x, c) - F(x, y)`` of a wrong class c, a sample's loss is
    the sum of the positive excesses.
    All wrong classes of a batch are looked at in each step, where the published code draws some for
    one sample at a time: the same objective, in products of matrices.

    Parameters
    ----------
    learning_rate : float, default=0.1
        Step for each sample, above 0.
    margin : float, default=1.0
        By how much the right class is to lead, above 0.
    max_epochs : int, default=15
        Passes over the samples. Few regularise: more serve the seen classes at the expense of the
        unseen ones.
    batch_size : int, default=16
        Samples a step, whose gradients are summed.
    identity_start : float, default=0.0
        The map starts from this times the identity, for classes described in the space of the
        samples, as by a pair of image and text encoders: their alignment is then bent and not
        thrown away. The scale of the encoders' cosines, 100 or so, makes the margin one of their
        scores. 0 starts from nothing.
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
        Decides the order of samples.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features, n_attributes)
        The map from features to attributes.
    score_scale_ : float
        The factor of the scores.
    classes_, seen_classes_, unseen_classes_ : ndarray
        Labels of all described classes, of those with samples, and of the others.

    See Also
    --------
    ALEClassifier : Weighs the excesses of a sample by their number.

    References
    ----------
    Frome et al., "DeViSE: a deep visual-semantic embedding model", NIPS 2013.

    Examples
    --------
    >>> from zslearn.linear_model import DeViSEClassifier
    >>> table = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]
    >>> X = [[2, 0, 0], [3, 0, 1], [0, 2, 0], [0, 3, 1], [0, 0, 2], [1, 0, 3]]
    >>> clf = DeViSEClassifier(random_state=0).fit(X, [0, 0, 1, 1, 2, 2], table)
    >>> clf.predict([[3, 3, 0]], candidates="unseen")
    array([3])
    """

    @staticmethod
    def _weights(excess: NDArray[np.float64]) -> NDArray[np.float64]:
        return (excess > 0).astype(np.float64)


@register_method("sje", family="linear", input="vectors", paper="CVPR 2015")
class SJEClassifier(_RankingClassifier):
    """A bilinear model trained to rank the class of a sample first: structured joint embedding.

    With excess ``r_c = margin + F(x, c) - F(x, y)`` of a wrong class c, a sample's loss is
    the largest excess, if it is positive.
    All wrong classes of a batch are looked at in each step, where the published code draws some for
    one sample at a time: the same objective, in products of matrices.

    Parameters
    ----------
    learning_rate : float, default=0.1
        Step for each sample, above 0.
    margin : float, default=1.0
        By how much the right class is to lead, above 0.
    max_epochs : int, default=15
        Passes over the samples. Few regularise: more serve the seen classes at the expense of the
        unseen ones.
    batch_size : int, default=16
        Samples a step, whose gradients are summed.
    identity_start : float, default=0.0
        The map starts from this times the identity, for classes described in the space of the
        samples, as by a pair of image and text encoders: their alignment is then bent and not
        thrown away. The scale of the encoders' cosines, 100 or so, makes the margin one of their
        scores. 0 starts from nothing.
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
        Decides the order of samples.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features, n_attributes)
        The map from features to attributes.
    score_scale_ : float
        The factor of the scores.
    classes_, seen_classes_, unseen_classes_ : ndarray
        Labels of all described classes, of those with samples, and of the others.

    See Also
    --------
    ALEClassifier : Counts every wrong class that comes too close.

    References
    ----------
    Akata, Reed, Walter, Lee, Schiele, "Evaluation of output embeddings for fine-grained image
    classification", CVPR 2015.

    Examples
    --------
    >>> from zslearn.linear_model import SJEClassifier
    >>> table = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]
    >>> X = [[2, 0, 0], [3, 0, 1], [0, 2, 0], [0, 3, 1], [0, 0, 2], [1, 0, 3]]
    >>> clf = SJEClassifier(random_state=0).fit(X, [0, 0, 1, 1, 2, 2], table)
    >>> clf.predict([[3, 3, 0]], candidates="unseen")
    array([3])
    """

    @staticmethod
    def _weights(excess: NDArray[np.float64]) -> NDArray[np.float64]:
        weights = np.zeros_like(excess)
        worst = np.arange(len(excess)), excess.argmax(axis=1)
        weights[worst] = excess[worst] > 0
        return weights
