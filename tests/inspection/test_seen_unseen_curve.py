import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from zslearn import ClassAttributes, CVsCClassifier
from zslearn.calibration import FixedCalibrationClassifier, TunedCalibrationClassifierCV
from zslearn.ensemble import SeedEnsembleClassifier
from zslearn.inspection import SeenUnseenCurveDisplay
from zslearn.inspection._style import LINESTYLES, PALETTE
from zslearn.metrics import (
    SeenUnseenCurve,
    ausuc_score,
    ausuc_scorer,
    gzsl_scores,
    seen_unseen_curve,
)
from zslearn.model_selection import RowView, SeenUnseenKFold

plt = pytest.importorskip("matplotlib.pyplot")

TRUTH = [0, 0, 1, 1]
SCORES = [[3, 1], [2, 2], [4, 1], [1, 0]]
KNOWN = {"classes": [0, 1], "seen_classes": [0]}
TABLE = ClassAttributes(
    [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]],
    labels=["a", "b", "c", "d", "e", "f"],
)


@pytest.fixture(scope="module")
def birds():
    """Samples of six classes, of which the last two are unseen, with noise to be confused by."""
    rng = np.random.default_rng(0)
    y = rng.choice(TABLE.labels, size=300)
    X = TABLE.values[TABLE.index_of(y)] + rng.normal(scale=0.5, size=(300, 4))
    return X, y, ~np.isin(y, ["e", "f"])


@pytest.fixture(scope="module")
def fitted(birds):
    X, y, seen = birds
    clf = CVsCClassifier(delta=0.3, max_epochs=3, random_state=0)
    return clf.fit(X[seen], y[seen], class_attributes=TABLE)


def area_under(line):
    x, height = line.get_xydata().T
    return np.sum(np.diff(x) * (height[1:] + height[:-1])) / 2


def legend_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def contours_of(ax):
    return [line for line in ax.lines if line.get_label() == "_harmonic_mean"]


def test_line_and_point_by_hand():
    # The unseen samples switch at 3 and 1, the seen ones at 2 and 0.
    display = SeenUnseenCurveDisplay.from_predictions(TRUTH, SCORES, **KNOWN, delta=2.5, name="toy")
    np.testing.assert_array_equal(
        display.line_.get_xydata(), [[0, 1], [0, 0.5], [0.5, 0.5], [0.5, 0], [1, 0]]
    )
    np.testing.assert_array_equal(display.point_.get_xydata(), [[0.5, 0]])
    assert (display.unseen_accuracy, display.seen_accuracy, display.harmonic_mean) == (0.5, 0, 0)
    assert display.ausuc == area_under(display.line_) == 0.25
    assert display.best_point_ is None
    assert legend_of(display.ax_) == ["toy (AUSUC 0.25, H 0.00 at δ = 2.5)", "at the chosen δ"]


@pytest.mark.parametrize(
    ("delta", "point", "written"),
    [(np.inf, (1, 0), "∞"), (-np.inf, (0, 1), "−∞"), (-1.25, (0, 1), "−1.25"), (0, (0, 0.5), "0")],
)
def test_extreme_calibrations(delta, point, written):
    # At 0 the sample that switches there stays seen: its class is the first.
    scores = [[3, 1], [2, 2.0001], [4, 1], [1, 0]]
    display = SeenUnseenCurveDisplay.from_predictions(TRUTH, scores, **KNOWN, delta=delta)
    np.testing.assert_array_equal(display.point_.get_xydata(), [point])
    assert display.line_.get_label().endswith(f"at δ = {written}")


def test_no_calibration_no_point():
    display = SeenUnseenCurveDisplay.from_predictions(TRUTH, SCORES, **KNOWN)
    assert display.point_ is display.delta is display.harmonic_mean is None
    assert legend_of(display.ax_) == ["AUSUC 0.25"]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), delta=st.floats(-3, 3), coarse=st.booleans())
