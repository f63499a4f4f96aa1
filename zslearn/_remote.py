"""Files on object storage and elsewhere, by their URL through fsspec: read, never written."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from zslearn._containers import as_path

__all__ = ["RemotePath", "as_location", "is_url", "local_copy"]


def is_url(path: Any) -> bool:
    """Whether a path names a place by a protocol, such as ``s3://bucket/folder``."""
    # A single letter is a disk of Windows.
    return isinstance(path, str) and re.match(r"[A-Za-z][A-Za-z0-9+.-]+(::|://)", path) is not None


def as_location(path: Any, argument: str, what: str = "a folder") -> Path | RemotePath:
    """Path that a user names, or URL, to read from."""
    return RemotePath(path) if is_url(path) else as_path(path, argument, what)


class RemotePath:
    """A file or folder behind a URL, with the methods of a path that reading needs.

    Pickled as the URL. Credentials and other options are those that fsspec finds.

    Parameters
    ----------
    url : str
    """

    def __init__(self, url: str) -> None:
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise ImportError(
                f"{url!r} is read by fsspec, which is not installed: install zslearn[distributed], "
                "or give a path on a file system."
            ) from error
        self.url = url.rstrip("/")
        self._system: Any
        self._system, self._place = url_to_fs(self.url)

    @property
    def name(self) -> str:
        """The last part of the URL."""
        return self.url.rpartition("/")[2]

    def __truediv__(self, name: str) -> Self:
        return type(self)(f"{self.url}/{name}")

    def __str__(self) -> str:
        return self.url

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, RemotePath) and other.url == self.url

    def __hash__(self) -> int:
        return hash(self.url)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.url,)

    def absolute(self) -> Self:
        """Return it as it is: a URL depends on no working folder."""
        return self

    def exists(self) -> bool:
        """Whether there is something."""
        return bool(self._system.exists(self._place))

    def is_dir(self) -> bool:
        """Whether it is a folder."""
        return bool(self._system.isdir(self._place))

    def size(self) -> int:
        """Bytes of the file."""
        return int(self._system.size(self._place))

    def read_bytes(self, start: int | None = None, stop: int | None = None) -> bytes:
        """Read a file, or some of it."""
        return bytes(self._system.cat_file(self._place, start=start, end=stop))

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read parts of a file, at once where the file system can."""
        starts, stops = map(list, zip(*ranges, strict=True))
        places = [self._place] * len(ranges)
        read = self._system.cat_ranges(places, starts, stops, on_error="raise")
        for (start, stop), part in zip(ranges, read, strict=True):
            if len(part) != stop - start:
                raise OSError(
                    f"{self} gave {len(part)} of the {stop - start} bytes from {start} on: it was "
                    "changed, or its server is at fault."
                )
        return list(read)

    def copy_to(self, path: Path) -> None:
        """Write a copy on the file system."""
        self._system.get_file(self._place, os.fspath(path))


@contextmanager
def local_copy(url: str) -> Iterator[Path]:
    """Lend a copy on the file system of a file that is needed whole."""
    remote = RemotePath(url)
    with tempfile.TemporaryDirectory(prefix="zslearn-") as folder:
        copy = Path(folder, remote.name)
        remote.copy_to(copy)
        yield copy
