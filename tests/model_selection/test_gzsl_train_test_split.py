import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from zslearn.model_selection import GZSLSplit, gzsl_train_test_split

NAMES = np.array(["dog", "ant", "ibex", "bee", "cow", "eel", "fox"])
sizes_of_classes = st.lists(st.integers(2, 12), min_size=2, max_size=7)
sizes_of_test = st.one_of(st.integers(1, 4), st.floats(0.01, 0.99))


def check_split(y, split, test_size):
    """What every split guarantees; returns its unseen classes."""
    assert isinstance(split, GZSLSplit)
    assert np.array_equal(np.sort(np.concatenate(split)), np.arange(len(y)))
    for part in split:
        assert part.dtype == np.intp
        assert (np.diff(part) > 0).all()
    unseen = np.unique(y[split.test_unseen])
    assert not np.isin(y[split.train], unseen).any()
    stays = np.setdiff1d(y, unseen)
    for label in stays:
        n, n_test = (y == label).sum(), (y[split.test_seen] == label).sum()
        assert 1 <= n_test <= n - 1
        wanted = test_size if isinstance(test_size, int) else test_size * n
        assert n_test == wanted or abs(n_test - wanted) <= 0.5 or n_test in (1, n - 1)
    return unseen


@given(sizes_of_classes, st.data(), sizes_of_test, st.booleans())
@settings(max_examples=80, deadline=None)
def test_drawn_classes(sizes, data, test_size, numbers):
    assume(isinstance(test_size, float) or test_size < min(sizes))
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat(np.arange(len(sizes)) if numbers else NAMES[: len(sizes)], sizes))
    n_unseen = data.draw(st.integers(1, len(sizes) - 1))
    seed = data.draw(st.integers(0, 2**32 - 1))
    options = {"n_unseen": n_unseen, "test_size": test_size}
    split = gzsl_train_test_split(y, random_state=seed, **options)
    assert len(check_split(y, split, test_size)) == n_unseen
    again = gzsl_train_test_split(y, random_state=seed, **options)
    assert all(map(np.array_equal, split, again))


@given(sizes_of_classes, st.data())
@settings(max_examples=50, deadline=None)
def test_named_classes(sizes, data):
    y = np.repeat(NAMES[: len(sizes)], sizes)
    picked = data.draw(
        st.lists(st.sampled_from(range(len(sizes))), min_size=1, max_size=len(sizes) - 1)
    )
    split = gzsl_train_test_split(y, unseen_classes=NAMES[picked], random_state=0)
    assert check_split(y, split, 0.2).tolist() == sorted(set(NAMES[picked]))


def test_a_fraction_of_the_classes():
    y = np.repeat(np.arange(10), 3)
    split = gzsl_train_test_split(y, n_unseen=0.3, random_state=0)
    assert len(check_split(y, split, 0.2)) == 3


def test_an_unseen_class_may_have_a_single_sample():
    y = ["cat", "cat", "okapi"]
    split = gzsl_train_test_split(y, unseen_classes=["okapi"], random_state=0)
    assert split.test_unseen.tolist() == [2]
    with pytest.raises(ValueError, match="a single sample of each class that stays seen, 1 in"):
        gzsl_train_test_split(y, unseen_classes=["cat"])


def test_a_seen_class_with_a_single_sample_is_trained_on():
    y = ["cat", "cat", "okapi", "yak", "yak"]
    for test_size in (0.2, 1):
        split = gzsl_train_test_split(
            y, unseen_classes=["yak"], test_size=test_size, random_state=0
        )
        assert 2 in split.train
        assert len(split.test_seen) == 1
        assert split.test_unseen.tolist() == [3, 4]


def test_kinds_of_labels():
    y = np.repeat(NAMES, 4)
    expected = gzsl_train_test_split(y, unseen_classes=["bee", "cow"], random_state=1)
    for kind in (y.tolist(), y.astype(object), pd.Series(y, index=range(50, 78))):
        split = gzsl_train_test_split(
            kind, unseen_classes=pd.Index(["cow", "bee", "bee"]), random_state=1
        )
        assert all(map(np.array_equal, split, expected))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "found neither"),
        ({"unseen_classes": [0], "n_unseen": 1}, "found both"),
        ({"unseen_classes": [0, 9]}, r"unseen_classes holds \[9\], of which y has no sample"),
        ({"unseen_classes": ["0"]}, "y holds number labels but unseen_classes holds string"),
        ({"unseen_classes": [0, 1, 2]}, "holds all 3 classes"),
        ({"unseen_classes": []}, "unseen_classes is empty"),
        ({"unseen_classes": "cat"}, "'unseen_classes' parameter"),
        ({"n_unseen": 3}, "n_unseen=3, but y holds 3 classes"),
        ({"n_unseen": -1}, "'n_unseen' parameter"),
        ({"n_unseen": 1, "test_size": 1.0}, "'test_size' parameter"),
        ({"n_unseen": 1, "test_size": 4}, "test_size=4 samples of each class leave none"),
    ],
)
def test_bad_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        gzsl_train_test_split(np.repeat([0, 1, 2], 4), **params)
