"""Regions of timm models are what the models themselves say they are."""

import numpy as np
import pytest
import timm
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from torch import nn

from zslearn.feature_extraction import TimmRegionExtractor
from zslearn.feature_extraction._timm_backbone import check_pooling, find_layout

SMALL = {"depth": 2, "embed_dim": 32, "num_heads": 2}
SWIN = {"embed_dim": 12, "depths": (1, 1, 2, 1), "num_heads": (1, 2, 3, 6)}


def make(name, size=None, kwargs=None, **params):
    extractor = TimmRegionExtractor(
        name,
        pretrained=False,
        image_size=size,
        model_kwargs=kwargs,
        data_config={"crop_pct": 1.0, "crop_mode": "squash"},
        precision="float32",
        device="cpu",
        n_jobs=1,
        **params,
    )
    return extractor.fit()


def pixels_for(extractor, n=2):
    """Pictures of the network's size, which no resizing changes."""
    rng = np.random.default_rng(0)
    shape = (n, *extractor.data_config_["input_size"][1:], 3)
    return rng.integers(0, 256, shape, dtype=np.uint8)


def own_output(extractor, pixels, method="forward_features", **kwargs):
    """What the network itself returns, from timm's way to normalise."""
    config = extractor.data_config_
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(config[key]).view(3, 1, 1) for key in ("mean", "std"))
    with torch.inference_mode():
        return getattr(extractor._backbone().network, method)((x - mean) / std, **kwargs)


# name, size, arguments, axes of forward_features, tokens before the patches, grid
FAMILIES = [
    ("vit_tiny_patch16_224", (48, 32), SMALL, "NLC", 1, (3, 2)),
    ("deit_tiny_distilled_patch16_224", 48, SMALL, "NLC", 2, (3, 3)),
    ("vit_small_patch14_reg4_dinov2", (28, 42), SMALL, "NLC", 5, (2, 3)),
    ("vit_base_patch16_siglip_224", 32, SMALL, "NLC", 0, (2, 2)),
    ("vit_medium_patch16_gap_240", 32, SMALL, "NLC", 0, (2, 2)),
    ("eva02_tiny_patch14_224", (28, 42), SMALL, "NLC", 1, (2, 3)),
    ("beit_base_patch16_224", 32, SMALL, "NLC", 1, (2, 2)),
    ("cait_xxs24_224", 32, SMALL, "NLC", 1, (2, 2)),
    ("xcit_nano_12_p16_224", 32, SMALL, "NLC", 1, (2, 2)),
    ("naflexvit_base_patch16_gap", 64, SMALL, "NLC", 4, (4, 4)),
    ("mixer_s32_224", 64, None, "NLC", 0, (2, 2)),
    ("levit_128s", 128, None, "NLC", 0, (2, 2)),
    ("swin_tiny_patch4_window7_224", (224, 112), SWIN, "NHWC", 0, (7, 4)),
    ("test_mambaout", (96, 64), None, "NHWC", 0, (3, 2)),
    ("test_convnext", (96, 64), None, "NCHW", 0, (3, 2)),
    ("test_resnet", (96, 64), None, "NCHW", 0, (3, 2)),
    ("test_efficientnet", (96, 64), None, "NCHW", 0, (3, 2)),
    ("test_byobnet", 64, None, "NCHW", 0, (2, 2)),
    ("test_maxvit", None, None, "NCHW", 0, (5, 5)),
    ("test_nfnet", 64, None, "NCHW", 0, (2, 2)),
    ("mobilenetv3_small_050", (64, 96), None, "NCHW", 0, (2, 3)),
    ("ghostnet_050", 64, None, "NCHW", 0, (2, 2)),
    ("mobilevit_xxs", 64, None, "NCHW", 0, (2, 2)),
    ("pvt_v2_b0", (64, 96), None, "NCHW", 0, (2, 3)),
]


