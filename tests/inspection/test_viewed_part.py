import numpy as np
import pytest
from PIL import Image

from zslearn.feature_extraction._decoding import PixelTransform
from zslearn.inspection._viewed_part import WHOLE, viewed_part

BASE = {"interpolation": "bilinear", "mean": (0.5,) * 3, "std": (0.5,) * 3}
SIDES = [(200, 120), (97, 213), (150, 150)]


@pytest.mark.parametrize("mode", ["center", "squash", "border"])
@pytest.mark.parametrize("share", [0.7, 0.875, 1.0, 1.3])
@pytest.mark.parametrize("size", [(64, 64), (48, 80)])
def test_it_is_what_the_network_gets(mode, share, size):
    """A picture whose colours are coordinates tells where each pixel of the input comes from."""
    config = {**BASE, "input_size": [3, *size], "crop_pct": share, "crop_mode": mode}
    transform = PixelTransform(config)
    for width, height in SIDES:
        y, x = np.mgrid[:height, :width]
        picture = np.stack([x, y, np.full_like(x, 255)], axis=2).astype(np.uint8)
        pixels = transform(Image.fromarray(picture)).astype(float)
        box = viewed_part(width, height, config)
        for axis, (low, high, side) in enumerate(
            [(box.left, box.right, width), (box.top, box.bottom, height)]
        ):
            n = size[1 - axis]
            expected = side * (low + (np.arange(n) + 0.5) / n * (high - low)) - 0.5
            inside = (expected > 4) & (expected < side - 5)
            assert inside.sum() > n / 8
            middle = pixels.shape[axis] // 2
            found = pixels[middle, :, 0] if axis == 0 else pixels[:, middle, 1]
            np.testing.assert_allclose(found[inside], expected[inside], atol=1.1)
            # What lies beyond the picture is padding there, which has no blue of 255.
            outside = (expected < -0.6) | (expected > side - 0.4)
            blue = pixels[middle, :, 2] if axis == 0 else pixels[:, middle, 2]
            assert (blue[outside] < 200).all()


def test_by_hand():
    config = {"input_size": [3, 224, 224], "crop_pct": 0.875, "crop_mode": "center"}
    # 400 x 200 becomes 512 x 256, of which the middle 224 x 224 are kept.
    box = viewed_part(400, 200, config)
    np.testing.assert_allclose(box, (144 / 512, 16 / 256, 368 / 512, 240 / 256))
    assert viewed_part(400, 200, {**config, "crop_mode": "squash", "crop_pct": 1.0}) == WHOLE
    # All of it, in the middle of a square.
    border = viewed_part(400, 200, {**config, "crop_mode": "border", "crop_pct": 1.0})
    np.testing.assert_allclose(border, (0, -0.5, 1, 1.5))
    # timm's own defaults, where a config leaves them out.
    assert viewed_part(400, 200, {"input_size": (3, 224, 224)}) == box
    assert viewed_part(400, 200, None) == WHOLE


def test_errors():
    with pytest.raises(ValueError, match="data_config must hold input_size, three numbers"):
        viewed_part(4, 4, {"crop_mode": "center"})
    with pytest.raises(ValueError, match="'center', 'squash' or 'border'; found 'random'"):
        viewed_part(4, 4, {"input_size": [3, 2, 2], "crop_mode": "random"})
