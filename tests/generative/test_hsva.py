"""HSVA equals the authors' released code, phase by phase."""

import numpy as np
import pytest
import torch
from tests.generative.recorded import (
    Recorded,
    close,
    gradients,
    load,
    optimizers,
    put,
    same_weights,
    weights,
)

from zslearn import HSVAClassifier
from zslearn.attributes import ClassAttributes
from zslearn._described_classes import DescribedClasses
from zslearn.generative._hsva import HSVALearner

NAMES = [
    (f"{theirs}.{layer}", f"network.{here}.{mine}")
    for theirs, here, layers in [
        ("E_x", "structure_x", {"feature_encoder.0": "hidden", "feature_encoder.2": "out"}),
        ("E_a", "structure_a", {"feature_encoder.0": "hidden", "feature_encoder.2": "out"}),
        ("E_z", "encode", {"feature_encoder.0": "hidden.0", "_mu": "mean", "_logvar": "log_variance"}),
        ("D_x", "decode_x", {"feature_decoder.0": "hidden", "feature_decoder.2": "out"}),
        ("D_a", "decode_a", {"feature_decoder.0": "hidden", "feature_decoder.2": "out"}),
        ("C1", "classifiers.0", {"fc1": "0", "bn1_fc": "1", "fc2": "3"}),
        ("C2", "classifiers.1", {"fc1": "0", "bn1_fc": "1", "fc2": "3"}),
    ]
    for layer, mine in layers.items()
]
STEPS = ["classify", "maximise", "minimise0", "minimise1", "align"]


def released(number):
    """The learner with a file's weights in its epoch, and the file."""
    case = load(f"hsva_case{number}")

    def width(layer):
        return len(case[f"classify/before/{layer}.bias"])

    swd = str(case["config/discrepancy"]) == "SWD"
    clf = HSVAClassifier.from_preset(
        "cub",
        latent_dim=width("E_z._mu"),
        structure_dim=width("E_x.feature_encoder.2"),
        hidden_dim=width("E_x.feature_encoder.0"),
        encoder_dim=width("E_z.feature_encoder.0"),
        classifier_dim=width("C1.fc1"),
        discrepancy="swd" if swd else "mcd",
        n_projections=8,
        normalize_attributes=False,
    )
    table = case["class_attributes"]
    seen = np.arange(len(table)) < int(case["config/n_seen"])
    classes = DescribedClasses(ClassAttributes(table.numpy()), seen)
    learner = HSVALearner(case["x"].shape[1], **clf._learner_params(classes))
    for net, theirs in [("decode_x", "D_x"), ("decode_a", "D_a")]:  # not of the encoders' width
        n_hidden = width(f"{theirs}.feature_decoder.0")
        decoder = getattr(learner.network, net)
        decoder.hidden = torch.nn.Linear(decoder.n_in, n_hidden)
        decoder.out = torch.nn.Linear(n_hidden, decoder.out.out_features)
    put(learner, weights(case, "classify/before/", NAMES))
    learner.begin_epoch(int(case["config/epoch"]))
    return learner.train(), case


def draws_of(case, step):
    if step == "align":
        table, others = case["class_attributes"], case["unseen_a"]
        n_seen = int(case["config/n_seen"])
        rows = (table[n_seen:, None] == others).all(dim=2).int().argmax(dim=0)
        assert torch.equal(table[n_seen:][rows], others)
        x, a, z = (case[f"align/draw_eps_{of}"] for of in ("x", "a", "unseen"))
        return Recorded(x, a, rows, z)
    return Recorded(
        *(case[key] for m in "xa" if (key := f"{step}/draw_projection_{m}") in case)
    )


@pytest.mark.parametrize("number", [1, 2])
def test_all_phases_of_a_batch(number):
    learner, case = released(number)
    made = optimizers(learner, case["config/lr"], amsgrad=True)
    phases = learner.phases(0)
    assert [step.rstrip("01") for step in STEPS] == list(phases)
    for phase, step in zip(phases, STEPS, strict=True):
        same_weights(learner, weights(case, f"{step}/before/", NAMES))
        draws = draws_of(case, step)
        terms = learner.step(phase, case["x"], case["a"], case["y"], draws)
        assert not draws.values
        close(terms["loss"], case[f"{step}/loss_total"], step)
        if phase == "classify":
            close(terms["ce"], case["classify/loss_class_x"] + case["classify/loss_class_a"])
        if phase == "maximise":
            apart = case[f"{step}/discrepancy_x"] + case[f"{step}/discrepancy_a"]
            close(terms["discrepancy"], apart)
        if phase == "align":
            close(terms["reconstruction"], case["align/loss_reconstruction"])
            close(terms["cross_reconstruction"], case["align/loss_cross_reconstruction"])
            close(-terms["kl"], case["align/minus_kl"])
            close(terms["distance"], case["align/distance"])
            close(terms["correlation"], case["align/coral"])
        else:
            for number_of, classifier in enumerate(learner.network.classifiers, 1):
                for of in ("running_mean", "running_var"):
                    theirs = case[f"{step}/running/C{number_of}.bn1_fc.{of}"]
                    close(getattr(classifier[1], of), theirs, of)
        moving, found = gradients(learner, made, phase, terms["loss"])
        expected = weights(case, f"{step}/grad/", NAMES)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            close(found[name], value, f"{step} {name}")
        for one in moving:
            one.step()
    same_weights(learner, weights(case, "after/", NAMES))
    learner.eval()
    close(learner.represent(case["x"]), case["latent/test_z"])
    drawn = learner.represent(case["x"], Recorded(case["latent/seen_draw"]))
    close(drawn, case["latent/seen_z"])
    drawn = learner.synthesize(case["latent/unseen_a"], Recorded(case["latent/unseen_draw"]))
    close(drawn, case["latent/unseen_z"])


def test_the_classifiers_have_their_own_rate_and_no_amsgrad():
    learner, _ = released(1)
    made = optimizers(learner, 1e-4, amsgrad=True)
    rates = {name: (one.param_groups[0]["lr"], one.param_groups[0]["amsgrad"]) for name, one in made.items()}
    assert rates.pop("classifiers") == (1e-3, False)
    assert set(rates.values()) == {(1e-4, True)}


def test_a_batch_of_one_is_taken_twice():
    learner, case = released(1)
    x, a, y = (case[key][:1] for key in "xay")
    for phase in dict.fromkeys(learner.phases(0)):
        generator = torch.Generator().manual_seed(0)
        from zslearn.generative._learner import Draws

        terms = learner.step(phase, x, a, y, Draws(generator, torch.float64))
        assert torch.isfinite(terms["loss"])
