"""Several attentions by one product equal the equations of each."""

import pytest
import torch

from zslearn.nn import _semantic_attention as sa
from zslearn.nn import functional as zf
from zslearn.nn._attention_banks import AttentionBank, attend_banks

OVER_ATTRIBUTES = AttentionBank(over="attributes")
BANKS = [
    [AttentionBank()],
    [AttentionBank(2)],
    [OVER_ATTRIBUTES],
    [AttentionBank(), OVER_ATTRIBUTES],
    [AttentionBank(2, "attributes"), AttentionBank(), AttentionBank(3)],
]
EXACT = {"rtol": 1e-12, "atol": 1e-12}


def draw(banks, dtype=torch.float64, b=3, r=5, d=6, k=4):
    generator = torch.Generator().manual_seed(0)
    n = sum(1 + bank.n_values for bank in banks) * k
    shapes = (b, r, d), (n, d)
    found = [torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]
    return [one.to(dtype).requires_grad_() for one in found]


def literal(regions, weights, banks, padding=None):
    n_attributes = len(weights) // sum(1 + bank.n_values for bank in banks)
    blocks, scores = iter(weights.split(n_attributes)), []
    for bank in banks:
        logits = torch.einsum("kd,brd->bkr", next(blocks), regions)
        if bank.over == "regions" and padding is not None:
            logits = logits.masked_fill(padding[:, None], -torch.inf)
        maps = torch.softmax(logits, dim=2 if bank.over == "regions" else 1)
        if padding is not None:
            maps = maps * ~padding[:, None]
        for _ in range(bank.n_values):
            scores.append((maps * torch.einsum("kd,brd->bkr", next(blocks), regions)).sum(2))
    return torch.stack(scores, dim=1)


def gradients(scores, arguments, slopes, **options):
    return torch.autograd.grad(scores, arguments, slopes.to(scores.dtype), **options)


def random_like(scores):
    return torch.randn(scores.shape, dtype=torch.float64, generator=torch.Generator())


@pytest.mark.parametrize("banks", BANKS, ids=str)
@pytest.mark.parametrize("shape", [{}, {"k": 1}, {"r": 1, "b": 1}], ids=str)
def test_banks_equal_the_equations(banks, shape):
    arguments = draw(banks, **shape)
    found, expected = attend_banks(*arguments, banks), literal(*arguments, banks)
    torch.testing.assert_close(found, expected, **EXACT)
    slopes = random_like(expected)
    theirs = gradients(expected, arguments, slopes)
    for _ in range(2):  # the second pass computes the attention anew
        ours = gradients(found, arguments, slopes, retain_graph=True)
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)
    with torch.no_grad():
        torch.testing.assert_close(attend_banks(*arguments, banks), expected, **EXACT)


@pytest.mark.parametrize("banks", BANKS, ids=str)
@pytest.mark.parametrize("is_padded", [False, True])
def test_gradients_are_those_of_differences(banks, is_padded):
    padding = torch.tensor([[False, True, False], [True, False, True]]) if is_padded else None
    arguments = draw(banks, b=2, r=3, d=2, k=2)
    torch.autograd.gradcheck(lambda *both: attend_banks(*both, banks, padding), arguments)


@pytest.mark.parametrize("banks", BANKS, ids=str)
@pytest.mark.parametrize("numbers", [2**19, 1])
def test_padding_and_portions_change_nothing(monkeypatch, banks, numbers):
    monkeypatch.setattr(sa, "_CACHED_NUMBERS", numbers)
    regions, weights = draw(banks)
    expected = attend_banks(regions, weights, banks)
    slopes = random_like(expected)
    theirs = gradients(expected, (regions, weights), slopes)
    # Regions of padding that are not zero: nothing may depend on what they hold.
    place = torch.tensor([0, 2, 3, 6, 7])
    wide = torch.ones(3, 9, 6, dtype=torch.float64)
    wide[:, place] = regions.detach()
    padding = torch.ones(3, 9, dtype=torch.bool)
    padding[:, place] = False
    wide.requires_grad_()
    found = attend_banks(wide, weights, banks, padding)
    torch.testing.assert_close(found, expected, **EXACT)
    torch.testing.assert_close(found, literal(wide, weights, banks, padding), **EXACT)
    ours = gradients(found, (wide, weights), slopes)
    assert not ours[0][padding].any()
    torch.testing.assert_close(ours[0][:, place], theirs[0], rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(ours[1], theirs[1], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("banks", BANKS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(banks, dtype):
    arguments = draw(banks, dtype)
    exact = [x.detach().double().requires_grad_() for x in arguments]
    found, expected = attend_banks(*arguments, banks), literal(*exact, banks)
    assert found.dtype == torch.float32
    unit = torch.finfo(dtype).eps
    assert (found.double() - expected).norm() <= 4 * unit * expected.norm()
    slopes = random_like(expected)
    ours, theirs = gradients(found, arguments, slopes), gradients(expected, exact, slopes)
    for a, b in zip(ours, theirs, strict=True):
        assert (a.double() - b).norm() <= 6 * unit * b.norm()


def test_one_bank_is_semantic_attention():
    regions, weights = draw(BANKS[0])
    expected = zf.semantic_attention(regions, *weights.chunk(2))
    torch.testing.assert_close(attend_banks(regions, weights, BANKS[0])[:, 0], expected, **EXACT)


def test_no_images():
    regions, weights = draw(BANKS[3])
    assert attend_banks(regions[:0], weights, BANKS[3]).shape == (0, 2, 4)


def test_a_backend_without_banks_refuses_them():
    with zf.attention_backend("triton"), pytest.raises(RuntimeError, match="one attention with on"):
        attend_banks(*draw(BANKS[1]), BANKS[1])
