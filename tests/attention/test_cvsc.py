"""CVsCClassifier as its users meet it: in searches, pipelines and folds, with any kind of input."""

import copy
import io
import pickle
import re
import subprocess
import sys
import textwrap

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sklearn
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from zslearn import ClassAttributes, CVsCClassifier
from zslearn.attention import CVsCObjective
from zslearn.calibration import FixedCalibrationClassifier
from zslearn.metrics import gzsl_multimetric_scorer
from zslearn.nn import functional as zf

NAMES = np.array(sorted(["ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen", "ibex", "jay"]))
SEEN, UNSEEN = NAMES[:8].tolist(), NAMES[8:].tolist()


@pytest.fixture(scope="module")
def problem():
    """Ten classes by five attributes; pictures of eight of them, made from their attributes."""
    rng = np.random.default_rng(0)
    values = np.array(
        [[(c >> k) & 1 for k in range(5)] for c in (1, 2, 4, 8, 16, 6, 24, 19, 3, 20)]
    )
    mixing = rng.normal(size=(5, 16))
    labels = np.repeat(np.arange(10), 12)
    X = values[labels][:, None, :] @ mixing + rng.normal(size=(120, 4, 16)) * 0.3
    table = ClassAttributes(values, labels=NAMES, attribute_names=[f"has_{k}" for k in "abcde"])
    return X.astype(np.float32), NAMES[labels], table, labels < 8


def small(**params):
    options = {"max_epochs": 30, "head": "own", "random_state": 0, "delta": 0.0}
    return CVsCClassifier(**options | params)


@pytest.fixture(scope="module")
def fitted(problem):
    X, y, table, seen = problem
    return small().fit(X[seen], y[seen], class_attributes=table)


# -- the classifier ----------------------------------------------------------------------------


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


# -- kinds of input ----------------------------------------------------------------------------


def test_lists_arrays_and_torch_give_the_same(problem, fitted):
    X, y, table, seen = problem
    expected = fitted.decision_function(X)
    kinds = {
        "list": X.tolist(),
        "float64": X.astype(np.float64),
        "torch": torch.from_numpy(X),
        "fortran": np.asfortranarray(X),
    }
    for name, kind in kinds.items():
        np.testing.assert_allclose(
            fitted.decision_function(kind), expected, rtol=1e-5, atol=1e-6, err_msg=name
        )
    again = small().fit(X[seen].tolist(), y[seen].tolist(), class_attributes=table)
    np.testing.assert_allclose(again.decision_function(X), expected, rtol=1e-3, atol=1e-3)


def test_string_object_and_integer_labels(problem):
    X, y, table, seen = problem
    numbers = np.searchsorted(NAMES, y)
    plain = small().fit(X[seen], numbers[seen], class_attributes=table.values)
    frame = pd.DataFrame(table.values, index=NAMES)
    text = small().fit(X[seen], y[seen], class_attributes=frame)
    objects = small().fit(X[seen], y[seen].astype(object), class_attributes=frame)
    np.testing.assert_array_equal(plain.decision_function(X), text.decision_function(X))
    np.testing.assert_array_equal(text.predict(X), NAMES[plain.predict(X)])
    np.testing.assert_array_equal(text.predict(X), objects.predict(X))
    series = small().fit(X[seen], pd.Series(y[seen]), class_attributes=frame)
    np.testing.assert_array_equal(series.predict(X), text.predict(X))


def test_frames_of_features_keep_their_names(problem):
    X, y, table, seen = problem
    frame = pd.DataFrame(X[:, 0], columns=[f"f{i}" for i in range(16)])
    clf = small().fit(frame[seen], y[seen], class_attributes=table)
    assert clf.feature_names_in_.tolist() == list(frame.columns)
    with pytest.raises(ValueError, match="feature names should match"):
        clf.predict(frame.rename(columns={"f0": "g0"}))


def test_no_table_is_an_ordinary_classifier(problem):
    X, y, _, seen = problem
    clf = small().fit(X[seen], y[seen])
    assert len(clf.unseen_classes_) == 0
    assert clf.score(X[seen], y[seen]) > 0.9


