"""The CUB loader: in miniature by hand, and on real pictures."""

from pathlib import Path

import numpy as np
import pytest

from zslearn import ClassAttributes
from zslearn.datasets import load_cub


@pytest.fixture
def root(tmp_path, layouts):
    return layouts.write_cub(tmp_path)


def assert_mini(cub, layouts):
    assert cub.image_files.tolist() == layouts.CUB_SORTED
    assert cub.target.tolist() == ["001.Auk"] * 3 + ["002.Bee_eater"] * 2 + ["003.Crow"] * 2
    assert cub.trainval.tolist() == [2, 0, 5]
    assert cub.test_seen.tolist() == [1, 6]
    assert cub.test_unseen.tolist() == [3, 4]


def test_everything_in_miniature(root, layouts):
    cub = load_cub(root)
    assert_mini(cub, layouts)
    assert cub.image_paths[0].endswith("CUB_200_2011/images/001.Auk/Auk_0001_9.jpg")
    assert all(Path(path).read_bytes()[:2] == b"\xff\xd8" for path in cub.image_paths)
    assert cub.seen_classes.tolist() == ["001.Auk", "003.Crow"]
    assert cub.unseen_classes.tolist() == ["002.Bee_eater"]
    assert cub.rows.tolist() == list(range(7))
    assert cub.class_attributes == ClassAttributes(
        [[0.1, 0.2], [0.5, 0.0], [0.3, 0.4]],
        labels=["001.Auk", "003.Crow", "002.Bee_eater"],
        attribute_names=["has_bill::curved", "has_wing::black"],
    )
    assert cub.part_names.tolist() == ["back", "left eye"]
    # Sorted by name, the numbers in images.txt are 2, 1, 5, 6, 7, 9, 8.
    assert cub.part_locations[:, 0, 0].tolist() == [2.5, 1.5, 5.5, 6.5, 7.5, 9.5, 8.5]
    assert cub.part_locations[0].tolist() == [[2.5, 2.0, 1.0], [0.0, 0.0, 0.0]]
    assert cub.bounding_boxes[1].tolist() == [1.0, 10.5, 30.0, 40.0]
    assert "train" not in cub
    assert "trainval 3, test_seen 2, test_unseen 2" in cub.DESCR


@pytest.mark.parametrize("inner", ["", "CUB_200_2011"])
def test_root_is_the_folder_or_its_parent(root, layouts, inner):
    assert_mini(load_cub(root / inner), layouts)


@pytest.mark.parametrize(
    "splits", ["xlsa17", "xlsa17/data", "xlsa17/data/CUB", "xlsa17/data/CUB/att_splits.mat"]
)
def test_splits_may_be_any_folder_of_the_archive(root, layouts, splits):
    (root / "xlsa17").rename(root / "elsewhere")
    splits = root / splits.replace("xlsa17", "elsewhere")
    if splits.name == "elsewhere":
        (root / "elsewhere").rename(root / "xlsa17")
        splits = root / "xlsa17"
    assert_mini(load_cub(root, splits=splits), layouts)


def test_splits_of_another_data_set_are_not_taken(root):
    (root / "xlsa17/data/CUB").rename(root / "xlsa17/data/SUN")
    with pytest.raises(FileNotFoundError, match="no att_splits.mat of CUB.*pass splits="):
        load_cub(root, splits=root / "xlsa17/data/SUN")
    with pytest.raises(FileNotFoundError, match="splits=None"):
        load_cub(root)


def test_l2_attributes(root):
    table = load_cub(root, attributes="l2").class_attributes
    np.testing.assert_allclose(table.values, [[5**-0.5, 2 * 5**-0.5], [1, 0], [0.6, 0.8]])


@pytest.mark.parametrize("suffix", [".npz", ".txt", ".mat"])
def test_an_image_list_orders_the_rows(root, layouts, suffix):
    """A list in another order than sorted, of paths with another prefix and doubled slashes."""
    files = layouts.CUB_SORTED[::-1]
    labels = [{"001": 0, "003": 1, "002": 2}[file[:3]] for file in files]
    path = root / f"index{suffix}"
    listed = [f"/BS/somebody//CUB_200_2011/images//{file}" for file in files]
    if suffix == ".npz":
        np.savez(path, image_files=listed, labels=labels)
    elif suffix == ".txt":
        layouts.write_text(path, listed)
    else:
        layouts.write_res101(root, listed, np.array(labels) + 1)
        path = root / "res101.mat"
    # Rows that part the classes in the reversed order: crows 1, 2, bee eaters 3, 4, auks 5 to 7.
    layouts.write_splits(
        root / "xlsa17/data/CUB",
        [[10.0, 20.0], [50.0, 0.0], [30.0, 40.0]],
        ["001.Auk", "003.Crow", "002.Bee_eater"],
        {"trainval": [1, 5, 6], "test_seen": [2, 7], "test_unseen": [3, 4]},
    )
    cub = load_cub(root, image_index=path)
    assert cub.image_files.tolist() == files
    assert cub.target[0] == "003.Crow"
    assert cub.bounding_boxes[:, 0].tolist() == [8, 9, 7, 6, 5, 1, 2]
    with pytest.raises(ValueError, match="002.Bee_eater.*another order of the pictures"):
        load_cub(root)  # sorted by name, the same rows do not part the classes


