"""Methods on the probabilities of ordinary classifiers: ConSE, DAP and IAP."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import has_fit_parameter

from zslearn._data._scaling import unit_rows
from zslearn._data._vectors import mean_vectors
from zslearn._sample_weights import Samples
from zslearn.linear_model._attribute_scores import AttributeScoresMixin
from zslearn.linear_model._base import ClosedFormClassifier, check_counts, is_finite
from zslearn.linear_model._logistic import fit_logistic
from zslearn.registry import register_method

__all__ = ["ConSEClassifier", "DAPClassifier"]

_CLIP = 1e-6
_C = 10.0


class _ProbabilityClassifier(AttributeScoresMixin, ClosedFormClassifier):
    """Scores from probabilities that fitted classifiers give; their samples are held in memory."""

    estimator: Any

    @abstractmethod
    def _fit_estimators(
        self,
        vectors: NDArray[np.float64],
        targets: NDArray[np.int64],
        weights: NDArray[np.float64] | None,
    ) -> None:
        """Fit on scaled samples and numbers of seen classes."""

    def _learn(
        self, samples: Samples, held: NDArray[np.bool_], described: NDArray[np.float64]
    ) -> None:
        self.described_ = described
        chunks = mean_vectors(samples.X, samples.rows)
        vectors = np.concatenate([self.scaling_(vectors) for _, vectors in chunks])
        targets = samples.y
        if held.any():
            self._fit_estimators(vectors[~held], targets[~held], samples.weights_of(~held))
            self._fit_score_scale(samples, held, described)
        self._fit_estimators(vectors, targets, samples.weights)

    def _fit_one(
        self,
        vectors: NDArray[np.float64],
        targets: NDArray[Any],
        weights: NDArray[np.float64] | None,
    ) -> Any:
        estimator = self.estimator
        if estimator is None:
            estimator = LogisticRegression(C=_C, max_iter=1000)
        if not hasattr(estimator, "get_params") or isinstance(estimator, type):
            raise TypeError(f"estimator must be a classifier or None, found {estimator!r:.60}")
        if weights is None:
            return clone(estimator).fit(vectors, targets)
        if not has_fit_parameter(estimator, "sample_weight"):
            raise ValueError(
                f"sample_weight was given, but the fit of {type(estimator).__name__} takes none: "
                "leave it out, or set estimator to one that does."
            )
        return clone(estimator).fit(vectors, targets, sample_weight=weights)


@register_method("conse", family="linear", input="vectors", paper="ICLR 2014")
class ConSEClassifier(_ProbabilityClassifier):
    """Descriptions of the most probable seen classes, averaged, and compared with every class.

    Nothing is trained but an ordinary classifier of the seen classes. A sample is described by the
    average of the `n_top` most probable ones' descriptions, weighted by probability; scores are
    cosines with it.

    Parameters
    ----------
    estimator : classifier with ``predict_proba``, default=None
        Fitted on seen classes, whose numbers are its labels. ``None`` is logistic regression with
        ``C=10``.
    n_top : int, default=5
        How many classes count. With 1 the best seen class always wins without `delta`.
    scaling : {"unit_length", "signed_root", "standard", "min_max"} or None, \
default="unit_length"
        Scaling of each sample.
    attribute_scaling : {"unit_length", "signed_root", "standard", "min_max"} or None, \
