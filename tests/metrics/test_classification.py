import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score

from zslearn.metrics import (
    GZSLScores,
    czsl_accuracy_score,
    gzsl_harmonic_mean_score,
    gzsl_scores,
    per_class_accuracy_score,
)

NAMES = np.array(["zebra", "ant", "yak", "cat", "okapi", "bat", "dog", "eel"])


@st.composite
def labelled(draw, n_classes=5):
    n = draw(st.integers(1, 30))
    labels = st.lists(st.integers(0, n_classes - 1), min_size=n, max_size=n)
    return np.array(draw(labels)), np.array(draw(labels))


def test_classes_count_the_same_whatever_their_size():
    y_true = [0] * 8 + [1] * 2
    y_pred = [0] * 6 + [1] * 2 + [0, 1]
    assert per_class_accuracy_score(y_true, y_pred) == (6 / 8 + 1 / 2) / 2


@settings(max_examples=50, deadline=None)
@given(labelled())
def test_equals_balanced_accuracy(data):
    y_true, y_pred = data
    expected = np.mean([np.mean(y_pred[y_true == c] == c) for c in np.unique(y_true)])
    assert per_class_accuracy_score(y_true, y_pred) == pytest.approx(expected, abs=1e-15)


def test_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    y_true, y_pred = rng.integers(0, 4, (2, 200))
    expected = balanced_accuracy_score(y_true, y_pred)
    assert per_class_accuracy_score(y_true, y_pred) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(
    ("y_true", "y_pred"),
    [
        (["b", "b", "a", "a"], ["b", "a", "a", "a"]),
        (np.array(["b", "b", "a", "a"], dtype=object), ["b", "a", "a", "a"]),
        ([True, True, False, False], [True, False, False, False]),
        (np.array([7, 7, -1, -1]), np.array([7, -1, -1, -1], dtype=np.int8)),
        ([[1], [1], [0], [0]], [1, 0, 0, 0]),
    ],
    ids=["str", "object", "bool", "int", "column"],
)
def test_label_dtypes(y_true, y_pred):
    assert per_class_accuracy_score(y_true, y_pred) == 0.75


def test_labels_choose_and_order_classes():
    y_true, y_pred = [2, 2, 0, 1], [2, 0, 0, 9]
    accuracies = per_class_accuracy_score(y_true, y_pred, labels=[2, 5, 1], average=None)
    np.testing.assert_array_equal(accuracies, [0.5, np.nan, 0.0])
    assert per_class_accuracy_score(y_true, y_pred, labels=[2, 5, 1]) == 0.25
    np.testing.assert_array_equal(
        per_class_accuracy_score(y_true, y_pred, average=None), [1.0, 0.0, 0.5]
    )


@pytest.mark.parametrize(
    ("y_true", "y_pred", "kwargs", "message"),
    [
        ([0, 1], [0, 1], {"labels": [5, 6]}, r"None of labels \[5, 6\] is present in y_true"),
        ([0, 1], [0, 1], {"labels": [0, 0]}, r"labels must not repeat a label; found \[0\]"),
        ([0, 1], [0], {}, "y_pred has 1 rows but y_true has 2"),
        ([0, 1], ["0", "1"], {}, "number labels but y_pred holds string labels"),
        ([], [], {}, "y_true is empty"),
        ([0.0, np.nan], [0, 1], {}, "y_true holds NaN"),
        ([[0, 1]], [0, 1], {}, "y_true must be one-dimensional"),
        ([0, 1], [0, 1], {"average": "micro"}, "'average' parameter"),
    ],
)
def test_per_class_accuracy_refuses(y_true, y_pred, kwargs, message):
    with pytest.raises(ValueError, match=message):
        per_class_accuracy_score(y_true, y_pred, **kwargs)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array(["a", 1], dtype=object), "mixes strings"),
        (np.array(["a", None], dtype=object), "mixes strings"),
        (np.array([1, None], dtype=object), "y_true must hold integers"),
    ],
)
def test_unusable_labels_are_refused(labels, message):
    with pytest.raises(TypeError, match=message):
        per_class_accuracy_score(labels, [0, 1])


@settings(max_examples=50, deadline=None)
@given(labelled(), st.permutations(range(5)), st.randoms(use_true_random=False))
def test_invariances(data, renaming, random):
    y_true, y_pred = data
    seen = [0, 1, 2]
    expected = gzsl_scores(y_true, y_pred, seen_classes=seen, undefined="nan")
    order = list(range(len(y_true)))
    random.shuffle(order)
    names = NAMES[np.array(renaming)]
    variants = {
        "order": (y_true[order], y_pred[order], seen),
        "renamed": (names[y_true], names[y_pred], names[seen]),
        "doubled": (np.tile(y_true, 2), np.tile(y_pred, 2), seen),
    }
    for name, (truth, predictions, seen_labels) in variants.items():
        scores = gzsl_scores(truth, predictions, seen_classes=seen_labels, undefined="nan")
        np.testing.assert_array_equal(scores, expected, err_msg=name)


