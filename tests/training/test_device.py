"""Device and precision are chosen from what is there."""

import pytest
import torch

from zslearn._training import _device
from zslearn._training._device import compute_dtype, resolve_device

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def test_cpu_and_auto():
    assert resolve_device("cpu") == CPU
    assert resolve_device(CPU) == CPU
    assert resolve_device("auto").type in ("cpu", "cuda", "mps")


@pytest.mark.parametrize("device", ["gpu", "tpu:0", "meta", ""])
def test_unknown_devices(device):
    with pytest.raises(ValueError, match="device must be"):
        resolve_device(device)


def test_absent_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"torch finds .* CUDA device.*'auto'"):
        resolve_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert resolve_device("cuda:0").index == 0
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    for name in ("auto", "cuda"):  # the device that is current now, whatever is current later
        assert resolve_device(name) == torch.device("cuda", 0)
    with pytest.raises(ValueError, match=r"finds 1 CUDA"):
        resolve_device("cuda:1")


def test_auto_precision_needs_hardware_and_work(monkeypatch):
    much, little = 2**30, 2**10
    monkeypatch.setattr(_device, "has_fast_bfloat16", lambda device: True)
    assert compute_dtype("auto", CPU, much) == torch.bfloat16
    assert compute_dtype("auto", CPU, little) == torch.float32
    monkeypatch.setattr(_device, "has_fast_bfloat16", lambda device: False)
    assert compute_dtype("auto", CPU, much) == torch.float32
    for name in ("float32", "bfloat16", "float16"):
        assert compute_dtype(name, CPU, little) == getattr(torch, name)


def test_has_fast_bfloat16_per_device(monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    for capability, fast in [((7, 5), False), ((8, 0), True), ((9, 0), True)]:
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda d, c=capability: c)
        assert _device.has_fast_bfloat16(CUDA) is fast
    assert _device.has_fast_bfloat16(torch.device("mps")) is False
    for query in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, query, lambda: False, raising=False)
    assert _device.has_fast_bfloat16(CPU) is False
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    assert _device.has_fast_bfloat16(CPU) is True


def test_what_torch_is_told_not_to_use_is_not_there(monkeypatch):
    """ATEN_CPU_CAPABILITY=avx2 on a processor that has more."""
    for query in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, query, lambda: True, raising=False)
    for capability, expected in [("AVX2", False), ("DEFAULT", False), ("AVX512", True)]:
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda c=capability: c)
        assert _device.has_fast_bfloat16(CPU) is expected
