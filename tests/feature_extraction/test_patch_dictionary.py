"""PatchDictionaryExtractor: contract, values, invariances."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.estimator_checks import parametrize_with_checks

from zslearn.datasets import load_digit_segments, make_field_guide
from zslearn.feature_extraction import PatchDictionaryExtractor

SMALL = {"n_atoms": 24, "max_patches": 2000, "max_iter": 5, "grid_shape": (4, 4), "random_state": 0}


@pytest.fixture(scope="module")
def images():
    return make_field_guide(24, n_classes=8, n_unseen=2, image_size=32, random_state=0).images


@pytest.fixture(scope="module")
def fitted(images):
    return PatchDictionaryExtractor(**SMALL).fit(images)


@parametrize_with_checks([PatchDictionaryExtractor()])
def test_checks_for_images(estimator, check):
    """Scikit-learn skips the checks that need a table; what is left applies."""
    check(estimator)


def test_output(images, fitted):
    features = fitted.transform(images)
    assert features.shape == (24, 16, 24)
    assert features.dtype == np.float32
    assert features.min() >= 0
    assert np.all(features.max(axis=(0, 1)) > 0), "every atom is used"


def test_fitted_attributes(fitted):
    assert fitted.image_shape_ == (32, 32, 3)
    assert fitted.grid_shape_ == (4, 4)
    assert fitted.n_features_out_ == 24
    assert fitted.mean_.shape == (108,)
    assert fitted.whitening_.shape == (108, fitted.n_components_)
    assert fitted.atoms_.shape == (24, fitted.n_components_)
    assert fitted.explained_variance_.shape == (fitted.n_components_,)
    assert fitted.position_encoding_ is None


@pytest.mark.parametrize("contrast", [None, 0.01])
def test_values_follow_from_the_fitted_attributes(images, contrast):
    """Written out with loops for one region of one image."""
    extractor = PatchDictionaryExtractor(**SMALL, contrast_regularization=contrast, stride=3)
    features = extractor.fit(images).transform(images)
    image = images[5] / 255.0
    # (32 - 6) // 3 + 1 = 9 patches down and across; grid rows begin at 0, 2, 4, 6.
    activations = []
    for row in (2, 3):
        for column in (6, 7, 8):
            patch = image[3 * row : 3 * row + 6, 3 * column : 3 * column + 6].ravel()
            if contrast is not None:
                patch = (patch - patch.mean()) / np.sqrt(patch.var() + contrast)
            point = (patch - extractor.mean_) @ extractor.whitening_
            z = np.linalg.norm(point - extractor.atoms_, axis=1)
            activations.append(np.maximum(z.mean() - z, 0))
    assert_allclose(features[5, 1 * 4 + 3], np.mean(activations, axis=0), atol=1e-4)


def test_deterministic(images, fitted):
    again = PatchDictionaryExtractor(**SMALL).fit(images)
    assert_array_equal(again.transform(images), fitted.transform(images))
    other = PatchDictionaryExtractor(**{**SMALL, "random_state": 1}).fit(images)
    assert not np.allclose(other.transform(images), fitted.transform(images))


def test_uint8_and_float_agree(images, fitted):
    floats = (images / 255.0).astype(np.float32)
    assert_allclose(fitted.transform(floats), fitted.transform(images), atol=1e-4)
    of_floats = PatchDictionaryExtractor(**SMALL).fit(floats)
    assert_allclose(of_floats.mean_, fitted.mean_, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 5, 1000])
def test_batches_do_not_matter(images, fitted, batch_size):
    other = clone(fitted).set_params(batch_size=batch_size).fit(images)
    assert_allclose(other.transform(images), fitted.transform(images), atol=1e-4)


def test_an_image_is_described_alone(images, fitted):
    rows = [7, 3, 3, 20]
    assert_allclose(fitted.transform(images[rows]), fitted.transform(images)[rows], atol=1e-4)


def test_shifting_by_a_cell_shifts_the_regions(images):
    """Features are local and the same everywhere."""
    extractor = PatchDictionaryExtractor(**{**SMALL, "grid_shape": None}, stride=4).fit(images)
    rows, columns = extractor.grid_shape_
    shifted = np.roll(images, 4, axis=2)
    before = extractor.transform(images).reshape(24, rows, columns, -1)
    after = extractor.transform(shifted).reshape(24, rows, columns, -1)
    assert_allclose(after[:, :, 1:], before[:, :, :-1], atol=1e-4)


def test_no_grid_is_a_region_a_patch(images):
    extractor = PatchDictionaryExtractor(**{**SMALL, "grid_shape": None}).fit(images)
    assert extractor.grid_shape_ == (14, 14)
    pooled = PatchDictionaryExtractor(**{**SMALL, "grid_shape": (1, 1)}).fit(images)
    every = extractor.transform(images).mean(axis=1)
    assert_allclose(pooled.transform(images)[:, 0], every, atol=1e-4)


def test_contrast_regularization_removes_brightness(images):
    darker = 0.5 * images / 255.0
    kwargs = {**SMALL, "random_state": 0}
    blind = PatchDictionaryExtractor(**kwargs, contrast_regularization=1e-9).fit(images)
    plain = PatchDictionaryExtractor(**kwargs).fit(images)

    def change(extractor):
        before = extractor.transform(images)
        return np.abs(extractor.transform(darker) - before).mean() / before.mean()

    assert change(blind) < 0.01 < 0.2 < change(plain)


def test_colour_is_kept(images, fitted):
    swapped = images[..., ::-1]
    before, after = fitted.transform(images), fitted.transform(swapped)
    assert np.abs(after - before).mean() > 0.1 * before.mean()


def test_positions(images, fitted):
    extractor = PatchDictionaryExtractor(**SMALL, positions=True, position_weight=0.5).fit(images)
    features = extractor.transform(images)
    assert features.shape == (24, 16, 24 + 8)
    assert_array_equal(features[..., :24], fitted.transform(images))
    assert_array_equal(features[3, :, 24:], extractor.position_encoding_)
    norm = np.sqrt((features[..., :24] ** 2).sum(axis=2).mean())
    assert_allclose(np.linalg.norm(extractor.position_encoding_, axis=1), 0.5 * norm, rtol=1e-4)
    doubled = clone(extractor).set_params(position_weight=1.0).fit(images)
    assert_allclose(doubled.position_encoding_, 2 * extractor.position_encoding_, rtol=1e-5)


def test_feature_names(images, fitted):
    names = fitted.get_feature_names_out()
    assert names.dtype == object
    assert list(names[[0, -1]]) == ["patch_atom0", "patch_atom23"]
    extractor = PatchDictionaryExtractor(**SMALL, positions=True).fit(images)
    assert list(extractor.get_feature_names_out()[[23, 24, -1]]) == [
        "patch_atom23",
        "position0",
        "position7",
    ]
    with pytest.raises(NotFittedError):
        PatchDictionaryExtractor().get_feature_names_out()


def test_float16(images, fitted):
    half = clone(fitted).set_params(dtype="float16").fit(images).transform(images)
    assert half.dtype == np.float16
    assert_allclose(half, fitted.transform(images), rtol=2e-3, atol=1e-3)


def test_grey_images():
    digits = load_digit_segments()
    extractor = PatchDictionaryExtractor(
        16, patch_size=3, stride=1, grid_shape=(2, 2), max_patches=3000, random_state=0
    )
    features = extractor.fit_transform(digits.images[:200])
    assert features.shape == (200, 4, 16)
    with_axis = extractor.transform(digits.images[:200, :, :, None])
    assert_array_equal(with_axis, features)


def test_memmap(images, fitted, tmp_path):
    path = tmp_path / "images.npy"
    np.save(path, images)
    mapped = np.load(path, mmap_mode="r")
    again = PatchDictionaryExtractor(**SMALL).fit(mapped)
    assert_array_equal(again.transform(mapped), fitted.transform(images))


def test_clone_params_pickle(images, fitted):
    extractor = PatchDictionaryExtractor(**SMALL)
    copy = clone(extractor)
    assert copy.get_params() == extractor.get_params()
    assert copy.set_params(n_atoms=9).n_atoms == 9
    loaded = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(loaded.transform(images), fitted.transform(images))


def test_fit_changes_no_parameter(images):
    extractor = PatchDictionaryExtractor(**SMALL, positions=True)
    before = extractor.get_params()
    assert extractor.fit(images) is extractor
    assert extractor.get_params() == before


def test_pipeline_learns_digits():
    digits = load_digit_segments()
    pipeline = make_pipeline(
        PatchDictionaryExtractor(
            32, patch_size=3, stride=1, grid_shape=(3, 3), max_patches=5000, random_state=0
        ),
        FunctionTransformer(lambda X: X.reshape(len(X), -1)),
        RidgeClassifier(),
    )
    pipeline.fit(digits.images[digits.train], digits.target[digits.train])
    assert pipeline.score(digits.images[digits.test_seen], digits.target[digits.test_seen]) > 0.95


def test_tags():
    tags = get_tags(PatchDictionaryExtractor())
    assert tags.input_tags.three_d_array
    assert not tags.input_tags.two_d_array


def test_not_fitted(images):
    with pytest.raises(NotFittedError):
        PatchDictionaryExtractor().transform(images)


@pytest.mark.parametrize("method", ["fit", "transform"])
@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda X: X[0, 0], r"images of shape \(n, H, W\).*found shape \(32, 3\)"),
        (lambda X: X[None], "found shape"),
        (lambda X: X.astype(np.int64), "found dtype int64"),
        (lambda X: X[:0], "no pixels"),
        (lambda X: np.where(np.arange(24)[:, None, None, None] == 23, np.nan, X), "image 23"),
        (lambda X: np.where(np.arange(24)[:, None, None, None] == 4, np.inf, X), "image 4"),
    ],
    ids=["rank2", "rank5", "int64", "empty", "nan", "inf"],
)
def test_wrong_images(images, fitted, method, change, match):
    with pytest.raises(ValueError, match=match):
        getattr(fitted if method == "transform" else clone(fitted), method)(change(images))


@pytest.mark.parametrize("change", [lambda X: X[:, :30], lambda X: X[..., :1], lambda X: X[..., 0]])
def test_other_shape_at_transform(images, fitted, change):
    with pytest.raises(ValueError, match=r"was fitted on \(32, 32, 3\): resize or convert"):
        fitted.transform(change(images))


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"patch_size": 33}, "smaller than patch_size=33"),
        ({"grid_shape": (20, 4)}, "more regions than there are patches.*14 x 14"),
        ({"grid_shape": (4,)}, "two positive integers"),
        ({"grid_shape": (4, 0)}, "two positive integers"),
        ({"grid_shape": (4, 2.5)}, "two positive integers"),
        ({"max_patches": 20}, "max_patches=20 is less than n_atoms=24"),
    ],
)
def test_wrong_combinations(images, wrong, match):
    with pytest.raises(ValueError, match=match):
        PatchDictionaryExtractor(**{**SMALL, **wrong}).fit(images)


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_atoms": 1},
        {"patch_size": 0},
        {"stride": 0},
        {"n_components": 1.0},
        {"n_components": 0},
        {"whitening_regularization": -1},
        {"contrast_regularization": 0.0},
        {"grid_shape": 8},
        {"positions": "yes"},
        {"position_weight": -0.5},
        {"batch_size": "large"},
        {"dtype": "float64"},
    ],
)
def test_wrong_parameters(images, wrong):
    with pytest.raises(InvalidParameterError, match=next(iter(wrong))):
        PatchDictionaryExtractor(**wrong).fit(images)


def test_blank_images():
    with pytest.raises(ValueError, match="All patches of X are alike"):
        PatchDictionaryExtractor(**SMALL).fit(np.full((5, 32, 32), 0.5))


def test_set_output_does_not_break_transform(images, fitted):
    assert not hasattr(fitted, "set_output")
    pipeline = make_pipeline(clone(fitted))
    assert pipeline.fit_transform(images).shape == (24, 16, 24)
