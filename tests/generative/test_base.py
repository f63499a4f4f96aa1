"""Any classifier on generated rows: its scores, tables, seeds, files."""

import re
import warnings

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

import zslearn
from zslearn import ClassAttributes, FCLSWGANClassifier, FVAEGANClassifier
from zslearn.exceptions import ClassDescriptionWarning
from zslearn.generative._final_classifier import FinalClassifier
from zslearn.metrics import ausuc_score, gzsl_harmonic_mean_scorer
from zslearn.model_selection import SeenUnseenKFold
from zslearn.registry import list_methods, method_info
from zslearn.utils._toy_problems import CountingRows, Problem

SMALL = {
    "hidden_dim": 16,
    "max_epochs": 3,
    "critic_iter": 1,
    "learning_rate": 0.05,
    "n_synthetic": 12,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def problem():
    return Problem.of(FCLSWGANClassifier())


def fitted(problem, cls=FCLSWGANClassifier, X=None, **params):
    clf = cls(**{**SMALL, **params})
    return clf.fit(problem.X if X is None else X, problem.y, class_attributes=problem.table)


@pytest.mark.parametrize(
    "classifier",
    [
        None,
        LogisticRegression(C=0.1),
        make_pipeline(StandardScaler(), LinearSVC()),
        SVC(),
        RandomForestClassifier(n_estimators=5),
        GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2),
    ],
    ids=lambda c: type(c).__name__,
)
def test_scores_are_those_of_the_classifier(problem, classifier):
    clf = fitted(problem, classifier=classifier)
    model = clf.final_classifier_.classifier
    scores = clf.uncalibrated_scores(problem.X)
    if hasattr(model, "decision_function"):
        expected = model.decision_function(clf.transform(problem.X))
        np.testing.assert_allclose(scores, expected, atol=2e-6 * np.abs(expected).max())
    else:
        shares = model.predict_proba(clf.transform(problem.X))
        np.testing.assert_allclose(scores, np.log(np.maximum(shares, 1e-12)))
    unseen = np.isin(clf.classes_, clf.unseen_classes_)
    shifted = clf.set_params(delta=0.3).decision_function(problem.X)
    np.testing.assert_allclose(shifted, scores + 0.3 * unseen, rtol=1e-6)
    known = {"classes": clf.classes_, "seen_classes": clf.seen_classes_}
    labels = np.r_[clf.unseen_classes_, problem.y[3:]]  # as if some were of these
    assert 0 <= ausuc_score(labels, scores, **known) <= 1
    if classifier is not None:
        assert not hasattr(classifier, "classes_")


def test_two_classes_have_two_columns():
    rows, table = np.array([[0.0], [1.0], [0.1], [0.9]]), ClassAttributes([[1.0], [2.0]])
    final = FinalClassifier.fit(LinearSVC(), rows, np.array([0, 1, 0, 1]), None, table, 0)
    margin = final.classifier.decision_function(rows)
    expected = np.column_stack([-margin / 2, margin / 2])
    np.testing.assert_allclose(final.scores(rows, table.labels), expected)
    np.testing.assert_allclose(final.scores(rows, table.labels[1:]), expected[:, 1:])
    weights, intercepts = FinalClassifier.fit(
        LogisticRegression(), rows, np.array([0, 1, 0, 1]), None, table, 0
    ).weights(1)
    np.testing.assert_allclose(weights[0], -weights[1])
    assert intercepts.shape == (2,)


@pytest.mark.parametrize(
    ("classifier", "words"),
    [
        (StandardScaler(), "decision_function or predict_proba"),
        (SVC(decision_function_shape="ovo"), "decision_function_shape='ovo', scores of pairs"),
        (make_pipeline(SVC(decision_function_shape="ovo")), "svc__decision_function_shape='ovo'"),
        (LogisticRegression, "must be an instance of a scikit-learn classifier"),
    ],
)
def test_classifiers_without_scores_are_refused(problem, classifier, words, monkeypatch):
    monkeypatch.setattr(FCLSWGANClassifier, "_train", None)  # before hours of it
    with pytest.raises((TypeError, ValueError), match=words):
        fitted(problem, classifier=classifier)


class ScoresOfPairs(SVC):
    def decision_function(self, X):
        return super().decision_function(X)[:, :2]


def test_scores_of_another_number_are_refused(problem):
    with pytest.raises(ValueError, match="a score for each of the 8 classes"):
        fitted(problem, classifier=ScoresOfPairs()).predict(problem.X)


