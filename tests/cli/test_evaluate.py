"""`zslearn evaluate` on every kind of input, against what the library gives."""

import json
import re
import warnings

import joblib
import numpy as np
import pytest

from zslearn import ClassAttributes, CVsCClassifier
from zslearn._cli._arguments import as_json
from zslearn._cli._evaluate import _METRICS, _as_text
from zslearn.exceptions import TrainingInterruptedWarning
from zslearn.feature_extraction import FeatureStoreWriter
from zslearn.linear_model import (
    ALEClassifier,
    ESZSLClassifier,
    PrototypeRegressionClassifier,
    SAEClassifierCV,
)
from zslearn.metrics import ausuc_score, bootstrap_interval, czsl_accuracy_score, gzsl_scores
from zslearn.model_selection import gzsl_train_test_split
from zslearn.persistence import load

QUICK = ("--epochs", 8, "--delta", 1.0, "--set", "learning_rate=0.01", "--device", "cpu")


@pytest.fixture
def files(problem):
    folder = problem.folder
    return (
        folder / "X.npy",
        *("--labels", folder / "labels.txt", "--attributes", folder / "classes.csv"),
    )


def expected(problem, split, clf=None):
    table = ClassAttributes.from_csv(problem.folder / "classes.csv")
    clf = clf or CVsCClassifier(
        max_epochs=8, delta=1.0, learning_rate=0.01, device="cpu", random_state=0
    )
    clf.fit(problem.X[split["trainval"]], problem.y[split["trainval"]], class_attributes=table)
    test = np.concatenate([split["test_seen"], split["test_unseen"]])
    truth, scores = problem.y[test], clf.uncalibrated_scores(problem.X[test])
    known = {"classes": clf.classes_, "seen_classes": clf.seen_classes_}
    gzsl = gzsl_scores(truth, clf.predict(problem.X[test]), seen_classes=clf.seen_classes_)
    return {
        "T1": czsl_accuracy_score(truth, scores, **known),
        "U": gzsl.unseen,
        "S": gzsl.seen,
        "H": gzsl.harmonic_mean,
        "AUSUC": ausuc_score(truth, scores, **known),
    }


def test_metrics_are_those_of_the_library(zslearn, problem, files):
    done = zslearn(
        "evaluate", *files, "--split", problem.folder / "split.npz", *QUICK, "--format", "json"
    )
    assert done.code == 0, done.err
    results = json.loads(done.out)
    for name, value in expected(problem, problem.split).items():
        assert results["mean"][name] == pytest.approx(value, rel=1e-12), name
    assert results["std"]["H"] is None
    assert results["shape"] == [120, 2, 16]
    assert (results["seen_classes"], results["unseen_classes"]) == (7, 3)
    assert (results["trainval"], results["test_seen"], results["test_unseen"]) == (63, 21, 36)


@pytest.mark.parametrize(
    ("method", "options", "made"),
    [
        ("eszsl", ("--set", "gamma=0.1"), lambda: ESZSLClassifier(0.1, delta=0.5)),
        ("sae_cv", (), lambda: SAEClassifierCV(delta=0.5)),
        ("ale", ("--epochs", 2), lambda: ALEClassifier(max_epochs=2, delta=0.5, random_state=0)),
    ],
)
def test_other_methods(zslearn, problem, files, method, options, made):
    split = ("--split", problem.folder / "split.npz", "--format", "json")
    done = zslearn("evaluate", *files, *split, "--method", method, "--delta", 0.5, *options)
    assert done.code == 0, done.err
    results = json.loads(done.out)
    assert results["method"] == method
    for name, value in expected(problem, problem.split, made()).items():
        assert results["mean"][name] == pytest.approx(value, rel=1e-12), name


