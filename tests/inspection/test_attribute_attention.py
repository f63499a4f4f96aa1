import numpy as np
import pytest
from PIL import Image
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from zslearn import ClassAttributes, CVsCClassifier
from zslearn.calibration import FixedCalibrationClassifier
from zslearn.datasets import make_field_guide
from zslearn.ensemble import SeedEnsembleClassifier
from zslearn.feature_extraction import (
    FeatureStoreWriter,
    PatchDictionaryExtractor,
    TimmRegionExtractor,
)
from zslearn.inspection import AttributeAttentionDisplay
from zslearn.model_selection import RowView

plt = pytest.importorskip("matplotlib.pyplot")

NAMES = ["has_wing::red", "has_wing::blue", "has_bill::red", "flies", "has_bill::blue"]
TABLE = ClassAttributes(
    [[3.0, 0, 4, 0, 0], [0, 4, 0, 3, 0], [0, 0, 0, 0, 5]],
    labels=["ant_bird", "bee", "cat"],
    attribute_names=NAMES,
)
# The mean of the unit rows is (.2, .8/3, .8/3, .2, 1/3).
MAPS = np.arange(1, 21, dtype=np.float32).reshape(5, 4)


class Model:
    """Answers by rule, and notes which maps it is asked for: X holds a number a picture."""

    def __init__(self, semantics=(1.0, 0.5, 2.0, -1.0, 0.1), told="ant_bird"):
        self.class_attributes_ = TABLE
        self.semantics, self.told, self.asked = semantics, told, []

    def predict(self, X):
        return np.full(len(X), self.told)

    def predict_attributes(self, X):
        return np.tile(np.array(self.semantics, dtype=np.float32), (len(X), 1))

    def attention_maps(self, X, attributes=None):
        self.asked.append((np.ravel(X).tolist(), list(attributes)))
        return MAPS[attributes] * X.reshape(-1, 1, 1)


def numbers(*values):
    return np.array(values, dtype=np.float32).reshape(-1, 1, 1)


def titles(display):
    return [[ax.get_title() for ax in row] for row in display.axes_]


def test_rows_and_texts():
    models = {"plain": Model(), "causal": Model((2.0, 0.0, 1.0, 0.0, 0.0), told="bee")}
    images = np.zeros((2, 8, 8), dtype=np.uint8)
    display = AttributeAttentionDisplay.from_estimator(
        models,
        numbers(1, 10),
        images,
        y=["ant_bird", "cat"],
        attributes=["flies", "has_bill::red"],
        upsampling="cells",
    )
    assert display.axes_.shape == (4, 3)
    assert [row[0].get_ylabel() for row in display.axes_] == ["plain", "causal"] * 2
    assert titles(display) == [
        [
            "ant bird\npredicted: ant bird",
            "flies\npredicted -1.00, class 0",
            "bill: red\npredicted 2.00, class 4",
        ],
        [
            "ant bird\npredicted: bee",
            "flies\npredicted 0.00, class 0",
            "bill: red\npredicted 1.00, class 4",
        ],
        [
            "cat\npredicted: ant bird",
            "flies\npredicted -1.00, class 0",
            "bill: red\npredicted 2.00, class 0",
        ],
        [
            "cat\npredicted: bee",
            "flies\npredicted 0.00, class 0",
            "bill: red\npredicted 1.00, class 0",
        ],
    ]
    np.testing.assert_array_equal(display.overlays_[2, 0].get_array(), 10 * MAPS[3].reshape(2, 2))
    # Without labels, the value is that of the class predicted.
    display = AttributeAttentionDisplay.from_estimator(
        models, numbers(1), False, attributes="flies"
    )
    assert titles(display) == [
        ["flies\npredicted -1.00, class 0"],
        ["flies\npredicted 0.00, class 3"],
    ]
    assert display.axes_[1, 0].get_ylabel() == "causal\npredicted: bee"


def test_axes_may_be_given():
    display = AttributeAttentionDisplay(maps=MAPS, grid_shape=(2, 2), attribute_names=NAMES)
    figure, axes = plt.subplots(5, 1)
    before = dict(plt.rcParams)
    display.plot(axes)
    assert display.axes_.shape == (1, 5)
    assert display.axes_.ravel().tolist() == axes.tolist()
    assert display.figure_ is figure
    assert dict(plt.rcParams) == before
    with pytest.raises(ValueError, match=r"axes holds 2 Axes, but 1 rows of 5 panels are drawn"):
        display.plot(axes[:2])


# -- what is chosen --------------------------------------------------------------------------------


