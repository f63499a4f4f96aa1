"""What extractors of regions have in common: pictures in, an array or a feature store out."""

from __future__ import annotations

import hashlib
import json
import os
import re
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from zslearn.feature_extraction._extraction import Extraction, check_n_jobs, warn_of_skipped
from zslearn.feature_extraction._feature_store import FeatureStore, SkippedImage
from zslearn.feature_extraction._picture_sources import Pictures, as_pictures

if TYPE_CHECKING:
    from zslearn.feature_extraction._timm_backbone import Backbone

__all__ = ["PictureTransformer"]


class PictureTransformer(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):
    """Transformer of pictures into regions.

    ``fit`` of an extractor sets what is declared here, and its parameters have these names.
    """

    batch_size: int
    n_jobs: int | None
    on_error: str
    store_dir: str | os.PathLike[str] | None
    verbose: int

    data_config_: dict[str, Any]
    grid_shape_: tuple[int, int] | None
    metadata_: dict[str, Any]
    n_features_out_: int
    n_regions_: int
    skipped_: list[SkippedImage]

    @abstractmethod
    def _backbone(self) -> Backbone:
        """Return the network, on its device."""

    def transform(self, X: Any) -> NDArray[np.float16] | FeatureStore:
        """Compute the regions of pictures.

        Parameters
        ----------
        X : str, path-like, sequence of str, path-like or PIL image, or ndarray of uint8
            Pictures: a folder, of which all pictures are taken, also from folders below it, folder
            by folder and by name, in which numbers count as numbers, the order of
            :func:`~zslearn.datasets.load_image_folder`; a sequence, array or column of paths; a
            sequence of PIL images; or an array of shape (n, H, W), (n, H, W, 1) or (n, H, W, 3).

        Returns
        -------
        ndarray of shape (n, R, D), float16, or FeatureStore
            Regions in reading order. A store of this shape, which is read on demand, if `store_dir`
            is set.

        Raises
        ------
        UnreadableImagesError
            If pictures are missing or cannot be read, with a list of all, unless
            ``on_error="skip"``. It is a ValueError and an OSError.
        ValueError
            If there are no pictures, or features are not finite.
        TypeError
            If `X` is something else.

        Warns
        -----
        UserWarning
            If pictures are skipped.
        """
        check_is_fitted(self)
        extraction = self._plan(X)
        n_total = len(extraction.pictures)
        out: NDArray[np.float16] | FeatureStore
        if self.store_dir is None:
            out, self.skipped_ = extraction.to_array()
        else:
            out = self._store(extraction, self._folder_for(extraction.pictures), wait=True)
        warn_of_skipped(self.skipped_, n_total)
        return out

    def extract(
        self,
        X: Any,
        folder: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        client: Any = None,
    ) -> FeatureStore:
        """Compute the regions of pictures into a feature store; goes on where it was interrupted.

        Parameters
        ----------
        X : str, path-like, sequence of str, path-like or PIL image, or ndarray of uint8
            Pictures, as in :meth:`transform`.
        folder : str or path-like
            The folder of the store; made if it is missing. If it holds a store of the same pictures
            and settings, extraction goes on behind its last row, and a finished one is returned at
            once. Pictures are the same if their names, relative to the folder common to all, and
            the contents of their files are.
        overwrite : bool, default=False
            Whether a store of other pictures or settings is replaced.
        client : dask.distributed.Client, default=None
            A cluster whose workers compute, shard by shard of eight batches; this process writes
            the shards in order, and at most two a worker are on their way. The shard of a worker
            that ends is computed by another one. Workers must have zslearn, find the files of `X`
            under the same paths, and the weights where `fit` found them. ``None`` computes here.

        Returns
        -------
        FeatureStore
            The finished store, of shape (n, R, D).

        Raises
        ------
        ValueError
            As in :meth:`transform`; or if the folder holds a store of other pictures or settings,
            or other things; or if `client` is asynchronous.
        UnreadableImagesError
            As in :meth:`transform`.
        TypeError
            As in :meth:`transform`; or if `client` is no client of dask.
        ImportError
            If `client` is given and dask.distributed is not installed.
        distributed.scheduler.KilledWorker
            If several workers in a row end over the same shard, by default four. What is written
            stays, and the same call goes on.
        """
        check_is_fitted(self)
        store = self._store(self._plan(X), folder, overwrite=overwrite, client=client)
        warn_of_skipped(self.skipped_, store.n_total)
        return store

    def _plan(self, X: Any) -> Extraction:
        self._validate_params()  # some may have been set since it was fitted
        check_n_jobs(self.n_jobs)
        return Extraction(
            as_pictures(X),
            self._backbone,
            self.data_config_,
            (self.n_regions_, self.n_features_out_),
            batch_size=int(self.batch_size),
            n_jobs=self.n_jobs,
            skip=self.on_error == "skip",
            verbose=int(self.verbose),
        )

    def _store(
        self, extraction: Extraction, folder: str | os.PathLike[str], **how: Any
    ) -> FeatureStore:
        store = extraction.to_store(
            folder, grid_shape=self.grid_shape_, metadata=self.metadata_, **how
        )
        self.skipped_ = list(store.skipped)
        return store

    def _folder_for(self, pictures: Pictures) -> Path:
        """Folder in `store_dir` named by model, pictures and settings."""
        assert self.store_dir is not None
        marks = json.dumps([self.metadata_, pictures.digest()], sort_keys=True)
        name = re.sub(r"[^A-Za-z0-9]+", "_", self.metadata_["model"]).strip("_")[-60:]
        return (
            Path(self.store_dir).expanduser()
            / f"{name}-{hashlib.sha256(marks.encode()).hexdigest()[:16]}"
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.no_validation = True
        tags.transformer_tags.preserves_dtype = []
        return tags
