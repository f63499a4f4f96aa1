"""Any deep classifier of regions, trained together with the network its regions come from."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from zslearn._data._rows import RegionRows
from zslearn._described_classes import DescribedClasses
from zslearn._sample_weights import Samples
from zslearn._training._estimator import DeepZeroShotClassifier
from zslearn._training._parameters import TrainingOptions
from zslearn.attributes import ClassAttributes
from zslearn.feature_extraction import TimmRegionExtractor
from zslearn.finetuning._picture_classifier import PictureClassifier
from zslearn.finetuning._picture_learner import RegionLearner
from zslearn.finetuning._presets import PRESETS
from zslearn.finetuning._presets import preset as settings_of
from zslearn.finetuning._settings import FineTuning

__all__ = ["FineTunedClassifier"]


# How training goes and what is added to unseen classes is said by the classifier.
_OF_CLASSIFIER = {*TrainingOptions.__annotations__, "delta", "delta_scale"}


def _classifier_has(method: str) -> Any:
    return lambda self: hasattr(getattr(self, "classifier_", self.classifier), method)


class TunedRegions:
    """Regions of pictures by a trained backbone, computed when they are asked for.

    Parameters
    ----------
    estimator : FineTunedClassifier
        A fitted one.
    source : PictureSource
        The pictures.
    """

    dtype = np.dtype(np.float16)
    ndim = 3

    def __init__(self, estimator: FineTunedClassifier, source: Any) -> None:
        self.estimator, self.source = estimator, source
        self.shape = (len(source), estimator._n_regions(source), estimator._width)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> NDArray[np.float16]:
        return self.estimator._half_regions(self.source.part(rows))


class FineTunedClassifier(PictureClassifier):
    r"""A deep classifier of regions, trained together with the network its regions come from.

    Pictures pass through the network of an extractor, and the regions, scaled to unit length where
    the classifier does that, into the classifier; its loss trains both. Afterwards the classifier
    is what it would be after a fit on regions of the trained network, with all that it tells.

    Parameters
    ----------
    extractor : TimmRegionExtractor
        The network to begin with, which regions are taken from it, and how pictures are read.
    classifier : estimator
        A deep classifier of regions, such as :class:`~zslearn.CVsCClassifier` or
        :class:`~zslearn.DAZLEClassifier`. Its parameters say how long, in which batches and with
        which optimiser and rate for its own weights training goes; what it adds to the scores of
        unseen classes counts here too.
    finetuning : FineTuning, default=None
        How the network is trained: rates, layers, augmentation. ``None`` takes the defaults of
        :class:`~zslearn.finetuning.FineTuning`.

    Attributes
    ----------
    classifier_ : estimator
        The classifier, fitted on regions of the trained network: what ``transform`` gives.
    extractor_ : TimmRegionExtractor
        The fitted extractor, with the network as it was before.
    skipped_ : list of SkippedImage
        Pictures that `fit` left out: row, name, reason.
    classes_ : ndarray of shape (n_classes,)
        Labels of all described classes, sorted.
    seen_classes_, unseen_classes_ : ndarray
        Those with and without samples at fit.
    class_count_ : ndarray of shape (n_classes,), int64
        Training pictures of each class, in the order of `classes_`.
    class_attributes_ : ClassAttributes
        The table, its rows in the order of `classes_`.
    validation_scores_ : list of float
        With early stopping of the classifier, the area under the seen-unseen curve after each
        epoch; `validation_history_` and `best_epoch_` as there.
    net_ : skorch net
        ``net_.history`` holds the loss terms, ``net_.module_.backbone`` is the trained
        `TokenBackbone`.

    See Also
    --------
    FineTuning : The settings of the network's training.
    zslearn.feature_extraction.TimmRegionExtractor : Takes regions of a network as it is.

    Notes
    -----
    With ``FineTuning(freeze_epochs=n, augmentation="none")`` and as many epochs, the network stays
    as it is, and predictions are those of a pipeline of extractor and classifier.

    What the authors of CVsC and HAS train ResNet101 with is in `from_preset`.

    With ``head="auto"``, a classifier that chooses its head does so by the held-out classes of
    early stopping; without it the head is "prototypes".

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn import DAZLEClassifier
    >>> from zslearn.feature_extraction import TimmRegionExtractor
    >>> from zslearn.finetuning import FineTunedClassifier
    >>> table, y = np.array([[1, 0], [0, 1], [1, 1]]), np.arange(8) % 2
    >>> X = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    >>> clf = FineTunedClassifier(
    ...     TimmRegionExtractor("test_vit", pretrained=False, image_size=32),
    ...     DAZLEClassifier(max_epochs=2, batch_size=4, random_state=0),
    ... ).fit(X, y, class_attributes=table)
    >>> clf.attention_maps(X).shape, clf.transform(X).shape
    ((8, 2, 4), (8, 4, 64))
    """

    _learner_type = RegionLearner
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "extractor": [TimmRegionExtractor],
        "classifier": "no_validation",  # type: ignore[dict-item]
        "finetuning": [FineTuning, None],
    }

    classifier_: Any

    def __init__(
        self,
        extractor: TimmRegionExtractor,
        classifier: Any,
        *,
        finetuning: FineTuning | None = None,
    ) -> None:
        self.extractor = extractor
        self.classifier = classifier
        self.finetuning = finetuning

    def __getattr__(self, name: str) -> Any:
        if name in _OF_CLASSIFIER and "classifier" in vars(self):
            return getattr(self.classifier, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _validate_params(self) -> None:
        super()._validate_params()
        one = self.classifier
        if not isinstance(one, DeepZeroShotClassifier) or isinstance(one, PictureClassifier):
            raise TypeError(
                "classifier must be a deep classifier of regions, such as CVsCClassifier, whose "
                f"loss has a gradient for regions; found {one!r:.80}"
            )
        one._validate_params()

    @property
    def _optimizer_options(self) -> dict[str, Any]:  # type: ignore[override]
        options: dict[str, Any] = self.classifier._optimizer_options
        return options

    def _learner_params(self, classes: DescribedClasses) -> dict[str, Any]:
        return {
            "backbone": self._recipe(),
            "head_type": self.classifier._learner_type,
            "head_params": self._on_grid(copy.copy(self.classifier))._learner_params(classes),
            "unit_length": self.classifier._unit_length,
        }

    def _feature_rows(
        self, features: Any, table: ClassAttributes, device: torch.device
    ) -> RegionRows:
        rows: RegionRows = self.classifier._rows(features, table, device, keep=True)
        return rows

    @classmethod
    def from_preset(cls, preset: str, **params: Any) -> Self:
        """Make an estimator with the settings that authors train a backbone with.

        Parameters
        ----------
        preset : {"cvsc", "has_cub", "has_sun", "has_awa2"}
            CVsC for all data; HAS by data set, whose head is trained alone for 5 of 60 epochs, and
            then, with all behind the first stage of the network, at a hundredth or a tenth of its
            rate, which falls by a fifth every ten epochs.
        **params
            Parameters that are set otherwise.

        Returns
        -------
        estimator : FineTunedClassifier
            Not fitted; ``get_params()`` shows every setting.

        Raises
        ------
        ValueError
            If there are no such settings.
        """
        if preset not in PRESETS:
            raise ValueError(f"{cls.__name__} has no preset {preset!r}; it has {[*PRESETS]}")
        return cls(**{**settings_of(preset), **params})

    # -- the classifier of regions -------------------------------------------------------------

    def _on_grid(self, one: Any) -> Any:
        """Tell a classifier that heeds it the grid of the regions."""
        if hasattr(one, "_learn_grid"):
            grid = SimpleNamespace(grid_shape=self.extractor_.grid_shape_)
            one._learn_grid(self._n_regions(None), grid)
        return one

    def _region_classifier(self) -> Any:
        """Return the classifier, with what has been learned of it."""
        params = {**self.classifier.get_params(deep=False), "callbacks": None}
        one = type(self.classifier)(**{k: clone(v, safe=False) for k, v in params.items()})
        net = self.net_
        before = vars(getattr(self, "classifier_", None) or one)
        one.__dict__ |= {name: before[name] for name in ("head_", "head_choice_") if name in before}
        one.n_features_in_, one._fitted_on_vectors = self._width, self._n_regions(None) == 1
        self._on_grid(one).class_count_ = self.class_count_
        one._set_classes(self._fitted_classes())
        one.net_ = one._make_net(self._fitted_classes(), net.seed, net.device)
        one.net_.module_, one.net_.history = net.module_.head, net.history
        one.net_.steps_, one.net_.term_names_ = net.steps_, net.term_names_
        return one

    def _regions_in(self, samples: Samples) -> Samples:
        # As predictions see them, without the margin that random crops are taken from.
        source = samples.X.shown_as(self.extractor_.data_config_)
        return Samples(TunedRegions(self, source), samples.y, samples.rows, samples.weights)

    def _after_training(self, samples: Samples, *, more: bool = False) -> None:
        one = self._region_classifier()
        one._after_training(self._regions_in(samples), more=more)
        self.classifier_ = one

    def _judge(self, train: Samples, held_out: Samples) -> None:
        one = self._region_classifier()
        one._judge(self._regions_in(train), self._regions_in(held_out))
        self.classifier_ = one

    def _describe_anew(self, classes: DescribedClasses) -> None:
        super()._describe_anew(classes)
        self.classifier_ = self._region_classifier()

    def _set_saved_state(self, state: dict[str, Any]) -> None:
        super()._set_saved_state(state)
        if hasattr(self, "net_"):
            self.classifier_.net_.module_ = self.net_.module_.head

    # -- prediction ----------------------------------------------------------------------------

    def _delta_and_scale(self) -> tuple[float, str]:
        pair: tuple[float, str] = self.classifier._delta_and_scale()
        return pair

    def _tuned_regions(self, X: Any) -> TunedRegions:
        return TunedRegions(self, self._check_X(X, reset=False))

    def _class_scores(self, X: Any, table: ClassAttributes) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = self.classifier_._class_scores(self._tuned_regions(X), table)
        return scores

    def _score_blocks(self, X: Any, table: ClassAttributes) -> Iterator[NDArray[np.float32]]:
        yield from self.classifier_._score_blocks(self._tuned_regions(X), table)

    @available_if(_classifier_has("predict_attributes"))
    def predict_attributes(self, X: Any) -> NDArray[np.float32]:
        """Semantic vectors of pictures, where the classifier predicts them.

        Parameters
        ----------
        X : str, path-like, sequence of str, path-like or PIL image, or ndarray of uint8
            Pictures, as for `fit`.

        Returns
        -------
        semantics : ndarray of shape (n_samples, n_attributes), float32
            Columns in the order of ``class_attributes_.attribute_names``.
        """
        check_is_fitted(self)
        semantics: NDArray[np.float32] = self.classifier_.predict_attributes(self._tuned_regions(X))
        return semantics

    @available_if(_classifier_has("class_embeddings"))
    def class_embeddings(self, class_attributes: Any = None) -> NDArray[np.float32]:
        """Class descriptions as the scores use them, where the classifier scores by products.

        Parameters
        ----------
        class_attributes : ClassAttributes or DataFrame, default=None
            Classes to embed instead of the fitted ones, described by the same attributes.

        Returns
        -------
        embeddings : ndarray of shape (n_classes, n_attributes), float32
            Rows in the order of `classes_` (or of the sorted labels of `class_attributes`).
        """
        check_is_fitted(self)
        embeddings: NDArray[np.float32] = self.classifier_.class_embeddings(class_attributes)
        return embeddings

    @available_if(_classifier_has("attention_maps"))
    def attention_maps(self, X: Any, attributes: ArrayLike | None = None) -> NDArray[np.float32]:
        """Where each attribute looks, where the classifier attends to regions.

        Parameters
        ----------
        X : str, path-like, sequence of str, path-like or PIL image, or ndarray of uint8
            Pictures, as for `fit`.
        attributes : sequence of attribute names or indices, default=None
            The attributes wanted; all of them by default.

        Returns
        -------
        maps : ndarray of shape (n_samples, n_attributes, n_regions), float32
            Non-negative, each map summing to one over the regions, which lie on the grid of
            ``extractor_.grid_shape_``.
        """
        check_is_fitted(self)
        regions = self._tuned_regions(X)
        maps: NDArray[np.float32] = self.classifier_.attention_maps(regions, attributes)
        return maps
