"""The field guide: what it says about its pictures is true of them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.utils._param_validation import InvalidParameterError

from zslearn.datasets import _field_guide_classes as species
from zslearn.datasets import make_field_guide

EASY = {"n_classes": 12, "n_unseen": 3, "difficulty": 0.0, "random_state": 0}


@pytest.fixture(scope="module")
def birds():
    return make_field_guide(600, n_classes=20, n_unseen=6, difficulty=0.6, random_state=1)


@pytest.fixture(scope="module")
def easy():
    return make_field_guide(240, **EASY)


def group_slices(birds):
    for g in range(len(birds.group_names)):
        yield np.flatnonzero(birds.attribute_groups == g)


def dominant_values(birds):
    """(C, K) bool: the usual value of each group."""
    values = birds.class_attributes.values
    usual = np.zeros(values.shape, dtype=bool)
    for columns in group_slices(birds):
        usual[np.arange(len(values)), columns[values[:, columns].argmax(axis=1)]] = True
    return usual


def is_seen_row(birds):
    return np.isin(birds.class_attributes.labels, birds.seen_classes)


def test_shapes_and_types(birds):
    n, side, n_attributes, n_parts = 600, 64, len(birds.class_attributes.attribute_names), 10
    assert birds.images.shape == (n, side, side, 3)
    assert birds.images.dtype == np.uint8
    assert birds.images.flags.c_contiguous
    assert birds.part_map.shape == (n, side, side)
    assert birds.part_map.dtype == np.uint8
    assert birds.part_map.max() == n_parts == len(birds.part_names)
    assert birds.part_centers.shape == (n, n_parts, 2)
    assert birds.part_visible.shape == (n, n_parts)
    assert birds.attributes_present.shape == birds.attributes_shown.shape == (n, n_attributes)
    assert birds.class_attributes.values.shape == (20, n_attributes)
    assert n_attributes == 59
    assert birds.target.shape == (n,)
    assert "600 pictures" in birds.DESCR


@pytest.mark.parametrize("size", [32, 47, 128])
def test_image_size(size):
    birds = make_field_guide(16, n_classes=8, n_unseen=2, image_size=size, random_state=0)
    assert birds.images.shape == (16, size, size, 3)
    assert birds.part_map.shape == (16, size, size)


def test_classes_and_names(birds):
    labels = birds.class_attributes.labels
    assert len(set(labels)) == 20
    assert_array_equal(labels, np.unique(birds.target))
    assert_array_equal(np.union1d(birds.seen_classes, birds.unseen_classes), labels)
    assert len(birds.unseen_classes) == 6
    assert np.intersect1d(birds.seen_classes, birds.unseen_classes).size == 0
    counts = np.unique(birds.target, return_counts=True)[1]
    assert counts.max() - counts.min() <= 1


def test_every_group_has_exactly_one_value(birds):
    for columns in group_slices(birds):
        assert_array_equal(birds.attributes_present[:, columns].sum(axis=1), 1)
        assert_allclose(birds.class_attributes.values[:, columns].sum(axis=1), 1.0)


def test_attribute_names_agree_with_groups_and_parts(birds):
    for k, name in enumerate(birds.class_attributes.attribute_names):
        group = birds.group_names[birds.attribute_groups[k]]
        assert name.split("::")[0] == group
        part = birds.part_names[birds.attribute_parts[k]]
        assert part.rstrip("s") in group


def test_individuals_follow_their_class(birds):
    table = birds.class_attributes
    for label, row in zip(table.labels, table.values, strict=True):
        present = birds.attributes_present[birds.target == label]
        deviation = np.sqrt(row * (1 - row) / len(present))
        assert np.all(np.abs(present.mean(axis=0) - row) <= 4.5 * deviation + 0.5 / len(present))


def test_individuals_of_a_class_differ(birds):
    label = birds.seen_classes[0]
    present = birds.attributes_present[birds.target == label]
    assert len(np.unique(present, axis=0)) > len(present) / 2


def test_shown_is_what_is_present_and_visible(birds):
    visible = birds.part_visible[:, birds.attribute_parts] >= birds.attribute_shares
    assert_array_equal(birds.attributes_shown, birds.attributes_present & visible)
    assert 0.5 < birds.attributes_shown.sum() / birds.attributes_present.sum() < 0.95


def test_part_map_agrees_with_visible_shares(birds):
    counts = np.stack(
        [(birds.part_map == p + 1).sum(axis=(1, 2)) for p in range(len(birds.part_names))], axis=1
    )
    assert_array_equal(counts > 0, birds.part_visible > 0)
    assert birds.part_visible.min() >= 0
    assert birds.part_visible.max() <= 1
    # Visible pixels over visible share is the whole part: a whole number of pixels.
    shown = counts > 0
    whole = counts[shown] / birds.part_visible[shown]
    assert_allclose(whole, np.rint(whole), atol=1e-6)


def test_part_centers_are_those_of_the_map(birds):
    side = birds.part_map.shape[1]
    for i in range(0, 600, 97):
        for p in np.flatnonzero(birds.part_visible[i] > 0):
            y, x = np.nonzero(birds.part_map[i] == p + 1)
            expected = (x.mean() + 0.5) / side, (y.mean() + 0.5) / side
            assert_allclose(birds.part_centers[i, p], expected)
    assert np.isfinite(birds.part_centers).all()
    assert birds.part_centers.min() >= 0
    assert birds.part_centers.max() <= 1


def test_split(birds):
    parts = (birds.train, birds.test_seen, birds.test_unseen)
    assert_array_equal(np.sort(np.concatenate(parts)), np.arange(600))
    assert np.isin(birds.target[birds.train], birds.seen_classes).all()
    assert np.isin(birds.target[birds.test_seen], birds.seen_classes).all()
    assert np.isin(birds.target[birds.test_unseen], birds.unseen_classes).all()
    assert_array_equal(np.unique(birds.target[birds.train]), birds.seen_classes)
    assert_array_equal(np.unique(birds.target[birds.test_seen]), birds.seen_classes)
    assert len(birds.test_seen) / (len(birds.train) + len(birds.test_seen)) == pytest.approx(0.2)


def test_difficulty_zero_hides_and_varies_nothing(easy):
    assert_array_equal(easy.part_visible, 1.0)
    assert_array_equal(easy.attributes_shown, easy.attributes_present)
    rows = np.searchsorted(easy.class_attributes.labels, easy.target)
    assert_array_equal(easy.class_attributes.values[rows], easy.attributes_present)


def test_difficulty_hides_and_varies_monotonically():
    shares, spreads = [], []
    for difficulty in (0.0, 0.25, 0.5, 0.75, 1.0):
        birds = make_field_guide(200, **{**EASY, "difficulty": difficulty})
        shares.append(birds.attributes_shown.sum() / birds.attributes_present.sum())
        spreads.append(birds.class_attributes.values.max(axis=0).mean())
    assert np.all(np.diff(shares) < -0.02)
    assert np.all(np.diff(spreads) < 0)
    assert shares[-1] < 0.75


def test_difficulty_keeps_the_classes(easy):
    hard = make_field_guide(240, **{**EASY, "difficulty": 1.0})
    assert_array_equal(hard.class_attributes.labels, easy.class_attributes.labels)
    assert_array_equal(hard.unseen_classes, easy.unseen_classes)
    assert_array_equal(dominant_values(hard), dominant_values(easy))


def test_something_hides_each_part_somewhere(birds):
    assert np.all((birds.part_visible < 0.2).any(axis=0))
    assert np.all((birds.part_visible == 1).any(axis=0))


@pytest.mark.parametrize("correlation", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_classes_are_compositions_of_what_is_seen_and_differ(correlation, seed):
    birds = make_field_guide(
        32,
        n_classes=16,
        n_unseen=7,
        image_size=32,
        correlation=correlation,
        random_state=seed,
    )
    usual = dominant_values(birds)
    assert usual[is_seen_row(birds)].any(axis=0).all()
    apart = (usual[:, None] != usual[None]).sum(axis=2) / 2
    np.fill_diagonal(apart, 16)
    assert apart.min() >= species.MIN_GROUPS_APART


def agreement(birds, rows):
    """Share of (class, pair of groups) in which the second group follows the first."""
    usual = dominant_values(birds)[rows]
    first, second = birds.confounded_attributes.T
    return (usual[:, first] & usual[:, second]).sum() / usual[:, first].sum()


def test_correlation_holds_among_seen_classes_only():
    seen, unseen = [], []
    for correlation in (0.0, 0.5, 1.0):
        birds = make_field_guide(
            400, n_classes=200, n_unseen=80, image_size=32, correlation=correlation, random_state=0
        )
        is_seen = is_seen_row(birds)
        seen.append(agreement(birds, is_seen))
        unseen.append(agreement(birds, ~is_seen))
    assert seen[0] < 0.4 < seen[1] < 0.8 < seen[2]
    assert max(unseen) < 0.4


def test_partners_share_a_colour_where_they_can():
    crown = species.GROUPS[species.GROUP_NAMES.index("has_crown_color")]
    breast = species.GROUPS[species.GROUP_NAMES.index("has_breast_color")]
    partners = [breast.values[j] for j in species.partner_values(crown, breast)]
    assert partners == ["white", "red", "yellow", "blue", "orange"]


@pytest.mark.parametrize("difficulty", [0.0, 0.7])
def test_deterministic(difficulty):
    kwargs = {**EASY, "difficulty": difficulty}
    first, second = make_field_guide(60, **kwargs), make_field_guide(60, **kwargs)
    for key in ("images", "part_map", "target", "attributes_shown", "part_centers", "train"):
        assert_array_equal(first[key], second[key])
    other = make_field_guide(60, **{**kwargs, "random_state": 5})
    assert not np.array_equal(first.images, other.images)
    assert set(first.seen_classes) != set(other.seen_classes)


def test_random_state_instance_is_used_and_advanced():
    rng = np.random.RandomState(0)
    kwargs = {**EASY, "random_state": rng}
    first, second = make_field_guide(24, **kwargs), make_field_guide(24, **kwargs)
    assert_array_equal(first.images, make_field_guide(24, **EASY).images)
    assert not np.array_equal(first.images, second.images)


def test_global_random_state_is_untouched():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    make_field_guide(24, **EASY)
    assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_pixels_have_the_colour_their_attribute_says(easy):
    """At a part's pixels, the nearest of the group's colours is the one the bird has."""
    names = easy.class_attributes.attribute_names
    patterned = {"breast": "has_breast_pattern", "wing": "has_wing_pattern"}
    checked = 0
    for g, group in enumerate(easy.group_names):
        if not group.endswith("_color"):
            continue
        columns = np.flatnonzero(easy.attribute_groups == g)
        part = easy.attribute_parts[columns[0]]
        palette = np.array([species.PALETTE[names[k].split("::")[1]] for k in columns])
        for i in range(0, 240, 3):
            pattern = patterned.get(easy.part_names[part])
            if pattern and not easy.attributes_present[i, names.index(f"{pattern}::plain")]:
                continue
            pixels = easy.images[i][easy.part_map[i] == part + 1] / 255.0
            error = ((np.median(pixels, axis=0) - palette) ** 2).sum(axis=1)
            assert easy.attributes_present[i, columns[error.argmin()]], (group, i)
            checked += 1
    assert checked > 500


def test_shape_shows_in_the_part_map(easy):
    """A crest reaches higher above the eye than a rounded crown."""
    names = easy.class_attributes.attribute_names
    crown, eye = easy.part_names.index("crown"), easy.part_names.index("eye")
    crested = easy.attributes_present[:, names.index("has_crown_shape::crested")]
    tops = np.array([np.nonzero(m == crown + 1)[0].min() for m in easy.part_map]) / 64
    rise = easy.part_centers[:, eye, 1] - tops
    assert rise[crested].min() > rise[~crested].max()


@pytest.mark.parametrize(
    "wrong",
    [
        {"difficulty": 1.5},
        {"difficulty": -0.1},
        {"correlation": 2.0},
        {"test_size": 1.0},
        {"test_size": 0.0},
        {"image_size": 16},
        {"n_classes": 201},
        {"n_unseen": -1},
        {"random_state": "seed"},
    ],
)
def test_wrong_parameters(wrong):
    with pytest.raises(InvalidParameterError, match=next(iter(wrong))):
        make_field_guide(**wrong)


def test_too_few_seen_classes():
    with pytest.raises(ValueError, match=r"leave 5 seen classes.*at least 6"):
        make_field_guide(n_classes=10, n_unseen=5)


def test_too_few_samples():
    with pytest.raises(ValueError, match=r"n_samples=79 .*n_samples >= 80"):
        make_field_guide(79, n_classes=40)


def test_smallest():
    birds = make_field_guide(12, n_classes=6, n_unseen=0, image_size=32, random_state=0)
    assert len(birds.train) == len(birds.test_seen) == 6
    assert len(birds.test_unseen) == len(birds.unseen_classes) == 0
