"""Lists of pictures: how rows of a split meet the files of a folder."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zslearn import datasets
from zslearn.datasets._image_index import (
    ImageIndex,
    Pictures,
    clean_name,
    match_pictures,
    read_image_index,
)

NAMES = ["a/abbey/sun_1.jpg", "abbey/sun_1.jpg", "sun_1.jpg", "c/cabin/outdoor/sun_2.jpg"]
PICTURES = Pictures(NAMES, NAMES, ["x", "y", "x", "y"], np.ones(4, dtype=bool))


@given(
    st.permutations(range(4)),
    st.lists(st.sampled_from(["BS", "images", "JPEGImages", "data 1"]), max_size=4),
    st.sampled_from(["/", "//", "\\"]),
)
def test_rows_are_found_whatever_precedes_the_names(order, prefix, slash):
    """The longest name that fits counts, though shorter ones end alike."""
    files = [clean_name(slash.join([*prefix, *NAMES[k].split("/")])) for k in order]
    index = ImageIndex(files, np.array([0, 1, 0, 1])[list(order)], "the list")
    assert match_pictures(index, ["x", "y"], PICTURES).tolist() == list(order)


def test_rows_without_a_picture():
    index = ImageIndex(["q/abbey/sun_9.jpg", "my_sun_1.jpg", "q/sun_1.jpg"], None, "the list")
    assert match_pictures(index, ["x", "y"], PICTURES).tolist() == [-1, -1, 2]


@pytest.mark.parametrize(
    ("written", "clean"),
    [
        ("/BS//x///y.jpg ", "/BS/x/y.jpg"),
        ("D:\\x\\y.jpg", "D:/x/y.jpg"),
        ("x/y.jpg/", "x/y.jpg"),
    ],
)
def test_clean_name(written, clean):
    assert clean_name(written) == clean
    assert clean_name(clean) == clean


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"files": ["a"]}, "no array 'image_files'; it holds 'files'"),
        ({"image_files": ["a", "b"], "labels": [1, 2]}, "run from 1 to 2; .* counted from 0"),
        ({"image_files": ["a", "b"], "labels": [0.0, 1.0]}, "must be integers"),
        ({"image_files": ["a", "b"], "labels": [0]}, "2 image_files and 1 labels"),
    ],
)
def test_an_unsound_npz(tmp_path, arrays, message):
    np.savez(tmp_path / "index.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        read_image_index(tmp_path / "index.npz", 2)


def test_another_kind_of_file(tmp_path):
    (tmp_path / "index.csv").touch()
    with pytest.raises(ValueError, match="must be a .mat file"):
        read_image_index(tmp_path / "index.csv", 2)


@pytest.mark.parametrize("name", ["cub", "sun", "awa2", "apy", "flo"])
def test_paths_of_pictures_are_full(tmp_path, layouts, monkeypatch, name):
    """They outlive a change of the working directory."""
    write_layout(layouts, name, tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    bunch = getattr(datasets, f"load_{name}")("data")
    monkeypatch.chdir("/")
    assert all(Path(path).is_file() for path in bunch.image_paths)


@pytest.mark.parametrize("name", ["cub", "sun", "awa2", "apy", "flo"])
def test_home_folder_is_expanded(tmp_path, layouts, monkeypatch, name):
    root = write_layout(layouts, name, tmp_path / "data")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    load = getattr(datasets, f"load_{name}")
    split = next(root.rglob("att_splits.mat")).parent.relative_to(tmp_path)
    bunch = load("~/data", splits=f"~/{split}")
    assert bunch.image_paths.tolist() == load(root).image_paths.tolist()


def test_home_folder_is_expanded_of_ready_features(tmp_path, layouts, monkeypatch):
    root = layouts.write_sun(tmp_path)
    layouts.write_res101(root / "xlsa17/data/SUN", None, [1, 1, 2, 3, 3])
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert datasets.load_xlsa17("~/xlsa17", "SUN").data.shape == (5, 3)


def write_layout(layouts, name, folder):
    root = getattr(layouts, f"write_{name}")(folder)
    if name == "apy":
        layouts.write_splits(
            root / "xlsa17/data/APY",
            [[0.5, 1.0], [0.0, 0.5], [1.0, 0.0]],
            ["cow", "dog", "mug"],
            {"trainval": [1, 5], "test_seen": [3, 6], "test_unseen": [2, 4]},
        )
    return root