def test_fit_changes_no_parameter(problem):
    X, y, table, seen = problem
    clf = small(device="auto")
    before = clf.get_params()
    clf.fit(X[seen], y[seen], class_attributes=table)
    assert clf.get_params() == before


def test_one_picture_is_not_taken_for_many(fitted, problem):
    X = problem[0]
    with pytest.raises(ValueError, match=r"shape \(4, 16\), one vector a sample.*X\[None\]"):
        fitted.predict(X[0])
    assert fitted.predict(X[:1]).shape == (1,)


def test_delta_is_checked_and_may_be_infinite(fitted, problem):
    X = problem[0]
    clf = copy.copy(fitted)
    seen, unseen = (fitted.predict(X, candidates=side) for side in ("seen", "unseen"))
    np.testing.assert_array_equal(clf.set_params(delta=-np.inf).predict(X), seen)
    np.testing.assert_array_equal(clf.set_params(delta=np.inf).predict(X), unseen)
    with pytest.raises(ValueError, match="delta is NaN"):
        clf.set_params(delta=np.nan).predict(X)


@pytest.mark.parametrize("objective", ["default", "printed", "released"])
def test_objectives_by_name(problem, objective):
    X, y, table, seen = problem
    clf = small(max_epochs=2, objective=objective).fit(X[seen], y[seen], class_attributes=table)
    spelled_out = small(max_epochs=2, objective=CVsCObjective.named(objective))
    spelled_out.fit(X[seen], y[seen], class_attributes=table)
    np.testing.assert_array_equal(clf.decision_function(X), spelled_out.decision_function(X))
    criterion = clf.net_.module_.criterion
    printed = objective == "printed"
    assert criterion.weights["ce"] == (1.0 if printed else 3.0)
    assert criterion.correlation.standardize is not printed
    assert criterion.semantic_intervention.effect_weight == (-1.0 if printed else 0.0)
    assert criterion.calibration.bias == (2.0 if objective == "released" else 0.0)
    assert criterion.correlation.alpha == (1.0 if objective == "released" else 0.5)
    expected = "permute" if objective == "released" else "normal"
    assert clf.net_.module_.network.counterfactual == expected


@pytest.mark.parametrize("name", ["nope", None, ["default"]])
def test_objectives_of_no_name_are_refused(name):
    message = r"name must be one of 'default', 'released', 'printed'; found "
    with pytest.raises(ValueError, match=message + re.escape(repr(name))):
        CVsCObjective.named(name)
    with pytest.raises(ValueError, match="found 'nope'"):
        CVsCClassifier(objective="nope").set_params(objective__alpha=1.0)


def test_fields_of_a_named_objective_are_set_on_a_copy():
    clf = small(objective="released").set_params(objective__alpha=0.3)
    assert clf.objective.get_params() == CVsCObjective.named("released").get_params() | {
        "alpha": 0.3
    }
    assert clone(clf).objective is not clf.objective
    with pytest.raises(ValueError, match="Invalid parameter 'alpah'"):
        clf.set_params(objective__alpah=1.0)


def test_scores_that_are_not_finite_name_no_class(fitted):
    scores = np.zeros((3, 10))
    scores[1, 4] = np.nan
    with pytest.raises(ValueError, match=r"not finite|NaN or infinite for 1 sample.*rows \[1\]"):
        fitted.predict_from_uncalibrated(scores)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda t: "classes.csv", TypeError, r"found the path 'classes.csv'.*from_csv"),
        (lambda t: {"ant": [1, 2]}, TypeError, "found dict"),
        (lambda t: 5, TypeError, "found int"),
        (lambda t: scipy.sparse.csr_array(t.values), TypeError, "sparse matrix: .toarray"),
        (lambda t: t.to_frame().T, ValueError, r"Pass class_attributes.T"),
    ],
)
def test_what_is_no_table(problem, make, error, message):
    X, y, table, seen = problem
    with pytest.raises(error, match=message):
        small().fit(X[seen], y[seen], class_attributes=make(table))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["ant", None, "bee"], r"missing labels, in 1 row\(s\): \[1\]"),
        (pd.Series(["ant", pd.NA, "bee"], dtype="string"), r"missing labels.*\[1\]"),
        ([0.0, np.nan, 1.0], "NaN"),
        ([0.5, 1.5, 2.25], "continuous"),
    ],
)
def test_labels_with_gaps(y, message):
    with pytest.raises(ValueError, match=message):
        small().fit(np.ones((3, 2, 4)), y)


