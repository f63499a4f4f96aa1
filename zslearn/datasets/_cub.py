"""Caltech-UCSD Birds 200-2011, as distributed, with the Proposed Split."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from zslearn._table_checks import quote_some
from zslearn.datasets._benchmark import (
    WordVectorSource,
    assemble_pictures,
    check_choice,
    find_folder,
    first_existing,
    make_class_table,
    read_numbered_names,
    require_class_names,
)
from zslearn.datasets._image_index import Pictures
from zslearn.datasets._proposed_split import ProposedSplit, find_splits, read_splits
from zslearn.datasets._text_files import read_lines
from zslearn.feature_extraction._picture_folders import list_pictures

__all__ = ["load_cub"]

_INNER = ("CUB_200_2011", "CUB_200_2011/CUB_200_2011")

_DESCR = """\
Caltech-UCSD Birds 200-2011 (CUB)
---------------------------------

11,788 photographs of 200 bird species, 312 attributes, 15 parts and a box a picture. Wah, Branson,
Welinder, Perona, Belongie, Technical Report CNS-TR-2011-001, Caltech, 2011. For non-commercial
research and educational use; the pictures belong to their photographers.
Attributes: {attributes}.
"""


def load_cub(
    root: str | os.PathLike[str],
    *,
    splits: str | os.PathLike[str] | None = None,
    image_index: str | os.PathLike[str] | None = None,
    attributes: Literal["original", "l2"] = "original",
    word_vectors: WordVectorSource = None,
    missing_images: Literal["raise", "skip"] = "raise",
) -> Bunch:
    """Load the pictures of CUB-200-2011 with attributes, parts and the Proposed Split.

    Nothing is decoded: the Bunch holds paths, for
    :class:`~zslearn.feature_extraction.TimmRegionExtractor` or any other reader.

    Parameters
    ----------
    root : path-like
        The folder that the official archive (CUB_200_2011.tgz) was unpacked into, or the folder
        ``CUB_200_2011`` itself.
    splits : path-like, default=None
        ``att_splits.mat`` of CUB, its folder, or the folder of ``xlsa17.zip``. ``None`` looks for
        ``xlsa17/data/CUB``, ``xlsa17/CUB`` and ``CUB`` in `root` and beside it.
    image_index : path-like, default=None
        The list of pictures whose rows the split numbers: ``res101.mat`` (only names and labels
        are read), an .npz file with ``image_files`` and ``labels`` (from 0), or a .txt file with
        one name a line. ``None`` takes ``res101.mat``, ``image_index.npz`` or ``image_index.txt``
        beside the splits; without any, the pictures of ``images.txt`` sorted by name, if they are
        as many as the split numbers.
    attributes : {"original", "l2"}, default="original"
        Class table. ``"original"``: the percentages of ``original_att`` divided by 100, so in
        [0, 1]. ``"l2"``: ``att`` as distributed, rows of unit length. Scores that compare
        directions do not depend on it; regression targets and losses do.
    word_vectors : array-like of shape (312, n_dims), mapping, path-like or callable, default=None
        Word vectors of the attribute names, in the order of ``attributes.txt``: the vectors, a
        mapping from name to vector, a .npy file, an .npz file (its array ``vectors``), or a
        transformer or callable that takes the list of names, such as
        :class:`~zslearn.feature_extraction.WordVectors`.
    missing_images : {"raise", "skip"}, default="raise"
        What to do if pictures of the list are not in the folder. ``"skip"`` leaves their rows
        out, numbers the others anew in all index arrays, and drops classes that no picture is
        left of from `class_attributes`.

    Returns
    -------
    cub : :class:`~sklearn.utils.Bunch`
        With the following attributes; n is 11,788 if no picture is missing.

        image_paths : ndarray of shape (n,), str
            Full paths, in the order of the split.
        image_files : ndarray of shape (n,), str
            Names relative to ``images/``.
        target : ndarray of shape (n,), str
            Class names, such as ``"001.Black_footed_Albatross"``.
        class_attributes : ClassAttributes
            Labels in the order of ``allclasses_names`` of the split, which is not that of
            ``classes.txt``.
        seen_classes, unseen_classes : ndarray of str
            Sorted; 150 and 50.
        trainval, test_seen, test_unseen : ndarray of intp
            Rows, from 0; 7,057, 1,764 and 2,967.
        train, val : ndarray of intp
            Rows of `trainval` for choosing parameters, where the file has them.
        part_names : ndarray of shape (15,), str
            Names such as ``"left eye"``.
        part_locations : ndarray of shape (n, 15, 3), float32
            x and y in pixels of the picture as it is on disk, and 1 where the part is visible;
            0, 0, 0 where it is not.
        bounding_boxes : ndarray of shape (n, 4), float32
            x and y of the upper left corner, width, height, in pixels.
        rows : ndarray of shape (n,), intp
            For each row, its row in the full list: that of ready features of all pictures.
        DESCR : str
            Description of the data set, and what was dropped.

    Raises
    ------
    FileNotFoundError
        If a file of the distribution, the split, or a picture is missing.
    ValueError
        If files do not belong together: other classes, another number of pictures, another class
        table, or rows for which the split does not part seen and unseen classes.

    See Also
    --------
    load_xlsa17 : The same split for ready ResNet-101 features.
    zslearn.model_selection.SeenUnseenKFold : Folds of `trainval` for choosing parameters.

    Notes
    -----
    The split numbers the pictures sorted by name. ``images.txt`` has another order within the
    classes: its numbers must not be used with the split.

    References
    ----------
    .. [1] C. Wah, S. Branson, P. Welinder, P. Perona, S. Belongie, "The Caltech-UCSD Birds-200-2011
       Dataset", Technical Report CNS-TR-2011-001, California Institute of Technology, 2011.
    .. [2] Y. Xian, C. H. Lampert, B. Schiele, Z. Akata, "Zero-shot learning: a comprehensive
       evaluation of the good, the bad and the ugly", TPAMI 2019.

    Examples
    --------
    >>> from zslearn.datasets import load_cub
    >>> load_cub("no/such/folder")
    Traceback (most recent call last):
    ...
    FileNotFoundError: root='no/such/folder' is no folder
    >>> cub = load_cub("CUB_200_2011", splits="xlsa17")  # doctest: +SKIP
    >>> len(cub.trainval), cub.part_locations.shape  # doctest: +SKIP
    (7057, (11788, 15, 3))
    """
    check_choice("attributes", attributes, ("original", "l2"))
    check_choice("missing_images", missing_images, ("raise", "skip"))
    folder = find_folder(root, _INNER, "images.txt")
    split = read_splits(find_splits("CUB", splits, root, folder))
    class_names = require_class_names(split)
    official = read_numbered_names(folder / "classes.txt")
    names_file = first_existing(
        [base / "attributes.txt" for base in (folder / "attributes", folder, folder.parent)],
        "attributes.txt",
    )
    table = make_class_table(
        split,
        class_names,
        read_numbered_names(names_file),
        attributes,
        scale=100.0,
        word_vectors=word_vectors,
    )
    _check_class_table(folder / "attributes", official, split)
    ids, pictures = _read_pictures(folder, official)
    order = np.array(sorted(range(len(ids)), key=pictures.names.__getitem__), dtype=np.intp)
    part_names, part_locations = _read_parts(folder / "parts", ids)
    bunch = assemble_pictures(
        "CUB",
        split,
        table,
        pictures,
        image_index=image_index,
        known_order=order,
        missing_images=missing_images,
        descr=_DESCR.format(
            attributes="percentages / 100" if attributes == "original" else "rows of unit length"
        ),
        extra={
            "part_locations": part_locations,
            "bounding_boxes": _read_by_id(folder / "bounding_boxes.txt", ids, 4),
        },
    )
    bunch.part_names = np.array(part_names)
    return bunch


def _read_pictures(folder: Path, official: list[str]) -> tuple[list[int], Pictures]:
    ids, names = [], []
    for line in read_lines(folder / "images.txt"):
        number, _, name = line.partition(" ")
        if not number.isdecimal() or "/" not in name:
            raise ValueError(
                f"{folder / 'images.txt'} must hold lines of a number and a path, found {line!r}"
            )
        ids.append(int(number))
        names.append(name.strip())
    if not ids:
        raise ValueError(f"{folder / 'images.txt'} is empty")
    labels = _read_by_id(folder / "image_class_labels.txt", ids, 1)[:, 0].astype(np.intp)
    if labels.min() < 1 or labels.max() > len(official):
        raise ValueError(
            f"image_class_labels.txt numbers classes {labels.min()} to {labels.max()}, classes.txt "
            f"has {len(official)}, counted from 1"
        )
    classes = [official[label - 1] for label in labels]
    wrong = [
        name for name, label in zip(names, classes, strict=True) if name.split("/")[0] != label
    ]
    if wrong:
        raise ValueError(
            f"{len(wrong)} picture(s) of images.txt lie in the folder of another class than that "
            f"of image_class_labels.txt: {quote_some(wrong)}"
        )
    on_disk = set(list_pictures(folder / "images"))
    paths = [str(folder / "images" / name) for name in names]
    return ids, Pictures(names, paths, classes, np.array([name in on_disk for name in names]))


def _read_by_id(path: Path, ids: list[int], n_columns: int) -> NDArray[np.float32]:
    """Lines of an id and some numbers, in the order of the ids, whose numbers may have gaps."""
    values = _read_numbers(path, n_columns + 1)
    row = {int(number): k for k, number in enumerate(values[:, 0])}
    absent = [number for number in ids if number not in row]
    if absent:
        raise ValueError(f"{path} has no line for picture(s) {quote_some(absent)} of images.txt")
    return values[[row[number] for number in ids], 1:].astype(np.float32)


def _read_numbers(path: Path, n_columns: int) -> NDArray[np.float64]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; it is part of the official distribution")
    try:
        values = np.loadtxt(path, ndmin=2)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if values.shape[1] != n_columns:
        raise ValueError(f"{path} has {values.shape[1]} columns, {n_columns} are expected")
    return values


def _read_parts(folder: Path, ids: list[int]) -> tuple[list[str], NDArray[np.float32]]:
    if not (folder / "parts.txt").is_file():
        raise FileNotFoundError(
            f"there is no file {folder / 'parts.txt'}; it is part of the official distribution"
        )
    names = read_numbered_names(folder / "parts.txt")
    values = _read_numbers(folder / "part_locs.txt", 5)
    place = {number: k for k, number in enumerate(ids)}
    pictures = np.array([place.get(int(number), -1) for number in values[:, 0]], dtype=np.intp)
    parts = values[:, 1].astype(np.intp)
    if parts.size and (parts.min() < 1 or parts.max() > len(names)):
        raise ValueError(f"part_locs.txt has part {parts.max()}; parts.txt has {len(names)}")
    known = pictures >= 0
    locations = np.full((len(ids), len(names), 3), np.nan, dtype=np.float32)
    locations[pictures[known], parts[known] - 1] = values[known, 2:]
    gaps = np.flatnonzero(np.isnan(locations).any(axis=(1, 2)))
    if len(gaps):
        raise ValueError(
            f"part_locs.txt does not place all {len(names)} parts of picture(s) "
            f"{quote_some([ids[k] for k in gaps])}"
        )
    return names, locations


def _check_class_table(folder: Path, official: list[str], split: ProposedSplit) -> None:
    """Compare the distribution's class table, rows as in classes.txt, with that of the split."""
    path = folder / "class_attribute_labels_continuous.txt"
    names = require_class_names(split)
    strange = sorted(set(names) - set(official))
    if strange:
        raise ValueError(f"classes.txt does not name {quote_some(strange)} of {split.path}")
    if split.original_attributes is None or not path.is_file():
        return
    values = _read_numbers(path, split.original_attributes.shape[1])
    if len(values) != len(official):
        raise ValueError(f"{path} has {len(values)} rows, classes.txt has {len(official)}")
    row = {name: k for k, name in enumerate(official)}
    ordered = values[[row[name] for name in names]]
    far = ~np.isclose(ordered, split.original_attributes, rtol=0, atol=1e-4).all(axis=1)
    if far.any():
        raise ValueError(
            f"{path} and original_att of {split.path} describe {int(far.sum())} class(es) "
            f"differently: {quote_some(np.array(names)[far])}. They are of different versions."
        )
