"""The examples run from end to end, the demo on a few epochs."""

import importlib.util
import re
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


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


@pytest.mark.slow
def test_own_pictures(monkeypatch, capsys):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    load("plot_own_pictures")
    printed = capsys.readouterr().out
    accuracy, chance = map(
        float, re.search(r"accuracy ([\d.]+), chance ([\d.]+)", printed).groups()
    )
    assert accuracy > 1.5 * chance
