"""ViT-ZSL and IEAM-ZSL equal the authors' code: forward, losses, gradients, two steps of Adam."""

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
from zslearn.nn import IEAMHead, ViTZSLHead, quarter_turns
from zslearn.nn.losses import SeenCrossEntropyLoss

CASES = ["vitzsl_case1", "vitzsl_case2", "ieam_case1", "ieam_case2"]


def released(name):
    """The backbone and the head with a file's weights, and the file."""
    case = parity(name)
    weights = with_prefix(case, "w.head.")
    make = IEAMHead if "rotation.weight" in weights else ViTZSLHead
    head = make(*weights["attributes.weight"].shape).double()
    head.load_state_dict(weights)
    return case, vision_transformer(case), head


def class_token(backbone, pixels):
    return backbone.forward_features(pixels)[:, 0]


def loss_of(case, backbone, head):
    """The loss of the batch, and all it is made of."""
    n = len(case["images"])
    turned = [case["images_rotated"]] if "angles" in case else []
    token = class_token(backbone, torch.cat([case["images"], *turned]))
    token.retain_grad()
    semantics = head(token)
    unseen, y = seen_and_unseen(case)
    scores = head.class_scores(semantics[:n], case["class_attributes"])
    parts = {
        "class_token_normed": token,
        "semantics": semantics,
        "logits_seen": scores[:, case["seen"]],
        "loss_class": SeenCrossEntropyLoss()(scores, y, unseen),
    }
    parts["loss_total"] = parts["loss_class"]
    if turned:
        angles = head.angle_scores(token)
        parts["rotation_logits_all"] = angles
        parts["loss_rotation"] = torch.nn.functional.cross_entropy(angles[n:], case["angles"])
        parts["loss_total"] = parts["loss_class"] + parts["loss_rotation"]
    return parts


@pytest.mark.parametrize("name", CASES)
def test_forward_losses_and_gradients(name):
    case, backbone, head = released(name)
    parts = loss_of(case, backbone, head)
    for key, found in parts.items():
        torch.testing.assert_close(found, case[key], **TIGHT, msg=key)
    parts["loss_total"].backward()
    token = parts["class_token_normed"]
    torch.testing.assert_close(token.grad, case["grad.class_token_normed"], **TIGHT)
    assert_gradients(head, with_prefix(case, "grad.head."))
    assert_gradients(backbone, with_prefix(case, "grad.backbone."))


@pytest.mark.parametrize("name", [n for n in CASES if n != "vitzsl_case2"])
def test_two_steps_of_adam(name):
    case, backbone, head = released(name)
    groups = [
        {"params": backbone.parameters(), "lr": 1e-5, "weight_decay": 1e-4},
        {"params": head.parameters(), "lr": 1e-3, "weight_decay": 1e-5},
    ]
    optimizer = torch.optim.Adam(groups)
    for _ in range(2):
        optimizer.zero_grad()
        loss_of(case, backbone, head)["loss_total"].backward()
        optimizer.step()
    for part, network in (("backbone", backbone), ("head", head)):
        found = dict(network.named_parameters())
        for key, expected in with_prefix(case, f"adam2.{part}.").items():
            # Adam divides a gradient of some 1e-9 by its own size: its last digits are magnified.
            torch.testing.assert_close(found[key].detach(), expected, rtol=0, atol=1e-9, msg=key)


@pytest.mark.parametrize("name", [n for n in CASES if n != "vitzsl_case2"])
def test_predictions(name):
    case, backbone, head = released(name)
    unseen, _ = seen_and_unseen(case)
    table = case["class_attributes"]
    with torch.no_grad():
        for part in ("seen", "unseen"):
            token = class_token(backbone, case[f"eval.images_{part}"])
            semantics = head(token)
            torch.testing.assert_close(semantics, case[f"eval.semantics_{part}"], **TIGHT)
            scores = head.class_scores(semantics, table)
            torch.testing.assert_close(token @ head.merged(table).T, scores, **TIGHT)
            calibrated = scores.softmax(dim=1) - case["gamma"] * ~unseen
            expected = case[f"eval.calibrated_probabilities_{part}"]
            torch.testing.assert_close(calibrated, expected, **TIGHT)
            assert torch.equal(calibrated.argmax(dim=1), case[f"eval.pred_gzsl_{part}"])


def test_the_turned_pictures_are_turned_counter_clockwise():
    case = parity("ieam_case1")
    assert sorted(set(case["angles"].tolist())) == [0, 1, 2, 3]
    turned = quarter_turns(case["images"], case["angles"])
    assert torch.equal(turned, case["images_rotated"])


def test_a_picture_that_is_not_square_is_not_turned():
    with pytest.raises(ValueError, match="pixels must be square.*2 x 3"):
        quarter_turns(torch.zeros(1, 3, 2, 3), torch.tensor([1]))
