"""Which parts of a bird the attributes of CUB-200-2011 speak of, read from their names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zslearn._table_checks import quote_some

__all__ = ["cub_attribute_parts"]

# The parts of CUB-200-2011, in the order of its parts.txt.
_PARTS = (
    *("back", "beak", "belly", "breast", "crown", "forehead", "left eye", "left leg"),
    *("left wing", "nape", "right eye", "right leg", "right wing", "tail", "throat"),
)

# What the first part of a name, without "has_", may hold, and the parts that this is.
_WORDS: dict[str, tuple[str, ...]] = {
    "bill": ("beak",),
    "eye": ("left eye", "right eye"),
    "leg": ("left leg", "right leg"),
    "wing": ("left wing", "right wing"),
    **{name: (name,) for name in _PARTS if " " not in name},
}
_AREAS: dict[str, tuple[str, ...]] = {
    "head": ("crown", "forehead", "left eye", "right eye", "nape"),
    "upperparts": ("back", "left wing", "right wing"),
    "underparts": ("belly", "breast", "throat"),
}
_WHOLE_BIRD = ("primary", "shape", "size")


def cub_attribute_parts(
    attribute_names: Sequence[str],
    part_names: Sequence[str] | None = None,
    *,
    areas: bool = True,
) -> NDArray[np.bool_]:
    """Tell which parts of the bird each attribute of CUB-200-2011 names.

    Parameters
    ----------
    attribute_names : sequence of str
        Names as in CUB's ``attributes.txt``, such as ``"has_bill_shape::dagger"``.
    part_names : sequence of str, default=None
        The parts wanted, of CUB's 15. ``None`` is all of them, in CUB's order (alphabetical).
    areas : bool, default=True
        Whether attributes of an area of several parts (head, upperparts, underparts; 41 of the 312)
        name these parts. With False they name none.

    Returns
    -------
    attribute_parts : ndarray of bool, of shape (n_attributes, n_parts)
        True where the attribute names the part. A row without any belongs to an attribute of the
        whole bird.

    Raises
    ------
    ValueError
        If a name is none of CUB's, or a part is unknown or given twice.

    See Also
    --------
    load_cub : Has the names, and `part_locations`.
    zslearn.inspection.part_regions_from_points : Regions near the points of parts.
    zslearn.metrics.attribute_localization_score : Takes the result as `attribute_parts`.

    Notes
    -----
    The word before ``::`` decides. Bill is the beak; eye, leg and wing are the left and the right
    one, as the attributes do not tell sides; upper tail and under tail are the tail. The head (of
    head patterns: eyebrow, crested, capped ...) is crown, forehead, nape and eyes, the upperparts
    are back and wings, and the underparts throat, breast and belly. Size, shape and primary colour
    are of the whole bird and name no part, 34 attributes. So 278 attributes name some part, 237
    without areas.

    Examples
    --------
    >>> from zslearn.datasets import cub_attribute_parts
    >>> names = ["has_bill_shape::dagger", "has_wing_color::blue", "has_size::small_(5_-_9_in)"]
    >>> cub_attribute_parts(names, ["beak", "left wing", "right wing"]).astype(int)
    array([[1, 0, 0],
           [0, 1, 1],
           [0, 0, 0]])
    """
    parts = list(_PARTS if part_names is None else map(str, part_names))
    unknown = [name for name in parts if name not in _PARTS]
    if unknown or not parts:
        raise ValueError(
            f"part_names holds {quote_some(unknown) if unknown else 'nothing'}; the parts of CUB "
            f"are {quote_some(_PARTS, len(_PARTS))}."
        )
    if len(set(parts)) < len(parts):
        raise ValueError("part_names holds a part twice: name each once.")
    named = [_named(str(name), areas) for name in attribute_names]
    strange = [
        str(name) for name, found in zip(attribute_names, named, strict=True) if found is None
    ]
    if strange:
        raise ValueError(
            f"attribute_names holds {len(strange)} name(s) that are none of CUB's: "
            f"{quote_some(strange)}. They look like 'has_bill_shape::dagger'."
        )
    return np.array(
        [[part in (found or ()) for part in parts] for found in named], dtype=bool
    ).reshape(len(named), len(parts))


def _named(name: str, areas: bool) -> tuple[str, ...] | None:
    """Parts that a name speaks of; None if it is no name of CUB's."""
    group, separator, _ = name.partition("::")
    if not separator or not group.startswith("has_"):
        return None
    words = group.removeprefix("has_").split("_")
    for word in words:
        if word in _WORDS:
            return _WORDS[word]
        if word in _AREAS:
            return _AREAS[word] if areas else ()
    return () if words[0] in _WHOLE_BIRD else None
