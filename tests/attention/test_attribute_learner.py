"""Regions of zeros take no part in what attends to regions, and lists of regions are taken."""

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from zslearn import (
    APNClassifier,
    ClassAttributes,
    CVsCClassifier,
    DAZLEClassifier,
    HASClassifier,
    MSDNClassifier,
)
from zslearn._training._net import LearnerNet
from zslearn.calibration import TunedCalibrationClassifierCV
from zslearn.ensemble import SeedEnsembleClassifier
from zslearn.linear_model import ESZSLClassifier
from zslearn.metrics import ausuc_scorer
from zslearn.model_selection import SeenUnseenKFold, fit_many

METHODS = [CVsCClassifier, DAZLEClassifier, MSDNClassifier, APNClassifier, HASClassifier]


@pytest.fixture(scope="module")
def problem():
    """Pictures of 2 to 6 regions: a list of them, an array padded with zeros, labels, a table."""
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(0.1, 1, size=(8, 6)))
    y = rng.permutation(np.repeat(np.arange(6), 15))
    X = (table.values[y] @ rng.normal(size=(6, 10)))[:, None] + 0.3 * rng.normal(size=(90, 6, 10))
    X = X.astype(np.float32)
    lengths = rng.integers(2, 7, size=90)
    lengths[:6] = 6
    ragged = [x[:n] for x, n in zip(X, lengths, strict=True)]
    X[np.arange(6) >= lengths[:, None]] = 0
    return ragged, X, y, table


def small(method, **params):
    options = {"max_epochs": 6, "learning_rate": 1e-2, "batch_size": 16, "device": "cpu"}
    options |= {"precision": "float32", "random_state": 0}
    return method(**options | params)


def weights_of(clf):
    return np.concatenate([p.detach().ravel() for p in clf.net_.module_.parameters()])


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("source", ["in memory", "on disk"])
def test_training_and_prediction_are_as_without_padding(problem, method, source, tmp_path):
    _, X, y, table = problem
    X = X[:, :2]
    wide = np.zeros((90, 5, 10), dtype=np.float32)
    wide[:, [1, 4]] = X
    if source == "on disk":
        np.save(tmp_path / "X.npy", wide)
        wide = np.load(tmp_path / "X.npy", mmap_mode="r")
    plain = small(method).fit(X, y, class_attributes=table)
    clf = small(method).fit(wide, y, class_attributes=table)
    close(weights_of(clf), weights_of(plain))
    scores = clf.decision_function(wide)
    close(scores, plain.decision_function(X))
    np.testing.assert_allclose(clf.decision_function(X), scores, rtol=1e-5, atol=1e-6)
    maps = clf.attention_maps(wide, [4, 1])
    assert not maps[..., [0, 2, 3]].any()
    close(maps[..., [1, 4]], plain.attention_maps(X, [4, 1]))
    np.testing.assert_allclose(maps.sum(-1), 1, rtol=1e-6)
    close(clf.predict_attributes(wide), plain.predict_attributes(X))


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_padding_in_half_precision(problem, precision):
    _, X, y, table = problem
    wide = np.concatenate([X[:, :2], np.zeros((90, 30, 10), np.float32)], axis=1)
    clf = small(CVsCClassifier, precision=precision).fit(wide, y, class_attributes=table)
    found, expected = clf.decision_function(wide), clf.decision_function(X[:, :2])
    assert np.abs(found - expected).max() <= 2**-7 * np.abs(expected).max()
    assert not clf.attention_maps(wide)[..., 2:].any()


@pytest.mark.parametrize("method", METHODS)
def test_a_list_is_as_good_as_a_padded_array(problem, method):
    ragged, X, y, table = problem
    clf = small(method).fit(ragged, y, class_attributes=table)
    same = small(method).fit(X, y, class_attributes=table)
    assert np.array_equal(weights_of(clf), weights_of(same))
    for name in ("predict", "predict_proba", "predict_attributes", "attention_maps"):
        assert np.array_equal(getattr(clf, name)(ragged), getattr(clf, name)(X))
    assert clf.score(ragged, y) == clf.score(X, y)
    short = ragged[6:][int(np.argmin([len(x) for x in ragged[6:]]))]
    maps = clf.attention_maps([short, ragged[0]])
    assert maps.shape == (2, 6, 6)
    assert not maps[0, :, len(short) :].any()
    close(clf.decision_function([short]), clf.decision_function([short, ragged[0]])[:1])
    half = small(method).partial_fit(ragged[:45], y[:45], class_attributes=table)
    half.partial_fit(ragged[45:], y[45:])
    other = small(method).partial_fit(X[:45], y[:45], class_attributes=table)
    close(weights_of(half), weights_of(other.partial_fit(X[45:], y[45:])))


