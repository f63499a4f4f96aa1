import numpy as np
import pytest
from hypothesis import given as given_examples
from hypothesis import settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from zslearn import ClassAttributes, CVsCClassifier
from zslearn.attention import CVsCObjective
from zslearn.base import ZeroShotClassifierMixin
from zslearn.calibration import FixedCalibrationClassifier, TunedCalibrationClassifierCV
from zslearn.ensemble import SeedEnsembleClassifier
from zslearn.inspection import SemanticExplanationDisplay
from zslearn.model_selection import RowView

plt = pytest.importorskip("matplotlib.pyplot")

MINUS = "\N{MINUS SIGN}"
# Rows of length 5, 10 and 1.
TABLE = ClassAttributes(
    [[3, 4, 0], [6, 0, 8], [0, 0, 1]],
    labels=["cat", "dog", "okapi"],
    attribute_names=["big", "has_fur::short", "has_fur::long"],
)
X = np.array([[2.0, 1.0, 0.5]])
# Twice 2 1 .5 times .6 .8 0, .6 0 .8 and 0 0 1.
SCORES = {"cat": 4.0, "dog": 3.2, "okapi": 1.0}


class Given(ZeroShotClassifierMixin, BaseEstimator):
    """X is what is predicted; scores are twice its products with descriptions of length one."""

    def __init__(self, delta=0.0, delta_scale="logit", factor=1.0):
        self.delta = delta
        self.delta_scale = delta_scale
        self.factor = factor

    def fit(self, X, y, class_attributes):
        self.class_attributes_ = class_attributes
        self.classes_ = class_attributes.labels
        self.seen_classes_ = np.unique(y)
        self.n_features_in_ = X.shape[1]
        return self

    def class_embeddings(self, class_attributes=None):
        values = self._described(class_attributes).values
        return 2 * values / np.linalg.norm(values, axis=1, keepdims=True)

    def _class_scores(self, X, table):
        return self.factor * np.asarray(X) @ self.class_embeddings(table).T

    def predict_attributes(self, X):
        return np.asarray(X)


def fitted(seen=("cat", "dog"), table=TABLE, **params):
    return Given(**params).fit(np.ones((len(seen), 3)), np.array(seen), table)


def explain(estimator, X=X, **options):
    return SemanticExplanationDisplay.from_estimator(estimator, X, **options)


def bars(display):
    names = [text.get_text() for text in display.ax_.get_yticklabels()]
    return dict(zip(names, [bar.get_width() for bar in display.bars_], strict=True))


def drawn(display):
    return sum(bar.get_width() for bar in display.bars_)


def test_predicted_class_against_runner_up():
    display = explain(fitted())
    # cat 2.4 1.6 0 and dog 2.4 0 .8: "big" tells nothing.
    np.testing.assert_allclose(display.contributions, [0.0, 1.6, -0.8], rtol=1e-15)
    assert list(bars(display)) == ["fur: short", "fur: long", "1 other attribute"]
    np.testing.assert_allclose(list(bars(display).values()), [1.6, -0.8, 0.0], rtol=1e-15)
    assert display.score_difference == pytest.approx(SCORES["cat"] - SCORES["dog"], rel=1e-15)
    assert display.ax_.get_title() == "Taken for cat rather than dog: score difference +0.80"
    labels = [text.get_text() for text in display.ax_.texts]
    assert "\N{LEFTWARDS ARROW} dog" in labels
    assert "cat \N{RIGHTWARDS ARROW}" in labels
    assert {"+1.60", f"{MINUS}0.80"} <= set(labels)


def test_values_are_written_beside_the_bars():
    display = explain(fitted())
    values = [[text.get_text() for text in row] for row in display.value_texts_]
    # Predicted, cat and dog: two digits of the largest in a column.
    assert values == [["1.0", "4.0", "0.0"], ["0.5", "0.0", "8.0"]]
    heads = [text for text in display.ax_.texts if text.get_text() in ("predicted", "cat", "dog")]
    colors = {text.get_text(): text.get_color() for text in heads}
    by_name = dict(zip(bars(display), display.bars_, strict=True))
    assert plt.matplotlib.colors.same_color(colors["cat"], by_name["fur: short"].get_facecolor())
    assert plt.matplotlib.colors.same_color(colors["dog"], by_name["fur: long"].get_facecolor())
    assert display.plot(values=False).value_texts_ == []


