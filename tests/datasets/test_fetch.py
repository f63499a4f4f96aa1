"""Fetching from a server on this machine: whole, broken off, resumed, damaged, by hand, offline."""

import hashlib
import io
import json
import re
import shutil
import socket
import tarfile
import threading
import warnings
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from zslearn import datasets
from zslearn.datasets import _archives, _download, _remote_files
from zslearn.datasets._remote_files import RemoteFile


class Server:
    """Serves `files` by name, and can be told to misbehave."""

    def __init__(self):
        self.files = {}
        self.requests = []  # (name, status, Range or None)
        self.ranges = True
        self.etag = True
        self.length = True
        self.drop_after = None
        self.status = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments):
                pass

            def do_GET(self):
                outer.answer(self)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        serve = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)
        serve.start()
        self.address = f"http://127.0.0.1:{self.http.server_port}"

    def answer(self, handler):
        name = handler.path.lstrip("/")
        asked = handler.headers.get("Range")
        content = self.files.get(name)
        if self.status is not None or content is None:
            self.requests.append((name, self.status or 404, asked))
            handler.send_error(self.status or 404)
            return
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        start, status = 0, 200
        if self.ranges and asked and handler.headers.get("If-Range", tag) == tag:
            start, status = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]), 206
        if status == 206 and start >= len(content):
            status = 416
        self.requests.append((name, status, asked))
        handler.send_response(status)
        if status == 416:
            handler.send_header("Content-Range", f"bytes */{len(content)}")
            handler.end_headers()
            return
        if status == 206:
            span = f"bytes {start}-{len(content) - 1}/{len(content)}"
            handler.send_header("Content-Range", span)
        if self.length:
            handler.send_header("Content-Length", str(len(content) - start))
        if self.etag:
            handler.send_header("ETag", tag)
        if name.endswith(".tgz"):
            handler.send_header("Content-Encoding", "x-gzip")
        handler.end_headers()
        body = content[start:]
        if self.drop_after is not None:
            body = body[: self.drop_after]
        handler.wfile.write(body)
        handler.wfile.flush()
        handler.connection.shutdown(socket.SHUT_WR)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


def md5(content):
    return "md5:" + hashlib.md5(content).hexdigest()


def tar(folder, names, compression="gz"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}") as packed:
        for name in names:
            packed.add(folder / name, arcname=name)
    return buffer.getvalue()


