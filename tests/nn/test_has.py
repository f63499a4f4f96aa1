"""Heads, losses and adversarial samples of HAS equal those of the authors' released code."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d, softmax

from zslearn.nn import HASNetwork
from zslearn.nn._sign_descent import descend_by_sign
from zslearn.nn.losses import HASLoss, HASPerturbationLoss

PARITY = Path(__file__).resolve().parents[1] / "data" / "parity"
TIGHT = {"rtol": 1e-9, "atol": 1e-12}
HEADS = {"global_weight": "global_prototypes", "prototypes": "local_prototypes"}
TERMS = {
    "ce": "final_ce",
    "attribute": "final_attr",
    "local_ce": "layer_ce",
    "local_attribute": "layer_attr",
}


class Case:
    """A file, the network with its weights, and the two convolutions that stand for a backbone."""

    def __init__(self, number):
        with np.load(PARITY / f"has_case{number}.npz") as file:
            self.file = dict(file)
        self.table, self.y = self.tensor("class_attributes"), self.tensor("labels")
        self.unseen = torch.from_numpy(np.isin(np.arange(len(self.table)), self.file["unseen"]))
        n_attributes = self.table.shape[1]
        pooling = "mean" if self.file["avg_pool"] else "max"
        width = len(self.file["w.mid.weight"])
        self.network = HASNetwork(n_attributes, width, pooling=pooling).double()
        with torch.no_grad():
            for ours, theirs in HEADS.items():
                weight = self.tensor(f"w.head.{theirs}")[:, :, 0, 0]
                getattr(self.network, ours).copy_(weight)
        self.backbone = {
            name: self.tensor(f"w.{name}").requires_grad_()
            for name in ("stem.weight", "stem.bias", "mid.weight", "mid.bias")
        }
        options = {"lambda_attribute": "final_attr", "lambda_local": "layer_ce"}
        options["lambda_local_attribute"] = "layer_attr"
        weights = {ours: float(self.file[f"lambda_{theirs}"]) for ours, theirs in options.items()}
        assert self.file["lambda_final_ce"] == self.file["w_class"] == 1
        self.loss = HASLoss(**weights, loss_on="probability")
        self.perturbation = HASPerturbationLoss(
            lambda_entropy=float(self.file["w_entropy_class"]),
            lambda_map_entropy=float(self.file["w_entropy_map"]),
            lambda_latent=float(self.file["w_latent"]),
            lambda_map=float(self.file["w_map_mean"]),
            loss_on="probability",
        )

    def tensor(self, name):
        return torch.tensor(self.file[name])

    def regions(self, images):
        w = self.backbone
        hidden = torch.tanh(conv2d(images, w["stem.weight"], w["stem.bias"], stride=4))
        hidden = torch.relu(conv2d(hidden, w["mid.weight"], w["mid.bias"], padding=1))
        return hidden.flatten(2).transpose(1, 2)

    def objective(self, before, images):
        X = self.regions(images)
        output, pooled = self.network.heads(X), self.network.pooled(X)
        return self.perturbation(output, pooled, before, self.table, self.y, self.unseen)


CASES = [1, 2]


@pytest.mark.parametrize("which", ["clean", "adversarial"])
@pytest.mark.parametrize("number", CASES)
def test_forward_losses_and_gradients(number, which):
    case = Case(number)
    expected = {k.removeprefix(f"{which}."): v for k, v in case.file.items()}
    X = case.regions(case.tensor("images" if which == "clean" else "adversarial_images"))
    output = case.network.heads(X)
    terms = case.loss(output, case.table, case.y, case.unseen)
    found = {
        "semantics_global": output.semantics,
        "semantics_local": output.local_semantics,
        "attribute_maps": output.similarity,
        "pooled": case.network.pooled(X),
        "loss_total": terms["loss"],
    }
    for name, term in TERMS.items():
        found[f"loss_{term}"] = terms[name] * case.loss.weights[name]
    for head in ("global", "local"):
        z = found[f"semantics_{head}"] @ case.table[~case.unseen].T
        found[f"probabilities_{head}"] = softmax(z, dim=1)
    terms["loss"].backward()
    for ours, theirs in HEADS.items():
        found[f"grad.head.{theirs}"] = getattr(case.network, ours).grad
    for name, weight in case.backbone.items():
        found[f"grad.{name}"] = weight.grad
    assert {k for k in case.file if k.startswith(f"{which}.")} == {f"{which}.{k}" for k in found}
    for name, value in found.items():
        value = value.detach().numpy().reshape(expected[name].shape)
        np.testing.assert_allclose(value, expected[name], **TIGHT, err_msg=name)


@pytest.mark.parametrize("number", CASES)
def test_adversarial_samples(number):
    case = Case(number)
    images, step = case.tensor("images"), case.tensor("step").view(3, 1, 1)
    limits = [case.tensor(f"clamp_{end}").view(3, 1, 1) for end in ("min", "max")]
    before = case.network.pooled(case.regions(images))
    objective = partial(case.objective, before)
    seen = []

    def watched(x):
        seen.append((x.detach(), objective(x)))
        return seen[-1][1]["loss"]

    n_steps = int(case.file["loops_adv"])
    found = descend_by_sign(watched, images, step, n_steps, *limits)
    np.testing.assert_allclose(found, case.file["adversarial_images"], **TIGHT)
    names = {
        "ce": "ce",
        "entropy": "entropy_class",
        "map_entropy": "entropy_map",
        "latent": "latent",
        "map": "map_sum_mean",
    }
    assert len(seen) == n_steps
    for i, (x, terms) in enumerate(seen):
        np.testing.assert_allclose(x, case.file[f"attack{i}.x"], **TIGHT)
        for ours, theirs in names.items():
            expected = case.file[f"attack{i}.{theirs}"]
            np.testing.assert_allclose(terms[ours].item(), expected, **TIGHT)
    assert all(p.grad is None for p in case.network.parameters())


@pytest.mark.parametrize("number", CASES)
def test_probabilities(number):
    case = Case(number)
    s = case.network(case.regions(case.tensor("images")))
    found = softmax(s @ case.table.T, dim=1).detach()
    np.testing.assert_allclose(found, case.file["eval.probabilities_all"], **TIGHT)
