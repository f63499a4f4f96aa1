"""A store is the same to the bit, however often its writing was killed or failed, and wherever."""

import errno
import json
import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from zslearn.feature_extraction import FeatureStore, FeatureStoreWriter
from zslearn.feature_extraction import _feature_store_writer as writer_module
from zslearn.feature_extraction import _store_format as store_format
from zslearn.feature_extraction import _store_rows as store_rows


class Extraction:
    """Something to extract: some pictures with known features, some that are to be skipped."""

    def __init__(self, n):
        self.n = n
        self.F = np.random.default_rng(0).normal(size=(n, 3, 5)).astype(np.float16)
        self.bad = set(range(2, n, 7))
        self.kept = [row for row in range(n) if row not in self.bad]
        self.call = {"n_total": n, "n_regions": 3, "n_features": 5, "grid_shape": None}
        self.call |= {"metadata": {"model": "m"}, "images": [f"{row}.png" for row in range(n)]}

    def run(self, folder, batch, *, sign=1, **more):
        with FeatureStoreWriter(folder, **self.call, **more) as writer:
            while not writer.finished:
                part = range(writer.n_finished, min(writer.n_finished + batch, self.n))
                good = [row for row in part if row not in self.bad]
                skipped = {row - part[0]: f"bad {row}" for row in part if row in self.bad}
                writer.append(sign * self.F[good], skipped)

    def check(self, folder):
        """Check every row that counts as finished, and return their number."""
        store = FeatureStore(folder, allow_unfinished=True)
        assert store.rows.tolist() == self.kept[: len(store)]
        assert store.images.tolist() == [f"{row}.png" for row in store.rows]
        assert [x.reason for x in store.skipped] == [f"bad {x.row}" for x in store.skipped]
        np.testing.assert_array_equal(np.asarray(store), self.F[store.rows])
        return len(store) + len(store.skipped)

    def is_old(self, folder):
        """Whether there is a finished store, written with ``sign=-1``."""
        store = FeatureStore(folder, allow_unfinished=True)
        return store.finished and np.array_equal(store, -self.F[self.kept])


SMALL = Extraction(11)