@pytest.mark.parametrize(
    "kind",
    [
        lambda y: pd.Categorical(y),
        lambda y: pd.Series(y, dtype="string"),
        lambda y: np.array(y, dtype=np.dtypes.StringDType()),
        lambda y: np.array(y, dtype=object),
        lambda y: y.tolist(),
    ],
    ids=["categorical", "pandas string", "StringDType", "object", "list"],
)
def test_kinds_of_text_labels(problem, fitted, kind):
    X, y, table, seen = problem
    clf = small().fit(X[seen], kind(y[seen]), class_attributes=table)
    np.testing.assert_array_equal(clf.predict(X), fitted.predict(X))


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int64, np.float64, bool, object])
def test_kinds_of_number_labels(problem, dtype):
    X = problem[0]
    y = np.arange(120) % 2
    plain = small(max_epochs=2).fit(X, y).decision_function(X)
    clf = small(max_epochs=2).fit(X, y.astype(dtype))
    np.testing.assert_array_equal(clf.decision_function(X), plain)
    assert clf.predict(X).astype(int).tolist() == (plain > 0).astype(int).tolist()


class LazyStore:
    """Rows on demand from an array; never given whole."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, rows):
        picked = self.array[rows]
        assert len(picked) <= 50, "a batch at most"
        return picked


def test_lazy_stores_and_bfloat16(problem, fitted, monkeypatch):
    X, y, table, seen = problem
    monkeypatch.setattr("zslearn._data._rows._CHUNK_BYTES", 50 * 4 * 64)
    lazy = small().fit(LazyStore(X[seen]), y[seen], class_attributes=table)
    np.testing.assert_array_equal(lazy.predict(LazyStore(X)), fitted.predict(X))
    low = torch.from_numpy(X).bfloat16()
    rounded = small().fit(low.float().numpy()[seen], y[seen], class_attributes=table)
    half = small().fit(low[seen], y[seen], class_attributes=table)
    np.testing.assert_array_equal(half.predict(low), rounded.predict(low.float().numpy()))
    with pytest.raises(ValueError, match="real numbers, found dtype torch.complex64"):
        fitted.predict(torch.zeros(2, 4, 16, dtype=torch.complex64))


# -- copies ------------------------------------------------------------------------------------


def test_pickled_and_dumped(fitted, problem, tmp_path):
    X = problem[0]
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.decision_function(X), fitted.decision_function(X))
    joblib.dump(fitted, tmp_path / "clf.joblib")
    again = joblib.load(tmp_path / "clf.joblib")
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))
    assert again.class_attributes_ == fitted.class_attributes_


def test_cloned(fitted, problem):
    X, y, table, seen = problem
    copy = clone(fitted)
    assert not hasattr(copy, "net_")
    copy.fit(X[seen], y[seen], class_attributes=table)
    np.testing.assert_array_equal(copy.decision_function(X), fitted.decision_function(X))


def test_state_dict_carries_the_table(fitted, problem):
    state = fitted.net_.module_.state_dict()
    values = fitted.class_attributes_.values
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    np.testing.assert_allclose(state["network.class_attributes"], unit, rtol=1e-6)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    assert torch.load(buffer, weights_only=True).keys() == state.keys()


# -- in scikit-learn ---------------------------------------------------------------------------


def center(X):
    return X - X.mean(axis=(0, 1))


@pytest.fixture(params=[False, True], ids=["legacy", "routing"])
def routing(request):
    with sklearn.config_context(enable_metadata_routing=request.param):
        yield request.param


def test_cross_val_score(problem, routing):
    X, y, table, seen = problem
    scores = cross_val_score(
        small(), X[seen], y[seen], cv=StratifiedKFold(2), params={"class_attributes": table}
    )
    assert scores.min() > 0.5


@pytest.mark.parametrize("kind", ["ClassAttributes", "DataFrame"])
def test_grid_search(problem, routing, kind):
    X, y, table, seen = problem
    described = table if kind == "ClassAttributes" else table.to_frame()
    grid = {"lambda_sci": [0.0, 2.0], "delta": [0.0, 0.5]}
    search = GridSearchCV(small(max_epochs=3), grid, cv=2, error_score="raise")
    search.fit(X[seen], y[seen], class_attributes=described)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_estimator_.unseen_classes_.tolist() == UNSEEN
    assert search.predict(X).shape == (120,)


def disjoint_folds(y, seed=0):
    """Each fold holds out one class whole, and a quarter of the others' samples."""
    rng = np.random.default_rng(seed)
    for held_out in np.unique(y)[:2]:
        unseen = y == held_out
        test = unseen | (rng.random(len(y)) < 0.25)
        yield np.flatnonzero(~test), np.flatnonzero(test)


