"""Pictures may be given in many ways, and are told apart when they change."""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from zslearn.feature_extraction._picture_sources import as_pictures
from zslearn.model_selection import RowView

PIXELS = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)


@pytest.fixture
def folder(tmp_path):
    for name in ("b/2.PNG", "b/10.png", "a.png", ".hidden/4.png", "b/._2.png", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(PIXELS[0]).save(path, format="png")
    return tmp_path


def test_folder(folder):
    for X in (folder, str(folder)):
        pictures = as_pictures(X)
        assert pictures.names == ["a.png", "b/2.PNG", "b/10.png"]
        assert pictures.root == folder
        assert len(pictures) == 3
        np.testing.assert_array_equal(pictures.load(2), PIXELS[0])


@pytest.mark.parametrize(
    "convert",
    [
        list,
        tuple,
        np.array,
        pd.Series,
        lambda paths: pd.Series(paths).to_numpy(),
        lambda paths: pd.Series(paths, dtype="category"),
        lambda paths: [Path(path) for path in paths],
        lambda paths: np.array([Path(path) for path in paths]),
        lambda paths: (path for path in paths),
    ],
)
def test_paths(folder, convert):
    pictures = as_pictures(convert([f"{folder}/b/2.PNG", f"{folder}/a.png"]))
    assert pictures.names == ["b/2.PNG", "a.png"]
    assert pictures.root == folder
    assert pictures.find_missing() == {}


def test_relative_paths_and_a_single_one(folder, monkeypatch):
    monkeypatch.chdir(folder / "b")
    pictures = as_pictures(["2.PNG", "../a.png"])
    assert pictures.names == ["b/2.PNG", "a.png"]
    assert pictures.load(1).size == (5, 4)
    assert as_pictures(["2.PNG"]).names == ["2.PNG"]


def test_links_to_folders_are_followed_but_not_in_circles(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    Image.fromarray(PIXELS[1]).save(elsewhere / "5.png")
    (folder / "c").symlink_to(elsewhere, target_is_directory=True)
    (folder / "b" / "up").symlink_to(folder, target_is_directory=True)
    pictures = as_pictures(folder)
    assert pictures.names == ["a.png", "b/2.PNG", "b/10.png", "c/5.png"]
    np.testing.assert_array_equal(pictures.load(3), PIXELS[1])


def test_names_that_no_file_can_have(folder):
    pictures = as_pictures([folder / "a.png", folder / ("n" * 300), f"{folder}/a\0b.png"])
    assert pictures.find_missing() == {1: "no such file", 2: "no such file"}
    assert pictures.fingerprints()[1:] == ["missing", "missing"]


def test_missing(folder):
    pictures = as_pictures([folder / "c.png", folder / "a.png", folder / "b"])
    assert pictures.find_missing() == {0: "no such file", 2: "is a folder"}
    assert "c.png" in pictures.describe(0)


@pytest.mark.parametrize(
    "X",
    [
        PIXELS,
        list(PIXELS),
        RowView(PIXELS),
        torch.from_numpy(PIXELS),
        [Image.fromarray(picture) for picture in PIXELS],
    ],
)
def test_in_memory(X):
    pictures = as_pictures(X)
    assert pictures.names is None
    assert pictures.root is None
    assert pictures.find_missing() == {}
    for row in range(2):
        np.testing.assert_array_equal(pictures.load(row), PIXELS[row])


def test_grey_arrays():
    grey = PIXELS[..., 0].repeat(2, axis=2)
    for X in (grey, grey[..., None], list(grey)):
        np.testing.assert_array_equal(as_pictures(X).load(1), grey[1])


@pytest.mark.parametrize(
    ("X", "error", "match"),
    [
        (PIXELS / 255, TypeError, r"dtype float64.*\(255 \* X\)"),
        (PIXELS[0], ValueError, r"found \(4, 5, 3\).*X\[None\]"),
        (PIXELS[0, :, :, 0], ValueError, r"X\[None\]"),
        (PIXELS.transpose(0, 3, 1, 2), ValueError, r"transpose\(0, 2, 3, 1\)"),
        (np.zeros((2, 4, 5, 4), np.uint8), ValueError, "alpha"),
        (PIXELS[:0], ValueError, "no pictures"),
        (PIXELS[:, :0], ValueError, "no pixels"),
        ([], ValueError, "X is empty"),
        (["a.png", PIXELS[0]], TypeError, "a sequence of arrays, paths"),
        ([PIXELS[0] / 1.0], TypeError, "Picture 0 of X has dtype float64"),
        ([PIXELS], ValueError, r"Picture 0 of X has shape \(2, 4, 5, 3\)"),
        ([1, 2], TypeError, "a sequence of int"),
        (3, TypeError, "found a int"),
        (np.ma.masked_equal(PIXELS, 3), TypeError, "X is masked"),
        ([np.ma.masked_equal(PIXELS[0], 3)], TypeError, "not masked"),
        (b"a.png", TypeError, "found a bytes"),
        (pd.DataFrame({"path": ["a.png"]}), TypeError, "column of paths"),
        (np.array([["a.png"]]), ValueError, r"X.ravel\(\)"),
    ],
)
def test_refused(X, error, match):
    with pytest.raises(error, match=match):
        as_pictures(X)


def test_wrong_folders(folder):
    with pytest.raises(ValueError, match=r"single file.*Give a list of paths: \['.*a.png'\]"):
        as_pictures(folder / "a.png")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        as_pictures(folder / "c")
    (folder / "d").mkdir()
    with pytest.raises(ValueError, match=r"holds no pictures: .*\.jpg"):
        as_pictures(folder / "d")


def test_digests_tell_changes_of_contents(folder):
    def digest():
        return as_pictures(folder).digest(), as_pictures(folder).fingerprints()

    path = folder / "a.png"
    before = digest()
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert digest() == before  # folders may be copied
    content, status = bytearray(path.read_bytes()), path.stat()
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert digest()[0] != before[0]
    assert digest()[1] != before[1]  # though size and time are the same
    moved = folder.rename(folder.with_name("elsewhere"))
    shutil.copytree(moved, folder)
    assert as_pictures(moved).fingerprints() == as_pictures(folder).fingerprints()
    assert as_pictures(moved).digest() != as_pictures(folder).digest()


def test_a_picture_does_not_choose_its_decoder(folder):
    """PostScript would start another program, whatever the file is named."""
    for name in ("a.png", "b.jpg"):
        (folder / name).write_bytes(
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"
        )
        with pytest.raises(ValueError, match=r"not a picture of .*PNG"):
            as_pictures([folder / name]).load(0)


@pytest.mark.parametrize("form", ["PSD", "ICNS", "FITS", "WMF"])
def test_formats_that_are_not_meant_are_left_undecoded(tmp_path, form):
    starts = {
        "PSD": b"8BPS\0\1" + bytes(40),
        "ICNS": b"icns" + bytes(40),
        "FITS": b"SIMPLE  =                    T" + bytes(2880),
        "WMF": b"\xd7\xcd\xc6\x9a\x00\x00" + bytes(60),
    }
    (tmp_path / "a.png").write_bytes(starts[form])
    with pytest.raises(ValueError, match="not a picture of"):
        as_pictures([tmp_path / "a.png"]).load(0)


def test_formats_that_are_meant(tmp_path):
    picture = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    for name in ("a.avif", "a.jp2", "a.jpe", "a.tga", "a.pcx", "a.qoi", "a.dib", "a.pnm"):
        picture.save(tmp_path / name)
        assert as_pictures([tmp_path / name]).load(0).size == (4, 4)
    assert len(as_pictures(tmp_path)) == 8


def test_heif_without_its_decoder_is_named(tmp_path):
    if "HEIF" in Image.OPEN:
        pytest.skip("there is a decoder")
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40))
    with pytest.raises(ValueError, match="install pillow-heif"):
        as_pictures(tmp_path).load(0)


