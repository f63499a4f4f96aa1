"""Models by name: what is wrong with a name, an argument or a file of weights is said."""

import pickle

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from zslearn.feature_extraction import TimmRegionExtractor
from zslearn.feature_extraction._timm_models import (
    NetworkRecipe,
    checksum,
    resolve_data_config,
    resolve_image_size,
)


def recipe(name="test_vit", **changes):
    settings = {
        "pretrained": False,
        "checkpoint_path": None,
        "model_kwargs": {},
        "image_size": None,
        "seed": 0,
    }
    return NetworkRecipe(name, **{**settings, **changes})


@pytest.fixture
def whole():
    """A model with a classifier of a size of its own, and weights unlike those of any seed."""
    torch.manual_seed(1)
    model = timm.create_model("test_vit", num_classes=7)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=0.1)
    return model


def without_classifier(model):
    bare = timm.create_model("test_vit", num_classes=0)
    own = bare.state_dict()
    bare.load_state_dict({k: v for k, v in model.state_dict().items() if k in own})
    return checksum(bare)


def test_random_weights_follow_the_seed_only():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    a = checksum(recipe(seed=3).create())
    assert torch.equal(torch.rand(3), expected)
    assert checksum(recipe(seed=3).create()) == a
    assert checksum(recipe(seed=4).create()) != a


def test_networks_are_made_on_the_cpu_without_gradients():
    with torch.device("meta"):
        network = recipe().create()
    assert not network.training
    assert {weight.device.type for weight in network.parameters()} == {"cpu"}
    assert not any(weight.requires_grad for weight in network.parameters())
    assert network.num_classes == 0


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("vit_base_patch16_225", r"no model of timm .*Near it are 'vit_base_patch16_224'"),
        ("no such thing", r"no model of timm .*timm.list_models"),
        ("test_vit.r160_in1k_", r"no weights of that name for test_vit. It has 'test_vit.r160_in1"),
        ("nosource:test_vit", "cannot make model_name='nosource:test_vit'"),
    ],
)
def test_unknown_names(name, match):
    with pytest.raises(ValueError, match=match):
        recipe(name).create()


def test_model_without_weights_anywhere():
    bare = next(
        name
        for name in timm.list_models("vit_*")
        if not timm.models.get_pretrained_cfg(name).has_weights
    )
    with pytest.raises(ValueError, match=f"pretrained=True, but timm .* for '{bare}'.*list_pre"):
        recipe(bare, pretrained=True).create()


def test_offline(monkeypatch, tmp_path):
    """Whatever the downloader raises ends in one error that says what to do."""
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(OSError, match=r"weights of 'test_vit' could not be down.*checkpoint_path"):
        recipe(pretrained=True, model_kwargs={"cache_dir": str(tmp_path)}).create()


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"num_classes": 3}, "holds 'num_classes'; use nothing"),
        ({"img_size": 64}, "holds 'img_size'; use the parameter image_size"),
        ({"features_only": True}, "use the parameter layer"),
        ({"nonsense": 1}, r"cannot make .* model_kwargs=\{'nonsense': 1\}: .*nonsense"),
    ],
)
def test_model_kwargs(kwargs, match):
    with pytest.raises(ValueError, match=match):
        recipe(model_kwargs=kwargs).create()


@pytest.mark.parametrize("form", ["safetensors", "pth", "nested", "parallel", "half"])
def test_files_of_weights(whole, tmp_path, form):
    weights = whole.state_dict()
    path = tmp_path / f"weights.{'safetensors' if form == 'safetensors' else 'pth'}"
    if form == "safetensors":
        save_file(weights, path)
    elif form == "nested":
        torch.save({"state_dict": weights, "epoch": 3}, path)
    elif form == "parallel":
        torch.save({f"module.{name}": value for name, value in weights.items()}, path)
    elif form == "half":
        torch.save({name: value.half() for name, value in weights.items()}, path)
        whole.half().float()
    else:
        torch.save(weights, path)
    network = recipe(checkpoint_path=str(path), pretrained=True).create()
    assert checksum(network) == without_classifier(whole)
    assert {weight.dtype for weight in network.parameters()} == {torch.float32}
    assert "state_dict" not in network.pretrained_cfg


def test_file_without_classifier(whole, tmp_path):
    weights = {k: v for k, v in whole.state_dict().items() if not k.startswith("head.")}
    torch.save(weights, tmp_path / "a.pth")
    network = recipe(checkpoint_path=str(tmp_path / "a.pth")).create()
    assert checksum(network) == without_classifier(whole)


def test_classifier_of_several_layers(tmp_path):
    """Beyond what timm calls the classifier, a head may have more."""
    name = "levit_128s"
    model = timm.create_model(name, num_classes=5)
    torch.save(model.state_dict(), tmp_path / "a.pth")
    network = recipe(name, checkpoint_path=str(tmp_path / "a.pth")).create()
    stem = "stem.conv1.linear.weight"
    assert torch.equal(network.state_dict()[stem], model.state_dict()[stem])


