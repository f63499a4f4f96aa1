import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zslearn.metrics import class_semantic_error, semantic_error_increase

LABELS = np.array(["yak", "ant", "cat", "bat"])


def problem(seed=0, n=25, k=3):
    rng = np.random.default_rng(seed)
    y = np.concatenate([[0, 2], rng.integers(0, 3, n - 2)])  # "bat" has no sample
    table = rng.normal(size=(4, k))
    return LABELS[y], table[y] + rng.normal(size=(n, k)), table


def scaled(values, normalize):
    if normalize == "minmax":
        return (values - values.min(axis=0)) / (values.max(axis=0) - values.min(axis=0))
    if normalize == "standard":
        return (values - values.mean(axis=0)) / values.std(axis=0)
    if normalize == "l2":
        return values / np.sqrt((values**2).sum(axis=1, keepdims=True))
    return values


@pytest.mark.parametrize("normalize", ["minmax", "standard", "l2", None])
def test_equation_14(normalize):
    y, predicted, table = problem()
    classes, errors = class_semantic_error(y, predicted, table, classes=LABELS, normalize=normalize)
    np.testing.assert_array_equal(classes, ["ant", "cat", "yak"])
    s, annotated = scaled(predicted, normalize), scaled(table, normalize)
    for label, row in zip(classes, errors, strict=True):
        c = LABELS.tolist().index(label)
        expected = np.mean([(s_n - annotated[c]) ** 2 for s_n in s[y == label]], axis=0)
        np.testing.assert_allclose(row, expected, rtol=1e-12)


def test_by_hand_without_normalisation():
    result = class_semantic_error(
        [1, 0, 1], [[1, 2], [0, 0], [3, 2]], [[0, 1], [1, 1]], normalize=None
    )
    np.testing.assert_array_equal(result.classes, [0, 1])
    np.testing.assert_array_equal(result.errors, [[0, 1], [2, 1]])
    assert result.mean == 1.0


def test_rows_may_be_named_by_the_table():
    y, predicted, table = problem()
    expected = class_semantic_error(y, predicted, table, classes=LABELS)
    named = SimpleNamespace(values=table, labels=LABELS)
    pd = pytest.importorskip("pandas")
    for source in (named, pd.DataFrame(table, index=LABELS)):
        result = class_semantic_error(y, predicted, source)
        np.testing.assert_array_equal(result.classes, expected.classes)
        np.testing.assert_array_equal(result.errors, expected.errors)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), st.permutations(range(4)), st.permutations(range(25)))
def test_order_does_not_matter(seed, rows, samples):
    y, predicted, table = problem(seed)
    rows, samples = np.array(rows), np.array(samples)
    a = class_semantic_error(y, predicted, table, classes=LABELS)
    b = class_semantic_error(y[samples], predicted[samples], table[rows], classes=LABELS[rows])
    np.testing.assert_array_equal(a.classes, b.classes)
    np.testing.assert_allclose(a.errors, b.errors, rtol=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(["minmax", "standard"]))
def test_scale_and_offset_of_an_attribute_do_not_matter(seed, normalize):
    y, predicted, table = problem(seed)
    scale, offset = np.array([0.01, 1.0, 300.0]), np.array([5.0, -1.0, 7.0])
    a = class_semantic_error(y, predicted, table, classes=LABELS, normalize=normalize)
    b = class_semantic_error(
        y, predicted * scale + offset, table / scale - offset, classes=LABELS, normalize=normalize
    )
    np.testing.assert_allclose(a.errors, b.errors, rtol=1e-8, atol=1e-10)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000))
def test_duplicated_samples_do_not_matter(seed):
    y, predicted, table = problem(seed)
    a = class_semantic_error(y, predicted, table, classes=LABELS)
    b = class_semantic_error(np.tile(y, 2), np.tile(predicted, (2, 1)), table, classes=LABELS)
    np.testing.assert_allclose(a.errors, b.errors, rtol=1e-12)