def test_the_drawn_area_is_the_score_and_the_point_is_on_the_curve(seed, delta, coarse):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(40, 5))
    delta += 1e-3 * np.pi  # no switching point of the coarse scores
    if coarse:
        scores = np.round(scores * 4) / 4
    y = np.concatenate([np.arange(5), rng.integers(0, 5, 35)])
    classes = rng.permutation(5)
    known = {"classes": classes, "seen_classes": [0, 2, 4]}
    display = SeenUnseenCurveDisplay.from_predictions(y, scores, **known, delta=delta)
    assert area_under(display.line_) == pytest.approx(ausuc_score(y, scores, **known))
    y_pred = classes[(scores + delta * np.isin(classes, [1, 3])).argmax(axis=1)]
    if not coarse:
        expected = gzsl_scores(y, y_pred, seen_classes=[0, 2, 4])
        assert display.harmonic_mean == pytest.approx(expected.harmonic_mean)
    distances = np.abs(display.line_.get_xydata() - display.point_.get_xydata()).max(axis=1)
    assert distances.min() < 1e-12


def estimators(birds, fitted):
    X, y, seen = birds
    train = (X[seen], y[seen])
    small = CVsCClassifier(max_epochs=2, delta=2.0, random_state=0)
    cv = SeenUnseenKFold(2, random_state=0)
    yield "own delta", fitted, 0.3
    by_probability = FixedCalibrationClassifier(small, delta=0.2, delta_scale="probability")
    yield "probability", by_probability.fit(*train, class_attributes=TABLE), 0.2
    pipeline = make_pipeline(StandardScaler(), FrozenEstimator(fitted)).fit(*train)
    yield "pipeline", pipeline, 0.3
    yield "fixed", FixedCalibrationClassifier(FrozenEstimator(fitted), delta=0.15), 0.15
    for units in ("std", "probability"):
        tuned = TunedCalibrationClassifierCV(small, cv=cv, units=units, random_state=0)
        tuned.fit(*train, class_attributes=TABLE)
        yield f"tuned {units}", tuned, tuned.best_delta_
    ensemble = SeedEnsembleClassifier(small, n_estimators=2, random_state=0)
    yield "ensemble", ensemble.fit(*train, class_attributes=TABLE), 2.0
    grid = GridSearchCV(small, {"delta": [0.7]}, cv=cv, scoring=ausuc_scorer)
    yield "search", grid.fit(*train, class_attributes=TABLE), 0.7


def test_the_point_is_what_predict_reaches(birds, fitted):
    X, y, _ = birds
    for name, estimator, delta in estimators(birds, fitted):
        display = SeenUnseenCurveDisplay.from_estimator(estimator, X, y, name=name)
        expected = gzsl_scores(y, estimator.predict(X), seen_classes=["a", "b", "c", "d"])
        found = (display.unseen_accuracy, display.seen_accuracy, display.harmonic_mean)
        assert found == tuple(expected), name
        assert display.delta == delta, name
        assert display.ausuc == pytest.approx(ausuc_scorer(estimator, X, y)), name
        distances = np.abs(display.line_.get_xydata() - display.point_.get_xydata())
        assert distances.max(axis=1).min() < 1e-12, name
        assert 0 < display.harmonic_mean < 1, name


def test_curve_of_an_estimator(birds, fitted):
    X, y, _ = birds
    display = SeenUnseenCurveDisplay.from_estimator(fitted, X, y)
    expected = seen_unseen_curve(
        y, fitted.uncalibrated_scores(X), classes=fitted.classes_, seen_classes=fitted.seen_classes_
    )
    np.testing.assert_array_equal(display.line_.get_xdata(), expected.unseen_accuracy)
    np.testing.assert_array_equal(display.line_.get_ydata(), expected.seen_accuracy)
    assert display.name == "CVsCClassifier"


def test_lazy_rows(birds, fitted, tmp_path):
    X, y, _ = birds
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    whole = SeenUnseenCurveDisplay.from_estimator(fitted, X, y)
    for lazy in (mapped, RowView(mapped)):
        display = SeenUnseenCurveDisplay.from_estimator(fitted, lazy, y)
        np.testing.assert_array_equal(display.line_.get_xydata(), whole.line_.get_xydata())


