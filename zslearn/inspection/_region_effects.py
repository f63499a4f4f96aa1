"""What each attribute score owes to each region, whatever the method."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from zslearn._input_checks import check_attribute_indices
from zslearn._wrapped import through_steps

__all__ = ["MapKind", "check_kind", "maps_of", "region_effects"]

MapKind = Literal["attention", "effect"]
# Numbers of regions that are predicted at once: 64 MiB in float32.
_BATCH_NUMBERS = 2**24


def region_effects(
    estimator: Any, X: Any, attributes: ArrayLike | None = None
) -> NDArray[np.float32]:
    r"""Tell what each attribute score loses when a region is left out.

    Attention says where the weight of a sum lies, not what is found there. This is what is found:

    .. math:: e_{kr} = s_k(F) - s_k(F \setminus F_r)

    Parameters
    ----------
    estimator : classifier
        Fitted to regions, with `predict_attributes`; a pipeline, search, calibrated classifier or
        ensemble of it is welcome.
    X : array-like of shape (n, R, D), memory map, FeatureStore or pictures
        As the estimator takes it, of at least two regions.
    attributes : sequence of attribute names or indices, default=None
        The attributes wanted; all of them by default.

    Returns
    -------
    effects : ndarray of shape (n, k, R), float32
        In the unit of `predict_attributes`: above 0 where the region raises the score. 0 for
        regions of zeros, which are no regions.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If the estimator predicts no attributes.
    ValueError
        If there are no regions to leave out, or an attribute is unknown.

    See Also
    --------
    estimate_attribute_localization : Whether effects, or attention, lie on the part named.
    AttributeAttentionDisplay : Draws them with ``kind="effect"``.

    Notes
    -----
    For a softmax M over regions and values :math:`v_{kr} = F_r \cdot E_k`, whose sum the score is,
    it is :math:`M_{kr} (v_{kr} - s_k) / (1 - M_{kr})`: a region counts as far as it has weight and
    says more than the others. It is computed by prediction, R + 1 times as much as
    `predict_attributes`, so that gates, decoders and prototypes have their part.

    The region is left out of the set, not painted over in the picture: what its neighbours have
    seen of it stays.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn import ClassAttributes, CVsCClassifier
    >>> from zslearn.inspection import region_effects
    >>> table = ClassAttributes([[1, 0], [0, 1], [1, 1]], labels=["sky", "sea", "bay"])
    >>> y = np.repeat(["sky", "sea"], 20)
    >>> X = np.zeros((40, 3, 2)) + [1e-2, 2e-2]
    >>> X[:20, 0], X[20:, 2] = [1, 0], [0, 1]
    >>> clf = CVsCClassifier(random_state=0).fit(X, y, class_attributes=table)
    >>> region_effects(clf, X[:5], [0]).argmax(axis=2).ravel()
    array([0, 0, 0, 0, 0])
    """
    final, features = through_steps(estimator, X)
    if hasattr(final, "fit"):
        check_is_fitted(final)
    if not hasattr(final, "predict_attributes"):
        raise TypeError(
            f"estimator is a {type(final).__name__}, which has no predict_attributes. Give a "
            "fitted classifier of regions, such as CVsCClassifier."
        )
    shape = features.shape if hasattr(features, "shape") else np.shape(features)
    if len(shape) != 3 or shape[1] < 2:
        raise ValueError(
            "X must have shape (n, R, D), with at least two regions to leave one out; found "
            f"{shape}."
        )
    index = check_attribute_indices(attributes, final.class_attributes_.attribute_names)
    n, n_regions, _ = shape
    effects = np.empty((n, len(index), n_regions), dtype=np.float32)
    step = max(1, _BATCH_NUMBERS // (shape[1] * shape[1] * shape[2]))
    places = np.arange(n_regions)
    for start in range(0, n, step):
        part = np.asarray(features[start : start + step])
        without = np.repeat(part[:, np.newaxis], n_regions, axis=1)
        without[:, places, places] = 0
        rest = final.predict_attributes(without.reshape(-1, *part.shape[1:]))[:, index]
        whole = final.predict_attributes(part)[:, index]
        rest = rest.reshape(len(part), n_regions, len(index))
        lost = whole[:, np.newaxis] - rest
        lost[~(part != 0).any(axis=2)] = 0
        effects[start : start + step] = lost.transpose(0, 2, 1)
    return effects


def check_kind(kind: str) -> None:
    """Refuse an unknown kind of maps."""
    if kind not in ("attention", "effect"):
        raise ValueError(f"kind={kind!r} must be 'attention' or 'effect'.")


def maps_of(final: Any, features: Any, attributes: Any, kind: MapKind) -> NDArray[np.floating]:
    """Attention, or the shares (n, k, R) of the regions that raise a score in what they add.

    Shares are even over all regions that are there where none raises it.
    """
    if kind == "attention":
        return np.asarray(final.attention_maps(features, attributes))
    gains = np.maximum(region_effects(final, features, attributes), 0)
    there = (np.asarray(features) != 0).any(axis=2)[:, np.newaxis].astype(gains.dtype)
    gains = np.where(gains.any(axis=2, keepdims=True), gains, there)
    return np.asarray(gains / gains.sum(axis=2, keepdims=True))
