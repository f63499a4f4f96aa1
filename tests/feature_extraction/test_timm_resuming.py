"""Killed at any moment, an extraction goes on to the same bytes."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zslearn.feature_extraction import FeatureStore

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")

# Imports once; each line read, the name of a store, is an extraction in a process of its own.
SERVER = """
import os, signal, sys, time
import timm
from zslearn.feature_extraction import TimmRegionExtractor, _fitted_backbone
from zslearn.feature_extraction import _feature_store_writer as writer
from zslearn.feature_extraction._timm_backbone import Backbone

writer._FLUSH_SECONDS = 0.0
start = Backbone.start

def slowly(self, pixels):
    print("batch", flush=True)
    time.sleep(0.02)
    return start(self, pixels)

Backbone.start = slowly
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
        extractor = TimmRegionExtractor(
            "test_vit", pretrained=False, image_size=64, model_kwargs={"depth": 2}, batch_size=3,
            n_jobs=2, device="cpu", precision="float32", on_error="skip",
        ).fit()
        print("pid", os.getpid(), flush=True)
        extractor.extract(sys.argv[1], line.strip())
        os._exit(0)
    print("ended", os.waitpid(pid, 0)[1], flush=True)
"""


class Server:
    def __init__(self, pictures):
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", SERVER, str(pictures)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            cwd=Path(__file__).parents[2],
        )

    def extract(self, store, n_batches=None, delay=0.0, sign=signal.SIGKILL):
        """Extract, up to a signal some time after `n_batches` have begun; return the status."""
        self.process.stdin.write(f"{store}\n")
        self.process.stdin.flush()
        pid = None
        for line in self.process.stdout:
            word, *number = line.split()
            if word == "ended":
                return int(number[0])
            if word == "pid":
                pid = int(number[0])
            elif n_batches is not None:
                n_batches -= 1
                if n_batches == 0:
                    time.sleep(delay)
                    with contextlib.suppress(ProcessLookupError):  # it has just ended
                        os.kill(pid, sign)
        raise AssertionError("the server ended")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for row in range(41):
        pixels = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{row:02d}.png")
    (folder / "31.png").write_text("no picture")
    server = Server(folder)
    yield server
    server.process.kill()
    server.process.wait()


def test_killed_again_and_again(server, tmp_path):
    assert server.extract(tmp_path / "whole") == 0
    rng = np.random.default_rng(1)
    n_killed = 0
    while server.extract(tmp_path / "killed", int(rng.integers(1, 6)), rng.uniform(0, 0.04)):
        n_killed += 1
        assert n_killed < 100, "no progress is kept"
    assert n_killed >= 3

    expected, found = (tmp_path / name / "features.npy" for name in ("whole", "killed"))
    assert found.read_bytes() == expected.read_bytes()
    stores = [FeatureStore(tmp_path / name) for name in ("whole", "killed")]
    assert stores[0].skipped == stores[1].skipped
    assert [picture.row for picture in stores[1].skipped] == [31]
    assert len(stores[1]) == 40


def test_interrupt_keeps_what_is_done(server, tmp_path):
    assert server.extract(tmp_path / "store", 4, sign=signal.SIGINT) != 0
    n_rows = len(FeatureStore(tmp_path / "store", allow_unfinished=True))
    assert 3 <= n_rows < 40
    assert server.extract(tmp_path / "store") == 0
    assert len(FeatureStore(tmp_path / "store")) == 40
