"""The head by prototypes: equal to the closed form, whatever way the samples come."""

import pickle
from io import BytesIO

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import zslearn
from zslearn import ClassAttributes, CVsCClassifier
from zslearn.attention import DAZLEClassifier, PrototypeHead
from zslearn.ensemble import SeedEnsembleClassifier
from zslearn.linear_model import PrototypeRegressionClassifier
from zslearn.model_selection import HeldOutStopping

SEEN, N, D, K = 7, 140, 12, 5


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(0.1, 1, size=(9, K)), labels=list("abcdefghi"))
    targets = np.arange(N) % SEEN
    X = (table.values[targets] @ rng.normal(size=(K, D)))[:, None] + rng.normal(size=(N, 3, D))
    return X.astype(np.float32), table.labels[targets], table


def fit(data, cls=CVsCClassifier, **params):
    X, y, table = data
    params = {
        "max_epochs": 2,
        "random_state": 0,
        "precision": "float32",
        "head": "prototypes",
    } | params
    return cls(**params).fit(X, y, class_attributes=table)


def by_hand(vectors, targets, values, alpha=0.03, gamma=0.25, shrinkage=0.85):
    """Scores of every class for every sample, and prototypes, by the formulas of the docstring."""
    mean = values[:SEEN].mean(axis=0)
    A = (values - mean) / np.linalg.norm(values - mean, axis=1, keepdims=True)
    square = ((A[:, None] - A[None, :SEEN]) ** 2).sum(axis=2)
    off_diagonal = square[:SEEN][~np.eye(SEEN, dtype=bool)]
    k = np.exp(-gamma * square / np.median(off_diagonal))
    m = np.array([vectors[targets == c].mean(axis=0) for c in range(SEEN)])
    p = m.mean(0) + k @ np.linalg.inv(k[:SEEN] + alpha * np.eye(SEEN)) @ (m - m.mean(0))
    within = (vectors - m[targets]).T @ (vectors - m[targets]) / len(vectors)
    scale = np.trace(within) / len(within)
    inverse = np.linalg.inv((1 - shrinkage) * within + shrinkage * scale * np.eye(len(within)))
    return vectors @ inverse @ p.T - 0.5 * np.einsum("cd,de,ce->c", p, inverse, p), p


def roots(X):
    means = X.astype(np.float64).mean(axis=1)
    powers = np.sign(means) * np.sqrt(np.abs(means))
    return powers / np.linalg.norm(powers, axis=1, keepdims=True)


def relative(scores):
    return scores - scores.mean(axis=1, keepdims=True)


@pytest.mark.parametrize("cls", [CVsCClassifier, DAZLEClassifier])
def test_scores_are_those_of_the_formula(data, cls):
    X, y, table = data
    clf = fit(data, cls, head="prototypes")
    targets = table.index_of(y)
    s = clf.predict_attributes(X).astype(np.float64)
    by_s, _ = by_hand(s, targets, table.values)
    by_x, _ = by_hand(roots(X), targets, table.values)
    found = relative(clf.uncalibrated_scores(X).astype(np.float64))
    parts = np.column_stack([relative(by_s).ravel(), relative(by_x).ravel()])
    factors, residual, *_ = np.linalg.lstsq(parts, found.ravel(), rcond=None)
    assert residual[0] < 1e-9 * (found**2).sum()
    assert_allclose(factors, clf.head_.factors, rtol=1e-4)
    # Both kinds of scores are brought to one spread, on samples their rule was not given.
    spreads = [relative(part)[:, :SEEN].std(axis=1).mean() for part in (by_s, by_x)]
    ratio = factors[0] * spreads[0] / (factors[1] * spreads[1])
    assert ratio == pytest.approx(0.5, rel=0.1)


def test_features_alone_are_prototype_regression(data):
    X, y, table = data
    clf = fit(data, head=PrototypeHead(attribute_weight=0.0))
    other = PrototypeRegressionClassifier(shrinkage=0.85, score_scale=1.0)
    expected = other.fit(X, y, table).uncalibrated_scores(X)
    found = relative(clf.uncalibrated_scores(X))
    assert_allclose(found, clf.head_.factors[1] * relative(expected), rtol=1e-4, atol=1e-5)


def test_terms_add_up_to_scores_also_of_new_classes(data):
    X, _, table = data
    new = ClassAttributes(1.1 - table.values[:3], labels=["x", "y", "z"])
    for head in ("prototypes", "own", PrototypeHead(feature_weight=0.0)):
        clf = fit(data, head=head)
        assert hasattr(clf, "class_embeddings") == (head == "own")
        for given in (None, new):
            terms = clf.score_terms(X[:6], given)
            scores = clf.uncalibrated_scores(X[:6], class_attributes=given)
            assert_allclose(terms.sum(axis=2), scores, rtol=1e-5, atol=1e-5)
            assert terms[..., -1].any() == (head == "prototypes")
    ensemble = SeedEnsembleClassifier(clone(clf), n_estimators=2, random_state=0)
    ensemble.fit(data[0], data[1], class_attributes=table)
    terms = ensemble.score_terms(X[:6])
    assert_allclose(terms.sum(axis=2), ensemble.uncalibrated_scores(X[:6]), rtol=1e-5, atol=1e-5)


def test_scores_of_a_class_do_not_depend_on_the_others(data):
    X, _, table = data
    clf = fit(data)
    part = clf.uncalibrated_scores(X, class_attributes=table.subset(["b", "h"]))
    assert_allclose(part, clf.uncalibrated_scores(X)[:, [1, 7]], rtol=1e-6, atol=1e-6)


