"""Downloads from a server on this machine: broken off, resumed, damaged, by hand, offline."""

import hashlib
import io
import shutil
import warnings
import zipfile

import numpy as np
import pytest

from zslearn.datasets import _archives, _download
from zslearn.datasets._remote_files import RemoteFile


def md5(content):
    return "md5:" + hashlib.md5(content).hexdigest()


CONTENT = bytes(np.random.default_rng(0).integers(0, 256, 50_000, dtype=np.uint8))
PUBLISHED = md5(CONTENT)


@pytest.fixture
def one(server, monkeypatch, tmp_path):
    """A function that fetches a single file of known contents."""

    def fetch(checksum=PUBLISHED, n_retries=0, name="one.mat", **options):
        remote = RemoteFile(name, f"{server.address}/{name}", checksum, "ONE", (name,))
        monkeypatch.setattr(_download, "BENCHMARK_FILES", {"one": (remote,)})
        settings = {"download_if_missing": True, "keep_archives": False, "verbose": False}
        settings |= {"n_retries": n_retries, "delay": 0.0} | options
        parameters = _download.Options(**settings)
        home = _download.provide_files("one", tmp_path / "home", parameters, load_one, {})
        assert (home / "ONE" / name).read_bytes() == server.files[name]
        assert list((home / "downloads").glob("*")) == []

    server.files["one.mat"] = CONTENT
    return fetch


def load_one():
    """Stand in for a loader."""


def test_a_broken_download_goes_on(server, one, tmp_path):
    server.drop_after = 20_000
    with pytest.raises(
        OSError, match=r"one.mat could not be downloaded from .*What arrived is kept"
    ):
        one()
    part = tmp_path / "home/downloads/one.mat.part"
    assert part.read_bytes() == CONTENT[:20_000]
    assert not (tmp_path / "home/ONE").exists()
    server.drop_after = None
    one()
    assert server.requests == [("one.mat", 200, None), ("one.mat", 206, "bytes=20000-")]


def test_it_goes_on_by_itself(server, one):
    server.drop_after = 20_000
    one(n_retries=2)
    assert [request[2] for request in server.requests] == [None, "bytes=20000-", "bytes=40000-"]


def test_servers_without_ranges(server, one):
    server.ranges = False
    server.drop_after = 20_000
    with pytest.raises(OSError, match="could not be downloaded"):
        one()
    server.drop_after = None
    one()
    assert server.requests == [("one.mat", 200, None), ("one.mat", 200, "bytes=20000-")]


def test_a_file_that_changed_meanwhile_is_begun_anew(server, one):
    server.drop_after = 20_000
    with pytest.raises(OSError, match="could not be downloaded"):
        one()
    server.drop_after = None
    server.files["one.mat"] = CONTENT[::-1]
    one(checksum=md5(CONTENT[::-1]))
    assert server.requests[1:] == [("one.mat", 200, "bytes=20000-")]


@pytest.mark.parametrize("etag", [False, "weak"])
def test_without_etag_it_goes_on_only_if_a_checksum_is_known(server, one, tmp_path, etag):
    """A weak one is of files that are alike, not the same to the byte."""
    server.etag = etag
    for checksum, status in [(md5(CONTENT), 206), (None, 200)]:
        server.drop_after = 20_000
        with pytest.raises(OSError, match="could not be downloaded"):
            one(checksum=checksum)
        server.drop_after = None
        server.requests.clear()
        if checksum is None:
            with pytest.warns(UserWarning, match="No checksum was published"):
                one(checksum=checksum)
        else:
            one(checksum=checksum)
        asked = "bytes=20000-" if status == 206 else None
        assert server.requests == [("one.mat", status, asked)]
        shutil.rmtree(tmp_path / "home/ONE")


def test_a_part_that_is_whole(server, one, tmp_path):
    """Killed after the last byte: the server says that nothing is left."""
    server.drop_after = 20_000
    with pytest.raises(OSError, match="could not be downloaded"):
        one()
    server.drop_after = None
    (tmp_path / "home/downloads/one.mat.part").write_bytes(CONTENT)
    one()
    assert server.requests[1:] == [("one.mat", 416, "bytes=50000-")]


def test_a_part_that_is_too_long_is_begun_anew(server, one, tmp_path):
    server.drop_after = 20_000
    with pytest.raises(OSError, match="could not be downloaded"):
        one()
    server.drop_after = None
    (tmp_path / "home/downloads/one.mat.part").write_bytes(CONTENT + b"more")
    one()
    assert [request[1] for request in server.requests[1:]] == [416, 200]


