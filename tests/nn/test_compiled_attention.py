"""What is computed by the compiled code, against the equations in float64."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zslearn.nn import functional as zf
from zslearn.nn._kernels import _compiled, choose, normalize_regions
from zslearn.nn._kernels._compiled_attention import (
    attend,
    compute_gradient,
    compute_semantics,
    prepare_attend,
    prepare_gradient,
    reads_in_place,
)
from zslearn.nn._kernels._compiled_projection import project, serves_projection
from zslearn.nn._native import library, why_not

pytestmark = pytest.mark.skipif(library() is None, reason=why_not() or "there is compiled code")

EPS = torch.finfo(torch.bfloat16).eps

# B, R, D and K: each tile, panel and group of lanes full, short of one, and with one too many.
SHAPES = [
    (1, 1, 2, 1),
    (3, 7, 34, 5),
    (50, 49, 70, 16),
    (3, 50, 768, 17),
    (1, 197, 768, 31),
    (3, 49, 34, 32),
    (50, 7, 70, 33),
    (3, 7, 1280, 85),
    (1, 50, 70, 102),
    (2, 49, 768, 312),
    (27, 97, 34, 17),  # two blocks of rows, the second of an odd number
    (50, 197, 70, 33),  # four
]


@pytest.fixture(params=[True, False], ids=["multiplies", "torch multiplies"])
def multiplies(request, monkeypatch):
    monkeypatch.setattr(library(), "multiplies", request.param)
    return request.param


@pytest.fixture
def multiplying(monkeypatch):
    monkeypatch.setattr(library(), "multiplies", True)


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def draw(b=3, r=7, d=34, k=5, seed=0):
    """Regions of unit length, weights that make for logits around 4, and a gradient."""
    regions = torch.nn.functional.normalize(randn(b, r, d, seed=seed), dim=-1)
    weights = 4 * randn(2 * k, d, seed=seed + 1)
    slopes = randn(b, k, seed=seed + 2).float()
    return regions.bfloat16(), weights.bfloat16().requires_grad_(), slopes


def differentiate(function, regions, weights, slopes):
    semantics = function(regions, weights)
    (gradient,) = torch.autograd.grad(semantics, weights, slopes.to(semantics.dtype))
    return semantics.detach(), gradient


def by_the_equations(regions, weights):
    logits, values = (regions @ weights.T).chunk(2, dim=-1)
    return (torch.softmax(logits, dim=1) * values).sum(dim=1)


def exactly(regions, weights, slopes):
    exact = weights.detach().double().requires_grad_()
    return differentiate(by_the_equations, regions.double(), exact, slopes)


def error(found, expected):
    return float((found.detach().double() - expected).norm() / expected.norm())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equations(shape, multiplies):
    arguments = draw(*shape)
    semantics, gradient = differentiate(attend, *arguments)
    expected, exact = exactly(*arguments)
    assert (semantics.dtype, gradient.dtype) == (torch.float32, torch.bfloat16)
    # bfloat16 products are exact in float32. Where torch multiplies, it rounds the product.
    assert error(semantics, expected) <= (3e-6 if multiplies else 2 * EPS)
    # Attention, values, slopes and the result are rounded, by EPS / 2 at most and EPS / 5 on
    # average: EPS / 2 without correlation. The product counts as another, amplified by logits.
    k = shape[3]
    for rows in (slice(k), slice(k, None)) if shape[1] > 1 else [slice(None)]:
        assert error(gradient[rows], exact[rows]) <= (0.75 * EPS if multiplies else 2 * EPS)


def test_what_regions_have_in_common_is_no_gradient(multiplying):
    """Values that are large and alike say little about attention, rounded or not."""
    regions, weights, slopes = draw(10, 49, 768, 85)
    common = torch.nn.functional.normalize(randn(768, seed=9), dim=0)
    regions = torch.nn.functional.normalize(regions.double() / 3 + common, dim=-1).bfloat16()
    embeddings = weights.detach().double()[85:] + 40 * common
    weights = torch.cat([weights.detach()[:85], embeddings.bfloat16()]).requires_grad_()
    _, gradient = differentiate(attend, regions, weights, slopes)
    _, exact = exactly(regions, weights, slopes)
    assert error(gradient[:85], exact[:85]) <= 2 * EPS


@pytest.mark.parametrize("shape", [(5, 50, 70, 33), (27, 97, 34, 17)], ids=str)
def test_threads_change_nothing(shape, multiplies, threads):
    arguments = draw(*shape)
    results = []
    for n in (1, 2, 5):
        threads(n)
        results.append(differentiate(attend, *arguments))
    for semantics, gradient in results[1:]:
        assert torch.equal(semantics, results[0][0])
        assert torch.equal(gradient, results[0][1])


@pytest.mark.parametrize("r", [1, 7, 49, 50, 197])
def test_alone_or_in_company(r, multiplying):
    regions, weights, _ = draw(11, r, 70, 33)
    together = attend(regions, weights)
    for i in range(len(regions)):
        assert torch.equal(attend(regions[i : i + 1], weights)[0], together[i])
    weights.requires_grad_(False)
    assert torch.equal(attend(regions, weights), together)  # nor does what is kept
    with torch.inference_mode():
        assert torch.equal(attend(regions[2:9], weights), together[2:9])


def test_several_results_at_once(multiplies):
    shapes = [(50, 49, 70, 33), (3, 7, 34, 5), (50, 49, 70, 33)]
    problems = [draw(*shape, seed=seed) for seed, shape in enumerate(shapes)]
    alone = [differentiate(attend, *problem) for problem in problems]
    together = [attend(*problem[:2]) for problem in problems]
    for semantics, (_, weights, slopes), expected in zip(together, problems, alone, strict=True):
        for retain in (True, True, False):
            found = torch.autograd.grad(semantics, weights, slopes, retain_graph=retain)
            assert torch.equal(found[0], expected[1])
        assert torch.equal(semantics, expected[0])


def test_inference_mode(multiplies):
    regions, weights, slopes = draw(50, 49, 70, 33)
    expected = differentiate(attend, regions, weights, slopes)
    with torch.inference_mode():
        inside = attend(regions, weights)
        assert inside.is_inference()
    assert torch.equal(inside, expected[0])
    for found, wanted in zip(
        differentiate(attend, regions, weights, slopes), expected, strict=True
    ):
        assert torch.equal(found, wanted)


def test_weights_and_memory_of_any_kind(multiplies):
    """float32 is rounded, the gradient is of the weights' dtype; strides do not matter."""
    regions, weights, slopes = draw(3, 9, 34, 5)
    expected = differentiate(attend, regions, weights, slopes)
    wide = weights.detach().float()
    wide = torch.nextafter(wide, wide + 1).T.contiguous().T.requires_grad_()
    strided = torch.stack([regions, regions], dim=1)[:, 1]
    assert not strided.is_contiguous()
    semantics, gradient = differentiate(attend, strided, wide, slopes.T.contiguous().T)
    assert gradient.dtype == torch.float32
    assert torch.equal(semantics, expected[0])
    assert torch.equal(gradient, expected[1].float())


