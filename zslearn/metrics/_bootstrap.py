"""Confidence intervals of the metrics by resampling classes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from inspect import Parameter, signature
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from zslearn.metrics import _classification, _curve, _gzsl, _semantic
from zslearn.metrics._validation import (
    ClassDecomposition,
    check_comparable,
    check_labels,
    validate_params,
)

# At most this many class multiplicities are held at a time.
_BLOCK = 4_000_000

_DECOMPOSITIONS: dict[Callable[..., Any], Callable[..., ClassDecomposition]] = {
    _classification.per_class_accuracy_score: _classification.decompose_per_class_accuracy,
    _classification.czsl_accuracy_score: _classification.decompose_czsl_accuracy,
    _gzsl.gzsl_scores: _gzsl.decompose_gzsl_scores,
    _gzsl.gzsl_harmonic_mean_score: _gzsl.decompose_gzsl_harmonic_mean,
    _curve.ausuc_score: _curve.decompose_ausuc,
    _curve.best_calibration: _curve.decompose_best_calibration,
    _semantic.class_semantic_error: _semantic.decompose_class_semantic_error,
    _semantic.semantic_error_increase: _semantic.decompose_semantic_error_increase,
}
_METRICS = {metric.__name__: metric for metric in _DECOMPOSITIONS}


class BootstrapInterval(NamedTuple):
    """A confidence interval, as returned by :func:`bootstrap_interval`.

    Each field is a float, or an array of shape (n_values,) for a metric of several values.

    Attributes
    ----------
    estimate : float or ndarray
        The metric on the data as given, or its difference between two models.
    low : float or ndarray
        Lower end of the interval.
    high : float or ndarray
        Upper end of the interval.
    standard_error : float or ndarray
        Standard deviation of the metric over the resamples.
    distribution : ndarray of shape (n_resamples,) or (n_resamples, n_values)
        The metric on each resample.
    """

    estimate: Any
    low: Any
    high: Any
    standard_error: Any
    distribution: NDArray[np.float64]


def _accepts(function: Callable[..., Any], name: str) -> bool:
    parameters = signature(function).parameters.values()
    return any(p.name == name or p.kind is Parameter.VAR_KEYWORD for p in parameters)


def _value(result: Any) -> NDArray[np.float64]:
    if isinstance(result, _semantic.ClassSemanticError):
        result = result.mean
    return np.asarray(result, dtype=np.float64)


def _decompose_callable(
    metric: Callable[..., Any], y_true: ArrayLike, y_pred: ArrayLike, params: dict[str, Any]
) -> ClassDecomposition:
    classes = np.unique(check_labels(y_true, "y_true"))
    labels = classes.tolist()

    def evaluate(weights: NDArray[Any]) -> NDArray[np.float64]:
        drawn = (dict(zip(labels, row, strict=True)) for row in weights.tolist())
        return np.array(
            [_value(metric(y_true, y_pred, class_weight=weight, **params)) for weight in drawn]
        )

    return ClassDecomposition(classes, evaluate)


def _strata(classes: NDArray[Any], seen_classes: ArrayLike | None) -> list[NDArray[np.intp]]:
    """Return the positions of the classes that are resampled together."""
    is_seen = np.zeros(len(classes), dtype=bool)
    if seen_classes is not None:
        seen = check_labels(seen_classes, "seen_classes")
        check_comparable(y_true=classes, seen_classes=seen)
        is_seen = np.isin(classes, seen)
    strata = [members for side in (~is_seen, is_seen) if len(members := np.flatnonzero(side))]
    singles = [members for members in strata if len(members) == 1]
    if len(singles) == len(strata):
        raise ValueError(
            f"y_true holds {len(classes)} class(es) to resample, none beside another of its "
            "kind, so that every resample would be the same; at least two are needed."
        )
    if singles:
        warnings.warn(
            f"Class {classes[singles[0][0]]!r} is the only one of its kind (seen or unseen): the "
            "interval tells nothing of how that side would vary.",
            UserWarning,
            stacklevel=3,
        )
    return strata


@validate_params(
    {
        "metric": [StrOptions(set(_METRICS)), callable],
        "y_true": ["array-like"],
        "y_pred": ["array-like"],
        "y_pred_other": ["array-like", None],
        "n_resamples": [Interval(Integral, 2, None, closed="left")],
        "confidence_level": [Interval(Real, 0, 1, closed="neither")],
        "seen_classes": ["array-like", None],
        "random_state": ["random_state"],
    }
)
def bootstrap_interval(
    metric: str | Callable[..., Any],
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    y_pred_other: ArrayLike | None = None,
    n_resamples: int = 1000,
    confidence_level: float = 0.95,
    seen_classes: ArrayLike | None = None,
    random_state: int | np.random.RandomState | None = None,
    **metric_params: Any,
) -> BootstrapInterval:
    r"""Confidence interval of a metric by resampling classes.

    A zero-shot score is a mean over a few classes, and the classes, not the images, are what
    limits it: with 33 unseen classes the standard error of T1 is .04 to .06. Classes are drawn
    with replacement, seen and unseen ones apart, and a class drawn twice counts as two classes.

    Parameters
    ----------
    metric : str or callable
        One of the metrics of :mod:`zslearn.metrics`, or its name:
        ``per_class_accuracy_score``, ``czsl_accuracy_score``, ``gzsl_scores``,
        ``gzsl_harmonic_mean_score``, ``ausuc_score``, ``best_calibration``,
        ``class_semantic_error`` (its mean) or ``semantic_error_increase``. Any other callable is
        called for each resample as ``metric(y_true, y_pred, class_weight=w, **metric_params)``,
        with ``w`` a dict from each label in ``y_true`` to the number of times it was drawn,
        possibly 0. It returns a number or a tuple of numbers.

    y_true : array-like of shape (n_samples,)
        True labels.

    y_pred : array-like of shape (n_samples,) or (n_samples, n_columns)
        What the metric compares them with: predicted labels, class scores or attributes.

    y_pred_other : array-like of the shape of ``y_pred``, default=None
        The same from another model on the same samples. The interval is then that of
        ``metric(y_pred) - metric(y_pred_other)``, both on the same resamples.

    n_resamples : int, default=1000
        Number of resamples, at least 2.

    confidence_level : float, default=0.95
        Coverage aimed at, between 0 and 1.

    seen_classes : array-like of shape (n_seen_classes,), default=None
        Labels of the classes used in training. Handed on to metrics that take it. None draws
        all classes together.

    random_state : int, RandomState instance or None, default=None
        Source of the resamples.

    **metric_params : dict
        Other parameters of the metric, such as ``classes``.

    Returns
    -------
    interval : BootstrapInterval
        Named tuple ``(estimate, low, high, standard_error, distribution)``. For a metric of
        several values, the first four are arrays of shape (n_values,).

    Raises
    ------
    TypeError
        If `metric` is a function of yours that does not take ``class_weight``.
    ValueError
        If there are not two classes to resample, `metric_params` hold a ``sample_weight``, or for
        what the metric itself refuses.

    See Also
    --------
    gzsl_scores : Unseen, seen and harmonic mean.
    scipy.stats.bootstrap : Resampling of samples.

    Notes
    -----
    Percentile intervals [1]_: the ``(1 - confidence_level) / 2`` quantile of the metric over the
    resamples, and its mirror. With few classes they are somewhat narrow. Two models on the same
    images share their easy and hard classes: judge a difference by ``y_pred_other``, not by
    whether two intervals overlap.

    What the models put out is held fixed: the candidates remain all the columns of the scores,
    predicted attributes are normalised over all samples. Only which classes are averaged, and
    how often each counts, varies. The metrics of this package are rewritten as functions of
    these multiplicities, so that a resample costs about as much as a mean over classes
    (``best_calibration`` chooses delta anew in each, which costs a pass over the samples).

    References
    ----------
    .. [1] B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall, 1993.

    Examples
    --------
    >>> from zslearn.metrics import bootstrap_interval, per_class_accuracy_score
    >>> y_true = ["cat", "cat", "okapi", "okapi", "yak", "yak"]
    >>> y_pred = ["cat", "cat", "okapi", "yak", "cat", "okapi"]
    >>> interval = bootstrap_interval(per_class_accuracy_score, y_true, y_pred, random_state=0)
    >>> interval.estimate
    0.5
    >>> bool(interval.low < interval.estimate < interval.high)
    True
    """
    if isinstance(metric, str):
        metric = _METRICS[metric]
    params = dict(metric_params)
    if seen_classes is not None and _accepts(metric, "seen_classes"):
        params["seen_classes"] = seen_classes
    known = _DECOMPOSITIONS.get(metric)
    if known is not None and params.get("sample_weight") is not None:
        raise ValueError(
            "sample_weight cannot be resampled with classes: the interval counts each sample once. "
            "Leave it out, or pass a function of class_weight as metric."
        )
    if known is None and not _accepts(metric, "class_weight"):
        raise TypeError(
            f"metric {getattr(metric, '__name__', metric)!r} does not take class_weight, the dict "
            "of how often each class counts. Use a metric of zslearn.metrics, or wrap yours in a "
            "function (y_true, y_pred, *, class_weight) that counts classes as often."
        )
    params = {name: value for name, value in params.items() if name != "sample_weight"}

    def prepare(predictions: ArrayLike) -> tuple[ClassDecomposition, NDArray[np.float64]]:
        if known is None:
            decomposition = _decompose_callable(metric, y_true, predictions, params)
            return decomposition, decomposition.evaluate(
                np.ones((1, len(decomposition.classes)), int)
            )[0]
        # The metric itself first: it checks its parameters with the better messages.
        estimate = _value(metric(y_true, predictions, **params))
        return known(y_true, predictions, **params), estimate

    decomposition, estimate = prepare(y_pred)
    models = [decomposition]
    if y_pred_other is not None:
        other, other_estimate = prepare(y_pred_other)
        models.append(other)
        estimate = estimate - other_estimate

    classes = decomposition.classes
    strata = _strata(classes, seen_classes)
    rng = check_random_state(random_state)
    block = max(1, _BLOCK // len(classes))
    parts = []
    for start in range(0, n_resamples, block):
        size = min(block, n_resamples - start)
        weights = np.empty((size, len(classes)), dtype=np.int64)
        for members in strata:
            m = len(members)
            weights[:, members] = rng.multinomial(m, np.full(m, 1 / m), size=size)
        values = [model.evaluate(weights) for model in models]
        parts.append(values[0] if len(values) == 1 else values[0] - values[1])
    distribution = np.concatenate(parts)

    tail = (1 - confidence_level) / 2
    low, high = np.quantile(distribution, [tail, 1 - tail], axis=0)
    error = distribution.std(axis=0, ddof=1)
    if distribution.ndim == 1:
        return BootstrapInterval(
            float(estimate), float(low), float(high), float(error), distribution
        )
    return BootstrapInterval(estimate, low, high, error, distribution)
