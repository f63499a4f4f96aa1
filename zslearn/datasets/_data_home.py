"""The folder that data sets are downloaded to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zslearn.datasets._remote_files import DOWNLOADS, FOLDERS
from zslearn.feature_extraction._regular_files import open_regular

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["clear_data_home", "get_data_home"]

CHECKSUMS = "checksums.json"
_LOCK = ".lock"


def get_data_home(data_home: str | os.PathLike[str] | None = None) -> str:
    """Return the folder that data sets are downloaded to; it is made if it does not exist.

    Parameters
    ----------
    data_home : path-like, default=None
        The folder; ``~`` is the home folder. ``None`` means the environment variable
        ``ZSLEARN_DATA`` or, if that is not set, ``~/zslearn_data``.

    Returns
    -------
    str
        Its full path.

    See Also
    --------
    clear_data_home : Deletes what was downloaded.
    sklearn.datasets.get_data_home : The same of scikit-learn, whose data sets lie elsewhere.

    Examples
    --------
    >>> import os, tempfile
    >>> from zslearn.datasets import get_data_home
    >>> folder = get_data_home(os.path.join(tempfile.mkdtemp(), "data"))
    >>> os.listdir(folder)
    []
    """
    home = locate_data_home(data_home)
    os.makedirs(home, exist_ok=True)
    return home


def locate_data_home(data_home: str | os.PathLike[str] | None = None) -> str:
    """Full path of the folder, whether it exists or not."""
    given = data_home or os.environ.get("ZSLEARN_DATA") or os.path.join("~", "zslearn_data")
    return os.path.abspath(os.path.expanduser(given))


def clear_data_home(data_home: str | os.PathLike[str] | None = None) -> None:
    """Delete the data sets that were downloaded.

    Only what the ``fetch_*`` functions make there is deleted: their folders, downloads and recorded
    checksums. Other files are left alone, and so is the folder while it holds any.

    Parameters
    ----------
    data_home : path-like, default=None
        The folder, as of :func:`get_data_home`.

    See Also
    --------
    get_data_home : Where it is.

    Examples
    --------
    >>> import tempfile
    >>> from zslearn.datasets import clear_data_home
    >>> clear_data_home(tempfile.mkdtemp())
    """
    home = Path(get_data_home(data_home))
    for name in [DOWNLOADS, *FOLDERS]:
        if (home / name).is_dir():
            shutil.rmtree(home / name)
    for name in (CHECKSUMS, _LOCK):
        (home / name).unlink(missing_ok=True)
    if not any(home.iterdir()):
        home.rmdir()


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Wait until no other process fetches into a folder, and keep others waiting meanwhile."""
    if fcntl is None:
        yield
        return
    with open_regular(home / _LOCK, append=True) as file:
        # Given back when the file is closed, or the process ends; some network disks have no locks.
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
