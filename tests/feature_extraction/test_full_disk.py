"""A disk that is full while a store is written."""

import os
import shutil
import subprocess
import sys
import textwrap
from collections import namedtuple

import numpy as np
import pytest

from tests.feature_extraction.stores import CALL, NAMES, F, written
from zslearn.feature_extraction import FeatureStore, FeatureStoreWriter
from zslearn.feature_extraction import _store_format as store_format
from zslearn.feature_extraction import _store_rows as store_rows


def test_a_disk_that_is_too_small(tmp_path, monkeypatch):
    Usage = namedtuple("Usage", "total used free")
    free = [119]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, free[0]))
    with pytest.raises(OSError, match="10 rows are left to write, which take 120 bytes, .* 119 by"):
        FeatureStoreWriter(tmp_path / "a", **CALL)
    assert list(tmp_path.iterdir()) == []
    free[0] = 120
    written(tmp_path / "a", 4)
    monkeypatch.setattr(store_format, "find_allocated", lambda _: 48)
    free[0] = 71
    with pytest.raises(OSError, match="6 rows are left to write, which take 72 bytes"):
        FeatureStoreWriter(tmp_path / "a", **CALL)
    # To replace it, the old rows make room.
    with pytest.raises(OSError, match="10 rows are left"):
        FeatureStoreWriter(tmp_path / "a", **CALL, overwrite=True)
    assert len(FeatureStore(tmp_path / "a", allow_unfinished=True)) == 4
    free[0] = 72
    written(tmp_path / "a")
    FeatureStoreWriter(tmp_path / "a", **CALL, overwrite=True).close()


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_a_writer_that_failed_is_of_no_more_use(tmp_path, monkeypatch, name):
    def fail(*_):
        raise OSError(5, "Input/output error")

    writer = FeatureStoreWriter(tmp_path, **CALL)
    writer.append(F[:4])
    with monkeypatch.context() as patch:
        patch.setattr(os, name, fail)
        with pytest.raises(OSError, match="Input/output error"):
            writer.flush()
    # A second sync would succeed, and mean nothing.
    with pytest.raises(ValueError, match="is closed at 4 of 10 rows. Make a new one to go on"):
        writer.append(F[4:])
    writer.close()
    assert len(FeatureStore(tmp_path, allow_unfinished=True)) == 0
    written(tmp_path)


def test_large_sizes_are_told_in_large_units():
    assert store_rows._as_size(1023) == "1023 bytes"
    assert store_rows._as_size(1536) == "1.5 KiB"
    assert store_rows._as_size(3 * 2**40) == "3 TiB"


def test_a_disk_that_fills_up(tmp_path):
    """The limit on the size of files stands in for it: writes come short, then fail."""
    script = f"""
    import resource, signal
    import numpy as np
    from zslearn.feature_extraction import FeatureStore, FeatureStoreWriter

    call = dict(n_total=100, n_regions=4, n_features=128, grid_shape=None, metadata={{}})
    F = np.random.default_rng(0).normal(size=(100, 4, 128)).astype(np.float16)
    writer = FeatureStoreWriter({str(tmp_path)!r}, **call)
    size = 128 + F[:55].nbytes + 100
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        for start in range(0, 100, 10):
            writer.append(F[start : start + 10])
    except OSError as error:
        print(error.errno, writer.n_finished)
    try:
        writer.append(F[:1])
    except ValueError as error:
        print("is closed" in str(error))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    with FeatureStoreWriter({str(tmp_path)!r}, **call) as writer:
        print(writer.n_finished)
        writer.append(F[writer.n_finished :])
    print(np.array_equal(writer.store(), F))
    """
    pytest.importorskip("resource")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True
    )
    assert done.stdout.split() == ["27", "50", "True", "0", "True"], done.stderr[-2000:]


def test_sizes_of_an_earlier_version_are_told(tmp_path):
    """They would say that an edited picture is the same."""
    written(tmp_path)
    with pytest.raises(ValueError, match="fingerprints are sizes of files, by which an earlier"):
        FeatureStoreWriter(tmp_path, **CALL | {"fingerprints": ["100:abcd"] * 10})


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
@pytest.mark.parametrize("name", ["progress.json.partial", "store.json.partial"])
def test_links_in_a_folder_from_others_are_not_written_through(tmp_path, name):
    precious = tmp_path / "precious.txt"
    precious.write_text("a year of work")
    folder = tmp_path / "store"
    written(folder, 3)
    (folder / name).symlink_to(precious)
    written(folder, image_root=tmp_path)
    assert precious.read_text() == "a year of work"
    assert FeatureStore(folder).finished


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_lock_that_is_a_link_or_a_pipe_is_refused(tmp_path):
    for k, make in enumerate((lambda path: path.symlink_to(tmp_path / "new.txt"), os.mkfifo)):
        folder = tmp_path / f"store{k}"
        written(folder, 3)
        (folder / ".store.lock").unlink()
        make(folder / ".store.lock")
        with pytest.raises(ValueError, match="no ordinary file"):
            written(folder)
    assert not (tmp_path / "new.txt").exists()


def test_names_that_lead_outside_are_refused(tmp_path):
    for name in ("../../etc/passwd", "/etc/passwd"):
        with pytest.raises(ValueError, match=f"names of files in image_root; found '{name}'"):
            FeatureStoreWriter(tmp_path, **CALL | {"images": [name, *NAMES[1:]]})
    with pytest.raises(TypeError, match="grid_shape must be two integers or None; found 4"):
        FeatureStoreWriter(tmp_path, **CALL | {"grid_shape": 4})
    with pytest.raises(TypeError, match="image_root must be the path of a folder; found 3"):
        FeatureStoreWriter(tmp_path, **CALL | {"image_root": 3})
    with pytest.raises(ValueError, match="features are masked"):
        FeatureStoreWriter(tmp_path, **CALL).append(np.ma.masked_equal(F[:2], -7))
    with pytest.raises(TypeError, match="skipped must map"):
        FeatureStoreWriter(tmp_path, **CALL).append(np.ones((1, 4, 2)), skipped=[1])
    assert not any(tmp_path.glob("*.json.partial"))
