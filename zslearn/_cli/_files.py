"""Files that a user names, read with errors that name them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from zslearn.feature_extraction._regular_files import open_regular

__all__ = ["load_array", "read_text", "whole_file", "write_atomically"]


def load_array(path: Path, **options: Any) -> Any:
    """Load a .npy file, with the name of the file in errors, and all of them ValueErrors.

    Pickled objects are refused.
    """
    try:
        open_regular(path).close()  # no pipe, which would be waited for
        # Mapped, what the header says is checked against the size of the file.
        array = np.load(path, **{"mmap_mode": "r"} | options)
    except FileNotFoundError:
        raise
    except Exception as error:  # numpy parses headers as Python, with errors of that
        raise ValueError(
            f"{str(path)!r} cannot be read as an array of numbers or names: "
            f"{type(error).__name__}: {error}"
        ) from None
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{str(path)!r} holds several arrays; a .npy file holds one.")
    return array if options else np.array(array)


def read_text(path: Path, option: str) -> str:
    """Read a text file in UTF-8, with the option that named it in errors."""
    with open_regular(path) as file:
        content = file.read()
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{option}: {str(path)!r} is no UTF-8 text: {error}") from None


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a name to write to; the file appears under its own when the block has ended well.

    What is no regular file, such as a pipe, is written to as it is.
    """
    path = path.resolve()  # a link stays one
    if path.exists() and not path.is_file():
        yield path
        return
    handle, made = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    try:
        yield Path(made)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(made, 0o666 & ~mask)
        os.replace(made, path)
    except BaseException:
        os.unlink(made)
        raise


def write_atomically(path: Path, text: str) -> None:
    """Write a text file in UTF-8 that appears when it is complete."""
    content = text.encode("utf-8", errors="surrogateescape")
    with whole_file(path) as name:
        name.write_bytes(content)
