"""Numbers of the report by hand, the published ones, and when the two are compared."""

import re

import numpy as np
import pytest

from zslearn import ClassAttributes
from zslearn._cli._inputs import EvaluationInputs
from zslearn._cli._published import BENCHMARKS, ROWS, TABLES
from zslearn._cli._reproduce_data import _differences
from zslearn._cli._reproduce_report import as_text, make_tables
from zslearn._cli._reproduce_scores import class_intervals


def make_run(accuracy, t1, errors, seed=0):
    """A run on the classes a, b (unseen) and c, d (seen)."""
    u, s = np.mean(accuracy[:2]), np.mean(accuracy[2:])
    unseen_error, seen_error = np.mean(errors[:2]), np.mean(errors[2:])
    return {
        "seed": seed,
        "T1": np.mean(t1),
        "U": u,
        "S": s,
        "H": 2 * u * s / (u + s),
        "AUSUC": 0.5,
        "delta": 1.0,
        "epochs": 4,
        "seen_error": seen_error,
        "unseen_error": unseen_error,
        "relative_increase": unseen_error / seen_error - 1,
        "classes": {
            "labels": list("abcd"),
            "unseen": [True, True, False, False],
            "accuracy": accuracy,
            "T1": t1,
            "semantic_error": errors,
        },
    }


RUNS = [
    make_run([0.2, 0.6, 0.8, 0.8], [0.5, 0.9], [0.4, 0.2, 0.1, 0.1], seed=0),
    make_run([0.4, 0.8, 0.6, 1.0], [0.7, 0.7], [0.4, 0.4, 0.1, 0.3], seed=1),
]


def test_intervals_by_hand():
    """Two classes drawn of two: both, or one of them twice, each with probability 1/4."""
    intervals = class_intervals(RUNS)
    assert set(intervals) == {
        *("T1", "U", "S", "H"),
        *("seen_error", "unseen_error", "relative_increase"),
    }
    assert intervals["U"] == pytest.approx((0.3, 0.7))  # class a twice, class b twice
    assert intervals["S"] == pytest.approx((0.7, 0.9))
    assert intervals["T1"] == pytest.approx((0.6, 0.8))
    assert intervals["seen_error"] == pytest.approx((0.1, 0.2))
    lowest = np.mean([2 * 0.2 * 0.8 / 1.0, 2 * 0.4 * 0.6 / 1.0])
    assert intervals["H"][0] == pytest.approx(lowest)


def test_intervals_of_differences_are_of_the_same_classes():
    better = [
        make_run([0.3, 0.7, 0.8, 0.8], [0.5, 0.9], [0.4, 0.2, 0.1, 0.1]),
        make_run([0.5, 0.9, 0.6, 1.0], [0.7, 0.7], [0.4, 0.4, 0.1, 0.3]),
    ]
    gains = class_intervals(better, RUNS)
    assert gains["U"] == pytest.approx((0.1, 0.1))
    assert gains["S"] == gains["T1"] == (0.0, 0.0)


def test_too_few_classes_for_an_interval():
    run = make_run([0.2, 0.6, 0.8, 0.8], [0.5], [0.4, 0.2, 0.1, 0.1])
    run["classes"]["unseen"] = [True, False, False, False]
    assert class_intervals([run]) == {}


@pytest.mark.parametrize("comparable", [True, False])
def test_tables(comparable):
    runs = dict.fromkeys(ROWS, RUNS)
    tables = make_tables(
        BENCHMARKS["cub"], (2, 3, 4), runs, paper_protocol=False, comparable=comparable
    )
    cell = tables["2"]["cvsc"]["T1"]
    assert cell["mean"] == pytest.approx(0.7)
    assert cell["std"] == pytest.approx(0.0)
    assert cell["published"] == pytest.approx(0.791)
    assert cell["difference"] == (pytest.approx(0.7 - 0.791) if comparable else None)
    cell = tables["2"]["cvsc"]["U"]
    assert cell["mean"] == pytest.approx(0.5)
    assert cell["std"] == pytest.approx(np.std([0.4, 0.6], ddof=1))
    assert "gain" not in tables["3"]["baseline"]["H"]
    assert tables["3"]["without_sci"]["H"]["gain"] == 0.0
    assert tables["3"]["without_sci"]["H"]["gain_interval"] == (0.0, 0.0)
    cell = tables["4"]["baseline"]["seen_error"]
    assert cell["mean"] == pytest.approx(0.15)
    assert cell["difference"] == (pytest.approx(0.15 - 0.146) if comparable else None)

    text = as_text(make_results(tables, runs, comparable))
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("Table 2"))
    assert lines[start + 1].split() == ["T1", "U", "S", "H"]
    assert re.match(r"CVsC +70\.0 ± 0\.0 \[60\.0, 80\.0\] +50\.0 ± 14\.1 \[30", lines[start + 2])
    assert lines[start + 3].split() == ["published", "79.1", "72.4", "78.4", "75.3"]
    shown = [line.split() for line in lines if line.startswith("  difference")]
    assert (shown[0] if shown else None) == (
        ["difference", "-9.1", "-22.4", "+1.6", "-14.3"] if comparable else None
    )
    assert ("NOT COMPARABLE with these data: other features" in text) == (not comparable)
    assert "paper protocol" not in text


