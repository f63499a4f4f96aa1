from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from zslearn import ClassAttributes, CVsCClassifier
from zslearn.calibration import FixedCalibrationClassifier
from zslearn.inspection import UnseenConfusionDisplay
from zslearn.metrics import czsl_accuracy_score, gzsl_scores, per_class_accuracy_score
from zslearn.model_selection import RowView

plt = pytest.importorskip("matplotlib.pyplot")
draw = UnseenConfusionDisplay.from_predictions

TABLE = ClassAttributes(
    [
        [1, 0, 0, 0],
        [0, 1, 0, 0],
        [0, 0, 1, 0],
        [0, 0, 0, 1],
        [1, 1, 0, 0],
        [0, 0, 1, 1],
        [1, 1, 1, 0],
    ],
    labels=["a", "b", "c", "d", "p", "q", "r"],
)


@pytest.fixture(scope="module")
def birds():
    """Samples of seven classes, of which p, q and r are unseen."""
    rng = np.random.default_rng(0)
    y = rng.choice(TABLE.labels, size=280)
    X = TABLE.values[TABLE.index_of(y)] + rng.normal(scale=0.6, size=(280, 4))
    return X, y, np.isin(y, list("abcd"))


@pytest.fixture(scope="module")
def fitted(birds):
    X, y, seen = birds
    clf = CVsCClassifier(delta=0.1, max_epochs=3, random_state=0)
    return clf.fit(X[seen], y[seen], class_attributes=TABLE)


def texts(labels):
    return [label.get_text() for label in labels]


def test_matrix_by_hand():
    y_true = ["p", "p", "p", "p", "q", "q", "a", "a"]
    y_pred = ["p", "q", "q", "a", "q", "b", "a", "p"]
    display = draw(y_true, y_pred, seen_classes=["a", "b", "c"])
    np.testing.assert_array_equal(display.confusion_matrix, [[1, 2, 1], [0, 1, 1]])
    np.testing.assert_allclose(display.image_.get_array(), [[0.25, 0.5, 0.25], [0, 0.5, 0.5]])
    assert display.accuracy == 0.375
    ax = display.ax_
    assert texts(ax.get_xticklabels()) == ["p", "q", "a seen class"]
    assert texts(ax.get_yticklabels()) == ["p", "q"]
    assert ax.get_title() == "Among unseen and seen classes: mean per-class accuracy 0.38"
    assert [texts(row) for row in display.text_] == [[".25", ".50", ".25"], ["0", ".50", ".50"]]
    assert display.text_[0, 2].get_position() == (2, 0)
    assert display.image_.get_clim() == (0, 1)


def test_without_seen_predictions_there_is_no_last_column():
    display = draw(["p", "q", "q"], ["p", "q", "p"], seen_classes=["a"])
    np.testing.assert_array_equal(display.confusion_matrix, [[1, 0], [1, 1]])
    assert display.ax_.get_title() == "Among unseen classes: mean per-class accuracy 0.75"


def test_counts():
    display = draw(["p"] * 12 + ["q"], ["p"] * 10 + ["q"] * 3, normalize=None)
    np.testing.assert_array_equal(display.image_.get_array(), [[10, 2], [0, 1]])
    assert [texts(row) for row in display.text_] == [["10", "2"], ["0", "1"]]
    assert display.image_.get_clim() == (0, 10)
    assert display.accuracy == pytest.approx((10 / 12 + 1) / 2)


def test_classes_without_samples_have_an_empty_row():
    display = draw(["p", "q"], ["r", "q"], seen_classes=["a"])
    np.testing.assert_array_equal(display.confusion_matrix, [[0, 0, 1], [0, 1, 0], [0, 0, 0]])
    shown = display.image_.get_array()
    np.testing.assert_array_equal(shown.mask, [[0, 0, 0], [0, 0, 0], [1, 1, 1]])
    assert display.accuracy == 0.5  # of the two with samples
    assert list(display.text_[2]) == [None] * 3


def test_given_labels_are_the_rows():
    y_true, y_pred = [3, 3, 4, 4, 5], [3, 9, 4, 3, 4]
    display = draw(y_true, y_pred, labels=[4, 3], display_labels=["four", "three"])
    np.testing.assert_array_equal(display.confusion_matrix, [[1, 1, 0], [0, 1, 1]])
    assert texts(display.ax_.get_xticklabels()) == ["four", "three", "another class"]
    assert display.ax_.get_title().startswith("Among these and other classes")


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_invariances(seed):
    rng = np.random.default_rng(seed)
    y_true = np.concatenate([np.arange(6), rng.integers(0, 6, 30)])
    y_pred = rng.integers(0, 6, 36)
    order = rng.permutation(np.arange(2, 6))
    display = draw(y_true, y_pred, seen_classes=[0, 1], order=order, labels=rng.permutation(order))
    matrix = display.confusion_matrix
    unseen = y_true > 1
    for i, row in enumerate(order):
        assert matrix[i].sum() == np.count_nonzero(y_true == row)
        for j, column in enumerate(order):
            assert matrix[i, j] == np.count_nonzero((y_true == row) & (y_pred == column))
    assert display.display_labels == [str(label) for label in order]
    expected = per_class_accuracy_score(y_true[unseen], y_pred[unseen])
    assert display.accuracy == pytest.approx(expected)


