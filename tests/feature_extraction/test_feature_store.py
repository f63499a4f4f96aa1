import copy
import json
import os
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zslearn.feature_extraction import FeatureStore, FeatureStoreWriter, SkippedImage
from zslearn.model_selection import RowView

F = np.arange(120, dtype=np.float16).reshape(10, 4, 3) / 8
METADATA = {"model": "m", "layer": -1, "transform": {"mean": [0.5, 0.5]}}
NAMES = [f"a/{row}.png" for row in range(10)]
SKIPPED = {3: "cannot be read", 8: "empty"}
KEPT = [0, 1, 2, 4, 5, 6, 7, 9]


def write(folder, rows=F, skipped=None, *, n=None, **changes):
    """Write rows; those skipped are left out, and `n` of them finished."""
    skipped = {} if skipped is None else skipped
    call = {"n_total": len(rows), "n_regions": rows.shape[1], "n_features": rows.shape[2]}
    call |= {"grid_shape": None, "metadata": METADATA}
    n = len(rows) if n is None else n
    with FeatureStoreWriter(folder, **call | changes) as writer:
        kept = [row for row in range(n) if row not in skipped]
        writer.append(rows[kept], {row: why for row, why in skipped.items() if row < n})
    return folder


@pytest.fixture
def full(tmp_path):
    return FeatureStore(write(tmp_path / "full", grid_shape=(2, 2)))


@pytest.fixture
def holed(tmp_path):
    folder = write(tmp_path / "holed", skipped=SKIPPED, images=NAMES, image_root="/pictures")
    return FeatureStore(folder)


def test_what_it_says(full, holed, tmp_path):
    assert (full.shape, full.ndim, len(full), full.nbytes) == ((10, 4, 3), 3, 10, 240)
    assert full.dtype == np.float16
    assert full.folder == tmp_path / "full"
    assert full.grid_shape == (2, 2)
    assert full.images is full.image_root is full.image_paths is None
    assert full.rows.tolist() == list(range(10))
    assert full.rows.dtype == np.intp
    assert full.skipped == []
    assert (full.n_total, full.finished) == (10, True)
    assert repr(full) == f"FeatureStore({str(tmp_path / 'full')!r}, shape=(10, 4, 3))"

    assert (holed.shape, len(holed), holed.nbytes) == ((8, 4, 3), 8, 192)
    assert holed.grid_shape is None
    assert holed.images.tolist() == [NAMES[row] for row in KEPT]
    assert holed.image_root == "/pictures"
    assert holed.image_paths[3] == Path("/pictures/a/4.png")
    assert holed.rows.tolist() == KEPT
    assert holed.skipped == [
        SkippedImage(3, "a/3.png", "cannot be read"),
        SkippedImage(8, "a/8.png", "empty"),
    ]
    assert (holed.n_total, holed.finished) == (10, True)
    assert repr(holed).endswith("holed', shape=(8, 4, 3), 2 skipped)")


def test_what_it_says_cannot_be_changed(holed):
    found = holed.metadata
    assert found == METADATA
    found["transform"]["mean"][0] = 9
    assert holed.metadata == METADATA
    for array in (holed.rows, holed.images):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5