def test_fits_repeat_to_the_bit(problem):
    first, second = fitted(problem), fitted(problem)
    for one, other in zip(first.synthesize(), second.synthesize(), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(
        first.decision_function(problem.X), second.decision_function(problem.X)
    )


def test_rows_are_drawn_class_by_class(problem):
    clf = fitted(problem)
    rows, labels = clf.synthesize(n=3)
    assert labels.tolist() == np.repeat(clf.unseen_classes_, 3).tolist()
    assert rows.shape == (9, problem.X.shape[1])
    assert rows.dtype == np.float32
    other, _ = clf.synthesize(n=3, random_state=1)
    assert not np.array_equal(rows, other)
    for n in (0, 2.5, True, "a"):
        with pytest.raises(ValueError, match="n must be a whole number of at least 1"):
            clf.synthesize(n=n)
    alone = FCLSWGANClassifier(**SMALL)
    seen = problem.table.subset(np.unique(problem.y))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        alone.fit(problem.X, problem.y, class_attributes=seen)
    with pytest.raises(ValueError, match="give class_attributes"):
        alone.synthesize()


def test_generated_rows_are_what_the_classifier_has_seen(problem):
    seen = {}

    class Spy(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            seen["X"], seen["y"] = X.copy(), y.copy()
            return super().fit(X, y, sample_weight)

    clf = fitted(problem, classifier=Spy())
    n = len(problem.y)
    np.testing.assert_allclose(seen["X"][:n], clf.transform(problem.X), atol=1e-6)
    np.testing.assert_array_equal(seen["X"][n:], clf.synthesize()[0])
    expected = np.r_[problem.y, clf.synthesize()[1]]
    assert clf.classes_[seen["y"]].tolist() == expected.tolist()
    least, most = seen["X"][:n].min(axis=0), seen["X"][:n].max(axis=0)
    np.testing.assert_allclose([least, most], [np.zeros_like(least), np.ones_like(most)], atol=1e-6)


@pytest.mark.parametrize("name", list_methods(family="generative"))
def test_presets_are_parameters(name):
    cls = method_info(name).estimator
    assert set(cls._presets) >= {"cub", "sun", "awa2"}
    for preset, params in cls._presets.items():
        found = cls.from_preset(preset)
        found._validate_params()
        assert params.items() <= found.get_params().items()


def test_regions_are_averaged(problem):
    rng = np.random.default_rng(0)
    regions = problem.X[:, None] + rng.normal(size=(len(problem.X), 4, problem.X.shape[1]))
    by_region = fitted(problem, X=regions)
    by_mean = fitted(problem, X=regions.mean(axis=1))
    lazily = fitted(problem, X=CountingRows(regions))
    expected = by_mean.decision_function(regions.mean(axis=1))
    np.testing.assert_allclose(by_region.decision_function(regions), expected, atol=1e-6)
    np.testing.assert_array_equal(
        lazily.decision_function(regions), by_region.decision_function(regions)
    )


def test_other_tables_are_remembered_within_a_bound(problem):
    clf = fitted(problem)
    fits = []
    fit_final = clf._fit_final
    clf._fit_final = lambda *arguments: fits.append(1) or fit_final(*arguments)
    values, labels = problem.table.values, problem.table.labels
    tables = [
        ClassAttributes(
            values * (1 + k / 10), labels=labels, attribute_names=problem.table.attribute_names
        )
        for k in range(1, 7)
    ]
    for table in tables:
        first = clf.decision_function(problem.X, class_attributes=table)
        again = clf.decision_function(problem.X, class_attributes=table)
        np.testing.assert_array_equal(first, again)
    assert len(fits) == len(tables)
    assert len(clf._refits_) == 4
    clf.decision_function(problem.X, class_attributes=problem.table.subset(labels[:3]))
    assert len(fits) == len(tables)  # a part of what is known takes no fit


def test_kept_features_stand_for_their_classes(problem):
    table = problem.table
    more = ClassAttributes(
        np.vstack([table.values, table.values.mean(axis=0)]),
        labels=[*table.labels, "yak"],
        attribute_names=table.attribute_names,
    )
    kept, forgot = fitted(problem, keep_features=True), fitted(problem)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ClassDescriptionWarning)
        right = kept.predict(problem.X, class_attributes=more) == problem.y
    with pytest.warns(ClassDescriptionWarning, match=r"5 seen class\(es\).*keep_features=True"):
        lost = forgot.predict(problem.X, class_attributes=more) == problem.y
    assert right.mean() > lost.mean()
    changed = kept._kept_of(
        ClassAttributes(
            np.where(table.labels[:, None] == "ant", table.values + 1, table.values),
            labels=table.labels,
            attribute_names=table.attribute_names,
        )
    )
    assert set(changed.y.tolist()) == set(problem.y.tolist()) - {"ant"}
    copy = kept.with_class_attributes(table.subset(table.labels[:3]))  # what it has known stays
    assert copy._kept_of(more).y.tolist() == kept._kept_of(more).y.tolist()
    copy = kept.with_class_attributes(more)
    np.testing.assert_array_equal(
        copy.decision_function(problem.X), kept.decision_function(problem.X, class_attributes=more)
    )


def test_a_classifier_of_the_unseen_alone(problem):
    clf = fitted(problem, unseen_classifier="separate")
    rows, labels = clf.synthesize()
    expected = LogisticRegression(max_iter=1000).fit(rows, labels)
    wanted = expected.predict(clf.transform(problem.X))
    found = clf.predict(problem.X, candidates="unseen")
    assert (found == wanted).mean() > 0.95  # targets are numbers there: equal but for rounding
    joint = fitted(problem)
    assert clf.predict(problem.X).tolist() == joint.predict(problem.X).tolist()
    some = problem.table.subset(["ant", "cat", "wasp"])
    found = clf.predict(problem.X, candidates="unseen", class_attributes=some)
    assert set(found.tolist()) <= {"cat", "wasp"}
    fits, fit_final = [], joint._fit_final
    joint._fit_final = lambda *arguments: fits.append(1) or fit_final(*arguments)
    joint.set_params(unseen_classifier="separate")  # after the fit
    for _ in range(3):
        assert (
            joint.predict(problem.X, candidates="unseen").tolist()
            == clf.predict(problem.X, candidates="unseen").tolist()
        )
    assert len(fits) == 1


def test_saved_and_loaded(problem, tmp_path):
    clf = fitted(
        problem,
        classifier=make_pipeline(StandardScaler(), LogisticRegression()),
        keep_features=True,
        unseen_classifier="separate",
    )
    zslearn.save(clf, tmp_path / "model")
    loaded = zslearn.load(tmp_path / "model")
    table = problem.table.subset(["ant", "cat", "bee"])
    new = ClassAttributes(
        table.values[::-1], labels=table.labels, attribute_names=table.attribute_names
    )
    for options in ({}, {"candidates": "unseen"}, {"class_attributes": new}):
        expected = clf.predict(problem.X, **options)
        assert loaded.predict(problem.X, **options).tolist() == expected.tolist()
    np.testing.assert_array_equal(
        loaded.decision_function(problem.X, class_attributes=new),
        clf.decision_function(problem.X, class_attributes=new),
    )
    forest = fitted(problem, classifier=RandomForestClassifier(n_estimators=2))
    with pytest.raises(TypeError, match=r"RandomForestClassifier.*joblib saves anything"):
        zslearn.save(forest, tmp_path / "forest")
    assert not (tmp_path / "forest").exists()


@pytest.mark.parametrize(
    "classifier",
    [LinearSVC(), LinearDiscriminantAnalysis(), LinearDiscriminantAnalysis("lsqr", shrinkage=0.1)],
)
def test_linear_classifiers_are_saved(problem, tmp_path, classifier):
    clf = fitted(problem, classifier=classifier)
    zslearn.save(clf, tmp_path / "model")
    loaded = zslearn.load(tmp_path / "model").decision_function(problem.X)
    np.testing.assert_array_equal(loaded, clf.decision_function(problem.X))


def test_the_released_softmax(problem, tmp_path):
    clf = fitted(problem, classifier="softmax", n_synthetic=60, scaling="standard")
    model, rows = clf.final_classifier_.classifier, clf.transform(problem.X)
    n_rows = len(problem.X) + 3 * 60
    assert model.batch_size == 60
    assert n_rows > 60
    # Labels are numbers there, in the order of the table.
    targets = problem.table.subset(clf.classes_).index_of(problem.y)
    start = np.log(len(clf.classes_))
    scores = model.decision_function(rows)
    shares = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    assert -shares[np.arange(len(targets)), targets].mean() < start  # better than by chance
    zslearn.save(clf, tmp_path / "model")
    np.testing.assert_array_equal(
        zslearn.load(tmp_path / "model").decision_function(problem.X),
        clf.decision_function(problem.X),
    )
    weights = np.where(problem.y == "ant", 9.0, 1.0)
    heavy = FCLSWGANClassifier(**{**SMALL, "classifier": "softmax"})
    heavy.fit(problem.X, problem.y, problem.table, sample_weight=weights)
    plain = fitted(problem, classifier="softmax").uncalibrated_scores(problem.X)
    assert (heavy.uncalibrated_scores(problem.X) - plain)[:, 0].mean() > 0


def test_features_beyond_the_logistic_function_are_refused(problem):
    with pytest.raises(ValueError, match="FVAEGANClassifier needs features between 0 and 1"):
        fitted(problem, FVAEGANClassifier, scaling=None)
    scaled = (problem.X - problem.X.min(axis=0)) / np.ptp(problem.X, axis=0)
    fitted(problem, FVAEGANClassifier, X=scaled, scaling=None)


@pytest.mark.parametrize(
    ("cls", "params"),
    [
        (
            FCLSWGANClassifier,
            {"learning_rate": 1e-2, "critic_iter": 5, "lambda_cls": 0.3, "max_epochs": 120},
        ),
        (FVAEGANClassifier, {"learning_rate": 1e-2, "critic_iter": 1, "max_epochs": 60}),
    ],
)
def test_features_of_unseen_classes_are_learned(cls, params):
    rng = np.random.default_rng(0)
    table = rng.uniform(size=(25, 8))
    centres = np.maximum(table @ rng.normal(size=(8, 24)), 0)
    y, y_new = np.repeat(np.arange(20), 20), np.repeat(np.arange(20, 25), 20)
    X, X_new = (centres[t] + 0.3 * rng.normal(size=(len(t), 24)) for t in (y, y_new))
    clf = cls(hidden_dim=64, n_synthetic=40, random_state=0, **params)
    clf.fit(X, y, class_attributes=table)
    accuracy = (clf.predict(X_new, candidates="unseen") == y_new).mean()
    assert accuracy > 0.6  # 0.2 by chance; 0.87 and 0.96 when this was written


def test_weights_reach_the_classifier(problem):
    weights = np.where(problem.y == "ant", 5.0, 1.0)
    clf = FCLSWGANClassifier(**SMALL)
    clf.fit(problem.X, problem.y, problem.table, sample_weight=weights)
    plain = fitted(problem).uncalibrated_scores(problem.X)
    raised = clf.uncalibrated_scores(problem.X) - plain
    assert raised[:, 0].mean() > 0.1  # "ant" comes first
    with pytest.raises(ValueError, match="takes no sample_weight"):
        clf.set_params(classifier=make_pipeline(LogisticRegression())).fit(
            problem.X, problem.y, problem.table, sample_weight=weights
        )


def test_weights_that_none_heeds_are_refused_before_training(problem, monkeypatch):
    monkeypatch.setattr(FCLSWGANClassifier, "_train", None)
    clf = FCLSWGANClassifier(**SMALL, classifier=make_pipeline(LogisticRegression()))
    with pytest.raises(ValueError, match="takes no sample_weight"):
        clf.fit(
            problem.X, problem.y, problem.table, sample_weight=np.arange(1.0, len(problem.y) + 1)
        )


def test_parameters_are_documented_with_their_defaults():
    doc = FVAEGANClassifier.__doc__
    for name in ("n_synthetic", "hidden_dim", "gamma_adv", "max_epochs"):
        default = repr(FVAEGANClassifier().get_params()[name])
        assert re.search(rf"^    {name} : .*default={re.escape(default)}$", doc, re.MULTILINE)
    assert FVAEGANClassifier.from_preset("sun").gamma_adv == 1.0


def test_the_number_of_rows_by_held_out_classes(problem):
    # At delta 0, of which the number is a part: one row of an unseen class is never chosen.
    search = GridSearchCV(
        FCLSWGANClassifier(**SMALL),
        {"n_synthetic": [1, 60]},
        cv=SeenUnseenKFold(2, random_state=0),
        scoring=gzsl_harmonic_mean_scorer,
    )
    search.fit(problem.X, problem.y, class_attributes=problem.table)
    assert search.best_params_ == {"n_synthetic": 60}
    assert search.best_score_ > search.cv_results_["mean_test_score"][0]
    rows = search.best_estimator_.synthesize()[0]
    assert len(rows) == 60 * len(search.best_estimator_.unseen_classes_)
