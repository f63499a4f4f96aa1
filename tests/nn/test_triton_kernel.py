"""The fused kernels equal the equations: in Triton's interpreter, or on a CUDA device.

The interpreter must be chosen before Triton is imported, so test_kernels.py runs this file in a
process of its own.
"""

import os

import pytest
import torch

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
if not INTERPRETED and not torch.cuda.is_available():
    pytest.skip("no CUDA device; test_kernels.py runs this file", allow_module_level=True)
pytest.importorskip("triton")

from zslearn.nn import functional as zf  # noqa: E402
from zslearn.nn._kernels import _fused  # noqa: E402
from zslearn.nn._kernels import _triton as kernels  # noqa: E402
from zslearn.nn._kernels._verification import verify  # noqa: E402

DEVICE = torch.device("cpu" if INTERPRETED else "cuda")
HALF = [torch.float16, torch.bfloat16]


def draw(b, r, d, k, dtype, seed=0, sharpness=4.0):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    regions = zf.normalize_rows(normal(b, r, d))
    weights = sharpness * normal(2 * k, d)
    slopes = normal(b, k).float()
    return regions.to(DEVICE, dtype), weights.to(DEVICE, dtype), slopes.to(DEVICE)


def literal(regions, weights, padding=None):
    """Eqs. 1-3 as printed, with F_A built."""
    queries, embeddings = weights.chunk(2)
    logits = torch.einsum("kd,brd->bkr", queries, regions)
    if padding is not None:
        logits = logits.masked_fill(padding.unsqueeze(1), -torch.inf)
    maps = torch.softmax(logits, dim=2)
    features = torch.einsum("bkr,brd->bkd", maps, regions)
    return torch.einsum("bkd,kd->bk", features, embeddings)


def run(function, regions, weights, slopes, padding=None):
    arguments = [x.detach().requires_grad_() for x in (regions, weights)]
    result = function(*arguments, padding)
    gradients = torch.autograd.grad(result, arguments, slopes.to(result.dtype))
    return [result.detach(), *gradients]


def assert_equals_the_equations(regions, weights, slopes, padding=None):
    found = run(kernels.attend, regions, weights, slopes, padding)
    expected = run(literal, regions.double(), weights.double(), slopes, padding)
    unit = torch.finfo(regions.dtype).eps
    # The forward pass rounds nothing to low precision; tensor cores sum less finely than float32.
    forward = 3e-6 if INTERPRETED else max(3e-6, unit)
    for ours, theirs, tolerance in zip(
        found, expected, (forward, max(3e-6, 3 * unit), max(3e-6, 3 * unit)), strict=True
    ):
        assert torch.isfinite(ours).all()
        assert (ours.double() - theirs).norm() <= tolerance * theirs.norm()
    assert found[0].dtype == torch.float32
    assert [x.dtype for x in found[1:]] == [regions.dtype, weights.dtype]


RAGGED = [
    *[(shape, torch.float32) for shape in [(1, 1, 3, 1), (2, 5, 3, 85), (3, 5, 40, 7)]],
    *[(shape, torch.float32) for shape in [(2, 130, 16, 16), (1, 300, 8, 3)]],
    *[(shape, dtype) for shape in [(3, 1, 40, 7), (2, 49, 70, 85)] for dtype in HALF],
    *[((1, 197, 40, 7), dtype) for dtype in [*HALF, torch.float32]],
]


@pytest.mark.parametrize(("shape", "dtype"), RAGGED, ids=str)
def test_ragged_shapes(shape, dtype):
    assert_equals_the_equations(*draw(*shape, dtype))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [*HALF, torch.float32])
@pytest.mark.parametrize("shape", [(2, 196, 768, 312), (3, 197, 770, 313), (2, 49, 2048, 85)])
def test_published_shapes(shape, dtype):
    assert_equals_the_equations(*draw(*shape, dtype))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@pytest.mark.parametrize("n_bytes", [1, 4000])
def test_portions_of_images(monkeypatch, n_bytes, dtype):
    """One image at a time, or some with a rest."""
    monkeypatch.setattr(kernels, "WORKSPACE_BYTES", n_bytes)
    assert_equals_the_equations(*draw(5, 9, 20, 11, dtype))


