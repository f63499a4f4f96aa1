import json
import math
import os
import pickle
import warnings
from functools import partial

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, get_scorer
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from zslearn import ClassAttributes, CVsCClassifier
from zslearn.calibration import TunedCalibrationClassifierCV
from zslearn.metrics import gzsl_harmonic_mean_scorer, gzsl_multimetric_scorer
from zslearn.model_selection import RowView, ScoreLog, SeenUnseenKFold
from zslearn.model_selection._json_lines import append_line

X, Y = np.arange(24.0).reshape(12, 2), np.tile([0, 1], 6)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.jsonl"


@pytest.fixture(scope="module")
def birds():
    """Six of eight classes, with a table."""
    rng = np.random.default_rng(0)
    labels = np.array([f"class {c}" for c in range(8)])
    table = ClassAttributes(rng.integers(0, 2, size=(8, 5)) + np.eye(8, 5), labels=labels)
    y = np.repeat(labels[:6], 6)
    return rng.normal(size=(36, 2, 6)).astype(np.float16), y, table


def small(**params):
    return CVsCClassifier(**{"max_epochs": 1, "random_state": 0} | params)


class Interrupted(ClassifierMixin, BaseEstimator):
    """At the third fit somebody presses Ctrl-C."""

    fits = 0

    def __init__(self, a=1):
        self.a = a

    def fit(self, X, y):
        type(self).fits += 1
        if self.fits == 3:
            raise KeyboardInterrupt
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.zeros(len(X), dtype=int)


def test_an_interrupted_search_leaves_what_was_finished(path):
    Interrupted.fits = 0
    search = GridSearchCV(Interrupted(), {"a": [2, 3]}, cv=2, scoring=ScoreLog("accuracy", path))
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, Y)
    assert not hasattr(search, "cv_results_")
    lines = ScoreLog.read(path)
    assert [line["params"] for line in lines] == [{"a": 2}, {"a": 2}]
    assert [line["scores"] for line in lines] == [{"score": 0.5}] * 2
    assert lines[0]["part"]["n_samples"] == 6


@pytest.mark.parametrize("routing", [False, True])
def test_search_on_class_disjoint_folds(birds, path, routing):
    features, y, table = birds
    log = ScoreLog(gzsl_multimetric_scorer, path)
    options = {"cv": SeenUnseenKFold(2, random_state=0), "refit": "H", "return_train_score": True}
    grid = {"lambda_sci": [0.5, 1.0]}
    with sklearn.config_context(enable_metadata_routing=routing), warnings.catch_warnings():
        warnings.filterwarnings("error", "A score could not be written")
        warnings.filterwarnings("ignore", "One or more of the train scores")
        searches = [
            GridSearchCV(small(), grid, scoring=scoring, **options).fit(
                RowView(features), y, class_attributes=table
            )
            for scoring in (log, gzsl_multimetric_scorer)
        ]
    logged, plain = (search.cv_results_ for search in searches)
    for name in plain:
        if "test_" in name or "train_" in name:
            np.testing.assert_array_equal(logged[name], plain[name])
    lines = ScoreLog.read(path)
    is_train = [line["part"]["unseen_classes"] == [] for line in lines]
    assert is_train == [False, True] * 4
    test = lines[::2]
    assert [line["params"]["lambda_sci"] for line in test] == [0.5, 0.5, 1.0, 1.0]
    assert test[0]["params"] == {
        "max_epochs": 1,
        "random_state": 0,
        "lambda_sci": 0.5,
    }
    for line, (number, split) in zip(
        test, [(n, s) for n in range(2) for s in range(2)], strict=True
    ):
        assert line["scores"]["H"] == logged[f"split{split}_test_H"][number]
    held_out = [set(line["part"]["unseen_classes"]) for line in test]
    assert held_out[0] | held_out[1] == set(y)
    checksums = [line["part"]["checksum"] for line in lines]
    assert checksums[:4] == checksums[4:]
    assert len(set(checksums)) == 4
    # Undefined on training parts, and NaN again when read.
    assert all(math.isnan(line["scores"]["T1"]) for line in lines[1::2])
    assert "NaN" not in path.read_text()


