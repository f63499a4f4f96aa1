"""Projection of attributes in low precision, and passes over a few images at a time."""

import pytest
import torch

from zslearn.nn import _semantic_attention as sa
from zslearn.nn._semantic_attention import attend, project_attributes

EPS = torch.finfo(torch.bfloat16).eps


def draw(*shapes, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes]


def literal(vectors, query_weight, embedding_weight):
    vectors = torch.nn.functional.normalize(vectors, dim=1)
    embeddings = vectors @ embedding_weight
    return torch.cat([vectors @ query_weight, embeddings]), embeddings.norm(dim=1)


def test_projection_in_full_precision():
    arguments = [x.requires_grad_() for x in draw((4, 3), (3, 5), (3, 5), dtype=torch.float64)]
    weights, lengths = project_attributes(*arguments, torch.float64)
    for ours, theirs in zip((weights, lengths), literal(*arguments), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-14, atol=1e-14)
    assert torch.autograd.gradcheck(lambda *x: project_attributes(*x, torch.float64), arguments)


@pytest.mark.parametrize("used", ["weights", "lengths", "both"])
def test_projection_in_bfloat16(used):
    arguments = [x.requires_grad_() for x in draw((6, 30), (30, 40), (30, 40))]
    weight_slope, length_slope = draw((12, 40), (6,), seed=1)
    results = project_attributes(*arguments, torch.bfloat16), literal(*arguments)
    assert results[0][0].dtype == torch.bfloat16
    assert results[0][1].dtype == torch.float32
    gradients = []
    for weights, lengths in results:
        total = torch.zeros(())
        if used != "lengths":
            total = total + (weights.float() * weight_slope).sum()
        if used != "weights":
            total = total + (lengths * length_slope).sum()
        gradients.append(torch.autograd.grad(total, arguments, allow_unused=True))
    for ours, theirs in zip(results[0], results[1], strict=True):
        assert (ours - theirs).norm() <= 2 * EPS * theirs.norm()
    for ours, theirs in zip(*gradients, strict=True):
        theirs = torch.zeros_like(ours) if theirs is None else theirs
        assert ours.dtype == torch.float32
        assert (ours - theirs).norm() <= 3 * EPS * theirs.norm()


def test_length_of_zero_has_no_slope():
    vectors, *weights = draw((2, 3), (3, 4), (3, 4))
    vectors[0] = 0
    arguments = [x.requires_grad_() for x in (vectors, *weights)]
    _, lengths = project_attributes(*arguments, torch.bfloat16)
    (gradient,) = torch.autograd.grad(lengths.sum(), vectors)
    assert not gradient[0].any()
    assert gradient[1].all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("images_at_once", [1, 3, 7])
def test_portions_change_nothing(monkeypatch, dtype, images_at_once):
    regions, weights = draw((7, 5, 6), (8, 6), dtype=torch.float64)
    (slope,) = draw((7, 4), seed=2, dtype=torch.float64)
    results = []
    for numbers in (2**18, images_at_once * 5 * 8):
        monkeypatch.setattr(sa, "_CACHED_NUMBERS", numbers)
        arguments = [x.to(dtype).requires_grad_() for x in (regions, weights)]
        semantics = attend(*arguments)
        results.append([semantics, *torch.autograd.grad((semantics * slope).sum(), arguments)])
    for whole, in_portions in zip(*results, strict=True):
        assert torch.equal(whole, in_portions)


def test_no_images():
    regions, weights = draw((0, 5, 6), (8, 6))
    assert attend(regions, weights).shape == (0, 4)
