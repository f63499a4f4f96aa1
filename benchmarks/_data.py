"""Data sets that benchmarks share, with their published splits, and the ablations of CVsC."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zslearn import ClassAttributes
from zslearn.model_selection import GZSLSplit

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data"
DATASETS = ("cub50", "flo40", "awa1_bow", "digits", "field_guide")
_PARTS = ("trainval", "test_seen", "test_unseen")

# The design of the paper's Table 3.
VARIANTS: dict[str, dict[str, float]] = {
    "baseline": {"lambda_cc": 0.0, "lambda_sci": 0.0, "lambda_tci": 0.0},
    "w/o CC": {"lambda_cc": 0.0},
    "w/o SCI": {"lambda_sci": 0.0},
    "w/o TCI": {"lambda_tci": 0.0},
    "CVsC": {},
}


class DataSet(NamedTuple):
    """Features, labels, class table and the published split."""

    X: Any
    y: Any
    table: ClassAttributes
    split: GZSLSplit


def load(name: str, folder: Path = FOLDER) -> DataSet:
    """Load a data set by name; `folder` holds those that do not come with zslearn."""
    if name == "digits":
        from zslearn.datasets import load_digit_segments

        digits = load_digit_segments(random_state=0)
        return _from_bunch(digits.data, digits)
    if name == "field_guide":
        from zslearn.datasets import make_field_guide
        from zslearn.feature_extraction import PatchDictionaryExtractor

        guide = make_field_guide(random_state=0)
        extractor = PatchDictionaryExtractor(random_state=0).fit(guide.images[guide.train])
        return _from_bunch(extractor.transform(guide.images), guide)
    if name == "awa1_bow":
        data = np.load(folder / name / "awa1_bow_pca256.npz")
        names = data["class_names"]
        table = ClassAttributes(data["class_attributes_l2"], labels=names)
        split = GZSLSplit(*(data[part] for part in _PARTS))
        return DataSet(data["X"], names[data["label"]], table, split)
    return load_regions(folder / name)


def load_regions(folder: Path) -> DataSet:
    """Load regions of a folder, mapped from the file, and their meta data."""
    meta = np.load(folder / "meta.npz")
    named = {
        key: meta[stored]
        for key, stored in (
            ("attribute_names", "attribute_names"),
            ("word_vectors", "attribute_vectors"),
        )
        if stored in meta
    }
    values = meta["class_attributes"].astype(np.float64)
    table = ClassAttributes(values, labels=meta["class_names"], **named)
    split = GZSLSplit(*(np.flatnonzero(meta["split"] == part) for part in _PARTS))
    return DataSet(np.load(folder / "regions.npy", mmap_mode="r"), meta["label"], table, split)


def is_there(name: str, folder: Path = FOLDER) -> bool:
    """Whether a data set can be loaded."""
    return name in ("digits", "field_guide") or (folder / name).is_dir()


def _from_bunch(X: Any, bunch: Any) -> DataSet:
    split = GZSLSplit(bunch.train, bunch.test_seen, bunch.test_unseen)
    return DataSet(X, bunch.target, bunch.class_attributes, split)