def test_parallel_workers_log_everything(path):
    log = ScoreLog("accuracy", path)
    grid = {"constant": [0, 1], "strategy": ["constant"]}
    search = GridSearchCV(DummyClassifier(), grid, cv=3, scoring=log, n_jobs=2).fit(X, Y)
    lines = ScoreLog.read(path)
    assert len(lines) == 6
    assert sorted(line["params"]["constant"] for line in lines) == [0, 0, 0, 1, 1, 1]
    assert search.best_score_ == 0.5


def _append_many(log, number):
    for _ in range(100):
        append_line(
            log.path, json.dumps({"scores": {"x": number}, "pad": "." * 5000}).encode() + b"\n"
        )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_lines_of_several_processes_do_not_mix(path):
    import multiprocessing

    log, context = ScoreLog("accuracy", path), multiprocessing.get_context("fork")
    workers = [context.Process(target=partial(_append_many, log, n)) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    found = [line["scores"]["x"] for line in ScoreLog.read(path)]
    assert sorted(found) == [0] * 100 + [1] * 100 + [2] * 100


def test_torn_lines_are_left_out(path):
    log, model = ScoreLog("accuracy", path), DummyClassifier().fit(X, Y)
    assert ScoreLog.read(path) == []
    log(model, X, Y)
    whole = path.read_bytes()
    for cut in range(1, len(whole) - 1):
        path.write_bytes(whole + whole[:cut])
        with pytest.warns(UserWarning, match="1 of the 2 lines .* cut off .line 2"):
            assert len(ScoreLog.read(path)) == 1
    # What is logged afterwards starts a line of its own.
    log(model, X, Y)
    with pytest.warns(UserWarning, match="1 of the 3 lines"):
        assert len(ScoreLog.read(path)) == 2


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "[1, 2]\n", '{"a": 1}\n'])
def test_another_file_is_refused(path, text):
    path.write_text(text)
    with pytest.raises(ValueError, match="Line 1 of .* was not written by a ScoreLog"):
        ScoreLog.read(path)


def test_nested_and_unusual_parameters(birds, path):
    features, y, table = birds
    inner = small(
        max_epochs=np.int64(1),
        optimizer_params={"betas": (0.5, 0.9)},
        gradient_clip=np.float32(0.5),
    )
    tuned = TunedCalibrationClassifierCV(inner, cv=2, random_state=0)
    pipe = make_pipeline(FunctionTransformer(np.nan_to_num), tuned)
    key = "tunedcalibrationclassifiercv__"
    pipe.fit(features, y, **{f"{key}class_attributes": table})
    ScoreLog("seen_accuracy", path)(pipe, features, y)
    (line,) = ScoreLog.read(path)
    assert line["estimator"] == "Pipeline"
    assert line["params"] == {
        "steps": [
            ["functiontransformer", "FunctionTransformer"],
            ["tunedcalibrationclassifiercv", "TunedCalibrationClassifierCV"],
        ],
        "functiontransformer__func": repr(np.nan_to_num),
        f"{key}estimator": "CVsCClassifier",
        f"{key}cv": 2,
        f"{key}random_state": 0,
        f"{key}estimator__max_epochs": 1,
        f"{key}estimator__random_state": 0,
        f"{key}estimator__optimizer_params": {"betas": [0.5, 0.9]},
        f"{key}estimator__gradient_clip": 0.5,
    }
    assert line["part"]["unseen_classes"] == []


def test_what_json_does_not_have(path):
    class Odd(DummyClassifier):
        def __init__(self, a=math.nan, b=None, c=None, d=None, e=1):
            super().__init__()
            self.a, self.b, self.c, self.d, self.e = a, b, c, d, e

    odd = Odd(float("nan"), math.inf, {1: np.arange(3)}, {3}, np.array([1])).fit(X, Y)
    ScoreLog("accuracy", path)(odd, X, Y)
    (line,) = ScoreLog.read(path)
    assert line["params"] == {
        "b": "inf",
        "c": {"1": "array([0, 1, 2])"},
        "d": "{3}",
        "e": "array([1])",
    }


@pytest.mark.parametrize("dtype", [object, str])
def test_the_checksum_is_of_the_labels(path, dtype):
    names = np.array(["no", "yes"])[Y]
    log, model = ScoreLog("accuracy", path), DummyClassifier().fit(X, names)
    for labels in (names, names.astype(dtype), list(names), names[::-1]):
        log(model, X, labels)
    checksums = [line["part"]["checksum"] for line in ScoreLog.read(path)]
    assert checksums[0] == checksums[1] == checksums[2] != checksums[3]


