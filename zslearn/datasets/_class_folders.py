"""Sub-folders of pictures, one a class, and how their names meet the labels of a table."""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zslearn.feature_extraction._picture_sources import SUFFIXES

_SYSTEM_FILES = {"thumbs.db", "desktop.ini", "__macosx", "icon\r"}


@dataclass
class ClassFolders:
    """What was found below a folder; names are relative to it, with "/" between parts."""

    pictures: dict[str, list[str]] = field(default_factory=dict)  # by sub-folder
    other_files: dict[str, list[str]] = field(default_factory=dict)  # by sub-folder
    loose_pictures: list[str] = field(default_factory=list)  # directly in the folder
    loose_files: list[str] = field(default_factory=list)


def natural_key(name: str) -> tuple[Any, str]:
    """Sort key that puts "bird 10" after "bird 9"."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


def check_extensions(extensions: Iterable[str] | None) -> frozenset[str]:
    """Return extensions in lower case with their dot."""
    if extensions is None:
        return frozenset(SUFFIXES)
    if isinstance(extensions, str):
        raise TypeError(
            f"extensions must be a sequence of extensions such as ('.jpg', '.png'), found the "
            f"string {extensions!r}."
        )
    given = frozenset("." + str(extension).lower().lstrip(".") for extension in extensions)
    if not given or "." in given:
        raise ValueError(f"extensions holds no extension or an empty one: {sorted(given)}.")
    return given


def scan_class_folders(folder: Path, extensions: frozenset[str]) -> ClassFolders:
    """Find the pictures in each sub-folder, at any depth; hidden and system files are passed by.

    Links are followed, but never to a folder that holds them or was looked into for the class.
    """
    found = ClassFolders()
    for entry in _visible(folder):
        if entry.is_dir():
            been = {_identity(folder)}
            pictures, others = _scan(Path(entry.path), entry.name, extensions, been)
            found.pictures[entry.name] = sorted(pictures, key=natural_key)
            found.other_files[entry.name] = sorted(others, key=natural_key)
        elif _suffix(entry.name) in extensions:
            found.loose_pictures.append(entry.name)
        else:
            found.loose_files.append(entry.name)
    return found


def _scan(
    folder: Path, name: str, extensions: frozenset[str], been: set[tuple[int, int]]
) -> tuple[list[str], list[str]]:
    identity = _identity(folder)
    if identity in been:
        return [], []
    been.add(identity)
    pictures, others = [], []
    for entry in _visible(folder):
        inner = f"{name}/{entry.name}"
        if entry.is_dir():
            more_pictures, more_others = _scan(Path(entry.path), inner, extensions, been)
            pictures += more_pictures
            others += more_others
        elif _suffix(entry.name) in extensions and entry.is_file():
            pictures.append(inner)
        else:
            others.append(inner)
    return pictures, others


def _identity(folder: Path) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        seen = [e for e in entries if e.name[0] != "." and e.name.lower() not in _SYSTEM_FILES]
    return sorted(seen, key=lambda entry: natural_key(entry.name))


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def match_folders(folders: Iterable[str], labels: list[Any]) -> dict[str, Any]:
    """Label of each folder that is named as one, whatever form of Unicode either is in.

    Whole numbers are matched by value: folder "03" is label 3 if no other folder is.

    Raises
    ------
    ValueError
        If two folders are named as the same label.
    """
    by_name: dict[Any, Any] = {}
    for label in labels:
        whole = isinstance(label, float) and label.is_integer()
        by_name[_as_is(str(int(label) if whole else label))] = label
    numbers = not any(isinstance(label, str) for label in labels)
    matched: dict[str, Any] = {}
    owner: dict[Any, str] = {}
    for folder in folders:
        name = _as_is(folder)
        if numbers and name not in by_name and re.fullmatch(r"[0-9]+", name):
            name = str(int(name))
        if name not in by_name:
            continue
        label = by_name[name]
        if label in owner:
            raise ValueError(
                f"Both {owner[label]!r} and {folder!r} are folders of the class {label!r}: join "
                "them or rename one."
            )
        owner[label] = folder
        matched[folder] = label
    return matched


def suggest(name: Any, candidates: Iterable[Any]) -> str:
    """Return "(did you mean ...?)" if a candidate looks like the name, else an empty string."""
    loose = {_loosely(str(candidate)): candidate for candidate in candidates}
    near = difflib.get_close_matches(_loosely(str(name)), list(loose), n=1, cutoff=0.75)
    return f" (did you mean {loose[near[0]]!r}?)" if near else ""


def list_with_suggestions(names: Iterable[Any], candidates: Iterable[Any], n: int = 20) -> str:
    """Quote names, each with a suggestion where there is one; the first few of many."""
    names, candidates = list(names), list(candidates)
    quoted = [f"{name!r}{suggest(name, candidates)}" for name in names[:n]]
    more = f" and {len(names) - n} more" if len(names) > n else ""
    return ", ".join(quoted) + more


def _as_is(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _loosely(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).casefold()
    return re.sub(r"[\W_]+", "", plain) or plain