def test_similar_classes_are_neighbours():
    # Two families whose members alternate in the table.
    values = [[9, 1, 0], [0, 1, 9], [9, 2, 0], [0, 2, 9], [9, 0, 0]]
    labels = ["one", "ten", "two", "twelve", "three"]
    table = ClassAttributes(values, labels=labels)
    display = draw(labels, labels, class_attributes=table)
    places = {name: i for i, name in enumerate(display.display_labels)}
    first = sorted(places[name] for name in ("one", "two", "three"))
    assert first == list(range(first[0], first[0] + 3))
    assert abs(places["ten"] - places["twelve"]) == 1
    # Within the family, too: one (9, 1) is between three (9, 0) and two (9, 2).
    assert abs(places["one"] - places["two"]) == abs(places["one"] - places["three"]) == 1
    np.testing.assert_array_equal(display.confusion_matrix, np.eye(5))
    by_label = draw(labels, labels, class_attributes=table, order="table")
    assert by_label.display_labels == sorted(labels)


def test_conventional_setting_is_t1(birds, fitted):
    X, y, seen = birds
    display = UnseenConfusionDisplay.from_estimator(fitted, X, y)
    assert display.confusion_matrix.shape == (3, 3)
    assert display.confusion_matrix.sum() == np.count_nonzero(~seen)
    scores = fitted.uncalibrated_scores(X)
    known = {"classes": fitted.classes_, "seen_classes": fitted.seen_classes_}
    assert display.accuracy == pytest.approx(czsl_accuracy_score(y, scores, **known))
    y_pred = fitted.predict(X, candidates="unseen")
    for i, row in enumerate(display.display_labels):
        for j, column in enumerate(display.display_labels):
            expected = np.count_nonzero((y == row) & (y_pred == column))
            assert display.confusion_matrix[i, j] == expected


@pytest.mark.parametrize("candidates", [None, "all"])
def test_generalised_setting_is_u(birds, fitted, candidates):
    X, y, _ = birds
    for estimator in (
        fitted,
        FixedCalibrationClassifier(fitted, delta=0.2),
        make_pipeline(FunctionTransformer(), fitted),
    ):
        display = UnseenConfusionDisplay.from_estimator(
            estimator, X, y, candidates=candidates, order="table"
        )
        y_pred = estimator.predict(X)
        expected = gzsl_scores(y, y_pred, seen_classes=fitted.seen_classes_)
        assert display.accuracy == pytest.approx(expected.unseen)
        taken_for_seen = [np.isin(y_pred[y == c], list("abcd")).sum() for c in "pqr"]
        np.testing.assert_array_equal(display.confusion_matrix[:, 3], taken_for_seen)
        assert sum(taken_for_seen) > 0
        assert display.rest_label == "a seen class"
        assert display.display_labels == ["p", "q", "r"]


def test_chosen_candidates(birds, fitted):
    X, y, _ = birds
    display = UnseenConfusionDisplay.from_estimator(
        fitted, X, y, candidates=["q", "p", "a"], order=["q", "p"]
    )
    y_pred = fitted.predict(X, candidates=["q", "p", "a"])
    expected = [[np.sum((y == t) & (y_pred == p)) for p in "qpa"] for t in "qp"]
    np.testing.assert_array_equal(display.confusion_matrix, expected)


def test_classes_described_since_fit(birds, fitted):
    X, y, _ = birds
    new = ClassAttributes([[1, 1, 0, 0], [0, 1, 1, 1]], labels=["p", "zebra"])
    used = y == "p"
    display = UnseenConfusionDisplay.from_estimator(
        fitted, X[used], y[used], class_attributes=new, order="table"
    )
    y_pred = fitted.predict(X[used], class_attributes=new)
    expected = [[np.sum(y_pred == "p"), np.sum(y_pred == "zebra")], [0, 0]]
    np.testing.assert_array_equal(display.confusion_matrix, expected)


def test_only_the_rows_needed_are_read(birds, fitted, tmp_path):
    X, y, _ = birds
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    torch = pytest.importorskip("torch")
    expected = UnseenConfusionDisplay.from_estimator(fitted, X, y).confusion_matrix
    for lazy in (mapped, RowView(mapped), torch.from_numpy(X)):
        display = UnseenConfusionDisplay.from_estimator(fitted, lazy, y)
        np.testing.assert_array_equal(display.confusion_matrix, expected)


