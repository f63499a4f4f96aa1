"""Memory that is used again is never that of a result somebody still has."""

import threading

import pytest
import torch

from zslearn.nn import _workspace
from zslearn.nn._semantic_attention import attend
from zslearn.nn._workspace import borrow, give_back, scratch

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