@pytest.mark.parametrize("normalize", ["minmax", "standard", "l2"])
def test_constant_columns_and_zero_rows(normalize):
    # 0.1 three times: its mean is not 0.1 in floating point.
    predicted = np.array([[0.1, 0.0], [0.1, 0.0], [0.1, 0.0]])
    table = np.array([[0.0, 0.0], [0.3, 0.0]])
    errors = class_semantic_error([0, 0, 1], predicted, table, normalize=normalize).errors
    assert np.isfinite(errors).all()
    np.testing.assert_array_equal(errors[:, 1], 0)
    expected = {"minmax": [0, 1], "standard": [1, 1], "l2": [1, 0]}[normalize]
    np.testing.assert_array_equal(errors[:, 0], expected)


def test_l2_of_extreme_values():
    predicted, table = [[3e200, 4e200], [3e-200, 4e-200]], [[3, 4], [3, 4]]
    errors = class_semantic_error([0, 1], predicted, table, normalize="l2").errors
    np.testing.assert_allclose(errors, 0, atol=1e-30)


def test_increase_of_table_4():
    # The paper's figures: .146 and .174, an increase of 19.1 % (computed from unrounded errors).
    predicted = np.sqrt([[0.146], [0.174]])
    result = semantic_error_increase(
        [0, 1], predicted, [[0.0], [0.0]], seen_classes=[0], normalize=None
    )
    assert result == pytest.approx((0.146, 0.174, 0.028 / 0.146), rel=1e-12)


@pytest.mark.parametrize("normalize", ["minmax", "standard", "l2", None])
def test_increase_is_that_of_the_error_matrix(normalize):
    y, predicted, table = problem(5)
    kwargs = {"classes": LABELS, "normalize": normalize}
    classes, errors = class_semantic_error(y, predicted, table, **kwargs)
    result = semantic_error_increase(y, predicted, table, seen_classes=["ant", "bat"], **kwargs)
    seen, unseen = errors[classes == "ant"].mean(), errors[classes != "ant"].mean()
    assert result == pytest.approx((seen, unseen, (unseen - seen) / seen), rel=1e-12)


def test_increase_over_no_error():
    table = [[1.0], [2.0]]
    better = semantic_error_increase([0, 1], [[1], [3]], table, seen_classes=[0], normalize=None)
    assert better == (0.0, 1.0, math.inf)
    none = semantic_error_increase([0, 1], [[1], [2]], table, seen_classes=[0], normalize=None)
    assert none[:2] == (0.0, 0.0)
    assert math.isnan(none.relative_increase)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_true": [0, 2]}, "classes is needed"),
        ({"y_true": ["a", "b"]}, "classes is needed"),
        ({"classes": [0, 1, 2]}, "class_attributes has 2 rows but classes names 3"),
        ({"classes": [1, 1]}, "classes must not repeat a label"),
        ({"classes": [0, 5]}, r"y_true holds \[1\], which class_attributes does not describe"),
        ({"classes": ["a", "b"]}, "classes holds string labels"),
        ({"attributes_pred": [[1, 2], [3, 4]]}, "attributes_pred has 2 columns"),
        ({"attributes_pred": [[1]]}, "attributes_pred has 1 rows"),
        ({"attributes_pred": [[1], [np.nan]]}, "attributes_pred holds 1 NaN"),
        ({"class_attributes": [[1], [np.inf]]}, "class_attributes holds 1 NaN"),
        ({"normalize": "max"}, "'normalize' parameter"),
    ],
)
def test_refusals(changes, message):
    arguments = {
        "y_true": [0, 1],
        "attributes_pred": [[1.0], [2.0]],
        "class_attributes": [[1.0], [2.0]],
    }
    arguments |= changes
    with pytest.raises(ValueError, match=message):
        class_semantic_error(**arguments)
    with pytest.raises(ValueError, match=message):
        semantic_error_increase(**arguments, seen_classes=[0])


@pytest.mark.parametrize(
    ("seen", "message"), [([0, 1], "no sample of an unseen"), ([7], "no sample of a seen")]
)
def test_increase_needs_both_sides(seen, message):
    with pytest.raises(ValueError, match=message):
        semantic_error_increase([0, 1], [[1], [2]], [[1], [2]], seen_classes=seen)
