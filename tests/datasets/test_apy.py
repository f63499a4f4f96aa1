"""The aPY loader in the official format: a sample is a box, a picture may hold several."""

import pytest

from zslearn.datasets import load_apy


@pytest.fixture
def root(tmp_path, layouts):
    return layouts.write_apy(tmp_path)


@pytest.fixture
def parted(root, layouts):
    """Rows 1-based in the order of the lines: dog, cow, dog, cow, mug, mug; mugs are unseen."""

    def write(parts):
        layouts.write_splits(
            root / "xlsa17/data/APY",
            [[0.5, 1.0], [0.0, 0.5], [1.0, 0.0]],
            ["cow", "dog", "mug"],
            parts,
        )
        return root

    return write


def test_everything_in_miniature(parted):
    root = parted({"trainval": [1, 2], "test_seen": [4, 3], "test_unseen": [5, 6]})
    apy = load_apy(root)
    assert apy.image_files.tolist() == [
        "2008_000002.jpg",
        "2008_000001.jpg",
        "2008_000002.jpg",
        "2008_000002.jpg",
        "mug_7.jpg",
        "mug_8.jpg",
    ]
    assert apy.image_paths[0] == str(root / "VOCdevkit/VOC2008/JPEGImages/2008_000002.jpg")
    assert apy.image_paths[4] == str(root / "ayahoo_test_images/mug_7.jpg")
    assert apy.target.tolist() == ["dog", "cow", "dog", "cow", "mug", "mug"]
    assert apy.bounding_boxes[:3].tolist() == [[10, 20, 100, 200], [1, 2, 30, 40], [5, 6, 2, 3]]
    assert apy.image_attributes.tolist() == [[0, 1], [1, 1], [0, 0], [0, 1], [1, 0], [1, 0]]
    assert apy.trainval.tolist() == [0, 1]
    assert apy.test_seen.tolist() == [3, 2]
    assert apy.class_attributes.attribute_names == ("2D Boxy", "Furry")
    assert apy.class_attributes.values.tolist() == [[0.5, 1.0], [0.0, 0.5], [1.0, 0.0]]


def test_an_order_that_does_not_part_the_classes_is_refused(root):
    with pytest.raises(ValueError, match="'dog'.*another order of the pictures"):
        load_apy(root)  # the split of the layout wants dogs to be seen and cows to be unseen


def test_a_list_is_matched_by_picture_and_class(root, layouts):
    """Rows: dog, cow, dog, cow, mug, mug in another order, boxes told apart by class."""
    files = [
        "/BS/aPY/JPEGImages/2008_000002.jpg",  # cow
        "/BS/aPY/JPEGImages/2008_000002.jpg",  # dog, the first of two
        "/BS/aPY//ayahoo_test_images/mug_8.jpg",
        "/BS/aPY/JPEGImages/2008_000002.jpg",  # dog, the second
        "/BS/aPY/JPEGImages/2008_000001.jpg",
        "/BS/aPY//ayahoo_test_images/mug_7.jpg",
    ]
    layouts.write_res101(root / "xlsa17/data/APY", files, [1, 2, 3, 2, 1, 3])
    layouts.write_splits(
        root / "xlsa17/data/APY",
        [[0.5, 1.0], [0.0, 0.5], [1.0, 0.0]],
        ["cow", "dog", "mug"],
        {"trainval": [1, 2], "test_seen": [4, 5], "test_unseen": [3, 6]},
    )
    apy = load_apy(root)
    assert apy.target.tolist() == ["cow", "dog", "mug", "dog", "cow", "mug"]
    assert apy.bounding_boxes[:, 0].tolist() == [3, 10, 1, 5, 1, 1]
    assert apy.rows.tolist() == [0, 1, 2, 3, 4, 5]
    layouts.write_res101(root / "xlsa17/data/APY", [files[0]] * 6, [1, 2, 2, 2, 1, 1])
    with pytest.raises(
        ValueError, match="names 3 picture.s. more often than the distribution does"
    ):
        load_apy(root)


def test_a_picture_missing_takes_all_its_boxes(parted):
    root = parted({"trainval": [1, 2], "test_seen": [4, 3], "test_unseen": [5, 6]})
    (root / "VOCdevkit/VOC2008/JPEGImages/2008_000002.jpg").unlink()
    with pytest.raises(FileNotFoundError, match="3 of 6 pictures of APY"):
        load_apy(root)
    apy = load_apy(root, missing_images="skip")
    assert apy.rows.tolist() == [1, 4, 5]
    assert apy.trainval.tolist() == [0]
    assert apy.test_seen.tolist() == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (" 1 1\n", " 1\n", "line 2 of .*apascal_train.txt has 7 fields"),
        ("dog 5 ", "dog x ", "line 3 of .*apascal_train.txt: invalid literal"),
    ],
)
def test_malformed_lines_are_named(root, old, new, message):
    path = root / "attribute_data/apascal_train.txt"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ValueError, match=message):
        load_apy(root)


def test_wrong_number_of_names(root, layouts):
    layouts.write_text(root / "attribute_data/attribute_names.txt", ["Furry"])
    with pytest.raises(ValueError, match="1 attribute names, but .* by 2 attributes"):
        load_apy(root)
