"""Which implementation of semantic attention serves, and what happens where one cannot."""

import os
import subprocess
import sys
import threading
import warnings
from functools import cache
from pathlib import Path

import pytest
import torch

from zslearn.nn import functional as zf
from zslearn.nn._kernels import Backend, _fused, _registry, register
from zslearn.nn._semantic_attention import _SemanticAttention, attend

HERE = Path(__file__).parent


def draw(b=3, r=5, d=7, k=4, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    shapes = [(b, r, d), (2 * k, d)]
    return [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]


@pytest.fixture(autouse=True)
def untouched(monkeypatch):
    """Each test begins with the backends of the package and nothing tried."""
    monkeypatch.delenv(_registry.VARIABLE, raising=False)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setattr(_registry, "_backends", dict(_registry._backends))
    monkeypatch.setattr(_fused, "_verified", set())
    monkeypatch.setattr(_fused, "_failed", {})
    for name in ("_lacks", "_has_triton"):
        monkeypatch.setattr(_fused, name, cache(getattr(_fused, name).__wrapped__))


def in_the_interpreter(*options):
    pytest.importorskip("triton", minversion="3.2", reason="its interpreter takes no known shapes")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    done = subprocess.run(
        [*command, str(HERE / "test_triton_kernel.py")],
        capture_output=True,
        text=True,
        env=os.environ | {"TRITON_INTERPRET": "1"},
        cwd=HERE.parents[1],
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert "passed" in done.stdout


def test_kernels_in_the_interpreter():
    in_the_interpreter("-m", "not slow")


@pytest.mark.slow
def test_published_shapes_in_the_interpreter():
    in_the_interpreter("-m", "slow")


@pytest.mark.slow
@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("name", ["_attend", "_differentiate"])
@pytest.mark.parametrize("is_padded", [False, True])
def test_kernels_compile(name, capability, is_padded):
    """For devices that need not be there: the interpreter knows no types, layouts or limits."""
    pytest.importorskip("triton", minversion="3.3")
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    from zslearn.nn._kernels import _triton

    kernel = getattr(_triton, name)
    tall = name == "_attend" and capability == 90
    constants = {"n_features": 768, "ATTRIBUTES": 64, "FEATURES": 64, "WIDEN": False}
    constants |= {"ROWS": 256 if tall else 128, "PADDED": is_padded}
    pointers = {"regions": "*bf16", "weights": "*bf16", "by_product": "*bf16"}
    pointers |= {"padding": "*u8"} if is_padded else {"padding": "*bf16"}
    pointers |= {"semantics": "*fp32", "log_sums": "*fp32", "slopes": "*fp32"}
    names = kernel.arg_names
    source = ASTSource(
        kernel,
        {n: "constexpr" if n in constants else pointers.get(n, "i32") for n in names},
        constexprs={(names.index(n),): value for n, value in constants.items()},
        attrs={(i,): [["tt.divisibility", 16]] for i, n in enumerate(names) if n in pointers},
    )
    target = GPUTarget("cuda", capability, 32)
    options = {"num_warps": 8, "num_stages": 3, "enable_fp_fusion": True}
    compiled = compile(source, target=target, options=options)
    limit = 227 if tall else 99  # KiB that a program may have: of Hopper, of any
    assert compiled.metadata.shared <= limit * 2**10
    assert ("wgmma.mma_async" if capability == 90 else "mma.sync") in compiled.asm["ptx"]


def test_nothing_imports_triton_unasked():
    code = """
import sys, torch
from zslearn.nn.functional import attention_backend_of, semantic_attention
regions, queries = torch.ones(1, 20, 3).bfloat16(), torch.ones(4, 3)
semantic_attention(regions, queries, queries)
print(attention_backend_of(regions, queries), "triton" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["torch", "False"]


def constant(name, value, is_preferred=True, reason=""):
    def serve(regions, weights, padding):
        return torch.full((len(regions), len(weights) // 2), value)

    return Backend(name, serve, lambda *_: reason, lambda *_: is_preferred)


def test_first_preferred_serves():
    arguments = draw()
    assert zf.attention_backend_of(arguments[0], arguments[1][:4]) == "torch"
    assert torch.equal(attend(*arguments), _SemanticAttention.apply(*arguments))
    register(constant("late", 1.0))
    assert zf.attention_backend_of(*arguments) == "torch"
    register(constant("triton", 2.0))  # in the place of ours
    assert attend(*arguments).unique().tolist() == [2.0]
    register(constant("triton", 2.0, is_preferred=False))
    assert zf.attention_backend_of(*arguments) == "torch"


def test_asked_for_by_name():
    arguments = draw()
    register(constant("mine", 7.0, is_preferred=False))
    with zf.attention_backend("mine"):
        assert attend(*arguments).unique().tolist() == [7.0]
        with zf.attention_backend("torch"):
            assert zf.attention_backend_of(*arguments) == "torch"
        assert zf.attention_backend_of(*arguments) == "mine"
    assert zf.attention_backend_of(*arguments) == "torch"
    with pytest.raises(KeyError), zf.attention_backend("mine"):
        raise KeyError
    assert zf.attention_backend_of(*arguments) == "torch"


def test_asked_for_by_the_environment(monkeypatch):
    arguments = draw()
    register(constant("mine", 7.0, is_preferred=False))
    monkeypatch.setenv("ZSLEARN_ATTENTION_BACKEND", "mine")
    assert zf.attention_backend_of(*arguments) == "mine"
    with zf.attention_backend("auto"):
        assert zf.attention_backend_of(*arguments) == "torch"
    monkeypatch.setenv("ZSLEARN_ATTENTION_BACKEND", "")
    assert zf.attention_backend_of(*arguments) == "torch"
    monkeypatch.setenv("ZSLEARN_ATTENTION_BACKEND", "cuda")
    with pytest.raises(ValueError, match="ZSLEARN_ATTENTION_BACKEND must be one of .*found 'cuda'"):
        attend(*arguments)


def test_unknown_name():
    with (
        pytest.raises(ValueError, match=r"one of \['auto', 'triton', 'torch'\], found 'cuda'"),
        zf.attention_backend("cuda"),
    ):
        pass


def test_choice_is_that_of_a_thread():
    arguments = draw()
    register(constant("mine", 7.0, is_preferred=False))
    found = []
    with zf.attention_backend("mine"):
        thread = threading.Thread(target=lambda: found.append(zf.attention_backend_of(*arguments)))
        thread.start()
        thread.join()
    assert found == ["torch"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (draw(dtype=torch.float64), "no kernel for torch.float64"),
        (draw(), "regions are on cpu, its kernels run on CUDA devices"),
        (draw(b=0), r"nothing to multiply in shapes \[0, 5, 7\]"),
        ((draw()[0], draw()[1].to("meta")), "regions are on cpu, weights on meta"),
    ],
)
def test_refused_by_name(monkeypatch, arguments, reason):
    monkeypatch.setattr(_fused, "_has_triton", lambda: True)
    with (
        zf.attention_backend("triton"),
        pytest.raises(RuntimeError, match=f"'triton' was asked for and cannot serve: .*{reason}"),
    ):
        attend(*arguments)


def test_where_triton_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.setattr(_fused.importlib.util, "find_spec", lambda name: None)
    assert torch.equal(attend(*draw()), _SemanticAttention.apply(*draw()))
    with (
        zf.attention_backend("triton"),
        pytest.raises(RuntimeError, match="the package triton is not installed"),
    ):
        attend(*draw())


class OnCuda:
    """Stands in for a tensor on a CUDA device."""

    def __init__(self, *shape, dtype=torch.bfloat16):
        self.shape = torch.Size(shape)
        self.dtype = dtype
        self.device = torch.device("cuda", 0)

    def numel(self):
        return self.shape.numel()

    def __len__(self):
        return self.shape[0]


@pytest.fixture
def hopper(monkeypatch):
    monkeypatch.setattr(_fused, "_has_triton", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    tried = []
    monkeypatch.setattr(
        _fused, "verify", lambda _, *problem: tried.append((*problem[:2], *problem[2])) or ""
    )
    return tried


def test_preferred_for_half_precision_on_cuda(hopper):
    regions, weights = OnCuda(50, 196, 768), OnCuda(624, 768)
    assert _fused.is_preferred(regions, weights)
    assert _fused.is_preferred(OnCuda(7, 196, 768), weights)
    device = torch.device("cuda", 0)
    assert hopper == [(device, torch.bfloat16, 196, 768, 312)]  # tried once for a shape
    assert _fused.is_preferred(OnCuda(50, 196, 768, dtype=torch.float16), weights)
    assert len(hopper) == 2
    assert not _fused.is_preferred(OnCuda(50, 196, 768, dtype=torch.float32), weights)
    assert not _fused.is_preferred(OnCuda(50, 15, 768), weights)  # most of a tile would be padding
    assert len(hopper) == 2
    assert _fused.refuses(OnCuda(50, 15, 768, dtype=torch.float32), weights) == ""  # if asked
    assert len(hopper) == 3
    for _ in range(2):  # kernels that leave out padding are others, tried by themselves
        assert _fused.is_preferred(regions, weights, OnCuda(50, 196, dtype=torch.bool))
    assert hopper[3:] == [(device, torch.bfloat16, 196, 768, 312)]


def test_older_device(hopper, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    regions, weights = OnCuda(50, 196, 768), OnCuda(624, 768)
    assert not _fused.is_preferred(regions, weights)
    assert "capability (7, 5), it needs (8, 0)" in _fused.refuses(regions, weights)
    assert hopper == []


def test_first_call_is_not_captured(hopper, monkeypatch):
    regions, weights = OnCuda(50, 196, 768), OnCuda(624, 768)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    assert not _fused.is_preferred(regions, weights)
    assert hopper == []
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    assert _fused.is_preferred(regions, weights)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    assert _fused.is_preferred(regions, weights)


@pytest.mark.parametrize("failure", ["differs", "raises"])
def test_falls_back_for_good_with_one_warning(hopper, monkeypatch, failure):
    weights = OnCuda(624, 768)
    assert _fused.is_preferred(OnCuda(50, 49, 768), weights)

    def fail(*shape):
        hopper.append(shape)
        if failure == "raises":
            raise OSError("no C compiler")
        return "its result is off"

    monkeypatch.setattr(_fused, "verify", fail)
    reason = "OSError: no C compiler" if failure == "raises" else "its result is off"
    with pytest.warns(RuntimeWarning, match=f"not used on cuda:0 in torch.bfloat16: .*{reason}"):
        assert not _fused.is_preferred(OnCuda(50, 196, 768), weights)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n_regions in (196, 49, 64):
            assert not _fused.is_preferred(OnCuda(50, n_regions, 768), weights)
    assert len(hopper) == 2
    assert reason in _fused.refuses(OnCuda(50, 196, 768), weights)
