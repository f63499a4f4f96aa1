"""`zslearn benchmark` against the protocol of the library."""

import json

import numpy as np
import pytest

from zslearn import ClassAttributes
from zslearn.model_selection import GZSLProtocol, GZSLSplit, ProtocolResults

METHODS = ("--methods", "eszsl", "sae")


@pytest.fixture
def files(problem):
    folder = problem.folder
    return (
        folder / "X.npy",
        *("--labels", folder / "labels.txt", "--attributes", folder / "classes.csv"),
    )


def scores(results):
    return [(run["method"], run["split"], run["scores"]) for run in results.runs]


@pytest.mark.parametrize("classes", [None, "seen", "proposed"])
def test_results_are_those_of_the_protocol(zslearn, problem, files, classes):
    out = problem.folder / "runs.jsonl"
    settings = problem.folder / "settings.json"
    grid = {"eszsl": {"gamma": [0.1, 1.0]}}
    settings.write_text(json.dumps(grid))
    split, more = None, []
    if classes:
        split = GZSLSplit(
            *(problem.split[part] for part in ("trainval", "test_seen", "test_unseen"))
        )
        more = ["--split", problem.folder / "split.npz", "--classes", classes]
    done = zslearn(
        *("benchmark", *files, *METHODS, *more, "--settings", settings, "--out", out),
        *("--splits", 2, "--unseen", 0.3, "--quiet"),
    )
    assert done.code == 0, done.err
    assert done.err == ""
    table = ClassAttributes.from_csv(problem.folder / "classes.csv")
    protocol = GZSLProtocol(classes=classes or "seen", n_splits=2, n_unseen=0.3)
    expected = protocol.run(
        ["eszsl", "sae"], problem.X, problem.y, table, settings=grid, split=split
    )
    assert len(expected.runs) == (2 if classes == "proposed" else 4)
    assert scores(ProtocolResults.read(out)) == scores(expected)
    assert "| eszsl |" in done.out
    assert "Minus eszsl" in done.out


def test_it_goes_on(zslearn, problem, files):
    out = problem.folder / "runs.jsonl"
    arguments = ("benchmark", *files, *METHODS, "--out", out, "--splits")
    assert zslearn(*arguments, 1).code == 0
    first = out.read_text()
    done = zslearn(*arguments, 2)
    assert done.code == 0
    assert done.err.count("split 1") == 2
    assert "split 0" not in done.err
    assert out.read_text().startswith(first)


def test_figure(zslearn, problem, files):
    pytest.importorskip("matplotlib")
    figure = problem.folder / "ranks.png"
    done = zslearn("benchmark", *files, *METHODS, "--splits", 2, "--figure", figure)
    assert done.code == 0, done.err
    assert figure.stat().st_size > 1000


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--reference", "cvsc"], "--reference: 'cvsc' is not among the methods"),
        (["--classes", "proposed"], "--classes='proposed' needs split"),
        (["--settings", "nowhere.json"], "--settings: there is no 'nowhere.json'"),
        (["--methods", "eszl"], "no method is named 'eszl': did you mean 'eszsl'"),
        (["--folds", "1"], "n_folds"),
    ],
)
def test_wrong_arguments(zslearn, files, more, message):
    done = zslearn("benchmark", *files, "--splits", 1, *more)
    assert done.code == 1
    assert message in done.err


@pytest.mark.parametrize("content", ["[1]", "{", '{"sae": {"lamb": [1]}}'])
def test_wrong_settings(zslearn, problem, files, content):
    path = problem.folder / "settings.json"
    path.write_text(content)
    done = zslearn("benchmark", *files, *METHODS, "--splits", 1, "--settings", path)
    assert done.code == 1
    assert "settings" in done.err


def test_methods_that_all_fail(zslearn, problem, files):
    X = np.load(problem.folder / "X.npy")
    X[3] = np.nan
    np.save(problem.folder / "X.npy", X)
    done = zslearn("benchmark", *files, *METHODS, "--splits", 1, "--quiet")
    assert done.code == 1
    assert "all methods failed, the first with ValueError" in done.err
