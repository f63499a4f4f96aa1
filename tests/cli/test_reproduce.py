"""`zslearn reproduce` end to end on generated benchmarks, and how it goes on and refuses."""

import errno
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest

from zslearn import CVsCClassifier, datasets
from zslearn._cli import _reproduce_cache, _reproduce_protocol
from zslearn.datasets import load_cub
from zslearn.feature_extraction import TimmRegionExtractor

NETWORK = ("--model", "test_vit", "--random-weights", "--image-size", 32)
QUICK = ("--seeds", 2, "--epochs", "1,2", "--device", "cpu", "--folds", 2)


@pytest.fixture
def reproduce(zslearn, problem):
    """Run it on the small problem; the report and what is in its JSON."""

    def run(*options, work="work", benchmark="cub"):
        folder = problem.folder
        path = folder / "out.json"
        path.unlink(missing_ok=True)
        done = zslearn(
            *("reproduce", benchmark, "--features", folder / "X.npy"),
            *("--labels", folder / "labels.txt", "--attributes", folder / "classes.csv"),
            *("--split", folder / "split.npz", "--work", folder / work, "--json", path),
            *(QUICK[:-2] if "--paper-protocol" in options else QUICK),
            *options,
        )
        results = json.loads(path.read_text()) if path.exists() else None
        return SimpleNamespace(**vars(done), results=results)

    return run


@pytest.mark.parametrize(("name", "tables"), [("cub", "2,3,4"), ("sun", "2"), ("awa2", "4")])
def test_from_the_official_layout(zslearn, write_benchmark, tmp_path, name, tables):
    root = write_benchmark(name, tmp_path / "data")
    arguments = (
        *("reproduce", name, "--root", root, "--work", tmp_path / "work", *NETWORK, *QUICK),
        *("--json", tmp_path / "out.json", "--tables", tables, "--seeds", 1, "--epochs", 1),
    )
    done = zslearn(*arguments)
    assert done.code == 0, done.err
    results = json.loads((tmp_path / "out.json").read_text())
    data = results["data"]
    assert data["shape"] == [54, 4, 64]
    assert (data["seen_classes"], data["unseen_classes"], data["attributes"]) == (6, 3, 5)
    assert (data["trainval"], data["test_seen"], data["test_unseen"]) == (24, 12, 18)
    assert data["extractor"]["model"] == "test_vit"
    rows = {
        "2": ["cvsc"],
        "3": ["baseline", "without_ccl", "without_sci", "without_tci", "cvsc"],
        "4": ["baseline", "cvsc"],
    }
    numbers = tables.split(",")
    assert {number: list(entry) for number, entry in results["tables"].items()} == {
        number: rows[number] for number in numbers
    }
    assert list(results["chosen"]) == max((rows[number] for number in numbers), key=len)
    assert not results["comparable"]
    assert "features of test_vit, not of vit_base_patch16_224" in done.out
    assert "difference" not in done.out
    cells = [
        cell
        for entry in results["tables"].values()
        for row in entry.values()
        for cell in row.values()
    ]
    assert all(cell["difference"] is None for cell in cells if isinstance(cell, dict))
    if name == "awa2":
        assert results["tables"]["4"]["cvsc"]["seen_error"]["published"] is None
    again = zslearn(*arguments)
    assert again.out == done.out


def test_features_are_those_of_the_extractor(zslearn, write_benchmark, tmp_path, monkeypatch):
    """And a second call extracts nothing."""
    root = write_benchmark("cub", tmp_path / "data")
    arguments = (
        *("reproduce", "cub", "--root", root, "--work", tmp_path / "work", *NETWORK, *QUICK),
        *("--tables", "2", "--layer", "-2", "--no-norm", "--json", tmp_path / "out.json"),
    )
    assert zslearn(*arguments).code == 0
    (store,) = (tmp_path / "work" / "features").iterdir()
    extractor = TimmRegionExtractor(
        "test_vit", pretrained=False, image_size=32, layer=-2, norm=False, device="cpu"
    ).fit()
    X = np.load(store / "features.npy")
    assert np.array_equal(X, extractor.transform(load_cub(root).image_paths))
    before = (tmp_path / "out.json").read_text()

    # From that store, joined by the names of pictures, without a network.
    done = zslearn(
        *("reproduce", "cub", "--root", root, "--features", store, "--work", tmp_path / "w2"),
        *(*QUICK, "--tables", "2", "--json", tmp_path / "out.json"),
    )
    assert done.code == 0, done.err
    after = json.loads((tmp_path / "out.json").read_text())
    assert after["tables"] == json.loads(before)["tables"]


def test_missing_pictures(zslearn, write_benchmark, tmp_path):
    root = write_benchmark("awa2", tmp_path / "data")
    next((root / "Animals_with_Attributes2").rglob("emu_10001.jpg")).unlink()
    arguments = (
        *("reproduce", "awa2", "--root", root, "--work", tmp_path / "work", *NETWORK, *QUICK),
        *("--tables", "2", "--image-index", tmp_path / "index.txt"),
    )
    names = [f"{name}/{name}_1000{k}.jpg" for name in _names() for k in range(1, 7)]
    (tmp_path / "index.txt").write_text("\n".join(names))
    done = zslearn(*arguments)
    assert done.code == 1
    assert "give --skip-missing" in done.err
    done = zslearn(*arguments, "--skip-missing")
    assert done.code == 0, done.err
    assert "23 rows to fit on, 12 + 18 to judge by" in done.out
    assert "pictures that are missing were left out, 53 are there" in done.out


