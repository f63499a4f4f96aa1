"""Files of one JSON object a line, which several processes may append to and any may be cut off."""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["append_line", "as_json", "read_lines"]


def append_line(path: Path, line: bytes) -> None:
    """Append to a file by a single write; made, empty, if it is missing and the line is empty."""
    # O_APPEND and a single write, past all buffers: lines of other processes stay whole.
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
    file = os.open(path, flags, 0o666)
    try:
        if line and os.lseek(file, 0, os.SEEK_END):
            os.lseek(file, -1, os.SEEK_END)
            if os.read(file, 1) != b"\n":
                line = b"\n" + line  # what was cut off before must not spoil this line too
        written = os.write(file, line)
    finally:
        os.close(file)
    if written < len(line):
        raise OSError(f"only {written} of {len(line)} bytes could be written")


def read_lines(path: str | os.PathLike[str], key: str, writer: str) -> list[dict[str, Any]]:
    """Read the objects of a file, all of which have a key; cut-off lines are left out.

    `writer` is what such files are written by, for the error that names another file.
    """
    lines, torn = [], []
    for number, text in enumerate(Path(path).read_bytes().split(b"\n"), start=1):
        if not text:
            continue
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            if not text.startswith(b"{"):
                raise ValueError(_foreign(path, number, text, writer)) from None
            torn.append(number)
            continue
        if not isinstance(record, dict) or key not in record:
            raise ValueError(_foreign(path, number, text, writer))
        lines.append(record)
    if torn:
        warnings.warn(
            f"The writing of {len(torn)} of the {len(torn) + len(lines)} lines of {path} was "
            f"cut off (line {', '.join(map(str, torn[:5]))}{', ...' if torn[5:] else ''}); "
            "they are left out.",
            UserWarning,
            stacklevel=3,
        )
    return lines


def as_json(value: Any) -> Any:
    """Turn a value into what JSON has; anything else into its ``repr``."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if hasattr(value, "get_params") and not isinstance(value, type):
        return type(value).__name__
    return repr(value)


def _foreign(path: str | os.PathLike[str], number: int, text: bytes, writer: str) -> str:
    return (
        f"Line {number} of {path} was not written by a {writer}: {text[:40]!r}. Give the path that "
        f"the {writer} was made with."
    )
