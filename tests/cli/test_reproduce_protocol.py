"""What the protocols of `zslearn reproduce` choose and report, against the library by hand."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from zslearn import ClassAttributes, CVsCClassifier
from zslearn._cli._classifier import make_classifier
from zslearn._cli._published import PAPER_PARAMETERS
from zslearn._cli._reproduce_protocol import Settings, trained_to
from zslearn.attention import CVsCObjective
from zslearn.metrics import (
    ausuc_score,
    czsl_accuracy_score,
    gzsl_scores,
    per_class_accuracy_score,
    semantic_error_increase,
)
from zslearn.model_selection import SeenUnseenKFold

EPOCHS = (3, 6)


@pytest.fixture
def reproduce(zslearn, problem):
    def run(*options, work="work"):
        folder = problem.folder
        path = folder / "out.json"
        done = zslearn(
            *("reproduce", "cub", "--features", folder / "X.npy", "--device", "cpu"),
            *("--labels", folder / "labels.txt", "--attributes", folder / "classes.csv"),
            *("--split", folder / "split.npz", "--work", folder / work, "--json", path),
            *("--tables", "2", "--seeds", 2, "--epochs", "3,6", *options),
            *(() if "--paper-protocol" in options else ("--folds", 2)),
        )
        assert done.code == 0, done.err
        return SimpleNamespace(out=done.out, **json.loads(path.read_text()))

    return run


@pytest.fixture
def table(problem):
    return ClassAttributes.from_csv(problem.folder / "classes.csv")


def own(**params):
    """As the paper has it: its own head, at a constant rate."""
    return CVsCClassifier(head="own", learning_rate_schedule="constant", **params)


def test_choice_by_hand(reproduce, problem, table):
    """Largest mean area over folds, then the largest mean H over delta, in each model's unit."""
    choice = reproduce().chosen["cvsc"]
    rows = problem.split["trainval"]
    X, y = problem.X[rows], problem.y[rows]
    seen_table = table.subset(np.unique(y))
    looks = {epochs: [] for epochs in EPOCHS}
    for fold, (train, test) in enumerate(SeenUnseenKFold(2, random_state=0).split(y, y)):
        for epochs in EPOCHS:
            clf = own(max_epochs=epochs, device="cpu", random_state=fold)
            clf.fit(X[train], y[train], class_attributes=seen_table)
            unit = np.sqrt(clf.uncalibrated_scores(X[train]).var(axis=1, dtype=np.float64).mean())
            looks[epochs].append((clf, clf.uncalibrated_scores(X[test]), y[test], unit))

    def area(epochs):
        known = [{"classes": clf.classes_, "seen_classes": seen(clf)} for clf, *_ in looks[epochs]]
        return np.mean(
            [
                ausuc_score(truth, scores, **options)
                for (_, scores, truth, _), options in zip(looks[epochs], known, strict=True)
            ]
        )

    assert choice["epochs"] == max(EPOCHS, key=area)
    assert choice["validation_ausuc"] == pytest.approx(area(choice["epochs"]), rel=1e-12)

    def mean_h(delta):
        values = []
        for clf, scores, truth, unit in looks[choice["epochs"]]:
            predicted = clf.set_params(delta=delta * unit).predict_from_uncalibrated(scores)
            values.append(gzsl_scores(truth, predicted, seen_classes=seen(clf)).harmonic_mean)
        return np.mean(values)

    best = mean_h(choice["delta_in_units"])
    assert best == pytest.approx(choice["validation_h"], rel=1e-12)
    assert all(mean_h(delta) <= best + 1e-12 for delta in np.linspace(-3, 3, 31))


def seen(clf):
    return clf.seen_classes_


def test_runs_by_hand(reproduce, problem, table):
    """Each is a fit of its own to trainval, with what was chosen, judged on the test rows."""
    results = reproduce()
    choice = results.chosen["cvsc"]
    fit_rows = problem.split["trainval"]
    test = np.concatenate([problem.split["test_seen"], problem.split["test_unseen"]])
    for seed, run in enumerate(results.runs["cvsc"]):
        clf = own(max_epochs=choice["epochs"], device="cpu", random_state=seed)
        clf.fit(problem.X[fit_rows], problem.y[fit_rows], class_attributes=table)
        on_train = clf.uncalibrated_scores(problem.X[fit_rows])
        unit = np.sqrt(on_train.var(axis=1, dtype=np.float64).mean())
        clf.set_params(delta=run["delta"])
        assert run["delta"] == pytest.approx(choice["delta_in_units"] * unit, rel=1e-5)
        check_scores(run, clf, problem, test)


