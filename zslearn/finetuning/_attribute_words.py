"""Which attribute's word is masked, and what it is compared with: the draws of DUET."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["AttributeWords", "MaskedWord"]

MASK = "[MASK]"

# Times an attribute is drawn until some class can stand against it.
_TRIES = 3
# Texts that stand against one.
_N_NEGATIVES = 4


class MaskedWord(NamedTuple):
    """A masked attribute of a picture's class, and what it is compared with.

    Attributes
    ----------
    attribute : int
        The attribute.
    positive : int
        Another class that has it, or the same.
    negatives : ndarray of shape (4,) or (0,), int
        Classes without it; empty if there are none to compare with.
    negative_attributes : ndarray of shape (4,) or (0,), int
        An attribute of the same group that each of them has.
    """

    attribute: int
    positive: int
    negatives: NDArray[np.intp]
    negative_attributes: NDArray[np.intp]


class AttributeWords:
    """Tables over the seen classes that attributes, classes and texts are drawn by.

    Parameters
    ----------
    class_attributes : ndarray of shape (S, K)
        Descriptions of the seen classes.
    has : ndarray of shape (S, K), bool
        Which attributes a class has.
    names : sequence of str
        Words of the attributes.
    groups : sequence of str
        Group of each attribute, such as "color".
    """

    def __init__(
        self,
        class_attributes: NDArray[np.floating],
        has: NDArray[np.bool_],
        names: Sequence[str],
        groups: Sequence[str],
    ) -> None:
        self.has = has
        self.names = list(names)
        kinds = list(dict.fromkeys(groups))
        self.group_names = kinds
        self.group = np.array([kinds.index(group) for group in groups])
        # Rare attributes are drawn more often; one that no class has is never drawn.
        self.rarity = 1.0 / np.maximum(has.sum(axis=0), 1)
        least, most = class_attributes.min(), class_attributes.max()
        self.share = (class_attributes - least) / (most - least or 1.0)
        apart = np.abs(self.share[:, None] - self.share[None]).sum(axis=2) ** 2
        np.fill_diagonal(apart, 1.0)
        self.distance = apart

    def mask_shares(self, c: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Attributes of a class and how likely each is masked: the most common never is."""
        candidates = np.flatnonzero(self.has[c])
        rarity = self.rarity[candidates]
        span = np.ptp(rarity) if len(rarity) else 0.0
        weights = (rarity - rarity.min()) / span if span else np.ones(len(rarity))
        return candidates, weights / weights.sum()

    def parts_of_group(self, c: int, k: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Attributes of the group of k that class c lacks, and that it has."""
        alike = self.group == self.group[k]
        return np.flatnonzero(alike & ~self.has[c]), np.flatnonzero(alike & self.has[c])

    def positive_shares(self, c: int, k: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Classes that have attribute k, and how likely each is taken: rather one unlike c."""
        return _far_half(np.flatnonzero(self.has[:, k]), self.distance[c])

    def negative_shares(self, c: int, k: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Classes to stand against attribute k of class c, and how likely: rather one like c.

        They have nothing of what c has in the group, and something of what it lacks; or, if there
        is no such class, lack at least k.
        """
        absent, present = self.parts_of_group(c, k)
        something = self.has[:, absent].any(axis=1)
        found = np.flatnonzero(something & ~self.has[:, present].any(axis=1))
        if not len(found):
            others = present[present != k]
            found = np.flatnonzero(something & ~self.has[:, k] & self.has[:, others].any(axis=1))
        return _far_half(found, 1.0 / np.maximum(self.distance[c], np.finfo(float).tiny))

    def draw(self, c: int, rng: np.random.Generator) -> MaskedWord | None:
        """Draw an attribute to be masked in class c; None if it has none."""
        attributes, shares = self.mask_shares(c)
        if not len(attributes):
            return None
        none = np.empty(0, dtype=np.intp)
        for _ in range(_TRIES):
            k = int(rng.choice(attributes, p=shares))
            candidates, weights = self.negative_shares(c, k)
            if len(candidates):
                break
        classes, by_distance = self.positive_shares(c, k)
        positive = int(rng.choice(classes, p=by_distance))
        if not len(candidates):
            return MaskedWord(k, positive, none, none)
        two = min(2, len(candidates))
        chosen = rng.choice(candidates, two, replace=False, p=weights)
        negatives = np.repeat(chosen, _N_NEGATIVES // two)
        absent, _ = self.parts_of_group(c, k)
        words = [int(rng.choice(absent[self.has[other, absent]])) for other in negatives]
        return MaskedWord(k, positive, negatives, np.array(words, dtype=np.intp))

    def kept(
        self, c: int, drop: float, rng: np.random.Generator, keep: int | None = None
    ) -> NDArray[np.intp]:
        """Attributes of a class for a text, of which some are dropped, but not `keep`."""
        attributes = np.flatnonzero(self.has[c])
        stay = (rng.random(len(attributes)) >= drop) | (attributes == keep)
        return attributes[stay]

    def text(
        self, attributes: NDArray[np.intp], masked: int | None = None
    ) -> tuple[list[str], int | None]:
        """Words and signs that describe attributes by group, and the place of the one masked."""
        pieces: list[str] = []
        place = None
        for group in dict.fromkeys(self.group[attributes].tolist()):
            pieces += ["|"] if pieces else []
            pieces += [self.group_names[group], ":"]
            for number, k in enumerate(attributes[self.group[attributes] == group]):
                pieces += [","] if number else []
                if k == masked:
                    place = len(pieces)
                pieces.append(self.names[k])
        return [*pieces, "."], place

    def prompt(self) -> list[str]:
        """List the names of the groups: the text of a picture of which nothing is known."""
        pieces: list[str] = []
        for name in self.group_names:
            pieces += ["|", name, ":"] if pieces else [name, ":"]
        return [*pieces, "."]


def _far_half(
    classes: NDArray[np.intp], weights: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Keep the heavier half of some classes, and a class more; their shares by weight."""
    order = classes[np.argsort(-weights[classes], kind="stable")][: len(classes) // 2 + 1]
    return order, weights[order] / weights[order].sum()
