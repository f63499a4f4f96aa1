"""aPascal and aYahoo, as distributed, with the Proposed Split."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from zslearn._containers import as_path
from zslearn.datasets._benchmark import (
    WordVectorSource,
    assemble_pictures,
    check_choice,
    find_folder,
    first_existing,
    make_class_table,
    require_class_names,
)
from zslearn.datasets._image_index import Pictures
from zslearn.datasets._proposed_split import find_splits, read_splits
from zslearn.datasets._text_files import read_lines
from zslearn.feature_extraction._picture_folders import list_pictures

__all__ = ["load_apy"]

# In the order in which the split numbers their lines.
_LISTS = ("apascal_train.txt", "apascal_test.txt", "ayahoo_test.txt")
_PASCAL = (
    "VOCdevkit/VOC2008/JPEGImages",
    "VOC2008/JPEGImages",
    "JPEGImages",
    "apascal_images/JPEGImages",
    "apascal_images",
)

_DESCR = """\
aPascal and aYahoo (aPY)
------------------------

15,339 objects of 32 classes in photographs of PASCAL VOC 2008 and of Yahoo image search, 64
attributes. Farhadi, Endres, Hoiem, Forsyth, "Describing objects by their attributes", CVPR 2009.
For research; the pictures belong to their photographers.
Attributes: {attributes}.
"""


def load_apy(
    root: str | os.PathLike[str],
    *,
    splits: str | os.PathLike[str] | None = None,
    image_index: str | os.PathLike[str] | None = None,
    attributes: Literal["original", "l2"] = "original",
    word_vectors: WordVectorSource = None,
    missing_images: Literal["raise", "skip"] = "raise",
) -> Bunch:
    """Load the objects of aPascal and aYahoo with the Proposed Split.

    A sample is an object: a box in a picture. A picture of several objects occurs as often, with
    another box each time; crop it before anything else is done with it. Nothing is decoded: the
    Bunch holds paths.

    Parameters
    ----------
    root : path-like
        The folder that holds ``attribute_data/`` and the pictures, or ``attribute_data`` itself.
        The pictures are looked for in and beside it: ``VOCdevkit/VOC2008/JPEGImages``,
        ``VOC2008/JPEGImages`` or ``JPEGImages``, and ``ayahoo_test_images``.
    splits : path-like, default=None
        ``att_splits.mat`` of APY, its folder, or the folder of ``xlsa17.zip``. ``None`` looks for
        ``xlsa17/data/APY``, ``xlsa17/APY`` and ``APY`` in `root` and beside it.
    image_index : path-like, default=None
        The list of pictures whose rows the split numbers: ``res101.mat`` (only names and labels
        are read), an .npz file with ``image_files`` and ``labels`` (from 0), or a .txt file with
        one name a line. ``None`` takes ``res101.mat``, ``image_index.npz`` or ``image_index.txt``
        beside the splits. A
        name that occurs several times is matched with the annotation lines of the same picture
        and class in their order. Without any list, the lines of ``apascal_train.txt``,
        ``apascal_test.txt`` and ``ayahoo_test.txt`` in this order, if they are as many as the
        split numbers and the split parts their classes.
    attributes : {"original", "l2"}, default="original"
        Class table. ``"original"``: ``original_att``, in [0, 1], the share of the class's objects
        that have the attribute. ``"l2"``: ``att`` as distributed, rows of unit length.
    word_vectors : array-like of shape (64, n_dims), mapping, path-like or callable, default=None
        Word vectors of the attribute names, in the order of ``attribute_names.txt``: the vectors, a
        mapping from name to vector, a .npy file, an .npz file (its array ``vectors``), or a
        transformer or callable that takes the list of names, such as
        :class:`~zslearn.feature_extraction.WordVectors`.
    missing_images : {"raise", "skip"}, default="raise"
        What to do if pictures of the list are not in the folder. ``"skip"`` leaves their rows
        out, numbers the others anew in all index arrays, and drops classes that no picture is
        left of from `class_attributes`.

    Returns
    -------
    apy : :class:`~sklearn.utils.Bunch`
        With the following attributes; n is 15,339 if no picture is missing.

        image_paths : ndarray of shape (n,), str
            Full paths, in the order of the split; a picture may occur several times.
        image_files : ndarray of shape (n,), str
            Names of the pictures.
        target : ndarray of shape (n,), str
            Class names, such as ``"aeroplane"``.
        class_attributes : ClassAttributes
            Labels in the order of ``allclasses_names`` of the split.
        seen_classes, unseen_classes : ndarray of str
            Sorted; 20 and 12.
        trainval, test_seen, test_unseen : ndarray of intp
            Rows, from 0; 5,932, 1,483 and 7,924.
        train, val : ndarray of intp
            Rows of `trainval` for choosing parameters, where the file has them. Files put the
            `test_seen` rows among them; those are dropped.
        bounding_boxes : ndarray of shape (n, 4), float32
            x and y of the upper left corner as annotated (PASCAL counts pixels from 1), and width
            and height, the differences of the annotated corners.
        image_attributes : ndarray of shape (n, 64), uint8
            The attributes of each object, 0 or 1. Those of test objects are no input.
        rows : ndarray of shape (n,), intp
            For each row, its row in the full list: that of ready features of all objects.
        DESCR : str
            Description of the data set, and what was dropped.

    Raises
    ------
    FileNotFoundError
        If a file of the distribution, the split, or a picture is missing.
    ValueError
        If files do not belong together: other classes, another number of pictures, or rows for
        which the split does not part seen and unseen classes.

    See Also
    --------
    load_xlsa17 : The same split for ready ResNet-101 features.

    Notes
    -----
    Seen and unseen classes alternate thousands of times along the rows of the published split, so
    an order of lines for which the split parts the classes is the right one.

    References
    ----------
    .. [1] A. Farhadi, I. Endres, D. Hoiem, D. Forsyth, "Describing objects by their attributes",
       CVPR 2009.
    .. [2] Y. Xian, C. H. Lampert, B. Schiele, Z. Akata, "Zero-shot learning: a comprehensive
       evaluation of the good, the bad and the ugly", TPAMI 2019.

    Examples
    --------
    >>> from zslearn.datasets import load_apy
    >>> load_apy("no/such/folder")
    Traceback (most recent call last):
    ...
    FileNotFoundError: root='no/such/folder' is no folder
    >>> apy = load_apy("aPY", splits="xlsa17")  # doctest: +SKIP
    >>> apy.bounding_boxes.shape  # doctest: +SKIP
    (15339, 4)
    """
    check_choice("attributes", attributes, ("original", "l2"))
    check_choice("missing_images", missing_images, ("raise", "skip"))
    folder = find_folder(root, ("attribute_data",), "attribute_names.txt")
    split = read_splits(find_splits("APY", splits, root, folder))
    class_names = require_class_names(split)
    names = read_lines(folder / "attribute_names.txt")
    table = make_class_table(split, class_names, names, attributes, word_vectors=word_vectors)
    files, classes, numbers, first_yahoo = _read_objects(folder, len(names))
    base = as_path(root, "root").absolute()
    bases = [base, folder, folder.parent, base.parent]
    pascal = first_existing(
        [place / name for place in bases for name in _PASCAL], "folder of PASCAL VOC 2008 pictures"
    )
    yahoo = first_existing([place / "ayahoo_test_images" for place in bases], "ayahoo_test_images")
    on_disk = {pascal: set(list_pictures(pascal)), yahoo: set(list_pictures(yahoo))}
    homes = [pascal if k < first_yahoo else yahoo for k in range(len(files))]
    pictures = Pictures(
        files,
        [str(home / file) for home, file in zip(homes, files, strict=True)],
        classes,
        np.array([file in on_disk[home] for home, file in zip(homes, files, strict=True)]),
    )
    boxes = numbers[:, :4].astype(np.float32)
    boxes[:, 2:] -= boxes[:, :2]
    return assemble_pictures(
        "APY",
        split,
        table,
        pictures,
        image_index=image_index,
        known_order=np.arange(len(files), dtype=np.intp),
        missing_images=missing_images,
        descr=_DESCR.format(
            attributes="shares in [0, 1]" if attributes == "original" else "rows of unit length"
        ),
        extra={"bounding_boxes": boxes, "image_attributes": numbers[:, 4:].astype(np.uint8)},
    )


def _read_objects(
    folder: Path, n_attributes: int
) -> tuple[list[str], list[str], NDArray[np.int64], int]:
    """Pictures, classes, and corners with attributes of all lines; where those of aYahoo begin."""
    files: list[str] = []
    classes: list[str] = []
    numbers: list[list[int]] = []
    first_yahoo = 0
    for name in _LISTS:
        path = first_existing([folder / name], name)
        first_yahoo = len(files)
        for count, line in enumerate(read_lines(path), start=1):
            fields = line.split()
            if len(fields) != 6 + n_attributes:
                raise ValueError(
                    f"line {count} of {path} has {len(fields)} fields; a picture, a class, 4 "
                    f"corners and {n_attributes} attributes are expected"
                )
            files.append(fields[0])
            classes.append(fields[1])
            try:
                numbers.append([int(field) for field in fields[2:]])
            except ValueError as error:
                raise ValueError(f"line {count} of {path}: {error}") from error
    return files, classes, np.array(numbers, dtype=np.int64), first_yahoo