def check_scores(run, clf, problem, test):
    X, y = problem.X[test], problem.y[test]
    scores = clf.uncalibrated_scores(X)
    known = {"classes": clf.classes_, "seen_classes": clf.seen_classes_}
    gzsl = gzsl_scores(y, clf.predict(X), seen_classes=clf.seen_classes_)
    error = semantic_error_increase(
        y, clf.predict_attributes(X), clf.class_attributes_, seen_classes=clf.seen_classes_
    )
    expected = {
        "T1": czsl_accuracy_score(y, scores, **known),
        "U": gzsl.unseen,
        "S": gzsl.seen,
        "H": gzsl.harmonic_mean,
        "AUSUC": ausuc_score(y, scores, **known),
        "seen_error": error.seen_error,
        "unseen_error": error.unseen_error,
        "relative_increase": error.relative_increase,
    }
    for name, value in expected.items():
        assert run[name] == pytest.approx(value, rel=1e-12), name


def test_nothing_is_chosen_on_test_rows(reproduce, problem):
    """With features of test rows and attributes of unseen classes destroyed, as before."""
    before = reproduce().chosen
    X = problem.X.copy()
    test = np.concatenate([problem.split["test_seen"], problem.split["test_unseen"]])
    X[test] = np.random.default_rng(0).normal(size=X[test].shape)
    np.save(problem.folder / "X.npy", X)
    lines = (problem.folder / "classes.csv").read_text().splitlines()
    lines[8:] = [f"{line.split(',')[0]},9,-7,{k},8,0,0" for k, line in enumerate(lines[8:])]
    (problem.folder / "classes.csv").write_text("\n".join(lines) + "\n")
    after = reproduce()
    assert after.chosen["cvsc"] | {"seconds": 0} == before["cvsc"] | {"seconds": 0}
    assert after.runs["cvsc"][0]["T1"] < 0.8


def test_a_row_lacks_its_terms(reproduce, monkeypatch):
    """Also where a weight that it lacks is searched for or set."""
    fit, fitted = CVsCClassifier.fit, []

    def watch(self, *args, **kwargs):
        fitted.append((self.lambda_cc, self.lambda_sci, self.lambda_tci, self.objective.alpha))
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(CVsCClassifier, "fit", watch)
    results = reproduce(
        *("--tables", "3", "--seeds", 1, "--epochs", 1),
        *(
            "--search",
            "lambda_cc=0.1,0.5",
            "--set",
            "lambda_tci=1.5",
            "--set",
            "objective__alpha=0.9",
        ),
    )
    expected = {
        "baseline": {(0.0, 0.0, 0.0, 0.9)},
        "without_ccl": {(0.0, 2.0, 1.5, 0.9)},
        "without_sci": {(0.1, 0.0, 1.5, 0.9), (0.5, 0.0, 1.5, 0.9)},
        "without_tci": {(0.1, 2.0, 0.0, 0.9), (0.5, 2.0, 0.0, 0.9)},
        "cvsc": {(0.1, 2.0, 1.5, 0.9), (0.5, 2.0, 1.5, 0.9)},
    }
    assert set(fitted) == set.union(*expected.values())
    for row, settings in expected.items():
        searched = [{"lambda_cc": cc} for cc, *_ in settings] if len(settings) > 1 else [{}]
        assert results.chosen[row]["parameters"] in searched
    assert len(fitted) == (1 + 1 + 2 + 2 + 2) * 2 + 5


