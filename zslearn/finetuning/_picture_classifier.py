"""What classifiers of pictures share: a backbone that is trained, its rates and its regions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from zslearn._data._memory import free_memory
from zslearn._data._rows import RegionRows, TrainingBatches
from zslearn._described_classes import DescribedClasses
from zslearn._sample_weights import Samples
from zslearn._training._device import outside_autocast
from zslearn._training._learner import learned_state
from zslearn._training._net import LearnerNet
from zslearn._training._prediction import device_of
from zslearn._training._progress import FitTask
from zslearn._training._schedules import Schedule
from zslearn.attributes import ClassAttributes
from zslearn.feature_extraction import TimmRegionExtractor
from zslearn.finetuning._backbone_rates import BackboneRates
from zslearn.finetuning._checkpoints import Checkpoint, mark_of
from zslearn.finetuning._picture_input import PictureInput
from zslearn.finetuning._picture_learner import BackboneRecipe, PictureLearner
from zslearn.finetuning._pixel_rows import PixelBatches, PixelRows
from zslearn.finetuning._weight_average import WeightAverage

__all__ = ["PictureClassifier"]


class PictureClassifier(PictureInput):
    """Base of estimators that train a backbone of timm on pictures.

    A subclass has the parameters ``extractor`` and ``finetuning`` (`FineTuning` or None), and a
    learner that is a `PictureLearner`, which ``_learner_params`` gives ``backbone=self._recipe()``
    besides its own. It may have batches of its own by ``_batches``.

    Attributes
    ----------
    extractor_ : TimmRegionExtractor
        The fitted extractor, with the network that training began with.
    skipped_ : list of SkippedImage
        Pictures that the last fit left out: row, name, reason.
    """

    _learner_type: ClassVar[type[PictureLearner]]
    _unit_length: ClassVar[bool] = False
    _state_needs: ClassVar[dict[str, type]] = {"extractor_": TimmRegionExtractor}

    @property
    def _width(self) -> int:
        return int(self.extractor_.n_features_out_)

    def _n_regions(self, X: Any) -> int:
        return int(self.extractor_.n_regions_)

    def _recipe(self) -> BackboneRecipe:
        """How the backbone of the learner is made."""
        extractor: Any = self.extractor_
        return BackboneRecipe(
            extractor._fitted,
            getattr(torch, extractor.precision_),
            self._settings.get_params(),
            with_weights=not hasattr(self, "net_") and "_restoring" not in vars(self),
        )

    @property
    def _group_settings(self) -> tuple[Any, ...]:
        settings = self._settings.get_params()
        names = ("backbone_learning_rate", "layer_decay", "backbone_weight_decay", "decay_all")
        return tuple(settings[name] for name in (*names, "frozen_layers"))

    def _rows(  # type: ignore[override]
        self, X: Any, table: ClassAttributes, device: torch.device, **options: Any
    ) -> PixelRows:
        options.pop("keep", None)
        extractor = self.extractor_
        return PixelRows(X, extractor.data_config_, device, int(extractor.batch_size), **options)

    # -- training ------------------------------------------------------------------------------

    def _least_epochs(self) -> int:
        return int(self._settings.freeze_epochs)

    def _train_on(
        self,
        net: LearnerNet,
        samples: Samples,
        classes: DescribedClasses,
        epochs: int,
        schedule: Schedule,
        task: FitTask,
    ) -> None:
        """Train for some epochs, the first ones with the backbone as it is."""
        settings, begun = self._settings, len(net.history)
        rows = self._rows(samples.X, classes.table, device_of(net), rows=samples.rows)
        batches = self._batches(net, rows, samples, classes)
        frozen = min(max(0, settings.freeze_epochs - begun), epochs)
        decay = settings.average_decay
        net.average_ = None if decay is None else WeightAverage(decay)
        saved = self._checkpoint(net, samples, classes, epochs)
        finished = saved is not None and saved.restore(net)
        more = {"average": net.average_, "checkpoint": saved}
        more = {name: callback for name, callback in more.items() if callback is not None}

        def rates() -> BackboneRates:
            return BackboneRates(
                schedule,
                epochs * len(batches),
                self.learning_rate / net.lr,
                begin=frozen / epochs,
                warmup=min(settings.warmup_epochs, epochs - frozen) / epochs,
                own=settings.backbone_schedule if epochs > 1 else "constant",
                first=(len(net.history) - begun) * len(batches),
            )

        left = begun + frozen - len(net.history)
        if left > 0 and not finished:
            with self._held(net):
                stores = net.module_.stores and settings.augmentation == "none"
                shown = self._stored(net, rows, samples, classes) if stores else batches
                net.accumulate = 1 if stores else settings.accumulate
                self._begin(net, shown, classes)
                self._run(net, shown, left, rates(), task, False, **more)
        left = begun + epochs - len(net.history)
        if left > 0 and not (finished or net.stop_requested_ or net.interrupted_):
            net.accumulate = settings.accumulate
            self._begin(net, batches, classes)
            self._run(net, batches, left, rates(), task, False, **more)
        if saved is not None and not (finished or net.interrupted_):
            saved.save(net, len(net.history), finished=True)
        if net.average_ is not None:
            net.average_.settle(net)
            net.average_ = None

    @contextmanager
    def _held(self, net: LearnerNet) -> Iterator[None]:
        """Leave the backbone as it is for a while."""
        learner: Any = net.module_
        learner.hold(True)
        try:
            yield
        finally:
            learner.hold(False)

    def _checkpoint(
        self, net: LearnerNet, samples: Samples, classes: DescribedClasses, epochs: int
    ) -> Checkpoint | None:
        """Where this training is saved, named by all that it depends on."""
        settings = self._settings
        if settings.checkpoint is None:
            return None
        table = [classes.labels, classes.values, classes.seen]
        rest = [x for x in (samples.rows, samples.weights) if x is not None]
        if len(net.history):  # it goes on from weights that other data may have led to
            rest += [value.cpu().numpy() for value in learned_state(net.module_).values()]
        own = mark_of(net.seed, epochs, len(net.history), samples.y, *table, *rest)
        path = Path(settings.checkpoint).expanduser() / f"{samples.X.mark}-{own}.safetensors"
        return Checkpoint(path, int(settings.checkpoint_interval), net.average_)

    def _batches(
        self, net: LearnerNet, regions: Any, samples: Samples, classes: DescribedClasses
    ) -> TrainingBatches:
        return PixelBatches(
            regions,
            classes.targets(samples.y),
            self.batch_size,
            net.seed,
            augmentation=self._settings.augmentation,
            **self._batch_options(net, samples, classes),
        )

    def _stored(
        self, net: LearnerNet, rows: PixelRows, samples: Samples, classes: DescribedClasses
    ) -> TrainingBatches:
        """Batches of what the backbone, as it is, makes of the pictures: computed once."""
        learner: Any = net.module_.eval()
        features = None
        with outside_autocast(), torch.inference_mode():
            for chunk, pixels in rows.take_chunks():
                part = learner.features(pixels).to(torch.float16).cpu().numpy()
                if features is None:
                    features = _space((len(rows), *part.shape[1:]))
                features[chunk] = part
        regions = self._feature_rows(features, classes.table, rows.device)
        return TrainingBatches(
            regions,
            classes.targets(samples.y),
            self.batch_size,
            net.seed,
            **self._batch_options(net, samples, classes),
        )

    def _feature_rows(
        self, features: Any, table: ClassAttributes, device: torch.device
    ) -> RegionRows:
        """Rows of stored features, prepared as the learner's head takes them."""
        return RegionRows(features, device, torch.float32, keep=True, unit_length=self._unit_length)

    # -- what it gives -------------------------------------------------------------------------

    def transform(self, X: Any) -> NDArray[np.float16]:
        """Compute the regions of pictures with the trained backbone.

        Parameters
        ----------
        X : str, path-like, sequence of str, path-like or PIL image, or ndarray of uint8
            Pictures, as for `fit`.

        Returns
        -------
        regions : ndarray of shape (n_samples, R, D), float16
            Not scaled; what :meth:`TimmRegionExtractor.transform
            <zslearn.feature_extraction.TimmRegionExtractor.transform>` gives with the network as it
            was before.
        """
        check_is_fitted(self)
        return self._half_regions(self._check_X(X, reset=False))

    def _half_regions(self, source: Any) -> NDArray[np.float16]:
        """Regions of pictures, block by block."""
        out = np.empty((len(source), self._n_regions(source), self._width), dtype=np.float16)
        learner: Any = self.net_.module_.eval()
        rows = self._rows(source, self.class_attributes_, device_of(self.net_))
        with outside_autocast(), torch.inference_mode():
            for chunk, pixels in rows.take_chunks():
                out[chunk] = learner.backbone.regions(pixels).to(torch.float16).cpu().numpy()
        return out

    def _set_saved_state(self, state: dict[str, Any]) -> None:
        self._restoring = True
        try:
            super()._set_saved_state(state)
        finally:
            del self._restoring


def _space(shape: tuple[int, ...]) -> NDArray[np.float16]:
    """Memory for features, or a file without a name where it would take more than a quarter."""
    if 2 * np.prod(shape) <= free_memory() / 4:
        return np.empty(shape, dtype=np.float16)
    import tempfile

    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype=np.float16, mode="w+", shape=shape)
