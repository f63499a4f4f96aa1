"""One vector a picture: pooled, and projected as towers of CLIP and SigLIP do it."""

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from zslearn.feature_extraction import TimmRegionExtractor

# Made-up weights; widths and projections are those of the real towers.
TOWERS = {
    "vit_base_patch32_clip_224.openai": (768, 512),
    "vit_base_patch16_siglip_224": (768, 768),
    "vit_large_patch14_clip_224.openai": (1024, 768),
}
SHORT = {"depth": 1}


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("tower", TOWERS)
def test_shapes_of_real_towers(pictures, tower):
    for pooled, width in zip((True, "projected"), TOWERS[tower], strict=True):
        extractor = TimmRegionExtractor(
            tower, pretrained=False, pooled=pooled, n_jobs=1, model_kwargs=SHORT
        ).fit()
        assert (extractor.n_regions_, extractor.n_features_out_) == (1, width)
        assert extractor.grid_shape_ == (1, 1)
        if pooled == "projected":
            vectors = extractor.transform(pictures)
            assert vectors.shape == (2, 1, width)
            # As the model itself gives them.
            backbone = extractor._backbone()
            x = torch.zeros(1, 3, 224, 224, dtype=backbone.dtype)
            with torch.inference_mode():
                torch.testing.assert_close(
                    backbone.take(x)[:, 0], backbone.network(x).half(), rtol=0, atol=0
                )


def test_pooled_is_what_the_classifier_looks_at(pictures, tmp_path):
    torch.manual_seed(3)
    network = timm.create_model("test_vit", pretrained=False).eval()
    save_file(network.state_dict(), tmp_path / "network.safetensors")
    given = {"checkpoint_path": tmp_path / "network.safetensors", "precision": "float32"}
    pooled, scores = (
        TimmRegionExtractor("test_vit", pooled=pooled, n_jobs=1, **given)
        .fit_transform(pictures)[:, 0]
        .astype(np.float32)
        for pooled in (True, "projected")
    )
    with torch.inference_mode():
        expected = network.get_classifier()(torch.from_numpy(pooled)).numpy()
    np.testing.assert_allclose(scores, expected, rtol=2e-3, atol=2e-3)


def test_weights_of_a_file_keep_the_projection(pictures, tmp_path):
    name = "vit_base_patch32_clip_224.openai"
    torch.manual_seed(3)
    network = timm.create_model(name, pretrained=False, **SHORT).eval()
    save_file(network.state_dict(), tmp_path / "tower.safetensors")
    given = {
        "checkpoint_path": tmp_path / "tower.safetensors",
        "precision": "float32",
        "model_kwargs": SHORT,
    }
    extractor = TimmRegionExtractor(name, pooled="projected", n_jobs=1, **given).fit()
    backbone, x = extractor._backbone(), torch.rand(1, 3, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(
            backbone.take(x)[0, 0].float(), network(x)[0], rtol=1e-3, atol=1e-3
        )
    few = network.state_dict()
    del few["head.weight"]
    save_file(few, tmp_path / "tower.safetensors")
    with pytest.raises(ValueError, match=r"do not fit.*head.weight"):
        extractor.fit()
    assert TimmRegionExtractor(name, pooled=True, **given).fit().n_features_out_ == 768


def test_stores_tell_them_apart(pictures, tmp_path):
    extractor = TimmRegionExtractor("test_vit", pretrained=False, pooled=True, n_jobs=1).fit()
    assert extractor.metadata_["pooled"] is True
    extractor.extract(pictures, tmp_path / "store")
    with pytest.raises(ValueError, match="pooled"):
        extractor.set_params(pooled="projected").fit().extract(pictures, tmp_path / "store")
    assert "pooled" not in TimmRegionExtractor("test_vit", pretrained=False).fit().metadata_


@pytest.mark.parametrize("other", [{"layer": 0}, {"grid_shape": (1, 1)}])
def test_pooled_is_of_the_last_layer(other):
    extractor = TimmRegionExtractor("test_vit", pretrained=False, pooled=True, **other)
    with pytest.raises(ValueError, match="leave layer and grid_shape out"):
        extractor.fit()
