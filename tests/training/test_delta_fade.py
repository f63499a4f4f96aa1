"""A class that has few pictures keeps a share of delta."""

import numpy as np
import pytest

from zslearn import ClassAttributes, CVsCClassifier, load, save
from zslearn.ensemble import SeedEnsembleClassifier
from zslearn.inspection._calibrated_scores import calibrated_scores
from zslearn.model_selection import HeldOutStopping


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(0.1, 1, size=(6, 5)), labels=list("fedcba"))
    y = np.repeat(list("abcd"), [30, 20, 10, 4])
    X = table.values[table.index_of(y)][:, None, :] @ rng.normal(size=(5, 8))
    X = X + rng.normal(size=(64, 3, 8)) * 0.3
    return X.astype(np.float32), y, table


def make(**params):
    return CVsCClassifier(max_epochs=2, random_state=0, device="cpu", precision="float32", **params)


def added(clf, X, **options):
    """What the calibration adds to the score of each class."""
    gain = clf.decision_function(X, **options) - clf.uncalibrated_scores(X, **options)
    np.testing.assert_allclose(gain, np.broadcast_to(gain[0], gain.shape), rtol=0, atol=1e-5)
    return gain[0]


def test_samples_are_counted(data):
    X, y, table = data
    clf = make().fit(X, y, class_attributes=table)
    assert clf.class_count_.tolist() == [30, 20, 10, 4, 0, 0]
    clf.partial_fit(X[-6:], y[-6:])
    assert clf.class_count_.tolist() == [30, 20, 12, 8, 0, 0]
    clf.set_params(warm_start=True)
    clf.fit(X, y, class_attributes=table)
    assert clf.class_count_.tolist() == [30, 20, 12, 8, 0, 0]  # may be the same samples
    weighed = make().partial_fit(
        X, y, class_attributes=table, sample_weight=np.where(np.arange(64) < 5, 0, 2.0)
    )
    assert weighed.class_count_.tolist() == [25, 20, 10, 4, 0, 0]


def test_a_refused_call_counts_nothing(data):
    X, y, table = data
    clf = make().fit(X, y, class_attributes=table)
    spoilt = X.copy()
    spoilt[50] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        clf.partial_fit(spoilt, y)
    assert clf.class_count_.tolist() == [30, 20, 10, 4, 0, 0]


@pytest.mark.parametrize("refit", [True, False])
def test_early_stopping_counts_what_it_trained_on(data, refit):
    X, y, table = data
    stopping = HeldOutStopping(validation_fraction=0.25, refit=refit)
    clf = make(early_stopping=stopping).fit(X, y, class_attributes=table)
    if refit:
        assert clf.class_count_.tolist() == [30, 20, 10, 4, 0, 0]
    else:
        assert (clf.class_count_ > 0).tolist() == np.isin(
            table.labels[::-1], clf.seen_classes_
        ).tolist()
        assert clf.class_count_.sum() < 64


def test_delta_fades(data):
    X, y, table = data
    clf = make(delta=3.0).fit(X, y, class_attributes=table)
    np.testing.assert_allclose(added(clf, X), [0, 0, 0, 0, 3, 3], atol=1e-5)
    clf.set_params(delta_fade=20)
    np.testing.assert_allclose(added(clf, X), [0, 0, 1.5, 2.4, 3, 3], atol=1e-5)
    clf.set_params(delta_fade="median")  # 15
    np.testing.assert_allclose(added(clf, X), [0, 0, 1, 2.2, 3, 3], atol=1e-5)
    clf.partial_fit(X[-6:], y[-6:])  # two of c, four of d: the median is 16
    np.testing.assert_allclose(added(clf, X), [0, 0, 0.75, 1.5, 3, 3], atol=1e-5)
    best = clf.classes_[clf.decision_function(X).argmax(axis=1)]
    assert (clf.predict(X) == best).all()
    assert (clf.predict_proba(X).argmax(axis=1) == clf.decision_function(X).argmax(axis=1)).all()
    scores = clf.uncalibrated_scores(X)
    assert (clf.predict_from_uncalibrated(scores) == clf.predict(X)).all()


def test_other_tables_and_candidates(data):
    X, y, table = data
    clf = make(delta=3.0, delta_fade=20).fit(X, y, class_attributes=table)
    new = ClassAttributes(table.values[[2, 0, 5]] + 0.1, labels=["d", "z", "a"])
    np.testing.assert_allclose(added(clf, X, class_attributes=new), [0, 2.4, 3], atol=1e-5)
    np.testing.assert_allclose(added(clf.with_class_attributes(new), X), [0, 2.4, 3], atol=1e-5)
    assert clf.with_class_attributes(new).class_count_.tolist() == [30, 4, 0]
    # Among seen classes alone few pictures count, too: here d gains on a.
    scores = clf.uncalibrated_scores(X)[:, [0, 3]] + [0, 2.4]
    expected = np.array(["a", "d"])[scores.argmax(axis=1)]
    assert (clf.predict(X, candidates=["a", "d"]) == expected).all()


def test_counts_are_saved(data, tmp_path):
    X, y, table = data
    clf = make(delta_fade="median").fit(X, y, class_attributes=table)
    save(clf, tmp_path / "model.zsl")
    other = load(tmp_path / "model.zsl")
    assert other.class_count_.tolist() == clf.class_count_.tolist()
    np.testing.assert_array_equal(other.decision_function(X), clf.decision_function(X))


@pytest.mark.parametrize("fade", [0, -3, np.nan, np.inf, "mean", "12"])
def test_bad_numbers_are_refused(data, fade):
    X, y, table = data
    with pytest.raises(ValueError, match="'delta_fade' parameter"):
        make(delta_fade=fade).fit(X, y, class_attributes=table)
    clf = make().fit(X, y, class_attributes=table).set_params(delta_fade=fade)
    with pytest.raises(ValueError, match=r"delta_fade must be .* found"):
        clf.predict(X)


def test_ensembles_and_displays_fade_alike(data):
    X, y, table = data
    ensemble = SeedEnsembleClassifier(make(delta=3.0), n_estimators=2, random_state=0)
    ensemble.fit(X, y, class_attributes=table)
    ensemble.estimator.set_params(delta_fade=20)
    np.testing.assert_allclose(added(ensemble, X), [0, 0, 1.5, 2.4, 3, 3], atol=1e-5)
    for clf in (ensemble, make(delta=3.0, delta_fade=20).fit(X, y, class_attributes=table)):
        assert (calibrated_scores(clf, X).predict() == clf.predict(X)).all()
        assert (clf.predict(X) != clf.classes_[clf.uncalibrated_scores(X).argmax(axis=1)]).any()
