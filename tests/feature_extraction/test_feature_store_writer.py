import json
import os
import shutil
import subprocess
import sys
import textwrap
import zlib
from collections import namedtuple

import numpy as np
import pytest

from zslearn.feature_extraction import FeatureStore, FeatureStoreWriter, SkippedImage, _folder_lock
from zslearn.feature_extraction import _feature_store_writer as writer_module
from zslearn.feature_extraction import _store_format as store_format
from zslearn.feature_extraction import _store_rows as store_rows

F = np.arange(60, dtype=np.float16).reshape(10, 3, 2) - 7
NAMES = [f"birds/{row:02d}.png" for row in range(10)]
CALL = {
    "n_total": 10,
    "n_regions": 3,
    "n_features": 2,
    "grid_shape": (1, 3),
    "metadata": {"model": "m", "layer": -1, "transform": {"size": [8, 8], "crop": 0.5}},
    "images": NAMES,
    "image_root": "/pictures",
    "fingerprints": list(range(100, 110)),
}


def written(folder, n=10, **changes):
    with FeatureStoreWriter(folder, **CALL | changes) as writer:
        writer.append(F[writer.n_finished : n])
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_on_the_disk(tmp_path):
    written(tmp_path / "new" / "store")
    folder = tmp_path / "new" / "store"
    assert sorted(contents(folder)) == [
        ".store.lock",
        "features.npy",
        "progress.json",
        "store.json",
    ]
    plain = np.load(folder / "features.npy")
    assert plain.dtype == np.float16
    np.testing.assert_array_equal(plain, F)
    manifest = json.loads((folder / "store.json").read_text())
    assert {"id", "created", "zslearn"} < set(manifest)
    for name, value in CALL.items():
        assert manifest[name] == (list(value) if isinstance(value, tuple) else value)
    progress = json.loads((folder / "progress.json").read_text())
    assert len(progress.pop("checksum")) == 16
    sums = {"n_finished": 10, "n_rows": 2**26 // F[0].nbytes, "values": [zlib.crc32(F)]}
    assert progress.pop("sums") == sums
    assert progress == {"id": manifest["id"], "n_finished": 10, "skipped": []}


def test_batches_and_skipped_rows(tmp_path):
    with FeatureStoreWriter(tmp_path, **CALL) as writer:
        assert (writer.n_finished, writer.finished) == (0, False)
        writer.append(F[:2].astype(np.float64))
        writer.append(F[[2, 4]], skipped={1: "cannot be read", 3: "empty"})
        assert writer.n_finished == 6
        writer.append([], skipped={0: "gone"})
        writer.append(np.empty((0, 3, 2)))
        assert writer.n_finished == 7
        writer.append(F[7:].tolist())
        assert writer.finished
        assert repr(writer).endswith("10 of 10 rows finished)")
    store = writer.store()
    assert store.skipped == [
        SkippedImage(3, NAMES[3], "cannot be read"),
        SkippedImage(5, NAMES[5], "empty"),
        SkippedImage(6, NAMES[6], "gone"),
    ]
    kept = [0, 1, 2, 4, 7, 8, 9]
    assert store.rows.tolist() == kept
    assert store.images.tolist() == [NAMES[row] for row in kept]
    np.testing.assert_array_equal(np.asarray(store), F[kept])
    holes = np.load(tmp_path / "features.npy")[[3, 5, 6]]
    assert not holes.any()


def test_rows_that_were_to_be_skipped_the_second_time_leave_no_trace(tmp_path):
    with FeatureStoreWriter(tmp_path, **CALL) as writer:
        writer.append(F[:4])
    # Row 4 was written by a run that was killed before it counted.
    with open(tmp_path / "features.npy", "r+b") as file:
        file.seek(128 + 4 * 12)
        file.write(F[4].tobytes())
    with FeatureStoreWriter(tmp_path, **CALL) as writer:
        assert writer.n_finished == 4
        writer.append(F[5:], skipped={0: "bad"})
    assert not np.load(tmp_path / "features.npy")[4].any()


@pytest.mark.parametrize("n", [0, 1, 9, 10])
def test_goes_on(tmp_path, n):
    written(tmp_path, n)
    identity = json.loads((tmp_path / "store.json").read_text())["id"]
    with FeatureStoreWriter(tmp_path, **CALL) as writer:
        assert writer.n_finished == n
        writer.append(F[n:]) if n < 10 else None
    np.testing.assert_array_equal(np.asarray(FeatureStore(tmp_path)), F)
    assert json.loads((tmp_path / "store.json").read_text())["id"] == identity


def test_a_finished_store_is_taken_over_without_writing(tmp_path):
    written(tmp_path)
    (tmp_path / ".store.lock").unlink()
    before = contents(tmp_path)
    tmp_path.chmod(0o500)
    try:
        with FeatureStoreWriter(tmp_path, **CALL) as writer:
            assert writer.finished
            with pytest.raises(ValueError, match="is finished at 10 of 10 rows. Make a new one"):
                writer.append(F[:1])
            assert writer.store().finished
    finally:
        tmp_path.chmod(0o700)
    assert contents(tmp_path) == before


def test_moved_pictures(tmp_path):
    for n, root in ((4, "/moved"), (10, "/moved/again"), (10, "/and/again")):
        written(tmp_path, n, image_root=root)
        store = FeatureStore(tmp_path, allow_unfinished=True)
        assert store.image_root == root
        assert len(store) == n
    np.testing.assert_array_equal(np.asarray(store), F)


DIFFERENCES = [
    ({"n_features": 3}, "n_features is 2 there, 3 now"),
    ({"grid_shape": (3, 1)}, r"grid_shape is \(1, 3\) there, \(3, 1\) now"),
    ({"grid_shape": None}, r"grid_shape is \(1, 3\) there, None now"),
    ({"metadata": {"model": "m"}}, "metadata 'layer': -1 there, missing now; metadata 'transform'"),
    (
        {"metadata": CALL["metadata"] | {"layer": 11, "norm": True}},
        "features: metadata 'layer': -1 there, 11 now; metadata 'norm': missing there, True now. E",
    ),
    (
        {"metadata": CALL["metadata"] | {"transform": {"size": [8, 9], "crop": 0.5}}},
        r"features: metadata 'transform.size': \(8, 8\) there, \(8, 9\) now. Extract into",
    ),
    ({"images": None}, "images are given there only"),
    (
        {"images": ["new.png", *NAMES[1:]]},
        r"images that are new: 'new.png'; images that are gone: 'birds/00.png'. Extract",
    ),
    (
        {"images": NAMES[:7], "n_total": 7, "fingerprints": list(range(100, 107))},
        "n_total is 10 there, 7 now; images that are gone: 'birds/07.png', 'birds/08.png', 'bir",
    ),
    (
        {"images": [*NAMES[:8], NAMES[9], NAMES[8]], "fingerprints": [*range(100, 108), 109, 108]},
        "features: the same images come in another order or number, from row 8 on. Extract",
    ),
    ({"fingerprints": None}, "fingerprints are given there only"),
    (
        {"fingerprints": [*range(100, 108), 0, 109]},
        "features: images that have changed, by their fingerprints: 'birds/08.png'. Extract",
    ),
    (
        {"metadata": {"model": "m" * 200, "layer": -1, "transform": {}}},
        r"'model': 'm' there, 'm{76}... now; metadata 'transform.size': \(8, 8\) there, missing",
    ),
]


@pytest.mark.parametrize(("changes", "message"), DIFFERENCES)
@pytest.mark.parametrize("n", [3, 10])
def test_other_features_are_refused_and_may_be_overwritten(tmp_path, changes, message, n):
    written(tmp_path, n)
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=message) as caught:
        FeatureStoreWriter(tmp_path, **CALL | changes)
    assert str(caught.value).endswith("or replace them with overwrite=True.")
    assert contents(tmp_path) == before
    with FeatureStoreWriter(tmp_path, **CALL | changes, overwrite=True) as writer:
        assert writer.n_finished == 0
    assert len(FeatureStore(tmp_path, allow_unfinished=True)) == 0


