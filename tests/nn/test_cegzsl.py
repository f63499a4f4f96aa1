"""The comparator is its literal form, forwards and backwards, in pieces of any size."""

import pytest
import torch
from torch.nn.functional import leaky_relu

from zslearn.nn import ClassComparator, ContrastiveEmbedding, _cegzsl


def literal(comparator, h, table):
    """Each row beside each description."""
    rows = [
        comparator.output(
            leaky_relu(comparator.joint(torch.cat([one.expand(len(table), -1), table], 1)), 0.2)
        )
        for one in h
    ]
    return torch.cat(rows, dim=1).T


@pytest.mark.parametrize("piece", [1, 50, 1 << 20])
def test_scores_and_gradients(piece, monkeypatch):
    monkeypatch.setitem(_cegzsl._PIECE, "cpu", piece)
    torch.manual_seed(0)
    comparator = ClassComparator(6, 4, 5).double()
    h = torch.randn(7, 6, dtype=torch.float64, requires_grad=True)
    table = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    weigh = torch.randn(7, 3, dtype=torch.float64)
    inputs = [h, table, *comparator.parameters()]
    found, expected = comparator(h, table), literal(comparator, h, table)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-14)
    gradients = torch.autograd.grad((found * weigh).sum(), inputs)
    wanted = torch.autograd.grad((expected * weigh).sum(), inputs)
    torch.testing.assert_close(gradients, wanted, rtol=0, atol=1e-13)


def test_scores_keep_their_precision_under_autocast():
    torch.manual_seed(0)
    comparator = ClassComparator(6, 4, 512)
    h, table = torch.randn(7, 6), torch.randn(3, 4)
    with torch.autocast("cpu", torch.bfloat16):
        found = comparator(h, table)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, comparator(h, table), rtol=0, atol=0.02)
    (gradient,) = torch.autograd.grad(found.square().sum(), comparator.output.weight)
    assert gradient.dtype == torch.float32


def test_embeddings_are_rectified_and_projections_of_unit_length():
    torch.manual_seed(0)
    embedding = ContrastiveEmbedding(5, 16, 3)
    x = torch.randn(8, 5)
    h, z = embedding(x)
    assert (h >= 0).all()
    assert (h == 0).any()
    torch.testing.assert_close(embedding.embed(x), h)
    torch.testing.assert_close(z.norm(dim=1), torch.ones(8))
