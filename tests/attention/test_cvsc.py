"""CVsCClassifier by its equations, with classes and words of many kinds, and on real birds."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from tests.attention.cvsc_problem import SEEN, UNSEEN, small
from zslearn import ClassAttributes, CVsCClassifier
from zslearn.attention import CVsCObjective
from zslearn.calibration import FixedCalibrationClassifier
from zslearn.nn import functional as zf


def test_recognises_classes_it_has_no_picture_of(fitted, problem):
    X, y, _, seen = problem
    assert fitted.seen_classes_.tolist() == SEEN
    assert fitted.unseen_classes_.tolist() == UNSEEN
    assert fitted.n_features_in_ == 16
    assert fitted.score(X[~seen], y[~seen], candidates="unseen") > 0.9
    assert fitted.score(X[seen], y[seen], candidates="seen") > 0.9


def test_scores_follow_the_equations_in_float64(fitted, problem):
    X = problem[0].astype(np.float64)
    module = fitted.net_.module_.network
    A, W_q, W_sv = (
        p.detach().double().numpy()
        for p in (module.attribute_vectors, module.query_weight, module.embedding_weight)
    )
    A /= np.linalg.norm(A, axis=1, keepdims=True)
    F = X / np.linalg.norm(X, axis=2, keepdims=True)
    logits = np.einsum("kd,nrd->nkr", A @ W_q, F)
    M = np.exp(logits) / np.exp(logits).sum(2, keepdims=True)
    s = np.einsum("nkr,nrd,kd->nk", M, F, A @ W_sv)
    T = fitted.class_attributes_.values
    z = s @ (T / np.linalg.norm(T, axis=1, keepdims=True)).T
    close = {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(fitted.attention_maps(X), M, **close)
    np.testing.assert_allclose(fitted.predict_attributes(X), s, **close)
    np.testing.assert_allclose(fitted.uncalibrated_scores(X), z, **close)
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    np.testing.assert_allclose(fitted.predict_proba(X), p, **close)


def test_delta_moves_predictions_and_probabilities_alike(fitted, problem):
    X, y, table, seen = problem
    for scale in ("logit", "probability"):
        shares = []
        for delta in (-100.0, 0.0, 100.0):
            clf = FixedCalibrationClassifier(clone(fitted), delta=delta, delta_scale=scale)
            clf.fit(X[seen], y[seen], class_attributes=table)
            shares.append(np.isin(clf.predict(X), clf.unseen_classes_).mean())
            best = clf.classes_[clf.predict_proba(X).argmax(axis=1)]
            np.testing.assert_array_equal(best, clf.predict(X))
            own = clone(fitted).set_params(delta=delta)
            own.fit(X[seen], y[seen], class_attributes=table)
            if scale == "logit":
                np.testing.assert_array_equal(own.predict(X), clf.predict(X))
        assert shares[0] == 0.0 < shares[1] < 1.0 == shares[2]


def test_attention_maps_of_some_attributes(fitted, problem):
    X = problem[0][:7]
    maps = fitted.attention_maps(X)
    assert maps.shape == (7, 5, 4)
    np.testing.assert_allclose(maps.sum(2), 1, rtol=1e-6)
    for attributes in (["has_e", "has_b"], [4, 1], np.array([4, 1])):
        np.testing.assert_allclose(
            fitted.attention_maps(X, attributes), maps[:, [4, 1]], rtol=1e-5, atol=1e-7
        )
    for bad, message in [(["has_x"], "has_x"), ([5], "indices from 0 to 4"), ([0.5], "indices")]:
        with pytest.raises(ValueError, match=message):
            fitted.attention_maps(X, bad)


def test_classes_described_after_fit(fitted, problem):
    X, y, table, _ = problem
    new = ClassAttributes(
        np.vstack([table.subset(["jay"]).values, [[1, 1, 0, 1, 0]]]),
        labels=["wolf", "gnu"],
        attribute_names=table.attribute_names,
    )
    predicted = fitted.predict(X[y == "jay"], class_attributes=new)
    assert (predicted == "wolf").mean() > 0.9
    assert fitted.predict_proba(X, class_attributes=new).shape == (120, 2)


def test_word_vectors_are_where_training_starts(problem):
    X, y, table, seen = problem
    vectors = np.random.default_rng(1).normal(size=(5, 7)).astype(np.float32)
    table = ClassAttributes(
        table.values,
        labels=table.labels,
        attribute_names=table.attribute_names,
        word_vectors=vectors,
    )
    frozen = small(objective=CVsCObjective(train_attribute_vectors=False)).fit(
        X[seen], y[seen], class_attributes=table
    )
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    learned = frozen.net_.module_.network.attribute_vectors.detach().numpy()
    np.testing.assert_allclose(learned, unit, rtol=1e-6)
    trained = small().fit(X[seen], y[seen], class_attributes=table)
    moved = trained.net_.module_.network.attribute_vectors.detach().numpy()
    assert moved.shape == (5, 7)
    assert 1e-3 < np.abs(moved - unit).max() < 1


def test_word_vector_of_zeros_is_warned_about_and_learned(problem):
    X, y, table, seen = problem
    vectors = np.random.default_rng(1).normal(size=(5, 7))
    vectors[2] = 0
    with pytest.warns(UserWarning, match="all zero for 1 attribute"):
        table = ClassAttributes(table.values, labels=table.labels, word_vectors=vectors)
    clf = small().fit(X[seen], y[seen], class_attributes=table)
    assert np.abs(clf.predict_attributes(X)[:, 2]).max() > 0.1


def test_one_row_at_a_time_equals_all_at_once(fitted, problem):
    X = problem[0][:9]
    whole = fitted.decision_function(X)
    single = np.vstack([fitted.decision_function(x[None]) for x in X])
    np.testing.assert_allclose(single, whole, rtol=1e-5, atol=1e-6)


def test_percentages_and_shares_are_the_same(problem):
    X, y, table, seen = problem
    expected = small().fit(X[seen], y[seen], class_attributes=table).decision_function(X)
    for factor in (100, 1e-60, 1e200):
        other = ClassAttributes(factor * table.values, labels=table.labels)
        scores = small().fit(X[seen], y[seen], class_attributes=other).decision_function(X)
        np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-3)


@pytest.fixture(scope="module")
def cub(shared_data):
    folder = shared_data / "cub50"
    if not folder.is_dir():
        pytest.skip("no region features in ../shared/data/cub50")
    meta = np.load(folder / "meta.npz")
    X = np.load(folder / "regions.npy", mmap_mode="r")
    table = ClassAttributes(
        meta["class_attributes"],
        labels=meta["class_names"],
        attribute_names=meta["attribute_names"],
        word_vectors=meta["attribute_vectors"],
    )
    return X, meta["label"], meta["split"], table


@pytest.mark.timeout(240)
def test_real_birds(cub):
    """Three epochs on 40 seen classes of CUB; far above chance (.1 and .02) on unseen ones."""
    X, y, split, table = cub
    clf = CVsCClassifier(max_epochs=3, random_state=0)
    clf.fit(X[split == "trainval"], y[split == "trainval"], class_attributes=table)
    unseen, seen = split == "test_unseen", split == "test_seen"
    assert clf.score(X[unseen], y[unseen], candidates="unseen") > 0.4
    assert clf.score(X[seen], y[seen], candidates="seen") > 0.5
    low = clf.predict_attributes(X[seen][:50])
    clf.set_params(precision="float32")
    exact = clf.predict_attributes(X[seen][:50])
    assert np.abs(low - exact).max() < 0.02 * np.abs(exact).max()
    regions = zf.normalize_rows(torch.from_numpy(X[seen][:50]).float())
    queries, embeddings = clf.net_.module_.network.queries_and_embeddings()
    padding = zf.find_padding(regions)  # corners in which the backbone found nothing
    features = zf.attribute_features(regions, queries, padding)
    literal = zf.semantic_embedding(features, embeddings)
    np.testing.assert_allclose(exact, literal.detach().numpy(), rtol=1e-4, atol=1e-4)