def test_refusals(birds, fitted):
    X, y, seen = birds
    of = UnseenConfusionDisplay.from_estimator
    with pytest.raises(NotFittedError):
        of(CVsCClassifier(), X, y)
    with pytest.raises(ValueError, match="y holds no sample of an unseen candidate.*'p', 'q', 'r'"):
        of(fitted, X[seen], y[seen])
    with pytest.raises(ValueError, match="y has 2 labels but X has 3 samples"):
        of(fitted, X[:3], ["p", "q"])
    with pytest.raises(ValueError, match="no description of"):
        of(fitted, X[:2], ["p", "unicorn"])
    with pytest.raises(ValueError, match="candidates holds no unseen class: all 4"):
        of(fitted, X, y, candidates="seen")
    with pytest.raises(ValueError, match="order must be 'similarity', 'table' or an array"):
        of(fitted, X, y, order="size")
    with pytest.raises(ValueError, match="order must hold each of the 3 classes.*'r'"):
        of(fitted, X, y, order=["p", "q"])
    with pytest.raises(ValueError, match="display_labels has 1 names for 3 classes"):
        of(fitted, X, y, display_labels=["P"])
    with pytest.raises(ValueError, match="normalize must be 'true' or None"):
        of(fitted, X, y, normalize="pred")
    with pytest.raises(ValueError, match="needs class_attributes"):
        draw(["p"], ["p"], order="similarity")
    with pytest.raises(ValueError, match="y_pred has 2 labels"):
        draw(["p"], ["p", "q"])
    with pytest.raises(ValueError, match="all its classes are in seen_classes"):
        draw(["p"], ["q"], seen_classes=["p"])
    with pytest.raises(ValueError, match="none of 'q'"):
        draw(["p"], ["p"], labels=["q"])
    with pytest.raises(ValueError, match="'p', which seen_classes holds"):
        draw(["p"], ["p"], labels=["p"], seen_classes=["p"])
    with pytest.raises(ValueError, match=r"found shape \(2, 4\) for 2 labels"):
        UnseenConfusionDisplay(confusion_matrix=np.ones((2, 4)), display_labels="ab")


def test_estimators_without_a_table(birds):
    X, y, _ = birds

    class Foreign:
        classes_ = TABLE.labels
        seen_classes_ = TABLE.labels[:4]

        def decision_function(self, X):
            return X @ TABLE.values.T

    with pytest.raises(ValueError, match="use order='table'"):
        UnseenConfusionDisplay.from_estimator(Foreign(), X, y)
    display = UnseenConfusionDisplay.from_estimator(Foreign(), X, y, order="table")
    y_pred = TABLE.labels[4:][(X @ TABLE.values[4:].T).argmax(axis=1)]
    expected = [[np.sum((y == t) & (y_pred == p)) for p in "pqr"] for t in "pqr"]
    np.testing.assert_array_equal(display.confusion_matrix, expected)


@pytest.mark.parametrize("n", [15, 16, 60, 200])
def test_many_classes_stay_readable(n):
    labels = [f"class {i}" for i in range(n)]
    matrix = np.hstack([np.eye(n, dtype=int), np.ones((n, 1), dtype=int)])
    display = UnseenConfusionDisplay(confusion_matrix=matrix, display_labels=labels).plot()
    assert (display.text_ is None) == (n > 15)
    display.figure_.canvas.draw()
    for axis, way in ((display.ax_.xaxis, "x"), (display.ax_.yaxis, "y")):
        ticks = axis.get_ticklabels()
        # Rotated by 90 degrees or not, neighbours have their height of text to themselves.
        boxes = [tick.get_window_extent() for tick in ticks]
        places = sorted((getattr(box, f"{way}0"), getattr(box, f"{way}1")) for box in boxes)
        overlaps = [one[1] - other[0] for one, other in pairwise(places)]
        assert max(overlaps) < 1.0  # pixel
    assert texts(display.ax_.get_xticklabels())[-1] == "a seen class"
    figure = display.figure_.get_window_extent()
    whole = display.ax_.get_tightbbox()
    assert figure.x0 <= whole.x0
    assert whole.x1 <= figure.x1
    assert figure.y0 <= whole.y0
    assert whole.y1 <= figure.y1


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_text_stands_out_and_nothing_global_is_changed(style):
    with plt.style.context(style):
        before = dict(matplotlib.rcParams)
        display = draw(["p", "q", "q"], ["p", "q", "p"])
        assert dict(matplotlib.rcParams) == before
        for (i, j), text in np.ndenumerate(display.text_):
            cell = display.image_.cmap(display.image_.norm(display.image_.get_array()[i, j]))
            luminance = np.dot(cell[:3], (0.2126, 0.7152, 0.0722))
            assert abs(luminance - {"white": 1, "black": 0}[text.get_color()]) >= 0.5


def test_options():
    figure, ax = plt.subplots()
    display = draw(["p", "q"], ["p", "p"], ax=ax, cmap="magma", vmax=0.5)
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert display.image_.get_cmap().name == "magma"
    assert display.image_.get_clim() == (0, 0.5)
    assert len(figure.axes) == 2  # with the colour bar
    display.plot(colorbar=False, include_values=False)
    assert display.text_ is None
    assert len(display.figure_.axes) == 1