def test_a_list_beside_the_splits_is_found(root, layouts):
    layouts.write_res101(
        root / "xlsa17/data/CUB",
        ["/x/images/" + file for file in layouts.CUB_SORTED],
        [1, 1, 1, 3, 3, 2, 2],
    )
    assert_mini(load_cub(root), layouts)
    layouts.write_res101(
        root / "xlsa17/data/CUB",
        ["/x/images/" + file for file in layouts.CUB_SORTED],
        [1, 1, 1, 2, 2, 3, 3],
    )
    with pytest.raises(
        ValueError, match="disagree on the class of 4 picture.*'003.Crow' in the list"
    ):
        load_cub(root)  # labels that count classes.txt instead of allclasses_names


def test_missing_pictures(root, layouts):
    for name in ("001.Auk/Auk_0001_9.jpg", "003.Crow/Crow_0001_8.jpg", "003.Crow/Crow_0002_2.jpg"):
        (root / "CUB_200_2011/images" / name).unlink()
    with pytest.raises(
        FileNotFoundError, match="3 of 7 pictures of CUB are missing: '001.Auk/Auk_00"
    ):
        load_cub(root)
    cub = load_cub(root, missing_images="skip")
    assert cub.rows.tolist() == [1, 2, 3, 4]
    assert cub.image_files.tolist() == layouts.CUB_SORTED[1:5]
    assert (cub.trainval.tolist(), cub.test_seen.tolist()) == ([1], [0])
    assert cub.test_unseen.tolist() == [2, 3]
    assert cub.class_attributes.labels.tolist() == ["001.Auk", "002.Bee_eater"]
    assert cub.seen_classes.tolist() == ["001.Auk"]
    assert cub.part_locations[:, 0, 0].tolist() == [1.5, 5.5, 6.5, 7.5]
    assert "3 of 7 pictures are missing" in cub.DESCR


def test_no_picture_at_all(root, layouts):
    path = root / "other.txt"
    layouts.write_text(path, [f"JPEGImages/ox/{k}.jpg" for k in range(7)])
    with pytest.raises(ValueError, match="no picture of .*other.txt.*'JPEGImages/ox/0.jpg'"):
        load_cub(root, image_index=path, missing_images="skip")


def test_without_a_list_an_incomplete_distribution_is_refused(root, layouts):
    lines = (root / "CUB_200_2011/images.txt").read_text().splitlines()
    layouts.write_text(root / "CUB_200_2011/images.txt", lines[:-1])
    with pytest.raises(
        ValueError, match="numbers 7 pictures and the distribution has 6.*res101.mat"
    ):
        load_cub(root, missing_images="skip")


def test_another_class_table_is_refused(root, layouts):
    path = root / "CUB_200_2011/attributes/class_attribute_labels_continuous.txt"
    layouts.write_text(path, ["10.0 20.0", "50.0 0.0", "30.0 40.0"])
    with pytest.raises(ValueError, match="describe 2 class.*'003.Crow', '002.Bee_eater'"):
        load_cub(root)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("image_class_labels.txt", "6 2", "6 3", "folder of another class.*Bee_0001"),
        ("image_class_labels.txt", "6 2", "66 2", "no line for picture.s. 6"),
        ("bounding_boxes.txt", "5.0 50.5 30.0 40.0", "5.0 50.5 30.0", "columns|row"),
        ("parts/part_locs.txt", "7 2 0.0 0.0 0\n", "", "all 2 parts of picture.s. 7"),
        ("parts/part_locs.txt", "7 2 ", "7 3 ", "has part 3; parts.txt has 2"),
        ("images.txt", "5 001.Auk", "five 001.Auk", "a number and a path, found 'five 001.Auk"),
        ("classes.txt", "2 002.Bee_eater", "4 002.Bee_eater", "line 2 of .*classes.txt must be '2"),
    ],
)
def test_inconsistent_files_are_named(root, file, old, new, message):
    path = root / "CUB_200_2011" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ValueError, match=message):
        load_cub(root)


