"""A lock that lets one writer at a time into the folder of a feature store."""

from __future__ import annotations

import os
import warnings
import weakref
from pathlib import Path
from typing import BinaryIO

from zslearn.feature_extraction._regular_files import open_regular

try:
    import fcntl
except ImportError:  # not on this platform
    fcntl = None  # type: ignore[assignment]

__all__ = ["LOCK", "FolderBusyError", "FolderLock"]

LOCK = ".store.lock"


class FolderBusyError(RuntimeError):
    """Another writer has the folder."""


class FolderLock:
    """A lock on a folder that ends with the process that holds it, however it ends."""

    def __init__(self, folder: Path) -> None:
        self._file: BinaryIO | None = None
        if fcntl is None:
            return
        file = open_regular(folder / LOCK, append=True)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            file.close()
            raise FolderBusyError(
                f"Another process (or another FeatureStoreWriter of this one) is writing to "
                f"{folder}. Wait until it has finished, or use another folder."
            ) from None
        except OSError as error:
            file.close()
            warnings.warn(
                f"The file system of {folder} has no locks ({error}); see to it that only one "
                "process at a time writes there.",
                UserWarning,
                stacklevel=3,
            )
            return
        self._file = file
        _LOCKS.add(self)

    def release(self) -> None:
        """Let others write."""
        if self._file is not None:
            self._file.close()
            self._file = None


_LOCKS: weakref.WeakSet[FolderLock] = weakref.WeakSet()


def _drop_inherited_locks() -> None:
    # A worker forked by a writer would otherwise keep the lock when the writer is killed.
    for lock in list(_LOCKS):
        lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_inherited_locks)
