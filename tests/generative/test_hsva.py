"""HSVA takes the steps of the authors' code, phase by phase."""

import numpy as np
import pytest
import torch

from tests.generative.replay import CLOSE, Recorded, load, replay
from zslearn import ClassAttributes, HSVAClassifier
from zslearn._described_classes import DescribedClasses
from zslearn.generative._hsva import HSVALearner
from zslearn.generative._learner import Draws

TWO = {"hidden": "feature_encoder.0", "out": "feature_encoder.2"}
BACK = {"hidden": "feature_decoder.0", "out": "feature_decoder.2"}
HEAD = {"0": "fc1", "1": "bn1_fc", "3": "fc2"}
LAYERS = {
    f"network.{ours}.{layer}": f"{theirs}.{name}"
    for ours, theirs, layers in [
        ("structure_x", "E_x", TWO),
        ("structure_a", "E_a", TWO),
        ("encode", "E_z", {"hidden.0": TWO["hidden"], "mean": "_mu", "log_variance": "_logvar"}),
        ("decode_x", "D_x", BACK),
        ("decode_a", "D_a", BACK),
        ("classifiers.0", "C1", HEAD),
        ("classifiers.1", "C2", HEAD),
    ]
    for layer, name in layers.items()
}
NAMES = {f"{a}.{p}": f"{b}.{p}" for a, b in LAYERS.items() for p in ("weight", "bias")}


def released(number):
    """A file, and a learner in its epoch."""
    case = load(f"hsva_case{number}")
    table, n_seen = case["class_attributes"], int(case["config/n_seen"])
    case["order"] = np.array(["classify", "maximise", "minimise0", "minimise1", "align"])
    for step in case["order"].tolist():
        case |= {f"{step}/{key}": case[key] for key in "xay"}
    drawn = (table[n_seen:, None] == case["unseen_a"]).all(dim=2).int().argmax(dim=0)
    assert torch.equal(table[n_seen:][drawn], case["unseen_a"])
    case["align/draw_rows"] = drawn
    clf = HSVAClassifier.from_preset(
        "cub",
        hidden_dim=2,
        structure_dim=2,
        encoder_dim=2,
        classifier_dim=len(case["classify/before/C1.fc1.bias"]),
        discrepancy=str(case["config/discrepancy"]).lower(),
        n_projections=8,
        normalize_attributes=False,
    )
    described = DescribedClasses(ClassAttributes(table.numpy()), np.arange(len(table)) < n_seen)
    clf.trained_classes_ = np.arange(n_seen)
    learner = HSVALearner(case["x"].shape[1], **clf._learner_params(described)).double()
    learner.class_attributes = case["class_attributes"]  # not by way of float32
    learner.begin_epoch(int(case["config/epoch"]))
    return case, learner


