"""Unpacking archives so that what is half unpacked is never taken for whole."""

from __future__ import annotations

import errno
import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from zslearn._table_checks import quote_some

GIB = 2**30

# What is packed are pictures and features, which hardly shrink, and a few tables.
_MOST_BYTES = 2**26
_MOST_BYTES_A_BYTE = 25


def check_space(folder: Path, n_bytes: int, purpose: str) -> None:
    """Raise if a folder's disk has less room than is needed."""
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise OSError(
            f"{purpose} needs {n_bytes / GIB:.2f} GiB in {folder}, where {free / GIB:.2f} GiB are "
            "free. Make room, or choose another data_home."
        )


def unpack(archive: Path, folder: Path, provides: Sequence[str]) -> None:
    """Unpack an archive, or move a plain file, into a folder.

    It is unpacked beside first, and what it provides is put in place whole. Other files of the
    archive are put in place if nothing is there yet.

    Raises
    ------
    ValueError
        If the archive is damaged, has members that would lie outside, or lacks what it provides.
    OSError
        If the disk has no room.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if archive.name in provides:
        os.replace(archive, folder / archive.name)
        return
    work = folder / f".unpacking-{archive.name}"
    _remove(work)
    work.mkdir()
    try:
        _extract(archive, work)
        absent = [name for name in provides if not (work / name).exists()]
        if absent:
            raise ValueError(
                f"{archive} holds {quote_some(sorted(os.listdir(work)))} but not "
                f"{quote_some(absent)}: it is another archive than the official one."
            )
        for name in sorted(os.listdir(work), key=lambda name: name in provides):
            if not (folder / name).exists():
                os.replace(work / name, folder / name)
    except Exception as error:  # of all that packers stumble over; not a full disk, nor our own
        full = isinstance(error, OSError) and error.errno not in (None, errno.EINVAL)
        if full or isinstance(error, MemoryError) or str(archive) in str(error):
            raise
        raise ValueError(
            f"{archive} is damaged and cannot be unpacked ({error}): delete it and fetch again."
        ) from error
    finally:
        _remove(work)


def _extract(archive: Path, work: Path) -> None:
    with open(archive, "rb") as file:
        is_zip = file.read(2) == b"PK"
    if is_zip:
        with zipfile.ZipFile(archive) as packed:
            members = packed.infolist()
            for member in members:
                path = PurePosixPath(member.filename.replace("\\", "/"))
                if path.is_absolute() or ".." in path.parts:
                    raise ValueError(f"{archive} would write outside its folder: {path}.")
            size = sum(member.file_size for member in members)
            _check_unpacked(archive, size)
            check_space(work, size, f"Unpacking {archive.name}")
            packed.extractall(work)
        return
    # A tar does not say how much it holds; pictures hardly shrink when compressed.
    check_space(work, archive.stat().st_size, f"Unpacking {archive.name}")
    try:
        with tarfile.open(archive) as packed:
            packed.extractall(work, members=_within_limits(archive, packed), filter="data")
    except tarfile.FilterError as error:
        raise ValueError(f"{archive} would write outside its folder: {error}.") from error


def _within_limits(archive: Path, packed: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Members one by one, none once they take more than can be believed."""
    size = 0
    for member in packed:
        size += member.size
        _check_unpacked(archive, size)
        yield member


def _check_unpacked(archive: Path, size: int) -> None:
    packed = archive.stat().st_size
    if size > _MOST_BYTES + _MOST_BYTES_A_BYTE * packed:
        raise ValueError(
            f"{archive} has {packed} bytes and unpacks to {size} or more, which no official "
            "archive does: delete it and fetch again."
        )


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
