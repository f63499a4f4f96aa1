"""From pictures to answers: an extractor and a classifier as one object."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, _fit_context, clone
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _num_samples, check_is_fitted

from zslearn._input_checks import check_labels_of
from zslearn._scored_prediction import ScoredPrediction
from zslearn._wrapped import final_estimator
from zslearn.attributes import ClassAttributes
from zslearn.feature_extraction._feature_store import FeatureStore
from zslearn.feature_extraction._picture_sources import as_pictures
from zslearn.feature_extraction._picture_transformer import PictureTransformer

__all__ = ["ImageClassifier"]

# Of the regions of pictures that are predicted at once.
_BLOCK_BYTES = 2**28


def _classifier_has(name: str) -> Callable[[Any], bool]:
    """Whether the classifier inside has a method: the fitted one, if there is one."""
    return lambda self: hasattr(getattr(self, "classifier_", self.classifier), name)


class ImageClassifier(ScoredPrediction, MetaEstimatorMixin, BaseEstimator):
    r"""Zero-shot classifier of pictures: an extractor of features and a classifier of these.

    What a :class:`~sklearn.pipeline.Pipeline` of both does for ``fit`` and ``predict``, this does
    for every method a zero-shot classifier has: with the features :math:`\phi(x)` of a picture x,
    each is that of the classifier, at :math:`\phi(x)`. Pictures are extracted once in a fit, also
    for a calibration that trains on many folds. Saved by :func:`zslearn.save`, it takes the
    weights of the network along, so that one file answers without a download.

    Parameters
    ----------
    extractor : transformer
        Makes features of pictures, such as :class:`TimmRegionExtractor`; one that is fitted already
        in a ``FrozenEstimator``.
    classifier : estimator
        Zero-shot classifier of this library for regions or vectors, or a calibration of one
        (:mod:`zslearn.calibration`), which also takes pipelines and searches.

    Attributes
    ----------
    extractor_ : transformer
        The fitted extractor.
    classifier_ : estimator
        The fitted classifier.
    classes_ : ndarray of shape (n_classes,)
        Labels of all described classes, sorted: the order of the columns of scores.
    seen_classes_, unseen_classes_ : ndarray
        Those with and without pictures at fit.
    class_attributes_ : ClassAttributes
        The table.

    See Also
    --------
    zslearn.calibration.TunedCalibrationClassifierCV : Balances seen and unseen classes.
    zslearn.calibration.RejectionClassifierCV : May answer "none of these".
    zslearn.save : Saves it in one file, without pickle.

    Notes
    -----
    Pictures to predict are extracted some hundreds at a time, so that memory does not bound their
    number; those to fit to are held as features, unless the extractor has a ``store_dir``. Instead
    of pictures, each method takes a :class:`FeatureStore` that the same extractor has written.

    **Pictures that cannot be read** are an error that names them all. With an extractor of
    ``on_error="skip"``, ``fit`` leaves them out together with their labels; ``predict`` refuses
    them even so, for each picture is to have its answer.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn import ClassAttributes, ESZSLClassifier
    >>> from zslearn.feature_extraction import ImageClassifier, PatchDictionaryExtractor
    >>> rng = np.random.default_rng(0)
    >>> table = ClassAttributes([[1, 0], [0, 1], [1, 1]], labels=["bright", "rough", "both"])
    >>> y = rng.choice(["bright", "rough"], size=40)
    >>> pictures = rng.integers(0, 60, (40, 16, 16)) * (1 + 2 * (y == "rough"))[:, None, None]
    >>> pictures = (pictures + 70 * (y == "bright")[:, None, None]).astype(np.uint8)
    >>> extractor = PatchDictionaryExtractor(n_atoms=8, grid_shape=(2, 2), random_state=0)
    >>> clf = ImageClassifier(extractor, ESZSLClassifier()).fit(pictures, y, table)
    >>> clf.predict_proba(pictures).shape
    (40, 3)
    >>> clf.score(pictures, y, candidates="seen") > 0.9
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "extractor": [HasMethods(["fit", "transform"])],
        "classifier": [HasMethods(["fit", "predict"])],
    }

    extractor_: Any
    classifier_: Any

    def __init__(self, extractor: Any, classifier: Any) -> None:
        self.extractor = extractor
        self.classifier = classifier

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, class_attributes: Any = None, sample_weight: Any = None) -> Self:
        """Fit the extractor, extract the pictures, and fit the classifier to their features.

        Parameters
        ----------
        X : pictures or FeatureStore
            What the extractor takes: a folder, paths, PIL images, an array; or their features.
        y : array-like of shape (n_samples,)
            Class labels.
        class_attributes : ClassAttributes, DataFrame or array-like of shape (C, K), default=None
            Describes the classes in `y`, and the unseen ones.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the pictures, for classifiers that take some. ``None`` weighs all the same.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If `y` has another length than `X`, pictures cannot be read, or a feature store was
            written by another extractor.
        TypeError
            If the classifier is none of this library, or takes pictures itself.
        """
        kind = type(self.classifier).__name__
        if not isinstance(self.classifier, ScoredPrediction):
            raise TypeError(
                f"classifier must be a zero-shot classifier of zslearn, found a {kind}. Pipelines, "
                "searches and classifiers of others go into a FixedCalibrationClassifier."
            )
        if get_tags(self.classifier).input_tags.string:
            raise TypeError(
                f"classifier must be one of features, but {kind} takes pictures: fit it by itself."
            )
        for name in ("extractor_", "classifier_"):  # should this fit fail, none before it stands in
            self.__dict__.pop(name, None)
        counted = as_pictures(X) if isinstance(X, str | os.PathLike) else X
        y = check_labels_of(type(self).__name__, _Counted(_num_samples(counted)), y)
        extractor = clone(self.extractor).fit(None if isinstance(X, FeatureStore) else X, y)
        features, rows = _features_of(extractor, X)
        params: dict[str, Any] = {"class_attributes": class_attributes}
        if sample_weight is not None:
            weights = np.asarray(sample_weight)
            if weights.shape != y.shape:
                raise ValueError(f"sample_weight must have shape {y.shape}, found {weights.shape}.")
            params["sample_weight"] = weights if rows is None else weights[rows]
        classifier = clone(self.classifier).fit(features, y if rows is None else y[rows], **params)
        self.extractor_, self.classifier_ = extractor, classifier
        return self

    def extract(self, X: Any) -> Any:
        """Compute the features of pictures, as the classifier takes them.

        Parameters
        ----------
        X : pictures or FeatureStore
            As in `fit`.

        Returns
        -------
        features : ndarray or FeatureStore of shape (n_samples, ...)
            For methods of ``classifier_``.

        Raises
        ------
        ValueError
            If pictures cannot be read, or a feature store was written by another extractor.
        """
        check_is_fitted(self)
        features, rows = _features_of(self.extractor_, X)
        if rows is not None:
            raise ValueError(
                "X holds pictures that cannot be read, and each picture is to have its answer: "
                "leave them out of X, see extractor_.skipped_."
            )
        return features

    def _blocks(self, X: Any) -> Iterator[Any]:
        """Features of pictures, some hundreds at a time."""
        inner = final_estimator(self.extractor_)
        in_parts = isinstance(inner, PictureTransformer) and inner.store_dir is None
        if not in_parts or isinstance(X, FeatureStore):
            yield self.extract(X)
            return
        items = as_pictures(X).items
        step = max(1, _BLOCK_BYTES // (2 * inner.n_regions_ * inner.n_features_out_))
        for start in range(0, len(items), step):
            yield self.extract(items[start : start + step])

    def _collect(self, method: str, X: Any, *given: Any) -> NDArray[Any]:
        check_is_fitted(self)
        ask = getattr(self.classifier_, method)
        return np.concatenate([np.asarray(ask(block, *given)) for block in self._blocks(X)])

    # -- the classifier's part of a prediction -------------------------------------------------

    def _class_scores(self, X: Any, table: ClassAttributes) -> NDArray[np.floating]:
        return np.concatenate(list(self._score_blocks(X, table)))

    def _score_blocks(self, X: Any, table: ClassAttributes) -> Iterator[NDArray[np.floating]]:
        for block in self._blocks(X):
            yield from self.classifier_._score_blocks(block, table)

    def _decide(self, score_blocks: Iterable[Any], table: Any, columns: Any) -> NDArray[Any]:
        return self.classifier_._decide(score_blocks, table, columns)

    def _delta_and_scale(self) -> tuple[float, str]:
        return self.classifier_._delta_and_scale()

    def _delta_shares(self, labels: NDArray[Any]) -> NDArray[Any]:
        return self.classifier_._delta_shares(labels)

    def _described(self, class_attributes: Any) -> ClassAttributes:
        return self.classifier_._described(class_attributes)

    def with_class_attributes(self, class_attributes: Any) -> Self:
        """Give a fitted copy that knows the classes of another table.

        Parameters
        ----------
        class_attributes : ClassAttributes or DataFrame
            The classes, described by the attributes of `fit`. Those seen at fit still count as
            seen.

        Returns
        -------
        copy : object
            Shares the extractor with this one, which stays as it is.
        """
        check_is_fitted(self)
        changed = copy(self)
        changed.classifier_ = self.classifier_.with_class_attributes(class_attributes)
        return changed

    @available_if(_classifier_has("predict_attributes"))
    def predict_attributes(self, X: Any) -> NDArray[np.floating]:
        """Semantic vectors of pictures.

        Parameters
        ----------
        X : pictures or FeatureStore
            As in `fit`.

        Returns
        -------
        semantics : ndarray of shape (n_samples, n_attributes)
            Columns in the order of ``class_attributes_.attribute_names``.
        """
        return self._collect("predict_attributes", X)

    @available_if(_classifier_has("class_embeddings"))
    def class_embeddings(self, class_attributes: Any = None) -> NDArray[np.floating]:
        """Class descriptions as the scores use them.

        Parameters
        ----------
        class_attributes : ClassAttributes or DataFrame, default=None
            Classes to embed instead of the fitted ones, described by the same attributes.

        Returns
        -------
        embeddings : ndarray of shape (n_classes, n_attributes)
            ``uncalibrated_scores(X)`` is ``predict_attributes(X) @ class_embeddings().T``.
        """
        check_is_fitted(self)
        return np.asarray(self.classifier_.class_embeddings(class_attributes))

    @available_if(_classifier_has("score_terms"))
    def score_terms(self, X: Any, class_attributes: Any = None) -> NDArray[np.floating]:
        """Give the terms of the class scores, uncalibrated.

        Parameters
        ----------
        X : pictures or FeatureStore
            As in `fit`; a few, for the result is large.
        class_attributes : ClassAttributes or DataFrame, default=None
            Classes to score instead of the fitted ones, described by the same attributes.

        Returns
        -------
        terms : ndarray of shape (n_samples, n_classes, n_attributes + 1)
            Their sum over the last axis is the class score; the last is not due to an attribute.
        """
        return self._collect("score_terms", X, class_attributes)

    @available_if(_classifier_has("attention_maps"))
    def attention_maps(self, X: Any, attributes: Any = None) -> NDArray[np.floating]:
        """Where each attribute looks.

        Parameters
        ----------
        X : pictures or FeatureStore
            As in `fit`.
        attributes : sequence of attribute names or indices, default=None
            The attributes wanted; all of them by default.

        Returns
        -------
        maps : ndarray of shape (n_samples, n_attributes, n_regions)
            Non-negative; each map sums to one over the regions, which lie on the grid
            ``extractor_.grid_shape_``.
        """
        return self._collect("attention_maps", X, attributes)

    def __getattr__(self, name: str) -> Any:
        """Look up what describes the fitted classes, and the grid, where it is kept."""
        inside = vars(self)
        if name in _OF_CLASSIFIER and "classifier_" in inside:
            return getattr(inside["classifier_"], name)
        if name in _OF_EXTRACTOR and "extractor_" in inside:
            return getattr(final_estimator(inside["extractor_"]), name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.extractor).input_tags
        return tags

    def _get_saved_state(self) -> dict[str, Any]:
        state = {name: value for name, value in vars(self).items() if name.endswith("_")}
        inner: Any = final_estimator(state.get("extractor_"))
        if hasattr(getattr(inner, "_fitted", None), "weights"):
            state["network"] = inner._fitted.weights(inner.device)
        return state

    def _set_saved_state(self, state: dict[str, Any]) -> None:
        weights = state.pop("network", None)
        vars(self).update(state)
        if weights is not None:
            inner = final_estimator(self.extractor_)
            inner._fitted.restore(weights, inner.device)


_OF_CLASSIFIER = ("classes_", "seen_classes_", "unseen_classes_", "class_attributes_")
_OF_EXTRACTOR = ("grid_shape_", "data_config_", "n_features_in_", "feature_names_in_")


class _Counted:
    """As many rows as there are pictures, to check labels against."""

    def __init__(self, n: int) -> None:
        self.shape = (n,)

    def __len__(self) -> int:
        return self.shape[0]


def _features_of(extractor: Any, X: Any) -> tuple[Any, NDArray[np.intp] | None]:
    """Features of pictures, and the rows they are of if pictures were skipped."""
    inner = final_estimator(extractor)
    if isinstance(X, FeatureStore):
        if getattr(inner, "metadata_", None) != X.metadata:
            raise ValueError(
                f"X is a feature store of {X.metadata.get('model', 'another extractor')} that was "
                "written with other settings or weights than those of the extractor: give the "
                "pictures, or a store of this extractor."
            )
        return X, None
    features = extractor.transform(X)
    skipped = getattr(inner, "skipped_", None)
    if not skipped:
        return features, None
    total = len(features) + len(skipped)
    return features, np.delete(np.arange(total), [picture.row for picture in skipped])