def test_space_is_used_again(monkeypatch):
    monkeypatch.setattr(kernels, "WORKSPACE_BYTES", 2 * 9 * 24 * 2)
    regions, weights, slopes = draw(5, 9, 20, 11, torch.float16)
    log_sums = torch.full_like(slopes, 100.0)
    portions = list(kernels._portions(regions, weights, None, slopes, log_sums, slopes))
    assert [images for images, _ in portions] == [slice(0, 2), slice(2, 4), slice(4, 5)]
    assert len({part.data_ptr() for _, part in portions}) == 1
    assert [part.shape for _, part in portions] == [(18, 22), (18, 22), (9, 22)]


@pytest.mark.parametrize("dtype", HALF)
def test_extreme_logits(dtype):
    """Nearly all attention on one region: an exponential of the plain logits would overflow."""
    regions, weights, slopes = draw(2, 40, 24, 5, dtype, sharpness=1.0)
    weights[:5] *= 300
    assert (regions.float() @ weights[:5].float().T).amax(1).min() > 89
    assert_equals_the_equations(regions, weights, slopes)


def test_ascending_logits():
    """Each tile of regions holds a new largest logit, the last one far above."""
    logits = torch.linspace(0, 2000, 700, device=DEVICE)
    regions = torch.stack([logits, torch.arange(700.0, device=DEVICE)], dim=1)[None]
    weights = torch.eye(2, device=DEVICE)
    torch.testing.assert_close(kernels.attend(regions, weights), literal(regions, weights))


@pytest.mark.parametrize("dtype", HALF)
def test_regions_of_zeros(dtype):
    regions, weights, slopes = draw(3, 20, 24, 5, dtype)
    regions[0] = 0
    regions[1, 3:] = 0
    assert not kernels.attend(regions, weights)[0].any()
    assert_equals_the_equations(regions, weights, slopes)


@pytest.mark.parametrize("dtype", [*HALF, torch.float32])
@pytest.mark.parametrize("n_regions", [2, 20, 300])
def test_padding(n_regions, dtype):
    """Single regions, and whole tiles at the beginning, in the middle and at the end."""
    regions, weights, slopes = draw(4, n_regions, 24, 5, dtype)
    padding = torch.zeros(4, n_regions, dtype=torch.bool, device=DEVICE)
    padding[0, 1::2] = padding[1, :-1] = padding[2, 1:] = True
    regions[padding] = 0
    assert_equals_the_equations(regions, weights, slopes, padding)
    by_regions = run(kernels.attend, regions, weights, slopes, padding)[1]
    assert not by_regions[padding].any()
    assert torch.equal(
        kernels.attend(regions[3:], weights, padding[3:]), kernels.attend(regions[3:], weights)
    )


def test_padding_of_portions(monkeypatch):
    monkeypatch.setattr(kernels, "WORKSPACE_BYTES", 4000)
    regions, weights, slopes = draw(5, 9, 20, 11, torch.float32)
    padding = torch.rand(5, 9, generator=torch.Generator().manual_seed(0)).to(DEVICE) < 0.6
    assert not padding.all(1).any()
    assert_equals_the_equations(regions, weights, slopes, padding)


def test_kernels_that_attend_to_padding_are_noticed():
    def deaf(regions, weights, padding):
        return kernels.attend(regions, weights)

    assert verify(deaf, DEVICE, torch.float32, (20, 24, 5)) == ""
    assert "result is off" in verify(deaf, DEVICE, torch.float32, (20, 24, 5), is_padded=True)
    for n_regions in (1, 2, 300):
        assert verify(kernels.attend, DEVICE, torch.float32, (n_regions, 24, 5), True) == ""


def test_padding_asked_for_by_name():
    regions, weights, _ = draw(2, 21, 24, 5, torch.float32)
    padding = torch.zeros(2, 21, dtype=torch.bool, device=DEVICE)
    padding[:, 4:] = True
    with zf.attention_backend("triton"):
        found = zf.semantic_attention(regions, *weights.chunk(2), padding)
    expected = zf.semantic_attention(regions[:, :4], *weights.chunk(2))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert (regions.device, torch.float32, True, 21, 24, 5) in _fused._verified


