"""ClassAttributes: building, checking, slicing, comparing."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection._validation import _check_method_params
from sklearn.utils.validation import _is_arraylike

from zslearn import ClassAttributes

VALUES = [[1.0, 0.0, 2.0], [0.0, 3.0, 0.0], [1.0, 1.0, 1.0]]
NAMES = ["stripes", "swims", "large"]


@pytest.fixture
def table():
    return ClassAttributes(
        VALUES, labels=["zebra", "whale", "panda"], attribute_names=NAMES, word_vectors=np.eye(3, 4)
    )


def test_stores_what_it_is_given(table):
    np.testing.assert_array_equal(table.values, VALUES)
    assert table.labels.tolist() == ["zebra", "whale", "panda"]
    assert table.attribute_names == ("stripes", "swims", "large")
    assert (table.n_classes, table.n_attributes) == (3, 3)
    assert table.word_vectors.dtype == np.float32
    assert not table.missing_mask.any()


def test_defaults():
    table = ClassAttributes([[1, 2], [3, 4]])
    assert table.labels.tolist() == [0, 1]
    assert table.attribute_names == ("attribute_0", "attribute_1")
    assert table.has_default_names
    assert table.word_vectors is None


def test_is_a_copy_and_read_only(table):
    source = np.array(VALUES)
    copy = ClassAttributes(source)
    source[0, 0] = 99
    assert copy.values[0, 0] == 1
    for array in (table.values, table.labels, table.word_vectors, table.missing_mask):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize(
    "labels",
    [[3, 1, 2], ["c", "a", "b"], np.array(["c", "a", "b"], dtype=object), [1.5, 2.5, 0.5]],
)
def test_labels_of_any_dtype(labels):
    table = ClassAttributes(VALUES, labels=labels)
    picked = [labels[2], labels[0], labels[0]]
    assert table.index_of(picked).tolist() == [2, 0, 0]
    sub = table.subset([labels[2], labels[0]])
    np.testing.assert_array_equal(sub.values, np.array(VALUES)[[2, 0]])


@given(st.permutations(range(5)))
def test_subset_by_labels_is_the_rows_of_these_labels(order):
    values = np.arange(1.0, 16.0).reshape(5, 3)
    table = ClassAttributes(values, labels=list("abcde"))
    sub = table.subset([("abcde")[i] for i in order])
    np.testing.assert_array_equal(sub.values, values[list(order)])
    assert sub.subset(list("abcde")) == table


def test_from_frame_round_trip(table):
    frame = table.to_frame()
    assert frame.loc["whale", "swims"] == 3
    again = ClassAttributes.from_frame(frame, word_vectors=table.word_vectors)
    assert again == table


def test_from_frame_refuses_text_and_other_types():
    frame = pd.DataFrame({"name": ["zebra", "whale"], "swims": [0, 1]})
    with pytest.raises(ValueError, match="set_index"):
        ClassAttributes.from_frame(frame)
    with pytest.raises(TypeError, match="DataFrame"):
        ClassAttributes.from_frame(np.eye(2))


@pytest.mark.parametrize(
    ("rows", "labels"),
    [
        (["zebra,1,0", "whale,0,1"], ["zebra", "whale"]),
        (["7,1,0", "12,0,1"], [7, 12]),
        (["007,1,0", "12,0,1"], ["007", "12"]),
        (["--5,1,0", "²,0,1"], ["--5", "²"]),
        (["-5,1,0", "0,0,1"], [-5, 0]),
    ],
)
def test_from_csv(tmp_path, rows, labels):
    path = tmp_path / "classes.csv"
    path.write_text("\n".join(["class,stripes,swims", *rows]) + "\n\n")
    table = ClassAttributes.from_csv(path)
    assert table.labels.tolist() == labels
    assert table.attribute_names == ("stripes", "swims")
    np.testing.assert_array_equal(table.values, np.eye(2))


def test_from_csv_label_column_and_delimiter(tmp_path):
    path = tmp_path / "classes.csv"
    path.write_text("stripes;swims;class\n1;0;zebra\n;1;whale\n")
    options = {"delimiter": ";", "missing_values": np.nan, "missing": "zero"}
    for column in ("class", 2, -1):
        table = ClassAttributes.from_csv(path, label_column=column, **options)
        assert table.labels.tolist() == ["zebra", "whale"]
        assert table.attribute_names == ("stripes", "swims")
        assert table.missing_mask.tolist() == [[False, False], [True, False]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class,a\n", "holds no class"),
        ("class,a\nx,1,2\n", "line 2 .* has 3 fields, its header has 2"),
        ("class,a\nx,high\n", "line 2 .*high"),
        ("class,a,b\nx,1,\n", "NaN.*missing_values"),
        ("class;a\nx;1\n", "single column when read with delimiter=','"),
        ("class,a\n\n\nx,high\n", "line 4 .*high"),
        ("class,a\n ,1\n", "line 2 .* no class label"),
    ],
)
def test_from_csv_faults(tmp_path, text, message):
    path = tmp_path / "classes.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        ClassAttributes.from_csv(path)
    path.write_text("class,a\nx,1\n")
    with pytest.raises(ValueError, match="label_column"):
        ClassAttributes.from_csv(path, label_column="species")
    with pytest.raises(ValueError, match="label_column=5, but .* has 2 columns"):
        ClassAttributes.from_csv(path, label_column=5)


def test_word_vectors_from_mapping():
    vectors = {"swims": [0, 1], "stripes": [1, 0], "large": [1, 1], "unused": [5, 5]}
    table = ClassAttributes(VALUES, attribute_names=NAMES, word_vectors=vectors)
    np.testing.assert_array_equal(table.word_vectors, [[1, 0], [0, 1], [1, 1]])
    with pytest.raises(ValueError, match="no vector for 'large'"):
        ClassAttributes(VALUES, attribute_names=NAMES, word_vectors={"swims": [1], "stripes": [1]})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": [1, 2]}, r"found shape \(2,\)"),
        ({"values": np.empty((0, 3))}, r"found shape \(0, 3\)"),
        ({"values": [["a", "b"]]}, "table of numbers"),
        ({"values": [[1, np.nan]]}, "NaN or infinite.*class 0, attribute 'attribute_1'"),
        ({"values": [[1, np.inf]]}, "NaN or infinite"),
        ({"values": VALUES, "labels": [1, 2]}, "labels has 2 entries, values has 3 rows"),
        ({"values": VALUES, "labels": [1, 2, 1]}, r"labels holds 1 duplicate\(s\): 1"),
        ({"values": VALUES, "labels": [[1], [2], [3]]}, "one-dimensional"),
        ({"values": VALUES, "labels": [1, 2, np.nan]}, "labels contains NaN"),
        ({"values": VALUES, "labels": ["a", 1, 2]}, "labels mixes strings with other things"),
        ({"values": VALUES, "labels": ["a", None, "b"]}, "labels mixes strings with other things"),
        ({"values": VALUES, "labels": [1, None, 2]}, "labels must be numbers or strings"),
        ({"values": VALUES, "word_vectors": [[1, 2], [1], [2]]}, "word_vectors must be numbers"),
        ({"values": VALUES, "attribute_names": ["a", "b"]}, "2 entries, values has 3 columns"),
        ({"values": VALUES, "attribute_names": ["a", "b", "a"]}, r"duplicate\(s\): 'a'"),
        ({"values": [[1, 0], [0, 0]], "labels": ["x", "y"]}, "all-zero row.*'y'"),
        ({"values": VALUES, "word_vectors": np.eye(2)}, "n_attributes=3"),
        ({"values": VALUES, "word_vectors": np.full((3, 2), np.nan)}, "word_vectors contains NaN"),
        ({"values": VALUES, "missing": "median"}, "missing must be 'mean' or 'zero'"),
        ({"values": [[-1, 2], [-1, 3]], "missing_values": -1}, "no known value.*'attribute_0'"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        ClassAttributes(**arguments)


def test_unknown_marks_are_kept_unless_chosen_otherwise():
    values = [[-1.0, 4.0], [2.0, 6.0], [4.0, -1.0]]
    np.testing.assert_array_equal(ClassAttributes(values).values, values)
    mean = ClassAttributes(values, missing_values=-1)
    np.testing.assert_array_equal(mean.values, [[3, 4], [2, 6], [4, 5]])
    zero = ClassAttributes(values, missing_values=-1, missing="zero")
    np.testing.assert_array_equal(zero.values, [[0, 4], [2, 6], [4, 0]])
    assert mean.missing_mask.tolist() == [[True, False], [False, False], [False, True]]
    assert mean.subset([2]).missing_mask.tolist() == [[False, True]]


def test_zero_word_vectors_warn():
    with pytest.warns(UserWarning, match=r"all zero for 1 attribute\(s\): 'swims'"):
        ClassAttributes(VALUES, attribute_names=NAMES, word_vectors=np.diag([1, 0, 1]))


def test_mark_of_missing_values_is_a_number():
    with pytest.raises(TypeError, match="missing_values must be a number.*found 'NA'"):
        ClassAttributes(VALUES, missing_values="NA")


def test_unknown_label(table):
    with pytest.raises(ValueError, match=r"1 label\(s\) are not described.*'yak'.*'zebra'"):
        table.subset(["zebra", "yak"])
    with pytest.raises(ValueError, match="duplicate"):
        table.subset(["zebra", "zebra"])


def test_equality(table):
    same = ClassAttributes(
        VALUES, labels=["zebra", "whale", "panda"], attribute_names=NAMES, word_vectors=np.eye(3, 4)
    )
    assert table == same
    assert table != ClassAttributes(VALUES, labels=["zebra", "whale", "panda"])
    assert table != table.subset(["whale", "zebra", "panda"])
    assert table != "table"
    assert (table == np.eye(3)) is False
    assert (np.eye(3) == table) is False


def test_pickle_keeps_it_read_only(table):
    again = pickle.loads(pickle.dumps(table))
    assert again == table
    assert not again.values.flags.writeable


def test_repr(table):
    expected = (
        "ClassAttributes(3 classes x 3 attributes, labels: 'zebra', 'whale', 'panda', "
        "4-d word vectors)"
    )
    assert repr(table) == expected
    assert "... (9 in all)" in repr(ClassAttributes(np.ones((9, 1))))


def test_opaque_to_fold_slicing(table):
    """scikit-learn would slice a fit parameter with as many rows as X; this one passes whole."""
    assert not _is_arraylike(table)
    X = np.zeros((3, 2))
    params = {"table": table, "bare": np.eye(3)}
    cut = _check_method_params(X, params, indices=[0, 1])
    assert cut["table"] is table
    assert cut["bare"].shape == (2, 3)


def test_with_word_vectors():
    table = ClassAttributes(
        [[1, -1], [0, 2]], labels=["a", "b"], attribute_names=["x", "y"], missing_values=-1
    )
    other = table.with_word_vectors([[1, 2], [3, 4]])
    assert table.word_vectors is None
    assert other.word_vectors.tolist() == [[1, 2], [3, 4]]
    assert not other.word_vectors.flags.writeable
    assert other.with_word_vectors(None) == table
    assert other.labels is table.labels
    assert other.missing_mask.tolist() == [[False, True], [False, False]]
    by_name = table.with_word_vectors({"y": [3, 4], "x": [1, 2]})
    assert by_name == other
    asked = []
    made = table.with_word_vectors(lambda names: asked.extend(names) or [[1, 2], [3, 4]])
    assert made == other
    assert asked == ["x", "y"]


def test_with_word_vectors_refuses():
    table = ClassAttributes([[1, 0], [0, 1]])
    with pytest.raises(ValueError, match="no names to make word vectors of"):
        table.with_word_vectors(lambda names: np.ones((2, 3)))
    assert table.with_word_vectors(np.ones((2, 3))).word_vectors.shape == (2, 3)
    with pytest.raises(ValueError, match=r"found shape \(3, 2\)"):
        table.with_word_vectors(np.ones((3, 2)))
    with pytest.warns(UserWarning, match="all zero for 1 attribute"):
        table.with_word_vectors([[0, 0], [1, 1]])
