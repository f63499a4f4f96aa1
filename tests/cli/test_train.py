"""`zslearn train`, `predict`, `explain` and `info`: from a folder of pictures to answers."""

import csv
import io
import json
import signal

import numpy as np
import pytest
from PIL import Image

from zslearn import ClassAttributes, load
from zslearn._cli import main
from zslearn.calibration import TunedCalibrationClassifierCV
from zslearn.datasets import load_image_folder
from zslearn.feature_extraction import FeatureStore, ImageClassifier, TimmRegionExtractor
from zslearn.linear_model import ESZSLClassifier

NETWORK = (
    *("--model", "resnet18", "--random-weights", "--layer", 0, "--image-size", 32),
    *("--grid", "2x2", "--device", "cpu", "--jobs", 1, "--precision", "float32"),
)
NAMES = ["auk", "bee", "cat", "dog", "elk", "fox", "gnu", "hen"]
TABLE = np.array([[(c >> k) & 1 for k in range(3)] + [1] for c in range(8)])


def picture(c, rng):
    pixels = rng.integers(0, 60, (24, 24, 3)) + 120 * TABLE[c, :3]
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures of six of eight classes, their table, and new pictures of all classes."""
    here, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for c, name in enumerate(NAMES):
        for i in range(5):
            path = here / "birds" / name / f"{i}.png" if c < 6 else here / "none"
            if c < 6:
                path.parent.mkdir(parents=True, exist_ok=True)
                picture(c, rng).save(path)
        (here / "new").mkdir(exist_ok=True)
        picture(c, rng).save(here / "new" / f"{name}.png")
    rows = [",".join([n, *map(str, row)]) for n, row in zip(NAMES, TABLE, strict=True)]
    header = "class,red,green,blue,alive"
    (here / "classes.csv").write_text("\n".join([header, *rows]) + "\n")
    (here / "more.csv").write_text(f"{header}\ngoat,1,0,1,1\nauk,0,0,0,1\n")
    return here


def train(folder, output, *more):
    return [
        str(argument)
        for argument in (
            *("train", folder / "birds", "--attributes", folder / "classes.csv", "-o", output),
            *NETWORK,
            *more,
        )
    ]


@pytest.fixture(scope="module")
def model(folder):
    assert main(train(folder, folder / "model", "--method", "eszsl", "--quiet")) == 0
    return folder / "model"


@pytest.fixture(scope="module")
def expected(folder):
    """The same by the library."""
    data = load_image_folder(folder / "birds", folder / "classes.csv")
    extractor = TimmRegionExtractor(
        "resnet18", pretrained=False, layer=0, image_size=32, grid_shape=(2, 2), n_jobs=1,
        precision="float32",
    )  # fmt: skip
    tuned = TunedCalibrationClassifierCV(ESZSLClassifier(), random_state=0)
    clf = ImageClassifier(extractor, tuned)
    return clf.fit(data.image_paths, data.target, class_attributes=data.class_attributes)


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def new_pictures(folder):
    return [folder / "new" / f"{name}.png" for name in NAMES]


def test_answers_are_those_of_the_library(zslearn, folder, model, expected):
    done = zslearn("predict", model, folder / "new", "--quiet")
    assert done.code == 0, done.err
    rows = rows_of(done.out)
    assert [row["file"] for row in rows] == [f"{name}.png" for name in NAMES]
    pictures = new_pictures(folder)
    assert [row["label"] for row in rows] == expected.predict(pictures).tolist()
    shares = expected.predict_proba(pictures)
    order = np.argsort(-shares, axis=1, kind="stable")
    for place in (0, 1):
        best = expected.classes_[order[:, place]].tolist()
        assert [row[f"class_{place + 1}"] for row in rows] == best
        np.testing.assert_allclose(
            [float(row[f"probability_{place + 1}"]) for row in rows],
            np.take_along_axis(shares, order, axis=1)[:, place],
            rtol=1e-3,
        )


def test_candidates_and_more_classes(zslearn, folder, model, expected, tmp_path):
    pictures = new_pictures(folder)
    done = zslearn("predict", model, *pictures, "--candidates", "unseen", "--quiet", "--top", 9)
    rows = rows_of(done.out)
    assert [row["file"] for row in rows] == [str(path) for path in pictures]
    assert [row["label"] for row in rows] == expected.predict(
        pictures, candidates="unseen"
    ).tolist()
    assert list(rows[0])[-2:] == ["class_2", "probability_2"]  # there are no more
    shares = [float(row["probability_1"]) + float(row["probability_2"]) for row in rows]
    np.testing.assert_allclose(shares, 1, rtol=1e-3)

    output = tmp_path / "answers.json"
    done = zslearn(
        *("predict", model, folder / "new", "--attributes", folder / "more.csv", "-o", output),
        *("--candidates", "goat, auk,hen", "--quiet"),
    )
    assert done.code == 0, done.err
    assert done.out.startswith(f"{output}: 8 pictures: ")
    own = expected.class_attributes_
    table = ClassAttributes(
        np.concatenate([own.values, [[1, 0, 1, 1]]]),
        labels=[*own.labels, "goat"],
        attribute_names=own.attribute_names,
    )
    wanted = expected.with_class_attributes(table).predict(
        pictures, candidates=["goat", "auk", "hen"]
    )
    answers = json.loads(output.read_text())
    assert [answer["label"] for answer in answers] == wanted.tolist()
    assert {len(answer["classes"]) for answer in answers} == {2}


def test_generative_methods_keep_samples_for_more_classes(zslearn, folder, tmp_path):
    method = ("--method", "fclswgan", "--delta", 0.0, "--set", "hidden_dim=8", "--epochs", 2)
    rest = ("--set", "critic_iter=1", "--quiet")
    assert main(train(folder, tmp_path / "model", *method, *rest)) == 0
    told = ("predict", tmp_path / "model", folder / "birds")
    before = [row["label"] for row in rows_of(zslearn(*told).out)]
    more = tmp_path / "more.csv"
    more.write_text((folder / "classes.csv").read_text() + "yak,0,1,0,0\n")
    done = zslearn(*told, "--attributes", more)
    assert done.code == 0, done.err
    assert "generated rows" not in done.err
    after = [row["label"] for row in rows_of(done.out)]
    assert np.mean([a == b for a, b in zip(after, before, strict=True)]) > 0.8
    assert main(train(folder, tmp_path / "no", *method, *rest, "--set", "keep_features=false")) == 0
    done = zslearn("predict", tmp_path / "no", folder / "birds", "--attributes", more)
    assert "known by generated rows" in done.err


def test_one_folder_answers_alone(zslearn, folder, model, tmp_path):
    """Moved elsewhere, with nothing beside it."""
    here = tmp_path / "elsewhere"
    here.mkdir()
    for file in model.iterdir():
        (here / file.name).write_bytes(file.read_bytes())
    before = zslearn("predict", model, folder / "new", "--quiet").out
    assert zslearn("predict", here, folder / "new", "--quiet").out == before
    assert sorted(file.name for file in here.iterdir()) == ["model.safetensors", "training.json"]
    clf = load(here / "model.safetensors")
    assert clf.extractor_.estimator.verbose == 0
    assert clf.classifier_.verbose == clf.classifier.verbose == 0


def test_info(zslearn, model):
    facts = json.loads(zslearn("info", model, "--json").out)
    assert (facts["kind"], facts["seen classes"], facts["unseen classes"]) == ("model", 6, 2)
    assert facts["network model"] == "resnet18"
    assert facts["training"]["pictures"] == 30
    assert (
        facts["delta"]
        == facts["training"]["delta"]
        == load(model / "model.safetensors").classifier_.best_delta_
    )
    assert "ESZSLClassifier" in zslearn("info", model / "model.safetensors").out


def test_none_of_these(zslearn, folder, tmp_path):
    arguments = ("--method", "eszsl", "--acceptance", 0.6, "--delta", 0.1, "--quiet")
    done = zslearn(*train(folder, tmp_path / "model", *arguments))
    assert done.code == 0, done.err
    assert '"none of these" for ' in done.out
    done = zslearn("predict", tmp_path / "model", folder / "new", "--quiet")
    clf = load(tmp_path / "model" / "model.safetensors")
    wanted = clf.predict(new_pictures(folder)).tolist()
    assert "none of these" in wanted
    assert [row["label"] for row in rows_of(done.out)] == wanted
    facts = json.loads(zslearn("info", tmp_path / "model", "--json").out)
    assert facts["rejection rate"] == clf.classifier_.rejection_rate_


def test_features_are_kept_and_used_again(zslearn, folder, tmp_path):
    store = tmp_path / "features"
    arguments = ("--method", "eszsl", "--features", store)
    done = zslearn(*train(folder, tmp_path / "model", *arguments))
    assert done.code == 0, done.err
    assert "zslearn train: features of 30 pictures" in done.err
    assert "[calibration fold 1/5]" in done.err
    before = (store / "store.json").stat().st_mtime_ns
    assert len(FeatureStore(store)) == 30
    assert zslearn(*train(folder, tmp_path / "again", *arguments)).code == 0
    assert (store / "store.json").stat().st_mtime_ns == before
    names = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("model", "again")]
    assert names[0] == names[1]


def test_broken_pictures(zslearn, folder, model, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    good = new_pictures(folder)[0]
    done = zslearn("predict", model, good, bad, "--quiet", "-o", tmp_path / "answers.csv")
    assert done.code == 1
    assert "bad.png" in done.err
    assert "--skip-broken" in done.err
    assert not (tmp_path / "answers.csv").exists()
    rows = rows_of(zslearn("predict", model, good, bad, "--quiet", "--skip-broken").out)
    assert [row["label"] != "" for row in rows] == [True, False]
    assert (rows[0]["error"], rows[1]["class_1"]) == ("", "")
    assert "not a picture" in rows[1]["error"]


def test_explain(zslearn, folder, model, tmp_path):
    done = zslearn(
        *("explain", model, new_pictures(folder)[0], "-o", tmp_path / "why.png"),
        *("--class", "bee", "--other", "hen"),
    )
    assert done.code == 0, done.err
    assert done.out.startswith(f"{new_pictures(folder)[0]}: ")
    with Image.open(tmp_path / "why.png") as figure:
        assert figure.width > 600
    assert [file.name for file in tmp_path.iterdir()] == ["why.png"]


def test_explain_draws_where_attributes_look(zslearn, folder, tmp_path):
    arguments = ("--method", "dazle", "--epochs", 1, "--delta", 0, "--quiet")
    assert zslearn(*train(folder, tmp_path / "model", *arguments)).code == 0
    done = zslearn(
        "explain", tmp_path / "model", new_pictures(folder)[1], "-o", tmp_path / "why.svg"
    )
    assert done.code == 0, done.err
    assert "<svg" in (tmp_path / "why.svg").read_text()


TRAINING_MISTAKES = {
    "no folder": (["/no/such"], "FOLDER: there is no folder '/no/such'"),
    "no table": (["--attributes", "no.csv"], "--attributes: there is no 'no.csv'"),
    "undescribed folder": (["--attributes", "FEW"], "--skip-undescribed"),
    "unknown method": (["--method", "eszl"], "--method: no method is named 'eszl'"),
    "parameters by their names": (
        ["--method", "dazle", "--set", "b=1"],
        "it has batch_sampling, batch_size,",
    ),
    "pictures": (["--method", "vitzsl"], "take zslearn.finetuning.ViTZSLClassifier in Python"),
    "unknown parameter": (["--set", "gama=1"], "--set: ESZSLClassifier has no parameter 'gama'"),
    "no epochs": (["--epochs", "3"], "Leave --epochs out"),
    "delta by name": (["--set", "delta=1"], "use --delta for it"),
    "two ways to set epochs": (
        ["--method", "ale", "--epochs", "3", "--set", "max_epochs=2"],
        "use --epochs for it",
    ),
    "no such layer": (["--layer", "9"], "--layer 9"),
    "no parent": (["-o", "no/such/model"], "--output: there is no folder 'no/such'"),
}


@pytest.mark.parametrize("mistake", TRAINING_MISTAKES)
def test_mistakes_leave_nothing_behind(zslearn, folder, tmp_path, monkeypatch, mistake):
    given, message = TRAINING_MISTAKES[mistake]
    (tmp_path / "few.csv").write_text("class,red,green\nauk,1,0\nbee,0,1\n")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    arguments = train(folder, "model", "--method", "eszsl", "--quiet")
    if given[0].startswith("-"):
        arguments += [str(tmp_path / "few.csv") if word == "FEW" else word for word in given]
    else:
        arguments[1] = given[0]
    done = zslearn(*arguments)
    assert done.code == 1
    assert done.out == ""
    (line,) = done.err.splitlines()
    assert line.startswith("zslearn train: error: ")
    assert message in line
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_training_leaves_nothing_behind(
    zslearn, folder, tmp_path, monkeypatch, signal_number
):
    def stop(*_, **__):
        signal.raise_signal(signal_number)

    monkeypatch.setattr(ESZSLClassifier, "_solve", stop)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's "&" ignores it
    try:
        done = zslearn(*train(folder, tmp_path / "model", "--method", "eszsl", "--quiet"))
    finally:
        signal.signal(signal.SIGINT, before)
    assert done.code == 130
    assert list(tmp_path.iterdir()) == []


def test_a_model_is_replaced_whole_or_not_at_all(zslearn, folder, tmp_path, monkeypatch):
    arguments = train(folder, tmp_path / "model", "--method", "eszsl", "--delta", 0, "--quiet")
    assert zslearn(*arguments).code == 0
    before = (tmp_path / "model" / "model.safetensors").read_bytes()
    done = zslearn(*arguments)
    assert "give --overwrite" in done.err
    done = zslearn(*arguments, "--overwrite", "--set", "gamma=0")
    assert done.code == 1
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == before
    assert zslearn(*arguments, "--overwrite", "--set", "gamma=5.0").code == 0
    assert load(tmp_path / "model" / "model.safetensors").classifier_.gamma == 5.0
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    (tmp_path / "model" / "notes.txt").write_text("mine")
    done = zslearn(*arguments, "--overwrite")
    assert "holds other things, such as 'notes.txt'" in done.err


PREDICTION_MISTAKES = {
    "no model": ("NEW", [], "holds no model.safetensors"),
    "no picture": ("MODEL", ["--", "nope.jpg"], "PICTURES: there is no 'nope.jpg'"),
    "unknown class": ("MODEL", ["--candidates", "owl"], "--candidates: the model knows no class"),
    "form of answers": ("MODEL", ["-o", "answers.txt"], "must end in .csv or .json"),
    "other attributes": ("MODEL", ["--attributes", "FEW"], "--attributes: class_attributes has 2"),
    "no table": ("MODEL", ["--attributes", "no.csv"], "--attributes: there is no 'no.csv'"),
}


@pytest.mark.parametrize("mistake", PREDICTION_MISTAKES)
def test_mistakes_of_predict(zslearn, folder, model, tmp_path, mistake):
    which, given, message = PREDICTION_MISTAKES[mistake]
    (tmp_path / "few.csv").write_text("class,red,green\nauk,1,0\nbee,0,1\n")
    given = [str(tmp_path / "few.csv") if word == "FEW" else word for word in given]
    pictures = [] if "--" in given else [folder / "new"]
    done = zslearn(
        *("predict", model if which == "MODEL" else folder / "new", *pictures, *given),
    )
    assert done.code == 1
    assert done.out == ""
    (line,) = done.err.splitlines()
    assert line.startswith("zslearn predict: error: ")
    assert message in line


def test_a_model_of_features_takes_no_pictures(zslearn, folder, tmp_path):
    from zslearn import save

    clf = ESZSLClassifier().fit(np.eye(4), NAMES[:4], ClassAttributes(np.eye(4), labels=NAMES[:4]))
    save(clf, tmp_path / "m.safetensors")
    done = zslearn("predict", tmp_path / "m.safetensors", folder / "new")
    assert "holds a ESZSLClassifier, which does not take pictures" in done.err
