"""Learners of ViT-ZSL, IEAM-ZSL and PSVMA equal the authors' code from the pixels on."""

import pytest
import torch

from tests.nn.parity_transformers import (
    TIGHT,
    assert_gradients,
    parity,
    seen_and_unseen,
    vision_transformer,
    with_prefix,
)
from tests.nn.test_psvma import theirs
from zslearn._training._learner import Batch
from zslearn._training._optimizers import optimizer_factory
from zslearn.feature_extraction._timm_backbone import find_layout
from zslearn.finetuning import FineTuning, TokenBackbone
from zslearn.finetuning._ieam import IEAMLearner
from zslearn.finetuning._psvma import PSVMALearner
from zslearn.finetuning._vitzsl import ViTZSLClassifier, ViTZSLLearner


class Recipe:
    """Makes the backbone of a file."""

    settings = FineTuning().get_params()

    def __init__(self, case):
        self.case = case

    def make(self):
        network = vision_transformer(self.case)
        size = tuple(self.case["images"].shape[2:])
        return TokenBackbone(network, find_layout(network, size, -1, True))


def learner_of(kind, case, unseen, **options):
    table = case["class_attributes"]
    options |= {"backbone": Recipe(case), "class_attributes": table, "unseen": unseen}
    return kind(n_features=8, **options).double().eval()


def batch_of(pixels, y):
    return Batch(pixels, y, torch.Generator().manual_seed(0))


def test_vitzsl():
    case = parity("vitzsl_case1")  # the other one has rows of several lengths
    unseen, y = seen_and_unseen(case)
    length = case["class_attributes"].norm(dim=1)
    learner = learner_of(ViTZSLLearner, case, unseen)
    # Rows of one length: as a factor of the weights it does the same.
    torch.testing.assert_close(length, length[:1].expand_as(length), **TIGHT)
    weights = with_prefix(case, "w.head.")
    learner.head.load_state_dict({k: v * length[0] for k, v in weights.items()})
    loss = learner.training_step(batch_of(case["images"], y))["loss"]
    torch.testing.assert_close(loss, case["loss_total"], **TIGHT)
    scores = learner.class_scores(case["images"], case["class_attributes"])
    torch.testing.assert_close(scores[:, case["seen"]], case["logits_seen"], **TIGHT)
    products = learner.attribute_scores(case["images"])
    products = products @ learner.class_embeddings(case["class_attributes"]).T
    torch.testing.assert_close(products, scores, **TIGHT)
    loss.backward()
    expected = with_prefix(case, "grad.backbone.")
    assert_gradients(learner.backbone.network, expected)
    gradient = learner.head.attributes.weight.grad * length[0]
    torch.testing.assert_close(gradient, case["grad.head.attributes.weight"], **TIGHT)


def test_two_steps_with_the_settings_of_the_authors():
    case = parity("vitzsl_case1")
    unseen, y = seen_and_unseen(case)
    learner = learner_of(ViTZSLLearner, case, unseen)
    # Rows of unit length would ask for other weights, of which Adam's steps are no multiple.
    learner.class_embeddings = lambda table: table
    learner.head.load_state_dict(with_prefix(case, "w.head."))
    learner.settings = FineTuning(**ViTZSLClassifier._finetuning_defaults).get_params()
    options = ViTZSLClassifier._optimizer_options
    make = optimizer_factory("adam", ViTZSLClassifier().learning_rate, options, torch.device("cpu"))
    optimizer = learner.configure_optimizers(make)["main"]
    for _ in range(2):
        optimizer.zero_grad()
        learner.training_step(batch_of(case["images"], y))["loss"].backward()
        optimizer.step()
    for part, network in (("backbone", learner.backbone.network), ("head", learner.head)):
        found = dict(network.named_parameters())
        for key, expected in with_prefix(case, f"adam2.{part}.").items():
            torch.testing.assert_close(found[key].detach(), expected, rtol=0, atol=1e-9, msg=key)


