"""One's own pictures, in a folder a class, and one's own table of the classes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from sklearn.utils import Bunch

from zslearn._containers import as_path
from zslearn._table_checks import quote_some
from zslearn.attributes import ClassAttributes
from zslearn.datasets._class_folders import (
    ClassFolders,
    check_extensions,
    list_with_suggestions,
    match_folders,
    scan_class_folders,
)
from zslearn.feature_extraction._picture_folders import describe_left_out, natural_key

__all__ = ["load_image_folder"]

_DESCR = """\
Pictures of {folder}
{line}

{n_pictures} pictures of {n_seen} classes, a sub-folder each. {table}
Ignored: {n_ignored} file(s) that are no pictures of a class, {n_skipped} sub-folder(s).
"""


def load_image_folder(
    folder: str | os.PathLike[str],
    class_attributes: str | os.PathLike[str] | ClassAttributes | Any | None = None,
    *,
    extensions: Sequence[str] | None = None,
    on_undescribed: Literal["raise", "skip"] = "raise",
    label_column: int | str = 0,
    delimiter: str = ",",
    missing_values: float | None = None,
    word_vectors: Any = None,
) -> Bunch:
    r"""Load a folder with a sub-folder of pictures for each class, and a table of the classes.

    The table describes classes that have pictures and classes that have none: those with none are
    the unseen ones. No picture is opened.

    Parameters
    ----------
    folder : path-like
        Holds a sub-folder for each class, named as the class in the table. Pictures may lie deeper
        inside. Hidden files and those of the operating system are passed by.
    class_attributes : path-like, ClassAttributes, DataFrame or None, default=None
        The table: a CSV file (looked for in `folder` first, then in the working directory), a
        DataFrame indexed by class label, or a ClassAttributes. ``None`` reads pictures only.
    extensions : sequence of str, default=None
        What names of pictures end in, in capitals or not. ``None`` stands for all formats that
        zslearn reads anywhere, from avif, bmp, gif and heic to png, tif and webp; files that might
        be pictures of others are told of in a warning.
    on_undescribed : {"raise", "skip"}, default="raise"
        Whether pictures in sub-folders without a row in the table are an error, or are left out
        with a warning.
    label_column : int or str, default=0
        Column of the class labels in the CSV file.
    delimiter : str, default=","
        Field separator of the CSV file.
    missing_values : float, default=None
        What marks an unknown value in a CSV file or DataFrame, such as -1, or ``numpy.nan`` for
        empty fields; it becomes the mean of the attribute's known values. ``None``: all are known.
    word_vectors : array-like, mapping, transformer or callable, default=None
        Word vectors of the attribute names, as
        :meth:`~zslearn.ClassAttributes.with_word_vectors` takes them, such as
        :class:`~zslearn.feature_extraction.WordVectors`.

    Returns
    -------
    pictures : :class:`~sklearn.utils.Bunch`
        With the following attributes:

        image_paths : ndarray of shape (n,), str
            Full paths, folder by folder and by name, in which numbers count as numbers: the order
            in which an extractor takes the pictures of a folder.
        image_files : ndarray of shape (n,), str
            The same relative to `folder`, with "/" between parts.
        target : ndarray of shape (n,)
            Class labels, of the dtype of the table's labels; names of sub-folders without a table.
        class_attributes : ClassAttributes or None
            The table.
        seen_classes : ndarray
            Classes with pictures, sorted.
        unseen_classes : ndarray
            Classes without pictures, sorted: rows of the table without a sub-folder or with one
            that holds no picture.
        counts : dict
            Number of pictures of each seen class.
        ignored_files : list of str
            Files found that are no pictures of a class, relative to `folder`.
        skipped_folders : list of str
            Sub-folders without a row in the table.
        DESCR : str
            Description of what was found.

    Raises
    ------
    FileNotFoundError
        If the folder or the table does not exist.
    TypeError
        If `missing_values` are given with a ClassAttributes, which has marked its own.
    ValueError
        If there is no picture, or sub-folders with pictures have no row in the table; both sides
        of the mismatch are listed.

    See Also
    --------
    zslearn.ClassAttributes.from_csv : Format of the table.

    Notes
    -----
    A sub-folder belongs to a class if it is named exactly as the class. Where labels are whole
    numbers, "3" and "03" are both class 3. Symbolic links are followed; a link back to a folder
    that holds it is not.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from PIL import Image
    >>> from zslearn.datasets import load_image_folder
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ["zebra/1.png", "zebra/2.png", "whale/1.png"]:
    ...     (folder / name).parent.mkdir(exist_ok=True)
    ...     Image.new("RGB", (8, 8)).save(folder / name)
    >>> table = "class,stripes,swims\nzebra,1,0\nwhale,0,1\ntigerfish,1,1\n"
    >>> _ = (folder / "classes.csv").write_text(table)
    >>> animals = load_image_folder(folder, "classes.csv")
    >>> animals.image_files.tolist()
    ['whale/1.png', 'zebra/1.png', 'zebra/2.png']
    >>> animals.target.tolist(), animals.unseen_classes.tolist()
    (['whale', 'zebra', 'zebra'], ['tigerfish'])
    """
    if on_undescribed not in ("raise", "skip"):
        raise ValueError(f"on_undescribed must be 'raise' or 'skip', found {on_undescribed!r}.")
    root = as_path(folder, "folder").absolute()
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "does not exist"
        raise FileNotFoundError(f"folder={str(folder)!r} {what}.")
    suffixes = check_extensions(extensions)
    reading = {"label_column": label_column, "delimiter": delimiter}
    table, csv = _as_class_attributes(class_attributes, root, reading, missing_values)
    if word_vectors is not None:
        if table is None:
            raise ValueError("word_vectors are of attributes: give class_attributes too.")
        table = table.with_word_vectors(word_vectors)
    found = scan_class_folders(root, suffixes)
    _check_any_picture(found, root, suffixes)
    if table is None:
        labels: dict[str, Any] = {name: name for name in found.pictures}
        all_labels = np.array(list(found.pictures))
    else:
        labels = match_folders(found.pictures, table.labels.tolist())
        all_labels = table.labels
        _check_described(found, labels, table, root, on_undescribed)
    _warn_of_ignored(found, labels, told=extensions is not None)

    files: list[str] = []
    target: list[Any] = []
    counts: dict[Any, int] = {}
    for name in sorted(labels, key=natural_key):
        pictures = found.pictures[name]
        if pictures:
            files += pictures
            target += [labels[name]] * len(pictures)
            counts[labels[name]] = len(pictures)
    has_pictures = np.array([label in counts for label in all_labels.tolist()])
    skipped = [name for name in found.pictures if name not in labels]
    ignored = [name for name in found.loose_files if root / name != csv] + found.loose_pictures
    for name in labels:
        ignored += found.other_files[name]
    unseen = np.sort(all_labels[~has_pictures])
    title = f"Pictures of {root.name}"
    return Bunch(
        image_paths=np.array([str(root / name) for name in files]),
        image_files=np.array(files),
        target=np.array(target, dtype=all_labels.dtype),
        class_attributes=table,
        seen_classes=np.sort(all_labels[has_pictures]),
        unseen_classes=unseen,
        counts=counts,
        ignored_files=ignored,
        skipped_folders=skipped,
        DESCR=_DESCR.format(
            folder=root.name,
            line="-" * len(title),
            n_pictures=len(files),
            n_seen=len(counts),
            table="No table of attributes was given."
            if table is None
            else f"{table.n_attributes} attributes describe {table.n_classes} classes; without "
            f"pictures, and so unseen: {quote_some(unseen) or 'none'}.",
            n_ignored=len(ignored),
            n_skipped=len(skipped),
        ),
    )


def _as_class_attributes(
    given: Any, root: Path, reading: dict[str, Any], missing_values: float | None
) -> tuple[ClassAttributes | None, Path | None]:
    """Return the table and, if it was read from one, the file."""
    if given is None or isinstance(given, ClassAttributes):
        if missing_values is not None:
            raise TypeError(
                "missing_values are of a CSV file or a DataFrame; give them to ClassAttributes "
                "where the table is made."
            )
        return given, None
    if hasattr(given, "columns") and hasattr(given, "index"):
        return ClassAttributes.from_frame(given, missing_values=missing_values), None
    if not isinstance(given, str | os.PathLike):
        raise TypeError(
            "class_attributes must be the path of a CSV file, a ClassAttributes, a DataFrame or "
            f"None, found {type(given).__name__}."
        )
    name = Path(given).expanduser()
    places = [root / name] if name.is_absolute() else [root / name, Path.cwd() / name]
    for path in places:
        if path.is_file():
            return ClassAttributes.from_csv(path, missing_values=missing_values, **reading), path
    raise FileNotFoundError(
        f"class_attributes={str(given)!r}: there is no such file; looked for "
        f"{' and '.join(map(str, dict.fromkeys(places)))}."
    )


def _check_any_picture(found: ClassFolders, root: Path, suffixes: frozenset[str]) -> None:
    if any(found.pictures.values()):
        return
    ends = ", ".join(sorted(suffixes))
    if found.loose_pictures:
        raise ValueError(
            f"The {len(found.loose_pictures)} picture(s) of {root} lie in the folder itself: put "
            "those of each class into a sub-folder named as the class."
        )
    if not found.pictures:
        raise ValueError(f"{root} has no sub-folders: each class needs one with its pictures.")
    others = [name for names in found.other_files.values() for name in names]
    raise ValueError(
        f"None of the {len(found.pictures)} sub-folder(s) of {root} holds a file that ends in "
        f"{ends}. Other files there: {quote_some(others) or 'none'}. Name extensions for others."
    )


def _check_described(
    found: ClassFolders,
    labels: dict[str, Any],
    table: ClassAttributes,
    root: Path,
    on_undescribed: str,
) -> None:
    """Refuse or tell of sub-folders that have no row in the table."""
    strange = [name for name in found.pictures if name not in labels]
    if not strange:
        return
    has_folder = set(labels.values())
    without = [label for label in table.labels.tolist() if label not in has_folder]
    full = [name for name in strange if found.pictures[name]]
    empty = [name for name in strange if not found.pictures[name]]
    n_pictures = sum(len(found.pictures[name]) for name in full)
    lines = []
    if full:
        lines.append(
            f"{len(full)} sub-folder(s) of {root} with {n_pictures} picture(s) have no row in "
            f"class_attributes: {list_with_suggestions(full, without)}."
        )
    if empty:
        lines.append(
            f"{len(empty)} sub-folder(s) of {root} without pictures have no row in "
            f"class_attributes: {list_with_suggestions(empty, without)}."
        )
    if without:
        lines.append(
            f"{len(without)} row(s) of class_attributes have no sub-folder: "
            f"{list_with_suggestions(without, strange)}."
        )
    else:
        lines.append("Every row of class_attributes has a sub-folder.")
    if full and on_undescribed == "raise":
        lines.append(
            "Rename sub-folders or rows to agree, add rows, or leave these pictures out by "
            "on_undescribed='skip'."
        )
        raise ValueError(" ".join(lines))
    lines.append("These sub-folders are skipped.")
    warnings.warn(" ".join(lines), UserWarning, stacklevel=3)
    if full and not any(found.pictures[name] for name in labels):
        raise ValueError(" ".join(["No picture is left.", *lines[:-1]]))


def _warn_of_ignored(found: ClassFolders, labels: dict[str, Any], *, told: bool) -> None:
    if found.loose_pictures:
        warnings.warn(
            f"{len(found.loose_pictures)} picture(s) lie in no sub-folder and are ignored: "
            f"{quote_some(found.loose_pictures)}.",
            UserWarning,
            stacklevel=3,
        )
    hollow = [name for name in labels if found.other_files[name] and not found.pictures[name]]
    if hollow:
        ends = {Path(file).suffix for name in hollow for file in found.other_files[name]}
        warnings.warn(
            f"{len(hollow)} class(es) have files but no picture, and count as unseen: "
            f"{quote_some(hollow)}. Their files end in {quote_some(sorted(ends))}; if these are "
            "pictures, name them in extensions.",
            UserWarning,
            stacklevel=3,
        )
    if told:
        return
    others = [file for name in labels if name not in hollow for file in found.other_files[name]]
    left_out = describe_left_out(others + found.loose_files)
    if left_out:
        warnings.warn(
            f"{left_out} are not taken for pictures and left out. Name extensions if they are.",
            UserWarning,
            stacklevel=3,
        )