def test_not_only_classifiers(path):
    log, model = ScoreLog("r2", path), LinearRegression().fit(X, X)
    assert log(model, X, X) == get_scorer("r2")(model, X, X)

    def unsupervised(estimator, X):
        return 3

    assert ScoreLog(unsupervised, path)(object(), RowView(X)) == 3
    parts = [line["part"] for line in ScoreLog.read(path)]
    assert parts[0]["unseen_classes"] is None
    assert parts[1] == {"n_samples": 12, "unseen_classes": None, "checksum": None}


def test_returns_what_the_scorer_returns(path):
    given = {"a": np.float32(0.1), "b": math.nan}
    assert ScoreLog(lambda estimator, X, y: given, path)(object(), X, Y) is given
    (line,) = ScoreLog.read(path)
    assert line["scores"]["a"] == float(np.float32(0.1))
    assert math.isnan(line["scores"]["b"])


def test_sample_weights_reach_the_scorer(path):
    weights = np.where(Y == 0, 3.0, 1.0)
    options = {"cv": 2, "return_estimator": False}
    model = DummyClassifier(strategy="constant", constant=0)
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = get_scorer("accuracy").set_score_request(sample_weight=True)
        model.set_fit_request(sample_weight=False)
        log = ScoreLog(scorer, path)
        result = cross_validate(
            model, X, Y, scoring=log, params={"sample_weight": weights}, **options
        )
    assert result["test_score"].tolist() == [0.75, 0.75]
    assert log._accept_sample_weight()
    assert ScoreLog(lambda estimator, X, y, sample_weight=None: 1.0, path)._accept_sample_weight()
    assert not ScoreLog(gzsl_harmonic_mean_scorer, path)._accept_sample_weight()


def test_a_score_that_cannot_be_written_is_not_lost(path):
    log, model = ScoreLog("accuracy", path), DummyClassifier().fit(X, Y)
    path.unlink()
    path.mkdir()
    with pytest.warns(UserWarning, match="could not be written .*IsADirectory"):
        assert log(model, X, Y) == 0.5


def test_a_short_write_is_noticed(path, monkeypatch):
    log, model = ScoreLog("accuracy", path), DummyClassifier().fit(X, Y)
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, line: write(file, line[:20]))
    with pytest.warns(UserWarning, match="only 20 of "):
        log(model, X, Y)
    monkeypatch.undo()
    log(model, X, Y)
    with pytest.warns(UserWarning, match="1 of the 2 lines"):
        assert len(ScoreLog.read(path)) == 1


def test_scorer_by_name_repr_and_pickle(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    log = ScoreLog("gzsl_harmonic_mean", path.name)
    assert log.scorer is gzsl_harmonic_mean_scorer
    assert log.path == path
    assert repr(log) == f"ScoreLog(get_gzsl_scorer('gzsl_harmonic_mean'), {str(path)!r})"
    monkeypatch.chdir("/")
    copy = pickle.loads(pickle.dumps(log))
    assert copy.scorer is gzsl_harmonic_mean_scorer
    assert copy.path == path
    assert sklearn.clone(log, safe=False).path == path


def test_arguments_are_checked(path, tmp_path):
    with pytest.raises(ValueError, match="scorer='harmonic' is not a scorer's name"):
        ScoreLog("harmonic", path)
    with pytest.raises(TypeError, match="scorer must be a name or a callable .* found a list"):
        ScoreLog(["accuracy"], path)
    with pytest.raises(ValueError, match="looks like it is a metric function"):
        ScoreLog(accuracy_score, path)
    with pytest.raises(FileNotFoundError, match="no folder .*absent; make it first"):
        ScoreLog("accuracy", tmp_path / "absent" / "log.jsonl")
    with pytest.raises(IsADirectoryError):
        ScoreLog("accuracy", tmp_path)


def test_as_one_of_several_scorers(path):
    log = ScoreLog("accuracy", path)
    scoring = {"logged": log, "plain": "accuracy"}
    result = cross_validate(LogisticRegression(), X, Y, cv=2, scoring=scoring)
    np.testing.assert_array_equal(result["test_logged"], result["test_plain"])
    assert len(ScoreLog.read(path)) == 2
