"""Groups of attributes: by labels, or by their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["groups_of"]


def groups_of(attribute_names: Sequence[str], attribute_groups: Any) -> Tensor | None:
    """Membership (G, K) of attributes in groups, or None where all are one group.

    Given are a label for each attribute, a boolean table (K, G), or "names", which takes what
    stands before "::" in a name.
    """
    if attribute_groups is None:
        return None
    if isinstance(attribute_groups, str):
        if not any("::" in name for name in attribute_names):
            return None
        labels = np.array([name.partition("::")[0] for name in attribute_names])
    else:
        labels = np.asarray(attribute_groups)
        if labels.ndim == 2 and len(labels) == len(attribute_names) and labels.dtype == np.bool_:
            return torch.from_numpy(labels.T[labels.any(axis=0)].copy())
        if labels.shape != (len(attribute_names),):
            raise ValueError(
                f"attribute_groups must have a label for each of the {len(attribute_names)} "
                f"attributes, or be a boolean table with a row for each; found shape "
                f"{labels.shape} and dtype {labels.dtype}"
            )
    return torch.from_numpy(labels == np.unique(labels)[:, None])
