import copy
import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.validation import check_is_fitted

import zslearn.metrics
from zslearn.metrics import (
    ausuc_score,
    ausuc_scorer,
    czsl_accuracy_score,
    czsl_accuracy_scorer,
    get_gzsl_scorer,
    get_gzsl_scorer_names,
    gzsl_harmonic_mean_scorer,
    gzsl_multimetric_scorer,
    gzsl_scores,
    seen_accuracy_scorer,
    unseen_accuracy_scorer,
)

SINGLE = {
    "T1": czsl_accuracy_scorer,
    "U": unseen_accuracy_scorer,
    "S": seen_accuracy_scorer,
    "H": gzsl_harmonic_mean_scorer,
    "AUSUC": ausuc_scorer,
}
CENTRES = np.random.default_rng(0).normal(size=(6, 4)) * 1.5
NAMES = np.array(["ant", "bat", "cat", "dog", "eel", "fox"])


class Plain(ClassifierMixin, BaseEstimator):
    """Scores by known class centres; says which classes had samples."""

    def __init__(self, names=tuple(NAMES), diverge=False, delta=0.0):
        self.names = names
        self.diverge = diverge
        self.delta = delta

    def fit(self, X, y, class_attributes=None):
        self.class_attributes_ = class_attributes
        self.classes_ = np.sort(np.asarray(self.names))
        self.seen_classes_ = np.unique(y)
        self.n_calls_ = 0
        return self

    def decision_function(self, X):
        check_is_fitted(self)
        self.n_calls_ += 1
        centres = CENTRES[[list(NAMES).index(name) for name in self.classes_]]
        scores = -((X[:, np.newaxis] - centres) ** 2).sum(axis=2)
        if self.diverge:
            scores[0, 0] = np.nan
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores


class Calibrated(Plain):
    """The same with a calibration of its own, on a scale of its own."""

    def calibration_scores(self, scores, *, candidates=None):
        if scores.ndim == 1:
            scores = np.column_stack([-scores / 2, scores / 2])
        columns = np.searchsorted(self.classes_, np.unique(candidates))
        return np.exp(scores[:, columns] / 4)

    def predict_from_uncalibrated(self, scores, *, candidates=None):
        candidates = np.unique(candidates)
        calibrated = self.calibration_scores(scores, candidates=candidates)
        unseen = ~np.isin(candidates, self.seen_classes_)
        return candidates[(calibrated + self.delta * unseen).argmax(axis=1)]


class HoldOut:
    """Two folds, each of which holds out one class and half of the others' samples."""

    def split(self, X, y, groups=None):
        for fold, held_out in enumerate(np.unique(y)[:2]):
            test = (y == held_out) | (np.arange(len(y)) % 2 == fold)
            yield np.flatnonzero(~test), np.flatnonzero(test)

    def get_n_splits(self, X=None, y=None, groups=None):
        return 2


@pytest.fixture(params=[False, True], ids=["routing_off", "routing_on"])
def routing(request):
    with sklearn.config_context(enable_metadata_routing=request.param):
        yield request.param


def samples(classes=range(6), n=20, seed=1):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(list(classes), n))
    return CENTRES[y] + rng.normal(size=(len(y), 4)), NAMES[y]


@pytest.fixture
def fitted():
    X, y = samples([0, 2, 3])
    return Calibrated(delta=0.1).fit(X, y)


def expected_scores(model, X, y, candidates, delta):
    """The metrics from the public functions, on explicit candidates."""
    columns = np.searchsorted(model.classes_, candidates)
    scores = np.exp(model.decision_function(X)[:, columns] / 4)
    seen = model.seen_classes_
    unseen = ~np.isin(candidates, seen)
    predictions = candidates[(scores + delta * unseen).argmax(axis=1)]
    kwargs = {"classes": candidates, "seen_classes": np.intersect1d(seen, candidates)}
    u, s, h = gzsl_scores(y, predictions, seen_classes=seen)
    return {
        "T1": czsl_accuracy_score(y, scores, **kwargs),
        "U": u,
        "S": s,
        "H": h,
        "AUSUC": ausuc_score(y, scores, **kwargs),
    }


