"""Masks, gaps and kinds of numbers that are none: honoured or refused in every argument."""

import datetime
import decimal
import fractions

import numpy as np
import pytest

import zslearn
from zslearn import ClassAttributes, ESZSLClassifier
from zslearn._containers import as_real_array
from zslearn.base import check_class_attributes
from zslearn.datasets import load_awa2, load_cub, load_image_folder, load_sun, load_xlsa17
from zslearn.feature_extraction import FeatureStore
from zslearn.metrics import ausuc_score, per_class_accuracy_score
from zslearn.model_selection import SeenUnseenKFold, gzsl_train_test_split

VALUES = np.array([[1.0, -999.0], [3.0, 1.0], [2.0, 5.0]])


def masked(values, every=2):
    values = np.asarray(values)
    return np.ma.masked_array(values, np.arange(values.size).reshape(values.shape) % every == 0)


def test_masked_values_of_a_table_are_unknown():
    table = ClassAttributes(np.ma.masked_equal(VALUES, -999))
    assert table.values.tolist() == [[1, 3], [3, 1], [2, 5]]
    assert table.missing_mask.tolist() == [[False, True], [False, False], [False, False]]
    zero = ClassAttributes(np.ma.masked_equal(VALUES, -999), missing="zero", missing_values=5)
    assert zero.values.tolist() == [[1, 0], [3, 1], [2, 0]]
    assert zero.missing_mask.tolist() == [[False, True], [False, False], [False, True]]
    nothing = ClassAttributes(np.ma.masked_array(VALUES, False))
    assert nothing == ClassAttributes(VALUES)
    with pytest.raises(ValueError, match="no known value"):
        ClassAttributes(np.ma.masked_array(VALUES, [[0, 1]] * 3))
    with pytest.raises(ValueError, match="one masked array"):
        ClassAttributes(list(np.ma.masked_equal(VALUES, -999)))
    with pytest.raises(ValueError, match="one masked array"):
        ClassAttributes([[1.0, np.ma.masked], [1.0, 2.0]])


def test_a_masked_table_keeps_its_mask_in_fit():
    table = check_class_attributes(np.ma.masked_equal(VALUES, -999), np.array([0, 1, 2, 0]))
    assert table.values[0].tolist() == [1, 3]


@pytest.mark.parametrize(
    "call",
    [
        lambda y: ClassAttributes(VALUES, labels=masked([0, 1, 2])),
        lambda y: ClassAttributes(VALUES, word_vectors=masked(np.ones((2, 3)))),
        lambda y: ClassAttributes(
            VALUES, attribute_names=["a", "b"], word_vectors={"a": masked([1, 2]), "b": [1, 2]}
        ),
        lambda y: per_class_accuracy_score(masked(y), y),
        lambda y: per_class_accuracy_score(y, masked(y)),
        lambda y: per_class_accuracy_score(y, y, sample_weight=masked(np.ones(12))),
        lambda y: ausuc_score(y, masked(np.ones((12, 3))), classes=[0, 1, 2], seen_classes=[0]),
        lambda y: ausuc_score(y, np.ones((12, 3)), classes=masked([0, 1, 2]), seen_classes=[0]),
        lambda y: list(SeenUnseenKFold(2).split(np.zeros((12, 1)), masked(y))),
        lambda y: gzsl_train_test_split(masked(y), n_unseen=1),
        lambda y: ClassAttributes(VALUES).index_of(masked([0, 1])),
    ],
)
def test_masked_values_are_refused_elsewhere(call):
    with pytest.raises(ValueError, match="masked"):
        call(np.arange(12) % 3)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([["1", "2"]], "text"),
        (np.array([["1", "2"]], dtype=object), "text such as '1'"),
        (np.array([[1, "2"]], dtype=object), "text such as '2'"),
        (np.array([["1", "2"]], dtype=np.dtypes.StringDType()), "text"),
        ([[b"1", b"2"]], "bytes"),
        (VALUES + 1j, "complex"),
        (np.array([[1, 2j]], dtype=object), "complex"),
        (VALUES.astype("M8[s]"), "dates"),
        (VALUES.astype("m8[s]"), "spans of time"),
        ([[datetime.date(2020, 1, 1), 1]], "dates or times"),
        (np.zeros((2, 2), dtype=[("a", float)]), "records"),
        ([[10**400, 1]], "too large"),
    ],
)
def test_what_is_no_number_is_refused(values, found):
    with pytest.raises(ValueError, match=f"values must be a table of numbers.*{found}"):
        ClassAttributes(values)


