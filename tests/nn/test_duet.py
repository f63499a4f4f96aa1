"""DUET's head and losses equal the authors' code; the language model's states are given."""

import pytest
import torch
from torch.nn.functional import mse_loss

from tests.nn.parity_transformers import TIGHT, parity, seen_and_unseen, with_prefix
from zslearn.nn import CalibrationLoss, CrossModalLayer, DUETHead
from zslearn.nn.losses import (
    ClassContrastLoss,
    MaskedWordLoss,
    SeenCrossEntropyLoss,
    WordContrastLoss,
)

RENAMED = [
    (".attention.", "."),
    (".output.dense", ".dense"),
    (".output.LayerNorm", ".norm"),
    ("up.dense", "up"),
    ("down.dense", "down"),
    ("down.LayerNorm", "norm"),
    ("contrast.linear1", "contrast.0"),
    ("contrast.linear2", "contrast.2"),
]


def ours(name):
    for released, here in RENAMED:
        name = name.replace(released, here)
    name = name.replace("mlm.", "words.")
    of_layer = name.startswith(("cross.", "text_self.", "image_self.", "text_ffn.", "image_ffn."))
    return f"layers.0.{name}" if of_layer else name


def released(number):
    case = parity(f"duet_case{number}")
    weights = {ours(name): value for name, value in with_prefix(case, "w.").items()}
    width, n_features = weights["image_projection.weight"].shape
    head = DUETHead(
        case["class_attributes"].shape[1],
        n_features,
        width=width,
        n_heads=int(case["n_heads"]),
        inner_dim=len(weights["layers.0.text_ffn.up.weight"]),
        dropout=0.0,
        n_words=len(weights["words.decoder.weight"]),
    ).double()
    head.load_state_dict(weights)
    return case, head


def inputs(case, names):
    return {name: case[name].clone().requires_grad_() for name in names}


def base_losses(case, head, image):
    """What all batches have in common."""
    unseen, y = seen_and_unseen(case)
    table = case["class_attributes"]
    semantics = head.attribute_head(image)
    scores = head.class_scores(semantics, table)
    found = {
        "semantics": semantics,
        "probabilities_seen": scores[:, case["seen"]].softmax(dim=1),
        "self_calibration_scores": scores + (2.0 * unseen - 1.0),
        "loss_ce": case["lambda_ce"] * SeenCrossEntropyLoss("probability")(scores, y, unseen),
        "loss_attribute": case["lambda_attribute"] * mse_loss(semantics, table[y]),
        "loss_self_calibration": CalibrationLoss(2.0)(scores, unseen),
    }
    for key, value in found.items():
        torch.testing.assert_close(value, case[key], **TIGHT, msg=key)
    calibration = case["lambda_self_calibration"] * found["loss_self_calibration"]
    return found["loss_ce"] + found["loss_attribute"] + calibration


def check_gradients(case, head, given):
    """Those that are zero by construction are left out here."""
    found = {name: p.grad for name, p in head.named_parameters() if p.grad is not None}
    expected = {ours(name): g for name, g in with_prefix(case, "grad.").items()}
    for name in given:
        torch.testing.assert_close(given[name].grad, expected.pop(ours(name)), **TIGHT, msg=name)
    assert found.keys() <= expected.keys()
    for name, gradient in expected.items():
        here = found.get(name, torch.zeros_like(gradient))
        torch.testing.assert_close(here, gradient, **TIGHT, msg=name)


def test_masked_batch():
    case, head = released(1)
    rows = range(len(case["labels_among_seen"]))
    names = ["backbone_logits", "main.text_hidden"]
    names += [f"contrast{i}.{n}" for i in rows for n in ("logits_others", "text_hidden")]
    given = inputs(case, names)
    text, image = head(given["backbone_logits"], given["main.text_hidden"])
    torch.testing.assert_close(text, case["main.text_out"], **TIGHT)
    torch.testing.assert_close(image, case["main.image_out"][:, 0], **TIGHT)
    loss = base_losses(case, head, image)

    share, y = case["class_attributes_minmax_seen"], case["labels_among_seen"]
    table = case["class_attributes"][case["seen"]]
    scaled = (table - table.min()) / (table.max() - table.min())
    torch.testing.assert_close(scaled, share, **TIGHT)
    has = share[y, case["masked_attribute"]]
    masked = MaskedWordLoss()(head.words(text), case["main.target_ids"], 3 * has)
    torch.testing.assert_close(masked, case["loss_mask"], **TIGHT)

    both = has.minimum(share[case["positive_class_among_seen"], case["masked_attribute"]])
    contrasts = []
    for i in rows:
        of_row = with_prefix(case, f"contrast{i}.")
        others = given[f"contrast{i}.logits_others"]
        features = torch.cat([given["backbone_logits"][i : i + 1], others])
        words, pictures = head(features, given[f"contrast{i}.text_hidden"])
        torch.testing.assert_close(words, of_row["text_out"], **TIGHT)
        torch.testing.assert_close(pictures, of_row["image_out"][:, 0], **TIGHT)
        compared = head.contrast_of(words, of_row["mask_positions"].bool())
        one, positive, negatives = compared[:1], compared[1:2], compared[None, 2:]
        torch.testing.assert_close(both[i], of_row["factor"], **TIGHT)
        plain = WordContrastLoss()(one, positive, negatives, torch.ones(1))
        torch.testing.assert_close(plain, of_row["loss"], **TIGHT)
        contrasts.append(WordContrastLoss()(one, positive, negatives, both[i : i + 1]))
    contrast = case["lambda_contrast"] * sum(contrasts)
    torch.testing.assert_close(contrast, case["loss_contrast_weighted_sum"], **TIGHT)
    loss = (loss + case["lambda_mask"] * masked + contrast) / case["n_accumulate"]
    torch.testing.assert_close(loss, case["loss_total"], **TIGHT)
    loss.backward()
    check_gradients(case, head, given)


