"""The AwA2 loader in the official format: classes with two orders, -1, train and val."""

import numpy as np
import pytest

from zslearn.datasets import load_awa2


@pytest.fixture
def root(tmp_path, layouts):
    return layouts.write_awa2(tmp_path)


def test_everything_in_miniature(root):
    awa2 = load_awa2(root)
    assert awa2.image_files.tolist() == [
        "antelope/antelope_10001.jpg",
        "antelope/antelope_10002.jpg",
        "grizzly+bear/grizzly+bear_10001.jpg",
        "grizzly+bear/grizzly+bear_10002.jpg",
        "ox/ox_10001.jpg",
        "ox/ox_10002.jpg",
    ]
    assert awa2.image_paths[5] == str(root / "Animals_with_Attributes2/JPEGImages/ox/ox_10002.jpg")
    assert awa2.target.tolist() == ["antelope"] * 2 + ["grizzly+bear"] * 2 + ["ox"] * 2
    assert awa2.trainval.tolist() == [4, 0]
    assert awa2.test_seen.tolist() == [1, 5]
    assert awa2.test_unseen.tolist() == [2, 3]
    assert awa2.seen_classes.tolist() == ["antelope", "ox"]
    assert awa2.class_attributes.attribute_names == ("black", "big")


def test_train_and_val_lose_the_seen_test_rows(root):
    awa2 = load_awa2(root)
    assert awa2.train.tolist() == [0]  # the file says 1 and 2
    assert awa2.val.tolist() == [4]
    assert "train_loc and val_loc of the file hold 2 rows outside trainval" in awa2.DESCR


def test_not_given_becomes_the_mean(root):
    table = load_awa2(root).class_attributes
    np.testing.assert_allclose(table.values, [[0.3, 0.3], [0.2, 0.9], [0.4, 0.8]])
    assert table.missing_mask.tolist() == [[True, False], [False, False], [False, False]]


def test_l2_keeps_the_minus_one_as_distributed(root):
    table = load_awa2(root, attributes="l2").class_attributes
    np.testing.assert_allclose(table.values[0], np.array([-1, 30]) / np.sqrt(901))
    assert not table.missing_mask.any()


def test_binary_follows_the_class_names(root, layouts):
    """classes.txt has the bear first, the split the antelope."""
    table = load_awa2(root, attributes="binary").class_attributes
    assert table.labels.tolist() == ["antelope", "grizzly+bear", "ox"]
    assert table.values.tolist() == [[1, 0], [0, 1], [1, 1]]
    path = root / "Animals_with_Attributes2/predicate-matrix-binary.txt"
    layouts.write_text(path, ["0 1", "1 0"])
    with pytest.raises(ValueError, match="has shape .2, 2.; classes.txt has 3 classes"):
        load_awa2(root, attributes="binary")


def test_doubled_slashes(root, layouts):
    files = [
        f"/BS/xian/Animals_with_Attributes2//JPEGImages/{name}/{name}_1000{k}.jpg"
        for name in ("antelope", "grizzly+bear", "ox")
        for k in (2, 1)
    ]
    layouts.write_res101(root / "xlsa17/data/AWA2", files, [1, 1, 2, 2, 3, 3])
    awa2 = load_awa2(root)
    assert awa2.image_files[:2].tolist() == [
        "antelope/antelope_10002.jpg",
        "antelope/antelope_10001.jpg",
    ]


def test_an_extra_picture_makes_the_order_unknown(root, layouts):
    layouts.write_pictures(root / "Animals_with_Attributes2/JPEGImages", ["ox/ox_10000.jpg"])
    with pytest.raises(ValueError, match="numbers 6 pictures and the distribution has 7"):
        load_awa2(root)


def test_a_list_that_names_a_picture_twice(root, layouts):
    names = ["antelope/antelope_10001.jpg"] * 2 + ["ox/ox_10001.jpg"] * 4
    layouts.write_text(root / "index.txt", names)
    with pytest.raises(ValueError, match="names 4 picture.s. more than once: 'antelope/"):
        load_awa2(root, image_index=root / "index.txt", missing_images="skip")


def test_real_order_is_by_name_with_doubled_slashes(shared_data):
    index = np.load(shared_data / "xlsa17/AWA2/image_index.npz")
    files = index["image_files"].tolist()
    assert files == sorted(files)
    assert all("//JPEGImages/" in file for file in files)


def test_real_split_on_a_tree_of_the_real_names(shared_data, tmp_path, layouts):
    """Names and split are real, the pictures are empty files: the class counts of the paper."""
    index = np.load(shared_data / "xlsa17/AWA2/image_index.npz")
    names = [file.split("//JPEGImages/")[1] for file in index["image_files"].tolist()]
    folder = tmp_path / "Animals_with_Attributes2"
    for name in {name.split("/")[0] for name in names}:
        (folder / "JPEGImages" / name).mkdir(parents=True)
    for name in names[::20]:
        (folder / "JPEGImages" / name).touch()
    lines = (shared_data / "xlsa17/AWA2/predicates.txt").read_text().splitlines()
    layouts.write_text(folder / "predicates.txt", lines)
    awa2 = load_awa2(
        folder,
        splits=shared_data / "xlsa17/AWA2/att_splits_with_train_val.mat",
        missing_images="skip",
    )
    assert awa2.rows.tolist() == list(range(0, 37322, 20))
    assert (len(awa2.seen_classes), len(awa2.unseen_classes)) == (40, 10)
    assert set(awa2.train) | set(awa2.val) == set(awa2.trainval)
    assert awa2.class_attributes.missing_mask.sum() == 4
    assert awa2.class_attributes.values.min() == 0
    antelope = awa2.class_attributes.subset(["antelope"])
    assert antelope.missing_mask[0, :4].all()
    assert antelope.attribute_names[:4] == ("black", "white", "blue", "brown")