def test_delta_of_another_method_is_tuned_and_the_model_saved(zslearn, problem, files):
    path = problem.folder / "model.safetensors"
    split = ("--split", problem.folder / "split.npz")
    done = zslearn("evaluate", *files, *split, "--method", "prototypes", "--save", path)
    assert done.code == 0, done.err
    assert "fit 1 of 1: 63 rows; delta is found" in done.err
    model = load(path)
    assert type(model.estimator_) is PrototypeRegressionClassifier
    assert f"{model.best_delta_:.3f}" == done.out.splitlines()[4].split()[-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--method", "esszl"), "--method: no method is named 'esszl': did you mean 'eszsl'"),
        (("--method", "eszsl", "--set", "lamda=1"), "--set: ESZSLClassifier has no parameter"),
        (("--method", "eszsl", "--set", "gamma=0"), "gamma must be a finite number above 0"),
        (("--method", "sae", "--epochs", 3), "--epochs: SAEClassifier has no parameter 'max_ep"),
        (("--method", "sae", "--device", "cpu"), "--device: SAEClassifier has no parameter"),
    ],
)
def test_options_that_a_method_has_no_use_for(zslearn, problem, files, options, message):
    done = zslearn("evaluate", *files, "--split", problem.folder / "split.npz", *options)
    assert (done.code, done.out) == (1, "")
    assert message in done.err.splitlines()[-1]


def test_another_delimiter(zslearn, problem, files):
    path = problem.folder / "classes.csv"
    path.write_text(path.read_text().replace(",", ";"))
    arguments = ("evaluate", *files, "--split", problem.folder / "split.npz", *QUICK)
    done = zslearn(*arguments)
    assert done.code == 1
    assert "Name the delimiter it uses" in done.err
    done = zslearn(*arguments, "--delimiter", ";")
    assert done.code == 0, done.err


def test_text_seeds_and_files(zslearn, problem, files):
    folder = problem.folder
    done = zslearn(
        *("evaluate", *files, "--split", folder / "split.npz", *QUICK, "--seeds", 2),
        *("--json", folder / "out.json", "--save", folder / "model.joblib"),
    )
    assert done.code == 0, done.err
    results = json.loads((folder / "out.json").read_text())
    assert [run["seed"] for run in results["runs"]] == [0, 1]
    heights = [run["H"] for run in results["runs"]]
    assert results["mean"]["H"] == pytest.approx(np.mean(heights))
    assert results["std"]["H"] == pytest.approx(np.std(heights, ddof=1))
    header, values = done.out.splitlines()[3:5]
    assert header.split() == ["T1", "U", "S", "H", "AUSUC", "delta"]
    shown = re.findall(r"([\d.]+) ± ([\d.]+)", values)
    assert shown[3] == (f"{np.mean(heights):.3f}", f"{np.std(heights, ddof=1):.3f}")
    model = joblib.load(folder / "model.joblib")
    assert model.score(
        problem.X[problem.split["test_unseen"]], problem.y[problem.split["test_unseen"]]
    ) == pytest.approx(results["runs"][0]["U"])


def test_delta_is_tuned_on_seen_classes(zslearn, problem, files):
    arguments = [argument for argument in QUICK if argument not in ("--delta", 1.0)]
    split = ("--split", problem.folder / "split.npz", "--format", "json")
    results = json.loads(zslearn("evaluate", *files, *split, *arguments).out)
    assert results["delta"] == "tuned"
    # What is chosen does not change with the test rows.
    cut = {**problem.split, "test_unseen": problem.split["test_unseen"][:20]}
    np.savez(problem.folder / "split.npz", **cut)
    again = json.loads(zslearn("evaluate", *files, *split, *arguments).out)
    assert again["runs"][0]["delta"] == results["runs"][0]["delta"]
    assert again["test_unseen"] == 20