def test_word_vectors(root, tmp_path):
    vectors = np.array([[1.0, 0.0, 2.0], [0.0, 1.0, 0.0]], dtype=np.float32)
    np.save(tmp_path / "v.npy", vectors)
    np.savez(tmp_path / "v.npz", vectors=vectors, other=[1])
    sources = [
        vectors,
        tmp_path / "v.npy",
        str(tmp_path / "v.npz"),
        lambda names: vectors if names == ["has_bill::curved", "has_wing::black"] else None,
        {"has_wing::black": vectors[1], "has_bill::curved": vectors[0]},
    ]
    for source in sources:
        table = load_cub(root, word_vectors=source).class_attributes
        np.testing.assert_array_equal(table.word_vectors, vectors)
    with pytest.raises(ValueError, match="n_attributes=2; found shape .1, 3."):
        load_cub(root, word_vectors=vectors[:1])
    with pytest.raises(FileNotFoundError, match="word_vectors='gone.npy'"):
        load_cub(root, word_vectors="gone.npy")
    np.savez(tmp_path / "two.npz", a=vectors, b=vectors)
    with pytest.raises(ValueError, match="one named 'vectors'; it holds 'a', 'b'"):
        load_cub(root, word_vectors=tmp_path / "two.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "v.npz").read_bytes()[:100])
    with pytest.raises(ValueError, match="cut.npz cannot be read as arrays"):
        load_cub(root, word_vectors=tmp_path / "cut.npz")
    (tmp_path / "v.pkl").write_bytes(b"")
    with pytest.raises(ValueError, match="must be a .npy or .npz"):
        load_cub(root, word_vectors=tmp_path / "v.pkl")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"attributes": "binary"}, "attributes must be one of 'original', 'l2', found 'binary'"),
        ({"missing_images": "ignore"}, "missing_images must be one of"),
    ],
)
def test_parameters_are_checked(root, parameters, message):
    with pytest.raises(ValueError, match=message):
        load_cub(root, **parameters)


def test_the_folder_is_checked(root, tmp_path):
    with pytest.raises(FileNotFoundError, match="is no folder"):
        load_cub(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="holds no images.txt"):
        load_cub(tmp_path / "empty", splits=root / "xlsa17")
    (root / "attributes.txt").unlink()
    with pytest.raises(FileNotFoundError, match="no attributes.txt; looked for"):
        load_cub(root)


# Real data ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(shared_data):
    return load_cub(
        shared_data / "cub_mini",
        missing_images="skip",
        word_vectors=shared_data / "word_vectors/CUB_word2vec_300.npz",
    )


def test_real_split_agrees_with_the_features_of_the_same_pictures(real, shared_data):
    meta = np.load(shared_data / "cub50/meta.npz")
    row = {file: k for k, file in enumerate(meta["image_file"].tolist())}
    at = [row[file] for file in real.image_files]
    assert len(at) == 88
    assert len(real.seen_classes) == 8
    assert len(real.unseen_classes) == 4
    np.testing.assert_array_equal(real.target, meta["label"][at])
    np.testing.assert_array_equal(real.rows, meta["xlsa17_index"][at])
    for part in ("trainval", "test_seen", "test_unseen"):
        assert set(real[part]) == set(np.flatnonzero(meta["split"][at] == part))


def test_real_class_table(real, shared_data):
    meta = np.load(shared_data / "cub50/meta.npz")
    table = real.class_attributes
    at = [meta["class_names"].tolist().index(label) for label in table.labels]
    np.testing.assert_allclose(table.values, meta["class_attributes"][at] / 100, atol=1e-12)
    np.testing.assert_array_equal(table.attribute_names, meta["attribute_names"])
    np.testing.assert_array_equal(table.word_vectors, meta["attribute_vectors"].astype(np.float32))


def test_real_parts_and_boxes(real, shared_data):
    from PIL import Image

    meta = np.load(shared_data / "cub50/meta.npz")
    row = {file: k for k, file in enumerate(meta["image_file"].tolist())}
    at = [row[file] for file in real.image_files]
    sizes = np.array([Image.open(path).size for path in real.image_paths], dtype=float)
    assert real.part_names.tolist() == meta["part_names"].tolist()
    scaled = real.part_locations[:, :, :2] / sizes[:, None]
    np.testing.assert_array_equal(real.part_locations[:, :, 2], meta["part_xyv"][at][:, :, 2])
    np.testing.assert_allclose(scaled, meta["part_xyv"][at][:, :, :2], atol=1e-5)
    boxes = real.bounding_boxes / np.tile(sizes, 2)
    np.testing.assert_allclose(boxes, meta["bounding_box_xywh"][at], atol=1e-5)


def test_real_order_is_by_name_and_not_that_of_images_txt(shared_data):
    index = np.load(shared_data / "xlsa17/CUB/image_index.npz")
    names = [file.split("/images/")[1] for file in index["image_files"].tolist()]
    assert names == sorted(names)
    lines = (shared_data / "cub_mini/CUB_200_2011/images.txt").read_text().splitlines()
    official = [line.split() for line in lines]
    assert sum(names[int(number) - 1] == name for number, name in official) == 2  # of 88


def test_byte_order_marks_are_passed_by(tmp_path, layouts):
    root = layouts.write_cub(tmp_path / "cub")
    for name in ("attributes.txt", "CUB_200_2011/images.txt", "CUB_200_2011/classes.txt"):
        (root / name).write_bytes(b"\xef\xbb\xbf" + (root / name).read_bytes())
    cub = load_cub(root)
    assert cub.image_paths[0] == str(root / "CUB_200_2011/images" / layouts.CUB_SORTED[0])
    assert cub.class_attributes.attribute_names == ("has_bill::curved", "has_wing::black")
