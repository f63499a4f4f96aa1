"""Pictures become upright RGB pixels of one size, in order, whatever the threads do."""

import struct
import threading
import time

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from timm.data import create_transform

from zslearn.feature_extraction._decoding import (
    PixelTransform,
    count_threads,
    decode_ahead,
    to_rgb,
)
from zslearn.feature_extraction._picture_sources import as_pictures

CONFIG = {
    "input_size": [3, 32, 32],
    "interpolation": "bicubic",
    "mean": [0.5, 0.4, 0.3],
    "std": [0.2, 0.3, 0.4],
    "crop_pct": 0.875,
    "crop_mode": "center",
}


@pytest.fixture
def picture():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 70, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("mode", ["center", "squash", "border"])
@pytest.mark.parametrize("size", [(32, 32), (32, 48)])
def test_geometry_is_timms(picture, mode, size):
    config = {**CONFIG, "crop_mode": mode, "input_size": [3, *size]}
    expected = create_transform(**config, is_training=False)(picture)
    pixels = PixelTransform(config)(picture)
    assert pixels.shape == (*size, 3)
    x = torch.from_numpy(pixels.copy()).permute(2, 0, 1) / 255
    x = (x - torch.tensor(config["mean"])[:, None, None]) / torch.tensor(config["std"])[
        :, None, None
    ]
    torch.testing.assert_close(x, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(picture, orientation, tmp_path):
    """A picture stored turned, with the tag to say so, looks like the upright one."""
    Transpose = Image.Transpose
    store = {
        1: None,
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_90,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_270,
    }[orientation]
    stored = picture if store is None else picture.transpose(store)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(to_rgb(as_pictures([tmp_path / "a.png"]).load(0)), picture)


def test_orientation_of_16_bits(tmp_path):
    values = np.arange(250, 256, dtype=np.uint16).reshape(2, 3) << 8
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(values).save(tmp_path / "a.png", exif=exif)
    upright = to_rgb(as_pictures([tmp_path / "a.png"]).load(0))
    np.testing.assert_array_equal(np.asarray(upright)[..., 0], [[253, 250], [254, 251], [255, 252]])


def test_odd_tags_beside_the_orientation(picture, tmp_path):
    """The maker's name is a ratio, which Pillow reads, but cannot write."""
    tags = struct.pack(">HHHII", 2, 0x010F, 5, 1, 38) + struct.pack(">HHIHH", 0x0112, 3, 1, 3, 0)
    exif = b"Exif\0\0MM\0*" + struct.pack(">I", 8) + tags + struct.pack(">III", 0, 72, 1)
    picture.save(tmp_path / "a.png", exif=exif)
    with pytest.raises(AttributeError):
        ImageOps.exif_transpose(Image.open(tmp_path / "a.png"))
    upright = to_rgb(as_pictures([tmp_path / "a.png"]).load(0))
    np.testing.assert_array_equal(upright, np.asarray(picture)[::-1, ::-1])


def test_unreadable_orientation_is_none(picture, tmp_path):
    picture.save(tmp_path / "a.png", exif=b"Exif\0\0nonsense")
    np.testing.assert_array_equal(to_rgb(Image.open(tmp_path / "a.png")), picture)


def test_transparency_shows_white():
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, :, 0] = 200
    pixels[0, :, 3] = [0, 51, 255]
    # 51 is a fifth: 0.2 * 200 + 0.8 * 255 = 244 and 0.8 * 255 = 204.
    expected = [[[255, 255, 255], [244, 204, 204], [200, 0, 0]]]
    np.testing.assert_array_equal(to_rgb(Image.fromarray(pixels)), expected)


def test_transparent_palette():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    np.testing.assert_array_equal(to_rgb(image), [[[10, 20, 30], [40, 50, 60]]])
    image.info["transparency"] = 1
    np.testing.assert_array_equal(to_rgb(image), [[[10, 20, 30], [255, 255, 255]]])


def test_grey_and_other_modes():
    grey = Image.fromarray(np.array([[0, 7, 255]], np.uint8))
    expected = [[[v] * 3 for v in (0, 7, 255)]]
    np.testing.assert_array_equal(to_rgb(grey), expected)
    deep = Image.fromarray(np.array([[0, 7 * 256 + 99, 65535]], np.uint16))
    assert deep.mode.startswith("I;16")
    np.testing.assert_array_equal(to_rgb(deep), expected)
    np.testing.assert_array_equal(to_rgb(grey.convert("1")), [[[0] * 3, [0] * 3, [255] * 3]])
    assert to_rgb(Image.new("CMYK", (1, 1), (0, 255, 255, 0))).getpixel((0, 0)) == (255, 0, 0)
    for mode in ("F", "I"):
        with pytest.raises(ValueError, match=f"mode '{mode}', whose range is not known"):
            to_rgb(Image.new(mode, (2, 2), 100_000))