def test_what_is_done_is_told_as_it_happens(zslearn, problem, files):
    arguments = [argument for argument in QUICK if argument not in ("--delta", 1.0)]
    told = ("evaluate", *files, "--split", problem.folder / "split.npz", *arguments)
    done = zslearn(*told, "--seeds", 2, "--save", problem.folder / "model.joblib")
    assert done.code == 0, done.err
    assert re.findall(r"fit (\d) of 2: 8 epochs of 63 rows", done.err) == ["1", "2"]
    assert re.findall(r"calibration fold (\d)/5\]", done.err) == list("12345" * 2)
    assert "calibration" not in done.out
    saved = joblib.load(problem.folder / "model.joblib")
    assert (saved.verbose, saved.estimator.verbose, saved.estimator_.verbose) == (0, 0, 0)
    assert "calibration" not in zslearn(*told, "--quiet").err


@pytest.mark.parametrize("kind", ["rows", "names"])
def test_store_with_class_folders(zslearn, problem, kind):
    """Labels are class folders, and rows are those of the pictures, skipped ones included."""
    folder = problem.folder
    names = [f"{label}/{i:03d}.jpg" for i, label in enumerate(problem.y)]
    skipped = {1: "broken", 8: "broken", 100: "broken"}
    with FeatureStoreWriter(
        folder / "store",
        n_total=120,
        n_regions=2,
        n_features=16,
        grid_shape=(1, 2),
        metadata={},
        images=names,
    ) as writer:
        writer.append(np.delete(problem.X, list(skipped), axis=0), skipped=skipped)
    split = {
        part: [names[row] for row in rows] if kind == "names" else rows.tolist()
        for part, rows in problem.split.items()
    }
    (folder / "split.json").write_text(json.dumps(split))
    done = zslearn(
        *("evaluate", folder / "store", "--attributes", folder / "classes.csv", *QUICK),
        *("--split", folder / "split.json", "--format", "json"),
    )
    assert done.code == 0, done.err
    results = json.loads(done.out)
    kept = {part: np.setdiff1d(rows, list(skipped)) for part, rows in problem.split.items()}
    for name, value in expected(problem, kept).items():
        assert results["mean"][name] == pytest.approx(value, rel=1e-12), name


def test_random_split_leaves_out_classes_without_pictures(zslearn, problem, files):
    path = problem.folder / "classes.csv"
    path.write_text(path.read_text() + "unpictured,1,0,1,0,1,0\n")
    done = zslearn("evaluate", *files, "--split", "random", *QUICK, "--format", "json")
    assert done.code == 0, done.err
    results = json.loads(done.out)
    assert (results["seen_classes"], results["unseen_classes"]) == (8, 2)
    assert "1 classes without pictures are not candidates" in results["notes"]
    again = zslearn(
        *("evaluate", *files, "--split", "random", *QUICK, "--format", "json", "--split-seed", 1)
    )
    assert json.loads(again.out)["mean"] != results["mean"]


def test_word_vectors(zslearn, problem, files):
    rng = np.random.default_rng(1)
    words = ["attribute", *"012345"]
    lines = [" ".join([word, *map(str, rng.normal(size=3).round(3))]) for word in words]
    (problem.folder / "glove.txt").write_text("\n".join(lines) + "\n")
    split = ("--split", problem.folder / "split.npz", *QUICK, "--format", "json")
    plain = json.loads(zslearn("evaluate", *files, *split).out)
    done = zslearn("evaluate", *files, *split, "--word-vectors", problem.folder / "glove.txt")
    assert done.code == 0, done.err
    assert json.loads(done.out)["mean"] != plain["mean"]


def test_interrupted_training_is_not_reported(zslearn, problem, files, monkeypatch):
    """The estimator keeps the weights reached and warns; scores of them would mislead."""

    def fit(self, *args, **kwargs):
        warnings.warn("stopped", TrainingInterruptedWarning, stacklevel=2)
        return self

    monkeypatch.setattr(CVsCClassifier, "fit", fit)
    done = zslearn("evaluate", *files, "--split", problem.folder / "split.npz", *QUICK)
    assert (done.code, done.out) == (130, "")
    assert done.err.splitlines()[-1] == "zslearn evaluate: interrupted."