def zipped(folder, inner):
    """The zip archive of a folder, in which it is named `inner`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for path in sorted(folder.rglob("*")):
            packed.write(path, f"{inner}/{path.relative_to(folder).as_posix()}")
    return buffer.getvalue()


def make_archives(name, layouts, folder):
    """Folder that the loader reads, and the official archives of it."""
    root = getattr(layouts, f"write_{name}")(folder)
    xlsa17 = {} if name == "flo" else {"xlsa17.zip": zipped(root / "xlsa17", "xlsa17")}
    if name == "cub":
        return {"CUB_200_2011.tgz": tar(root, ["CUB_200_2011", "attributes.txt"])} | xlsa17
    if name == "sun":
        return {
            "SUNAttributeDB.tar.gz": tar(root, ["SUNAttributeDB"]),
            "SUNAttributeDB_Images.tar.gz": tar(root, ["images"]),
        } | xlsa17
    if name == "awa2":
        inner = "Animals_with_Attributes2"
        return {"AwA2-data.zip": zipped(root / inner, inner)} | xlsa17
    if name == "apy":
        layouts.write_splits(
            root / "xlsa17/data/APY",
            [[0.5, 1.0], [0.0, 0.5], [1.0, 0.0]],
            ["cow", "dog", "mug"],
            {"trainval": [1, 5], "test_seen": [3, 6], "test_unseen": [2, 4]},
        )
        xlsa17 = {"xlsa17.zip": zipped(root / "xlsa17", "xlsa17")}
        return {
            "attribute_data.tar.gz": tar(root, ["attribute_data"]),
            "ayahoo_test_images.tar.gz": tar(root, ["ayahoo_test_images"]),
            "VOCtrainval_14-Jul-2008.tar": tar(root, ["VOCdevkit"], ""),
        } | xlsa17
    return {
        "102flowers.tgz": tar(root / "102flowers", ["jpg"]),
        "imagelabels.mat": (root / "102flowers/imagelabels.mat").read_bytes(),
        "cvpr18xian.zip": zipped(root / "FLO", "cvpr18xian/data/FLO"),
    }


def serve(server, monkeypatch, archives):
    """Have the official names served here, with checksums where the official ones have some."""
    server.files |= archives
    table = {}
    for name, remotes in _remote_files.BENCHMARK_FILES.items():
        table[name] = tuple(
            remote._replace(
                url=f"{server.address}/{remote.name}",
                checksum=remote.checksum and md5(archives.get(remote.name, b"")),
            )
            for remote in remotes
        )
    monkeypatch.setattr(_download, "BENCHMARK_FILES", table)


@pytest.mark.parametrize("name", ["cub", "sun", "awa2", "apy", "flo"])
def test_pictures(name, server, monkeypatch, tmp_path, layouts):
    archives = make_archives(name, layouts, tmp_path / "official")
    serve(server, monkeypatch, archives)
    home = tmp_path / "home"
    fetch, load = getattr(datasets, f"fetch_{name}"), getattr(datasets, f"load_{name}")
    with pytest.warns(UserWarning, match="No checksum was published for"):
        fetched = fetch(data_home=home, verbose=False)
    loaded = load(tmp_path / "official")
    assert fetched.image_files.tolist() == loaded.image_files.tolist()
    assert fetched.target.tolist() == loaded.target.tolist()
    assert fetched.trainval.tolist() == loaded.trainval.tolist()
    assert fetched.class_attributes == loaded.class_attributes
    assert all(Path(path).is_relative_to(home) for path in fetched.image_paths)
    assert all(Path(path).is_file() for path in fetched.image_paths)
    assert sorted(request[0] for request in server.requests) == sorted(archives)
    assert list((home / "downloads").iterdir()) == []
    recorded = json.loads((home / "checksums.json").read_text())
    published = {r.name for r in _remote_files.BENCHMARK_FILES[name] if r.checksum}
    assert set(recorded) == set(archives) - published
    for file, checksum in recorded.items():
        assert checksum == "sha256:" + hashlib.sha256(archives[file]).hexdigest()

    server.requests.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = fetch(data_home=home, download_if_missing=False)
    assert server.requests == []
    assert again.image_paths.tolist() == fetched.image_paths.tolist()


@pytest.mark.filterwarnings("ignore:No checksum was published")
@pytest.mark.parametrize("name", ["AWA2", "flo"])
def test_features(name, server, monkeypatch, tmp_path, layouts):
    is_flo = name == "flo"
    source = tmp_path / "official"
    make_archives(name.lower(), layouts, source)
    if is_flo:
        folder, archive = source / "FLO", "cvpr18xian.zip"
        archives = {archive: zipped(source, "cvpr18xian/data")}
    else:
        folder, archive = source / "xlsa17/data/AWA2", "xlsa17.zip"
        layouts.write_res101(folder, [f"{k}.jpg" for k in range(6)], [1, 1, 2, 2, 3, 3])
        archives = {archive: zipped(source / "xlsa17", "xlsa17")}
    serve(server, monkeypatch, archives)
    home = tmp_path / "home"
    fetched = datasets.fetch_xlsa17(name, data_home=home, attributes="l2", verbose=False)
    loaded = datasets.load_xlsa17(folder, name, attributes="l2")
    np.testing.assert_array_equal(fetched.data, loaded.data)
    assert fetched.class_attributes == loaded.class_attributes
    assert [request[0] for request in server.requests] == [archive]


def test_mistakes_are_told_of_before_the_download(server, monkeypatch, tmp_path):
    serve(server, monkeypatch, {})
    with pytest.raises(TypeError, match="atributes"):
        datasets.fetch_cub(data_home=tmp_path, atributes="l2")
    with pytest.raises(ValueError, match="name must be one of CUB, SUN.*; found 'CAB'"):
        datasets.fetch_xlsa17("CAB", data_home=tmp_path)
    assert server.requests == []


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


def test_without_etag_it_goes_on_only_if_a_checksum_is_known(server, one, tmp_path):
    server.etag = False
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
        assert [request[1] for request in server.requests] == [status]
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


def test_servers_that_do_not_say_the_length(server, one):
    server.length = False
    one()


def test_damage_is_refused(server, one, tmp_path):
    server.files["one.mat"] = b"X" + CONTENT[1:]
    with pytest.raises(OSError, match=r"is not what was published, and was deleted.*md5|MD5"):
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


def test_archives_can_be_kept(server, monkeypatch, tmp_path, layouts):
    archives = make_archives("cub", layouts, tmp_path / "official")
    serve(server, monkeypatch, archives)
    with pytest.warns(UserWarning, match="No checksum"):
        datasets.fetch_cub(data_home=tmp_path / "home", keep_archives=True, verbose=False)
    kept = tmp_path / "home/downloads"
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == archives


def test_progress_is_shown(server, one, capsys):
    one(verbose=True)
    assert "one.mat" in capsys.readouterr().err


def test_data_home(tmp_path, monkeypatch):
    monkeypatch.setenv("ZSLEARN_DATA", str(tmp_path / "from environment"))
    assert datasets.get_data_home() == str(tmp_path / "from environment")
    assert (tmp_path / "from environment").is_dir()
    assert datasets.get_data_home(tmp_path / "x") == str(tmp_path / "x")
    monkeypatch.delenv("ZSLEARN_DATA")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert datasets.get_data_home() == str(tmp_path / "zslearn_data")


def test_clear_data_home_leaves_what_is_not_ours(server, monkeypatch, tmp_path, layouts):
    serve(server, monkeypatch, make_archives("cub", layouts, tmp_path / "official"))
    home = tmp_path / "home"
    with pytest.warns(UserWarning, match="No checksum"):
        datasets.fetch_cub(data_home=home, verbose=False)
    (home / "thesis.tex").write_text("mine")
    datasets.clear_data_home(home)
    assert [path.name for path in home.iterdir()] == ["thesis.tex"]
    (home / "thesis.tex").unlink()
    datasets.clear_data_home(home)
    assert not home.exists()


def test_the_table_of_addresses():
    remotes = {remote for files in _remote_files.BENCHMARK_FILES.values() for remote in files}
    assert len({remote.name for remote in remotes}) == len(remotes) == 11
    lengths = {"md5": 32, "sha256": 64}
    for remote in remotes:
        assert remote.url.endswith("/" + remote.name)
        assert remote.folder in ("", *_remote_files.FOLDERS)
        assert remote.folder or remote.provides[0] in _remote_files.FOLDERS
        if remote.checksum is not None:
            algorithm, digest = remote.checksum.split(":")
            assert re.fullmatch(f"[0-9a-f]{{{lengths[algorithm]}}}", digest)


def test_processes_wait_for_each_other(server, monkeypatch, tmp_path, layouts):
    archives = make_archives("cub", layouts, tmp_path / "official")
    serve(server, monkeypatch, archives)
    results = []

    def fetch():
        results.append(datasets.fetch_cub(data_home=tmp_path / "home", verbose=False))

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(results) == 4
    assert sorted(request[0] for request in server.requests) == sorted(archives)
