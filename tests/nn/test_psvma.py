"""PSVMA equals the authors' code: every step of both depths, losses, all gradients."""

import math

import pytest
import torch
from torch.nn.functional import mse_loss

from tests.nn.parity_transformers import (
    TIGHT,
    assert_gradients,
    parity,
    vision_transformer,
    with_prefix,
)
from zslearn.nn import MutualAdaption, PSVMAHead
from zslearn.nn.losses import DebiasingLoss, SeenCrossEntropyLoss

THEIRS = {
    "prototype_weight": "W",
    "semantic_weight": "V",
    "adapt.encoder.": "blocks.enc_attn.",
    "adapt.decoder.": "blocks.dec_attn.",
    "adapt.gate.": "blocks.group_compact.",
    "adapt.encoder_mlp.": "blocks.enc_ffn.",
    "adapt.region_mlp.": "blocks.ffn1.",
    "adapt.mixer.norm": "blocks.reason.norm",
    "adapt.mixer.fc1": "blocks.reason.net.0",
    "adapt.mixer.fc2": "blocks.reason.net.3",
    "adapt.mixer.fc3": "blocks.reason.net.6",
}


def theirs(name):
    """The released name of a weight."""
    for ours, released in THEIRS.items():
        if name.startswith(ours):
            return released + name.removeprefix(ours)
    return name


def released(number):
    case = parity(f"psvma_case{number}")
    weights = with_prefix(case, "w.head.")
    n_attributes = case["class_attributes"].shape[1]
    head = PSVMAHead(
        case["attribute_vectors"],
        weights["W"].shape[1],
        n_regions=weights["blocks.reason.net.0.weight"].shape[1],
        n_groups=n_attributes // int(case["group_divisor"]),
        mix_dim=len(weights["blocks.reason.net.0.weight"]),
        train_scale="grad.head.scale" in case,
    ).double()
    with torch.no_grad():
        head.attribute_vectors.copy_(case["attribute_vectors"])
        head.scale.copy_(weights["scale"].reshape(()))
        for name, parameter in head.named_parameters():
            parameter.copy_(weights[theirs(name)].reshape(parameter.shape))
    return case, vision_transformer(case), head


def run(case, backbone, head):
    """The released order of things, with what the file records on the way."""
    h = backbone._pos_embed(backbone.patch_embed(case["images"]))
    for block in backbone.blocks[:-1]:
        h = block(h)
    h.retain_grad()
    seen = {"tokens_before_last_block": h}

    def last_block(regions):
        seen["dsvtm0.regions_out"] = regions
        prefix = backbone.cls_token.expand(len(regions), -1, -1)
        seen["tokens_into_last_block"] = torch.cat([prefix, regions], 1) + backbone.pos_embed
        seen["tokens_after_last_block"] = backbone.blocks[-1](seen["tokens_into_last_block"])
        return seen["tokens_after_last_block"][:, 1:]

    return seen, head(h[:, 1:], last_block)


def losses(case, head, output):
    unseen = torch.arange(len(case["class_attributes"])) >= case["n_seen"]
    scores = head.class_scores(output.semantics, case["class_attributes"])
    described = case["class_attributes"][case["labels"]]
    parts = {
        "loss_cls": SeenCrossEntropyLoss()(scores, case["labels"], unseen),
        "loss_sem": sum(mse_loss(most, described) for most in output.products.amax(dim=3)),
        "loss_deb": DebiasingLoss()(scores, unseen),
    }
    parts["loss_total"] = sum(case[f"lambda_{k[5:]}"] * loss for k, loss in parts.items())
    return scores, parts