def test_results_are_printed_before_they_are_written(zslearn, problem, files, monkeypatch):
    def full(*args, **kwargs):
        raise OSError("no room")

    monkeypatch.setattr("zslearn._cli._files.os.replace", full)
    before = set(problem.folder.iterdir())
    split = ("--split", problem.folder / "split.npz", "--json", problem.folder / "out.json")
    done = zslearn("evaluate", *files, *split, *QUICK)
    assert done.code == 1
    assert "AUSUC" in done.out
    assert done.err.splitlines()[-1] == "zslearn evaluate: error: no room"
    assert set(problem.folder.iterdir()) == before


def test_json_is_what_any_reader_takes():
    values = {"a": np.inf, "b": [float("nan"), 1.5], "c": (True, None, 3), "d": {2}, 4: "x"}
    text = as_json(values)

    def refuse(name):
        raise AssertionError(name)

    plain = {"a": "inf", "b": ["nan", 1.5], "c": [True, None, 3], "d": "{2}", "4": "x"}
    assert json.loads(text, parse_constant=refuse) == plain


def test_it_says_what_it_does_unless_quiet(zslearn, files, problem):
    split = ("--split", problem.folder / "split.npz", *QUICK)
    done = zslearn("evaluate", *files, *split, "--seeds", 2)
    assert "fit 2 of 2: " in done.err
    assert done.err.count("zslearn evaluate: fit") == 2
    assert "CVsCClassifier: 100%" in done.err
    quiet = zslearn("evaluate", *files, *split, "--seeds", 2, "--quiet")
    assert quiet.err == ""
    assert quiet.out == done.out


@pytest.mark.parametrize("name", ["model.joblib", "model.safetensors"])
@pytest.mark.parametrize("delta", ["tuned", "1.5"])
def test_the_saved_model_knows_all_classes(zslearn, problem, files, name, delta):
    """A class without pictures is what a model for unseen classes is for."""
    csv = problem.folder / "classes.csv"
    csv.write_text(csv.read_text() + "unpictured,1,0,1,0,1,0\n")
    path = problem.folder / name
    options = ("--split", "random", *QUICK, "--delta", delta, "--save", path, "--format", "json")
    done = zslearn("evaluate", *files, *options)
    assert done.code == 0, done.err
    model = joblib.load(path) if name.endswith("joblib") else load(path)
    assert "unpictured" in model.classes_.tolist()
    assert set(model.predict(problem.X, candidates=["unpictured", "class 1"])) <= {
        "unpictured",
        "class 1",
    }
    assert getattr(model, "estimator", model).verbose == 0
    assert getattr(model, "estimator_", model).verbose == 0
    # What was reported is of this model, among the classes that have pictures.
    results = json.loads(done.out)
    train, seen, unseen = gzsl_train_test_split(
        problem.y, n_unseen=0.2, test_size=0.2, random_state=0
    )
    test = np.concatenate([seen, unseen])
    predicted = model.predict(problem.X[test], candidates=problem.names)
    found = gzsl_scores(problem.y[test], predicted, seen_classes=np.unique(problem.y[train]))
    assert results["mean"]["H"] == pytest.approx(found.harmonic_mean, rel=1e-12)
    assert (results["seen_classes"], results["unseen_classes"]) == (8, 2)


