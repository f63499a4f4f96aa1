"""What the birds of the field guide are made of: parts, attributes, classes, individuals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import RandomState

__all__: list[str] = []

PART_NAMES = ("bill", "eye", "crown", "face", "breast", "belly", "back", "wing", "tail", "legs")


@dataclass(frozen=True)
class Group:
    """One question of the questionnaire: exactly one of ``values`` is true of an individual."""

    name: str
    part: str
    values: tuple[str, ...]

    @property
    def kind(self) -> str:
        """Return what the group describes: ``"color"``, ``"pattern"`` or ``"shape"``."""
        return self.name.rsplit("_", 1)[1]


GROUPS = (
    Group("has_bill_shape", "bill", ("cone", "dagger", "hooked", "curved")),
    Group("has_bill_color", "bill", ("black", "orange", "yellow")),
    Group("has_eye_color", "eye", ("black", "red", "yellow")),
    Group("has_crown_color", "crown", ("black", "red", "yellow", "blue", "brown")),
    Group("has_crown_shape", "crown", ("rounded", "crested")),
    Group("has_face_color", "face", ("white", "grey", "buff", "orange")),
    Group("has_face_pattern", "face", ("plain", "masked", "moustached")),
    Group("has_breast_color", "breast", ("white", "red", "yellow", "blue", "orange", "grey")),
    Group("has_breast_pattern", "breast", ("plain", "spotted", "striped")),
    Group("has_belly_color", "belly", ("white", "grey", "buff", "yellow")),
    Group("has_back_color", "back", ("grey", "brown", "blue", "green")),
    Group("has_wing_color", "wing", ("black", "brown", "blue", "green", "red")),
    Group("has_wing_pattern", "wing", ("plain", "spotted", "barred")),
    Group("has_tail_shape", "tail", ("forked", "fan", "pointed")),
    Group("has_tail_color", "tail", ("black", "brown", "red", "white")),
    Group("has_leg_color", "legs", ("black", "orange", "pink")),
)
GROUP_NAMES = tuple(group.name for group in GROUPS)
ATTRIBUTE_NAMES = tuple(f"{group.name}::{value}" for group in GROUPS for value in group.values)
ATTRIBUTE_GROUPS = np.array([g for g, group in enumerate(GROUPS) for _ in group.values])
ATTRIBUTE_PARTS = np.array([PART_NAMES.index(GROUPS[g].part) for g in ATTRIBUTE_GROUPS])
GROUP_STARTS = np.searchsorted(ATTRIBUTE_GROUPS, np.arange(len(GROUPS)))

# A colour is told from a corner of a part; a pattern or an outline needs most of it.
SHOWN_SHARES = {"color": 0.25, "pattern": 0.5, "shape": 0.6}
ATTRIBUTE_SHARES = np.array([SHOWN_SHARES[GROUPS[g].kind] for g in ATTRIBUTE_GROUPS])

PALETTE = {
    "black": (0.12, 0.11, 0.14),
    "white": (0.96, 0.95, 0.92),
    "grey": (0.56, 0.58, 0.62),
    "brown": (0.48, 0.30, 0.17),
    "buff": (0.88, 0.74, 0.54),
    "red": (0.82, 0.15, 0.17),
    "orange": (0.96, 0.52, 0.11),
    "yellow": (0.98, 0.85, 0.20),
    "green": (0.36, 0.60, 0.24),
    "blue": (0.18, 0.42, 0.82),
    "pink": (0.95, 0.58, 0.64),
}

# Among seen classes the second group of a pair tends to follow the first.
CONFOUNDED_GROUPS = (
    ("has_crown_color", "has_breast_color"),
    ("has_wing_color", "has_back_color"),
    ("has_belly_color", "has_face_color"),
    ("has_wing_pattern", "has_breast_pattern"),
    ("has_bill_color", "has_leg_color"),
)

MIN_GROUPS_APART = 4
MIN_SEEN = max(len(group.values) for group in GROUPS)

_FIRST_NAMES = [
    "Amble",
    "Bracken",
    "Candle",
    "Dapple",
    "Elder",
    "Fable",
    "Gorse",
    "Hollow",
    "Inkwell",
    "Juniper",
    "Kettle",
    "Lantern",
    "Marsh",
    "Nettle",
    "Orchard",
    "Pebble",
    "Quarry",
    "Ramble",
    "Saffron",
    "Thimble",
    "Umber",
    "Velvet",
    "Willow",
    "Yarrow",
    "Zephyr",
    "Almanac",
    "Button",
    "Clover",
    "Drizzle",
    "Ember",
    "Ferry",
    "Gable",
    "Harbour",
    "Ivory",
    "Jasper",
    "Knapsack",
    "Ledger",
    "Mallow",
    "Noonday",
    "Parish",
]
_LAST_NAMES = [
    "Bunting",
    "Chat",
    "Diver",
    "Finch",
    "Grebe",
    "Jay",
    "Lark",
    "Martin",
    "Nuthatch",
    "Oriole",
    "Pipit",
    "Quail",
    "Robin",
    "Shrike",
    "Thrush",
    "Tit",
    "Warbler",
    "Wren",
    "Creeper",
    "Swift",
]
MAX_CLASSES = 200


def partner_values(first: Group, second: Group) -> np.ndarray:
    """Map each value of one group to the value of another that goes with it.

    Equal names go together; the values left over are dealt in order to the values nobody took.
    """
    partners = np.full(len(first.values), -1)
    for index, value in enumerate(first.values):
        if value in second.values:
            partners[index] = second.values.index(value)
    free = [j for j in range(len(second.values)) if j not in partners]
    free += list(range(len(second.values)))
    for turn, alone in enumerate(np.flatnonzero(partners < 0)):
        partners[alone] = free[turn]
    return partners


def confounded_attributes() -> np.ndarray:
    """Return the (M, 2) pairs of attribute indices that go together among seen classes."""
    pairs = []
    for first_name, second_name in CONFOUNDED_GROUPS:
        i, j = GROUP_NAMES.index(first_name), GROUP_NAMES.index(second_name)
        partners = partner_values(GROUPS[i], GROUPS[j])
        pairs += [(GROUP_STARTS[i] + a, GROUP_STARTS[j] + b) for a, b in enumerate(partners)]
    return np.array(pairs)


def draw_class_names(n_classes: int, rng: RandomState) -> np.ndarray:
    """Draw distinct made-up species names, sorted as ``numpy.unique`` sorts labels."""
    numbers = rng.permutation(len(_FIRST_NAMES) * len(_LAST_NAMES))[:n_classes]
    names = [
        f"{_FIRST_NAMES[number // len(_LAST_NAMES)]} {_LAST_NAMES[number % len(_LAST_NAMES)]}"
        for number in numbers
    ]
    return np.array(sorted(names))


def _deal(n_values: int, n_classes: int, rng: RandomState) -> np.ndarray:
    """Deal values to classes as evenly as numbers allow, in random order."""
    start = rng.randint(n_values)
    return rng.permutation((start + np.arange(n_classes)) % n_values)


def _draw_dominant(is_seen: np.ndarray, correlation: float, rng: RandomState) -> np.ndarray:
    n_classes = len(is_seen)
    dominant = np.empty((n_classes, len(GROUPS)), dtype=int)
    for g, group in enumerate(GROUPS):
        dominant[is_seen, g] = _deal(len(group.values), int(is_seen.sum()), rng)
        dominant[~is_seen, g] = _deal(len(group.values), int((~is_seen).sum()), rng)
    for first_name, second_name in CONFOUNDED_GROUPS:
        i, j = GROUP_NAMES.index(first_name), GROUP_NAMES.index(second_name)
        follows = is_seen & (rng.uniform(size=n_classes) < correlation)
        partners = partner_values(GROUPS[i], GROUPS[j])
        dominant[follows, j] = partners[dominant[follows, i]]
    # Following a partner can use up a value's last class: give such values one back.
    seen = np.flatnonzero(is_seen)
    for g, group in enumerate(GROUPS):
        for value, _ in enumerate(group.values):
            counts = np.bincount(dominant[seen, g], minlength=len(group.values))
            if counts[value] == 0:
                spare = seen[counts[dominant[seen, g]] > 1]
                dominant[rng.choice(spare), g] = value
    return dominant


def smallest_difference(dominant: np.ndarray) -> int:
    """Return in how many groups the two most alike classes differ."""
    apart = (dominant[:, None, :] != dominant[None, :, :]).sum(axis=2)
    np.fill_diagonal(apart, dominant.shape[1])
    return int(apart.min())


def draw_dominant_values(is_seen: np.ndarray, correlation: float, rng: RandomState) -> np.ndarray:
    """Draw the value each class usually shows, one per group.

    Parameters
    ----------
    is_seen : ndarray of shape (n_classes,), bool
        Which classes will have training pictures.
    correlation : float
        Share of the seen classes in which the second group of a confounded pair follows the first.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    ndarray of shape (n_classes, n_groups), int
        Every value is dominant in some seen class; any two classes differ in several groups.
    """
    dominant = _draw_dominant(is_seen, correlation, rng)
    for _ in range(1000):
        if smallest_difference(dominant) >= MIN_GROUPS_APART:
            return dominant
        dominant = _draw_dominant(is_seen, correlation, rng)
    raise RuntimeError(  # pragma: no cover - 16 groups leave room for far more classes
        f"no {len(is_seen)} classes that differ in {MIN_GROUPS_APART} groups were found"
    )


def draw_frequencies(dominant: np.ndarray, spread: float, rng: RandomState) -> np.ndarray:
    """Turn dominant values into rows of attribute frequencies, as crowd workers' votes give them.

    Each group of a row sums to one. The dominant value keeps ``1 - spread * U(0.1, 0.45)``, so it
    stays the most frequent one; in a third of the cases most of the rest goes to one rival.
    """
    n_classes = len(dominant)
    rows = np.zeros((n_classes, len(ATTRIBUTE_NAMES)))
    for g, group in enumerate(GROUPS):
        n_values = len(group.values)
        rest = rng.dirichlet(np.ones(n_values - 1), size=n_classes)
        rival = np.eye(n_values - 1)[rng.randint(n_values - 1, size=n_classes)]
        has_rival = rng.uniform(size=(n_classes, 1)) < 1 / 3
        rest = np.where(has_rival, 0.8 * rival + 0.2 * rest, rest)
        lost = spread * rng.uniform(0.1, 0.45, size=n_classes)
        for c in range(n_classes):
            others = np.delete(np.arange(n_values), dominant[c, g])
            rows[c, GROUP_STARTS[g] + dominant[c, g]] = 1.0 - lost[c]
            rows[c, GROUP_STARTS[g] + others] = lost[c] * rest[c]
    return rows


def draw_individuals(frequencies: np.ndarray, classes: np.ndarray, rng: RandomState) -> np.ndarray:
    """Draw what each individual has, one value per group, from its class's row.

    Returns
    -------
    ndarray of shape (n_samples, n_groups), int
        Index of the value within its group.
    """
    values = np.empty((len(classes), len(GROUPS)), dtype=int)
    for g, group in enumerate(GROUPS):
        start = GROUP_STARTS[g]
        cumulative = frequencies[:, start : start + len(group.values)].cumsum(axis=1)[classes]
        u = rng.uniform(size=len(classes))[:, None]
        values[:, g] = (u >= cumulative[:, :-1]).sum(axis=1)
    return values
