"""The examples run from end to end, the demo on a few epochs."""

import ast
import importlib.util
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
GALLERY = sorted(EXAMPLES.glob("plot_*.py"))


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_demo(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib").use("Agg")
    demo = load("demo_field_guide")
    monkeypatch.setattr(demo, "EPOCHS", (2, 4))
    monkeypatch.setattr(demo, "SEEDS", (0, 1))
    monkeypatch.setattr(demo, "OUTPUT", tmp_path)
    demo.main()
    printed = capsys.readouterr().out
    header = next(line for line in printed.splitlines() if "AUSUC" in line)
    assert header.split()[:5] == ["T1", "U", "S", "H", "AUSUC"]
    assert "CVsC: " in printed
    pictures = {"seen_unseen_curves.png", "attention.png", "unseen_birds.png"}
    assert {path.name for path in tmp_path.iterdir()} == pictures


# What the text of an example says of what it prints.


def first_fit(m, printed):
    assert m.accuracy > 3 * m.chance
    assert m.scores.unseen > 1 / len(m.clf.classes_)


def calibration(m, printed):
    assert m.without.unseen < 0.5 * m.accuracy, "the bias towards seen species"
    assert m.without.harmonic_mean < m.display.harmonic_mean <= m.hindsight
    rows = re.findall(r"delta [\d.]+ .*?(\d+)%", printed)
    assert int(rows[0]) > int(rows[1])


def mismatch(m, printed):
    _, right, leak, one_word, accuracy = m.mean.T  # of baseline, cc, sci, tci, all
    assert right[0] < right[2] < min(right[1], right[4])
    assert abs(right[3] - right[0]) < 0.01
    assert min(accuracy[1], accuracy[4]) > accuracy[0]
    assert (leak > one_word).all()
    assert leak[1:].min() > leak[0] - 0.01, "a loss makes the leak smaller"


def lambda_search(m, printed):
    gains = dict(re.findall(r"^(lambda_\w+ = [\d.]+): ([-+][\d.]+)", printed, re.MULTILINE))
    assert float(gains["lambda_cc = 0.5"]) == 0
    assert float(gains["lambda_cc = 0.0"]) < 0
    assert float(gains["lambda_tci = 4.0"]) < 0
    best = max(gains, key=lambda name: float(gains[name]))
    assert m.search.best_params_ == {best.split()[0]: float(best.split()[-1])}


def attention_maps(m, printed):
    rows = re.findall(r"seed \d +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+)\n", printed)
    assert len(rows) == 4
    for own, mean_map, chance, effect in (map(float, row) for row in rows):
        assert effect > own > mean_map > chance
    assert m.inside[m.cases["clean case"]] > 2 * own > 4 * m.inside[m.cases["failure"]]
    assert m.margin.max() > 0 > m.margin.min()
    errors = re.findall(r"seed \d: seen ([\d.]+), unseen ([\d.]+), \+(\d+)%", printed)
    baseline, cvsc = np.array(errors, dtype=float).reshape(2, 2, 3)
    assert (cvsc[:, :2] < baseline[:, :2]).all()
    assert (cvsc[:, 2] > baseline[:, 2]).all()


def attention_methods(m, printed):
    rows = re.findall(r"^(\w+) +([\d.]+) +([\d.]+) +([\d.]+)", printed, re.MULTILINE)
    mass, peak, chance = np.array([row[1:] for row in rows], dtype=float).T
    assert [row[0] for row in rows] == list(m.models)
    assert mass.argmax() == peak.argmax() == list(m.models).index("APN")
    assert (mass > 3 * chance).all()
    parts = {part: i for i, part in enumerate(m.guide.part_names)}
    for found in m.localization.values():
        by_part = [np.nanmean(found.attribute_scores[own]) for own in m.of_part]
        assert np.argmax(by_part) == parts["wing"]
        assert np.argsort(by_part).tolist().index(parts["bill"]) <= 1


def digit_segments(m, printed):
    assert np.mean(m.scores) > 0.45, "chance is 0.33"


def own_pictures(m, printed):
    accuracy, chance = map(
        float, re.search(r"accuracy ([\d.]+), chance ([\d.]+)", printed).groups()
    )
    assert accuracy > 1.5 * chance


def new_class(m, printed):
    assert "largest change of an old score: 0.0\n" in printed
    before, alone, mixed = m.curves["new pictures alone"][0], *(c[-1] for c in m.curves.values())
    assert alone[0] > before[0]
    assert alone[1] < before[1] - 0.1, "given new pictures alone, it forgets"
    assert mixed[1] > alone[1] + 0.1


def save_and_load(m, printed):
    assert re.findall(r"from .*: +(\w+)", printed) == ["True"] * 3


def photographs(m, printed):
    assert m.accuracy > 0.9
    assert m.scores.unseen > 0.3
    assert m.scores.seen > 0.8


def methods(m, printed):
    assert m.held_out[m.scaling] > 2 * m.held_out["unit_length"]
    assert all(m.T1[name].estimate > 2 / len(m.guide.unseen_classes) for name in m.methods)
    assert max(m.T1, key=lambda name: m.T1[name].estimate) == "prototypes, tuned"
    assert max(m.H, key=lambda name: m.H[name].estimate[1]) == "prototypes, tuned"


def finetuning(m, printed):
    held_out = {name: curve[-1] for name, curve in m.curves.items()}
    assert held_out["trained"] > 3 * held_out["as it was"]
    assert m.T1["patches"] > m.T1["trained"] > 1.7 * m.T1["as it was"]
    assert m.H["patches"] > m.H["trained"] > 1.7 * m.H["as it was"]
    before, after = (mass.score for mass in m.mass.values())
    assert after > before > 2 * next(iter(m.mass.values())).chance
    both = re.findall(r"crown ([\d.]+) breast ([\d.]+) wing ([\d.]+)", printed)
    before, after = np.array(both, dtype=float)
    assert (after[[0, 2]] > before[[0, 2]]).all()


def generative(m, printed):
    assert m.accuracy > 0.5
    assert max(m.plain[:3]) < 0.05, "few rows and no delta: no unseen species is ever named"
    assert max(m.plain) > 0.5
    assert np.ptp(m.tuned[2:]) < 0.05, "with a delta, the number hardly matters"
    assert (np.diff(m.deltas) < 0).all()


CLAIMS = {
    f"plot_{claim.__name__}": claim
    for claim in (
        *(first_fit, calibration, mismatch, lambda_search, attention_maps, digit_segments),
        *(own_pictures, new_class, save_and_load, methods, attention_methods, generative),
        *(photographs, finetuning),
    )
}


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_form(path):
    source = path.read_text()
    title, underline = ast.get_docstring(ast.parse(source)).splitlines()[:2]
    assert underline == "=" * len(title)
    assert len(re.findall(r"^# %%\n# \w", source, re.MULTILINE)) >= 2, "cells of text"
    assert "shared" not in re.findall(r"[\w.]+(?=/)", source)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=[] if "digit" in path.stem else pytest.mark.slow)
        for path in GALLERY
    ],
)
def test_gallery(path, tmp_path, monkeypatch, capsys):
    """Drawn, and nothing left behind: neither where it was started nor among temporary files."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")
    here, temporary = tmp_path / "here", tmp_path / "temporary"
    here.mkdir()
    temporary.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    # Where torch keeps its own things, whatever is run.
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "torch"))
    monkeypatch.setattr(pyplot, "show", lambda: None)
    beside = set(EXAMPLES.iterdir())
    try:
        module = load(path.stem)
        assert pyplot.get_fignums()
    finally:
        pyplot.close("all")
    assert list(here.iterdir()) == list(temporary.iterdir()) == []
    assert {p for p in EXAMPLES.iterdir() if p.name != "__pycache__"} == beside - {
        EXAMPLES / "__pycache__"
    }
    CLAIMS[path.stem](module, capsys.readouterr().out)


def test_the_gallery_is_found():
    assert {path.stem for path in GALLERY} == set(CLAIMS)