@pytest.mark.parametrize(
    ("contribution", "text"),
    [(123.4, "+123"), (-0.04, f"{MINUS}0.0400"), (1e-7, "+1e\N{MINUS SIGN}07"), (9.996, "+10.00")],
)
def test_numbers_are_short(contribution, text):
    display = SemanticExplanationDisplay(
        contributions=[contribution], attribute_names=["a"], class_name=0, other_name=1
    ).plot()
    assert display.ax_.texts[0].get_text() == text


def test_long_names_are_cut():
    display = SemanticExplanationDisplay(
        contributions=[1.0], attribute_names=["a"], class_name=40 * "x", other_name="y"
    ).plot()
    assert display.ax_.get_title().startswith(f"Taken for {29 * 'x'}\N{HORIZONTAL ELLIPSIS} rather")
    assert f"{17 * 'x'}\N{HORIZONTAL ELLIPSIS} \N{RIGHTWARDS ARROW}" in [
        text.get_text() for text in display.ax_.texts
    ]


def test_target_and_other_are_taken():
    display = explain(fitted(), target="okapi")
    assert (display.class_name, display.other_name) == ("okapi", "cat")
    assert display.score_difference == pytest.approx(-3.0)
    title = f"Not taken for okapi but for cat: score difference {MINUS}3.00"
    assert display.ax_.get_title() == title
    display = explain(fitted(), target="dog", other="okapi")
    np.testing.assert_allclose(display.contributions, [2.4, 0.0, -0.2], rtol=1e-15)
    title = "dog against okapi (taken for cat): score difference +2.20"
    assert display.ax_.get_title().replace("\n", " ") == title
    display = explain(fitted(), other="okapi")
    assert (display.class_name, display.other_name) == ("cat", "okapi")


@pytest.mark.parametrize(
    ("target", "other", "calibration"),
    [("okapi", "cat", 5.0), ("cat", "okapi", -5.0), ("cat", "dog", 0.0)],
)
def test_calibration_has_a_bar_of_its_own(target, other, calibration):
    display = explain(fitted(delta=5.0), target=target, other=other)
    assert display.calibration == calibration
    assert ("calibration (unseen class)" in bars(display)) == bool(calibration)
    assert drawn(display) == pytest.approx(SCORES[target] - SCORES[other] + calibration)
    assert display.predicted_name == "okapi"
    if calibration:
        assert list(bars(display).values())[-1] == calibration


def test_calibration_chooses_class_and_runner_up():
    # cat 4, dog 3.2, okapi 1 + 2.5.
    display = explain(fitted(delta=2.5))
    assert (display.class_name, display.other_name) == ("cat", "okapi")
    assert display.score_difference == pytest.approx(0.5)
    display = explain(fitted(delta=3.5))
    assert (display.class_name, display.other_name) == ("okapi", "cat")


def test_delta_on_probabilities_is_a_note():
    estimator = fitted(delta=0.7, delta_scale="probability")
    display = explain(estimator)
    shares = softmax(list(SCORES.values()))
    assert shares[2] + 0.7 > shares[0]
    assert (display.class_name, display.other_name) == ("okapi", "cat")
    assert display.calibration == 0
    assert display.score_difference == pytest.approx(-3.0)
    note = f"{shares[2]:.3f} + 0.7 against {shares[0]:.3f}"
    assert display.note == f"delta is added to probabilities, not to these scores: {note}"
    assert display.ax_.get_xlabel().endswith(display.note)
    assert explain(estimator, target="cat", other="dog").note is None
    display = explain(fitted(delta=-0.5, delta_scale="probability"), other="okapi")
    assert display.note.endswith(f"{shares[0]:.3f} against {shares[2]:.3f} {MINUS} 0.5")


@pytest.mark.parametrize(("delta", "first"), [(np.inf, "okapi"), (-np.inf, "cat")])
def test_infinite_delta_is_a_note(delta, first):
    display = explain(fitted(delta=delta))
    assert display.class_name == first
    other = explain(fitted(delta=delta), target="dog")
    assert other.other_name == first
    pair = explain(fitted(delta=delta), target="cat", other="okapi")
    winner = "unseen" if delta > 0 else "seen"
    assert pair.note == f"delta = {delta} decides: {winner} classes win whatever their scores"
    assert pair.calibration == 0


