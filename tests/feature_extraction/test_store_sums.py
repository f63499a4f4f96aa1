"""Checksums of stored rows: a changed byte is found; stores of before still open."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zslearn.feature_extraction import FeatureStore, FeatureStoreWriter, _store_sums
from zslearn.feature_extraction._store_format import _checksum
from zslearn.feature_extraction._store_sums import RowSums

F = np.random.default_rng(0).normal(size=(11, 2, 3)).astype(np.float16)
CALL = {"n_total": 11, "n_regions": 2, "n_features": 3, "grid_shape": None, "metadata": {}}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(_store_sums, "_BLOCK_BYTES", 48)  # four rows


def write(folder, cuts=(3, 4, 9), stop=11):
    """Append in parts, each by a writer of its own, the rows before `stop`."""
    for rows in np.split(F[:stop], [cut for cut in cuts if cut < stop]):
        with FeatureStoreWriter(folder, **CALL) as writer:
            writer.append(rows)
    return FeatureStore(folder, allow_unfinished=True)


@given(st.lists(st.integers(0, 11), max_size=4).map(sorted))
@settings(max_examples=40, deadline=None)
def test_the_sums_are_those_of_the_rows_however_they_come(cuts):
    whole = RowSums.begin(12).extended(F, 0)
    sums, n = RowSums.begin(12), 0
    for rows in np.split(F, cuts):
        sums, n = sums.extended(rows, n), n + len(rows)
    assert sums == whole
    assert (whole.n_rows, len(whole.values)) == (4, 3)
    assert RowSums.read(json.loads(json.dumps(sums.as_json(11))), 11) == sums
    assert RowSums.read(sums.as_json(10), 11) is None
    assert sums.find_changed(F) == []


@pytest.mark.parametrize("stop", [11, 8, 6])
def test_a_changed_byte_is_found(tmp_path, stop):
    store = write(tmp_path / "store", stop=stop)
    assert store.verify() is None
    path = store.folder / "features.npy"
    content = path.read_bytes()
    begin = len(content) - 11 * 12
    for row in range(11):
        damaged = bytearray(content)
        damaged[begin + 12 * row + 5] ^= 1
        path.write_bytes(damaged)
        again = FeatureStore(store.folder, allow_unfinished=True)
        if row >= stop:
            again.verify()  # not written yet
            continue
        first = row // 4 * 4
        found = rf"1 block\(s\) of rows .* rows '{first} to {min(first + 3, stop - 1)}'"
        with pytest.raises(ValueError, match=found):
            again.verify()
    path.write_bytes(content)
    store.verify()


def test_skipped_rows_count(tmp_path):
    with FeatureStoreWriter(tmp_path / "s", **CALL) as writer:
        writer.append(F[:9], {2: "broken", 10: "broken"})
    store = writer.store()
    store.verify()
    assert store.shape[0] == 9


def without_sums(folder):
    content = json.loads((folder / "progress.json").read_text())
    del content["sums"], content["checksum"]
    content["checksum"] = _checksum(content)
    (folder / "progress.json").write_text(json.dumps(content))


def test_a_store_of_before_opens_and_goes_on(tmp_path):
    store = write(tmp_path / "store", stop=6)
    without_sums(store.folder)
    store = FeatureStore(store.folder, allow_unfinished=True)
    np.testing.assert_array_equal(np.asarray(store), F[:6])
    with FeatureStoreWriter(store.folder, **CALL) as writer:
        writer.append(F[6:])
    store = writer.store()
    np.testing.assert_array_equal(np.asarray(store), F)
    with pytest.raises(ValueError, match="has no checksums of its rows; extract again"):
        store.verify()


@pytest.mark.parametrize(
    "changes",
    [None, 3, [], {"n_rows": 0}, {"n_rows": None}, {"values": [1, 2]}, {"values": None}]
    + [{"values": [1, 2, x]} for x in (-1, "1", None, 0.5)],
)
def test_sums_that_are_none(changes):
    content = {"n_finished": 11, "n_rows": 4, "values": [1, 2, 3]}
    assert RowSums.read(content, 11) == RowSums(4, (1, 2, 3))
    changed = content | changes if isinstance(changes, dict) else changes
    assert RowSums.read(changed, 11) is None
