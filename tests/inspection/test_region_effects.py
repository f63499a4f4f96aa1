import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from zslearn import (
    APNClassifier,
    ClassAttributes,
    CVsCClassifier,
    DAZLEClassifier,
    MSDNClassifier,
    TransZeroClassifier,
)
from zslearn.inspection import (
    AttributeAttentionDisplay,
    estimate_attribute_localization,
    region_effects,
)

TABLE = ClassAttributes(
    np.random.default_rng(1).random((5, 3)),
    labels=list("abcde"),
    attribute_names=["has_bill::red", "has_wing::blue", "flies"],
)
RNG = np.random.default_rng(0)
Y = np.repeat(list("abc"), 8)
X = RNG.normal(size=(24, 4, 6)) + RNG.normal(size=(5, 1, 6))[np.repeat([0, 1, 2], 8)]


class Sum:
    """Predicts the sums of its regions, weighted; the classes are of no matter."""

    class_attributes_ = TABLE

    def __init__(self, weights):
        self.weights = np.asarray(weights, dtype=np.float32)

    def predict(self, X):
        return np.full(len(X), "a")

    def predict_attributes(self, X):
        return (X.sum(axis=2)[:, np.newaxis] * self.weights).sum(axis=2)

    def attention_maps(self, X, attributes=None):
        return np.full((len(X), len(attributes), X.shape[1]), 1 / X.shape[1], dtype=np.float32)


SUM = Sum([[1, -2, 3, 0], [-1, -1, -1, -1], [0, 0, 2, 1]])


@pytest.fixture(scope="module")
def clf():
    clf = CVsCClassifier(max_epochs=2, head="own", precision="float32", random_state=0)
    return clf.fit(X, Y, class_attributes=TABLE)


def test_by_hand():
    regions = np.array([[[1.0], [1.0], [2.0], [0.0]]])
    expected = [[[1, -2, 6, 0], [-1, -1, -2, 0], [0, 0, 4, 0]]]
    np.testing.assert_array_equal(region_effects(SUM, regions), expected)
    np.testing.assert_array_equal(
        region_effects(SUM, regions, ["flies", "has_bill::red"]), np.array(expected)[:, [2, 0]]
    )


def test_closed_form_of_one_attention(clf):
    network = clf.net_.module_.network
    unit = X[:6] / np.linalg.norm(X[:6], axis=2, keepdims=True)
    queries, embeddings = (part.detach().double() for part in network.queries_and_embeddings())
    logits = unit @ queries.numpy().T
    maps = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    values = unit @ embeddings.numpy().T
    scores = (maps * values).sum(axis=1, keepdims=True)
    expected = (maps * (values - scores) / (1 - maps)).transpose(0, 2, 1)
    np.testing.assert_allclose(region_effects(clf, X[:6]), expected, atol=2e-5 * abs(values).max())


def test_batches_and_padding(clf, monkeypatch):
    padded = X[:6].copy()
    padded[1:, 3] = 0
    whole = region_effects(clf, padded)
    assert not whole[1:, :, 3].any()
    assert whole[:, :, :3].all()
    np.testing.assert_allclose(whole[1:, :, :3], region_effects(clf, X[1:6, :3]), atol=1e-5)
    monkeypatch.setattr("zslearn.inspection._region_effects._BATCH_NUMBERS", 1)
    np.testing.assert_allclose(region_effects(clf, padded), whole, atol=1e-5)


@pytest.mark.parametrize(
    "estimator", [APNClassifier(), DAZLEClassifier(), MSDNClassifier(), TransZeroClassifier()]
)
def test_any_method(estimator):
    fitted = estimator.set_params(max_epochs=1, random_state=0)
    fitted.fit(X, Y, class_attributes=TABLE)
    effects = region_effects(fitted, X[:3], [1])
    without = X[:3].copy()
    without[:, 2] = 0
    whole = fitted.predict_attributes(X[:3])
    lost = (whole - fitted.predict_attributes(without))[:, 1]
    np.testing.assert_allclose(effects[:, 0, 2], lost, rtol=0, atol=4e-6 * abs(whole).max())


def test_steps_before_are_gone_through(clf):
    pipe = make_pipeline(FunctionTransformer(lambda X: X[:, ::-1]), FrozenEstimator(clf))
    pipe.fit(X, Y)
    np.testing.assert_allclose(
        region_effects(pipe, X[:2]), region_effects(clf, X[:2])[..., ::-1], atol=1e-5
    )


def test_localization_of_effects():
    # Attribute 0 gains by regions 0 and 2, attribute 1 by none, attribute 2 by 2 and 3.
    regions = np.ones((1, 4, 1))
    parts = np.array([[[True, True, False, False], [False, False, False, True]]])
    found = estimate_attribute_localization(SUM, regions, parts, [0, 0, 1], kind="effect")
    np.testing.assert_allclose(found.attribute_scores, [1 / 4, 1 / 2, 1 / 3], rtol=1e-6)
    peak = estimate_attribute_localization(
        SUM, regions, parts, [0, 0, 1], kind="effect", method="peak"
    )
    np.testing.assert_array_equal(peak.attribute_scores, [0, 1 / 2, 0])
    even = estimate_attribute_localization(SUM, regions, parts, [0, 0, 1])
    np.testing.assert_allclose(even.attribute_scores, [1 / 2, 1 / 2, 1 / 4], rtol=1e-6)


def test_even_share_is_of_the_regions_that_are_there():
    regions = np.array([[[1.0], [0.0], [1.0], [0.0]]])
    parts = np.array([[[True, False, False, False]]])
    found = estimate_attribute_localization(SUM, regions, parts, [-1, 0, -1], kind="effect")
    assert found.score == 0.5


def test_display_draws_effects():
    pytest.importorskip("matplotlib.pyplot")
    display = AttributeAttentionDisplay.from_estimator(
        SUM, np.ones((1, 4, 1)), attributes=[0, 2], kind="effect", grid_shape=(2, 2)
    )
    np.testing.assert_allclose(display.maps[0, 0], [[0.25, 0, 0.75, 0], [0, 0, 2 / 3, 1 / 3]])


def test_errors(clf):
    with pytest.raises(NotFittedError):
        region_effects(CVsCClassifier(), X)
    with pytest.raises(ValueError, match=r"at least two regions to leave one out; found \(24, 1"):
        region_effects(clf, X[:, :1])
    with pytest.raises(ValueError, match=r"must have shape \(n, R, D\)"):
        region_effects(clf, X[:, 0])
    with pytest.raises(ValueError, match="attributes"):
        region_effects(clf, X, ["no such attribute"])
    with pytest.raises(TypeError, match="a list, which has no predict_attributes"):
        region_effects([], X)


def test_unknown_kind(clf):
    message = "kind='sum' must be 'attention' or 'effect'"
    with pytest.raises(ValueError, match=message):
        AttributeAttentionDisplay.from_estimator(clf, X[:1], kind="sum")
    with pytest.raises(ValueError, match=message):
        estimate_attribute_localization(
            clf, X, np.ones((24, 1, 4), dtype=bool), [0, 0, 0], kind="sum"
        )
