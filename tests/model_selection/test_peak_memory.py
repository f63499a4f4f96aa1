"""The peak is seen even if nothing of it is left."""

import sys

import numpy as np
import pytest
import torch

from zslearn.model_selection._peak_memory import PeakMemory


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="sampled on Linux")
@pytest.mark.skipif(torch.cuda.is_available(), reason="with an accelerator its memory is meant")
@pytest.mark.parametrize("make", [np.ones, torch.ones], ids=["numpy", "torch"])
def test_memory_that_is_given_back(make):
    with PeakMemory() as memory:
        for _ in range(20):
            large = make(16 * 2**20)  # 128 MiB of float64, or 64 of float32
            del large
    assert memory.added > 32 * 2**20


def test_an_error_passes_through():
    with pytest.raises(KeyError), PeakMemory():
        raise KeyError