def test_paper_protocol_by_hand(reproduce, problem, table):
    """The best epoch on the test rows, for T1 and for H; and the report says so in every line."""
    results = reproduce("--paper-protocol")
    assert results.paper_protocol
    assert results.chosen == {}
    rows = problem.split["trainval"]
    test = np.concatenate([problem.split["test_seen"], problem.split["test_unseen"]])
    for seed, run in enumerate(results.runs["cvsc"]):
        t1, h, u = [], [], []
        for epochs in EPOCHS:
            clf = make_classifier(
                {**PAPER_PARAMETERS, "max_epochs": epochs, "delta": 2.0, "device": "cpu"}
            ).set_params(random_state=seed, head="own", learning_rate_schedule="constant")
            clf.fit(problem.X[rows], problem.y[rows], class_attributes=table)
            X, y = problem.X[test], problem.y[test]
            gzsl = gzsl_scores(y, clf.predict(X), seen_classes=clf.seen_classes_)
            unseen = np.isin(y, clf.unseen_classes_)
            among = clf.predict(X[unseen], candidates="unseen")
            t1.append(per_class_accuracy_score(y[unseen], among))
            h.append(gzsl.harmonic_mean)
            u.append(gzsl.unseen)
        assert run["T1"] == pytest.approx(max(t1))
        assert run["H"] == pytest.approx(max(h))
        assert run["U"] == pytest.approx(u[int(np.argmax(h))])
        assert run["epochs"] == EPOCHS[int(np.argmax(h))]
        assert run["epochs_t1"] == EPOCHS[int(np.argmax(t1))]
        assert run["delta"] == 2.0
    label = "selected on test images (paper protocol)"
    assert results.selection == label
    assert results.tables["2"]["cvsc"]["selection"] == label
    assert {run["selection"] for run in results.runs["cvsc"]} == {label}
    kept = Path(results.results_kept_in, "cvsc-seed0.json").read_text()
    assert json.loads(kept)["selection"] == label
    assert "PAPER PROTOCOL: NOT an honest evaluation" in results.out
    body = results.out.split("Table 2")[1].split("\n\n")[0].splitlines()
    assert len(body) == 4
    assert [line.endswith(label) for line in body] == [True, True, True, False]
    assert body[3].startswith("  published")
    assert results.out.splitlines()[-1].endswith(label)
    assert label not in reproduce().out


def test_paper_protocol_differs_from_the_honest_settings():
    """Where the paper is silent, as released; honest settings are the defaults."""
    params = CVsCClassifier(objective=CVsCObjective()).get_params()
    params["optimizer_params"] = CVsCClassifier._optimizer_options
    changed = {name for name, value in PAPER_PARAMETERS.items() if params[name] != value}
    assert changed == {"batch_size", "learning_rate", "objective__calibration_bias"}


def test_parameters_of_the_objective():
    clf = make_classifier({"objective__alpha": 0.25, "objective": "released"})
    assert clf.objective.alpha == 0.25
    assert clf.objective.counterfactual == "permute"
    with pytest.raises(ValueError, match="--set: .*no parameter 'objective__beta'"):
        make_classifier({"objective__beta": 1})
    with pytest.raises(ValueError, match="--set objective: there is no 'best' to change"):
        make_classifier({"objective__alpha": 1, "objective": "best"})


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_looks_on_the_way_do_not_change_the_training(problem, table, schedule):
    clf = CVsCClassifier(learning_rate_schedule=schedule, device="cpu", random_state=3)
    rows = problem.split["trainval"]
    X, y = problem.X[rows], problem.y[rows]
    for epochs, fitted in trained_to(clf, (1, 3, 4), X, y, table):
        alone = CVsCClassifier(
            max_epochs=epochs, learning_rate_schedule=schedule, device="cpu", random_state=3
        ).fit(X, y, class_attributes=table)
        assert np.array_equal(fitted.uncalibrated_scores(X), alone.uncalibrated_scores(X)), epochs


def test_candidates_of_a_row():
    settings = Settings({}, (4,), "cpu", 5, {"lambda_sci": [1, 2], "alpha": [0.5]})
    assert settings.candidates("cvsc") == [
        {"alpha": 0.5, "lambda_sci": 1},
        {"alpha": 0.5, "lambda_sci": 2},
    ]
    assert settings.candidates("without_sci") == [{"alpha": 0.5}]
    assert settings.classifier("baseline", lambda_tci=1.0).lambda_tci == 0.0
