"""TimmRegionExtractor from pictures to features: inputs, failures, stores, scikit-learn."""

import json
import pickle
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_validate
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from zslearn import CVsCClassifier
from zslearn.exceptions import UnreadableImagesError
from zslearn.feature_extraction import (
    FeatureStore,
    FeatureStoreWriter,
    SkippedImage,
    TimmRegionExtractor,
)
from zslearn.feature_extraction._timm_backbone import Backbone

SMALL = {
    "model_name": "test_vit",
    "pretrained": False,
    "image_size": 64,
    "model_kwargs": {"depth": 2},
    "precision": "float32",
    "device": "cpu",
    "batch_size": 4,
    "n_jobs": 2,
}


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (10, 50, 70, 3), dtype=np.uint8)


@pytest.fixture
def folder(pixels, tmp_path):
    for row, picture in enumerate(pixels):
        path = tmp_path / "pictures" / f"{'ab'[row % 2]}" / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    return tmp_path / "pictures"


@pytest.fixture
def paths(folder):
    return [str(folder / "ab"[row % 2] / f"{row}.png") for row in range(10)]


@pytest.fixture(scope="module")
def fitted():
    return TimmRegionExtractor(**SMALL).fit()


@pytest.fixture(scope="module")
def features(fitted, pixels):
    return fitted.transform(pixels)


@pytest.fixture
def n_computed(monkeypatch):
    """Rows given to the network."""
    rows = []
    start = Backbone.start

    def counted(self, pixels):
        rows.append(len(pixels))
        return start(self, pixels)

    monkeypatch.setattr(Backbone, "start", counted)
    return rows


