"""Splits, choices and runs of the protocol, on toy data."""

import json

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from zslearn import ClassAttributes, CVsCClassifier
from zslearn.base import ZeroShotClassifierMixin
from zslearn.calibration import TunedCalibrationClassifierCV
from zslearn.linear_model import ESZSLClassifier, PrototypeRegressionClassifier
from zslearn.metrics import (
    ausuc_score,
    best_calibration,
    class_semantic_error,
    czsl_accuracy_score,
    gzsl_scores,
)
from zslearn.model_selection import GZSLProtocol, GZSLSplit, ProtocolResults, SeenUnseenKFold

N_CLASSES, PER_CLASS = 15, 12


def scores_alone(run):
    """What a run found, without what differs from one time to the next."""
    return {key: run[key] for key in ("data", "split", "seed", "method", "scores", "accuracies")}


@pytest.fixture(scope="module")
def toy():
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.random((N_CLASSES, 6)), labels=[f"c{c:02}" for c in range(15)])
    codes = np.repeat(np.arange(N_CLASSES), PER_CLASS)
    X = table.values[codes] @ rng.normal(size=(6, 10)) + rng.normal(scale=0.4, size=(180, 10))
    return X, table.labels[codes], table


@pytest.fixture(scope="module")
def published(toy):
    """Classes 12 to 14 unseen; every fourth sample of the others for the test."""
    codes = np.repeat(np.arange(N_CLASSES), PER_CLASS)
    held_out = np.arange(180) % 4 == 0
    return GZSLSplit(
        np.flatnonzero((codes < 12) & ~held_out),
        np.flatnonzero((codes < 12) & held_out),
        np.flatnonzero(codes >= 12),
    )


class Recorder(ZeroShotClassifierMixin, BaseEstimator):
    """Remembers which labels and descriptions it was fitted with and which rows it scored."""

    log = []

    def __init__(self, delta=0.0):
        self.delta = delta

    def fit(self, X, y, class_attributes=None):
        with self._fitting_anew():
            X, y, classes = self._check_fit(X, y, class_attributes)
            rows = np.asarray(X)[:, 0].astype(int)
            self.log.append(("fit", set(y.tolist()), set(classes.labels.tolist()), set(rows)))
            self._set_classes(classes)
        return self

    def _class_scores(self, X, table):
        X = np.asarray(self._check_X(X, reset=False))
        self.log.append(("score", None, None, set(X[:, 0].astype(int))))
        return np.random.default_rng(0).random((len(X), table.n_classes))


@pytest.mark.parametrize("classes", ["seen", "all"])
def test_splits_are_disjoint(toy, published, classes):
    _, y, _ = toy
    protocol = GZSLProtocol(classes=classes, n_splits=6, n_unseen=0.25, random_state=3)
    splits = protocol.splits(y, published)
    assert len(splits) == 6
    taking_part = published.train if classes == "seen" else np.arange(180)
    for train, test_seen, test_unseen in splits:
        together = np.concatenate([train, test_seen, test_unseen])
        assert sorted(together) == sorted(taking_part)
        assert not set(y[train]) & set(y[test_unseen])
        assert set(y[test_seen]) == set(y[train])
        assert len(set(y[test_unseen])) == (3 if classes == "seen" else 4)
    assert len({tuple(np.unique(y[split.test_unseen])) for split in splits}) > 1