def test_relative_folders_are_found_from_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = FeatureStore(write("store", images=NAMES, image_root="pictures"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = pickle.loads(pickle.dumps(store))
    np.testing.assert_array_equal(np.asarray(again), F)
    assert again.image_paths[0] == tmp_path / "pictures" / "a" / "0.png"


# -- indexing ----------------------------------------------------------------------------------


def keys(n):
    bound = st.one_of(st.none(), st.integers(-n - 2, n + 2))
    step = st.one_of(st.none(), st.integers(-3, 3).filter(bool))
    return st.one_of(
        st.builds(slice, bound, bound, step),
        st.lists(st.integers(-n, n - 1), max_size=8).map(lambda x: np.array(x, dtype=int)),
        st.lists(st.booleans(), min_size=n, max_size=n).map(lambda x: np.array(x, dtype=bool)),
    )


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    stores = (
        FeatureStore(write(folder / "full")),
        FeatureStore(write(folder / "holed", skipped=SKIPPED)),
    )
    return list(zip(stores, (F, F[KEPT]), strict=True))


@given(st.data(), st.booleans())
@settings(max_examples=100, deadline=None)
def test_indexing_is_that_of_numpy(both, data, holed):
    store, expected = both[holed]
    key = data.draw(keys(len(expected)))
    view = store[key, ...] if data.draw(st.booleans()) else store[key]
    assert isinstance(view, RowView)
    found = np.asarray(view)
    np.testing.assert_array_equal(found, expected[key])
    assert found.flags.writeable  # so that torch takes it as it is
    np.testing.assert_array_equal(np.asarray(RowView(store, key)), expected[key])
    i = data.draw(st.integers(-len(expected), len(expected) - 1))
    np.testing.assert_array_equal(store[i], expected[i])
    assert type(store[i]) is np.ndarray


def test_reading_all(both):
    for store, expected in both:
        np.testing.assert_array_equal(np.asarray(store), expected)
        np.testing.assert_array_equal(list(store), expected)
        assert np.asarray(store).dtype == np.float16
        assert np.asarray(store, dtype=np.float64).dtype == np.float64
        changed = np.array(store)
        changed[:] = -1
        np.testing.assert_array_equal(np.asarray(store), expected)
        with pytest.raises(ValueError, match="cannot be read without a copy"):
            store.__array__(copy=False)


@pytest.mark.parametrize("key", [8, -9, [8], np.ones(9, dtype=bool), (0, 1), None, "a"])
def test_bad_rows(both, key):
    with pytest.raises(IndexError):
        both[1][0][key]


def test_the_features_are_not_writeable(full):
    with pytest.raises(ValueError, match="read-only"):
        full._view.base._mapped[0] = 1
    full[0][:] = 99
    full[2:4].__array__()[:] = 99
    np.testing.assert_array_equal(np.asarray(full), F)


# -- unfinished --------------------------------------------------------------------------------


def test_unfinished(tmp_path):
    folder = write(tmp_path, n=4, skipped=SKIPPED, images=NAMES)
    message = (
        "^4 of 10 rows of .* are finished. To finish it, extract into this folder again with the "
        "same settings, .* open it with allow_unfinished=True.$"
    )
    with pytest.raises(ValueError, match=message):
        FeatureStore(folder)
    store = FeatureStore(folder, allow_unfinished=True)
    assert repr(store).endswith("shape=(3, 4, 3), 1 skipped, 4 of 10 finished)")
    assert (len(store), store.n_total, store.finished) == (3, 10, False)
    assert store.images.tolist() == NAMES[:3]
    assert [item.row for item in store.skipped] == [3]
    np.testing.assert_array_equal(np.asarray(store), F[:3])
    with pytest.raises(IndexError):
        store._view.base[4]
    # It stays what it was while the extraction goes on.
    sent = pickle.dumps((store, store[1:]))
    call = {"grid_shape": None, "metadata": METADATA, "images": NAMES}
    with FeatureStoreWriter(folder, n_total=10, n_regions=4, n_features=3, **call) as writer:
        writer.append(F[[4, 5, 6, 7, 9]], {4: "empty"})
    store, view = pickle.loads(sent)
    assert (len(store), store.finished) == (3, False)
    assert [item.row for item in store.skipped] == [3]
    np.testing.assert_array_equal(np.asarray(view), F[1:3])
    assert FeatureStore(folder).rows.tolist() == KEPT


def test_nothing_but_skipped(tmp_path):
    store = FeatureStore(write(tmp_path, F[:2], {0: "bad", 1: "bad"}))
    assert store.shape == (0, 4, 3)
    assert np.asarray(store[:]).shape == (0, 4, 3)


def test_just_begun(tmp_path):
    write(tmp_path, n=0)
    sent = pickle.dumps(FeatureStore(tmp_path, allow_unfinished=True))
    for name in ("progress.json", "features.npy"):
        (tmp_path / name).unlink()
        with pytest.raises(ValueError, match="is known to be finished: progress.json is missing"):
            FeatureStore(tmp_path)
        store = FeatureStore(tmp_path, allow_unfinished=True)
        assert np.asarray(store).shape == store.shape == (0, 4, 3)
        assert pickle.loads(sent).shape == (0, 4, 3)


# -- damage ------------------------------------------------------------------------------------


def change_json(name, **changes):
    def change(folder):
        content = json.loads((folder / name).read_text()) | {"checksum": ...} | changes
        content = {key: value for key, value in content.items() if value is not ...}
        (folder / name).write_text(json.dumps(content))

    return change


def change_bytes(name, change):
    def apply(folder):
        (folder / name).write_bytes(change((folder / name).read_bytes()))

    return apply


def replace_features(array):
    return lambda folder: np.save(folder / "features.npy", array)


DAMAGE = {
    "no manifest": (lambda x: (x / "store.json").unlink(), "it has no store.json. Give the fold"),
    "no features": (lambda x: (x / "features.npy").unlink(), "features.npy is missing: the feat"),
    "no progress": (
        lambda x: (x / "progress.json").unlink(),
        "No row of .* is known to be finished: progress.json is missing. Restore it, or extract",
    ),
    "empty manifest": (change_bytes("store.json", lambda x: b""), "store.json is empty. Restore"),
    "cut manifest": (change_bytes("store.json", lambda x: x[:99]), "store.json is cut off or"),
    "cut progress": (change_bytes("progress.json", lambda x: x[:20]), "progress.json is cut off"),
    "binary": (change_bytes("store.json", lambda x: b"\xff\xfe\x00"), "cut off or is not JSON"),
    "list": (change_bytes("progress.json", lambda x: b"[]"), "is not the progress.json of a fe"),
    "other": (change_json("store.json", format="x"), "its 'format' is 'x', not 'zslearn feature"),
    "version": (change_json("store.json", version=2), "has version 2 of the .* reads version 1"),
    "field": (change_json("store.json", images=...), "damaged: 'images' is missing. Restore it"),
    "total": (change_json("store.json", n_total=0), "damaged: n_total is 0, not a positive int"),
    "regions": (change_json("store.json", n_regions="4"), "n_regions is '4', not a positive"),
    "names": (change_json("store.json", images=["a"]), "it names 1 images for 10 rows"),
    "marks": (change_json("store.json", fingerprints=3), "fingerprints is not a list"),
    "grid": (change_json("store.json", grid_shape=[2, 3]), r"grid_shape is \[2, 3\], .* not 4 re"),
    "grid kind": (change_json("store.json", grid_shape=4), "grid_shape is 4, not two integers"),
    "metadata": (change_json("store.json", metadata=None), "metadata is not a mapping"),
    "no id": (change_json("store.json", id=...), "damaged: it has no id"),
    "id": (change_json("progress.json", id="x"), "progress.json belongs to another store than"),
    "too many": (change_json("progress.json", n_finished=11), "that 11 of 10 rows are finished"),
    "negative": (change_json("progress.json", n_finished=-1), "that -1 of 10 rows are finished"),
    "none": (change_json("progress.json", n_finished=...), "that None of 10 rows are finished"),
    "skipped": (change_json("progress.json", skipped=[[10, "a"]]), "not a list of ascending rows"),
    "twice": (change_json("progress.json", skipped=[[1, "a"], [1, "b"]]), "ascending rows below"),
    "reason": (change_json("progress.json", skipped=[[1, 2]]), "ascending rows below 10 with re"),
    "shape": (replace_features(F[:9]), r"has shape \(9, 4, 3\); store.json says \(10, 4, 3\). Re"),
    "dtype": (replace_features(F.astype("f4")), "holds float32 in C order; a store holds float16"),
    "order": (replace_features(np.asfortranarray(F)), "holds float16 in Fortran order"),
    "deep manifest": (change_bytes("store.json", lambda x: b"[" * 10**5), "nested too deeply"),
    "deep progress": (change_bytes("progress.json", lambda x: b"[" * 10**5), "nested too deeply"),
    "long number": (
        change_bytes(
            "store.json", lambda x: x.replace(b'"n_total": 10', b'"n_total": ' + b"9" * 5000)
        ),
        "store.json is cut off or is not JSON",
    ),
    "a digit of the manifest": (
        change_bytes("store.json", lambda x: x.replace(b"a/3.", b"a/33.")),
        "store.json is damaged: what it says does not agree with its checksum",
    ),
    "a digit of the progress": (
        change_bytes(
            "progress.json", lambda x: x.replace(b'"skipped": [', b'"skipped": [ [1, ""]')
        ),
        "progress.json is damaged: what it says does not agree with its checksum",
    ),
    "npy header": (
        change_bytes(
            "features.npy", lambda x: x.replace(b"False", b"Fals(").replace(b", }", b"L, ")
        ),
        "features.npy has no sound npy header",
    ),
    "root": (change_json("store.json", image_root=5), "image_root is 5, not the path of a folder"),
    "name": (change_json("store.json", images=[*NAMES[:9], 3]), "images holds 3, which is no name"),
    "outside": (
        change_json("store.json", images=[*NAMES[:9], "../../etc/passwd"]),
        "images holds '../../etc/passwd', which leads out",
    ),
    "absolute": (
        change_json("store.json", images=[*NAMES[:9], "/etc/passwd"], image_root="/data"),
        "images holds '/etc/passwd', which leads out",
    ),
    "mark": (change_json("store.json", fingerprints=[[]] * 10), r"fingerprints holds \[\]"),
    "no npy": (
        change_bytes("features.npy", lambda x: b"x" * 400),
        "has no sound npy header",
    ),
    "empty npy": (change_bytes("features.npy", lambda x: b""), "has no sound npy header"),
    "cut header": (change_bytes("features.npy", lambda x: x[:70]), "has no sound npy header"),
    "cut npy": (
        change_bytes("features.npy", lambda x: x[:-1]),
        r"features.npy is cut off: 367 bytes, and shape \(10, 4, 3\) takes 368. Restore it",
    ),
    "long npy": (change_bytes("features.npy", lambda x: x + b"x"), "is too long: 369 bytes, and"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_named(tmp_path, case):
    apply, message = DAMAGE[case]
    folder = write(tmp_path / "store", grid_shape=(2, 2), images=NAMES, fingerprints=range(10))
    FeatureStore(folder)
    apply(folder)
    kind = FileNotFoundError if case in ("no manifest", "no features") else ValueError
    with pytest.raises(kind, match=message):
        FeatureStore(folder)
    if case != "no progress":
        with pytest.raises(kind, match=message):
            FeatureStore(folder, allow_unfinished=True)


def test_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no folder .*nowhere"):
        FeatureStore(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="file is a file; a feature store is a folder"):
        FeatureStore(tmp_path / "file")


# -- pickles, threads and processes ------------------------------------------------------------


def test_pickles(both):
    for store, expected in both:
        for again in (pickle.loads(pickle.dumps(store)), copy.copy(store), copy.deepcopy(store)):
            np.testing.assert_array_equal(np.asarray(again), expected)
            assert repr(again) == repr(store)
            assert (again.rows.tolist(), again.skipped) == (store.rows.tolist(), store.skipped)
            assert again.metadata == METADATA
        view = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(store[5:1:-1]))))
        np.testing.assert_array_equal(np.asarray(view), expected[5:1:-1])


def test_pickles_are_small(tmp_path):
    store = FeatureStore(write(tmp_path, np.ones((1000, 16, 8), "f2")))
    assert len(pickle.dumps(store)) < 500
    assert len(pickle.dumps(store[100:900])) < 700
    assert len(pickle.dumps(store[np.arange(0, 1000, 10)])) < 1500


def test_a_pickle_of_a_store_that_was_overwritten_is_refused(tmp_path):
    store = FeatureStore(write(tmp_path))
    sent = [pickle.dumps(thing) for thing in (store, store[2:5], RowView(store, [1]))]
    write(tmp_path, -F, overwrite=True)
    np.testing.assert_array_equal(np.asarray(store), F)
    for pickled in sent:
        with pytest.raises(ValueError, match="belongs to another store .* or the store was overw"):
            pickle.loads(pickled)
    call = {"n_total": 10, "n_regions": 4, "n_features": 3, "grid_shape": None}
    FeatureStoreWriter(tmp_path, **call, metadata={}, overwrite=True).close()
    (tmp_path / "progress.json").unlink()
    with pytest.raises(ValueError, match="was overwritten since this FeatureStore was pickled"):
        pickle.loads(sent[0])
    with pytest.raises(ValueError, match="was overwritten while it was opened; open it anew"):
        pickle.loads(sent[1])
    shutil.rmtree(tmp_path)
    with pytest.raises(FileNotFoundError):
        pickle.loads(sent[0])


def test_threads(both):
    for store, expected in both:
        chance = np.random.default_rng(0)
        wanted = [chance.integers(len(expected), size=20) for _ in range(200)]
        with ThreadPoolExecutor(8) as pool:
            for rows, found in zip(
                wanted,
                pool.map(lambda rows, store=store: np.asarray(store[rows]), wanted),
                strict=True,
            ):
                np.testing.assert_array_equal(found, expected[rows])


def test_processes(both, two_processes):
    store, expected = both[1]
    with joblib.parallel_config("loky", n_jobs=two_processes):
        stores = joblib.Parallel()(joblib.delayed(np.asarray)(store) for _ in range(2))
        views = joblib.Parallel()(joblib.delayed(np.asarray)(store[k::2]) for k in range(2))
    for k in range(2):
        np.testing.assert_array_equal(stores[k], expected)
        np.testing.assert_array_equal(views[k], expected[k::2])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
@pytest.mark.parametrize("name", ["store.json", "progress.json", "features.npy"])
def test_a_pipe_is_not_waited_for(tmp_path, name):
    folder = write(tmp_path / "store")
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(ValueError, match=f"{name} is no ordinary file"):
        FeatureStore(folder)


def test_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert FeatureStore("~/" + write(tmp_path / "store").name).folder == tmp_path / "store"
