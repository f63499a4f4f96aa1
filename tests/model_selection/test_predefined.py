import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat

from zslearn.model_selection import PredefinedSeenUnseenSplit

Y = np.array(["cat", "cat", "cat", "yak", "yak", "okapi", "okapi"])
PARTS = ([0, 1, 3], [2, 4], [5, 6])


@given(st.integers(0, 10**6), st.sampled_from(["u2", "i4", "f8"]), st.booleans(), st.booleans())
@settings(max_examples=50, deadline=None)
def test_parts_come_back(seed, dtype, one_based, as_column):
    rng = np.random.default_rng(seed)
    order = rng.permutation(60)
    cuts = np.sort(rng.choice(np.arange(1, 60), 3, replace=False))
    parts = np.split(order, cuts)[:3]  # the last piece is in no part
    given_parts = [(part + one_based).astype(dtype) for part in parts]
    if as_column:
        given_parts = [part[:, None] for part in given_parts]
    cv = PredefinedSeenUnseenSplit(*given_parts, one_based=one_based)
    ((train, test),) = cv.split(np.zeros(60))
    assert train.tolist() == sorted(parts[0])
    assert test.tolist() == sorted([*parts[1], *parts[2]])
    for name, part in zip(("trainval", "test_seen", "test_unseen"), parts, strict=True):
        assert np.array_equal(getattr(cv, name), part)
    assert cv.get_n_splits() == 1


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (([0, 1, 2], [2, 4], [5]), r"trainval and test_seen share 1 row: \[2\].*train_loc and val"),
        (([0, 1], [2, 4], [5, 0, 1]), r"trainval and test_unseen share 2 rows: \[0, 1\]"),
        (([0, 1], [2, 4], [4]), "test_seen and test_unseen share 1 row"),
        (([0, 1, 1], [2], [5]), r"trainval holds 1 row more than once: \[1\]"),
        (([0, -1], [2], [5]), "trainval holds -1, but rows are counted from 0"),
        (([], [2], [5]), "trainval must be a non-empty"),
        (([0], [2], []), "test_unseen must be a non-empty"),
        (([[0, 1], [2, 3]], [4], [5]), r"trainval must be .* shape \(2, 2\)"),
        ((3, [4], [5]), r"trainval must be .* shape \(\)"),
    ],
)
def test_bad_index_arrays(parts, message):
    with pytest.raises(ValueError, match=message):
        PredefinedSeenUnseenSplit(*parts)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([0.5, 1.0], "test_seen must hold integers"),
        ([np.nan], "test_seen must hold integers"),
        (["4"], "test_seen must hold integers"),
        ([True, False], r"test_seen is a mask; give row numbers, np.flatnonzero\(mask\)"),
    ],
)
def test_indices_that_are_no_integers(rows, message):
    with pytest.raises(TypeError, match=message):
        PredefinedSeenUnseenSplit([0, 1], rows, [5])


def test_zero_in_arrays_counted_from_one():
    with pytest.raises(ValueError, match="holds 0, but rows are counted from 1 with one_based=Tru"):
        PredefinedSeenUnseenSplit(*PARTS, one_based=True)


def test_rows_beyond_the_end():
    cv = PredefinedSeenUnseenSplit(*PARTS)
    for samples in ({"X": np.zeros((6, 2))}, {"y": Y[:6]}):
        with pytest.raises(ValueError, match=r"test_unseen holds 1 row beyond the 6.*one_based=T"):
            next(cv.split(**samples))
    with pytest.raises(ValueError, match=r"the 4 samples given, up to 4; .* 3\. Give all"):
        next(cv.split(Y[:4]))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        next(cv.split(Y, Y[:6]))
    with pytest.raises(ValueError, match=r"up to 7; the last one has number 6\. Give all"):
        next(PredefinedSeenUnseenSplit([1, 2], [3], [7], one_based=True).split(Y[:6]))


def test_classes_are_checked_where_labels_are_given():
    with pytest.raises(ValueError, match=r"1 of the 2 classes of test_unseen occur in.*\['yak'\]"):
        next(PredefinedSeenUnseenSplit([0, 1, 3], [2], [4, 5, 6]).split(Y, Y))
    with pytest.raises(ValueError, match=r"1 of the 2 classes of test_seen do not.*\['yak'\]"):
        next(PredefinedSeenUnseenSplit([0, 1], [2, 4], [5, 6]).split(Y, Y))
    next(PredefinedSeenUnseenSplit([0, 1], [2, 4], [5, 6]).split(Y))


def test_no_seen_test_part():
    ((train, test),) = PredefinedSeenUnseenSplit([0, 3], [], [5, 6]).split(Y, Y)
    assert (train.tolist(), test.tolist()) == ([0, 3], [5, 6])


