"""Fetching the benchmarks from a server on this machine, and the folder they are kept in."""

import hashlib
import io
import json
import re
import tarfile
import threading
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from zslearn import datasets
from zslearn.datasets import _download, _remote_files


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
    with pytest.raises(TypeError, match="splits is where the download is; load_cub takes another"):
        datasets.fetch_cub(data_home=tmp_path, splits="elsewhere")
    with pytest.raises(ValueError, match="name must be one of CUB, SUN.*; found 'CAB'"):
        datasets.fetch_xlsa17("CAB", data_home=tmp_path)
    assert server.requests == []


def test_archives_can_be_kept(server, monkeypatch, tmp_path, layouts):
    archives = make_archives("cub", layouts, tmp_path / "official")
    serve(server, monkeypatch, archives)
    with pytest.warns(UserWarning, match="No checksum"):
        datasets.fetch_cub(data_home=tmp_path / "home", keep_archives=True, verbose=False)
    kept = tmp_path / "home/downloads"
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == archives


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
