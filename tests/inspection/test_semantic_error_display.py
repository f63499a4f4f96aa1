import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from zslearn import ClassAttributes
from zslearn.base import ZeroShotClassifierMixin
from zslearn.inspection import SemanticErrorDisplay
from zslearn.inspection._matrix_axes import label_attributes, label_rows
from zslearn.metrics import class_semantic_error, semantic_error_increase
from zslearn.model_selection import RowView

plt = pytest.importorskip("matplotlib.pyplot")

TABLE = ClassAttributes(
    [[0, 10, 4], [1, 20, 4], [1, 10, 8]],
    labels=["cat", "dog", "okapi"],
    attribute_names=["big", "has_fur::short", "has_fur::long"],
)
Y = ["cat", "cat", "dog", "okapi"]
PREDICTED = np.array([[0.0, 1.0, 5.0], [1.0, 3.0, 5.0], [1.0, 5.0, 6.0], [0.5, 1.0, 9.0]])
# Each column to [0, 1], over the samples and over the table, subtracted and squared:
#   predicted           annotated
#   0    0    0         cat   0 0 0
#   1    .5   0         cat   0 0 0
#   1    1    .25       dog   1 1 0
#   .5   0    1         okapi 1 0 1
ERRORS = [[0.5, 0.125, 0.0], [0.0, 0.0, 0.0625], [0.25, 0.0, 0.0]]
SEEN, UNSEEN = (0.625 / 3 + 0.0625 / 3) / 2, 0.25 / 3


class Given(ZeroShotClassifierMixin, BaseEstimator):
    """X is what is predicted."""

    def fit(self, X, y, class_attributes):
        self.class_attributes_ = class_attributes
        self.classes_ = class_attributes.labels
        self.seen_classes_ = np.unique(y)
        self.n_features_in_ = X.shape[1]
        return self

    def _class_scores(self, X, table):
        return np.asarray(X) @ table.values.T

    def predict_attributes(self, X):
        return np.asarray(X)


@pytest.fixture
def given():
    return Given().fit(PREDICTED[:3], np.array(Y[:3]), TABLE)


def from_predictions(**options):
    return SemanticErrorDisplay.from_predictions(
        Y, PREDICTED, TABLE, seen_classes=["cat", "dog"], **options
    )


def ticks(axis):
    names = [text.get_text() for text in axis.get_ticklabels()]
    return dict(zip(axis.get_ticklocs(), names, strict=True))


def test_matrices_of_seen_and_unseen_classes():
    display = from_predictions()
    np.testing.assert_allclose(display.errors, ERRORS, rtol=1e-15)
    np.testing.assert_allclose(display.images_[0].get_array(), ERRORS[:2], rtol=1e-15)
    np.testing.assert_allclose(display.images_[1].get_array(), ERRORS[2:], rtol=1e-15)
    assert [image.get_clim() for image in display.images_] == [(0, 0.5), (0, 0.5)]
    assert display.colorbar_.mappable is display.images_[0]
    seen, unseen = display.axes_
    assert ticks(seen.yaxis) == {0: "cat", 1: "dog"}
    assert ticks(unseen.yaxis) == {0: "okapi"}
    assert (seen.get_ylabel(), unseen.get_ylabel()) == ("2 seen classes", "1 unseen class")
    assert ticks(unseen.xaxis) == {0: "big", 1: "fur: short", 2: "fur: long"}
    assert not any(label.get_visible() for label in seen.get_xticklabels())
    assert seen.figure is unseen.figure is display.figure_


def test_title_tells_averages_and_increase():
    display = from_predictions()
    assert display.seen_error == pytest.approx(SEEN, rel=1e-15)
    assert display.unseen_error == pytest.approx(UNSEEN, rel=1e-15)
    assert display.relative_increase == pytest.approx((UNSEEN - SEEN) / SEEN, rel=1e-13)
    # 0.11458 and 0.08333: 27.3 % less.
    expected = "seen 0.115, unseen 0.083 (\N{MINUS SIGN}27.3 %)"
    assert display.axes_[0].get_title() == f"semantic error: {expected}"
    assert from_predictions(name="CVsC").axes_[0].get_title() == f"CVsC\n{expected}"
    assert from_predictions().axes_[1].get_title() == ""


