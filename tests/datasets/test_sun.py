"""The SUN loader in the official format: scenes with sub-scenes, two archives."""

import shutil

import numpy as np
import pytest

from zslearn.datasets import load_sun

FILES = [
    "a/abbey/sun_a.jpg",
    "a/abbey/sun_b.jpg",
    "c/cabin/outdoor/sun_c.jpg",
    "z/zoo/sun_d.jpg",
    "z/zoo/sun_e.jpg",
]


@pytest.mark.parametrize("listed", [True, False], ids=["images.mat", "folder only"])
def test_everything_in_miniature(tmp_path, layouts, listed):
    sun = load_sun(layouts.write_sun(tmp_path, listed=listed))
    assert sun.image_files.tolist() == FILES
    assert sun.image_paths[2] == str(tmp_path / "images" / FILES[2])
    assert sun.target.tolist() == ["abbey", "abbey", "cabin_outdoor", "zoo", "zoo"]
    assert sun.trainval.tolist() == [1, 3]
    assert sun.test_seen.tolist() == [4, 0]
    assert sun.test_unseen.tolist() == [2]
    assert sun.unseen_classes.tolist() == ["cabin_outdoor"]
    assert sun.class_attributes.attribute_names == ("sailing/ boating", "driving")
    assert sun.class_attributes.values.tolist() == [[0.5, 0.0], [0.25, 0.75], [0.0, 1.0]]


@pytest.mark.parametrize("inner", ["", "SUNAttributeDB"])
@pytest.mark.parametrize(
    "home", ["SUNAttributeDB_Images/images", "SUNAttributeDB/images", "images"]
)
def test_pictures_in_or_beside(tmp_path, layouts, home, inner):
    layouts.write_sun(tmp_path)
    if home != "images":
        (tmp_path / home).parent.mkdir(exist_ok=True)
        shutil.move(tmp_path / "images", tmp_path / home)
    sun = load_sun(tmp_path / inner)
    assert sun.image_paths[0] == str(tmp_path / home / FILES[0])


def test_no_pictures(tmp_path, layouts):
    layouts.write_sun(tmp_path)
    shutil.rmtree(tmp_path / "images")
    with pytest.raises(FileNotFoundError, match="no folder of the pictures; looked for"):
        load_sun(tmp_path)


def test_skipping_needs_no_list_when_images_mat_is_there(tmp_path, layouts):
    layouts.write_sun(tmp_path)
    (tmp_path / "images/z/zoo/sun_d.jpg").unlink()
    sun = load_sun(tmp_path, missing_images="skip")
    assert sun.rows.tolist() == [0, 1, 2, 4]
    assert sun.test_seen.tolist() == [3, 0]


def test_a_class_the_split_does_not_name(tmp_path, layouts):
    layouts.write_sun(tmp_path, listed=False)
    layouts.write_pictures(tmp_path / "images", ["z/zen_garden/sun_x.jpg"])
    with pytest.raises(ValueError, match="1 class.es. that .* does not name: 'zen_garden'"):
        load_sun(tmp_path)


def test_a_described_class_without_pictures_stays(tmp_path, layouts):
    layouts.write_sun(tmp_path)
    layouts.write_splits(
        tmp_path / "xlsa17/data/SUN",
        [[0.5, 0.0], [0.25, 0.75], [0.0, 1.0], [1.0, 1.0]],
        ["abbey", "cabin_outdoor", "zoo", "zen_garden"],
        {"trainval": [2, 4], "test_seen": [5, 1], "test_unseen": [3]},
    )
    assert "zen_garden" in load_sun(tmp_path).class_attributes.labels
    (tmp_path / "images/a/abbey/sun_a.jpg").unlink()
    kept = load_sun(tmp_path, missing_images="skip").class_attributes.labels
    assert kept.tolist() == ["abbey", "cabin_outdoor", "zoo"]


def test_real_order_and_class_names(shared_data, tmp_path, layouts):
    """Real names and split on a folder of empty files, found without the list."""
    index = np.load(shared_data / "xlsa17/SUN/image_index.npz")
    files = index["image_files"].tolist()
    assert files == sorted(files)
    names = (shared_data / "xlsa17/SUN/attributes.txt").read_text().splitlines()
    folder = tmp_path / "SUNAttributeDB"
    layouts.write_mat(folder / "attributes.mat", {"attributes": layouts.cell(names)})
    shuffled = np.random.default_rng(0).permutation(files)
    listed = [file.removeprefix("images/") for file in shuffled]
    layouts.write_mat(folder / "images.mat", {"images": layouts.cell(listed)})
    layouts.write_pictures(tmp_path, files[::100])
    splits = tmp_path / "SUN"
    splits.mkdir()
    shutil.copy(shared_data / "xlsa17/SUN/att_splits.mat", splits)
    sun = load_sun(tmp_path, missing_images="skip")
    assert ["images/" + file for file in sun.image_files] == files[::100]
    assert sun.rows.tolist() == list(range(0, 14340, 100))
    whole = load_sun(tmp_path, missing_images="skip", image_index=shared_data / "xlsa17/SUN")
    assert whole.target.tolist() == sun.target.tolist()
    np.testing.assert_array_equal(whole.trainval, sun.trainval)
