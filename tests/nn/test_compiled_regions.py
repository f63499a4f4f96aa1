"""Regions normalised and gathered by the compiled code."""

import pytest
import torch

from zslearn._training._rows import RegionRows
from zslearn.nn import functional as zf
from zslearn.nn._kernels import _compiled, gather_regions, normalize_regions
from zslearn.nn._native import library, why_not

pytestmark = pytest.mark.skipif(library() is None, reason=why_not() or "there is compiled code")

EPS = torch.finfo(torch.bfloat16).eps


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def large(dtype=torch.bfloat16, r=16, d=512):
    assert _compiled.WORTH_FEATURES == 16 * 512
    return torch.ones(1, r, d, dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.uint8])
@pytest.mark.parametrize(("r", "d"), [(1, 8192), (17, 485), (241, 34), (8192, 1)])
def test_regions_of_unit_length(dtype, r, d, threads):
    raw = (20 * randn(3, r, d).abs()).clamp(1, 255).to(dtype)
    raw[1, -1] = 0
    if dtype in (torch.float32, torch.bfloat16):
        raw[0, 0] *= 1e-10
        raw[2, -1] *= 1e9 / d
    results = [torch.empty(3, r, d, dtype=torch.bfloat16) for _ in range(2)]
    for n, out in enumerate(results, start=1):
        threads(n)
        assert normalize_regions(raw, out).tolist() == [False] * 3
    assert torch.equal(*results)
    wide = raw.double()
    lengths = wide.norm(dim=-1, keepdim=True)
    expected = wide / torch.where(lengths > 0, lengths, 1)
    assert results[0][1, -1].count_nonzero() == 0
    # Half a unit in the last place, and what float32 lets a tie fall to the other side.
    assert ((results[0].double() - expected).abs() <= 0.5001 * EPS * expected).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("value", [1e-30, 1e-13, 1e13, 1e30, float("inf"), float("nan")])
@pytest.mark.parametrize("region", [0, 16])
def test_odd_images(value, dtype, region):
    raw = randn(4, 17, 514).to(dtype)
    raw[2, region] = 0
    raw[2, region, 513] = value
    raw[3, region] = 0
    out = torch.empty_like(raw, dtype=torch.bfloat16)
    assert normalize_regions(raw, out).tolist() == [False, False, True, False]
    rows = RegionRows(raw, torch.device("cpu"), torch.bfloat16)
    results, errors = [], []
    for backend in ("native", "torch"):
        with zf.attention_backend(backend):
            try:
                results.append(rows.take(slice(0, 4)).double())
            except ValueError as raised:
                errors.append(str(raised))
    if abs(value) < float("inf"):
        assert results[0][2, region].tolist() == [0.0] * 513 + [1.0]
        torch.testing.assert_close(*results, rtol=EPS, atol=0)
    else:
        assert errors[0] == errors[1]
        assert "rows [2] of X" in errors[0]


def test_which_regions_are_left_to_torch():
    out = large(r=17).clone()
    for raw in (large(torch.float64, r=17), large(torch.int8, r=17), large(r=34)[:, ::2]):
        assert normalize_regions(raw, out) is None
    assert normalize_regions(large(r=15), large(r=15)) is None
    assert normalize_regions(out, out.float()) is None
    with zf.attention_backend("torch"):
        assert normalize_regions(large(r=17), out) is None
    assert torch.equal(out, large(r=17))


@pytest.mark.parametrize("shape", [(9, 17, 514), (9, 1, 8193), (9, 3, 5)], ids=str)
def test_gathered_images(shape, threads):
    regions = randn(*shape).bfloat16()
    regions[4] = float("nan")
    for images in (torch.tensor([0, 2, 4, 4, 8]), torch.arange(18)[::2] // 2, torch.tensor([7])):
        expected = regions.view(torch.int16)[images]
        for n in (1, 2):
            threads(n)
            out = torch.zeros(len(images), *shape[1:], dtype=torch.bfloat16)
            assert gather_regions(regions, images, out) is out
            assert torch.equal(out.view(torch.int16), expected)
        assert torch.equal(gather_regions(regions, images, None).view(torch.int16), expected)