@pytest.mark.parametrize("number", [1, 2])
def test_all_phases_of_a_batch(number):
    case, learner = released(number)
    phases = dict(zip(case["order"].tolist(), learner.phases(0), strict=True))
    assert {step.rstrip("01") for step in phases} == set(phases.values())
    checked = []

    def plan(step):
        if step == "align":
            return [("align", ["eps_x", "eps_a", "rows", "eps_unseen"])]
        drawn = [m for m in ("projection_x", "projection_a") if f"{step}/draw_{m}" in case]
        return [(phases[step], drawn)]

    def check(step, phase, terms):
        def stored(*names):
            return sum(case[f"{step}/{name}"] for name in names).reshape(())

        expected = {"loss": stored("loss_total")}
        if phase == "classify":
            expected["ce"] = stored("loss_class_x", "loss_class_a")
        elif phase == "maximise":
            expected["discrepancy"] = stored("discrepancy_x", "discrepancy_a")
        elif phase == "align":
            expected["reconstruction"] = stored("loss_reconstruction")
            expected["cross_reconstruction"] = stored("loss_cross_reconstruction")
            expected["kl"] = -stored("minus_kl")
            expected["distance"] = stored("distance")
            expected["correlation"] = stored("coral")
        assert terms.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(terms[name], value, **CLOSE)
        for number, classifier in enumerate(learner.network.classifiers, 1):
            for of in ("running_mean", "running_var"):
                if phase != "align":
                    theirs = case[f"{step}/running/C{number}.bn1_fc.{of}"]
                    torch.testing.assert_close(getattr(classifier[1], of), theirs, **CLOSE)
        checked.append(step)

    def adam(parameters):
        """Adam that rounds as the authors' did where a gradient is nothing but rounding.

        Such are those of a bias in front of batch normalisation; Adam scales them up.
        """
        made = torch.optim.Adam(parameters, lr=float(case["config/lr"]), amsgrad=True)

        def round_alike(*_):
            for ours, theirs in NAMES.items():
                parameter = learner.get_parameter(ours)
                if any(parameter is p for p in made.param_groups[0]["params"]):
                    stored = case[f"{checked[-1]}/grad/{theirs}"]
                    parameter.grad = torch.where(stored.abs() < 1e-11, stored, parameter.grad)

        made.register_step_pre_hook(round_alike)
        return made

    replay(case, learner, NAMES, plan, adam, check)
    assert checked == case["order"].tolist()
    learner.eval()
    with torch.no_grad():
        x, a = case["x"], case["latent/unseen_a"]
        seen, unseen = (Recorded([case[f"latent/{of}_draw"]]) for of in ("seen", "unseen"))
        found = {
            "test_z": learner.represent(x),
            "seen_z": learner.represent(x, seen),
            "unseen_z": learner.synthesize(a, unseen),
        }
    for name, value in found.items():
        torch.testing.assert_close(value, case[f"latent/{name}"], **CLOSE)


def test_only_what_is_named_gets_gradients():
    case, learner = released(1)
    networks = {
        "structure": ("structure_x", "structure_a"),
        "encoder": ("encode",),
        "decoders": ("decode_x", "decode_a"),
        "classifiers": ("classifiers",),
    }
    for phase in dict.fromkeys(learner.phases(0)):
        learner.zero_grad()
        draws = Draws(torch.Generator().manual_seed(0), torch.float64)
        learner.step(phase, case["x"], case["a"], case["y"], draws)["loss"].backward()
        for name, parts in networks.items():
            has = [
                p.grad is not None for n in parts for p in getattr(learner.network, n).parameters()
            ]
            assert has == [name in learner.optimizers_of(phase)] * len(has), (phase, name)


def test_a_batch_of_one_is_taken_twice():
    case, learner = released(1)
    twice = case["x"][:1].repeat(2, 1), case["a"][:1].repeat(2, 1), case["y"][:1].repeat(2)
    for phase in dict.fromkeys(learner.phases(0)):
        found, expected = (
            learner.step(phase, *batch, Draws(torch.Generator().manual_seed(0), torch.float64))
            for batch in ((case["x"][:1], case["a"][:1], case["y"][:1]), twice)
        )
        for name, value in found.items():
            torch.testing.assert_close(value, expected[name], **CLOSE)


@pytest.fixture
def small():
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(0.1, 1, (6, 4)))
    y = rng.integers(4, size=50)
    X = (table.values @ rng.normal(size=(4, 8)))[y] + 0.1 * rng.normal(size=(50, 8))
    clf = HSVAClassifier(
        hidden_dim=9, structure_dim=8, encoder_dim=7, classifier_dim=6, latent_dim=5, max_epochs=2
    )
    return clf.set_params(random_state=0), X, y, table


def test_optimisers_and_terms_of_the_estimator(small):
    clf, X, y, table = small
    net = clf.fit(X, y, class_attributes=table).net_
    options = {
        name: (one.param_groups[0]["lr"], one.param_groups[0]["amsgrad"])
        for name, one in net.optimizers_.items()
    }
    assert options.pop("classifiers") == (1e-3, False)
    assert set(options.values()) == {(1.5e-4, True)}
    assert "correlation" in net.term_names_
    # Without classes that nobody has seen there is nothing to keep away from.
    seen = table.subset(table.labels[:4])
    assert "correlation" not in clf.fit(X, y, class_attributes=seen).net_.term_names_


def test_another_optimiser_without_amsgrad(small):
    clf, X, y, table = small
    clf.set_params(optimizer="sgd", learning_rate=1e-6).fit(X, y, class_attributes=table)
    assert clf.predict(X).shape == y.shape