def test_gzsl_scores_by_hand():
    y_true = ["s", "s", "s", "s", "u", "u", "v"]
    y_pred = ["s", "s", "s", "u", "u", "v", "s"]
    scores = gzsl_scores(y_true, y_pred, seen_classes=["s"])
    assert scores == (0.25, 0.75, 0.375)
    assert scores == (scores.U, scores.S, scores.H)
    assert isinstance(scores, GZSLScores)
    assert pickle.loads(pickle.dumps(scores)) == scores
    assert gzsl_harmonic_mean_score(y_true, y_pred, seen_classes=["s"]) == 0.375


def test_harmonic_mean_of_zeros_is_zero():
    assert gzsl_scores([0, 1], [1, 0], seen_classes=[0]) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("y_true", "message", "nan"),
    [
        ([0, 0], "no sample of an unseen class", (np.nan, 1.0, np.nan)),
        ([1, 1], "no sample of a seen class", (0.0, np.nan, np.nan)),
    ],
)
def test_undefined_side(y_true, message, nan):
    for function in (gzsl_scores, gzsl_harmonic_mean_score):
        with pytest.raises(ValueError, match=message):
            function(y_true, [0, 0], seen_classes=[0])
    scores = gzsl_scores(y_true, [0, 0], seen_classes=[0], undefined="nan")
    np.testing.assert_array_equal(scores, nan)
    assert np.isnan(gzsl_harmonic_mean_score(y_true, [0, 0], seen_classes=[0], undefined="nan"))


def test_seen_classes_of_another_type_are_refused():
    with pytest.raises(ValueError, match="seen_classes holds string labels"):
        gzsl_scores([0, 1], [0, 1], seen_classes=["0"])


def test_czsl_leaves_out_seen_columns_and_seen_samples():
    classes = np.array([3, 0, 1, 2])
    y_true = [1, 1, 2, 0, 3]
    y_score = np.array(
        [[9, 9, 2, 1], [9, 9, 1, 2], [9, 9, 0, 1], [0, 9, 1, 2], [0, 0, 1, 2]], dtype=np.float16
    )
    assert czsl_accuracy_score(y_true, y_score, classes=classes, seen_classes=[0, 3]) == 0.75


def test_czsl_candidates_include_unseen_classes_without_samples():
    y_score = [[0, 1, 2]]
    assert czsl_accuracy_score([1], y_score, classes=[0, 1, 2], seen_classes=[0]) == 0.0


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), st.permutations(range(6)))
def test_czsl_does_not_depend_on_the_order_of_columns(seed, order):
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, 6, 20)
    y_true[0] = 5
    y_score = rng.integers(0, 3, (20, 6))  # many ties
    classes = NAMES[:6]
    expected = czsl_accuracy_score(
        classes[y_true], y_score, classes=classes, seen_classes=classes[:3]
    )
    order = np.array(order)
    shuffled = czsl_accuracy_score(
        classes[y_true], y_score[:, order], classes=classes[order], seen_classes=classes[2::-1]
    )
    assert shuffled == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_true": [0, 0]}, "no sample of an unseen class"),
        ({"y_true": [1, 7]}, r"y_true holds \[7\], absent from classes"),
        ({"seen_classes": [0, 8]}, r"seen_classes holds \[8\], absent from classes"),
        ({"seen_classes": [0, 1, 2]}, "no class is unseen"),
        ({"classes": [0, 1, 1]}, "classes must not repeat a label"),
        ({"classes": [0, 1]}, "y_score has 3 columns but classes names 2"),
        ({"y_score": [[0, 1, 2]]}, "y_score has 1 rows but y_true has 2"),
        ({"y_score": [[0, 1, np.nan], [0, np.inf, 0]]}, "y_score holds 2 NaN or infinite values"),
    ],
)
def test_czsl_refuses(changes, message):
    arguments = {
        "y_true": [1, 2],
        "y_score": [[0, 1, 2], [0, 1, 2]],
        "classes": [0, 1, 2],
        "seen_classes": [0],
    }
    arguments |= changes
    with pytest.raises(ValueError, match=message):
        czsl_accuracy_score(arguments.pop("y_true"), arguments.pop("y_score"), **arguments)


def test_import_is_light():
    # scikit-learn may import pandas itself: only what zslearn.metrics adds counts.
    code = (
        "import sys, sklearn.pipeline; before = set(sys.modules); import zslearn.metrics; "
        "heavy = {'torch', 'matplotlib', 'pandas'}; "
        "print(sorted(heavy & set(sys.modules) - before), 'torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[] False"


def test_sample_weights_count_within_a_class():
    y_true, y_pred = ["a", "a", "a", "b"], ["a", "b", "b", "b"]
    weighted = per_class_accuracy_score(y_true, y_pred, sample_weight=[6, 1, 1, 100])
    assert weighted == (6 / 8 + 1) / 2
    repeated = per_class_accuracy_score(y_true[:1] * 6 + y_true[1:], y_pred[:1] * 6 + y_pred[1:])
    assert weighted == repeated
    unit = per_class_accuracy_score(y_true, y_pred, sample_weight=np.ones(4))
    assert unit == per_class_accuracy_score(y_true, y_pred)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 1], r"shape \(3,\)"),
        ([1, -1, 1], "not negative"),
        ([1, np.nan, 1], "finite"),
        ([1, 1, 0], r"0 for every sample of \['b'\]"),
    ],
)
def test_bad_sample_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        per_class_accuracy_score(["a", "a", "b"], ["a", "b", "b"], sample_weight=weights)
