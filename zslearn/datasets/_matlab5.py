"""MATLAB files of version 5, read without trust in what they say of themselves.

scipy's reader ends the process at some damaged files, with a memory fault that nothing can catch.
This one reads tables, sparse tables, text and cells of text, and checks each size before it is
used.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Variable", "read_variables"]

_HEADER_BYTES = 128
_MATRIX, _COMPRESSED = 14, 15
# Of data elements, by the number of their type.
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8"}
_TYPES |= {13: "u8", 16: "u1", 17: "u2", 18: "u4"}
_ENCODINGS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
# Of arrays, by the number of their class.
_NUMBERS = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8"}
_NUMBERS |= {15: "u8"}
_CELL, _CHAR, _SPARSE = 1, 4, 5
_COMPLEX, _LOGICAL = 0x0800, 0x0200
_START_BYTES = 2**12  # of a packed variable, enough for its name and shape
_DEEPEST = 8


class Variable(NamedTuple):
    """A variable's name and shape, and what reads it: an array, or a list of str."""

    name: str
    shape: tuple[int, ...]
    read: Callable[[], Any]


class _Element(NamedTuple):
    kind: int
    content: memoryview


class _Array(NamedTuple):
    """A matrix with its beginning read."""

    kind: int
    flags: int
    shape: tuple[int, ...]
    name: str
    rest: memoryview


def read_variables(path: Path, most_bytes: int) -> Iterator[Variable]:
    """Yield the variables of a file; packed ones are unpacked whole only when read.

    Parameters
    ----------
    path : Path
    most_bytes : int
        The most that a variable may take unpacked.

    Raises
    ------
    ValueError, struct.error, zlib.error
        If the file is damaged.
    """
    content = np.memmap(path, np.uint8, "r").data
    if len(content) < _HEADER_BYTES:
        raise ValueError("its header is cut short")
    order = {b"IM": "<", b"MI": ">"}.get(bytes(content[126:128]))
    if order is None:
        raise ValueError(f"its header ends in {bytes(content[126:128])!r}, not in IM or MI")
    for element in _elements(content[_HEADER_BYTES:], order):
        if element.kind == _MATRIX:
            array = _begin(element.content, order)
            yield Variable(array.name, array.shape, _reader(array, order))
        elif element.kind == _COMPRESSED:
            yield _packed(element.content, order, most_bytes)


def _packed(content: memoryview, order: str, most_bytes: int) -> Variable:
    start = zlib.decompressobj().decompress(content, _START_BYTES)
    kind, _ = _tag(memoryview(start), order)
    if kind != _MATRIX:
        raise ValueError(f"a packed element is of type {kind}")
    first = _begin(memoryview(start)[8:], order)

    def read() -> Any:
        unpacking = zlib.decompressobj()
        whole = unpacking.decompress(content, most_bytes)
        if not unpacking.eof:
            raise ValueError(f"{first.name} is cut short, or takes more than {most_bytes} bytes")
        element = next(_elements(memoryview(whole), order))
        return _reader(_begin(element.content, order), order)()

    return Variable(first.name, first.shape, read)


def _tag(content: memoryview, order: str) -> tuple[int, int]:
    kind, n_bytes = struct.unpack_from(f"{order}II", content)
    return kind, n_bytes


def _elements(content: memoryview, order: str) -> Iterator[_Element]:
    """Cut content into its elements."""
    while len(content) >= 8:
        element, content = _first(content, order)
        yield element
    if any(content):
        raise ValueError("an element is cut short")


def _first(content: memoryview, order: str) -> tuple[_Element, memoryview]:
    """Cut off the first element; of what follows it the end may not be there."""
    kind, n_bytes = _tag(content, order)
    if kind >> 16:  # a small one, inside its tag
        kind, n_bytes = kind & 0xFFFF, kind >> 16
        if n_bytes > 4:
            raise ValueError(f"a small element claims {n_bytes} bytes")
        return _Element(kind, content[4 : 4 + n_bytes]), content[8:]
    if n_bytes > len(content) - 8:
        raise ValueError(f"an element claims {n_bytes} bytes, and {len(content) - 8} are left")
    padding = 0 if kind == _COMPRESSED else -n_bytes % 8
    return _Element(kind, content[8 : 8 + n_bytes]), content[8 + n_bytes + padding :]


def _begin(content: memoryview, order: str) -> _Array:
    """Read the flags, shape and name of a matrix."""
    if not len(content):  # an empty cell
        return _Array(6, 0, (0, 0), "", content)
    flags, rest = _first(content, order)
    shape, rest = _first(rest, order)
    name, rest = _first(rest, order)
    if len(flags.content) != 8 or flags.kind != 6:
        raise ValueError("a matrix has no flags")
    (bits,) = struct.unpack_from(f"{order}I", flags.content)
    sides = tuple(int(side) for side in _numbers(shape, order))
    if len(sides) < 2 or min(sides) < 0:
        raise ValueError(f"a matrix has the shape {sides}")
    return _Array(bits & 0xFF, bits & 0xFF00, sides, bytes(name.content).decode("latin-1"), rest)


