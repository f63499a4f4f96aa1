"""Cosines of samples with classes described in the same space: nothing is trained."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from zslearn._data._scaling import unit_rows
from zslearn._data._vectors import mean_vectors
from zslearn._described_classes import DescribedClasses
from zslearn._sample_weights import Samples
from zslearn.attributes import ClassAttributes
from zslearn.exceptions import ClassDescriptionWarning
from zslearn.linear_model._attribute_scores import AttributeScoresMixin
from zslearn.linear_model._base import ClosedFormClassifier
from zslearn.registry import register_method

__all__ = ["CosineClassifier"]

_NO_TABLE = (
    "class_attributes is None: each class in y is described by the mean direction of its samples, "
    "and no other class can be predicted. Pass class_attributes=ClassAttributes(...) to fit for "
    "zero-shot prediction."
)


@register_method("cosine", family="linear", input="vectors", paper="ICML 2021", shared_space=True)
class CosineClassifier(AttributeScoresMixin, ClosedFormClassifier):
    """Cosines of each sample with each class, both in one space, as of an image and a text encoder.

    No map is trained: samples tell but which classes are seen, and the scale of the scores. A row
    of the class table is a class's vector, such as the embedding of a sentence that names it, with
    as many entries as a sample has features.

    Parameters
    ----------
    score_scale : float or "auto", default="auto"
        Factor of the cosines. "auto" fits it to the log probabilities of a fifth of the samples;
        a pair of encoders brings its own, of 100 or so.
    delta : float, default=0.0
        What is added to the scores of unseen classes in `predict`.

    Attributes
    ----------
    score_scale_ : float
        The factor of the scores.
    classes_, seen_classes_, unseen_classes_ : ndarray
        Labels of all described classes, of those with samples, and of the others.

    See Also
    --------
    ESZSLClassifier : Learns a map where samples and classes are in different spaces.

    References
    ----------
    Radford et al., "Learning transferable visual models from natural language supervision", ICML
    2021, has the pair of encoders whose vectors are compared so.

    Examples
    --------
    >>> from zslearn.linear_model import CosineClassifier
    >>> texts = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]
    >>> X = [[2, 0, 0], [3, 0, 1], [0, 2, 0], [0, 3, 1], [0, 0, 2], [1, 0, 3]]
    >>> clf = CosineClassifier().fit(X, [0, 0, 1, 1, 2, 2], texts)
    >>> clf.predict([[3, 3, 0]])
    array([3])
    """

    scaling = attribute_scaling = "unit_length"

    def __init__(self, score_scale: Any = "auto", *, delta: float = 0.0) -> None:
        self.score_scale = score_scale
        self.delta = delta

    def fit(self, X: Any, y: Any, class_attributes: Any = None, sample_weight: Any = None) -> Self:
        """Take the classes' vectors, and fit the scale of the scores.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_regions, n_features)
            Vectors, or regions, of which the mean is taken; read a chunk of rows at a time.
        y : array-like of shape (n_samples,)
            Class labels.
        class_attributes : ClassAttributes, DataFrame or array-like of shape \
(n_classes, n_features), default=None
            Vectors of all classes, seen and unseen. ``None`` describes each class in `y` by the
            mean direction of its samples.
        sample_weight : array-like of shape (n_samples,), default=None
            How often each sample counts, at least 0, for the scale and for mean directions.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If `score_scale` is out of range, a label is not described, X is not finite, weights
            are negative, not finite, or all 0 in a class, or the classes' vectors have another
            length than the samples'.
        """
        if class_attributes is None:
            warnings.warn(_NO_TABLE, ClassDescriptionWarning, stacklevel=2)
            with self._fitting_anew():
                class_attributes = _mean_directions(
                    Samples.weighed(*self._check_X_y(X, y, reset=True), sample_weight)
                )
        return super().fit(X, y, class_attributes, sample_weight)

    def _check_parameters(self) -> None:
        """Has none of its own."""

    def _check_fit(
        self, X: Any, y: Any, class_attributes: Any
    ) -> tuple[Any, NDArray[Any], DescribedClasses]:
        X, y, classes = super()._check_fit(X, y, class_attributes)
        found, width = classes.table.n_attributes, X.shape[-1]
        if found != width:
            raise ValueError(
                f"class_attributes has vectors of {found} values, but X has {width} features: "
                "cosines need samples and classes in one space. Give the classes' vectors of the "
                "encoder that goes with that of X, or take a method that learns a map, such as "
                "ESZSLClassifier."
            )
        return X, y, classes

    def _learn(
        self, samples: Samples, held: NDArray[np.bool_], described: NDArray[np.float64]
    ) -> None:
        for _ in mean_vectors(samples.X, samples.rows):  # refuses what is not finite
            pass
        if held.any():
            self._fit_score_scale(samples, held, described)

    def _class_weights(
        self, described: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return described, np.zeros(len(described))


def _mean_directions(samples: Samples) -> ClassAttributes:
    """Mean of the samples of each class, these scaled to unit length."""
    labels, targets = np.unique(samples.y, return_inverse=True)
    times = np.ones(len(targets)) if samples.weights is None else samples.weights
    sums = np.zeros((len(labels), samples.X.shape[-1]))
    for place, vectors in mean_vectors(samples.X, samples.rows):
        np.add.at(sums, targets[place], times[place, None] * unit_rows(vectors))
    return ClassAttributes(sums / np.bincount(targets, times)[:, None], labels=labels)