@pytest.mark.parametrize(
    ("name", "size", "kwargs", "axes", "prefix", "grid"), FAMILIES, ids=[c[0] for c in FAMILIES]
)
def test_last_layer_is_forward_features(name, size, kwargs, axes, prefix, grid):
    if not timm.is_model(name):
        pytest.skip(f"timm {timm.__version__} has no {name}")
    extractor = make(name, size, kwargs)
    pixels = pixels_for(extractor)
    regions = extractor.transform(pixels)
    output = own_output(extractor, pixels)
    if axes == "NLC":
        expected = output[:, prefix:]
    else:
        channels_last = output if axes == "NHWC" else output.permute(0, 2, 3, 1)
        assert grid in (None, tuple(channels_last.shape[1:3]))
        grid = tuple(channels_last.shape[1:3])
        expected = channels_last.reshape(2, -1, channels_last.shape[3])
    assert extractor.n_prefix_tokens_ == prefix
    assert extractor.grid_shape_ == grid
    assert regions.shape == (2, grid[0] * grid[1], extractor.n_features_out_)
    assert regions.dtype == np.float16
    assert extractor.n_regions_ == regions.shape[1]
    # Memory layout changes rounding, and float16 keeps 11 bits.
    assert_allclose(regions, expected.numpy(), rtol=2e-3, atol=2e-3 * float(expected.abs().max()))


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("vit_tiny_patch16_224", {"kwargs": {**SMALL, "depth": 1}}),
        ("test_vit", {"layer": 0}),
        ("test_mambaout", {"layer": 0, "grid_shape": (3, 5)}),
        ("test_resnet", {"layer": 1, "grid_shape": (3, 5)}),
    ],
)
def test_regions_are_where_they_say(name, params):
    """A change of the picture in one place changes the region there most."""
    extractor = make(name, (96, 160), **params)
    down, across = extractor.grid_shape_
    high, wide = 96 // down, 160 // across
    pictures = np.full((1 + down * across, 96, 160, 3), 100, np.uint8)
    for r in range(down * across):
        y, x = divmod(r, across)
        pictures[1 + r, y * high : (y + 1) * high, x * wide : (x + 1) * wide] = 255
    regions = extractor.transform(pictures).astype(np.float32)
    change = np.abs(regions[1:] - regions[0]).sum(axis=2)
    assert_array_equal(change.argmax(axis=1), np.arange(down * across))


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize(("layer", "index"), [(0, 0), (-1, 3), (-2, 2), (3, 3)])
def test_layers_of_a_vit(layer, index, norm):
    extractor = make("test_vit", 64, {"depth": 4}, layer=layer, norm=norm)
    pixels = pixels_for(extractor)
    assert (extractor.layer_, extractor.n_layers_) == (index, 4)
    kwargs = {"indices": [index], "norm": norm, "output_fmt": "NLC", "intermediates_only": True}
    (expected,) = own_output(extractor, pixels, "forward_intermediates", **kwargs)
    assert_allclose(extractor.transform(pixels), expected.numpy(), rtol=2e-3, atol=4e-3)


def test_norm_matters():
    with_norm = make("test_vit", 64)
    without = make("test_vit", 64, norm=False)
    pixels = pixels_for(with_norm)
    a, b = (e.transform(pixels).astype(np.float32) for e in (with_norm, without))
    assert_allclose(a.std(axis=2), 1, atol=0.02)  # a fresh layer norm has no scale of its own
    assert b.std(axis=2).max() < 0.9 or b.std(axis=2).min() > 1.1


def test_convolution_behind_the_last_stage_is_a_layer():
    """MobileNetV2: five stages, then a convolution to 1280 features."""
    shapes = {}
    for layer in (-1, -2, 0):
        extractor = make("mobilenetv2_050", 64, layer=layer)
        shapes[extractor.layer_] = extractor.transform(pixels_for(extractor)).shape[1:]
    assert extractor.n_layers_ == 6
    assert shapes == {5: (4, 1280), 4: (4, 160), 0: (32 * 32, 8)}


