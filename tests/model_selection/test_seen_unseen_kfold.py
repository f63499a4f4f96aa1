import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.model_selection import check_cv
from sklearn.utils.metadata_routing import get_routing_for_object

from zslearn.model_selection import SeenUnseenKFold

sizes_of_classes = st.lists(st.integers(2, 12), min_size=2, max_size=9)
sizes_of_test = st.one_of(st.integers(1, 4), st.floats(0.01, 0.99))
LABELS = {
    "int": np.array([7, -1, 30, 2, 11, 5, 90, 4, 8]),
    "str": np.array(["dog", "ant", "ibex", "bee", "cow", "eel", "fox", "gnu", "hen"]),
    "object": np.array(list("zyxwvutsr"), dtype=object),
    "float": np.arange(9) / 2,
}


def labels_of(sizes, kind="int", seed=0):
    codes = np.repeat(np.arange(len(sizes)), sizes)
    return LABELS[kind][np.random.default_rng(seed).permutation(codes)]


def check_fold(y, train, test, test_size):
    """What every fold guarantees; returns its unseen classes."""
    rows = np.concatenate([train, test])
    assert np.array_equal(np.sort(rows), np.arange(len(y)))  # all, and none twice
    assert (np.diff(train) > 0).all()
    assert (np.diff(test) > 0).all()
    unseen = np.setdiff1d(y[test], y[train])
    stays = np.setdiff1d(y, unseen)
    assert len(unseen) > 0
    assert len(stays) > 0
    for label in stays:
        n, n_test = (y == label).sum(), (y[test] == label).sum()
        assert 1 <= n_test <= n - 1
        wanted = test_size if isinstance(test_size, int) else test_size * n
        assert n_test == wanted or abs(n_test - wanted) <= 0.5 or n_test in (1, n - 1)
    return unseen


@given(sizes_of_classes, st.data(), sizes_of_test, st.sampled_from(sorted(LABELS)))
@settings(max_examples=80, deadline=None)
def test_groups_partition_the_classes_in_every_repeat(sizes, data, test_size, kind):
    assume(isinstance(test_size, float) or test_size < min(sizes))
    y = labels_of(sizes, kind)
    n_splits = data.draw(st.integers(2, len(sizes)))
    n_repeats = data.draw(st.integers(1, 3))
    seed = data.draw(st.integers(0, 2**32 - 1))
    cv = SeenUnseenKFold(n_splits, n_repeats=n_repeats, test_size=test_size, random_state=seed)
    folds = list(cv.split(None, y))
    assert len(folds) == cv.get_n_splits() == n_splits * n_repeats
    unseen = [check_fold(y, train, test, test_size) for train, test in folds]
    for repeat in range(n_repeats):
        groups = unseen[repeat * n_splits : (repeat + 1) * n_splits]
        assert np.array_equal(np.sort(np.concatenate(groups)), np.unique(y))
        assert np.ptp([len(group) for group in groups]) <= 1