def test_numbers_are_those_of_the_metrics(given):
    for normalize in ("minmax", "standard", "l2", None):
        display = from_predictions(normalize=normalize)
        options = {"normalize": normalize}
        np.testing.assert_array_equal(
            display.errors, class_semantic_error(Y, PREDICTED, TABLE, **options).errors
        )
        averages = semantic_error_increase(
            Y, PREDICTED, TABLE, seen_classes=["cat", "dog"], **options
        )
        found = (display.seen_error, display.unseen_error, display.relative_increase)
        assert found == tuple(averages)
        of_model = SemanticErrorDisplay.from_estimator(given, PREDICTED, Y, normalize=normalize)
        np.testing.assert_array_equal(of_model.errors, display.errors)


@pytest.mark.parametrize(
    ("rows", "title", "label"),
    [
        # Normalised over these samples: cat .5 .125 0, dog 0 0 1; the mean of six.
        (slice(0, 3), "seen 0.271 (no unseen classes)", "2 seen classes"),
        # One sample does not vary: 0 0 0 against 1 0 1.
        (slice(3, 4), "unseen 0.667 (no seen classes)", "1 unseen class"),
    ],
)
def test_one_kind_of_class_has_one_panel(rows, title, label):
    display = SemanticErrorDisplay.from_predictions(
        Y[rows], PREDICTED[rows], TABLE, seen_classes=["cat", "dog"]
    )
    (ax,) = display.axes_
    assert ax.get_title() == f"semantic error: {title}"
    assert ax.get_ylabel() == label
    assert np.isnan(display.relative_increase)
    assert all(text.get_visible() for text in ax.get_xticklabels())


@pytest.mark.parametrize(
    ("seen", "unseen", "increase", "text"),
    [
        (0.0, 0.25, np.inf, "seen 0.000, unseen 0.250"),
        (0.0, 0.0, np.nan, "seen 0.000, unseen 0.000"),
        (0.146, 0.174, 28 / 146, "seen 0.146, unseen 0.174 (+19.2 %)"),
    ],
)
def test_undefined_increase_is_left_out(seen, unseen, increase, text):
    display = SemanticErrorDisplay(
        errors=[[seen], [unseen]],
        classes=[0, 1],
        attribute_names=["a"],
        seen_classes=[0],
        seen_error=seen,
        unseen_error=unseen,
        relative_increase=increase,
    ).plot()
    assert display.axes_[0].get_title() == f"semantic error: {text}"
    assert display.images_[0].get_clim()[0] == 0 < display.images_[0].get_clim()[1]


def test_axes_vmax_and_cmap_are_taken():
    figure, axes = plt.subplots(1, 2)
    display = from_predictions(axes=axes, vmax=0.2, cmap="gray", colorbar=False)
    assert display.axes_.tolist() == axes.tolist()
    assert display.figure_ is figure
    assert display.images_[1].get_clim() == (0, 0.2)
    assert display.images_[1].get_cmap().name == "gray"
    assert display.colorbar_ is None
    assert len(figure.axes) == 2
    assert from_predictions(vmax=0.2).colorbar_.extend == "max"
    assert from_predictions().colorbar_.extend == "neither"
    with pytest.raises(ValueError, match="axes must hold 2 .* seen and unseen .* found 1"):
        from_predictions(axes=axes[0])


