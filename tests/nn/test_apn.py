"""Heads and losses of APN equal those of the authors' released code."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import softmax

from zslearn.nn import APNNetwork
from zslearn.nn.losses import APNLoss, AttributeDecorrelationLoss, CompactnessLoss

PARITY = Path(__file__).resolve().parents[1] / "data" / "parity"
TIGHT = {"rtol": 1e-9, "atol": 1e-12}
WEIGHTS = {
    "ce": "ce_global",
    "attribute": "regression_global",
    "decorrelation": "decorrelation_global",
    "local_ce": "ce_prototypes",
    "local_attribute": "regression_prototypes",
    "local_decorrelation": "decorrelation_prototypes",
    "compactness": "compactness",
}
OPTIONS = {"local_ce": "lambda_local"}


def released(number):
    """The network and the loss of a file, and the file."""
    with np.load(PARITY / f"apn_case{number}.npz") as file:
        case = dict(file)
    K, D = case["param_global"].shape
    network = APNNetwork(K, D, pooling=str(case["config_global_pool"])).double()
    with torch.no_grad():
        network.global_weight.copy_(torch.tensor(case["param_global"]))
        network.prototypes.copy_(torch.tensor(case["param_prototypes"]))
    weights = {
        OPTIONS.get(ours, f"lambda_{ours}"): float(case[f"weight_{theirs}"])
        for ours, theirs in WEIGHTS.items()
        if ours != "ce"
    }
    assert case["weight_ce_global"] == 1
    if not (case["config_use_group"] and case["config_compactness_active"]):
        weights["lambda_compactness"] = 0.0
    groups = torch.tensor(case["groups"]) if case["config_use_group"] else None
    loss = APNLoss(
        **weights, groups=groups, decorrelation="group", grid=(7, 7), loss_on="probability"
    )
    return network, loss, case


def step(network, loss, case, X):
    output = network.heads(X)
    table = torch.tensor(case["class_attributes"])
    unseen = torch.from_numpy(np.isin(np.arange(len(table)), case["unseen_classes"]))
    terms = loss(
        output, table, torch.tensor(case["labels"]), unseen, weights=tuple(network.parameters())
    )
    return output, terms


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_forward_losses_and_gradients(number):
    network, loss, case = released(number)
    X = torch.tensor(case["features"], requires_grad=True)
    output, terms = step(network, loss, case, X)
    table = torch.tensor(case["class_attributes"])
    found = {
        "attribute_scores_global": output.semantics,
        "attribute_scores_prototypes": output.local_semantics,
        "similarity_maps": output.similarity,
        "peak": output.peaks,
        "loss": terms["loss"],
    }
    seen = case["seen_classes"]
    for head, semantics in zip(("global", "prototypes"), output[:2], strict=True):
        probabilities = softmax(semantics @ table[seen].T, dim=1)
        found[f"probabilities_{head}_seen"] = probabilities
    for ours, theirs in WEIGHTS.items():
        found[f"weighted_{theirs}"] = torch.zeros(())
        if ours in terms:
            found[f"weighted_{theirs}"] = terms[ours] * loss.weights[ours]
    terms["loss"].backward()
    found["grad_global"] = network.global_weight.grad
    found["grad_prototypes"] = network.prototypes.grad
    found["grad_features"] = X.grad
    for name, value in found.items():
        np.testing.assert_allclose(value.detach(), case[name], **TIGHT, err_msg=name)


@pytest.mark.parametrize("number", [1, 2])
def test_three_steps_of_the_optimiser(number):
    network, loss, case = released(number)
    optimizer = torch.optim.Adam(
        network.parameters(), float(case["optimizer_lr"]), betas=tuple(case["optimizer_betas"])
    )
    for expected in case["optimizer_losses"]:
        optimizer.zero_grad()
        found = step(network, loss, case, torch.tensor(case["features"]))[1]["loss"]
        np.testing.assert_allclose(found.item(), expected, **TIGHT)
        found.backward()
        optimizer.step()
    for theirs, ours in {"global": "global_weight", "prototypes": "prototypes"}.items():
        found = getattr(network, ours).detach()
        np.testing.assert_allclose(found, case[f"after_3_steps_{theirs}"], **TIGHT)


def test_compactness_by_hand():
    # Two rows of three; the peak is in the middle of the upper row.
    maps = torch.tensor([[[0.0, 5.0, 1.0, 2.0, 0.0, -1.0]]]).double()
    peaks = maps.argmax(dim=2)
    distances = torch.tensor([1.0, 0.0, 1.0, 2.0, 1.0, 2.0]).double()
    plain = CompactnessLoss((2, 3), "similarity")(maps, peaks)
    assert plain.item() == 0 + 0 + 1 + 4 + 0 - 2
    squashed = CompactnessLoss((2, 3))(maps, peaks)
    torch.testing.assert_close(squashed, (maps.sigmoid() * distances).sum(), rtol=1e-14, atol=0)
    padded = maps.clone()
    padded[..., 2] = -torch.inf
    assert CompactnessLoss((2, 3), "similarity")(padded, peaks).item() == plain.item() - 1
    with pytest.raises(ValueError, match=r"grid=\(2, 2\) has 4 regions, but the maps have 6"):
        CompactnessLoss((2, 2))(maps, peaks)
    two = maps.expand(2, 1, 6), peaks.expand(2, 1)
    assert CompactnessLoss((2, 3), "similarity")(*two, torch.tensor([1.0, 3.0])).item() == 6


def test_decorrelation_by_hand():
    prototypes = torch.tensor([[3.0, 1.0], [4.0, 0.0], [0.0, 2.0]]).double()
    groups = torch.tensor([[1, 1, 0], [0, 0, 1]])
    eps = 1e-8
    by_channel = sum(np.sqrt(square + eps) for square in (25, 1, 0, 4))
    by_group = np.sqrt(26 + 2 * eps) + np.sqrt(4 + 2 * eps)
    for form, expected in {"channel": by_channel, "group": by_group}.items():
        found = AttributeDecorrelationLoss(groups, form)(prototypes).item()
        np.testing.assert_allclose(found, expected, rtol=1e-14)
    found = AttributeDecorrelationLoss(None)(prototypes).item()
    np.testing.assert_allclose(found, np.sqrt(25 + eps) + np.sqrt(5 + eps), rtol=1e-14)


def test_what_predicts():
    X = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    by = {name: APNNetwork(2, 5, predict_from=name) for name in ("global", "prototypes", "both")}
    for network in by.values():
        network.load_state_dict(by["global"].state_dict())
    v, a, *_ = by["global"].heads(X)
    for name, expected in {"global": v, "prototypes": a, "both": (v + a) / 2}.items():
        torch.testing.assert_close(by[name](X), expected)


@pytest.mark.parametrize("pooling", ["mean", "max"])
@pytest.mark.parametrize("compactness", ["sigmoid", "similarity"])
def test_padding_takes_no_part(pooling, compactness):
    X = torch.randn(4, 6, 5, generator=torch.Generator().manual_seed(1)).double()
    wide = torch.cat([X, torch.zeros(4, 3, 5).double()], dim=1)
    torch.manual_seed(0)
    network = APNNetwork(3, 5, pooling=pooling, predict_from="both").double()
    results = []
    # In a grid of three columns, the padding is a last row.
    for given, padding, grid in ((X, None, (2, 3)), (wide, ~wide.any(dim=2), (3, 3))):
        loss = APNLoss(lambda_compactness=0.1, compactness=compactness, grid=grid)
        output = network.heads(given, padding)
        weights = tuple(network.parameters())
        table, y = torch.eye(3).double(), torch.tensor([0, 1, 0, 1])
        terms = loss(output, table, y, torch.tensor([False, False, True]), weights=weights)
        gradients = torch.autograd.grad(terms["loss"], weights)
        maps = network.attention_maps(given, torch.tensor([2, 0]), padding)[..., :6]
        results.append([*terms.values(), *gradients, network(given, padding), maps])
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
