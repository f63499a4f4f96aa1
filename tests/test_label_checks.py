"""Class labels: kinds, large integers, and labels that look like others."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zslearn import ClassAttributes
from zslearn._label_checks import difference, plain_form
from zslearn.base import check_class_attributes
from zslearn.metrics import gzsl_scores, per_class_accuracy_score

NFC = "H\u00e4her"
NFD = unicodedata.normalize("NFD", NFC)
TWINS = [
    (NFC, NFD, "form of Unicode"),
    ("owl", "owl ", "blanks or invisible"),
    ("barn owl", "barn  owl", "blanks or invisible"),
    ("barn owl", "barn\u00a0owl", "blanks or invisible"),
    ("owl", "\ufeffowl", "blanks or invisible"),
    ("owl", "o\u200bwl", "blanks or invisible"),
    ("owl", "o\u00adwl", "blanks or invisible"),
    ("owl", "owl\x07", "blanks or invisible"),
]


@pytest.mark.parametrize(("one", "other", "what"), TWINS)
def test_lookalikes_are_named(one, other, what):
    pattern = f"{what}.* only"
    with pytest.raises(ValueError, match=f"labels holds .*{pattern}"):
        ClassAttributes(np.eye(2), labels=[one, other])
    with pytest.raises(ValueError, match=f"attribute_names holds .*{pattern}"):
        ClassAttributes(np.eye(2), attribute_names=[one, other])
    table = ClassAttributes(np.eye(2), labels=[one, "kiwi"])
    with pytest.raises(ValueError, match=f"not described .*{pattern}"):
        check_class_attributes(table, np.array([other, "kiwi"]))
    with pytest.raises(ValueError, match=f"labels holds .*{pattern}"):
        check_class_attributes(None, np.array([other, one]))
    with pytest.raises(ValueError, match=f"y_true and y_pred holds .*{pattern}"):
        per_class_accuracy_score([one, "kiwi"], [other, "kiwi"])


def test_capitals_are_hinted_at_but_may_differ():
    table = ClassAttributes(np.eye(2), labels=["a", "A"])
    assert table.index_of(["A", "a"]).tolist() == [1, 0]
    assert per_class_accuracy_score(["a", "A"], ["A", "A"]) == 0.5
    table = ClassAttributes(np.eye(2), labels=["owl", "kiwi"])
    with pytest.raises(ValueError, match="'Owl' and the described 'owl' differ by capitals only"):
        table.index_of(["Owl", "kiwi"])


@pytest.mark.parametrize(
    ("labels", "asked", "hint"),
    [(["1", "2"], [1, 2], "1 is a number"), ([1, 2], ["1", "2"], "'1' is text")],
)
def test_numbers_and_their_spellings(labels, asked, hint):
    with pytest.raises(ValueError, match=hint):
        ClassAttributes(np.eye(2), labels=labels).index_of(asked)


@given(st.text())
def test_the_plain_form_is_its_own(text):
    form = plain_form(text)
    assert plain_form(unicodedata.normalize("NFD", text)) == form
    assert plain_form(f" {text}\u200b ") == form
    assert difference(text, text + " ") is not None


def test_large_integers_are_not_rounded():
    large = [2**53, 2**53 + 1, 2**62]
    table = ClassAttributes(np.eye(3), labels=large)
    assert table.index_of([2**53 + 1]).tolist() == [1]
    unsigned = ClassAttributes(np.eye(2), labels=np.array([2**63, 2**63 + 1], dtype=np.uint64))
    assert unsigned.index_of(np.array([2**63 + 1], dtype=np.uint64)).tolist() == [1]
    for labels in ([2**63, -1], [2**64, 1], [0.5, 2**53 + 1], np.array([2**70, 1], dtype=object)):
        with pytest.raises(ValueError, match="more than 63 bits.*Make all labels strings"):
            ClassAttributes(np.eye(2), labels=labels)
        with pytest.raises(ValueError, match="more than 63 bits"):
            per_class_accuracy_score(labels, labels)


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["2020-01-01", "2021-01-01"], dtype="M8[D]"),
        np.array([1, 2], dtype="m8[D]"),
        np.array([1 + 1j, 2]),
        np.zeros(2, "V3"),
        np.array([(1, 2.0), (2, 3.0)], dtype="i4,f8"),
    ],
)
def test_labels_of_no_kind_are_refused(labels):
    with pytest.raises(ValueError, match="labels must be numbers or strings"):
        ClassAttributes(np.eye(2), labels=labels)


@pytest.mark.parametrize("labels", [[[1, 2], [3]], [[1], [2]], np.eye(2)])
def test_labels_of_more_dimensions(labels):
    with pytest.raises(ValueError, match="labels must be one-dimensional"):
        ClassAttributes(np.eye(2), labels=labels)


def test_variable_strings_are_strings():
    y = np.array(["b", "a", "b", "cc"], dtype=np.dtypes.StringDType())
    table = ClassAttributes(np.eye(3), labels=y[1:])
    assert table.labels.tolist() == ["a", "b", "cc"]
    assert table.index_of(y).tolist() == [1, 0, 1, 2]
    assert per_class_accuracy_score(y, y) == 1.0
    scores = gzsl_scores(y, y, seen_classes={"a", "b"})
    assert (scores.unseen, scores.seen) == (1.0, 1.0)
