"""Locks in a folder of the user's own: nobody else's links, files or folders are used."""

import os
import stat

import pytest

from zslearn._data._user_folder import open_lock, own_folder

pytestmark = pytest.mark.skipif(os.name == "nt", reason="rights are others on Windows")


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "run" / "zslearn"


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


def test_the_folder_is_closed_to_others(runtime):
    assert own_folder() == runtime
    assert mode(runtime) == 0o700
    runtime.chmod(0o777)
    assert own_folder() == runtime
    assert mode(runtime) == 0o700


def test_a_link_in_its_place_is_not_followed(runtime, tmp_path):
    (tmp_path / "other").mkdir()
    runtime.parent.mkdir()
    runtime.symlink_to(tmp_path / "other")
    assert own_folder() == tmp_path / "cache" / "zslearn" / "run"


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="needs two users")
def test_a_folder_of_another_user_is_not_used(runtime, tmp_path):
    runtime.mkdir(parents=True)
    os.chown(runtime, 65534, 65534)
    assert own_folder() == tmp_path / "cache" / "zslearn" / "run"


def test_without_any_folder_of_ones_own(runtime, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for name in ("XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    with pytest.raises(OSError, match="no folder for locks.*file/zslearn"):
        own_folder()


def test_a_lock_is_opened_and_never_emptied(runtime):
    with open_lock("gpu.lock") as file:
        file.write(b"kept")
    with open_lock("gpu.lock") as file:
        assert file.read() == b"kept"
    assert mode(runtime / "gpu.lock") == 0o600


def test_what_is_no_file_of_ones_own_is_refused(runtime, tmp_path):
    own_folder()
    (tmp_path / "precious").write_text("a year of work")
    (runtime / "link").symlink_to(tmp_path / "precious")
    (runtime / "new").symlink_to(tmp_path / "new")
    os.mkfifo(runtime / "pipe")
    (runtime / "folder").mkdir()
    for name in ("link", "new", "pipe", "folder"):
        with pytest.raises(OSError, match=name), open_lock(name):
            pass
    assert (tmp_path / "precious").read_text() == "a year of work"
    assert not (tmp_path / "new").exists()
    for name in ("../x", "", "..", "a/b"):
        with pytest.raises(ValueError, match="without folders"), open_lock(name):
            pass
