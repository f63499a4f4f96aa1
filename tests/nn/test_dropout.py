"""Dropout of our own drops the share it should, and its gradient is that of what it kept."""

import pytest
import torch

from zslearn.nn._dropout import dropout, relu_dropout


def positive(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 1


@pytest.mark.parametrize("p", [0.1, 0.4, 0.999])
def test_share_and_scale(p):
    torch.manual_seed(0)
    x = positive(40, 50, 301)  # a portion does not end where 16 bits do
    found = dropout(x, p)
    kept = found != 0
    n = x.numel()
    assert abs(kept.double().mean() - (1 - p)) < 5 * (p * (1 - p) / n) ** 0.5 + 2**-16
    exact = 1 - round(p * 2**16) / 2**16
    torch.testing.assert_close(found[kept], x[kept] / exact, rtol=1e-14, atol=0)
    # No row, place or portion is dropped more than another.
    for dims in ((0, 1), (0, 2), (1, 2)):
        shares = kept.double().mean(dim=dims)
        m = n // len(shares)
        assert (shares - (1 - p)).abs().max() < 6 * (p * (1 - p) / m) ** 0.5 + 2**-16


def test_gradients_are_of_what_is_kept():
    x = positive(7, 5, 3).requires_grad_()
    found = dropout(x, 0.5)
    (found * 3).sum().backward()
    torch.testing.assert_close(x.grad, 3 * (found / x).detach())
    y = (positive(7, 5, 3) - 1.5).requires_grad_()
    z = y * 1
    found = relu_dropout(z, 0.5)
    assert found.data_ptr() == z.data_ptr()
    found.backward(positive(7, 5, 3))
    kept = found.detach() != 0
    assert kept.any()
    assert not kept[y.detach() < 0].any()
    torch.testing.assert_close(y.grad, 2 * positive(7, 5, 3) * kept)
    torch.testing.assert_close(found[kept].detach(), 2 * y[kept].detach())


def test_in_its_place_expanded_and_not_at_all():
    x = positive(6, 4).requires_grad_()
    y = x * 1
    assert dropout(y, 0.5, inplace=True).data_ptr() == y.data_ptr()
    assert dropout(x, 0.5, False) is x
    assert dropout(x, 0.0) is x
    torch.testing.assert_close(relu_dropout(-x, 0.5, False), torch.zeros(6, 4, dtype=x.dtype))
    wide = dropout(x.expand(3, 6, 4), 0.5)
    assert not torch.equal(wide[0] != 0, wide[1] != 0)
    wide.sum().backward()
    torch.testing.assert_close(x.grad, 2 * (wide != 0).sum(0, dtype=x.dtype))


def test_the_global_generator_determines_it():
    x = positive(9, 20)
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(dropout(x, 0.3))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_low_precision():
    x = torch.ones(64, 64, dtype=torch.bfloat16)
    found = dropout(x, 0.5)
    assert found.dtype == torch.bfloat16
    assert set(found.unique().tolist()) == {0.0, 2.0}