def test_scores_equal_the_metrics(fitted):
    X, y = samples()
    expected = expected_scores(fitted, X, y, NAMES, 0.1)
    assert {name: scorer(fitted, X, y) for name, scorer in SINGLE.items()} == expected
    assert gzsl_multimetric_scorer(fitted, X, y) == expected
    assert 0.2 < expected["H"] < 1
    uncalibrated = clone(fitted).set_params(delta=0.0).fit(*samples([0, 2, 3]))
    assert gzsl_harmonic_mean_scorer(uncalibrated, X, y) != expected["H"]


def test_candidates_are_seen_classes_and_those_in_y(fitted):
    # Class 5 is described but neither seen nor in y: it must not interfere. Class 2 is seen.
    X, y = samples([0, 1, 3, 4])
    expected = expected_scores(fitted, X, y, NAMES[[0, 1, 2, 3, 4]], 0.1)
    everything = expected_scores(fitted, X, y, NAMES, 0.1)
    found = gzsl_multimetric_scorer(fitted, X, y)
    assert found == expected
    assert found["T1"] > everything["T1"]
    assert {name: scorer(fitted, X, y) for name, scorer in SINGLE.items()} == expected


def test_one_call_of_the_estimator(fitted):
    X, y = samples()
    gzsl_multimetric_scorer(fitted, X, y)
    assert fitted.n_calls_ == 1


def test_fallback_to_argmax_of_raw_scores():
    X, y = samples()
    plain = Plain().fit(*samples([0, 2, 3]))
    same = Calibrated(delta=0.0).fit(*samples([0, 2, 3]))
    # exp is increasing: without delta nothing but AUSUC depends on the scale.
    found, other = gzsl_multimetric_scorer(plain, X, y), gzsl_multimetric_scorer(same, X, y)
    for name in ("T1", "U", "S", "H"):
        assert found[name] == other[name]
    assert found["AUSUC"] == ausuc_score(
        y, plain.decision_function(X), classes=NAMES, seen_classes=plain.seen_classes_
    )
    assert found["AUSUC"] != other["AUSUC"]


def test_columns_of_unsorted_classes():
    class Unsorted(Plain):
        def fit(self, X, y):
            super().fit(X, y)
            self.classes_ = NAMES[[4, 0, 5, 2, 1, 3]]
            return self

    X, y = samples([0, 1, 3, 4])
    train = samples([0, 2, 3])
    assert gzsl_multimetric_scorer(Unsorted().fit(*train), X, y) == gzsl_multimetric_scorer(
        Plain().fit(*train), X, y
    )


def test_predict_proba_is_enough():
    class Probabilities(BaseEstimator):
        classes_ = NAMES
        seen_classes_ = NAMES[:3]

        def predict_proba(self, X):
            scores = np.exp(Plain().fit(X, NAMES[:3]).decision_function(X))
            return scores / scores.sum(axis=1, keepdims=True)

    X, y = samples()
    scores = Probabilities().predict_proba(X)
    expected = gzsl_scores(y, NAMES[scores.argmax(axis=1)], seen_classes=NAMES[:3])
    found = gzsl_multimetric_scorer(Probabilities(), X, y)
    assert (found["U"], found["S"], found["H"]) == expected


@pytest.mark.parametrize("model", [Plain, Calibrated])
def test_two_classes(model):
    X, y = samples([0, 1])
    two = model(names=("ant", "bat")).fit(X[y == "ant"], y[y == "ant"])
    assert two.decision_function(X).ndim == 1
    predictions = np.where(two.decision_function(X) > 0, "bat", "ant")
    expected = gzsl_scores(y, predictions, seen_classes=["ant"])
    found = gzsl_multimetric_scorer(two, X, y)
    assert (found["U"], found["S"], found["H"]) == expected
    assert found["T1"] == 1.0
    if model is Plain:
        zero = np.zeros(len(X))
        scores = np.column_stack([zero, two.decision_function(X)])
        area = ausuc_score(y, scores, classes=["ant", "bat"], seen_classes=["ant"])
        assert found["AUSUC"] == area


