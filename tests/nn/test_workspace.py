"""Memory that is used again is never that of a result somebody still has."""

import gc
import threading

import pytest
import torch

from zslearn.nn import _workspace
from zslearn.nn._semantic_attention import attend
from zslearn.nn._workspace import borrow, give_back, lend, scratch

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def empty():
    _workspace._buffers.kept.clear()


def test_what_is_given_back_is_lent_again():
    first = borrow(10, torch.float32, CPU)
    second = borrow(10, torch.float32, CPU)
    assert first.data_ptr() != second.data_ptr()
    give_back(first)
    assert borrow(8, torch.float32, CPU) is first
    give_back(first)
    assert borrow(11, torch.float32, CPU) is not first  # too small
    give_back(second)
    assert borrow(10, torch.bfloat16, CPU) is not second  # of another dtype


def test_large_buffers_are_let_go(monkeypatch):
    monkeypatch.setattr(_workspace, "_MOST_BYTES", 39)
    give_back(borrow(10, torch.float32, CPU))
    assert not _workspace._buffers.kept
    assert scratch("a", (10,), torch.float32, CPU).shape == (10,)
    assert not _workspace._buffers.kept


def test_scratch_is_kept_for_each_use_and_thread():
    first = scratch("a", (2, 3), torch.float32, CPU)
    assert scratch("a", (3, 2), torch.float32, CPU).data_ptr() == first.data_ptr()
    assert scratch("b", (2, 3), torch.float32, CPU).data_ptr() != first.data_ptr()
    assert scratch("a", (2, 3), torch.float64, CPU).shape == (2, 3)
    found = []
    thread = threading.Thread(
        target=lambda: found.append(scratch("a", (2, 3), torch.float32, CPU).data_ptr())
    )
    thread.start()
    thread.join()
    assert found != [first.data_ptr()]


def test_memory_of_inference_serves_training():
    with torch.inference_mode():
        buffer = borrow(6, torch.float32, CPU)
        give_back(buffer)
    assert borrow(6, torch.float32, CPU) is buffer
    assert not buffer.is_inference()
    buffer += 1


def draw(seed=0):
    generator = torch.Generator().manual_seed(seed)
    regions = torch.randn(3, 5, 6, generator=generator)
    return regions, torch.randn(8, 6, generator=generator).requires_grad_()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_several_results_at_once(dtype):
    """Forward passes between a forward and its backward pass change neither."""
    alone = []
    for seed in (0, 1):
        regions, weights = draw(seed)
        semantics = attend(regions.to(dtype), weights)
        alone.append((semantics, *torch.autograd.grad(semantics.sum(), weights)))
    inputs = [draw(seed) for seed in (0, 1)]
    together = [attend(regions.to(dtype), weights) for regions, weights in inputs]
    with torch.inference_mode():
        attend(inputs[0][0].to(dtype), inputs[0][1])
    for semantics, (_, weights), expected in zip(together, inputs, alone, strict=True):
        gradients = torch.autograd.grad(semantics.sum(), weights)
        assert torch.equal(semantics, expected[0])
        assert torch.equal(*gradients, expected[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_backward_twice(dtype):
    regions, weights = draw()
    regions = regions.to(dtype).requires_grad_()
    semantics = attend(regions, weights)
    first = torch.autograd.grad(semantics.sum(), [regions, weights], retain_graph=True)
    attend(regions.detach() + 1, weights.detach())  # takes the memory that was given back
    second = torch.autograd.grad(semantics.sum(), [regions, weights])
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a, b)


N = _workspace._LEAST_LENT_BYTES  # bytes of a result whose memory is used again


@pytest.fixture
def returned(monkeypatch):
    """What came back, at first nothing; with room for three results."""
    kept = {}
    gc.collect()  # what other tests left would come back in between
    monkeypatch.setattr(_workspace, "_returned", kept)
    monkeypatch.setattr(_workspace, "_MOST_LENT_BYTES", 3 * N)
    return kept


def test_lent_memory_comes_back_by_itself(returned):
    first = lend((N // 8, 2), torch.float32)
    assert (first.shape, first.dtype, first.is_contiguous()) == ((N // 8, 2), torch.float32, True)
    address = first.data_ptr()
    other = lend((N // 4,), torch.float32)
    assert other.data_ptr() != address
    del first
    assert len(returned) == 1
    again = lend((2, N // 4), torch.bfloat16)  # the same bytes, whatever they are taken for
    assert again.data_ptr() == address
    assert not returned


@pytest.mark.parametrize("keep", [lambda t: t[1:2], lambda t: t.numpy(), lambda t: t.detach()])
def test_memory_somebody_has_is_not_lent(returned, keep):
    lent = lend((2, N // 8), torch.float32)
    address, kept = lent.data_ptr(), keep(lent)
    del lent
    assert lend((2, N // 8), torch.float32).data_ptr() != address
    del kept
    gc.collect()
    assert address in [block.ctypes.data for block in returned.values()]


def test_memory_a_graph_has_is_not_lent(returned):
    lent = lend((N // 4,), torch.float32).fill_(3.0)
    x = torch.ones(N // 4, requires_grad=True)
    product = x * lent
    del lent
    lend((N // 4,), torch.float32).fill_(5.0)
    assert len(returned) == 1
    assert torch.autograd.grad(product.sum(), x)[0].unique().tolist() == [3.0]
    assert len(returned) == 2  # the graph is gone


def test_sizes_that_are_not_lent(returned):
    for n_bytes in (0, N - 1, 3 * N + 1):
        tensor = lend((n_bytes,), torch.uint8)
        assert tensor.shape == (n_bytes,)
        del tensor
        assert not returned
    lend((N,), torch.uint8)
    lend((N + 1,), torch.uint8)  # too large for what came back, whose size is another
    assert [block.size for block in returned.values()] == [N, N + 1]


def test_memory_kept_is_bounded(returned):
    lent = [lend((N,), torch.uint8) for _ in range(5)]
    addresses = [tensor.data_ptr() for tensor in lent]
    while lent:
        del lent[0]
    assert [block.ctypes.data for block in returned.values()] == addresses[2:]  # the latest
    lend((N + 1,), torch.uint8)
    assert [block.size for block in returned.values()] == [N, N + 1]
    assert lend((N,), torch.uint8).data_ptr() == addresses[4]


def test_memory_lent_in_inference_mode(returned):
    with torch.inference_mode():
        lend((N // 4,), torch.float32).fill_(1.0)
    assert len(returned) == 1
    lent = lend((N // 4,), torch.float32)
    assert not returned
    assert not lent.is_inference()
    lent.requires_grad_().sum().backward()


def test_threads_never_have_the_same_memory(returned):
    """Each writes its number and finds it again, while results go from thread to thread."""
    found, start = [], threading.Barrier(4)

    def work(number):
        start.wait()
        for _ in range(200):
            lent = lend((N,), torch.uint8).fill_(number)
            other = lend((N,), torch.uint8).fill_(number + 4)
            found.append(bool((lent == number).all()) and bool((other == number + 4).all()))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 800
    assert sum(block.size for block in returned.values()) <= 3 * N