def test_all_inputs_agree(fitted, features, pixels, paths, folder):
    assert features.shape == (10, 16, 64)
    assert features.dtype == np.float16
    for X in (paths, np.array(paths), [Image.fromarray(p) for p in pixels], list(pixels)):
        assert_array_equal(fitted.transform(X), features)
    by_name = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]
    assert_allclose(fitted.transform(folder), features[by_name], rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize(("batch_size", "n_jobs"), [(1, 1), (3, -1), (100, None)])
def test_batches_and_threads_do_not_matter(fitted, features, pixels, batch_size, n_jobs):
    other = clone(fitted).set_params(batch_size=batch_size, n_jobs=n_jobs).fit()
    assert_allclose(other.transform(pixels), features, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("idle", [True, False])
def test_decoding_ahead_or_between(fitted, features, pixels, monkeypatch, idle):
    monkeypatch.setattr(Backbone, "leaves_cores_idle", idle)
    assert_array_equal(fitted.transform(pixels), features)


def test_cores_are_idle_beside_a_gpu_or_few_threads(fitted, monkeypatch):
    backbone = fitted._backbone()
    n_threads = torch.get_num_threads()
    for n_cores, idle in ((n_threads, False), (n_threads + 1, True)):
        monkeypatch.setattr(
            "zslearn.feature_extraction._timm_backbone.cpu_count", lambda n=n_cores: n
        )
        assert backbone.leaves_cores_idle is idle
    monkeypatch.setattr(backbone, "device", torch.device("cuda"))
    monkeypatch.setattr("zslearn.feature_extraction._timm_backbone.cpu_count", lambda: 1)
    assert backbone.leaves_cores_idle


def test_rows_are_in_order(fitted, features, pixels):
    assert_array_equal(fitted.transform(pixels[::-1])[::-1][4:6], features[4:6])
    assert np.abs(np.diff(features.astype(float), axis=0)).mean(axis=(1, 2)).min() > 0.01


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_precision(fitted, features, pixels, precision):
    half = clone(fitted).set_params(precision=precision).fit()
    assert half.precision_ == precision
    weights = half._backbone().network.parameters()
    assert {weight.dtype for weight in weights} == {getattr(torch, precision)}
    assert half.weights_checksum_ == fitted.weights_checksum_
    correlation = np.corrcoef(half.transform(pixels).ravel(), features.ravel())[0, 1]
    assert 0.99 < correlation < 1 - 1e-9


def test_auto_precision_follows_the_hardware(monkeypatch):
    from zslearn._training import _device

    for fast, expected in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(_device, "has_fast_bfloat16", lambda device, fast=fast: fast)
        extractor = TimmRegionExtractor(**{**SMALL, "precision": "auto"}).fit()
        assert extractor.precision_ == extractor.metadata_["precision"] == expected


def test_data_config_changes_features(fitted, features, pixels):
    config = {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7], "crop_mode": "squash"}
    other = clone(fitted).set_params(data_config=config).fit()
    assert {name: other.data_config_[name] for name in config} == config
    assert other.data_config_["input_size"] == [3, 64, 64]
    assert np.abs(other.transform(pixels) - features).mean() > 0.01


def test_metadata(fitted):
    metadata = fitted.metadata_
    assert json.loads(json.dumps(metadata)) == metadata
    assert metadata["model"] == "test_vit"
    assert metadata["layer"] == fitted.layer_ == 1
    assert metadata["grid_shape"] == [4, 4]
    assert metadata["weights_checksum"] == fitted.weights_checksum_
    names = fitted.get_feature_names_out()
    assert (names.dtype, len(names)) == (object, 64)
    assert names[63] == "test_vit_layer1_63"


def spoil(paths):
    """One picture is missing, one cut off, one is text; the rows that are left."""
    with open(paths[1], "r+b") as file:
        file.truncate(3000)
    with open(paths[6], "w") as file:
        file.write("no picture")
    missing = paths[8].replace("8.png", "eight.png")
    return [*paths[:8], missing, paths[9]], [0, 2, 3, 4, 5, 7, 9]


def test_all_missing_pictures_are_named(fitted, paths, n_computed):
    X = [paths[0], "/nowhere/1.png", paths[1], "/nowhere/2.png"]
    with pytest.raises(UnreadableImagesError, match="2 of 4 pictures are missing") as caught:
        fitted.transform(X)
    assert "row 1: /nowhere/1.png (no such file)" in str(caught.value)
    assert "row 3: /nowhere/2.png" in str(caught.value)
    assert "on_error='skip'" in str(caught.value)
    assert n_computed == []


@pytest.mark.parametrize("store", [False, True])
def test_all_broken_and_missing_pictures_are_named(fitted, paths, n_computed, store, tmp_path):
    X, _ = spoil(paths)
    with pytest.raises(UnreadableImagesError, match="3 of 10 pictures are missing or") as caught:
        fitted.extract(X, tmp_path / "store") if store else fitted.transform(X)
    message = str(caught.value)
    assert f"row 1: {paths[1]} (OSError: " in message
    assert f"row 6: {paths[6]} (not a picture of " in message
    assert f"row 8: {X[8]} (no such file)" in message
    assert [row for row, _, _ in caught.value.images] == [1, 6, 8]
    assert n_computed == []
    assert not (tmp_path / "store").exists()


def test_all_broken_pictures_are_named(fitted, paths, n_computed):
    X, _ = spoil(paths)
    X[8] = paths[8]
    with pytest.raises(UnreadableImagesError, match="2 of 10 pictures are missing or") as caught:
        fitted.transform(X)
    assert [row for row, _, _ in caught.value.images] == [1, 6]
    assert n_computed == []  # the first batch holds one already
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.images) == (str(caught.value), caught.value.images)


def test_skipping(fitted, features, paths):
    X, left = spoil(paths)
    extractor = clone(fitted).set_params(on_error="skip").fit()
    with pytest.warns(UserWarning, match=r"3 of 10 pictures are skipped: b/1.png \(OSError: "):
        found = extractor.transform(X)
    assert_allclose(found, features[left], rtol=2e-3, atol=2e-3)
    assert [picture.row for picture in extractor.skipped_] == [1, 6, 8]
    assert extractor.skipped_[2] == SkippedImage(8, "a/eight.png", "no such file")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        extractor.transform([paths[0]])
    assert extractor.skipped_ == []