def test_more_splits_begin_with_those_of_fewer(toy):
    _, y, _ = toy
    few, many = (GZSLProtocol(n_splits=n).splits(y) for n in (2, 5))
    for one, other in zip(few, many, strict=False):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_published_split_alone(toy, published):
    _, y, _ = toy
    protocol = GZSLProtocol(classes="proposed", n_splits=5)
    (split,) = protocol.splits(y, published)
    assert all(np.array_equal(a, b) for a, b in zip(split, published, strict=True))
    with pytest.raises(ValueError, match="'proposed' needs split"):
        protocol.splits(y)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: (s.train, s.train, s.test_unseen), "do not overlap"),
        (lambda s: (s.train, s.test_seen, [180]), "rows from 0 to 179"),
        (lambda s: (s.train, s.test_seen, []), "each of its three parts"),
        (
            lambda s: (s.train[1:], s.test_seen, s.train[:1]),
            "'c00'\\], a class that it tests",
        ),
        (lambda s: (s.train, s.test_unseen, s.test_seen), "'c00'\\], a class that it tests"),
        (lambda s: (s.train[9:], s.test_seen, s.test_unseen), "tests \\['c00'\\] as seen"),
    ],
)
def test_wrong_splits_are_refused(toy, published, change, message):
    with pytest.raises(ValueError, match=message):
        GZSLProtocol().splits(toy[1], change(published))


def test_nothing_of_the_test_part_reaches_the_choice(toy, published):
    """Labels, descriptions and rows of everything before the final fit are of the train part."""
    X, y, table = toy
    numbered = np.column_stack([np.arange(180), X])
    protocol = GZSLProtocol(n_splits=2, n_unseen=0.25)
    Recorder.log = []
    results = protocol.run({"spy": Recorder()}, numbered, y, table, split=published)
    assert not results.failures
    calls_a_split = len(Recorder.log) // 2
    for number, split in enumerate(protocol.splits(y, published)):
        calls = Recorder.log[number * calls_a_split : (number + 1) * calls_a_split]
        fits = [call for call in calls if call[0] == "fit"]
        assert len(fits) == 4  # three folds, and the final one
        last = max(i for i, call in enumerate(calls) if call[0] == "fit")
        seen = set(y[split.train])
        for _, labels, described, rows in calls[:last]:
            assert rows <= set(split.train)
            assert (labels or seen) <= seen
            assert (described or seen) <= seen
        held_out = [described - labels for _, labels, described, _ in fits[:-1]]
        assert all(held_out)
        assert set.union(*held_out) == seen  # each seen class was unseen once
        _, labels, described, rows = calls[last]
        assert rows == set(split.train)
        assert labels == seen
        assert described == seen | set(y[split.test_unseen])
        assert set.union(*(call[3] for call in Recorder.log)) <= set(published.train)


def test_metrics_are_those_of_the_metrics_module(toy):
    X, y, table = toy
    protocol = GZSLProtocol(n_splits=2, n_folds=4)
    clf = PrototypeRegressionClassifier(alpha=0.01)
    results = protocol.run({"mine": clf}, X, y, table)
    for run, split in zip(results.runs, protocol.splits(y), strict=True):
        test = np.sort(np.concatenate(split[1:]))
        folds = SeenUnseenKFold(4, random_state=0)
        tuned = TunedCalibrationClassifierCV(clf, cv=folds)
        tuned.fit(X[split.train], y[split.train], class_attributes=table)
        assert run["chosen"]["delta"] == pytest.approx(tuned.best_delta_, rel=1e-9)
        assert run["chosen"]["validation"]["H"] == pytest.approx(tuned.best_score_, rel=1e-12)
        inner = tuned.estimator_
        scores = inner.uncalibrated_scores(X[test])
        known = {"classes": inner.classes_, "seen_classes": inner.seen_classes_}
        accuracy = gzsl_scores(y[test], tuned.predict(X[test]), seen_classes=inner.seen_classes_)
        plain = inner.classes_[scores.argmax(axis=1)]
        plain = gzsl_scores(y[test], plain, seen_classes=inner.seen_classes_)
        assert run["scores"] == pytest.approx(
            {
                "T1": czsl_accuracy_score(y[test], scores, **known),
                "U": accuracy.unseen,
                "S": accuracy.seen,
                "H": accuracy.harmonic_mean,
                "H_delta_0": plain.harmonic_mean,
                "H_hindsight": best_calibration(y[test], scores, **known).score,
                "AUSUC": ausuc_score(y[test], scores, **known),
            },
            rel=1e-12,
        )
        assert run["scores"]["H"] <= run["scores"]["H_hindsight"]
        assert run["samples"] == [len(part) for part in split]
        by_class = run["accuracies"]
        unseen = np.array(by_class["unseen"])
        assert np.mean(by_class["T1"]) == pytest.approx(run["scores"]["T1"])
        assert np.mean(np.array(by_class["accuracy"])[~unseen]) == pytest.approx(accuracy.seen)


