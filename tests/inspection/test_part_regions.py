import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zslearn import ClassAttributes, CVsCClassifier
from zslearn.feature_extraction import FeatureStoreWriter
from zslearn.inspection import (
    estimate_attribute_localization,
    part_regions_from_map,
    part_regions_from_points,
)
from zslearn.metrics import attribute_localization_score


def cells(regions, down, across):
    """Rows of digits, for one picture and part."""
    return ["".join(map(str, row)) for row in regions.reshape(down, across).astype(int)]


# -- maps ------------------------------------------------------------------------------------------


def test_map_by_hand():
    part_map = np.zeros((2, 4, 6), dtype=np.uint8)
    part_map[0, 1, 1] = 1
    part_map[0, 2:, 4:] = 2
    part_map[1, 3, 5] = 1
    regions = part_regions_from_map(part_map, 3, (2, 3))
    assert regions.shape == (2, 3, 6)
    assert regions.dtype == bool
    assert cells(regions[0, 0], 2, 3) == ["100", "000"]
    assert cells(regions[0, 1], 2, 3) == ["000", "001"]
    assert cells(regions[1, 0], 2, 3) == ["000", "001"]
    assert not regions[:, 2].any()
    assert not regions[1, 1].any()


def test_pixels_belong_where_their_centre_is():
    # Five pixels over two cells: the middle one's centre is on the border, and goes right.
    part_map = np.arange(1, 6, dtype=np.int64)[np.newaxis, np.newaxis]
    regions = part_regions_from_map(part_map, 5, (1, 2))[0]
    assert regions.tolist() == [[1, 0], [1, 0], [0, 1], [0, 1], [0, 1]]


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4))
@settings(max_examples=50, deadline=None)
def test_cells_of_whole_pixels(seed, down, across):
    rng = np.random.default_rng(seed)
    part_map = rng.integers(0, 4, size=(3, 3 * down, 2 * across))
    found = part_regions_from_map(part_map, 3, (down, across))
    blocks = part_map.reshape(3, down, 3, across, 2)
    for part in range(3):
        expected = (blocks == part + 1).any(axis=(2, 4)).reshape(3, -1)
        np.testing.assert_array_equal(found[:, part], expected)


def test_map_errors():
    with pytest.raises(ValueError, match=r"of shape \(n, H, W\); found shape \(4, 4\)"):
        part_regions_from_map(np.zeros((4, 4), dtype=int), 1, (2, 2))
    with pytest.raises(ValueError, match="must hold integers.*float64"):
        part_regions_from_map(np.zeros((1, 4, 4)), 1, (2, 2))
    with pytest.raises(ValueError, match="values from 0 to 2; with n_parts=1"):
        part_regions_from_map([[[0, 2]]], 1, (1, 1))
    with pytest.raises(ValueError, match="1 x 2 pixels, fewer than the 2 x 2 regions"):
        part_regions_from_map([[[0, 1]]], 1, (2, 2))
    with pytest.raises(ValueError, match="grid_shape=4 must be two positive integers"):
        part_regions_from_map([[[0, 1]]], 1, 4)


# -- points ----------------------------------------------------------------------------------------


def one(x, y, grid, **options):
    return cells(part_regions_from_points([[[x, y, 1]]], grid, **options)[0, 0], *grid)


def test_points_by_hand():
    assert one(0.5, 0.5, (3, 3), radius=0) == ["000", "010", "000"]
    # The middle cell ends 1/6 = 0.167 from its centre, its corners 0.236.
    assert one(0.5, 0.5, (3, 3), radius=0.16) == ["000", "010", "000"]
    assert one(0.5, 0.5, (3, 3), radius=0.17) == ["010", "111", "010"]
    assert one(0.5, 0.5, (3, 3), radius=0.24) == ["111", "111", "111"]
    assert one(0.05, 0.3, (2, 4)) == ["1000", "0000"]
    # Corners of the picture, and a border between cells without any reach.
    assert one(0, 0, (2, 2), radius=0) == ["10", "00"]
    assert one(1, 1, (2, 2), radius=0) == ["00", "01"]
    assert one(0.5, 0.25, (2, 2), radius=0) == ["01", "00"]


def test_what_is_not_visible_has_no_region():
    points = np.array([[[0.5, 0.5, 0], [0.5, 0.5, 1], [np.nan, np.nan, 0], [1.2, 0.5, 1]]])
    regions = part_regions_from_points(points, (2, 2), radius=1)
    assert regions.any(axis=2).tolist() == [[False, True, False, False]]


