"""What methods share that generate features of classes and leave the rest to a classifier."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from zslearn._data._rows import RegionRows
from zslearn._data._scaled_vectors import ScaledVectors
from zslearn._data._scaling import Scaling
from zslearn._data._vectors import mean_vectors
from zslearn._described_classes import DescribedClasses
from zslearn._sample_weights import Samples
from zslearn._table_checks import quote_some
from zslearn._training._device import compute_dtype
from zslearn._training._net import LearnerNet
from zslearn._training._prediction import device_of
from zslearn.attributes import ClassAttributes
from zslearn.generative._final_classifier import FinalClassifier, check_final_classifier
from zslearn.generative._kept import described_alike, in_memory, tell_of_generated, together
from zslearn.generative._learner import FeatureGeneratingLearner
from zslearn.generative._parameters import GenerativeOptions, GenerativeParameters
from zslearn.generative._rows import GeneratedRows, represented

__all__ = ["FeatureGeneratingClassifier", "GenerativeOptions"]

# Other tables whose classifier is remembered.
_REMEMBERED = 4
# At held-out classes during a training, each of which takes a fit of the classifier.
_LOOKS = 20


class FeatureGeneratingClassifier(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, GenerativeParameters
):
    """Base of estimators whose learner is a `FeatureGeneratingLearner`.

    Attributes
    ----------
    final_classifier_ : FinalClassifier
        Its ``classifier`` is the fitted one; targets number the rows of its ``table``.
    scaling_ : Scaling
    """

    _scores_held_out_alike = True
    # Parameters, but for learning_rate, that say how fast parts of the learner move.
    _rate_parameters: ClassVar[tuple[str, ...]] = ()
    _learner_type: ClassVar[type[FeatureGeneratingLearner]]
    scaling_: Scaling
    final_classifier_: FinalClassifier
    unseen_classifier_: FinalClassifier
    kept_: Samples
    kept_classes_: ClassAttributes
    _refits_: dict[bytes, FinalClassifier]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    def fit(self, X: Any, y: Any, class_attributes: Any = None, sample_weight: Any = None) -> Self:
        """Train the networks on samples of the seen classes, then the classifier.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_regions, n_features)
            Vectors, or regions, of which the mean is taken, without regions of zeros. Of any real
            dtype; memory maps and lazy stores are read a batch at a time. What the classifier holds
            in memory is told with `classifier`.
        y : array-like of shape (n_samples,)
            Class labels.
        class_attributes : ClassAttributes, DataFrame or array-like of shape (n_classes, K), \
