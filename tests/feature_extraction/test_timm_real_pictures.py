"""Real pictures and real weights give the features that another implementation gave."""

import numpy as np
import pytest

from zslearn.feature_extraction import TimmRegionExtractor

# One step of the stored features, which are whole numbers from 0 to 255.
STEP = 0.023528477
CONFIG = {"crop_mode": "squash", "crop_pct": 1.0, "interpolation": "bicubic"}
HALF = {"mean": [0.5] * 3, "std": [0.5] * 3}


@pytest.fixture(scope="module")
def case(shared_data):
    weights = shared_data / "weights" / "mobilenetv2_100_imagenet.safetensors"
    if not weights.is_file():
        pytest.skip("no real weights in ../shared/data/weights")
    root = shared_data / "cub_mini" / "CUB_200_2011" / "images"
    names = sorted(path.relative_to(root).as_posix() for path in root.glob("*/*.jpg"))
    rows = {str(name): row for row, name in enumerate(np.load(META(shared_data))["image_file"])}
    stored = np.load(shared_data / "cub50" / "regions.npy", mmap_mode="r")
    expected = stored[[rows[name] for name in names]].astype(np.float32) * STEP
    return weights, [root / name for name in names], expected


def META(shared_data):
    return shared_data / "cub50" / "meta.npz"


def correlate(case, rows=slice(None), kwargs=None, config=None):
    """Correlation over all of the chosen pictures, and of each."""
    weights, paths, expected = case
    extractor = TimmRegionExtractor(
        "mobilenetv2_100",
        checkpoint_path=weights,
        model_kwargs=kwargs,
        data_config={**CONFIG, **(config or {})},
        device="cpu",
        precision="float32",
    )
    found = extractor.fit_transform(paths[rows]).astype(np.float32)
    assert extractor.grid_shape_ == (7, 7)
    assert found.shape == expected[rows].shape
    each = [
        np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(found, expected[rows], strict=True)
    ]
    return np.corrcoef(found.ravel(), expected[rows].ravel())[0, 1], np.array(each)


def test_all_88_pictures(case):
    assert len(case[1]) == 88
    overall, each = correlate(case, kwargs={"pad_type": "same"}, config=HALF)
    assert overall > 0.99
    assert each.min() > 0.95


@pytest.mark.parametrize(
    ("kwargs", "config"),
    [
        (None, HALF),
        ({"pad_type": "same"}, None),
        ({"pad_type": "same"}, {**HALF, "crop_mode": "center", "crop_pct": 0.875}),
    ],
    ids=["padding", "mean", "crop"],
)
def test_wrong_settings_would_be_noticed(case, kwargs, config):
    overall, _ = correlate(case, slice(None, None, 8), kwargs, config)
    assert overall < 0.95