def test_changed_rows_without_names(tmp_path):
    plain = {"images": None, "image_root": None, "fingerprints": list("abcdefghij")}
    written(tmp_path, 3, **plain)
    with pytest.raises(
        ValueError,
        match="features: rows that have changed, by their fingerprints: 1, 4. Extract",
    ):
        FeatureStoreWriter(tmp_path, **CALL | plain | {"fingerprints": list("aXcdXfghij")})
    with pytest.raises(ValueError, match="images are given now only. Extract"):
        FeatureStoreWriter(tmp_path, **CALL)


def test_changed_rows_of_pictures_given_twice(tmp_path):
    twice = {"images": ["a", "a"] * 5}
    written(tmp_path, 3, **twice, fingerprints=[1, 2] * 5)
    with pytest.raises(ValueError, match="fingerprints: 'a'. Extract"):
        written(tmp_path, **twice, fingerprints=[2, 2, *[1, 2] * 4])
    with pytest.raises(ValueError, match="are new: 'b'; images that .*: 'a', 'a'. Extract"):
        written(tmp_path, images=["a", "a", "b"] + ["a"] * 7, fingerprints=[1, 1] + [2] * 8)


def test_overwriting(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"holds 'notes.txt' and is no feature store"):
        written(tmp_path)
    (tmp_path / "notes.txt").unlink()
    written(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    old = FeatureStore(tmp_path)
    with FeatureStoreWriter(tmp_path, **CALL, overwrite=True) as writer:
        writer.append(-F)
    np.testing.assert_array_equal(np.asarray(FeatureStore(tmp_path)), -F)
    np.testing.assert_array_equal(np.asarray(old), F)  # what is open stays what it was
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("features.npy", "mine", "holds 'features.npy' and is no feature store .it has no store."),
        ("store.json", '{"shop": 1}', "its 'format' is None, not 'zslearn feature store'"),
        ("store.json", "[1]", "is not the store.json of a feature store"),
        ("store.json", '{"format": "zslearn fea', "store.json is cut off or is not JSON"),
        ("store.json", "", "store.json is empty. Restore it"),
    ],
)
def test_what_is_no_store_is_never_touched(tmp_path, name, text, message, overwrite):
    (tmp_path / name).write_text(text)
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=message):
        FeatureStoreWriter(tmp_path, **CALL, overwrite=overwrite)
    assert contents(tmp_path) == before


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="file is a file; a feature store is a folder"):
        FeatureStoreWriter(tmp_path / "file", **CALL)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"n_total": 0}, ValueError, "n_total must be a positive integer; found 0"),
        ({"n_regions": 2.0}, ValueError, "n_regions must be a positive integer; found 2.0"),
        ({"grid_shape": (2, 2)}, ValueError, r"product is n_regions=3; found \(2, 2\)"),
        ({"grid_shape": (3,)}, ValueError, r"two positive integers .* found \(3,\)"),
        ({"metadata": [1]}, TypeError, "metadata must be a dict; found list"),
        ({"metadata": {"a": np.float32(1)}}, TypeError, "only what JSON can hold: Object of type"),
        ({"metadata": {"a": np.nan}}, ValueError, "only what JSON can hold: Out of range"),
        ({"images": NAMES[:9]}, ValueError, "images has 9 entries, for n_total=10 rows"),
        ({"images": [*NAMES[:9], 3]}, TypeError, "images must be strings; found 3"),
        ({"images": "birds"}, TypeError, "images must be a sequence .* found 'birds'"),
        ({"fingerprints": [0.5] * 10}, TypeError, "must be strings or integers; found 0.5, 0.5"),
        ({"fingerprints": range(3)}, ValueError, "fingerprints has 3 entries"),
    ],
)
def test_bad_arguments_leave_nothing(tmp_path, changes, error, message):
    with pytest.raises(error, match=message):
        FeatureStoreWriter(tmp_path / "store", **CALL | changes)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("features", "skipped", "message"),
    [
        (F[:, :2], {}, r"shape \(b, 3, 2\); found shape \(10, 2, 2\) and dtype float16"),
        (F[0], {}, r"found shape \(3, 2\)"),
        (F[:2].astype(str), {}, r"found shape \(2, 3, 2\) and dtype <U"),
        (F[:2] * 1j, {}, r"dtype complex"),
        (F, {}, "10 rows were given, and 8 of 10 are left"),
        (F[:8], {8: "bad"}, "9 rows were given"),
        (F[:2], {3: "bad"}, "positions 3; the batch has 3 rows, 2 of them .* are 0 to 2"),
        (F[:2], {-1: "bad"}, "skipped holds positions -1"),
        (np.where(F == 5, np.nan, F)[:4], {0: "x"}, r"NaN or infinite, in 1 row\(s\): 5. Correct"),
        (np.where(F == 5, -np.inf, F)[:4], {}, r"NaN or infinite, in 1 row\(s\): 4. Correct"),
        (
            np.where(F > 5, 1e5, F.astype(float))[:5],
            {},
            r"for float16 \(65504 .* in 3 row\(s\): 4, 5, 6. C",
        ),
    ],
)
def test_bad_batches(tmp_path, features, skipped, message):
    with FeatureStoreWriter(tmp_path, **CALL) as writer:
        writer.append(F[:2])
        with pytest.raises(ValueError, match=message):
            writer.append(features, skipped)
        assert writer.n_finished == 2
        writer.append(F[2:])
    np.testing.assert_array_equal(np.asarray(writer.store()), F)