def test_boxes_give_the_unit():
    # sqrt(w h) = 0.4: a radius of 0.5 boxes is 0.2 of the picture.
    boxes = [[0.1, 0.1, 0.2, 0.8]]
    points = [[[0.5, 0.5, 1]]]
    found = part_regions_from_points(points, (5, 7), radius=0.5, bounding_boxes=boxes)
    expected = part_regions_from_points(points, (5, 7), radius=0.2)
    np.testing.assert_array_equal(found, expected)
    # In pixels, the disc is round there: 36 pixels are 0.36 of the height and 0.18 of the width.
    found = part_regions_from_points(
        [[[100, 50, 1]]],
        (10, 10),
        radius=0.45,
        bounding_boxes=[[0, 0, 80, 80]],
        image_sizes=[[200, 100]],
    )
    rows, columns = np.nonzero(found.reshape(10, 10))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (1, 8, 3, 6)


def test_pixels_and_crops():
    # 400 x 200, of which 112.5 to 287.5 and 12.5 to 187.5 are kept.
    config = {"input_size": [3, 224, 224], "crop_pct": 0.875, "crop_mode": "center"}
    points = [[[200, 100, 1], [120, 20, 1], [110, 100, 1], [200, 190, 1], [287, 187, 1]]]
    options = {"image_sizes": [[400, 200]], "radius": 0}
    cropped = part_regions_from_points(points, (2, 2), data_config=config, **options)[0]
    assert cropped.astype(int).tolist() == [
        [0, 0, 0, 1],
        [1, 0, 0, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 1],
    ]
    whole = part_regions_from_points(points, (2, 2), **options)[0]
    assert whole.argmax(axis=1).tolist() == [3, 0, 2, 3, 3]
    # A disc grows with what is cropped away: 0.1 of 400 pixels are 40 of the 175 that are left, so
    # that it reaches the left half, 112.5 to 200, from 230 and no longer from 241.
    options["radius"] = 0.1
    points = [[[230, 100, 1], [241, 100, 1]]]
    cropped = part_regions_from_points(points, (1, 2), data_config=config, **options)
    assert cropped.tolist() == [[[True, True], [False, True]]]
    squash = {"input_size": [3, 224, 224], "crop_pct": 1.0, "crop_mode": "squash"}
    shares = [[[0.2, 0.7, 1]]]
    np.testing.assert_array_equal(
        part_regions_from_points(shares, (3, 3), data_config=squash),
        part_regions_from_points(shares, (3, 3)),
    )


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.7), st.integers(1, 5), st.integers(1, 5))
@settings(max_examples=100, deadline=None)
def test_discs_touch_cells(x, y, radius, down, across):
    found = part_regions_from_points([[[x, y, 1]]], (down, across), radius=radius)[0, 0]
    own = min(int(y * down), down - 1) * across + min(int(x * across), across - 1)
    for r in range(down * across):
        row, column = divmod(r, across)
        near_x = np.clip(x, column / across, (column + 1) / across)
        near_y = np.clip(y, row / down, (row + 1) / down)
        distance = np.hypot(near_x - x, near_y - y)
        if abs(distance - radius) > 1e-9:
            assert found[r] == (r == own or distance < radius)
    assert found[own]
    # Mirrored pictures have mirrored regions, but for points on a border.
    if abs(x * across - round(x * across)) > 1e-6:
        mirrored = part_regions_from_points([[[1 - x, y, 1]]], (down, across), radius=radius)[0, 0]
        same = mirrored.reshape(down, across)[:, ::-1].ravel() == found
        assert same.mean() > 1 - 2 / len(same) or same.all()


