"""Counterfactuals in K dimensions are distributed as features drawn and embedded."""

import math

import pytest
import torch
from scipy import stats

from zslearn.nn import CVsCNetwork
from zslearn.nn import functional as zf
from zslearn.nn.counterfactual import (
    normal_counterfactual,
    permuted_counterfactual,
    uniform_counterfactual,
)

N, K, D = 20_000, 3, 6


@pytest.fixture
def embeddings():
    generator = torch.Generator().manual_seed(5)
    return torch.randn(K, D, generator=generator, dtype=torch.float64) * torch.tensor(
        [[0.1], [1.0], [20.0]], dtype=torch.float64
    )


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_normal_equals_drawing_features_and_embedding_them(embeddings):
    scale = 1.7
    features = torch.randn(N, K, D, generator=generator(1), dtype=torch.float64)
    drawn = zf.semantic_embedding(features * scale / math.sqrt(D), embeddings)
    direct = normal_counterfactual(embeddings, N, scale=scale, generator=generator(2))
    for k in range(K):
        expected_std = scale / math.sqrt(D) * float(embeddings[k].norm())
        assert stats.kstest(direct[:, k], "norm", args=(0, expected_std)).pvalue > 1e-3
        assert stats.ks_2samp(drawn[:, k], direct[:, k]).pvalue > 1e-3
    correlation = torch.corrcoef(direct.T) - torch.eye(K, dtype=torch.float64)
    assert correlation.abs().max() < 5 / math.sqrt(N)


def test_normal_has_the_gradient_of_its_standard_deviation(embeddings):
    embeddings.requires_grad_()
    s = normal_counterfactual(embeddings, 1, generator=generator(3))
    (grad,) = torch.autograd.grad(s.sum(), embeddings)
    noise = (s / embeddings.norm(dim=1)).detach()
    torch.testing.assert_close(grad, noise.T * embeddings / embeddings.norm(dim=1, keepdim=True))


def test_uniform_moments(embeddings):
    scale = 0.8
    s = uniform_counterfactual(embeddings, N, scale=scale, generator=generator(4))
    high = scale * math.sqrt(3 / D)
    mean = embeddings.sum(1) * high / 2
    std = high / math.sqrt(12) * embeddings.norm(dim=1)
    assert ((s.mean(0) - mean).abs() < 5 * std / math.sqrt(N)).all()
    torch.testing.assert_close(s.std(0), std, rtol=0.03, atol=0)


def test_uniform_in_chunks_covers_every_image(embeddings, monkeypatch):
    monkeypatch.setattr("zslearn.nn.counterfactual._CHUNK", 2 * K * D)
    s = uniform_counterfactual(embeddings, 7, generator=generator())
    assert s.shape == (7, K)
    assert len(torch.unique(s[:, 0])) == 7


def test_permute_equals_shuffling_the_attribute_features(embeddings):
    regions = torch.randn(4, 5, D, generator=generator(6), dtype=torch.float64)
    queries = torch.randn(K, D, generator=generator(7), dtype=torch.float64)
    shuffles = tuple(torch.randperm(n, generator=generator(8 + n)) for n in (4, K, D))
    b, k, d = shuffles
    literal = zf.attribute_features(regions, queries)[b][:, k][:, :, d]
    torch.testing.assert_close(
        permuted_counterfactual(regions, queries, embeddings, permutations=shuffles),
        zf.semantic_embedding(literal, embeddings),
        rtol=1e-12,
        atol=1e-12,
    )


@pytest.mark.parametrize("kind", ["normal", "uniform", "permute"])
def test_network_draws_only_in_training(kind):
    network = CVsCNetwork(torch.eye(3), n_features=D, counterfactual=kind)
    regions = zf.normalize_rows(torch.randn(4, 5, D, generator=generator()))
    first = network(regions, generator=generator(1))
    again = network(regions, generator=generator(1))
    other = network(regions, generator=generator(2))
    assert first.counterfactual_semantics.shape == (4, 3)
    assert torch.equal(first.counterfactual_semantics, again.counterfactual_semantics)
    assert not torch.equal(first.counterfactual_semantics, other.counterfactual_semantics)
    torch.testing.assert_close(
        first.counterfactual_logits, network.class_scores(first.counterfactual_semantics)
    )
    assert network.eval()(regions).counterfactual_semantics is None


def test_network_refuses_an_unknown_counterfactual():
    with pytest.raises(ValueError, match=r"counterfactual must be .* found 'swap'"):
        CVsCNetwork(torch.eye(3), n_features=D, counterfactual="swap")


def test_word_vectors_of_zeros_start_at_random():
    vectors = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    network = CVsCNetwork(torch.eye(2), n_features=D, attribute_vectors=vectors)
    torch.testing.assert_close(network.attribute_vectors[0].detach(), torch.tensor([0.6, 0.8]))
    torch.testing.assert_close(network.attribute_vectors.detach().norm(dim=1), torch.ones(2))
    with pytest.raises(ValueError, match="attribute_vectors has 3 rows"):
        CVsCNetwork(torch.eye(2), n_features=D, attribute_vectors=torch.ones(3, 2))


def test_permuted_leaves_out_padding():
    regions = torch.randn(5, 4, D, generator=generator(), dtype=torch.float64)
    queries, rows = torch.randn(2, K, D, generator=generator(1), dtype=torch.float64)
    wide = torch.cat([torch.zeros_like(regions), regions], dim=1)
    padding = zf.find_padding(wide)
    expected = permuted_counterfactual(regions, queries, rows, generator=generator(2))
    found = permuted_counterfactual(wide, queries, rows, padding, generator=generator(2))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
