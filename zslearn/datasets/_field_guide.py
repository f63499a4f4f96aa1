"""A field guide of made-up birds: pictures, class table, and what each picture really shows."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.random import RandomState
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, validate_params

from zslearn.attributes import ClassAttributes
from zslearn.datasets import _field_guide_classes as species
from zslearn.datasets._field_guide_pictures import draw_poses, paint_pictures
from zslearn.datasets._field_guide_scenes import draw_scenes
from zslearn.datasets._split import split_pictures

__all__ = ["make_field_guide"]

_CHUNK = 64  # pictures painted at once: small enough for the processor's cache

_DESCR = """\
A field guide of made-up birds
------------------------------

{n_samples} pictures ({image_size} x {image_size} pixels, RGB) of {n_classes} made-up species,
{n_unseen} of them unseen, described by {n_attributes} attributes in {n_groups} groups on
{n_parts} parts of the body. difficulty={difficulty}, correlation={correlation}.

A class is a row of frequencies: how often its individuals have each attribute. Every individual
draws one value per group from its class's row (`attributes_present`). Pose, crop and things in
front of the bird then hide some of them; `attributes_shown` are those the picture still shows:

- a colour, if at least {color:.0%} of its part's pixels are visible,
- a pattern, if at least {pattern:.0%} are,
- a shape, if at least {shape:.0%} are.

On average {shown:.0%} of what individuals have is shown.