def make_results(tables, runs, comparable):
    choice = {
        "parameters": {"alpha": 0.5},
        "epochs": 4,
        "delta_in_units": 0.7,
        "validation_ausuc": 0.41,
        "validation_h": 0.55,
    }
    return {
        "benchmark": "CUB",
        "paper_protocol": False,
        "machine": {"zslearn": "1"},
        "data": {
            **{"shape": [9, 4, 3], "attributes": 5, "seen_classes": 2, "unseen_classes": 2},
            **{"trainval": 4, "test_seen": 2, "test_unseen": 3},
        },
        "notes": ["a note"],
        "set": {"lambda_cc": "0.1"},
        "settings": {"epochs": [4, 8], "folds": 3, "search": {"alpha": [0.5, 1]}},
        "comparable": comparable,
        "differences_from_the_paper": [] if comparable else ["other features"],
        "tables": tables,
        "runs": runs,
        "chosen": dict.fromkeys(runs, choice),
    }


def test_choices_are_reported():
    runs = {"cvsc": RUNS}
    tables = make_tables(BENCHMARKS["sun"], (2,), runs, paper_protocol=False, comparable=True)
    text = as_text(make_results(tables, runs, True))
    assert "\nset by hand (--set): lambda_cc=0.1\n" in text
    assert "picks the best epoch on the test pictures" in text
    assert "alpha, epochs and delta chosen on held-out seen classes (3 folds)" in text
    assert (
        "CVsC: alpha 0.5, epochs 4, delta 1.00 (0.70 standard deviations of the scores); held out: "
        "AUSUC 0.410, H 0.550; test AUSUC 0.500" in text
    )


def test_published_numbers_are_those_of_the_paper(shared_data):
    text = (shared_data.parent / "paper/cvsc_paper.txt").read_text()
    names = list(BENCHMARKS)
    table2 = " ".join(
        f"{BENCHMARKS[name].table2['cvsc'][metric]}"
        for name in names
        for metric in ("T1", "U", "S", "H")
    )
    assert f"CVsC ViT-Base 224×224 {table2}" in text
    for row, entry in ROWS.items():
        numbers = " ".join(
            f"{BENCHMARKS[name].table3[row][metric]}" for name in names for metric in ("T1", "H")
        )
        assert f"{entry.title} {numbers}\n" in text, row
    for row, numbers in BENCHMARKS["cub"].table4.items():
        increase = f"{100 * numbers['relative_increase']:.1f}"
        line = f"{ROWS[row].title} {numbers['seen_error']} {numbers['unseen_error']}↑{increase}%"
        assert line in text
    assert not BENCHMARKS["sun"].table4
    for name, line in (("cub", "CUB [44] 11788"), ("sun", "SUN [31] 14340")):
        whole = BENCHMARKS[name]
        assert sum(whole.parts) == int(line.split()[-1])
        counts = f"{whole.n_classes} ({whole.n_classes - whole.n_unseen} |{whole.n_unseen})"
        assert f"{line} {counts} {whole.n_attributes}" in text


def test_rows_of_tables():
    assert TABLES[2] == ("cvsc",)
    assert TABLES[3] == tuple(ROWS)
    assert ROWS["baseline"].parameters == {"lambda_cc": 0, "lambda_sci": 0, "lambda_tci": 0}
    assert ROWS["cvsc"].parameters == {}


VIT = {
    "model": "vit_base_patch16_224.augreg_in21k_ft_in1k",
    "grid_shape": [14, 14],
    "native_grid_shape": [14, 14],
    "data_config": {"input_size": [3, 224, 224]},
    "random_weights": False,
    "layer": 11,
    "n_layers": 12,
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, None),
        ({"random_weights": True}, "random weights"),
        ({"layer": 8}, "regions of layer 8, not of the last, 11"),
        ({"model": "resnet101.a1h_in1k"}, "features of resnet101.a1h_in1k, not of vit_base"),
        ({"grid_shape": [7, 7]}, r"regions \[7, 7\] of pictures \[224, 224\]"),
        ({"data_config": {"input_size": [3, 384, 384]}}, r"of pictures \[384, 384\]"),
        (None, "features of a network that is not known"),
    ],
)
def test_what_compares_with_the_paper(change, message):
    whole = BENCHMARKS["awa2"]
    sizes = np.cumsum(whole.parts)
    rows = np.split(np.arange(sizes[-1]), sizes[:-1])
    y = np.arange(sizes[-1]) % 40
    y[rows[2]] = 40 + rows[2] % 10
    table = ClassAttributes(np.eye(50, 85) + 0.1)
    inputs = EvaluationInputs(None, y, table, *rows, notes=[])
    metadata = {} if change is None else VIT | change
    found = _differences(inputs, whole, metadata)
    if message is None:
        assert found == []
    else:
        (text,) = found
        assert re.search(message, text)
    cut = inputs._replace(trainval=rows[0][1:], table=ClassAttributes(np.eye(50, 84) + 0.1))
    assert _differences(cut, whole, VIT) == [
        "23526 + 5882 + 7913 pictures, not 23527 + 5882 + 7913",
        "84 attributes, not 85",
    ]