RAGGED = [[1, 2], [3]]
FITTED = ESZSLClassifier().fit([[1, 0], [0, 1]] * 3, [0, 1] * 3, class_attributes=np.eye(2))


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda: ClassAttributes(RAGGED), "values"),
        (lambda: ClassAttributes(VALUES, labels=RAGGED), "labels"),
        (lambda: FITTED.predict_from_uncalibrated(RAGGED), "scores"),
        (lambda: ESZSLClassifier().fit(VALUES, RAGGED), "y"),
        (lambda: per_class_accuracy_score(RAGGED, [0, 1]), "y_true"),
        (lambda: ausuc_score([0, 1], RAGGED, classes=[0, 1], seen_classes=[0]), "y_score"),
    ],
)
def test_ragged_lists_are_refused_by_name(call, argument):
    with pytest.raises(ValueError, match=f"^{argument} must be .*: the items of this list differ"):
        call()


@pytest.mark.parametrize("X", [None, 5, 0.5, 1j, object(), {"a": 1}, {1, 2}, iter([1]), int])
def test_what_is_no_array_of_features(X):
    for call in (lambda: FITTED.predict(X), lambda: ESZSLClassifier().fit(X, [0, 1])):
        with pytest.raises(TypeError, match=f"X must be .*{type(X).__name__}"):
            call()


def test_numbers_of_samples_that_differ():
    with pytest.raises(ValueError, match="inconsistent numbers of samples: 3 and 2. Give each"):
        ESZSLClassifier().fit(np.eye(3), [0, 1])


@pytest.mark.parametrize("path", [None, 3, 0.5, [], object()])
@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda path: zslearn.load(path), "path"),
        (lambda path: zslearn.save(FITTED, path), "path"),
        (lambda path: FeatureStore(path), "folder"),
        (lambda path: load_cub(path), "root"),
        (lambda path: load_sun(path), "root"),
        (lambda path: load_awa2(path), "root"),
        (lambda path: load_image_folder(path), "folder"),
        (lambda path: load_xlsa17(path, "CUB"), "root"),
    ],
)
def test_what_is_no_path(call, argument, path):
    found = type(path).__name__
    with pytest.raises(TypeError, match=f"{argument} must be the path of a .*, found {found}"):
        call(path)


def test_numbers_of_other_kinds_are_read():
    values = [[fractions.Fraction(1, 2), decimal.Decimal("0.25")], [True, 2**70]]
    assert ClassAttributes(values).values.tolist() == [[0.5, 0.25], [1, 2.0**70]]
    assert as_real_array([[1, None]], "values").tolist()[0][0] == 1
    assert ClassAttributes([[0.5, 1]], missing_values=fractions.Fraction(1, 3)).n_classes == 1
    torch = pytest.importorskip("torch")
    tensor = torch.ones((2, 2), dtype=torch.bfloat16, requires_grad=True)
    assert ClassAttributes(tensor).values.tolist() == [[1, 1], [1, 1]]
    with pytest.raises(ValueError, match="complex"):
        ClassAttributes(torch.complex(*[torch.ones(2, 2)] * 2))
    with pytest.raises(ValueError, match="sparse"):
        ClassAttributes(torch.eye(2).to_sparse())


@pytest.mark.parametrize("argument", ["labels", "attribute_names"])
@pytest.mark.parametrize("given", [{"a", "b"}, {"a": 1, "b": 2}])
def test_names_without_order_are_refused(argument, given):
    with pytest.raises(TypeError, match=f"{argument} is a (set|dict)"):
        ClassAttributes(np.eye(2), **{argument: given})


@pytest.mark.parametrize("names", [5, "ab", b"ab"])
def test_attribute_names_are_a_sequence(names):
    with pytest.raises(TypeError, match="attribute_names must be a sequence of 2 names"):
        ClassAttributes(np.eye(2), attribute_names=names)
    with pytest.raises(ValueError, match="no name at position"):
        ClassAttributes(np.eye(2), attribute_names=["a", None])
