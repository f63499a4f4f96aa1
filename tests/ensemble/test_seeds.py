"""An ensemble is the average of its members, and a zero-shot classifier itself."""

import pickle

import numpy as np
import pytest
import sklearn
from scipy.special import softmax
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_validate
from sklearn.utils.estimator_checks import parametrize_with_checks

from zslearn import ClassAttributes, CVsCClassifier
from zslearn.attention import CVsCObjective
from zslearn.calibration import TunedCalibrationClassifierCV
from zslearn.ensemble import SeedEnsembleClassifier
from zslearn.exceptions import NonFiniteLossError
from zslearn.metrics import gzsl_multimetric_scorer
from zslearn.model_selection import SeenUnseenKFold

FAST = CVsCClassifier(max_epochs=8, learning_rate=0.03)


@parametrize_with_checks([SeedEnsembleClassifier(FAST, n_estimators=2)])
def test_estimators(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(0.1, 1, size=(6, 5)))
    y = rng.integers(0, 4, size=60)
    X = table.values[y][:, None, :] @ rng.normal(size=(5, 8)) + rng.normal(size=(60, 3, 8)) * 0.3
    return X.astype(np.float32), y, table


def member(**params):
    return CVsCClassifier(max_epochs=2, head="own", precision="float32", **params)


def fit(data, estimator=None, **params):
    X, y, table = data
    options = {"n_estimators": 3, "random_state": 0} | params
    return SeedEnsembleClassifier(estimator or member(), **options).fit(
        X, y, class_attributes=table
    )


def test_scores_are_averaged(data):
    ensemble = fit(data)
    scores = [one.uncalibrated_scores(data[0]) for one in ensemble.estimators_]
    np.testing.assert_allclose(
        ensemble.uncalibrated_scores(data[0]), np.mean(scores, axis=0), rtol=1e-6, atol=1e-7
    )
    assert not np.allclose(scores[0], scores[1])


def test_probabilities_are_averaged(data):
    ensemble = fit(data, average="probability")
    single = [softmax(one.uncalibrated_scores(data[0]), axis=1) for one in ensemble.estimators_]
    found = softmax(ensemble.uncalibrated_scores(data[0]), axis=1)
    np.testing.assert_allclose(found, np.mean(single, axis=0), rtol=1e-5)
    best = ensemble.classes_[ensemble.predict_proba(data[0]).argmax(axis=1)]
    np.testing.assert_array_equal(best, ensemble.predict(data[0]))


def test_one_member_is_the_member(data):
    ensemble = fit(data, n_estimators=1)
    (one,) = ensemble.estimators_
    np.testing.assert_array_equal(ensemble.predict(data[0]), one.predict(data[0]))
    for name in ("classes_", "seen_classes_", "unseen_classes_"):
        np.testing.assert_array_equal(getattr(ensemble, name), getattr(one, name))
    assert (ensemble.n_features_in_, ensemble.class_attributes_) == (8, data[2])


def test_the_seed_determines_the_members(data):
    first, again, other = fit(data), fit(data), fit(data, random_state=1)
    np.testing.assert_array_equal(
        first.uncalibrated_scores(data[0]), again.uncalibrated_scores(data[0])
    )
    assert [m.random_state for m in first.estimators_] == [
        m.random_state for m in again.estimators_
    ]
    assert not np.allclose(first.uncalibrated_scores(data[0]), other.uncalibrated_scores(data[0]))


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_members_are_what_separate_fits_are(data, n_jobs):
    X, y, table = data
    ensemble = fit(data, n_jobs=n_jobs)
    assert len({one.net_.seed for one in ensemble.estimators_}) == 3
    for one in ensemble.estimators_:
        alone = clone(one).fit(X, y, class_attributes=table)
        np.testing.assert_array_equal(one.uncalibrated_scores(X), alone.uncalibrated_scores(X))


def test_calibration_is_the_estimators(data):
    X = data[0]
    ensemble = fit(data)
    ensemble.set_params(estimator__delta=100.0)
    assert set(ensemble.predict(X)) <= set(ensemble.unseen_classes_)
    ensemble.set_params(estimator__delta=-100.0)
    assert set(ensemble.predict(X)) <= set(ensemble.seen_classes_)
    assert set(ensemble.predict(X, candidates="unseen")) <= {4, 5}