def test_integer_and_object_labels():
    X, y = samples()
    train = samples([0, 2, 3])

    class Integers(Plain):
        def decision_function(self, X):
            return Plain().fit(X, NAMES).decision_function(X)

        def fit(self, X, y):
            self.classes_, self.seen_classes_ = np.arange(6), np.unique(y)
            return self

    integers = Integers().fit(train[0], np.searchsorted(NAMES, train[1]))
    expected = gzsl_multimetric_scorer(Plain().fit(*train), X, y)
    assert gzsl_multimetric_scorer(integers, X, np.searchsorted(NAMES, y)) == expected
    as_objects = Plain().fit(train[0], train[1].astype(object))
    as_objects.classes_ = as_objects.classes_.astype(object)
    assert gzsl_multimetric_scorer(as_objects, X, y.astype(object)) == expected


@pytest.mark.parametrize("nested", [False, True])
def test_pipelines_and_searches_are_seen_through(nested):
    X, y = samples([0, 1, 2, 3])
    X_test, y_test = samples(seed=2)
    doubled = FunctionTransformer(lambda X: 2 * X)
    halved = FunctionTransformer(lambda X: X / 2)
    search = GridSearchCV(
        make_pipeline(halved, Calibrated()) if nested else Calibrated(),
        {("calibrated__delta" if nested else "delta"): [0.1]},
        cv=HoldOut(),
        scoring=gzsl_harmonic_mean_scorer,
    )
    pipeline = make_pipeline(doubled, *([] if nested else [halved]), search)
    pipeline.fit(X, y)
    direct = Calibrated(delta=0.1).fit(X, y)
    expected = gzsl_multimetric_scorer(direct, X_test, y_test)
    assert gzsl_multimetric_scorer(pipeline, X_test, y_test) == expected
    search_first = GridSearchCV(
        make_pipeline(doubled, halved, Calibrated(delta=0.1)),
        {},
        cv=HoldOut(),
        scoring=ausuc_scorer,
    ).fit(X, y)
    assert gzsl_multimetric_scorer(search_first, X_test, y_test) == expected


def test_cross_val_score(routing):
    X, y = samples()
    scores = cross_val_score(
        make_pipeline(StandardScaler(with_mean=False, with_std=False), Plain()),
        X,
        y,
        cv=HoldOut(),
        scoring=gzsl_harmonic_mean_scorer,
        error_score="raise",
    )
    for score, (train, test) in zip(scores, HoldOut().split(X, y), strict=True):
        model = Plain().fit(X[train], y[train])
        assert score == gzsl_harmonic_mean_scorer(model, X[test], y[test])


def test_cross_validate_multimetric(routing):
    X, y = samples()
    kwargs = {"cv": HoldOut(), "error_score": "raise"}
    together = cross_validate(Plain(), X, y, scoring=gzsl_multimetric_scorer, **kwargs)
    apart = cross_validate(Plain(), X, y, scoring=SINGLE, **kwargs)
    for name in SINGLE:
        np.testing.assert_array_equal(together[f"test_{name}"], apart[f"test_{name}"])


@pytest.mark.filterwarnings("ignore:The scoring .* does not support sample_weight")
def test_sample_weight_does_not_reach_the_scorers():
    class Weighted(Plain):
        def fit(self, X, y, sample_weight=None):
            return super().fit(X, y)

    X, y = samples()
    search = GridSearchCV(Weighted(), {}, cv=HoldOut(), scoring=SINGLE, refit="H")
    search.fit(X, y, sample_weight=np.ones(len(y)))
    assert (
        search.best_score_
        == GridSearchCV(Plain(), {}, cv=HoldOut(), scoring=gzsl_harmonic_mean_scorer)
        .fit(X, y)
        .best_score_
    )


@pytest.mark.parametrize(
    ("scoring", "refit"), [(gzsl_multimetric_scorer, "H"), (gzsl_harmonic_mean_scorer, True)]
)
def test_grid_search(routing, scoring, refit):
    X, y = samples(n=40)
    model = Calibrated()
    params = {}
    if routing:
        model.set_fit_request(class_attributes=True)
    params["class_attributes"] = "table"
    search = GridSearchCV(
        model, {"delta": [-1.0, 0.1, 1.0]}, cv=HoldOut(), scoring=scoring, refit=refit
    )
    search.fit(X, y, **params)
    assert search.best_params_ == {"delta": 0.1}
    assert search.best_estimator_.class_attributes_ == "table"
    X_test, y_test = samples(seed=3)
    search.best_estimator_.seen_classes_ = NAMES[:3]
    assert search.score(X_test, y_test) == gzsl_harmonic_mean_scorer(
        search.best_estimator_, X_test, y_test
    )