def _numbers(element: _Element, order: str) -> NDArray[Any]:
    if element.kind not in _TYPES:
        raise ValueError(f"numbers of type {element.kind}")
    dtype = np.dtype(order + _TYPES[element.kind])
    if len(element.content) % dtype.itemsize:
        raise ValueError("a number is cut short")
    return np.frombuffer(element.content, dtype)


def _reader(array: _Array, order: str, depth: int = 0) -> Callable[[], Any]:
    return lambda: _read(array, order, depth)


def _read(array: _Array, order: str, depth: int) -> Any:
    parts = list(_elements(array.rest, order))
    size = math.prod(array.shape)
    if array.kind == _CELL:
        return _read_cell(array, parts, size, order, depth)
    if array.kind == _CHAR:
        return _read_text(array, parts, size)
    if array.kind == _SPARSE:
        return _read_sparse(array, parts, order)
    if array.kind not in _NUMBERS:
        raise ValueError(
            f"{array.name or 'an array'} is of class {array.kind}; a table or a cell "
            "of text was expected"
        )
    wanted = 2 if array.flags & _COMPLEX else 1
    if size == 0:
        return np.zeros(array.shape, _NUMBERS[array.kind] if wanted == 1 else "c16")
    if len(parts) < wanted:
        raise ValueError(f"{array.name} has no values")
    values = [_numbers(part, order) for part in parts[:wanted]]
    if any(len(part) != size for part in values):
        raise ValueError(f"{array.name} of shape {array.shape} has {len(values[0])} values")
    if wanted == 2:
        whole = np.empty(size, "c16")
        whole.real, whole.imag = values
    else:  # smaller types than that of the class stand for it
        kind = "?" if array.flags & _LOGICAL else _NUMBERS[array.kind]
        whole = values[0].astype(kind, copy=False)
    return whole.reshape(array.shape, order="F")


def _read_cell(
    array: _Array, parts: list[_Element], size: int, order: str, depth: int
) -> list[str]:
    if depth >= _DEEPEST:
        raise ValueError("cells are nested too deeply")
    if len(parts) != size or any(part.kind != _MATRIX for part in parts):
        raise ValueError(f"{array.name or 'a cell'} of shape {array.shape} has {len(parts)} items")
    texts: list[str] = []
    for part in parts:
        item = _read(_begin(part.content, order), order, depth + 1)
        if isinstance(item, list):
            texts += item
        elif item.size == 0:
            texts.append("")
        else:
            raise ValueError(f"{array.name or 'a cell'} holds {item.dtype}; text was expected")
    return texts


def _read_text(array: _Array, parts: list[_Element], size: int) -> list[str]:
    """Read the rows of a matrix of letters."""
    if size == 0:
        return [""]
    if len(parts) != 1 or parts[0].kind not in _ENCODINGS or len(array.shape) != 2:
        raise ValueError(
            f"{array.name or 'a text'} holds letters of the shape {array.shape}, which are neither "
            "numbers nor a list of names"
        )
    encoding = _ENCODINGS[parts[0].kind]
    # Without a mark at its beginning, text is in the order of the machine; MATLAB's are little.
    encoding += "-le" if encoding in ("utf-16", "utf-32") else ""
    letters = list(bytes(parts[0].content).decode(encoding))
    rows, columns = array.shape
    if len(letters) != size:
        # Of letters beyond 16 bits, MATLAB counts two; of one row the number is clear.
        if rows != 1:
            raise ValueError(f"{array.name or 'a text'} has {len(letters)} letters, not {size}")
        return ["".join(letters).rstrip()]
    return ["".join(letters[row::rows][:columns]).rstrip() for row in range(rows)]


def _read_sparse(array: _Array, parts: list[_Element], order: str) -> NDArray[Any]:
    if len(parts) < 3 or len(array.shape) != 2 or array.flags & _COMPLEX:
        raise ValueError(f"{array.name} is no sparse table of real numbers")
    rows, ends, values = (_numbers(part, order) for part in parts[:3])
    n_rows, n_columns = array.shape
    if len(ends) != n_columns + 1 or ends[0] != 0 or (np.diff(ends) < 0).any():
        raise ValueError(f"{array.name} has columns that end nowhere")
    n = int(ends[-1])
    if n > min(len(rows), len(values)) or (
        n and not 0 <= rows[:n].min() <= rows[:n].max() < n_rows
    ):
        raise ValueError(f"{array.name} has values outside of it")
    table = np.zeros(array.shape, order="F")
    table[rows[:n], np.repeat(np.arange(n_columns), np.diff(ends))] = values[:n]
    return table
