import numpy as np
import pytest

from zslearn.datasets import cub_attribute_parts

PARTS = [
    *("back", "beak", "belly", "breast", "crown", "forehead", "left eye", "left leg"),
    *("left wing", "nape", "right eye", "right leg", "right wing", "tail", "throat"),
]


def named(name, **options):
    row = cub_attribute_parts([name], **options)[0]
    return {part for part, member in zip(PARTS, row, strict=True) if member}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("has_bill_shape::dagger", {"beak"}),
        ("has_bill_length::about_the_same_as_head", {"beak"}),
        ("has_eye_color::red", {"left eye", "right eye"}),
        ("has_leg_color::red", {"left leg", "right leg"}),
        ("has_wing_shape::long-wings", {"left wing", "right wing"}),
        ("has_upper_tail_color::red", {"tail"}),
        ("has_under_tail_color::red", {"tail"}),
        ("has_tail_pattern::solid", {"tail"}),
        ("has_nape_color::red", {"nape"}),
        ("has_head_pattern::eyebrow", {"crown", "forehead", "left eye", "right eye", "nape"}),
        ("has_upperparts_color::red", {"back", "left wing", "right wing"}),
        ("has_underparts_color::red", {"belly", "breast", "throat"}),
        ("has_size::large_(16_-_32_in)", set()),
        ("has_shape::long-legged-like", set()),
        ("has_primary_color::red", set()),
    ],
)
def test_names(name, parts):
    assert named(name) == parts
    if name.split("_")[1] in ("head", "upperparts", "underparts"):
        assert named(name, areas=False) == set()


def test_some_parts_in_any_order():
    names = ["has_bill_shape::cone", "has_tail_shape::forked_tail"]
    table = cub_attribute_parts(names, ["tail", "left eye", "beak"])
    assert table.dtype == bool
    assert table.tolist() == [[False, False, True], [True, False, False]]
    assert cub_attribute_parts([]).shape == (0, 15)


def test_errors():
    with pytest.raises(ValueError, match="1 name.s. that are none of CUB's: 'has_fins::two'"):
        cub_attribute_parts(["has_bill_shape::cone", "has_fins::two"])
    for strange in ("bill", "bill::red", "has_bill_red"):
        with pytest.raises(ValueError, match="none of CUB's"):
            cub_attribute_parts([strange])
    with pytest.raises(ValueError, match="part_names holds 'bill'; the parts of CUB are 'back'"):
        cub_attribute_parts(["has_bill_shape::cone"], ["bill", "tail"])
    with pytest.raises(ValueError, match="holds nothing"):
        cub_attribute_parts(["has_bill_shape::cone"], [])
    with pytest.raises(ValueError, match="a part twice"):
        cub_attribute_parts(["has_bill_shape::cone"], ["tail", "tail"])


def test_all_of_the_real_ones(shared_data):
    meta = np.load(shared_data / "cub50" / "meta.npz")
    names, parts = meta["attribute_names"].tolist(), meta["part_names"].tolist()
    table = cub_attribute_parts(names, parts)
    assert parts == PARTS
    np.testing.assert_array_equal(table, cub_attribute_parts(names))
    assert table.shape == (312, 15)
    assert table.any(axis=1).sum() == 278
    assert cub_attribute_parts(names, areas=False).any(axis=1).sum() == 237
    assert table.any(axis=0).all()
    groups = {n.split("::")[0] for n, row in zip(names, table, strict=True) if not row.any()}
    assert groups == {"has_size", "has_shape", "has_primary_color"}
