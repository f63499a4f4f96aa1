"""What estimators that train on pictures take as X, and how labels stay with it."""

from __future__ import annotations

from importlib.metadata import version
from numbers import Integral
from pathlib import Path
from typing import Any, Self

from sklearn.base import clone
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from zslearn._input_checks import check_labels_of, check_same_order
from zslearn._training._estimator import DeepZeroShotClassifier
from zslearn.feature_extraction import SkippedImage, TimmRegionExtractor
from zslearn.feature_extraction._extraction import warn_of_skipped
from zslearn.feature_extraction._picture_sources import Pictures, as_pictures
from zslearn.finetuning._checkpoints import mark_of, mark_of_params, remove_checkpoints
from zslearn.finetuning._picture_source import PictureSource, with_margin
from zslearn.finetuning._settings import FineTuning

__all__ = ["PictureInput"]


class PictureInput(DeepZeroShotClassifier):
    """Base of estimators whose X are pictures, with the parameters of `PictureClassifier`."""

    extractor: str | TimmRegionExtractor
    finetuning: FineTuning | None
    extractor_: TimmRegionExtractor
    skipped_: list[SkippedImage]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = False
        tags.input_tags.string = True
        tags.no_validation = True
        return tags

    @property
    def _settings(self) -> FineTuning:
        settings = FineTuning() if self.finetuning is None else self.finetuning
        settings._validate_params()
        return settings

    def fit(self, X: Any, y: Any, class_attributes: Any = None, sample_weight: Any = None) -> Self:
        """Train on pictures of the seen classes.

        Parameters
        ----------
        X : str, path-like, sequence of str, path-like or PIL image, or ndarray of uint8
            Pictures, as the extractor takes them: a folder, a sequence of paths or of PIL images,
            or an array of shape (n, H, W) or (n, H, W, 3). Pictures of a folder come in the order
            of :func:`~zslearn.datasets.load_image_folder`.
        y : array-like of shape (n_samples,)
            Class labels.
        class_attributes : ClassAttributes, DataFrame or array-like of shape (C, K), default=None
            Describes the classes in `y`, and the unseen ones. A DataFrame is indexed by class
            label; row c of a bare array describes the class labelled c. ``None`` gives each class
            in `y` an attribute of its own: an ordinary classifier.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each picture counts, at least 0, relative to the others.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        UnreadableImagesError
            If pictures are missing or cannot be read, unless the extractor has
            ``on_error="skip"``: they and their labels are then left out, with a warning.
        ValueError
            If labels are not described, or do not match the pictures.
        NonFiniteLossError
            If the loss becomes NaN or infinite.
        """
        self._validate_params()
        anew = not (self.warm_start and hasattr(self, "net_"))
        X, y, sample_weight = self._readable(X, y, sample_weight, anew=anew)
        super().fit(X, y, class_attributes, sample_weight)
        self._end_with(X)
        return self

    def partial_fit(
        self,
        X: Any,
        y: Any,
        *,
        classes: Any = None,
        class_attributes: Any = None,
        sample_weight: Any = None,
    ) -> Self:
        """Train for one pass over some pictures, continuing from the weights reached.

        Parameters
        ----------
        X : str, path-like, sequence of str, path-like or PIL image, or ndarray of uint8
            Pictures, as for `fit`.
        y : array-like of shape (n_samples,)
            Class labels; classes that occur for the first time become seen.
        classes : array-like of labels, default=None
            All classes that will occur, needed at the first call if `class_attributes` is
            ``None``: each then has an attribute of its own.
        class_attributes : ClassAttributes, DataFrame or array-like of shape (C, K), default=None
            At the first call, as in `fit`. Later calls may leave it out; it must not change.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each picture counts, as for `fit`: relative to the others of the call.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            As `fit` does, and if the table changes.
        """
        self._validate_params()
        anew = not hasattr(self, "net_")
        X, y, sample_weight = self._readable(X, y, sample_weight, anew=anew)
        super().partial_fit(
            X, y, classes=classes, class_attributes=class_attributes, sample_weight=sample_weight
        )
        self._end_with(X)
        return self

    def _end_with(self, X: PictureSource) -> None:
        """Remove what was saved of a training that is done, and tell what it has left out."""
        if X.mark and not self.net_.interrupted_:
            remove_checkpoints(Path(self._settings.checkpoint or "").expanduser(), X.mark)
        self.skipped_ = X.skipped
        warn_of_skipped(X.skipped, len(X.pictures))

    def _readable(
        self, X: Any, y: Any, sample_weight: Any, *, anew: bool
    ) -> tuple[PictureSource, Any, Any]:
        """Pictures for training, decoded where there is room, and labels of those left."""
        settings = self._settings
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        check_same_order(X, y)
        pictures = as_pictures(X)
        check_labels_of(type(self).__name__, pictures, y)  # before hours of decoding
        extractor = self._fit_extractor() if anew else self.extractor_
        config = extractor.data_config_
        if settings.augmentation == "crop":
            config = with_margin(config)
        source = PictureSource(pictures, config, extractor.n_jobs)
        source.made_for = extractor
        if settings.checkpoint is not None:
            source.mark = self._mark(pictures)
        source.decode(skip=extractor.on_error == "skip", cache_dir=settings.cache_dir)
        if source.skipped:
            y = _safe_indexing(y, source.rows)
            if hasattr(sample_weight, "__len__") and _num_samples(sample_weight) == len(pictures):
                sample_weight = _safe_indexing(sample_weight, source.rows)
        return source, y, sample_weight

    def _mark(self, pictures: Pictures) -> str:
        """Hash parameters, pictures and versions: what a fit that goes on has in common."""
        if not isinstance(self.random_state, Integral):
            raise ValueError(
                f"checkpoint is set, and random_state={self.random_state!r}: a training goes on "
                "with the batches it would have had, so set random_state to a number."
            )
        versions = [version(library) for library in ("torch", "timm")]
        return mark_of(mark_of_params(self), pictures.digest(), versions)

    def _fit_extractor(self) -> TimmRegionExtractor:
        """Return the extractor, fitted where training takes place, without its own network."""
        given = self.extractor
        if isinstance(given, str):
            given = TimmRegionExtractor(given)
        if not isinstance(given, TimmRegionExtractor):
            raise TypeError(
                "extractor must be a TimmRegionExtractor, whose network can be trained; found "
                f"{type(given).__name__}"
            )
        extractor = clone(given)
        if str(extractor.device) not in ("auto", str(self.device)):
            raise ValueError(
                f"extractor has device={str(extractor.device)!r} and the classifier "
                f"device={str(self.device)!r}: they are trained together. Leave the extractor's at "
                "'auto'."
            )
        extractor.set_params(device=self.device).fit()
        if extractor.precision_ == "float16":
            raise ValueError(
                "extractor has precision='float16', which needs gradients to be scaled: use "
                "'bfloat16' or 'float32'"
            )
        extractor._fitted._made.clear()
        return extractor

    def _check_X(self, X: Any, *, reset: bool) -> PictureSource:
        """Check what pictures are given as; they are read by batches."""
        if not isinstance(X, PictureSource):
            extractor = self.extractor_
            X = PictureSource(as_pictures(X), extractor.data_config_, extractor.n_jobs)
        if reset:
            self.extractor_, self._fitted_on_vectors = X.made_for, False
        return X
