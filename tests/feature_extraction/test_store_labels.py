"""Labels meet the rows of a store by name, not by position."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest

from zslearn.datasets import load_image_folder
from zslearn.feature_extraction import FeatureStoreWriter

NAMES = ["10/a.png", "2/b.png", "Äsche/c.png", "zoo/d.png"]


def write(folder, **options):
    call = {"n_total": 4, "n_regions": 1, "n_features": 2, "grid_shape": None, "metadata": {}}
    call |= {"images": NAMES, "image_root": folder / "pictures"} | options
    with FeatureStoreWriter(folder / "store", **call) as writer:
        writer.append(np.ones((3, 1, 2)), skipped={1: "broken"})
    return writer.store()


def test_names_in_another_order_and_form(tmp_path):
    store = write(tmp_path)
    images = [unicodedata.normalize("NFD", name) for name in reversed(NAMES)]
    assert store.labels_of(images, [3, 2, 1, 0]).tolist() == [0, 2, 3]
    paths = [tmp_path / "pictures" / name for name in NAMES]
    assert store.labels_of(paths, list("abcd")).tolist() == ["a", "c", "d"]
    # Of the one that was skipped there need be none.
    assert store.labels_of(np.array(NAMES)[[0, 3, 2]], [0, 3, 2]).tolist() == [0, 2, 3]


def test_what_does_not_belong_together_is_refused(tmp_path):
    store = write(tmp_path)
    with pytest.raises(ValueError, match=r"1 of 3 pictures .* no label.*'zoo/d.png'"):
        store.labels_of(NAMES[:3], [0, 1, 2])
    with pytest.raises(ValueError, match=r"1 of 5 images are not in the store.*'e.png'"):
        store.labels_of([*NAMES, "e.png"], range(5))
    with pytest.raises(ValueError, match="twice, with the labels"):
        store.labels_of([*NAMES, NAMES[0]], range(5))
    with pytest.raises(ValueError, match="for 4 images; give one label"):
        store.labels_of(NAMES, [0, 1, 2])
    with pytest.raises(TypeError, match="found str"):
        store.labels_of("a.png", [0])
    with pytest.raises(TypeError, match="must hold names or paths; found 3"):
        store.labels_of([3], [0])
    elsewhere = [Path("/elsewhere", name) for name in NAMES]
    with pytest.raises(ValueError, match="3 of 3 pictures"):
        store.labels_of(elsewhere, range(4))


def test_a_store_without_names(tmp_path):
    with pytest.raises(ValueError, match=r"no names .* y\[store.rows\]"):
        write(tmp_path, images=None).labels_of(NAMES, range(4))


def test_a_folder_of_pictures(tmp_path):
    for name in NAMES:
        (tmp_path / "pictures" / name).parent.mkdir(parents=True)
        (tmp_path / "pictures" / name).touch()
    data, store = load_image_folder(tmp_path / "pictures"), write(tmp_path)
    assert data.target.tolist() == ["2", "10", "zoo", "Äsche"]
    expected = ["10", "Äsche", "zoo"]
    assert store.labels_of(data.image_files, data.target).tolist() == expected
    assert store.labels_of(data.image_paths, data.target).tolist() == expected
