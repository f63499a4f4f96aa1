"""Mistakes at `zslearn evaluate` are told in one line."""

import json
import re

import numpy as np
import pytest


def write_split(problem, **changes):
    np.savez(problem.folder / "split.npz", **{**problem.split, **changes})


MISTAKES = {
    "no features": (lambda p: {"features": p.folder / "none.npy"}, "there is no '.*none.npy'"),
    "no labels": (lambda p: {"labels": None}, "--labels is missing"),
    "no attributes": (lambda p: {"attributes": None}, "--attributes is missing"),
    "no split": (lambda p: {"split": None}, "--split is missing"),
    "labels of another length": (
        lambda p: (p.folder / "labels.txt").write_text("a\nb\n") and {},
        r"--labels: .* holds \(2,\) labels for 120 rows",
    ),
    "unknown parameter": (lambda p: {"set": "lambda_xy=3"}, "no parameter 'lambda_xy'"),
    "wrong parameter": (lambda p: {"set": "lambda_cc=-3"}, "'lambda_cc' parameter"),
    "gaps in the table": (
        lambda p: (
            (p.folder / "classes.csv").write_text(
                re.sub("(class 3),[^,]*", r"\1,", (p.folder / "classes.csv").read_text())
            )
            and {}
        ),
        "pass --missing-values nan to treat NaN as unknown",
    ),
    "a split nested deeply": (
        lambda p: (
            (p.folder / "split.json").write_text("[" * 10**5) and {"split": p.folder / "split.json"}
        ),
        "split.json is nested too deeply",
    ),
    "a split of long numbers": (
        lambda p: (
            (p.folder / "split.json").write_text('{"trainval": [' + "9" * 5000 + "]}")
            and {"split": p.folder / "split.json"}
        ),
        "split.json is no JSON",
    ),
    "a split of numbers beyond 63 bits": (
        lambda p: (
            (p.folder / "split.json").write_text(
                json.dumps({"trainval": [2**64], "test_seen": [1], "test_unseen": [2]})
            )
            and {"split": p.folder / "split.json"}
        ),
        "trainval must be a flat list",
    ),
    "a split of rows 0 and -1 in 64 bits": (
        lambda p: write_split(p, test_seen=np.array([2**64 - 1], np.uint64)) or {},
        "test_seen has row 18446744073709551615",
    ),
    "ragged lists": (
        lambda p: (
            (p.folder / "split.json").write_text(
                json.dumps({"trainval": [[1], [2, 3]], "test_seen": [1], "test_unseen": [2]})
            )
            and {"split": p.folder / "split.json"}
        ),
        "trainval must be a flat list",
    ),
    "labels with a damaged header": (
        lambda p: (
            np.save(p.folder / "y.npy", p.y)
            or (
                (p.folder / "y.npy").write_bytes(
                    (p.folder / "y.npy").read_bytes().replace(b"False", b"F((((")
                )
                and {"labels": p.folder / "y.npy"}
            )
        ),
        "y.npy' cannot be read as an array",
    ),
    "row out of range": (
        lambda p: write_split(p, test_seen=np.array([500])) or {},
        "test_seen has row 500, but rows go from 0 to 119",
    ),
    "overlap": (
        lambda p: write_split(p, test_seen=p.split["trainval"]) or {},
        "names a row twice",
    ),
    "unseen in training": (
        lambda p: (
            write_split(
                p,
                trainval=np.append(p.split["trainval"], 84),
                test_unseen=p.split["test_unseen"][1:],
            )
            or {}
        ),
        "classes of test_unseen are in trainval too, such as 'class 7'",
    ),
    "empty part": (
        lambda p: write_split(p, test_unseen=np.array([], dtype=int)) or {},
        "the split has no test_unseen row",
    ),
    "part missing": (
        lambda p: np.savez(p.folder / "split.npz", trainval=[0]) or {},
        "split.npz lacks test_seen, test_unseen",
    ),
    "class not described": (
        lambda p: (
            (p.folder / "labels.txt").write_text(
                (p.folder / "labels.txt").read_text().replace("class 3", "emu")
            )
            and {}
        ),
        "emu",
    ),
    "nowhere to write": (lambda p: {"json": p.folder / "no" / "x.json"}, "--json: there is no"),
    "a folder to write to": (lambda p: {"save": p.folder}, "--save: .* is a folder"),
    "two ways to set a seed": (lambda p: {"set": "random_state=3"}, "use --seeds for it"),
    "two ways to set epochs": (lambda p: {"set": "max_epochs=3"}, "use --epochs for it"),
    "training that fails": (lambda p: {"set": "learning_rate=1e30"}, "loss is not finite"),
    "table of another encoding": (
        lambda p: (p.folder / "classes.csv").write_bytes("clas\xe9,a\n".encode("latin-1")) and {},
        "classes.csv is no UTF-8 text",
    ),
    "a quote that does not end": (
        lambda p: (p.folder / "classes.csv").write_text('class,a\n"' + "x" * 200_000) and {},
        "line 2 of .*classes.csv: field larger",
    ),
    "no such store": (lambda p: {"features": p.folder}, "store"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_one_line(zslearn, problem, mistake):
    change, message = MISTAKES[mistake]
    options = {
        "features": problem.folder / "X.npy",
        "labels": problem.folder / "labels.txt",
        "attributes": problem.folder / "classes.csv",
        "split": problem.folder / "split.npz",
        "epochs": 1,
        "delta": 1.0,
        **change(problem),
    }
    features = options.pop("features")
    given = [part for k, v in options.items() if v is not None for part in (f"--{k}", v)]
    done = zslearn("evaluate", features, *given, "--quiet")
    assert done.code == 1
    assert done.out == ""
    (line,) = done.err.splitlines()
    assert line.startswith("zslearn evaluate: error: ")
    assert re.search(message, line), line