@pytest.mark.parametrize(
    ("name", "size", "grid"), [("crossvit_tiny_240", None, (14, 14)), ("volo_d1_224", 64, (4, 4))]
)
def test_outputs_that_are_no_plain_tokens(name, size, grid):
    """A list, or undeclared class tokens: the map of forward_intermediates stands for it."""
    extractor = make(name, size)
    pixels = pixels_for(extractor, 1)
    kwargs = {"indices": [-1], "norm": True, "intermediates_only": True}
    if name.startswith("crossvit"):
        kwargs["norm"] = extractor._fitted.layout.norm
    (expected,) = own_output(extractor, pixels, "forward_intermediates", **kwargs)
    assert extractor.grid_shape_ == grid == tuple(expected.shape[2:])
    expected = expected.flatten(2).transpose(1, 2).numpy()
    assert_allclose(extractor.transform(pixels), expected, rtol=2e-3, atol=4e-3)


@pytest.mark.parametrize("layer", [6, -7])
def test_layers_that_are_not_there(layer):
    with pytest.raises(ValueError, match=r"6 layers: 0 to 5, or -6 to -1"):
        make("test_vit", 64, layer=layer)


def test_pooling():
    fine = make("test_vit", (64, 96))
    coarse = make("test_vit", (64, 96), grid_shape=(2, 3))
    pixels = pixels_for(fine)
    assert fine.grid_shape_ == (4, 6)
    assert (coarse.grid_shape_, coarse.n_regions_) == ((2, 3), 6)
    grid = fine.transform(pixels).astype(np.float32).reshape(2, 2, 2, 3, 2, 64)
    means = grid.mean(axis=(2, 4)).reshape(2, 6, 64)
    assert_allclose(coarse.transform(pixels), means, rtol=2e-3, atol=2e-3)
    same = make("test_vit", (64, 96), grid_shape=(4, 6))
    assert_array_equal(same.transform(pixels), fine.transform(pixels))


@pytest.mark.parametrize(
    ("grid_shape", "match"),
    [
        ((5, 4), "more regions than there are: layer 5 has 4 x 4"),
        ((2,), "two positive integers"),
        ((0, 2), "two positive integers"),
        ((2.0, 2), "two positive integers"),
    ],
)
def test_wrong_grids(grid_shape, match):
    with pytest.raises(ValueError, match=match):
        make("test_vit", 64, grid_shape=grid_shape)


class Toy(nn.Module):
    """A network that returns what it is told to."""

    def __init__(self, output, **declared):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.output = output
        for name, value in declared.items():
            setattr(self, name, value)

    def forward_features(self, x):
        return self.output


def test_nothing_is_guessed():
    tokens = torch.zeros(1, 17, 8)
    layout = find_layout(Toy(tokens, num_prefix_tokens=1), (32, 32), -1, True)
    assert (layout.n_regions, layout.n_features, layout.grid_shape) == (16, 8, None)
    with pytest.raises(ValueError, match=r"a tensor of shape \(1, 17, 8\), which is neither"):
        find_layout(Toy(tokens), (32, 32), -1, True)
    with pytest.raises(ValueError, match="neither a map nor patch tokens"):
        find_layout(Toy(torch.zeros(1, 8)), (32, 32), -1, True)
    # Channels are where num_features says, or the model is refused.
    one_map = torch.zeros(1, 4, 4, 8)
    with pytest.raises(ValueError, match="neither"):
        find_layout(Toy(one_map, num_features=8), (32, 32), -1, True)
    layout = find_layout(Toy(one_map, num_features=8, output_fmt="NHWC"), (32, 32), -1, True)
    assert (layout.source, layout.grid_shape) == ("NHWC", (4, 4))


def test_no_grid_cannot_be_pooled():
    layout = find_layout(Toy(torch.zeros(1, 7, 8), num_prefix_tokens=1), (32, 32), -1, True)
    assert check_pooling(None, layout) is None
    with pytest.raises(ValueError, match="6 regions of this layer lie on no grid"):
        check_pooling((1, 1), layout)


def test_normalisation_is_timms():
    config = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    extractor = make("test_resnet", (33, 47))
    extractor.set_params(data_config=config).fit()
    pixels = pixels_for(extractor, 3)
    to_tensor = timm.data.create_transform(
        (3, 33, 47), is_training=False, crop_pct=1.0, crop_mode="squash", **config
    )
    expected = torch.stack([to_tensor(Image.fromarray(picture)) for picture in pixels])
    torch.testing.assert_close(
        extractor._backbone().normalize(pixels), expected, rtol=1e-5, atol=2e-6, check_stride=False
    )
