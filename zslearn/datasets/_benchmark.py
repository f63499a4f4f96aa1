"""What the loaders of the published benchmarks share: finding files, tables, the Bunch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch

from zslearn._containers import as_path
from zslearn._table_checks import quote_some
from zslearn.attributes import ClassAttributes
from zslearn.datasets._image_index import (
    ImageIndex,
    Pictures,
    find_image_index,
    match_pictures,
    read_image_index,
    read_npz,
)
from zslearn.datasets._proposed_split import (
    ProposedSplit,
    check_split_classes,
    map_str,
)
from zslearn.datasets._text_files import read_lines

WordVectorSource = (
    str | os.PathLike[str] | ArrayLike | Mapping[str, ArrayLike] | Callable[..., Any] | None
)


def find_folder(root: str | os.PathLike[str], inner: Sequence[str], marker: str) -> Path:
    """Folder that holds `marker`: root, or an inner folder of it."""
    base = as_path(root, "root").absolute()
    if not base.is_dir():
        raise FileNotFoundError(f"root={str(root)!r} is no folder")
    for folder in [base, *(base / name for name in inner)]:
        if (folder / marker).exists():
            return folder
    raise FileNotFoundError(
        f"root={str(root)!r} holds no {marker}, nor does {' or '.join(inner)} in it. Give the "
        "folder that the official archive was unpacked into."
    )


def first_existing(candidates: Iterable[Path], what: str) -> Path:
    """Return the first path that exists."""
    paths = list(candidates)
    for path in paths:
        if path.exists():
            return path
    raise FileNotFoundError(
        f"no {what}; looked for {quote_some(map_str(paths), 6)}. It is part of the official "
        "distribution."
    )


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Refuse a value that is not among the choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, found {value!r}")


def read_numbered_names(path: Path) -> list[str]:
    """Names of a file of lines such as ``3 hooked``, whose numbers must count from 1."""
    names = []
    for number, line in enumerate(read_lines(path), start=1):
        count, _, name = line.replace("\t", " ").partition(" ")
        if count != str(number) or not name.strip():
            raise ValueError(f"line {number} of {path} must be '{number} NAME', found {line!r}")
        names.append(name.strip())
    return names


def as_name_list(
    names: Sequence[str] | str | os.PathLike[str] | None, argument: str, n: int
) -> list[str] | None:
    """Names given as a sequence or as a file with one name a line (numbered or not)."""
    if names is None:
        return None
    if isinstance(names, str | os.PathLike):
        path = as_path(names, argument)
        if not path.is_file():
            raise FileNotFoundError(f"{argument}={str(names)!r} does not exist")
        try:
            found = read_numbered_names(path)
        except ValueError:
            found = read_lines(path)
    else:
        found = [str(name) for name in names]
    if len(found) != n:
        raise ValueError(f"{argument} has {len(found)} entries, {n} are needed")
    return found


def find_word_vectors(source: WordVectorSource, names: Sequence[str]) -> Any:
    """Word vectors as an array or mapping, from a file, a callable or as they are."""
    # A transformer, such as an unfitted WordVectors, reads what these names need.
    source = getattr(source, "fit_transform", source)
    if callable(source):
        return source(list(names))
    if not isinstance(source, str | os.PathLike):
        return source
    path = as_path(source, "word_vectors")
    if not path.is_file():
        raise FileNotFoundError(f"word_vectors={str(source)!r} does not exist")
    if path.suffix not in (".npy", ".npz"):
        raise ValueError(
            f"word_vectors={str(source)!r} must be a .npy or .npz file, an array of shape "
            "(n_attributes, n_dims), or a callable from attribute names to such an array"
        )
    content = read_npz(path)
    if "vectors" in content:
        return content["vectors"]
    if len(content) != 1:
        raise ValueError(
            f"{path} must hold one array, or one named 'vectors'; it holds "
            f"{quote_some(list(content)) or 'none'}"
        )
    return next(iter(content.values()))


def make_class_table(
    split: ProposedSplit,
    class_names: Sequence[str],
    attribute_names: Sequence[str] | None,
    attributes: str,
    *,
    scale: float = 1.0,
    missing_values: float | None = None,
    word_vectors: WordVectorSource = None,
) -> ClassAttributes:
    """Class table of a split, rows in the order that its labels count.

    Original values are divided by `scale`; those equal to `missing_values` become the mean of the
    attribute over the classes that have one.
    """
    if attributes == "l2":
        values: NDArray[np.float64] = split.l2_attributes
        marker = None
    else:
        if split.original_attributes is None:
            raise ValueError(
                f"{split.path} has no original_att: pass attributes='l2' for att, whose rows are "
                "of unit length"
            )
        values = split.original_attributes
        marker = None if missing_values is None else np.nan
        if missing_values is not None:
            values = np.where(values == missing_values, np.nan, values)
        values = values / scale
    n_attributes = values.shape[1]
    if attribute_names is not None and len(attribute_names) != n_attributes:
        raise ValueError(
            f"there are {len(attribute_names)} attribute names, but {split.path} describes classes "
            f"by {n_attributes} attributes"
        )
    names = attribute_names
    if names is None:
        names = [f"attribute_{k}" for k in range(n_attributes)]
        if callable(getattr(word_vectors, "fit_transform", word_vectors)):
            raise ValueError(
                "The attributes have no names to make word vectors of: give attribute_names, or "
                "the vectors themselves."
            )
    return ClassAttributes(
        values,
        labels=np.asarray(class_names, dtype=str),
        attribute_names=names,
        word_vectors=find_word_vectors(word_vectors, names),
        missing_values=marker,
    )


def require_class_names(split: ProposedSplit) -> tuple[str, ...]:
    """Class names of the split, which most files hold."""
    if split.class_names is None:
        raise ValueError(f"{split.path} has no allclasses_names, which this data set's file has")
    return split.class_names


def assemble_pictures(
    name: str,
    split: ProposedSplit,
    table: ClassAttributes,
    pictures: Pictures,
    *,
    image_index: str | os.PathLike[str] | None,
    known_order: NDArray[np.intp] | None,
    missing_images: Literal["raise", "skip"],
    descr: str,
    extra: Mapping[str, NDArray[Any]],
) -> Bunch:
    """Bring pictures into the order of the split and make the Bunch.

    `known_order` lists the entries of the distribution in the order of the split, where that order
    is established and every entry is there; it serves when no image list is found. `extra` holds
    arrays with one row an entry.
    """
    check_choice("missing_images", missing_images, ("raise", "skip"))
    class_names = table.labels.tolist()
    strange = sorted(set(pictures.classes) - set(class_names))
    if strange:
        raise ValueError(
            f"the distribution has {len(strange)} class(es) that {split.path} does not name: "
            f"{quote_some(strange)}"
        )
    path = find_image_index(image_index, split.path)
    if path is not None:
        index = read_image_index(path, split.n_classes)
    elif known_order is not None and len(known_order) == split.n_rows:
        index = ImageIndex([pictures.names[k] for k in known_order], None, "the distribution")
    else:
        raise ValueError(_no_index_message(name, split, len(pictures.names), known_order))
    if len(index.files) < split.n_rows:
        raise ValueError(
            f"{split.path} numbers {split.n_rows} rows, {index.source} has {len(index.files)}"
        )
    if path is None:
        matched = np.asarray(known_order, dtype=np.intp)
    else:
        matched = match_pictures(index, class_names, pictures)
    target = _row_classes(index, matched, class_names, pictures)
    check_split_classes(split, target, index.source)
    present = matched >= 0
    present[present] = pictures.present[matched[present]]
    if not present.any():
        raise ValueError(
            f"no picture of {index.source} is in the distribution: the list has names such as "
            f"{index.files[0]!r}, the distribution such as {quote_some(pictures.names[:1])}"
        )
    if not present.all() and missing_images == "raise":
        gone = [index.files[row] for row in np.flatnonzero(~present)]
        raise FileNotFoundError(
            f"{len(gone)} of {len(present)} pictures of {name} are missing: {quote_some(gone)}. "
            "Complete the folder, or pass missing_images='skip' to go on without them."
        )
    rows = np.flatnonzero(present)
    entries = matched[rows]
    new_row = np.full(len(present), -1, dtype=np.intp)
    new_row[rows] = np.arange(len(rows))
    parts = {part: new_row[old][present[old]] for part, old in split.parts.items()}
    left = set(target[rows].tolist())
    if not present.all():
        table = table.subset([label for label in class_names if label in left])
    return make_bunch(
        {
            "image_paths": np.array([pictures.paths[k] for k in entries]),
            "image_files": np.array([pictures.names[k] for k in entries]),
        },
        target[rows],
        table,
        parts,
        descr
        + describe_split(split, parts)
        + describe_pictures(len(rows), len(present), len(pictures.names)),
        rows=rows,
        **{key: np.ascontiguousarray(values[entries]) for key, values in extra.items()},
    )


def make_bunch(
    data: Mapping[str, Any],
    target: NDArray[np.str_],
    table: ClassAttributes,
    parts: Mapping[str, NDArray[np.intp]],
    descr: str,
    **more: Any,
) -> Bunch:
    """Make the Bunch that all loaders return."""
    seen = np.unique(target[np.concatenate([parts["trainval"], parts["test_seen"]])])
    return Bunch(
        **data,
        target=target,
        class_attributes=table,
        seen_classes=seen,
        unseen_classes=np.unique(target[parts["test_unseen"]]),
        **parts,
        **more,
        DESCR=descr,
    )


def describe_split(split: ProposedSplit, parts: Mapping[str, NDArray[np.intp]]) -> str:
    """Sentences on the parts, and on what was done to train and val."""
    sizes = ", ".join(f"{name} {len(rows)}" for name, rows in parts.items())
    text = f"\nProposed Split: {sizes} rows, counted from 0.\n"
    if split.n_dropped:
        kept = "the others are kept" if "train" in parts else "the others are no sound split"
        text += (
            f"train_loc and val_loc of the file hold {split.n_dropped} rows outside trainval, most "
            f"often the seen test samples; they were dropped, {kept}.\n"
        )
    return text


def describe_pictures(n_kept: int, n_listed: int, n_entries: int) -> str:
    """Sentences on pictures that are missing from, or only in, the folder."""
    text = ""
    if n_kept < n_listed:
        text += (
            f"{n_listed - n_kept} of {n_listed} pictures are missing here and were skipped; "
            "classes without any picture left are not in class_attributes.\n"
        )
    if n_entries > n_kept:
        text += (
            f"{n_entries - n_kept} entries of the distribution are not in the list or on disk.\n"
        )
    return text


def _row_classes(
    index: ImageIndex, matched: NDArray[np.intp], class_names: list[str], pictures: Pictures
) -> NDArray[np.str_]:
    if index.labels is not None:
        return np.array(class_names)[index.labels]
    classes = np.array([*pictures.classes, ""])
    return classes[matched]  # -1 is the empty one


def _no_index_message(
    name: str, split: ProposedSplit, n_entries: int, known_order: NDArray[np.intp] | None
) -> str:
    if known_order is None:
        why = f"the order of the pictures of {name} is in no file of the official distribution"
    else:
        why = (
            f"the split numbers {split.n_rows} pictures and the distribution has {n_entries}, so "
            "which is which cannot be told"
        )
    return (
        f"no list of the pictures was found beside {split.path}, and {why}. Put res101.mat of "
        f"{name} there, or pass image_index: that file, an .npz file with image_files "
        "and labels, or a .txt file with one name a line."
    )
