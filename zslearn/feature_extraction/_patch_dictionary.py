"""Region features from a dictionary of patches, learned without labels and without a download."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.cluster import MiniBatchKMeans
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from zslearn.feature_extraction._patches import (
    check_images,
    cut_patches,
    encode_positions,
    fit_whitening,
    normalize_contrast,
    pool_grid,
    to_unit_float,
    triangle_activation,
)

__all__ = ["PatchDictionaryExtractor"]

# Bytes of activations that one batch may take when batch_size="auto".
_BATCH_BYTES = 32 * 2**20


class PatchDictionaryExtractor(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):
    r"""Turn images into region features with a dictionary of patches.

    A dictionary of small image patches is learned by k-means on whitened patches; every patch of an
    image is described by how near each atom of the dictionary is, and the descriptions are averaged
    over the cells of a grid, which are the regions [1]_. It learns in seconds on a CPU, needs no
    labels and no pretrained network, and keeps colour and place: the features to try a zero-shot
    classifier with, and the baseline for those of a network.

    Parameters
    ----------
    n_atoms : int, default=256
        Number of atoms in the dictionary, and so of features a region.
    patch_size : int, default=6
        Side of the square patches in pixels.
    stride : int, default=2
        Step between patches in pixels. 1 costs four times as much for slightly smoother features.
    n_components : int, float in (0, 1) or None, default=0.99
        Principal directions of the patches that are kept by the whitening: a number, the share of
        variance they explain, or ``None`` for all. At most those that have any variance.
    whitening_regularization : float, default=0.1
        Added to the variance of each direction before dividing by its root, in units of the mean
        variance of all directions. Larger values amplify noise less.
    contrast_regularization : float or None, default=None
        If a number, each patch's mean is subtracted and the patch is divided by
        ``sqrt(variance + contrast_regularization)``, pixels being in [0, 1]; 0.0002 is what [1]_
        uses. That makes features blind to brightness, and so white, grey and black alike: right
        for outlines and texture under changing light, wrong where colour words must be told apart.
        Hence ``None``, no normalisation, is the default.
    grid_shape : (int, int) or None, default=(8, 8)
        Regions down and across. Each averages an equal share of the patches, whatever the size of
        the images. ``None`` keeps every patch as a region.
    positions : bool, default=False
        Whether 8 features that tell where a region lies are appended to those of the atoms: sine
        and cosine of half and whole waves down and across the picture. Useful to an attention that
        should find a part by its place; a risk where places change between classes.
    position_weight : float, default=0.5
        Norm of the appended features, in units of the root mean square norm of the atoms' features
        of regions in the images it is fitted on. Without effect unless `positions`.
    max_patches : int, default=50000
        Number of patches drawn from all images to learn whitening and dictionary from. They are
        drawn with replacement, so fewer images than that are fine.
    max_iter : int, default=20
        Passes of k-means over these patches.
    batch_size : int or "auto", default="auto"
        Images encoded at once. ``"auto"`` takes as many as keep a batch's activations near 32 MiB.
        It changes memory and speed, and features by rounding only.
    dtype : {"float32", "float16"}, default="float32"
        Type of the features. ``"float16"`` halves their memory and loses half of the digits.
    random_state : int, RandomState instance or None, default=None
        Draws the patches and starts k-means. Pass an int for the same dictionary in every fit.

    Attributes
    ----------
    atoms_ : ndarray of shape (n_atoms, `n_components_`), float32
        The dictionary, in whitened coordinates.
    mean_ : ndarray of shape (n_inputs,), float32
        Mean of the (normalised) patches, ``n_inputs = patch_size * patch_size * n_channels``, in
        the order row, column, channel.
    whitening_ : ndarray of shape (n_inputs, `n_components_`), float32
        A patch ``p`` is whitened to ``(p - mean_) @ whitening_``.
    explained_variance_ : ndarray of shape (`n_components_`,), float64
        Variance of the patches in each kept direction, falling.
    n_components_ : int
        Number of directions kept.
    image_shape_ : (int, int, int)
        Height, width and channels of the images; grey images have one channel.
    grid_shape_ : (int, int)
        Regions down and across.
    position_encoding_ : ndarray of shape (R, 8), float32, or None
        What is appended to the features of each region; ``None`` unless `positions`.
    n_features_out_ : int
        Features a region: `n_atoms`, and 8 more with `positions`.

    See Also
    --------
    zslearn.datasets.make_field_guide : Images to try it on.
    sklearn.feature_extraction.image.PatchExtractor : Patches as they are.

    Notes
    -----
    **Pixels.** ``uint8`` images are divided by 255; floating point ones are taken as they are and
    should lie in [0, 1]. An image gives the same features either way; do not mix uint8 with floats
    from 0 to 255.

    **Encoding.** With :math:`z_k = \|x - a_k\|` the distance of a whitened patch :math:`x` to atom
    :math:`a_k`, the feature is the "triangle" activation

    .. math:: f_k(x) = \max(0, \tfrac{1}{K} \sum_j z_j - z_k),

    zero for every atom farther than average.

    **Regions** are in reading order: region ``r`` is row ``r // grid_shape_[1]``, column
    ``r % grid_shape_[1]`` of the grid. The output has three axes, so
    ``set_output(transform="pandas")`` does not apply to it.

    **Cost.** About ``2 * n_patches * n_components_ * n_atoms`` multiplications an image; memory is
    the features plus a few batches.

    References
    ----------
    .. [1] A. Coates, H. Lee, A. Y. Ng, "An Analysis of Single-Layer Networks in Unsupervised
       Feature Learning", AISTATS 2011.

    Examples
    --------
    >>> from zslearn.datasets import make_field_guide
    >>> from zslearn.feature_extraction import PatchDictionaryExtractor
    >>> birds = make_field_guide(60, n_classes=10, n_unseen=3, random_state=0)
    >>> extractor = PatchDictionaryExtractor(n_atoms=32, max_patches=2000, random_state=0)
    >>> extractor.fit(birds.images[birds.train]).transform(birds.images).shape
    (60, 64, 32)
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "n_atoms": [Interval(Integral, 2, None, closed="left")],
        "patch_size": [Interval(Integral, 1, None, closed="left")],
        "stride": [Interval(Integral, 1, None, closed="left")],
        "n_components": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="neither"),
            None,
        ],
        "whitening_regularization": [Interval(Real, 0, None, closed="left")],
        "contrast_regularization": [Interval(Real, 0, None, closed="neither"), None],
        "grid_shape": [tuple, list, None],
        "positions": ["boolean"],
        "position_weight": [Interval(Real, 0, None, closed="left")],
        "max_patches": [Interval(Integral, 2, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "dtype": [StrOptions({"float32", "float16"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_atoms: int = 256,
        *,
        patch_size: int = 6,
        stride: int = 2,
        n_components: int | float | None = 0.99,
        whitening_regularization: float = 0.1,
        contrast_regularization: float | None = None,
        grid_shape: tuple[int, int] | None = (8, 8),
        positions: bool = False,
        position_weight: float = 0.5,
        max_patches: int = 50_000,
        max_iter: int = 20,
        batch_size: int | str = "auto",
        dtype: str = "float32",
        random_state: int | np.random.RandomState | None = None,
    ):
        self.n_atoms = n_atoms
        self.patch_size = patch_size
        self.stride = stride
        self.n_components = n_components
        self.whitening_regularization = whitening_regularization
        self.contrast_regularization = contrast_regularization
        self.grid_shape = grid_shape
        self.positions = positions
        self.position_weight = position_weight
        self.max_patches = max_patches
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.dtype = dtype
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn whitening and dictionary from the patches of images.

        Fit it on training images only: the images of unseen classes are test data.

        Parameters
        ----------
        X : array-like of shape (n, H, W) or (n, H, W, C), uint8 or float
            Images; a ``numpy.memmap`` is read image by image.
        y : None
            Ignored; labels are not used.

        Returns
        -------
        self : PatchDictionaryExtractor
            The fitted extractor.

        Raises
        ------
        ValueError
            If the images have another rank or dtype, contain NaN or infinite pixels, are smaller
            than a patch or have fewer patches than regions along an axis, or if all patches are
            alike.
        """
        images = check_images(X)
        rng = check_random_state(self.random_state)
        grid_shape = self._check_grid(images.shape[1:3])
        if self.max_patches < self.n_atoms:
            raise ValueError(
                f"max_patches={self.max_patches} is less than n_atoms={self.n_atoms}: each atom "
                "needs a patch. Draw more patches or learn fewer atoms."
            )
        patches = self._draw_patches(images, rng)
        mean, whitening, variances = fit_whitening(
            patches, self.n_components, self.whitening_regularization
        )
        if variances[0] <= 1e-12:
            raise ValueError(
                f"All patches of X are alike (largest variance {variances[0]:.1e}): there is "
                "nothing to learn. Are the images blank?"
            )
        k_means = MiniBatchKMeans(
            self.n_atoms,
            batch_size=4096,
            n_init=1,
            max_iter=self.max_iter,
            random_state=rng.randint(np.iinfo(np.int32).max),
        ).fit((patches - mean) @ whitening)

        self.image_shape_ = tuple(int(side) for side in images.shape[1:])
        self.grid_shape_ = grid_shape
        self.mean_, self.whitening_, self.explained_variance_ = mean, whitening, variances
        self.n_components_ = whitening.shape[1]
        self.atoms_ = k_means.cluster_centers_.astype(np.float32)
        self.position_encoding_ = None
        if self.positions:
            some = images[np.unique(np.linspace(0, len(images) - 1, 32).astype(int))]
            features = self._encode(to_unit_float(some))
            norm = np.sqrt(np.mean(np.einsum("nrd,nrd->nr", features, features)))
            self.position_encoding_ = encode_positions(grid_shape) * np.float32(
                self.position_weight * norm
            )
        self.n_features_out_ = self.n_atoms + (8 if self.positions else 0)
        return self

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Describe the regions of images.

        Parameters
        ----------
        X : array-like of shape (n, H, W) or (n, H, W, C), uint8 or float
            Images of the size and with the channels it was fitted on.

        Returns
        -------
        ndarray of shape (n, R, D), float32 or float16
            ``R = grid_shape_[0] * grid_shape_[1]`` regions in reading order, ``D =
            n_features_out_`` features.

        Raises
        ------
        ValueError
            If the images have another shape than those it was fitted on, or NaN or infinite pixels.
        """
        check_is_fitted(self)
        images = check_images(X)
        if images.shape[1:] != self.image_shape_:
            raise ValueError(
                f"X has images of (height, width, channels) {images.shape[1:]}, but "
                f"{type(self).__name__} was fitted on {self.image_shape_}: resize or convert them."
            )
        n_regions = self.grid_shape_[0] * self.grid_shape_[1]
        out = np.empty((len(images), n_regions, self.n_features_out_), dtype=self.dtype)
        if self.position_encoding_ is not None:
            out[:, :, self.n_atoms :] = self.position_encoding_
        size = self._batch_size()
        for start in range(0, len(images), size):
            batch = to_unit_float(images[start : start + size], first=start)
            out[start : start + size, :, : self.n_atoms] = self._encode(batch)
        return out

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Name the features of a region, the last axis of what :meth:`transform` returns.

        Parameters
        ----------
        input_features : None
            Ignored; pixels have no names.

        Returns
        -------
        ndarray of shape (`n_features_out_`,), object
            ``"patch_atom0"`` and so on; with `positions` also ``"position0"`` to ``"position7"``.
        """
        check_is_fitted(self)
        names = [f"patch_atom{k}" for k in range(self.n_atoms)]
        names += [f"position{k}" for k in range(self.n_features_out_ - self.n_atoms)]
        return np.array(names, dtype=object)

    def _check_grid(self, size: tuple[int, int]) -> tuple[int, int]:
        if min(size) < self.patch_size:
            raise ValueError(
                f"X has images of {size[0]} x {size[1]} pixels, smaller than "
                f"patch_size={self.patch_size}: use smaller patches or larger images."
            )
        steps = tuple((side - self.patch_size) // self.stride + 1 for side in size)
        if self.grid_shape is None:
            return steps[0], steps[1]
        grid = tuple(self.grid_shape)
        if len(grid) != 2 or not all(isinstance(g, Integral) and g >= 1 for g in grid):
            raise ValueError(
                f"grid_shape={self.grid_shape!r} must be two positive integers (down, across)."
            )
        if grid[0] > steps[0] or grid[1] > steps[1]:
            raise ValueError(
                f"grid_shape={grid} asks for more regions than there are patches: images of "
                f"{size[0]} x {size[1]} pixels have {steps[0]} x {steps[1]} patches of "
                f"patch_size={self.patch_size} at stride={self.stride}. Use a coarser grid, "
                "smaller patches or a smaller stride."
            )
        return int(grid[0]), int(grid[1])

    def _draw_patches(
        self, images: NDArray[Any], rng: np.random.RandomState
    ) -> NDArray[np.float32]:
        """Draw patches at random, reading each image at most once."""
        n, height, width, n_channels = images.shape
        size = self.patch_size
        owners = np.sort(rng.randint(n, size=self.max_patches))
        tops = rng.randint(height - size + 1, size=self.max_patches)
        lefts = rng.randint(width - size + 1, size=self.max_patches)
        patches = np.empty((self.max_patches, size * size * n_channels), dtype=np.float32)
        # Every image is looked at, drawn from or not: what is refused must not depend on luck.
        bounds = np.searchsorted(owners, np.arange(n + 1))
        for i in range(n):
            image = to_unit_float(images[i : i + 1], first=i)[0]
            for j in range(bounds[i], bounds[i + 1]):
                y, x = tops[j], lefts[j]
                patches[j] = image[y : y + size, x : x + size].ravel()
        return self._normalize(patches)

    def _normalize(self, patches: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.contrast_regularization is None:
            return patches
        return normalize_contrast(patches, self.contrast_regularization)

    def _encode(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        patches = cut_patches(images, self.patch_size, self.stride)
        n, rows, columns, width = patches.shape
        points = self._normalize(patches.reshape(-1, width)) @ self.whitening_
        points -= self.mean_ @ self.whitening_
        activations = triangle_activation(points, self.atoms_)
        return pool_grid(activations.reshape(n, rows, columns, -1), self.grid_shape_)

    def _batch_size(self) -> int:
        if not isinstance(self.batch_size, str):
            return int(self.batch_size)
        height, width, n_channels = self.image_shape_
        steps = [(side - self.patch_size) // self.stride + 1 for side in (height, width)]
        values = steps[0] * steps[1] * (self.n_atoms + n_channels * self.patch_size**2)
        return max(1, _BATCH_BYTES // (4 * values))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags
