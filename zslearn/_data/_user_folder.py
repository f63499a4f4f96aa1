"""A folder that is the user's own, for locks that no other user of the machine can touch."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

__all__ = ["open_lock", "own_folder"]

_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


def own_folder() -> Path:
    """Return a folder that only this user can write to; it is made if it is not there.

    ``$XDG_RUNTIME_DIR/zslearn`` or ``~/.cache/zslearn/run``, and where neither can be made, a
    folder of the user's in that for temporary files.

    Raises
    ------
    OSError
        If none of them is the user's own and closed to others.
    """
    reasons = []
    for folder in _candidates():
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            problem = _find_problem(folder)
        except OSError as error:
            problem = str(error)
        if not problem:
            return folder
        reasons.append(f"{folder}: {problem}")
    raise OSError(f"There is no folder for locks. {'; '.join(reasons)}.")


@contextmanager
def open_lock(name: str) -> Iterator[BinaryIO]:
    """Open a file of the own folder to lock; it is made if it is not there, never emptied.

    Parameters
    ----------
    name : str
        Of the file, without folders.

    Raises
    ------
    OSError
        If it is a link or no ordinary file, or there is no own folder.
    """
    if os.path.basename(name) != name or name in ("", ".", ".."):
        raise ValueError(f"name must be that of a file, without folders; found {name!r}.")
    flags = os.O_RDWR | os.O_CREAT | _NO_LINK | getattr(os, "O_NONBLOCK", 0)
    path = own_folder() / name
    descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or _is_of_another(status):
            raise PermissionError(f"{path} is no ordinary file of this user's; remove it.")
        file = os.fdopen(descriptor, "r+b", buffering=0)
    except BaseException:
        os.close(descriptor)
        raise
    with file:
        yield file


def _candidates() -> Iterator[Path]:
    runtime, cache = os.environ.get("XDG_RUNTIME_DIR"), os.environ.get("XDG_CACHE_HOME")
    if runtime and os.path.isabs(runtime):
        yield Path(runtime, "zslearn")
    if cache and os.path.isabs(cache):
        yield Path(cache, "zslearn", "run")
    with suppress(RuntimeError):  # an account without a home
        yield Path.home() / ".cache" / "zslearn" / "run"
    user = os.getuid() if hasattr(os, "getuid") else "user"
    yield Path(tempfile.gettempdir(), f"zslearn-{user}")


def _find_problem(folder: Path) -> str:
    """Say why others could put files into a folder; empty if they cannot."""
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode):
        return "is no folder, or a link to one"
    if _is_of_another(status):
        return "belongs to another user"
    if os.name != "nt" and status.st_mode & 0o077:
        # Made by this user, so it may be closed; the check above has no window for a link.
        os.chmod(folder, 0o700)
    if not os.access(folder, os.W_OK | os.X_OK):
        return "cannot be written to"
    return ""


def _is_of_another(status: os.stat_result) -> bool:
    return hasattr(os, "getuid") and status.st_uid != os.getuid()
