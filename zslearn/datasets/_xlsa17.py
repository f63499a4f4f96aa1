"""Ready features of the published benchmarks: res101.mat and att_splits.mat."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal

import numpy as np
from sklearn.utils import Bunch

from zslearn._containers import as_path
from zslearn._table_checks import quote_some
from zslearn.datasets._benchmark import (
    WordVectorSource,
    as_name_list,
    check_choice,
    describe_split,
    make_bunch,
    make_class_table,
)
from zslearn.datasets._flo import default_class_names
from zslearn.datasets._image_index import clean_name
from zslearn.datasets._matlab import as_index, read_matlab
from zslearn.datasets._proposed_split import (
    BENCHMARKS,
    check_split_classes,
    find_splits,
    read_splits,
)

__all__ = ["load_xlsa17"]

_PERCENT = ("CUB", "AWA1", "AWA2")
_MINUS_ONE = ("AWA1", "AWA2")
FEATURES_FILE = "res101.mat"

_DESCR = """\
{name}: ready features of xlsa17
{line}

{n} pictures, {d} features each: the activations of the last pooling of a ResNet-101 trained on
ImageNet, of whole pictures (aPY: of object boxes). {c} classes, {k} attributes.
Xian, Lampert, Schiele, Akata, "Zero-shot learning: a comprehensive evaluation of the good, the bad
and the ugly", TPAMI 2019.
"""


def load_xlsa17(
    root: str | os.PathLike[str],
    name: str,
    *,
    attributes: Literal["original", "l2"] = "original",
    word_vectors: WordVectorSource = None,
    attribute_names: Sequence[str] | str | os.PathLike[str] | None = None,
    class_names: Sequence[str] | str | os.PathLike[str] | None = None,
) -> Bunch:
    """Load the ready ResNet-101 features of a published benchmark with the Proposed Split.

    Parameters
    ----------
    root : path-like
        The folder that ``xlsa17.zip`` was unpacked into, one of ``xlsa17``, ``xlsa17/data`` in it,
        or the folder that holds ``res101.mat`` and ``att_splits.mat`` of `name`. FLO is not in that
        archive but in ``cvpr18xian.zip``: likewise.
    name : {"CUB", "SUN", "AWA1", "AWA2", "APY", "FLO"}
        Which data set, in any case.
    attributes : {"original", "l2"}, default="original"
        Class table. ``"original"``: ``original_att``, in [0, 1]: the percentages of CUB, AWA1 and
        AWA2 divided by 100, SUN and APY as they are. -1 in AWA1 and AWA2 means "not given" (four
        colours of the antelope) and becomes the mean of the attribute's known values, marked in
        ``class_attributes.missing_mask``. ``"l2"``: ``att`` as distributed, rows of unit length,
        with the -1 as if it were a value. FLO has ``att`` only, which is taken for both.
    word_vectors : array-like of shape (n_attributes, n_dims), mapping, path-like or callable, \
