"""What the texts of DUET are made of: a table of classes, its attributes' names and groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from zslearn._described_classes import DescribedClasses
from zslearn.finetuning._attribute_words import AttributeWords

__all__ = ["groups_of", "prompt_of", "words_of"]


def groups_of(attribute_groups: Any, classes: DescribedClasses) -> list[str]:
    """Group of each attribute: where none are given, each is one of its own.

    Raises
    ------
    ValueError
        If there are not as many as attributes.
    """
    names = [str(name) for name in classes.table.attribute_names]
    if attribute_groups is None:
        return names
    groups = [str(group) for group in np.asarray(attribute_groups).tolist()]
    if len(groups) != len(names):
        raise ValueError(
            f"attribute_groups names {len(groups)} groups, but there are {len(names)} attributes: "
            "give the group of each"
        )
    return groups


def prompt_of(prompt: Any, classes: DescribedClasses, groups: list[str]) -> Tensor:
    """Vectors (L, V) that pictures attend to where there is no language model.

    Raises
    ------
    ValueError
        If they are not finite numbers of this shape.
    """
    if prompt is not None:
        given = torch.tensor(np.asarray(prompt), dtype=torch.float32)
        if given.ndim != 2 or not bool(torch.isfinite(given).all()):
            raise ValueError(
                "prompt must be finite numbers of shape (n_tokens, n_features), found shape "
                f"{tuple(given.shape)}"
            )
        return given
    kinds = list(dict.fromkeys(groups))
    vectors = classes.table.word_vectors
    if vectors is None:
        return torch.eye(len(kinds))  # through a linear map, a learned vector for each
    of_group = torch.tensor([[float(group == kind) for group in groups] for kind in kinds])
    known = torch.tensor(vectors, dtype=torch.float32)
    return of_group @ known / of_group.sum(dim=1, keepdim=True)


def words_of(classes: DescribedClasses, groups: list[str], threshold: float) -> AttributeWords:
    """Words of the seen classes: attributes above a threshold, of values scaled to 0 to 1."""
    seen = np.asarray(classes.values)[classes.seen]
    has = (seen - seen.min()) / (np.ptp(seen) or 1.0) > threshold
    return AttributeWords(seen, has, [str(name) for name in classes.table.attribute_names], groups)