def test_labels_of_a_store_are_found_by_name(zslearn, problem):
    names = [f"{i:03d}.jpg" for i in range(120)]
    shape = {"n_total": 120, "n_regions": 2, "n_features": 16, "grid_shape": (1, 2)}
    with FeatureStoreWriter(problem.folder / "store", **shape, metadata={}, images=names) as w:
        w.append(np.delete(problem.X, [1, 8], axis=0), skipped={1: "broken", 8: "broken"})
    order = np.random.default_rng(0).permutation(120)
    lines = [f"{names[row]},{problem.y[row]}" for row in order]
    labels = problem.folder / "names.csv"
    fixed = (
        "--attributes",
        problem.folder / "classes.csv",
        "--split",
        problem.folder / "split.npz",
    )
    call = ("evaluate", problem.folder / "store", *fixed, *QUICK, "--format", "json", "--quiet")
    kept = {part: np.setdiff1d(rows, [1, 8]) for part, rows in problem.split.items()}
    for text in (["file,label", *lines], lines):
        labels.write_text("\n".join(text) + "\n")
        done = zslearn(*call, "--labels", labels)
        assert done.code == 0, done.err
        for name, value in expected(problem, kept).items():
            assert json.loads(done.out)["mean"][name] == pytest.approx(value, rel=1e-12), name
    labels.write_text("\n".join(line for line in lines if "007.jpg" not in line))
    done = zslearn(*call, "--labels", labels)
    assert "1 of 118 pictures of the store have no label" in done.err
    labels.write_text("\n".join(["other.jpg,ant", *lines, "more.jpg,ant"]))
    assert "not in the store" in zslearn(*call, "--labels", labels).err


def test_gaps_and_the_home_folder(zslearn, problem, files, monkeypatch):
    monkeypatch.setenv("HOME", str(problem.folder))
    monkeypatch.setenv("USERPROFILE", str(problem.folder))
    csv = problem.folder / "classes.csv"
    csv.write_text(re.sub("(class 3),[^,]*", r"\1,", csv.read_text()))
    done = zslearn(
        *("evaluate", "~/X.npy", "--labels=~/labels.txt", "--attributes=~/classes.csv", *QUICK),
        *("--split=~/split.npz", "--json=~/out.json", "--missing-values", "nan", "--quiet"),
    )
    assert done.code == 0, done.err
    assert (problem.folder / "out.json").is_file()


def test_intervals_are_over_classes(zslearn, problem, files):
    split = ("--split", problem.folder / "split.npz", "--method", "eszsl", "--delta", 0.5)
    done = zslearn("evaluate", *files, *split, "--format", "json")
    assert done.code == 0, done.err
    (run,) = json.loads(done.out)["runs"]
    clf = ESZSLClassifier(delta=0.5)
    rows = problem.split["trainval"]
    table = ClassAttributes.from_csv(problem.folder / "classes.csv")
    clf.fit(problem.X[rows], problem.y[rows], class_attributes=table)
    test = np.concatenate([problem.split["test_seen"], problem.split["test_unseen"]])
    truth, draw = problem.y[test], {"seen_classes": clf.seen_classes_, "random_state": 0}
    H = bootstrap_interval("gzsl_scores", truth, clf.predict(problem.X[test]), **draw)
    assert run["intervals"]["H"] == pytest.approx([H.low[2], H.high[2]], rel=1e-12)
    scores = clf.uncalibrated_scores(problem.X[test])
    area = bootstrap_interval("ausuc_score", truth, scores, classes=clf.classes_, **draw)
    assert run["intervals"]["AUSUC"] == pytest.approx([area.low, area.high], rel=1e-12)
    text = zslearn("evaluate", *files, *split).out
    assert f"{H.low[2]:.3f}–{H.high[2]:.3f}" in text
    assert "95 % over classes" in text


def test_columns_stay_apart():
    names = (*_METRICS, "delta")
    results = {
        **{"features": "f", "shape": [4, 2], "attributes": 3, "seen_classes": 2},
        **{"unseen_classes": 1, "trainval": 2, "test_seen": 1, "test_unseen": 1, "notes": ["a"]},
        "mean": dict.fromkeys(names, 0.5) | {"delta": 12345.678},
        "std": dict.fromkeys(names, 0.25) | {"delta": 123.456},
        "runs": [{"intervals": None}] * 2,
    }
    head, cells = _as_text(results).splitlines()[3:5]
    assert head.split() == list(names)
    assert cells.split(" ± ")[-2:] == ["0.250  12345.678", "123.456"]
    assert len(head) == len(cells)
