"""Oxford Flowers 102, as distributed, with the split used for zero-shot learning."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from sklearn.utils import Bunch

from zslearn.datasets._benchmark import (
    WordVectorSource,
    as_name_list,
    assemble_pictures,
    check_choice,
    find_folder,
    first_existing,
    make_class_table,
)
from zslearn.datasets._image_index import Pictures
from zslearn.datasets._matlab import as_index, read_matlab
from zslearn.datasets._proposed_split import find_splits, read_splits
from zslearn.feature_extraction._picture_folders import list_pictures

__all__ = ["load_flo"]

_DESCR = """\
Oxford Flowers 102 (FLO)
------------------------

8,189 photographs of 102 flower classes. Nilsback, Zisserman, "Automated flower classification over
a large number of classes", ICVGIP 2008. Class descriptions: 1,024 numbers, means of embedded
sentences (Reed et al., CVPR 2016), without names, rows of unit length.
"""


def default_class_names(n: int) -> list[str]:
    """Names for classes that the official distribution only numbers, from 1."""
    return [f"class_{k:03d}" for k in range(1, n + 1)]


def load_flo(
    root: str | os.PathLike[str],
    *,
    splits: str | os.PathLike[str] | None = None,
    image_index: str | os.PathLike[str] | None = None,
    attributes: Literal["original", "l2"] = "original",
    word_vectors: WordVectorSource = None,
    missing_images: Literal["raise", "skip"] = "raise",
    class_names: Sequence[str] | str | os.PathLike[str] | None = None,
) -> Bunch:
    """Load the pictures of Oxford Flowers 102 with the split used for zero-shot learning.

    Nothing is decoded: the Bunch holds paths, for
    :class:`~zslearn.feature_extraction.TimmRegionExtractor` or any other reader.

    Parameters
    ----------
    root : path-like
        The folder that holds ``jpg/`` and ``imagelabels.mat``, or its parent where that folder is
        named ``102flowers`` or ``flowers-102``.
    splits : path-like, default=None
        ``att_splits.mat`` of FLO, its folder, or the folder of ``cvpr18xian.zip`` (``xlsa17.zip``
        has no FLO). ``None`` looks for ``cvpr18xian/data/FLO``, ``data/FLO``, ``cvpr18xian/FLO``
        and ``FLO`` in `root` and beside it.
    image_index : path-like, default=None
        The list of pictures whose rows the split numbers: ``res101.mat`` (only names and labels
        are read), an .npz file with ``image_files`` and ``labels`` (from 0), or a .txt file with
        one name a line. ``None`` takes ``res101.mat``, ``image_index.npz`` or ``image_index.txt``
        beside the splits.
        One is needed: the order of the rows is in no file of the official distribution.
    attributes : {"original", "l2"}, default="original"
        Without effect: the file holds one table, ``att``, whose rows have unit length. Here so
        that all loaders take the same parameters.
    word_vectors : array-like of shape (1024, n_dims), mapping, path-like or callable, default=None
        Word vectors of the attribute names, in the order of the columns: the vectors, a
        mapping from name to vector, a .npy file, an .npz file (its array ``vectors``), or a
        transformer or callable that takes the list of names, such as
        :class:`~zslearn.feature_extraction.WordVectors`.
    missing_images : {"raise", "skip"}, default="raise"
        What to do if pictures of the list are not in the folder. ``"skip"`` leaves their rows
        out, numbers the others anew in all index arrays, and drops classes that no picture is
        left of from `class_attributes`.
    class_names : sequence of str of length 102, path-like, default=None
        Names of the classes 1 to 102 of ``imagelabels.mat``, or a text file of them, one a line.
        The official distribution has none: ``None`` makes ``"class_001"`` to ``"class_102"``.

    Returns
    -------
    flo : :class:`~sklearn.utils.Bunch`
        With the following attributes; n is 8,189 if no picture is missing.

        image_paths : ndarray of shape (n,), str
            Full paths, in the order of the split.
        image_files : ndarray of shape (n,), str
            Names, such as ``"image_06734.jpg"``.
        target : ndarray of shape (n,), str
            Class names.
        class_attributes : ClassAttributes
            Labels in the order of the class numbers; 1,024 unnamed columns.
        seen_classes, unseen_classes : ndarray of str
            Sorted; 82 and 20.
        trainval, test_seen, test_unseen : ndarray of intp
            Rows, from 0; 5,631, 1,403 and 1,155.
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
    The rows of the split follow the three sets of ``setid.mat`` (10 pictures a class, 10 again,
    the rest), by class; the order within a class is in ``res101.mat`` only, whose labels are
    compared with ``imagelabels.mat``.

    References
    ----------
    .. [1] M.-E. Nilsback, A. Zisserman, "Automated flower classification over a large number of
       classes", ICVGIP 2008.
    .. [2] S. Reed, Z. Akata, H. Lee, B. Schiele, "Learning deep representations of fine-grained
       visual descriptions", CVPR 2016.

    Examples
    --------
    >>> from zslearn.datasets import load_flo
    >>> load_flo("no/such/folder")
    Traceback (most recent call last):
    ...
    FileNotFoundError: root='no/such/folder' is no folder
    >>> flo = load_flo("102flowers", splits="cvpr18xian")  # doctest: +SKIP
    >>> flo.class_attributes.n_attributes  # doctest: +SKIP
    1024
    """
    check_choice("attributes", attributes, ("original", "l2"))
    check_choice("missing_images", missing_images, ("raise", "skip"))
    folder = find_folder(root, ("102flowers", "flowers-102"), "imagelabels.mat")
    split = read_splits(find_splits("FLO", splits, root, folder))
    names = as_name_list(class_names, "class_names", split.n_classes)
    if names is None:
        names = list(split.class_names or default_class_names(split.n_classes))
    table = make_class_table(split, names, None, "l2", word_vectors=word_vectors)
    return assemble_pictures(
        "FLO",
        split,
        table,
        _read_pictures(folder, names),
        image_index=image_index,
        known_order=None,
        missing_images=missing_images,
        descr=_DESCR,
        extra={},
    )


def _read_pictures(folder: Path, class_names: list[str]) -> Pictures:
    """Pictures in the order of their numbers, which count the labels."""
    path = folder / "imagelabels.mat"
    labels = as_index(
        read_matlab(path, ["labels"])["labels"], f"labels of {path}", n=len(class_names)
    )
    images = first_existing([folder / "jpg"], "folder jpg")
    files = [f"image_{number:05d}.jpg" for number in range(1, len(labels) + 1)]
    on_disk = set(list_pictures(images))
    return Pictures(
        files,
        [str(images / file) for file in files],
        [class_names[label] for label in labels],
        np.array([file in on_disk for file in files], dtype=bool),
    )