def test_pictures_of_too_many_pixels(tmp_path, monkeypatch):
    Image.new("L", (40, 50)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1999)
    with (
        pytest.warns(Image.DecompressionBombWarning),
        pytest.raises(ValueError, match="40 x 50 pixels are more than the 1999"),
    ):
        as_pictures(tmp_path).load(0)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)
    assert as_pictures(tmp_path).load(0).size == (40, 50)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert as_pictures(tmp_path).load(0).size == (40, 50)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    pictures = as_pictures(tmp_path)
    assert pictures.find_missing() == {0: "no ordinary file"}
    assert pictures.fingerprints() == ["missing"]
    with pytest.raises(ValueError, match="pipe"):
        pictures.load(0)


def test_what_is_left_out_of_a_folder_is_counted(folder):
    (folder / "notes.txt").touch()
    for name in ("c.psd", "d.nef", "e.nef", "f"):
        (folder / name).touch()
    with pytest.warns(UserWarning, match=r"4 file\(s\), which end in \.nef \(2\), .*left out"):
        as_pictures(folder)


def test_the_home_folder_in_paths(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("USERPROFILE", str(folder.parent))
    assert as_pictures(f"~/{folder.name}").names == as_pictures(folder).names
    assert not as_pictures([f"~/{folder.name}/a.png"]).find_missing()


def test_pictures_in_memory_that_cannot_be_read_are_told_apart(tmp_path):
    Image.fromarray(PIXELS[0]).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(content[:50])
    pictures = as_pictures([Image.open(tmp_path / name) for name in ("cut.png", "a.png")])
    broken, sound = pictures.fingerprints()
    assert broken == "unreadable: OSError"
    assert sound == as_pictures(PIXELS).fingerprints()[0]


def test_digests_of_pixels():
    changed = PIXELS.copy()
    changed[1, 0, 0, 0] += 1
    one, same, other = (as_pictures(X) for X in (PIXELS, list(PIXELS), changed))
    assert one.digest() == same.digest() != other.digest()
    assert one.fingerprints()[0] == other.fingerprints()[0]
    turned = [Image.fromarray(picture) for picture in PIXELS]
    turned[1].getexif()[0x0112] = 6
    assert as_pictures(turned).digest() != one.digest()
