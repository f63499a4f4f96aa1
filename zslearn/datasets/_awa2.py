"""Animals with Attributes 2, as distributed, with the Proposed Split."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from zslearn._table_checks import quote_some
from zslearn.attributes import ClassAttributes
from zslearn.datasets._benchmark import (
    WordVectorSource,
    assemble_pictures,
    check_choice,
    find_folder,
    find_word_vectors,
    first_existing,
    make_class_table,
    read_numbered_names,
    require_class_names,
)
from zslearn.datasets._image_index import Pictures
from zslearn.datasets._proposed_split import find_splits, read_splits
from zslearn.feature_extraction._picture_folders import list_pictures

__all__ = ["load_awa2"]

_DESCR = """\
Animals with Attributes 2 (AwA2)
--------------------------------

37,322 photographs of 50 animal classes, 85 attributes. Xian, Lampert, Schiele, Akata, TPAMI 2019;
attributes: Osherson et al. 1991, Kemp et al. 2006. The pictures carry licences of their own, listed
in the distribution.
Attributes: {attributes}.
"""
_ATTRIBUTES = {
    "original": "percentages / 100, those not given (-1) replaced by the attribute's mean",
    "l2": "rows of unit length as distributed, with -1 taken as if it were a value",
    "binary": "0 or 1, predicate-matrix-binary.txt",
}


def load_awa2(
    root: str | os.PathLike[str],
    *,
    splits: str | os.PathLike[str] | None = None,
    image_index: str | os.PathLike[str] | None = None,
    attributes: Literal["original", "l2", "binary"] = "original",
    word_vectors: WordVectorSource = None,
    missing_images: Literal["raise", "skip"] = "raise",
) -> Bunch:
    """Load the pictures of Animals with Attributes 2 with the Proposed Split.

    Nothing is decoded: the Bunch holds paths, for
    :class:`~zslearn.feature_extraction.TimmRegionExtractor` or any other reader.

    Parameters
    ----------
    root : path-like
        The folder that AwA2-data.zip was unpacked into, or the folder ``Animals_with_Attributes2``
        itself.
    splits : path-like, default=None
        ``att_splits.mat`` of AWA2, its folder, or the folder of ``xlsa17.zip``. ``None`` looks for
        ``xlsa17/data/AWA2``, ``xlsa17/AWA2`` and ``AWA2`` in `root` and beside it.
    image_index : path-like, default=None
        The list of pictures whose rows the split numbers: ``res101.mat`` (only names and labels
        are read), an .npz file with ``image_files`` and ``labels`` (from 0), or a .txt file with
        one name a line. ``None`` takes ``res101.mat``, ``image_index.npz`` or ``image_index.txt``
        beside the splits;
        without any, all pictures below ``JPEGImages/`` sorted by name, if they are as many as the
        split numbers.
    attributes : {"original", "l2", "binary"}, default="original"
        Class table. ``"original"``: the percentages of ``original_att`` divided by 100, in
        [0, 1]; -1 there means "not given" (four colours of the antelope) and becomes the mean of
        the attribute's known values, marked in ``class_attributes.missing_mask``. ``"l2"``:
        ``att`` as distributed, rows of unit length, made with -1 as if it were a value.
        ``"binary"``: the distribution's 0 and 1.
    word_vectors : array-like of shape (85, n_dims), mapping, path-like or callable, default=None
        Word vectors of the attribute names, in the order of ``predicates.txt``: the vectors, a
        mapping from name to vector, a .npy file, an .npz file (its array ``vectors``), or a
        transformer or callable that takes the list of names, such as
        :class:`~zslearn.feature_extraction.WordVectors`.
    missing_images : {"raise", "skip"}, default="raise"
        What to do if pictures of the list are not in the folder. ``"skip"`` leaves their rows
        out, numbers the others anew in all index arrays, and drops classes that no picture is
        left of from `class_attributes`.

    Returns
    -------
    awa2 : :class:`~sklearn.utils.Bunch`
        With the following attributes; n is 37,322 if no picture is missing.

        image_paths : ndarray of shape (n,), str
            Full paths, in the order of the split.
        image_files : ndarray of shape (n,), str
            Names relative to ``JPEGImages/``.
        target : ndarray of shape (n,), str
            Class names, such as ``"grizzly+bear"``.
        class_attributes : ClassAttributes
            Labels in the order of ``allclasses_names`` of the split.
        seen_classes, unseen_classes : ndarray of str
            Sorted; 40 and 10.
        trainval, test_seen, test_unseen : ndarray of intp
            Rows, from 0; 23,527, 5,882 and 7,913.
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
    load_xlsa17 : The same split for ready ResNet-101 features, and AwA1.

    Notes
    -----
    The split numbers the pictures sorted by name. Its list writes paths with doubled slashes.

    References
    ----------
    .. [1] C. H. Lampert, H. Nickisch, S. Harmeling, "Attribute-based classification for zero-shot
       visual object categorization", TPAMI 2014.
    .. [2] Y. Xian, C. H. Lampert, B. Schiele, Z. Akata, "Zero-shot learning: a comprehensive
       evaluation of the good, the bad and the ugly", TPAMI 2019.

    Examples
    --------
    >>> from zslearn.datasets import load_awa2
    >>> load_awa2("no/such/folder")
    Traceback (most recent call last):
    ...
    FileNotFoundError: root='no/such/folder' is no folder
    >>> awa2 = load_awa2("Animals_with_Attributes2", splits="xlsa17")  # doctest: +SKIP
    >>> awa2.class_attributes.missing_mask.sum()  # doctest: +SKIP
    4
    """
    check_choice("attributes", attributes, tuple(_ATTRIBUTES))
    check_choice("missing_images", missing_images, ("raise", "skip"))
    folder = find_folder(root, ("Animals_with_Attributes2",), "predicates.txt")
    split = read_splits(find_splits("AWA2", splits, root, folder))
    class_names = require_class_names(split)
    names = read_numbered_names(folder / "predicates.txt")
    if attributes == "binary":
        table = ClassAttributes(
            _read_binary(folder, class_names, len(names)),
            labels=np.array(class_names),
            attribute_names=names,
            word_vectors=find_word_vectors(word_vectors, names),
        )
    else:
        table = make_class_table(
            split,
            class_names,
            names,
            attributes,
            scale=100.0,
            missing_values=-1.0,
            word_vectors=word_vectors,
        )
    images = first_existing([folder / "JPEGImages"], "folder JPEGImages")
    files = sorted(list_pictures(images))
    pictures = Pictures(
        files,
        [str(images / file) for file in files],
        [file.split("/")[0] for file in files],
        np.ones(len(files), dtype=bool),
    )
    return assemble_pictures(
        "AWA2",
        split,
        table,
        pictures,
        image_index=image_index,
        known_order=np.arange(len(files), dtype=np.intp),
        missing_images=missing_images,
        descr=_DESCR.format(attributes=_ATTRIBUTES[attributes]),
        extra={},
    )


def _read_binary(
    folder: Path, class_names: tuple[str, ...], n_attributes: int
) -> NDArray[np.float64]:
    """Read the distribution's binary table; bring its class order into that of the split."""
    official = read_numbered_names(folder / "classes.txt")
    path = first_existing([folder / "predicate-matrix-binary.txt"], "predicate-matrix-binary.txt")
    values = np.loadtxt(path, ndmin=2)
    if values.shape != (len(official), n_attributes):
        raise ValueError(
            f"{path} has shape {values.shape}; classes.txt has {len(official)} classes and "
            f"predicates.txt {n_attributes} attributes"
        )
    absent = sorted(set(class_names) - set(official))
    if absent:
        raise ValueError(f"classes.txt does not name {quote_some(absent)} of the split")
    return values[[official.index(name) for name in class_names]]