def test_download(zslearn, write_benchmark, tmp_path, monkeypatch):
    """Fetched to the root given, with what the loader takes."""
    root = write_benchmark("cub", tmp_path / "data")
    asked = []

    def fetch_cub(**options):
        asked.append(options)
        return load_cub(root)

    monkeypatch.setattr(datasets, "fetch_cub", fetch_cub)
    done = zslearn(
        *("reproduce", "cub", "--download", "--root", tmp_path / "home", "--tables", "2"),
        *("--work", tmp_path / "work", *NETWORK, *QUICK),
    )
    assert done.code == 0, done.err
    assert asked == [
        {
            "data_home": str(tmp_path / "home"),
            "verbose": False,
            "word_vectors": None,
            "missing_images": "raise",
        }
    ]


def _names():
    return ["auk", "bee", "crow", "dove", "emu", "finch", "gull", "hawk", "ibis"]


def test_an_interrupted_run_goes_on(reproduce, monkeypatch):
    whole = reproduce("--tables", "2,4", work="whole")
    judge, fit = _reproduce_protocol.judge, CVsCClassifier.fit
    calls, fits = [], []

    def stop(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return judge(*args)

    with monkeypatch.context() as patch:
        patch.setattr(_reproduce_protocol, "judge", stop)
        done = reproduce("--tables", "2,4")
    assert (done.code, done.out) == (130, "")
    assert done.err.endswith("interrupted. Run the same command again to go on.\n")

    def count(self, *args, **kwargs):
        fits.append(self)
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(CVsCClassifier, "fit", count)
    again = reproduce("--tables", "2,4")
    # Of the baseline the second seed is missing; of CVsC two folds of two steps, and both seeds.
    assert len(fits) == 1 + 2 * 2 + 2
    assert again.results["tables"] == whole.results["tables"]
    assert again.results["chosen"].keys() == whole.results["chosen"].keys()


def test_more_seeds_go_on_too(reproduce, monkeypatch):
    two = reproduce("--tables", "2").results["runs"]["cvsc"]
    fit, fits = CVsCClassifier.fit, []

    def count(self, *args, **kwargs):
        fits.append(self.random_state)
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(CVsCClassifier, "fit", count)
    three = reproduce("--tables", "2", "--seeds", 3).results["runs"]["cvsc"]
    assert fits == [2]
    assert three[:2] == two
    assert [run["seed"] for run in three] == [0, 1, 2]


def test_other_data_or_settings_do_not_mix(reproduce, problem):
    quick = ("--tables", "2", "--seeds", 1, "--epochs", 1)
    folders = [reproduce(*quick).results["results_kept_in"]]
    for options in (
        ("--epochs", 2),
        ("--folds", 3),
        ("--set", "lambda_cc=0.1"),
        ("--paper-protocol",),
    ):
        folders.append(reproduce(*quick, *options).results["results_kept_in"])
    X = np.load(problem.folder / "X.npy")
    X[3] += 1
    np.save(problem.folder / "X.npy", X)
    folders.append(reproduce(*quick).results["results_kept_in"])
    split = dict(np.load(problem.folder / "split.npz"))
    split["test_unseen"] = split["test_unseen"][1:]
    np.savez(problem.folder / "split.npz", **split)
    folders.append(reproduce(*quick).results["results_kept_in"])
    assert len(set(folders)) == len(folders)


def test_a_damaged_result_is_named(reproduce, problem):
    folder = problem.folder / "work/results"
    assert reproduce("--tables", "2").code == 0
    (run,) = folder.rglob("cvsc-seed1.json")
    run.write_text('{"T1": 0.')
    done = reproduce("--tables", "2")
    assert done.code == 1
    assert re.search("cvsc-seed1.json is damaged: .* Delete it", done.err)
    run.unlink()
    (fold,) = folder.rglob("cvsc-choice0-fold1.npz")
    fold.write_bytes(fold.read_bytes()[:100])
    done = reproduce("--tables", "2")
    assert re.search("cvsc-choice0-fold1.npz cannot be read .* Delete it", done.err)
    assert not list(folder.rglob("partial*"))


MISTAKES = {
    "nothing to read": ((), "--root is missing: the folder that holds CUB_200_2011.tgz"),
    "no such root": (("--root", "no/such"), "--root 'no/such' is no folder"),
    "labels without features": (("--labels", "y.npy", "--root", "x"), "--labels is of --features"),
    "features and a network": (
        ("--features", "x.npy", "--layer", "3"),
        "--layer is of extraction; leave it out of --features",
    ),
    "features and missing pictures": (
        ("--features", "x.npy", "--skip-missing"),
        "--skip-missing is of extraction",
    ),
    "features and a download": (("--features", "x.npy", "--download"), "leave out --features"),
    "a random split": (("--features", "x.npy", "--split", "random"), "reproduces nothing"),
    "a seed": (("--root", "x", "--set", "random_state=1"), "it is set by --seeds"),
    "delta": (("--root", "x", "--search", "delta=1,2"), "the protocol sets it"),
    "an unknown parameter": (("--root", "x", "--set", "lambda_xy=1"), "--set: .*'lambda_xy'"),
    "an unknown searched one": (("--root", "x", "--search", "lambda_xy=1"), "--search: .*_xy'"),
    "no weight": (("--root", "x", "--set", "lambda_cc=-1"), "--set: The 'lambda_cc' parameter"),
    "no weight to search": (
        ("--root", "x", "--search", "lambda_cc=0.1,-1"),
        "--search: The 'lambda_cc' .* Got -1",
    ),
    "a batch size": (("--root", "x", "--set", "batch_size=0"), "--set: The 'batch_size' parameter"),
    "a parameter twice": (
        ("--root", "x", "--set", "alpha=1", "--search", "alpha=1,2"),
        "--search alpha=...: --set gives alpha already",
    ),
    "a search on test pictures": (
        ("--root", "x", "--search", "alpha=1", "--paper-protocol"),
        "--search is of the honest protocol",
    ),
    "folds on test pictures": (
        ("--root", "x", "--folds", "3", "--paper-protocol"),
        "--folds is of",
    ),
    "a split to download": (("--download", "--split", "x"), "leave out --split"),
    "nowhere to write": (("--root", "x", "--json", "no/such/x.json"), "--json: there is no folder"),
}


def destroy(name):
    """Change one file of the small problem."""

    def change(folder):
        if name == "X.npy":
            X = np.load(folder / name)
            X[100, 1, 3] = np.nan  # a test row
            np.save(folder / name, X)
        elif name == "classes.csv":
            lines = (folder / name).read_text().splitlines()
            (folder / name).write_text("\n".join(lines[:3] + lines[4:]))
        elif name == "work":
            (folder / name).write_text("")
        else:
            (folder / name).unlink()

    return change


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("X.npy", r"--features: row 100 \(from 0\) holds NaN or infinite"),
        ("classes.csv", "--attributes: 1 label.* not described.*'class 2'"),
        ("labels.txt", "--labels: there is no '.*labels.txt'"),
        ("split.npz", "--split: there is no '.*split.npz'"),
        ("work", "--work: File exists: .*work"),
    ],
)
def test_wrong_files(reproduce, problem, name, message):
    """Refused before anything is fitted."""
    destroy(name)(problem.folder)
    done = reproduce()
    assert (done.code, done.out) == (1, "")
    (line,) = done.err.splitlines()
    assert re.search(message, line), line
    assert not list(problem.folder.rglob("cvsc-*"))


