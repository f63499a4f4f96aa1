"""Files with random damage: read as they are, or refused by name; no crash, no hang, no bomb.

Each trial damages a sound file of some format and has it read by what reads it for users. What is
raised must be of the kinds that are listed, and name the file.
"""

import contextlib
import gzip
import io
import json
import re
import shutil
import signal
import tarfile
import warnings
import zipfile
from argparse import Namespace

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from zslearn._cli._files import load_array
from zslearn._cli._inputs import read_inputs
from zslearn.datasets import load_image_folder, load_xlsa17
from zslearn.datasets._archives import unpack
from zslearn.datasets._image_index import read_npz
from zslearn.datasets._matlab import read_matlab
from zslearn.feature_extraction import FeatureStore, FeatureStoreWriter, WordVectors
from zslearn.feature_extraction._decoding import decode_ahead, to_rgb
from zslearn.feature_extraction._picture_sources import as_pictures
from zslearn.model_selection import ScoreLog

SECONDS = 20  # a trial takes milliseconds
FEATURES = np.arange(48, dtype=np.float16).reshape(6, 4, 2)
TEXT = (b"9" * 5000, b"[" * 5000, b'{"a":' * 5000, b"-1", b"NaN", b"1e999", b"../../", b"\xff\xfe")


def damage(rng, content):
    """Change some bytes, lose some, repeat some, or put others in."""
    for _ in range(rng.integers(1, 4)):
        content = bytearray(content)
        at = int(rng.integers(0, len(content) + 1))
        n = int(rng.integers(1, 1 + min(64, len(content) - at))) if at < len(content) else 0
        kind = rng.integers(0, 8)
        if kind == 0 and n:
            content[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1:
            content[at : at + n] = rng.bytes(n)
        elif kind == 2:
            del content[at : at + n]
        elif kind == 3:
            content[at:at] = content[at : at + n] * int(rng.integers(1, 20))
        elif kind == 4:
            del content[at:]
        elif kind == 5:
            content[at : at + n] = bytes([int(rng.choice([0, 255]))]) * n
        elif kind == 6:
            content[at : at + n] = TEXT[int(rng.integers(0, len(TEXT)))]
        else:
            # Numbers are where sizes are.
            digits = [k for k, value in enumerate(content) if 48 <= value <= 57]
            if digits:
                content[digits[int(rng.integers(0, len(digits)))]] = int(rng.integers(48, 58))
    return bytes(content)


@contextlib.contextmanager
def limited(what):
    """Raise if it takes long: a test that hangs says nothing."""

    def stop(*_):
        raise AssertionError(f"{what} was still read after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def make_store(folder):
    names = [f"birds/{k}.png" for k in range(7)]
    call = {"n_total": 7, "n_regions": 4, "n_features": 2, "grid_shape": (2, 2), "metadata": {}}
    marks = [f"{k}:ab" for k in range(7)]
    call |= {"images": names, "image_root": folder, "fingerprints": marks}
    with FeatureStoreWriter(folder / "store", **call) as writer:
        writer.append(FEATURES, skipped={2: "broken"})
    return folder / "store"


def read_store(path):
    store = FeatureStore(path.parent)
    found = np.asarray(store)
    assert found.shape == store.shape
    assert found.dtype == np.float16
    assert len(store.rows) == len(store) == len(store.image_paths or store.rows)
    root = str(store.image_root)
    assert all(str(picture).startswith(root) for picture in store.image_paths or [])
    if path.suffix == ".json":
        # What was not found out may have changed the layout of the text, and nothing it says.
        np.testing.assert_array_equal(found, FEATURES)
        assert store.rows.tolist() == [0, 1, 3, 4, 5, 6]
        assert store.images.tolist() == [f"birds/{row}.png" for row in store.rows]


def store_file(name):
    return lambda folder: make_store(folder) / name


class Plain:
    """Stands in for timm's resizing."""

    size = (8, 8)

    def __call__(self, image):
        return np.asarray(to_rgb(image).resize((8, 8)))


def picture(name, mode="RGB", **options):
    def make(folder):
        pixels = np.random.default_rng(0).integers(0, 256, (24, 20, 4), dtype=np.uint8)
        image = Image.fromarray(pixels, "RGBA").convert(mode if mode != "I;16" else "L")
        if mode == "I;16":
            image = Image.fromarray(pixels[..., 0].astype(np.uint16) * 16)
        image.save(folder / name, **options)
        return folder / name

    return make


def read_picture(path):
    pictures = as_pictures([path])
    batches = decode_ahead(
        pictures,
        Plain(),
        [range(1)],
        n_threads=1,
        n_ahead=0,
        allocate=lambda shape: np.full(shape, 7, np.uint8),
        missing={},
    )
    (batch,) = batches
    if batch.failed:
        raise ValueError(f"{path.name}: {batch.failed[0]}")
    assert batch.pixels.shape == (1, 8, 8, 3)


def matlab(version):
    def make(folder):
        values = {"features": np.arange(12.0).reshape(3, 4), "labels": [[1], [2], [3], [1]]}
        if version == 5:
            names = np.array([["ant"], ["bee"]], dtype=object)
            savemat(folder / "a.mat", values | {"names": names}, do_compression=True)
        else:
            with h5py.File(folder / "a.mat", "w") as file:
                for name, value in values.items():
                    file[name] = np.transpose(value)
        return folder / "a.mat"

    return make


def read_mat(path):
    found = read_matlab(path, ["features"], ["labels", "names"], dtypes={"features": np.float32})
    assert found["features"].dtype == np.float32


def make_xlsa17(folder):
    home = folder / "xlsa17" / "data" / "SUN"
    home.mkdir(parents=True)
    values = {"features": np.ones((4, 3)), "labels": [[1], [1], [2]]}
    savemat(home / "res101.mat", values)
    rows = {"trainval_loc": [[1]], "test_seen_loc": [[2]], "test_unseen_loc": [[3]]}
    names = np.array([["abbey"], ["zoo"]], dtype=object)
    table = {"att": np.eye(2), "original_att": np.eye(2), "allclasses_names": names}
    savemat(home / "att_splits.mat", table | rows)
    return home / "att_splits.mat"


def read_xlsa17(path):
    found = load_xlsa17(path.parent, "SUN")
    assert np.isfinite(found.data).all()
    assert len(found.target) == 3


def make_npy(folder):
    np.save(folder / "a.npy", np.arange(40))
    return folder / "a.npy"


def make_npz(folder):
    np.savez_compressed(folder / "a.npz", vectors=np.ones((5, 3)), image_files=["a", "b"])
    return folder / "a.npz"


SPLIT = {"trainval": [0, 1, 4, 5], "test_seen": [2, 6], "test_unseen": [8, 9, 10, 11]}


def evaluation_file(name):
    """A file of those that `zslearn evaluate` reads; the others are sound."""

    def make(folder):
        np.save(folder / "X.npy", np.ones((12, 3), np.float32))
        labels = np.repeat(["ant", "bee", "cat"], 4)
        (folder / "labels.txt").write_text("\n".join(labels) + "\n")
        (folder / "classes.csv").write_text("class,a,b\nant,0,1\nbee,1,0.5\ncat,1,1\n")
        (folder / "split.json").write_text(json.dumps(SPLIT))
        return folder / name

    return make


def read_evaluation(path):
    folder = path.parent
    found = read_inputs(
        Namespace(
            features=folder / "X.npy",
            labels=str(folder / "labels.txt"),
            attributes=str(folder / "classes.csv"),
            split=str(folder / "split.json"),
            delimiter=",",
            missing_values=None,
            **dict.fromkeys(("word_vectors", "benchmark", "root")),
        )
    )
    assert len(found.y) == len(found.X)
    assert np.isfinite(found.table.values).all()


def archive(kind):
    def make(folder):
        path = folder / f"a.{kind}"
        if kind == "zip":
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
                packed.writestr("good/a.txt", "x" * 500)
                packed.writestr("good/b.txt", "y" * 500)
        else:
            with tarfile.open(path, "w:gz" if kind == "tar.gz" else "w") as packed:
                for name in ("good/a.txt", "good/b.txt"):
                    info = tarfile.TarInfo(name)
                    info.size = 500
                    packed.addfile(info, io.BytesIO(b"x" * 500))
        return path

    return make


def read_archive(path):
    home = path.parent / "inner" / "home"
    shutil.rmtree(home.parent, ignore_errors=True)
    unpack(path, home, ["good"])
    assert (home / "good").exists()
    # Nothing outside the folder it was given.
    assert {entry.name for entry in home.parent.iterdir()} == {"home"}


def make_table(folder):
    (folder / "owl").mkdir()
    Image.new("RGB", (2, 2)).save(folder / "owl" / "a.png")
    (folder / "a.csv").write_text("class,a,b\nowl,0.5,1\nkiwi,0,-1\n")
    return folder / "a.csv"


def read_table(path):
    found = load_image_folder(path.parent, "a.csv", on_undescribed="skip")
    assert np.isfinite(found.class_attributes.values).all()


def make_log(folder):
    lines = [{"fit": 0, "epoch": k, "scores": {"U": 0.5, "H": None}} for k in range(4)]
    (folder / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder / "a.jsonl"


# Name: how a sound one is made, how it is read, what may be raised.
FORMATS = {
    "store.json": (store_file("store.json"), read_store, (ValueError,)),
    "progress.json": (store_file("progress.json"), read_store, (ValueError,)),
    "features.npy": (store_file("features.npy"), read_store, (ValueError,)),
    "png": (picture("a.png"), read_picture, (ValueError,)),
    "png of a palette": (picture("a.png", "P"), read_picture, (ValueError,)),
    "png of 16 bits": (picture("a.png", "I;16"), read_picture, (ValueError,)),
    "transparent png": (picture("a.png", "RGBA"), read_picture, (ValueError,)),
    "jpeg": (picture("a.jpg"), read_picture, (ValueError,)),
    "progressive jpeg": (picture("a.jpg", progressive=True), read_picture, (ValueError,)),
    "bmp": (picture("a.bmp"), read_picture, (ValueError,)),
    "gif": (picture("a.gif"), read_picture, (ValueError,)),
    "tiff": (picture("a.tif"), read_picture, (ValueError,)),
    "packed tiff": (picture("a.tif", compression="tiff_lzw"), read_picture, (ValueError,)),
    "webp": (picture("a.webp"), read_picture, (ValueError,)),
    "jp2": (picture("a.jp2"), read_picture, (ValueError,)),
    "avif": (picture("a.avif"), read_picture, (ValueError,)),
    "ppm": (picture("a.ppm"), read_picture, (ValueError,)),
    "tga": (picture("a.tga"), read_picture, (ValueError,)),
    "pcx": (picture("a.pcx"), read_picture, (ValueError,)),
    "qoi": (picture("a.qoi"), read_picture, (ValueError,)),
    "mat 5": (matlab(5), read_mat, (ValueError,)),
    "mat 7.3": (matlab(7), read_mat, (ValueError,)),
    "att_splits.mat": (make_xlsa17, read_xlsa17, (ValueError, FileNotFoundError)),
    "npy": (make_npy, load_array, (ValueError,)),
    "npz": (make_npz, read_npz, (ValueError,)),
    "X.npy": (evaluation_file("X.npy"), read_evaluation, (ValueError,)),
    "labels.txt": (evaluation_file("labels.txt"), read_evaluation, (ValueError,)),
    "classes.csv": (evaluation_file("classes.csv"), read_evaluation, (ValueError,)),
    "split.json": (evaluation_file("split.json"), read_evaluation, (ValueError,)),
    "zip": (archive("zip"), read_archive, (ValueError,)),
    "tar": (archive("tar"), read_archive, (ValueError,)),
    "tar.gz": (archive("tar.gz"), read_archive, (ValueError,)),
    "table of a folder": (make_table, read_table, (ValueError,)),
    "log of scores": (make_log, ScoreLog.read, (ValueError,)),
}

# Said of what the file says, by the option or argument that the file was given with.
NAMED_OTHERWISE = {
    "X.npy": "FEATURES|--labels",
    "labels.txt": "--labels|--attributes",
    "classes.csv": "--attributes",
    "split.json": "--split",
    "table of a folder": "values|sub-folder|class_attributes|labels|attribute",
    "store.json": "store",
    "progress.json": "store",
    "att_splits.mat": "SUN|class|att",
}


def attack(name, folder, n_trials, seed):
    """Damage a file of a format again and again; how often it was read all the same."""
    make, read, allowed = FORMATS[name]
    path = make(folder)
    sound = path.read_bytes()
    read(path)
    rng = np.random.default_rng([seed, *name.encode()])
    n_read = 0
    for trial in range(n_trials):
        content = damage(rng, sound)
        path.write_bytes(content)
        what = f"{name}, trial {trial} of seed {seed}"
        with warnings.catch_warnings(), limited(what):
            warnings.simplefilter("ignore")
            try:
                read(path)
                n_read += 1
            except AssertionError:
                raise
            except Exception as error:
                known = f"{re.escape(path.name)}|{NAMED_OTHERWISE.get(name, path.name)}"
                if not isinstance(error, allowed):
                    raise AssertionError(f"{what}: {type(error).__name__}: {error}") from error
                if not re.search(known, str(error)):
                    raise AssertionError(f"{what}: {error!r} does not name the file") from error
    path.write_bytes(sound)
    read(path)
    return n_read


@pytest.mark.parametrize("name", FORMATS)
def test_some_damaged_files(tmp_path, name):
    attack(name, tmp_path, 6, seed=0)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", FORMATS)
def test_ten_thousand_damaged_files(tmp_path, name):
    n_trials = 10_000 // len(FORMATS) + 1
    assert attack(name, tmp_path, n_trials, seed=1) < n_trials, "nothing was ever refused"


def test_the_damage_is_seen(tmp_path, monkeypatch):
    """A reader that lets errors of numpy through is caught."""
    path = make_npy(tmp_path)
    found = {damage(np.random.default_rng(k), path.read_bytes()) for k in range(100)}
    assert len(found) > 95
    for allowed, message in (((ValueError, EOFError), "not name the file"), ((), "ValueError")):
        monkeypatch.setitem(FORMATS, "careless", (make_npy, np.load, allowed))
        with pytest.raises(AssertionError, match=message):
            attack("careless", tmp_path, 200, seed=0)


def test_lines_that_never_end(tmp_path):
    """A small packed file of word vectors is not unpacked whole."""
    path = tmp_path / "a.txt.gz"
    with gzip.open(path, "wb") as file:
        file.write(b"red 1.0 2.0\n" + b"1" * 2**22)
    with pytest.raises(ValueError, match=r"a\.txt\.gz"):
        WordVectors(path).fit_transform(["red blue"])