default=None
        Word vectors of the attribute names, in the order of the columns: the vectors, a mapping
        from name to vector, a .npy file, an .npz file (its array ``vectors``), or a
        transformer or callable that takes the list of names, such as
        :class:`~zslearn.feature_extraction.WordVectors`.
    attribute_names : sequence of str of length n_attributes or path-like, default=None
        Names of the columns, which the files lack, or a text file of them: one a line, numbered or
        not, such as ``attributes.txt`` of CUB or ``predicates.txt`` of AwA2. ``None`` means
        ``"attribute_0"`` and so on.
    class_names : sequence of str of length n_classes or path-like, default=None
        Names of the classes, in the order that the labels count. ``None`` takes
        ``allclasses_names`` of the split; FLO has none, and its classes are named ``"class_001"``
        to ``"class_102"``.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the following attributes:

        data : ndarray of shape (n, 2048), float32
            Features, C-contiguous, in memory.
        target : ndarray of shape (n,), str
            Class names, the same as those of the loader of the pictures.
        image_files : ndarray of shape (n,), str
            The pictures' paths on the machine of the authors, slashes forward and single. Absent
            if the file has none.
        class_attributes : ClassAttributes
            Labels in the order of ``allclasses_names``.
        seen_classes, unseen_classes : ndarray of str
            Sorted.
        trainval, test_seen, test_unseen : ndarray of intp
            Rows, from 0.
        train, val : ndarray of intp
            Rows of `trainval` for choosing parameters, where the file has them. Files put the
            `test_seen` rows among them; those are dropped.
        DESCR : str
            Description of the data set, and what was dropped.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file is damaged or lacks a variable, or if features, labels and split do not belong
        together.
    ImportError
        If a file is of MATLAB version 7.3 and h5py is not installed.

    See Also
    --------
    load_cub : The pictures of CUB with the same split, and likewise for the others.
    zslearn.model_selection.PredefinedSeenUnseenSplit : The split as a scikit-learn splitter.

    Notes
    -----
    Files of MATLAB version 5, as distributed, and of version 7.3 are read alike. One vector a
    picture is what linear methods take; attention over regions needs the pictures.

    References
    ----------
    .. [1] Y. Xian, C. H. Lampert, B. Schiele, Z. Akata, "Zero-shot learning: a comprehensive
       evaluation of the good, the bad and the ugly", TPAMI 2019.

    Examples
    --------
    A folder in the official format, of three pictures and two classes:

    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from scipy.io import savemat
    >>> from zslearn.datasets import load_xlsa17
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> folder = root / "xlsa17" / "data" / "SUN"
    >>> folder.mkdir(parents=True)
    >>> features = {"features": np.ones((4, 3)), "labels": np.array([[1], [1], [2]])}
    >>> savemat(folder / "res101.mat", features)
    >>> names = np.array([["abbey"], ["zoo"]], dtype=object)
    >>> table = np.eye(2)
    >>> rows = {"trainval_loc": [[1]], "test_seen_loc": [[2]], "test_unseen_loc": [[3]]}
    >>> splits = {"att": table, "original_att": table, "allclasses_names": names, **rows}
    >>> savemat(folder / "att_splits.mat", splits)
    >>> sun = load_xlsa17(root, "sun")
    >>> sun.data.shape, sun.data.dtype.name, sun.target.tolist()
    ((3, 4), 'float32', ['abbey', 'abbey', 'zoo'])
    >>> sun.trainval, sun.test_seen, sun.test_unseen
    (array([0]), array([1]), array([2]))
    """
    check_choice("attributes", attributes, ("original", "l2"))
    name = str(name).upper()
    check_choice("name", name, BENCHMARKS)
    if not as_path(root, "root").is_dir():
        raise FileNotFoundError(f"root={str(root)!r} is no folder")
    split = read_splits(find_splits(name, root, root, argument="root"))
    labels_of = as_name_list(class_names, "class_names", split.n_classes)
    if labels_of is None:
        if split.class_names is None and name != "FLO":
            raise ValueError(f"{split.path} has no allclasses_names; pass class_names")
        labels_of = list(split.class_names or default_class_names(split.n_classes))
    kind = "l2" if name == "FLO" else attributes
    shown = split.original_attributes if kind == "original" else split.l2_attributes
    n_attributes = 0 if shown is None else shown.shape[1]
    table = make_class_table(
        split,
        labels_of,
        as_name_list(attribute_names, "attribute_names", n_attributes) if n_attributes else None,
        kind,
        scale=100.0 if name in _PERCENT else 1.0,
        missing_values=-1.0 if name in _MINUS_ONE else None,
        word_vectors=word_vectors,
    )
    path = split.path.parent / FEATURES_FILE
    found = read_matlab(
        path,
        ["features", "labels"],
        ["image_files"],
        dtypes={"features": np.float32},
        texts=["image_files"],
    )
    labels = as_index(found["labels"], f"labels of {path}", n=split.n_classes)
    features = found["features"]
    if features.ndim != 2 or features.shape[1] != len(labels):
        raise ValueError(
            f"{path} has {len(labels)} labels and features of shape {features.shape}; one column "
            "a picture is expected"
        )
    wrong = np.flatnonzero(~np.isfinite(features).all(axis=0))
    if wrong.size:
        raise ValueError(
            f"{path} has NaN or infinite features (or beyond float32) in {len(wrong)} row(s), "
            f"counted from 0: {quote_some(wrong)}."
        )
    if len(labels) < split.n_rows:
        raise ValueError(f"{split.path} numbers {split.n_rows} rows, {path} has {len(labels)}")
    target = np.array(labels_of)[labels]
    check_split_classes(split, target, str(path))
    data = {"data": np.ascontiguousarray(features.T)}
    if "image_files" in found:
        if len(found["image_files"]) != len(labels):
            raise ValueError(
                f"{path} has {len(labels)} labels and {len(found['image_files'])} image_files"
            )
        data["image_files"] = np.array([clean_name(file) for file in found["image_files"]])
    n, d = data["data"].shape
    heading = f"{name}: ready features of xlsa17"
    descr = _DESCR.format(
        name=name, line="-" * len(heading), n=n, d=d, c=table.n_classes, k=table.n_attributes
    )
    return make_bunch(data, target, table, split.parts, descr + describe_split(split, split.parts))
