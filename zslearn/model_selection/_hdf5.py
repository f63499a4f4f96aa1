"""HDF5 datasets by file and name, because h5py pickles none."""

from __future__ import annotations

import os
import sys
from typing import Any, NamedTuple

import numpy as np

__all__ = ["StoredDataset", "find_dataset"]


class StoredDataset(NamedTuple):
    """Where a dataset lies, and what it was."""

    path: str
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def open(self) -> Any:
        """Open it for reading, as it was."""
        import h5py

        try:
            dataset = h5py.File(self.path, "r")[self.name]
        except (OSError, KeyError) as error:
            raise OSError(
                f"The dataset {self.name!r} of {self.path} cannot be opened again ({error}). Open "
                "the file for reading only, h5py.File(path), before it goes to other processes, "
                "and keep it in its place."
            ) from None
        if dataset.shape != self.shape or dataset.dtype != self.dtype:
            raise ValueError(
                f"The dataset {self.name!r} of {self.path} had shape {self.shape} and dtype "
                f"{self.dtype} when it was pickled, and now has {dataset.shape} and "
                f"{dataset.dtype}."
            )
        return dataset


def find_dataset(store: Any) -> StoredDataset | None:
    """Locate a dataset of h5py; None if it is something else, or in no file."""
    h5py = sys.modules.get("h5py")
    if h5py is None or not isinstance(store, h5py.Dataset):
        return None
    file, name = store.file, store.name
    if file.driver == "core" or name is None or not os.path.exists(file.filename):
        return None
    if file.mode != "r":
        file.flush()  # what was written is to be read by others
    return StoredDataset(os.path.abspath(file.filename), name, store.shape, store.dtype)