def test_semantic_errors_of_methods_that_predict_attributes(toy):
    X, y, table = toy
    clf = CVsCClassifier(max_epochs=2, device="cpu")
    protocol = GZSLProtocol(n_splits=1, n_seeds=2, n_folds=2)
    results = protocol.run({"deep": clf}, X, y, table)
    assert [run["seed"] for run in results.runs] == [0, 1]
    split = protocol.splits(y)[0]
    test = np.sort(np.concatenate(split[1:]))
    clf.set_params(random_state=1).fit(X[split.train], y[split.train], class_attributes=table)
    expected = class_semantic_error(y[test], clf.predict_attributes(X[test]), table).mean
    assert results.runs[1]["scores"]["semantic_error"] == pytest.approx(expected, rel=1e-6)
    assert results.runs[0]["scores"] != results.runs[1]["scores"]


def test_settings_are_chosen_by_the_criterion(toy):
    """The choice is the argmax of what the same folds give."""
    X, y, table = toy
    gammas = [1e-6, 1.0, 1e6]
    protocol = GZSLProtocol(n_splits=1, n_folds=3)
    settings = {"eszsl": [{"gamma": gamma} for gamma in gammas]}
    results = protocol.run(["eszsl"], X, y, table, settings=settings)
    (split,) = protocol.splits(y)
    X_train, y_train = X[split.train], y[split.train]
    areas = []
    for gamma in gammas:
        found = []
        for train, test in SeenUnseenKFold(3, random_state=0).split(X_train, y_train):
            clf = ESZSLClassifier(gamma=gamma).fit(
                X_train[train], y_train[train], class_attributes=table.subset(np.unique(y_train))
            )
            known = {"classes": clf.classes_, "seen_classes": clf.seen_classes_}
            scores = clf.uncalibrated_scores(X_train[test])
            found.append(ausuc_score(y_train[test], scores, **known))
        areas.append(np.mean(found))
    chosen = results.runs[0]["chosen"]
    assert chosen["setting"] == {"gamma": gammas[int(np.argmax(areas))]}
    assert chosen["validation"]["AUSUC"] == pytest.approx(max(areas), rel=1e-9)
    assert chosen["settings"] == 3


def test_epochs_are_chosen_with_one_training_a_fold(toy, tmp_path):
    X, y, table = toy
    path = tmp_path / "runs.jsonl"
    protocol = GZSLProtocol(n_splits=1, n_seeds=1, n_folds=2, epochs=(1, 6), path=path)
    deep = CVsCClassifier(device="cpu")
    results = protocol.run({"deep": deep, "flat": ESZSLClassifier()}, X, y, table)
    chosen = {run["method"]: run["chosen"]["epochs"] for run in results.runs}
    assert chosen["flat"] is None
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    choice = next(line for line in lines if line["kind"] == "choice")
    areas = {entry["epochs"]: entry["AUSUC"] for entry in choice["candidates"]}
    assert set(areas) == {1, 6}
    assert chosen["deep"] == max(areas, key=areas.get)
    own = GZSLProtocol(n_splits=1, n_seeds=1, n_folds=2, epochs=(1, 6)).run(
        {"deep": deep}, X, y, table, settings={"deep": [{"max_epochs": 3}]}
    )
    assert own.runs[0]["chosen"]["epochs"] is None
    assert own.runs[0]["chosen"]["setting"] == {"max_epochs": 3}


def test_regions_are_averaged_for_methods_on_vectors(toy):
    X, y, table = toy
    regions = np.stack([X + 1, X - 1], axis=1)
    one = GZSLProtocol(n_splits=1).run(["eszsl"], regions, y, table).runs[0]
    other = GZSLProtocol(n_splits=1).run(["eszsl"], X, y, table).runs[0]
    assert one["scores"] == pytest.approx(other["scores"], rel=1e-9)