def final(folder):
    """What a finished store is, apart from its id and date, and checksums with them."""
    manifest = json.loads((folder / "store.json").read_text())
    progress = json.loads((folder / "progress.json").read_text())
    assert progress.pop("id") == manifest.pop("id")
    del manifest["created"], manifest["checksum"], progress["checksum"]
    names = {path.name for path in folder.iterdir()} - {".store.lock"}
    return names, manifest, progress, (folder / "features.npy").read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A store that was written at one go."""
    folder = tmp_path_factory.mktemp("whole")
    SMALL.run(folder, 11)
    assert SMALL.check(folder) == 11
    found = final(folder)
    assert found[0] == {"features.npy", "progress.json", "store.json"}
    return found


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_killed_at_random_moments(tmp_path):
    """A kill loses nothing that was written, so this tries everything but syncing."""
    script = """
    import os, random, signal, sys, time
    from pathlib import Path

    sys.path.insert(0, sys.argv[1])
    from test_feature_store_kill import Extraction, FeatureStoreWriter, writer_module

    writer_module._FLUSH_SECONDS = 0.002
    killed, young, whole = (Path(path) for path in sys.argv[2:])
    long = Extraction(400)
    long.run(whole, 400)
    chance = random.Random(0)

    def run_and_kill(folder, seconds):
        child = os.fork()
        if child == 0:
            append = FeatureStoreWriter.append

            def slowly(*args):
                time.sleep(chance.random() * 0.004)
                append(*args)

            FeatureStoreWriter.append = slowly
            long.run(folder, chance.randint(1, 9))
            os._exit(0)
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        return os.waitpid(child, 0)[1] == signal.SIGKILL

    before, kills, counts = 0, 0, set()
    while run_and_kill(killed, chance.random() * 0.06):
        kills += 1
        if (killed / "store.json").exists():
            finished = long.check(killed)
            assert finished >= before
            before = finished
            counts.add(finished)
    for number in range(20):
        run_and_kill(young / str(number), chance.random() * 0.02)
        long.run(young / str(number), 50)
    print(kills, len(counts))
    """
    folders = [tmp_path / name for name in ("killed", "young", "whole")]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), Path(__file__).parent, *folders],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    kills, counts = map(int, done.stdout.split())
    # So that it tries something: not every kill came before the first row, nor after the last.
    assert kills >= 5
    assert counts >= 3
    expected = final(folders[2])
    assert final(folders[0]) == expected
    for number in range(20):
        assert final(folders[1] / str(number)) == expected


def read_folder(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def write_folder(folder, state):
    folder.mkdir()
    for name, content in state.items():
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("overwrite", [False, True])
def test_killed_at_every_line_of_the_writer(tmp_path, monkeypatch, whole, overwrite):
    """Writing is not buffered, so what is in the folder at a line is what a kill there leaves."""
    files = {module.__file__ for module in (writer_module, store_format, store_rows)}
    folder, states, lines = tmp_path / "store", [], [0]

    def trace(frame, event, arg):
        if frame.f_code.co_filename not in files:
            return None
        lines[0] += 1
        state = read_folder(folder)
        if not states or state != states[-1]:
            states.append(state)
        return trace

    if overwrite:
        SMALL.run(folder, 11, sign=-1)
    monkeypatch.setattr(writer_module, "_FLUSH_SECONDS", 0.0)
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        SMALL.run(folder, 4, overwrite=overwrite)
    finally:
        sys.settrace(before)
    assert lines[0] > 300
    # Three batches; each is written, and its progress is written and put in place.
    assert len(states) > 15
    counts = []
    for number, state in enumerate(states):
        found = tmp_path / str(number)
        write_folder(found, state)
        if "store.json" in state:
            if overwrite and SMALL.is_old(found):
                assert number == 0
                continue
            counts.append(SMALL.check(found))
        SMALL.run(found, 3)
        assert final(found) == whole
    assert sorted(set(counts)) == [0, 4, 8, 11]


# -- power failures ----------------------------------------------------------------------------


class Disk:
    """What would be on the disk of a folder if power failed after each step.

    Of a file there is what it held when it was last synced, nothing if it never was. Names change
    when the folder is synced, at once, or at once but for those that are gone: any may happen.
    """

    def __init__(self, folder, monkeypatch):
        self.folder, self.contents, self.states = folder, {}, []
        self.synced_names = self.names()
        for path in folder.iterdir():
            self.contents[path.stat().st_ino] = path.read_bytes()
        for module, name in ((os, "fsync"), (os, "replace"), (Path, "unlink")):
            monkeypatch.setattr(module, name, self.watch(getattr(module, name)))
        self.fail()

    def names(self):
        return {path.name: path.stat().st_ino for path in self.folder.iterdir()}

    def watch(self, step):
        def watched(*args, **kwargs):
            step(*args, **kwargs)
            if step.__name__ == "fsync":
                status = os.fstat(args[0])
                if stat.S_ISDIR(status.st_mode):
                    self.synced_names = self.names()
                else:
                    with open(f"/dev/fd/{args[0]}", "rb") as file:
                        self.contents[status.st_ino] = file.read()
            self.fail()

        return watched

    def fail(self):
        for names in (self.synced_names, self.names(), self.synced_names | self.names()):
            state = {name: self.contents.get(node, b"") for name, node in names.items()}
            if state not in self.states:
                self.states.append(state)


@pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="no /dev/fd")
@pytest.mark.parametrize("overwrite", [False, True])
def test_power_failures(tmp_path, monkeypatch, whole, overwrite):
    monkeypatch.setattr(writer_module, "_FLUSH_SECONDS", 0.0)
    folder = tmp_path / "store"
    folder.mkdir()
    if overwrite:
        SMALL.run(folder, 11, sign=-1)
    with monkeypatch.context() as patch:
        disk = Disk(folder, patch)
        SMALL.run(folder, 4, overwrite=overwrite)
    assert len(disk.states) > 12
    counts = []
    for number, state in enumerate(disk.states):
        found = tmp_path / str(number)
        write_folder(found, state)
        if "store.json" in state:
            if overwrite and SMALL.is_old(found):
                assert number < 2
                continue
            counts.append(SMALL.check(found))
        SMALL.run(found, 3)
        assert final(found) == whole
    assert sorted(set(counts)) == [0, 4, 8, 11]


# -- failing calls -----------------------------------------------------------------------------


def write_in_part(file, start, content):
    file.seek(start)
    file.write(memoryview(content)[: len(content) // 2])
    raise OSError(errno.ENOSPC, "no space")


def refuse(*args, **kwargs):
    raise OSError(errno.ENOSPC, "no space")


@pytest.mark.parametrize(
    ("module", "name", "fault"),
    [
        (os, "replace", refuse),
        (os, "fsync", refuse),
        (os, "open", refuse),
        (os, "stat", refuse),
        (Path, "unlink", refuse),
        (store_format, "write_at", refuse),
        (store_format, "write_at", write_in_part),
        (store_format, "create_features", refuse),
        (np.lib.format, "write_array_header_1_0", refuse),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_each_call_that_may_fail(tmp_path, monkeypatch, whole, module, name, fault, overwrite):
    monkeypatch.setattr(writer_module, "_FLUSH_SECONDS", 0.0)
    call = getattr(module, name)
    n_faults = 0
    while True:
        folder = tmp_path / str(n_faults)
        if overwrite:
            SMALL.run(folder, 11, sign=-1)
        calls = [0]

        def count(*args, calls=calls, wanted=n_faults, **kwargs):
            calls[0] += 1
            return (fault if calls[0] == wanted + 1 else call)(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(module, name, count)
            try:
                SMALL.run(folder, 4, overwrite=overwrite)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                n_faults += 1
            else:
                assert calls[0] <= n_faults  # each call has had its turn
                break
        if (folder / "store.json").exists():
            if overwrite and SMALL.is_old(folder):
                SMALL.run(folder, 3, overwrite=True)
            else:
                SMALL.check(folder)
        SMALL.run(folder, 3)
        assert final(folder) == whole
    assert final(folder) == whole
    assert n_faults >= 1


# -- torn states -------------------------------------------------------------------------------


def test_rows_that_do_not_count_are_not_read(tmp_path, whole):
    SMALL.run(tmp_path, 11)
    text = (tmp_path / "progress.json").read_text()
    progress = json.loads(text) | {"n_finished": 6, "skipped": [[2, "bad 2"]]}
    del progress["checksum"]
    (tmp_path / "progress.json").write_text(json.dumps(progress))
    with open(tmp_path / "features.npy", "r+b") as file:
        file.seek(-5 * 30 + 7, os.SEEK_END)
        file.write(b"torn" * 20)
    assert SMALL.check(tmp_path) == 6
    for name in ("store.json", "progress.json", "features.npy"):
        (tmp_path / f"{name}.partial").write_bytes(b"{to")
    SMALL.run(tmp_path, 2)
    found, expected = list(final(tmp_path)), list(whole)
    expected[2] = {key: value for key, value in whole[2].items() if key != "sums"}
    assert found == expected  # the sums were not those of six rows


def test_without_progress_it_begins_at_row_0(tmp_path, whole):
    SMALL.run(tmp_path, 11, sign=-1)
    (tmp_path / "progress.json").unlink()
    assert SMALL.check(tmp_path) == 0
    SMALL.run(tmp_path, 2)
    assert final(tmp_path) == whole


@pytest.mark.parametrize("left", [[".store.lock"], [".store.lock", "store.json.partial"]])
def test_killed_before_the_manifest_was_there(tmp_path, whole, left):
    for name in left:
        (tmp_path / name).write_bytes(b"{")
    SMALL.run(tmp_path, 5)
    assert final(tmp_path) == whole


def damage(name, change):
    def apply(folder):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(change(content))

    return apply


def from_another_store(folder):
    SMALL.run(folder / "other", 11)
    (folder / "other" / "progress.json").replace(folder / "progress.json")


@pytest.mark.parametrize(
    ("apply", "message"),
    [
        (lambda folder: (folder / "features.npy").unlink(), "features.npy is missing"),
        (damage("features.npy", lambda x: x[:-1]), "features.npy is cut off: 457 bytes"),
        (damage("features.npy", lambda x: x[:50]), "has no sound npy header"),
        (damage("progress.json", lambda x: x[:-9]), "progress.json is cut off or is not JSON"),
        (damage("store.json", lambda x: x[:-9]), "store.json is cut off or is not JSON"),
        (from_another_store, "progress.json belongs to another store"),
    ],
)
def test_damage_is_not_gone_on_with(tmp_path, apply, message):
    with FeatureStoreWriter(tmp_path, **SMALL.call) as writer:
        writer.append(SMALL.F[:2])
    apply(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        FeatureStoreWriter(tmp_path, **SMALL.call)
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert after == before