def test_skipping_everything(fitted, tmp_path):
    extractor = clone(fitted).set_params(on_error="skip").fit()
    with pytest.warns(UserWarning, match="6 of 6.* and 1 more"):
        found = extractor.transform([tmp_path / f"{k}.png" for k in range(6)])
    assert found.shape == (0, 16, 64)


def test_skipping_into_a_store(fitted, paths, tmp_path):
    X, left = spoil(paths)
    extractor = clone(fitted).set_params(on_error="skip").fit()
    with pytest.warns(UserWarning, match="3 of 10"):
        store = extractor.extract(X, tmp_path / "store")
    assert_array_equal(store.rows, left)
    with pytest.warns(UserWarning, match="3 of 10"):
        assert_array_equal(np.asarray(store), extractor.transform(X))
    assert [picture.row for picture in store.skipped] == [1, 6, 8]
    # Who wants all of them is not given fewer.
    strict = extractor.set_params(on_error="raise")
    X[8] = paths[8]
    with pytest.raises(ValueError, match="holds other features"):
        strict.extract(X, tmp_path / "store")


def test_a_store_with_rows_left_out_is_not_taken_for_whole(fitted, paths, tmp_path):
    X, _ = spoil(paths)
    X[8] = paths[8]
    extractor = clone(fitted).set_params(on_error="skip").fit()
    with pytest.warns(UserWarning, match="2 of 10"):
        extractor.extract(X, tmp_path / "store")
    with pytest.raises(ValueError, match=r"leaves out 2 of 10 pictures:\n  row 1: .*1.png"):
        extractor.set_params(on_error="raise").extract(X, tmp_path / "store")


def test_broken_picture_keeps_what_is_done(fitted, paths, tmp_path, n_computed):
    with open(paths[9], "r+b") as file:
        content = file.read()
        file.truncate(3000)
    with pytest.raises(ValueError, match=r"1 of 10 .*\n  row 9"):
        fitted.extract(paths, tmp_path / "store")
    assert FeatureStore(tmp_path / "store", allow_unfinished=True).shape[0] == 8
    assert n_computed == [4, 4]
    with open(paths[9], "wb") as file:
        file.write(content)
    with pytest.raises(ValueError, match="holds other features.*9.png"):
        fitted.extract(paths, tmp_path / "store")
    assert len(fitted.extract(paths, tmp_path / "store", overwrite=True)) == 10


def test_extract(fitted, features, paths, folder, tmp_path, n_computed):
    store = fitted.extract(paths, tmp_path / "store")
    assert isinstance(store, FeatureStore)
    assert store.finished
    assert_array_equal(np.asarray(store), features)
    assert store.grid_shape == (4, 4)
    assert store.metadata == fitted.metadata_
    assert list(store.images[:3]) == ["a/0.png", "b/1.png", "a/2.png"]
    assert [str(path) for path in store.image_paths] == paths
    assert sum(n_computed) == 10
    again = fitted.extract(paths, tmp_path / "store")
    assert sum(n_computed) == 10
    assert_array_equal(np.asarray(again), features)
    moved = folder.rename(folder.with_name("moved"))
    fitted.extract([path.replace(str(folder), str(moved)) for path in paths], tmp_path / "store")
    assert sum(n_computed) == 10


def test_other_settings_do_not_mix(fitted, paths, tmp_path):
    fitted.extract(paths, tmp_path / "store")
    other = clone(fitted).set_params(layer=0).fit()
    with pytest.raises(ValueError, match="'layer': 1 there, 0 now"):
        other.extract(paths, tmp_path / "store")
    assert other.extract(paths, tmp_path / "store", overwrite=True).metadata["layer"] == 0