@pytest.mark.parametrize("name", ["ieam_case1", "ieam_case2"])
def test_ieam(name, monkeypatch):
    case = parity(name)
    unseen, y = seen_and_unseen(case)
    length = case["class_attributes"].norm(dim=1)[0]
    options = {"lambda_rotation": 1.0, "n_rotations": 1}
    learner = learner_of(IEAMLearner, case, unseen, **options)
    weights = with_prefix(case, "w.head.")
    weights["attributes.weight"] = weights["attributes.weight"] * length
    learner.head.load_state_dict(weights)
    monkeypatch.setattr(torch, "randint", lambda *args, **kwargs: case["angles"])
    terms = learner.training_step(batch_of(case["images"], y))
    torch.testing.assert_close(terms["ce"], case["loss_class"], **TIGHT)
    torch.testing.assert_close(terms["rotation"], case["loss_rotation"], **TIGHT)
    torch.testing.assert_close(terms["loss"], case["loss_total"], **TIGHT)
    terms["loss"].backward()
    assert_gradients(learner.backbone.network, with_prefix(case, "grad.backbone."))
    rotation = learner.head.rotation.weight.grad
    torch.testing.assert_close(rotation, case["grad.head.rotation.weight"], **TIGHT)


def test_all_angles_at_once():
    case = parity("ieam_case1")
    unseen, y = seen_and_unseen(case)
    options = {"lambda_rotation": 1.0, "n_rotations": 4}
    learner = learner_of(IEAMLearner, case, unseen, **options)
    found = learner.training_step(batch_of(case["images"], y))["rotation"]
    logs = []
    for angle in range(4):
        vectors = learner.vectors(torch.rot90(case["images"], angle, (2, 3)))
        logs.append(learner.head.angle_scores(vectors).log_softmax(dim=1)[:, angle])
    torch.testing.assert_close(found, -torch.cat(logs).mean(), **TIGHT)


@pytest.mark.parametrize("number", [1, 2])
def test_psvma(number):
    case = parity(f"psvma_case{number}")
    n_attributes = case["class_attributes"].shape[1]
    unseen = torch.arange(len(case["class_attributes"])) >= case["n_seen"]
    weights = with_prefix(case, "w.head.")
    learner = learner_of(
        PSVMALearner,
        case,
        unseen,
        attribute_vectors=case["attribute_vectors"],
        n_groups=int(case["group_divisor"]),
        attribute_dim=8,
        weights={"attribute": float(case["lambda_sem"]), "debiasing": float(case["lambda_deb"])},
        head={
            "scale": 25.0,
            "train_scale": "grad.head.scale" in case,
            "mix_dim": len(weights["blocks.reason.net.0.weight"]),
            "train_attribute_vectors": False,
        },
    )
    head = learner.head
    assert head.adapt.gate.fc1.out_features == n_attributes // int(case["group_divisor"])
    with torch.no_grad():
        head.attribute_vectors.copy_(case["attribute_vectors"])
        head.scale.copy_(weights["scale"].reshape(()))
        for name, parameter in head.named_parameters():
            parameter.copy_(weights[theirs(name)].reshape(parameter.shape))
    terms = learner.training_step(batch_of(case["images"], case["labels"]))
    names = {
        "ce": "loss_cls",
        "attribute": "loss_sem",
        "debiasing": "loss_deb",
        "loss": "loss_total",
    }
    for name, term in terms.items():
        torch.testing.assert_close(term, case[names[name]], rtol=1e-9, atol=1e-9)
    terms["loss"].backward()
    assert_gradients(learner.backbone.network, with_prefix(case, "grad.backbone."))
    expected = with_prefix(case, "grad.head.")
    if "scale" in expected:
        expected["scale"] = expected["scale"].reshape(())
    assert_gradients(head, expected, theirs)
    scores = learner.class_scores(case["images"], case["class_attributes"])
    torch.testing.assert_close(scores, case["eval_scores_all"], **TIGHT)
