"""The one warning of tables that describe classes badly: what it names, and when it is silent."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zslearn import ClassAttributes
from zslearn._class_warnings import dominant_column, parallel_rows
from zslearn.base import check_class_attributes
from zslearn.exceptions import ClassDescriptionWarning


def said(values, labels=None, y=None, **options):
    """Messages of the warnings that a fit gives."""
    table = ClassAttributes(values, labels=labels, **options)
    y = table.labels if y is None else np.asarray(y)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_class_attributes(table, y)
    assert all(w.category is ClassDescriptionWarning for w in caught)
    return [str(w.message) for w in caught]


@pytest.mark.parametrize("other", [[1, 2, 3], [2, 4, 6], [0.1, 0.2, 0.3], [1, 2, 3.0001]])
def test_classes_that_cannot_be_told_apart_are_named(other):
    [message] = said([[1, 2, 3], other, [3, 1, 2]], ["owl", "kiwi", "moa"])
    assert "cannot be told apart: 'owl' and 'kiwi'" in message
    assert "moa" not in message


def test_opposite_rows_are_told_apart():
    assert said([[1, 2], [-1, -2], [2, -1]]) == []


def test_many_pairs_are_counted():
    [message] = said(np.ones((300, 2)))
    assert "(44850 pairs in all)" in message
    pairs, n_pairs = parallel_rows(np.repeat(np.eye(300), 2, axis=0))
    assert n_pairs == 300
    assert pairs[:2] == [(0, 1), (2, 3)]


def test_an_attribute_that_outweighs_all_others_is_named():
    rng = np.random.default_rng(0)
    shares, grams = rng.random((20, 5)), rng.uniform(20, 5000, (20, 1))
    names = ["a", "b", "c", "d", "e", "grams"]
    [message] = said(np.hstack([shares, grams]), attribute_names=names)
    assert "the attribute 'grams' makes up most of every row's length" in message
    assert "one scale" in message


def test_a_single_attribute_is_named():
    [message] = said([[1], [2], [3]], attribute_names=["size"])
    assert "a single attribute, 'size'" in message


@pytest.mark.parametrize(
    "numbers", [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12], [7, 1, 30, 4, 5, 9]]
)
def test_class_numbers_among_bare_values_are_named(numbers):
    values = np.random.default_rng(0).random((6, 8))
    values[:, 2] = numbers
    [message] = said(values, numbers)
    assert "the attribute 'attribute_2' seems to number the classes" in message
    values[:, 2] = np.random.default_rng(1).permutation(6)
    assert said(values, numbers) == []


def test_capitals_are_named():
    [message] = said(np.eye(2), ["owl", "Owl"])
    assert "differ by capitals only: 'owl', 'Owl'" in message


def test_everything_is_said_in_one_warning():
    values = [[1000, 1, 0], [2000, 2, 0], [1000, 0, 1]]
    [message] = said(values, ["owl", "Owl", "moa"])
    assert all(what in message for what in ("told apart", "one scale"))
    assert "capitals" in message


@given(st.lists(st.integers(1, 255), min_size=2, max_size=30, unique=True))
def test_small_tables_of_distinct_bits_are_silent(rows):
    values = (np.array(rows)[:, None] >> np.arange(8)) & 1
    assert parallel_rows(values.astype(float)) == ([], 0)


def test_ordinary_tables_are_silent():
    rng = np.random.default_rng(0)
    assert said(rng.random((50, 20))) == []
    assert said(np.eye(4)) == []
    assert said(np.tril(np.ones((300, 300)))) == []
    assert said([[1, 0], [1, 1], [0, 1]]) == []
    assert said([[5.0, 1.0]]) == []
    assert said(rng.random((30, 20)) * 1e300) == []
    assert dominant_column(np.ones((3, 1))) is None


def test_the_scale_of_all_does_not_count():
    rng = np.random.default_rng(0)
    values = rng.random((6, 3))
    values[4] = values[2] * (1 + 1e-9)
    for scale in (1e-200, 1, 1e200):
        assert parallel_rows(values * scale) == ([(2, 4)], 1)


def test_no_table_is_said_with_one_text():
    with pytest.warns(ClassDescriptionWarning, match="class_attributes is None") as first:
        check_class_attributes(None, np.array(["a", "b"]))
    with pytest.warns(ClassDescriptionWarning) as second:
        check_class_attributes(None, np.array([1, 2, 3]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")  # shows equal warnings of one place once
        for _ in range(3):
            check_class_attributes(None, np.array([0, 1]))
    assert str(first[0].message) == str(second[0].message)
    assert len(caught) == 1


def test_labels_from_one_beside_rows_from_zero():
    A = np.random.default_rng(0).random((12, 4))
    found = r"from 1 to 9 without a 0.*range\(1, n_classes \+ 1\)"
    with pytest.warns(ClassDescriptionWarning, match=found):
        check_class_attributes(A, np.repeat(np.arange(1, 10), 3))
    with pytest.raises(ValueError, match="labels from 1 to 12"):
        check_class_attributes(A, np.repeat(np.arange(1, 13), 3))
    with pytest.warns(ClassDescriptionWarning, match="without a 0"):
        check_class_attributes(A, np.array([1, 4, 7]))
    [message] = said(A, y=np.arange(1, 10))
    assert "the class 1 is described by the second row" in message
    assert said(A, labels=range(1, 13), y=np.arange(1, 10)) == []
    assert said(A, y=[1, 4, 7]) == []
    assert said(A, y=[0, 1, 2]) == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_class_attributes(A, np.array([0, 1, 2]))
        check_class_attributes(A, np.array([2, 3, 4, 5]))
