"""Prediction over arrays of dask: chunk by chunk, and as over one array."""

import tracemalloc

import numpy as np
import pytest

from zslearn import ClassAttributes, CVsCClassifier
from zslearn.feature_extraction import FeatureStore, FeatureStoreWriter
from zslearn.linear_model import ESZSLClassifier

da = pytest.importorskip("dask.array", reason="dask is not installed")

SHAPE = (3000, 49, 128)  # 38 MB in float16
N_CLASSES = 9
Y = np.arange(SHAPE[0]) % 7


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("features")
    shape = dict(zip(("n_total", "n_regions", "n_features"), SHAPE, strict=True))
    with FeatureStoreWriter(folder, **shape, grid_shape=(7, 7), metadata={}) as writer:
        centres = rng.normal(size=(7, 1, SHAPE[2]))
        writer.append(centres[Y] + rng.normal(size=SHAPE))
    return FeatureStore(folder)


@pytest.fixture(
    scope="module",
    params=[
        ESZSLClassifier(),
        CVsCClassifier(head="own", max_epochs=1, precision="float32", random_state=0),
    ],
    ids=lambda clf: type(clf).__name__,
)
def clf(request, store):
    table = ClassAttributes(np.random.default_rng(1).uniform(size=(N_CLASSES, 12)))
    return request.param.fit(store, Y, class_attributes=table)


def test_chunks_are_predicted_as_one_array(clf, store):
    regions = da.from_array(store, chunks=(640, -1, -1))
    labels = regions.map_blocks(clf.predict, dtype=clf.classes_.dtype, drop_axis=(1, 2))
    assert isinstance(labels, da.Array)
    expected = clf.predict(np.asarray(store))
    assert len(set(expected.tolist())) > 2
    np.testing.assert_array_equal(labels.compute(scheduler="threads"), expected)
    np.testing.assert_array_equal(clf.predict(regions), expected)


def test_candidates_pass_through(clf, store):
    regions = da.from_array(store, chunks=(1500, -1, -1))
    labels = regions.map_blocks(
        clf.predict, candidates="unseen", dtype=clf.classes_.dtype, drop_axis=(1, 2)
    )
    assert set(labels.compute(scheduler="sync").tolist()) <= {7, 8}


def test_memory_is_that_of_chunks(clf, store):
    """Of which one takes 1.3 MB, and 2.5 MB in float32."""
    regions = da.from_array(store, chunks=(100, -1, -1))
    labels = regions.map_blocks(clf.predict, dtype=clf.classes_.dtype, drop_axis=(1, 2))
    labels.compute(scheduler="sync")  # whatever is made once
    tracemalloc.start()
    try:
        labels.compute(scheduler="sync")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**22