def test_messages_name_the_options_of_this_command(zslearn, problem, tmp_path):
    features = ("reproduce", "cub", "--work", tmp_path / "w", "--features")
    for options, message in {
        (problem.folder / "X.npy",): "--attributes is missing: .* or use --root",
        (problem.folder / "X.npy", "--root", tmp_path): "--root joins features",
        (tmp_path / "none.npy",): "--features: there is no",
        (
            *(problem.folder / "X.npy", "--labels", problem.folder / "labels.txt"),
            *("--attributes", problem.folder / "classes.csv"),
        ): "--split is missing: a .json or .npz file with trainval, test_seen and test_unseen.$",
    }.items():
        done = zslearn(*features, *options)
        assert re.search(message, done.err.strip()), done.err


def test_a_full_disc_leaves_nothing_half_written(reproduce, problem, monkeypatch):
    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    whole = reproduce("--tables", "2", work="whole")
    with monkeypatch.context() as patch:
        patch.setattr(_reproduce_cache.os, "fsync", full)
        done = reproduce("--tables", "2")
    assert (done.code, done.out) == (1, "")
    assert re.search("--work: No space left on device: .*results", done.err)
    assert [path for path in (problem.folder / "work").rglob("*") if path.is_file()] == []
    assert reproduce("--tables", "2").results["tables"] == whole.results["tables"]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_one_line(zslearn, tmp_path, mistake):
    options, message = MISTAKES[mistake]
    done = zslearn("reproduce", "cub", "--work", tmp_path, *options)
    assert (done.code, done.out) == (1, "")
    (line,) = done.err.splitlines()
    assert line.startswith("zslearn reproduce: error: ")
    assert re.search(message, line), line


def test_too_many_folds(reproduce):
    done = reproduce("--folds", 8)
    assert "--folds must be at least 2 and at most the 7 seen classes, found 8" in done.err


@pytest.mark.parametrize(
    "options", [("--tables", "1"), ("--epochs", "0,2"), ("--epochs", ""), ("--seeds", "0")]
)
def test_wrong_options(zslearn, tmp_path, options):
    done = zslearn("reproduce", "cub", "--work", tmp_path, *options)
    assert done.code == 2
    assert "usage: zslearn reproduce" in done.err
