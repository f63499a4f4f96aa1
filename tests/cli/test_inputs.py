"""What `zslearn evaluate` reads: odd encodings, damaged files, names, the published benchmarks."""

import importlib.util
import json
import unicodedata
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from zslearn._cli._inputs import read_inputs
from zslearn.feature_extraction import FeatureStoreWriter


@pytest.fixture(scope="module")
def layouts():
    """The writers of official distributions in miniature."""
    path = Path(__file__).parents[1] / "datasets" / "official_layouts.py"
    spec = importlib.util.spec_from_file_location("official_layouts", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ask(features, **options):
    names = ("labels", "attributes", "word_vectors", "split", "benchmark", "root")
    defaults = dict.fromkeys(names) | {"unseen": 0.4, "test_size": 0.2, "split_seed": 0}
    return read_inputs(
        Namespace(features=features, delimiter=",", missing_values=None, **defaults | options)
    )


def ask_problem(problem, **options):
    files = {"labels": "labels.txt", "attributes": "classes.csv", "split": "split.npz"} | options
    return ask(problem.folder / "X.npy", **{k: str(problem.folder / v) for k, v in files.items()})


def store(folder, images, skipped=()):
    """A feature store whose row i holds the number i."""
    kept = [row for row in range(len(images)) if row not in skipped]
    with FeatureStoreWriter(
        folder,
        n_total=len(images),
        n_regions=1,
        n_features=1,
        grid_shape=(1, 1),
        metadata={},
        images=images,
    ) as writer:
        writer.append(np.float16(kept)[:, None, None], skipped=dict.fromkeys(skipped, "broken"))
    return folder


def test_marks_and_line_ends_of_other_systems(problem):
    folder = problem.folder
    mark = b"\xef\xbb\xbf"
    labels = (folder / "labels.txt").read_bytes().replace(b"\n", b"\r\n")
    (folder / "marked.TXT").write_bytes(mark + labels + b"\r\n\r\n")
    rows = {part: rows.tolist() for part, rows in problem.split.items()}
    (folder / "marked.JSON").write_bytes(mark + json.dumps(rows).encode())
    inputs = ask_problem(problem, labels="marked.TXT", split="marked.JSON")
    assert inputs.y.tolist() == problem.y.tolist()
    assert inputs.test_seen.tolist() == rows["test_seen"]


DAMAGED = [
    ("split", "a.npz", b"", "a.npz cannot be read"),
    ("split", "a.npz", b"PK\x03\x04 and no more", "a.npz cannot be read"),
    ("split", "a.json", b"{", "a.json is no JSON"),
    ("split", "a.json", b"3", "must hold an object with trainval, test_seen, test_unseen"),
    (
        "split",
        "a.json",
        b'{"trainval": [["a"]], "test_seen": [], "test_unseen": []}',
        "trainval must be a flat list",
    ),
    ("labels", "a.npy", b"", "a.npy' cannot be read"),
    ("labels", "a.txt", b"class 0\n\nclass 1\n", "line 2 of .*a.txt' is empty"),
    ("labels", "a.txt", "clas\xe9".encode("latin-1"), "a.txt' is no UTF-8 text"),
    ("word_vectors", "a.npy", b"junk", "a.npy' cannot be read"),
]


@pytest.mark.parametrize(("option", "name", "content", "message"), DAMAGED)
def test_damaged_files_are_named(problem, option, name, content, message):
    (problem.folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        ask_problem(problem, **{option: name})


def test_misspelt_names_are_told_from_skipped_pictures(tmp_path):
    images = ["ant/0.jpg", "ant/1.jpg", "bee/2.jpg", "bee/3.jpg"]
    features = store(tmp_path / "store", images, skipped=[1])
    (tmp_path / "classes.csv").write_text("class,a,b\nant,1,0\nbee,0,1\n")
    split = {"trainval": ["ant/1.jpg"], "test_seen": ["ant/0.jpg"], "test_unseen": ["bee/3.jpg"]}
    files = {"attributes": tmp_path / "classes.csv", "split": tmp_path / "split.json"}
    files["split"].write_text(json.dumps(split))
    inputs = ask(features, **files)
    parts = (inputs.trainval, inputs.test_seen, inputs.test_unseen)
    assert [part.tolist() for part in parts] == [[], [0], [2]]
    files["split"].write_text(json.dumps(split | {"trainval": ["ant/01.jpg"]}))
    with pytest.raises(ValueError, match=r"1 pictures of trainval have no features.*'ant/01.jpg'"):
        ask(features, **files)


@pytest.mark.parametrize("skipped", [[0], [1], [0, 3], []])
def test_labels_of_all_pictures_or_of_those_with_features(tmp_path, skipped):
    """A label a row, whether pictures that were skipped are among them or not."""
    images = [f"{k}.jpg" for k in range(5)]
    features = store(tmp_path / "store", images, skipped)
    y = np.array(["ant", "bee", "cat", "ant", "bee"])
    kept = np.delete(np.arange(5), skipped)
    (tmp_path / "classes.csv").write_text("class,a,b\nant,1,0\nbee,0,1\ncat,1,1\n")
    split = {"trainval": [0, 3], "test_seen": [], "test_unseen": [1, 2, 4]}
    (tmp_path / "split.json").write_text(json.dumps(split))
    files = {"attributes": tmp_path / "classes.csv", "split": tmp_path / "split.json"}
    for labels in (y, y[kept]):
        (tmp_path / "labels.txt").write_text("\n".join(labels) + "\n")
        inputs = ask(features, labels=tmp_path / "labels.txt", **files)
        assert inputs.y.tolist() == y[kept].tolist()
        for part, rows in split.items():
            found = np.asarray(inputs.X)[getattr(inputs, part)].ravel()
            assert found.tolist() == [row for row in rows if row in kept]


def test_folders_are_joined_to_classes_as_by_load_image_folder(tmp_path):
    images = [f"{folder}/{k}.jpg" for folder in ("03", "1", "2") for k in range(2)]
    (tmp_path / "numbers.csv").write_text("class,a,b\n1,1,0\n2,0,1\n3,1,1\n")
    features = store(tmp_path / "numbers", images)
    inputs = ask(features, attributes=tmp_path / "numbers.csv", split="random")
    assert inputs.y.tolist() == [3, 3, 1, 1, 2, 2]
    composed, apart = (unicodedata.normalize(form, "pingüino") for form in ("NFC", "NFD"))
    (tmp_path / "names.csv").write_text(f"class,a,b\n{composed},1,0\nant,0,1\n", encoding="utf-8")
    images = [f"{folder}/{k}.jpg" for folder in ("ant", apart) for k in range(2)]
    inputs = ask(
        store(tmp_path / "names", images), attributes=tmp_path / "names.csv", split="random"
    )
    assert inputs.y.tolist() == ["ant", "ant", composed, composed]


@pytest.mark.parametrize("given", ["xlsa17/data/SUN", "xlsa17/data/sun", "."])
def test_ready_features_are_those_of_the_folder_named(tmp_path, layouts, given, monkeypatch):
    folder = tmp_path / ("xlsa17/data/SUN" if given == "." else given)
    parts = {"trainval": [1], "test_seen": [2], "test_unseen": [3]}
    layouts.write_splits(folder, np.eye(2), ["abbey", "zoo"], parts)
    layouts.write_res101(folder, None, [1, 1, 2])
    # Another copy, where the archive would have put it.
    elsewhere = tmp_path / "xlsa17/data/xlsa17/data" / folder.name.upper()
    layouts.write_splits(elsewhere, np.eye(2), ["wrong", "too"], parts)
    layouts.write_res101(elsewhere, None, [1, 1, 2])
    monkeypatch.chdir(folder if given == "." else tmp_path)
    inputs = ask(given)
    assert inputs.y.tolist() == ["abbey", "abbey", "zoo"]
    assert inputs.X.shape == (3, 3)
    assert (inputs.trainval, inputs.test_seen, inputs.test_unseen) == ([0], [1], [2])


def test_benchmark_joins_pictures_by_name(tmp_path, layouts):
    """Rows of the store in an order of their own, one picture without features."""
    root = layouts.write_cub(tmp_path / "cub")
    order = [6, 3, 0, 2, 5, 4]
    images = [layouts.CUB_SORTED[k] for k in order]
    inputs = ask(store(tmp_path / "store", images), benchmark="cub", root=root)
    assert inputs.y.tolist() == [name.split("/")[0] for name in images]
    assert inputs.trainval.tolist() == [2, 3, 4]  # 0, 2, 5 of the sorted list
    assert inputs.test_seen.tolist() == [0]  # 6, and 1, which the store lacks
    assert inputs.test_unseen.tolist() == [1, 5]  # 3, 4
    assert "1 of 7 pictures have no features" in inputs.notes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"root": "cub"}, "--root is of --benchmark"),
        ({"benchmark": "cub"}, "--benchmark needs --root"),
        ({"benchmark": "cub", "root": "cub", "labels": "x"}, "--labels cannot be given with --ben"),
        ({"benchmark": "cub", "root": "cub", "split": "random"}, "--split random cannot be given"),
    ],
)
def test_options_without_effect_are_refused(tmp_path, options, message):
    features = store(tmp_path / "store", ["ant/0.jpg"])
    with pytest.raises(ValueError, match=message):
        ask(features, **options)


def test_delta_is_a_number():
    from argparse import ArgumentTypeError

    from zslearn._cli._arguments import delta

    assert (delta("tuned"), delta("-1.5"), delta("inf")) == ("tuned", -1.5, float("inf"))
    with pytest.raises(ArgumentTypeError, match="must be a number or 'tuned', found 'nan'"):
        delta("nan")