@given(sizes_of_classes, st.data(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_given_numbers_of_unseen_use_all_classes_evenly(sizes, data, shuffle):
    y = labels_of(sizes)
    n_unseen = data.draw(st.integers(1, len(sizes) - 1))
    cv = SeenUnseenKFold(
        data.draw(st.integers(1, 5)),
        n_repeats=data.draw(st.integers(1, 3)) if shuffle else 1,
        n_unseen=n_unseen,
        shuffle=shuffle,
        random_state=0 if shuffle else None,
    )
    times = dict.fromkeys(y, 0)
    for train, test in cv.split(y, y):
        unseen = check_fold(y, train, test, 0.2)
        assert len(unseen) == n_unseen
        for label in unseen:
            times[label] += 1
        assert max(times.values()) - min(times.values()) <= 1
    assert sum(times.values()) == n_unseen * cv.get_n_splits()


@given(st.integers(2, 9), st.floats(0.01, 0.99))
@settings(max_examples=60, deadline=None)
def test_a_fraction_of_the_classes(n_classes, fraction):
    y = labels_of([2] * n_classes)
    cv = SeenUnseenKFold(1, n_unseen=fraction, random_state=0)
    ((train, test),) = cv.split(y, y)
    n_unseen = len(check_fold(y, train, test, 0.2))
    assert abs(n_unseen - fraction * n_classes) <= 0.5 or n_unseen in (1, n_classes - 1)


@given(st.integers(2, 20), st.integers(1, 4), st.booleans())
@settings(max_examples=60, deadline=None)
def test_samples_of_a_class_take_turns(n, test_size, shuffle):
    """None is held out a second time in a repeat before all of its class have been."""
    assume(test_size < n)
    y = np.repeat([0, 1, 2, 3, 4, 5], n)
    cv = SeenUnseenKFold(
        6, test_size=test_size, shuffle=shuffle, random_state=3 if shuffle else None
    )
    times = np.zeros(len(y), dtype=int)
    for train, test in cv.split(y, y):
        times[test[np.isin(y[test], y[train])]] += 1
        assert all(np.ptp(times[y == label]) <= 1 for label in range(6))


@pytest.mark.parametrize("n_unseen", [None, 2])
def test_an_int_gives_the_same_folds_at_every_call(n_unseen):
    y = labels_of([4, 5, 6, 7, 8], "str")

    def folds(cv):
        return [part.tolist() for fold in cv.split(y, y) for part in fold]

    options = {"n_repeats": 2, "n_unseen": n_unseen}
    cv = SeenUnseenKFold(3, random_state=5, **options)
    first = folds(cv)
    for same in (cv, clone(cv, safe=False), copy.deepcopy(cv), pickle.loads(pickle.dumps(cv))):
        assert folds(same) == first
    assert folds(SeenUnseenKFold(3, random_state=6, **options)) != first
    one_stream = SeenUnseenKFold(3, random_state=np.random.RandomState(5), **options)
    assert folds(one_stream) == first
    assert folds(one_stream) != first


def test_the_order_of_labels_is_used_without_shuffling():
    y = np.repeat(["a", "b", "c", "d"], 5)
    folds = list(SeenUnseenKFold(2, shuffle=False).split(y, y))
    assert [np.setdiff1d(y[test], y[train]).tolist() for train, test in folds] == [
        ["a", "b"],
        ["c", "d"],
    ]
    assert folds[0][1].tolist() == [*range(10), 10, 15]
    windows = SeenUnseenKFold(3, n_unseen=3, shuffle=False).split(y, y)
    assert [sorted(set(y) - set(y[train])) for train, _ in windows] == [
        ["a", "b", "c"],
        ["a", "b", "d"],
        ["a", "c", "d"],
    ]


def test_repeats_differ():
    y = labels_of([3] * 9)
    unseen = [
        frozenset(np.setdiff1d(y[test], y[train]))
        for train, test in SeenUnseenKFold(3, n_repeats=2, random_state=0).split(y, y)
    ]
    assert set(unseen[:3]) != set(unseen[3:])


def test_kinds_of_y_and_x():
    y = labels_of([4, 5, 6], "str")
    cv = SeenUnseenKFold(3, random_state=0)
    expected = [test.tolist() for _, test in cv.split(np.zeros((15, 2)), y)]
    for kind in (y.tolist(), y.astype(object), pd.Series(y, index=range(5, 20)), y[:, None]):
        assert [test.tolist() for _, test in cv.split(None, kind)] == expected

    class Rows:
        shape = (15, 4, 8)

    assert [test.tolist() for _, test in cv.split(Rows(), y)] == expected
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        next(cv.split(np.zeros(14), y))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_splits": 0}, "'n_splits' parameter of SeenUnseenKFold must be an int in the range"),
        ({"n_splits": 2.5}, "'n_splits' parameter"),
        ({"n_splits": 1}, "n_splits=1 makes one group of all classes"),
        ({"n_repeats": 0}, "'n_repeats' parameter"),
        ({"n_unseen": 0}, "'n_unseen' parameter"),
        ({"n_unseen": 1.0}, "'n_unseen' parameter"),
        ({"test_size": 0}, "'test_size' parameter"),
        ({"test_size": 0.0}, "'test_size' parameter"),
        ({"test_size": 1.5}, "'test_size' parameter"),
        ({"shuffle": "yes"}, "'shuffle' parameter"),
        ({"random_state": "seed"}, "'random_state' parameter"),
        ({"shuffle": False, "random_state": 0}, "random_state=0 has no effect"),
        ({"shuffle": False, "n_repeats": 2}, "n_repeats=2 would repeat the same folds"),
    ],
)
def test_bad_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        SeenUnseenKFold(**params)