NESTED = ["objective__lambda_ce", "objective__alpha"]


@pytest.mark.parametrize("name", ["lambda_cal", "lambda_cc", "lambda_tci", *NESTED])
def test_grid_search_over_any_weight_by_gzsl_metrics(problem, name):
    X, y, table, seen = problem
    search = GridSearchCV(
        small(max_epochs=4, delta=0.2),
        {name: [0.1, 1.0]},
        cv=list(disjoint_folds(y[seen])),
        scoring=gzsl_multimetric_scorer,
        refit="H",
        error_score="raise",
    ).fit(X[seen], y[seen], class_attributes=table)
    for metric in ("T1", "U", "S", "H", "AUSUC"):
        assert np.isfinite(search.cv_results_[f"mean_test_{metric}"]).all()


def test_pipeline(problem, routing, fitted):
    X, y, table, seen = problem
    pipe = make_pipeline(FunctionTransformer(center), small())
    key = "class_attributes" if routing else "cvscclassifier__class_attributes"
    pipe.fit(X[seen], y[seen], **{key: table})
    assert pipe.predict(X, candidates="unseen").shape == (120,)
    assert set(pipe.predict(X, candidates="unseen")) <= set(UNSEEN)
    search = GridSearchCV(
        pipe, {"cvscclassifier__lambda_tci": [0.0, 2.0]}, cv=2, error_score="raise"
    ).fit(X[seen], y[seen], **{key: table})
    assert search.best_estimator_[-1].unseen_classes_.tolist() == UNSEEN


def test_vectors_in_a_pipeline(problem):
    X, y, table, seen = problem
    pipe = make_pipeline(StandardScaler(), small())
    pipe.fit(X[seen].mean(1), y[seen], cvscclassifier__class_attributes=table)
    assert pipe.score(X[seen].mean(1), y[seen]) > 0.5


def test_as_many_classes_as_samples(problem):
    """The slicing hazard: folds must not cut a table that is as long as X."""
    X, y, table, _ = problem
    rows = np.arange(0, 120, 12)  # ten samples, ten classes
    for described, refused in [(table, False), (table.to_frame(), True), (table.values, True)]:
        numbers = np.searchsorted(NAMES, y)
        labels = numbers if described is table.values else y
        call = {"cv": KFold(2), "params": {"class_attributes": described}, "error_score": "raise"}
        if refused:
            with pytest.raises(ValueError, match="as many rows as there are samples"):
                cross_val_score(small(max_epochs=1), X[rows], labels[rows], **call)
        else:
            # KFold leaves classes out of training: they are unseen, and the table is whole.
            scores = cross_val_score(small(max_epochs=1), X[rows], labels[rows], **call)
            assert np.isfinite(scores).all()


