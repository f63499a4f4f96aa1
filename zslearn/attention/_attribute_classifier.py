"""What estimators share whose networks predict attributes: the head that scores classes by them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import TransformerMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from zslearn._data._scaling import signed_roots
from zslearn._data._score_scale import held_out_rows
from zslearn._described_classes import DescribedClasses
from zslearn._sample_weights import Samples
from zslearn._training._device import outside_autocast
from zslearn._training._estimator import DeepZeroShotClassifier
from zslearn._training._net import LearnerNet
from zslearn._training._prediction import attribute_scorer, device_of
from zslearn._training._progress import FitTask
from zslearn.attention._head_choice import HEADS, HeadChoice, Judgement, spread
from zslearn.attention._prototype_head import FittedHead, HeadSums, PrototypeHead
from zslearn.attributes import ClassAttributes

__all__ = ["AttributeClassifier"]

# Samples whose scores the scale is fitted to, at most.
_SCALED_ON = 2048
# Held-out samples that the head is chosen by, at most, but one of each class.
_JUDGED_BY = 4096
# How many times as long a training is tried, and what it has to gain on held-out classes.
_LONGER, _GAIN = 3, 0.01
# Seen classes from which on some are held out to choose the head.
LEAST_CLASSES = 8


def _scores_by_products(estimator: Any) -> bool:
    if estimator.head == "auto":
        return False  # whatever is chosen
    if hasattr(estimator, "net_"):
        return not estimator._by_prototypes()
    return bool(estimator.head == "own")


class AttributeClassifier(TransformerMixin, DeepZeroShotClassifier):
    """Base of estimators whose learners are `AttributeLearner`, with the parameter ``head``.

    Attributes
    ----------
    head_ : FittedHead
        Prototypes; absent with ``head="own"``.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "head": [StrOptions({"auto", "prototypes", "own"}), PrototypeHead],
    }

    head: Literal["auto", "prototypes", "own"] | PrototypeHead
    head_: FittedHead
    head_choice_: HeadChoice

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    # -- the head ------------------------------------------------------------------------------

    def _check_head(self) -> PrototypeHead | None:
        if self.head == "own":
            return None
        if self.head == "auto":
            return HEADS[self.head_choice_.name if self._has_chosen() else "prototypes"]
        head = PrototypeHead() if isinstance(self.head, str) else self.head
        head._validate_params()
        if not head.attribute_weight and not head.feature_weight:
            raise ValueError(
                "head scores by nothing: attribute_weight and feature_weight are both 0. Set one "
                "above 0."
            )
        return head

    def _has_chosen(self) -> bool:
        return self.head == "auto" and hasattr(self, "head_choice_")

    def _rehearses(self, *parts: Samples) -> bool:
        labels = np.concatenate([part.y for part in parts])
        counts = np.unique(labels, return_counts=True)[1]
        return self.head == "auto" and len(counts) >= LEAST_CLASSES and bool((counts > 1).all())

    def _most_epochs(self, epochs: int) -> int:
        return epochs * (1 + 2 * _LONGER) if self.max_epochs == "auto" else 2 * epochs

    def _rehearse(
        self, samples: Samples, classes: DescribedClasses, task: FitTask, epochs: int
    ) -> int:
        """Choose the head, and more epochs where all rests on the network and it gains."""
        seed = self._draw_seed()
        self._train_and_judge(samples, classes, task, epochs, seed)
        first = self.head_choice_
        if self.max_epochs != "auto" or first.name not in ("own", "attributes"):
            return epochs
        self._train_and_judge(samples, classes, task, _LONGER * epochs, seed)
        if self.head_choice_.area > first.area + _GAIN:
            return _LONGER * epochs
        self.head_choice_ = first
        return epochs

    def _judge(self, train: Samples, held_out: Samples) -> None:
        if not self._rehearses(train, held_out):
            return
        self.__dict__.pop("head_choice_", None)
        self._after_training(train)
        judgement = Judgement(
            self.head_,
            self.class_attributes_.values,
            super().class_embeddings(),
            np.isin(self.classes_, self.seen_classes_),
        )
        some = self._vectors_of(train, _spread(np.ones(len(train.y), dtype=bool), _SCALED_ON))
        judged = _few_of_each(held_out.y, _JUDGED_BY)
        held = self._vectors_of(held_out, judged)
        self.head_choice_ = judgement.choose(self.classes_, held, held_out.y[judged], some)

    def _new_net(self, classes: DescribedClasses) -> LearnerNet:
        self._check_head()  # not after hours of training
        return super()._new_net(classes)

    def _vectors_of(
        self, samples: Samples, some: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Predicted attributes and pooled features of some samples, at once."""
        samples = samples.part(np.flatnonzero(some))
        n_attributes = self.class_attributes_.n_attributes
        found = _Filled(len(samples.y), n_attributes, self.n_features_in_)
        for _, attributes, features in self._vectors(samples.X, rows=samples.rows):
            found.take(attributes, features)
        return found.attributes, found.features

    def _after_training(self, samples: Samples, *, more: bool = False) -> None:
        before = getattr(self, "head_", None)
        params = self._check_head()
        if params is None:
            self.__dict__.pop("head_", None)
            return
        y = samples.y
        labels, targets = np.unique(y, return_inverse=True)
        values = self.class_attributes_.values[self.class_attributes_.index_of(labels)]
        held = _spread(held_out_rows(targets), _SCALED_ON)
        kept, rest = (HeadSums.zeros(labels, values, self.n_features_in_) for _ in range(2))
        tried = held if held.any() else _spread(~held, _SCALED_ON)
        apart = _Filled(int(tried.sum()), values.shape[1], self.n_features_in_)
        for place, attributes, features in self._vectors(samples.X, rows=samples.rows):
            at, times = held[place], samples.weights_of(place)
            for sums, own in ((kept, ~at), (rest, at)):
                part = None if times is None else times[own]
                sums.add(attributes[own], features[own], targets[place][own], part)
            apart.take(attributes[tried[place]], features[tried[place]])
        if more and before is not None:
            kept = kept + before.sums
        factors, partial = (1.0, 1.0), FittedHead.fit(params, kept)
        if partial.rules:
            weights = np.ones(len(y)) if samples.weights is None else samples.weights
            vectors = apart.attributes, apart.features
            factors = partial.suitable_factors(params, *vectors, y[tried], weights[tried])
        self.head_ = FittedHead.fit(params, kept + rest, factors)
        if self._has_chosen() and self.head_.rules:
            vectors = self._vectors_of(samples, _spread(np.ones(len(y), dtype=bool), _SCALED_ON))
            scores = FittedHead.scores(*vectors, self.head_.weights(values))
            self.head_ = self.head_.scaled(self.head_choice_.sharpness / (spread(scores) or 1.0))

    def _by_prototypes(self) -> bool:
        return hasattr(self, "head_") and bool(self.head_.rules)

    def _vectors(
        self, X: Any, *, rows: NDArray[np.intp] | None = None, n_classes: int = 0
    ) -> Iterator[tuple[slice, NDArray[np.float32], NDArray[np.float64]]]:
        """Predicted attributes and pooled features, a chunk of rows at a time, in one pass.

        A chunk leaves room for what is made of it, as scores of some classes.
        """
        device = device_of(self.net_)
        source = self._rows(X, self.class_attributes_, device, rows=rows)
        learner = self.net_.module_.eval()
        wide = torch.float32 if device.type == "mps" else torch.float64
        with outside_autocast(), torch.inference_mode(), self.net_.autocast(source.dtype):
            score_of = attribute_scorer(learner, source.dtype)
            n_values = source.shape[1] * self.class_attributes_.n_attributes
            n_bytes = 4 * source.shape[1] * source.shape[2] + 64 * source.shape[2]
            n_bytes += 8 * (n_values + 3 * n_classes)
            for place, raw, regions in source.read_chunks(n_bytes):
                attributes = score_of(regions).float().cpu().numpy()
                means = raw.mean(dim=1, dtype=wide).cpu().numpy().astype(np.float64)
                yield place, attributes, signed_roots(means)

    def _class_scores(self, X: Any, table: ClassAttributes) -> NDArray[np.float32]:
        if not self._by_prototypes():
            return super()._class_scores(X, table)
        X = self._check_X(X, reset=False)
        result = np.empty((X.shape[0], table.n_classes), dtype=np.float32)
        begin = 0
        for scores in self._blocks_by_prototypes(X, table):
            result[begin : begin + len(scores)] = scores
            begin += len(scores)
        return result

    def _score_blocks(self, X: Any, table: ClassAttributes) -> Iterator[NDArray[np.float32]]:
        if type(self)._class_scores is not _SCORES_BY_HEAD:
            yield self._class_scores(X, table)  # a subclass has scores of its own
            return
        X = self._check_X(X, reset=False)
        if self._by_prototypes():
            yield from self._blocks_by_prototypes(X, table)
            return
        for _, scores in self._score_chunks(X, table):
            yield scores.float().cpu().numpy()

    def _blocks_by_prototypes(
        self, X: Any, table: ClassAttributes
    ) -> Iterator[NDArray[np.float32]]:
        weights = self.head_.weights(table.values)
        for _, attributes, features in self._vectors(X, n_classes=table.n_classes):
            yield self.head_.scores(attributes, features, weights).astype(np.float32)

    # -- what it tells -------------------------------------------------------------------------

    @available_if(_scores_by_products)
    def class_embeddings(self, class_attributes: Any = None) -> NDArray[np.float32]:
        """Class descriptions as the scores use them (Eq. 4), with ``head="own"``.

        Parameters
        ----------
        class_attributes : ClassAttributes or DataFrame, default=None
            Classes to embed instead of the fitted ones, described by the same attributes.

        Returns
        -------
        embeddings : ndarray of shape (n_classes, n_attributes), float32
            Rows in the order of `classes_` (or of the sorted labels of `class_attributes`), scaled,
            of equal length. ``uncalibrated_scores(X)`` is
            ``predict_attributes(X) @ class_embeddings().T``. Scores by prototypes are not, and this
            method is absent then: see `score_terms`.
        """
        return super().class_embeddings(class_attributes)

    def score_terms(self, X: Any, class_attributes: Any = None) -> NDArray[np.float64]:
        """Give what each attribute adds to each class score, and what pooled features do.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_regions, n_features) or (n_samples, n_features)
            Region features, as for `fit`; a few samples, for the result is large.
        class_attributes : ClassAttributes or DataFrame, default=None
            Classes to score instead of the fitted ones, described by the same attributes.

        Returns
        -------
        terms : ndarray of shape (n_samples, n_classes, n_attributes + 1), float64
            Their sum over the last axis is the class score, as `uncalibrated_scores` has it. With
            ``head="own"`` a term is the product of predicted and described attribute, and the last
            is 0. By prototypes it is how far the predicted attribute is beyond half the way from
            the mean of the seen classes to the prototype, times the weight of the class, and the
            last is the score by pooled features.
        """
        check_is_fitted(self)
        table = self._described(class_attributes)
        if not self._by_prototypes():
            embeddings = super().class_embeddings(class_attributes).astype(np.float64)
            terms = self.predict_attributes(X)[:, np.newaxis].astype(np.float64) * embeddings
            return np.concatenate([terms, np.zeros((*terms.shape[:2], 1))], axis=2)
        X = self._check_X(X, reset=False)
        by_attributes, by_features = self.head_.weights(table.values)
        result = np.empty((X.shape[0], table.n_classes, table.n_attributes + 1))
        for place, attributes, features in self._vectors(X):
            beyond = attributes[:, np.newaxis].astype(np.float64) - by_attributes.midpoints
            result[place, :, :-1] = beyond * by_attributes.weights
            result[place, :, -1] = features @ by_features.weights.T + by_features.offsets
        return result

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Give samples as the head sees them, for any other classifier.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_regions, n_features) or (n_samples, n_features)
            Region features, as for `fit`.

        Returns
        -------
        vectors : ndarray of shape (n_samples, n_vectors), float32
            Predicted attributes; with a head that uses pooled features, these beside them.
        """
        check_is_fitted(self)
        if not self._pools():
            return self.predict_attributes(X)
        X = self._check_X(X, reset=False)
        n_attributes = self.class_attributes_.n_attributes
        result = np.empty((X.shape[0], n_attributes + self.n_features_in_), dtype=np.float32)
        for place, attributes, features in self._vectors(X):
            result[place, :n_attributes], result[place, n_attributes:] = attributes, features
        return result

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """List the names of the columns of `transform`.

        Parameters
        ----------
        input_features : ignored
            For scikit-learn's interface.

        Returns
        -------
        names : ndarray of str objects
            Attribute names, then "pooled0" and so on.
        """
        check_is_fitted(self)
        names = [str(name) for name in self.class_attributes_.attribute_names]
        if self._pools():
            names += [f"pooled{i}" for i in range(self.n_features_in_)]
        return np.array(names, dtype=object)

    def _pools(self) -> bool:
        return self._by_prototypes() and self.head_.factors[1] > 0


