"""Folders of pictures: what is listed, and the one order of it."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from zslearn.datasets import load_image_folder
from zslearn.feature_extraction._picture_folders import (
    describe_left_out,
    list_pictures,
    natural_key,
    path_key,
)
from zslearn.feature_extraction._picture_sources import as_pictures

needs_links = pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")


def fill(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (1, 1)).save(folder / name, format="PNG")
    return folder


def test_pictures_are_listed_without_what_is_no_picture(tmp_path):
    fill(tmp_path, "b/2.JPG", "a/1.jpg", "a/._1.jpg", "a/notes.txt", ".cache/3.jpg", "0.png")
    fill(tmp_path, "__MACOSX/a/1.jpg", "a/Thumbs.db")
    assert list_pictures(tmp_path) == ["0.png", "a/1.jpg", "b/2.JPG"]


@needs_links
def test_links_are_followed_but_not_in_circles(tmp_path):
    fill(tmp_path, "real/1.jpg", "root/owl/deep/2.jpg")
    os.symlink(tmp_path / "real", tmp_path / "root/class")
    os.symlink(tmp_path / "root", tmp_path / "root/owl/all")
    os.symlink(tmp_path / "root/owl", tmp_path / "root/owl/deep/back")
    os.symlink(tmp_path / "absent.png", tmp_path / "root/owl/broken.png")
    assert list_pictures(tmp_path / "root") == ["class/1.jpg", "owl/broken.png", "owl/deep/2.jpg"]


CASES = {
    "numbers": [f"{i}/{j}.png" for i in range(1, 13) for j in (1, 2, 10)],
    "numbered names": [f"class_{i}/a.png" for i in range(1, 12)],
    "capitals": [f"{name}/1.png" for name in ("apple", "Banana", "cherry", "Date")],
    "one name begins another": [f"{n}/1.png" for n in ("owl", "owl small", "owl-big", "owl.2")],
    "folders inside": ["b/10/1.png", "b/9/1.png", "b/9 x/1.png", "b/a.png", "a/z/1.png"],
    "letters": ["Äsche/1.png", "Aal/1.png", "äsche2/1.png", "Zander/1.png"],
    "suffixes": ["a/1.JPG", "a/1.jpe", "a/2.avif", "a/10.heic", "a/3.jp2"],
}


@pytest.mark.parametrize("names", CASES.values(), ids=CASES)
def test_one_order_everywhere(tmp_path, names):
    data = load_image_folder(fill(tmp_path, *names))
    assert data.image_files.tolist() == as_pictures(tmp_path).names == sorted(names, key=path_key)
    assert data.target.tolist() == [name.split("/")[0] for name in as_pictures(tmp_path).names]


@needs_links
def test_one_order_with_links(tmp_path):
    fill(tmp_path, "owl/2/b.png", "owl/10/c.png", "elk/d.png", "elk/Thumbs.db")
    os.symlink(tmp_path / "owl/10", tmp_path / "owl/1")
    os.symlink(tmp_path / "elk", tmp_path / "owl/elk")
    os.symlink(tmp_path / "absent.png", tmp_path / "elk/broken.png")
    assert load_image_folder(tmp_path).image_files.tolist() == as_pictures(tmp_path).names


@given(st.lists(st.text("ab1. -_Ä", min_size=1, max_size=4), min_size=1, max_size=3).map("/".join))
def test_the_key_of_a_path_is_that_of_its_folders(name):
    assert path_key(name) == [natural_key(part) for part in name.split("/")]


def test_documents_are_no_pictures_left_out():
    assert describe_left_out(["a.txt", "b.CSV", "c/d.json"]) == ""
    assert describe_left_out(["a.txt", "b.psd"]).startswith("1 file(s), which end in .psd (1)")
