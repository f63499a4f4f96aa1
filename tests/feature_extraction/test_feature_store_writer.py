"""What a FeatureStoreWriter writes, refuses and goes on with."""

import json
import zlib

import numpy as np
import pytest

from tests.feature_extraction.stores import CALL, NAMES, F, contents, written
from zslearn.feature_extraction import FeatureStore, FeatureStoreWriter, SkippedImage
from zslearn.feature_extraction import _feature_store_writer as writer_module


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
