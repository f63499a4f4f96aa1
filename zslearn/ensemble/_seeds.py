"""One classifier of several, trained from different seeds."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_random_state, get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from zslearn._delta_shares import counts_of, delta_shares
from zslearn._described_classes import DescribedClasses
from zslearn.attributes import ClassAttributes
from zslearn.base import ZeroShotClassifierMixin
from zslearn.model_selection import fit_many

__all__ = ["SeedEnsembleClassifier"]


def _members_have(method: str) -> Callable[[Any], bool]:
    """Whether the members have a method: the fitted ones, if there are any."""

    def check(self: Any) -> bool:
        return hasattr(getattr(self, "estimators_", [self.estimator])[0], method)

    return check


class SeedEnsembleClassifier(ZeroShotClassifierMixin, BaseEstimator):
    r"""Average of a zero-shot classifier trained from several seeds.

    What one network learns depends on where it starts; the average of a few [1]_ depends on it
    less, and is mostly better than the single ones. The members share one copy of the data: see
    :func:`zslearn.model_selection.fit_many`.

    Parameters
    ----------
    estimator : estimator instance
        A zero-shot classifier of this package with a parameter ``random_state``, such as
        :class:`zslearn.CVsCClassifier`. Its calibration, ``delta`` on ``delta_scale``, is applied
        to the average.
    n_estimators : int, default=5
        Number of members.
    average : {"score", "probability"}, default="score"
        What is averaged. "score": the class scores :math:`z`. The members' are on one scale, for
        they differ in nothing but their seeds; and the score of a class does not depend on which
        other classes are described. "probability": the softmax of the scores over all described
        classes, as in [1]_; the logarithm of its average is then the ensemble's score.
    n_jobs : int, default=None
        Number of members trained at a time, as in :func:`~zslearn.model_selection.fit_many`.
    random_state : int, RandomState instance or None, default=None
        Determines the seeds of the members, which take the place of the estimator's own.

    Attributes
    ----------
    estimators_ : list of n_estimators estimators
        The fitted members.
    classes_ : ndarray of shape (n_classes,)
        Labels of all described classes, sorted.
    seen_classes_, unseen_classes_ : ndarray
        Those with and without samples at fit.
    class_attributes_ : ClassAttributes
        The table, its rows in the order of `classes_`.
    n_features_in_ : int
        Width of a region feature, unless the members take pictures.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if X was a DataFrame with string column names.

    See Also
    --------
    zslearn.model_selection.fit_many : The members alone, as for error bars over seeds.

    References
    ----------
    .. [1] B. Lakshminarayanan, A. Pritzel, C. Blundell, "Simple and scalable predictive uncertainty
       estimation using deep ensembles", NeurIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn import ClassAttributes, CVsCClassifier
    >>> from zslearn.ensemble import SeedEnsembleClassifier
    >>> rng = np.random.default_rng(0)
    >>> table = ClassAttributes([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1]])
    >>> y = rng.integers(0, 4, size=200)
    >>> X = table.values[y] + rng.normal(scale=0.1, size=(200, 3))
    >>> ensemble = SeedEnsembleClassifier(CVsCClassifier(), n_estimators=3, random_state=0)
    >>> ensemble.fit(X, y, class_attributes=table).unseen_classes_
    array([4])
    >>> scores = [member.decision_function(X) for member in ensemble.estimators_]
    >>> np.allclose(ensemble.decision_function(X), np.mean(scores, axis=0))
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "decision_function"])],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "average": [StrOptions({"score", "probability"})],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    estimators_: list[Any]

    def __init__(
        self,
        estimator: Any,
        *,
        n_estimators: int = 5,
        average: str = "score",
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.average = average
        self.n_jobs = n_jobs
        self.random_state = random_state

    @property
    def delta(self) -> float:
        """What the estimator adds to the unseen classes where they compete with seen ones."""
        return float(getattr(self.estimator, "delta", 0.0))

    @property
    def delta_scale(self) -> str:
        """What `delta` is added to."""
        return str(getattr(self.estimator, "delta_scale", "logit"))

    def _delta_shares(self, labels: NDArray[Any]) -> NDArray[Any]:
        fade, first = getattr(self.estimator, "delta_fade", None), self.estimators_[0]
        if fade is None:
            return super()._delta_shares(labels)
        counts = counts_of(labels, first.classes_, first.class_count_)
        return delta_shares(counts, fade, first.class_count_)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "estimators_")

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, class_attributes: Any = None) -> Self:
        """Train the members on samples of the seen classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_regions, n_features) or (n_samples, n_features)
            Region features, in any form the estimator takes; pictures, if it takes these.
        y : array-like of shape (n_samples,)
            Class labels.
        class_attributes : ClassAttributes, DataFrame or array-like of shape (C, K), default=None
            Describes the classes in `y`, and the unseen ones, as in the estimator's ``fit``.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        TypeError
            If the estimator is no zero-shot classifier of this package with a ``random_state``.
        """
        self._check_estimator()
        with self._fitting_anew():
            self._fit_members(X, y, class_attributes)
        return self

    def _fit_members(self, X: Any, y: Any, class_attributes: Any) -> None:
        if not self._of_pictures():
            X, y = self._check_X_y(X, y, reset=True)
        draw = check_random_state(self.random_state).randint
        largest = np.iinfo(np.int32).max
        seeds = [int(seed) for seed in draw(largest, size=self.n_estimators)]
        # A classifier that is trained with a network has the seed of both.
        known = self.estimator.get_params()
        name = "random_state" if "random_state" in known else "classifier__random_state"
        settings: list[dict[str, Any]] = [{name: seed} for seed in seeds]
        self.estimators_ = fit_many(
            self.estimator, settings, X, y, class_attributes=class_attributes, n_jobs=self.n_jobs
        )
        first = self.estimators_[0]
        seen = np.isin(first.classes_, first.seen_classes_)
        self._set_classes(DescribedClasses(first.class_attributes_, seen))

    def _of_pictures(self) -> bool:
        return bool(get_tags(self.estimator).no_validation)

    def _check_X(self, X: Any, *, reset: bool) -> Any:
        """Check X, but leave pictures to the members, who read them by batches."""
        return X if self._of_pictures() else super()._check_X(X, reset=reset)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        if self._of_pictures():
            own = get_tags(self.estimator)
            tags.input_tags, tags.no_validation = own.input_tags, own.no_validation
        return tags

    def _check_estimator(self) -> None:
        estimator = self.estimator
        if not isinstance(estimator, ZeroShotClassifierMixin) or not hasattr(
            estimator, "random_state"
        ):
            raise TypeError(
                "estimator must be a zero-shot classifier with a parameter random_state, such as "
                f"CVsCClassifier, found {type(estimator).__name__}. Of a pipeline, make the last "
                "step an ensemble."
            )

    @available_if(_members_have("predict_attributes"))
    def predict_attributes(self, X: Any) -> NDArray[np.float64]:
        """Semantic vectors of the samples, the mean of the members'.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_regions, n_features) or (n_samples, n_features)
            Region features, as for `fit`.

        Returns
        -------
        semantics : ndarray of shape (n_samples, n_attributes), float64
            Columns in the order of ``class_attributes_.attribute_names``.
        """
        check_is_fitted(self)
        X = self._check_X(X, reset=False)
        total: NDArray[np.float64] | float = 0.0
        for member in self.estimators_:
            total = total + np.asarray(member.predict_attributes(X), dtype=np.float64)
        return np.asarray(total) / len(self.estimators_)

    @available_if(lambda self: self.average == "score" and _members_have("class_embeddings")(self))
    def class_embeddings(self, class_attributes: Any = None) -> NDArray[np.floating]:
        """Class descriptions as the scores use them: those of any member, if scores are averaged.

        Parameters
        ----------
        class_attributes : ClassAttributes or DataFrame, default=None
            Classes to embed instead of the fitted ones, described by the same attributes.

        Returns
        -------
        embeddings : ndarray of shape (n_classes, n_attributes)
            ``uncalibrated_scores(X)`` is ``predict_attributes(X) @ class_embeddings().T``. The
            members have one and the same; with ``average="probability"`` there is none, for a
            mean of probabilities is no sum over attributes.
        """
        check_is_fitted(self)
        return np.asarray(self.estimators_[0].class_embeddings(class_attributes))

    @available_if(lambda self: self.average == "score" and _members_have("score_terms")(self))
    def score_terms(self, X: Any, class_attributes: Any = None) -> NDArray[np.float64]:
        """Give what each attribute adds to each class score, the mean of the members'.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_regions, n_features) or (n_samples, n_features)
            Region features, as for `fit`.
        class_attributes : ClassAttributes or DataFrame, default=None
            Classes to score instead of the fitted ones, described by the same attributes.

        Returns
        -------
        terms : ndarray of shape (n_samples, n_classes, n_attributes + 1)
            Their sum over the last axis is the uncalibrated class score; the last is what pooled
            features add.
        """
        check_is_fitted(self)
        X = self._check_X(X, reset=False)
        total: NDArray[np.float64] | float = 0.0
        for member in self.estimators_:
            total = total + np.asarray(member.score_terms(X, class_attributes))
        return np.asarray(total) / len(self.estimators_)

    @available_if(_members_have("attention_maps"))
    def attention_maps(self, X: Any, attributes: Any = None) -> NDArray[np.floating]:
        """Where each attribute looks, the mean of the members' maps.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_regions, n_features) or (n_samples, n_features)
            Region features, as for `fit`.
        attributes : sequence of attribute names or indices, default=None
            The attributes wanted; all of them by default. Beside the result, the maps of one
            member are in memory.

        Returns
        -------
        maps : ndarray of shape (n_samples, n_attributes, n_regions), of the members' dtype
            Non-negative; each map sums to one over the regions.
        """
        check_is_fitted(self)
        X = self._check_X(X, reset=False)
        total: NDArray[np.floating] = np.array(self.estimators_[0].attention_maps(X, attributes))
        for member in self.estimators_[1:]:
            total += member.attention_maps(X, attributes)
        total /= len(self.estimators_)
        return total

    def _describe_anew(self, classes: DescribedClasses) -> None:
        for member in self.estimators_:
            member._describe_anew(classes)
        self._set_classes(classes)

    def _class_scores(self, X: Any, table: ClassAttributes) -> NDArray[np.float64]:
        X = self._check_X(X, reset=False)
        scores: NDArray[np.float64] | None = None
        for member in self.estimators_:
            own = member._class_scores(X, table).astype(np.float64)
            if self.average == "probability":
                own = log_softmax(own, axis=1)
                scores = own if scores is None else np.logaddexp(scores, own)
            else:
                scores = own if scores is None else scores + own
        assert scores is not None
        n = len(self.estimators_)
        return scores - np.log(n) if self.average == "probability" else scores / n