def test_bad_positions(tmp_path):
    with (
        FeatureStoreWriter(tmp_path, **CALL) as writer,
        pytest.raises(TypeError, match="cannot be interpreted as an integer"),
    ):
        writer.append(F[:2], {0.5: "bad"})


def test_closed_writers(tmp_path):
    writer = FeatureStoreWriter(tmp_path, **CALL)
    writer.append(F[:4])
    writer.close()
    writer.close()
    writer.flush()  # nothing is left to flush
    with pytest.raises(ValueError, match="is closed at 4 of 10 rows. Make a new one to go on"):
        writer.append(F[4:])
    with pytest.raises(ValueError, match="4 of 10 rows of .* are finished"):
        writer.store()
    written(tmp_path)
    assert writer.store().finished


def test_an_error_outside_costs_nothing(tmp_path):
    def fail(writer):
        with writer:
            writer.append(F[:4])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail(FeatureStoreWriter(tmp_path, **CALL))
    assert FeatureStoreWriter(tmp_path, **CALL).n_finished == 4


def test_rows_count_about_every_two_seconds(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(writer_module.time, "monotonic", lambda: now[0])
    writer = FeatureStoreWriter(tmp_path, **CALL)
    counted = []
    for row in range(10):
        now[0] += 0.9
        writer.append(F[[row]])
        counted.append(len(FeatureStore(tmp_path, allow_unfinished=True)))
    assert counted == [0, 0, 3, 3, 3, 6, 6, 6, 9, 10]  # the last row is not waited for
    writer.close()


# -- one writer --------------------------------------------------------------------------------


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


# -- a full disk -------------------------------------------------------------------------------


def test_a_disk_that_is_too_small(tmp_path, monkeypatch):
    Usage = namedtuple("Usage", "total used free")
    free = [119]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, free[0]))
    with pytest.raises(OSError, match="10 rows are left to write, which take 120 bytes, .* 119 by"):
        FeatureStoreWriter(tmp_path / "a", **CALL)
    assert list(tmp_path.iterdir()) == []
    free[0] = 120
    written(tmp_path / "a", 4)
    monkeypatch.setattr(store_format, "find_allocated", lambda _: 48)
    free[0] = 71
    with pytest.raises(OSError, match="6 rows are left to write, which take 72 bytes"):
        FeatureStoreWriter(tmp_path / "a", **CALL)
    # To replace it, the old rows make room.
    with pytest.raises(OSError, match="10 rows are left"):
        FeatureStoreWriter(tmp_path / "a", **CALL, overwrite=True)
    assert len(FeatureStore(tmp_path / "a", allow_unfinished=True)) == 4
    free[0] = 72
    written(tmp_path / "a")
    FeatureStoreWriter(tmp_path / "a", **CALL, overwrite=True).close()


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_a_writer_that_failed_is_of_no_more_use(tmp_path, monkeypatch, name):
    def fail(*_):
        raise OSError(5, "Input/output error")

    writer = FeatureStoreWriter(tmp_path, **CALL)
    writer.append(F[:4])
    with monkeypatch.context() as patch:
        patch.setattr(os, name, fail)
        with pytest.raises(OSError, match="Input/output error"):
            writer.flush()
    # A second sync would succeed, and mean nothing.
    with pytest.raises(ValueError, match="is closed at 4 of 10 rows. Make a new one to go on"):
        writer.append(F[4:])
    writer.close()
    assert len(FeatureStore(tmp_path, allow_unfinished=True)) == 0
    written(tmp_path)