@pytest.mark.parametrize(
    ("params", "y", "message"),
    [
        ({}, None, "y is None"),
        ({}, [0, 0, 1, 1], "n_splits=5 groups of classes cannot be made of the 2 in y"),
        ({"n_splits": 2}, ["a", "b", "c"], "a single sample of each class that stays seen, 1 in"),
        ({"n_splits": 2, "test_size": 2}, [0, 0, 1, 1, 1], r"test_size=2 .* 1 of the 2.*\[0\]"),
        ({"n_unseen": 2}, [0, 0, 1, 1], "n_unseen=2, but y holds 2 classes"),
        ({"n_unseen": 0.5}, [0, 0], "y holds 1 class; at least two"),
        ({"n_splits": 2}, [0.0, np.nan, 1.0], "y holds NaN"),
        ({"n_splits": 2}, [[0, 1], [0, 1]], "y must be one-dimensional"),
    ],
)
def test_bad_labels(params, y, message):
    with pytest.raises(ValueError, match=message):
        next(SeenUnseenKFold(**params).split(None, y))


@pytest.mark.parametrize("test_size", [0.2, 1, 3])
@pytest.mark.parametrize("n_unseen", [None, 2])
def test_a_class_of_one_sample_is_trained_on_or_unseen(test_size, n_unseen):
    y = np.repeat([0, 1, 2, 3, 4, 5], [5, 1, 6, 1, 7, 8])
    singles = np.flatnonzero(np.isin(y, [1, 3]))
    times = np.zeros(6, dtype=int)
    cv = SeenUnseenKFold(3, n_unseen=n_unseen, test_size=test_size, random_state=1)
    for train, test in cv.split(y, y):
        unseen = np.setdiff1d(y[test], y[train])
        times[unseen] += 1
        for row in singles:
            assert (row in test) == (y[row] in unseen)
            assert (row in train) == (y[row] not in unseen)
        expected = {0.2: [1, 0, 1, 0, 1, 2]}.get(test_size, [test_size, 0] * 2 + [test_size] * 2)
        for label in np.setdiff1d(y, unseen):
            assert np.count_nonzero(y[test] == label) == expected[label]
    assert times.tolist() == [1] * 6


def test_a_fold_without_seen_samples_to_test_on_is_refused():
    y = ["a", "a", "b"]
    cv = SeenUnseenKFold(2, shuffle=False)
    with pytest.raises(
        ValueError, match="single sample of each class that stays seen, 1 in number"
    ):
        next(cv.split(None, y))


def test_groups_are_ignored_with_a_warning():
    y = np.repeat([0, 1], 3)
    with pytest.warns(UserWarning, match="groups parameter is ignored by SeenUnseenKFold"):
        next(SeenUnseenKFold(2).split(y, y, groups=y))


def test_is_a_splitter_to_scikit_learn():
    cv = SeenUnseenKFold(3, test_size=2, random_state=0)
    assert " ".join(repr(cv).split()) == (
        "SeenUnseenKFold(n_repeats=1, n_splits=3, n_unseen=None, random_state=0, shuffle=True, "
        "test_size=2)"
    )
    assert check_cv(cv) is cv
    with sklearn.config_context(enable_metadata_routing=True):
        assert get_routing_for_object(cv).split.requests == {}
        assert not hasattr(cv, "set_split_request")


def test_default_folds_hold_out_each_sample_about_once_while_its_class_stays():
    y = np.repeat(np.arange(10), 20)
    times = np.zeros(len(y), dtype=int)
    for train, test in SeenUnseenKFold(random_state=0).split(y, y):
        times[test[np.isin(y[test], y[train])]] += 1
    assert set(times) <= {0, 1}