def test_point_errors():
    points = [[[0.5, 0.5, 1]]]
    with pytest.raises(ValueError, match=r"shape \(n, n_parts, 3\).*found \(1, 1, 2\)"):
        part_regions_from_points([[[0.5, 0.5]]], (2, 2))
    with pytest.raises(ValueError, match="radius=-1 must be"):
        part_regions_from_points(points, (2, 2), radius=-1)
    with pytest.raises(ValueError, match="NaN or infinite coordinates of visible parts"):
        part_regions_from_points([[[np.nan, 0.5, 1]]], (2, 2))
    with pytest.raises(ValueError, match="up to 120, .* for points in pixels give image_sizes"):
        part_regions_from_points([[[120, 80, 1]]], (2, 2))
    with pytest.raises(
        ValueError, match=r"bounding_boxes must have shape \(1, 4\), found \(2, 4\)"
    ):
        part_regions_from_points(points, (2, 2), bounding_boxes=np.ones((2, 4)))
    with pytest.raises(ValueError, match="image_sizes holds sides below 1"):
        part_regions_from_points(points, (2, 2), image_sizes=[[0, 4]])
    with pytest.raises(ValueError, match="bounding_boxes holds NaN, infinite or negative"):
        part_regions_from_points(points, (2, 2), bounding_boxes=[[0, 0, -1, 1]])
    config = {"input_size": [3, 224, 224], "crop_mode": "center"}
    with pytest.raises(ValueError, match="image_sizes is needed: what is cropped off"):
        part_regions_from_points(points, (2, 2), data_config=config)


# -- estimators ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.random((5, 6)) + 0.1)
    X = rng.normal(size=(30, 4, 8)).astype(np.float16)
    clf = CVsCClassifier(max_epochs=1, random_state=0)
    clf.fit(X, np.arange(30) % 4, class_attributes=table)
    regions = rng.random((30, 3, 4)) < 0.4
    return clf, X, regions, np.array([0, -1, 2, 1, -1, 2]), rng.random((30, 6)) < 0.7


@pytest.mark.parametrize("method", ["mass", "peak"])
@pytest.mark.parametrize("average", ["attribute", "pair"])
def test_estimate_is_the_score(problem, method, average):
    clf, X, regions, parts, shown = problem
    options = {"shown": shown, "method": method, "average": average}
    expected = attribute_localization_score(clf.attention_maps(X), regions, parts, **options)
    for batch_size in (None, 7):
        found = estimate_attribute_localization(
            clf, X, regions, parts, batch_size=batch_size, **options
        )
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)


def test_any_source_of_rows(problem, tmp_path):
    clf, X, regions, parts, _ = problem
    expected = estimate_attribute_localization(clf, X, regions, parts)
    np.save(tmp_path / "X.npy", X)
    shape = {"n_total": 30, "n_regions": 4, "n_features": 8, "grid_shape": (2, 2)}
    with FeatureStoreWriter(tmp_path / "store", metadata={}, **shape) as writer:
        writer.append(X)
    for source in (np.load(tmp_path / "X.npy", mmap_mode="r"), writer.store(), writer.store()[:]):
        found = estimate_attribute_localization(clf, source, regions, parts, batch_size=4)
        assert found.score == pytest.approx(expected.score, rel=1e-6)
        assert found.n_pairs == expected.n_pairs


class Watched:
    """An estimator that notes what it is asked for."""

    def __init__(self, clf):
        self.clf, self.class_attributes_, self.asked = clf, clf.class_attributes_, []

    def attention_maps(self, X, attributes=None):
        self.asked.append((len(X), list(attributes)))
        return self.clf.attention_maps(X, attributes)


def test_only_maps_that_count_are_computed(problem):
    clf, X, regions, parts, _ = problem
    watched = Watched(clf)
    estimate_attribute_localization(watched, X, regions, parts, batch_size=12)
    assert watched.asked == [(12, [0, 2, 3, 5]), (12, [0, 2, 3, 5]), (6, [0, 2, 3, 5])]


def test_estimate_errors(problem):
    clf, X, regions, parts, _ = problem
    with pytest.raises(ValueError, match="X has 29 samples but part_regions has 30"):
        estimate_attribute_localization(clf, X[:29], regions, parts)
    with pytest.raises(ValueError, match="5 entries, but the estimator has 6 attributes"):
        estimate_attribute_localization(clf, X, regions, parts[:5])
    with pytest.raises(ValueError, match="over 4 regions, part_regions over 3"):
        estimate_attribute_localization(clf, X, regions[..., :3], parts)
    with pytest.raises(ValueError, match="no pair to judge"):
        estimate_attribute_localization(clf, X, regions, np.full(6, -1))
    with pytest.raises(ValueError, match="batch_size=0 must be at least 1"):
        estimate_attribute_localization(clf, X, regions, parts, batch_size=0)
    with pytest.raises(TypeError, match="is a object, which has no attention_maps"):
        estimate_attribute_localization(object(), X, regions, parts)
