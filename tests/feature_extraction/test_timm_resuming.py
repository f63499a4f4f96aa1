"""Killed at any moment, an extraction goes on to the same bytes."""

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

SCRIPT = """
import sys, time
from zslearn.feature_extraction import TimmRegionExtractor
from zslearn.feature_extraction import _feature_store_writer as writer
from zslearn.feature_extraction._timm_backbone import Backbone

writer._FLUSH_SECONDS = 0.0
start = Backbone.start
def slowly(self, pixels):
    print(len(pixels), flush=True)
    time.sleep(0.02)
    return start(self, pixels)
Backbone.start = slowly
extractor = TimmRegionExtractor(
    "test_vit", pretrained=False, image_size=64, model_kwargs={"depth": 2}, batch_size=3, n_jobs=2,
    device="cpu", precision="float32", on_error="skip",
)
extractor.fit().extract(sys.argv[1], sys.argv[2])
print("done", flush=True)
"""


def begin(pictures, store):
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(pictures), str(store)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[2],
    )


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for row in range(62):
        pixels = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{row:02d}.png")
    (folder / "31.png").write_text("no picture")
    return folder


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_again_and_again(pictures, tmp_path):
    whole = begin(pictures, tmp_path / "whole")
    assert whole.communicate()[0].endswith("done\n")

    rng = np.random.default_rng(1)
    n_computed = n_killed = 0
    for _ in range(12):
        process = begin(pictures, tmp_path / "killed")
        for _ in range(int(rng.integers(2, 7))):  # batches
            if not process.stdout.readline().strip().isdigit():
                break
            n_computed += 1
        time.sleep(rng.uniform(0, 0.03))
        process.kill()
        rest = process.communicate()[0]
        n_computed += rest.count("\n")
        if "done" in rest or process.returncode == 0:
            break
        n_killed += 1
    assert n_killed >= 3
    if not rest.endswith("done\n"):
        assert begin(pictures, tmp_path / "killed").communicate()[0].endswith("done\n")

    expected, found = (tmp_path / name / "features.npy" for name in ("whole", "killed"))
    assert found.read_bytes() == expected.read_bytes()
    stores = [FeatureStore(tmp_path / name) for name in ("whole", "killed")]
    assert stores[0].skipped == stores[1].skipped
    assert [picture.row for picture in stores[1].skipped] == [31]
    assert len(stores[1]) == 61


def test_interrupt_stops_at_once(pictures, tmp_path):
    process = begin(pictures, tmp_path / "store")
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode != 0
    n_rows = len(FeatureStore(tmp_path / "store", allow_unfinished=True))
    assert n_rows < 61
    assert begin(pictures, tmp_path / "store").communicate()[0].endswith("done\n")