def test_other_attributes_share_a_bar():
    display = SemanticExplanationDisplay(
        contributions=[0.5, -3.0, 0.25, 2.0, -1.0],
        attribute_names=list("abcde"),
        class_name="x",
        other_name="y",
        calibration=-2.0,
    ).plot(max_attributes=2)
    expected = {"b": -3.0, "d": 2.0, "3 other attributes": -0.25}
    assert bars(display) == expected | {"calibration (unseen class)": -2.0}
    assert display.score_difference == -3.25
    hatches = [bar.get_hatch() for bar in display.bars_]
    assert hatches[:2] == [None, None]
    assert all(hatches[2:])
    # One that is left over has its name.
    assert list(bars(display.plot(max_attributes=4)))[:5] == ["b", "d", "e", "a", "c"]
    with pytest.raises(ValueError, match="max_attributes must be at least 1, found 0"):
        display.plot(max_attributes=0)


@settings(max_examples=20, deadline=None)
@given_examples(
    st.lists(st.integers(-1000, 1000), min_size=1, max_size=30),
    st.integers(1, 32),
    st.integers(-5, 5),
)
def test_bars_always_add_up(contributions, max_attributes, delta):
    display = SemanticExplanationDisplay(
        contributions=contributions,
        attribute_names=[f"a{k}" for k in range(len(contributions))],
        class_name=0,
        other_name=1,
        calibration=delta,
    ).plot(max_attributes=max_attributes)
    # Integers are exact.
    assert drawn(display) == display.score_difference == sum(contributions) + delta


def real(estimator=None, n_regions=4, **params):
    rng = np.random.default_rng(0)
    table = ClassAttributes(rng.uniform(size=(8, 30)), labels=list("abcdefgh"))
    y = rng.choice(list("abcdef"), size=60)
    X = rng.normal(size=(60, n_regions, 10)) + np.array([ord(label) for label in y])[:, None, None]
    params = {"delta": 2.0, "objective": CVsCObjective(scale=1.7)} | params
    clf = CVsCClassifier(max_epochs=2, random_state=0, **params)
    if estimator is not None:
        clf = estimator(clf)
    return clf.fit(X, y, class_attributes=table), X, table


@pytest.mark.parametrize("params", [{}, {"precision": "bfloat16"}, {"delta": 0.0}, {"head": "own"}])
def test_bars_add_up_to_the_scores_of_a_network(params):
    clf, X, _ = real(**params)
    scores = dict(zip(clf.classes_, clf.uncalibrated_scores(X[7:8])[0].astype(float), strict=True))
    for target, other in (("a", "g"), ("h", "b"), ("a", "b"), ("g", "h")):
        display = explain(clf, X[7:8], target=target, other=other, max_attributes=5)
        assert (display.pooled == 0) == (clf.head == "own")
        assert len(display.bars_) == 6 + (display.pooled != 0) + (display.calibration != 0)
        delta = clf.delta * ((target in "gh") - (other in "gh"))
        size = np.abs(display.predicted_values).sum() + max(map(abs, scores.values()))
        expected = scores[target] - scores[other] + delta
        assert drawn(display) == pytest.approx(expected, abs=1e-6 * size)
    display = explain(clf, X[7:8])
    assert display.class_name == clf.predict(X[7:8])[0]
    rest = [label for label in clf.classes_ if label != display.class_name]
    assert display.other_name == clf.predict(X[7:8], candidates=rest)[0]


ESTIMATORS = {
    "ensemble": lambda clf: SeedEnsembleClassifier(clf, n_estimators=2, random_state=0),
    "fixed": lambda clf: FixedCalibrationClassifier(clf, delta=3.0),
    "tuned": lambda clf: TunedCalibrationClassifierCV(clf, cv=2, random_state=0),
}


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_estimators_of_estimators(kind):
    clf, X, _ = real(ESTIMATORS[kind])
    delta = {"ensemble": 2.0, "fixed": 3.0, "tuned": getattr(clf, "best_delta_", None)}[kind]
    scores = dict(zip(clf.classes_, clf.uncalibrated_scores(X[:1])[0].astype(float), strict=True))
    for wrapped in (clf, make_pipeline(FunctionTransformer(), FrozenEstimator(clf))):
        display = explain(wrapped, X[:1], target="h", other="a")
        assert display.calibration == delta
        assert drawn(display) == pytest.approx(scores["h"] - scores["a"] + delta, abs=1e-4)
        assert explain(wrapped, X[:1]).class_name == clf.predict(X[:1])[0]


