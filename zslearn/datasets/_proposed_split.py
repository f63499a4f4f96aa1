"""The files of the Proposed Split: which rows are trained on, and what describes the classes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zslearn._containers import as_path
from zslearn._table_checks import quote_some
from zslearn.datasets._matlab import as_index, read_matlab
from zslearn.model_selection import PredefinedSeenUnseenSplit

SPLITS_FILE = "att_splits.mat"
BENCHMARKS = ("CUB", "SUN", "AWA1", "AWA2", "APY", "FLO")
_PARTS = ("trainval", "test_seen", "test_unseen")


@dataclass(frozen=True)
class ProposedSplit:
    """What `att_splits.mat` holds, with rows counted from 0 and classes first."""

    path: Path
    class_names: tuple[str, ...] | None
    l2_attributes: NDArray[np.float64]
    original_attributes: NDArray[np.float64] | None
    trainval: NDArray[np.intp]
    test_seen: NDArray[np.intp]
    test_unseen: NDArray[np.intp]
    train: NDArray[np.intp] | None
    val: NDArray[np.intp] | None
    n_dropped: int  # rows of train and val that are outside trainval

    @property
    def n_classes(self) -> int:
        """Number of columns of the distributed class table."""
        return len(self.l2_attributes)

    @property
    def n_rows(self) -> int:
        """One more than the last row that a part names."""
        return 1 + max(int(part.max()) for part in self.parts.values() if part.size)

    @property
    def parts(self) -> dict[str, NDArray[np.intp]]:
        """Index arrays by name, those of train and val only where the file has them."""
        parts = {name: getattr(self, name) for name in _PARTS}
        if self.train is not None and self.val is not None:
            parts |= {"train": self.train, "val": self.val}
        return parts


def find_splits(
    name: str,
    splits: str | os.PathLike[str] | None,
    root: str | os.PathLike[str],
    inner: Path | None = None,
    *,
    argument: str = "splits",
) -> Path:
    """Path of att_splits.mat: as told, or in the usual places in and beside the data set."""
    base = as_path(root, "root")
    near = [base, inner or base, base.absolute().parent, (inner or base).absolute().parent]
    archive = "cvpr18xian" if name == "FLO" else "xlsa17"  # xlsa17.zip holds the other five
    inside = [f"{archive}/data/{name}", f"data/{name}", f"{archive}/{name}", name]
    if splits is not None:
        given = as_path(splits, "splits", "a file or a folder")
        if given.is_file():
            return given
        if not given.exists():
            raise FileNotFoundError(f"{argument}={str(splits)!r} does not exist")
        tried = [given / folder / SPLITS_FILE for folder in [*inside, "."]]
        what = f"{argument}={str(splits)!r}"
    else:
        tried = [base / folder / SPLITS_FILE for base in near for folder in [*inside, "."]]
        what = "splits=None"
    for path in dict.fromkeys(tried):
        home = path.parent.name.upper()
        if path.is_file() and (home == name or home not in BENCHMARKS):
            return path
    raise FileNotFoundError(
        f"{what}: no {SPLITS_FILE} of {name}; looked for {quote_some(map_str(tried), 4)}. The "
        f"split is distributed in {archive}.zip: unpack it and pass {argument}='.../{archive}'."
    )


def map_str(paths: Iterable[Path]) -> list[str]:
    """Distinct paths as text, in order."""
    return list(dict.fromkeys(str(path) for path in paths))


def read_splits(path: Path) -> ProposedSplit:
    """Read and check an att_splits.mat."""
    locs = [f"{name}_loc" for name in _PARTS]
    found = read_matlab(
        path,
        ["att", *locs],
        ["original_att", "allclasses_names", "train_loc", "val_loc"],
        dtypes={"att": np.float64, "original_att": np.float64},
        texts=["allclasses_names"],
    )
    tables = {key: found[key].T for key in ("att", "original_att") if key in found}
    if tables["att"].ndim != 2 or 0 in tables["att"].shape:
        raise ValueError(f"{path}: att must be a table, found shape {found['att'].shape}")
    original = tables.get("original_att")
    if original is not None and len(original) != len(tables["att"]):
        raise ValueError(
            f"{path}: original_att has {len(original)} columns (classes), att {len(tables['att'])}"
        )
    names = found.get("allclasses_names")
    if names is not None and len(names) != len(tables["att"]):
        raise ValueError(
            f"{path}: allclasses_names has {len(names)} entries, att has {len(tables['att'])} "
            "columns"
        )
    rows = {
        key: as_index(found[key], f"{key} of {path}")
        for key in [*locs, "train_loc", "val_loc"]
        if key in found
    }
    try:
        PredefinedSeenUnseenSplit(*(rows[loc] for loc in locs))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    train, val, n_dropped = _sound_train_val(rows)
    return ProposedSplit(
        path=path,
        class_names=None if names is None else tuple(name.strip() for name in names),
        l2_attributes=tables["att"],
        original_attributes=original,
        trainval=rows["trainval_loc"],
        test_seen=rows["test_seen_loc"],
        test_unseen=rows["test_unseen_loc"],
        train=train,
        val=val,
        n_dropped=n_dropped,
    )


def _sound_train_val(
    rows: dict[str, NDArray[np.intp]],
) -> tuple[NDArray[np.intp] | None, NDArray[np.intp] | None, int]:
    """Rows of train and val inside trainval; most files put the seen test rows among them."""
    if "train_loc" not in rows or "val_loc" not in rows:
        return None, None, 0
    kept = [
        part[np.isin(part, rows["trainval_loc"])] for part in (rows["train_loc"], rows["val_loc"])
    ]
    n_dropped = len(rows["train_loc"]) + len(rows["val_loc"]) - sum(map(len, kept))
    if not all(part.size for part in kept) or np.intersect1d(kept[0], kept[1]).size:
        return None, None, n_dropped
    return kept[0], kept[1], n_dropped


def check_split_classes(split: ProposedSplit, target: NDArray[np.str_], source: str) -> None:
    """Refuse labels for which the parts of the split do not part the classes.

    The published parts share no class between `trainval` and `test_unseen`, so rows in another
    order than that of the split are found out here. Empty labels are unknown ones.
    """

    def classes(part: NDArray[np.intp]) -> set[str]:
        return set(np.unique(target[part]).tolist()) - {""}

    trained, tested = classes(split.trainval), classes(split.test_seen)
    unseen = classes(split.test_unseen)
    for what, wrong in (
        ("in trainval and in test_unseen", trained & unseen),
        ("in test_seen and in test_unseen", tested & unseen),
        ("in test_seen and not in trainval", tested - trained),
    ):
        if wrong:
            raise ValueError(
                f"{len(wrong)} class(es) are {what}: {quote_some(sorted(wrong))}. The rows of "
                f"{split.path} and the labels of {source} do not belong together: another data "
                "set, another version, or another order of the pictures."
            )
    if split.train is not None and split.val is not None:
        both = classes(split.train) & classes(split.val)
        if both:
            raise ValueError(
                f"{len(both)} class(es) are in train_loc and in val_loc of {split.path}: "
                f"{quote_some(sorted(both))}. The classes of val play the unseen."
            )
