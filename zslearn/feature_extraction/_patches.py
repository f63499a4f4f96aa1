"""Patches of images: cutting, normalising, whitening, encoding, pooling. Arrays in, arrays out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__: list[str] = []

Float32 = NDArray[np.float32]


def check_images(X: Any, name: str = "X") -> NDArray[Any]:
    """Check rank and dtype of a stack of images without reading or copying it.

    Returns
    -------
    ndarray of shape (n, H, W, C)
        A view of ``X``, grey images given a channel axis.
    """
    if np.ma.is_masked(X):
        raise ValueError(f"{name} is masked; pixels must all be there: give {name}.filled(1.0).")
    try:
        images = X if isinstance(X, np.ndarray) else np.asarray(X)
    except ValueError:
        shapes = ", ".join(sorted({str(np.shape(image)) for image in X})[:3])
        raise ValueError(
            f"{name} must be images of one size; found {shapes}. Resize them first."
        ) from None
    if images.ndim not in (3, 4):
        raise ValueError(
            f"{name} must be images of shape (n, H, W) or (n, H, W, C), found shape "
            f"{images.shape}. A single image needs a first axis of length 1: {name}[None]."
        )
    if images.dtype not in (np.uint8, np.bool_) and images.dtype.kind != "f":
        raise ValueError(
            f"{name} must hold uint8 (0 to 255) or floating point (0 to 1) pixels, found dtype "
            f"{images.dtype}: convert it, e.g. {name}.astype(numpy.float32) / maximum."
        )
    if 0 in images.shape:
        raise ValueError(f"{name} holds no pixels: found shape {images.shape}.")
    return images[..., None] if images.ndim == 3 else images


def to_unit_float(images: NDArray[Any], first: int = 0, name: str = "X") -> Float32:
    """Return a batch as float32, uint8 divided by 255; refuse pixels that are not finite.

    ``first`` is the batch's first row in the whole, for the error message.
    """
    if images.dtype == np.uint8:
        return images.astype(np.float32) / np.float32(255.0)
    pixels = images.astype(np.float32)
    finite = np.isfinite(pixels).reshape(len(pixels), -1).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"{name} contains NaN or infinite pixels, first in image "
            f"{first + int(np.argmin(finite))}: replace them or leave such images out."
        )
    return pixels


def cut_patches(images: Float32, patch_size: int, stride: int) -> Float32:
    """Cut all patches of a batch, (n, rows, columns, patch_size * patch_size * C)."""
    n, _, _, n_channels = images.shape
    windows = np.lib.stride_tricks.sliding_window_view(
        images, (patch_size, patch_size), axis=(1, 2)
    )
    windows = windows[:, ::stride, ::stride].transpose(0, 1, 2, 4, 5, 3)
    size = patch_size * patch_size * n_channels
    return windows.reshape(n, windows.shape[1], windows.shape[2], size)


def normalize_contrast(patches: Float32, regularization: float) -> Float32:
    """Subtract each patch's mean and divide by its regularised standard deviation."""
    centered = patches - patches.mean(axis=1, keepdims=True)
    variance = np.einsum("ij,ij->i", centered, centered) / np.float32(patches.shape[1])
    centered /= np.sqrt(variance + np.float32(regularization))[:, None]
    return centered


def fit_whitening(
    patches: Float32, n_components: int | float | None, regularization: float
) -> tuple[Float32, Float32, NDArray[np.float64]]:
    """Find the projection that gives patches a covariance close to the identity.

    Each principal direction of variance v is divided by ``sqrt(v + regularization * mean v)``.
    (ZCA whitening only rotates the result, which changes no distance to an atom.)

    Returns
    -------
    mean : ndarray of shape (n_inputs,), float32
    projection : ndarray of shape (n_inputs, n_kept), float32
    variances : ndarray of shape (n_kept,), float64
        Of the kept principal directions, falling.
    """
    mean = patches.mean(axis=0, dtype=np.float64)
    centered = patches - mean.astype(np.float32)
    covariance = (centered.T @ centered).astype(np.float64) / len(patches)
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    positive = int((values > 1e-7 * max(values[0], 1e-30)).sum())
    if n_components is None:
        kept = positive
    elif isinstance(n_components, float):
        explained = np.cumsum(values) / max(values.sum(), 1e-30)
        kept = min(int(np.searchsorted(explained, n_components)) + 1, positive)
    else:
        kept = min(int(n_components), positive)
    kept = max(kept, 1)
    # The sign of an eigenvector is arbitrary; fixing it makes results equal across platforms.
    vectors = vectors[:, :kept]
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(kept)])
    scale = np.sqrt(values[:kept] + regularization * values.mean() + 1e-12)
    return mean.astype(np.float32), (vectors * signs / scale).astype(np.float32), values[:kept]


def triangle_activation(points: Float32, atoms: Float32) -> Float32:
    """Encode points by how much nearer than average each atom is.

    ``max(0, mean_j z_j - z_k)`` with ``z_k`` the Euclidean distance to atom ``k`` [1]_.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_dims)
        What to encode.
    atoms : ndarray of shape (n_atoms, n_dims)
        The dictionary.

    Returns
    -------
    ndarray of shape (n_points, n_atoms)
        Not negative; about half of the entries are zero.

    References
    ----------
    .. [1] A. Coates, H. Lee, A. Y. Ng, "An Analysis of Single-Layer Networks in Unsupervised
       Feature Learning", AISTATS 2011.
    """
    distances = points @ (np.float32(-2.0) * atoms.T)
    distances += np.einsum("ij,ij->i", atoms, atoms)[None, :]
    distances += np.einsum("ij,ij->i", points, points)[:, None]
    np.maximum(distances, 0.0, out=distances)
    np.sqrt(distances, out=distances)
    np.subtract(distances.mean(axis=1, keepdims=True), distances, out=distances)
    return np.maximum(distances, 0.0, out=distances)


def pool_grid(maps: Float32, grid_shape: tuple[int, int]) -> Float32:
    """Average feature maps over the cells of a grid.

    Parameters
    ----------
    maps : ndarray of shape (n, rows, columns, D)
        Feature maps.
    grid_shape : (int, int)
        Cells down and across; cell i of g begins at row ``floor(i * rows / g)``.

    Returns
    -------
    ndarray of shape (n, grid_shape[0] * grid_shape[1], D)
        Cells in reading order.
    """
    for axis, cells in zip((1, 2), grid_shape, strict=True):
        length = maps.shape[axis]
        starts = (np.arange(cells) * length) // cells
        sizes = np.diff(np.append(starts, length)).astype(np.float32)
        shape = [1, 1, 1, 1]
        shape[axis] = cells
        pooled: Float32 = np.add.reduceat(maps, starts, axis=axis)
        pooled /= sizes.reshape(shape)
        maps = pooled
    return maps.reshape(maps.shape[0], -1, maps.shape[3])


def encode_positions(grid_shape: tuple[int, int]) -> Float32:
    """Describe where each cell of a grid lies by slow waves, (R, 8), each row of norm one.

    Half and whole waves down and across the picture: neighbours are alike, and the inner product of
    two encodings falls smoothly with their distance.
    """
    rows, columns = grid_shape
    down, across = np.meshgrid(
        (np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns, indexing="ij"
    )
    phases = np.pi * np.stack([down, 2 * down, across, 2 * across], axis=-1).reshape(-1, 4)
    waves = np.concatenate([np.sin(phases), np.cos(phases)], axis=1)
    return (waves / 2.0).astype(np.float32)
