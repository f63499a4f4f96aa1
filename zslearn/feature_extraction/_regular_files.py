"""Files opened so that nothing but an ordinary file is read or written."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from io import FileIO

__all__ = ["create_regular", "open_regular"]

# Neither is there on every platform.
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)


def open_regular(path: str | os.PathLike[str], *, append: bool = False) -> FileIO:
    """Open a file for reading, or to append to, without buffer; pipes and devices are refused.

    Opening a pipe would wait for ever for its other end. A link is followed for reading only.

    Raises
    ------
    FileNotFoundError
        If it is not there.
    ValueError
        If it is something else than a file.
    """
    flags = os.O_RDONLY if not append else os.O_WRONLY | os.O_APPEND | os.O_CREAT | _NO_LINK
    try:
        # What asks for O_NONBLOCK on an ordinary file gets nothing else than without.
        descriptor = os.open(path, flags | _NO_WAIT | _BINARY, 0o666)
    except IsADirectoryError:
        raise ValueError(f"{os.fspath(path)} is a folder, not a file.") from None
    except FileNotFoundError:
        raise
    except OSError as error:
        if append and os.path.lexists(path) and not _is_file(path):
            raise ValueError(f"{os.fspath(path)} is no ordinary file: remove it.") from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError(
                f"{os.fspath(path)} is no ordinary file, but a folder, pipe or device."
            )
        return os.fdopen(descriptor, "ab" if append else "rb", buffering=0)
    except BaseException:
        os.close(descriptor)
        raise


def create_regular(path: str | os.PathLike[str]) -> FileIO:
    """Make a new file to write to, without buffer, in place of what has its name.

    A link is replaced, not followed: in a folder from strangers it may lead anywhere.
    """
    with suppress(FileNotFoundError):
        os.unlink(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK | _BINARY
    return os.fdopen(os.open(path, flags, 0o666), "wb", buffering=0)


def _is_file(path: str | os.PathLike[str]) -> bool:
    return stat.S_ISREG(os.lstat(path).st_mode)
