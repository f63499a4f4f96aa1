"""The benchmarks compare equals with equals: the printed equations give what zslearn gives."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from zslearn import ClassAttributes
from zslearn._training._learner import Batch
from zslearn.model_selection._protocol_methods import read_methods
from zslearn.nn import CVsCLoss, CVsCNetwork, CVsCOutput
from zslearn.nn import functional as zf
from zslearn.registry import method_info

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS.parent))
from benchmarks import (  # noqa: E402
    arena,
    attention,
    hundred_million,
    linear_speed,
    literal_transzero,
    localization,
)
from benchmarks import attention_causes as causes  # noqa: E402


@pytest.fixture(scope="module")
def literal_module():
    spec = importlib.util.spec_from_file_location("literal", BENCHMARKS / "literal.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)], ids=str
)
def test_printed_equations_are_equal(literal_module, dtype, tolerance):
    """Loss and gradients by the product of F with [Q; E], and with F_A built."""
    generator = torch.Generator().manual_seed(0)
    n, n_regions, n_features, n_attributes, n_classes, width = 20, 49, 64, 30, 12, 16
    table = torch.rand(n_classes, n_attributes, generator=generator, dtype=dtype)
    table /= table.max()
    unseen = torch.arange(n_classes) >= 9
    network = CVsCNetwork(table, n_features, attribute_dim=width, seed=1)
    criterion = CVsCLoss(table, unseen)
    literal = literal_module.LiteralCVsC(
        network.attribute_vectors, network.query_weight, network.embedding_weight, table, unseen
    )
    regions = torch.randn(n, n_regions, n_features, generator=generator, dtype=dtype)
    regions = zf.normalize_rows(regions)
    other = torch.randn(n, n_attributes, n_features, generator=generator, dtype=dtype)
    y = torch.arange(n) % 9

    semantics = network.semantics(regions)
    counterfactual = zf.semantic_embedding(other, network.queries_and_embeddings()[1])
    output = CVsCOutput(
        semantics,
        network.class_scores(semantics),
        counterfactual,
        network.class_scores(counterfactual),
    )
    ours = criterion(output, y)["loss"]
    theirs = literal.loss(regions, y, other)
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=0)
    gradients = torch.autograd.grad(ours, list(network.parameters()))
    expected = torch.autograd.grad(theirs, literal.parameters)
    for gradient, wanted in zip(gradients, expected, strict=True):
        assert (gradient - wanted).norm() <= tolerance * wanted.norm()
    torch.testing.assert_close(
        network.class_scores(semantics),
        literal.predict(regions, 7),
        rtol=tolerance,
        atol=tolerance,
    )


@pytest.mark.parametrize("name", list(attention.ROWS))
def test_literal_attention_is_equal(name, monkeypatch):
    """Objective and gradients of a learner, and of its equations written down; no dropout."""
    monkeypatch.setattr(literal_transzero, "dropout", lambda x, p: x)
    generator = torch.Generator().manual_seed(0)
    learner = method_info(name).estimator(random_state=0, max_epochs=1)
    table, y = torch.rand(6, 5, generator=generator).numpy(), torch.arange(12) % 4
    X = torch.randn(12, 4, 8, generator=generator)
    learner = learner.fit(X.numpy(), y.numpy(), class_attributes=table).net_.module_.double().eval()
    torch.manual_seed(0)
    for weight in learner.parameters():
        torch.nn.init.normal_(weight)
    literal = attention.ROWS[name].literal(learner)
    regions = torch.nn.functional.normalize(X.double(), dim=2)
    ours = learner.training_step(Batch(regions, y, generator))["loss"]
    theirs = literal.loss(regions, y)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)
    gradients = torch.autograd.grad(ours, list(learner.parameters()))
    expected = torch.autograd.grad(theirs, list(literal.weights.values()))
    torch.testing.assert_close(gradients, expected, rtol=1e-10, atol=1e-12)


def test_settings_of_the_arena():
    """Every grid keeps to the budget, and its parameters exist."""
    settings = arena.all_settings()
    for method in read_methods(list(settings), settings, arena.BUDGET):
        for setting in method.settings:
            method.make(setting, 0)
    assert [one["max_epochs"] for one in arena.all_settings([3, 7])["hsva"]] == [3, 7]
    assert set(arena.CLASSICAL) <= set(arena.SETTINGS)


def test_the_arena_prints_and_keeps_its_results(tmp_path, monkeypatch, capsys):
    out = tmp_path / "runs.jsonl"
    command = ["arena", "--data", "digits", "--splits", "2", "--methods", "eszsl", "prototypes"]
    monkeypatch.setattr("sys.argv", [*command, "--out", str(out)])
    for _ in range(2):
        arena.main()
        printed = capsys.readouterr().out
        assert "| eszsl | 2 × 1 |" in printed
        assert "Minus prototypes" in printed
        assert len(out.read_text().splitlines()) == 8


def test_speeds_of_ranking_methods_can_be_measured(capsys):
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.random((10, 4)))
    y = np.arange(160) % 10
    X = rng.normal(size=(160, 6)) + table.values[y] @ rng.normal(size=(4, 6))
    seen = y < 8
    rows = {
        "trainval": np.flatnonzero(seen)[:96],
        "test_seen": np.flatnonzero(seen)[96:],
        "test_unseen": np.flatnonzero(~seen),
    }
    linear_speed.ranking("made up", (X, y, table, rows))
    printed = capsys.readouterr().out
    assert printed.count("the published loop") == printed.count("bare products") == 3


def test_hours_of_many_pictures_by_hand():
    rates = {name: default for name, (default, _) in hundred_million.RATES.items()}
    rates |= {"pictures": 3.6e6, "picture_bytes": 1e5, "workers": 2, "cores": 5, "decoding": 100}
    rates |= {"network": 250, "source": 1e9, "link": 1e8, "disk": 2e8, "prediction": 1000}
    one = hundred_million.plan(rates, (10, 500), 1)
    assert [step.n_bytes / 3.6e10 for step in one] == [10, 10, 0, 0, 1, 1, 1]
    assert [step.hours for step in one] == [1, 0.5, 1, 2, 0.1, 0.1, 0.5]
    assert hundred_million.extraction_hours(one) == (3, "network")
    parts = hundred_million.plan(rates, (100, 5000), 2)
    assert [step.n_bytes / 3.6e12 for step in parts] == [0.1, 0.1, 0, 0, 0, 1, 1]
    assert [step.hours for step in parts] == [0.5, 0.5, 1, 2, 0, 5, 5]
    assert hundred_million.extraction_hours(parts) == (5.5, "write")


def test_page_of_many_pictures_says_what_is_computed(capsys):
    page = (BENCHMARKS.parent / "docs/user_guide/hundred_million.md").read_text()
    hundred_million.main([])
    hours = re.findall(r"extraction ([\d.]+) h", capsys.readouterr().out)
    table = re.findall(r"\| ([\d.]+) h, b.*? \| ([\d.]+) h, by", page)
    assert hours == [row[0] for row in table] + [row[1] for row in table]


def test_where_attention_lies_can_be_measured(monkeypatch, capsys):
    """A part that is everywhere has all of every map; a grid has most weight in its middle."""
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.random((5, 3)), labels=list("abcde"))
    y = np.repeat(list("abcde"), 6)
    data = localization.Data(
        rng.normal(size=(30, 9, 4)),
        y,
        table,
        np.arange(18),
        np.arange(18, 30),
        (3, 3),
        np.ones((30, 1, 9), dtype=bool),
        np.zeros(3, dtype=int),
        np.ones((30, 3), dtype=bool),
    )
    monkeypatch.setattr(localization, "data_of", lambda *_: data)
    monkeypatch.setattr(causes, "data_of", lambda *_: data)
    assert localization.middle_map((3, 3)).argmax() == 4
    monkeypatch.setattr(
        "sys.argv", ["localization", "--methods", "w/o CC", "--epochs", "1", "--seeds", "1"]
    )
    localization.main()
    *_, first, last = capsys.readouterr().out.splitlines()
    assert first.split()[::2][:2] == ["attention", "attention"]
    assert last.startswith("w/o CC     n = 1" + "     1.000±0.000" * 6)
    monkeypatch.setattr("sys.argv", ["causes", "--methods", "baseline", "CVsC", "--epochs", "1"])
    causes.main()
    *_, baseline, _, cvsc, other = (line.split() for line in capsys.readouterr().out.splitlines())
    assert baseline[2:6] == ["1.000", "0.000", "1.000", "1.000"]
    assert len(cvsc) == 1 + len(causes.COLUMNS[0])
    assert other.count("1.000") + other.count("1.000,") == 2 * 5, "all of every kind of map"


def test_logits_are_divided_until_maps_are_as_flat():
    logits = np.random.default_rng(0).normal(size=(5, 2, 9))
    wanted = causes.entropy(causes.softmax(logits / 0.7))
    assert causes.divisor(logits, wanted) == pytest.approx(0.7, rel=1e-4)
    assert causes.entropy(np.full((1, 9), 1 / 9)) == pytest.approx(1)
