"""The compiled code behind functions that take tensors, if this machine has a use for it."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zslearn.nn._native._build import BuildError, build, find_compiler

__all__ = ["VARIABLE", "Library", "is_allowed", "library", "why_not"]

VARIABLE = "ZSLEARN_NATIVE"

_NEEDED = {"avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_bf16"}
_lock = threading.Lock()

_SIZES = (
    "n_panels",
    "tile_rows",
    "slope_pairs",
    "packed_pairs",
    "sums",
    "projection_pairs",
    "transposed_pairs",
    "objective_floats",
)


class Library:
    """Functions of the compiled code; arguments are tensors, numbers of things, or ``None``.

    Nothing is checked: dtypes, shapes and contiguity are the caller's concern.

    Parameters
    ----------
    path : Path
        What was built.
    multiplies : bool
        Whether its matrix products are to be used. Where a processor has units for them (AMX),
        torch drives those, and the rest is used alone.

    Attributes
    ----------
    path, multiplies
        As above.
    """

    def __init__(self, path: Path, multiplies: bool) -> None:
        self.path = path
        self.multiplies = multiplies
        self._functions = ctypes.CDLL(str(path))
        for name in _SIZES:
            getattr(self._functions, f"zs_{name}").restype = ctypes.c_ssize_t

    def size(self, name: str, *counts: int) -> int:
        """Return one of the sizes of scratch memory."""
        found: int = getattr(self._functions, f"zs_{name}")(*map(ctypes.c_ssize_t, counts))
        return found

    def call(self, name: str, *arguments: Tensor | int | None) -> int:
        """Run a function of the library on as many threads as torch uses."""
        function = getattr(self._functions, f"zs_{name}")
        status: int = function(*map(_as_argument, arguments), ctypes.c_int(torch.get_num_threads()))
        return status


def library() -> Library | None:
    """Return the compiled code, built by the first call that asks for it; ``None`` without."""
    return _load()[0] if is_allowed() else None


def why_not() -> str:
    """Say why there is no compiled code; an empty text if there is."""
    if not is_allowed():
        return f"{VARIABLE} is 0"
    return _load()[1]


def is_allowed() -> bool:
    """Whether the environment does not forbid compiled code."""
    return os.environ.get(VARIABLE, "") != "0"


def _load() -> tuple[Library | None, str]:
    with _lock:  # functools.cache alone lets two threads build
        return _load_once()


@cache
def _load_once() -> tuple[Library | None, str]:
    flags = _processor_flags()
    if missing := _NEEDED - flags:
        return None, f"the processor lacks {', '.join(sorted(missing))}, or this is no Linux"
    compiler = find_compiler()
    if not compiler:
        return None, "there is no C compiler (cc, gcc, clang or the variable CC)"
    try:
        return Library(build(compiler), "amx_bf16" not in flags), ""
    except (BuildError, OSError) as error:
        warnings.warn(
            f"The compiled code of zslearn is not used: {error}. Plain torch takes its place, "
            f"which gives the same results and is slower; {VARIABLE}=0 asks for that.",
            RuntimeWarning,
            stacklevel=4,
        )
        return None, str(error)


@cache
def _processor_flags() -> frozenset[str]:
    if not sys.platform.startswith("linux"):
        return frozenset()
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("flags"):
                    return frozenset(line.split(":", 1)[1].split())
    except OSError:
        pass
    return frozenset()


def _as_argument(value: Tensor | int | None) -> Any:
    if value is None:
        return ctypes.c_void_p(None)
    if isinstance(value, Tensor):
        return ctypes.c_void_p(value.data_ptr())
    return ctypes.c_ssize_t(value)
