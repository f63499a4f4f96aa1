"""A calibration that is given."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

from sklearn.base import _fit_context, clone
from sklearn.utils._param_validation import Interval, StrOptions

from zslearn.calibration._base import BaseCalibrationClassifier
from zslearn.calibration._response import CalibrationRule

__all__ = ["FixedCalibrationClassifier"]


class FixedCalibrationClassifier(BaseCalibrationClassifier):
    r"""Zero-shot classifier whose predictions are calibrated by a given delta.

    A classifier trained on seen classes prefers them. Calibrated stacking [1]_ adds a number to
    the scores of the unseen classes before the best class is taken:

    .. math:: \hat y = \arg\max_c \; z_c + \delta \, [c \text{ unseen}]

    This meta-estimator does so around any zero-shot classifier, whether or not it has a ``delta``
    of its own.

    Parameters
    ----------
    estimator : estimator instance
        Zero-shot classifier with ``decision_function`` or ``predict_proba`` and, once fitted,
        `classes_` and `seen_classes_`; a Pipeline or a search that ends in one; or one already
        fitted in a ``FrozenEstimator``. A calibration of its own is ignored: the uncalibrated
        scores are used.

    delta : float, default=0.0
        What is added to the unseen classes where they compete with seen ones. 0 leaves the
        estimator as it is; choose it with :class:`TunedCalibrationClassifierCV`.

    delta_scale : {"logit", "probability"}, default="logit"
        What `delta` is added to: the uncalibrated scores (of an estimator that names none,
        ``decision_function``, or the logarithms of ``predict_proba``), or their softmax over the
        candidates.
        Scores are the default because their calibration is the same whichever classes compete.

    Attributes
    ----------
    estimator_ : estimator instance
        The fitted estimator.

    classes_ : ndarray of shape (n_classes,)
        Labels of all described classes.

    seen_classes_, unseen_classes_ : ndarray
        Those with and without samples at fit.

    class_attributes_ : ClassAttributes
        The table of the estimator, if it has one.

    n_features_in_ : int
        Number of features seen during fit, if the estimator has it.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen during fit, if the estimator has them.

    See Also
    --------
    TunedCalibrationClassifierCV : Chooses delta on held-out seen classes.
    zslearn.metrics.seen_unseen_curve : The accuracies at every delta.

    Notes
    -----
    ``predict``, ``decision_function`` and ``predict_proba`` are calibrated and agree;
    ``uncalibrated_scores`` are the estimator's own. If `estimator` comes fitted, prediction needs
    no ``fit``; in a ``FrozenEstimator`` it is also safe from being refitted by ``fit``.

    References
    ----------
    .. [1] W.-L. Chao, S. Changpinyo, B. Gong, F. Sha, "An empirical study and analysis of
       generalized zero-shot learning for object recognition in the wild", ECCV 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.frozen import FrozenEstimator
    >>> from zslearn import ClassAttributes, CVsCClassifier
    >>> from zslearn.calibration import FixedCalibrationClassifier
    >>> rng = np.random.default_rng(0)
    >>> table = ClassAttributes(
    ...     [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1]],
    ...     labels=["sky", "sea", "sand", "bay", "beach"],
    ... )
    >>> y = rng.choice(["sky", "sea", "sand", "bay"], size=200)  # no beach
    >>> X = table.values[table.index_of(y)][:, None, :] + rng.normal(scale=0.1, size=(200, 4, 3))
    >>> clf = CVsCClassifier(random_state=0).fit(X, y, class_attributes=table)
    >>> for delta in (-100.0, 100.0):
    ...     calibrated = FixedCalibrationClassifier(FrozenEstimator(clf), delta=delta).fit(X, y)
    ...     print(float(np.mean(calibrated.predict(X) == "beach")))
    0.0
    1.0
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseCalibrationClassifier._parameter_constraints,
        "delta": [Interval(Real, None, None, closed="neither")],
        "delta_scale": [StrOptions({"logit", "probability"})],
    }

    _accepts_fitted = True

    def __init__(self, estimator: Any, *, delta: float = 0.0, delta_scale: str = "logit") -> None:
        self.estimator = estimator
        self.delta = delta
        self.delta_scale = delta_scale

    def _delta_and_scale(self) -> tuple[float, str]:
        return self.delta, self.delta_scale

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X: Any, y: Any, class_attributes: Any = None, **params: Any
    ) -> FixedCalibrationClassifier:
        """Fit the estimator inside.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples of the seen classes, as the estimator takes them.
        y : array-like of shape (n_samples,)
            Class labels.
        class_attributes : ClassAttributes, DataFrame or array-like of shape (C, K), default=None
            Describes the classes in `y`, and the unseen ones. It reaches the classifier inside a
            Pipeline without the name of its step.
        **params : dict
            Further parameters of the estimator's ``fit``.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        TypeError
            If the estimator, once fitted, has no `classes_` or `seen_classes_`.
        """
        self.__dict__.pop("estimator_", None)
        fit_params = self._fit_params(class_attributes, params)
        fitted = clone(self.estimator).fit(X, y, **fit_params)
        CalibrationRule().fit(fitted)
        self.estimator_ = fitted
        return self
