"""Unpacking: nothing outside, nothing half, nothing of the user's overwritten."""

import io
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from zslearn.datasets import _archives
from zslearn.datasets._archives import unpack


def archive(tmp_path, members, kind="tar"):
    path = tmp_path / f"a.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as packed:
            for name in members:
                packed.writestr(name, "x")
    else:
        with tarfile.open(path, "w") as packed:
            for name in members:
                info = tarfile.TarInfo(name)
                info.size = 1
                packed.addfile(info, io.BytesIO(b"x"))
    return path


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize("name", ["../evil", "in/../../evil", "/evil", "good/../../../evil"])
def test_archives_that_write_outside(tmp_path, kind, name):
    folder = tmp_path / "home"
    path = archive(tmp_path, ["good/a", name], kind)
    if kind == "tar" and name == "/evil":
        unpack(path, folder, ["good"])  # the leading slash is taken off
        assert (folder / "evil").exists()
        return
    with pytest.raises(ValueError, match="would write outside its folder"):
        unpack(path, folder, ["good"])
    assert list(folder.iterdir()) == []
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_unpacking_is_all_or_nothing(tmp_path, monkeypatch, kind):
    folder = tmp_path / "home"
    path = archive(tmp_path, ["good/a", "good/b", "readme"], kind)
    with pytest.raises(ValueError, match="holds 'good', 'readme' but not 'other'"):
        unpack(path, folder, ["good", "other"])
    assert list(folder.iterdir()) == []
    real = _archives._extract

    def killed(archive, work):
        real(archive, work)
        (work / "good/b").unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(_archives, "_extract", killed)
    with pytest.raises(KeyboardInterrupt):
        unpack(path, folder, ["good"])
    assert not (folder / "good").exists()
    monkeypatch.undo()
    leftover = folder / f".unpacking-a.{kind}"
    leftover.mkdir()
    (leftover / "junk").write_text("of a killed run")
    (folder / "readme").write_text("mine")
    unpack(path, folder, ["good"])
    assert sorted(p.name for p in folder.iterdir()) == ["good", "readme"]
    assert sorted(p.name for p in (folder / "good").iterdir()) == ["a", "b"]
    assert (folder / "readme").read_text() == "mine"


def test_what_an_archive_provides_is_put_in_place_last(tmp_path, monkeypatch):
    """It is the sign that the archive was unpacked."""
    path = archive(tmp_path, ["good/a", "zebra", "apple"])
    moved = []
    real = _archives.os.replace

    def replace(source, target):
        moved.append(target.name)
        real(source, target)

    monkeypatch.setattr(_archives.os, "replace", replace)
    unpack(path, tmp_path / "home", ["good"])
    assert moved[-1] == "good"
    assert sorted(moved) == ["apple", "good", "zebra"]


@pytest.mark.parametrize("kind", ["tar", "tgz", "zip"])
def test_damaged_archives(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    (tmp_path / "good").mkdir()
    (tmp_path / "good" / "a").write_bytes(np.random.default_rng(0).bytes(50_000))
    forms = {"tar": "tar", "tgz": "gztar", "zip": "zip"}
    whole = shutil.make_archive(str(tmp_path / "whole"), forms[kind], tmp_path, "good")
    path.write_bytes(Path(whole).read_bytes()[:20_000])
    with pytest.raises(ValueError, match="is damaged and cannot be unpacked"):
        unpack(path, tmp_path / "home", ["good"])
    assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.SYMTYPE])
def test_members_that_are_no_files(tmp_path, kind):
    path = archive(tmp_path, ["good/a"])
    with tarfile.open(path, "a") as packed:
        info = tarfile.TarInfo("good/b")
        info.type, info.linkname = kind, "/etc"
        packed.addfile(info)
    with pytest.raises(ValueError, match="would write outside its folder"):
        unpack(path, tmp_path / "home", ["good"])
    assert list((tmp_path / "home").iterdir()) == []


class Zeros(io.RawIOBase):
    def read(self, n=-1):
        return bytes(n)


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_small_archives_that_unpack_to_much(tmp_path, kind):
    path, size = tmp_path / f"a.{kind}", 100 * 2**20
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("good", bytes(size))
    else:
        with tarfile.open(path, "w:gz") as packed:
            for name in ("other", "good"):
                info = tarfile.TarInfo(name)
                info.size = size // 2
                packed.addfile(info, Zeros())
    with pytest.raises(ValueError, match="unpacks to 104857600 or more"):
        unpack(path, tmp_path / "home", ["good"])
    assert list((tmp_path / "home").iterdir()) == []
