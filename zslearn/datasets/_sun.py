"""The SUN attribute database, as distributed, with the Proposed Split."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import numpy as np
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
from zslearn.datasets._image_index import Pictures, clean_name
from zslearn.datasets._matlab import read_matlab
from zslearn.datasets._proposed_split import find_splits, read_splits
from zslearn.feature_extraction._picture_folders import list_pictures

__all__ = ["load_sun"]

_DESCR = """\
SUN attribute database (SUN)
----------------------------

14,340 photographs of 717 scene categories, 20 each, 102 attributes. Patterson, Xu, Su, Hays, "The
SUN Attribute Database", IJCV 2014. For research; the pictures belong to their photographers.
Attributes: {attributes}.
"""


def load_sun(
    root: str | os.PathLike[str],
    *,
    splits: str | os.PathLike[str] | None = None,
    image_index: str | os.PathLike[str] | None = None,
    attributes: Literal["original", "l2"] = "original",
    word_vectors: WordVectorSource = None,
    missing_images: Literal["raise", "skip"] = "raise",
) -> Bunch:
    """Load the pictures of the SUN attribute database with the Proposed Split.

    Nothing is decoded: the Bunch holds paths, for
    :class:`~zslearn.feature_extraction.TimmRegionExtractor` or any other reader.

    Parameters
    ----------
    root : path-like
        The folder that SUNAttributeDB.tar.gz was unpacked into, or the folder ``SUNAttributeDB``
        itself. The pictures (SUNAttributeDB_Images.tar.gz) are looked for in and beside it, as
        ``SUNAttributeDB_Images/images`` or ``images``.
    splits : path-like, default=None
        ``att_splits.mat`` of SUN, its folder, or the folder of ``xlsa17.zip``. ``None`` looks for
        ``xlsa17/data/SUN``, ``xlsa17/SUN`` and ``SUN`` in `root` and beside it.
    image_index : path-like, default=None
        The list of pictures whose rows the split numbers: ``res101.mat`` (only names and labels
        are read), an .npz file with ``image_files`` and ``labels`` (from 0), or a .txt file with
        one name a line. ``None`` takes ``res101.mat``, ``image_index.npz`` or ``image_index.txt``
        beside the splits;
        without any, the pictures of ``images.mat`` sorted by name, if they are as many as the
        split numbers.
    attributes : {"original", "l2"}, default="original"
        Class table. ``"original"``: ``original_att``, in [0, 1], the mean over the class's
        pictures of the share of annotators who saw the attribute. ``"l2"``: ``att`` as
        distributed, rows of unit length.
    word_vectors : array-like of shape (102, n_dims), mapping, path-like or callable, default=None
        Word vectors of the attribute names, in the order of ``attributes.mat``: the vectors, a
        mapping from name to vector, a .npy file, an .npz file (its array ``vectors``), or a
        transformer or callable that takes the list of names, such as
        :class:`~zslearn.feature_extraction.WordVectors`.
    missing_images : {"raise", "skip"}, default="raise"
        What to do if pictures of the list are not in the folder. ``"skip"`` leaves their rows
        out, numbers the others anew in all index arrays, and drops classes that no picture is
        left of from `class_attributes`.

    Returns
    -------
    sun : :class:`~sklearn.utils.Bunch`
        With the following attributes; n is 14,340 if no picture is missing.

        image_paths : ndarray of shape (n,), str
            Full paths, in the order of the split.
        image_files : ndarray of shape (n,), str
            Names relative to ``images/``.
        target : ndarray of shape (n,), str
            Class names: the folders below the letter, joined by underscores, such as ``"abbey"``
            or ``"airport_entrance"``.
        class_attributes : ClassAttributes
            Labels in the order of ``allclasses_names`` of the split.
        seen_classes, unseen_classes : ndarray of str
            Sorted; 645 and 72.
        trainval, test_seen, test_unseen : ndarray of intp
            Rows, from 0; 10,320, 2,580 and 1,440.
        train, val : ndarray of intp
            Rows of `trainval` for choosing parameters, where the file has them. Files put the
            `test_seen` rows among them; those are dropped.
        rows : ndarray of shape (n,), intp
            For each row, its row in the full list: that of ready features of all pictures.
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
    The split numbers the pictures sorted by name, from ``a/abbey/`` to ``z/``.

    References
    ----------
    .. [1] G. Patterson, C. Xu, H. Su, J. Hays, "The SUN attribute database: beyond categories for
       deeper scene understanding", IJCV 2014.
    .. [2] Y. Xian, C. H. Lampert, B. Schiele, Z. Akata, "Zero-shot learning: a comprehensive
       evaluation of the good, the bad and the ugly", TPAMI 2019.

    Examples
    --------
    >>> from zslearn.datasets import load_sun
    >>> load_sun("no/such/folder")
    Traceback (most recent call last):
    ...
    FileNotFoundError: root='no/such/folder' is no folder
    >>> sun = load_sun("SUN", splits="xlsa17")  # doctest: +SKIP
    >>> len(sun.seen_classes), len(sun.unseen_classes)  # doctest: +SKIP
    (645, 72)
    """
    check_choice("attributes", attributes, ("original", "l2"))
    check_choice("missing_images", missing_images, ("raise", "skip"))
    folder = find_folder(root, ("SUNAttributeDB",), "attributes.mat")
    split = read_splits(find_splits("SUN", splits, root, folder))
    class_names = require_class_names(split)
    names = read_matlab(folder / "attributes.mat", ["attributes"], texts=["attributes"])[
        "attributes"
    ]
    table = make_class_table(
        split,
        class_names,
        [name.strip() for name in names],
        attributes,
        word_vectors=word_vectors,
    )
    pictures = _read_pictures(as_path(root, "root").absolute(), folder)
    order = sorted(range(len(pictures.names)), key=pictures.names.__getitem__)
    return assemble_pictures(
        "SUN",
        split,
        table,
        pictures,
        image_index=image_index,
        known_order=np.array(order, dtype=np.intp),
        missing_images=missing_images,
        descr=_DESCR.format(
            attributes="shares in [0, 1]" if attributes == "original" else "rows of unit length"
        ),
        extra={},
    )


def _read_pictures(root: Path, folder: Path) -> Pictures:
    bases = [root, folder, folder.parent, root.parent]
    inner = ["SUNAttributeDB_Images/images", "images"]
    images = first_existing(
        [base / name for base in dict.fromkeys(bases) for name in inner], "folder of the pictures"
    )
    on_disk = list_pictures(images)
    files = on_disk
    if (folder / "images.mat").is_file():
        listed = read_matlab(folder / "images.mat", ["images"], texts=["images"])["images"]
        files = [clean_name(name).lstrip("/") for name in listed]
    there = set(on_disk)
    return Pictures(
        files,
        [str(images / file) for file in files],
        [_scene(file) for file in files],
        np.array([file in there for file in files], dtype=bool),
    )


def _scene(file: str) -> str:
    """Class of a picture: ``c/cabin/outdoor/sun_x.jpg`` is of ``cabin_outdoor``."""
    parts = file.split("/")
    if len(parts) < 3:
        raise ValueError(f"picture {file!r} is not in a folder such as a/abbey/")
    return "_".join(parts[1:-1])