def chosen(model, **options):
    X = numbers(1)
    display = AttributeAttentionDisplay.from_estimator(model, X, False, **options)
    return [NAMES.index(name) for name in display.attribute_names[0]]


def test_strongest():
    # Of ant_bird, the embedding over the mean: (.4, -.267, .533, -.2, -.333), times the semantics:
    # (.4, -.133, 1.067, absent -.2, -.033).
    model = Model()
    assert chosen(model, distinct_groups=False) == [2, 0, 4, 1, 3]
    assert model.asked == [([1.0], [2, 0, 4, 1, 3])]
    # One of each group first: bill, wing, flies.
    assert chosen(model) == [2, 0, 3, 4, 1]
    assert chosen(model, n_attributes=2) == [2, 0]
    assert chosen(model, n_attributes=99, y=["bee"])[0] == 1
    # Absent, and so behind what speaks against the class much more.
    assert chosen(Model((1.0, 9.0, 1, -0.1, 9.0)), distinct_groups=False)[-1] == 3
    # Predicted to be absent, and so last, though the product of two negatives is positive.
    assert chosen(Model((-9.0, 0.1, 0.1, 0.1, 0.1), "bee"), distinct_groups=False)[-1] == 0


def test_classes_described_after_fit():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(9, 4, 3))
    table = ClassAttributes(rng.random((3, 5)), attribute_names=NAMES)
    clf = CVsCClassifier(max_epochs=1, head="own", random_state=0)
    clf.fit(X, np.arange(9) % 3, class_attributes=table)
    # In another order than sorted, and with the names of fit.
    new = ClassAttributes(np.vstack([rng.random((2, 5)), table.values[1]]), labels=[8, 7, 1])
    models = {"alone": clf, "fixed": FixedCalibrationClassifier(clf, delta=0.2)}
    display = AttributeAttentionDisplay.from_estimator(
        models, X[:2], y=[8, 7], class_attributes=new, distinct_groups=False
    )
    for j, model in enumerate(models.values()):
        predicted = model.predict(X[:2], class_attributes=new)
        np.testing.assert_array_equal(display.predictions[j], predicted)
    unit = new.values / np.linalg.norm(new.values, axis=1, keepdims=True)
    semantics = clf.predict_attributes(X[:2])
    lifted = semantics * (unit[:2] - unit.mean(axis=0))
    lifted[semantics <= 0] = -np.inf
    for i in range(2):
        k = NAMES.index(display.attribute_names[i, 0])
        assert k == lifted[i].argmax()
        assert display.class_values[0, i, 0] == new.values[i, k]


def test_strongest_of_several_models():
    # Relative strengths for ant_bird: (1, 0, .5, ...) and (.0, 0, 1, ...).
    one, other = Model((4.0, 0, 1.5, 0, 0)), Model((0.0, 0, 7, 0, 0))
    assert chosen({"a": one, "b": other}, n_attributes=2) == [2, 0]
    assert chosen({"a": one}, n_attributes=2) == [0, 2]
    assert one.asked[0] == other.asked[0] == ([1.0], [2, 0])


def test_classes_embed_themselves():
    model = Model()
    model.class_embeddings = lambda: np.array([[0.0, 0, 0, 0, 9], [0] * 5, [0] * 5])
    assert chosen(model, n_attributes=1) == [4]


def test_each_picture_has_its_own():
    model = Model()
    display = AttributeAttentionDisplay.from_estimator(
        model, numbers(1, 2), False, attributes=[[0, 3], [4, 3]], upsampling="cells"
    )
    assert model.asked == [([1.0], [0, 3]), ([2.0], [4, 3])]
    assert display.attribute_names.tolist() == [[NAMES[0], "flies"], [NAMES[4], "flies"]]
    np.testing.assert_array_equal(display.maps[0, 1], 2 * MAPS[[4, 3]])
    model.asked.clear()
    AttributeAttentionDisplay.from_estimator(model, numbers(1, 2), False, attributes=["flies"])
    assert model.asked == [([1.0, 2.0], [3])]


def test_regions_of_attributes_and_of_parts():
    whole = np.zeros((1, 5, 4), dtype=bool)
    whole[0, 2, 1] = True
    options = {"attributes": [2, 0], "upsampling": "cells"}
    display = AttributeAttentionDisplay.from_estimator(
        Model(), numbers(1), False, regions=whole, **options
    )
    assert display.regions.tolist() == [[[False, True, False, False], [False] * 4]]
    assert "\n24% inside" in titles(display)[0][0]  # 10 of 9 + 10 + 11 + 12
    parts = whole[:, [0, 2]]
    for attribute_parts in ([-1, 0, 1, 0, -1], np.eye(5, 2, -1, dtype=bool)):
        display = AttributeAttentionDisplay.from_estimator(
            Model(), numbers(1), False, regions=parts, attribute_parts=attribute_parts, **options
        )
        assert display.regions.tolist() == [[[False, True, False, False], [False] * 4]]


