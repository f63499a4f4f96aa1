"""Classes scored by prototypes of what a network predicts: a closed form on top of a training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval

from zslearn._data._prototypes import DescriptionKernel, PrototypeRule
from zslearn._data._scaling import unit_rows
from zslearn._data._score_scale import fit_score_scale
from zslearn._data._vectors import ClassSums

__all__ = ["ClassWeights", "FittedHead", "HeadSums", "PrototypeHead", "pooled_vectors"]


class PrototypeHead(BaseEstimator):
    r"""How classes are scored by prototypes: the parameter ``head`` in full.

    Once the network is trained, the mean of the predicted attributes s of each seen class is
    regressed on the class descriptions by a kernel ridge regression, and so is the mean of the
    pooled features x. Every class, seen or not, is then represented by its regressed means p, and
    scored by the linear discriminant of each, with the covariance within classes:

    .. math::

        z_c = \tau \frac{\sum_v w_v f_{v,c} / \sigma_v}{\sum_v w_v}, \quad
        f_{v,c} = v^\top \Sigma_v^{-1} p_{v,c} - \tfrac{1}{2} p_{v,c}^\top \Sigma_v^{-1} p_{v,c},
        \quad v \in \{s, x\}

    where :math:`\sigma_v` is how far scores of one sample spread. The factor :math:`\tau` makes log
    probabilities of the scores by pooled features, on samples that their closed form was not given:
    the network has seen them all, and its scores are surer than they are right.

    Parameters
    ----------
    attribute_weight : float, default=0.5
        Weight of the scores by predicted attributes, at least 0, as a share of the sum of both.
    feature_weight : float, default=1.0
        Weight of the scores by pooled features, at least 0; with 0, class scores depend on nothing
        but predicted attributes. These features are the mean of the regions as they come, the
        square root of its values with their signs, scaled to unit length.
    alpha : float, default=0.03
        Regulariser of the regression, above 0, relative to the mean of the kernel's diagonal.
    gamma : float, default=0.25
        Of the kernel ``exp(-gamma * |a - b|**2 / median)`` of class descriptions less the mean of
        the seen ones, scaled to unit length; the median is over pairs of seen classes.
    shrinkage : float, default=0.85
        Of the covariance within classes towards a multiple of the identity, above 0, at most 1.

    See Also
    --------
    zslearn.CVsCClassifier : Takes it as ``head``.
    zslearn.linear_model.PrototypeRegressionClassifier : The same rule on pooled features alone.

    Notes
    -----
    Of samples the fit keeps their number, sums and products, K x K and D x D numbers: one pass, and
    ``partial_fit`` adds to them what the network, as it is after that call, says of its samples.
    The spreads and the factor are those of the last call's.

    Where no two samples are of one class, the covariance is the identity, and the factor is fitted
    to the samples themselves. With one seen class there is nothing to regress, and the network's
    own products are the scores.

    Examples
    --------
    >>> from zslearn import CVsCClassifier
    >>> from zslearn.attention import PrototypeHead
    >>> clf = CVsCClassifier(head=PrototypeHead(feature_weight=0.0))
    >>> clf.set_params(head__shrinkage=0.9).head
    PrototypeHead(feature_weight=0.0, shrinkage=0.9)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "attribute_weight": [Interval(Real, 0, None, closed="left")],
        "feature_weight": [Interval(Real, 0, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "gamma": [Interval(Real, 0, None, closed="neither")],
        "shrinkage": [Interval(Real, 0, 1, closed="right")],
    }

    def __init__(
        self,
        *,
        attribute_weight: float = 0.5,
        feature_weight: float = 1.0,
        alpha: float = 0.03,
        gamma: float = 0.25,
        shrinkage: float = 0.85,
    ) -> None:
        self.attribute_weight = attribute_weight
        self.feature_weight = feature_weight
        self.alpha = alpha
        self.gamma = gamma
        self.shrinkage = shrinkage


class ClassWeights(NamedTuple):
    """Scores of classes as ``v @ weights.T + offsets`` of one kind of vectors v.

    `offsets` is the sum over the columns of ``-midpoints * weights``.
    """

    weights: NDArray[np.float64]
    midpoints: NDArray[np.float64]

    @property
    def offsets(self) -> NDArray[np.float64]:
        """Constants of the classes."""
        constants: NDArray[np.float64] = -(self.midpoints * self.weights).sum(axis=1)
        return constants


@dataclass
class HeadSums:
    """Sums over the samples of some seen classes, of both kinds of vectors.

    Attributes
    ----------
    labels : ndarray of shape (n_seen,)
        Of the classes, sorted.
    values : ndarray of shape (n_seen, n_attributes)
        Their descriptions.
    attributes, features : ClassSums
        Of predicted attributes and of pooled features.
    """

    labels: NDArray[Any]
    values: NDArray[np.float64]
    attributes: ClassSums
    features: ClassSums

    @classmethod
    def zeros(cls, labels: NDArray[Any], values: NDArray[np.float64], n_features: int) -> Self:
        """Return the sums of no samples."""
        n, n_attributes = values.shape
        widths = (n_attributes, n_features)
        return cls(labels, values, *(ClassSums.zeros(n, width) for width in widths))

    def add(
        self,
        attributes: NDArray[np.floating],
        features: NDArray[np.floating],
        targets: NDArray[np.int64],
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        """Take in more samples, whose targets number the classes."""
        self.attributes.add(attributes.astype(np.float64), targets, weights)
        self.features.add(features.astype(np.float64), targets, weights)

    def __add__(self, other: HeadSums) -> HeadSums:
        labels, first = np.unique(np.r_[self.labels, other.labels], return_index=True)
        values = np.vstack([self.values, other.values])[first]
        total = HeadSums.zeros(labels, values, self.features.sums.shape[1])
        for part in (self, other):
            rows = np.searchsorted(labels, part.labels)
            for kind in ("attributes", "features"):
                one, of_part = getattr(total, kind), getattr(part, kind)
                one.sums[rows] += of_part.sums
                one.counts[rows] += of_part.counts
                one.upper += of_part.upper
        return total


@dataclass(frozen=True, eq=False)
class FittedHead:
    """Prototypes of both kinds of vectors, by description.

    Attributes
    ----------
    description_mean : ndarray of shape (n_attributes,)
        Mean of the seen classes' descriptions.
    rules : list of PrototypeRule
        Of predicted attributes and of pooled features; none where fewer than two classes are seen.
    factors : tuple of float
        Of the scores by the two.
    sums : HeadSums
        Of all samples so far.
    """

    description_mean: NDArray[np.float64]
    rules: list[PrototypeRule]
    factors: tuple[float, float]
    sums: HeadSums

    @classmethod
    def fit(
        cls, params: PrototypeHead, sums: HeadSums, factors: tuple[float, float] = (1.0, 1.0)
    ) -> Self:
        """Regress the means of the classes on their descriptions."""
        mean = sums.values.mean(axis=0)
        if len(sums.labels) < 2:
            return cls(mean, [], factors, sums)
        kernel = DescriptionKernel.of(unit_rows(sums.values - mean), "rbf", params.gamma)
        rules = [
            PrototypeRule.fit(one, kernel, params.alpha, params.shrinkage)
            for one in (sums.attributes, sums.features)
        ]
        return cls(mean, rules, factors, sums)

    def suitable_factors(
        self,
        params: PrototypeHead,
        attributes: NDArray[np.floating],
        features: NDArray[np.floating],
        y: NDArray[Any],
        sample_weight: NDArray[np.float64],
    ) -> tuple[float, float]:
        """Return the factors that suit samples of the classes regressed on."""
        weights = self.weights(self.sums.values)
        by_attributes, by_features = (
            vectors.astype(np.float64) @ one.weights.T + one.offsets
            for vectors, one in zip((attributes, features), weights, strict=True)
        )
        spread, wanted = (float(f.std(axis=1).mean()) for f in (by_attributes, by_features))
        # As if one sample more had been mistaken, as Platt has it: delta must have a say.
        targets, doubt = np.searchsorted(self.sums.labels, y), 1 / (len(y) + 2)
        scale = fit_score_scale(by_features, targets, sample_weight, doubt)
        total = params.attribute_weight + params.feature_weight
        ratio = wanted / spread if spread > 0 and wanted > 0 else 1.0
        return (
            scale * ratio * params.attribute_weight / total,
            scale * params.feature_weight / total,
        )

    def scaled(self, factor: float) -> Self:
        """Return the same with other factors."""
        return replace(self, factors=(self.factors[0] * factor, self.factors[1] * factor))

    def weights(self, values: NDArray[np.float64]) -> tuple[ClassWeights, ClassWeights]:
        """Weights of the classes of a table, for predicted attributes and for pooled features.

        Scores are relative to the one at the mean of the seen classes' means, so that they are
        small numbers.
        """
        described = unit_rows(values - self.description_mean)
        found = []
        for rule, factor in zip(self.rules, self.factors, strict=True):
            weights = rule.weighted(described) - rule.weighted_mean
            midpoints = (rule.prototypes(described) + rule.mean) / 2
            found.append(ClassWeights(factor * weights, midpoints))
        return found[0], found[1]

    @staticmethod
    def scores(
        attributes: NDArray[np.floating],
        features: NDArray[np.floating],
        weights: tuple[ClassWeights, ClassWeights],
    ) -> NDArray[np.float64]:
        """Scores (n, C) of classes."""
        by_attributes, by_features = weights
        scores: NDArray[np.float64] = attributes.astype(np.float64) @ by_attributes.weights.T
        scores += features.astype(np.float64) @ by_features.weights.T
        scores += by_attributes.offsets + by_features.offsets
        return scores


def pooled_vectors(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Square roots, with their signs, of the means of regions, scaled to unit length."""
    rows = unit_rows(means)  # before the roots, so that no size is too large or small
    return unit_rows(np.sign(rows) * np.sqrt(np.abs(rows)))