def test_ordinary_k_fold_has_no_unseen_class():
    X, y = samples()
    cv = KFold(3, shuffle=True, random_state=0)
    for name in ("T1", "U", "H", "AUSUC"):
        with pytest.raises(ValueError, match="class-disjoint splitter"):
            cross_val_score(Plain(), X, y, cv=cv, scoring=SINGLE[name], error_score="raise")
    scores = cross_validate(Plain(), X, y, cv=cv, scoring=gzsl_multimetric_scorer)
    seen = cross_val_score(Plain(), X, y, cv=cv, scoring=seen_accuracy_scorer)
    np.testing.assert_array_equal(scores["test_S"], seen)
    assert np.isfinite(seen).all()
    for name in ("T1", "U", "H", "AUSUC"):
        assert np.isnan(scores[f"test_{name}"]).all()


def test_only_unseen_classes(fitted):
    X, y = samples([1, 4, 5])
    found = gzsl_multimetric_scorer(fitted, X, y)
    for name in ("S", "H", "AUSUC"):
        assert np.isnan(found[name])
        with pytest.raises(ValueError, match="y holds no seen class"):
            SINGLE[name](fitted, X, y)
    for name in ("T1", "U"):
        assert found[name] == SINGLE[name](fitted, X, y)
        assert found[name] > 0


def test_scores_that_are_not_finite():
    X, y = samples()
    model = Plain(diverge=True).fit(*samples([0, 2, 3]))
    for scorer in SINGLE.values():
        with pytest.raises(ValueError, match="1 NaN or infinite values of 720"):
            scorer(model, X, y)
    with pytest.warns(UserWarning, match="training has not diverged"):
        assert all(np.isnan(v) for v in gzsl_multimetric_scorer(model, X, y).values())
    with pytest.warns(UserWarning, match="diverged|non-finite"):
        search = GridSearchCV(
            Plain(),
            {"diverge": [True, False]},
            cv=HoldOut(),
            scoring=gzsl_multimetric_scorer,
            refit="H",
        ).fit(X, y)
    assert search.best_params_ == {"diverge": False}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"classes_": NAMES[:5]}, ValueError, r"y holds \['fox'\], absent from .* classes_"),
        ({"decision_function": lambda X: X}, ValueError, r"scores of shape \(120, 4\)"),
        ({"decision_function": lambda X: X[:, 0]}, ValueError, r"scores of shape \(120,\)"),
        ({"seen_classes_": np.arange(6)}, ValueError, "seen_classes_ holds number labels"),
    ],
)
def test_refused_estimators(change, error, message):
    X, y = samples()
    model = Plain().fit(*samples([0, 2, 3]))
    vars(model).update(change)
    with pytest.raises(error, match=message):
        gzsl_harmonic_mean_scorer(model, X, y)


def test_estimators_without_what_is_needed():
    X, y = samples()
    model = Plain().fit(X, y)
    del model.seen_classes_
    with pytest.raises(TypeError, match="Plain has no seen_classes_"):
        gzsl_harmonic_mean_scorer(model, X, y)
    with pytest.raises(TypeError, match="neither decision_function nor predict_proba"):
        gzsl_harmonic_mean_scorer(StandardScaler(), X, y)


@pytest.mark.parametrize("name", get_gzsl_scorer_names())
def test_scorers_by_name(name):
    scorer = get_gzsl_scorer(name)
    assert scorer is getattr(zslearn.metrics, f"{name}_scorer")
    assert repr(scorer) == f"get_gzsl_scorer({name!r})"
    assert pickle.loads(pickle.dumps(scorer)) is scorer
    assert copy.deepcopy(scorer) is scorer
    search = GridSearchCV(Plain(), {}, scoring=scorer)
    assert clone(search).scoring is scorer
    assert sklearn.metrics.check_scoring(Plain(), scorer) is scorer


def test_unknown_name():
    assert len(get_gzsl_scorer_names()) == 6
    with pytest.raises(ValueError, match="'name' parameter"):
        get_gzsl_scorer("accuracy")
