"""Normalised pixels, and what is shown of a picture in an epoch."""

import numpy as np
import pytest
import torch

from tests.finetuning.problems import extractor, pictures
from zslearn.feature_extraction._picture_sources import as_pictures
from zslearn.finetuning._picture_source import PictureSource, with_margin
from zslearn.finetuning._pixel_rows import PixelBatches, PixelRows, Views


@pytest.fixture(scope="module")
def config():
    return extractor().fit().data_config_


def rows_of(config, larger=False, block=5, **options):
    source = PictureSource(
        as_pictures(pictures(12, side=40)[0]), with_margin(config) if larger else config, 1
    )
    source.decode(skip=False)
    return PixelRows(source, config, torch.device("cpu"), block, **options)


def normalised(pixels, config):
    x = (pixels / 255 - np.array(config["mean"])) / np.array(config["std"])
    return x.transpose(0, 3, 1, 2)


def test_normalised_as_the_network_has_it(config):
    rows = rows_of(config)
    expected = normalised(rows.X[:], config)
    np.testing.assert_allclose(rows.take(slice(None)), expected, rtol=0, atol=1e-6)
    chunks = list(rows.take_chunks())
    assert [len(pixels) for _, pixels in chunks] == [5, 5, 2]
    assert torch.equal(torch.cat([pixels for _, pixels in chunks]), rows.take(slice(None)))
    assert rows.take(slice(0, 2)).is_contiguous(memory_format=torch.channels_last)


def test_crops_and_flips(config):
    rows = rows_of(config, larger=True)
    raw = rows.read(np.array([4, 7]))
    assert raw.shape[1:3] == (37, 37)
    views = Views(np.array([0.0, 0.999]), np.array([0.999, 0.0]), np.array([False, True]))
    found = rows.prepare(raw, views=views)
    pixels = raw.numpy()
    expected = np.stack([pixels[0, :32, 5:], pixels[1, 5:, :32][:, ::-1]])
    np.testing.assert_allclose(found, normalised(expected, config), rtol=0, atol=1e-6)
    middle = normalised(pixels[:, 2:34, 2:34], config)
    np.testing.assert_allclose(rows.prepare(raw), middle, rtol=0, atol=1e-6)


def batches_of(rows, size, augmentation="crop", seed=3):
    targets = np.arange(len(rows), dtype=np.int64)
    return PixelBatches(rows, targets, size, seed, augmentation=augmentation)


def shown(batches, epoch):
    """Pixels by target, whatever batch they came in."""
    batches.epoch = epoch
    return {int(t): x for X, y in batches for x, t in zip(X, y, strict=True)}


@pytest.mark.parametrize("augmentation", ["none", "flip", "crop"])
def test_a_picture_depends_on_seed_epoch_and_row_alone(config, augmentation):
    rows = rows_of(config, larger=augmentation == "crop")
    batches = batches_of(rows, 4, augmentation)
    first, later = shown(batches, 0), shown(batches, 1)
    for size in (5, 12):
        again = shown(batches_of(rows, size, augmentation), 0)
        assert all(torch.equal(again[t], first[t]) for t in first)
    # A part of the rows: the same pictures are shown the same way.
    some = rows_of(config, larger=augmentation == "crop", rows=np.array([2, 3, 9]))
    part = shown(batches_of(some, 2, augmentation), 0)
    assert all(torch.equal(part[t], first[row]) for t, row in enumerate([2, 3, 9]))
    changed = [not torch.equal(first[t], later[t]) for t in first]
    assert any(changed) == (augmentation != "none")
    other = shown(batches_of(rows, 4, augmentation, seed=4), 0)
    assert any(not torch.equal(other[t], first[t]) for t in first) == (augmentation != "none")


def test_half_of_the_pictures_are_flipped(config):
    batches = batches_of(rows_of(config), 12, "flip")
    flipped = []
    for epoch in range(100):
        batches.epoch = epoch
        flipped.append(batches.views(np.arange(12)).flipped.mean())
    assert abs(np.mean(flipped) - 0.5) < 4 * 0.5 / np.sqrt(1200)