Among the seen classes some attributes go together (`confounded_attributes`), so that a model can
score well there by looking at the wrong part. Among the unseen classes they do not.
"""


@validate_params(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "n_classes": [Interval(Integral, 1, species.MAX_CLASSES, closed="both")],
        "n_unseen": [Interval(Integral, 0, None, closed="left")],
        "image_size": [Interval(Integral, 32, 512, closed="both")],
        "difficulty": [Interval(Real, 0, 1, closed="both")],
        "correlation": [Interval(Real, 0, 1, closed="both")],
        "test_size": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_field_guide(
    n_samples: int = 1500,
    *,
    n_classes: int = 40,
    n_unseen: int = 10,
    image_size: int = 64,
    difficulty: float = 0.5,
    correlation: float = 0.5,
    test_size: float = 0.2,
    random_state: int | RandomState | None = None,
) -> Bunch:
    """Make a field guide: pictures of made-up birds, described by attributes.

    A zero-shot benchmark that needs no download and knows the truth. Its classes are described
    completely, as in CUB; its pictures, as in life, show less: individuals differ, and pose, crop
    and whatever stands in front of a bird hide parts of it. That mismatch between the annotation of
    a class and what one picture shows is a cause of spurious visual-semantic correlation. Here it
    is measured: `attributes_present` and `attributes_shown` say of every picture what the bird has
    and what can be seen of it, `part_map` says where.

    Parameters
    ----------
    n_samples : int, default=1500
        Number of pictures, spread over the classes as evenly as it goes; at least two a class.
    n_classes : int, default=40
        Number of classes (species), at most 200.
    n_unseen : int, default=10
        How many of them are unseen. At least 6 classes must be seen: the largest group of
        attributes has 6 values, and every value is the usual one of some seen class.
    image_size : int, default=64
        Side of the square pictures in pixels, from 32 to 512.
    difficulty : float, default=0.5
        From 0 to 1, how much pictures vary and hide. At 0 every individual has exactly its class's
        usual values and stands unobstructed in the same pose. At 1 a value that is usual for a
        class is missing from a quarter of its individuals, and a third of what an individual has is
        hidden. It scales the spread of the frequencies, pose, crop, occluders, clutter,
        lighting and noise alike.
    correlation : float, default=0.5
        From 0 to 1, the share of the seen classes in which the second group of a pair (breast
        colour, back colour, face colour, breast pattern, leg colour) follows the first (crown
        colour, wing colour, belly colour, wing pattern, bill colour). Chance agreement comes on
        top. Unseen classes draw both groups independently, so that a model that has learned the
        correlation instead of the attribute fails on them. At 1 a few classes are exempt, where a
        value would otherwise be usual in no seen class.
    test_size : float, default=0.2
        Share of each seen class's pictures that goes to `test_seen`; at least one, never all.
    random_state : int, RandomState instance or None, default=None
        Determines everything drawn. Pass an int for the same field guide in every call.

    Returns
    -------
    field_guide : :class:`~sklearn.utils.Bunch`
        With the following attributes, K = 59 attributes and P = 10 parts:

        images : ndarray of shape (n_samples, image_size, image_size, 3), uint8
            RGB pictures, classes in random order.
        target : ndarray of shape (n_samples,), str
            Class names.
        class_attributes : ClassAttributes
            `values` of shape (n_classes, K): how often individuals of a class have each attribute,
            in [0, 1]; the values of a group sum to 1. `labels` are the class names, sorted.
        seen_classes, unseen_classes : ndarray of str
            Class names, sorted.
        train, test_seen, test_unseen : ndarray of int
            Row indices: pictures of seen classes to fit on, those held out, and all pictures of
            unseen classes.
        attributes_present : ndarray of shape (n_samples, K), bool
            What the individual has: exactly one value of each group.
        attributes_shown : ndarray of shape (n_samples, K), bool
            What the picture shows of it: the part's visible share reaches `attribute_shares`.
        attribute_groups : ndarray of shape (K,), int
            Index into `group_names` of each attribute.
        attribute_parts : ndarray of shape (K,), int
            Index into `part_names` of the part that carries each attribute.
        attribute_shares : ndarray of shape (K,), float
            Visible share of a part at which an attribute counts as shown: 0.25 for a colour, 0.5
            for a pattern, 0.6 for a shape.
        group_names, part_names : tuple of str
            Names such as ``"has_bill_shape"``; names such as ``"bill"``.
        confounded_attributes : ndarray of shape (M, 2), int
            Pairs of attributes that `correlation` makes go together among seen classes.
        part_map : ndarray of shape (n_samples, image_size, image_size), uint8
            Which part each pixel shows: p + 1 for part p; 0 for background and occluders.
        part_visible : ndarray of shape (n_samples, P), float64
            Share of a part's pixels that the picture shows; 0 for a closed eye or tucked-in legs.
        part_centers : ndarray of shape (n_samples, P, 2), float64
            Centre (x, y) of what is visible of each part, as a share of the picture's side, from
            the upper left corner. Of a part that is not visible, the centre of the whole part,
            clipped to the picture.
        DESCR : str
            Description of the data set.

    Raises
    ------
    ValueError
        If fewer than 6 classes would be seen, or there are fewer than two pictures a class.

    See Also
    --------
    load_digit_segments : Real handwritten digits described by seven segments.
    zslearn.feature_extraction.PatchDictionaryExtractor : Region features of such pictures.

    Notes
    -----
    The class table holds the very frequencies the individuals are drawn from, not estimates from
    the drawn ones. They are fractions; CUB's original table holds percentages. Any two classes
    differ in the usual value of at least 4 of the 16 groups.

    The same `random_state` draws the same classes at any `difficulty`, only with more or less
    spread.

    References
    ----------
    .. [1] C. Wah, S. Branson, P. Welinder, P. Perona, S. Belongie, "The Caltech-UCSD Birds-200-2011
       Dataset", Technical Report CNS-TR-2011-001, California Institute of Technology, 2011.
    .. [2] C. H. Lampert, H. Nickisch, S. Harmeling, "Attribute-Based Classification for Zero-Shot
       Visual Object Categorization", IEEE TPAMI 36(3), 2014.

    Examples
    --------
    >>> from zslearn.datasets import make_field_guide
    >>> birds = make_field_guide(120, n_classes=12, n_unseen=3, random_state=0)
    >>> birds.images.shape, birds.images.dtype
    ((120, 64, 64, 3), dtype('uint8'))
    >>> birds.class_attributes.values.shape
    (12, 59)
    >>> birds.class_attributes.attribute_names[:2]
    ('has_bill_shape::cone', 'has_bill_shape::dagger')
    >>> len(birds.train), len(birds.test_seen), len(birds.test_unseen)
    (72, 18, 30)
    >>> bool(birds.attributes_shown.sum() < birds.attributes_present.sum())
    True
    """
    if n_classes - n_unseen < species.MIN_SEEN:
        raise ValueError(
            f"n_classes={n_classes} and n_unseen={n_unseen} leave {n_classes - n_unseen} seen "
            f"classes, but every attribute value must occur in one: use at least "
            f"{species.MIN_SEEN} seen classes."
        )
    if n_samples < 2 * n_classes:
        raise ValueError(
            f"n_samples={n_samples} is fewer than two pictures for each of n_classes={n_classes}: "
            f"use n_samples >= {2 * n_classes} or fewer classes."
        )
    rng = check_random_state(random_state)
    names = species.draw_class_names(n_classes, rng)
    is_seen = np.ones(n_classes, dtype=bool)
    is_seen[rng.permutation(n_classes)[:n_unseen]] = False
    dominant = species.draw_dominant_values(is_seen, correlation, rng)
    frequencies = species.draw_frequencies(dominant, difficulty, rng)

    target = rng.permutation(np.arange(n_samples) % n_classes)
    train, test_seen, test_unseen = split_pictures(target, is_seen, test_size, rng)
    values = species.draw_individuals(frequencies, target, rng)
    poses, crops = draw_poses(n_samples, image_size, difficulty, rng)
    spots = 0.5 + difficulty * rng.uniform(-0.5, 0.5, size=(n_samples, 2))
    faces_left = rng.uniform(size=n_samples) < 0.5 * min(4 * difficulty, 1.0)
    scenes = draw_scenes(n_samples, difficulty, rng)

    out: dict[str, Any] = {"images": [], "part_map": [], "part_visible": [], "part_centers": []}
    for start in range(0, n_samples, _CHUNK):
        rows = slice(start, min(start + _CHUNK, n_samples))
        noise = rng.normal(size=(rows.stop - start, 3, image_size, image_size))
        painted = paint_pictures(
            values[rows],
            poses[rows],
            crops[rows],
            spots[rows],
            faces_left[rows],
            scenes[rows],
            noise,
            image_size,
        )
        for key, stack in zip(out, painted, strict=True):
            out[key].append(stack)
    out = {key: np.concatenate(stacks) for key, stacks in out.items()}

    present = np.zeros((n_samples, len(species.ATTRIBUTE_NAMES)), dtype=bool)
    present[np.arange(n_samples)[:, None], values + species.GROUP_STARTS] = True
    shares = out["part_visible"][:, species.ATTRIBUTE_PARTS]
    shown = present & (shares >= species.ATTRIBUTE_SHARES)
    return Bunch(
        **out,
        target=names[target],
        class_attributes=ClassAttributes(
            frequencies, labels=names, attribute_names=species.ATTRIBUTE_NAMES
        ),
        seen_classes=names[is_seen],
        unseen_classes=names[~is_seen],
        train=train,
        test_seen=test_seen,
        test_unseen=test_unseen,
        attributes_present=present,
        attributes_shown=shown,
        attribute_groups=species.ATTRIBUTE_GROUPS.copy(),
        attribute_parts=species.ATTRIBUTE_PARTS.copy(),
        attribute_shares=species.ATTRIBUTE_SHARES.copy(),
        group_names=species.GROUP_NAMES,
        part_names=species.PART_NAMES,
        confounded_attributes=species.confounded_attributes(),
        DESCR=_DESCR.format(
            n_samples=n_samples,
            image_size=image_size,
            n_classes=n_classes,
            n_unseen=n_unseen,
            n_attributes=len(species.ATTRIBUTE_NAMES),
            n_groups=len(species.GROUPS),
            n_parts=len(species.PART_NAMES),
            difficulty=difficulty,
            correlation=correlation,
            shown=shown.sum() / present.sum(),
            **species.SHOWN_SHARES,
        ),
    )