def test_pipelines_row_views_and_other_tables(given):
    pipeline = make_pipeline(FunctionTransformer(lambda X: X / 2), given)
    display = SemanticErrorDisplay.from_estimator(pipeline, 2 * PREDICTED, Y)
    np.testing.assert_allclose(display.errors, ERRORS, rtol=1e-15)
    view = RowView(np.vstack([PREDICTED, PREDICTED]))[np.arange(4)]
    display = SemanticErrorDisplay.from_estimator(given, view, Y)
    np.testing.assert_allclose(display.errors, ERRORS, rtol=1e-15)
    frame = pd.DataFrame(
        [[1.0, 10, 8], [0, 10, 4], [1, 20, 4]],
        index=["tapir", "cat", "dog"],
        columns=list(TABLE.attribute_names),
    )
    y = ["tapir" if label == "okapi" else label for label in Y]
    display = SemanticErrorDisplay.from_estimator(given, PREDICTED, y, class_attributes=frame)
    assert display.classes.tolist() == ["cat", "dog", "tapir"]
    np.testing.assert_allclose(display.errors, ERRORS, rtol=1e-15)
    with pytest.raises(ValueError, match="names its attribute 0 'has_fur::long'"):
        SemanticErrorDisplay.from_estimator(
            given, PREDICTED, y, class_attributes=frame[frame.columns[::-1]]
        )


def test_compare_shares_one_colour_scale(given):
    double = make_pipeline(FunctionTransformer(np.square), given)
    displays = SemanticErrorDisplay.compare({"one": given, "squares": double}, PREDICTED, Y)
    assert list(displays) == ["one", "squares"]
    # The squares of the middle column, 1 9 25 1, are 0 1/3 1 0 in [0, 1]: less is wrong.
    squares = class_semantic_error(Y, PREDICTED**2, TABLE).errors
    assert squares[0, 1] == pytest.approx((1 / 3) ** 2 / 2)
    np.testing.assert_array_equal(displays["squares"].images_[0].get_array(), squares[:2])
    np.testing.assert_allclose(displays["one"].images_[1].get_array(), ERRORS[2:])
    largest = max(squares.max(), np.max(ERRORS))
    for display in displays.values():
        assert {image.get_clim() for image in display.images_} == {(0, largest)}
        assert display.colorbar_ is displays["one"].colorbar_
    figure = displays["one"].figure_
    assert len(figure.axes) == 2 * 2 + 1
    assert displays["squares"].axes_[0].get_title().startswith("squares\nseen ")
    left, right = displays["one"].axes_[0], displays["squares"].axes_[0]
    assert left.get_ylabel() == "2 seen classes"
    assert right.get_ylabel() == ""
    assert not any(label.get_visible() for label in right.get_yticklabels())


def test_compare_takes_displays_and_axes():
    first = from_predictions(name="kept")
    _, axes = plt.subplots(2, 2)
    displays = SemanticErrorDisplay.compare({"a": first, "b": first}, vmax=0.75, axes=axes)
    assert displays["b"].axes_.tolist() == axes[:, 1].tolist()
    assert displays["a"].images_[0].get_clim() == (0, 0.75)
    assert displays["a"].name == "a"
    assert first.name == "kept"
    assert first.axes_[0].figure is not displays["a"].figure_


def test_compare_refuses_what_does_not_match(given):
    first = from_predictions()
    other = SemanticErrorDisplay.from_predictions(Y[:3], PREDICTED[:3], TABLE, seen_classes=["cat"])
    with pytest.raises(ValueError, match="models 'a' and 'b' have different test classes"):
        SemanticErrorDisplay.compare({"a": first, "b": other})
    with pytest.raises(ValueError, match=r"models\['b'\] is a Given: X and y are needed"):
        SemanticErrorDisplay.compare({"a": first, "b": given})
    with pytest.raises(ValueError, match="models is empty"):
        SemanticErrorDisplay.compare({})


def test_other_estimators_are_refused(given):
    plain = LogisticRegression().fit(PREDICTED, Y)
    with pytest.raises(TypeError, match="LogisticRegression has no predict_attributes"):
        SemanticErrorDisplay.from_estimator(plain, PREDICTED, Y)
    del given.class_attributes_
    with pytest.raises(TypeError, match="Given has no class_attributes_. Use from_predictions"):
        SemanticErrorDisplay.from_estimator(given, PREDICTED, Y)


