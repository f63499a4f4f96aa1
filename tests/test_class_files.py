"""Tables of classes in CSV files: what is read, and what is refused by line and column."""

import numpy as np
import pytest

from zslearn import ClassAttributes


def read(tmp_path, text, **options):
    path = tmp_path / "classes.csv"
    path.write_text(text, encoding="utf-8")
    return ClassAttributes.from_csv(path, **options)


@pytest.mark.parametrize(
    "text",
    [
        "class,a,b\nowl,0.5,1\nkiwi,0,0.25\n",
        "class,a,b\nowl,0.5,1\n,,\nkiwi,0,0.25\n,,\n , ,\n",
        "class,a,b,,\nowl,0.5,1,,\nkiwi,0,0.25,,\n",
        "class, a , b\n owl , .5, 1.\nkiwi,0,2.5e-1\n",
        '"class","a","b"\n"owl","0.5","+1"\n"kiwi","0","0.25"\n',
        "\ufeffclass,a,b\r\nowl,0.5,1\r\nkiwi,0,0.25\r\n",
    ],
)
def test_one_table_in_many_spellings(tmp_path, text):
    table = read(tmp_path, text)
    assert table.labels.tolist() == ["owl", "kiwi"]
    assert table.attribute_names == ("a", "b")
    assert table.values.tolist() == [[0.5, 1], [0, 0.25]]


@pytest.mark.parametrize(
    ("field", "remedy"),
    [
        ("yes", "Write 1 and 0"),
        ("FALSE", "Write 1 and 0"),
        ("50%", "0.5 for 50%"),
        ('"0,5"', "Write decimal points"),
        ("1_0", "digits 0 to 9"),
        ("\u0661\u0662", "digits 0 to 9"),
        ("\uff11", "digits 0 to 9"),
        ("1\u00a0000", "digits 0 to 9"),
        ("NA", "missing_values=numpy.nan"),
        ("-", "missing_values=numpy.nan"),
        ("2020-01-01", "label_column="),
        ("high", "label_column="),
        ("0x10", "label_column="),
    ],
)
def test_fields_that_are_no_numbers(tmp_path, field, remedy):
    with pytest.raises(ValueError, match=rf"line 3 of .*classes.csv, column 'b'.*{remedy}"):
        read(tmp_path, f"class,a,b\nowl,1,0\nkiwi,0,{field}\n")


@pytest.mark.parametrize(
    "text",
    [
        "owl,0.8,0.3\nkiwi,0.1,0.2\nmoa,0.2,0.1\n",
        "owl,0,1,1\nkiwi,1,0,1\n",
        "7,1,0\n8,0,1\n",
        "owl,0.8,,0.5\nkiwi,0.1,0.2,0.3\n",
        "owl,0,1\nkiwi,1,0\n",
        "owl,nan,1\nkiwi,1,0\n",
        "owl,-1e-3,1\nkiwi,1,0\n",
    ],
)
def test_a_missing_header_is_noticed(tmp_path, text):
    with pytest.raises(ValueError, match="line 1 of .* should be a header"):
        read(tmp_path, text)


def test_counted_columns_are_names(tmp_path):
    table = read(tmp_path, ",0,1,2\nowl,0.8,0.3,0.5\nkiwi,0.1,0.2,0.9\n")
    assert table.labels.tolist() == ["owl", "kiwi"]
    assert table.attribute_names == ("0", "1", "2")


@pytest.mark.parametrize(
    ("text", "options", "column"),
    [
        ("id,class,red\n1,owl,0.2\n2,kiwi,0.9\n3,moa,0.1\n", {"label_column": "class"}, "id"),
        (",class,red\n0,owl,0.2\n1,kiwi,0.9\n", {"label_column": "class"}, ""),
        ("class,taxon_id,red\nowl,907,0.2\nkiwi,13,0.9\n", {}, "taxon_id"),
        ("class,k,red\n" + "".join(f"c{i},{i},0.5\n" for i in range(1, 6)), {}, "k"),
        ("class,k,red\n" + "".join(f"c{i},{i + 100},0.5\n" for i in range(6)), {}, "k"),
    ],
)
def test_columns_that_number_the_classes(tmp_path, text, options, column):
    with pytest.raises(
        ValueError, match=f"column '{column}'.*number the classes.*label_column|name"
    ):
        read(tmp_path, text, **options)


def test_whole_numbers_that_describe_are_attributes(tmp_path):
    table = read(tmp_path, "class,legs,wings\nowl,2,2\nfox,4,0\nant,6,0\nbee,6,4\n")
    assert table.values[:, 0].tolist() == [2, 4, 6, 6]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("class,a\n99999999999999999999,1\n7,2\n", {}, "more than 63 bits.*letter"),
        (f"class,a\n{'9' * 5000},1\n7,2\n", {}, "more than 63 bits"),
        (f"class,a\nowl,{'9' * 5000}\n", {}, "NaN or infinite"),
        ("class,a,a\nowl,1,2\n", {}, "duplicate"),
        ("class,a,a\nowl,1,2\n", {"label_column": "a"}, "names several columns"),
        ('class,a\n"owl,1\nkiwi,2\n', {}, "line . of .*classes.csv"),
        ("class,a\nowl,0,5\n", {}, "decimal commas"),
        ("class,a\nowl,1\nowl\u200b,2\n", {}, r"'owl' and 'owl\\u200b'.*invisible"),
        ("class,a\nowl,1\n", {"delimiter": ""}, "delimiter must be a single character"),
        ("class,a\nowl,1\n", {"delimiter": "ab"}, "delimiter must be a single character"),
        ("", {}, "holds no class"),
        (",,\n,,\n", {}, "holds no class"),
    ],
)
def test_files_that_are_refused(tmp_path, text, options, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, text, **options)


@pytest.mark.parametrize("column", [None, 0.5, True, ["class"]])
def test_the_label_column_is_a_name_or_a_number(tmp_path, column):
    with pytest.raises(TypeError, match="label_column must be the name or the number"):
        read(tmp_path, "class,a\nowl,1\n", label_column=column)


def test_paths(tmp_path, monkeypatch):
    with pytest.raises(TypeError, match="path must be the path of a CSV file, found NoneType"):
        ClassAttributes.from_csv(None)
    with pytest.raises(IsADirectoryError, match="is a folder"):
        ClassAttributes.from_csv(tmp_path)
    with pytest.raises(FileNotFoundError, match="no CSV file at"):
        ClassAttributes.from_csv(tmp_path / "absent.csv")
    (tmp_path / "c.csv").write_text("class,a\nowl,1\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ClassAttributes.from_csv("~/c.csv").labels.tolist() == ["owl"]


def test_numbers_are_read_exactly(tmp_path):
    values = np.random.default_rng(0).normal(size=(7, 5)) * 10.0 ** np.arange(-2, 3)
    lines = [f"c{i},{','.join(map(repr, row.tolist()))}" for i, row in enumerate(values)]
    table = read(tmp_path, "\n".join(["class,a,b,c,d,e", *lines]))
    np.testing.assert_array_equal(table.values, values)