def test_copies_and_groups():
    cv = PredefinedSeenUnseenSplit(*PARTS)
    for same in (copy.deepcopy(cv), pickle.loads(pickle.dumps(cv))):
        ((train, test),) = same.split(Y, Y)
        assert (train.tolist(), test.tolist()) == ([0, 1, 3], [2, 4, 5, 6])
    with pytest.warns(UserWarning, match="groups parameter is ignored"):
        next(cv.split(Y, Y, groups=Y))


# -- published training and validation rows ----------------------------------------------------


def test_train_val_rows_outside_trainval_are_dropped():
    split = PredefinedSeenUnseenSplit.from_train_val([3, 1, 2], [5, 4], [1, 2, 4], one_based=True)
    assert split.trainval.tolist() == [0, 1]
    assert split.test_seen.tolist() == []
    assert split.test_unseen.tolist() == [3]


@given(st.integers(0, 10**6), st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_a_seen_part_is_held_out_of_the_training_rows(seed, test_size):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(6), 10))
    trainval = np.concatenate([np.flatnonzero(y == label)[:7] for label in range(6)])
    train, val = np.flatnonzero(y < 4), np.flatnonzero(y >= 4)
    split = PredefinedSeenUnseenSplit.from_train_val(
        train, val, trainval, y=y, test_size=test_size, random_state=seed
    )
    parts = [split.trainval, split.test_seen, split.test_unseen]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.sort(trainval))
    assert [np.bincount(y[part], minlength=6).tolist() for part in parts] == [
        [7 - test_size] * 4 + [0] * 2,
        [test_size] * 4 + [0] * 2,
        [0] * 4 + [7] * 2,
    ]
    next(split.split(y, y))


@pytest.mark.parametrize(
    ("args", "y", "message"),
    [
        (([0, 1], [3], [3, 4]), None, "train has no row in trainval"),
        (([0, 1], [3], [0, 1]), None, "val has no row in trainval"),
        (([0, 1, 3], [3], [0, 1, 3]), None, r"train and val share 1 row: \[3\]"),
        (([0, 1, 4], [3], [0, 1, 3, 4]), Y, r"of val occur in train, .*\['yak'\]"),
        (([0, 1], [7], [0, 1, 7]), Y, "val holds 1 row beyond the 7 samples"),
    ],
)
def test_bad_train_val_rows(args, y, message):
    with pytest.raises(ValueError, match=message):
        PredefinedSeenUnseenSplit.from_train_val(*args, y=y)


# -- the distributed files ---------------------------------------------------------------------


def published(folder, name, file="att_splits.mat"):
    path = folder / "xlsa17" / name / file
    if not path.is_file():
        pytest.skip(f"no {path}")
    locations = {k.removesuffix("_loc"): v for k, v in loadmat(path).items() if k.endswith("_loc")}
    index = path.with_name("image_index.npz")
    return locations, np.load(index)["labels"] if index.is_file() else None


@pytest.mark.parametrize("name", ["APY", "AWA1", "AWA2", "CUB", "FLO", "SUN"])
def test_published_splits(shared_data, name):
    files, y = published(shared_data, name)
    parts = [files[part] for part in ("trainval", "test_seen", "test_unseen")]
    cv = PredefinedSeenUnseenSplit(*parts, one_based=True)
    n_samples = sum(part.size for part in parts)
    ((train, test),) = cv.split(np.broadcast_to(0, n_samples), y)
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(n_samples))
    with pytest.raises(ValueError, match="one_based=True"):
        next(PredefinedSeenUnseenSplit(*parts).split(np.broadcast_to(0, n_samples), y))
    if y is not None:  # labels out of the order of the file
        with pytest.raises(ValueError, match="are not unseen"):
            next(cv.split(None, np.roll(y, 7)))


@pytest.mark.parametrize(
    ("name", "n_leaked"), [("AWA2", 4031 + 1851), ("SUN", 2320 + 260), ("FLO", 1173 + 230)]
)
def test_the_train_val_trap(shared_data, name, n_leaked):
    file = "att_splits.mat" if name == "FLO" else "att_splits_with_train_val.mat"
    files, y = published(shared_data, name, file)
    union = np.union1d(files["train"], files["val"])
    with pytest.raises(ValueError, match=f"trainval and test_seen share {n_leaked} rows"):
        PredefinedSeenUnseenSplit(union, files["test_seen"], files["test_unseen"], one_based=True)
    split = PredefinedSeenUnseenSplit.from_train_val(
        files["train"], files["val"], files["trainval"], y=y, random_state=0, one_based=True
    )
    used = np.concatenate([split.trainval, split.test_seen, split.test_unseen])
    assert np.array_equal(np.sort(used), np.sort(files["trainval"].ravel().astype(int)) - 1)
    assert len(union) - len(used) == n_leaked
    if y is not None:
        ((train, test),) = split.split(None, y)
        assert np.array_equal(np.setdiff1d(y[test], y[train]), np.unique(y[split.test_unseen]))
