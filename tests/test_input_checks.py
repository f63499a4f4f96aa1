"""What fit and predict refuse before anything else: features, labels, tables, attributes."""

import pathlib

import numpy as np
import pandas as pd
import pytest

from zslearn._input_checks import (
    check_attribute_indices,
    check_labels_of,
    check_no_pictures,
    check_same_order,
    check_scores,
)
from zslearn.base import check_class_attributes

NAMES = ("red", "big", "cr\u00e8me")


@pytest.mark.parametrize(
    "attributes",
    [
        pd.Index(["big", "cr\u00e8me"]),
        pd.Series(["big", "cr\u00e8me"]),
        np.array(["big", "cr\u00e8me"]),
        np.array(["big", "cr\u00e8me"], dtype=object),
        np.array(["big", "cr\u00e8me"], dtype=np.dtypes.StringDType()),
        ("big", "cre\u0300me"),
        {"cr\u00e8me", "big"},
        frozenset({1, 2}),
        [1, 2],
        np.array([1, 2], dtype=object),
        np.array([1, 2], dtype=np.uint8),
        pd.Index([1, 2]),
    ],
)
def test_attributes_by_name_or_number(attributes):
    assert check_attribute_indices(attributes, NAMES).tolist() == [1, 2]


def test_one_attribute_or_all():
    assert check_attribute_indices("big", NAMES).tolist() == [1]
    assert check_attribute_indices(2, NAMES).tolist() == [2]
    assert check_attribute_indices(None, NAMES).tolist() == [0, 1, 2]
    assert check_attribute_indices(["big", "red"], NAMES).tolist() == [1, 0]


@pytest.mark.parametrize(
    "attributes",
    [
        [],
        ["green"],
        [3],
        [-1],
        [0.5],
        [1.0],
        [True, False, True],
        ["red", 1],
        [[0, 1]],
        [None],
        np.array([], dtype=int),
        {"a": 1},
        np.ma.masked_equal([0, 1], 0),
        set(),
        10**30,
    ],
)
def test_attributes_that_are_none(attributes):
    with pytest.raises(ValueError, match="attributes"):
        check_attribute_indices(attributes, NAMES)


@pytest.mark.parametrize(
    "X",
    [
        ["a.png", "b.png"],
        [pathlib.Path("a.png")],
        "folder",
        np.array(["a.png", "b.png"]),
        np.array(["a.png"], dtype=object),
        np.array(["a.png"], dtype=np.dtypes.StringDType()),
        [["a.png"], ["b.png"]],
    ],
)
def test_paths_are_no_features(X):
    with pytest.raises(ValueError, match="X must hold features, found .*TimmRegionExtractor"):
        check_no_pictures(X)


def test_pictures_are_no_features():
    image = pytest.importorskip("PIL.Image")
    with pytest.raises(ValueError, match="found pictures.*extracted first"):
        check_no_pictures([image.new("RGB", (4, 4))])


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((2, 3), "M8[s]"), "X must hold real numbers, found dtype datetime64"),
        (np.zeros((2, 3), "m8[s]"), "X must hold real numbers, found dtype timedelta64"),
        (pd.DataFrame({"a": pd.to_datetime(["2020-01-01"])}), "found dtype datetime64"),
        (np.zeros((2,), dtype=[("a", float)]), "X must hold real numbers"),
        (np.ma.masked_equal([[0.0, 1.0]], 0), "X is a masked array"),
        ([np.ma.masked_equal([0.0, 1.0], 0)], "X is a masked array"),
    ],
)
def test_features_that_are_none(X, message):
    with pytest.raises(ValueError, match=message):
        check_no_pictures(X)


@pytest.mark.parametrize("X", [np.ones((2, 3)), [[1.0, 2.0]], np.ma.ones((2, 3)), [], "1.5"])
def test_features_pass(X):
    check_no_pictures(X)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.ma.masked_equal([0, 1, 2], 1), "y is a masked array"),
        ([0, np.ma.masked, 2], "y is a masked array"),
        (np.array(["2020", "2021", "2022"], dtype="M8[Y]"), "y must hold class labels"),
        (np.zeros(3, "V3"), "y must hold class labels"),
        ([2**63, -1, 0], "y holds whole numbers that need more than 63 bits"),
        ([2**64, 1, 0], "y holds whole numbers that need more than 63 bits"),
        (np.array(["a", 3, "b"], dtype=object), "y mixes strings, such as 'a'"),
        (np.array(["a", None, "b"], dtype=object), r"missing labels, in 1 row\(s\): \[1\]"),
    ],
)
def test_labels_that_are_none(y, message):
    with pytest.raises(ValueError, match=message):
        check_labels_of("Estimator", np.zeros((3, 2)), y)


@pytest.mark.parametrize("y", [{0, 1, 2}, {0: 1, 1: 2, 2: 3}])
def test_labels_without_order(y):
    with pytest.raises(TypeError, match="y is a (set|dict)"):
        check_labels_of("Estimator", np.zeros((3, 2)), y)


def test_labels_of_variable_strings():
    y = np.array(["a", "bb", "a"], dtype=np.dtypes.StringDType())
    assert check_labels_of("Estimator", np.zeros((3, 2)), y).dtype == np.dtype("<U2")


@pytest.mark.parametrize(
    "scores",
    [[["1", "2"]], [[1, 2], [3]], np.ma.masked_equal([[1.0, 2.0]], 1), [[1j, 2]], [[None]]],
)
def test_scores_that_are_none(scores):
    with pytest.raises(ValueError, match="scores (must be a table of numbers|is a masked)"):
        check_scores(scores)


@pytest.mark.parametrize(
    "table", [{0: [1, 2]}, {1, 2}, 5, np.array(1.0), "a.csv", pathlib.Path("a")]
)
def test_tables_that_are_none(table):
    with pytest.raises(TypeError, match="class_attributes must be"):
        check_class_attributes(table, np.array([0, 1, 0]))


def test_samples_and_labels_in_different_orders():
    X = pd.DataFrame({"a": [1.0, 2.0, 3.0]}, index=["p", "q", "r"])
    y = pd.Series([0, 1, 0], index=["p", "q", "r"])
    check_same_order(X, y)
    check_same_order(X, y.reset_index(drop=True))
    check_same_order(X.to_numpy(), y.iloc[::-1])
    with pytest.raises(ValueError, match=r"same index in different orders.*y.loc\[X.index\]"):
        check_same_order(X, y.iloc[::-1])