def test_partial_fits_add_up(data):
    """With a learning rate that leaves the network as it is, parts are as good as the whole."""
    X, y, table = data
    still = {"random_state": 0, "learning_rate": 1e-12, "precision": "float32"}
    whole = CVsCClassifier(**still).partial_fit(X, y, class_attributes=table)
    parts = CVsCClassifier(**still)
    first = np.isin(y, ["a", "b", "c"])  # the other classes are seen in the second call alone
    for rows in (first, ~first):
        parts.partial_fit(X[rows], y[rows], class_attributes=table)
    assert parts.head_.sums.labels.tolist() == list("abcdefg")
    assert_allclose(parts.head_.sums.features.gram, whole.head_.sums.features.gram, rtol=1e-12)
    found, expected = (relative(one.uncalibrated_scores(X)) for one in (parts, whole))
    factor = (found * expected).sum() / (expected**2).sum()  # the scale is that of the last call
    assert np.abs(found - factor * expected).max() < 0.05 * np.abs(found).max()


def test_warm_starts_and_refused_calls(data):
    X, y, table = data
    clf = fit(data, warm_start=True)
    before, head = clf.uncalibrated_scores(X), clf.head_
    with pytest.raises(ValueError, match="NaN"):
        clf.fit(np.full_like(X, np.nan), y, class_attributes=table)
    assert clf.head_ is head
    assert_array_equal(clf.uncalibrated_scores(X), before)
    clf.fit(X, y, class_attributes=table)
    assert clf.head_.sums.features.n_samples == N
    clf.set_params(head="own").fit(X, y, class_attributes=table)
    assert not hasattr(clf, "head_")


@pytest.mark.parametrize("refit", [True, False])
def test_early_stopping_fits_the_head_to_what_was_trained_on(data, refit):
    clf = fit(data, early_stopping=HeldOutStopping(refit=refit))
    counted = clf.head_.sums.features.n_samples
    assert counted == N if refit else counted < N
    assert clf.head_.sums.labels.tolist() == clf.seen_classes_.tolist()


def test_rows_on_disk_and_vectors(data, tmp_path):
    X, y, table = data
    path = tmp_path / "X.npy"
    np.save(path, X.astype(np.float16))
    clf = fit((np.load(path, mmap_mode="r"), y, table))
    same = fit((X.astype(np.float16), y, table))
    assert_array_equal(clf.uncalibrated_scores(X), same.uncalibrated_scores(X))
    flat = fit((X[:, 0], y, table))
    assert_array_equal(
        flat.uncalibrated_scores(X[:, 0]), fit((X[:, :1], y, table)).uncalibrated_scores(X[:, :1])
    )


def test_saved_and_pickled(data, tmp_path):
    X, y, _ = data
    clf = fit(data, head=PrototypeHead(shrinkage=0.7))
    path = tmp_path / "model.zsl"
    zslearn.save(clf, path)
    for again in (zslearn.load(path), pickle.load(BytesIO(pickle.dumps(clf)))):
        assert_array_equal(again.uncalibrated_scores(X), clf.uncalibrated_scores(X))
        again.partial_fit(X, y)
        assert again.head_.sums.features.n_samples == 2 * N


def test_transform_is_what_the_head_sees(data):
    X, y, table = data
    clf = fit(data)
    vectors = clf.transform(X)
    assert vectors.shape == (N, K + D)
    assert vectors.dtype == np.float32
    assert_array_equal(vectors[:, :K], clf.predict_attributes(X))
    assert_allclose(vectors[:, K:], roots(X), rtol=1e-6, atol=1e-7)
    names = clf.get_feature_names_out()
    assert names[[0, K, -1]].tolist() == [table.attribute_names[0], "pooled0", f"pooled{D - 1}"]
    assert fit(data, head="own").transform(X).shape == (N, K)
    pipe = make_pipeline(clone(clf), LogisticRegression())
    pipe.fit(X, y, cvscclassifier__class_attributes=table)
    assert pipe.score(X, y) > 0.8


def test_little_to_go_by(data):
    X, y, table = data
    one_each = fit((X[:SEEN], y[:SEEN], table))  # no covariance, no sample apart
    assert_array_equal(one_each.predict(X[:SEEN], candidates="seen"), y[:SEEN])
    assert one_each.head_.rules[1].mean.shape == (D,)
    single = fit((X[:1], y[:1], table))  # nothing to regress
    own = fit((X[:1], y[:1], table), head="own")
    assert_array_equal(single.uncalibrated_scores(X), own.uncalibrated_scores(X))
    assert hasattr(single, "class_embeddings")
    ordinary = fit((X, y, None))
    assert ordinary.score(X, y) > 0.6


def test_delta_has_a_say_where_all_is_recognised():
    """Well apart, samples would have scores without bound, were there no doubt about labels."""
    values = np.eye(4) + 0.1
    y = np.repeat([0, 1, 2], 20)
    X = 10 * values[y] + np.random.default_rng(0).normal(scale=1e-3, size=(60, 4))
    clf = fit((X, y, values))
    gaps = np.sort(clf.uncalibrated_scores(X), axis=1)
    assert (gaps[:, -1] - gaps[:, -2]).max() < 10


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (PrototypeHead(attribute_weight=0.0, feature_weight=0.0), "both 0"),
        (PrototypeHead(shrinkage=0.0), "'shrinkage' parameter of PrototypeHead"),
        ("other", "'head' parameter of CVsCClassifier"),
    ],
)
def test_bad_heads(data, head, message):
    with pytest.raises(ValueError, match=message):
        fit(data, head=head)
