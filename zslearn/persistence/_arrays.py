"""Arrays and tensors as what a safetensors file holds, with what that does not say in JSON."""

from __future__ import annotations

import re
import sys
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "MAX_TEXT_BYTES",
    "Arrays",
    "dtype_named",
    "is_network",
    "is_tensor",
    "restored_array",
    "restored_tensor",
    "text_array",
]

MAX_TEXT_BYTES = 2**30  # of an array of text, whose entries all take the room of the longest
# dtypes of torch that numpy lacks, and those that hold their bits.
_BITS = {"bfloat16": "int16"}
_TORCH_DTYPES = (
    *("bool", "uint8", "int8", "int16", "int32", "int64"),
    *("float16", "float32", "float64", "complex64", "complex128", "bfloat16"),
)


class Arrays:
    """The arrays of a file that is being written, by name."""

    def __init__(self) -> None:
        self.tensors: dict[str, NDArray[Any]] = {}

    def add_array(self, array: NDArray[Any]) -> dict[str, Any] | None:
        """Take in an array of numbers; what JSON must say, or None if it is something else."""
        dtype = array.dtype
        if dtype.kind not in "biufcmMS" or dtype.itemsize == 0:
            return None
        if dtype.kind in "fc" and dtype.itemsize > {"f": 8, "c": 16}[dtype.kind]:
            return None
        order = _order(array)
        rows = array.T if order == "F" else array
        rows = np.ascontiguousarray(rows).reshape(rows.shape)  # the former makes 0-d arrays 1-d
        if dtype.kind in "biuf":
            rows = rows.astype(dtype.newbyteorder("<"), copy=False)
        else:
            rows = rows.reshape(*rows.shape, 1).view(np.uint8)
        return {"tensor": self._add(rows), "dtype": dtype.str, "order": order}

    def add_tensor(self, tensor: Any) -> dict[str, Any] | None:
        """Take in a torch tensor; what JSON must say, or None if it cannot be saved."""
        import torch

        name = str(tensor.dtype).removeprefix("torch.")
        if name not in _TORCH_DTYPES or tensor.layout != torch.strided:
            return None
        values = tensor.detach().cpu().resolve_conj().resolve_neg()
        if name in _BITS:
            values = values.view(getattr(torch, _BITS[name]))
        said = self.add_array(values.numpy())
        assert said is not None
        return {**said, "dtype": name}

    def _add(self, array: NDArray[Any]) -> str:
        name = f"array_{len(self.tensors)}"
        self.tensors[name] = array
        return name


def _order(array: NDArray[Any]) -> str:
    # Products of matrices may round differently in another order of memory.
    return "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"


def dtype_named(text: Any, kinds: str) -> np.dtype[Any]:
    """Return the dtype of a name of numpy's own and of some kinds; ValueError for others."""
    if not isinstance(text, str) or not re.fullmatch(r"[<>|=][a-zA-Z][0-9a-zA-Z\[\]/]{0,20}", text):
        raise ValueError(f"no name of a dtype: {text!r:.40}")
    try:
        dtype = np.dtype(text)
    except Exception as error:
        raise ValueError(f"no name of a dtype: {text!r}") from error
    if dtype.kind not in kinds or dtype.str != text or dtype.itemsize == 0:
        raise ValueError(f"the dtype {text!r} is not one of those saved here")
    return dtype


def restored_array(stored: NDArray[Any], dtype: np.dtype[Any], order: Any) -> NDArray[Any]:
    """Array as it was when it was saved; ValueError if what is stored cannot be it."""
    if order not in ("C", "F"):
        raise ValueError(f"the order {order!r:.40} is neither 'C' nor 'F'")
    if dtype.kind in "biuf":
        if stored.dtype != dtype.newbyteorder("="):
            raise ValueError(f"values of dtype {stored.dtype}, not {dtype}")
        if dtype.kind == "b" and stored.view(np.uint8).max(initial=0) > 1:
            raise ValueError("bytes that are neither True nor False")
        array = stored.astype(dtype, copy=False)
    else:
        if stored.dtype != np.uint8 or stored.shape[-1:] != (dtype.itemsize,):
            raise ValueError(f"values of dtype {stored.dtype} that are not bytes of {dtype}")
        array = np.empty(stored.shape[:-1], dtype)
        array.reshape(*array.shape, 1).view(np.uint8)[...] = stored
    if not array.flags.writeable:
        array = array.copy()
    array = array.T if order == "F" else array
    if _order(array) != order:
        raise ValueError(f"the order {order!r} for an array of shape {array.shape}")
    return array


def restored_tensor(stored: NDArray[Any], name: Any, order: Any) -> Any:
    """Tensor as it was when it was saved, on the CPU; ValueError if it cannot be."""
    import torch

    if name not in _TORCH_DTYPES:
        raise ValueError(f"{name!r:.40} is no dtype of tensors that are saved")
    array = restored_array(stored, np.dtype(_BITS.get(name, name)), order)
    tensor = torch.from_numpy(array)
    return tensor.view(getattr(torch, name)) if name in _BITS else tensor


def text_array(items: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Array of text, ValueError if the items are not what it holds."""
    width = dtype.itemsize // 4
    if prod(shape) * dtype.itemsize > MAX_TEXT_BYTES:
        raise ValueError(f"an array of text of more than {MAX_TEXT_BYTES} bytes")
    if any(type(item) is not str or len(item) > width for item in items):
        raise ValueError(f"entries that are no text of at most {width} characters")
    return np.array(items, dtype=dtype).reshape(shape)


def is_network(value: object) -> bool:
    """Whether something is a module of torch, without importing torch."""
    torch: Any = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def is_tensor(value: object) -> bool:
    """Whether something is a plain tensor of torch, without importing torch."""
    torch: Any = sys.modules.get("torch")
    return torch is not None and type(value) is torch.Tensor