def test_classes_described_since_fit(birds, fitted):
    X, y, _ = birds
    new = ClassAttributes(
        [*TABLE.values[:4], [0, 1, 1, 0], [1, 0, 1, 1]], labels=["a", "b", "c", "d", "e", "zebra"]
    )
    used = y != "f"
    display = SeenUnseenCurveDisplay.from_estimator(fitted, X[used], y[used], class_attributes=new)
    y_pred = fitted.predict(X[used], class_attributes=new)
    expected = gzsl_scores(y[used], y_pred, seen_classes=fitted.seen_classes_)
    assert display.harmonic_mean == expected.harmonic_mean
    scores = fitted.uncalibrated_scores(X[used], class_attributes=new)
    known = {"classes": new.labels, "seen_classes": fitted.seen_classes_}
    assert display.ausuc == ausuc_score(y[used], scores, **known)
    with pytest.raises(ValueError, match="1 class.* no description of.*'f'"):
        SeenUnseenCurveDisplay.from_estimator(fitted, X, y, class_attributes=new)


def test_classes_without_samples_compete_unless_left_out(birds, fitted):
    X, y, _ = birds
    used = y != "f"
    X, y = X[used], y[used]
    among_all = SeenUnseenCurveDisplay.from_estimator(fitted, X, y)
    present = SeenUnseenCurveDisplay.from_estimator(fitted, X, y, candidates="present")
    named = SeenUnseenCurveDisplay.from_estimator(fitted, X, y, candidates=list("abcde"))
    assert present.ausuc == named.ausuc == pytest.approx(ausuc_scorer(fitted, X, y))
    assert among_all.ausuc < present.ausuc
    assert among_all.unseen_accuracy == np.mean(fitted.predict(X[y == "e"]) == "e")
    y_pred = fitted.predict(X[y == "e"], candidates=list("abcde"))
    assert present.unseen_accuracy == np.mean(y_pred == "e") != among_all.unseen_accuracy


def test_estimators_of_others(birds):
    X, y, _ = birds

    class Foreign:
        classes_ = TABLE.labels[::-1]
        seen_classes_ = TABLE.labels[:4]
        delta = "something else"

        def decision_function(self, X):
            return (X @ TABLE.values.T)[:, ::-1]

        def predict(self, X):
            return self.classes_[self.decision_function(X).argmax(axis=1)]

    display = SeenUnseenCurveDisplay.from_estimator(Foreign(), X, y)
    expected = gzsl_scores(y, Foreign().predict(X), seen_classes=TABLE.labels[:4])
    assert display.harmonic_mean == expected.harmonic_mean
    assert display.delta is None
    assert display.ausuc == pytest.approx(ausuc_scorer(Foreign(), X, y))
    assert "δ" not in display.line_.get_label()


def test_refusals(birds, fitted):
    X, y, seen = birds
    draw = SeenUnseenCurveDisplay.from_estimator
    with pytest.raises(NotFittedError):
        draw(CVsCClassifier(), X, y)
    with pytest.raises(TypeError, match="LogisticRegression has no seen_classes_"):
        draw(LogisticRegression().fit(X, y), X, y)
    with pytest.raises(ValueError, match="no sample of an unseen class"):
        draw(fitted, X[seen], y[seen])
    with pytest.raises(ValueError, match="2 columns but classes names 3"):
        SeenUnseenCurveDisplay.from_predictions(
            TRUTH, SCORES, classes=[0, 1, 2], seen_classes=[0], delta=1.0
        )
    with pytest.raises(ValueError, match="delta is NaN"):
        SeenUnseenCurveDisplay.from_predictions(TRUTH, SCORES, **KNOWN, delta=np.nan)
    with pytest.raises(ValueError, match="give both, or neither"):
        SeenUnseenCurveDisplay(
            curve=seen_unseen_curve(TRUTH, SCORES, **KNOWN), ausuc=0.25, unseen_accuracy=0.5
        )


def test_several_on_one_axis():
    display = SeenUnseenCurveDisplay.from_predictions(TRUTH, SCORES, **KNOWN, name="0")
    ax = display.ax_
    n_axes = len(ax.child_axes)
    lines = [display.line_]
    for i in range(1, 12):
        lines.append(display.plot(ax, name=str(i)).line_)
    styles = [(line.get_color(), line.get_linestyle()) for line in lines]
    assert [color for color, _ in styles] == [PALETTE[i % 6] for i in range(12)]
    assert [style for _, style in styles[:4]] == list(LINESTYLES[:4])
    # Dashes of two lines can have one name: told apart by their pattern.
    patterns = {(line.get_color(), str(line._unscaled_dash_pattern)) for line in lines}
    assert len(patterns) == 12
    assert len(contours_of(ax)) == 9
    assert len(ax.child_axes) == n_axes == 1
    assert legend_of(ax) == [f"{i} (AUSUC 0.25)" for i in range(12)]
    assert display.ax_ is ax
    assert display.figure_ is ax.figure


