"""The file of a model is written whole, or not at all."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import zslearn
from zslearn.exceptions import ModelFileError

ROOT = Path(zslearn.__file__).parents[1]


def test_overwrites_only_when_told(toy, path):
    zslearn.save(toy.Holder(1), path)
    with pytest.raises(FileExistsError, match="model.safetensors' is there already. Pass overwr"):
        zslearn.save(toy.Holder(2), path)
    assert zslearn.load(path).value == 1
    zslearn.save(toy.Holder(2), path, overwrite=True)
    assert zslearn.load(str(path)).value == 2
    assert [other.name for other in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("content", [b"", b"precious", b"\xff" * 100, b"{}" * 9])
def test_never_overwrites_other_files(toy, path, content):
    path.write_bytes(content)
    with pytest.raises(FileExistsError, match="no model that save has written, and is not replace"):
        zslearn.save(toy.Holder(2), path, overwrite=True)
    assert path.read_bytes() == content


def test_never_overwrites_bare_weights_or_folders(toy, path):
    safetensors.numpy.save_file({"a": np.zeros(2)}, path)
    with pytest.raises(FileExistsError, match="no model that save has written"):
        zslearn.save(toy.Holder(2), path, overwrite=True)
    with pytest.raises(FileExistsError, match="no model that save has written"):
        zslearn.save(toy.Holder(2), path.parent, overwrite=True)


def test_folder_must_be_there(toy, tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no folder .*missing' to save in: make"):
        zslearn.save(toy.Holder(), tmp_path / "missing" / "model")


def test_follows_links(toy, path, tmp_path):
    (tmp_path / "deep").mkdir()
    path.symlink_to(tmp_path / "deep" / "real")
    zslearn.save(toy.Holder(1), path)
    zslearn.save(toy.Holder(2), path, overwrite=True)
    assert path.is_symlink()
    assert zslearn.load(tmp_path / "deep" / "real").value == 2


def test_others_may_read_it_as_other_new_files(toy, path):
    zslearn.save(toy.Holder(), path)
    (path.parent / "other").touch()
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (path, path.parent / "other")]
    assert modes[0] == modes[1]


@pytest.mark.parametrize("what", [object(), 3, None, dict])
def test_only_estimators_are_saved(what, path):
    with pytest.raises(TypeError, match="estimator must be an estimator, found"):
        zslearn.save(what, path)


@pytest.mark.parametrize("name", ["touch", "save_file", "fsync", "link"])
def test_what_fails_leaves_nothing(toy, path, monkeypatch, name):
    def fail(*args, **kwargs):
        raise OSError("no space left")

    home = {"touch": Path, "save_file": safetensors.numpy}.get(name, os)
    monkeypatch.setattr(home, name, fail)
    if name == "link":  # what stands in for it
        monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space left"):
        zslearn.save(toy.Holder(1), path)
    assert list(path.parent.iterdir()) == []


def test_what_is_written_wrong_replaces_nothing(toy, path, monkeypatch):
    zslearn.save(toy.Holder(np.zeros(9)), path)
    write = safetensors.numpy.save_file

    def write_wrong(tensors, *args, **kwargs):
        write({name: array + 1 for name, array in tensors.items()}, *args, **kwargs)

    monkeypatch.setattr(safetensors.numpy, "save_file", write_wrong)
    with pytest.raises(ModelFileError, match="does not have the checksum"):
        zslearn.save(toy.Holder(np.ones(9)), path, overwrite=True)
    assert list(path.parent.iterdir()) == [path]
    assert not zslearn.load(path).value.any()


def test_a_file_system_without_links(toy, path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("not supported")

    monkeypatch.setattr(os, "link", fail)
    zslearn.save(toy.Holder(1), path)
    assert zslearn.load(path).value == 1


def test_somebody_else_is_faster(toy, path, monkeypatch):
    sync = os.fsync

    def slow(handle):
        path.write_text("theirs")
        sync(handle)

    monkeypatch.setattr(os, "fsync", slow)
    with pytest.raises(FileExistsError, match="was made in the meantime"):
        zslearn.save(toy.Holder(1), path)
    assert path.read_text() == "theirs"
    assert list(path.parent.iterdir()) == [path]


KILLED = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np, toy, zslearn
toy.register()
print("ready", flush=True)
number = 1
while True:
    zslearn.save(toy.Holder(np.full(200_000, number)), sys.argv[2], overwrite=True)
    number += 1
"""


def test_killed_while_saving(toy, path):
    rng = np.random.default_rng(0)
    zslearn.save(toy.Holder(np.zeros(200_000)), path)
    for _ in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(path)],
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        assert child.stdout.readline() == b"ready\n"
        time.sleep(0.05 + rng.random() * 0.1)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        value = zslearn.load(path).value  # checks the checksum
        assert value.shape == (200_000,)
        assert value[0] == value[-1] > 0


DIES = """
import os, sys
sys.path.insert(0, sys.argv[1])
import toy, zslearn
toy.register()
setattr(os, sys.argv[3], lambda *args: os._exit(9))
zslearn.save(toy.Holder("new"), sys.argv[2], overwrite=True)
"""


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_dies_at_the_last_moment(toy, path, name):
    command = [sys.executable, "-c", DIES, str(Path(__file__).parent), str(path), name]
    zslearn.save(toy.Holder("old"), path)
    assert subprocess.run(command, cwd=ROOT).returncode == 9
    assert zslearn.load(path).value == "old"
    path.unlink()
    assert subprocess.run(command, cwd=ROOT).returncode == 9
    assert not path.exists()