# -- where pictures come from ----------------------------------------------------------------------

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


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attributes": ["sings"]}, "attributes holds names that class_attributes has not"),
        ({"attributes": [[0], [1], [2]]}, "one for each of the 2 pictures; found shape .3, 1."),
        ({"attributes": []}, "attributes is empty"),
        ({"n_attributes": 0}, "n_attributes=0 must be at least 1"),
        ({"y": ["bee"]}, "y must hold a label for each of the 2 pictures, found .1,."),
        ({"y": ["bee", "elk"]}, "not described in class_attributes: 'elk'"),
        ({"regions": np.ones((2, 5, 3), bool)}, r"regions must be boolean of shape \(2, .*, 4\)"),
        ({"regions": np.ones((2, 5, 4))}, "regions must be boolean.*float64"),
        ({"regions": np.ones((2, 3, 4), bool)}, "of 3 parts, but there are 5 attributes"),
        ({"attribute_parts": [0] * 5}, "attribute_parts is given without regions"),
        (
            {"regions": np.ones((2, 3, 4), bool), "attribute_parts": [0, 1]},
            "attribute_parts has 2 entries for 5 attributes",
        ),
        ({"upsampling": "cubic"}, "upsampling='cubic' must be 'smooth' or 'cells'"),
        ({"scale": "row"}, "scale='row' must be 'panel' or 'shared'"),
        ({"max_opacity": 0}, "max_opacity=0 must be over 0"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        AttributeAttentionDisplay.from_estimator(Model(), numbers(1, 2), False, **options)


def test_wrong_models():
    draw = AttributeAttentionDisplay.from_estimator
    with pytest.raises(ValueError, match=r"41 rows of pictures.*Cut out .*X\[\[0, 7\]\]"):
        draw(Model(), numbers(*range(41)))
    with pytest.raises(ValueError, match="42 rows of pictures, each of 2 model"):
        draw({"a": Model(), "b": Model()}, numbers(*range(21)))
    with pytest.raises(TypeError, match="X must hold one entry a picture, found 'birds'"):
        draw(Model(), "birds")
    with pytest.raises(ValueError, match="empty dict"):
        draw({}, numbers(1))
    with pytest.raises(NotFittedError):
        draw(CVsCClassifier(), numbers(1))
    with pytest.raises(TypeError, match="The model 'b' is a object, which has no attention_maps"):
        draw({"a": Model(), "b": object()}, numbers(1))
    other = Model()
    other.class_attributes_ = ClassAttributes(TABLE.values, labels=TABLE.labels)
    with pytest.raises(ValueError, match="fitted to other attributes"):
        draw({"a": Model(), "b": other}, numbers(1))
    other = Model()
    other.attention_maps = lambda X, attributes=None: np.ones((len(X), len(attributes), 9))
    with pytest.raises(ValueError, match="different numbers of regions"):
        draw({"a": Model(), "b": other}, numbers(1))


def test_ensembles_attend_as_their_members_do_on_average():
    ensemble = SeedEnsembleClassifier(CVsCClassifier(max_epochs=1, head="own"), n_estimators=2)
    X = np.random.default_rng(0).normal(size=(9, 4, 3))
    ensemble.fit(X, np.arange(9) % 3)
    display = AttributeAttentionDisplay.from_estimator(ensemble, X[:2], attributes=[1, 0])
    members = [member.attention_maps(X[:2], [1, 0]) for member in ensemble.estimators_]
    np.testing.assert_allclose(display.maps[0], np.mean(members, axis=0), rtol=1e-6)


def test_without_predicted_values():
    class Silent:
        class_attributes_ = TABLE
        predict, attention_maps, told = Model.predict, Model.attention_maps, "bee"

        def __init__(self):
            self.asked = []

    display = AttributeAttentionDisplay.from_estimator(
        Silent(), numbers(1), False, attributes=["flies"]
    )
    assert titles(display) == [["flies\nclass 3"]]
    with pytest.raises(TypeError, match="needs predict_attributes of every model"):
        AttributeAttentionDisplay.from_estimator(Silent(), numbers(1), False)
