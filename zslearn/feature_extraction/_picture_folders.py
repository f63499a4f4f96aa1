"""Which files of a folder are pictures, and the one order they come in everywhere."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from zslearn._table_checks import quote_some

__all__ = [
    "SUFFIXES",
    "describe_left_out",
    "list_files",
    "list_pictures",
    "natural_key",
    "path_key",
    "visible",
]

# What is taken for a picture in a folder; a list of paths may name any file.
SUFFIXES = (
    *(".apng", ".avif", ".avifs", ".bmp", ".dib", ".gif", ".heic", ".heif", ".hif", ".j2c"),
    *(".j2k", ".jfif", ".jp2", ".jpc", ".jpe", ".jpeg", ".jpf", ".jpg", ".jpx", ".mpo", ".pbm"),
    *(".pcx", ".pgm", ".png", ".pnm", ".ppm", ".qoi", ".tga", ".tif", ".tiff", ".webp"),
)

# Files beside pictures that nobody takes for pictures.
_DOCUMENTS = {
    *(".bib", ".cfg", ".csv", ".db", ".doc", ".docx", ".gz", ".h5", ".hdf5", ".htm", ".html"),
    *(".ini", ".ipynb", ".js", ".json", ".jsonl", ".log", ".mat", ".md", ".npy", ".npz", ".odt"),
    *(".parquet", ".pdf", ".pkl", ".pt", ".pth", ".py", ".rst", ".safetensors", ".sh", ".tar"),
    *(".toml", ".tsv", ".txt", ".url", ".xls", ".xlsx", ".xml", ".yaml", ".yml", ".zip"),
}
_SYSTEM_FILES = {"thumbs.db", "desktop.ini", "__macosx", "icon\r"}


def natural_key(name: str) -> tuple[Any, str]:
    """Sort key that puts "bird 10" after "bird 9"."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


def path_key(name: str) -> list[tuple[Any, str]]:
    """Sort key of a path: folder by folder, numbers in names as numbers."""
    return [natural_key(part) for part in name.split("/")]


def list_pictures(folder: Path, suffixes: Collection[str] = SUFFIXES) -> list[str]:
    """Names of all pictures below a folder, relative to it, with "/" between folders.

    Folder by folder, numbers in names as numbers. Hidden and system files are left out.
    """
    return [name for name in list_files(folder) if suffix_of(name) in suffixes]


def list_files(folder: Path) -> list[str]:
    """Names of all files below a folder, in the order of :func:`path_key`.

    Links are followed, but in each folder of the first level never to one that was looked into.
    """
    found: list[str] = []
    for entry in visible(folder):
        if entry.is_dir():
            _collect(entry.path, entry.name, {_identity(folder)}, found)
        else:
            found.append(entry.name)
    return sorted(found, key=path_key)


def _collect(folder: str, name: str, been: set[tuple[int, int]], found: list[str]) -> None:
    waiting = [(folder, name)]
    while waiting:
        folder, name = waiting.pop()
        identity = _identity(folder)
        if identity in been:
            continue
        been.add(identity)
        folders = []
        for entry in visible(folder):
            inner = f"{name}/{entry.name}"
            if entry.is_dir():
                folders.append((entry.path, inner))
            else:
                found.append(inner)
        waiting += reversed(folders)


def visible(folder: str | os.PathLike[str]) -> list[os.DirEntry[str]]:
    """Entries of a folder in natural order, without hidden ones and those of operating systems."""
    # Unpacking on a Mac leaves ._x.jpg beside x.jpg.
    with os.scandir(folder) as entries:
        shown = [e for e in entries if e.name[0] != "." and e.name.lower() not in _SYSTEM_FILES]
    return sorted(shown, key=lambda entry: natural_key(entry.name))


def suffix_of(name: str) -> str:
    """End of a name in lower case, with its dot."""
    return os.path.splitext(name)[1].lower()


def describe_left_out(files: Iterable[str]) -> str:
    """Count files that might be pictures of other formats; empty if there are none."""
    odd = [name for name in files if suffix_of(name) not in _DOCUMENTS]
    if not odd:
        return ""
    ends = Counter(suffix_of(name) or "no suffix" for name in odd)
    shown = ", ".join(f"{end} ({n})" for end, n in ends.most_common(8))
    return f"{len(odd)} file(s), which end in {shown}: {quote_some(odd, 3)}"


def _identity(folder: str | os.PathLike[str]) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino
