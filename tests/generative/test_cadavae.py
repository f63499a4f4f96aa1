"""CADA-VAE equals the authors' released code, and its weights rise as they say."""

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

from zslearn import CADAVAEClassifier
from zslearn.attributes import ClassAttributes
from zslearn._described_classes import DescribedClasses
from zslearn.generative._cadavae import CADAVAELearner

NAMES = [
    (f"{theirs}.{layer}", f"network.{here}.{mine}")
    for theirs, here in [("E_x", "encode_x"), ("E_a", "encode_a")]
    for layer, mine in [
        ("feature_encoder.0", "hidden.0"),
        ("_mu", "mean"),
        ("_logvar", "log_variance"),
    ]
] + [
    (f"{theirs}.feature_decoder.{layer}", f"network.{here}.{mine}")
    for theirs, here in [("D_x", "decode_x"), ("D_a", "decode_a")]
    for layer, mine in [("0", "hidden"), ("2", "out")]
]


def released(number):
    """The learner with a file's weights in its epoch, and the file."""
    case = load(f"cadavae_case{number}")
    sizes = {key: len(case[f"before/{key}.bias"]) for key in ("E_x._mu",)}
    hidden = [
        len(case[f"before/{net}.0.bias"])
        for net in (
            *("E_x.feature_encoder", "E_a.feature_encoder"),
            *("D_x.feature_decoder", "D_a.feature_decoder"),
        )
    ]
    table = case["class_attributes"]
    clf = CADAVAEClassifier(
        latent_dim=sizes["E_x._mu"],
        encoder_dims=tuple(hidden[:2]),
        decoder_dims=tuple(hidden[2:]),
        normalize_attributes=False,
    )
    seen = np.arange(len(table)) < int(case["config/n_seen"])
    classes = DescribedClasses(ClassAttributes(table.numpy()), seen)
    learner = CADAVAELearner(case["x"].shape[1], **clf._learner_params(classes))
    put(learner, weights(case, "before/", NAMES))
    learner.begin_epoch(int(case["config/epoch"]))
    return learner, case


@pytest.mark.parametrize("number", [1, 2])
def test_a_step(number):
    learner, case = released(number)
    draws = Recorded(case["draw_eps_x"], case["draw_eps_a"])
    out = learner.network(case["x"], case["a"], *draws.values)
    for name, value in out._asdict().items():
        close(value, case[name.replace("mean", "mu")], name)
    risen = learner.weights()
    for name, theirs in [("kl", "beta"), ("cross_reconstruction", "cross"), ("distance",) * 2]:
        close(risen[name], case[f"weight_{theirs}"], name)
    terms = learner.step("main", case["x"], case["a"], case["y"], draws)
    close(terms["reconstruction"], case["loss_reconstruction"])
    close(terms["cross_reconstruction"], case["loss_cross_reconstruction"])
    close(-terms["kl"], case["minus_kl"])
    close(terms["distance"], case["distance"])
    close(terms["loss"], case["loss_total"])
    made = optimizers(learner, case["config/lr"], amsgrad=True)
    moving, found = gradients(learner, made, "main", terms["loss"])
    for name, value in weights(case, "grad/", NAMES).items():
        close(found[name], value, name)
    for one in moving:
        one.step()
    same_weights(learner, weights(case, "after/", NAMES))
    close(learner.represent(case["latent/seen_x"]), case["latent/test_z"])
    drawn = learner.represent(case["latent/seen_x"], Recorded(case["latent/seen_draw"]))
    close(drawn, case["latent/seen_z"])
    if len(case.get("latent/unseen_a", ())):
        drawn = learner.synthesize(case["latent/unseen_a"], Recorded(case["latent/unseen_draw"]))
        close(drawn, case["latent/unseen_z"])


def test_weights_rise_with_the_epochs():
    clf = CADAVAEClassifier(max_epochs=200, beta_warm_up=(0.1, 0.2))
    rise = clf._warm_up("beta_warm_up", 0.5)
    assert [rise.at(epoch) for epoch in (0, 20, 30, 40, 199)] == [0, 0, 0.25, 0.5, 0.5]
    clf.set_params(beta_warm_up=(0.1, 0.1))
    assert [clf._warm_up("beta_warm_up", 0.5).at(epoch) for epoch in (19, 20)] == [0, 0.5]
    clf.set_params(max_epochs="auto", beta_warm_up=(0.5, 1.0))
    assert clf._warm_up("beta_warm_up", 1.0).at(9) == 0.5


@pytest.mark.parametrize("wrong", [(0.5,), (0.8, 0.2), (-0.1, 0.2), ("a", 1)])
def test_wrong_warm_ups_are_refused(wrong):
    with pytest.raises(ValueError, match="ca_warm_up must be two shares of max_epochs"):
        CADAVAEClassifier(ca_warm_up=wrong)._warm_up("ca_warm_up", 1.0)


def test_noise_is_shared_or_not():
    learner, case = released(1)
    mean, log_var = learner.network.feature_posterior(case["x"])
    noise = torch.randn(len(mean), 1, dtype=torch.float64)
    z = learner.represent(case["x"], Recorded(noise))
    close((z - mean) / log_var.exp(), noise.expand_as(mean))
    learner.noise_dim = mean.shape[1]
    noise = torch.randn(mean.shape, dtype=torch.float64)
    close(learner.represent(case["x"], Recorded(noise)), mean + noise * log_var.exp())