def test_large_sizes_are_told_in_large_units():
    assert store_rows._as_size(1023) == "1023 bytes"
    assert store_rows._as_size(1536) == "1.5 KiB"
    assert store_rows._as_size(3 * 2**40) == "3 TiB"


def test_a_disk_that_fills_up(tmp_path):
    """The limit on the size of files stands in for it: writes come short, then fail."""
    script = f"""
    import resource, signal
    import numpy as np
    from zslearn.feature_extraction import FeatureStore, FeatureStoreWriter

    call = dict(n_total=100, n_regions=4, n_features=128, grid_shape=None, metadata={{}})
    F = np.random.default_rng(0).normal(size=(100, 4, 128)).astype(np.float16)
    writer = FeatureStoreWriter({str(tmp_path)!r}, **call)
    size = 128 + F[:55].nbytes + 100
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        for start in range(0, 100, 10):
            writer.append(F[start : start + 10])
    except OSError as error:
        print(error.errno, writer.n_finished)
    try:
        writer.append(F[:1])
    except ValueError as error:
        print("is closed" in str(error))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    with FeatureStoreWriter({str(tmp_path)!r}, **call) as writer:
        print(writer.n_finished)
        writer.append(F[writer.n_finished :])
    print(np.array_equal(writer.store(), F))
    """
    pytest.importorskip("resource")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True
    )
    assert done.stdout.split() == ["27", "50", "True", "0", "True"], done.stderr[-2000:]