def test_a_part_without_notes_is_begun_anew(server, one, tmp_path):
    downloads = tmp_path / "home/downloads"
    downloads.mkdir(parents=True)
    (downloads / "one.mat.part").write_bytes(b"who knows of what")
    one()
    assert server.requests == [("one.mat", 200, None)]


def test_traces_of_a_killed_process_are_cleared_away(server, one, tmp_path):
    downloads = tmp_path / "home/downloads"
    downloads.mkdir(parents=True)
    (downloads / "tmpk3m9xw").touch()
    one()
    assert not (downloads / "tmpk3m9xw").exists()


def test_servers_that_do_not_say_the_length(server, one):
    server.length = False
    one()
    assert server.requests == [("one.mat", 200, None)]


def test_damage_is_refused(server, one, tmp_path):
    server.files["one.mat"] = b"X" + CONTENT[1:]
    with pytest.raises(
        OSError, match=r"is not what was published, and was deleted.*MD5 hash of downloaded file"
    ):
        one()
    assert list((tmp_path / "home/downloads").iterdir()) == []
    assert not (tmp_path / "home/ONE").exists()


def test_a_recorded_checksum_is_compared(server, one, tmp_path):
    with pytest.warns(UserWarning, match="later downloads are compared with it"):
        one(checksum=None)
    shutil.rmtree(tmp_path / "home/ONE")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one(checksum=None)
    shutil.rmtree(tmp_path / "home/ONE")
    server.files["one.mat"] = CONTENT[::-1]
    with pytest.raises(OSError, match=r"take its entry out of .*checksums.json"):
        one(checksum=None)
    (tmp_path / "home/checksums.json").write_text("{")
    with pytest.raises(ValueError, match="checksums.json is damaged"):
        one(checksum=None)


def test_files_put_there_by_hand(server, one, tmp_path):
    downloads = tmp_path / "home/downloads"
    downloads.mkdir(parents=True)
    (downloads / "one.mat").write_bytes(CONTENT[:-1])
    with pytest.raises(OSError, match="has the md5 checksum .*Delete it and fetch again"):
        one()
    assert (downloads / "one.mat").exists()
    (downloads / "one.mat").write_bytes(CONTENT)
    one(download_if_missing=False)
    assert server.requests == []


def test_no_network(server, one, tmp_path):
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(OSError, match="one.mat could not be downloaded") as error:
        one(n_retries=1)
    message = str(error.value)
    assert f"{server.address}/one.mat" in message
    assert f"put it at {tmp_path / 'home/downloads/one.mat'} and fetch again" in message
    assert f"or unpack it as {tmp_path / 'home/ONE/one.mat'}" in message
    assert "load_one also reads" in message
    with pytest.raises(OSError, match="is not in .*download_if_missing=False.*by hand"):
        one(download_if_missing=False)


@pytest.mark.parametrize(("status", "n_requests"), [(404, 1), (503, 3)])
def test_answers_of_the_server(server, one, status, n_requests):
    server.status = status
    with pytest.raises(OSError, match=f"could not be downloaded.*{status}"):
        one(n_retries=2)
    assert len(server.requests) == n_requests


def test_room_on_the_disk(server, one, monkeypatch, tmp_path):
    usage = shutil.disk_usage(tmp_path)._replace(free=49_999)
    monkeypatch.setattr(_archives.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(OSError, match=r"Downloading .* needs 0.00 GiB .* choose another data_home"):
        one()
    monkeypatch.setattr(_archives.shutil, "disk_usage", lambda folder: usage._replace(free=50_000))
    one()


def test_progress_is_shown(server, one, capsys):
    one(verbose=True)
    assert "one.mat" in capsys.readouterr().err


def test_what_cannot_be_unpacked_is_not_recorded(server, monkeypatch, tmp_path):
    """Else the true file, once it comes, would be refused for the checksum of the false one."""
    remote = RemoteFile("one.zip", f"{server.address}/one.zip", None, "ONE", ("inside",))
    monkeypatch.setattr(_download, "BENCHMARK_FILES", {"one": (remote,)})
    options = _download.Options(True, False, 0, 0.0, False)
    server.files["one.zip"] = b"<html>Please log in to the network</html>"
    with pytest.raises(ValueError, match="is damaged and cannot be unpacked"):
        _download.provide_files("one", tmp_path, options, load_one, {})
    assert not (tmp_path / "checksums.json").exists()
    (tmp_path / "downloads/one.zip").unlink()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("inside/a", "a")
    server.files["one.zip"] = buffer.getvalue()
    with pytest.warns(UserWarning, match="No checksum was published"):
        _download.provide_files("one", tmp_path, options, load_one, {})
    assert (tmp_path / "ONE/inside/a").read_text() == "a"
    assert (tmp_path / "checksums.json").exists()