def test_other_classes_and_row_views():
    clf, X, table = real()
    new = ClassAttributes(
        np.vstack([table.values[0], 1 - table.values[1]]),
        labels=["a", "new"],
        attribute_names=table.attribute_names,
    )
    a, unseen = clf.uncalibrated_scores(X[5:6], class_attributes=new)[0]
    view = RowView(X)[np.array([5])]
    display = explain(clf, view, target="new", class_attributes=new)
    assert display.other_name == "a"
    assert display.calibration == 2.0
    assert drawn(display) == pytest.approx(unseen - a + 2.0, abs=1e-4)
    np.testing.assert_array_equal(display.class_values, new.values[::-1])


def test_without_a_table_classes_are_their_own_attributes():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 10)
    X = rng.normal(size=(30, 4)) + y[:, None]
    clf = CVsCClassifier(max_epochs=2, head="own", random_state=0).fit(X, y)
    display = explain(clf, X[:1], target=2, other=0)
    s = clf.predict_attributes(X[:1])[0]
    np.testing.assert_allclose(display.contributions, [-s[0], 0, s[2]], rtol=1e-6)
    assert "1 other attribute" in bars(display)


def test_estimators_without_a_sum_are_refused():
    plain = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    with pytest.raises(TypeError, match="LogisticRegression has no predict_attributes and no"):
        explain(plain, [[0.0]])
    ensemble = SeedEnsembleClassifier(CVsCClassifier(), average="probability")
    clf, X, _ = real(lambda clf: ensemble.set_params(estimator=clf, n_estimators=2))
    with pytest.raises(TypeError, match="has no class_embeddings.*average='score'"):
        explain(clf, X[:1])
    with pytest.raises(TypeError, match="those of Given differ by 0.88 where .* sum to 0.8:"):
        explain(fitted(factor=1.1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"X": np.ones((2, 3))}, r"X must hold one sample, found 2: pass X\[i : i \+ 1\]"),
        ({"target": "emu"}, "target must be the label of a described class: .*'emu'"),
        ({"other": "emu"}, "other must be the label of a described class: .*'emu'"),
        ({"target": "cat", "other": "cat"}, "are the same class, 'cat'"),
        ({"X": np.full((1, 3), np.nan)}, "NaN or infinite"),
        ({"class_attributes": TABLE.subset(["cat"])}, "only 'cat' is described"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        explain(fitted(), **options)


def test_a_fit_is_needed():
    with pytest.raises(NotFittedError):
        explain(CVsCClassifier())


def test_image_is_shown_beside():
    image = np.random.default_rng(0).integers(0, 255, size=(5, 6, 3), dtype=np.uint8)
    display = explain(fitted(), image=image)
    np.testing.assert_array_equal(display.image_ax_.images[0].get_array(), image)
    assert display.image_ax_.figure is display.ax_.figure
    assert explain(fitted()).image_ax_ is None
    figure, (left, right) = plt.subplots(1, 2)
    display = explain(fitted(), image=image, ax=right, image_ax=left)
    assert (display.image_ax_, display.ax_, display.figure_) == (left, right, figure)
    with pytest.raises(ValueError, match="ax was given without image_ax"):
        explain(fitted(), image=image, ax=right)
    with pytest.raises(ValueError, match="image_ax was given without ax"):
        explain(fitted(), image=image, image_ax=left)


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"class_values must have shape \(2, 1\).*found .*\(1,\)"):
        SemanticExplanationDisplay(
            contributions=[1],
            attribute_names=["a"],
            class_name=0,
            other_name=1,
            class_values=[1],
        )


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_both_sides_stand_out(style):
    before = plt.rcParams.copy()
    explain(fitted())
    assert plt.rcParams == before
    with plt.style.context(style):
        display = explain(fitted())
        paper = np.array(plt.matplotlib.colors.to_rgb(display.ax_.get_facecolor()))
        for bar in display.bars_[:2]:
            assert np.abs(np.array(bar.get_facecolor()[:3]) - paper).max() > 0.6
