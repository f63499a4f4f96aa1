"""HAS end to end: pixels, not regions, are changed along gradients; equal to the authors' code."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from tests.nn.parity_transformers import TIGHT, parity, with_prefix
from zslearn import ClassAttributes
from zslearn._training._learner import Batch
from zslearn.attention import HASClassifier
from zslearn.attention._has_learner import HASLearner
from zslearn.feature_extraction import TimmRegionExtractor
from zslearn.finetuning import FineTunedClassifier, FineTuning
from zslearn.finetuning._picture_learner import RegionLearner

# The authors' limits are those of another data set.
CIFAR = {"mean": (0.4914, 0.4822, 0.4465), "std": (0.2023, 0.1994, 0.2010)}


class StandIn(nn.Module):
    """The file's two convolutions in the place of a backbone."""

    def __init__(self):
        super().__init__()
        self.stem, self.mid = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(8, 8, 3, padding=1)

    def regions(self, X):
        return self.mid(self.stem(X).tanh()).relu().flatten(2).mT


def released():
    case = parity("has_case1")
    unseen = torch.isin(torch.arange(len(case["class_attributes"])), case["unseen"])
    loss = {"lambda_attribute": "final_attr", "lambda_local": "layer_ce"}
    loss["lambda_local_attribute"] = "layer_attr"
    pursued = {"entropy": "entropy_class", "map_entropy": "entropy_map", "latent": "latent"}
    pursued["map"] = "map_mean"
    head = {
        "class_attributes": case["class_attributes"],
        "unseen": unseen,
        "pooling": "max",
        "loss": {k: float(case[f"lambda_{v}"]) for k, v in loss.items()},
        "perturbation": {f"lambda_{k}": float(case[f"w_{v}"]) for k, v in pursued.items()},
        "adversarial_share": 0.5,
        "n_steps": int(case["loops_adv"]),
        "epsilon": 5 / 255,
    }
    for part in ("loss", "perturbation"):
        head[part]["loss_on"] = "probability"
    fitted = SimpleNamespace(config=CIFAR)
    recipe = SimpleNamespace(make=StandIn, settings={"accumulate": 1}, fitted=fitted)
    learner = RegionLearner(8, recipe, HASLearner, head, False).double()
    with torch.no_grad():
        network = learner.head.network
        network.global_weight.copy_(case["w.head.global_prototypes"][:, :, 0, 0])
        network.prototypes.copy_(case["w.head.local_prototypes"][:, :, 0, 0])
        for name, parameter in learner.backbone.named_parameters():
            parameter.copy_(case[f"w.{name}"])
    mean, std = (torch.tensor(CIFAR[k], dtype=torch.float64)[:, None, None] for k in CIFAR)
    learner.black, learner.white = -mean / std, (1 - mean) / std
    return learner, case


@pytest.mark.parametrize("phase", ["main", "adversarial"])
def test_both_steps(phase):
    learner, case = released()
    batch = Batch(case["images"], case["labels"], torch.Generator(), phase=phase)
    if phase == "adversarial":
        changed = learner.perturbed(batch)
        torch.testing.assert_close(changed, case["adversarial_images"], **TIGHT)
    loss = learner.training_step(batch)["loss"]
    expected = with_prefix(case, "clean." if phase == "main" else "adversarial.")
    torch.testing.assert_close(loss, expected["loss_total"], **TIGHT)
    assert learner.training
    loss.backward()
    for name, parameter in learner.backbone.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[f"grad.{name}"], **TIGHT)
    network = learner.head.network
    for ours, theirs in (("global_weight", "global"), ("prototypes", "local")):
        gradient = expected[f"grad.head.{theirs}_prototypes"][:, :, 0, 0]
        torch.testing.assert_close(getattr(network, ours).grad, gradient, **TIGHT)


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, size=(16, 32, 32, 3), dtype=np.uint8)
    return X, np.arange(16) % 2, ClassAttributes([[1, 0], [0, 1], [1, 1]])


def end_to_end(model="test_resnet", **settings):
    network = TimmRegionExtractor(model, pretrained=False, image_size=32, precision="float32")
    head = HASClassifier(max_epochs=2, batch_size=8, adversarial_share=0.5, random_state=0)
    settings = {"augmentation": "none", "frozen_layers": 1, **settings}
    return FineTunedClassifier(network, head, finetuning=FineTuning(**settings))


def test_trains_the_backbone_by_both(problem, monkeypatch):
    asked = []
    perturbed = HASLearner.perturbed
    monkeypatch.setattr(
        HASLearner,
        "perturbed",
        lambda self, batch, *args: asked.append(batch.X.ndim) or perturbed(self, batch, *args),
    )
    clf = end_to_end(freeze_epochs=1).fit(*problem)
    # Tried before each part, then every other of two steps an epoch: regions, then pixels.
    assert asked == [3, 3, 4]
    assert {"main_loss", "adversarial_loss"} <= set(clf.net_.history[-1])
    before = clf.extractor_._fitted.recipe.create().state_dict()
    after = clf.net_.module_.backbone.network.state_dict()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed
    assert not any("running" in key or "conv1.0" in key for key in changed)
    assert clf.predict(problem[0]).shape == (16,)


def test_steps_of_two_kinds_are_not_accumulated(problem):
    with pytest.raises(ValueError, match="accumulate=2, but HASLearner takes two kinds of steps"):
        end_to_end(accumulate=2).fit(*problem)
