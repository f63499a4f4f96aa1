"""A network taken apart: the same numbers as whole, and what of it is trained."""

import pytest
import torch

from tests.finetuning.problems import extractor, pictures
from zslearn.finetuning import TokenBackbone


def backbone(model="test_vit", layer=-1, norm=True, grid_shape=None, **options):
    fitted = extractor(model, layer=layer, norm=norm, grid_shape=grid_shape).fit()
    return TokenBackbone.from_extractor(fitted, **options)


@pytest.fixture
def x():
    return torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_parts_make_the_whole(x):
    one = backbone().eval()
    with torch.no_grad():
        whole = one.network.forward_features(x)
        h = one.run(one.run(one.embed(x), 0, 2), 2)
        torch.testing.assert_close(one.finish(h), whole, rtol=0, atol=0)
        torch.testing.assert_close(one.tokens(x), whole, rtol=0, atol=0)
        torch.testing.assert_close(one.tokens(x, norm=False), h, rtol=0, atol=0)
        prefix, regions = one.split(whole)
        torch.testing.assert_close(one(x), regions, rtol=0, atol=0)
    assert prefix.shape == (3, 1, 64)
    assert one.depth == 3


@pytest.mark.parametrize("model", ["test_vit", "test_resnet"])
@pytest.mark.parametrize("layer", [1, -1])
def test_regions_are_the_extractors(model, layer):
    fitted = extractor(model, layer=layer).fit()
    pixels = fitted._backbone().normalize(pictures(4)[0]).clone()
    with torch.no_grad():
        found = TokenBackbone.from_extractor(fitted).eval()(pixels)
        expected = fitted._backbone().take(pixels)
    torch.testing.assert_close(found.half(), expected, rtol=2e-3, atol=2e-3)


def test_layers_go_from_the_pixels_on():
    one = backbone()
    layers = one.layers()
    assert len(layers) == 1 + one.depth
    assert {"cls_token", "pos_embed"} < set(layers[0])
    assert layers[1][0].startswith("blocks.0.")
    assert layers[-1][-2:] == ["norm.weight", "norm.bias"]
    names = [name for layer in layers for name in layer]
    assert sorted(names) == sorted(name for name, _ in one.network.named_parameters())
    resnet = backbone("test_resnet").layers()
    assert {name.split(".")[0] for name in resnet[0]} == {"conv1", "bn1"}
    assert resnet[1][0].startswith("layer1.0.")


def test_frozen_layers_stand_still(x):
    one = backbone("test_resnet", keep_statistics=False)
    one.set_frozen(2)
    one.train()
    still = set(one.layers()[0]) | set(one.layers()[1])
    assert {n for n, p in one.network.named_parameters() if not p.requires_grad} == still
    assert not one.network.bn1.training
    before = {name: value.clone() for name, value in one.network.named_buffers()}
    one(x).sum().backward()
    moved = {
        name for name, value in one.network.named_buffers() if not torch.equal(value, before[name])
    }
    assert moved
    assert not any(name.startswith(("bn1", "layer1.0")) for name in moved)
    one.set_frozen(-1)
    one.train()
    assert not any(module.training for module in one.network.modules())
    assert not one(x).requires_grad


def test_kept_statistics_do_not_move(x):
    one = backbone("test_resnet").train()
    before = [value.clone() for value in one.network.buffers()]
    one(x).sum().backward()
    assert all(torch.equal(a, b) for a, b in zip(before, one.network.buffers(), strict=True))
    assert one.network.bn1.weight.grad is not None


def test_checkpointing_changes_no_gradient(x):
    gradients = []
    for saves in (False, True):
        one = backbone(gradient_checkpointing=saves).train()
        one.tokens(x).square().sum().backward()
        one.regions(x).square().sum().backward()
        gradients.append([p.grad for p in one.parameters() if p.grad is not None])
    for plain, saved in zip(*gradients, strict=True):
        torch.testing.assert_close(saved, plain, rtol=1e-5, atol=1e-6)


def test_lower_precision_keeps_the_weights(x):
    one = backbone(precision=torch.bfloat16).eval()
    exact = backbone().eval()(x)
    found = one(x)
    assert found.dtype == torch.float32
    assert next(one.parameters()).dtype == torch.float32
    torch.testing.assert_close(found, exact, rtol=0.1, atol=0.1)
    assert not torch.equal(found, exact)


def test_refusals():
    one = backbone("test_resnet")
    with pytest.raises(TypeError, match="no plain vision transformer"):
        one.embed(torch.zeros(1, 3, 32, 32))
    with pytest.raises(ValueError, match="frozen_layers=99"):
        one.set_frozen(99)
