"""Adversarial pictures equal those of HAS's authors, step by step."""

import pytest
import torch

from tests.nn.parity_transformers import TIGHT, parity
from zslearn.nn import adversarial_pictures
from zslearn.nn.losses import ConfusionLoss

NAMES = {
    "ce": "ce",
    "entropy": "entropy_class",
    "map_entropy": "entropy_map",
    "latent": "latent",
    "map": "map_sum_mean",
}


def forward(case, pixels):
    """Shares, maps and pooled regions of the file's stand-in network."""
    conv = torch.nn.functional.conv2d
    stem = conv(pixels, case["w.stem.weight"], case["w.stem.bias"], stride=4).tanh()
    regions = conv(stem, case["w.mid.weight"], case["w.mid.bias"], padding=1).relu().flatten(2)
    maps = case["w.head.local_prototypes"][:, :, 0, 0] @ regions
    overall = case["w.head.global_prototypes"][:, :, 0, 0] @ regions
    semantics = overall.mean(dim=2) if bool(case["avg_pool"]) else overall.amax(dim=2)
    shares = (semantics @ case["class_attributes"][case["seen"]].T).softmax(dim=1)
    return shares, maps, regions.mean(dim=2)


@pytest.mark.parametrize("number", [1, 2])
def test_attack(number):
    case = parity(f"has_case{number}")
    loss = ConfusionLoss(
        *(
            float(case[f"w_{name}"])
            for name in ("entropy_class", "entropy_map", "latent", "map_mean")
        )
    )
    assert case["w_class"] == 1
    y = torch.searchsorted(case["seen"], case["labels"])
    reference = forward(case, case["images"])[2]
    asked = []

    def objective(pixels):
        shares, maps, pooled = forward(case, pixels)
        asked.append((pixels.detach(), loss.terms(shares, y, maps, pooled, reference)))
        return loss(shares, y, maps, pooled, reference)

    low, high, step = (case[n][:, None, None] for n in ("clamp_min", "clamp_max", "step"))
    n_steps = int(case["loops_adv"])
    changed = adversarial_pictures(
        case["images"], objective, step=step, n_steps=n_steps, low=low, high=high
    )
    for i, (pixels, terms) in enumerate(asked):
        torch.testing.assert_close(pixels, case[f"attack{i}.x"], **TIGHT)
        for name, value in terms.items():
            torch.testing.assert_close(value, case[f"attack{i}.{NAMES[name]}"], **TIGHT, msg=name)
    assert len(asked) == n_steps
    torch.testing.assert_close(changed, case["adversarial_images"], **TIGHT)
    assert not changed.requires_grad


def test_limits_hold_and_the_given_pictures_stay():
    pixels = torch.tensor([0.9, 0.0])
    changed = adversarial_pictures(pixels, lambda x: -x.sum(), step=0.3, n_steps=5, high=1.0)
    assert changed.tolist() == [1.0, 1.0]
    assert pixels.tolist() == pytest.approx([0.9, 0.0])
    assert not pixels.requires_grad


def test_in_prediction_mode_too():
    with torch.no_grad():
        changed = adversarial_pictures(torch.ones(2), lambda x: x.sum(), step=1.0, n_steps=1)
    assert changed.tolist() == [0.0, 0.0]