def test_new_classes_and_pickles(data):
    X, _, table = data
    ensemble = pickle.loads(pickle.dumps(fit(data)))
    described = ClassAttributes(table.values[:3], labels=["a", "b", "c"])
    assert ensemble.uncalibrated_scores(X, class_attributes=described).shape == (60, 3)


@pytest.mark.parametrize("routing", [False, True])
def test_in_cross_validation(data, routing):
    X, y, table = data
    with sklearn.config_context(enable_metadata_routing=routing):
        results = cross_validate(
            SeedEnsembleClassifier(member(), n_estimators=2, random_state=0),
            X,
            y,
            cv=SeenUnseenKFold(2, random_state=0),
            scoring=gzsl_multimetric_scorer,
            params={"class_attributes": table},
            error_score="raise",
        )
    assert np.isfinite(results["test_AUSUC"]).all()


def test_tuned_calibration_around_it(data):
    X, y, table = data
    search = TunedCalibrationClassifierCV(
        SeedEnsembleClassifier(member(), n_estimators=2, random_state=0), cv=2, random_state=0
    ).fit(X, y, class_attributes=table)
    assert search.predict(X).shape == (60,)


def test_what_is_refused(data):
    X, y, _ = data
    with pytest.raises(TypeError, match="found LogisticRegression"):
        SeedEnsembleClassifier(LogisticRegression()).fit(X, y)
    with pytest.raises(ValueError, match="'n_estimators' parameter"):
        fit(data, n_estimators=0)


def test_a_failed_fit_leaves_no_ensemble(data):
    X, y, table = data
    ensemble = fit(data)
    ensemble.set_params(estimator__optimizer="sgd", estimator__learning_rate=1e30)
    with pytest.raises(NonFiniteLossError):
        ensemble.fit(X, y, class_attributes=table)
    with pytest.raises(sklearn.exceptions.NotFittedError):
        ensemble.predict(X)


def test_semantics_are_averaged_and_embeddings_shared(data):
    X, _, table = data
    ensemble = fit(data, member(objective=CVsCObjective(scale=2.5)))
    expected = np.mean([one.predict_attributes(X) for one in ensemble.estimators_], axis=0)
    np.testing.assert_allclose(ensemble.predict_attributes(X), expected, rtol=1e-6, atol=1e-7)
    unit = table.values / np.linalg.norm(table.values, axis=1, keepdims=True)
    np.testing.assert_allclose(ensemble.class_embeddings(), 2.5 * unit, rtol=1e-6)
    scores = ensemble.predict_attributes(X) @ ensemble.class_embeddings().T
    np.testing.assert_allclose(ensemble.uncalibrated_scores(X), scores, rtol=1e-5, atol=1e-6)
    other = ensemble.class_embeddings(table.subset([3, 1]))
    np.testing.assert_allclose(other, 2.5 * unit[[1, 3]], rtol=1e-6)


@pytest.mark.parametrize("average", ["score", "probability"])
def test_attention_is_averaged(data, average):
    X = data[0]
    ensemble = fit(data, average=average)
    members = [one.attention_maps(X) for one in ensemble.estimators_]
    maps = ensemble.attention_maps(X)
    assert maps.shape == (60, 5, 3)
    assert maps.dtype == np.float32
    assert not np.allclose(members[0], members[1])
    np.testing.assert_allclose(maps, np.mean(members, axis=0), rtol=1e-5)
    np.testing.assert_allclose(maps.sum(axis=2), 1, rtol=1e-5)
    names = ensemble.class_attributes_.attribute_names
    np.testing.assert_array_equal(ensemble.attention_maps(X, names[3:1:-1]), maps[:, [3, 2]])
    # The members' own maps are as they were.
    np.testing.assert_array_equal(ensemble.estimators_[0].attention_maps(X), members[0])
    tuned = TunedCalibrationClassifierCV(SeedEnsembleClassifier(member()))
    assert hasattr(tuned, "attention_maps")
    assert not hasattr(SeedEnsembleClassifier(LogisticRegression()), "attention_maps")


def test_averaged_probabilities_are_no_sum_over_attributes(data):
    ensemble = fit(data, average="probability")
    assert not hasattr(ensemble, "class_embeddings")
    assert ensemble.predict_attributes(data[0]).shape == (60, 5)
    tuned = TunedCalibrationClassifierCV(SeedEnsembleClassifier(member(), average="probability"))
    assert not hasattr(tuned, "class_embeddings")
    assert hasattr(
        TunedCalibrationClassifierCV(SeedEnsembleClassifier(member())), "class_embeddings"
    )
