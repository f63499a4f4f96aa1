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


def test_projections_keep_no_graph_alive():
    """A graph that holds itself would hold memory, and the stream it was made on."""
    import weakref

    vectors = torch.randn(3, 4, requires_grad=True)
    weights = [torch.randn(4, 5, requires_grad=True) for _ in range(2)]
    result, _ = project_attributes(vectors, *weights, torch.bfloat16)
    node = weakref.ref(result.grad_fn)
    del result, _
    assert node() is None


def draw_pair(dtype=torch.float64, b=3, r=5, d=6, k=4):
    return [x.to(dtype).requires_grad_() for x in draw((b, r, d), (2 * k, d), dtype=torch.float64)]


def padded(regions):
    """Regions of zeros between those there are and after them, of as many as each image likes."""
    b, r, d = regions.shape
    place = torch.tensor([[0, 2, 3, 6, 7], [1, 2, 3, 4, 5], [0, 1, 4, 5, 8]])[:b, :r]
    wide = torch.zeros(b, 9, d, dtype=regions.dtype).scatter(
        1, place.unsqueeze(-1).expand(b, r, d), regions
    )
    padding = torch.ones(b, 9, dtype=torch.bool).scatter(1, place, False)
    return wide, padding, place


@pytest.mark.parametrize("numbers", [2**19, 1])
def test_padding_changes_nothing(monkeypatch, numbers):
    monkeypatch.setattr(sa, "_CACHED_NUMBERS", numbers)
    regions, weights = draw_pair()
    expected = attend(regions, weights)
    slopes = torch.randn(expected.shape, dtype=torch.float64)
    theirs = torch.autograd.grad(expected, (regions, weights), slopes)
    wide, padding, place = padded(regions.detach())
    wide.requires_grad_()
    found = attend(wide, weights, padding)
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)
    for _ in range(2):  # the second pass computes the attention anew
        ours = torch.autograd.grad(found, (wide, weights), slopes, retain_graph=True)
        assert not ours[0][padding].any()
        kept = ours[0].gather(1, place.unsqueeze(-1).expand_as(regions))
        torch.testing.assert_close(kept, theirs[0], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(ours[1], theirs[1], rtol=1e-12, atol=1e-12)
    with torch.no_grad():
        torch.testing.assert_close(attend(wide, weights, padding), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_padding_in_half_precision(dtype):
    regions, weights = draw_pair(dtype)
    wide, padding, _ = padded(regions.detach())
    expected = torch.autograd.grad(attend(regions, weights).sum(), weights)[0]
    found = torch.autograd.grad(attend(wide, weights, padding).sum(), weights)[0]
    assert (found.double() - expected.double()).norm() <= 3 * torch.finfo(dtype).eps * (
        expected.double().norm()
    )


def test_gradient_where_there_is_padding():
    regions, weights = draw_pair(b=2, r=4, d=2, k=2)
    wide = regions.detach().clone()
    padding = torch.tensor([[False, True, False, True], [True, True, True, False]])
    wide[padding] = 0
    wide.requires_grad_()
    torch.autograd.gradcheck(lambda f, w: attend(f, w, padding), (wide, weights))


def test_a_mark_of_nothing_is_none_to_the_bit():
    regions, weights = draw_pair(torch.float32)
    nothing = torch.zeros(regions.shape[:2], dtype=torch.bool)
    assert torch.equal(attend(regions, weights, nothing), attend(regions, weights))