def test_options_of_the_line():
    display = SeenUnseenCurveDisplay.from_predictions(
        TRUTH, SCORES, **KNOWN, c="red", lw=4, label="mine", delta=1.5
    )
    line = display.line_
    assert (line.get_color(), line.get_linewidth(), line.get_label()) == ("red", 4, "mine")
    assert display.point_.get_color() == "red"
    # Recognised for all that.
    assert display.plot(display.ax_).line_.get_color() == PALETTE[1]


def test_contours_and_their_axis():
    display = SeenUnseenCurveDisplay.from_predictions(TRUTH, SCORES, **KNOWN)
    ax = display.ax_
    for i, line in enumerate(contours_of(ax)):
        unseen, seen = line.get_xydata().T
        np.testing.assert_allclose(2 * unseen * seen / (unseen + seen), (i + 1) / 10)
        # From edge to edge.
        assert seen[0] > ax.get_ylim()[1]
        assert unseen[-1] > ax.get_xlim()[1]
    (right,) = ax.child_axes
    ax.figure.canvas.draw()
    np.testing.assert_allclose(right.get_yticks(), np.arange(1, 10) / 10)
    np.testing.assert_allclose(ax.get_xlim(), (-0.01, 1.01))
    np.testing.assert_allclose(ax.get_ylim(), (-0.01, 1.01))
    assert ax.get_aspect() == 1
    # The label is where its contour leaves the frame.
    level = right.transData.inverted().transform(ax.transData.transform((1.01, 1.01 / 3)))[1]
    np.testing.assert_allclose(level, 0.505)  # 2 (1.01) (1.01 / 3) / (1.01 + 1.01 / 3)

    plain = SeenUnseenCurveDisplay.from_predictions(TRUTH, SCORES, **KNOWN)
    plain.plot(show_harmonic_mean=False)
    assert contours_of(plain.ax_) == plain.ax_.child_axes == []


def test_best_point():
    curve = SeenUnseenCurve(*np.array([[0, 0.4, 0.5, 0.9], [0.9, 0.8, 0.7, 0], [-1, 0, 1, 2]]))
    display = SeenUnseenCurveDisplay(
        curve=curve, ausuc=0.6, unseen_accuracy=0.4, seen_accuracy=0.8, delta=0.0
    ).plot(mark_best=True)
    np.testing.assert_array_equal(display.best_point_.get_xydata(), [[0.5, 0.7]])
    assert display.harmonic_mean == pytest.approx(0.64 / 1.2)
    assert legend_of(display.ax_) == [
        "AUSUC 0.60, H 0.53 at δ = 0",
        "at the chosen δ",
        "largest H, in hindsight",
    ]


@pytest.mark.parametrize(("height", "corner"), [(0.3, "upper right"), (0.99, "lower left")])
def test_the_legend_hides_no_curve(height, corner):
    curve = SeenUnseenCurve(
        np.linspace(0, 0.99, 100), np.full(100, height), np.arange(100, dtype=float)
    )
    display = SeenUnseenCurveDisplay(curve=curve, ausuc=height, name="flat").plot()
    display.figure_.canvas.draw()
    box = display.ax_.get_legend().get_window_extent()
    corners = display.ax_.transAxes.inverted().transform(box.get_points())
    assert (corners[:, 1].min() > 0.5) == (corner == "upper right")
    pixels = display.ax_.transData.transform(display.line_.get_xydata())
    assert not any(box.contains(x, y) for x, y in pixels)


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_nothing_global_is_changed(style):
    with plt.style.context(style):
        before = dict(matplotlib.rcParams)
        display = SeenUnseenCurveDisplay.from_predictions(TRUTH, SCORES, **KNOWN, delta=1.0)
        assert dict(matplotlib.rcParams) == before
        paper = {"default": 1.0, "dark_background": 0.0}[style]
        assert display.point_.get_markeredgecolor() == (paper,) * 3
        contour = np.array(contours_of(display.ax_)[0].get_color())
        np.testing.assert_allclose(np.abs(contour - paper), 0.2)