def test_parallel_folds_equal_serial_ones(problem):
    X, y, table, seen = problem
    call = {"cv": 2, "params": {"class_attributes": table}}
    serial = cross_val_score(small(), X[seen], y[seen], n_jobs=1, **call)
    parallel = cross_val_score(small(), X[seen], y[seen], n_jobs=2, **call)
    np.testing.assert_array_equal(serial, parallel)


# -- bad input ---------------------------------------------------------------------------------


def test_nan_in_one_batch_only(problem):
    X, y, table, seen = problem
    X = X[seen].copy()
    X[37, 2, 5] = np.nan
    clf = small(batch_size=8)
    with pytest.raises(ValueError, match=r"X contains NaN.*rows \[37\]"):
        clf.fit(X, y[seen], class_attributes=table)
    assert not hasattr(clf, "net_")


def test_infinite_features_at_predict(fitted, problem):
    X = problem[0].copy()
    X[101, 0, 0] = np.inf
    with pytest.raises(ValueError, match=r"X contains infinity.*rows \[101\]"):
        fitted.predict(X)


def test_label_missing_from_the_table(problem):
    X, y, table, seen = problem
    with pytest.raises(ValueError, match="not described in class_attributes: 'cat'"):
        small().fit(X[seen], y[seen], class_attributes=table.subset([*SEEN[:2], *SEEN[3:]]))


def test_table_narrower_than_at_fit(fitted, problem):
    X, _, table, _ = problem
    with pytest.raises(ValueError, match="has 3 attributes, at fit it had 5"):
        fitted.predict(X, class_attributes=table.to_frame().iloc[:, :3] + 1)


@pytest.mark.parametrize(
    ("shape", "message"),
    [((5, 4, 15), "X has 15 features"), ((5, 2, 4, 16), "shape"), ((16,), "1D array")],
)
def test_x_of_the_wrong_width_or_rank(fitted, shape, message):
    with pytest.raises(ValueError, match=message):
        fitted.predict(np.ones(shape))
    if len(shape) != 3:
        with pytest.raises(ValueError, match=message):
            small().fit(np.ones(shape), np.zeros(shape[0], dtype=int))


def test_unseen_candidates_when_there_are_none(problem):
    X, y, _, seen = problem
    clf = small(max_epochs=1).fit(X[seen], y[seen])
    with pytest.raises(ValueError, match="every class had samples at fit"):
        clf.predict(X, candidates="unseen")


def test_memmap_is_not_loaded_whole(tmp_path):
    """Fit and predict on a float16 memmap twice as large as the memory allowed."""
    script = f"""
    import resource
    import numpy as np
    from zslearn import CVsCClassifier

    def table(k):
        return np.eye(k) + 0.1

    rng = np.random.default_rng(0)
    warm = rng.normal(size=(64, 4, 256)).astype(np.float16)
    options = dict(max_epochs=1, batch_size=512, random_state=0, precision="bfloat16")
    clf = CVsCClassifier(**options).fit(warm, np.arange(64) % 3, class_attributes=table(4))
    clf.predict(warm)

    n = 2**17  # 256 MiB
    X = np.lib.format.open_memmap({str(tmp_path / "X.npy")!r}, "w+", "f2", (n, 4, 256))
    for start in range(0, n, 2**14):
        X[start : start + 2**14] = warm[:1]
    X.flush()
    del X
    X = np.load({str(tmp_path / "X.npy")!r}, mmap_mode="r")
    with open("/proc/self/status") as file:
        held = next(int(line.split()[1]) for line in file if line.startswith("VmData")) * 1024
    limit = held + 2**27
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    try:
        np.array(X)
    except MemoryError:
        print("the limit holds")
    clf = CVsCClassifier(**options).fit(X, np.arange(n) % 3, class_attributes=table(4))
    print(clf.predict(X, candidates="unseen").shape)
    """
    pytest.importorskip("resource")
    if not sys.platform.startswith("linux"):
        pytest.skip("memory limits are tried on Linux")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split("\n")[:2] == ["the limit holds", "(131072,)"]


# -- real region features ----------------------------------------------------------------------


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