def test_positions_are_resampled(whole, tmp_path):
    torch.save(whole.state_dict(), tmp_path / "a.pth")
    network = recipe(checkpoint_path=str(tmp_path / "a.pth"), image_size=(64, 96)).create()
    assert network.patch_embed.grid_size == (4, 6)
    expected = timm.layers.resample_abs_pos_embed(
        whole.pos_embed.detach(), new_size=(4, 6), num_prefix_tokens=1
    )
    torch.testing.assert_close(network.pos_embed, expected)
    assert torch.equal(network.cls_token, whole.cls_token)


def test_weights_of_another_model(whole, tmp_path):
    path = tmp_path / "a.pth"
    weights = whole.state_dict()
    missing = {k: v for k, v in weights.items() if k != "blocks.0.attn.qkv.weight"}
    for wrong, match in [
        (missing, r"do not fit 'test_vit': .*[Mm]issing key.*blocks.0.attn.qkv.weight"),
        (weights | {"extra.weight": torch.zeros(3)}, r"[Uu]nexpected key.*extra.weight"),
        (weights | {"norm.weight": torch.zeros(3)}, "size mismatch for norm.weight"),
    ]:
        torch.save(wrong, path)
        with pytest.raises(ValueError, match=match):
            recipe(checkpoint_path=str(path)).create()


class Evil:
    def __reduce__(self):
        return (print, ("code of a checkpoint was run",))


def test_files_that_are_no_weights(tmp_path, capsys):
    path = tmp_path / "a.pth"
    with pytest.raises(FileNotFoundError, match=r"checkpoint_path=.*a.pth', but there is no such"):
        recipe(checkpoint_path=str(path)).create()
    with pytest.raises(ValueError, match="is a folder"):
        recipe(checkpoint_path=str(tmp_path)).create()
    for content in (b"", b"text", pickle.dumps(Evil(), protocol=2)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="cannot be read as weights"):
            recipe(checkpoint_path=str(path)).create()
    torch.save({"norm.weight": torch.ones(3), "epoch": 3}, path)
    with pytest.raises(ValueError, match="holds 'epoch', which are no tensors"):
        recipe(checkpoint_path=str(path)).create()
    torch.save({}, path)
    with pytest.raises(ValueError, match="is empty"):
        recipe(checkpoint_path=str(path)).create()
    assert "was run" not in capsys.readouterr().out


def test_code_in_files_is_refused_whatever_timms_default(whole, tmp_path, monkeypatch):
    asked = []
    load = timm.models.load_state_dict

    def seen(*args, **kwargs):
        asked.append(kwargs.get("weights_only"))
        return load(*args, **kwargs)

    monkeypatch.setattr(timm.models, "load_state_dict", seen)
    torch.save(whole.state_dict(), tmp_path / "a.pth")
    recipe(checkpoint_path=str(tmp_path / "a.pth")).create()
    assert asked == [True]


def test_checksum_sees_every_value():
    network = recipe("test_resnet").create()
    before = checksum(network)
    network.bn1.num_batches_tracked += 1
    assert checksum(network) == before
    network.bn1.running_mean[0] += 1e-6
    assert checksum(network) != before


@pytest.mark.parametrize(
    ("image_size", "expected"),
    [
        (None, None),
        (64, (64, 64)),
        (np.int64(64), (64, 64)),
        ((32, 48), (32, 48)),
        ([32, np.int64(48)], (32, 48)),
    ],
)
def test_image_size(image_size, expected):
    assert resolve_image_size(image_size) == expected


@pytest.mark.parametrize("image_size", [(32,), (32, 0), (32, 32, 3), (3.5, 4)])
def test_wrong_image_size(image_size):
    with pytest.raises(ValueError, match="image_size=.*positive integer or two"):
        resolve_image_size(image_size)


@pytest.mark.parametrize("name", ["test_maxvit", "levit_128s"])
def test_sizes_that_a_network_does_not_take(name):
    with pytest.raises(ValueError, match=r"cannot make .*image_size|take pictures of 20 x 20 pix"):
        TimmRegionExtractor(name, pretrained=False, image_size=20).fit()


def test_data_config():
    network = recipe().create()
    own = timm.data.resolve_model_data_config(network)
    config = resolve_data_config(network, None, None)
    assert config == {
        **own,
        "input_size": [3, 160, 160],
        "mean": list(own["mean"]),
        "std": list(own["std"]),
    }
    changed = resolve_data_config(
        network, (32, 48), {"mean": np.array([0.1, 0.2, 0.3]), "crop_mode": "squash"}
    )
    assert changed == {
        **config,
        "input_size": [3, 32, 48],
        "mean": [0.1, 0.2, 0.3],
        "crop_mode": "squash",
    }


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"means": [0, 0, 0]}, "holds 'means'; it may change crop_mode"),
        ({"input_size": (3, 64, 64)}, "Use image_size"),
        ({"mean": 0.5}, r"data_config\['mean'\]=0.5 must be three numbers"),
        ({"std": [1, 1, 0]}, "all positive"),
        ({"crop_pct": 0}, "crop_pct.*must be a share"),
        ({"crop_mode": "middle"}, "must be one of 'center', 'squash', 'border'"),
        ({"interpolation": "cubic"}, "must be one of 'nearest'"),
    ],
)
def test_wrong_data_config(changes, match):
    with pytest.raises(ValueError, match=match):
        resolve_data_config(recipe().create(), None, changes)