def test_store_dir(fitted, features, paths, pixels, tmp_path, n_computed):
    extractor = clone(fitted).set_params(store_dir=tmp_path / "stores").fit()
    store = extractor.transform(paths)
    assert isinstance(store, FeatureStore)
    assert_array_equal(np.asarray(store), features)
    assert store.folder.parent == tmp_path / "stores"
    assert extractor.transform(paths).folder == store.folder
    assert sum(n_computed) == 10
    assert extractor.transform(paths[:9]).folder != store.folder
    Image.fromarray(pixels[3]).save(paths[0])
    assert extractor.transform(paths).folder != store.folder
    other = clone(extractor).set_params(layer=0).fit()
    assert other.transform(paths).folder.parent == store.folder.parent
    assert len(list((tmp_path / "stores").iterdir())) == 4
    in_memory = extractor.transform(pixels)
    assert_array_equal(np.asarray(in_memory), features)
    assert in_memory.images is None


def test_two_at_one_store(fitted, features, pixels, tmp_path, n_computed, monkeypatch):
    """Who comes second waits in store_dir, and is told so where the folder was chosen by hand."""
    extractors = [clone(fitted).set_params(store_dir=tmp_path / "stores").fit() for _ in range(2)]
    begun, go_on = threading.Event(), threading.Event()
    append = FeatureStoreWriter.append

    def held(self, *args):
        begun.set()
        assert go_on.wait(60)
        append(self, *args)

    monkeypatch.setattr(FeatureStoreWriter, "append", held)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(extractors[0].transform, pixels)
        assert begun.wait(60)
        (folder,) = (tmp_path / "stores").iterdir()
        with pytest.raises(RuntimeError, match="is writing to"):
            fitted.extract(pixels, folder)
        second = pool.submit(extractors[1].transform, pixels)
        time.sleep(0.3)
        assert not second.done()
        go_on.set()
        for store in (first.result(), second.result()):
            assert_array_equal(np.asarray(store), features)
    assert sum(n_computed) == 10


def test_pictures_in_memory_that_cannot_be_read_are_skipped(fitted, features, paths, tmp_path):
    spoil(paths)
    extractor = clone(fitted).set_params(on_error="skip", store_dir=tmp_path / "stores").fit()
    with pytest.warns(UserWarning, match="1 of 2"):
        store = extractor.transform([Image.open(paths[1]), Image.open(paths[2])])
    assert store.rows.tolist() == [1]
    assert_allclose(np.asarray(store[0]), features[2], rtol=2e-3, atol=2e-3)


def test_features_that_overflow(pixels, tmp_path):
    extractor = TimmRegionExtractor(**SMALL).fit()
    with torch.no_grad():
        extractor._backbone().network.norm.bias.fill_(1e6)
    with pytest.raises(ValueError, match=r"beyond the range of float16 .*\n  row 0 \(not fin"):
        extractor.transform(pixels)
    with pytest.raises(ValueError, match="beyond the range"):
        extractor.extract(pixels, tmp_path / "store")
    assert len(FeatureStore(tmp_path / "store", allow_unfinished=True)) == 0


def test_progress_bar(fitted, pixels, capfd):
    fitted.transform(pixels)
    assert capfd.readouterr() == ("", "")
    clone(fitted).set_params(verbose=1).fit().transform(pixels)
    out, err = capfd.readouterr()
    assert out == ""
    assert "10/10" in err
    assert "picture" in err


def test_clone_params_and_fit_changes_nothing(fitted):
    extractor = TimmRegionExtractor(**SMALL)
    before = extractor.get_params()
    assert extractor.fit() is extractor
    assert extractor.get_params() == before
    assert clone(extractor).get_params() == before
    assert extractor.set_params(layer=0).layer == 0
    assert "test_vit" in repr(extractor)


def test_pickles_are_small_and_give_the_same(fitted, features, pixels):
    pickled = pickle.dumps(fitted)
    assert len(pickled) < 10_000
    loaded = pickle.loads(pickled)
    assert loaded.grid_shape_ == (4, 4)
    assert_array_equal(loaded.transform(pixels), features)