@pytest.mark.parametrize("number", [2, 3])
def test_fixed_prompt(number):
    case, head = released(number)
    names = ["backbone_logits", "backbone_logits_second_view"]
    names += ["main.text_hidden", "contrast.text_hidden"]
    given = inputs(case, names)
    image = head.look(given["backbone_logits"], given["main.text_hidden"])
    torch.testing.assert_close(image, case["main.image_out"][:, 0], **TIGHT)
    loss = base_losses(case, head, image)
    features = torch.cat([given["backbone_logits"], given["backbone_logits_second_view"]])
    pictures = head.look(features, given["contrast.text_hidden"])
    torch.testing.assert_close(pictures, case["contrast.image_out"][:, 0], **TIGHT)
    first, second = pictures.chunk(2)
    contrast, y = ClassContrastLoss(float(case["temperature"])), case["labels_among_seen"]
    torch.testing.assert_close(contrast.logits(first, second, y), case["contrast.logits"], **TIGHT)
    found = contrast(first, second, y)
    torch.testing.assert_close(found, case["loss_class_contrast"], **TIGHT)
    loss = (loss + case["lambda_class_contrast"] * found) / case["n_accumulate"]
    torch.testing.assert_close(loss, case["loss_total"], **TIGHT)
    loss.backward()
    check_gradients(case, head, given)
    unseen, _ = seen_and_unseen(case)
    with torch.no_grad():
        semantics = head.attribute_head(
            head.look(case["backbone_logits"], case["main.text_hidden"])
        )
        shares = head.class_scores(semantics, case["class_attributes"]).softmax(dim=1)
    torch.testing.assert_close(shares, case["eval.probabilities_all"], **TIGHT)
    calibrated = shares - case["eval.calibration"] * ~unseen
    assert torch.equal(calibrated.argmax(dim=1), case["eval.pred_gzsl"])


def test_one_prompt_serves_all_pictures():
    case, head = released(2)
    text, features = case["main.text_hidden"][:1], case["backbone_logits"]
    repeated = text.expand(len(features), -1, -1)
    torch.testing.assert_close(head.look(features, text), head.look(features, repeated), **TIGHT)


def test_nobody_attends_to_padding():
    torch.manual_seed(0)
    layer = CrossModalLayer(8, n_heads=2, inner_dim=12, dropout=0.0).double()
    text, image = torch.randn(2, 5, 8).double(), torch.randn(2, 3, 8).double()
    padding = torch.arange(5) > torch.tensor([[4], [2]])
    words, pictures = layer(text, image, padding)
    short_words, short_pictures = layer(text[1:, :3], image[1:])
    torch.testing.assert_close(words[1:, :3], short_words, **TIGHT)
    torch.testing.assert_close(pictures[1:], short_pictures, **TIGHT)


def test_without_layers_it_is_two_linear_maps():
    head = DUETHead(4, 10, width=8, n_layers=0).double()
    x = torch.randn(3, 10).double()
    expected = head.attribute_head(head.image_projection(x))
    torch.testing.assert_close(head.attribute_head(head.look(x)), expected, **TIGHT)
    assert {n.partition(".")[0] for n, _ in head.named_parameters()} == {
        "image_projection",
        "attribute_head",
    }


def test_only_marked_words_count():
    scores, ids = torch.randn(2, 4, 6).double(), torch.randint(6, (2, 4))
    tokens = torch.tensor([[0, 1, 0, 0], [1, 0, 1, 0]]).bool()
    each = -scores.log_softmax(dim=2).gather(2, ids[:, :, None])[:, :, 0]
    expected = 2 * each[0, 1] + 3 * (each[1, 0] + each[1, 2]) / 2
    found = MaskedWordLoss()(scores, ids, torch.tensor([2.0, 3.0]), tokens)
    torch.testing.assert_close(found, expected)
