"""The arithmetic of patches, by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

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


def test_triangle_by_hand():
    atoms = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]], dtype=np.float32)
    # Distances from the origin: 0, 5, 1; their mean 2.
    assert_allclose(triangle_activation(np.zeros((1, 2), np.float32), atoms), [[2, 0, 1]])


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(2, 9), st.integers(1, 5), st.integers(0, 1000))
def test_triangle_is_its_definition(n_points, n_atoms, n_dims, seed):
    rng = np.random.RandomState(seed)
    points = rng.normal(size=(n_points, n_dims)).astype(np.float32)
    atoms = rng.normal(size=(n_atoms, n_dims)).astype(np.float32)
    z = np.linalg.norm(points[:, None] - atoms[None], axis=2)
    expected = np.maximum(z.mean(axis=1, keepdims=True) - z, 0)
    assert_allclose(triangle_activation(points, atoms), expected, atol=2e-3)


def test_pooling_by_hand():
    maps = np.arange(12, dtype=np.float32).reshape(1, 3, 4, 1)
    # Rows {0}, {1, 2}; columns {0, 1}, {2, 3}.
    assert_allclose(pool_grid(maps, (2, 2))[0, :, 0], [0.5, 2.5, 6.5, 8.5])
    assert_array_equal(pool_grid(maps, (3, 4))[0, :, 0], np.arange(12))
    assert_allclose(pool_grid(maps, (1, 1)), [[[5.5]]])


def test_pooling_leaves_its_input_alone():
    maps = np.arange(12, dtype=np.float32).reshape(1, 3, 4, 1)
    pool_grid(maps, (2, 2))
    assert_array_equal(maps.ravel(), np.arange(12))


def test_cut_patches_order():
    images = np.arange(2 * 5 * 6 * 3, dtype=np.float32).reshape(2, 5, 6, 3)
    patches = cut_patches(images, 2, 3)
    assert patches.shape == (2, 2, 2, 12)
    assert_array_equal(patches[1, 1, 0], images[1, 3:5, 0:2].ravel())
    assert_array_equal(patches[0, 0, 1], images[0, 0:2, 3:5].ravel())


def test_normalize_contrast():
    patch = np.array([[1.0, 3.0]], dtype=np.float32)
    assert_allclose(normalize_contrast(patch, 3.0), [[-0.5, 0.5]])
    # Brightness and contrast vanish where the regularisation is small; flat patches stay finite.
    assert_allclose(normalize_contrast(5 * patch + 1, 1e-6), [[-1, 1]], atol=1e-6)
    assert_array_equal(normalize_contrast(np.full((1, 4), 0.7, np.float32), 1e-4), 0)


def test_whitening_makes_the_covariance_the_identity():
    rng = np.random.RandomState(0)
    data = (rng.normal(size=(2000, 5)) @ rng.normal(size=(5, 5)) + 3).astype(np.float32)
    mean, projection, variances = fit_whitening(data, None, 0.0)
    white = (data - mean) @ projection
    assert_allclose(np.cov(white.T, bias=True), np.eye(5), atol=1e-3)
    assert np.all(np.diff(variances) <= 0)


def test_whitening_regularization_by_hand():
    data = np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]], dtype=np.float32)
    # Variances 2 and 0.5, their mean 1.25.
    _, projection, variances = fit_whitening(data, None, 0.4)
    assert_allclose(variances, [2.0, 0.5], atol=1e-6)
    assert_allclose(projection, np.diag([2.5**-0.5, 1.0]), atol=1e-6)


@pytest.mark.parametrize(("n_components", "kept"), [(1, 1), (9, 2), (0.7, 1), (0.9, 2), (None, 2)])
def test_number_of_components(n_components, kept):
    rng = np.random.RandomState(0)
    flat = rng.normal(size=(500, 2)) * [2.0, 1.0]
    data = np.column_stack([flat, flat.sum(axis=1) * 0]).astype(np.float32)
    assert fit_whitening(data, n_components, 0.1)[1].shape == (3, kept)


def test_positions_are_smooth():
    code = encode_positions((4, 5))
    assert code.shape == (20, 8)
    assert_allclose(np.linalg.norm(code, axis=1), 1, rtol=1e-6)
    assert len(np.unique(code.round(5), axis=0)) == 20
    likeness = (code @ code[0]).reshape(4, 5)
    assert np.all(np.diff(likeness[0, :4]) < 0)
    assert np.all(np.diff(likeness[:3, 0]) < 0)


def test_to_unit_float():
    assert_allclose(to_unit_float(np.array([[0, 51, 255]], np.uint8)), [[0, 0.2, 1]])
    floats = np.array([[0.0, 0.2]], np.float16)
    assert to_unit_float(floats).dtype == np.float32
    assert_array_equal(to_unit_float(np.array([[True, False]])), [[1, 0]])


def test_the_first_bad_image_is_named():
    images = np.zeros((4, 2, 2, 1))
    images[2, 1, 1] = np.nan
    with pytest.raises(ValueError, match="NaN or infinite pixels, first in image 12"):
        to_unit_float(images, first=10)


def test_check_images_adds_a_channel_without_copying():
    images = np.zeros((2, 3, 4))
    checked = check_images(images)
    assert checked.shape == (2, 3, 4, 1)
    assert np.shares_memory(checked, images)


def test_images_of_several_sizes_and_masked_ones():
    images = [np.zeros((20, 20, 3), np.uint8), np.zeros((30, 20, 3), np.uint8)]
    with pytest.raises(ValueError, match=r"one size; found \(20, 20, 3\), \(30, 20, 3\)"):
        check_images(images)
    with pytest.raises(ValueError, match="X is masked"):
        check_images(np.ma.masked_equal(np.ones((1, 4, 4)), 1))
