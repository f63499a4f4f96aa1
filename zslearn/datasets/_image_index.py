"""The list of pictures whose rows a published split numbers, and how it meets a folder of them."""

from __future__ import annotations

import os
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zslearn._containers import as_path
from zslearn._table_checks import quote_some
from zslearn.datasets._matlab import as_index, read_matlab
from zslearn.datasets._text_files import read_lines

# Beside the splits, in the order of preference.
_INDEX_FILES = ("res101.mat", "image_index.npz", "image_index.txt")


@dataclass(frozen=True)
class ImageIndex:
    """One entry a row of the split: the picture's name there and, if given, its class number."""

    files: list[str]
    labels: NDArray[np.intp] | None  # into the class names of the split, from 0
    source: str


@dataclass(frozen=True)
class Pictures:
    """What an official distribution lists: one entry a sample, in the distribution's order.

    A name may occur several times where samples are parts of pictures.
    """

    names: list[str]
    paths: list[str]
    classes: list[str]
    present: NDArray[np.bool_]


def clean_name(name: str) -> str:
    """Put a path into one form: slashes forward and single, none at the end."""
    return re.sub(r"/+", "/", name.replace("\\", "/").strip()).rstrip("/")


def find_image_index(given: str | os.PathLike[str] | None, splits: Path) -> Path | None:
    """Path of the image list: the one given, or the one beside the splits, or None."""
    if given is None:
        beside = [splits.parent / name for name in _INDEX_FILES]
        return next((path for path in beside if path.is_file()), None)
    path = as_path(given, "image_index", "a file or a folder")
    if path.is_dir():
        inside = [path / name for name in _INDEX_FILES if (path / name).is_file()]
        if not inside:
            raise FileNotFoundError(
                f"image_index={str(given)!r} holds none of {', '.join(_INDEX_FILES)}"
            )
        return inside[0]
    if not path.is_file():
        raise FileNotFoundError(f"image_index={str(given)!r} does not exist")
    return path


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of an .npz file, or the one of a .npy file under the name 'vectors'."""
    try:
        _check_unpacked(path)
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return {"vectors": content}
        with content:
            return {key: content[key] for key in content.files}
    except FileNotFoundError:
        raise
    except Exception as error:  # numpy parses headers as Python, with errors of that
        raise ValueError(
            f"{path} cannot be read as arrays: {type(error).__name__}: {error}"
        ) from error


def _check_unpacked(path: Path) -> None:
    """Refuse a small file whose arrays would take very much memory."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as packed:
        n_bytes = sum(member.file_size for member in packed.infolist())
    if n_bytes > 2**26 + 100 * path.stat().st_size:
        raise ValueError(f"unpacked it takes {n_bytes} bytes, which is not believed of its size")


def read_image_index(path: Path, n_classes: int) -> ImageIndex:
    """Read the image list of a .mat, .npz or .txt file."""
    labels = None
    if path.suffix == ".mat":
        found = read_matlab(path, ["image_files"], ["labels"], texts=["image_files"])
        files = found["image_files"]
        if "labels" in found:
            labels = as_index(found["labels"], f"labels of {path}", n=n_classes)
    elif path.suffix == ".npz":
        content = read_npz(path)
        if "image_files" not in content:
            raise ValueError(
                f"{path} has no array 'image_files'; it holds {quote_some(list(content))}"
            )
        files = [str(name) for name in content["image_files"].ravel()]
        labels = content["labels"].ravel() if "labels" in content else None
        if labels is not None:
            if labels.dtype.kind not in "iu" or not labels.size:
                raise ValueError(f"labels of {path} must be integers, found {labels.dtype}")
            if labels.min() < 0 or labels.max() >= n_classes:
                raise ValueError(
                    f"labels of {path} run from {labels.min()} to {labels.max()}; in an .npz file "
                    f"they are counted from 0, and there are {n_classes} classes"
                )
            labels = labels.astype(np.intp)
    elif path.suffix == ".txt":
        files = read_lines(path)
    else:
        raise ValueError(
            f"image_index={str(path)!r} must be a .mat file (res101.mat), an .npz file with "
            "image_files and labels, or a .txt file with one name a line"
        )
    if labels is not None and len(labels) != len(files):
        raise ValueError(f"{path} has {len(files)} image_files and {len(labels)} labels")
    return ImageIndex([clean_name(name) for name in files], labels, str(path))


def match_pictures(
    index: ImageIndex, class_names: Sequence[str], pictures: Pictures
) -> NDArray[np.intp]:
    """For each row of the list, the entry of the distribution it names; -1 if there is none.

    The list carries paths of its authors' machine: the longest end of a path that is a name of the
    distribution counts. Where a name occurs several times, so do its rows, and they are taken in
    order, each among the entries of its class.
    """
    entries: dict[str, list[int]] = defaultdict(list)
    for number, name in enumerate(pictures.names):
        entries[name].append(number)
    repeated = {name for name, numbers in entries.items() if len(numbers) > 1}
    row_classes = None if index.labels is None else [class_names[k] for k in index.labels]
    matched = np.full(len(index.files), -1, dtype=np.intp)
    disagreeing: list[tuple[str, str, str]] = []
    twice: list[str] = []
    for row, file in enumerate(index.files):
        name = next((end for end in _ends(file) if end in entries), "")
        if not name:
            continue
        left = entries[name]
        if not left:
            twice.append(file)
            continue
        wanted = None if row_classes is None else row_classes[row]
        fits = (k for k, number in enumerate(left) if wanted in (None, pictures.classes[number]))
        chosen = next(fits, None)
        if chosen is None:
            disagreeing.append((name, str(wanted), pictures.classes[left[0]]))
            continue
        matched[row] = left.pop(chosen)
    if disagreeing:
        name, listed, placed = disagreeing[0]
        raise ValueError(
            f"{index.source} and the distribution disagree on the class of {len(disagreeing)} "
            f"picture(s), the first {name!r}: {listed!r} in the list, {placed!r} in the "
            "distribution. Is the list of this data set, and are its labels numbers into "
            "allclasses_names, counted from 1 in .mat files and from 0 in .npz files?"
        )
    if twice:
        often = "more often than the distribution does" if repeated else "more than once"
        raise ValueError(
            f"{index.source} names {len(twice)} picture(s) {often}: {quote_some(twice)}"
        )
    return matched


def _ends(file: str) -> Iterable[str]:
    """All ends of a path that begin at one of its parts, the longest first."""
    yield file
    at = file.find("/")
    while at >= 0:
        yield file[at + 1 :]
        at = file.find("/", at + 1)
