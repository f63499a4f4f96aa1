"""Feature stores and weights behind URLs: the same rows, and no more bytes than are asked for."""

import pickle
import sys

import numpy as np
import pytest
import torch
from fsspec.implementations.memory import MemoryFileSystem

from zslearn import ESZSLClassifier
from zslearn.feature_extraction import FeatureStore, FeatureStoreWriter, TimmRegionExtractor
from zslearn.model_selection import RowView

N, R, D = 30, 4, 6


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """A store of 30 rows, of which two were skipped."""
    folder = tmp_path_factory.mktemp("store") / "features"
    F = np.random.default_rng(0).normal(size=(N - 2, R, D))
    shape = {"n_total": N, "n_regions": R, "n_features": D, "grid_shape": (2, 2)}
    with FeatureStoreWriter(folder, **shape, metadata={}) as writer:
        writer.append(F, skipped={3: "broken", 7: "broken"})
    return folder


def memory_copy(folder, name):
    """URL of a copy in memory."""
    files = MemoryFileSystem()
    for path in folder.iterdir():
        files.pipe_file(f"/{name}/{path.name}", path.read_bytes())
    return f"memory://{name}"


@pytest.fixture(params=["file", "memory"])
def url(request, local):
    return local.as_uri() if request.param == "file" else memory_copy(local, "features")


@pytest.fixture
def read(monkeypatch):
    """Ranges that were read of rows in memory."""
    found = []
    cat_ranges = MemoryFileSystem.cat_ranges

    def noting(self, paths, starts, ends, **options):
        found.extend(zip(starts, ends, strict=True))
        return cat_ranges(self, paths, starts, ends, **options)

    monkeypatch.setattr(MemoryFileSystem, "cat_ranges", noting)
    return found


def test_a_store_behind_a_url_is_the_store(url, local):
    there, here = FeatureStore(url), FeatureStore(local)
    assert there.shape == here.shape == (N - 2, R, D)
    assert there.skipped == here.skipped
    assert str(there.folder) == url
    np.testing.assert_array_equal(np.asarray(there), np.asarray(here))
    there.verify()


@pytest.mark.parametrize(
    "rows",
    [
        slice(None),
        slice(4, 9),
        slice(20, 3, -4),
        slice(5, 5),
        [],
        [0],
        [27, 2, 2, 3],
        [1, 2, 3, 10, 12, 13],
        np.arange(28) % 3 == 0,
    ],
    ids=repr,
)
def test_rows_are_those_of_the_file(url, local, rows):
    found = np.asarray(FeatureStore(url)[rows])
    np.testing.assert_array_equal(found, np.asarray(FeatureStore(local)[rows]))
    assert found.flags.writeable


def test_single_rows(url, local):
    for row in (0, 9, -1):
        np.testing.assert_array_equal(FeatureStore(url)[row], FeatureStore(local)[row])


def test_no_more_is_read_than_is_asked_for(local, read):
    store = FeatureStore(memory_copy(local, "ranges"))
    assert read == []
    np.asarray(store[[0, 1, 2, 20, 25, 26]])
    row = R * D * 2
    assert [stop - start for start, stop in read] == [3 * row, row, 2 * row]
    # Rows of the store are those of the file but for two that were skipped.
    assert [(start - read[0][0]) // row for start, _ in read] == [0, 22, 27]


def test_estimators_read_it_by_batches(url, local):
    y, table = np.arange(N - 2) % 4, np.random.default_rng(1).random((5, 3))
    fits = [ESZSLClassifier().fit(FeatureStore(where), y, table) for where in (url, local)]
    scores = [clf.decision_function(FeatureStore(url)[5:12]) for clf in fits]
    np.testing.assert_array_equal(*scores)


def test_views_are_pickled_by_url(url):
    view = FeatureStore(url)[2:6]
    assert isinstance(view, RowView)
    assert len(pickle.dumps(view)) < 2000
    again = pickle.loads(pickle.dumps(view))
    np.testing.assert_array_equal(np.asarray(again), np.asarray(view))


def test_a_store_that_is_cut_off_is_refused(local):
    url = memory_copy(local, "cut")
    files = MemoryFileSystem()
    files.pipe_file("/cut/features.npy", files.cat_file("/cut/features.npy")[:-1])
    with pytest.raises(ValueError, match="memory://cut/features.npy is cut off"):
        FeatureStore(url)
    files.rm_file("/cut/features.npy")
    with pytest.raises(FileNotFoundError, match="memory://cut/features.npy is missing"):
        FeatureStore(url)
    files.rm_file("/cut/store.json")
    with pytest.raises(FileNotFoundError, match="is not a feature store: it has no store.json"):
        FeatureStore(url)


def test_a_file_that_shrinks_while_it_is_open_is_an_error(local):
    store = FeatureStore(memory_copy(local, "shrinks"))
    MemoryFileSystem().pipe_file("/shrinks/features.npy", b"short")
    with pytest.raises(OSError, match="memory://shrinks/features.npy gave 0 of the"):
        np.asarray(store)


def test_damage_is_found_by_verify(local):
    url = memory_copy(local, "damaged")
    files = MemoryFileSystem()
    content = bytearray(files.cat_file("/damaged/features.npy"))
    content[-9] ^= 1
    files.pipe_file("/damaged/features.npy", bytes(content))
    with pytest.raises(ValueError, match="not as they were written"):
        FeatureStore(url).verify()


def test_without_fsspec_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(ImportError, match=r"'s3://b/f' is read by fsspec.*zslearn\[distributed\]"):
        FeatureStore("s3://b/f")


def test_nothing_is_written_by_url():
    shape = {"n_total": 1, "n_regions": 1, "n_features": 1, "grid_shape": None, "metadata": {}}
    with pytest.raises(ValueError, match="nothing is written by one"):
        FeatureStoreWriter("memory://new", **shape)
    extractor = TimmRegionExtractor("test_vit", pretrained=False, image_size=32, device="cpu").fit()
    with pytest.raises(ValueError, match="nothing is written by one"):
        extractor.extract(np.zeros((1, 32, 32, 3), np.uint8), "memory://new")


@pytest.mark.parametrize("protocol", ["file", "memory"])
def test_weights_of_a_backbone(tmp_path, protocol):
    settings = {"pretrained": False, "image_size": 32, "device": "cpu", "precision": "float32"}
    made = TimmRegionExtractor("test_vit", random_state=3, **settings).fit()
    path = tmp_path / "weights.pt"
    torch.save(made._fitted.recipe.create().state_dict(), path)
    url = path.as_uri()
    if protocol == "memory":
        url = "memory://weights/weights.pt"
        MemoryFileSystem().pipe_file("/weights/weights.pt", path.read_bytes())
    X = np.random.default_rng(0).integers(0, 256, size=(2, 32, 32, 3), dtype=np.uint8)
    loaded = TimmRegionExtractor("test_vit", checkpoint_path=url, random_state=0, **settings)
    np.testing.assert_array_equal(loaded.fit().transform(X), made.transform(X))


def test_weights_that_are_not_there():
    missing = TimmRegionExtractor("test_vit", checkpoint_path="memory://nowhere/w.pt")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        missing.fit()