def test_pipelines(toy):
    X, y, table = toy
    pipeline = make_pipeline(StandardScaler(), ESZSLClassifier())
    results = GZSLProtocol(n_splits=1).run(
        {"scaled": pipeline},
        X,
        y,
        table,
        settings={"scaled": {"eszslclassifier__gamma": [1.0, 10.0]}},
    )
    assert not results.failures
    assert results.runs[0]["scores"]["T1"] > 1 / 3


class TestResuming:
    def run(self, toy, path, **options):
        X, y, table = toy
        protocol = GZSLProtocol(n_splits=2, path=path)
        settings = {"eszsl": {"gamma": [0.1, 1.0]}}
        return protocol.run(["eszsl", "sae"], X, y, table, settings=settings, **options)

    def test_after_a_line_that_was_cut_off(self, toy, tmp_path):
        path = tmp_path / "runs.jsonl"
        whole = self.run(toy, path)
        lines = path.read_bytes().splitlines(keepends=True)
        assert len(lines) == 8  # a choice and a run for each method and split
        path.write_bytes(b"".join(lines[:5]) + lines[5][:40])
        with pytest.warns(UserWarning, match="cut off"):
            again = self.run(toy, path)
        assert list(map(scores_alone, again.runs)) == list(map(scores_alone, whole.runs))
        with pytest.warns(UserWarning, match="cut off"):
            stored = ProtocolResults.read(path)
        assert list(map(scores_alone, stored.runs)) == list(map(scores_alone, whole.runs))
        without_seconds = [line.rsplit("|", 4)[0] for line in whole.to_markdown().splitlines()]
        found = [line.rsplit("|", 4)[0] for line in stored.to_markdown().splitlines()]
        assert found == without_seconds

    def test_nothing_is_done_twice(self, toy, tmp_path, monkeypatch):
        path = tmp_path / "runs.jsonl"
        whole = self.run(toy, path)
        before = path.read_bytes()
        monkeypatch.setattr(ESZSLClassifier, "fit", None)  # would fail
        assert self.run(toy, path).runs == whole.runs
        assert path.read_bytes() == before

    def test_unless_it_is_asked_for(self, toy, tmp_path):
        path = tmp_path / "runs.jsonl"
        self.run(toy, path)
        self.run(toy, path, refresh=["sae"])
        assert len(path.read_bytes().splitlines()) == 12
        with pytest.raises(ValueError, match="refresh names 'prototypes'"):
            self.run(toy, path, refresh=["prototypes"])

    @pytest.mark.parametrize(
        "change",
        [
            {"name": "other"},
            {"criterion": "H"},
            {"settings": {"eszsl": {"gamma": [0.1, 2.0]}}},
            {"methods": {"eszsl": ESZSLClassifier(lam=2.0)}},
            {"X": 2.0},
        ],
        ids=str,
    )
    def test_what_changes_a_result_is_another_run(self, toy, tmp_path, change):
        path = tmp_path / "runs.jsonl"

        def run(methods=("eszsl",), X=1.0, criterion="AUSUC", **options):
            protocol = GZSLProtocol(n_splits=1, path=path, criterion=criterion)
            return protocol.run(methods, X * toy[0], *toy[1:], **options)

        run()
        run()
        assert len(path.read_bytes().splitlines()) == 2
        run(**change)
        assert len(path.read_bytes().splitlines()) == 4

    def test_another_version(self, toy, tmp_path, monkeypatch):
        path = tmp_path / "runs.jsonl"
        self.run(toy, path)
        monkeypatch.setattr("zslearn.model_selection._protocol_tasks.__version__", "99")
        self.run(toy, path)
        assert len(path.read_bytes().splitlines()) == 16

    def test_another_file_is_refused(self, toy, tmp_path):
        path = tmp_path / "runs.jsonl"
        path.write_text('{"scores": 1}\n')
        with pytest.raises(ValueError, match="not written by a GZSLProtocol"):
            self.run(toy, path)


