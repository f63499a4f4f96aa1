"""Extraction on a cluster of dask: the bytes of one process, also when workers are killed."""

import os
import signal
import sys
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from zslearn import ClassAttributes
from zslearn.exceptions import UnreadableImagesError
from zslearn.feature_extraction import FeatureStore, FeatureStoreWriter, TimmRegionExtractor
from zslearn.feature_extraction._timm_backbone import Backbone
from zslearn.linear_model import ESZSLClassifier

distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")

N_PICTURES, BATCH = 60, 2

# On a worker: every call is written down, and takes a while.
SLOWLY = """
import importlib, os, time

def slow_down(cls, name):
    method = getattr(cls, name)

    def slowly(self, *args, **kwargs):
        with open({log!r}, "a") as file:
            file.write(f"{{os.getpid()}}\\n")
        time.sleep(0.1)
        return method(self, *args, **kwargs)

    setattr(cls, name, slowly)

slow_down(getattr(importlib.import_module({module!r}), {cls!r}), {method!r})
"""


def slow_down(client, log, cls, method):
    code = SLOWLY.format(log=str(log), module=cls.__module__, cls=cls.__name__, method=method)
    client.run(exec, code, {})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for row in range(N_PICTURES):
        pixels = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{row:02d}.png")
    return folder


@pytest.fixture(scope="module")
def client():
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    )
    with cluster, distributed.Client(cluster) as client:
        yield client


def make(**params):
    options = {"image_size": 32, "batch_size": BATCH, "n_jobs": 1, "device": "cpu"}
    return TimmRegionExtractor("test_vit", pretrained=False, **options | params).fit()


@pytest.fixture(scope="module")
def alone(folder, tmp_path_factory):
    """A store that one process has made."""
    return make().extract(folder, tmp_path_factory.mktemp("alone") / "store")


def bytes_of(store):
    return (store.folder / "features.npy").read_bytes()


@contextmanager
def killing(log, after):
    """Kill the worker that computes when so many batches have begun."""
    killed, ended = [], threading.Event()

    def watch():
        while not ended.wait(0.005):
            lines = log.read_text().split() if log.exists() else []
            if len(lines) >= after:
                killed.append(int(lines[-1]))
                os.kill(killed[0], signal.SIGKILL)
                return

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield killed
    finally:
        ended.set()
        thread.join()


def test_the_bytes_of_one_process(client, folder, alone, tmp_path):
    extractor = make()
    store = extractor.extract(folder, tmp_path / "store", client=client)
    assert store.shape == (N_PICTURES, 4, 64)
    assert bytes_of(store) == bytes_of(alone)
    store.verify()
    assert extractor.skipped_ == []


def test_goes_on_where_one_process_stopped(client, folder, alone, tmp_path, monkeypatch):
    """In the midst of a shard, which is 16 rows."""
    append = FeatureStoreWriter.append

    def stop_at_20_rows(self, *rows):
        append(self, *rows)
        if self.n_finished == 20:
            raise KeyboardInterrupt

    monkeypatch.setattr(FeatureStoreWriter, "append", stop_at_20_rows)
    with pytest.raises(KeyboardInterrupt):
        make().extract(folder, tmp_path / "store")
    monkeypatch.undo()
    assert len(FeatureStore(tmp_path / "store", allow_unfinished=True)) == 20
    store = make().extract(folder, tmp_path / "store", client=client)
    assert bytes_of(store) == bytes_of(alone)
    store.verify()


def test_unreadable_pictures_are_all_named(client, folder, tmp_path):
    paths = sorted(folder.iterdir())
    for row in (3, 40, 58):
        paths[row] = tmp_path / f"{row}.png"
        paths[row].write_text("no picture")
    with pytest.raises(UnreadableImagesError) as caught:
        make().extract(paths, tmp_path / "store", client=client)
    assert [picture.row for picture in caught.value.images] == [3, 40, 58]
    here = make(on_error="skip")
    there = make(on_error="skip")
    with pytest.warns(UserWarning, match="3 of 60 pictures are skipped"):
        expected = here.extract(paths, tmp_path / "here")
    with pytest.warns(UserWarning, match="3 of 60 pictures are skipped"):
        found = there.extract(paths, tmp_path / "there", client=client)
    assert bytes_of(found) == bytes_of(expected)
    assert found.skipped == expected.skipped == there.skipped_


def test_pictures_in_memory(client, tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (33, 30, 40, 3), dtype=np.uint8)
    store = make().extract(pictures, tmp_path / "store", client=client)
    np.testing.assert_array_equal(store[:], make().transform(pictures))


def test_no_client_is_refused(client, folder, tmp_path, monkeypatch):
    extractor = make()

    def extract(client):
        extractor.extract(folder, tmp_path / "store", client=client)

    with pytest.raises(TypeError, match="client must be a dask.distributed.Client or None; found"):
        extract("scheduler:8786")
    with monkeypatch.context() as patched:
        patched.setattr(distributed.Client, "asynchronous", True)
        with pytest.raises(ValueError, match="client is asynchronous; give one made with"):
            extract(client)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"pip install 'zslearn\[distributed\]'"):
        extract(client)
    assert not (tmp_path / "store").exists()


def test_a_killed_workers_shard_is_done_again(client, folder, alone, tmp_path):
    log = tmp_path / "log"
    n_batches = N_PICTURES // BATCH
    slow_down(client, log, Backbone, "start")
    before = set(client.run(os.getpid).values())
    after = int(np.random.default_rng().integers(3, n_batches // 2))
    with killing(log, after) as killed:
        store = make().extract(folder, tmp_path / "store", client=client)
    assert killed, f"no worker was killed after {after} batches"
    assert killed[0] in before
    assert bytes_of(store) == bytes_of(alone)
    store.verify()


def test_prediction_survives_a_killed_worker(client, alone, tmp_path):
    da = pytest.importorskip("dask.array")
    table = ClassAttributes(np.random.default_rng(0).uniform(size=(6, 5)))
    clf = ESZSLClassifier().fit(alone, np.arange(N_PICTURES) % 4, class_attributes=table)
    regions = da.from_array(alone, chunks=(3, -1, -1))
    labels = regions.map_blocks(clf.predict, dtype=clf.classes_.dtype, drop_axis=(1, 2))
    client.wait_for_workers(2)
    log = tmp_path / "log"
    slow_down(client, log, ESZSLClassifier, "predict")
    with killing(log, int(np.random.default_rng().integers(3, 12))) as killed:
        found = client.compute(labels).result()
    assert killed
    np.testing.assert_array_equal(found, clf.predict(alone))
