"""Data frames and other containers: what they say about their rows and columns is honoured."""

import numpy as np
import pandas as pd
import pytest

from zslearn import ClassAttributes
from zslearn.base import check_class_attributes

VALUES = np.array([[1.0, 0.1], [0.2, 1.0], [0.5, 0.3]])
Y = np.array([1, 2, 3])


@pytest.fixture
def frame():
    return pd.DataFrame(VALUES, index=[3, 1, 2], columns=["stripes", "swims"])


def test_the_constructor_takes_index_and_columns(frame):
    table = ClassAttributes(frame)
    assert table == ClassAttributes.from_frame(frame)
    assert table.labels.tolist() == [3, 1, 2]
    assert table.attribute_names == ("stripes", "swims")
    assert ClassAttributes(frame, labels=[3, 1, 2]) == table
    assert ClassAttributes(frame, attribute_names=["stripes", "swims"]) == table
    unset = frame.reset_index(drop=True)
    assert ClassAttributes(unset, labels=[3, 1, 2]) == table
    assert ClassAttributes(unset).labels.tolist() == [0, 1, 2]


def test_contradictions_are_refused(frame):
    with pytest.raises(ValueError, match=r"labels begins with 1, 2, 3, but the index.*to_numpy"):
        ClassAttributes(frame, labels=[1, 2, 3])
    with pytest.raises(ValueError, match=r"attribute_names differs from the columns.*to_numpy"):
        ClassAttributes(frame, attribute_names=["swims", "stripes"])


@pytest.mark.parametrize("name", ["class_id", "id", "ID", "label", "Unnamed: 0", "No.", "class"])
@pytest.mark.parametrize("numbers", [[1, 2, 3], [0, 1, 2], [907, 13, 44], [3, 1, 2]])
def test_a_column_of_class_numbers_is_refused(frame, name, numbers):
    frame.insert(0, name, numbers)
    with pytest.raises(ValueError, match="seems to number the classes"):
        ClassAttributes.from_frame(frame)
    with pytest.raises(ValueError, match="set_index"):
        check_class_attributes(frame.reset_index(drop=True), np.repeat(Y, 2))
    table = ClassAttributes.from_frame(frame, label_column=name)
    assert table.labels.tolist() == numbers
    assert table == ClassAttributes.from_frame(frame.set_index(name))


@pytest.mark.parametrize(
    ("column", "found"),
    [
        (["2020-01-01"] * 3, "text"),
        (["1", "2", "3"], "text"),
        (pd.to_datetime(["2020-01-01", "2021-01-01", "2022-01-01"]), "dates"),
        (pd.to_timedelta([1, 2, 3], unit="D"), "spans of time"),
        (pd.Categorical([1, 5, 2]), "categories"),
        (np.array([1 + 2j, 2, 3]), "complex"),
        ([[1], [2], [3]], "sequence|numbers"),
    ],
)
def test_columns_that_are_no_attributes(frame, column, found):
    frame["odd"] = column
    with pytest.raises(ValueError, match=f"column 'odd' holds .*({found})"):
        ClassAttributes.from_frame(frame)


def test_dates_are_no_labels(frame):
    frame.index = pd.to_datetime(["2020-01-01", "2021-01-01", "2022-01-01"])
    with pytest.raises(ValueError, match="found dates"):
        ClassAttributes.from_frame(frame)
    with pytest.raises(ValueError, match="labels"):
        ClassAttributes.from_frame(frame.set_axis(frame.index.to_period("M")))


def test_nullable_columns_have_gaps(frame):
    frame["legs"] = pd.array([4, None, 2], dtype="Int64")
    with pytest.raises(ValueError, match="NaN.*class 1, attribute 'legs'"):
        ClassAttributes.from_frame(frame)
    table = ClassAttributes.from_frame(frame, missing_values=np.nan)
    assert table.values[:, 2].tolist() == [4, 3, 2]


def test_frames_without_index():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"name": ["owl", "kiwi"], "red": [0.5, 1.0], "big": [1, 0]})
    with pytest.raises(ValueError, match=r"DataFrame of polars.*no index.*label_column="):
        ClassAttributes.from_frame(frame)
    with pytest.raises(ValueError, match="no index"):
        check_class_attributes(frame, np.array(["owl", "kiwi", "owl"]))
    table = ClassAttributes.from_frame(frame, label_column="name")
    assert table.labels.tolist() == ["owl", "kiwi"]
    assert table.values.tolist() == [[0.5, 1], [1, 0]]
    assert ClassAttributes(frame.drop("name"), labels=["a", "b"]).attribute_names == ("red", "big")


def test_arrays_with_names():
    xarray = pytest.importorskip("xarray")
    coordinates = {"class": ["owl", "kiwi", "moa"], "attribute": ["red", "big"]}
    array = xarray.DataArray(VALUES, dims=("class", "attribute"), coords=coordinates)
    table = check_class_attributes(array, np.array(["moa", "owl", "kiwi", "moa"]))
    assert table.labels.tolist() == ["kiwi", "moa", "owl"]
    assert table.values.tolist() == VALUES[[1, 2, 0]].tolist()
    vectors = xarray.DataArray(
        [[9.0, 9.0], [1.0, 1.0]], dims=("name", "k"), coords={"name": ["big", "red"]}
    )
    assert ClassAttributes(array, word_vectors=vectors).word_vectors[:, 0].tolist() == [1, 9]
    with pytest.raises(ValueError, match="DataArray of shape"):
        ClassAttributes(xarray.DataArray(np.ones((2, 2, 2))))


def test_word_vectors_are_matched_by_name():
    names = ["stripes", "swims"]
    rows = {"swims": [9.0, 9.0], "stripes": [1.0, 1.0], "unused": [0.0, 0.0]}
    frame = pd.DataFrame(rows.values(), index=rows.keys())
    series = pd.Series({name: np.array(row) for name, row in rows.items()})
    for vectors in (rows, frame, series, frame.iloc[::-1]):
        table = ClassAttributes(np.eye(2), attribute_names=names, word_vectors=vectors)
        assert table.word_vectors.tolist() == [[1, 1], [9, 9]]
    unset = ClassAttributes(
        np.eye(2), attribute_names=names, word_vectors=frame.iloc[:2].reset_index(drop=True)
    )
    assert unset.word_vectors.tolist() == [[9, 9], [1, 1]]
    with pytest.raises(ValueError, match="no vector for 'swims'.*It has vectors for 'stripes'"):
        ClassAttributes(np.eye(2), attribute_names=names, word_vectors=frame.loc[["stripes"]])
    twice = pd.concat([frame, frame])
    with pytest.raises(ValueError, match="duplicate"):
        ClassAttributes(np.eye(2), attribute_names=names, word_vectors=twice)
    composed, decomposed = "cr\u00e8me", "cre\u0300me"
    table = ClassAttributes([[1]], attribute_names=[composed], word_vectors={decomposed: [2.0]})
    assert table.word_vectors.tolist() == [[2.0]]
