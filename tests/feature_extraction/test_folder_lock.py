"""One writer at a time."""

import os
import subprocess
import sys
import textwrap

import pytest

from tests.feature_extraction.stores import CALL, F, contents, written
from zslearn.feature_extraction import FeatureStoreWriter, _folder_lock


def test_one_writer_at_a_time(tmp_path):
    first = FeatureStoreWriter(tmp_path, **CALL)
    first.append(F[:3])
    for overwrite in (False, True):
        with pytest.raises(RuntimeError, match="is writing to .* use another folder"):
            FeatureStoreWriter(tmp_path, **CALL, overwrite=overwrite)
    first.close()
    with FeatureStoreWriter(tmp_path, **CALL) as second:
        assert second.n_finished == 3


def test_a_writer_that_was_refused_holds_no_lock(tmp_path):
    written(tmp_path, 3)
    for _ in range(2):
        with pytest.raises(ValueError, match="holds other features"):
            FeatureStoreWriter(tmp_path, **CALL | {"grid_shape": None})
    written(tmp_path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_worker_neither_writes_nor_keeps_the_lock(tmp_path):
    script = f"""
    import os, signal, time
    import numpy as np
    from zslearn.feature_extraction import FeatureStoreWriter

    call = dict(n_total=4, n_regions=1, n_features=1, grid_shape=None, metadata={{}})
    read, write = os.pipe()
    parent = os.fork()
    if parent == 0:
        writer = FeatureStoreWriter({str(tmp_path)!r}, **call)
        writer.append(np.ones((1, 1, 1)))
        if os.fork() == 0:
            try:
                writer.append(np.ones((1, 1, 1)))
            except ValueError as error:
                refused = "is closed at 1 of 4" in str(error)
            if os.fork() == 0:
                writer.close()
                os._exit(0)
            refused &= os.wait()[1] == 0
            os.write(write, f"{{os.getpid()}} {{refused}}".encode())
        time.sleep(50)
        os._exit(0)
    worker, refused = os.read(read, 100).decode().split()
    try:
        FeatureStoreWriter({str(tmp_path)!r}, **call)
    except RuntimeError:
        print("locked")
    os.kill(parent, signal.SIGKILL)
    os.wait()
    with FeatureStoreWriter({str(tmp_path)!r}, **call) as second:
        print(refused, second.n_finished)
    os.kill(int(worker), signal.SIGKILL)  # it has been alive until here
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["locked", "True", "0"], done.stderr[-2000:]


def test_without_locks(tmp_path, monkeypatch):
    monkeypatch.setattr(_folder_lock, "fcntl", None)
    written(tmp_path)
    assert ".store.lock" not in contents(tmp_path)


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(_folder_lock.fcntl, "flock", refuse)
    with pytest.warns(UserWarning, match="has no locks .*No locks available") as caught:
        FeatureStoreWriter(tmp_path, **CALL).close()
    assert caught[0].filename == __file__
