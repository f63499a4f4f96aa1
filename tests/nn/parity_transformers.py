"""What the tests share that compare with numbers of the transformers' authors."""

from pathlib import Path

import numpy as np
import torch
from timm.models import VisionTransformer

FOLDER = Path(__file__).resolve().parents[1] / "data" / "parity"
TIGHT = {"rtol": 1e-9, "atol": 1e-11}


def parity(name):
    """A file's arrays as tensors, its words as they are."""
    with np.load(FOLDER / f"{name}.npz") as file:
        return {k: v if v.dtype.kind in "US" else torch.tensor(v) for k, v in dict(file).items()}


def with_prefix(case, prefix):
    return {k.removeprefix(prefix): v for k, v in case.items() if k.startswith(prefix)}


def vision_transformer(case):
    """timm's own, with the file's weights."""
    table = case["w.backbone.pos_embed"]
    network = VisionTransformer(
        img_size=case["images"].shape[-1],
        patch_size=int(case["patch_size"]),
        embed_dim=table.shape[-1],
        depth=int(case["depth"]),
        num_heads=int(case["n_heads"]),
        num_classes=0,
    ).double()
    if "w.backbone.norm.weight" not in case:
        network.norm = torch.nn.Identity()
    network.load_state_dict(with_prefix(case, "w.backbone."))
    return network


def seen_and_unseen(case):
    """The mark of the unseen, and the pictures' rows of the table."""
    unseen = torch.ones(len(case["class_attributes"]), dtype=torch.bool)
    unseen[case["seen"]] = False
    return unseen, case["seen"][case["labels_among_seen"]]


def assert_gradients(module, expected, rename=lambda name: name):
    """Every weight the file has a gradient for has it; no other has one."""
    found = {rename(n): p.grad for n, p in module.named_parameters() if p.grad is not None}
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], **TIGHT, msg=name)