def test_what_is_not_finite_stays_so():
    regions, weights, _ = draw(3, 20, 24, 5, torch.float32)
    regions[1, 7, 3] = torch.nan
    found = kernels.attend(regions, weights)
    assert torch.isnan(found[1]).all()
    assert torch.isfinite(found[[0, 2]]).all()


def test_float16_gradients_do_not_underflow():
    regions, weights, slopes = draw(2, 20, 24, 5, torch.float16)
    slopes *= 1e-9 * 1000.0 ** -torch.arange(5.0, device=DEVICE)  # each attribute smaller still
    found = run(kernels.attend, regions, weights.float(), slopes)[2]
    expected = run(literal, regions.double(), weights.double(), slopes)[2]
    for ours, theirs in zip(found, expected, strict=True):  # of each attribute
        assert (ours - theirs).norm() <= 3e-3 * theirs.norm()


@pytest.mark.parametrize("dtype", HALF)
def test_slopes_of_zero(dtype):
    regions, weights, slopes = draw(2, 20, 24, 5, dtype)
    _, by_regions, by_weights = run(kernels.attend, regions, weights, torch.zeros_like(slopes))
    assert not by_regions.any()
    assert not by_weights.any()


def test_layout_and_precision_of_arguments():
    """What is not contiguous, weights in float32, an expanded gradient, one gradient only."""
    regions, weights, _ = draw(3, 20, 24, 5, torch.bfloat16)
    expected = kernels.attend(regions, weights)
    wide = weights.float().T.contiguous().T.requires_grad_()
    turned = regions.transpose(0, 1).contiguous().transpose(0, 1)
    found = kernels.attend(turned, wide)
    assert torch.equal(found, expected)
    found.sum().backward()
    assert wide.grad.dtype == torch.float32
    regions.requires_grad_()
    kernels.attend(regions, weights).sum().backward()
    assert regions.grad.dtype == torch.bfloat16


def test_twice_gives_the_same():
    arguments = draw(3, 70, 40, 20, torch.bfloat16)
    results = [run(kernels.attend, *arguments) for _ in range(2)]
    assert all(torch.equal(*pair) for pair in zip(*results, strict=True))


def test_without_gradients():
    regions, weights, _ = draw(3, 20, 24, 5, torch.bfloat16)
    expected = kernels.attend(regions, weights)
    with torch.inference_mode():
        assert torch.equal(kernels.attend(regions.clone(), weights.clone()), expected)


@pytest.mark.parametrize("dtype", [*HALF, torch.float32])
def test_asked_for_by_name(dtype):
    regions, weights, _ = draw(2, 20, 24, 5, dtype)
    with zf.attention_backend("triton"):
        assert zf.attention_backend_of(regions, weights[:5]) == "triton"
        found = zf.semantic_attention(regions, *weights.chunk(2))
        with torch.inference_mode():  # compared with the equations there, gradients too
            other = zf.semantic_attention(regions[:, :19], *weights.chunk(2))
    assert torch.equal(found, kernels.attend(regions, weights))
    assert other.shape == (2, 5)
    assert (regions.device, dtype, False, 19, 24, 5) in _fused._verified


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_wrong_kernel_is_noticed(part):
    """A result or gradient one percent too long is refused in float32."""

    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, regions, weights, padding):
            ctx.save_for_backward(regions, weights)
            return kernels.attend(regions, weights) * (1.01 if part == 0 else 1.0)

        @staticmethod
        def backward(ctx, slopes):
            with torch.enable_grad():
                _, by_regions, by_weights = run(kernels.attend, *ctx.saved_tensors, slopes)
            factors = [1.01 if part == i else 1.0 for i in (1, 2)]
            return by_regions * factors[0], by_weights * factors[1], None

    names = ("result", "gradient by regions", "gradient by weights")
    found = verify(Wrong.apply, DEVICE, torch.float32, (20, 24, 5))
    assert found.startswith(f"its {names[part]} is off by 0.01")