default="unit_length"
        Scaling of each class description.
    score_scale : float or "auto", default="auto"
        Factor of the scores. "auto" fits it to the log probabilities of held-out samples, at the
        cost of a second fit.
    delta : float, default=0.0
        What is added to the scores of unseen classes in `predict`.

    Attributes
    ----------
    estimator_ : classifier or None
        Fitted on the seen classes; None where there is but one.
    score_scale_ : float
        The factor of the scores.
    classes_, seen_classes_, unseen_classes_ : ndarray
        Labels of all described classes, of those with samples, and of the others.

    See Also
    --------
    DAPClassifier : Classifiers of attributes.

    References
    ----------
    Norouzi et al., "Zero-shot learning by convex combination of semantic embeddings", ICLR 2014.

    Examples
    --------
    >>> from zslearn.linear_model import ConSEClassifier
    >>> table = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]
    >>> X = [[2, 0, 0], [3, 0, 1], [0, 2, 0], [0, 3, 1], [0, 0, 2], [1, 0, 3]]
    >>> clf = ConSEClassifier(n_top=2).fit(X, [0, 0, 1, 1, 2, 2], table)
    >>> clf.predict([[3, 3, 0]])
    array([3])
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_top: int = 5,
        scaling: str | None = "unit_length",
        attribute_scaling: str | None = "unit_length",
        score_scale: Any = "auto",
        delta: float = 0.0,
    ) -> None:
        self.estimator = estimator
        self.n_top = n_top
        self.scaling = scaling
        self.attribute_scaling = attribute_scaling
        self.score_scale = score_scale
        self.delta = delta

    def _check_parameters(self) -> None:
        check_counts(self, "n_top")

    def _fit_estimators(
        self,
        vectors: NDArray[np.float64],
        targets: NDArray[np.int64],
        weights: NDArray[np.float64] | None,
    ) -> None:
        several = len(self.described_) > 1
        self.estimator_ = self._fit_one(vectors, targets, weights) if several else None

    def _rows(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        shares = np.ones((len(vectors), 1))
        if self.estimator_ is not None:
            shares = self.estimator_.predict_proba(vectors)
        return unit_rows(self._average(shares))

    def _average(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Descriptions averaged by the largest probabilities; of equal ones the first count."""
        n_top = min(int(self.n_top), shares.shape[1])
        top = np.argsort(-shares, axis=1, kind="stable")[:, :n_top]
        kept = np.zeros_like(shares)
        np.put_along_axis(kept, top, np.take_along_axis(shares, top, axis=1), axis=1)
        average: NDArray[np.float64] = kept / kept.sum(axis=1, keepdims=True) @ self.described_
        return average

    def _class_weights(
        self, described: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return unit_rows(described), np.zeros(len(described))


@register_method("dap", family="linear", input="vectors", paper="TPAMI 2014")
class DAPClassifier(_ProbabilityClassifier):
    """Direct attribute prediction: a probabilistic classifier for each attribute.

    Attributes are made binary and taken to be independent given the sample. The scores are
    ``A @ (log-odds - prior log-odds)`` for the binary descriptions A: the logarithm of the
    posterior, but for a constant of the sample. Attributes that all or none of the seen classes
    have cannot be learnt, and are left out.

    Parameters
    ----------
    estimator : classifier with ``predict_proba``, default=None
        Cloned for each attribute, or for the classes if `indirect`. ``None`` is logistic
        regression with ``C=10``; those of all attributes are fitted together, to a smaller gradient
        than scikit-learn's default asks for.
    threshold : float or "mean", default="mean"
        Above which a class has an attribute: a number, or each attribute's mean over seen classes.
    indirect : bool, default=False
        Whether attributes follow from probabilities of the seen classes (IAP).
    scaling : {"unit_length", "signed_root", "standard", "min_max"} or None, \
default="unit_length"
        Scaling of each sample.
    attribute_scaling : {"unit_length", "signed_root", "standard", "min_max"} or None, \
default=None
        Scaling of each class description before the threshold.
    score_scale : float or "auto", default="auto"
        Factor of the scores. "auto" fits it to the log probabilities of held-out samples, at the
        cost of a second fit; as attributes are not independent, the scores are much too sure.
    delta : float, default=0.0
        What is added to the scores of unseen classes in `predict`.

    Attributes
    ----------
    estimators_ : list of classifiers
        One for each attribute learnt, or, if `indirect`, one of the seen classes.
    threshold_ : ndarray of shape (n_attributes,)
        Above which a class has an attribute.
    attribute_prior_ : ndarray of shape (n_attributes,)
        Share of the seen classes that have it.
    score_scale_ : float
        The factor of the scores.
    classes_, seen_classes_, unseen_classes_ : ndarray
        Labels of all described classes, of those with samples, and of the others.

    See Also
    --------
    ConSEClassifier : A classifier of the seen classes alone.

    References
    ----------
    Lampert, Nickisch, Harmeling, "Attribute-based classification for zero-shot visual object
    categorization", TPAMI 2014.

    Examples
    --------
    >>> from zslearn.linear_model import DAPClassifier
    >>> table = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]
    >>> X = [[2, 0, 0], [3, 0, 1], [0, 2, 0], [0, 3, 1], [0, 0, 2], [1, 0, 3]]
    >>> clf = DAPClassifier().fit(X, [0, 0, 1, 1, 2, 2], table)
    >>> clf.predict([[3, 3, 0]])
    array([3])
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        threshold: Any = "mean",
        indirect: bool = False,
        scaling: str | None = "unit_length",
        attribute_scaling: str | None = None,
        score_scale: Any = "auto",
        delta: float = 0.0,
    ) -> None:
        self.estimator = estimator
        self.threshold = threshold
        self.indirect = indirect
        self.scaling = scaling
        self.attribute_scaling = attribute_scaling
        self.score_scale = score_scale
        self.delta = delta

    def _check_parameters(self) -> None:
        threshold = self.threshold
        if isinstance(threshold, str) and threshold == "mean":
            return
        if not is_finite(threshold):
            raise ValueError(f"threshold must be 'mean' or a finite number, found {threshold!r}")

    def _fit_estimators(
        self,
        vectors: NDArray[np.float64],
        targets: NDArray[np.int64],
        weights: NDArray[np.float64] | None,
    ) -> None:
        self._set_attributes()
        if self.indirect:
            several = len(self.described_) > 1
            self.estimators_ = [self._fit_one(vectors, targets, weights)] if several else []
            return
        binary = self._binary(self.described_)[:, self._learnt]
        if self.estimator is None and len(self._learnt):
            answers = binary[targets].astype(np.float64)
            self.estimators_ = self._fit_together(vectors, answers, weights)
        else:
            self.estimators_ = [
                self._fit_one(vectors, column[targets], weights) for column in binary.T
            ]

    def _fit_together(
        self,
        vectors: NDArray[np.float64],
        answers: NDArray[np.float64],
        weights: NDArray[np.float64] | None,
    ) -> list[LogisticRegression]:
        """Fit the logistic regressions of all attributes, from those of fewer samples if any."""
        before = getattr(self, "estimators_", None)
        start = _coefficients(before) if before else None
        coefs, intercepts = fit_logistic(vectors, answers, _C, start, weights)
        estimators = []
        for coef, intercept in zip(coefs.T, intercepts, strict=True):
            estimator: Any = LogisticRegression(C=_C)
            estimator.classes_, estimator.n_features_in_ = np.array([0, 1]), len(coef)
            estimator.coef_, estimator.intercept_ = coef[None].copy(), np.array([intercept])
            estimators.append(estimator)
        return estimators

    def _set_attributes(self) -> None:
        """Set the thresholds and priors that follow from the seen classes' descriptions."""
        described = self.described_
        mean = described.mean(axis=0)
        is_mean = isinstance(self.threshold, str)
        self.threshold_ = mean if is_mean else np.full(len(mean), float(self.threshold))
        self.attribute_prior_ = self._binary(described).mean(axis=0)

    @property
    def _learnt(self) -> NDArray[np.intp]:
        return np.flatnonzero((self.attribute_prior_ > 0) & (self.attribute_prior_ < 1))

    def _attribute_rows(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        scores = np.zeros((len(vectors), len(self.attribute_prior_)))
        scores[:, self._learnt] = self._rows(vectors)
        return scores

    def _embeddings(self, described: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._binary(described).astype(np.float64)

    def _binary(self, described: NDArray[np.float64]) -> NDArray[np.int64]:
        return (described > self.threshold_).astype(np.int64)

    def _rows(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        if not self.estimators_:
            return np.zeros((len(vectors), len(self._learnt)))
        together = self.estimator is None and not self.indirect
        if together and all(isinstance(one, LogisticRegression) for one in self.estimators_):
            weights, intercepts = _coefficients(self.estimators_)
            return vectors @ weights + intercepts - logit(self.attribute_prior_[self._learnt])
        shares = [estimator.predict_proba(vectors) for estimator in self.estimators_]
        if self.indirect:
            return self._log_odds(self._of_classes(shares[0]))
        return self._log_odds(np.column_stack([share[:, 1] for share in shares]))

    def _of_classes(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities of the attributes learnt, from those of seen classes."""
        probabilities: NDArray[np.float64] = shares @ self._binary(self.described_)[:, self._learnt]
        return np.clip(probabilities, _CLIP, 1 - _CLIP)

    def _log_odds(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-odds of attributes less those of their priors."""
        sure = np.clip(probabilities, 1e-300, 1 - 2**-53)
        difference: NDArray[np.float64] = logit(sure) - logit(self.attribute_prior_[self._learnt])
        return difference

    def _class_weights(
        self, described: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        weights = self._binary(described)[:, self._learnt].astype(np.float64)
        return weights, np.zeros(len(weights))


def _coefficients(
    estimators: list[LogisticRegression],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights (D, K) and intercepts (K,) of some logistic regressions."""
    weights = np.concatenate([estimator.coef_ for estimator in estimators]).T
    return weights, np.concatenate([estimator.intercept_ for estimator in estimators])