def test_first_frame(tmp_path, picture):
    red, blue = (Image.new("RGB", (4, 4), colour) for colour in ("red", "blue"))
    red.save(tmp_path / "a.gif", save_all=True, append_images=[blue])
    assert to_rgb(as_pictures([tmp_path / "a.gif"]).load(0)).getpixel((0, 0)) == (255, 0, 0)


def test_count_threads(monkeypatch):
    monkeypatch.setattr("zslearn.feature_extraction._decoding.cpu_count", lambda: 8)
    assert [count_threads(n) for n in (None, 3, -1, -2, -20)] == [8, 3, 8, 7, 1]


class Slow:
    """Stands in for pictures: rows take longer the earlier they are, and some fail."""

    def __init__(self, n, broken=()):
        self.n, self.broken, self.decoded = n, broken, []

    def __len__(self):
        return self.n

    def load(self, row):
        time.sleep(0.002 * (row % 4 == 0))
        self.decoded.append(row)
        if row in self.broken:
            raise OSError(f"row {row} is cut off")
        return Image.new("RGB", (40, 40), (row, row, row))


def batches_of(n, size):
    return [range(i, min(n, i + size)) for i in range(0, n, size)]


def decode(pictures, n_threads=3, n_ahead=2, missing=None, size=4):
    return decode_ahead(
        pictures,
        PixelTransform(CONFIG),
        batches_of(len(pictures), size),
        n_threads=n_threads,
        n_ahead=n_ahead,
        allocate=lambda shape: np.empty(shape, np.uint8),
        missing=missing or {},
    )


@pytest.mark.parametrize(("n_threads", "n_ahead"), [(1, 0), (1, 2), (4, 3)])
def test_order(n_threads, n_ahead):
    rows, values = [], []
    for batch in decode(Slow(14), n_threads, n_ahead):
        assert batch.pixels.shape == (len(batch.rows), 32, 32, 3)
        assert batch.failed == {}
        rows += batch.rows
        values += list(batch.pixels[:, 0, 0, 0])
    assert rows == values == list(range(14))


def test_failures_are_named():
    found = {}
    for batch in decode(Slow(10, broken=(1, 9)), missing={4: "no such file"}):
        found |= batch.failed
    assert found == {
        1: "OSError: row 1 is cut off",
        4: "no such file",
        9: "OSError: row 9 is cut off",
    }


def test_memory_error_is_not_a_broken_picture(monkeypatch):
    pictures = Slow(4)
    monkeypatch.setattr(pictures, "load", lambda row: (_ for _ in ()).throw(MemoryError))
    with pytest.raises(MemoryError):
        list(decode(pictures))


def test_no_more_than_asked_is_decoded_ahead():
    pictures = Slow(400)
    batches = decode(pictures, n_ahead=2)
    next(batches)
    time.sleep(0.1)
    assert len(pictures.decoded) <= 3 * 4
    next(batches)
    time.sleep(0.1)
    assert len(pictures.decoded) <= 4 * 4
    batches.close()


def test_closing_ends_the_threads():
    pictures = Slow(400)
    batches = decode(pictures, size=100)
    next(batches)
    batches.close()
    assert len(pictures.decoded) < 250
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("zslearn-decode")]


@pytest.mark.parametrize("n_bits", [8, 10, 12, 14, 16])
def test_grey_of_every_depth_in_16_bits(tmp_path, n_bits):
    """Cameras put 10 or 12 bits into files of 16."""
    full = 2**n_bits - 1
    values = np.linspace(0, full, 24).astype(np.uint16).reshape(4, 6)
    for name in ("a.png", "a.tif"):
        Image.fromarray(values).save(tmp_path / name)
        found = np.asarray(to_rgb(as_pictures([tmp_path / name]).load(0)))
        np.testing.assert_array_equal(found[..., 0], values >> (n_bits - 8))
        assert found.max() == 255


def test_what_is_transparent_in_a_tall_picture():
    """Laid over white in bands, it is as if at once."""
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (2500, 3, 4), dtype=np.uint8), "RGBA")
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    expected = np.asarray(Image.alpha_composite(white, image).convert("RGB"))
    np.testing.assert_array_equal(np.asarray(to_rgb(image)), expected)
