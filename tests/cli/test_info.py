"""`zslearn info` on the machine and on every kind of file."""

import json

import numpy as np
import pytest
from PIL import Image

from zslearn import __version__
from zslearn.feature_extraction import FeatureStoreWriter


def ask(zslearn, *arguments):
    done = zslearn("info", *arguments, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_machine(zslearn):
    facts = ask(zslearn)
    assert facts["zslearn"] == __version__
    assert facts["numpy"] == np.__version__
    assert "threads" in facts["cpu"]
    assert facts["data home"]
    text = zslearn("info").out
    assert [line.split()[0] for line in text.splitlines()[:2]] == ["zslearn", "python"]


def test_capitals_and_facts_that_a_store_names_itself(zslearn, problem):
    path = problem.folder / "CLASSES.CSV"
    path.write_bytes((problem.folder / "classes.csv").read_bytes())
    assert ask(zslearn, path)["classes"] == 10
    with FeatureStoreWriter(
        problem.folder / "store",
        n_total=1,
        n_regions=1,
        n_features=1,
        grid_shape=None,
        metadata={"kind": "mine", "layer": -1},
    ) as writer:
        writer.append(np.zeros((1, 1, 1), dtype=np.float16))
    facts = ask(zslearn, problem.folder / "store")
    assert (facts["kind"], facts["layer"]) == ("feature store", -1)


def test_array_and_table(zslearn, problem):
    facts = ask(zslearn, problem.folder / "X.npy")
    assert facts["shape"] == [120, 2, 16]
    assert (facts["dtype"], facts["bytes"]) == ("float16", 120 * 2 * 16 * 2)
    facts = ask(zslearn, problem.folder / "classes.csv")
    assert (facts["classes"], facts["attributes"]) == (10, 6)
    assert facts["class names"] == problem.names.tolist()
    assert facts["range"] == [problem.table.min(), problem.table.max()]


@pytest.mark.parametrize("finished", [True, False])
def test_store(zslearn, tmp_path, finished):
    X = np.ones((3, 4, 5), dtype=np.float16)
    writer = FeatureStoreWriter(
        tmp_path / "store",
        n_total=4,
        n_regions=4,
        n_features=5,
        grid_shape=(2, 2),
        metadata={"model": "resnet18"},
        images=["a", "b", "c", "d"],
    )
    if finished:
        writer.append(X, skipped={1: "truncated"})
    else:
        writer.append(X[:1])
    writer.close()
    facts = ask(zslearn, tmp_path / "store")
    assert facts["model"] == "resnet18"
    assert facts["grid shape"] == [2, 2]
    assert facts["finished"] == ("yes" if finished else "1 of 4 rows")
    assert facts["skipped"] == (["b (truncated)"] if finished else [])
    assert facts["shape"] == [3 if finished else 1, 4, 5]


def test_pictures(zslearn, tmp_path):
    for name in ("yak/1.png", "yak/2.png", "emu/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    facts = ask(zslearn, tmp_path)
    assert (facts["pictures"], facts["classes"]) == (3, 2)
    assert facts["pictures per class"] == "1 to 2"
    assert facts["class names"] == ["emu", "yak"]


def test_proposed_split(zslearn, shared_data):
    for path in (shared_data / "xlsa17" / "CUB", shared_data / "xlsa17" / "CUB" / "att_splits.mat"):
        facts = ask(zslearn, path)
        assert (facts["trainval"], facts["test_seen"], facts["test_unseen"]) == (7057, 1764, 2967)
        assert (facts["classes"], facts["attributes"]) == (200, 312)


def test_long_lists_are_cut_in_text(zslearn, problem):
    path = problem.folder / "classes.csv"
    more = "".join(f"extra {i},0,1,0,1,0,1\n" for i in range(5))
    path.write_text(path.read_text() + more)
    assert "class 9 and 5 more" in zslearn("info", path).out


def test_nothing_known(zslearn, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    done = zslearn("info", tmp_path / "notes.txt")
    assert done.code == 1
    assert "is nothing that zslearn reads" in done.err