default=None
            Descriptions of all classes, seen and unseen. ``None`` describes each class in `y` by
            an attribute of its own.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each sample counts, at least 0, relative to the others; a generated row counts
            as an average one. The classifier has to take weights then.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        TypeError
            If the classifier gives no scores.
        ValueError
            If labels are not described, X is not finite, or not between 0 and 1 where the method
            needs that, or weights are wrong.
        NonFiniteLossError
            If the loss becomes NaN or infinite, or rows for the classifier do.
        """
        return super().fit(X, y, class_attributes, sample_weight)

    @available_if(lambda self: False)
    def partial_fit(self, X: Any, y: Any) -> Self:
        """Absent: the classifier at the end needs all samples at once.

        Parameters
        ----------
        X, y : ignored
            Give them to `fit`, which continues with ``warm_start=True``.

        Raises
        ------
        NotImplementedError
            Always.
        """
        raise NotImplementedError

    # -- before, during and after training -----------------------------------------------------

    def _rows(
        self, X: Any, table: ClassAttributes, device: torch.device, **options: Any
    ) -> RegionRows:
        dtype = compute_dtype(self.precision, device, self._work(table, 1, int(X.shape[-1])))
        scaled = ScaledVectors(X, self.scaling_)
        return RegionRows(scaled, device, dtype, unit_length=False, **options)

    def _work(self, table: ClassAttributes, n_regions: int, n_features: int) -> int:
        width = getattr(self, "hidden_dim", n_features)
        return 2 * self.batch_size * width * (n_features + table.n_attributes)

    def _epochs_to_a_look(self, epochs: int) -> int:
        return max(1, epochs // _LOOKS)

    @property
    def _group_settings(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self._rate_parameters)

    def _before_training(
        self, samples: Samples, classes: DescribedClasses, *, more: bool = False
    ) -> None:
        check_final_classifier(self.classifier, samples.weights is not None)
        if more:
            self._check_goes_on(samples)
        else:
            vectors = (v for _, v in mean_vectors(samples.X, samples.rows))
            self.scaling_ = Scaling.fit(self.scaling, vectors, "scaling")
        if self._learner_type.bounded and (more or self.scaling != "min_max"):
            for _, read in mean_vectors(samples.X, samples.rows):
                scaled = self.scaling_(read)
                if scaled.min() < 0 or scaled.max() > 1:
                    raise ValueError(
                        f"{type(self).__name__} needs features between 0 and 1, and scaling="
                        f"{self.scaling!r} gives some between {scaled.min():.3g} and "
                        f"{scaled.max():.3g}: set "
                        + ("warm_start=False to start anew." if more else "scaling='min_max'.")
                    )

    def _check_goes_on(self, samples: Samples) -> None:
        """Refuse to go on where what was learned before would be of no use."""
        if self.scaling != self.scaling_.kind:
            raise ValueError(
                f"scaling is {self.scaling!r}, and warm_start=True continues with features scaled "
                f"by {self.scaling_.kind!r}: set that, or warm_start=False to start anew."
            )
        missing = np.setdiff1d(self.seen_classes_, samples.y)
        if len(missing) and not hasattr(self, "kept_"):
            raise ValueError(
                f"y has no sample of {len(missing)} class(es) of the last fit, such as "
                f"{quote_some(missing)}, and their samples are needed for the classifier at the "
                "end: give these too, or fit with keep_features=True from the start."
            )

    def _scorer_of_held_out(
        self, net: LearnerNet, samples: Samples, classes: DescribedClasses, dtype: torch.dtype
    ) -> Callable[[Tensor], Tensor]:
        # A classifier may be trained by gradients itself.
        with torch.inference_mode(False), torch.enable_grad():
            final = self._fit_final(net, classes.table, samples)

        def scores_of(regions: Tensor) -> Tensor:
            rows = represented(net, regions[:, 0].cpu().double().numpy()).cpu().numpy()
            return torch.from_numpy(final.scores(rows, classes.labels))

        return scores_of

    def _after_training(self, samples: Samples, *, more: bool = False) -> None:
        self._refits_ = {}
        before = self.__dict__.pop("kept_", None)
        missing = np.setdiff1d(self.seen_classes_, samples.y)
        if self.keep_features or len(missing):
            samples = in_memory(samples)
        if len(missing):  # a fit that went on without samples of these
            samples = together(samples, before.part(np.flatnonzero(np.isin(before.y, missing))))
        self.__dict__.pop("kept_classes_", None)
        if self.keep_features:
            self.kept_ = samples
            self.kept_classes_ = self.class_attributes_.subset(np.unique(samples.y))
        self.final_classifier_ = self._fit_final(self.net_, self.class_attributes_, samples)
        self._fit_unseen()

    def _fit_unseen(self) -> None:
        self.__dict__.pop("unseen_classifier_", None)
        if self.unseen_classifier == "separate" and len(self.unseen_classes_):
            table = self.class_attributes_.subset(self.unseen_classes_)
            self.unseen_classifier_ = self._fit_final(self.net_, table, None)

    def _describe_anew(self, classes: DescribedClasses) -> None:
        if not hasattr(self, "final_classifier_"):  # within fit
            super()._describe_anew(classes)
            return
        final = self._final_of(classes.table)
        super()._describe_anew(classes)
        self.final_classifier_ = final
        self._fit_unseen()

    # -- rows and their classifier -------------------------------------------------------------

    def _real_rows(self, net: LearnerNet, X: Any) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Places and rows of samples, a chunk at a time."""
        for place, vectors in mean_vectors(X):
            yield place, represented(net, self.scaling_(vectors)).cpu().numpy()

    def _chosen(self, samples: Samples, seed: int) -> Samples:
        """Return the samples that the classifier is fitted to: all of them."""
        return samples

    def _fit_final(
        self, net: LearnerNet, table: ClassAttributes, samples: Samples | None
    ) -> FinalClassifier:
        """Fit the classifier to samples of a table's classes, and generated rows of the others."""
        if table.n_classes == 1:
            return FinalClassifier(None, table)
        samples = None if samples is None else self._chosen(samples, net.seed)
        known = np.array([], dtype=np.int64) if samples is None else table.index_of(samples.y)
        missing = np.setdiff1d(np.arange(table.n_classes), known)
        targets = np.concatenate([known, np.repeat(missing, self.n_synthetic)])
        values = table.values[missing]
        rows = GeneratedRows(net, self.scaling_, samples, values, self.n_synthetic)
        weights = None
        if samples is not None and samples.weights is not None:
            weights = np.ones(len(targets))
            weights[: len(known)] = samples.weights / samples.weights.mean()
        classifier = self._classifier_for(str(device_of(net)))
        return FinalClassifier.fit(classifier, rows, targets, weights, table, net.seed)

    def _final_of(self, table: ClassAttributes, alone: bool = False) -> FinalClassifier:
        """Return the classifier of a table: the fitted one, or one fitted for it, remembered.

        The one of unseen classes `alone` has generated rows only.
        """
        name = "unseen_classifier_" if alone else "final_classifier_"
        fitted: FinalClassifier | None = getattr(self, name, None)
        if fitted is not None and fitted.covers(table):
            return fitted
        known = (alone, self.n_synthetic, table.labels.tolist())
        key = repr(known).encode() + table.values.tobytes()
        found = self._refits_.get(key)
        if found is None:
            samples = None if alone else self._kept_of(table)
            if not alone:
                seen = np.intersect1d(table.labels, self.seen_classes_)
                tell_of_generated(seen, samples, hasattr(self, "kept_"))
            found = self._fit_final(self.net_, table, samples)
            while len(self._refits_) >= _REMEMBERED:
                self._refits_.pop(next(iter(self._refits_)), None)
            self._refits_[key] = found
        return found

    def _kept_of(self, table: ClassAttributes) -> Samples | None:
        """Return the kept samples of the classes that a table describes as the fitted one does."""
        if not hasattr(self, "kept_"):
            return None
        return described_alike(self.kept_, self.kept_classes_, table)

    def _class_scores(self, X: Any, table: ClassAttributes) -> NDArray[Any]:
        X = self._check_X(X, reset=False)
        return self._scores_by(self._final_of(table), X, table.labels)

    def _scores_by(
        self, final: FinalClassifier, X: Any, labels: NDArray[Any]
    ) -> NDArray[np.float64]:
        scores = np.empty((X.shape[0], len(labels)))
        for place, rows in self._real_rows(self.net_, X):
            scores[place] = final.scores(rows, labels)
        return scores

    # -- what it tells -------------------------------------------------------------------------

    def predict(
        self, X: Any, *, candidates: Any = None, class_attributes: Any = None
    ) -> NDArray[Any]:
        """Predict class labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as `fit` takes them.
        candidates : {"all", "seen", "unseen"} or array-like of labels, default=None
            The classes to choose among. ``None`` and "all" are generalised zero-shot prediction.
            "unseen" asks the classifier that `unseen_classifier` names.
        class_attributes : ClassAttributes or DataFrame, default=None
            Classes to choose among instead of the fitted ones, described by the same attributes.
            Rows of those that are not among the fitted ones are generated and the classifier is
            fitted anew, which takes as long as that; the last few tables are remembered.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            The predicted labels.
        """
        alone = isinstance(candidates, str) and candidates == "unseen"
        if not alone or self.unseen_classifier != "separate":
            return super().predict(X, candidates=candidates, class_attributes=class_attributes)
        check_is_fitted(self)
        table = self._described(class_attributes)
        unseen = table.subset(table.labels[self._candidate_columns("unseen", table)])
        X = self._check_X(X, reset=False)
        final = self._final_of(unseen, alone=True)
        return np.asarray(unseen.labels[self._scores_by(final, X, unseen.labels).argmax(axis=1)])

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Give samples as the classifier sees them.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Samples, as `fit` takes them.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_rows), float32
            Comparable with what `synthesize` gives.
        """
        check_is_fitted(self)
        X = self._check_X(X, reset=False)
        rows = np.empty((X.shape[0], self._n_features_out), dtype=np.float32)
        for place, part in self._real_rows(self.net_, X):
            rows[place] = part
        return rows

    def synthesize(
        self, class_attributes: Any = None, n: int | None = None, *, random_state: Any = None
    ) -> tuple[NDArray[np.float32], NDArray[Any]]:
        """Generate rows of classes, as the classifier is fitted to.

        Parameters
        ----------
        class_attributes : ClassAttributes or DataFrame, default=None
            The classes; ``None`` takes the unseen ones of `fit`.
        n : int, default=None
            Rows of each class; ``None`` takes `n_synthetic`.
        random_state : int, RandomState instance or None, default=None
            Determines the noise. ``None`` draws as `fit` has done.

        Returns
        -------
        rows : ndarray of shape (n_classes * n, n_rows), float32
            One class after the other, in the sorted order of their labels.
        labels : ndarray of shape (n_classes * n,)
            The class of each row.

        Raises
        ------
        ValueError
            If there is no class to generate rows of, or n is below 1.
        """
        check_is_fitted(self)
        if class_attributes is None:
            if not len(self.unseen_classes_):
                raise ValueError(
                    "there are no unseen classes to generate rows of: give class_attributes."
                )
            table = self.class_attributes_.subset(self.unseen_classes_)
        else:
            table = self._described(class_attributes)
        n = self.n_synthetic if n is None else n
        if not isinstance(n, Integral) or isinstance(n, bool) or n < 1:
            raise ValueError(f"n must be a whole number of at least 1, found {n!r}")
        seed = None
        if random_state is not None:
            seed = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
        rows = GeneratedRows(self.net_, self.scaling_, None, table.values, n, seed).whole()
        return rows, np.repeat(table.labels, n)

    @property
    def _n_features_out(self) -> int:
        return represented(self.net_, np.zeros((1, self.n_features_in_))).shape[1]

    def _get_saved_state(self) -> dict[str, Any]:
        return {k: v for k, v in super()._get_saved_state().items() if k != "_refits_"}

    def _set_saved_state(self, state: dict[str, Any]) -> None:
        super()._set_saved_state(state)
        if hasattr(self, "final_classifier_"):
            self._refits_ = {}