@pytest.mark.parametrize("number", [1, 2])
def test_forward_losses_and_gradients(number):
    case, backbone, head = released(number)
    on_the_way, output = run(case, backbone, head)
    scores, parts = losses(case, head, output)
    names = [f"dsvtm{i}.attribute_max_{which}" for i in (0, 1) for which in "ab"]
    found = {**on_the_way, **parts, **dict(zip(names, output.products.amax(dim=3), strict=True))}
    found |= {"semantics": output.semantics, "eval_scores_all": scores}
    found["train_logits_seen"] = scores[:, : int(case["n_seen"])]
    for key, value in found.items():
        torch.testing.assert_close(value, case[key], **TIGHT, msg=key)
    parts["loss_total"].backward()
    tokens = on_the_way["tokens_before_last_block"]
    torch.testing.assert_close(tokens.grad, case["grad.tokens_before_last_block"], **TIGHT)
    assert_gradients(backbone, with_prefix(case, "grad.backbone."))
    expected = with_prefix(case, "grad.head.")
    if "scale" in expected:
        expected["scale"] = expected["scale"].reshape(())
    assert_gradients(head, expected, theirs)


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("depth", [0, 1])
def test_each_step_of_a_depth(number, depth):
    case, _, head = released(number)
    of_depth = with_prefix(case, f"dsvtm{depth}.")
    adapt, steps = head.adapt, {}

    def note(name):
        return lambda module, inputs, result: steps.setdefault(name, []).append(result)

    for name in ("encoder", "decoder", "gate", "encoder_mlp"):
        getattr(adapt, name).register_forward_hook(note(name))
    prototypes = head.attribute_vectors @ head.prototype_weight
    torch.testing.assert_close(prototypes, case["parts"], **TIGHT)
    regions, _ = adapt(of_depth["regions_in"], prototypes)
    torch.testing.assert_close(regions, of_depth["regions_out"], **TIGHT)
    for j in (0, 1):
        products, attended = steps["encoder"][j]
        torch.testing.assert_close(products, of_depth[f"enc{j}.attention_relu_scaled"], **TIGHT)
        torch.testing.assert_close(attended, of_depth[f"enc{j}.out"], **TIGHT)
        torch.testing.assert_close(steps["gate"][j], of_depth[f"group{j}.out"], **TIGHT)
        torch.testing.assert_close(steps["encoder_mlp"][j], of_depth[f"ffn{j}.out"], **TIGHT)
    products, attended = steps["decoder"][0]
    torch.testing.assert_close(products, of_depth["dec.attention_relu_scaled"], **TIGHT)
    torch.testing.assert_close(attended, of_depth["dec.out"], **TIGHT)
    mixed = of_depth["tokenmix.in"] + adapt.mixer(of_depth["tokenmix.in"])
    torch.testing.assert_close(mixed, of_depth["tokenmix.out"], **TIGHT)


def test_weights_start_as_the_authors_have_them():
    torch.manual_seed(0)
    head = PSVMAHead(torch.randn(12, 300), 64, n_regions=9, n_groups=3)
    for weight in (head.prototype_weight, head.semantic_weight):
        assert weight.abs().max() <= 0.02
    # A normal cut at two deviations has 0.8796 of its deviation.
    assert head.prototype_weight.std().item() == pytest.approx(0.01 * 0.8796, rel=0.02)
    layer = head.adapt.region_mlp.fc1
    assert layer.weight.abs().max() <= math.sqrt(6 / (64 + 256))
    assert layer.weight.abs().max() > 0.95 * math.sqrt(6 / (64 + 256))
    assert layer.bias.abs().max() <= 64**-0.5
    assert not head.scale.requires_grad
    assert not head.attribute_vectors.requires_grad


def test_pictures_do_not_depend_on_their_company():
    torch.manual_seed(0)
    module = MutualAdaption(4, 8, 9, 2, mix_dim=6).double()
    regions, prototypes = torch.randn(3, 9, 8).double(), torch.randn(4, 8).double()
    together, products = module(regions, prototypes)
    alone, products_alone = module(regions[1:2], prototypes)
    torch.testing.assert_close(alone, together[1:2], **TIGHT)
    torch.testing.assert_close(products_alone, products[:, 1:2], **TIGHT)


def test_debiasing_with_one_unseen_class_or_none():
    scores, unseen = torch.tensor([[1.0, 3.0, 0.5], [0.0, 1.0, 4.0]]), torch.arange(3) == 2
    assert DebiasingLoss()(scores, unseen) == pytest.approx((2 - 0.5) / 2)
    assert DebiasingLoss()(scores, unseen, torch.tensor([3.0, 1.0])) == pytest.approx(1.5 * 3 / 4)
    assert DebiasingLoss()(scores, torch.zeros(3, dtype=torch.bool)) == 0
