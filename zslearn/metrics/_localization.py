"""Whether attributes look at the part of the picture they name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import StrOptions

from zslearn.metrics._validation import validate_params

# Values of attention looked at together: 32 MiB in float64.
_CHUNK_VALUES = 2**22


class AttributeLocalization(NamedTuple):
    """What :func:`attribute_localization_score` returns.

    Attributes
    ----------
    score : float
        Mean share of attention (or of peaks) inside the right region, from 0 to 1.
    chance : float
        The same mean for attention spread evenly over all regions: the mean share of regions that
        are right.
    n_pairs : int
        Pairs of a picture and an attribute that were judged.
    attribute_scores : ndarray of shape (n_attributes,) and dtype float64
        Mean over the pairs of each attribute; NaN for those without any.
    attribute_chances : ndarray of shape (n_attributes,) and dtype float64
        Chance of each attribute, on its own pairs; NaN for those without any.
    attribute_pairs : ndarray of shape (n_attributes,) and dtype intp
        Pairs of each attribute.
    """

    score: float
    chance: float
    n_pairs: int
    attribute_scores: NDArray[np.float64]
    attribute_chances: NDArray[np.float64]
    attribute_pairs: NDArray[np.intp]

    @property
    def gain(self) -> float:
        """How many times as much as by chance."""
        return self.score / self.chance


def check_part_regions(part_regions: Any) -> Any:
    """Refuse what is not a boolean array of shape (n, P, R); it may stay on disk."""
    regions = part_regions if hasattr(part_regions, "shape") else np.asarray(part_regions)
    if len(regions.shape) != 3 or 0 in regions.shape:
        raise ValueError(
            "part_regions must have shape (n_samples, n_parts, n_regions), none of them 0; found "
            f"shape {tuple(regions.shape)}."
        )
    if np.dtype(regions.dtype) != np.bool_:
        raise TypeError(
            f"part_regions must be boolean, True where a region shows the part; found dtype "
            f"{regions.dtype}. Compare with a threshold, for example part_regions > 0."
        )
    return regions


def as_membership(attribute_parts: ArrayLike, n_parts: int) -> NDArray[np.bool_]:
    """Turn numbers of parts, -1 for none, into a boolean table (K, P); check one that is given."""
    parts = np.asarray(attribute_parts)
    if parts.ndim == 2 and parts.dtype == np.bool_ and len(parts):
        if parts.shape[1] != n_parts:
            raise ValueError(
                f"attribute_parts has {parts.shape[1]} columns but part_regions has {n_parts} "
                "parts; give one column for each part, in the same order."
            )
        return parts
    if parts.ndim != 1 or parts.dtype.kind not in "iu" or not len(parts):
        raise ValueError(
            "attribute_parts must hold the number of a part for each attribute (-1 for none), or "
            "be boolean of shape (n_attributes, n_parts); found shape "
            f"{parts.shape} and dtype {parts.dtype}."
        )
    if parts.min() < -1 or parts.max() >= n_parts:
        raise ValueError(
            f"attribute_parts holds numbers from {parts.min()} to {parts.max()}, but part_regions "
            f"has {n_parts} parts: 0 to {n_parts - 1}, or -1 for no part."
        )
    return np.asarray(parts[:, np.newaxis] == np.arange(n_parts))


def regions_of_attributes(
    part_regions: NDArray[np.bool_], membership: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Regions (n, K, R) that show any of the parts of each attribute."""
    n, n_parts, n_regions = part_regions.shape
    if (membership.sum(axis=1) <= 1).all():
        padded = np.concatenate([part_regions, np.zeros((n, 1, n_regions), dtype=bool)], axis=1)
        single = np.where(membership.any(axis=1), membership.argmax(axis=1), n_parts)
        return np.asarray(padded[:, single])
    counts = np.matmul(membership.astype(np.float32), part_regions.astype(np.float32))
    return np.asarray(counts > 0)


def check_shown(shown: Any, n_samples: int, n_attributes: int) -> NDArray[np.bool_] | None:
    """Refuse what is not a boolean array of shape (n, K)."""
    if shown is None:
        return None
    array = np.asarray(shown)
    if array.dtype != np.bool_ or array.shape != (n_samples, n_attributes):
        raise ValueError(
            f"shown must be boolean of shape {(n_samples, n_attributes)}: one row for each sample, "
            f"one column for each attribute; found shape {array.shape} and dtype {array.dtype}."
        )
    return array