def test_lists_of_tensors(problem):
    ragged, X, y, table = problem
    tensors = [torch.from_numpy(x) for x in ragged]
    clf = small(CVsCClassifier).fit(tensors, y, class_attributes=table)
    same = small(CVsCClassifier).fit(X, y, class_attributes=table)
    assert np.array_equal(weights_of(clf), weights_of(same))
    assert np.array_equal(clf.decision_function(tensors), same.decision_function(X))


def test_lists_in_whatever_holds_an_estimator(problem):
    ragged, X, y, table = problem
    clf, folds = small(CVsCClassifier, max_epochs=2), SeenUnseenKFold(3, random_state=0)
    options = {"cv": folds, "scoring": ausuc_scorer}
    for estimator, name in ((clf, ""), (make_pipeline("passthrough", clf), "cvscclassifier__")):
        options["params"] = {f"{name}class_attributes": table}
        found, expected = (cross_val_score(estimator, x, y, **options) for x in (ragged, X))
        close(found, expected)
    search = GridSearchCV(clf, {"lambda_cc": [0.0, 1.0]}, cv=folds, scoring=ausuc_scorer)
    tuned = TunedCalibrationClassifierCV(clf, cv=3, random_state=0)
    seeds = SeedEnsembleClassifier(clf, n_estimators=2, random_state=0)
    for estimator in (search, tuned, seeds):
        found = estimator.fit(ragged, y, class_attributes=table).predict(ragged)
        assert np.array_equal(found, estimator.fit(X, y, class_attributes=table).predict(X))
    (one,) = fit_many(clf, [{}], ragged, y, class_attributes=table)
    same = small(CVsCClassifier, max_epochs=2).fit(X, y, class_attributes=table)
    assert np.array_equal(weights_of(one), weights_of(same))


@pytest.mark.parametrize("make", [lambda: small(CVsCClassifier), lambda: ESZSLClassifier()])
def test_odd_samples_are_named(problem, make):
    ragged, _, y, table = problem
    clf = make()
    for odd, message in (
        (ragged[0][:, :9], r"X\[7\] has 9 features"),
        (ragged[0][:0], r"X\[7\] has shape \(0, 10\)"),
        (0 * ragged[0], r"regions are all zero, rows \[7\] of X"),
    ):
        spoilt = [*ragged[:7], odd, *ragged[8:]]
        with pytest.raises(ValueError, match=message):
            clf.fit(spoilt, y, class_attributes=table)
        assert not hasattr(clf, "classes_")
    clf.fit(ragged, y, class_attributes=table)
    with pytest.raises(ValueError, match=r"regions are all zero, rows \[0, 3\] of X"):
        clf.predict([0 * ragged[0], *ragged[1:3], 0 * ragged[3]])


def test_early_stopping_names_rows_of_x(problem):
    _, X, y, table = problem
    spoilt = X.copy()
    spoilt[50] = 0
    with pytest.raises(ValueError, match=r"rows \[50\] of X"):
        small(CVsCClassifier, early_stopping=True).fit(spoilt, y, class_attributes=table)


def test_training_looks_only_where_there_may_be_padding(problem, monkeypatch):
    _, X, y, table = problem
    given = []
    real = LearnerNet.compute_terms

    def compute_terms(self, *args, padding, **others):
        given.append(padding)
        return real(self, *args, padding=padding, **others)

    monkeypatch.setattr(LearnerNet, "compute_terms", compute_terms)
    small(CVsCClassifier, max_epochs=1).fit(X[:, :2], y, class_attributes=table)
    assert given == [None] * 7
    given.clear()
    small(CVsCClassifier, max_epochs=1).fit(X, y, class_attributes=table)
    assert sum(padding is not None for padding in given) >= 6
