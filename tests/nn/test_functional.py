"""The one-product path equals the literal equations; normalisation is finite everywhere."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zslearn.nn import functional as zf


def literal(regions, queries, embeddings):
    """Eqs. 1-3 as printed, with F_A built."""
    maps = torch.softmax(torch.einsum("kd,brd->bkr", queries, regions), dim=2)
    features = torch.einsum("bkr,brd->bkd", maps, regions)
    return torch.einsum("bkd,kd->bk", features, embeddings)


def draw(b=3, r=5, d=7, k=4, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = [(b, r, d), (k, d), (k, d)]
    return [torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes]


@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 8), st.integers(1, 5))
def test_one_product_equals_the_equations(b, r, d, k):
    arguments = draw(b, r, d, k)
    torch.testing.assert_close(
        zf.semantic_attention(*arguments), literal(*arguments), rtol=1e-12, atol=1e-12
    )


def test_gradients_equal_those_of_the_equations():
    arguments = [x.requires_grad_() for x in draw()]
    weight = torch.randn(3, 4, dtype=torch.float64)
    ours = torch.autograd.grad((zf.semantic_attention(*arguments) * weight).sum(), arguments)
    theirs = torch.autograd.grad((literal(*arguments) * weight).sum(), arguments)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_gradcheck_attention():
    assert torch.autograd.gradcheck(zf.semantic_attention, [x.requires_grad_() for x in draw()])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype):
    """Products of unit-length regions in half precision err by a few units in their last place."""
    regions, queries, embeddings = draw(4, 9, 64, 6, torch.float32)
    regions = zf.normalize_rows(regions)
    wide = [queries.requires_grad_(), embeddings.requires_grad_()]
    exact = zf.semantic_attention(regions, *wide)
    grad = torch.autograd.grad(exact.sum(), wide)
    low = zf.semantic_attention(regions.to(dtype), *wide)
    low_grad = torch.autograd.grad(low.sum(), wide)
    assert low.dtype == torch.float32
    unit = torch.finfo(dtype).eps
    torch.testing.assert_close(low, exact, rtol=0, atol=4 * unit)
    for a, b in zip(low_grad, grad, strict=True):
        assert a.dtype == torch.float32
        assert (a - b).norm() <= 4 * unit * b.norm()


def test_float16_gradients_do_not_underflow():
    regions, queries, embeddings = draw(2, 3, 8, 2, torch.float32)
    embeddings.requires_grad_()
    tiny = 1e-9  # below the smallest float16
    s = zf.semantic_attention(zf.normalize_rows(regions).half(), queries, embeddings)
    (grad,) = torch.autograd.grad(tiny * s.sum(), embeddings)
    s = zf.semantic_attention(zf.normalize_rows(regions), queries, embeddings)
    (expected,) = torch.autograd.grad(tiny * s.sum(), embeddings)
    assert (grad - expected).norm() <= 2e-3 * expected.norm()


def test_attention_maps_and_features():
    regions, queries, embeddings = draw()
    maps = zf.attention_maps(regions, queries)
    assert maps.shape == (3, 4, 5)
    torch.testing.assert_close(maps.sum(2), torch.ones(3, 4, dtype=torch.float64))
    features = zf.attribute_features(regions, queries)
    torch.testing.assert_close(
        zf.semantic_embedding(features, embeddings),
        zf.semantic_attention(regions, queries, embeddings),
        rtol=1e-12,
        atol=1e-12,
    )


def test_attention_by_hand():
    """Two regions with logits 0 and log 3: attention 1/4 and 3/4."""
    regions = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]], dtype=torch.float64)
    queries = torch.tensor([[math.log(3), 0.0]], dtype=torch.float64)
    embeddings = torch.tensor([[8.0, 4.0]], dtype=torch.float64)
    torch.testing.assert_close(
        zf.attention_maps(regions, queries), torch.tensor([[[0.25, 0.75]]], dtype=torch.float64)
    )
    s = zf.semantic_attention(regions, queries, embeddings)
    torch.testing.assert_close(s, torch.tensor([[7.0]], dtype=torch.float64))


def test_class_scores_by_hand():
    s = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    table = torch.tensor([[3.0, 4.0], [0.0, 2.0]], dtype=torch.float64)
    torch.testing.assert_close(
        zf.class_scores(s, table, scale=10.0), torch.tensor([[22.0, 20.0]], dtype=torch.float64)
    )


@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
def test_normalize_rows_at_any_magnitude(scale):
    x = torch.tensor([[3.0, -4.0]], dtype=torch.float64) * scale
    torch.testing.assert_close(
        zf.normalize_rows(x), torch.tensor([[0.6, -0.8]], dtype=torch.float64), rtol=1e-15, atol=0
    )


def test_normalize_rows_at_zero():
    x = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    y = zf.normalize_rows(x)
    y.sum().backward()
    assert not y.any()
    assert not x.grad.any()


def test_normalize_rows_gradcheck():
    x = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert torch.autograd.gradcheck(zf.normalize_rows, [x.requires_grad_()])


def test_padding_gets_no_attention():
    regions, queries, embeddings = draw()
    wide = torch.cat([regions[:, :2], torch.zeros(3, 4, 7, dtype=regions.dtype), regions[:, 2:]], 1)
    padding = zf.find_padding(wide)
    assert padding.tolist() == [[False] * 2 + [True] * 4 + [False] * 3] * 3
    maps = zf.attention_maps(wide, queries, padding)
    assert not maps[..., 2:6].any()
    close = {"rtol": 1e-13, "atol": 1e-13}
    expected = zf.attention_maps(regions, queries)
    torch.testing.assert_close(maps[..., [0, 1, 6, 7, 8]], expected, **close)
    for function, others in (
        (zf.attribute_features, [queries]),
        (zf.semantic_attention, [queries, embeddings]),
    ):
        found, without = function(wide, *others, padding), function(regions, *others)
        torch.testing.assert_close(found, without, **close)
        assert not torch.allclose(function(wide, *others), without, rtol=1e-3)
