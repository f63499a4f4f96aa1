"""Problems of the sizes of the published benchmarks, made up, and the real regions of cub50."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zslearn import ClassAttributes

CUB50 = Path(__file__).resolve().parents[2] / "shared" / "data" / "cub50"

# Images, regions, features, attributes, classes, unseen classes.
SIZES = {
    "CUB ViT": (7057, 196, 768, 312, 200, 50),
    "SUN ViT": (10320, 196, 768, 102, 717, 72),
    "AWA2 ViT": (23527, 196, 768, 85, 50, 10),
    "CUB ResNet": (7057, 49, 2048, 312, 200, 50),
    "SUN ResNet": (10320, 49, 2048, 102, 717, 72),
    "AWA2 ResNet": (23527, 49, 2048, 85, 50, 10),
    "small": (2000, 1, 256, 85, 50, 10),
}


@dataclass
class Problem:
    """Regions, labels of seen classes and the table of all classes."""

    name: str
    X: NDArray[Any]
    y: NDArray[np.intp]
    table: ClassAttributes

    @property
    def seen(self) -> NDArray[np.intp]:
        """Classes that have images."""
        return np.unique(self.y)


def make_problem(name: str, n_images: int | None = None) -> Problem:
    """Random float16 regions of a benchmark's size; fewer images if told so."""
    n, n_regions, n_features, n_attributes, n_classes, n_unseen = SIZES[name]
    n = min(n, n_images or n)
    rng = np.random.default_rng(0)
    X = np.empty((n, n_regions, n_features), dtype=np.float16)
    for i in range(0, n, 64):
        X[i : i + 64] = rng.standard_normal((len(X[i : i + 64]), n_regions, n_features), np.float32)
    y = np.arange(n) % (n_classes - n_unseen)
    table = ClassAttributes(
        rng.random((n_classes, n_attributes)),
        word_vectors=rng.standard_normal((n_attributes, 300)),
    )
    return Problem(name, X, y, table)


def load_cub50(folder: Path = CUB50) -> Problem:
    """Load the 1,837 trainval images of cub50, real regions of 49 x 1280."""
    meta = np.load(folder / "meta.npz")
    rows = np.flatnonzero(meta["split"] == "trainval")
    labels, y = np.unique(meta["label"][rows], return_inverse=True)
    order = [*labels, *np.setdiff1d(meta["class_names"], labels)]
    position = {name: row for row, name in enumerate(meta["class_names"])}
    values = meta["class_attributes"][[position[name] for name in order]]
    table = ClassAttributes(
        values,
        attribute_names=meta["attribute_names"],
        word_vectors=meta["attribute_vectors"],
    )
    regions = np.load(folder / "regions.npy", mmap_mode="r")
    return Problem("cub50", regions[rows], y, table)


def as_float32(X: NDArray[Any]) -> torch.Tensor:
    """Regions as the literal implementation holds them."""
    return torch.from_numpy(X.astype(np.float32))
