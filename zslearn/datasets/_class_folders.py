"""Sub-folders of pictures, one a class, and how their names meet the labels of a table."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zslearn.feature_extraction._picture_folders import (
    SUFFIXES,
    list_files,
    suffix_of,
    visible,
)


@dataclass
class ClassFolders:
    """What was found below a folder; names are relative to it, with "/" between parts."""

    pictures: dict[str, list[str]] = field(default_factory=dict)  # by sub-folder
    other_files: dict[str, list[str]] = field(default_factory=dict)  # by sub-folder
    loose_pictures: list[str] = field(default_factory=list)  # directly in the folder
    loose_files: list[str] = field(default_factory=list)


def check_extensions(extensions: Iterable[str] | None) -> frozenset[str]:
    """Return extensions in lower case with their dot."""
    if extensions is None:
        return frozenset(SUFFIXES)
    if isinstance(extensions, str) or not isinstance(extensions, Iterable):
        raise TypeError(
            f"extensions must be a sequence of extensions such as ('.jpg', '.png'), found the "
            f"{type(extensions).__name__} {extensions!r}."
        )
    given = frozenset("." + str(extension).lower().lstrip(".") for extension in extensions)
    if not given or "." in given:
        raise ValueError(f"extensions holds no extension or an empty one: {sorted(given)}.")
    return given


def scan_class_folders(folder: Path, extensions: frozenset[str]) -> ClassFolders:
    """Find the pictures in each sub-folder, in the order of all folders of pictures."""
    found = ClassFolders()
    for entry in visible(folder):
        if entry.is_dir():
            found.pictures[entry.name] = []
            found.other_files[entry.name] = []
    for name in list_files(folder):
        is_picture = suffix_of(name) in extensions
        home, slash, _ = name.partition("/")
        if slash:
            (found.pictures if is_picture else found.other_files)[home].append(name)
        else:
            (found.loose_pictures if is_picture else found.loose_files).append(name)
    return found


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
