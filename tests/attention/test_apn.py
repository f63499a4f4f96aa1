"""APN as an estimator: what it trains, what it is given, what predicts."""

import numpy as np
import pytest
import torch

from zslearn import APNClassifier, ClassAttributes, HASClassifier
from zslearn._training._learner import Batch
from zslearn.attention._apn_learner import APNLearner
from zslearn.attention._attribute_groups import groups_of
from zslearn.datasets import cub_attribute_parts
from zslearn.inspection import (
    AttributeAttentionDisplay,
    SeenUnseenCurveDisplay,
    SemanticErrorDisplay,
    SemanticExplanationDisplay,
)

NAMES = ["has_bill_shape::curved", "has_bill_shape::dagger", "has_eye_color::red", "plain"]


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(0.1, 1, (5, 4)), attribute_names=NAMES)
    y = np.arange(40) % 4
    X = (table.values[y] @ rng.normal(size=(4, 8)))[:, None] + 0.3 * rng.normal(size=(40, 4, 8))
    return X.astype(np.float32), y, table


def small(**params):
    options = {"max_epochs": 1, "batch_size": 40, "precision": "float32", "device": "cpu"}
    return APNClassifier(**options | {"random_state": 0} | params)


def test_the_estimator_takes_the_step_of_its_learner(problem):
    X, y, table = problem
    params = {"lambda_compactness": 0.01, "decorrelation": "group", "pooling": "max"}
    clf = small(**params).fit(X, y, class_attributes=table)
    assert type(clf.net_.optimizer_) is torch.optim.Adam
    assert clf.net_.optimizer_.param_groups[0]["betas"] == (0.5, 0.999)
    with torch.random.fork_rng():
        torch.manual_seed(clf.net_.seed)
        learner = APNLearner(8, **clf._learner_params(clf._fitted_classes()))
    optimizer = torch.optim.Adam(learner.parameters(), 1e-3, betas=(0.5, 0.999))
    batch = Batch(torch.from_numpy(X), torch.from_numpy(y), torch.Generator())
    terms = learner.training_step(batch)
    terms.pop("loss").backward()
    optimizer.step()
    assert clf.net_.term_names_ == list(terms)
    for name, term in terms.items():
        np.testing.assert_allclose(clf.net_.history[0, name], term.item(), rtol=1e-5)
    for found, expected in zip(clf.net_.module_.parameters(), learner.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-7)


def test_regions_are_taken_as_they_are(problem):
    X, y, table = problem
    clf = small(delta=0.0).fit(X, y, class_attributes=table)
    W = clf.net_.module_.network.global_weight.detach().numpy()
    unit = table.values / np.linalg.norm(table.values, axis=1, keepdims=True)
    expected = X.mean(axis=1) @ W.T @ unit.T
    np.testing.assert_allclose(clf.uncalibrated_scores(X), expected, rtol=1e-5, atol=1e-8)
    P = clf.net_.module_.network.prototypes.detach().numpy()
    peaks = (X @ P.T).argmax(axis=1)
    np.testing.assert_array_equal(clf.attention_maps(X).argmax(axis=2), peaks)


def test_what_predicts_trains_alike(problem):
    X, y, table = problem
    fitted = {
        by: small(predict_from=by).fit(X, y, class_attributes=table)
        for by in ("global", "prototypes", "both")
    }
    v, a, both = (clf.predict_attributes(X) for clf in fitted.values())
    np.testing.assert_allclose(both, (v + a) / 2, rtol=1e-5, atol=1e-8)
    assert not np.allclose(v, a)


def test_on_frozen_regions_prototypes_teach_the_global_head_nothing(problem):
    X, y, table = problem
    alone = {"lambda_local": 0, "lambda_local_attribute": 0, "lambda_local_decorrelation": 0}
    scores = [
        small(max_epochs=3, **params).fit(X, y, class_attributes=table).uncalibrated_scores(X)
        for params in ({}, alone)
    ]
    np.testing.assert_array_equal(*scores)


def test_compactness_needs_a_grid(problem):
    X, y, table = problem
    clf = small().fit(X[:, :3], y, class_attributes=table)
    assert clf.grid_ is None
    clf.set_params(lambda_compactness=0.1)
    with pytest.raises(ValueError, match=r"The 3 regions of X form no square: pass grid="):
        clf.fit(X[:, :3], y, class_attributes=table)
    assert clf.set_params(grid=(1, 3)).fit(X[:, :3], y, class_attributes=table).grid_ == (1, 3)
    padded = X.copy()
    padded[:, 3] = 0
    clf.set_params(grid=None).fit(padded, y, class_attributes=table)
    assert (clf.attention_maps(padded[:2])[..., 3] == 0).all()


def test_groups_of_attributes():
    by_names = groups_of(NAMES, "names").numpy()
    # Sorted: bill, eye, and the one without a group in its name.
    np.testing.assert_array_equal(by_names, [[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    assert groups_of(["red", "blue"], "names") is groups_of(NAMES, None) is None
    np.testing.assert_array_equal(groups_of(NAMES, list("baba")), [[0, 1, 0, 1], [1, 0, 1, 0]])
    parts = cub_attribute_parts(NAMES[:3], ["belly", "beak", "left eye"])
    np.testing.assert_array_equal(groups_of(NAMES[:3], parts), [[1, 1, 0], [0, 0, 1]])
    with pytest.raises(ValueError, match=r"a label for each of the 4 attributes.*shape \(3,\)"):
        groups_of(NAMES, ["a", "b", "c"])


@pytest.mark.parametrize("preset", ["cub", "sun", "awa2"])
def test_presets(problem, preset):
    X, y, table = problem
    clf = APNClassifier.from_preset(preset, max_epochs=1).fit(X, y, class_attributes=table)
    assert ("compactness" in clf.net_.term_names_) == (preset != "awa2")
    assert (clf.delta, clf.pooling) == {
        "cub": (0.7, "max"),
        "sun": (0.4, "mean"),
        "awa2": (0.7, "mean"),
    }[preset]


@pytest.mark.parametrize("method", [APNClassifier, HASClassifier])
def test_displays_show_it(problem, method):
    pytest.importorskip("matplotlib.pyplot")
    X, y, table = problem
    clf = method(max_epochs=1, random_state=0).fit(X, y, class_attributes=table)
    pictures = np.zeros((40, 8, 8, 3), dtype=np.uint8)
    maps = AttributeAttentionDisplay.from_estimator(
        clf, X[:2], pictures[:2], y=y[:2], attributes=NAMES[:2]
    )
    np.testing.assert_allclose(np.sum(maps.maps, axis=-1), 1, rtol=1e-5)
    errors = SemanticErrorDisplay.from_estimator(clf, X, y)
    assert np.isfinite(errors.errors).all()
    why = SemanticExplanationDisplay.from_estimator(clf, X[:1])
    scores = dict(zip(clf.classes_, clf.uncalibrated_scores(X[:1])[0], strict=True))
    difference = scores[why.class_name] - scores[why.other_name]
    np.testing.assert_allclose(np.sum(why.contributions), difference, rtol=1e-4, atol=1e-7)
    new = y.copy()
    new[::2] = 4
    curve = SeenUnseenCurveDisplay.from_estimator(clf, X, new)
    assert 0 <= curve.ausuc <= 1