def test_pickles_keep_random_weights_of_a_moving_state(pixels):
    extractor = TimmRegionExtractor(**{**SMALL, "random_state": np.random.RandomState(7)}).fit()
    loaded = pickle.loads(pickle.dumps(extractor))
    assert_array_equal(loaded.transform(pixels), extractor.transform(pixels))


def test_changed_weights_are_noticed(pixels, tmp_path):
    path = tmp_path / "weights.pth"
    params = {**SMALL, "checkpoint_path": path}
    network = TimmRegionExtractor(**SMALL).fit()._backbone().network
    torch.save(network.state_dict(), path)
    extractor = TimmRegionExtractor(**params).fit()
    pickled = pickle.dumps(extractor)
    with torch.no_grad():
        network.norm.bias += 1
    torch.save(network.state_dict(), path)
    with pytest.raises(RuntimeError, match="weights of 'test_vit' are not those"):
        pickle.loads(pickled).transform(pixels)


def test_tags_and_not_fitted(pixels):
    tags = get_tags(TimmRegionExtractor())
    assert not tags.input_tags.two_d_array
    assert tags.input_tags.three_d_array
    assert tags.requires_fit
    for call in (
        lambda e: e.transform(pixels),
        lambda e: e.extract(pixels, "folder"),
        lambda e: e.get_feature_names_out(),
    ):
        with pytest.raises(NotFittedError):
            call(TimmRegionExtractor())


@pytest.mark.parametrize(
    ("params", "error", "match"),
    [
        ({"batch_size": 0}, ValueError, "'batch_size' parameter"),
        ({"precision": "half"}, ValueError, "'precision' parameter"),
        ({"on_error": "ignore"}, ValueError, "'on_error' parameter"),
        ({"layer": "last"}, ValueError, "'layer' parameter"),
        ({"n_jobs": 0}, ValueError, "n_jobs=0 leaves no thread"),
        ({"device": "gpu"}, ValueError, "device must be"),
    ],
)
def test_wrong_parameters(pixels, params, error, match):
    with pytest.raises(error, match=match):
        TimmRegionExtractor(**{**SMALL, **params}).fit()
    if {"batch_size", "on_error", "n_jobs"} & params.keys():
        late = TimmRegionExtractor(**SMALL).fit().set_params(**params)
        with pytest.raises(error, match=match):
            late.transform(pixels)


def pipeline(**params):
    steps = [("regions", TimmRegionExtractor(**{**SMALL, **params}))]
    return Pipeline([*steps, ("clf", CVsCClassifier(max_epochs=2, batch_size=4, random_state=0))])


def test_pipeline_with_memory_extracts_once(paths, tmp_path, n_computed):
    y = np.arange(10) % 2
    cached = pipeline().set_params(memory=str(tmp_path / "cache"))
    first = cached.fit(paths, y).predict(paths)
    assert sum(n_computed) == 20
    cached.set_params(clf__max_epochs=3).fit(paths, y)
    assert sum(n_computed) == 20
    assert first.shape == (10,)
    cached.set_params(regions__layer=0).fit(paths, y)
    assert sum(n_computed) == 30


def test_pipeline_through_stores(paths, tmp_path, n_computed):
    y = np.array(list("pq"))[np.arange(10) % 2]
    stored = pipeline(store_dir=tmp_path / "stores").fit(paths, y)
    in_memory = pipeline().fit(paths, y)
    assert_array_equal(stored.predict(paths), in_memory.predict(paths))
    assert sum(n_computed) == 10 + 20


@pytest.mark.parametrize("convert", [list, np.array])
def test_cross_validation_over_paths(paths, convert):
    y = np.arange(10) % 2
    scores = cross_validate(pipeline(), convert(paths), y, cv=2, error_score="raise")
    assert scores["test_score"].shape == (2,)
