"""Pictures as rows: decoded once or each time, to the same pixels."""

import numpy as np
import pytest
from PIL import Image

from tests.finetuning.problems import extractor, pictures
from zslearn.exceptions import UnreadableImagesError
from zslearn.feature_extraction._decoding import PixelTransform
from zslearn.feature_extraction._picture_sources import as_pictures
from zslearn.finetuning import _picture_source
from zslearn.finetuning._picture_source import PictureSource, with_margin


@pytest.fixture
def config():
    return extractor().fit().data_config_


@pytest.fixture
def files(tmp_path):
    X, _ = pictures(6, side=40)
    paths = []
    for i, pixels in enumerate(X):
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(pixels).save(paths[-1])
    return paths


def test_the_same_pixels_however_kept(files, config, tmp_path, monkeypatch):
    transform = PixelTransform(config)
    expected = np.stack([transform(Image.open(path)) for path in files])
    lazy, kept, mapped = (PictureSource(as_pictures(files), config, 2) for _ in range(3))
    kept.decode(skip=False)
    mapped.decode(skip=False, cache_dir=tmp_path / "cache")
    assert isinstance(mapped._decoded, np.memmap)
    for source in (lazy, kept, mapped):
        assert source.shape == expected.shape
        np.testing.assert_array_equal(source[:], expected)
        np.testing.assert_array_equal(source[np.array([3, 1])], expected[[3, 1]])
        np.testing.assert_array_equal(source.part(slice(2, 5))[1:], expected[3:5])
    # The second time nothing is decoded.
    monkeypatch.setattr(_picture_source, "decode_ahead", None)
    again = PictureSource(as_pictures(files), config, 2)
    again.decode(skip=False, cache_dir=tmp_path / "cache")
    np.testing.assert_array_equal(again[:], expected)


def test_too_much_for_the_memory_is_decoded_each_time(files, config, monkeypatch):
    monkeypatch.setattr(_picture_source, "free_memory", lambda: 0)
    source = PictureSource(as_pictures(files), config, 1)
    source.decode(skip=False)
    assert source._decoded is None
    assert source[:2].shape == (2, 32, 32, 3)


@pytest.mark.parametrize("room", [0, 2**40])
def test_unreadable_pictures_are_named_or_left_out(files, config, monkeypatch, room):
    monkeypatch.setattr(_picture_source, "free_memory", lambda: room)
    files[1].write_bytes(b"no picture")
    files[4].unlink()
    source = PictureSource(as_pictures(files), config, 2)
    words = r"(?s)2 of 6 pictures.*row 1.*row 4"
    with pytest.raises(UnreadableImagesError, match=words):
        source[:] if room == 0 else source.decode(skip=False)
    source = PictureSource(as_pictures(files), config, 2)
    source.decode(skip=True)
    assert [picture.row for picture in source.skipped] == [1, 4]
    assert source.rows.tolist() == [0, 2, 3, 5]
    assert source.shape[0] == 4
    np.testing.assert_array_equal(source[1:2], source.part([1])[:])


def test_a_file_that_is_another_is_refused(files, config, tmp_path):
    source = PictureSource(as_pictures(files), config, 1)
    source.decode(skip=False, cache_dir=tmp_path)
    (path,) = tmp_path.glob("pixels-*.npy")
    np.save(path, np.zeros(3))
    with pytest.raises(ValueError, match="not what was written there"):
        PictureSource(as_pictures(files), config, 1).decode(skip=False, cache_dir=tmp_path)


def test_margin_keeps_the_scale():
    config = {"input_size": [3, 224, 224], "crop_pct": 0.875}
    assert with_margin(config) == {"input_size": [3, 256, 256], "crop_pct": 1.0}
    config = {"input_size": [3, 224, 224], "crop_pct": 0.7}
    larger = with_margin(config)
    assert larger["input_size"][1] / larger["crop_pct"] == pytest.approx(224 / 0.7)
