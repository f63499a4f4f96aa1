"""Rows, texts and choices of displays of attention, and what they refuse."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from tests.inspection.attention_model import MAPS, NAMES, TABLE, Model, numbers, titles
from zslearn import ClassAttributes, CVsCClassifier
from zslearn.calibration import FixedCalibrationClassifier
from zslearn.ensemble import SeedEnsembleClassifier
from zslearn.inspection import AttributeAttentionDisplay

plt = pytest.importorskip("matplotlib.pyplot")


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