def test_shape_of_errors_is_checked():
    with pytest.raises(ValueError, match=r"shape \(2, 1\) and not empty; found shape \(1, 2\)"):
        SemanticErrorDisplay(
            errors=[[1, 2]],
            classes=[0, 1],
            attribute_names=["a"],
            seen_classes=[0],
            seen_error=1,
            unseen_error=2,
            relative_increase=1,
        )


def test_bare_tables_get_numbers_for_names():
    display = SemanticErrorDisplay.from_predictions(
        [0, 1], [[0.0, 1.0], [1.0, 0.0]], [[0, 1], [1, 0]], seen_classes=[0]
    )
    assert display.attribute_names == ("attribute_0", "attribute_1")
    assert ticks(display.axes_[1].yaxis) == {0: "1"}
    display = SemanticErrorDisplay.from_predictions(
        [0, 1], [[0.0], [1.0]], [[0], [1]], seen_classes=[0], attribute_names=["wet"]
    )
    assert ticks(display.axes_[1].xaxis) == {0: "wet"}


def test_many_attributes_are_named_by_group():
    sizes = [20, 4, 2, 40, 14]
    names = [f"has_part_{g}::{k}" for g, size in enumerate(sizes) for k in range(size)]
    _, ax = plt.subplots(figsize=(8, 3))
    label_attributes(ax, names, n_rows=3)
    # 496 points for 80 columns, at least 8 points a name: the third group is 3 columns, 19 points
    # from the second. Its middle lies between its two columns.
    expected = {9.5: "part 0", 21.5: "part 1", 24.5: "part 2", 45.5: "part 3", 72.5: "part 4"}
    assert ticks(ax.xaxis) == expected
    edges = [segment[0][0] for segment in ax.collections[0].get_segments()]
    assert edges == [19.5, 23.5, 25.5, 65.5]
    assert ax.collections[0].get_segments()[0][:, 1].tolist() == [-0.5, 2.5]


def test_small_groups_give_way_where_names_would_overlap():
    names = [f"a::{k}" for k in range(98)] + ["b::0", "b::1"] + [f"c::{k}" for k in range(4)]
    _, ax = plt.subplots(figsize=(2, 3))
    label_attributes(ax, names, n_rows=3)
    # 111.6 points for 104 columns: b and c are 3 columns apart, and the larger of them is named.
    assert ticks(ax.xaxis) == {48.5: "a", 101.5: "c"}


@pytest.mark.parametrize("n", [1, 2, 7, 40, 200])
def test_names_of_rows_fit(n):
    _, ax = plt.subplots(figsize=(4, 3))
    ax.imshow(np.zeros((n, 2)), aspect="auto")
    label_rows(ax, [f"class {i}" for i in range(n)])
    positions = ax.get_yticks()
    height = ax.get_position().height * 3 * 72
    assert len(positions) * 8 <= height + 8
    size = ax.get_yticklabels()[0].get_size()
    step = np.diff(positions).min() if n > 1 else 1
    assert size <= 9
    assert size <= height / n * step


def test_ungrouped_attributes_are_thinned_out():
    _, ax = plt.subplots(figsize=(3, 3))
    label_attributes(ax, [f"attribute_{k}" for k in range(100)], n_rows=3)
    # 167.4 points hold 20 names of 8 points: every fifth.
    assert ticks(ax.xaxis) == {k: f"attribute {k}" for k in range(0, 100, 5)}
    assert not ax.collections


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_no_error_has_the_colour_of_the_paper(style):
    with plt.style.context(style):
        display = from_predictions()
        paper = display.axes_[0].get_facecolor()
        # dog, "big" has no error.
        np.testing.assert_allclose(display.images_[0].to_rgba(0.0), paper)


def test_global_state_is_left_alone():
    before = plt.rcParams.copy()
    from_predictions()
    assert plt.rcParams == before