def _few_of_each(y: NDArray[Any], most: int) -> NDArray[np.bool_]:
    """Mark as many samples of each class as make so many, or all; the first ones."""
    _, targets, counts = np.unique(y, return_inverse=True, return_counts=True)
    order = np.argsort(targets, kind="stable")
    place = np.empty(len(y), dtype=np.intp)
    place[order] = np.arange(len(y)) - np.repeat(np.cumsum(counts) - counts, counts)
    return place < max(1, most // len(counts)) if len(y) > most else np.ones(len(y), dtype=bool)


class _Filled:
    """Vectors of both kinds, each in one array: many small ones would split the heap."""

    def __init__(self, n: int, n_attributes: int, n_features: int) -> None:
        self.attributes = np.empty((n, n_attributes), dtype=np.float32)
        self.features = np.empty((n, n_features))
        self._n = 0

    def take(self, attributes: NDArray[np.floating], features: NDArray[np.floating]) -> None:
        """Add some."""
        place = slice(self._n, self._n + len(attributes))
        self.attributes[place], self.features[place] = attributes, features
        self._n = place.stop


_SCORES_BY_HEAD = AttributeClassifier._class_scores


def _spread(marked: NDArray[np.bool_], most: int) -> NDArray[np.bool_]:
    """Keep so many marks at most, spread evenly."""
    places = np.flatnonzero(marked)
    if len(places) > most:
        marked = np.zeros_like(marked)
        marked[places[np.linspace(0, len(places) - 1, most).astype(np.intp)]] = True
    return marked
