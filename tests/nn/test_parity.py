"""The released form equals the authors' code to 1e-9: forward, every loss, every gradient."""

import pytest
import torch

from zslearn.nn import CVsCLoss, CVsCNetwork, CVsCOutput
from zslearn.nn import functional as zf
from zslearn.nn.functional import normalize_rows

CLOSE = {"rtol": 0, "atol": 1e-9}
TERMS = {"ce": "ce", "cal": "cal", "cc": "ccl", "sci": "sci", "tci": "tci"}


@pytest.fixture(params=[0, 1, 2], ids=["case0", "case1", "batch of one"])
def case(request, parity_cases):
    return {key: torch.tensor(value) for key, value in parity_cases[request.param].items()}


@pytest.fixture
def table(case):
    return case["class_attributes_raw"] / 100


@pytest.fixture
def network(case, table):
    network = CVsCNetwork(
        table, case["regions"].shape[2], attribute_vectors=case["attribute_vectors"]
    )
    with torch.no_grad():
        network.query_weight.copy_(case["W_attention"])
        network.embedding_weight.copy_(case["W_embedding"])
    return network


@pytest.fixture
def unseen(case, table):
    mask = torch.zeros(len(table), dtype=torch.bool)
    mask[case["unseen"]] = True
    return mask


def released_output(network, case):
    """The network's output with the stored, shuffled features as the counterfactual.

    They are F_A with its axes permuted, through which the released gradients flow; the
    permutations are recovered from the stored values.
    """
    regions = normalize_rows(case["regions"])
    queries, embeddings = network.queries_and_embeddings()
    semantics = zf.semantic_attention(regions, queries, embeddings)
    features = zf.attribute_features(regions, queries)
    stored = case["counterfactual_features"]
    values, order = features.detach().flatten().sort()
    position = torch.searchsorted(values, stored.flatten() - 1e-12)
    shuffled = features.flatten()[order[position]].reshape(stored.shape)
    torch.testing.assert_close(shuffled.detach(), stored, **CLOSE)
    other = zf.semantic_embedding(shuffled, embeddings)
    return CVsCOutput(
        semantics, network.class_scores(semantics), other, network.class_scores(other)
    )


def released_loss(table, unseen, weights):
    names = ["lambda_ce", "lambda_cal", "lambda_cc", "lambda_sci", "lambda_tci"]
    lambdas = dict(zip(names, weights.tolist(), strict=True))
    return CVsCLoss(table, unseen, alpha=1.0, calibration_bias=2.0, **lambdas)


def test_forward(case, network, unseen):
    regions = normalize_rows(case["regions"])
    queries, _ = network.queries_and_embeddings()
    output = released_output(network, case)
    expected = {
        "attention": zf.attention_maps(regions, queries),
        "attribute_features": zf.attribute_features(regions, queries),
        "semantic": output.semantics,
        "semantic_counterfactual": output.counterfactual_semantics,
        "logits_with_unseen_bias": output.logits + case["unseen_bias"] * unseen,
        "logits_counterfactual": output.counterfactual_logits,
    }
    for name, value in expected.items():
        torch.testing.assert_close(value.detach(), case[name], **CLOSE, msg=lambda m, n=name: n + m)


def test_losses(case, network, table, unseen):
    terms = released_loss(table, unseen, case["weights"])(
        released_output(network, case), case["labels"]
    )
    for name, stored in TERMS.items():
        torch.testing.assert_close(terms[name].detach(), case[f"loss_{stored}"], **CLOSE)
    torch.testing.assert_close(terms["loss"].detach(), case["loss_total"], **CLOSE)


def test_gradients(case, network, table, unseen):
    terms = released_loss(table, unseen, case["weights"])(
        released_output(network, case), case["labels"]
    )
    terms["loss"].backward()
    torch.testing.assert_close(network.query_weight.grad, case["grad_W_attention"], **CLOSE)
    torch.testing.assert_close(network.embedding_weight.grad, case["grad_W_embedding"], **CLOSE)
    torch.testing.assert_close(
        network.attribute_vectors.grad, case["grad_attribute_vectors"], **CLOSE
    )