@pytest.mark.parametrize("size", [1e4, 1e30])
def test_extreme_logits(size, multiplies):
    """The largest takes all; of two that are equal each takes half, a constant changes nothing."""
    regions = torch.eye(4)[[0, 1, 1, 2]].expand(2, -1, -1).bfloat16().contiguous()
    queries = torch.tensor([[1, 0, 0, 0], [0, 1, 0, 0], [-1, -1, -1, 0], [-1, -1, 0, 0]]) * size
    weights = torch.cat([queries, torch.tensor([[3.0, 5, 7, 0]]).expand(4, -1)]).requires_grad_()
    semantics, gradient = differentiate(attend, regions, weights, torch.ones(2, 4))
    assert semantics.tolist() == [[3.0, 5.0, 5.0, 7.0]] * 2
    assert gradient[4:].tolist() == [[2, 0, 0, 0], [0, 2, 0, 0], [0.5, 1, 0.5, 0], [0, 0, 2, 0]]
    assert gradient[[0, 1, 3]].count_nonzero() == 0
    assert gradient[2].tolist() == [-1.0, 0.0, 1.0, 0.0]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("region", [0, 3, 8])
def test_not_finite(bad, region, multiplies):
    regions, weights, slopes = draw(4, 9, 34, 21)
    expected = attend(regions, weights)
    regions[1, region, 5] = bad
    semantics, gradient = differentiate(attend, regions, weights, slopes)
    assert semantics[1].isnan().all()
    exact = exactly(regions, weights, slopes)[1]
    assert torch.equal(gradient.isnan(), exact.isnan())
    assert torch.equal(semantics[[0, 2, 3]], expected[[0, 2, 3]])


orders = st.integers(0, 2**32 - 1).map(lambda seed: torch.Generator().manual_seed(seed))


@given(generator=orders, r=st.integers(1, 60), k=st.integers(1, 40))
@settings(max_examples=25, deadline=None)
def test_order_of_regions_and_attributes(generator, r, k):
    regions, weights, slopes = draw(3, r, 34, k)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library(), "multiplies", True)
        semantics, gradient = differentiate(attend, regions, weights, slopes)
        order = torch.randperm(r, generator=generator)
        shuffled = differentiate(attend, regions[:, order], weights, slopes)
        assert error(shuffled[0], semantics.double()) <= 1e-6
        assert error(shuffled[1], gradient.double()) <= EPS
        order = torch.randperm(k, generator=generator)
        both = torch.cat([order, order + k])
        low = weights.detach()[both].requires_grad_()
        shuffled = differentiate(attend, regions, low, slopes[:, order])
        assert torch.equal(shuffled[0], semantics[:, order])
        assert torch.equal(shuffled[1], gradient[both])


