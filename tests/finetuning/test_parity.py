"""Training from pixels equals the authors' code to 1e-9, gradients for the tokens included."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.finetuning.problems import extractor
from zslearn.finetuning import TokenBackbone
from zslearn.nn import CVsCLoss, CVsCNetwork, CVsCOutput
from zslearn.nn import functional as zf
from zslearn.nn.functional import normalize_rows

CLOSE = {"rtol": 0, "atol": 1e-9}
FOLDER = Path(__file__).parents[1] / "data" / "parity"
TERMS = {"ce": "ce", "cal": "cal", "cc": "ccl", "sci": "sci", "tci": "tci", "loss": "total"}
LAMBDAS = ["lambda_ce", "lambda_cal", "lambda_cc", "lambda_sci", "lambda_tci"]


@pytest.fixture(params=[1, 2], ids=["case1", "batch of one"])
def case(request):
    data = np.load(FOLDER / f"cvsc_e2e_case{request.param}.npz")
    return {key: torch.tensor(value) for key, value in data.items()}


def test_loss_and_gradients(case):
    table = case["class_attributes_raw"] / 100
    network = CVsCNetwork(
        table, case["tokens"].shape[2], attribute_vectors=case["attribute_vectors"]
    )
    with torch.no_grad():
        network.query_weight.copy_(case["w.W_attention"])
        network.embedding_weight.copy_(case["w.W_embedding"])
    unseen = torch.zeros(len(table), dtype=torch.bool)
    unseen[case["unseen"]] = True
    backbone = TokenBackbone.from_extractor(extractor().fit())

    tokens = case["tokens"].clone().requires_grad_()
    prefix, regions = backbone.split(tokens)
    assert prefix.shape[1] == 1
    regions = normalize_rows(regions)
    queries, embeddings = network.queries_and_embeddings()
    semantics = zf.semantic_attention(regions, queries, embeddings)
    features = zf.attribute_features(regions, queries)
    images, attributes, channels = (
        case[f"permutation_{axis}"] for axis in ("images", "attributes", "features")
    )
    other = zf.semantic_embedding(features[images][:, attributes][:, :, channels], embeddings)
    output = CVsCOutput(
        semantics, network.class_scores(semantics), other, network.class_scores(other)
    )
    weights = dict(zip(LAMBDAS, case["loss_weights"].tolist(), strict=True))
    criterion = CVsCLoss(table, unseen, alpha=1.0, calibration_bias=2.0, **weights)
    terms = criterion(output, case["labels"])
    terms["loss"].backward()

    for name, stored in TERMS.items():
        torch.testing.assert_close(terms[name].detach(), case[f"loss_{stored}"], **CLOSE)
    torch.testing.assert_close(semantics.detach(), case["semantic"], **CLOSE)
    found = {
        "tokens": tokens.grad,
        "attribute_vectors": network.attribute_vectors.grad,
        "W_attention": network.query_weight.grad,
        "W_embedding": network.embedding_weight.grad,
    }
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, case[f"grad.{name}"], **CLOSE)
    assert not tokens.grad[:, 0].any()
