"""CADA-VAE takes the step of the authors' code, and its weights rise as they say."""

from functools import partial

import numpy as np
import pytest
import torch

from tests.generative.replay import CLOSE, Recorded, load, replay
from zslearn import CADAVAEClassifier, ClassAttributes
from zslearn._described_classes import DescribedClasses
from zslearn._sample_weights import Samples
from zslearn.generative._cadavae import CADAVAELearner

LAYERS = {
    **{
        f"network.encode_{m}.{ours}": f"E_{m}.{theirs}"
        for m in "xa"
        for ours, theirs in [
            ("hidden.0", "feature_encoder.0"),
            ("mean", "_mu"),
            ("log_variance", "_logvar"),
        ]
    },
    **{
        f"network.decode_{m}.{ours}": f"D_{m}.feature_decoder.{theirs}"
        for m in "xa"
        for ours, theirs in [("hidden", 0), ("out", 2)]
    },
}
NAMES = {f"{a}.{p}": f"{b}.{p}" for a, b in LAYERS.items() for p in ("weight", "bias")}


def released(number):
    """A file, and a learner in its epoch."""
    case = load(f"cadavae_case{number}")
    case |= {f"main/{key}": value for key, value in case.items()} | {"order": np.array(["main"])}
    table = ClassAttributes(case["class_attributes"].numpy())
    seen = np.arange(table.n_classes) < int(case["config/n_seen"])
    clf = CADAVAEClassifier(normalize_attributes=False, encoder_dims=(2, 2), decoder_dims=(2, 2))
    params = clf._learner_params(DescribedClasses(table, seen))
    learner = CADAVAELearner(case["x"].shape[1], **params).double()
    learner.begin_epoch(int(case["config/epoch"]))
    return case, learner


@pytest.mark.parametrize("number", [1, 2])
def test_a_step(number):
    case, learner = released(number)
    steps = []

    def check(step, phase, terms):
        expected = {
            "loss": case["loss_total"],
            "reconstruction": case["loss_reconstruction"],
            "cross_reconstruction": case["loss_cross_reconstruction"],
            "kl": -case["minus_kl"],
            "distance": case["distance"],
        }
        assert terms.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(terms[name], value.reshape(()), **CLOSE)
        weights = [case[f"weight_{name}"] for name in ("beta", "cross", "distance")]
        risen = torch.stack(list(learner.weights().values()))
        torch.testing.assert_close(risen, torch.cat(weights), **CLOSE)
        out = learner.network(case["x"], case["a"], case["draw_eps_x"], case["draw_eps_a"])
        for name, value in out._asdict().items():
            theirs = case[name.replace("mean", "mu")]
            torch.testing.assert_close(value.detach(), theirs, **CLOSE)
        steps.append(step)

    adam = partial(torch.optim.Adam, lr=float(case["config/lr"]), amsgrad=True)
    plan = {"main": [("main", ["eps_x", "eps_a"])]}.__getitem__
    replay(case, learner, NAMES, plan, adam, check)
    assert steps == ["main"]
    with torch.no_grad():
        found = {
            "test_z": learner.represent(case["latent/seen_x"]),
            "seen_z": learner.represent(
                case["latent/seen_x"], Recorded([case["latent/seen_draw"]])
            ),
        }
        if "latent/unseen_a" in case and len(case["latent/unseen_a"]):
            draw = Recorded([case["latent/unseen_draw"]])
            found["unseen_z"] = learner.synthesize(case["latent/unseen_a"], draw)
    assert number == 2 or len(found) == 3
    for name, value in found.items():
        torch.testing.assert_close(value, case[f"latent/{name}"], **CLOSE)


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


@pytest.mark.parametrize("wrong", [(16,), (16, 0), (16, 2.5)])
def test_wrong_widths_are_refused(small, wrong):
    clf, X, y, table = small
    with pytest.raises(ValueError, match="decoder_dims must be two widths"):
        clf.set_params(decoder_dims=wrong).fit(X, y, class_attributes=table)


@pytest.fixture
def small():
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(0.1, 1, (6, 4)))
    y = rng.integers(4, size=50)
    X = (table.values @ rng.normal(size=(4, 8)))[y] + 0.1 * rng.normal(size=(50, 8))
    clf = CADAVAEClassifier(
        latent_dim=5, encoder_dims=(9, 9), decoder_dims=(9, 9), max_epochs=4, random_state=0
    )
    return clf, X, y, table


def test_epochs_reach_the_learner(small):
    clf, X, y, table = small
    clf.set_params(da_warm_up=(0.0, 1.0)).fit(X, y, class_attributes=table)
    # Begun is the last of four epochs, of number 3.
    weights = clf.net_.module_.weights()
    assert weights["distance"].item() == pytest.approx(8.13 * 3 / 4)
    assert clf.net_.term_names_ == ["reconstruction", "kl", "cross_reconstruction", "distance"]


@pytest.mark.parametrize("noise", ["shared", "independent"])
def test_noise_is_of_one_direction_or_of_all(small, noise):
    clf, X, y, table = small
    clf.set_params(latent_noise=noise).fit(X, y, class_attributes=table)
    rows, labels = clf.synthesize(n=50)
    of_class = rows[labels == labels[0]]
    ranks = np.linalg.matrix_rank(of_class - of_class.mean(axis=0), tol=1e-4)
    assert ranks == (1 if noise == "shared" else 5)


def test_the_classifier_gets_as_many_latents_of_each_class(small):
    clf, X, y, table = small
    clf.set_params(n_real=30, n_synthetic=7).fit(X, y, class_attributes=table)
    samples = clf._chosen(Samples(X, y), 0)
    assert np.bincount(samples.y).tolist() == [30] * 4
    # Each sample of a class is taken about equally often.
    counts = np.bincount(samples.rows, minlength=50)
    for label in range(4):
        assert np.ptp(counts[y == label]) <= 1
    assert np.array_equal(y[samples.rows], samples.y)
    clf.set_params(n_real=None)
    assert clf._chosen(samples, 0) is samples