def test_sizes_of_an_earlier_version_are_told(tmp_path):
    """They would say that an edited picture is the same."""
    written(tmp_path)
    with pytest.raises(ValueError, match="fingerprints are sizes of files, by which an earlier"):
        FeatureStoreWriter(tmp_path, **CALL | {"fingerprints": ["100:abcd"] * 10})


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
@pytest.mark.parametrize("name", ["progress.json.partial", "store.json.partial"])
def test_links_in_a_folder_from_others_are_not_written_through(tmp_path, name):
    precious = tmp_path / "precious.txt"
    precious.write_text("a year of work")
    folder = tmp_path / "store"
    written(folder, 3)
    (folder / name).symlink_to(precious)
    written(folder, image_root=tmp_path)
    assert precious.read_text() == "a year of work"
    assert FeatureStore(folder).finished


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_lock_that_is_a_link_or_a_pipe_is_refused(tmp_path):
    for k, make in enumerate((lambda path: path.symlink_to(tmp_path / "new.txt"), os.mkfifo)):
        folder = tmp_path / f"store{k}"
        written(folder, 3)
        (folder / ".store.lock").unlink()
        make(folder / ".store.lock")
        with pytest.raises(ValueError, match="no ordinary file"):
            written(folder)
    assert not (tmp_path / "new.txt").exists()


def test_names_that_lead_outside_are_refused(tmp_path):
    for name in ("../../etc/passwd", "/etc/passwd"):
        with pytest.raises(ValueError, match=f"names of files in image_root; found '{name}'"):
            FeatureStoreWriter(tmp_path, **CALL | {"images": [name, *NAMES[1:]]})
    with pytest.raises(TypeError, match="grid_shape must be two integers or None; found 4"):
        FeatureStoreWriter(tmp_path, **CALL | {"grid_shape": 4})
    with pytest.raises(TypeError, match="image_root must be the path of a folder; found 3"):
        FeatureStoreWriter(tmp_path, **CALL | {"image_root": 3})
    with pytest.raises(ValueError, match="features are masked"):
        FeatureStoreWriter(tmp_path, **CALL).append(np.ma.masked_equal(F[:2], -7))
    with pytest.raises(TypeError, match="skipped must map"):
        FeatureStoreWriter(tmp_path, **CALL).append(np.ones((1, 4, 2)), skipped=[1])
    assert not any(tmp_path.glob("*.json.partial"))