class PairShares:
    """Share of attention in the right region of each pair, NaN where there is nothing to judge.

    Parameters
    ----------
    part_regions : array of bool, of shape (n, P, R)
    membership : ndarray of bool, of shape (K, P)
    shown : ndarray of bool, of shape (n, K), or None
    method : {"mass", "peak"}
    """

    def __init__(self, part_regions: Any, membership: Any, shown: Any, method: str) -> None:
        self.part_regions, self.membership = part_regions, membership
        self.shown, self.method = shown, method
        self.n_samples, self.n_regions = part_regions.shape[0], part_regions.shape[2]
        # Attributes to which some part belongs: the others need no maps.
        self.attributes = np.flatnonzero(membership.any(axis=1))
        self.shares = np.full((self.n_samples, len(membership)), np.nan)
        self.chances = self.shares.copy()
        self.n_done = 0

    def add(self, attention: Any) -> None:
        """Judge the next pictures: maps (b, n_named, R) of the attributes named by `attributes`."""
        start = self.n_done
        step = max(1, _CHUNK_VALUES // max(1, attention[:1].size))
        for first in range(0, len(attention), step):
            maps = np.asarray(attention[first : first + step], dtype=np.float64)
            rows = slice(start + first, start + first + len(maps))
            _check_maps(maps, rows.start, self.attributes)
            right = regions_of_attributes(
                np.asarray(self.part_regions[rows]), self.membership[self.attributes]
            )
            judged = np.asarray(right.any(axis=2))
            if self.shown is not None:
                judged &= self.shown[rows][:, self.attributes]
            inside = _inside(maps, right, judged, rows.start, self.attributes, self.method)
            self.shares[rows, self.attributes] = inside
            self.chances[rows, self.attributes] = np.where(judged, right.mean(axis=2), np.nan)
        self.n_done += len(attention)

    def result(self, average: str) -> AttributeLocalization:
        """Average over pairs, or over the means of attributes."""
        judged = ~np.isnan(self.shares)
        counts = judged.sum(axis=0)
        if not counts.any():
            raise ValueError(
                "There is no pair to judge: no attribute that names a part is shown in a picture "
                "in which the part has a region. Check attribute_parts, part_regions and shown."
            )
        means = []
        for values in (self.shares, self.chances):
            total = np.where(judged, values, 0.0).sum(axis=0)
            by_attribute = np.full(len(counts), np.nan)
            np.divide(total, counts, out=by_attribute, where=counts > 0)
            overall = (
                by_attribute[counts > 0].mean()
                if average == "attribute"
                else total.sum() / counts.sum()
            )
            means.append((float(overall), by_attribute))
        (score, scores), (chance, chances) = means
        return AttributeLocalization(score, chance, int(counts.sum()), scores, chances, counts)


def _check_maps(maps: NDArray[np.float64], first_row: int, attributes: NDArray[np.intp]) -> None:
    wrong = ~np.isfinite(maps) | (maps < 0)
    if wrong.any():
        row, place, _ = np.argwhere(wrong)[0]
        raise ValueError(
            f"attention holds {np.count_nonzero(wrong)} NaN, infinite or negative values, the "
            f"first in sample {first_row + row}, attribute {attributes[place]}; shares of "
            "attention are finite and not negative."
        )


def _inside(
    maps: NDArray[np.float64],
    right: NDArray[np.bool_],
    judged: NDArray[np.bool_],
    first_row: int,
    attributes: NDArray[np.intp],
    method: str,
) -> NDArray[np.float64]:
    largest = maps.max(axis=2, keepdims=True)
    empty = judged & (largest[..., 0] == 0)
    if empty.any():
        row, place = np.argwhere(empty)[0]
        raise ValueError(
            f"attention is 0 in every region for sample {first_row + row}, attribute "
            f"{attributes[place]}: it has no share and no peak."
        )
    if method == "peak":
        weights = (maps == largest).astype(np.float64)
    else:
        # By the largest first, so that tiny values do not vanish in the sum.
        weights = np.divide(maps, largest, out=np.zeros_like(maps), where=largest > 0)
    total = weights.sum(axis=2)
    share = np.full(total.shape, np.nan)
    return np.divide((weights * right).sum(axis=2), total, out=share, where=judged)


def _batches(attention: Any) -> Iterator[Any]:
    """Batches of maps, of an array as well as of an iterator of arrays."""
    if not hasattr(attention, "__next__"):
        yield attention if hasattr(attention, "shape") else np.asarray(attention)
        return
    for batch in attention:
        yield batch if hasattr(batch, "shape") else np.asarray(batch)


@validate_params(
    {
        "attention": "no_validation",
        "part_regions": "no_validation",
        "attribute_parts": ["array-like"],
        "shown": ["array-like", None],
        "method": [StrOptions({"mass", "peak"})],
        "average": [StrOptions({"attribute", "pair"})],
    }
)
def attribute_localization_score(
    attention: Any,
    part_regions: Any,
    attribute_parts: ArrayLike,
    *,
    shown: ArrayLike | None = None,
    method: Literal["mass", "peak"] = "mass",
    average: Literal["attribute", "pair"] = "attribute",
) -> AttributeLocalization:
    r"""How much of an attribute's attention falls on the part that the attribute names.

    Attention maps are shown in figures to argue that a model looks at the bill when it judges the
    bill. Where the true places of parts are known, this is a number.

    Parameters
    ----------
    attention : array-like of shape (n_samples, n_attributes, n_regions), or iterator of such
        Not negative, such as an estimator's ``attention_maps``; a map counts the same whatever its
        sum. A memory map is read in chunks. An iterator (a generator, say) gives the samples batch
        by batch, so that the maps of all of them need never exist at once.
    part_regions : array of bool, of shape (n_samples, n_parts, n_regions)
        Whether a region shows some of a part. All False for a part that cannot be seen.
    attribute_parts : array-like of int of shape (n_attributes,), or bool (n_attributes, n_parts)
        The part that each attribute names, -1 for none; or, boolean, the parts, of which any is
        right (such as the left and the right wing).
    shown : array-like of bool, of shape (n_samples, n_attributes), default=None
        Whether the picture shows the attribute: where a model looks for a red bill on a bird whose
        bill is yellow has no right answer. ``None`` judges every attribute whose part is visible.
    method : {"mass", "peak"}, default="mass"
        - "mass": the share of attention inside the right regions;
        - "peak": whether the region with the most attention is a right one; of several that share
          the maximum, the share of them that is.
    average : {"attribute", "pair"}, default="attribute"
        - "attribute": mean over attributes of the mean over the pictures that show each, so that
          colours of which every picture shows one do not outweigh rare shapes;
        - "pair": mean over all pairs of a picture and an attribute.

    Returns
    -------
    result : AttributeLocalization
        Named tuple ``(score, chance, n_pairs, attribute_scores, attribute_chances,
        attribute_pairs)``. ``chance`` is the score of attention spread evenly, for either method;
        ``result.gain`` is score / chance.

    Raises
    ------
    ValueError
        If shapes disagree, attention is NaN, infinite, negative or zero throughout a map that is
        judged, or there is no pair to judge.
    TypeError
        If `part_regions` is not boolean.

    See Also
    --------
    zslearn.inspection.estimate_attribute_localization : The same of an estimator, in batches.
    zslearn.inspection.part_regions_from_map : Regions of parts from a map of parts.
    zslearn.inspection.part_regions_from_points : Regions of parts from points.
    zslearn.datasets.cub_attribute_parts : The parts that CUB's attributes name.

    Notes
    -----
    A pair (n, k) is judged if attribute k names a part, the part has a region in picture n and
    `shown` allows it. With attention :math:`M_{nkr}` and right regions :math:`G_{nk}`, its mass is

    .. math:: \sum_{r \in G_{nk}} M_{nkr} \,/\, \sum_r M_{nkr}.

    The score rises with the size of the right regions, as chance does: compare models on the same
    regions, and scores with chance. Objects are mostly near the middle of a picture, so attention
    that finds the object but not the part is already above chance; the score of the attributes'
    mean map, ``attention.mean(axis=1, keepdims=True)`` repeated for each, tells how far.

    Examples
    --------
    >>> from zslearn.metrics import attribute_localization_score
    >>> attention = [[[0.7, 0.1, 0.1, 0.1], [0.4, 0.3, 0.2, 0.1]]]  # 1 picture, 2 attributes
    >>> part_regions = [[[True, False, False, False], [False, False, True, True]]]
    >>> result = attribute_localization_score(attention, part_regions, [0, 1])
    >>> round(result.score, 3), round(result.chance, 3), result.n_pairs
    (0.5, 0.375, 2)
    >>> attribute_localization_score(attention, part_regions, [0, 1], method="peak").score
    0.5
    """
    regions = check_part_regions(part_regions)
    n_samples, n_parts, n_regions = regions.shape
    membership = as_membership(attribute_parts, n_parts)
    n_attributes = len(membership)
    pairs = PairShares(regions, membership, check_shown(shown, n_samples, n_attributes), method)
    for maps in _batches(attention):
        if len(maps.shape) != 3 or tuple(maps.shape[1:]) != (n_attributes, n_regions):
            raise ValueError(
                "attention must have shape (n_samples, n_attributes, n_regions), here with "
                f"{n_attributes} attributes (as attribute_parts) and {n_regions} regions (as "
                f"part_regions); found shape {tuple(maps.shape)}."
            )
        if pairs.n_done + len(maps) > n_samples:
            raise ValueError(
                f"attention has {'at least ' if hasattr(attention, '__next__') else ''}"
                f"{pairs.n_done + len(maps)} samples but part_regions has {n_samples}; give the "
                "regions of the same samples."
            )
        pairs.add(_Columns(maps, pairs.attributes))
    if pairs.n_done < n_samples:
        raise ValueError(
            f"attention has {pairs.n_done} samples but part_regions has {n_samples}; give the "
            "regions of the same samples."
        )
    return pairs.result(average)


class _Columns:
    """Some attributes of maps, cut from rows when these are read."""

    def __init__(self, maps: Any, attributes: NDArray[np.intp]) -> None:
        self.maps, self.attributes = maps, attributes

    def __len__(self) -> int:
        return len(self.maps)

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        part = np.asarray(self.maps[rows])
        whole = len(self.attributes) == part.shape[1]
        return part if whole else part[:, self.attributes]
