"""Drawing attention maps that are given: what the artists hold."""

import numpy as np
import pytest

from zslearn.inspection import AttributeAttentionDisplay
from zslearn.inspection._attention_panels import cell_borders

plt = pytest.importorskip("matplotlib.pyplot")

NAMES = ["has_wing::red", "has_wing::blue", "has_bill::red", "flies", "has_bill::blue"]
MAPS = np.arange(1, 21, dtype=np.float32).reshape(5, 4)


def test_cells_over_a_picture():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (30, 60, 3), dtype=np.uint8)
    display = AttributeAttentionDisplay(
        maps=MAPS[:2], grid_shape=(2, 2), attribute_names=NAMES[:2], images=[image]
    )
    assert display.plot(upsampling="cells", max_opacity=0.8) is display
    assert display.maps.shape == (1, 1, 2, 4)
    assert display.axes_.shape == display.pictures_.shape == (1, 3)
    assert display.overlays_.shape == (1, 2)
    assert display.figure_ is display.axes_[0, 0].figure
    overlay = display.overlays_[0, 1]
    np.testing.assert_array_equal(overlay.get_array(), [[5, 6], [7, 8]])
    np.testing.assert_allclose(overlay.get_alpha(), 0.8 * np.array([[5, 6], [7, 8]]) / 8)
    assert overlay.get_clim() == (0, 8)
    assert list(overlay.get_extent()) == [0, 60, 30, 0]
    np.testing.assert_array_equal(display.pictures_[0, 0].get_array(), image)
    # The others are grey, and lie between the picture and the white paper.
    light = image @ np.array([0.299, 0.587, 0.114]) / 255
    grey = display.pictures_[0, 2].get_array()
    np.testing.assert_allclose(grey, np.stack([0.55 * light + 0.45] * 3, axis=2))
    assert display.axes_[0, 2].get_xlim() == (0, 60)
    assert display.axes_[0, 2].get_ylim() == (30, 0)


def test_dark_paper_darkens_the_picture():
    image = np.full((4, 4, 3), 200, dtype=np.uint8)
    with plt.style.context("dark_background"):
        display = AttributeAttentionDisplay(
            maps=MAPS[:1], grid_shape=(2, 2), attribute_names=NAMES[:1], images=[image]
        ).plot()
        np.testing.assert_allclose(display.pictures_[0, 1].get_array(), 0.55 * 200 / 255)
        low, high = (display.overlays_[0, 0].cmap(v)[:3] for v in (0.0, 1.0))
        assert sum(low) == 0
        assert sum(high) > 2.5


def test_smooth_attention_is_linear_between_cells():
    maps = np.array([[0.0, 1.0], [2.0, 2.0]])
    display = AttributeAttentionDisplay(maps=maps, grid_shape=(1, 2), attribute_names=["a", "b"])
    display.plot()
    first, second = (np.asarray(o.get_array()) for o in display.overlays_[0])
    n = first.shape[1] // 2
    assert first.shape == (n, 2 * n)
    # Pixel i is at (i + 1/2) / n - 1/2 cells from the middle of the first.
    expected = np.clip((np.arange(2 * n) + 0.5) / n - 0.5, 0, 1)
    np.testing.assert_allclose(first, np.tile(expected, (n, 1)), atol=1e-12)
    np.testing.assert_allclose(second, 2.0)
    assert display.overlays_[0, 0].get_alpha() is None  # nothing is underneath
    assert display.pictures_.tolist() == [[None, None]]


def test_scales():
    display = AttributeAttentionDisplay(maps=MAPS[:2], grid_shape=(2, 2), attribute_names=NAMES[:2])
    assert [o.get_clim()[1] for o in display.plot().overlays_[0]] == [4, 8]
    assert [o.get_clim()[1] for o in display.plot(scale="shared").overlays_[0]] == [8, 8]
    nothing = AttributeAttentionDisplay(
        maps=[[0.0] * 4],
        grid_shape=(2, 2),
        attribute_names=["a"],
        images=[np.zeros((4, 4, 3), dtype=np.uint8)],
    ).plot()
    assert not nothing.overlays_[0, 0].get_alpha().any()


def test_outlines():
    mask = np.array([[True, False], [True, True]])
    lines = {tuple(map(tuple, line)) for line in cell_borders(mask)}
    assert lines == {
        ((0, 0), (0, 1)), ((0, 1), (0, 2)), ((1, 0), (1, 1)), ((2, 1), (2, 2)),
        ((0, 0), (1, 0)), ((1, 1), (2, 1)), ((0, 2), (1, 2)), ((1, 2), (2, 2)),
    }  # fmt: skip
    regions = np.array([[mask.ravel(), np.zeros(4, dtype=bool)]])
    display = AttributeAttentionDisplay(
        maps=MAPS[:2],
        grid_shape=(2, 2),
        attribute_names=NAMES[:2],
        images=[np.zeros((20, 40, 3), dtype=np.uint8)],
        boxes=[(0.25, 0.0, 0.75, 1.0)],
        regions=regions,
    ).plot()
    drawn = {tuple(map(tuple, line)) for line in display.outlines_[0, 0].get_segments()}
    assert drawn == {tuple((10 + 10 * x, 10 * y) for x, y in line) for line in lines}
    assert display.outlines_[0, 1] is None
    assert [[ax.get_title() for ax in row] for row in display.axes_] == [
        ["", "wing: red\n80% inside", "wing: blue"]
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"maps": np.ones(4)}, r"maps must have shape \(k, R\)"),
        ({"maps": [[np.nan] * 4]}, "maps holds NaN"),
        ({"maps": [[-1.0] * 4]}, "negative"),
        ({"attribute_names": ["a", "b"]}, r"attribute_names must have shape \(1,\) or \(1, 1\)"),
        ({"labels": ["a", "b"]}, "labels has 2 entries, but maps needs 1"),
        ({"values": [1.0]}, r"values must have shape \(1, 1, 1\), as maps has it; found \(1,\)"),
        ({"grid_shape": (3, 3)}, "9 cells, but X has 4 regions"),
    ],
)
def test_wrong_data(data, message):
    good = {"maps": [[1.0] * 4], "grid_shape": (2, 2), "attribute_names": ["a"]}
    AttributeAttentionDisplay(**good)
    with pytest.raises(ValueError, match=message):
        AttributeAttentionDisplay(**{**good, **data})
