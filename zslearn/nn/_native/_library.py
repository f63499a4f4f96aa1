"""The compiled code behind functions that take tensors, if this machine has a use for it."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zslearn.nn._native._build import BuildError, build, find_compiler

__all__ = ["VARIABLE", "Argument", "Library", "Prepared", "is_allowed", "library", "why_not"]

Argument = Tensor | int | tuple[float, ...] | None

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
    "objective_bytes",
)


class Library:
    """Functions of the compiled code.

    Arguments are tensors, numbers of things, tuples of numbers, passed as a row of float32, or
    ``None``. Nothing is checked: dtypes, shapes and contiguity are the caller's concern.

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

    def call(self, name: str, *arguments: Argument) -> int:
        """Run a function of the library on as many threads as torch uses."""
        return self.prepare(name, *arguments)()

    def prepare(self, name: str, *arguments: Argument) -> Prepared:
        """Bind a function to its arguments and to as many threads as torch uses now."""
        return Prepared(getattr(self._functions, f"zs_{name}"), arguments)


class Prepared:
    """A call of the compiled code that is made again and again, on what tensors hold by then.

    Parameters
    ----------
    function : callable
        Of the library.
    arguments : tuple
        Tensors among them are kept alive, and must keep their memory.
    """

    def __init__(self, function: Callable[..., int], arguments: tuple[Argument, ...]) -> None:
        self._function = function
        self._alive = arguments
        threads = ctypes.c_int(torch.get_num_threads())
        self._arguments = (*map(_as_argument, arguments), threads)

    def __call__(self) -> int:
        return self._function(*self._arguments)


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


def _as_argument(value: Argument) -> Any:
    if value is None:
        return ctypes.c_void_p(None)
    if isinstance(value, Tensor):
        return ctypes.c_void_p(value.data_ptr())
    if isinstance(value, tuple):
        return (ctypes.c_float * len(value))(*value)
    return ctypes.c_ssize_t(value)
