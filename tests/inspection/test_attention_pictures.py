"""Where displays of attention find the pictures, and their grids."""

import numpy as np
import pytest
from PIL import Image
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from tests.inspection.attention_model import Model, numbers
from zslearn import CVsCClassifier
from zslearn.calibration import FixedCalibrationClassifier
from zslearn.datasets import make_field_guide
from zslearn.feature_extraction import (
    FeatureStoreWriter,
    PatchDictionaryExtractor,
    TimmRegionExtractor,
)
from zslearn.inspection import AttributeAttentionDisplay
from zslearn.model_selection import RowView

plt = pytest.importorskip("matplotlib.pyplot")


GREY = np.linspace(0, 1, 15).reshape(1, 3, 5)


def pictures_of(images, n=1):
    display = AttributeAttentionDisplay.from_estimator(
        Model(), numbers(*range(1, n + 1)), images, attributes=[0]
    )
    return display.images


def test_kinds_of_pictures(tmp_path):
    wanted = np.repeat(np.round(255 * GREY).astype(np.uint8)[..., np.newaxis], 3, axis=3)
    Image.fromarray(wanted[0]).save(tmp_path / "a.png")
    for images in (
        GREY,
        GREY.astype(np.float32)[..., np.newaxis],
        [GREY[0]],
        wanted,
        [Image.fromarray(wanted[0])],
        [tmp_path / "a.png"],
        [str(tmp_path / "a.png")],
    ):
        np.testing.assert_array_equal(pictures_of(images)[0], wanted[0])
    assert pictures_of(None) is None
    # Turned upright, as it was for the network.
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(wanted[0]).save(tmp_path / "b.png", exif=exif)
    np.testing.assert_array_equal(pictures_of([tmp_path / "b.png"])[0], np.rot90(wanted[0], -1))
    for images, message in (
        (2 * GREY, "images are no pictures. Pixels of floating point must lie between 0 and 1"),
        (GREY[[0, 0]], "images holds 2 pictures but X has 1 rows"),
        (np.zeros((1, 3, 5), dtype=np.int64), "images are no pictures.*dtype int64"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            pictures_of(images)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        pictures_of([tmp_path / "nowhere.png"])


CENTER = {"input_size": [3, 224, 224], "crop_pct": 0.875, "crop_mode": "center"}


@pytest.fixture
def store(tmp_path):
    """Three of four pictures of 400 x 200, black, dark and light; the second was skipped."""
    names = [f"{name}.png" for name in "abcd"]
    for value, name in enumerate(names):
        Image.new("RGB", (400, 200), (50 * value,) * 3).save(tmp_path / name)
    with FeatureStoreWriter(
        tmp_path / "store",
        n_total=4,
        n_regions=1,
        n_features=1,
        grid_shape=(1, 1),
        metadata={"data_config": CENTER},
        images=names,
        image_root=tmp_path,
        fingerprints=["1"] * 4,
    ) as writer:
        writer.append(numbers(1, 3, 4), skipped={1: "torn"})
    return writer.store()


class OneRegion(Model):
    def attention_maps(self, X, attributes=None):
        return np.asarray(X, dtype=np.float32) * np.ones((1, len(attributes), 1), np.float32)


def test_stores_bring_pictures_and_their_crop(store):
    for X, values in (
        (store, [0, 100, 150]),
        (store[[2, 0]], [150, 0]),
        (RowView(store[1:], [1]), [150]),
        (RowView(store, [1]), [100]),
    ):
        display = AttributeAttentionDisplay.from_estimator(OneRegion(), X, attributes=[0])
        assert [int(image[0, 0, 0]) for image in display.images] == values
        assert display.maps.ravel().tolist() == [value / 50 + 1 for value in values]
    overlay = display.overlays_[0, 0]
    np.testing.assert_allclose(overlay.get_extent(), [112.5, 287.5, 187.5, 12.5])
    for ax in display.axes_[0]:
        assert ax.get_xlim() == (0, 400)
        frame = ax.patches[0]
        np.testing.assert_allclose(frame.get_bbox().extents, [112.5, 12.5, 287.5, 187.5])
    # As told: the whole of it, and more than that.
    for mode, extent in (("squash", [0, 400, 200, 0]), ("border", [0, 400, 300, -100])):
        display = AttributeAttentionDisplay.from_estimator(
            OneRegion(),
            store[:1],
            attributes=[0],
            data_config={**CENTER, "crop_mode": mode, "crop_pct": 1.0},
        )
        np.testing.assert_allclose(display.overlays_[0, 0].get_extent(), extent)
        assert display.axes_[0, 1].get_ylim() == (extent[2], extent[3])
        assert len(display.axes_[0, 1].patches) == (mode == "border")


def test_grids(store):
    def grid(n_regions, X=None, **options):
        model = Model()
        model.attention_maps = lambda X, attributes=None: np.ones((len(X), 1, n_regions))
        X = numbers(1) if X is None else X
        return AttributeAttentionDisplay.from_estimator(
            model, X, False, attributes=[0], **options
        ).grid_shape

    assert grid(9) == (3, 3)
    assert grid(6, grid_shape=(2, 3)) == (2, 3)
    assert grid(1, store) == (1, 1)
    with pytest.raises(ValueError, match=r"The 6 regions of X form no square: pass grid_shape="):
        grid(6)
    with pytest.raises(ValueError, match=r"grid_shape=\(2, 2\) has 4 cells, but X has 6 regions"):
        grid(6, grid_shape=(2, 2))
    with pytest.raises(ValueError, match="grid_shape=3 must be two numbers"):
        grid(9, grid_shape=3)


def test_regions_on_no_grid(tmp_path):
    with FeatureStoreWriter(
        tmp_path / "s", n_total=1, n_regions=4, n_features=1, grid_shape=None, metadata={}
    ) as writer:
        writer.append(np.ones((1, 4, 1)))
    model = Model()
    model.attention_maps = lambda X, attributes=None: np.ones((1, 1, 4))
    with pytest.raises(ValueError, match="The 4 regions of X lie on no grid: pass grid_shape"):
        AttributeAttentionDisplay.from_estimator(model, writer.store(), attributes=[0])


@pytest.fixture(scope="module")
def birds():
    guide = make_field_guide(60, n_classes=10, n_unseen=3, image_size=32, random_state=0)
    extractor = PatchDictionaryExtractor(
        n_atoms=8, max_patches=500, grid_shape=(2, 3), random_state=0
    )
    clf = CVsCClassifier(max_epochs=1, head="own", random_state=0)
    pipe = make_pipeline(extractor, clf).fit(
        guide.images, guide.target, cvscclassifier__class_attributes=guide.class_attributes
    )
    return guide, pipe


def test_pipelines_and_what_is_around_them(birds):
    guide, pipe = birds
    images = guide.images[:2]
    clf, X = pipe[-1], pipe[:-1].transform(images)
    calibrated = FixedCalibrationClassifier(pipe, delta=1.0)
    search = GridSearchCV(clf, {"max_epochs": [1]})
    search.best_estimator_ = clf
    expected = clf.attention_maps(X)
    for model in (pipe, calibrated, {"a": pipe}):
        display = AttributeAttentionDisplay.from_estimator(model, images, n_attributes=3)
        assert display.grid_shape == (2, 3)
        np.testing.assert_array_equal(display.images[1], images[1])
        names = clf.class_attributes_.attribute_names
        for i in range(2):
            index = [names.index(name) for name in display.attribute_names[i]]
            np.testing.assert_allclose(display.maps[0, i], expected[i, index], rtol=1e-6)
    bare = AttributeAttentionDisplay.from_estimator(search, X, grid_shape=(2, 3))
    assert bare.images is None
    # The strongest are what sets the predicted class above the mean of all.
    lift = clf.predict_attributes(X) * (
        clf.class_embeddings()[np.searchsorted(clf.classes_, clf.predict(X))]
        - clf.class_embeddings().mean(axis=0)
    )
    present = clf.predict_attributes(X) > 0
    top = np.where(present, lift, -np.inf).argmax(axis=1)
    assert bare.attribute_names[:, 0].tolist() == [names[k] for k in top]


def test_networks_that_crop(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6, 40, 80, 3), dtype=np.uint8)
    extractor = TimmRegionExtractor("test_vit", pretrained=False, data_config={"crop_pct": 1.0})
    y = np.arange(6) % 3
    clf = CVsCClassifier(max_epochs=1, head="own", random_state=0)
    pipe = make_pipeline(extractor, clf).fit(pixels, y)
    display = AttributeAttentionDisplay.from_estimator(pipe, pixels[:1], attributes=[0])
    assert extractor.data_config_["crop_mode"] == "center"
    np.testing.assert_allclose(display.overlays_[0, 0].get_extent(), [20, 60, 40, 0])
    assert display.grid_shape == extractor.grid_shape_ == (10, 10)