# n, R, D and K, and images: out of order, repeated, one alone, blocks that begin inside of one.
IN_PLACE = [
    ((4, 7, 34, 5), [2, 0, 2]),  # these share tiles where they lie side by side
    ((5, 29, 70, 17), [3, 1, 1, 0]),
    ((9, 49, 1280, 33), [8, 3]),
    ((3, 55, 38, 31), [1, 0, 1]),
    ((60, 49, 70, 85), [*range(59, 0, -1)]),  # 2,891 rows
    ((4, 97, 34, 102), [3]),
    ((30, 197, 70, 29), [*range(0, 30, 2), *range(13), 4, 4]),  # 5,910
]


@pytest.mark.parametrize(("shape", "images"), IN_PLACE, ids=str)
def test_in_place_as_gathered(shape, images, multiplying, threads):
    resident, weights, _ = draw(*shape)
    weights = weights.detach()
    images = torch.tensor(images)
    outer = randn(len(images), shape[3], seed=3).float()
    unused = torch.ones(len(resident), dtype=torch.bool)
    unused[images] = False
    resident[unused] = torch.nan
    assert unused.any()
    gathered = resident[images]
    expected, kept = compute_semantics(gathered, weights, keep=True)
    gradient = compute_gradient(gathered, expected, kept, outer)
    assert gradient.isfinite().all()
    for n in (1, 2, 5):
        threads(n)
        semantics, found = torch.empty_like(expected), torch.empty_like(kept)
        prepare_attend(resident, weights, semantics, found, images=images)()
        assert torch.equal(semantics, expected)
        assert torch.equal(found, kept)
        by_weights = torch.empty_like(gradient)
        prepare_gradient(resident, semantics, found, outer, by_weights, images=images)()
        assert torch.equal(by_weights, gradient)


def test_which_regions_are_read_in_place(monkeypatch):
    monkeypatch.setattr(library(), "multiplies", True)
    regions = torch.ones(4, 29, 34, dtype=torch.bfloat16)
    assert reads_in_place(regions)
    assert reads_in_place(torch.ones(2, 197, 34, dtype=torch.bfloat16))
    assert not reads_in_place(regions[:, :28].contiguous())  # two images share a tile
    assert not reads_in_place(regions[:, :0].contiguous())
    assert not reads_in_place(torch.ones(4, 34, 29, dtype=torch.bfloat16).mT)
    assert not reads_in_place(regions.float())
    assert not reads_in_place(regions.half())
    assert not reads_in_place(regions.to("meta"))
    monkeypatch.setattr(library(), "multiplies", False)
    assert not reads_in_place(regions)
    monkeypatch.setattr(library(), "multiplies", True)
    monkeypatch.setenv("ZSLEARN_NATIVE", "0")
    assert not reads_in_place(regions)


def large(dtype=torch.bfloat16, r=16, d=512):
    assert _compiled.WORTH_FEATURES == 16 * 512
    return torch.ones(1, r, d, dtype=dtype)


def test_which_calls_are_served():
    weights = torch.ones(6, 512)
    assert choose(large(), weights).name == "native"
    assert choose(torch.cat([large()] * 3), weights).name == "native"
    for dtype in (torch.float32, torch.float16, torch.float64):
        assert choose(large(dtype), weights).name == "torch"
    assert choose(large(r=15), weights).name == "torch"
    assert choose(large(r=17, d=511), weights[:, :511]).name == "torch"
    assert choose(large().requires_grad_(), weights).name == "torch"
    assert choose(large()[:0], weights).name == "torch"
    assert choose(large().to("meta"), weights.to("meta")).name == "torch"
    with zf.attention_backend("native"):
        assert choose(large(r=15), weights).name == "native"


@pytest.mark.parametrize(
    ("regions", "weights", "reason"),
    [
        (torch.ones(1, 2, 4), torch.ones(6, 4), "multiplies bfloat16, not torch.float32"),
        (large().requires_grad_(), torch.ones(6, 512), "computes no gradient by the regions"),
        (large()[:0], torch.ones(6, 512), r"nothing to multiply in shapes \[0, 16, 512\]"),
        (large(), torch.ones(0, 512), r"nothing to multiply in .* and \[0, 512\]"),
        (large(d=3), torch.ones(6, 3), "pairs of features, of which 3 are no even number"),
        (large(), torch.ones(6, 512, device="meta"), "regions are on cpu, weights on meta"),
    ],
)
def test_refuses(regions, weights, reason):
    with (
        zf.attention_backend("native"),
        pytest.raises(RuntimeError, match=f"'native' was asked for and cannot serve: .*{reason}"),
    ):
        choose(regions, weights)