class Failing(ESZSLClassifier):
    broken = True

    def fit(self, X, y, class_attributes=None):
        if self.broken:
            raise ValueError("no solution")
        return super().fit(X, y, class_attributes)


def test_a_failing_method_is_recorded_and_the_rest_goes_on(toy, tmp_path, monkeypatch):
    X, y, table = toy
    path = tmp_path / "runs.jsonl"

    def run():
        protocol = GZSLProtocol(n_splits=2, path=path)
        return protocol.run({"bad": Failing(), "eszsl": None}, X, y, table)

    results = run()
    assert results.methods == ["eszsl"]
    assert len(results.runs) == len(results.failures) == 2
    error = results.failures[0]["error"]
    assert error.startswith("ValueError: no solution")
    assert "fold 0, setting {}" in error
    assert "no solution" in results.to_markdown()
    assert [failure["method"] for failure in ProtocolResults.read(path).failures] == ["bad"] * 2
    monkeypatch.setattr(Failing, "broken", False)
    results = run()  # tried again
    assert not results.failures
    assert not ProtocolResults.read(path).failures
    by_method = [[r["scores"] for r in results.runs if r["method"] == m] for m in ("bad", "eszsl")]
    assert by_method[0] == by_method[1]


def test_scores_that_are_not_finite_are_a_failure(toy):
    X, y, table = toy

    class Endless(Recorder):
        def _class_scores(self, X, table):
            return np.full((len(X), table.n_classes), np.nan)

    results = GZSLProtocol(n_splits=1).run({"nan": Endless()}, X, y, table)
    assert "NaN or infinite" in results.failures[0]["error"]


def test_an_interrupt_is_no_failure(toy, tmp_path):
    X, y, table = toy
    path = tmp_path / "runs.jsonl"

    class Interrupted(Recorder):
        def fit(self, X, y, class_attributes=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        GZSLProtocol(n_splits=1, path=path).run({"stop": Interrupted()}, X, y, table)
    assert not path.exists()


@pytest.mark.parametrize(
    ("methods", "options", "error", "message"),
    [
        ([], {}, ValueError, "methods is empty"),
        (["esszl"], {}, ValueError, "did you mean 'eszsl'"),
        ([ESZSLClassifier()], {}, TypeError, "dict of names to estimators"),
        ({"mine": ESZSLClassifier}, {}, TypeError, "must be an unfitted estimator"),
        (["eszsl"], {"settings": {"sae": {}}}, ValueError, "'sae', which is not among"),
        (["eszsl"], {"settings": {"eszsl": []}}, ValueError, "is empty"),
        (["eszsl"], {"settings": {"eszsl": 3}}, TypeError, "list of dicts"),
        (["eszsl"], {"settings": {"eszsl": {"gama": [1]}}}, ValueError, "names 'gama'"),
        (["eszsl"], {"settings": {"eszsl": {"gamma": [1, 2, 3]}}}, ValueError, "budget of 2"),
    ],
)
def test_wrong_methods_and_settings(toy, methods, options, error, message):
    X, y, table = toy
    with pytest.raises(error, match=message):
        GZSLProtocol(n_splits=1, budget=2).run(methods, X, y, table, **options)


def test_wrong_parameters(tmp_path):
    with pytest.raises(ValueError, match="n_splits"):
        GZSLProtocol(n_splits=0)
    with pytest.raises(ValueError, match="epochs must be whole numbers"):
        GZSLProtocol(epochs=[0, 3])
    with pytest.raises(FileNotFoundError, match="make it first"):
        GZSLProtocol(path=tmp_path / "nowhere" / "runs.jsonl")


def test_it_speaks_if_asked(toy, capsys):
    X, y, table = toy
    GZSLProtocol(n_splits=1, verbose=1).run(["eszsl"], X, y, table, name="toy")
    assert "toy, split 0, seed 0: eszsl: T1 " in capsys.readouterr().err
