"""Region features from any network of timm."""

from __future__ import annotations

import os
from collections.abc import Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from zslearn._remote import is_url
from zslearn.feature_extraction._extraction import check_n_jobs
from zslearn.feature_extraction._picture_transformer import PictureTransformer

if TYPE_CHECKING:
    import torch

    from zslearn.feature_extraction._timm_backbone import Backbone

__all__ = ["TimmRegionExtractor"]


class TimmRegionExtractor(PictureTransformer, auto_wrap_output_keys=None):
    """Turn pictures into region features with a network of timm.

    Patch tokens of vision transformers, without class and register tokens, or the feature map of a
    convolutional network, of any layer of any timm model [1]_, as (n, R, D): what region-based
    zero-shot classifiers take. Pictures are resized and normalised as timm does for the model,
    decoded in threads while the network computes, and returned as an array or written to a
    :class:`FeatureStore` that a killed extraction goes on with.

    Parameters
    ----------
    model_name : str, default="vit_base_patch16_224.augreg_in21k_ft_in1k"
        Name of a timm model, with the name of its weights behind a dot, see
        ``timm.list_models()``; also ``"hf-hub:..."`` and ``"local-dir:..."``. The default is the
        ViT-B/16, trained on ImageNet-21k and then 1k, that recent methods report results with.
    pretrained : bool, default=True
        Whether timm's weights are downloaded (once, to its cache). ``False`` without
        `checkpoint_path` gives random weights, for tests.
    checkpoint_path : str or path-like, default=None
        File of weights to load instead: safetensors, or a state dict saved by torch. The
        classifier in it may have any size; all other weights must fit. Files of torch are read
        without running code in them. A URL with a protocol of fsspec, such as
        ``s3://bucket/weights.safetensors``, is copied to a temporary file each time.
    model_kwargs : dict, default=None
        Passed to ``timm.create_model``, such as ``{"pad_type": "same"}``.
    layer : int, default=-1
        Index of the layer: among the blocks of a ViT, or the stages of a network with stages. What
        a convolution behind the last stage gives (in MobileNet, EfficientNet and others) is one
        layer more. Negative ones count from the end.
    norm : bool, default=True
        Whether the model's final norm is applied, also to earlier layers of a ViT. Without effect
        where the model has no such norm, and on earlier stages of networks in stages, as timm
        does it.
    pooled : bool or "projected", default=False
        One vector a picture instead of regions, as (n, 1, D). ``True`` is what the model's
        classifier would look at: the class token, a mean or an attention pool, as the model has
        it. ``"projected"`` is taken behind its last layer: for the image towers of CLIP and
        SigLIP [2]_ the vector that is compared with those of texts (of a classifier, scores of its
        classes). Only with ``layer=-1`` and without `grid_shape`.
    grid_shape : (int, int) or None, default=None
        Regions down and across to average to, in float32; at most those there are. ``None`` keeps
        all.
    image_size : int, (int, int) or None, default=None
        Side, or height and width, of the pictures given to the network, in pixels. Position
        embeddings are resampled by timm. ``None`` is the model's own.
    data_config : dict, default=None
        Changes to timm's data config of the model: ``mean`` and ``std`` (three numbers each, as
        shares of 255), ``interpolation``, ``crop_pct`` and ``crop_mode``. ``{"crop_mode":
        "squash", "crop_pct": 1.0}`` shows the whole picture, with its aspect ratio not kept; timm's
        own mostly cuts off the margins.
    precision : {"auto", "float32", "bfloat16", "float16"}, default="auto"
        Of weights and activations. ``"auto"`` is bfloat16 where the hardware multiplies it fast
        and float32 elsewhere; `precision_` says which.
    device : str or torch.device, default="auto"
        Where to compute: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``; ``"auto"`` takes a GPU if
        there is one.
    batch_size : int, default=32
        Pictures computed at once. It changes memory and speed, and features by rounding only.
    n_jobs : int or None, default=None
        Threads that decode and resize pictures. ``None`` and -1 are as many as the process may use
        cores; -2 is one less, and so on.
    on_error : {"raise", "skip"}, default="raise"
        What to do about pictures that are missing or cannot be decoded. ``"raise"`` raises an
        :class:`~zslearn.exceptions.UnreadableImagesError` that holds them all, of which the message
        lists a hundred. ``"skip"`` leaves them out with a warning; `skipped_` and the store
        record them. **The features then have fewer rows than X**, so that in a pipeline they no
        longer match ``y``: extract first, and go on with ``y[store.rows]``.
    store_dir : str, path-like or None, default=None
        If set, :meth:`transform` writes a feature store to a folder in it that is named by
        pictures and settings, and returns the store: memory then does not limit the number of
        pictures, a second call with the same pictures computes nothing, and a killed one goes on.
        Of several processes at the same store, one computes and the others wait for it. Files
        count as the same if path, size and time of change are.
    verbose : int, default=0
        1 shows a progress bar with pictures a second.
    random_state : int, RandomState instance or None, default=0
        Draws random weights; has no effect on weights that are loaded.

    Attributes
    ----------
    grid_shape_ : (int, int) or None
        Regions down and across; ``None`` where they lie on no grid.
    n_regions_ : int
        Regions a picture, R.
    n_features_out_ : int
        Features a region, D.
    layer_ : int
        Index of the layer, not negative.
    n_layers_ : int
        Layers there are to choose from.
    n_prefix_tokens_ : int
        Tokens (class, distillation, registers) in front of the patch tokens, left out.
    data_config_ : dict
        timm's data config in use: ``input_size`` (3, height, width), ``interpolation``, ``mean``,
        ``std``, ``crop_pct``, ``crop_mode``.
    precision_ : {"float32", "bfloat16", "float16"}
        Precision in use.
    weights_checksum_ : str
        SHA-256 of the weights.
    metadata_ : dict
        All that features depend on, as feature stores record it: model, layer, grid, checksum of
        the weights, data config, precision.
    skipped_ : list of SkippedImage
        Pictures that the last :meth:`transform` or :meth:`extract` left out: row, name, reason.

    See Also
    --------
    FeatureStore : Regions on disk, read on demand.
    PatchDictionaryExtractor : Region features with nothing to download.

    Notes
    -----
    **Regions** are in reading order: region ``r`` is row ``r // grid_shape_[1]``, column
    ``r % grid_shape_[1]`` of the grid, which lies over the picture as the network saw it, that is
    after cropping.

    **Pictures** are turned upright by the orientation that cameras write, which timm's own loaders
    do not do. Transparent ones are laid over white, grey of 16 bits keeps its upper 8, all become
    RGB, and of several frames the first is taken. Pixels of unknown range (floating point, 32 bits)
    count as unreadable. In a folder, files are taken that end in the usual suffixes and whose name
    does not begin with a dot; links to folders are followed.

    **Which output.** The last layer, with `norm`, is what ``forward_features`` of the model
    returns, other layers are maps of ``forward_intermediates``. Axes and prefix tokens are read
    from the model's own declarations. Where ``forward_features`` returns no single map (CoaT,
    CrossViT) or undeclared class tokens (VOLO, PiT), the map of ``forward_intermediates`` stands
    for it.

    **Resuming** gives the same bytes as an extraction that was never interrupted, with the same
    `batch_size`, device and library versions.

    **Decoding** overlaps with the network on a GPU, two batches ahead, or where torch uses fewer
    threads than there are cores. Otherwise both would compete for the same cores, which costs more
    than it gains, and all cores decode a batch before all compute it.

    **Pickles** hold no weights. They are made again when needed, from the same source, and must
    have the same checksum. So ``Pipeline(memory=...)`` caches small files; it does not notice that
    a picture has changed under the same path, as `store_dir` does. The network is made by ``fit``,
    which is needed before anything else but looks at no pictures.

    References
    ----------
    .. [1] R. Wightman, "PyTorch Image Models", 2019,
       https://github.com/huggingface/pytorch-image-models.
    .. [2] A. Radford et al., "Learning transferable visual models from natural language
       supervision", ICML 2021; X. Zhai et al., "Sigmoid loss for language image pre-training",
       ICCV 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from zslearn.feature_extraction import TimmRegionExtractor
    >>> pictures = np.random.default_rng(0).integers(0, 256, (3, 40, 60, 3), dtype=np.uint8)
    >>> extractor = TimmRegionExtractor("test_vit", pretrained=False).fit()
    >>> extractor.transform(pictures).shape
    (3, 100, 64)
    >>> extractor.grid_shape_, extractor.n_prefix_tokens_
    ((10, 10), 1)

    Fewer regions of an earlier layer:

    >>> extractor = TimmRegionExtractor("test_vit", pretrained=False, layer=2, grid_shape=(5, 5))
    >>> extractor.fit_transform(pictures).shape
    (3, 25, 64)
    """

    _parameter_constraints: dict[str, Any] = {
        "model_name": [str],
        "pretrained": ["boolean"],
        "checkpoint_path": [str, os.PathLike, None],
        "model_kwargs": [Mapping, None],
        "layer": [Integral],
        "norm": ["boolean"],
        "pooled": ["boolean", StrOptions({"projected"})],
        "grid_shape": [tuple, list, None],
        "image_size": [Interval(Integral, 1, None, closed="left"), tuple, list, None],
        "data_config": [Mapping, None],
        "precision": [StrOptions({"auto", "float32", "bfloat16", "float16"})],
        "device": "no_validation",  # checked against the devices at hand
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
        "on_error": [StrOptions({"raise", "skip"})],
        "store_dir": [str, os.PathLike, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        model_name: str = "vit_base_patch16_224.augreg_in21k_ft_in1k",
        *,
        pretrained: bool = True,
        checkpoint_path: str | os.PathLike[str] | None = None,
        model_kwargs: Mapping[str, Any] | None = None,
        layer: int = -1,
        norm: bool = True,
        pooled: bool | str = False,
        grid_shape: tuple[int, int] | None = None,
        image_size: int | tuple[int, int] | None = None,
        data_config: Mapping[str, Any] | None = None,
        precision: str = "auto",
        device: str | torch.device = "auto",
        batch_size: int = 32,
        n_jobs: int | None = None,
        on_error: str = "raise",
        store_dir: str | os.PathLike[str] | None = None,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = 0,
    ):
        self.model_name = model_name
        self.pretrained = pretrained
        self.checkpoint_path = checkpoint_path
        self.model_kwargs = model_kwargs
        self.layer = layer
        self.norm = norm
        self.pooled = pooled
        self.grid_shape = grid_shape
        self.image_size = image_size
        self.data_config = data_config
        self.precision = precision
        self.device = device
        self.batch_size = batch_size
        self.n_jobs = n_jobs
        self.on_error = on_error
        self.store_dir = store_dir
        self.verbose = verbose
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Load the network and find out what it gives; nothing is learned from pictures.

        Parameters
        ----------
        X : None
            Ignored; pictures are welcome, but not looked at.
        y : None
            Ignored; labels are not used.

        Returns
        -------
        self : TimmRegionExtractor
            The fitted extractor.

        Raises
        ------
        ValueError
            If timm has no such model or no weights for it, the weights in `checkpoint_path` belong
            to another network, there is no such layer, or the network takes no pictures of this
            size or returns nothing that can be read as regions.
        FileNotFoundError
            If `checkpoint_path` is not there.
        OSError
            If pretrained weights cannot be downloaded.
        """
        check_n_jobs(self.n_jobs)
        # Lazily, as all that needs torch and timm: importing zslearn stays light.
        from zslearn.feature_extraction import _timm_models as models
        from zslearn.feature_extraction._fitted_backbone import FittedBackbone

        if self.pooled and (self.layer != -1 or self.grid_shape is not None):
            raise ValueError(
                f"pooled={self.pooled!r} makes one vector of the last layer: leave layer and "
                "grid_shape out."
            )
        path = self.checkpoint_path
        recipe = models.NetworkRecipe(
            self.model_name,
            bool(self.pretrained),
            None if path is None else _absolute(path),
            dict(self.model_kwargs or {}),
            models.resolve_image_size(self.image_size),
            int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max)),
            self.pooled == "projected",
        )
        fitted = FittedBackbone.fit(
            recipe,
            layer=int(self.layer),
            norm=bool(self.norm),
            pooled=self.pooled,
            grid_shape=self.grid_shape,
            data_config=self.data_config,
            precision=self.precision,
            device=self.device,
        )
        self._fitted = fitted
        self.layer_ = fitted.layout.layer
        self.n_layers_ = fitted.layout.n_layers
        self.grid_shape_ = fitted.grid_shape
        self.n_prefix_tokens_ = fitted.layout.n_prefix_tokens
        self.n_regions_ = fitted.load(self.device).n_regions
        self.n_features_out_ = fitted.layout.n_features
        self.data_config_ = fitted.config
        self.precision_ = fitted.precision
        self.weights_checksum_ = fitted.weights_checksum
        self.metadata_ = {"extractor": type(self).__name__, **fitted.describe()}
        self.skipped_ = []
        return self

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Name the features of a region, the last axis of what :meth:`transform` returns.

        Parameters
        ----------
        input_features : None
            Ignored; pixels have no names.

        Returns
        -------
        ndarray of shape (`n_features_out_`,), object
            Such as ``"vit_base_patch16_224_layer11_0"``: model without the name of its weights,
            layer, and number.
        """
        check_is_fitted(self)
        name = self.metadata_["model"].split(":")[-1].split("/")[-1].split(".")[0]
        return np.array(
            [f"{name}_layer{self.layer_}_{k}" for k in range(self.n_features_out_)], dtype=object
        )

    def _backbone(self) -> Backbone:
        backbone: Backbone = self._fitted.load(self.device)
        return backbone


def _absolute(path: str | os.PathLike[str]) -> str:
    """Name a file for workers in other folders too; a URL is the same everywhere."""
    return str(path) if is_url(path) else os.path.abspath(os.path.expanduser(path))