@pytest.mark.parametrize("wrong", ["result", "gradient by weights"])
def test_wrong_code_is_noticed(monkeypatch, wrong):
    monkeypatch.setattr(_compiled, "_differs", _compiled.cache(_compiled._differs.__wrapped__))

    def off(regions, weights):
        semantics = attend(regions, weights)
        if wrong == "result":
            return semantics * torch.tensor([1.0] * 20 + [0.0])
        return semantics.detach() + 1.1 * (semantics - semantics.detach())

    monkeypatch.setattr(_compiled, "attend", off)
    weights = torch.ones(6, 512)
    with pytest.warns(RuntimeWarning, match="compiled attention is not used: .*" + wrong) as caught:
        assert [choose(large(), weights).name for _ in range(3)] == ["torch"] * 3
    assert len(caught) == 1
    assert "off by" in _compiled.refuses(large(), weights)
    assert not _compiled.is_verified()
    assert normalize_regions(large(), torch.empty_like(large())) is None
    assert not serves_projection(torch.ones(64, 64), torch.ones(64, 512), torch.bfloat16)


def project_exactly(vectors, query_weight, embedding_weight, outer, by_lengths):
    """Results and gradients with operands rounded as they are for the products."""
    low = [x.detach().bfloat16().double() for x in (query_weight, embedding_weight)]
    lengths = vectors.detach().double().norm(dim=1, keepdim=True)
    unit = vectors.detach().double() / torch.where(lengths > 0, lengths, 1)
    rounded = unit.float().bfloat16().double()
    weights = torch.cat([rounded @ w for w in low])
    by_queries, by_embeddings = outer.double().chunk(2)
    embeddings = weights[len(vectors) :].float().bfloat16().double()
    long = embeddings.norm(dim=1)
    slope = by_lengths.double() / torch.where(long > 0, long, torch.inf)
    by_embeddings = (by_embeddings + embeddings * slope[:, None]).float().bfloat16().double()
    across = by_queries @ low[0].T + by_embeddings @ low[1].T
    across = across - unit * (unit * across).sum(1, keepdim=True)
    by_vectors = across / torch.where(lengths > 0, lengths, torch.inf)
    return weights, long, (by_vectors, rounded.T @ by_queries, rounded.T @ by_embeddings)


@pytest.mark.parametrize("used", ["both", "weights", "lengths", "not the vectors"])
@pytest.mark.parametrize(
    ("k", "v", "d"), [(1, 3, 2), (5, 17, 34), (57, 63, 70), (102, 65, 130), (31, 300, 768)]
)
def test_projection(used, k, v, d, threads):
    vectors = randn(k, v) * torch.logspace(-30, 15, k, dtype=torch.float64)[:, None]
    zero = k // 2 if k > 1 else k
    vectors[zero : zero + 1] = 0
    arguments = [vectors.float(), randn(v, d, seed=1).float(), randn(v, d, seed=2).float()]
    outer, by_lengths = randn(2 * k, d, seed=3).bfloat16(), randn(k, seed=4).float()
    outer = outer * (used != "lengths")
    by_lengths = by_lengths * (used != "weights")
    first = 1 if used == "not the vectors" else 0
    wanted = [x.requires_grad_() for x in arguments[first:]]
    found = []
    for n in (1, 2):
        threads(n)
        weights, lengths = project(*arguments)
        total = 0
        if used != "lengths":
            total = total + (weights * outer).sum()
        if used != "weights":
            total = total + (lengths * by_lengths).sum()
        found.append((weights, lengths, *torch.autograd.grad(total, wanted)))
    for a, b in zip(*found, strict=True):
        assert torch.equal(a, b)
    exact, long, gradients = project_exactly(*arguments, outer, by_lengths)
    assert (weights.dtype, lengths.dtype) == (torch.bfloat16, torch.float32)
    assert error(weights, exact) <= EPS / 2  # what is summed in float32 is rounded once
    assert error(lengths, long) <= 1e-5
    assert error(lengths, weights[k:].detach().double().norm(dim=1)) <= 1e-6
    for ours, theirs in zip(found[1][2:], gradients[first:], strict=True):
        assert ours.dtype == torch.float32
        for row, exact_row in zip(ours, theirs, strict=True):  # they differ by 45 powers of ten
            assert (row.double() - exact_row).norm() <= 1e-4 * exact_row.norm()
